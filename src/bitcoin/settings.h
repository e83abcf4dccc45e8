/*
 * settings.h
 *		The settings of bitcoin.
 */
#ifndef SPARK_BITCOIN_SETTINGS_H
#define SPARK_BITCOIN_SETTINGS_H

#include "bitcoin/ports.h"

/* To be called once, from _PG_init. */
extern void bitcoin_define_settings(void);

/* As they are now. */
extern BitcoinTerms bitcoin_terms(void);

/* "simulator", "lnd", "cln", "lnbits": the node that the operator wants. */
extern const char *bitcoin_wanted_node(void);

/* How a real node is reached; '' where it is not said.  Read by its adapter. */
extern char *lightning_url;
extern char *lightning_ca_file;
extern char *lightning_credential_file;

#endif
