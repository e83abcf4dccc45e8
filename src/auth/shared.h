/*
 * shared.h
 *		What the backends of one server know together about logins.
 */
#ifndef SPARK_AUTH_SHARED_H
#define SPARK_AUTH_SHARED_H

#include "auth/ports.h"

/* Counts failed logins in shared memory; without that it lets all pass. */
extern const LoginThrottle shared_throttle;

/*
 * One of the places for hashing a password: waits up to 2 s for it, open to
 * cancel and termination; false where none became free.  Between take and
 * give back nothing may raise.
 */
extern bool hash_slot_take(void);
extern void hash_slot_give_back(void);

#endif
