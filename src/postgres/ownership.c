/*
 * ownership.c
 *		Acting as the owner of the extension for a moment.
 */
#include "postgres/ownership.h"

#include "postgres/errors.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/syscache.h"

/*
 * Kept, for every message asks.  The extension owns schemas: whatever makes or
 * drops it, or gives it to another owner, changes those, too.
 */
static Oid	known_owner;
static uint64 schema_changes;	/* that this backend has heard of */

static void
on_schema_change(Datum argument, int cache, uint32 hash)
{
	(void) argument;
	(void) cache;
	(void) hash;
	known_owner = InvalidOid;
	schema_changes++;
}

static Oid
read_owner(void)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("spark"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return owner;
}

static Oid
extension_owner(void)
{
	static bool watching;
	uint64		changes_before;
	Oid			owner;

	if (!watching)
		CacheRegisterSyscacheCallback(NAMESPACEOID, on_schema_change, (Datum) 0);
	watching = true;
	if (OidIsValid(known_owner))
		return known_owner;
	changes_before = schema_changes;
	owner = read_owner();
	/* Reading may have let in the news of a change that it has not seen. */
	if (schema_changes == changes_before)
		known_owner = owner;
	return owner;
}

Ownership
become_owner(void)
{
	Ownership	ownership;
	Oid			owner = extension_owner();

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
