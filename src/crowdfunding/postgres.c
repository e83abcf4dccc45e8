/*
 * postgres.c
 *		Crowdfunding on PostgreSQL.
 *
 * A row is locked FOR NO KEY UPDATE: readers and foreign readers of its key go
 * on.  A second donation with one key, or a second campaign with one id, meets
 * the unique index: the insert waits for the first, then says DUPLICATE.
 */
#include "postgres/server.h"

#include "crowdfunding/postgres.h"

#include "postgres/aggregates.h"
#include "postgres/errors.h"

/* --------------------------------------------------------------- creators */

static Aggregate *
read_creator(const Rows *rows, Arena *arena)
{
	Creator    *creator = ARENA_NEW(arena, Creator);

	creator->username = row_text(rows, 3, arena);
	return &creator->aggregate;
}

#define CREATORS_BY_ID \
	"SELECT account_id, version, username" \
	"  FROM spark_crowdfunding.creators WHERE account_id = ANY ($1) ORDER BY account_id"

DEFINE_LOAD(load_creators, CREATORS_BY_ID, read_creator)

static Result
insert_creator(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_crowdfunding.creators (account_id, version, username)"
		" VALUES ($1, 1, $2) ON CONFLICT DO NOTHING"
	};
	const Creator *creator = (const Creator *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_text(creator->username),
	};

	(void) self;
	(void) work;
	return inserted(statement_run(&statement, parameters, lengthof(parameters)));
}

static Result
update_creator(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "UPDATE spark_crowdfunding.creators SET version = version + 1, username = $3"
		" WHERE account_id = $1 AND version = $2"
	};
	const Creator *creator = (const Creator *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_bigint(aggregate->version),
		param_text(creator->username),
	};

	(void) self;
	(void) work;
	return updated(statement_run(&statement, parameters, lengthof(parameters)));
}

/* -------------------------------------------------------------- campaigns */

#define CAMPAIGN_COLUMNS \
	"campaign_id, c.version, owner_id, title, description, goal_msat, status," \
	" raised_msat, donation_count, goal_reached, created_at"

static Aggregate *
read_campaign(const Rows *rows, Arena *arena)
{
	Campaign   *campaign = ARENA_NEW(arena, Campaign);
	const char *status = row_text(rows, 7, arena);

	campaign->owner_id = row_uuid(rows, 3);
	campaign->title = row_text(rows, 4, arena);
	campaign->description = row_text(rows, 5, arena);
	campaign->goal = row_amount(rows, 6);
	if (!campaign_status_by_name(status, &campaign->status))
		refuse(RESULT_INTERNAL, "A campaign has status %s.", status);
	campaign->raised = row_amount(rows, 8);
	campaign->donation_count = row_bigint(rows, 9);
	campaign->goal_reached = row_bool(rows, 10);
	campaign->created_at = row_instant(rows, 11);
	return &campaign->aggregate;
}

#define CAMPAIGNS_BY_ID \
	"SELECT " CAMPAIGN_COLUMNS \
	"  FROM spark_crowdfunding.campaigns c WHERE campaign_id = ANY ($1) ORDER BY campaign_id"

DEFINE_LOAD(load_campaigns, CAMPAIGNS_BY_ID, read_campaign)

static Result
insert_campaign(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_crowdfunding.campaigns"
		" (campaign_id, version, owner_id, title, description, goal_msat, status,"
		" raised_msat, donation_count, goal_reached, created_at)"
		" VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
	};
	const Campaign *campaign = (const Campaign *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_uuid(campaign->owner_id),
		param_text(campaign->title),
		param_text(campaign->description),
		param_amount(campaign->goal),
		param_text(campaign_status_name(campaign->status)),
		param_amount(campaign->raised),
		param_bigint(campaign->donation_count),
		param_bool(campaign->goal_reached),
		param_instant(campaign->created_at),
	};

	(void) self;
	(void) work;
	return inserted(statement_run(&statement, parameters, lengthof(parameters)));
}

/* Owner, goal and texts never change. */
static int
put_total(const void *item, Parameter *row)
{
	const Campaign *campaign = item;

	return PUT_ROW(row,
				   param_uuid(campaign->aggregate.id),
				   param_bigint(campaign->aggregate.version),
				   param_text(campaign_status_name(campaign->status)),
				   param_amount(campaign->raised),
				   param_bigint(campaign->donation_count),
				   param_bool(campaign->goal_reached));
}

static Result
update_campaigns(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "UPDATE spark_crowdfunding.campaigns c"
		" SET version = c.version + 1, status = r.status, raised_msat = r.raised_msat,"
		" donation_count = r.donation_count, goal_reached = r.goal_reached"
		" FROM rows AS r (id, version, status, raised_msat, donation_count, goal_reached)"
		" WHERE c.campaign_id = r.id AND c.version = r.version"
	};

	(void) self;
	(void) work;
	return aggregates_update(&statement, aggregates, count, put_total);
}

/* -------------------------------------------------------------- donations */

#define DONATION_COLUMNS \
	"donation_id, version, campaign_id, donor_id, owner_id, idempotency_key," \
	" amount_msat, status, reason, created_at, decided_at"

static Aggregate *
read_donation(const Rows *rows, Arena *arena)
{
	Donation   *donation = ARENA_NEW(arena, Donation);
	const char *status = row_text(rows, 8, arena);

	donation->campaign_id = row_uuid(rows, 3);
	donation->donor_id = row_uuid(rows, 4);
	donation->owner_id = row_uuid(rows, 5);
	donation->idempotency_key = row_text(rows, 6, arena);
	donation->amount = row_amount(rows, 7);
	if (!donation_status_by_name(status, &donation->status))
		refuse(RESULT_INTERNAL, "A donation has status %s.", status);
	donation->reason = row_text(rows, 9, arena);
	donation->created_at = row_instant(rows, 10);
	donation->decided_at = row_instant(rows, 11);
	return &donation->aggregate;
}

#define DONATIONS_BY_ID \
	"SELECT " DONATION_COLUMNS \
	"  FROM spark_crowdfunding.donations WHERE donation_id = ANY ($1) ORDER BY donation_id"

DEFINE_LOAD(load_donations, DONATIONS_BY_ID, read_donation)

static Result
find_donation_by_key(const DonationRepository *self, UnitOfWork *work, Uuid donor_id, const char *idempotency_key,
					 Donation **found)
{
	static Statement statement = {
		.sql = "SELECT " DONATION_COLUMNS
		"  FROM spark_crowdfunding.donations WHERE donor_id = $1 AND idempotency_key = $2"
	};

	*found = (Donation *) only_aggregate(self->repository.type,
										 rows_open(&statement, PARAMETERS(param_uuid(donor_id), param_text(idempotency_key))),
										 work->arena, read_donation);
	return OK;
}

static Result
insert_donation(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_crowdfunding.donations"
		" (donation_id, version, campaign_id, donor_id, owner_id, idempotency_key,"
		" amount_msat, status, reason, created_at, decided_at)"
		" VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
	};
	const Donation *donation = (const Donation *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_uuid(donation->campaign_id),
		param_uuid(donation->donor_id),
		param_uuid(donation->owner_id),
		param_text(donation->idempotency_key),
		param_amount(donation->amount),
		param_text(donation_status_name(donation->status)),
		param_text(donation->reason),
		param_instant(donation->created_at),
		param_instant(donation->decided_at),
	};

	(void) self;
	(void) work;
	return inserted(statement_run(&statement, parameters, lengthof(parameters)));
}

/* All but what became of it never changes. */
static int
put_decision(const void *item, Parameter *row)
{
	const Donation *donation = item;

	return PUT_ROW(row,
				   param_uuid(donation->aggregate.id),
				   param_bigint(donation->aggregate.version),
				   param_text(donation_status_name(donation->status)),
				   param_text(donation->reason),
				   param_instant(donation->decided_at));
}

static Result
update_donations(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "UPDATE spark_crowdfunding.donations d"
		" SET version = d.version + 1, status = r.status, reason = r.reason, decided_at = r.decided_at"
		" FROM rows AS r (id, version, status, reason, decided_at)"
		" WHERE d.donation_id = r.id AND d.version = r.version"
	};

	(void) self;
	(void) work;
	return aggregates_update(&statement, aggregates, count, put_decision);
}

/* ------------------------------------------------------------------ wired */

static const Repository creators = {&creator_type, load_creators, insert_creator, update_creator};
static const Repository campaigns = {
	&campaign_type, load_campaigns, insert_campaign, aggregate_update, NULL, update_campaigns
};
static const DonationRepository donations = {
	{&donation_type, load_donations, insert_donation, aggregate_update, NULL, update_donations},
	find_donation_by_key
};

const Crowdfunding crowdfunding = {&creators, &campaigns, &donations};
const Consumer crowdfunding_consumer = CROWDFUNDING_CONSUMER(&crowdfunding);

/* ---------------------------------------------------------------- queries */

const char *
creator_username(Arena *arena, Uuid account_id)
{
	static Statement statement = {
		.sql = "SELECT username FROM spark_crowdfunding.creators WHERE account_id = $1",
		.read_only = true
	};
	Rows		rows = rows_open(&statement, PARAMETERS(param_uuid(account_id)));
	const char *username = rows_next(&rows) ? row_text(&rows, 1, arena) : NULL;

	rows_close(&rows);
	return username;
}

#define CAMPAIGN_VIEW \
	"SELECT " CAMPAIGN_COLUMNS ", username" \
	"  FROM spark_crowdfunding.campaigns c" \
	"  LEFT JOIN spark_crowdfunding.creators ON account_id = owner_id "

CampaignView
campaign_of_row(const Rows *rows, Arena *arena)
{
	return (CampaignView) {
		.campaign = (const Campaign *) aggregate_of_row(&campaign_type, rows, arena, read_campaign),
		.owner_username = row_text(rows, 12, arena),
	};
}

bool
campaign_query(Arena *arena, Uuid campaign_id, CampaignView *view)
{
	static Statement statement = {.sql = CAMPAIGN_VIEW "WHERE campaign_id = $1", .read_only = true};
	Rows		rows = rows_open(&statement, PARAMETERS(param_uuid(campaign_id)));
	bool		found = rows_next(&rows);

	if (found)
		*view = campaign_of_row(&rows, arena);
	rows_close(&rows);
	return found;
}

Rows
campaigns_page(PagePlace after, int limit)
{
	static Statement statement = {
		.sql = CAMPAIGN_VIEW "WHERE " PAGE("campaign_id"),
		.read_only = true
	};

	return rows_open(&statement, PARAMETERS(PAGE_PARAMETERS(after, limit)));
}

const Donation *
donation_of_row(const Rows *rows, Arena *arena)
{
	return (const Donation *) aggregate_of_row(&donation_type, rows, arena, read_donation);
}

const Donation *
donation_query(Arena *arena, Uuid donation_id)
{
	static Statement statement = {
		.sql = "SELECT " DONATION_COLUMNS " FROM spark_crowdfunding.donations WHERE donation_id = $1",
		.read_only = true
	};

	return (const Donation *) only_aggregate(&donation_type, rows_open(&statement, PARAMETERS(param_uuid(donation_id))),
											 arena, read_donation);
}

/*
 * These lists repeat the condition of their index (sql/tables/crowdfunding),
 * which holds for every row.
 */
Rows
donations_page(Uuid campaign_id, PagePlace after, int limit)
{
	static Statement statement = {
		.sql = "SELECT " DONATION_COLUMNS " FROM spark_crowdfunding.donations"
		" WHERE campaign_id = $4 AND donor_id <> owner_id AND " PAGE("donation_id"),
		.read_only = true
	};

	return rows_open(&statement, PARAMETERS(PAGE_PARAMETERS(after, limit), param_uuid(campaign_id)));
}

Rows
donations_page_of_donor(Uuid campaign_id, Uuid donor_id, PagePlace after, int limit)
{
	static Statement statement = {
		.sql = "SELECT " DONATION_COLUMNS " FROM spark_crowdfunding.donations"
		" WHERE campaign_id = $4 AND donor_id = $5 AND amount_msat > 0 AND " PAGE("donation_id"),
		.read_only = true
	};

	return rows_open(&statement, PARAMETERS(PAGE_PARAMETERS(after, limit), param_uuid(campaign_id),
											param_uuid(donor_id)));
}
