/*
 * stubborn.h
 *		Handlers that have used up their time, with nobody there to count it.
 *
 * One that catches its cancelling and goes on ends with its worker, and all that
 * the worker has written since its last commit goes, too: no table tells which
 * message it was.  One that is cancelled among others takes back the batch of
 * all, and nothing is written either.  So a note is left in shared memory.  Who
 * comes to that message next takes the note for its attempt: it fails with
 * 57014, and no handler is called; so an attempt takes the time limit once.
 *
 * A lost note costs the time limit once more, or a worker, nothing else.
 */
#ifndef SPARK_POSTGRES_BUS_STUBBORN_H
#define SPARK_POSTGRES_BUS_STUBBORN_H

#include "postgres/server.h"

#include "common/uuid.h"

extern void stubborn_shmem_request(void);
extern void stubborn_shmem_startup(void);

/*
 * This message's handler is about to be called: raises the error of its last
 * attempt where there is a note of it.  Else a note is left should this worker be
 * ended for it.  The name must stay until the next call, or the end of the worker.
 */
extern void stubborn_watch(const char *consumer, Uuid id);

/* The handler that was called last has used up its time, and its transaction is taken back. */
extern void stubborn_note(void);

/* The attempt is counted: the next one is a call again. */
extern void stubborn_forget(const char *consumer, Uuid id);

#endif
