/*
 * failure.c
 *		What the failures of a consumer so far say of it, and when it may go on.
 */
#include "postgres/bus/failure.h"

#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/bus/failure_class.h"

#include "common/lane.h"
#include "common/suspicion.h"

#include "common/pg_prng.h"
#include "lib/bloomfilter.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/procarray.h"

#define RIVALS_AT_ONCE 5		/* batches in a row */
#define RIVALS_SAID 20
#define SHORTAGES_BORNE 2		/* batches in a row, before others are tried */
#define PROBE_REST 1000			/* ms between the probes of one round */
#define LONGEST_WAIT 30000		/* ms */
#define KEYS_A_ROUND 1000000	/* more of them cost more keys that are left out by chance */
#define ROUND_KILOBYTES 1024
#define MAX_REMEMBERED 1024

/* Of one lane. */
typedef struct LaneMemory
{
	int64		excused;		/* up to that number each fails for itself; 0: none is known to */
	bool		shortage_was_own;	/* the last one was of single messages */

	/* From here on all is forgotten with a success. */
	bool		is_short;		/* a batch has failed for the environment */
	int			rivals;			/* batches in a row that failed for one */
	int			waits;			/* in a row */
	Instant		until;			/* no work before */
	ProbePlace	place;
	bloom_filter *shut;			/* keys that have failed in this round of probes; NULL: none has */
	bool		in_vain;		/* some were tried so, in this round */
} LaneMemory;

typedef struct Memory
{
	char		consumer[NAMEDATALEN];
	LaneMemory *lanes;			/* MAX_LANES */
	Suspicion	suspicion;
	bool		is_missing;		/* a handler, role or right is */
	int			waits;			/* in a row, in all lanes */
	Instant		until;			/* no work before, in any of them */
	bool		said;			/* a pause is in the log */
} Memory;

static Memory memories[MAX_REMEMBERED];
static int	memory_count;

static void
open_keys_of_round(LaneMemory *memory)
{
	if (memory->shut != NULL)
		bloom_free(memory->shut);
	memory->shut = NULL;
}

/* Of one that is not remembered any more. */
static void
release_lanes(LaneMemory *lanes)
{
	for (int lane = 0; lane < MAX_LANES; lane++)
		open_keys_of_round(&lanes[lane]);
}

static Memory *
memory_of(const char *consumer)
{
	Memory	   *memory;
	LaneMemory *lanes;

	for (int i = 0; i < memory_count; i++)
		if (strncmp(memories[i].consumer, consumer, NAMEDATALEN - 1) == 0)
			return &memories[i];
	if (memory_count == MAX_REMEMBERED)
		memory_count = 0;		/* forgetting costs work, nothing else */
	memory = &memories[memory_count];
	lanes = memory->lanes;
	if (lanes == NULL)
		lanes = MemoryContextAlloc(TopMemoryContext, MAX_LANES * sizeof(LaneMemory));
	else
		release_lanes(lanes);
	memset(lanes, 0, MAX_LANES * sizeof(LaneMemory));
	*memory = (Memory) {.lanes = lanes};
	strlcpy(memory->consumer, consumer, NAMEDATALEN);
	memory_count++;
	return memory;
}

static LaneMemory *
lane_memory_of(const char *consumer, int lane)
{
	return &memory_of(consumer)->lanes[lane];
}

/* ------------------------------------------------------------------ pauses */

static Instant
after(int64 milliseconds)
{
	return (Instant) {server_time().microseconds + milliseconds * 1000};
}

/* 1 s, doubled with each wait in a row. */
static Instant
after_growing_wait(int *waits)
{
	int64		wait = INT64CONST(1000) << Min(*waits, 5);

	++*waits;
	return after(Min(LONGEST_WAIT, wait));
}

/* There nobody waits and looks again: what a worker does in time is done at once. */
static bool
is_session(void)
{
	return MyBgworkerEntry == NULL;
}

static void
say_paused(Memory *memory, int lane, const char *why)
{
	note_paused(memory->consumer, lane, is_session() ? NOBODY : MyProcPid, why);
	if (!memory->said)
		ereport(LOG,
				(errmsg("spark consumer \"%s\" pauses: %s", memory->consumer, why),
				 errhint("It looks again by itself; mend the cause.")));
	memory->said = true;
}

static void
pause_in_all_lanes(Memory *memory, int lane, const char *why)
{
	memory->until = after_growing_wait(&memory->waits);
	say_paused(memory, lane, why);
}

static int64
milliseconds_until(Instant instant)
{
	int64		left = instant.microseconds - server_time().microseconds;

	return left > 0 ? left / 1000 + 1 : 0;
}

long
failure_pause(const char *consumer, int lane)
{
	const Memory *memory = memory_of(consumer);

	return (long) Max(milliseconds_until(memory->until), milliseconds_until(memory->lanes[lane].until));
}

void
failure_look_again(void)
{
	for (int i = 0; i < memory_count; i++)
	{
		memories[i].until = INSTANT_NONE;
		for (int lane = 0; lane < MAX_LANES; lane++)
		{
			memories[i].lanes[lane].until = INSTANT_NONE;
			memories[i].lanes[lane].is_short = false;
		}
	}
}

/* ------------------------------------------------------------------- stages */

static bool
bears_no_more_shortages(const LaneMemory *memory)
{
	return memory->waits >= SHORTAGES_BORNE || memory->shortage_was_own || is_session();
}

Stage
failure_stage(const char *consumer, int lane)
{
	const Memory *memory = memory_of(consumer);
	const LaneMemory *of_lane = &memory->lanes[lane];

	if (suspicion_is_founded(&memory->suspicion) || (of_lane->is_short && bears_no_more_shortages(of_lane)))
		return STAGE_PROBE;
	if (of_lane->rivals >= RIVALS_AT_ONCE)
		return STAGE_ALONE;
	return of_lane->excused > 0 ? STAGE_EACH_FOR_ITSELF : STAGE_TOGETHER;
}

/* ------------------------------------------------------- about one message */

bool
failure_is_excused(const char *consumer, int lane, int64 number)
{
	return number <= lane_memory_of(consumer, lane)->excused;
}

void
failure_note(const char *consumer, int lane, Uuid key, const ErrorData *error)
{
	Memory	   *memory = memory_of(consumer);

	suspicion_note(&memory->suspicion, error->sqlerrcode, key);
	if (suspicion_is_founded(&memory->suspicion))
		pause_in_all_lanes(memory, lane, error->message);
}

/* Workers and sessions end without taking back what they have said. */
static bool
has_ended(int process)
{
	return process == NOBODY || (process != 0 && BackendPidGetProc(process) == NULL);
}

/*
 * What is said of a pause in this lane is taken back, whoever has said it; in
 * others what this process has said, which it waits for no more, or one that has ended.
 */
static void
take_back_pauses(const Memory *memory, int lane)
{
	int			by[MAX_LANES];
	bool		goes_on[MAX_LANES];

	if (!is_said_to_pause(memory->consumer, by))
		return;
	for (int other = 0; other < MAX_LANES; other++)
		goes_on[other] = !memory->lanes[other].is_short &&
			(other == lane || by[other] == MyProcPid || has_ended(by[other]));
	note_goes_on(memory->consumer, goes_on);
}

static void
forget_pauses(Memory *memory, int lane)
{
	suspicion_forget(&memory->suspicion);
	memory->is_missing = memory->said = false;
	memory->waits = 0;
	memory->until = INSTANT_NONE;
	take_back_pauses(memory, lane);
}

void
failure_forget(const char *consumer, int lane)
{
	Memory	   *memory = memory_of(consumer);
	LaneMemory *of_lane = &memory->lanes[lane];

	open_keys_of_round(of_lane);
	*of_lane = (LaneMemory) {.excused = of_lane->excused, .shortage_was_own = of_lane->shortage_was_own};
	forget_pauses(memory, lane);
}

/* ------------------------------------------------------------ after a batch */

/* At once, with a little chance so that two rivals part; slower when that goes on. */
static void
wait_for_rival(LaneMemory *memory)
{
	double		longest = ++memory->rivals <= RIVALS_AT_ONCE ? 20 : 500;

	memory->until = after((int64) (longest * pg_prng_double(&pg_global_prng_state)));
}

void
failure_wait(const char *consumer, int lane, const ErrorData *error)
{
	Memory	   *memory = memory_of(consumer);
	LaneMemory *of_lane = &memory->lanes[lane];

	note_error(consumer, error->message);
	if (failure_is_passing(error))
	{
		wait_for_rival(of_lane);
		if (of_lane->rivals == RIVALS_SAID)
			say_paused(memory, lane, error->message);
		return;
	}
	of_lane->is_short = failure_class(error) == FAILURE_OF_ENVIRONMENT;
	if (of_lane->is_short && bears_no_more_shortages(of_lane))
		return;
	of_lane->until = after_growing_wait(&of_lane->waits);
	say_paused(memory, lane, error->message);
}

void
failure_rivals_gone(const char *consumer, int lane)
{
	Memory	   *memory = memory_of(consumer);

	memory->lanes[lane].rivals = 0;
	/* What many keys have failed of is not over. */
	if (!suspicion_is_founded(&memory->suspicion))
		forget_pauses(memory, lane);
}

void
failure_missing(const char *consumer, int lane, const char *why)
{
	Memory	   *memory = memory_of(consumer);

	if (why != NULL)
	{
		pause_in_all_lanes(memory, lane, why);
		memory->is_missing = true;
	}
	else if (memory->is_missing)
		forget_pauses(memory, lane);
}

void
failure_passed(const char *consumer, int lane, int64 number)
{
	LaneMemory *memory = lane_memory_of(consumer, lane);

	if (memory->excused <= number)
		memory->excused = 0;
}

/* ------------------------------------------------------------ round a probe */

ProbePlace
failure_place(const char *consumer, int lane)
{
	return lane_memory_of(consumer, lane)->place;
}

/* A shortage proves nothing of the others, whichever it is. */
bool
failure_is_alike(const char *consumer, const ErrorData *error)
{
	return failure_class(error) == FAILURE_OF_ENVIRONMENT ||
		suspicion_explains(&memory_of(consumer)->suspicion, error->sqlerrcode);
}

void
failure_found_one(const char *consumer, int lane, int64 number, bool in_vain)
{
	LaneMemory *memory = lane_memory_of(consumer, lane);

	memory->shortage_was_own = memory->is_short && (in_vain || memory->in_vain);
	memory->excused = number;
	failure_forget(consumer, lane);
}

Search
failure_found_none(const char *consumer, int lane, ProbePlace place, bool in_vain, bool at_end)
{
	LaneMemory *memory = lane_memory_of(consumer, lane);
	bool		any_in_vain = memory->in_vain || in_vain;

	memory->shortage_was_own = false;
	memory->place = place;
	memory->in_vain = any_in_vain;
	if (!at_end)
		return SEARCH_GOES_ON;
	failure_begin_anew(consumer, lane);
	if (!any_in_vain)
		return SEARCH_OF_NOTHING;
	memory->until = after_growing_wait(&memory->waits);
	return SEARCH_IN_VAIN;
}

void
failure_rest(const char *consumer, int lane)
{
	if (!is_session())
		lane_memory_of(consumer, lane)->until = after(PROBE_REST);
}

void
failure_shut_key(const char *consumer, int lane, Uuid key)
{
	LaneMemory *memory = lane_memory_of(consumer, lane);
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	if (memory->shut == NULL)
		memory->shut = bloom_create(KEYS_A_ROUND, ROUND_KILOBYTES, pg_prng_uint64(&pg_global_prng_state));
	MemoryContextSwitchTo(caller);
	bloom_add_element(memory->shut, key.bytes, sizeof(key.bytes));
}

bool
failure_has_shut_key(const char *consumer, int lane, Uuid key)
{
	LaneMemory *memory = lane_memory_of(consumer, lane);

	return memory->shut != NULL && !bloom_lacks_element(memory->shut, key.bytes, sizeof(key.bytes));
}

void
failure_begin_anew(const char *consumer, int lane)
{
	LaneMemory *memory = lane_memory_of(consumer, lane);

	open_keys_of_round(memory);
	memory->place = (ProbePlace) {0};
	memory->in_vain = false;
}
