/*
 * settings.c
 *		The settings of the bus and of the HTTP front.
 */
#include "postgres/server.h"

#include "postgres/settings.h"

char	   *trusted_proxies;
char	   *spark_databases;
int			dispatch_naptime;
int			dispatchers;
int			segment_size;
int			segment_age;
int			segment_retention;
int			subscriber_max_lag;
int			dispatch_batch_size;
int			retry_base_delay;
int			retry_max_delay;
int			handler_timeout;
int			max_depth;
int			crash_attempts;
bool		acts_outside;

static void
define_integer(const char *name, const char *sentence, int *variable,
			   int initial, int least, int most, GucContext context, int unit)
{
	DefineCustomIntVariable(name, sentence, NULL, variable, initial, least, most, context, unit,
							NULL, NULL, NULL);
}

static void
define_text(const char *name, const char *sentence, char **variable, GucContext context, int flags)
{
	DefineCustomStringVariable(name, sentence, NULL, variable, "", context, flags, NULL, NULL, NULL);
}

void
define_settings(void)
{
	define_text("spark.databases", "Names the databases in which spark's workers run, with commas between.",
				&spark_databases, PGC_SIGHUP, GUC_LIST_INPUT);
	define_text("spark.trusted_proxies", "Names the login roles of HTTP fronts whose request claims are believed.",
				&trusted_proxies, PGC_SIGHUP, GUC_LIST_INPUT);
	define_integer("spark.dispatch_naptime", "Sets the longest wait of a dispatcher between two looks at the log.",
				   &dispatch_naptime, 1000, 10, 3600000, PGC_SIGHUP, GUC_UNIT_MS);
	define_integer("spark.dispatchers", "Sets how many dispatchers share the lanes of the log; 0: one a lane.",
				   &dispatchers, 0, 0, 64, PGC_SIGHUP, 0);
	define_integer("spark.dispatch_batch_size", "Sets the most messages that are handled in one transaction.",
				   &dispatch_batch_size, 1000, 1, 10000, PGC_SIGHUP, 0);
	define_integer("spark.segment_size", "Sets the size from which a segment of the log is left for the next one.",
				   &segment_size, 65536, 64, 16777216, PGC_SIGHUP, GUC_UNIT_KB);
	define_integer("spark.segment_age", "Sets the age from which a segment of the log is left for the next one.",
				   &segment_age, 3600, 1, 604800, PGC_SIGHUP, GUC_UNIT_S);
	define_integer("spark.segment_retention", "Sets how long a segment of the log stays at least after it was left.",
				   &segment_retention, 600, 0, 604800, PGC_SIGHUP, GUC_UNIT_S);
	define_integer("spark.subscriber_max_lag", "Sets after what standstill in a lane a user's consumer that keeps the log is detached; 0: never.",
				   &subscriber_max_lag, 604800, 0, 31536000, PGC_SIGHUP, GUC_UNIT_S);
	define_integer("spark.retry_base_delay", "Sets the wait before the first retry of a failed message; it doubles with each.",
				   &retry_base_delay, 1000, 1, 3600000, PGC_SIGHUP, GUC_UNIT_MS);
	define_integer("spark.retry_max_delay", "Sets the longest wait between two retries of a failed message.",
				   &retry_max_delay, 600000, 1, 86400000, PGC_SIGHUP, GUC_UNIT_MS);
	define_integer("spark.handler_timeout", "Sets how long one call of a handler may take.",
				   &handler_timeout, 30000, 10, 3600000, PGC_SIGHUP, GUC_UNIT_MS);
	define_integer("spark.max_depth", "Sets after how many hops from its outside cause a message is a dead letter.",
				   &max_depth, 100, 1, 10000, PGC_SIGHUP, 0);
	define_integer("spark.crash_attempts", "Sets how many crashes of the server a suspected message may cost until it is dead.",
				   &crash_attempts, 2, 1, 100, PGC_SIGHUP, 0);
	DefineCustomBoolVariable("spark.outside", "Allows workers to act outside of the database, as by paying.",
							 "Off belongs into the configuration of a cluster that is a copy of another one.",
							 &acts_outside, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
}
