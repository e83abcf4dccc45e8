/*
 * messages.c
 *		The tables of fields of the messages of context auth.
 */
#include "auth/messages.h"

#include "common/define_messages.h"
#include "auth/messages.def"

const MessageType *const auth_messages[] = {
#include "common/list_messages.h"
#include "auth/messages.def"
	NULL
};
