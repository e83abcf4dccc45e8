/*
 * http_parts.h
 *		What http.c and http_request.c share: exchanges from inside.
 */
#ifndef SPARK_LIGHTNING_HTTP_PARTS_H
#define SPARK_LIGHTNING_HTTP_PARTS_H

#include "lightning/http_reader.h"
#include "lightning/raw_exchange.h"

#include <stdint.h>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

struct HttpClient
{
	CURLM	   *multi;
	int			epoll;
	int			timer;
	int64_t		curl_due;		/* when libcurl wants to be called; microseconds that only grow */
	HttpExchange *first;
};

struct HttpExchange
{
	HttpExchange *next;
	HttpClient *client;
	CURL	   *easy;			/* NULL for a raw one */
	struct curl_slist *headers;
	char	   *request;		/* the body, copied */
	size_t		request_length;
	bool		is_raw;
	RawExchange raw;
	uint8_t		thumbprint[32];

	int64_t		deadline;		/* microseconds that only grow */
	int64_t		write_before;	/* likewise; NEVER: no such moment */
	HttpReader	reader;

	bool		is_done;
	HttpReply	answer;
};

/*
 * Makes the handle of an exchange that is to send this request; its deadline,
 * its reader and its place are set.  CURLE_OK, or why it cannot be sent.
 */
extern CURLcode http_prepare(HttpExchange *exchange, const HttpRequest *request);

#endif
