/*
 * node_replies.c
 *		What the replies of all nodes have in common.
 */
#include "lightning/node_json.h"

#include "lightning/node_replies.h"

#include "lightning/bytes32.h"

json_t *
node_good_body(NodeCall *call, const HttpReply *reply, int status, TakeError take_error)
{
	json_t	   *body;

	if (reply->transport != HTTP_REPLIED)
	{
		call->words = reply->words;
		return NULL;
	}
	body = node_json_parse(reply);
	if (body != NULL && reply->status == status)
		return body;
	if (body == NULL && reply->status == status)
		call->words = NO_JSON_OF_A_NODE;
	else if (body == NULL || !take_error(call, reply, body))
		call->words = NO_ERROR_OF_A_NODE;
	json_decref(body);
	return NULL;
}

bool
node_is_of_hash(NodeCall *call, const json_t *entry)
{
	Bytes32		hash;

	if (node_json_hex32(entry, "payment_hash", &hash) && bytes32_equal(hash, call->payment_hash))
		return true;
	call->words = "the node tells of another hash than it was asked about";
	return false;
}
