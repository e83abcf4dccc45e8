/*
 * snapshot.c
 *		Arithmetic of snapshots, as text and as sets.
 */
#define _POSIX_C_SOURCE 200809L	/* stpcpy */
#include "common/snapshot.h"

#include <inttypes.h>
#include <string.h>

static bool
read_number(const char **at, uint64_t *number)
{
	const char *begin = *at;

	*number = 0;
	for (; **at >= '0' && **at <= '9'; (*at)++)
		if (__builtin_mul_overflow(*number, 10, number) ||
			__builtin_add_overflow(*number, (uint64_t) (**at - '0'), number))
			return false;
	return *at > begin;
}

static size_t
count_of(const char *text, char c)
{
	size_t		count = 0;

	for (; *text != '\0'; text++)
		count += *text == c;
	return count;
}

bool
snapshot_parse(Arena *arena, const char *text, LogSnapshot *snapshot)
{
	const char *at = text;
	uint64_t   *running = ARENA_ARRAY(arena, uint64_t, count_of(text, ',') + 1);
	size_t		count = 0;

	if (!read_number(&at, &snapshot->xmin) || *at++ != ':')
		return false;
	if (!read_number(&at, &snapshot->xmax) || *at++ != ':')
		return false;
	if (snapshot->xmin > snapshot->xmax)
		return false;
	while (*at != '\0')
	{
		if (!read_number(&at, &running[count]))
			return false;
		if (running[count] < snapshot->xmin || running[count] >= snapshot->xmax)
			return false;
		if (count > 0 && running[count] <= running[count - 1])
			return false;
		count++;
		if (*at == '\0')
			break;
		if (*at++ != ',' || *at == '\0')
			return false;
	}
	snapshot->running = running;
	snapshot->running_count = count;
	return true;
}

const char *
snapshot_format(Arena *arena, const LogSnapshot *snapshot)
{
	/* 20 digits and a separator each. */
	size_t		size = 21 * (snapshot->running_count + 2) + 1;
	char	   *text = arena_alloc(arena, size);
	char	   *at = text;

	at = stpcpy(at, arena_printf(arena, "%" PRIu64 ":%" PRIu64 ":", snapshot->xmin, snapshot->xmax));
	for (size_t i = 0; i < snapshot->running_count; i++)
		at = stpcpy(at, arena_printf(arena, "%s%" PRIu64, i > 0 ? "," : "", snapshot->running[i]));
	return text;
}

static bool
is_listed(const LogSnapshot *snapshot, uint64_t xid)
{
	size_t		low = 0;
	size_t		high = snapshot->running_count;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (snapshot->running[middle] == xid)
			return true;
		if (snapshot->running[middle] < xid)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool
snapshot_sees(const LogSnapshot *snapshot, uint64_t xid)
{
	if (xid < snapshot->xmin)
		return true;
	if (xid >= snapshot->xmax)
		return false;
	return !is_listed(snapshot, xid);
}

LogSnapshot
snapshot_with_running(Arena *arena, LogSnapshot snapshot, uint64_t own_xid)
{
	uint64_t   *running;
	size_t		place = 0;

	if (!snapshot_sees(&snapshot, own_xid))
		return snapshot;
	running = ARENA_ARRAY(arena, uint64_t, snapshot.running_count + 1);
	while (place < snapshot.running_count && snapshot.running[place] < own_xid)
	{
		running[place] = snapshot.running[place];
		place++;
	}
	running[place] = own_xid;
	for (size_t i = place; i < snapshot.running_count; i++)
		running[i + 1] = snapshot.running[i];
	snapshot.running = running;
	snapshot.running_count++;
	if (own_xid < snapshot.xmin)
		snapshot.xmin = own_xid;
	return snapshot;
}

size_t
snapshot_stragglers(Arena *arena, const LogSnapshot *s1, uint64_t next_xid, const LogSnapshot *s2,
					const uint64_t **xids)
{
	size_t		beyond = next_xid > s1->xmax ? (size_t) (next_xid - s1->xmax) : 0;
	uint64_t   *ended = ARENA_ARRAY(arena, uint64_t, s1->running_count + beyond);
	size_t		count = 0;

	for (size_t i = 0; i < s1->running_count; i++)
		if (snapshot_sees(s2, s1->running[i]))
			ended[count++] = s1->running[i];
	for (size_t i = 0; i < beyond; i++)
		if (snapshot_sees(s2, s1->xmax + i))
			ended[count++] = s1->xmax + i;
	*xids = ended;
	return count;
}
