/*
 * ownership.c
 *		Acting as the owner of the extension for a moment.
 */
#include "postgres/ownership.h"

#include "postgres/errors.h"
#include "postgres/extension.h"

Ownership
become_owner(void)
{
	Ownership	ownership;
	Oid			owner = spark_extension_owner();

	if (!OidIsValid(owner))
		refuse(RESULT_NOT_INSTALLED, "The extension spark is not created in this database.");
	GetUserIdAndSecContext(&ownership.user, &ownership.security);
	SetUserIdAndSecContext(owner, ownership.security | SECURITY_LOCAL_USERID_CHANGE);
	return ownership;
}

void
become_caller(Ownership ownership)
{
	SetUserIdAndSecContext(ownership.user, ownership.security);
}

const char *
acting_role(void)
{
	const char *name = GetUserNameFromId(GetOuterUserId(), true);

	return name != NULL ? name : "unknown";
}
