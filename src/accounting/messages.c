/*
 * messages.c
 *		The tables of fields of the messages of context accounting.
 */
#include "accounting/messages.h"

#include "common/define_messages.h"
#include "accounting/messages.def"

const MessageType *const accounting_messages[] = {
#include "common/list_messages.h"
#include "accounting/messages.def"
	NULL
};
