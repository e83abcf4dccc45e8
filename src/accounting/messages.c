/*
 * messages.c
 *		The tables of fields of the messages of context accounting.
 */
#include "accounting/messages.h"

#include "common/define_messages.h"
#include "accounting/messages.def"
