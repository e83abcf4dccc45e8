/*
 * fault_peer.h
 *		A peer on this machine that answers as badly as it is told to.
 *
 * It runs in threads of the test, one a connection, reads a request and does
 * the next thing on its list; behind the end of the list it goes on with the
 * last.  What it has read is kept for the test to look at.
 */
#ifndef SPARK_TEST_FAULT_PEER_H
#define SPARK_TEST_FAULT_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum PeerEnd
{
	PEER_CLOSES,
	PEER_RESETS,
	PEER_STAYS_SILENT,			/* until the other side goes */
	PEER_KEEPS_ON,				/* another request may come on this connection */
	PEER_REPEATS				/* the words without end, until the other side goes */
} PeerEnd;

typedef struct PeerAct
{
	const char *words;			/* sent once the request was read; NULL: none */
	const char *later_words;	/* sent a moment afterwards, or NULL */
	PeerEnd		end;
	bool		reads_nothing;	/* of the first: every connection is ended unread */
} PeerAct;

#define PEER_MOST_CONNECTIONS 128

typedef struct FaultPeer
{
	const PeerAct *acts;
	size_t		act_count;
	char		socket_path[64];	/* of a Unix socket, or "" */
	char		url[64];		/* http://127.0.0.1:port */
	int			listener;
	pthread_t	thread;
	pthread_t	talks[PEER_MOST_CONNECTIONS];
	pthread_mutex_t lock;
	size_t		next;			/* from here on: under the lock */
	int			connections;	/* by peer_connections() and its like */
	int			requests;
	char		last[8192];
} FaultPeer;

/* Begins; by_socket: at a Unix socket instead of a port. */
extern void peer_begin(FaultPeer *self, const PeerAct *acts, size_t act_count, bool by_socket);
extern void peer_end(FaultPeer *self);

/* How many whole requests it has read so far. */
extern int	peer_requests(FaultPeer *self);
extern int	peer_connections(FaultPeer *self);

#endif
