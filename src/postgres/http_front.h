/*
 * http_front.h
 *		What an HTTP front in front of the database (PostgREST) tells us, and
 *		what it lets us tell its client.
 *
 * A front sets request.* for the transaction and reads response.* at its end.
 * Any SQL client can write the same settings, so they are believed only where
 * the session was opened by a role named in spark.trusted_proxies.
 */
#ifndef SPARK_POSTGRES_HTTP_FRONT_H
#define SPARK_POSTGRES_HTTP_FRONT_H

#include "postgres/server.h"

/*
 * True where the session user itself, not a role it is member of or has become
 * by SET ROLE, is named in spark.trusted_proxies.
 */
extern bool front_is_trusted(void);

/* A setting such as "request.jwt.claims"; NULL where unset or empty. */
extern const char *request_setting(const char *name);

/* True where a trusted front has passed on an HTTP request. */
extern bool called_over_http(void);

/* The answer's status and one header more; nothing unless called over HTTP. */
extern void response_status(int status);
extern void response_header(const char *name, const char *value);

/* A traceparent of the request in W3C form, or NULL. */
extern const char *request_traceparent(void);

#endif
