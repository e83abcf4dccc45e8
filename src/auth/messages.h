/*
 * messages.h
 *		The published contract of context auth: the only file of it that
 *		another context may include.
 */
#ifndef SPARK_AUTH_MESSAGES_H
#define SPARK_AUTH_MESSAGES_H

#include "common/declare_messages.h"
#include "auth/messages.def"

/* All of them, NULL at the end. */
extern const MessageType *const auth_messages[];

#endif
