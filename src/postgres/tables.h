/*
 * tables.h
 *		The files of sql/tables/, embedded by the build (tools/embed_tables.sh).
 */
#ifndef SPARK_POSTGRES_TABLES_H
#define SPARK_POSTGRES_TABLES_H

typedef struct EmbeddedTables
{
	const char *context;		/* "accounting": its schema is spark_accounting */
	int			version;		/* which this DDL brings, from the one before */
	const char *ddl;
} EmbeddedTables;

extern const EmbeddedTables embedded_tables[];
extern const int embedded_table_count;

#endif
