/*
 * settings.h
 *		The settings of the bus and of the HTTP front; contexts define their own.
 */
#ifndef SPARK_POSTGRES_SETTINGS_H
#define SPARK_POSTGRES_SETTINGS_H

extern char *trusted_proxies;	/* roles, comma between */
extern char *spark_databases;	/* databases with workers, comma between */
extern int	dispatchers;		/* 0: one a lane */
extern int	segment_size;		/* kB */
extern int	segment_age;		/* s */
extern int	segment_retention;	/* s */
extern int	subscriber_max_lag; /* s; 0: a consumer may stay behind for ever */
extern int	dispatch_naptime;	/* ms */
extern int	dispatch_batch_size;	/* messages */
extern int	retry_base_delay;	/* ms */
extern int	retry_max_delay;	/* ms */
extern int	handler_timeout;	/* ms */
extern int	max_depth;			/* hops */
extern int	crash_attempts;
extern bool acts_outside;		/* false: nothing outside of the database is done */

/* To be called once, from _PG_init. */
extern void define_settings(void);

#endif
