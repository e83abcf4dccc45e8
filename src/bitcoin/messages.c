/*
 * messages.c
 *		The tables of fields of the messages of context bitcoin.
 */
#include "bitcoin/messages.h"

#include "common/define_messages.h"
#include "bitcoin/messages.def"

const MessageType *const bitcoin_messages[] = {
#include "common/list_messages.h"
#include "bitcoin/messages.def"
	NULL
};
