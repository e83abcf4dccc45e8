/*
 * stubborn.h
 *		Handlers that catch their cancelling and go on.
 *
 * Such a handler ends with its worker, and all that the worker has written since
 * its last commit goes, too: no table tells which message it was.  So the worker
 * leaves a note in shared memory as it goes.  Who comes to that message next
 * takes the note for its attempt: it fails with 57014, and no handler is called.
 *
 * A lost note costs one more worker, nothing else.
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

/* The attempt is counted: the next one is a call again. */
extern void stubborn_forget(const char *consumer, Uuid id);

#endif
