/*
 * installed.h
 *		spark.install(): the books, and whether they are there.
 *
 * Code is the extension; tables are made by spark.install() and belong to
 * nobody's extension, so that they survive DROP EXTENSION and come along in a
 * plain dump.  spark_common.installed says which version each context has.
 */
#ifndef SPARK_POSTGRES_INSTALLED_H
#define SPARK_POSTGRES_INSTALLED_H

#include "postgres/server.h"

/* True where the tables of that context are there, in the version of this code. */
extern bool tables_are_current(const char *context);

/* The oid of the extension spark in this database, or InvalidOid. */
extern Oid	spark_extension(void);

#endif
