/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clocks that are functions of a clock of the host, and hrtimers on them.
 */
#ifndef _LINUX_NESTED_CLOCK_H
#define _LINUX_NESTED_CLOCK_H

#include <linux/bits.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/types.h>

/* The rate of a clock that runs as fast as its anchor. A clock of rate 0 is stopped. */
#define NESTED_CLOCK_RATE_ONE	BIT_ULL(63)

#define NESTED_CLOCK_SEGMENTS	3

/**
 * struct nested_segment - a part of the clock with one rate
 * @start:	where it begins, in time of the anchor
 * @value:	what the clock reads there
 * @rate:	nanoseconds of the clock for each of the anchor, times 2^63
 */
struct nested_segment {
	s64	start;
	s64	value;
	u64	rate;
};

/**
 * struct nested_formula - a clock as a function of a clock of the host
 * @anchor:	the clock of the host: HRTIMER_BASE_MONOTONIC, HRTIMER_BASE_REALTIME,
 *		HRTIMER_BASE_BOOTTIME or HRTIMER_BASE_TAI
 * @nr:		number of segments
 * @segment:	the segments, in order; each ends where the next begins
 *
 * The first segment is valid before its start too. The clock may step at the start
 * of a segment, also back. What it reads is in the range from 0 to KTIME_MAX.
 */
struct nested_formula {
	u32			anchor;
	u32			nr;
	struct nested_segment	segment[NESTED_CLOCK_SEGMENTS];
};

/*
 * A change of the rate takes effect this much later than it is asked for, so that
 * all who read the clock at that time know of it.
 */
#define NESTED_CLOCK_LEAD_NS	(100 * NSEC_PER_USEC)

struct nested_clock;

struct nested_clock *nested_base_clock(const struct hrtimer_clock_base *base);
struct nested_clock *nested_clock_create(clockid_t clockid, const struct nested_formula *formula);
void nested_clock_get(struct nested_clock *clock);
void nested_clock_put(struct nested_clock *clock);

ktime_t nested_clock_read(const struct nested_clock *clock);
int nested_clock_set(struct nested_clock *clock, const struct nested_formula *formula);
void nested_clock_step(struct nested_clock *clock, s64 by);
ktime_t nested_clock_change_rate(struct nested_clock *clock, u64 rate);

void hrtimer_nest(struct hrtimer *timer, struct nested_clock *clock);
void __hrtimer_unnest(struct hrtimer *timer);

/**
 * hrtimer_nested_clock - the nested clock that a timer is on
 * @timer:	an hrtimer that is initialised
 *
 * Return: the clock, NULL for one of the host
 */
static inline struct nested_clock *hrtimer_nested_clock(const struct hrtimer *timer)
{
	return hrtimer_base_is_nested(timer->base) ? nested_base_clock(timer->base) : NULL;
}

/**
 * hrtimer_unnest - take a timer off its nested clock
 * @timer:	an hrtimer that is initialised and not queued; its function may be about to
 *		return
 *
 * Drops the reference that the timer has of the clock. Before the timer is used again it
 * has to be initialised. Does nothing if it is on a clock of the host.
 *
 * Context: any
 */
static inline void hrtimer_unnest(struct hrtimer *timer)
{
	if (hrtimer_base_is_nested(timer->base))
		__hrtimer_unnest(timer);
}

bool nested_formula_valid(const struct nested_formula *formula);
ktime_t nested_formula_read(const struct nested_formula *formula, ktime_t anchor);
ktime_t nested_formula_inverse(const struct nested_formula *formula, ktime_t time,
			       ktime_t earliest);
ktime_t nested_formula_change_rate(struct nested_formula *formula, ktime_t now, u64 rate);

#endif /* _LINUX_NESTED_CLOCK_H */
