/*
 * postgres_breaker.c
 *		The breaker: while it is open nothing is paid.
 */
#include "postgres/server.h"

#include "bitcoin/postgres_breaker.h"

#include "postgres/statement.h"

#define BREAKER "SELECT is_open, reason, opened_at, accepted_msat, audit_first FROM spark_bitcoin.breaker"

Breaker
breaker_query(Arena *arena, bool read_only)
{
	static Statement fresh = {.sql = BREAKER};
	static Statement plain = {.sql = BREAKER, .read_only = true};
	Rows		rows = rows_open(read_only ? &plain : &fresh, NO_PARAMETERS);
	Breaker		breaker = {.is_open = false};

	if (rows_next(&rows))
		breaker = (Breaker) {
			.is_open = row_bool(&rows, 1),
			.reason = row_text(&rows, 2, arena),
			.opened_at = row_instant(&rows, 3),
			.accepted = row_amount(&rows, 4),
			.audit_first = row_bool(&rows, 5),
		};
	rows_close(&rows);
	return breaker;
}

void
breaker_open(const char *reason, Instant now)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.breaker AS b (breaker_no, is_open, reason, opened_at, accepted_msat, audit_first)"
		" VALUES (1, true, $1, $2, 0, false) ON CONFLICT (breaker_no) DO UPDATE"
		" SET is_open = true, reason = $1, opened_at = $2 WHERE NOT b.is_open"
	};

	if (statement_run(&statement, PARAMETERS(param_text(reason), param_instant(now))) > 0)
		ereport(WARNING,
				(errmsg("Lightning: withdrawals have stopped: %s", reason),
				 errhint("See spark_ops.reconcile() and spark_ops.health(), then call spark_ops.close_breaker().")));
}

void
breaker_close(Amount accepted)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.breaker SET is_open = false, reason = NULL, opened_at = NULL, accepted_msat = $1"
	};

	statement_run(&statement, PARAMETERS(param_amount(accepted)));
}

void
breaker_accept(Amount accepted)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.breaker SET accepted_msat = $1 WHERE accepted_msat > $1"
	};

	statement_run(&statement, PARAMETERS(param_amount(accepted)));
}

void
breaker_wants_audit(bool audit_first)
{
	static Statement wants = {
		.sql = "INSERT INTO spark_bitcoin.breaker AS b (breaker_no, is_open, accepted_msat, audit_first)"
		" VALUES (1, false, 0, true) ON CONFLICT (breaker_no) DO UPDATE SET audit_first = true"
	};
	static Statement had = {
		.sql = "UPDATE spark_bitcoin.breaker SET audit_first = false WHERE audit_first"
	};

	statement_run(audit_first ? &wants : &had, NO_PARAMETERS);
}
