/*
 * failure.c
 *		Whose fault it is when a handler fails, and what follows.
 */
#include "postgres/failure.h"

#include "postgres/environment.h"
#include "postgres/settings.h"
#include "postgres/wakeup.h"

#include "commands/trigger.h"
#include "common/pg_prng.h"
#include "utils/errcodes.h"

#define ALIKE_BEFORE_PAUSE 20
#define TRANSIENT_AT_ONCE 5
#define MAX_REMEMBERED 128

typedef struct Memory
{
	char		consumer[NAMEDATALEN];
	int			last_code;
	int			alike;			/* failures in a row of that code */
	int			waits;			/* in a row */
	Instant		until;			/* no work before */
	bool		suspected;
	bool		said;			/* the pause is in the log */
} Memory;

static Memory memories[MAX_REMEMBERED];
static int	memory_count;

static Memory *
memory_of(const char *consumer)
{
	Memory	   *memory;

	for (int i = 0; i < memory_count; i++)
		if (strncmp(memories[i].consumer, consumer, NAMEDATALEN - 1) == 0)
			return &memories[i];
	if (memory_count == MAX_REMEMBERED)
		memory_count = 0;		/* forgetting costs work, nothing else */
	memory = &memories[memory_count++];
	*memory = (Memory) {.consumer = ""};
	strlcpy(memory->consumer, consumer, NAMEDATALEN);
	return memory;
}

static Instant
time_now(void)
{
	return server_ports()->clock->now(server_ports()->clock);
}

FailureClass
failure_class(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		return FAILURE_TRANSIENT;
	if (category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
		error->sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		error->sqlerrcode == ERRCODE_INDEX_CORRUPTED ||
		error->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION)
		return FAILURE_OF_ENVIRONMENT;
	if (error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN || error->sqlerrcode == ERRCODE_CRASH_SHUTDOWN)
		return FAILURE_SHUTDOWN;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
		strcmp(error->message, "the handler ran longer than spark.handler_timeout") != 0)
		return FAILURE_SHUTDOWN;
	return FAILURE_OF_MESSAGE;
}

bool
message_is_hopeless(const Listener *listener, const Message *message, Arena *arena)
{
	const Subscription *subscription;
	const void *payload;

	if (message->depth > max_depth)
		return true;
	if (listener->context == NULL)
		return false;
	subscription = consumer_subscription(listener->context, message->type_name);
	return subscription == NULL ||
		failed(message_decode(subscription->type, message->schema_version, message->payload_json,
							  strlen(message->payload_json), arena, &payload));
}

/* ------------------------------------------------------------------ pauses */

static void
pause_for(Memory *memory, int64 milliseconds, const char *why)
{
	memory->until = (Instant) {time_now().microseconds + milliseconds * 1000};
	note_paused(memory->consumer, why);
	if (!memory->said)
		ereport(LOG,
				(errmsg("spark consumer \"%s\" pauses: %s", memory->consumer, why),
				 errhint("It looks again by itself; mend the cause.")));
	memory->said = true;
}

/* 1 s, doubled with each wait in a row, 30 s at most. */
static int64
growing_wait(Memory *memory)
{
	return Min(INT64CONST(30000), INT64CONST(1000) << Min(memory->waits++, 5));
}

void
failure_note(const char *consumer, const ErrorData *error)
{
	Memory	   *memory = memory_of(consumer);

	memory->alike = memory->last_code == error->sqlerrcode ? memory->alike + 1 : 1;
	memory->last_code = error->sqlerrcode;
	if (memory->suspected || memory->alike >= ALIKE_BEFORE_PAUSE)
	{
		memory->suspected = true;
		pause_for(memory, growing_wait(memory), error->message);
	}
}

void
failure_forget(const char *consumer)
{
	Memory	   *memory = memory_of(consumer);

	if (memory->said)
		note_paused(consumer, NULL);
	*memory = (Memory) {.consumer = ""};
	strlcpy(memory->consumer, consumer, NAMEDATALEN);
}

void
failure_wait(const char *consumer, const ErrorData *error)
{
	Memory	   *memory = memory_of(consumer);

	if (failure_class(error) == FAILURE_TRANSIENT)
	{
		/* At once with a little chance, so that two rivals part. */
		memory->waits++;
		memory->until = (Instant) {time_now().microseconds +
			(memory->waits <= TRANSIENT_AT_ONCE ? 0 : (int64) (100000 * pg_prng_double(&pg_global_prng_state)))};
		return;
	}
	pause_for(memory, growing_wait(memory), error->message);
}

void
failure_missing(const char *consumer, const char *why)
{
	Memory	   *memory = memory_of(consumer);

	pause_for(memory, growing_wait(memory), why);
}

void
failure_look_again(const char *consumer)
{
	memory_of(consumer)->until = INSTANT_NONE;
}

long
failure_pause(const char *consumer)
{
	Memory	   *memory = memory_of(consumer);
	int64		left = memory->until.microseconds - time_now().microseconds;

	return left > 0 ? (long) (left / 1000 + 1) : 0;
}

bool
failure_suspected(const char *consumer)
{
	return memory_of(consumer)->suspected;
}

void
make_constraints_immediate(void)
{
	ConstraintsSetStmt all = {.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = false};

	AfterTriggerSetState(&all);
}
