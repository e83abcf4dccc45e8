/*
 * fault_peer.c
 *		A peer on this machine that answers as badly as it is told to.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fault_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
say(int connection, const char *words)
{
	if (words != NULL)
		(void) !send(connection, words, strlen(words), MSG_NOSIGNAL);
}

/* Until the other side goes, or the listener is gone. */
static void
wait_for_end(int connection)
{
	char		rest[256];

	while (recv(connection, rest, sizeof(rest), 0) > 0)
		;
}

/* A whole request: headers and as many bytes as they promise, or, raw, one line. */
static bool
read_request(FaultPeer *self, int connection)
{
	char		text[sizeof(self->last)];
	size_t		length = 0;

	text[0] = '\0';
	for (;;)
	{
		const char *body = strstr(text, "\r\n\r\n");
		const char *promise = strcasestr(text, "content-length:");
		size_t		wanted = promise == NULL ? 0 : (size_t) atol(promise + 15);
		ssize_t		got;

		if ((body != NULL && strlen(body + 4) >= wanted) || (self->socket_path[0] != '\0' && strchr(text, '\n') != NULL))
			break;
		got = length + 1 < sizeof(text) ? recv(connection, text + length, sizeof(text) - length - 1, 0) : 0;
		if (got <= 0)
			return false;
		length += (size_t) got;
		text[length] = '\0';
	}
	pthread_mutex_lock(&self->lock);
	memcpy(self->last, text, length + 1);
	self->requests++;
	pthread_mutex_unlock(&self->lock);
	return true;
}

static void
reset(int connection)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static const PeerAct *
next_act(FaultPeer *self)
{
	size_t		next;

	pthread_mutex_lock(&self->lock);
	next = self->next < self->act_count ? self->next++ : self->act_count - 1;
	pthread_mutex_unlock(&self->lock);
	return &self->acts[next];
}

/* True where the connection is good for another request. */
static bool
act(FaultPeer *self, int connection)
{
	const PeerAct *what;

	if (self->acts[0].reads_nothing || !read_request(self, connection))
		return false;
	what = next_act(self);
	say(connection, what->words);
	if (what->later_words != NULL)
	{
		usleep(50000);
		say(connection, what->later_words);
	}
	switch (what->end)
	{
		case PEER_CLOSES:
			return false;
		case PEER_RESETS:
			reset(connection);
			return false;
		case PEER_STAYS_SILENT:
			wait_for_end(connection);
			return false;
		case PEER_REPEATS:
			while (send(connection, what->words, strlen(what->words), MSG_NOSIGNAL) > 0)
				;
			return false;
		case PEER_KEEPS_ON:
			return true;
	}
	return false;
}

typedef struct Talk
{
	FaultPeer  *peer;
	int			connection;
} Talk;

static void *
talk(void *argument)
{
	Talk	   *talk = argument;

	while (act(talk->peer, talk->connection))
		;
	close(talk->connection);
	free(talk);
	return NULL;
}

static void *
run(void *argument)
{
	FaultPeer  *self = argument;
	int			connection;

	while ((connection = accept(self->listener, NULL, NULL)) >= 0)
	{
		Talk	   *new_talk = malloc(sizeof(Talk));

		*new_talk = (Talk) {self, connection};
		pthread_mutex_lock(&self->lock);
		if (self->connections == PEER_MOST_CONNECTIONS ||
			pthread_create(&self->talks[self->connections++], NULL, talk, new_talk) != 0)
			abort();
		pthread_mutex_unlock(&self->lock);
	}
	return NULL;
}

static void
listen_at_port(FaultPeer *self)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	size = sizeof(address);

	self->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(self->listener, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(self->listener, 16) != 0 ||
		getsockname(self->listener, (struct sockaddr *) &address, &size) != 0)
		abort();
	snprintf(self->url, sizeof(self->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
}

static void
listen_at_path(FaultPeer *self)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(self->socket_path, sizeof(self->socket_path), "/tmp/fault_peer.%d", (int) getpid());
	unlink(self->socket_path);
	strcpy(address.sun_path, self->socket_path);
	self->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(self->listener, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(self->listener, 16) != 0)
		abort();
	strcpy(self->url, "http://localhost");
}

void
peer_begin(FaultPeer *self, const PeerAct *acts, size_t act_count, bool by_socket)
{
	memset(self, 0, sizeof(*self));
	self->acts = acts;
	self->act_count = act_count;
	pthread_mutex_init(&self->lock, NULL);
	if (by_socket)
		listen_at_path(self);
	else
		listen_at_port(self);
	if (pthread_create(&self->thread, NULL, run, self) != 0)
		abort();
}

void
peer_end(FaultPeer *self)
{
	shutdown(self->listener, SHUT_RDWR);
	pthread_join(self->thread, NULL);
	for (int i = 0; i < self->connections; i++)
		pthread_join(self->talks[i], NULL);
	close(self->listener);
	if (self->socket_path[0] != '\0')
		unlink(self->socket_path);
	pthread_mutex_destroy(&self->lock);
}

static int
count(FaultPeer *self, const int *counter)
{
	int			counted;

	pthread_mutex_lock(&self->lock);
	counted = *counter;
	pthread_mutex_unlock(&self->lock);
	return counted;
}

int
peer_requests(FaultPeer *self)
{
	return count(self, &self->requests);
}

int
peer_connections(FaultPeer *self)
{
	return count(self, &self->connections);
}
