/*
 * audit_verdict.h
 *		What a comparison of the books with the node leads to: whether a copy may
 *		pay again, and whether the node has what the books owe.
 *
 * All in the transaction of the caller, who is the Lightning worker.
 */
#ifndef SPARK_BITCOIN_AUDIT_VERDICT_H
#define SPARK_BITCOIN_AUDIT_VERDICT_H

#include "postgres/server.h"

#include "bitcoin/postgres_audit.h"

#include "lightning/lightning_node.h"

/* What the node has said of its money, where it does. */
typedef struct AuditFigures
{
	bool		has_balance;
	NodeBalance balance;
	Amount		received_before;	/* by the books, when it was asked for */
} AuditFigures;

/* True where the node lacks more than is borne. */
extern bool audit_shows_lack(const AuditFigures *figures);

/* Opens the breaker where something speaks against paying; the figures go into outcome. */
extern void audit_judge(const FoundDifference *found, size_t found_count, const AuditFigures *figures,
						AuditOutcome *outcome, Instant now);

/* The same where the node has told no more than its balance: a copy goes on waiting for the lists. */
extern void audit_judge_balance(const AuditFigures *figures, AuditOutcome *outcome, Instant now);

#endif
