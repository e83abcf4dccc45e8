/*
 * settings.h
 *		The settings of bitcoin.
 */
#ifndef SPARK_BITCOIN_SETTINGS_H
#define SPARK_BITCOIN_SETTINGS_H

#include "bitcoin/ports.h"
#include "lightning/connection.h"

/* To be called once, from _PG_init. */
extern void bitcoin_define_settings(void);

/* As they are now. */
extern BitcoinTerms bitcoin_terms(void);

/* "simulator", "lnd", "cln", "lnbits": the node that the operator wants; "" where he does not say. */
extern const char *bitcoin_wanted_node(void);

/* How that one is reached, unless it is the simulator; NULL, or what is wrong with the settings. */
extern const char *bitcoin_node_connection(Arena *arena, NodeConnection *connection);

/* What the node may lack of what is owed before withdrawals stop. */
extern Amount bitcoin_solvency_tolerance(void);

/* What of the node's money is the operator's own and has to stay there; zero: nothing. */
extern Amount bitcoin_own_capital(void);

/* What that node can do; all, where there is none (worker_node.c). */
extern NodeCapabilities bitcoin_node_capabilities(void);

#endif
