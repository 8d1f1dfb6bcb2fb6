// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which clock follows which offset, and the translation between the clocks of a
 * time namespace and those of the host. The one place that knows either.
 */
#include <linux/array_size.h>
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/overflow.h>

#include "internal.h"

/*
 * The alarm clocks are here although they cannot be read as such through the
 * vDSO: their absolute timers are translated like any other.
 */
static const u8 timeline_of_clock[MAX_CLOCKS] = {
	[CLOCK_MONOTONIC]		= TIMENS_MONOTONIC,
	[CLOCK_MONOTONIC_RAW]		= TIMENS_MONOTONIC,
	[CLOCK_MONOTONIC_COARSE]	= TIMENS_MONOTONIC,
	[CLOCK_BOOTTIME]		= TIMENS_BOOTTIME,
	[CLOCK_BOOTTIME_ALARM]		= TIMENS_BOOTTIME,
};

/**
 * timens_timeline() - the timeline that a clock is on
 * @clock:	any clock id, valid or not
 *
 * Return: TIMENS_HOST for clocks that time namespaces do not move, which are all
 *	   CPU and dynamic clocks (their ids are negative) and all unknown ones.
 */
enum timens_timeline timens_timeline(clockid_t clock)
{
	if ((u32)clock >= ARRAY_SIZE(timeline_of_clock))
		return TIMENS_HOST;
	return timeline_of_clock[clock];
}

static const struct timespec64 *offset_of(const struct timens_offsets *offsets,
					  clockid_t clock)
{
	return &offsets->by[timens_timeline(clock)];
}

/* timespec64_to_ns() takes some of the range for an overflow. */
static s64 offset_ns(const struct timens_offsets *offsets, clockid_t clock)
{
	const struct timespec64 *offset = offset_of(offsets, clock);

	return offset->tv_sec * NSEC_PER_SEC + offset->tv_nsec;
}

/**
 * timens_offsets_to_host() - timens_to_host() for given offsets
 * @offsets:	offsets of a namespace
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the namespace's clock
 *
 * Return: nanoseconds on the host's clock.
 */
ktime_t timens_offsets_to_host(const struct timens_offsets *offsets,
			       clockid_t clock, ktime_t t)
{
	s64 offset = offset_ns(offsets, clock);
	ktime_t host;

	if (!offset || t <= 0 || t == KTIME_MAX)
		return t;
	if (check_sub_overflow(t, offset, &host))
		return KTIME_MAX;
	return max(host, 0);
}
EXPORT_SYMBOL_GPL(timens_offsets_to_host);

/**
 * timens_offsets_periodic_to_host() - timens_periodic_to_host() for given offsets
 * @offsets:	offsets of a namespace
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the namespace's clock
 * @interval:	nanoseconds from one deadline to the next, or 0
 * @passed:	set to the number of deadlines left out
 *
 * Return: nanoseconds on the host's clock.
 */
ktime_t timens_offsets_periodic_to_host(const struct timens_offsets *offsets,
					clockid_t clock, ktime_t t,
					ktime_t interval, u64 *passed)
{
	ktime_t host = timens_offsets_to_host(offsets, clock, t);
	u64 early, rest;

	*passed = 0;
	if (host || t <= 0 || interval <= 0)
		return host;

	/* Not less than 0, and no overflow, or @host would not be 0. */
	early = offset_ns(offsets, clock) - t;
	*passed = div64_u64_rem(early, interval, &rest);
	if (!rest)
		return 0;
	++*passed;
	return interval - rest;
}

/**
 * timens_offsets_from_host() - timens_from_host() for given offsets
 * @offsets:	offsets of a namespace
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the host's clock, 0 to KTIME_MAX
 *
 * Return: nanoseconds on the namespace's clock, 0 to KTIME_MAX.
 */
ktime_t timens_offsets_from_host(const struct timens_offsets *offsets,
				 clockid_t clock, ktime_t t)
{
	s64 offset = offset_ns(offsets, clock);
	ktime_t user;

	if (!offset || t == KTIME_MAX)
		return t;
	if (check_add_overflow(t, offset, &user))
		return KTIME_MAX;
	return max(user, 0);
}
EXPORT_SYMBOL_GPL(timens_offsets_from_host);

/**
 * timens_offsets_timespec_to_host() - timens_offsets_to_host() for a timespec64
 * @offsets:	offsets of a namespace
 * @clock:	clock id that @ts is on
 * @ts:		a time on the namespace's clock, replaced by the host's
 */
void timens_offsets_timespec_to_host(const struct timens_offsets *offsets,
				     clockid_t clock, struct timespec64 *ts)
{
	/* Very negative seconds would wrap around to a positive number of nanoseconds. */
	if (ts->tv_sec >= 0 && offset_ns(offsets, clock))
		*ts = ktime_to_timespec64(timens_offsets_to_host(offsets, clock,
								 timespec64_to_ktime(*ts)));
}
EXPORT_SYMBOL_GPL(timens_offsets_timespec_to_host);

/**
 * timens_offsets_timespec_from_host() - timens_offsets_from_host() for a timespec64
 * @offsets:	offsets of a namespace
 * @clock:	clock id that @ts is on
 * @ts:		a time on the host's clock, replaced by the namespace's
 */
void timens_offsets_timespec_from_host(const struct timens_offsets *offsets,
				       clockid_t clock, struct timespec64 *ts)
{
	enum timens_timeline timeline = timens_timeline(clock);
	time64_t sec;
	long nsec;

	/* A wall clock may be negative. */
	if (timeline == TIMENS_HOST)
		return;

	sec = ts->tv_sec + offsets->by[timeline].tv_sec;
	nsec = ts->tv_nsec + offsets->by[timeline].tv_nsec;
	if (nsec >= NSEC_PER_SEC) {
		nsec -= NSEC_PER_SEC;
		sec++;
	}
	if (unlikely(sec < 0)) {
		sec = 0;
		nsec = 0;
	}
	ts->tv_sec = sec;
	ts->tv_nsec = nsec;
}
EXPORT_SYMBOL_GPL(timens_offsets_timespec_from_host);

/**
 * timens_offsets_units_from_host() - timens_units_from_host() for given offsets
 * @offsets:	offsets of a namespace
 * @clock:	clock id that @t is on
 * @t:		units on the host's clock
 * @unit:	length of a unit in nanoseconds
 *
 * Return: units on the namespace's clock, rounded down.
 */
u64 timens_offsets_units_from_host(const struct timens_offsets *offsets,
				   clockid_t clock, u64 t, u32 unit)
{
	if (!offset_ns(offsets, clock) || t > div_u64(KTIME_MAX, unit))
		return t;
	return div_u64(timens_offsets_from_host(offsets, clock, t * unit), unit);
}
EXPORT_SYMBOL_GPL(timens_offsets_units_from_host);

/**
 * timens_offsets_base_to_host() - timens_base_to_host() for given offsets
 * @offsets:	offsets of a namespace
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the namespace's clock, may be negative
 *
 * Return: nanoseconds on the host's clock.
 */
s64 timens_offsets_base_to_host(const struct timens_offsets *offsets,
				clockid_t clock, s64 t)
{
	s64 host;

	if (t == S64_MAX)
		return t;
	if (check_sub_overflow(t, offset_ns(offsets, clock), &host))
		return t < 0 ? S64_MIN : S64_MAX;
	return host;
}
EXPORT_SYMBOL_GPL(timens_offsets_base_to_host);

/**
 * timens_offsets_base_from_host() - timens_base_from_host() for given offsets
 * @offsets:	offsets of a namespace
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the host's clock, may be negative
 *
 * Return: nanoseconds on the namespace's clock.
 */
s64 timens_offsets_base_from_host(const struct timens_offsets *offsets,
				  clockid_t clock, s64 t)
{
	s64 user;

	if (t == S64_MAX)
		return t;
	if (check_add_overflow(t, offset_ns(offsets, clock), &user))
		return t < 0 ? S64_MIN : S64_MAX;
	return user;
}
EXPORT_SYMBOL_GPL(timens_offsets_base_from_host);

/**
 * timens_latch_equal() - does a clock read the same by two latches?
 * @a:		set by timens_latch_current(), or all zeros
 * @b:		another
 * @clock:	clock id
 *
 * Return: true if both translate times on @clock in the same way.
 */
bool timens_latch_equal(const struct timens_latch *a,
			const struct timens_latch *b, clockid_t clock)
{
	s64 by_a = a->moved ? offset_ns(&a->moved_by, clock) : 0;
	s64 by_b = b->moved ? offset_ns(&b->moved_by, clock) : 0;

	return by_a == by_b;
}

/**
 * timens_offsets_boot_date() - timens_boot_date() for given offsets
 * @offsets:	offsets of a namespace
 * @date:	CLOCK_REALTIME at which the host's CLOCK_BOOTTIME was zero,
 *		replaced by that at which the namespace's was
 */
void timens_offsets_boot_date(const struct timens_offsets *offsets,
			      struct timespec64 *date)
{
	*date = timespec64_sub(*date, offsets->by[TIMENS_BOOTTIME]);
	if (date->tv_sec < 0)
		*date = (struct timespec64){ };
}
