/*
 * failure.c
 *		Whose fault it is when a handler fails, and what follows.
 */
#include "postgres/failure.h"

#include "postgres/counters.h"
#include "postgres/environment.h"
#include "postgres/handler_call.h"
#include "postgres/settings.h"

#include "common/suspicion.h"

#include "access/xlog.h"
#include "commands/trigger.h"
#include "common/pg_prng.h"
#include "postmaster/bgworker.h"
#include "utils/errcodes.h"

#define TRANSIENT_AT_ONCE 5
#define TRANSIENT_SAID 20
#define MAX_REMEMBERED 1024

typedef struct Memory
{
	char		consumer[NAMEDATALEN];
	Suspicion	suspicion;
	int			transients;		/* in a row */
	int			waits;			/* in a row */
	Instant		until;			/* no work before */
	bool		is_missing;		/* it pauses for a handler, role or right */
	bool		tried;			/* and it failed as all others do */
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
	memset(memory, 0, sizeof(*memory));
	strlcpy(memory->consumer, consumer, NAMEDATALEN);
	return memory;
}

/*
 * 57014 is the time limit of one call, a cancel of the worker, or what the
 * handler has raised: an attempt.  In a session it may be the caller's own wish.
 */
static bool
is_cancelled(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED && MyBgworkerEntry == NULL &&
		strcmp(error->message, TIME_LIMIT_MESSAGE) != 0;
}

/* Else it is the handler that has made its transaction read-only. */
static bool
server_is_read_only(void)
{
	return RecoveryInProgress() || DefaultXactReadOnly;
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
		(error->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION && server_is_read_only()))
		return FAILURE_OF_ENVIRONMENT;
	return is_cancelled(error) ? FAILURE_CANCELLED : FAILURE_OF_MESSAGE;
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
	memory->until = (Instant) {server_time().microseconds + milliseconds * 1000};
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
	int64		wait = INT64CONST(1000) << Min(memory->waits, 5);

	memory->waits++;
	return Min(INT64CONST(30000), wait);
}

void
failure_note(const char *consumer, Uuid key, const ErrorData *error)
{
	Memory	   *memory = memory_of(consumer);

	suspicion_note(&memory->suspicion, error->sqlerrcode, key);
	if (suspicion_is_founded(&memory->suspicion))
		pause_for(memory, growing_wait(memory), error->message);
}

void
failure_forget(const char *consumer)
{
	Memory	   *memory = memory_of(consumer);

	/* Also what another session has noted. */
	note_paused(consumer, NULL);
	memset(memory, 0, sizeof(*memory));
	strlcpy(memory->consumer, consumer, NAMEDATALEN);
}

/* At once, with a little chance so that two rivals part; slower when that goes on. */
static void
wait_for_rival(Memory *memory, const ErrorData *error)
{
	double		longest = ++memory->transients <= TRANSIENT_AT_ONCE ? 20 : 500;

	memory->until = (Instant) {server_time().microseconds +
		(int64) (1000 * longest * pg_prng_double(&pg_global_prng_state))};
	if (memory->transients == TRANSIENT_SAID)
		pause_for(memory, (int64) longest, error->message);
}

void
failure_wait(const char *consumer, const ErrorData *error)
{
	Memory	   *memory = memory_of(consumer);

	note_error(consumer, error->message);
	if (failure_class(error) == FAILURE_TRANSIENT)
		wait_for_rival(memory, error);
	else
		pause_for(memory, growing_wait(memory), error->message);
}

void
failure_missing(const char *consumer, const char *why)
{
	Memory	   *memory = memory_of(consumer);

	pause_for(memory, growing_wait(memory), why);
	memory->is_missing = true;
}

void
failure_found(const char *consumer)
{
	Memory	   *memory = memory_of(consumer);

	if (memory->is_missing)
		failure_forget(consumer);
}

void
failure_look_again(const char *consumer)
{
	memory_of(consumer)->until = INSTANT_NONE;
}

void
failure_look_again_at_all(void)
{
	for (int i = 0; i < memory_count; i++)
		memories[i].until = INSTANT_NONE;
}

long
failure_pause(const char *consumer)
{
	Memory	   *memory = memory_of(consumer);
	int64		left = memory->until.microseconds - server_time().microseconds;

	return left > 0 ? (long) (left / 1000 + 1) : 0;
}

bool
failure_is_common(const char *consumer)
{
	return suspicion_is_founded(&memory_of(consumer)->suspicion);
}

/* More with each wait: a row of truly bad messages must not bar the way for ever. */
int
failure_trials(const char *consumer)
{
	return 32 << Min(memory_of(consumer)->waits, 5);
}

void
failure_go_on_waiting(const char *consumer)
{
	Memory	   *memory = memory_of(consumer);

	/* With nothing to try in this lane, the next one is looked at. */
	if (!memory->tried)
		return;
	memory->tried = false;
	memory->until = (Instant) {server_time().microseconds + growing_wait(memory) * 1000};
}

bool
failure_explains(const char *consumer, const ErrorData *error)
{
	Memory	   *memory = memory_of(consumer);
	bool		explains = suspicion_explains(&memory->suspicion, error->sqlerrcode);

	memory->tried = memory->tried || explains;
	return explains;
}

bool
failure_is_crowded(const char *consumer)
{
	return memory_of(consumer)->transients >= TRANSIENT_AT_ONCE;
}

void
make_constraints_immediate(void)
{
	ConstraintsSetStmt all = {.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = false};

	AfterTriggerSetState(&all);
}
