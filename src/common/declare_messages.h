/*
 * declare_messages.h
 *		Included before a messages.def, from a context's messages.h: each
 *		MESSAGE becomes a struct of that name and the declaration of its type,
 *		<message>_type.  No include guard: each context includes it anew.
 */
#include "common/message.h"

#undef MESSAGE
#undef MESSAGE_ORDERED
#undef FIELD
#undef OPTIONAL
#define MESSAGE(message, name, kind, version, aggregate, ...) \
	MESSAGE_ORDERED(message, name, kind, version, aggregate, KEY, BLOCK, __VA_ARGS__)
#define MESSAGE_ORDERED(message, name, kind, version, aggregate, order, when_dead, ...) \
	typedef struct message { __VA_ARGS__ } message; \
	extern const MessageType message##_type;
#define FIELD(type, field) type field;
#define OPTIONAL(type, field) type field;
