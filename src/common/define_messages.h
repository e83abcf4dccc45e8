/*
 * define_messages.h
 *		Included before the second inclusion of a messages.def, from a context's
 *		messages.c: each MESSAGE becomes its table of fields and its type.
 */
#undef MESSAGE
#undef MESSAGE_ORDERED
#undef FIELD
#undef OPTIONAL
#define MESSAGE(message, name_, kind_, version_, aggregate_, ...) \
	MESSAGE_ORDERED(message, name_, kind_, version_, aggregate_, KEY, BLOCK, __VA_ARGS__)
#define MESSAGE_ORDERED(message, name_, kind_, version_, aggregate_, order_, when_dead_, ...) \
	static const Field message##_fields[] = { __VA_ARGS__ }; \
	const MessageType message##_type = { \
		.name = name_, \
		.kind = MESSAGE_##kind_, \
		.schema_version = version_, \
		.aggregate_type = aggregate_, \
		.order = MESSAGE_ORDER_##order_, \
		.when_dead = MESSAGE_DEATH_##when_dead_, \
		.size = sizeof(message), \
		.field_count = sizeof(message##_fields) / sizeof(message##_fields[0]), \
		.fields = message##_fields, \
	};
#define FIELD(type, field) {#field, FIELD_KIND_##type, false},
#define OPTIONAL(type, field) {#field, FIELD_KIND_##type, true},
