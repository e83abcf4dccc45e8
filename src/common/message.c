/*
 * message.c
 *		Encoding and decoding of payloads by the table of fields.
 *
 * The offset of a field is not in the table (FIELD() cannot know the struct it
 * stands in); it follows from the order and the alignment of the fields, as C
 * lays out a struct.  message_layout_is_right() proves it for a type; the unit
 * tests ask it for every message of every context.
 */
#include "common/message.h"

#include "common/json.h"

#include <stdalign.h>
#include <string.h>

typedef struct FieldSize
{
	size_t		size;
	size_t		alignment;
} FieldSize;

static const FieldSize field_sizes[] = {
	[FIELD_KIND_Uuid] = {sizeof(Uuid), alignof(Uuid)},
	[FIELD_KIND_Amount] = {sizeof(Amount), alignof(Amount)},
	[FIELD_KIND_Text] = {sizeof(Text), alignof(Text)},
	[FIELD_KIND_Integer] = {sizeof(Integer), alignof(Integer)},
	[FIELD_KIND_Flag] = {sizeof(Flag), alignof(Flag)},
	[FIELD_KIND_Instant] = {sizeof(Instant), alignof(Instant)},
};

/* The place of the next field, given where the last one ended; moves the end. */
static size_t
field_offset(const Field *field, size_t *end)
{
	FieldSize	size = field_sizes[field->kind];
	size_t		offset = (*end + size.alignment - 1) / size.alignment * size.alignment;

	*end = offset + size.size;
	return offset;
}

bool
message_layout_is_right(const MessageType *type)
{
	size_t		end = 0;
	size_t		alignment = 1;

	for (size_t i = 0; i < type->field_count; i++)
	{
		(void) field_offset(&type->fields[i], &end);
		if (field_sizes[type->fields[i].kind].alignment > alignment)
			alignment = field_sizes[type->fields[i].kind].alignment;
	}
	return (end + alignment - 1) / alignment * alignment == type->size;
}

const char *
message_context(Arena *arena, const char *type_name)
{
	return arena_text_of(arena, type_name, strcspn(type_name, "."));
}

static bool
is_zero(const void *value, size_t size)
{
	const unsigned char *bytes = value;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static void
encode_field(JsonWriter *writer, const Field *field, const void *value)
{
	char		uuid[UUID_TEXT_LENGTH + 1];

	switch (field->kind)
	{
		case FIELD_KIND_Uuid:
			uuid_format(*(const Uuid *) value, uuid);
			json_add_text(writer, field->name, uuid);
			break;
		case FIELD_KIND_Amount:
			json_add_integer(writer, field->name, ((const Amount *) value)->msat);
			break;
		case FIELD_KIND_Text:
			json_add_text(writer, field->name, *(const Text *) value != NULL ? *(const Text *) value : "");
			break;
		case FIELD_KIND_Integer:
			json_add_integer(writer, field->name, *(const Integer *) value);
			break;
		case FIELD_KIND_Flag:
			json_add_bool(writer, field->name, *(const Flag *) value);
			break;
		case FIELD_KIND_Instant:
			json_add_integer(writer, field->name, ((const Instant *) value)->microseconds);
			break;
	}
}

const char *
message_encode(const MessageType *type, const void *payload, Arena *arena)
{
	JsonWriter	writer;
	size_t		end = 0;

	json_begin(&writer, arena);
	for (size_t i = 0; i < type->field_count; i++)
	{
		const Field *field = &type->fields[i];
		const char *value = (const char *) payload + field_offset(field, &end);

		if (!(field->optional && is_zero(value, field_sizes[field->kind].size)))
			encode_field(&writer, field, value);
	}
	return json_end(&writer);
}

/* False where the member is not of the field's kind. */
static bool
decode_field(const Field *field, const JsonValue *member, void *value)
{
	switch (field->kind)
	{
		case FIELD_KIND_Uuid:
			return member->kind == JSON_TEXT && uuid_parse(member->text, strlen(member->text), value);
		case FIELD_KIND_Amount:
			((Amount *) value)->msat = member->integer;
			return member->kind == JSON_INTEGER;
		case FIELD_KIND_Text:
			*(Text *) value = member->text;
			return member->kind == JSON_TEXT;
		case FIELD_KIND_Integer:
			*(Integer *) value = member->integer;
			return member->kind == JSON_INTEGER;
		case FIELD_KIND_Flag:
			*(Flag *) value = member->kind == JSON_TRUE;
			return member->kind == JSON_TRUE || member->kind == JSON_FALSE;
		case FIELD_KIND_Instant:
			((Instant *) value)->microseconds = member->integer;
			return member->kind == JSON_INTEGER;
	}
	return false;
}

static Result
check_no_unknown_field(const MessageType *type, const JsonValue *object, Arena *arena)
{
	for (const JsonValue *member = object->first; member != NULL; member = member->next)
	{
		size_t		i = 0;

		while (i < type->field_count && strcmp(type->fields[i].name, member->name) != 0)
			i++;
		if (i == type->field_count)
			return FAIL_BECAUSE(INVALID_ARGUMENT,
								arena_printf(arena, "%s has no field \"%s\".", type->name, member->name));
	}
	return OK;
}

Result
message_decode(const MessageType *type, int schema_version, const char *json, size_t length,
			   Arena *arena, const void **payload)
{
	const JsonValue *object = json_parse(arena, json, length);
	char	   *decoded = arena_alloc(arena, type->size);
	size_t		end = 0;

	if (schema_version < 1 || schema_version > type->schema_version)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Schema version %d of %s is not known here.",
										 schema_version, type->name));
	if (object == NULL || object->kind != JSON_OBJECT)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "The payload of %s is no JSON object.", type->name));
	TRY(check_no_unknown_field(type, object, arena));
	for (size_t i = 0; i < type->field_count; i++)
	{
		const Field *field = &type->fields[i];
		const JsonValue *member = json_member(object, field->name);
		void	   *value = decoded + field_offset(field, &end);

		if (member == NULL ? !field->optional : !decode_field(field, member, value))
			return FAIL_BECAUSE(INVALID_ARGUMENT,
								arena_printf(arena, "Field \"%s\" of %s is missing or of the wrong kind.",
											 field->name, type->name));
	}
	*payload = decoded;
	return OK;
}
