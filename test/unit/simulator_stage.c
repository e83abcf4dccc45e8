/*
 * simulator_stage.c
 *		What the tests of the simulated node share.
 */
#include "simulator_stage.h"

#include "lightning/bytes32.h"

static Bytes32
bytes_of(const char *text)
{
	Bytes32		value;

	assert_true(bytes32_parse(text, &value));
	return value;
}

Stage *
stage_new(void)
{
	Stage	   *stage = test_calloc(1, sizeof(Stage));

	world_init(&stage->world);
	stage->order = (SimulatorOrder) {
		.payment_hash = bytes_of(HASH),
		.preimage = {{7}},
		.amount = AMOUNT_MSAT(5000000),
		.max_fee = AMOUNT_MSAT(50000),
		.names_amount = true,
		.memo = "coffee",
		.expires_at = instant_plus_seconds(stage->world.clock.now, 3600),
	};
	stage->invoice = (SimulatedInvoice) {
		.payment_hash = bytes_of(HASH),
		.preimage = {{9}},
		.amount = AMOUNT_MSAT(2000),
		.memo = "deposit",
		.created_at = stage->world.clock.now,
		.expires_at = instant_plus_seconds(stage->world.clock.now, 60),
		.bound_at = stage->world.clock.now,
	};
	return stage;
}

void
stage_free(Stage *stage)
{
	world_destroy(&stage->world);
	test_free(stage);
}

Result
try_script(Stage *stage, const char *payment_hash, const char *outcome, const char *options)
{
	SimulatorScript script;
	Result		result = simulator_script_read(payment_hash, outcome, options, stage->world.arena, &script);

	if (failed(result))
		return result;
	script.id = id_of(stage->script_count + 1);
	script.made_at = stage->world.clock.now;
	stage->scripts[stage->script_count++] = script;
	return OK;
}

void
script(Stage *stage, const char *payment_hash, const char *outcome, const char *options)
{
	assert_ok(try_script(stage, payment_hash, outcome, options));
}

NodeCall
new_call(Stage *stage)
{
	NodeCall	call = {.arena = stage->world.arena};

	simulator_give_up(&call);
	call.done = false;
	return call;
}

void
follow(Stage *stage)
{
	simulator_follow_payments(stage->attempts, stage->attempt_count, stage->scripts, stage->script_count,
							  stage->world.clock.now);
}

NodeCall
pay(Stage *stage)
{
	NodeCall	call = new_call(stage);
	SimulatedPayment changed;

	follow(stage);
	if (simulator_pay(&stage->order, stage->attempts, stage->attempt_count, stage->scripts, stage->script_count,
					  stage->world.clock.now, &call, &changed))
	{
		if ((size_t) changed.attempt > stage->attempt_count)
			stage->attempt_count++;
		stage->attempts[changed.attempt - 1] = changed;
	}
	return call;
}

NodeCall
look_up(Stage *stage)
{
	NodeCall	call = new_call(stage);

	follow(stage);
	simulator_look_up_payment(stage->attempts, stage->attempt_count, stage->world.clock.now, &call);
	return call;
}

int
executed(Stage *stage)
{
	int			count = 0;

	follow(stage);
	for (size_t i = 0; i < stage->attempt_count; i++)
		if (stage->attempts[i].closed && stage->attempts[i].end.kind == END_SUCCESS)
			count++;
	return count;
}

void
assert_paid(Stage *stage, const NodeCall *call, int64_t fee_msat)
{
	assert_true(call->done);
	assert_true(call->payment.has_preimage);
	assert_true(bytes32_equal(call->payment.preimage, stage->order.preimage));
	assert_int_equal(call->payment.amount.msat, stage->order.amount.msat);
	assert_int_equal(call->payment.fee.msat, fee_msat);
	assert_int_equal(executed(stage), 1);
}

void
assert_looks(Stage *stage, PaymentAnswer verdict)
{
	NodeCall	call = look_up(stage);

	assert_true(call.done);
	assert_int_equal(call.verdict, verdict);
}
