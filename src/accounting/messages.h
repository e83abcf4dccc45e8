/*
 * messages.h
 *		The published contract of context accounting: the only file of it that
 *		another context may include.
 */
#ifndef SPARK_ACCOUNTING_MESSAGES_H
#define SPARK_ACCOUNTING_MESSAGES_H

#include "common/declare_messages.h"
#include "accounting/messages.def"

/* All of them, NULL at the end. */
extern const MessageType *const accounting_messages[];

#endif
