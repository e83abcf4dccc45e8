/*
 * commands_of_users.h
 *		Which consumer of a user a command is for.
 *
 * Asked for every message that is none of spark's own, so the answer is kept
 * in the backend until somebody subscribes or unsubscribes.
 */
#ifndef SPARK_POSTGRES_BUS_COMMANDS_OF_USERS_H
#define SPARK_POSTGRES_BUS_COMMANDS_OF_USERS_H

#include "postgres/server.h"

/* NULL: it is no command, or nobody's.  Good until the transaction ends. */
extern const char *subscriber_of_command(const char *message_type);

/* Tells every backend, at commit, that the subscriptions are others. */
extern void subscriptions_changed(void);

#endif
