/*
 * fuzz_replies.c
 *		Any replies of any node to any call: reading never breaks, no payment is
 *		sent twice, and nothing is concluded from silence.
 *
 * The input is a node, an operation, and then replies: a status, a transport
 * and a body up to the next zero byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lightning/cln.h"
#include "lightning/connection.h"
#include "lightning/http_node.h"
#include "lightning/lnbits.h"
#include "lightning/lnd.h"

#define MUST(condition) do { if (!(condition)) abort(); } while (0)
#define MOST_STEPS 16

static const NodeDialect *const dialects[] = {&lnd_dialect, &cln_dialect, &lnbits_dialect};
static const char *const credentials[] = {
	"\x02\x01 a macaroon of more than thirty-two bytes",
	"cnVuZS1vZi1tb3JlLXRoYW4tdGhpcnR5LXR3by1ieXRlcw==",
	"0123456789abcdef0123456789abcdef\nfedcba9876543210fedcba9876543210\n",
};
static const int statuses[] = {200, 201, 200, 201, 400, 401, 403, 404, 409, 500, 503, 520, 302, 204};
static const char request[] =
	"lnbcrt2500000p1p4srmfvpp5cchyv9da883zy4e08gdl0ssn96s7vkchajq9q3aadv5y93vnfylssp59wuq65mmrk378z7nqds64p2ks677p6kdw930aa4ztl5hhaf85fdsdqvv3jhqmmnd96qxqrrss9qrsgq0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqngx0p40c8y92qv7jfu27ra0q2wykg9pt2djqkze4795mcsxyqggpy6mrwg";

typedef struct Input
{
	const uint8_t *bytes;
	size_t		length;
} Input;

static uint8_t
next_byte(Input *input)
{
	if (input->length == 0)
		return 0;
	input->length--;
	return *input->bytes++;
}

/* The body up to the next zero byte, with a NUL behind it. */
static char *
next_body(Arena *arena, Input *input, size_t *length)
{
	const uint8_t *end = input->length == 0 ? NULL : memchr(input->bytes, '\0', input->length);
	char	   *body;

	*length = end == NULL ? input->length : (size_t) (end - input->bytes);
	body = arena_text_of(arena, (const char *) input->bytes, *length);
	input->bytes += *length;
	input->length -= *length;
	(void) next_byte(input);
	return body;
}

static NodeCall
call_of(Arena *arena, NodeOperation operation)
{
	NodeCall	call = {
		.operation = operation, .arena = arena, .amount = AMOUNT_MSAT(operation == NODE_PAY ? 0 : 250000),
		.max_fee = AMOUNT_MSAT(100000), .payment_request = request, .memo = "a \"memo\"", .seconds = 60,
	};

	memset(call.payment_hash.bytes, 0xa1, sizeof(call.payment_hash.bytes));
	node_call_give_up(&call);
	return call;
}

/* A silent node has said nothing. */
static void
check_silence(const NodeCall *call, bool was_sent)
{
	MUST(!call->answered);
	MUST(call->submit == SUBMIT_AMBIGUOUS || call->submit == SUBMIT_REJECTED || (call->submit == SUBMIT_NOT_SENT && !was_sent));
	/* Refused without a question: only what was never sent. */
	MUST(call->submit != SUBMIT_REJECTED || !was_sent);
	MUST(call->verdict == PAYMENT_UNAVAILABLE);
	MUST(call->invoice == INVOICE_UNAVAILABLE);
	MUST(call->cancel == CANCEL_UNAVAILABLE);
	MUST(call->settled_count == 0 && call->listed_count == 0);
}

static void
converse(HttpNode *node, NodeCall *call, Input *input)
{
	NodeTalk	talk = {.call = call};
	HttpRequest asked = {.peer = &node->peer, .method = "GET", .path = ""};
	int			payments = 0;
	bool		was_sent = false;
	bool		was_heard = false;
	bool		goes_on = true;

	while (goes_on && node->dialect->ask(node, &talk, &asked))
	{
		HttpReply	reply = {.status = statuses[next_byte(input) % (sizeof(statuses) / sizeof(statuses[0]))]};

		reply.transport = next_byte(input) % 4 > 2 ? HTTP_NOT_SENT : next_byte(input) % 4 > 2 ? HTTP_NO_REPLY : HTTP_REPLIED;
		reply.problem = reply.transport == HTTP_REPLIED ? HTTP_FINE : HTTP_CUT;
		reply.words = "words";
		reply.body = next_body(call->arena, input, &reply.length);
		payments += asked.pays;
		was_sent = was_sent || (asked.pays && reply.transport != HTTP_NOT_SENT);
		was_heard = was_heard || reply.transport == HTTP_REPLIED;
		goes_on = node->dialect->hear(node, &talk, &reply);
		talk.step++;
		MUST(talk.step <= MOST_STEPS);
		asked = (HttpRequest) {.peer = &node->peer, .method = "GET", .path = ""};
	}
	MUST(payments <= 1);
	MUST(call->submit != SUBMIT_NOT_SENT || !was_sent);
	MUST(call->submit != SUBMIT_SETTLED || was_heard);
	/* Where nothing was asked, the adapter knows the answer itself. */
	if (talk.step > 0 && !was_heard)
		check_silence(call, was_sent);
}

static void
read_connection(Arena *arena, const uint8_t *data, size_t size)
{
	const char *text = arena_text_of(arena, (const char *) data, size);
	NodeConnection connection;

	if (connection_parse(arena, text, &connection) == NULL)
	{
		MUST(connection.url != NULL && connection.node != NULL);
		MUST(connection_node(text) != NULL && strcmp(connection_node(text), connection.node) == 0);
	}
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};
	size_t		kind = next_byte(&input) % 4;
	NodeOperation operation = (NodeOperation) (next_byte(&input) % (NODE_LIST_INVOICES + 1));
	NodeConnection connection = {.url = "https://node"};
	BumpArena	memory;
	HttpNode	node;
	NodeCall	call;

	bump_arena_init(&memory);
	if (kind == 3)
		read_connection(&memory.arena, input.bytes, input.length);
	else
	{
		connection.node = dialects[kind]->name;
		http_node_init(&node, dialects[kind]);
		MUST(http_node_connect(&node, &connection, (const uint8_t *) credentials[kind], strlen(credentials[kind])) == NULL);
		call = call_of(&memory.arena, operation);
		converse(&node, &call, &input);
		http_node_end(&node);
	}
	bump_arena_destroy(&memory);
	return 0;
}
