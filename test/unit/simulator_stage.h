/*
 * simulator_stage.h
 *		A simulated node that knows one payment and one invoice of one hash, and
 *		what a tester wants of them; time stands still until a test moves it.
 */
#ifndef SPARK_TEST_SIMULATOR_STAGE_H
#define SPARK_TEST_SIMULATOR_STAGE_H

#include "in_memory.h"

#include "lightning/simulator.h"

#define HASH "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER_HASH "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define MOST 16

typedef struct Stage
{
	World		world;
	SimulatorScript scripts[MOST];
	size_t		script_count;
	SimulatedPayment attempts[MOST];
	size_t		attempt_count;
	SimulatedInvoice invoice;
	SimulatorOrder order;
} Stage;

extern Stage *stage_new(void);
extern void stage_free(Stage *stage);

/* Adds a script, made now. */
extern Result try_script(Stage *stage, const char *payment_hash, const char *outcome, const char *options);
extern void script(Stage *stage, const char *payment_hash, const char *outcome, const char *options);

/* A call that has no answer yet. */
extern NodeCall new_call(Stage *stage);

/* The node is asked to pay, or what became of it. */
extern NodeCall pay(Stage *stage);
extern NodeCall look_up(Stage *stage);

/* Brings the payments up to now. */
extern void follow(Stage *stage);

/* How many payments the outside world has seen by now. */
extern int	executed(Stage *stage);

/* The call tells of a payment that was made, with that fee, and there is just one. */
extern void assert_paid(Stage *stage, const NodeCall *call, int64_t fee_msat);
extern void assert_looks(Stage *stage, PaymentAnswer verdict);

#endif
