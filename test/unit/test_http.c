/*
 * test_http.c
 *		Exchanges with a peer that fails in every way: what is said of them is
 *		true, nothing is sent twice, nothing hangs, nothing grows.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "lightning/http.h"

#include "fault_peer.h"

#define REPLY_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define WHOLE REPLY_HEAD "Content-Length: 13\r\n\r\n{\"fine\":true}"
#define STREAM REPLY_HEAD "Transfer-Encoding: chunked\r\n\r\n"

static HttpClient *client;
static FaultPeer peer;
static HttpPeer address;

static Instant
in_seconds(int64_t seconds)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (Instant) {((int64_t) time.tv_sec + seconds) * 1000000 + time.tv_nsec / 1000};
}

static void
begin(const PeerAct *acts, size_t count, bool by_socket)
{
	peer_begin(&peer, acts, count, by_socket);
	address = (HttpPeer) {.url = peer.url, .socket_path = by_socket ? peer.socket_path : NULL};
	client = http_client_new();
	assert_non_null(client);
}

#define BEGIN(...) \
	static const PeerAct acts[] = {__VA_ARGS__}; \
	begin(acts, sizeof(acts) / sizeof(acts[0]), false)

/* The other side goes first: a peer that waits for that must see it. */
static void
end(void)
{
	http_client_free(client);
	peer_end(&peer);
}

/* Sleeps on the one descriptor, as a worker does. */
static const HttpReply *
await(HttpExchange *exchange)
{
	const HttpReply *reply;

	assert_non_null(exchange);
	while ((reply = http_reply(exchange)) == NULL)
	{
		struct pollfd wait = {.fd = http_descriptor(client), .events = POLLIN};

		assert_int_not_equal(poll(&wait, 1, 60000), 0);
		http_progress(client);
	}
	return reply;
}

static HttpRequest
request(void)
{
	return (HttpRequest) {
		.peer = &address, .method = "POST", .path = "/v2/router/send", .body = "{\"amt\":1}",
		.headers = {"Grpc-Metadata-Macaroon: 0201"}, .deadline = in_seconds(60),
	};
}

static HttpRequest
payment(void)
{
	HttpRequest asked = request();

	asked.pays = true;
	asked.reads_a_line = true;
	return asked;
}

static const HttpReply *
ask(HttpRequest asked)
{
	return await(http_start(client, &asked));
}

static void
is(const HttpReply *reply, HttpTransport transport, HttpProblem problem)
{
	assert_int_equal(reply->problem, problem);
	assert_int_equal(reply->transport, transport);
	assert_non_null(reply->words);
}

static void
a_whole_reply_is_replied(void **state)
{
	const HttpReply *reply;

	BEGIN({.words = WHOLE});
	reply = ask(request());
	is(reply, HTTP_REPLIED, HTTP_FINE);
	assert_int_equal(reply->status, 200);
	assert_string_equal(reply->body, "{\"fine\":true}");
	assert_int_equal(reply->length, 13);
	assert_non_null(strstr(peer.last, "POST /v2/router/send HTTP/1.1\r\n"));
	assert_non_null(strstr(peer.last, "Grpc-Metadata-Macaroon: 0201\r\n"));
	assert_non_null(strstr(peer.last, "{\"amt\":1}"));
	assert_null(strcasestr(peer.last, "expect:"));
	assert_null(strcasestr(peer.last, "accept-encoding:"));
	end();
}

static void
L50_a_payment_is_sent_once_whatever_comes_of_it(void **state)
{
	BEGIN({.words = WHOLE, .end = PEER_KEEPS_ON}, {.end = PEER_CLOSES}, {.end = PEER_RESETS}, {.words = REPLY_HEAD, .end = PEER_RESETS});
	(void) ask(request());
	for (int i = 0; i < 3; i++)
	{
		/* A connection is waiting to be used again, and is not. */
		is(ask(payment()), HTTP_NO_REPLY, HTTP_CUT);
		assert_int_equal(peer_requests(&peer), 2 + i);
		assert_int_equal(peer_connections(&peer), 2 + i);
	}
	end();
}

static void
L52_not_sent_is_said_where_nobody_listens(void **state)
{
	BEGIN({.words = WHOLE});
	peer_end(&peer);
	is(ask(payment()), HTTP_NOT_SENT, HTTP_UNREACHABLE);
	address.url = "http://no-such-name.invalid:1";
	address.allows_plain = true;
	is(ask(payment()), HTTP_NOT_SENT, HTTP_UNREACHABLE);
	http_client_free(client);
}

static void
L52_not_sent_is_not_said_once_a_byte_may_have_left(void **state)
{
	HttpRequest asked;

	BEGIN({.end = PEER_CLOSES}, {.words = REPLY_HEAD "Content-Length: 100\r\n\r\n{\"half\"", .end = PEER_CLOSES},
		  {.words = STREAM "9\r\n{\"half\":", .end = PEER_RESETS}, {.words = "garbage\r\n\r\n", .end = PEER_CLOSES},
		  {.end = PEER_STAYS_SILENT});
	asked = payment();
	is(ask(asked), HTTP_NO_REPLY, HTTP_CUT);
	is(ask(asked), HTTP_NO_REPLY, HTTP_CUT);
	is(ask(asked), HTTP_NO_REPLY, HTTP_CUT);
	assert_int_equal(ask(asked)->transport, HTTP_NO_REPLY);
	asked.deadline = in_seconds(1);
	is(ask(asked), HTTP_NO_REPLY, HTTP_LATE);
	assert_int_equal(peer_requests(&peer), 5);
	end();
}

static void
L52_tls_that_fails_has_sent_nothing(void **state)
{
	char		url[128];

	/* The peer speaks no TLS. */
	BEGIN({.words = WHOLE, .reads_nothing = true});
	snprintf(url, sizeof(url), "https%.60s", peer.url + 4);
	address.url = url;
	is(ask(payment()), HTTP_NOT_SENT, HTTP_UNTRUSTED);
	address.ca_file = "/nowhere/tls.cert";
	is(ask(payment()), HTTP_NOT_SENT, HTTP_UNTRUSTED);
	assert_int_equal(peer_requests(&peer), 0);
	end();
}

static void
L17_what_has_not_left_in_time_never_does(void **state)
{
	HttpRequest asked;
	char		url[128];

	BEGIN({.end = PEER_STAYS_SILENT});
	asked = payment();
	asked.write_before = in_seconds(0);
	is(ask(asked), HTTP_NOT_SENT, HTTP_LATE);
	assert_int_equal(peer_connections(&peer), 0);
	/* The peer takes the connection up, says nothing of TLS, and time passes before anybody looks. */
	snprintf(url, sizeof(url), "https%.60s", peer.url + 4);
	for (int i = 0; i < 2; i++)
	{
		HttpExchange *exchange;

		address.url = i == 0 ? url : peer.url;
		asked = payment();
		asked.write_before = in_seconds(1);
		exchange = http_start(client, &asked);
		while (instant_before(in_seconds(0), asked.write_before))
			usleep(10000);
		http_progress(client);
		assert_non_null(http_reply(exchange));
		is(http_reply(exchange), HTTP_NOT_SENT, HTTP_LATE);
	}
	assert_int_equal(peer_requests(&peer), 0);
	/* What has left by then goes on. */
	address.url = peer.url;
	asked = payment();
	asked.write_before = in_seconds(1);
	asked.deadline = in_seconds(2);
	is(ask(asked), HTTP_NO_REPLY, HTTP_LATE);
	assert_int_equal(peer_requests(&peer), 1);
	end();
}

/* The time after which the kernel gives up what the peer does not acknowledge; of our end of the connection. */
static unsigned int
kernel_gives_up_after(void)
{
	for (int fd = 3; fd < 1024; fd++)
	{
		struct sockaddr_in other;
		socklen_t	length = sizeof(other);
		unsigned int milliseconds = 0;
		socklen_t	size = sizeof(milliseconds);
		char		url[64];

		if (getpeername(fd, (struct sockaddr *) &other, &length) != 0 || other.sin_family != AF_INET)
			continue;
		snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(other.sin_port));
		if (strcmp(url, peer.url) == 0 &&
			getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, &size) == 0)
			return milliseconds;
	}
	fail_msg("there is no connection");
	return 0;
}

static void
L53_what_the_kernel_holds_of_a_payment_does_not_arrive_late(void **state)
{
	HttpRequest asked;
	HttpExchange *exchange;

	BEGIN({.end = PEER_STAYS_SILENT});
	asked = payment();
	exchange = http_start(client, &asked);
	while (peer_requests(&peer) == 0)
	{
		struct pollfd wait = {.fd = http_descriptor(client), .events = POLLIN};

		(void) poll(&wait, 1, 10);
		http_progress(client);
	}
	assert_in_range(kernel_gives_up_after(), 1, 10000);
	assert_int_equal(http_release(exchange), HTTP_NO_REPLY);
	end();
}

/* Connections that nobody takes up fill its queue; what comes then waits without a word. */
static void
L57_a_connection_that_nobody_takes_up_ends_in_seconds(void **state)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	length = sizeof(place);
	int			listener = socket(AF_INET, SOCK_STREAM, 0);
	int			waiting[4];
	char		url[64];
	time_t		began = time(NULL);

	assert_int_equal(bind(listener, (struct sockaddr *) &place, sizeof(place)), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *) &place, &length), 0);
	for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++)
	{
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void) connect(waiting[i], (struct sockaddr *) &place, sizeof(place));
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(place.sin_port));
	address = (HttpPeer) {.url = url};
	client = http_client_new();
	is(ask(payment()), HTTP_NOT_SENT, HTTP_LATE);
	/* Its deadline is 60 s away. */
	assert_in_range(time(NULL) - began, 4, 45);
	http_client_free(client);
	for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++)
		close(waiting[i]);
	close(listener);
}

static pthread_t main_thread;
static volatile sig_atomic_t alarms;
static volatile sig_atomic_t strayed;

static void
on_alarm(int number)
{
	(void) number;
	alarms++;
	strayed += !pthread_equal(pthread_self(), main_thread);
}

static void
block_alarm(int how)
{
	sigset_t	alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	assert_int_equal(pthread_sigmask(how, &alarm, NULL), 0);
}

/* Names are looked up by a thread; the server's handlers must never run in it, nor be replaced. */
static void
L54_signals_stay_the_callers(void **state)
{
	struct itimerval often = {{0, 500}, {0, 500}};
	struct itimerval never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct sigaction pipe_before;
	struct sigaction after;
	char		name[64];

	main_thread = pthread_self();
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(sigaction(SIGPIPE, NULL, &pipe_before), 0);
	block_alarm(SIG_BLOCK);		/* for the threads of the peer */
	BEGIN({.words = WHOLE});
	block_alarm(SIG_UNBLOCK);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (int i = 0; i < 20; i++)
	{
		snprintf(name, sizeof(name), "http://no-such-name-%d.invalid:1", i);
		address.url = name;
		address.allows_plain = true;
		is(ask(payment()), HTTP_NOT_SENT, HTTP_UNREACHABLE);
		address.url = peer.url;
		is(ask(request()), HTTP_REPLIED, HTTP_FINE);
	}
	while (alarms == 0)
		pause();
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(strayed, 0);
	assert_int_equal(sigaction(SIGALRM, NULL, &after), 0);
	assert_true(after.sa_handler == on_alarm);
	assert_int_equal(sigaction(SIGPIPE, NULL, &after), 0);
	assert_true(after.sa_handler == pipe_before.sa_handler);
	end();
}

static void
L9_after_a_stop_the_transport_is_still_true(void **state)
{
	HttpRequest asked;
	HttpExchange *exchange;

	BEGIN({.end = PEER_STAYS_SILENT});
	asked = payment();
	exchange = http_start(client, &asked);
	while (peer_requests(&peer) == 0)
	{
		struct pollfd wait = {.fd = http_descriptor(client), .events = POLLIN};

		(void) poll(&wait, 1, 10);
		http_progress(client);
	}
	assert_null(http_reply(exchange));
	assert_int_equal(http_release(exchange), HTTP_NO_REPLY);
	assert_int_equal(http_release(NULL), HTTP_NOT_SENT);
	end();
}

static void
L50_a_redirect_is_a_reply_and_not_followed(void **state)
{
	const HttpReply *reply;

	BEGIN({.words = "HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"});
	reply = ask(request());
	is(reply, HTTP_REPLIED, HTTP_FINE);
	assert_int_equal(reply->status, 307);
	assert_int_equal(peer_requests(&peer), 1);
	end();
}

static void
L51_a_proxy_of_the_environment_is_not_asked(void **state)
{
	BEGIN({.words = WHOLE});
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	is(ask(request()), HTTP_REPLIED, HTTP_FINE);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	end();
}

static void
L55_in_the_clear_only_to_this_machine(void **state)
{
	static const char *const unsafe[] = {
		"http://192.0.2.1:1", "http://localhost.example:1", "http://127.0.0.1.example:1", "ftp://127.0.0.1:1",
		"file:///etc/passwd", "http://user:secret@127.0.0.1:1", "127.0.0.1:1", "",
	};

	BEGIN({.words = WHOLE});
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
	{
		address.url = unsafe[i];
		is(ask(request()), HTTP_NOT_SENT, HTTP_BAD_REQUEST);
	}
	end();
}

static void
a_header_cannot_begin_another(void **state)
{
	HttpRequest asked;

	BEGIN({.words = WHOLE});
	asked = request();
	asked.headers[0] = "X-Api-Key: a\r\nHost: b";
	assert_int_equal(ask(asked)->transport, HTTP_NOT_SENT);
	assert_int_equal(peer_connections(&peer), 0);
	end();
}

static void
L56_what_never_ends_is_cut(void **state)
{
	HttpRequest asked;

	BEGIN({.words = REPLY_HEAD "Content-Length: 2000000000\r\n\r\n", .end = PEER_REPEATS},
		  {.words = REPLY_HEAD, .later_words = "X: ", .end = PEER_REPEATS}, {.words = STREAM, .end = PEER_STAYS_SILENT});
	is(ask(request()), HTTP_NO_REPLY, HTTP_TOO_LONG);
	assert_int_equal(ask(request())->transport, HTTP_NO_REPLY);
	asked = payment();
	asked.deadline = in_seconds(1);
	is(ask(asked), HTTP_NO_REPLY, HTTP_LATE);
	end();
}

static void
the_first_line_of_a_stream_is_enough(void **state)
{
	const HttpReply *reply;

	BEGIN({.words = STREAM "6\r\n{\"sta\"\r\n", .later_words = "5\r\n:\"a\"}\r\n1\r\n\n\r\n", .end = PEER_STAYS_SILENT},
		  {.words = STREAM "3\r\n{}\n\r\n", .end = PEER_RESETS},
		  {.words = "HTTP/1.1 409 Conflict\r\nContent-Length: 12\r\n\r\n{\"error\":{}}"});
	reply = ask(payment());
	is(reply, HTTP_REPLIED, HTTP_FINE);
	assert_string_equal(reply->body, "{\"sta\":\"a\"}");
	reply = ask(payment());
	is(reply, HTTP_REPLIED, HTTP_FINE);
	assert_string_equal(reply->body, "{}");
	reply = ask(payment());
	is(reply, HTTP_REPLIED, HTTP_FINE);
	assert_int_equal(reply->status, 409);
	assert_string_equal(reply->body, "{\"error\":{}}");
	end();
}

static bool
is_final(const char *line, size_t length)
{
	(void) length;
	return strstr(line, "final") != NULL;
}

static void
a_better_line_is_waited_for_a_while(void **state)
{
	HttpRequest asked;

	BEGIN({.words = STREAM "8\r\n{\"a\":1}\n\r\n", .later_words = "a\r\n{\"final\"}\n\r\n", .end = PEER_STAYS_SILENT},
		  {.words = STREAM "8\r\n{\"a\":1}\n\r\n", .later_words = "8\r\n{\"a\":2}\n\r\n", .end = PEER_STAYS_SILENT});
	asked = payment();
	asked.is_enough = is_final;
	assert_string_equal(ask(asked)->body, "{\"final\"}");
	asked.linger = 1000;
	is(ask(asked), HTTP_REPLIED, HTTP_FINE);
	assert_string_equal(ask(asked)->body, "{\"a\":2}");
	end();
}

static void
one_that_hangs_holds_no_other_up(void **state)
{
	HttpRequest asked;
	HttpExchange *hanging;
	FaultPeer	silent;
	HttpPeer	silent_address;
	static const PeerAct silence[] = {{.end = PEER_STAYS_SILENT}};

	BEGIN({.words = WHOLE, .end = PEER_KEEPS_ON});
	peer_begin(&silent, silence, 1, false);
	silent_address = (HttpPeer) {.url = silent.url};
	asked = request();
	asked.peer = &silent_address;
	hanging = http_start(client, &asked);
	for (int i = 0; i < 50; i++)
	{
		HttpRequest other = request();
		HttpExchange *exchange = http_start(client, &other);

		is(await(exchange), HTTP_REPLIED, HTTP_FINE);
		(void) http_release(exchange);
	}
	assert_null(http_reply(hanging));
	/* Those that pay nothing share a connection. */
	assert_int_equal(peer_connections(&peer), 1);
	end();
	peer_end(&silent);
}

static void
a_unix_socket_carries_http_too(void **state)
{
	static const PeerAct acts[] = {{.words = WHOLE}};

	begin(acts, 1, true);
	is(ask(request()), HTTP_REPLIED, HTTP_FINE);
	end();
}

static HttpRequest
raw(void)
{
	HttpRequest asked = request();

	asked.method = NULL;
	asked.pays = true;
	asked.body = "{\"method\":\"xpay\"}\n";
	return asked;
}

static void
L5_a_raw_exchange_says_as_truly_what_became_of_it(void **state)
{
	static const PeerAct acts[] = {
		{.words = "{\"result\":\n{}}", .later_words = "\n\n", .end = PEER_STAYS_SILENT},
		{.words = "{\"result\"", .end = PEER_CLOSES}, {.end = PEER_CLOSES}, {.end = PEER_STAYS_SILENT},
		{.words = "{\"endless\"", .end = PEER_REPEATS},
	};
	HttpRequest asked;
	const HttpReply *reply;

	begin(acts, 5, true);
	asked = raw();
	is(ask(asked), HTTP_REPLIED, HTTP_FINE);
	assert_string_equal(peer.last, asked.body);
	is(ask(asked), HTTP_NO_REPLY, HTTP_CUT);
	is(ask(asked), HTTP_NO_REPLY, HTTP_CUT);
	asked.deadline = in_seconds(1);
	is(ask(asked), HTTP_NO_REPLY, HTTP_LATE);
	is(ask(raw()), HTTP_NO_REPLY, HTTP_TOO_LONG);
	assert_int_equal(peer_requests(&peer), 5);
	address.socket_path = "/nowhere/lightning-rpc";
	reply = ask(raw());
	is(reply, HTTP_NOT_SENT, HTTP_UNREACHABLE);
	assert_string_equal(reply->words, "there is no socket of that name");
	address.socket_path = "/nowhere/with/a/name/that/is/far/longer/than/the/hundred/and/eight/bytes/that/the/address/of/a/unix/socket/has";
	is(ask(raw()), HTTP_NOT_SENT, HTTP_BAD_REQUEST);
	address.socket_path = NULL;
	is(ask(raw()), HTTP_NOT_SENT, HTTP_BAD_REQUEST);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_reply_is_replied),
		cmocka_unit_test(L50_a_payment_is_sent_once_whatever_comes_of_it),
		cmocka_unit_test(L52_not_sent_is_said_where_nobody_listens),
		cmocka_unit_test(L52_not_sent_is_not_said_once_a_byte_may_have_left),
		cmocka_unit_test(L52_tls_that_fails_has_sent_nothing),
		cmocka_unit_test(L17_what_has_not_left_in_time_never_does),
		cmocka_unit_test(L53_what_the_kernel_holds_of_a_payment_does_not_arrive_late),
		cmocka_unit_test(L57_a_connection_that_nobody_takes_up_ends_in_seconds),
		cmocka_unit_test(L54_signals_stay_the_callers),
		cmocka_unit_test(L9_after_a_stop_the_transport_is_still_true),
		cmocka_unit_test(L50_a_redirect_is_a_reply_and_not_followed),
		cmocka_unit_test(L51_a_proxy_of_the_environment_is_not_asked),
		cmocka_unit_test(L55_in_the_clear_only_to_this_machine),
		cmocka_unit_test(a_header_cannot_begin_another),
		cmocka_unit_test(L56_what_never_ends_is_cut),
		cmocka_unit_test(the_first_line_of_a_stream_is_enough),
		cmocka_unit_test(a_better_line_is_waited_for_a_while),
		cmocka_unit_test(one_that_hangs_holds_no_other_up),
		cmocka_unit_test(a_unix_socket_carries_http_too),
		cmocka_unit_test(L5_a_raw_exchange_says_as_truly_what_became_of_it),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
