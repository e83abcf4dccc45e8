/*
 * postgres.h
 *		Crowdfunding on PostgreSQL: the wired ports, the consumer, the queries.
 *
 * Commands go through the ports, as aggregates.  Queries read with the caller's
 * own snapshot and lock nothing.
 */
#ifndef SPARK_CROWDFUNDING_POSTGRES_H
#define SPARK_CROWDFUNDING_POSTGRES_H

#include "postgres/page.h"

#include "crowdfunding/handlers.h"

extern const Crowdfunding crowdfunding;
extern const Consumer crowdfunding_consumer;

/* A campaign as it is shown. */
typedef struct CampaignView
{
	const Campaign *campaign;
	const char *owner_username; /* NULL until the sign-up was handled */
} CampaignView;

/* The name of an account, or NULL. */
extern const char *creator_username(Arena *arena, Uuid account_id);

/* One campaign; false where there is none. */
extern bool campaign_query(Arena *arena, Uuid campaign_id, CampaignView *view);

/* A page of all campaigns; campaign_of_row() reads its current row. */
extern Rows campaigns_page(PagePlace after, int limit);
extern CampaignView campaign_of_row(const Rows *rows, Arena *arena);

/* One donation, or NULL. */
extern const Donation *donation_query(Arena *arena, Uuid donation_id);

/* A page of a campaign's donations; donation_of_row() reads its current row. */
extern Rows donations_page(Uuid campaign_id, PagePlace after, int limit);
extern Rows donations_page_of_donor(Uuid campaign_id, Uuid donor_id, PagePlace after, int limit);
extern const Donation *donation_of_row(const Rows *rows, Arena *arena);

#endif
