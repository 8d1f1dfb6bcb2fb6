/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Times that cross the border between the kernel and user space, which may be
 * in a time namespace.
 *
 * A task in a time namespace sees CLOCK_MONOTONIC, CLOCK_BOOTTIME and the
 * clocks derived from them moved by a constant. The kernel itself keeps time on
 * the host's clocks only, so a time is translated where it crosses the border,
 * by the name of its clock:
 *
 *   timens_to_host()		an absolute time that current hands in
 *   timens_periodic_to_host()	the same, where deadlines follow at an interval
 *   timens_from_host()		a time that is handed out to current
 *   timens_latch_current()	remembers current's clocks for times of which
 *				another context makes a record, or memory that
 *				is mapped into user space
 *   timens_latch_from_host()	such a time
 *
 * with variants for other units. All may be called from any context, those that
 * ask for current of course in current's name. Kernel threads, tasks past
 * exit_task_namespaces() and tasks whose namespace has no offsets are on the
 * host's clocks: for them a translation is one load and one branch.
 *
 * Durations are the same on all clocks and must not be translated. A time on a
 * clock that time namespaces do not move, such as CLOCK_REALTIME, may be, and
 * comes out as it went in.
 *
 * See Documentation/core-api/time-namespaces.rst for which of them to choose.
 */
#ifndef _LINUX_TIMENS_H
#define _LINUX_TIMENS_H

#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/time64.h>
#include <linux/timens_types.h>
#include <linux/types.h>

#ifdef CONFIG_TIME_NS

ktime_t timens_offsets_to_host(const struct timens_offsets *offsets,
			       clockid_t clock, ktime_t t);
ktime_t timens_offsets_periodic_to_host(const struct timens_offsets *offsets,
					clockid_t clock, ktime_t t,
					ktime_t interval, u64 *passed);
ktime_t timens_offsets_from_host(const struct timens_offsets *offsets,
				 clockid_t clock, ktime_t t);
void timens_offsets_timespec_to_host(const struct timens_offsets *offsets,
				     clockid_t clock, struct timespec64 *ts);
void timens_offsets_timespec_from_host(const struct timens_offsets *offsets,
				       clockid_t clock, struct timespec64 *ts);
void timens_offsets_boot_date(const struct timens_offsets *offsets,
			      struct timespec64 *date);
u64 timens_offsets_units_from_host(const struct timens_offsets *offsets,
				   clockid_t clock, u64 t, u32 unit);
s64 timens_offsets_base_to_host(const struct timens_offsets *offsets,
				clockid_t clock, s64 t);
s64 timens_offsets_base_from_host(const struct timens_offsets *offsets,
				  clockid_t clock, s64 t);
bool timens_latch_equal(const struct timens_latch *a,
			const struct timens_latch *b, clockid_t clock);

/**
 * timens_to_host() - translate an absolute time that user space handed in
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on current's clock
 *
 * A time before the zero of the host's clock becomes 0, which is in the past;
 * one after its end becomes KTIME_MAX. What is no time but means "at once",
 * "none" or "never" in many interfaces stays what it is: 0, KTIME_MAX and all
 * that is negative.
 *
 * Return: nanoseconds on the host's clock.
 */
static inline ktime_t timens_to_host(clockid_t clock, ktime_t t)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets))
		return t;
	return timens_offsets_to_host(offsets, clock, t);
}

/**
 * timens_periodic_to_host() - translate the first of many deadlines
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on current's clock
 * @interval:	nanoseconds from one deadline to the next, 0 if there is only one
 * @passed:	set to the number of deadlines left out
 *
 * As timens_to_host(), but deadlines before the zero of the host's clock are
 * left out and counted: they have passed. What is returned is the first after
 * them, which may be yet to come.
 *
 * Return: nanoseconds on the host's clock.
 */
static inline ktime_t timens_periodic_to_host(clockid_t clock, ktime_t t,
					      ktime_t interval, u64 *passed)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets)) {
		*passed = 0;
		return t;
	}
	return timens_offsets_periodic_to_host(offsets, clock, t, interval, passed);
}

/**
 * timens_from_host() - translate a time that is handed out to user space
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the host's clock, 0 to KTIME_MAX
 *
 * A time before the zero of the namespace's clock becomes 0, one after its end
 * KTIME_MAX. KTIME_MAX, "never", stays what it is. 0 is translated: an interface
 * in which 0 is not a time must not translate it.
 *
 * Return: nanoseconds on current's clock, 0 to KTIME_MAX.
 */
static inline ktime_t timens_from_host(clockid_t clock, ktime_t t)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets))
		return t;
	return timens_offsets_from_host(offsets, clock, t);
}

/**
 * timens_timespec_to_host() - timens_to_host() for a timespec64
 * @clock:	clock id that @ts is on
 * @ts:		a time on current's clock, replaced by the host's. A negative one
 *		stays what it is.
 */
static inline void timens_timespec_to_host(clockid_t clock,
					   struct timespec64 *ts)
{
	const struct timens_offsets *offsets = current->timens;

	if (unlikely(offsets))
		timens_offsets_timespec_to_host(offsets, clock, ts);
}

/**
 * timens_timespec_from_host() - timens_from_host() for a timespec64
 * @clock:	clock id that @ts is on
 * @ts:		a time on the host's clock, replaced by current's
 *
 * Every @ts is a time: none means "never".
 */
static inline void timens_timespec_from_host(clockid_t clock,
					     struct timespec64 *ts)
{
	const struct timens_offsets *offsets = current->timens;

	if (unlikely(offsets))
		timens_offsets_timespec_from_host(offsets, clock, ts);
}

/**
 * timens_units_from_host() - timens_from_host() for a time in other units
 * @clock:	clock id that @t is on
 * @t:		units on the host's clock
 * @unit:	length of a unit in nanoseconds, such as NSEC_PER_MSEC
 *
 * Return: units on current's clock, rounded down. More than KTIME_MAX nanoseconds
 *	   are no time and stay what they are.
 */
static inline u64 timens_units_from_host(clockid_t clock, u64 t, u32 unit)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets))
		return t;
	return timens_offsets_units_from_host(offsets, clock, t, unit);
}

/**
 * timens_base_to_host() - translate the base time of a periodic schedule
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on current's clock
 *
 * A schedule needs its phase: a base time may be before the zero of a clock, and
 * is negative there. So 0 and negative numbers are times here. Only S64_MAX,
 * "never", stays what it is.
 *
 * Return: nanoseconds on the host's clock. timens_base_from_host() undoes it
 *	   where that is not S64_MIN or S64_MAX.
 */
static inline s64 timens_base_to_host(clockid_t clock, s64 t)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets))
		return t;
	return timens_offsets_base_to_host(offsets, clock, t);
}

/**
 * timens_base_from_host() - report the base time of a periodic schedule
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the host's clock
 *
 * Return: nanoseconds on current's clock, which can be negative.
 */
static inline s64 timens_base_from_host(clockid_t clock, s64 t)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets))
		return t;
	return timens_offsets_base_from_host(offsets, clock, t);
}

/**
 * timens_latch_current() - remember the clocks of current
 * @latch:	set, whatever was in it
 *
 * Offsets are constant once a task is in the namespace, so that the latch is
 * right for as long as the file is open, and after the namespace is gone. It has
 * to be released with timens_latch_put().
 */
static inline void timens_latch_current(struct timens_latch *latch)
{
	const struct timens_offsets *offsets = current->timens;

	latch->moved = offsets;
	if (unlikely(offsets))
		latch->moved_by = *offsets;
}

/**
 * timens_latch_put() - release what timens_latch_current() took
 * @latch:	set by timens_latch_current(), or all zeros
 *
 * To be called when nothing reads the latch any more, in any context, NMI
 * excepted. It does nothing today because offsets are constant, so that the
 * latch is a copy of them.
 */
static inline void timens_latch_put(struct timens_latch *latch) { }

/**
 * timens_latch_from_host() - timens_from_host() for whoever set a latch
 * @latch:	set by timens_latch_current(), or all zeros
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the host's clock, 0 to KTIME_MAX
 *
 * For any context, also NMI.
 *
 * Return: nanoseconds on the clock as it was remembered, 0 to KTIME_MAX.
 */
static inline ktime_t timens_latch_from_host(const struct timens_latch *latch,
					     clockid_t clock, ktime_t t)
{
	if (likely(!latch->moved))
		return t;
	return timens_offsets_from_host(&latch->moved_by, clock, t);
}

/**
 * timens_latch_timespec_from_host() - timens_latch_from_host() for a timespec64
 * @latch:	set by timens_latch_current(), or all zeros
 * @clock:	clock id that @ts is on
 * @ts:		a time on the host's clock, replaced by the one remembered
 *
 * For any context, also NMI. Every @ts is a time: none means "never".
 */
static inline void
timens_latch_timespec_from_host(const struct timens_latch *latch,
				clockid_t clock, struct timespec64 *ts)
{
	if (unlikely(latch->moved))
		timens_offsets_timespec_from_host(&latch->moved_by, clock, ts);
}

/**
 * timens_boot_date() - the date at which current's CLOCK_BOOTTIME was zero
 * @date:	CLOCK_REALTIME at which the host's was zero, replaced by current's
 *
 * A date before 1970 becomes 1970: the interfaces that show it are unsigned.
 */
static inline void timens_boot_date(struct timespec64 *date)
{
	const struct timens_offsets *offsets = current->timens;

	if (unlikely(offsets))
		timens_offsets_boot_date(offsets, date);
}

#else /* !CONFIG_TIME_NS */

static inline ktime_t timens_to_host(clockid_t clock, ktime_t t)
{
	return t;
}

static inline ktime_t timens_periodic_to_host(clockid_t clock, ktime_t t,
					      ktime_t interval, u64 *passed)
{
	*passed = 0;
	return t;
}

static inline ktime_t timens_from_host(clockid_t clock, ktime_t t)
{
	return t;
}

static inline void timens_timespec_to_host(clockid_t clock,
					   struct timespec64 *ts) { }
static inline void timens_timespec_from_host(clockid_t clock,
					     struct timespec64 *ts) { }

static inline u64 timens_units_from_host(clockid_t clock, u64 t, u32 unit)
{
	return t;
}

static inline s64 timens_base_to_host(clockid_t clock, s64 t)
{
	return t;
}

static inline s64 timens_base_from_host(clockid_t clock, s64 t)
{
	return t;
}

static inline bool timens_latch_equal(const struct timens_latch *a,
				      const struct timens_latch *b,
				      clockid_t clock)
{
	return true;
}

static inline void timens_latch_current(struct timens_latch *latch) { }
static inline void timens_latch_put(struct timens_latch *latch) { }

static inline ktime_t timens_latch_from_host(const struct timens_latch *latch,
					     clockid_t clock, ktime_t t)
{
	return t;
}

static inline void
timens_latch_timespec_from_host(const struct timens_latch *latch,
				clockid_t clock, struct timespec64 *ts) { }

static inline void timens_boot_date(struct timespec64 *date) { }

#endif /* CONFIG_TIME_NS */

#endif /* _LINUX_TIMENS_H */
