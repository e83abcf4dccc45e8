/*
 * ownership.h
 *		Acting as the owner of the extension for a moment.
 *
 * Most functions are SECURITY DEFINER.  Those of spark_bus must know who really
 * calls, so they are not, and become the owner only around their own statements.
 * On an error the server's abort restores the user.
 */
#ifndef SPARK_POSTGRES_OWNERSHIP_H
#define SPARK_POSTGRES_OWNERSHIP_H

#include "postgres/server.h"

typedef struct Ownership
{
	Oid			user;			/* who called */
	int			security;
} Ownership;

extern Ownership become_owner(void);
extern void become_caller(Ownership ownership);

/* The role that the session has: of whom an audit speaks. */
extern const char *acting_role(void);

#endif
