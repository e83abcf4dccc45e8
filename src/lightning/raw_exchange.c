/*
 * raw_exchange.c
 *		Bytes out and bytes in over a Unix socket, without HTTP around them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lightning/http.h"

#include "lightning/raw_exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

HttpProblem
raw_begin(RawExchange *self, const char *socket_path, const char *bytes, size_t length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*self = (RawExchange) {.socket = -1};
	if (strlen(socket_path) >= sizeof(address.sun_path))
		return HTTP_BAD_REQUEST;
	strcpy(address.sun_path, socket_path);
	self->request = malloc(length + 1);
	if (self->request == NULL)
		return HTTP_BROKEN;
	memcpy(self->request, bytes, length);
	self->length = length;
	self->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (self->socket < 0)
		return HTTP_BROKEN;
	/* A full queue of the listener is no connection in progress: it says EAGAIN, and that is refused. */
	if (connect(self->socket, (struct sockaddr *) &address, sizeof(address)) == 0)
		return HTTP_FINE;
	self->refusal = errno;
	return HTTP_UNREACHABLE;
}

static const char *
words_of_refusal(int refusal)
{
	switch (refusal)
	{
		case EACCES:
		case EPERM:
			return "the server's user may not open the socket, or not pass a folder on the way to it";
		case ENOENT:
		case ENOTDIR:
			return "there is no socket of that name";
		case ECONNREFUSED:
			return "nobody listens at the socket";
		default:
			return "no connection to the socket";
	}
}

const char *
raw_words(const RawExchange *self, HttpProblem problem)
{
	return problem == HTTP_UNREACHABLE ? words_of_refusal(self->refusal) :
		problem == HTTP_BAD_REQUEST ? "the name of the socket is too long" : "the reply was cut";
}

bool
raw_write(RawExchange *self)
{
	while (self->written < self->length)
	{
		ssize_t		sent = send(self->socket, self->request + self->written, self->length - self->written, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		self->written += (size_t) sent;
	}
	return true;
}

bool
raw_is_written(const RawExchange *self)
{
	return self->written == self->length;
}

long
raw_read(RawExchange *self, char *buffer, size_t size)
{
	for (;;)
	{
		ssize_t		got = recv(self->socket, buffer, size, 0);

		if (got >= 0)
			return (long) got;
		if (errno == EINTR)
			continue;
		return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : -2;
	}
}

void
raw_end(RawExchange *self)
{
	if (self->socket >= 0)
		close(self->socket);
	if (self->request != NULL)
		explicit_bzero(self->request, self->length);
	free(self->request);
	*self = (RawExchange) {.socket = -1};
}
