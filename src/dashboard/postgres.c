/*
 * postgres.c
 *		The dashboard on PostgreSQL.
 *
 * Rows are locked FOR NO KEY UPDATE.  Two lanes that open one row at the same
 * time meet its primary key: the second waits, then says DUPLICATE.
 */
#include "postgres/server.h"

#include "dashboard/postgres.h"

#include "postgres/aggregates.h"
#include "postgres/errors.h"

/* -------------------------------------------------------------- overviews */

static Aggregate *
read_overview(const Rows *rows, Arena *arena)
{
	Overview   *overview = ARENA_NEW(arena, Overview);

	overview->username = row_text(rows, 3, arena);
	overview->posted = row_amount(rows, 4);
	overview->reserved = row_amount(rows, 5);
	overview->raised = row_amount(rows, 6);
	overview->donated = row_amount(rows, 7);
	overview->campaign_count = row_bigint(rows, 8);
	return &overview->aggregate;
}

#define OVERVIEWS_BY_ID \
	"SELECT account_id, version, username, posted_msat, reserved_msat," \
	" raised_msat, donated_msat, campaign_count" \
	"  FROM spark_dashboard.overviews WHERE account_id = ANY ($1) ORDER BY account_id"

DEFINE_LOAD(load_overviews, OVERVIEWS_BY_ID, read_overview)

static Result
insert_overview(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_dashboard.overviews"
		" (account_id, version, username, posted_msat, reserved_msat,"
		" raised_msat, donated_msat, campaign_count)"
		" VALUES ($1, 1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
	};
	const Overview *overview = (const Overview *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_text(overview->username),
		param_amount(overview->posted),
		param_amount(overview->reserved),
		param_amount(overview->raised),
		param_amount(overview->donated),
		param_bigint(overview->campaign_count),
	};

	(void) self;
	(void) work;
	return inserted(statement_run(&statement, parameters, lengthof(parameters)));
}

static int
put_sums(const void *item, Parameter *row)
{
	const Overview *overview = item;

	return PUT_ROW(row,
				   param_uuid(overview->aggregate.id),
				   param_bigint(overview->aggregate.version),
				   param_text(overview->username),
				   param_amount(overview->posted),
				   param_amount(overview->reserved),
				   param_amount(overview->raised),
				   param_amount(overview->donated),
				   param_bigint(overview->campaign_count));
}

static Result
update_overviews(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "UPDATE spark_dashboard.overviews o"
		" SET version = o.version + 1, username = r.username, posted_msat = r.posted_msat,"
		" reserved_msat = r.reserved_msat, raised_msat = r.raised_msat, donated_msat = r.donated_msat,"
		" campaign_count = r.campaign_count"
		" FROM rows AS r (id, version, username, posted_msat, reserved_msat, raised_msat, donated_msat, campaign_count)"
		" WHERE o.account_id = r.id AND o.version = r.version"
	};

	(void) self;
	(void) work;
	return aggregates_update(&statement, aggregates, count, put_sums);
}

/* -------------------------------------------------------------- campaigns */

static Aggregate *
read_campaign(const Rows *rows, Arena *arena)
{
	OwnCampaign *campaign = ARENA_NEW(arena, OwnCampaign);

	campaign->owner_id = row_uuid(rows, 3);
	campaign->title = row_text(rows, 4, arena);
	campaign->status = row_text(rows, 5, arena);
	campaign->goal = row_amount(rows, 6);
	campaign->raised = row_amount(rows, 7);
	campaign->donation_count = row_bigint(rows, 8);
	campaign->created_at = row_instant(rows, 9);
	return &campaign->aggregate;
}

#define CAMPAIGNS_BY_ID \
	"SELECT campaign_id, version, owner_id, title, status, goal_msat," \
	" raised_msat, donation_count, created_at" \
	"  FROM spark_dashboard.campaigns WHERE campaign_id = ANY ($1) ORDER BY campaign_id"

DEFINE_LOAD(load_campaigns, CAMPAIGNS_BY_ID, read_campaign)

static Result
insert_campaign(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_dashboard.campaigns"
		" (campaign_id, version, owner_id, title, status, goal_msat,"
		" raised_msat, donation_count, created_at)"
		" VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
	};
	const OwnCampaign *campaign = (const OwnCampaign *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_uuid(campaign->owner_id),
		param_text(campaign->title),
		param_text(campaign->status),
		param_amount(campaign->goal),
		param_amount(campaign->raised),
		param_bigint(campaign->donation_count),
		param_instant(campaign->created_at),
	};

	(void) self;
	(void) work;
	return inserted(statement_run(&statement, parameters, lengthof(parameters)));
}

static int
put_total(const void *item, Parameter *row)
{
	const OwnCampaign *campaign = item;

	return PUT_ROW(row,
				   param_uuid(campaign->aggregate.id),
				   param_bigint(campaign->aggregate.version),
				   param_text(campaign->title),
				   param_text(campaign->status),
				   param_amount(campaign->goal),
				   param_amount(campaign->raised),
				   param_bigint(campaign->donation_count),
				   param_instant(campaign->created_at));
}

static Result
update_campaigns(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "UPDATE spark_dashboard.campaigns c"
		" SET version = c.version + 1, title = r.title, status = r.status, goal_msat = r.goal_msat,"
		" raised_msat = r.raised_msat, donation_count = r.donation_count, created_at = r.created_at"
		" FROM rows AS r (id, version, title, status, goal_msat, raised_msat, donation_count, created_at)"
		" WHERE c.campaign_id = r.id AND c.version = r.version"
	};

	(void) self;
	(void) work;
	return aggregates_update(&statement, aggregates, count, put_total);
}

/* -------------------------------------------------------------- movements */

static Aggregate *
read_movement(const Rows *rows, Arena *arena)
{
	Movement   *movement = ARENA_NEW(arena, Movement);
	const char *state = row_text(rows, 3, arena);

	if (!movement_state_by_name(state, &movement->state))
		refuse(RESULT_INTERNAL, "A transfer has state %s.", state);
	movement->amount = row_amount(rows, 4);
	movement->payer.account_id = row_uuid(rows, 5);
	movement->payer.kind = row_text(rows, 6, arena);
	movement->payer.invoice_id = row_uuid(rows, 7);
	movement->payee.account_id = row_uuid(rows, 8);
	movement->payee.kind = row_text(rows, 9, arena);
	movement->payee.invoice_id = row_uuid(rows, 10);
	movement->campaign_id = row_uuid(rows, 11);
	movement->created_at = row_instant(rows, 12);
	movement->posted_at = row_instant(rows, 13);
	return &movement->aggregate;
}

#define MOVEMENTS_BY_ID \
	"SELECT transfer_id, version, state, amount_msat, payer_id, payer_kind, payer_invoice_id," \
	" payee_id, payee_kind, payee_invoice_id, campaign_id, created_at, posted_at" \
	"  FROM spark_dashboard.movements WHERE transfer_id = ANY ($1) ORDER BY transfer_id"

DEFINE_LOAD(load_movements, MOVEMENTS_BY_ID, read_movement)

static int
put_movement(const void *item, Parameter *row)
{
	const Movement *movement = item;

	return PUT_ROW(row,
				   param_uuid(movement->aggregate.id),
				   param_text(movement_state_name(movement->state)),
				   param_amount(movement->amount),
				   param_uuid(movement->payer.account_id),
				   param_text(movement->payer.kind),
				   param_uuid_or_null(movement->payer.invoice_id),
				   param_uuid(movement->payee.account_id),
				   param_text(movement->payee.kind),
				   param_uuid_or_null(movement->payee.invoice_id),
				   param_uuid_or_null(movement->campaign_id),
				   param_instant(movement->created_at),
				   param_instant(movement->posted_at));
}

static Result
insert_movements(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_dashboard.movements"
		" (transfer_id, version, state, amount_msat, payer_id, payer_kind, payer_invoice_id,"
		" payee_id, payee_kind, payee_invoice_id, campaign_id, created_at, posted_at)"
		" SELECT id, 1, state, amount_msat, payer_id, payer_kind, payer_invoice_id,"
		" payee_id, payee_kind, payee_invoice_id, campaign_id, created_at, posted_at"
		" FROM rows AS r (id, state, amount_msat, payer_id, payer_kind, payer_invoice_id,"
		" payee_id, payee_kind, payee_invoice_id, campaign_id, created_at, posted_at)"
		" ON CONFLICT DO NOTHING"
	};

	(void) self;
	(void) work;
	return aggregates_insert(&statement, aggregates, count, put_movement);
}

/* Who pays whom for what never changes. */
static Result
update_movement(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "UPDATE spark_dashboard.movements"
		" SET version = version + 1, state = $3, amount_msat = $4, posted_at = $5"
		" WHERE transfer_id = $1 AND version = $2"
	};
	const Movement *movement = (const Movement *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_bigint(aggregate->version),
		param_text(movement_state_name(movement->state)),
		param_amount(movement->amount),
		param_instant(movement->posted_at),
	};

	(void) self;
	(void) work;
	return updated(statement_run(&statement, parameters, lengthof(parameters)));
}

/* ------------------------------------------------------ counted donations */

static Aggregate *
read_donation(const Rows *rows, Arena *arena)
{
	CountedDonation *donation = ARENA_NEW(arena, CountedDonation);

	donation->campaign_id = row_uuid(rows, 3);
	donation->amount = row_amount(rows, 4);
	return &donation->aggregate;
}

/* These rows never change, so that there is nothing to lock. */
static Result
load_donations(const Repository *self, UnitOfWork *work, const Uuid *ids, size_t count, bool lock, Aggregate **found)
{
	static Statement statement = {
		.sql = "SELECT donation_id, 1::bigint, campaign_id, amount_msat"
		"  FROM spark_dashboard.counted_donations WHERE donation_id = ANY ($1) ORDER BY donation_id"
	};

	(void) lock;
	return aggregates_load(self, work, &statement, ids, count, read_donation, found);
}

static int
put_donation(const void *item, Parameter *row)
{
	const CountedDonation *donation = item;

	return PUT_ROW(row,
				   param_uuid(donation->aggregate.id),
				   param_uuid(donation->campaign_id),
				   param_amount(donation->amount));
}

static Result
insert_donations(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_dashboard.counted_donations (donation_id, campaign_id, amount_msat)"
		" SELECT id, campaign_id, amount_msat FROM rows AS r (id, campaign_id, amount_msat)"
		" ON CONFLICT DO NOTHING"
	};

	(void) self;
	(void) work;
	return aggregates_insert(&statement, aggregates, count, put_donation);
}

static Result
update_donation(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	(void) self;
	(void) work;
	(void) aggregate;
	return FAIL_BECAUSE(INTERNAL, "A counted donation never changes.");
}

/* ------------------------------------------------------------------ wired */

static const Repository overviews = {
	&overview_type, load_overviews, insert_overview, aggregate_update, NULL, update_overviews
};
static const Repository campaigns = {
	&own_campaign_type, load_campaigns, insert_campaign, aggregate_update, NULL, update_campaigns
};
static const Repository movements = {
	&movement_type, load_movements, aggregate_insert, update_movement, insert_movements, NULL
};
static const Repository donations = {
	&counted_donation_type, load_donations, aggregate_insert, update_donation, insert_donations, NULL
};

const Dashboard dashboard = {&overviews, &campaigns, &movements, &donations};
const Consumer dashboard_consumer = DASHBOARD_CONSUMER(&dashboard);

/* ------------------------------------------------------------------ query */

/* The newest 500; campaign_count counts all. */
#define CAMPAIGN_LIST \
	"SELECT coalesce(jsonb_agg(jsonb_build_object(" \
	"'campaign_id', campaign_id, 'title', title, 'status', status, 'goal_msat', goal_msat," \
	" 'raised_msat', raised_msat, 'donation_count', donation_count)" \
	" ORDER BY created_at DESC, campaign_id DESC), '[]')" \
	" FROM (SELECT * FROM spark_dashboard.campaigns" \
	" WHERE owner_id = $1 AND title IS NOT NULL" \
	" ORDER BY created_at DESC, campaign_id DESC LIMIT 500) own"

#define NEWEST_LINES " ORDER BY created_at DESC, transfer_id DESC LIMIT 10"

/* A reader is the payer of some and the payee of others: ten of each hold the ten of both. */
#define RECENT_LINES \
	"SELECT coalesce(jsonb_agg(jsonb_build_object(" \
	"'transfer_id', transfer_id, 'kind', kind, 'state', state, 'amount_msat', amount_msat," \
	" 'counterparty_id', counterparty_id, 'campaign_id', campaign_id, 'invoice_id', invoice_id," \
	" 'created_at', created_at, 'posted_at', posted_at)" \
	" ORDER BY created_at DESC, transfer_id DESC), '[]')" \
	" FROM ((SELECT transfer_id, payer_kind AS kind, state, -amount_msat AS amount_msat," \
	" payee_id AS counterparty_id, campaign_id, payer_invoice_id AS invoice_id, created_at, posted_at" \
	" FROM spark_dashboard.movements WHERE payer_id = $1 AND payer_kind IS NOT NULL" NEWEST_LINES ")" \
	" UNION ALL (SELECT transfer_id, payee_kind, state, amount_msat," \
	" payer_id, campaign_id, payee_invoice_id, created_at, posted_at" \
	" FROM spark_dashboard.movements WHERE payee_id = $1 AND payee_kind IS NOT NULL" NEWEST_LINES ")" \
	NEWEST_LINES ") line"

DashboardView
dashboard_query(Arena *arena, Uuid account_id)
{
	static Statement statement = {
		.sql = "SELECT $1, coalesce(version, 0), username, coalesce(posted_msat, 0), coalesce(reserved_msat, 0),"
		" coalesce(raised_msat, 0), coalesce(donated_msat, 0), coalesce(campaign_count, 0),"
		" (" CAMPAIGN_LIST "), (" RECENT_LINES ")"
		" FROM (SELECT) always LEFT JOIN spark_dashboard.overviews ON account_id = $1",
		.read_only = true
	};
	Rows		rows = rows_open(&statement, PARAMETERS(param_uuid(account_id)));
	DashboardView view = {.campaigns = "[]", .recent = "[]"};

	if (rows_next(&rows))
	{
		view.overview = *(const Overview *) aggregate_of_row(&overview_type, &rows, arena, read_overview);
		view.campaigns = row_text(&rows, 9, arena);
		view.recent = row_text(&rows, 10, arena);
	}
	rows_close(&rows);
	return view;
}
