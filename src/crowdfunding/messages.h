/*
 * messages.h
 *		The published contract of context crowdfunding: the only file of it that
 *		another context may include.
 */
#ifndef SPARK_CROWDFUNDING_MESSAGES_H
#define SPARK_CROWDFUNDING_MESSAGES_H

#include "common/declare_messages.h"
#include "crowdfunding/messages.def"

/* All of them, NULL at the end. */
extern const MessageType *const crowdfunding_messages[];

#endif
