/*
 * installed.h
 *		The books: whether their tables are there, in this code's version.
 *
 * Code is the extension; tables are made by spark.install() (install.c) and
 * belong to no extension, so that they survive DROP EXTENSION and come along in
 * a plain dump.  spark_common.installed says which version each context has.
 */
#ifndef SPARK_POSTGRES_INSTALLED_H
#define SPARK_POSTGRES_INSTALLED_H

#include "postgres/server.h"

/*
 * True where the SQL of the extension, the tables of that context and those of
 * the bus are there, in the version of this code, and the log was written by this very cluster.
 */
extern bool tables_are_current(const char *context);

/* Asks anew at the next question; also happens by itself on any DDL. */
extern void forget_installed(void);

/* The version that this code brings a context to; 0: not a context of spark. */
extern int	newest_version(const char *context);

/* True where the SQL of the extension is of the version of this library. */
extern bool script_is_current(void);

/* True where that context was installed and its schema is gone since. */
extern bool tables_are_lost(const char *context);

/* The version its tables have; 0: none. */
extern int	installed_version(const char *context);

/*
 * False while the tables are being restored from a dump.  Row security comes
 * last of all in one, and on every table; its indexes come before.
 */
extern bool books_are_whole(void);

/* False where the transaction keeps to a snapshot that is older than what was installed last. */
extern bool transaction_sees_installed(void);

/* Counts changes of relations that this backend has heard of: it differs where something may be different. */
extern uint64 relation_changes(void);

/*
 * Holds off DROP and ALTER EXTENSION until the transaction ends; false where
 * there is no such extension (any more).
 */
extern bool lock_spark_extension(LOCKMODE mode);

#endif
