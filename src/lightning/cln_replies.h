/*
 * cln_replies.h
 *		What the replies of Core Lightning mean.
 */
#ifndef SPARK_LIGHTNING_CLN_REPLIES_H
#define SPARK_LIGHTNING_CLN_REPLIES_H

#include "lightning/http_node.h"

#define CLN_REQUEST_ID "spark"	/* of each JSON-RPC request, and of its reply */
#define CLN_ROWS_A_PAGE 100

/* Takes in the reply to this step; true: another one is to be asked. */
extern bool cln_hear(HttpNode *self, NodeTalk *talk, const HttpReply *reply);

#endif
