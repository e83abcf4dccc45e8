/*
 * messages.h
 *		The published contract of context bitcoin: the only file of it that
 *		another context may include.
 */
#ifndef SPARK_BITCOIN_MESSAGES_H
#define SPARK_BITCOIN_MESSAGES_H

#include "common/declare_messages.h"
#include "bitcoin/messages.def"

/* All of them, NULL at the end. */
extern const MessageType *const bitcoin_messages[];

#endif
