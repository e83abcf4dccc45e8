/*
 * kept_off.c
 *		What tells an operator how things are must not hang on what is wrong.
 */
#include "postgres/operators/kept_off.h"

#include "postgres/bus/missed_lock.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"

#define LOCK_WAIT "100ms"

/* A worker does it from its start. */
static void
take_notes(void)
{
	static bool takes_notes;

	if (MyBackendType == B_BACKEND && !takes_notes)
		note_locks_not_given();
	takes_notes = true;
	forget_missed_lock();
}

typedef struct Naming
{
	MemoryContext context;
	const char *words;
} Naming;

static void
name_holder(void *argument)
{
	Naming	   *naming = argument;

	naming->words = MemoryContextStrdup(naming->context, words_for_missed_lock());
}

/* Naming it reads catalogs, which may be what is locked. */
static const char *
words_for_holder(void)
{
	Naming		naming = {.context = CurrentMemoryContext};

	if (!lock_was_missed() || try_in_subtransaction(name_holder, &naming) != NULL)
		return "somebody holds a lock on what tells it";
	return naming.words;
}

const char *
kept_off(Act act, void *argument)
{
	int			level = NewGUCNestLevel();
	const char *words = NULL;
	ErrorData  *error;

	/* Who says how long to wait for a lock is believed. */
	if (LockTimeout == 0)
		(void) set_config_option("lock_timeout", LOCK_WAIT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	take_notes();
	error = try_in_subtransaction(act, argument);
	if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	if (error != NULL)
		words = psprintf("cannot be read: %s", words_for_holder());
	AtEOXact_GUC(true, level);
	return words;
}
