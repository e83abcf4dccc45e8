/*
 * cln_configs.c
 *		What an operator should know of a Core Lightning node, although it works: by
 *		its configuration, and by what our rune allows.
 */
#include "lightning/node_json.h"

#include "lightning/cln_parts.h"

#include "common/array.h"
#include "lightning/cln.h"
#include "lightning/cln_rune.h"

#define MOST_AWAY_SECONDS (INT64_C(14) * 86400)	/* that spark may be down, as a payment may be open */

/* Beside what is wrong already. */
static void
warn(NodeCall *call, const char *words)
{
	NodeIdentity *identity = &call->identity;

	identity->warning = identity->warning == NULL ? words : arena_printf(call->arena, "%s; %s", identity->warning, words);
}

/* 0 where it is not set. */
static int64_t
age_of(const json_t *configs, const char *name)
{
	int64_t		age;

	return node_json_integer(node_json_object(configs, name), "value_int", &age) && age > 0 ? age : 0;
}

/* After how many seconds one of the two kinds of payments is forgotten. */
static void
hear_ages(NodeCall *call, const json_t *configs)
{
	static const char *const names[] = {"autoclean-succeededpays-age", "autoclean-failedpays-age"};
	int64_t		invoices = age_of(configs, "autoclean-paidinvoices-age");

	for (size_t i = 0; i < COUNT_OF(names); i++)
	{
		int64_t		age = age_of(configs, names[i]);

		if (age > 0 && (call->identity.keeps_seconds == 0 || age < call->identity.keeps_seconds))
			call->identity.keeps_seconds = age;
	}
	if (invoices > 0 && invoices < MOST_AWAY_SECONDS)
		warn(call, arena_printf(call->arena, "the node forgets paid invoices after %lld s: what comes in while spark is"
								" down for longer is credited to nobody; set autoclean-paidinvoices-age=0",
								(long long) invoices));
}

/* It is off unless it is said to be on; what is older does not have it. */
static void
hear_slow_mode(NodeCall *call, const json_t *configs)
{
	bool		is_on = false;

	if (!node_json_bool(node_json_object(configs, "xpay-slow-mode"), "value_bool", &is_on) || !is_on)
		warn(call, "the node calls a payment made before all its parts have ended, so that the fee in the books may be"
			 " another than was paid; set xpay-slow-mode=true");
}

/* What a rune does not allow shows only when it is asked for; a rune says it itself. */
static void
hear_rune(const HttpNode *self, NodeCall *call)
{
	static const char *const methods[] = {"getinfo", "listconfigs", "listpeerchannels", "invoice", "listinvoices",
		"waitanyinvoice", "xpay", "listpays", "delinvoice"};
	const char *missing = NULL;

	if (self->secrets[CLN_RUNE] == NULL)
		return;
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (!cln_rune_allows(self->secrets[CLN_RUNE] + sizeof(CLN_RUNE_HEADER) - 1, methods[i]))
			missing = missing == NULL ? methods[i] : arena_printf(call->arena, "%s, %s", missing, methods[i]);
	if (missing != NULL)
		warn(call, arena_printf(call->arena, "the rune does not allow %s", missing));
}

void
cln_hear_configs(const HttpNode *self, NodeCall *call, const json_t *result)
{
	const json_t *configs = node_json_object(result, "configs");

	hear_rune(self, call);
	if (configs == NULL)
	{
		warn(call, "the node does not show its configuration, so that nobody knows whether it forgets payments: allow listconfigs to the rune");
		return;
	}
	hear_ages(call, configs);
	hear_slow_mode(call, configs);
}
