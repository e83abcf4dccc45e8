/*
 * settings.c
 *		The settings of bitcoin.
 *
 * All are the operator's and are read again on reload.  What a withdrawal may
 * cost and how long an invoice is good is fixed when it is asked for.
 */
#include "postgres/server.h"

#include "bitcoin/settings.h"

#include "postgres/amount_setting.h"

static char *lightning_url;
static char *lightning_ca_file;
static char *lightning_credential_file;
static char *lightning_connection;
static int	lightning_node;
static int	lightning_network;
static int	invoice_expiry;
static int	lightning_create_deadline;
static int	lightning_timeout;
static int	lightning_not_found_delay;
static int	lightning_weak_failure_delay;
static char *solvency_tolerance;
static char *own_capital;
static int	fee_floor;
static int	fee_ppm;

static const struct config_enum_entry nodes[] = {
	{"simulator", 0, false},
	{"lnd", 1, false},
	{"cln", 2, false},
	{"lnbits", 3, false},
	{NULL, 0, false}
};

/* By the names that nodes and invoices use; the first of two is the one shown. */
static const struct config_enum_entry networks[] = {
	{"regtest", 0, false},
	{"signet", 1, false},
	{"testnet", 2, false},
	{"mainnet", 3, false},
	{"bitcoin", 3, true},
	{NULL, 0, false}
};

static const char *const network_names[] = {"regtest", "signet", "testnet", "bitcoin"};

const char *
bitcoin_wanted_node(void)
{
	const char *node;

	if (lightning_connection[0] == '\0')
		return nodes[lightning_node].name;
	/* Never the simulator by mistake. */
	node = connection_node(lightning_connection);
	return node == NULL ? "" : node;
}

const char *
bitcoin_node_connection(Arena *arena, NodeConnection *connection)
{
	const char *problem;

	if (lightning_connection[0] != '\0')
	{
		problem = connection_parse(arena, lightning_connection, connection);
		return problem == NULL ? NULL : arena_printf(arena, "spark.lightning_connection: %s", problem);
	}
	*connection = (NodeConnection) {.node = bitcoin_wanted_node()};
	if (lightning_url[0] == '\0')
		return "spark.lightning_url is not set";
	problem = connection_set_server(arena, lightning_url, connection);
	if (problem != NULL)
		return arena_printf(arena, "spark.lightning_url: %s", problem);
	connection->ca_file = lightning_ca_file[0] == '\0' ? NULL : lightning_ca_file;
	connection->credential_file = lightning_credential_file[0] == '\0' ? NULL : lightning_credential_file;
	if (connection->credential_file == NULL && connection->socket_path == NULL)
		return "spark.lightning_credential_file is not set";
	return connection_problem(connection);
}

BitcoinTerms
bitcoin_terms(void)
{
	return (BitcoinTerms) {
		.network = network_names[lightning_network],
		.invoice_expiry = invoice_expiry,
		.create_deadline = lightning_create_deadline,
		.call_timeout = lightning_timeout,
		.not_found_delay = lightning_not_found_delay,
		.weak_failure_delay = lightning_weak_failure_delay,
		.node = bitcoin_node_capabilities(),
		.fees = {
			.fee_floor = AMOUNT_MSAT(fee_floor * MSAT_PER_SAT),
			.fee_ppm = fee_ppm,
		},
	};
}

Amount
bitcoin_solvency_tolerance(void)
{
	return amount_set(solvency_tolerance);
}

Amount
bitcoin_own_capital(void)
{
	return amount_set(own_capital);
}

static void
define_number(const char *name, const char *sentence, const char *more, int *variable,
			  int initial, int least, int most, int unit)
{
	DefineCustomIntVariable(name, sentence, more, variable, initial, least, most, PGC_SIGHUP, unit,
							NULL, NULL, NULL);
}

static void
define_text(const char *name, const char *sentence, const char *more, char **variable, int flags)
{
	DefineCustomStringVariable(name, sentence, more, variable, "", PGC_SIGHUP, flags, NULL, NULL, NULL);
}

static void
define_node(void)
{
	DefineCustomEnumVariable("spark.lightning_node", "Names the kind of Lightning node that spark works with.",
							 "simulator plays a node on regtest and moves no real money.",
							 &lightning_node, 0, nodes, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("spark.lightning_network", "Names the network that the Lightning node is on.",
							 "Payment requests of another network are refused.",
							 &lightning_network, 0, networks, PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_text("spark.lightning_connection", "Says how the Lightning node is reached, all in one text.",
				"As BTCPay Server writes it: type=lnd-rest;server=..;macaroonfilepath=..; where it is set, it alone counts.",
				&lightning_connection, GUC_SUPERUSER_ONLY);
	define_text("spark.lightning_url", "Names the address of the Lightning node.", "https://host:port, or unix:///path of a socket.",
				&lightning_url, GUC_SUPERUSER_ONLY);
	define_text("spark.lightning_ca_file", "Names the file with the certificate that the Lightning node is checked against.",
				NULL, &lightning_ca_file, GUC_SUPERUSER_ONLY);
	define_text("spark.lightning_credential_file", "Names the file with the credential for the Lightning node.",
				"Group and others must have no access; read again on reload.",
				&lightning_credential_file, GUC_SUPERUSER_ONLY);
}

void
bitcoin_define_settings(void)
{
	define_node();
	define_number("spark.invoice_expiry", "Sets how long the invoice of a deposit is good.", NULL,
				  &invoice_expiry, 3600, 1, 31536000, GUC_UNIT_S);
	define_number("spark.lightning_create_deadline", "Sets after how long a deposit without invoice fails.", NULL,
				  &lightning_create_deadline, 600, 1, 86400, GUC_UNIT_S);
	define_number("spark.lightning_timeout", "Sets how long one call of the Lightning node may take.",
				  "A payment that takes longer goes on; only its answer is asked for anew.",
				  &lightning_timeout, 10, 1, 300, GUC_UNIT_S);
	define_number("spark.lightning_not_found_delay", "Sets how long a node that does not know a payment is not believed.",
				  "Counted from the last moment at which it can have been submitted.",
				  &lightning_not_found_delay, 60, 0, 86400, GUC_UNIT_S);
	define_number("spark.lightning_weak_failure_delay",
				  "Sets how long a failed payment is not believed of a node that knows its own records only.",
				  "Counted from the end of the invoice; such a node is LNbits.",
				  &lightning_weak_failure_delay, 86400, 0, 31536000, GUC_UNIT_S);
	define_amount("spark.solvency_tolerance",
				  "Sets how much the node may lack of what the books owe before withdrawals stop, in satoshi.",
				  "Looked at with each comparison of the books and the node; deposits go on." AMOUNT_RANGE,
				  &solvency_tolerance, "10000");
	define_amount("spark.own_capital",
				  "Sets how much of the node's money is the operator's own and is never paid out, in satoshi.",
				  "Looked at with each comparison of the books and the node, and before each payment; 0 is none." AMOUNT_RANGE,
				  &own_capital, "0");
	define_number("spark.fee_floor", "Sets the highest fee of a small withdrawal, in satoshi.",
				  "The larger of this and spark.fee_ppm is reserved beside the amount.",
				  &fee_floor, 10, 0, 1000000000, 0);
	define_number("spark.fee_ppm", "Sets the highest fee of a withdrawal, in millionths of its amount.", NULL,
				  &fee_ppm, 10000, 0, 1000000, 0);
}
