// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of clocks that are piecewise linear functions of a clock of the
 * host.
 */
#include <linux/export.h>
#include <linux/hrtimer_defs.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/nested_clock.h>
#include <linux/overflow.h>
#include <linux/string.h>

/* Like ktime_t without its lowest value, so that each has a negative. */
#define VALUE_MIN	(-KTIME_MAX)

/**
 * nested_formula_valid - whether a formula may be given to a clock
 * @formula:	the formula
 */
bool nested_formula_valid(const struct nested_formula *formula)
{
	unsigned int i;

	if (formula->anchor > HRTIMER_BASE_TAI)
		return false;
	if (!formula->nr || formula->nr > NESTED_CLOCK_SEGMENTS)
		return false;
	for (i = 0; i < formula->nr; i++) {
		const struct nested_segment *segment = &formula->segment[i];

		if (segment->start < 0 || segment->value < VALUE_MIN)
			return false;
		if (i && segment->start <= segment[-1].start)
			return false;
	}
	return true;
}
EXPORT_SYMBOL_GPL(nested_formula_valid);

/*
 * What the segment reads at the time @t of the anchor, rounded down, from VALUE_MIN
 * to KTIME_MAX.
 */
static s64 segment_read(const struct nested_segment *segment, ktime_t t)
{
	u64 by, room;

	if (t >= segment->start) {
		by = mul_u64_u64_shr(t - segment->start, segment->rate, 63);
		room = (u64)KTIME_MAX - segment->value;
		return by > room ? KTIME_MAX : (s64)(segment->value + by);
	}
	by = mul_u64_u64_shr(segment->start - t, segment->rate, 63);
	/* Round down, which is away from the start here. */
	if ((segment->start - t) * segment->rate & (NESTED_CLOCK_RATE_ONE - 1))
		by++;
	room = (u64)segment->value - VALUE_MIN;
	return by > room ? VALUE_MIN : (s64)(segment->value - by);
}

/*
 * Sets @anchor to @clock / @rate, rounded down or up. Returns false if that exceeds
 * 64 bits.
 */
static bool divide_by_rate(u64 clock, u64 rate, bool up, u64 *anchor)
{
	if (rate == NESTED_CLOCK_RATE_ONE) {
		*anchor = clock;
		return true;
	}
	if (clock >> 1 >= rate)
		return false;
	*anchor = clock ? mul_u64_u64_div_u64(clock, NESTED_CLOCK_RATE_ONE, rate) : 0;
	/* The low half shows a remainder: it is less than the rate. */
	if (up && clock << 63 != *anchor * rate)
		return ++*anchor;
	return true;
}

/*
 * The first time of the anchor, not before @earliest, at which the segment reads
 * @time or more; KTIME_MAX if there is none. @time is positive.
 */
static ktime_t segment_inverse(const struct nested_segment *segment, ktime_t time, ktime_t earliest)
{
	u64 by;

	if (segment_read(segment, earliest) >= time)
		return earliest;
	if (time <= segment->value) {
		/* Between @earliest and the start, which does not exceed 63 bits. */
		if (WARN_ON_ONCE(!divide_by_rate(segment->value - time, segment->rate, false, &by)))
			return segment->start;
		return segment->start - by;
	}
	if (!divide_by_rate((u64)time - segment->value, segment->rate, true, &by) ||
	    by > KTIME_MAX - segment->start)
		return KTIME_MAX;
	return segment->start + by;
}

static bool is_last(const struct nested_formula *formula, unsigned int i)
{
	return i + 1 == formula->nr;
}

static const struct nested_segment *segment_at(const struct nested_formula *formula, ktime_t anchor)
{
	unsigned int i = 0;

	while (!is_last(formula, i) && anchor >= formula->segment[i + 1].start)
		i++;
	return &formula->segment[i];
}

/**
 * nested_formula_read - what a clock reads
 * @formula:	the formula of the clock
 * @anchor:	the time of its anchor, not negative
 *
 * Return: the time from 0 to KTIME_MAX
 */
ktime_t nested_formula_read(const struct nested_formula *formula, ktime_t anchor)
{
	return max(segment_read(segment_at(formula, anchor), anchor), 0);
}
EXPORT_SYMBOL_GPL(nested_formula_read);

/**
 * nested_formula_inverse - when a clock reaches a time
 * @formula:	the formula of the clock
 * @time:	the time to reach; KTIME_MAX is never reached
 * @earliest:	earliest time of the anchor that counts, not negative
 *
 * A clock that steps back reads a time more than once. What was before @earliest
 * does not count, or a timer that waits for the second time would be due all along.
 *
 * Return: the first time of the anchor, not before @earliest, at which the clock
 * reads @time or more; KTIME_MAX if there is none
 */
ktime_t nested_formula_inverse(const struct nested_formula *formula, ktime_t time, ktime_t earliest)
{
	unsigned int i;

	if (time == KTIME_MAX)
		return KTIME_MAX;
	earliest = max(earliest, 0);
	if (time <= 0)
		return earliest;
	for (i = 0; i < formula->nr; i++) {
		const struct nested_segment *segment = &formula->segment[i];
		ktime_t from = i ? max(earliest, segment->start) : earliest;
		ktime_t end = is_last(formula, i) ? KTIME_MAX : segment[1].start;
		ktime_t t;

		if (from >= end)
			continue;
		t = segment_inverse(segment, time, from);
		if (t < end)
			return t;
	}
	return KTIME_MAX;
}
EXPORT_SYMBOL_GPL(nested_formula_inverse);

/**
 * nested_formula_change_rate - let a clock go on at another rate
 * @formula:	the formula of the clock
 * @now:	the time of its anchor, not negative
 * @rate:	the rate, 0 to stop the clock
 *
 * The clock does not step. It reads the same with the old and the new formula until
 * the change takes effect, in NESTED_CLOCK_LEAD_NS or, if another change is due,
 * together with that in no less than half of it. What was planned for later is void.
 *
 * Return: the time of the anchor from which on the rate holds
 */
ktime_t nested_formula_change_rate(struct nested_formula *formula, ktime_t now, u64 rate)
{
	struct nested_segment next = {
		.start	= ktime_add_safe(now, NESTED_CLOCK_LEAD_NS),
		.rate	= rate,
	};
	unsigned int keep = 1;

	while (formula->nr > 1 && formula->segment[1].start <= now) {
		formula->nr--;
		memmove(&formula->segment[0], &formula->segment[1],
			formula->nr * sizeof(formula->segment[0]));
	}
	while (keep < formula->nr && keep < NESTED_CLOCK_SEGMENTS - 1 &&
	       formula->segment[keep].start - now < NESTED_CLOCK_LEAD_NS / 2)
		keep++;
	if (keep < formula->nr)
		next.start = min(next.start, formula->segment[keep].start);
	formula->nr = keep;
	if (formula->segment[0].start > now) {
		/* The anchor was set back. */
		formula->segment[0].value = segment_read(&formula->segment[0], now);
		formula->segment[0].start = now;
	}
	if (formula->segment[keep - 1].rate == rate)
		return next.start;
	next.value = segment_read(&formula->segment[keep - 1], next.start);
	formula->segment[formula->nr++] = next;
	return next.start;
}
EXPORT_SYMBOL_GPL(nested_formula_change_rate);
