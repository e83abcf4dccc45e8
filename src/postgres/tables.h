/*
 * tables.h
 *		The tables of each context, as SQL text inside the library.
 *
 * The build writes them from sql/tables/<context>/<version>*.sql; files of one
 * version are one text, in the order of their names.  Rows are ordered by
 * context, then by version; versions of a context count from 1 without a gap.
 */
#ifndef SPARK_POSTGRES_TABLES_H
#define SPARK_POSTGRES_TABLES_H

typedef struct EmbeddedTables
{
	const char *context;		/* "accounting" */
	int			version;		/* from version - 1 to this one */
	const char *ddl;
} EmbeddedTables;

extern const EmbeddedTables embedded_tables[];
extern const int embedded_table_count;

#endif
