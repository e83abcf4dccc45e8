/*
 * messages.c
 *		The tables of fields of the messages of context crowdfunding.
 */
#include "crowdfunding/messages.h"

#include "common/define_messages.h"
#include "crowdfunding/messages.def"

const MessageType *const crowdfunding_messages[] = {
#include "common/list_messages.h"
#include "crowdfunding/messages.def"
	NULL
};
