/*
 * http.c
 *		Requests to a node that take time, none of which blocks.
 *
 * All exchanges of a client share one multi handle of libcurl.  It names its
 * sockets and its next moment to us; an epoll descriptor holds the sockets and
 * a timer, so that the worker sleeps on one descriptor beside its latch.
 *
 * Callbacks of libcurl touch memory of malloc and nothing else: they note what
 * they saw and come back, however bad it is.  Signals are blocked while libcurl
 * runs, since the thread that it may start to look up a name inherits the mask,
 * and the server's handlers must never run there.
 *
 * Memory that libcurl gives back is wiped, for it held headers with secrets.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lightning/http.h"

#include "lightning/http_parts.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SECONDS 60
#define MOST_EVENTS 32
#define MOST_IDLE_CONNECTIONS 4L
#define CHUNK 16384

/* --------------------------------------------------------------------- time */

/* A moment of the wall's clock by the one that only grows. */
static int64_t
moment_of(Instant instant)
{
	struct timespec time = {0};

	clock_gettime(CLOCK_REALTIME, &time);
	return moment() + instant.microseconds - ((int64_t) time.tv_sec * 1000000 + time.tv_nsec / 1000);
}

/* True only with proof: neither was the connection ready, nor was a byte of the request handed to it. */
static bool
nothing_has_left(const HttpExchange *exchange)
{
	curl_off_t	ready = 1;
	long		sent = 1;

	if (exchange->is_raw)
		return exchange->raw.written == 0;
	if (exchange->easy == NULL)
		return true;
	return curl_easy_getinfo(exchange->easy, CURLINFO_PRETRANSFER_TIME_T, &ready) == CURLE_OK && ready == 0 &&
		curl_easy_getinfo(exchange->easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0;
}

/*
 * The timer rings at the first of what libcurl and the exchanges wait for.
 * libcurl is asked each time: its own callback names a moment once, and is
 * silent where that one has passed a little too early for it.
 */
static void
set_timer(HttpClient *client)
{
	struct itimerspec when = {{0, 0}, {0, 0}};
	int64_t		due = NEVER;
	long		milliseconds = -1;

	client->curl_due = NEVER;
	if (curl_multi_timeout(client->multi, &milliseconds) == CURLM_OK && milliseconds >= 0)
		due = client->curl_due = moment() + (int64_t) milliseconds * 1000;

	for (HttpExchange *exchange = client->first; exchange != NULL; exchange = exchange->next)
	{
		if (exchange->is_done)
			continue;
		due = exchange->deadline < due ? exchange->deadline : due;
		if (exchange->write_before < due && nothing_has_left(exchange))
			due = exchange->write_before;
		due = exchange->reader.enough_at < due ? exchange->reader.enough_at : due;
	}
	if (due != NEVER)
	{
		due = due < 1 ? 1 : due;
		when.it_value.tv_sec = (time_t) (due / 1000000);
		when.it_value.tv_nsec = (long) (due % 1000000) * 1000;
	}
	(void) timerfd_settime(client->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* ------------------------------------------------------------------- ending */

static HttpProblem
problem_of(CURLcode code)
{
	switch ((int) code)
	{
		case CURLE_OK:
			return HTTP_FINE;
		case CURLE_URL_MALFORMAT:
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_UNKNOWN_OPTION:
		case CURLE_NOT_BUILT_IN:
			return HTTP_BAD_REQUEST;
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_CONNECT:
		case CURLE_COULDNT_RESOLVE_PROXY:
			return HTTP_UNREACHABLE;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
			return HTTP_UNTRUSTED;
		case CURLE_OPERATION_TIMEDOUT:
			return HTTP_LATE;
		case CURLE_GOT_NOTHING:
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_PARTIAL_FILE:
			return HTTP_CUT;
		default:
			return HTTP_BROKEN;
	}
}

static HttpTransport
transport_so_far(const HttpExchange *exchange)
{
	if (exchange->reader.has_line)
		return HTTP_REPLIED;
	return nothing_has_left(exchange) ? HTTP_NOT_SENT : HTTP_NO_REPLY;
}

static const char *
words_of(const HttpExchange *exchange, HttpProblem problem, CURLcode code)
{
	switch (problem)
	{
		case HTTP_FINE:
			return "";
		case HTTP_TOO_LONG:
			return "the reply is longer than any good one";
		case HTTP_LATE:
			return exchange->answer.transport == HTTP_NOT_SENT ? "not sent in time" : "no reply in time";
		case HTTP_STOPPED:
			return "ended before there was a reply";
		case HTTP_BAD_REQUEST:
		case HTTP_UNREACHABLE:
		case HTTP_UNTRUSTED:
		case HTTP_CUT:
		case HTTP_BROKEN:
			break;
	}
	if (exchange->reader.lacks_memory)
		return "out of memory";
	if (exchange->is_raw)
		return raw_words(&exchange->raw, problem);
	return curl_easy_strerror(code);
}

/* Its socket is given back; the texts stay until it is released. */
static void
end_transport(HttpExchange *exchange)
{
	if (exchange->easy != NULL)
	{
		(void) curl_multi_remove_handle(exchange->client->multi, exchange->easy);
		curl_easy_cleanup(exchange->easy);
		exchange->easy = NULL;
	}
	if (exchange->is_raw)
		raw_end(&exchange->raw);
	curl_slist_free_all(exchange->headers);
	exchange->headers = NULL;
	wiping_free(exchange->request);
	exchange->request = NULL;
}

static void
finish(HttpExchange *exchange, HttpProblem problem, CURLcode code)
{
	long		status = 0;
	HttpReply  *answer = &exchange->answer;
	const Bytes *body = &exchange->reader.reply;
	bool		is_whole = problem == HTTP_FINE;

	if (exchange->is_done)
		return;
	if (exchange->easy != NULL)
		(void) curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	if (exchange->reader.has_end || (exchange->reader.has_line && !is_whole))
		problem = HTTP_FINE;
	else if (exchange->reader.is_too_long)
		problem = HTTP_TOO_LONG;
	answer->transport = is_whole && !exchange->reader.is_too_long ? HTTP_REPLIED : transport_so_far(exchange);
	answer->problem = problem;
	answer->status = (int) status;
	answer->words = words_of(exchange, problem, code);
	/* An error of a stream has no line's end; what was cut within a line counts for nothing. */
	if (exchange->reader.has_line && (!is_whole || body->length == 0))
		body = &exchange->reader.line;
	answer->body = body->bytes == NULL ? "" : body->bytes;
	answer->length = body->length;
	exchange->is_done = true;
	end_transport(exchange);
}

static void
finish_curl(HttpExchange *exchange, CURLcode code)
{
	finish(exchange, problem_of(code), code);
}

/* -------------------------------------------------------------- descriptors */

static void
watch(HttpClient *client, int socket, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = socket};

	if (epoll_ctl(client->epoll, EPOLL_CTL_MOD, socket, &event) != 0)
		(void) epoll_ctl(client->epoll, EPOLL_CTL_ADD, socket, &event);
}

static void
unwatch(HttpClient *client, int socket)
{
	struct epoll_event event = {0};

	(void) epoll_ctl(client->epoll, EPOLL_CTL_DEL, socket, &event);
}

static int
on_socket(CURL *easy, curl_socket_t socket, int what, void *argument, void *unused)
{
	HttpClient *client = argument;

	(void) easy;
	(void) unused;
	if (what == CURL_POLL_REMOVE)
		unwatch(client, socket);
	else
		watch(client, socket, ((what & CURL_POLL_IN) != 0 ? (uint32_t) EPOLLIN : 0) |
			  ((what & CURL_POLL_OUT) != 0 ? (uint32_t) EPOLLOUT : 0));
	return 0;
}

static void
collect_finished(HttpClient *client)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(client->multi, &left)) != NULL)
	{
		char	   *exchange = NULL;
		CURLcode	code = message->data.result;

		if (message->msg == CURLMSG_DONE &&
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange) == CURLE_OK && exchange != NULL)
			finish_curl((HttpExchange *) (void *) exchange, code);
	}
}

/* ----------------------------------------------------------------- starting */

static void
start_raw(HttpExchange *exchange, const HttpRequest *request)
{
	HttpProblem problem = HTTP_BAD_REQUEST;

	exchange->is_raw = true;
	exchange->raw.socket = -1;
	if (request->peer->socket_path != NULL && request->body != NULL)
		problem = raw_begin(&exchange->raw, request->peer->socket_path, request->body, strlen(request->body));
	if (problem != HTTP_FINE)
		finish(exchange, problem, CURLE_OK);
	else
		watch(exchange->client, exchange->raw.socket, EPOLLIN | EPOLLOUT);
}

static void
start_curl(HttpExchange *exchange, const HttpRequest *request)
{
	CURLM	   *multi = exchange->client->multi;
	CURLcode	code = http_prepare(exchange, request);
	int			running;

	if (code == CURLE_OK && curl_multi_add_handle(multi, exchange->easy) != CURLM_OK)
		code = CURLE_FAILED_INIT;
	if (code == CURLE_OK)
		(void) curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	else
		finish_curl(exchange, code);
}

/* Signals wait while libcurl runs: a thread of its making must never get one. */
static void
block_signals(sigset_t *before)
{
	sigset_t	all;

	sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, before);
}

static void
restore_signals(const sigset_t *before)
{
	(void) pthread_sigmask(SIG_SETMASK, before, NULL);
}

HttpExchange *
http_start(HttpClient *client, const HttpRequest *request)
{
	HttpExchange *exchange = calloc(1, sizeof(HttpExchange));
	sigset_t	before;

	if (exchange == NULL)
		return NULL;
	exchange->client = client;
	exchange->reader.reads_a_line = request->reads_a_line;
	exchange->reader.is_enough = request->is_enough;
	exchange->reader.linger = request->linger * 1000;
	exchange->reader.most_bytes = request->most_bytes != 0 ? request->most_bytes :
		request->reads_a_line ? HTTP_MOST_LINE : HTTP_MOST_REPLY;
	exchange->deadline = instant_is_none(request->deadline) ?
		moment() + DEFAULT_SECONDS * MICROSECONDS_PER_SECOND : moment_of(request->deadline);
	exchange->write_before = instant_is_none(request->write_before) ? NEVER : moment_of(request->write_before);
	exchange->reader.enough_at = NEVER;
	exchange->next = client->first;
	client->first = exchange;
	block_signals(&before);
	if (moment() >= exchange->write_before)
		finish(exchange, HTTP_LATE, CURLE_OPERATION_TIMEDOUT);
	else if (request->method == NULL)
		start_raw(exchange, request);
	else
		start_curl(exchange, request);
	/* On a connection that was open already, all may have happened by now. */
	collect_finished(client);
	set_timer(client);
	restore_signals(&before);
	return exchange;
}

/* ------------------------------------------------------------------- moving */

/* A raw reply ends with an empty line. */
static bool
is_raw_end(const Bytes *reply)
{
	return reply->length >= 2 && memcmp(reply->bytes + reply->length - 2, "\n\n", 2) == 0;
}

static void
move_raw(HttpExchange *exchange)
{
	char		chunk[CHUNK];
	long		got;

	if (!raw_write(&exchange->raw))
	{
		finish(exchange, HTTP_CUT, CURLE_OK);
		return;
	}
	if (raw_is_written(&exchange->raw))
		watch(exchange->client, exchange->raw.socket, EPOLLIN);
	while ((got = raw_read(&exchange->raw, chunk, sizeof(chunk))) > 0)
	{
		bool		is_taken = reader_take(&exchange->reader, chunk, (size_t) got);

		if (!is_taken || is_raw_end(&exchange->reader.reply))
		{
			finish(exchange, is_taken ? HTTP_FINE : HTTP_BROKEN, CURLE_OK);
			break;
		}
	}
	explicit_bzero(chunk, sizeof(chunk));
	if (got == 0 || got == -2)
		finish(exchange, HTTP_CUT, CURLE_OK);
}

static HttpExchange *
raw_of(HttpClient *client, int socket)
{
	for (HttpExchange *exchange = client->first; exchange != NULL; exchange = exchange->next)
		if (exchange->is_raw && !exchange->is_done && exchange->raw.socket == socket)
			return exchange;
	return NULL;
}

static void
move_socket(HttpClient *client, const struct epoll_event *event)
{
	HttpExchange *raw = raw_of(client, event->data.fd);
	int			what = 0;
	int			running;

	if (raw != NULL)
	{
		move_raw(raw);
		return;
	}
	if ((event->events & EPOLLIN) != 0)
		what |= CURL_CSELECT_IN;
	if ((event->events & EPOLLOUT) != 0)
		what |= CURL_CSELECT_OUT;
	if ((event->events & (EPOLLERR | EPOLLHUP)) != 0)
		what |= CURL_CSELECT_ERR;
	(void) curl_multi_socket_action(client->multi, event->data.fd, what, &running);
}

/* Before anything moves: what is to be written too late is not. */
static void
end_unsent(HttpClient *client)
{
	int64_t		now = moment();

	for (HttpExchange *exchange = client->first; exchange != NULL; exchange = exchange->next)
		if (!exchange->is_done && now >= exchange->write_before && nothing_has_left(exchange))
			finish(exchange, HTTP_LATE, CURLE_OPERATION_TIMEDOUT);
}

static void
collect_late(HttpClient *client)
{
	int64_t		now = moment();

	for (HttpExchange *exchange = client->first; exchange != NULL; exchange = exchange->next)
		if (!exchange->is_done && (now >= exchange->deadline || now >= exchange->reader.enough_at))
			finish(exchange, HTTP_LATE, CURLE_OPERATION_TIMEDOUT);
}

void
http_progress(HttpClient *client)
{
	struct epoll_event events[MOST_EVENTS];
	sigset_t	before;
	int			count;
	int			running;

	block_signals(&before);
	end_unsent(client);
	count = epoll_wait(client->epoll, events, MOST_EVENTS, 0);
	for (int i = 0; i < count; i++)
	{
		uint64_t	rings;

		if (events[i].data.fd != client->timer)
			move_socket(client, &events[i]);
		else if (read(client->timer, &rings, sizeof(rings)) < 0)
			continue;
	}
	if (moment() >= client->curl_due)
		(void) curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect_finished(client);
	collect_late(client);
	set_timer(client);
	restore_signals(&before);
}

int
http_descriptor(const HttpClient *client)
{
	return client->epoll;
}

const HttpReply *
http_reply(const HttpExchange *exchange)
{
	return exchange->is_done ? &exchange->answer : NULL;
}

HttpTransport
http_release(HttpExchange *exchange)
{
	HttpExchange **link;
	HttpTransport transport;
	sigset_t	before;

	if (exchange == NULL)
		return HTTP_NOT_SENT;
	block_signals(&before);
	finish(exchange, HTTP_STOPPED, CURLE_ABORTED_BY_CALLBACK);
	transport = exchange->answer.transport;
	for (link = &exchange->client->first; *link != exchange; link = &(*link)->next)
		;
	*link = exchange->next;
	reader_end(&exchange->reader);
	set_timer(exchange->client);
	free(exchange);
	restore_signals(&before);
	return transport;
}

/* ------------------------------------------------------------------- client */

static char *
plain_strdup(const char *text)
{
	return strdup(text);
}

static void *
plain_malloc(size_t size)
{
	return malloc(size);
}

static void *
plain_calloc(size_t count, size_t size)
{
	return calloc(count, size);
}

static bool
ready_curl(void)
{
	static bool is_ready;

	if (!is_ready)
		is_ready = curl_global_init_mem(CURL_GLOBAL_DEFAULT, plain_malloc, wiping_free, wiping_realloc,
										plain_strdup, plain_calloc) == CURLE_OK;
	return is_ready;
}

HttpClient *
http_client_new(void)
{
	HttpClient *client = calloc(1, sizeof(HttpClient));

	if (client == NULL)
		return NULL;
	client->curl_due = NEVER;
	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	client->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	client->multi = ready_curl() ? curl_multi_init() : NULL;
	if (client->epoll < 0 || client->timer < 0 || client->multi == NULL)
	{
		http_client_free(client);
		return NULL;
	}
	watch(client, client->timer, EPOLLIN);
	(void) curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void) curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	(void) curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, MOST_IDLE_CONNECTIONS);
	(void) curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING);
	return client;
}

void
http_client_free(HttpClient *client)
{
	sigset_t	before;

	if (client == NULL)
		return;
	while (client->first != NULL)
		(void) http_release(client->first);
	block_signals(&before);
	if (client->multi != NULL)
		(void) curl_multi_cleanup(client->multi);
	restore_signals(&before);
	if (client->timer >= 0)
		close(client->timer);
	if (client->epoll >= 0)
		close(client->epoll);
	free(client);
}
