/*
 * server.h
 *		The one door to PostgreSQL's own headers.
 *
 * Adapters and entry points include this file, never postgres.h itself.  What
 * differs between the supported majors (15 to 18) stands here and nowhere
 * else.
 */
#ifndef SPARK_POSTGRES_SERVER_H
#define SPARK_POSTGRES_SERVER_H

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif

/*
 * Two names of the planner's nodes are words of the domain here; the server's
 * own are out of the way while its headers are read.
 */
#define Result PostgresResult
#define Integer PostgresInteger

#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#undef Result
#undef Integer

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#if PG_VERSION_NUM < 150000
#error "spark needs PostgreSQL 15 or later"
#endif

/* 16 asks for the rights on every kind of object by one function. */
#if PG_VERSION_NUM >= 160000
#define pg_proc_aclcheck(function, role, mode) object_aclcheck(ProcedureRelationId, function, role, mode)
#define pg_namespace_aclcheck(schema, role, mode) object_aclcheck(NamespaceRelationId, schema, role, mode)
#endif

/* 18 can count what an index scan does. */
#if PG_VERSION_NUM >= 180000
#define begin_index_scan(table, index, snapshot, keys) index_beginscan(table, index, snapshot, NULL, keys, 0)
#else
#define begin_index_scan(table, index, snapshot, keys) index_beginscan(table, index, snapshot, keys, 0)
#endif

/* 17 numbers processes by their place in shared memory. */
#if PG_VERSION_NUM >= 170000
#include "storage/procarray.h"
#define process_of_transaction(virtual) ProcNumberGetProc((virtual).procNumber)
#else
#include "storage/sinvaladt.h"
#define process_of_transaction(virtual) BackendIdGetProc((virtual).backendId)
#endif

/* 18 marks what never returns by a word before the declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

#endif
