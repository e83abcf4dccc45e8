/*
 * extension.c
 *		The extension as the catalogue has it: its oid, and who owns it.
 */
#include "postgres/extension.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/syscache.h"

static Oid	known;				/* InvalidOid: to be read */
static Oid	known_owner;
static uint64 schema_changes;	/* that this backend has heard of */

static void
on_schema_change(Datum argument, int cache, uint32 hash)
{
	(void) argument;
	(void) cache;
	(void) hash;
	known = InvalidOid;
	schema_changes++;
}

static void
read_row(Oid *extension, Oid *owner)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	*extension = *owner = InvalidOid;
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("spark"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		*extension = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		*owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
}

static void
look(Oid *extension, Oid *owner)
{
	static bool watching;
	uint64		changes_before;

	if (!watching)
		CacheRegisterSyscacheCallback(NAMESPACEOID, on_schema_change, (Datum) 0);
	watching = true;
	*extension = known;
	*owner = known_owner;
	if (OidIsValid(known))
		return;
	changes_before = schema_changes;
	read_row(extension, owner);
	/* Reading may have let in the news of a change that it has not seen. */
	if (schema_changes != changes_before)
		return;
	known = *extension;
	known_owner = *owner;
}

Oid
spark_extension(void)
{
	Oid			extension;
	Oid			owner;

	look(&extension, &owner);
	return extension;
}

Oid
spark_extension_owner(void)
{
	Oid			extension;
	Oid			owner;

	look(&extension, &owner);
	return owner;
}
