/*
 * list_messages.h
 *		Included before the third inclusion of a messages.def, inside the braces
 *		of an array: each MESSAGE becomes a pointer to its type.
 */
#undef MESSAGE
#undef MESSAGE_ORDERED
#undef FIELD
#undef OPTIONAL
#define MESSAGE(message, name, kind, version, aggregate, ...) &message##_type,
#define MESSAGE_ORDERED(message, name, kind, version, aggregate, order, when_dead, ...) &message##_type,
#define FIELD(type, field)
#define OPTIONAL(type, field)
