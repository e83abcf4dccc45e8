/*
 * http_request.c
 *		A request as libcurl is told it: to whom, by which proof, in which manner.
 *
 * Whatever could send a request elsewhere, twice, or in the clear is turned off
 * here, one option at a time, and an option that libcurl does not know ends the
 * exchange before it began.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lightning/http.h"

#include "common/hex.h"
#include "lightning/http_parts.h"
#include "lightning/this_machine.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#define CONNECT_MILLISECONDS 5000

/* ---------------------------------------------------------------- callbacks */

static size_t
on_body(char *bytes, size_t size, size_t count, void *argument)
{
	HttpExchange *exchange = argument;

	/* Taking less than was offered ends the transfer. */
	return reader_take(&exchange->reader, bytes, size * count) ? size * count : 0;
}

static size_t
on_header(char *bytes, size_t size, size_t count, void *argument)
{
	HttpExchange *exchange = argument;

	(void) bytes;
	return reader_take_header(&exchange->reader, size * count) ? size * count : 0;
}

/* What the kernel still holds of a request is not to arrive long after its deadline. */
static int
on_new_socket(void *argument, curl_socket_t socket, curlsocktype purpose)
{
	unsigned int milliseconds = CONNECT_MILLISECONDS;

	(void) argument;
	if (purpose == CURLSOCKTYPE_IPCXN)
		(void) setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
	return CURL_SOCKOPT_OK;
}

/* ------------------------------------------------------------------ options */

/* https, or where nobody else can listen; no name and password in the address. */
static bool
is_safe_address(const char *url, const HttpPeer *peer)
{
	CURLU	   *parts = curl_url();
	char	   *scheme = NULL;
	char	   *host = NULL;
	bool		is_safe;

	is_safe = parts != NULL && curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		(strcmp(scheme, "https") == 0 ||
		 (strcmp(scheme, "http") == 0 && (peer->allows_plain || peer->socket_path != NULL || host_is_this_machine(host))));
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return is_safe;
}

/* The peer is known by his certificate itself, whoever signed it. */
static int
on_certificate(X509_STORE_CTX *store, void *argument)
{
	const HttpExchange *exchange = argument;
	X509	   *certificate = X509_STORE_CTX_get0_cert(store);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	if (certificate == NULL || X509_digest(certificate, EVP_sha256(), digest, &length) != 1 ||
		length != sizeof(exchange->thumbprint) || memcmp(digest, exchange->thumbprint, length) != 0)
	{
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static CURLcode
on_tls(CURL *easy, void *context, void *argument)
{
	(void) easy;
	SSL_CTX_set_cert_verify_callback(context, on_certificate, argument);
	return CURLE_OK;
}

/* libcurl must run on the very OpenSSL that this code was built for. */
static bool
can_check_thumbprints(void)
{
	const char *ssl = curl_version_info(CURLVERSION_NOW)->ssl_version;
	char		wanted[32];

	snprintf(wanted, sizeof(wanted), "OpenSSL/%d.", OPENSSL_VERSION_MAJOR);
	return ssl != NULL && strncmp(ssl, wanted, strlen(wanted)) == 0;
}

/* Sets an option where none before has failed. */
#define SET(option, value) \
	do { if (code == CURLE_OK) code = curl_easy_setopt(exchange->easy, (option), (value)); } while (0)

static CURLcode
set_trust(HttpExchange *exchange, const HttpPeer *peer)
{
	CURLcode	code = CURLE_OK;

	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (peer->thumbprint != NULL)
	{
		if (!can_check_thumbprints() ||
			!hex_parse(peer->thumbprint, strlen(peer->thumbprint), exchange->thumbprint, sizeof(exchange->thumbprint)))
			return CURLE_NOT_BUILT_IN;
		SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
		SET(CURLOPT_SSL_CTX_DATA, exchange);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
		/* A session that goes on shows no certificate; nor does a connection that was checked for another. */
		SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
	}
	else if (peer->pinned_key != NULL && peer->ca_file == NULL)
	{
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (peer->pinned_key != NULL)
		SET(CURLOPT_PINNEDPUBLICKEY, peer->pinned_key);
	if (peer->ca_file != NULL && peer->thumbprint == NULL)
	{
		/* This one alone, and none that the system trusts beside. */
		SET(CURLOPT_CAINFO, peer->ca_file);
		SET(CURLOPT_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
		/* Nor what stood in that file before: a node makes itself a new certificate. */
		SET(CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
	}
	return code;
}

static CURLcode
set_manners(HttpExchange *exchange, bool pays)
{
	CURLcode	code = CURLE_OK;

#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Ending an exchange does not wait for the thread that looks up its name. */
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_SOCKOPTFUNCTION, on_new_socket);
	SET(CURLOPT_USERAGENT, "spark");
	if (pays)
	{
		/* A request on a connection that was used before would be repeated where that is found dead. */
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
	}
	return code;
}

static CURLcode
set_content(HttpExchange *exchange, const HttpRequest *request, const char *url)
{
	CURLcode	code = CURLE_OK;

	SET(CURLOPT_URL, url);
	if (request->peer->socket_path != NULL)
		SET(CURLOPT_UNIX_SOCKET_PATH, request->peer->socket_path);
	if (exchange->request != NULL)
	{
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) exchange->request_length);
		SET(CURLOPT_POSTFIELDS, exchange->request);
	}
	SET(CURLOPT_CUSTOMREQUEST, request->method);
	SET(CURLOPT_HTTPHEADER, exchange->headers);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, exchange);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, exchange);
	SET(CURLOPT_PRIVATE, exchange);
	return code;
}

static CURLcode
set_time(HttpExchange *exchange)
{
	CURLcode	code = CURLE_OK;
	int64_t		left = (exchange->deadline - moment()) / 1000;

	left = left < 1 ? 1 : left > 86400000 ? 86400000 : left;
	SET(CURLOPT_TIMEOUT_MS, (long) left);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) (left < CONNECT_MILLISECONDS ? left : CONNECT_MILLISECONDS));
	return code;
}

static bool
add_header(HttpExchange *exchange, const char *header)
{
	struct curl_slist *longer;

	/* What could begin another header is none. */
	if (strpbrk(header, "\r\n") != NULL)
		return false;
	longer = curl_slist_append(exchange->headers, header);
	if (longer != NULL)
		exchange->headers = longer;
	return longer != NULL;
}

static bool
copy_headers(HttpExchange *exchange, const HttpRequest *request)
{
	if (!add_header(exchange, "Expect:") || !add_header(exchange, "Accept: application/json"))
		return false;
	if (request->body != NULL && !add_header(exchange, "Content-Type: application/json"))
		return false;
	for (int i = 0; i < HTTP_MOST_HEADERS && request->headers[i] != NULL; i++)
		if (!add_header(exchange, request->headers[i]))
			return false;
	return true;
}

/* ------------------------------------------------------------------ request */

static CURLcode
prepare(HttpExchange *exchange, const HttpRequest *request, const char *url)
{
	CURLcode	code = CURLE_OUT_OF_MEMORY;

	if (!is_safe_address(url, request->peer))
		return CURLE_URL_MALFORMAT;
	if (request->body != NULL)
	{
		exchange->request = strdup(request->body);
		if (exchange->request == NULL)
			return CURLE_OUT_OF_MEMORY;
		exchange->request_length = strlen(request->body);
	}
	exchange->easy = curl_easy_init();
	if (exchange->easy == NULL || !copy_headers(exchange, request))
		return CURLE_OUT_OF_MEMORY;
	code = set_manners(exchange, request->pays);
	if (code == CURLE_OK)
		code = set_trust(exchange, request->peer);
	if (code == CURLE_OK)
		code = set_content(exchange, request, url);
	if (code == CURLE_OK)
		code = set_time(exchange);
	return code;
}

CURLcode
http_prepare(HttpExchange *exchange, const HttpRequest *request)
{
	size_t		size = strlen(request->peer->url) + strlen(request->path) + 1;
	char	   *url = malloc(size);
	CURLcode	code;

	if (url == NULL)
		return CURLE_OUT_OF_MEMORY;
	snprintf(url, size, "%s%s", request->peer->url, request->path);
	code = prepare(exchange, request, url);
	wiping_free(url);
	return code;
}
