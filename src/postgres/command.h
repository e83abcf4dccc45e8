/*
 * command.h
 *		What every entry point of a context does around its handler.
 *
 *		Uuid	caller = caller_required("crowdfunding");
 *		Donate	command = {.donor_id = caller, .amount = arg_sat(fcinfo, 1, "amount_sat"), ..};
 *		UnitOfWork *work;
 *
 *		COMMAND(work, crowdfunding_donate(&crowdfunding, work, &command, &donation));
 *		answer_accepted("donation", "donation_id", &donation->aggregate);
 *
 * A protected call by nobody is SP003, whatever else is wrong with it.  So the
 * caller is asked for in the first line of an entry point, not in an initializer
 * beside the arguments, whose order of evaluation is anybody's; `make arrows`
 * checks that.
 */
#ifndef SPARK_POSTGRES_COMMAND_H
#define SPARK_POSTGRES_COMMAND_H

#include "postgres/server.h"

#include "common/unit_of_work.h"

/*
 * The account of the caller; SP003 where nobody is signed in, then SP009 where
 * the tables of that context are missing or of another version.
 */
extern Uuid caller_required(const char *context);

/* The same without the need to be signed in: nil for nobody. */
extern Uuid caller_or_nobody(const char *context);

/* SP009 unless the tables of that context are there, in this code's version. */
extern void installed_required(const char *context);

/* Who is calling: wired by the composition root, asked by caller_*(). */
typedef bool (*IdentityProvider) (Uuid *account_id);
extern void set_identity_provider(IdentityProvider provider);

/* A unit of work for one command, in the current memory context. */
extern UnitOfWork *unit_of_work_begin(void);

/*
 * Runs a handler in a fresh unit of work and completes it.  Raises what it
 * refuses.  Where another session was quicker with the same key, the handler
 * runs again and meets that session's row.
 */
#define COMMAND(work, call) \
	do { \
		int			command_attempt_ = 0; \
		do { \
			(work) = unit_of_work_begin(); \
		} while (command_runs_again((work), (call), ++command_attempt_)); \
	} while (0)

extern bool command_runs_again(UnitOfWork *work, Result result, int attempt);

/*
 * Hints for an HTTP front; nothing without one.  Location becomes
 * /rpc/<function>?<argument>=<its id>.  What was stored before this call, for a
 * call like it, is said to be replayed.
 */
extern void answer_created(const char *function, const char *argument, const Aggregate *aggregate);	/* 201 */
extern void answer_accepted(const char *function, const char *argument, const Aggregate *aggregate);	/* 202 */
extern void answer_status(int status);

#endif
