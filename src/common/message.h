/*
 * message.h
 *		Messages: what contexts tell and ask each other.
 *
 * A command is an imperative for one context; an event is a fact, for whoever
 * listens.  Each is defined once, in the messages.def of the context that owns
 * it; that definition gives the C struct (common/declare_messages.h), the table
 * of its fields (common/define_messages.h) and so encoding, decoding, the
 * check of missing and unknown fields, and the reference page.
 *
 *		MESSAGE(crowdfunding_donation_confirmed, "crowdfunding.donation_confirmed",
 *				EVENT, 1, "donation",
 *				FIELD(Uuid, campaign_id)
 *				FIELD(Amount, amount_msat)
 *				OPTIONAL(Text, reason))
 *
 * Messages of one key are handled in their order, and where one fails the later
 * ones wait for it.  A type of which that is not wanted says so by
 * MESSAGE_ORDERED, with what waits while it fails (KEY, NONE, LANE) and when it
 * is dead (BLOCK, SKIP) behind what its key is an id of.
 *
 * A payload is a flat JSON object.  An optional field is left out where it has
 * the zero value of its type, and reads back as that.  A later schema version
 * may add optional fields only: so an older message still decodes.
 */
#ifndef SPARK_COMMON_MESSAGE_H
#define SPARK_COMMON_MESSAGE_H

#include "common/amount.h"
#include "common/arena.h"
#include "common/clock.h"
#include "common/result.h"
#include "common/uuid.h"

#include <stddef.h>

/* The types a field can have, under the names that FIELD() takes. */
typedef const char *Text;		/* UTF-8; NULL is the zero value */
typedef int64_t Integer;
typedef bool Flag;

typedef enum FieldKind
{
	FIELD_KIND_Uuid,
	FIELD_KIND_Amount,			/* JSON integer, msat */
	FIELD_KIND_Text,
	FIELD_KIND_Integer,
	FIELD_KIND_Flag,
	FIELD_KIND_Instant			/* JSON integer, microseconds since 1970 UTC */
} FieldKind;

typedef struct Field
{
	const char *name;			/* in the payload and in the struct */
	FieldKind	kind;
	bool		optional;
} Field;

typedef enum MessageKind
{
	MESSAGE_COMMAND,
	MESSAGE_EVENT
} MessageKind;

/* What waits while a message cannot be handled. */
typedef enum MessageOrder
{
	MESSAGE_ORDER_KEY,			/* the later ones of its key */
	MESSAGE_ORDER_NONE,			/* nothing, and it waits for none */
	MESSAGE_ORDER_LANE			/* all later ones of the lane */
} MessageOrder;

/* And once it is dead, until an operator has decided. */
typedef enum MessageDeath
{
	MESSAGE_DEATH_BLOCK,		/* they go on waiting */
	MESSAGE_DEATH_SKIP			/* they go on */
} MessageDeath;

typedef struct MessageType
{
	const char *name;			/* "accounting.request_transfer" */
	MessageKind kind;
	int			schema_version; /* the newest this code knows; 1 and up */
	const char *aggregate_type; /* what the message's key is an id of */
	MessageOrder order;
	MessageDeath when_dead;
	size_t		size;			/* of the struct */
	size_t		field_count;
	const Field *fields;		/* in the order of the struct */
} MessageType;

/* A message as it travels: the envelope, and the payload in its two forms. */
typedef struct Message
{
	Uuid		id;
	const char *type_name;
	const MessageType *type;	/* NULL where this code does not know the name */
	const char *aggregate_type;
	Uuid		aggregate_id;	/* the key: unit of order and of blocking */
	int			schema_version;
	const char *payload_json;
	const void *payload;		/* the struct of its type, once decoded; else NULL */
	Uuid		correlation_id; /* the outside cause of the whole chain */
	Uuid		causation_id;	/* the message whose handler emitted this one, or nil */
	const char *traceparent;	/* W3C trace context, or NULL */
	int			depth;			/* hops since the outside cause */
	Instant		created_at;
} Message;

/* The context before the dot of a message name, in the arena. */
extern const char *message_context(Arena *arena, const char *type_name);

/* The JSON object of that struct. */
extern const char *message_encode(const MessageType *type, const void *payload, Arena *arena);

/*
 * The struct of that JSON object.  INVALID_ARGUMENT with a detail for what is
 * no object, lacks a field, has an unknown one, or one of another kind or
 * range, and for a schema version that this code does not know.
 */
extern Result message_decode(const MessageType *type, int schema_version,
							 const char *json, size_t length, Arena *arena,
							 const void **payload) MUST_CHECK;

/* True where the struct lies in memory as the table of fields says (a test). */
extern bool message_layout_is_right(const MessageType *type);

#endif
