/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wall clocks of time namespaces: CLOCK_REALTIME and CLOCK_TAI that can be set while
 * tasks are inside. For the code that reads, sets or waits for such a clock in the name
 * of a task. Without such a clock all of it is about the host's.
 *
 * See Documentation/core-api/time-namespaces.rst.
 */
#ifndef _LINUX_TIMENS_WALL_H
#define _LINUX_TIMENS_WALL_H

#include <linux/capability.h>
#include <linux/hrtimer.h>
#include <linux/nested_clock.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/timens.h>

struct __kernel_timex;
struct timens_wall;

#ifdef CONFIG_TIME_NS_WALL

/**
 * struct timens_wall_cancel - who wants to know when a wall clock is set
 * @lock:	protects @timers
 * @timers:	timerfds with TFD_TIMER_CANCEL_ON_SET
 */
struct timens_wall_cancel {
	spinlock_t		lock; /* protects timers */
	struct list_head	timers;
};

struct timens_wall *timens_wall_of(const struct timens_offsets *offsets);
struct timens_wall *timens_wall_get(struct timens_wall *wall);
void timens_wall_put(struct timens_wall *wall);
void timens_offsets_clock_from_host(const struct timens_offsets *offsets, clockid_t clock,
				    struct timespec64 *ts);
void timens_wall_clock_gettime(const struct timens_wall *wall, clockid_t clock,
			       struct timespec64 *ts);
ktime_t timens_wall_to_monotonic(const struct timens_wall *wall);
struct timens_wall_cancel *timens_wall_cancel(struct timens_wall *wall);
bool timens_wall_capable(const struct timens_wall *wall);
int timens_wall_settime(struct timens_wall *wall, const struct timespec64 *ts);
int timens_wall_adjtimex(struct timens_wall *wall, struct __kernel_timex *txc);
struct nested_clock *timens_wall_nested(const struct timens_wall *wall, clockid_t clock);

#ifdef CONFIG_TIMERFD
void timerfd_wall_was_set(struct timens_wall *wall);
#else
static inline void timerfd_wall_was_set(struct timens_wall *wall) { }
#endif

/**
 * timens_current_wall() - the wall clock that current is on
 *
 * Return: the clock, which lives as long as current is in its time namespace; NULL if
 *	   it is the host's.
 */
static inline struct timens_wall *timens_current_wall(void)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets))
		return NULL;
	return timens_wall_of(offsets);
}

/* Is @clock, any clock id, moved by the wall clock of a namespace? */
static inline bool timens_is_wall_clock(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ||
	       clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

/* The clock that an absolute timer of current on @clock is on, NULL if it is the host's. */
static inline struct nested_clock *timens_current_nested(clockid_t clock)
{
	struct timens_wall *wall;

	if (!timens_is_wall_clock(clock))
		return NULL;
	wall = timens_current_wall();
	if (likely(!wall))
		return NULL;
	return timens_wall_nested(wall, clock);
}

#else /* !CONFIG_TIME_NS_WALL */

static inline struct timens_wall *timens_wall_get(struct timens_wall *wall)
{
	return wall;
}

static inline void timens_wall_put(struct timens_wall *wall) { }

static inline void timens_wall_clock_gettime(const struct timens_wall *wall, clockid_t clock,
					     struct timespec64 *ts) { }

#ifdef CONFIG_TIME_NS
static inline void timens_offsets_clock_from_host(const struct timens_offsets *offsets,
						  clockid_t clock, struct timespec64 *ts)
{
	timens_offsets_timespec_from_host(offsets, clock, ts);
}
#endif

static inline bool timens_wall_capable(const struct timens_wall *wall)
{
	return false;
}

static inline int timens_wall_settime(struct timens_wall *wall, const struct timespec64 *ts)
{
	return -EINVAL;
}

static inline int timens_wall_adjtimex(struct timens_wall *wall, struct __kernel_timex *txc)
{
	return -EINVAL;
}

static inline struct timens_wall *timens_current_wall(void)
{
	return NULL;
}

static inline struct nested_clock *timens_current_nested(clockid_t clock)
{
	return NULL;
}

#endif /* CONFIG_TIME_NS_WALL */

/**
 * timens_clock_from_host() - from a clock of the host, just read, to that of current
 * @clock:	clock id
 * @ts:		what the host's @clock read, replaced by what current's reads
 *
 * A wall clock is read anew: how far it is from the host's may change at any time.
 */
static inline void timens_clock_from_host(clockid_t clock, struct timespec64 *ts)
{
#ifdef CONFIG_TIME_NS
	const struct timens_offsets *offsets = current->timens;

	if (unlikely(offsets))
		timens_offsets_clock_from_host(offsets, clock, ts);
#endif
}

/**
 * timens_real_ts64() - CLOCK_REALTIME of current
 * @ts:	set
 */
static inline void timens_real_ts64(struct timespec64 *ts)
{
	struct timens_wall *wall = timens_current_wall();

	if (unlikely(wall))
		timens_wall_clock_gettime(wall, CLOCK_REALTIME, ts);
	else
		ktime_get_real_ts64(ts);
}

/**
 * timens_real_seconds() - CLOCK_REALTIME_COARSE of current
 *
 * Return: whole seconds.
 */
static inline time64_t timens_real_seconds(void)
{
	struct timens_wall *wall = timens_current_wall();
	struct timespec64 ts;

	if (likely(!wall))
		return ktime_get_real_seconds();
	timens_wall_clock_gettime(wall, CLOCK_REALTIME_COARSE, &ts);
	return ts.tv_sec;
}

/**
 * timens_may_set_time() - may current set the wall clock that it is on?
 *
 * Return: whether it has CAP_SYS_TIME in the user namespace that owns the clock.
 */
static inline bool timens_may_set_time(void)
{
	struct timens_wall *wall = timens_current_wall();

	return unlikely(wall) ? timens_wall_capable(wall) : capable(CAP_SYS_TIME);
}

/**
 * timens_nest_on_stack() - put a timer on the clock that current is on
 * @timer:	initialised for absolute expiry on @clock, and of no use to anybody when
 *		current returns to user space
 * @clock:	clock id
 *
 * Does nothing if that is a clock of the host. Otherwise the expiry is in time of the
 * namespace's clock, and follows it when it is set.
 */
static inline void timens_nest_on_stack(struct hrtimer *timer, clockid_t clock)
{
	struct nested_clock *nested = timens_current_nested(clock);

	if (unlikely(nested))
		hrtimer_nest(timer, nested);
}

/**
 * timens_nest() - timens_nest_on_stack() for a timer that may outlive the namespace
 * @timer:	initialised for absolute expiry on @clock
 * @clock:	clock id
 *
 * The timer holds the clock. hrtimer_unnest() has to be called before it is initialised
 * anew or freed.
 */
static inline void timens_nest(struct hrtimer *timer, clockid_t clock)
{
	struct nested_clock *nested = timens_current_nested(clock);

	if (unlikely(nested)) {
		nested_clock_get(nested);
		hrtimer_nest(timer, nested);
	}
}

#endif /* _LINUX_TIMENS_WALL_H */
