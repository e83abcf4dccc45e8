/*
 * withdrawal_stage.h
 *		A withdrawal in any state, and whatever can be said to it.
 */
#ifndef SPARK_TEST_WITHDRAWAL_STAGE_H
#define SPARK_TEST_WITHDRAWAL_STAGE_H

#include "bitcoin_world.h"

#include "bitcoin/schedule.h"

#define BEGIN ((Instant) {INT64_C(1767225600000000)})
#define END_SECONDS 3600
#define ATTEMPT 1
#define TRUST(known, asked, delay) \
	{.node_is_known = (known), .asked_at = (asked), .delay_seconds = (delay), .refuses_second_payment = true}

static const KnownNode node __attribute__((unused)) = {"simulator", "regtest", NODE_KEY, {{9}}, {1}};
static const WithdrawalRules rules __attribute__((unused)) = {{10000}, 10000};

HELPER Instant
after(int64_t seconds)
{
	return instant_plus_seconds(BEGIN, seconds);
}

HELPER DecodedInvoice
invoice_of(int64_t msat)
{
	return (DecodedInvoice) {"request", "hash", "regtest", OTHER_KEY, msat != 0, AMOUNT_MSAT(msat), after(END_SECONDS)};
}

HELPER Withdrawal
withdrawal_in(WithdrawalState state)
{
	AskWithdrawal command = {.account_id = id_of(1), .payment_request = "request"};
	DecodedInvoice invoice = invoice_of(5000);
	Withdrawal	withdrawal;

	assert_ok(withdrawal_create(&command, &invoice, &rules, node.node_account_id, UUID_NIL, UUID_NIL, id_of(2), BEGIN, &withdrawal));
	if (state == WITHDRAWAL_REQUESTED)
		return withdrawal;
	if (state == WITHDRAWAL_REJECTED)
	{
		assert_true(withdrawal_reject(&withdrawal, "insufficient_funds"));
		return withdrawal;
	}
	assert_true(withdrawal_accept(&withdrawal, BEGIN));
	if (state == WITHDRAWAL_RESERVED)
		return withdrawal;
	withdrawal_submit(&withdrawal, &node, BEGIN, 10, 60, 15);
	withdrawal.state = state;
	if (state == WITHDRAWAL_IN_FLIGHT)
		withdrawal.acknowledged_at = BEGIN;
	if (state == WITHDRAWAL_FAILED)
	{
		withdrawal.reason = "payment_refused";
		withdrawal.failed_at = BEGIN;
	}
	if (state == WITHDRAWAL_SUCCEEDED)
	{
		withdrawal.preimage = "preimage";
		withdrawal.settled_at = BEGIN;
		withdrawal.next_look_at = INSTANT_NONE;
	}
	return withdrawal;
}

typedef enum News
{
	NEWS_ACCEPTED, NEWS_REJECTED, NEWS_SUBMIT, NEWS_ABANDON, NEWS_EXPIRE,
	NEWS_ACKED, NEWS_REFUSED, NEWS_NOT_SENT, NEWS_AMBIGUOUS,
	NEWS_SUCCESS, NEWS_UNPROVEN, NEWS_PENDING, NEWS_FAILED, NEWS_NOT_FOUND_EARLY, NEWS_NOT_FOUND,
	NEWS_SILENCE, NEWS_SILENCE_FOR_TWO_WEEKS, NEWS_PAID_INSIDE, NEWS_REFUSED_INSIDE,
	NEWS_COUNT
} News;

HELPER void
bring(Withdrawal *withdrawal, News news, int64_t attempt)
{
	const ProvenPayment payment = {"preimage", AMOUNT_MSAT(5000), AMOUNT_MSAT(700), {"new", after(1)}};
	const NodeRecord record = {"new", after(1)};
	const NodeTrust early = TRUST(true, after(70), 60);
	const NodeTrust trust = TRUST(true, after(71), 60);
	Instant		soon = after(2);

	switch (news)
	{
		case NEWS_ACCEPTED:
			(void) withdrawal_accept(withdrawal, soon);
			break;
		case NEWS_REJECTED:
			(void) withdrawal_reject(withdrawal, "insufficient_funds");
			break;
		case NEWS_SUBMIT:
			withdrawal_submit(withdrawal, &node, soon, 10, 60, 15);
			break;
		case NEWS_ABANDON:
			withdrawal_abandon(withdrawal, soon);
			break;
		case NEWS_EXPIRE:
			withdrawal_expire(withdrawal, after(END_SECONDS));
			break;
		case NEWS_ACKED:
			withdrawal_acknowledged(withdrawal, attempt, soon);
			break;
		case NEWS_REFUSED:
			withdrawal_refused(withdrawal, attempt, "payment_refused", &record, soon);
			break;
		case NEWS_NOT_SENT:
			withdrawal_not_sent(withdrawal, attempt, soon);
			break;
		case NEWS_AMBIGUOUS:
			withdrawal_ambiguous(withdrawal, attempt, soon);
			break;
		case NEWS_SUCCESS:
			withdrawal_succeed(withdrawal, &payment, soon);
			break;
		case NEWS_UNPROVEN:
			withdrawal_success_unproven(withdrawal, attempt, soon);
			break;
		case NEWS_PENDING:
			withdrawal_pending(withdrawal, attempt, &record, soon);
			break;
		case NEWS_FAILED:
			withdrawal_failed_at_node(withdrawal, attempt, "payment_refused", &record, &trust, soon);
			break;
		case NEWS_NOT_FOUND_EARLY:
			withdrawal_unknown_to_node(withdrawal, attempt, &early, after(70));
			break;
		case NEWS_NOT_FOUND:
			withdrawal_unknown_to_node(withdrawal, attempt, &trust, after(71));
			break;
		case NEWS_SILENCE:
			withdrawal_undecided(withdrawal, soon);
			break;
		case NEWS_SILENCE_FOR_TWO_WEEKS:
			withdrawal_undecided(withdrawal, after(HTLC_LIFETIME_SECONDS));
			break;
		case NEWS_PAID_INSIDE:
			withdrawal_paid_inside(withdrawal, soon);
			break;
		case NEWS_REFUSED_INSIDE:
			withdrawal_refused_inside(withdrawal, "payment_request_used", soon);
			break;
		case NEWS_COUNT:
			break;
	}
}

#endif
