/*
 * worker_rights.c
 *		What the node does not let our credential do, in words for health.
 *
 * A credential with too few rights is a node that answers well and does less
 * than it should: a deposit that was paid is not credited, and nobody hears why.
 * What lists lack is told by the comparison with the books (worker_audit.c).
 */
#include "postgres/server.h"

#include "bitcoin/worker_rights.h"

#include "bitcoin/node_work.h"

#define MOST_WORDS 256

/* By operation; what is not named here is told elsewhere, or harmless. */
static const char *const lacking[] = {
	[NODE_CREATE_INVOICE] = "make invoices; deposits wait",
	[NODE_LOOKUP_INVOICE] = "look invoices up; what comes in is not credited",
	[NODE_CANCEL_INVOICE] = "cancel invoices; payments between accounts wait",
	[NODE_PAY] = "pay; withdrawals wait",
	[NODE_LOOKUP_PAYMENT] = "ask about payments; what is under way stays so",
};

static char missing[lengthof(lacking)][MOST_WORDS];
static char all[lengthof(lacking) * MOST_WORDS];

void
rights_begin(void)
{
	memset(missing, 0, sizeof(missing));
	all[0] = '\0';
}

/* It said something of what it was asked. */
static bool
was_answered(const NodeCall *call)
{
	switch (call->operation)
	{
		case NODE_CREATE_INVOICE:
			return call->answered;
		case NODE_LOOKUP_INVOICE:
			return call->invoice != INVOICE_UNAVAILABLE;
		case NODE_CANCEL_INVOICE:
			return call->cancel != CANCEL_UNAVAILABLE;
		case NODE_PAY:
			return call->submit == SUBMIT_ACKED || call->submit == SUBMIT_SETTLED || call->submit == SUBMIT_REJECTED;
		case NODE_LOOKUP_PAYMENT:
			return call->verdict != PAYMENT_UNAVAILABLE;
		case NODE_IDENTIFY:
		case NODE_SETTLED_SINCE:
		case NODE_BALANCE:
		case NODE_LIST_PAYMENTS:
		case NODE_LIST_INVOICES:
			break;
	}
	return false;
}

static void
note_missing(const NodeCall *call)
{
	const char *words = harmless_words(call->arena, call->words);
	bool		is_news = missing[call->operation][0] == '\0';

	snprintf(missing[call->operation], MOST_WORDS, "the node does not let this credential %s%s%s",
			 lacking[call->operation], words == NULL ? "" : ": ", words == NULL ? "" : words);
	if (is_news)
		ereport(WARNING,
				(errmsg("Lightning: %s", missing[call->operation]),
				 errhint("Put a credential that may into its file, and reload.")));
}

void
rights_heard(const NodeCall *call)
{
	if ((size_t) call->operation >= lengthof(lacking) || lacking[call->operation] == NULL)
		return;
	if (was_answered(call))
		missing[call->operation][0] = '\0';
	else if (call->failure == NODE_FAILURE_NOT_ALLOWED)
		note_missing(call);
	all[0] = '\0';
	for (size_t i = 0; i < lengthof(lacking); i++)
		if (missing[i][0] != '\0')
		{
			strlcat(all, all[0] == '\0' ? "" : "; ", sizeof(all));
			strlcat(all, missing[i], sizeof(all));
		}
}

const char *
rights_missing(void)
{
	return all[0] == '\0' ? NULL : all;
}
