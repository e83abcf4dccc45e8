/*
 * this_machine.h
 *		Which addresses no byte leaves the machine for.
 */
#ifndef SPARK_LIGHTNING_THIS_MACHINE_H
#define SPARK_LIGHTNING_THIS_MACHINE_H

#include <stdbool.h>
#include <string.h>

/* Of "host", or of "host:port/path"; a name that only resolves to this machine is none of its. */
static inline bool
host_is_this_machine(const char *address)
{
	size_t		length = address[0] == '[' ? strcspn(address, "]") + 1 : strcspn(address, ":/");

	return (length == strlen("localhost") && strncmp(address, "localhost", length) == 0) ||
		(length == strlen("[::1]") && strncmp(address, "[::1]", length) == 0) ||
		(strncmp(address, "127.", 4) == 0 && strspn(address, "0123456789.") == length);
}

#endif
