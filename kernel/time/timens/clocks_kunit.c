// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the translation between the clocks of a time namespace and
 * those of the host, against a model that does without signed arithmetic.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/prandom.h>

#include "internal.h"

/* Far enough apart to see which of the two was used. */
static const struct timens_offsets two_offsets = {
	.by[TIMENS_MONOTONIC]	= { .tv_sec = 1000 },
	.by[TIMENS_BOOTTIME]	= { .tv_sec = -7 },
};

static struct timens_offsets monotonic_offset(s64 ns)
{
	return (struct timens_offsets){ .by[TIMENS_MONOTONIC] = ns_to_timespec64(ns) };
}

/* |@distance| of a signed number, S64_MIN included. */
static u64 distance(s64 ns)
{
	return ns < 0 ? -(u64)ns : (u64)ns;
}

static u64 model_later(u64 t, u64 by)
{
	return t + by > KTIME_MAX ? KTIME_MAX : t + by;
}

static u64 model_earlier(u64 t, u64 by)
{
	return t < by ? 0 : t - by;
}

static ktime_t model_to_host(ktime_t t, s64 offset)
{
	if (t == 0 || t == KTIME_MAX)
		return t;
	return offset < 0 ? model_later(t, distance(offset)) :
			    model_earlier(t, distance(offset));
}

static ktime_t model_from_host(ktime_t t, s64 offset)
{
	if (t == KTIME_MAX)
		return t;
	return offset < 0 ? model_earlier(t, distance(offset)) :
			    model_later(t, distance(offset));
}

/* Powers of two and their neighbours, both signs, and the ends of the range. */
#define EDGES	(2 * 3 * 64 + 4)

static s64 edge(unsigned int i)
{
	static const s64 ends[] = { S64_MIN, S64_MIN + 1, S64_MAX - 1, S64_MAX };
	u64 value;

	if (i < ARRAY_SIZE(ends))
		return ends[i];
	i -= ARRAY_SIZE(ends);
	value = (1ULL << (i / 6)) + i % 3 - 1;
	return i / 3 % 2 ? (s64)-value : (s64)value;
}

static void check_against_model(struct kunit *test, ktime_t t, s64 offset)
{
	const struct timens_offsets offsets = monotonic_offset(offset);

	KUNIT_ASSERT_EQ_MSG(test, model_to_host(t, offset),
			    timens_offsets_to_host(&offsets, CLOCK_MONOTONIC, t),
			    "t %lld offset %lld", t, offset);
	KUNIT_ASSERT_EQ_MSG(test, model_from_host(t, offset),
			    timens_offsets_from_host(&offsets, CLOCK_MONOTONIC, t),
			    "t %lld offset %lld", t, offset);
}

static void translation_matches_the_model_at_every_edge(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < EDGES; i++) {
		for (j = 0; j < EDGES; j++) {
			if (edge(i) >= 0)
				check_against_model(test, edge(i), edge(j));
		}
	}
}

static void translation_matches_the_model_over_the_whole_range(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 20);
	for (i = 0; i < 200000; i++) {
		/* Any number of leading zeros, not only the few of most numbers. */
		u64 t = prandom_u32_state(&rnd) | (u64)prandom_u32_state(&rnd) << 32;
		u64 offset = prandom_u32_state(&rnd) | (u64)prandom_u32_state(&rnd) << 32;

		t >>= 1 + prandom_u32_state(&rnd) % 63;
		offset >>= prandom_u32_state(&rnd) % 64;
		if (prandom_u32_state(&rnd) % 2)
			offset = -offset;
		check_against_model(test, t, offset);
	}
}

static void translation_there_and_back_is_the_identity_within_range(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 21);
	for (i = 0; i < 100000; i++) {
		s64 offset = prandom_u32_state(&rnd) * 1000003LL;
		ktime_t t = 1 + prandom_u32_state(&rnd) * 1000033LL;
		const struct timens_offsets later = monotonic_offset(offset);
		const struct timens_offsets earlier = monotonic_offset(-offset);

		KUNIT_ASSERT_EQ(test, t,
				timens_offsets_to_host(&later, CLOCK_MONOTONIC,
						       timens_offsets_from_host(&later,
										CLOCK_MONOTONIC,
										t)));
		KUNIT_ASSERT_EQ(test, t,
				timens_offsets_from_host(&earlier, CLOCK_MONOTONIC,
							 timens_offsets_to_host(&earlier,
										CLOCK_MONOTONIC,
										t)));
	}
}

static void translation_keeps_the_order_of_times(struct kunit *test)
{
	unsigned int i, j;

	for (j = 0; j < EDGES; j++) {
		const struct timens_offsets offsets = monotonic_offset(edge(j));

		for (i = 0; i < EDGES; i++) {
			ktime_t t = edge(i);

			if (t < 0 || t == KTIME_MAX)
				continue;
			KUNIT_ASSERT_LE(test,
					timens_offsets_from_host(&offsets, CLOCK_MONOTONIC, t),
					timens_offsets_from_host(&offsets, CLOCK_MONOTONIC, t + 1));
			/* 0 is not a time but "at once". */
			if (!t)
				continue;
			KUNIT_ASSERT_LE(test,
					timens_offsets_to_host(&offsets, CLOCK_MONOTONIC, t),
					timens_offsets_to_host(&offsets, CLOCK_MONOTONIC, t + 1));
		}
	}
}

static void at_once_and_never_stay_what_they_are(struct kunit *test)
{
	static const s64 seconds[] = { -1000, -1, 1, 1000, KTIME_SEC_MAX / 2 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		const struct timens_offsets offsets =
			monotonic_offset(seconds[i] * NSEC_PER_SEC);

		KUNIT_EXPECT_EQ(test, 0,
				timens_offsets_to_host(&offsets, CLOCK_MONOTONIC, 0));
		KUNIT_EXPECT_EQ(test, KTIME_MAX,
				timens_offsets_to_host(&offsets, CLOCK_MONOTONIC, KTIME_MAX));
		KUNIT_EXPECT_EQ(test, KTIME_MAX,
				timens_offsets_from_host(&offsets, CLOCK_MONOTONIC, KTIME_MAX));
	}
}

/* Step by step, as often as that takes: for offsets and intervals that are near. */
static ktime_t model_periodic(u64 t, u64 offset, u64 interval, u64 *passed)
{
	for (*passed = 0; t < offset; t += interval)
		++*passed;
	return t - offset;
}

static void deadlines_before_the_zero_of_the_host_are_counted(struct kunit *test)
{
	u64 t, offset, interval, passed, expected;
	ktime_t host;

	for (offset = 1; offset < 40; offset++) {
		const struct timens_offsets offsets = monotonic_offset(offset);

		for (interval = 1; interval < 50; interval++) {
			for (t = 1; t < 50; t++) {
				host = model_periodic(t, offset, interval, &expected);
				KUNIT_ASSERT_EQ(test, host,
						timens_offsets_periodic_to_host(&offsets,
										CLOCK_MONOTONIC, t,
										interval, &passed));
				KUNIT_ASSERT_EQ(test, expected, passed);
			}
		}
	}
}

/* All deadlines that are left out, and the one that is left, on all of the range. */
static void no_deadline_is_lost_or_out_of_phase(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 22);
	for (i = 0; i < 300000; i++) {
		const s64 offset = edge(prandom_u32_state(&rnd) % EDGES);
		const ktime_t t = edge(prandom_u32_state(&rnd) % EDGES);
		const ktime_t interval = edge(prandom_u32_state(&rnd) % EDGES);
		const struct timens_offsets offsets = monotonic_offset(offset);
		const ktime_t host = timens_offsets_to_host(&offsets, CLOCK_MONOTONIC, t);
		ktime_t first;
		u64 passed = 17;

		first = timens_offsets_periodic_to_host(&offsets, CLOCK_MONOTONIC, t, interval,
							&passed);
		if (host || t <= 0 || interval <= 0) {
			KUNIT_ASSERT_EQ(test, host, first);
			KUNIT_ASSERT_EQ(test, 0, passed);
			continue;
		}
		KUNIT_ASSERT_GE(test, first, 0);
		KUNIT_ASSERT_LT(test, first, interval);
		KUNIT_ASSERT_EQ(test, (u64)first, t + passed * interval - distance(offset));
	}
}

static void a_single_deadline_before_the_zero_of_the_host_is_at_once(struct kunit *test)
{
	const struct timens_offsets offsets = monotonic_offset(5000LL * NSEC_PER_SEC);
	u64 passed = 17;

	KUNIT_EXPECT_EQ(test, 0, timens_offsets_periodic_to_host(&offsets, CLOCK_MONOTONIC, 1, 0,
								 &passed));
	KUNIT_EXPECT_EQ(test, 0, passed);
	/* A clock that is not moved. */
	passed = 17;
	KUNIT_EXPECT_EQ(test, 1, timens_offsets_periodic_to_host(&offsets, CLOCK_REALTIME, 1, 1,
								 &passed));
	KUNIT_EXPECT_EQ(test, 0, passed);
}

static void what_is_negative_is_no_time(struct kunit *test)
{
	static const s64 negative[] = { -1, -NSEC_PER_SEC, S64_MIN };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(negative); i++) {
		KUNIT_EXPECT_EQ(test, negative[i],
				timens_offsets_to_host(&two_offsets, CLOCK_MONOTONIC, negative[i]));
		KUNIT_EXPECT_EQ(test, negative[i],
				timens_offsets_to_host(&two_offsets, CLOCK_BOOTTIME, negative[i]));
	}
}

static void every_clock_follows_its_offset(struct kunit *test)
{
	static const struct {
		clockid_t	clock;
		s64		offset;
	} cases[] = {
		{ CLOCK_REALTIME,		0 },
		{ CLOCK_MONOTONIC,		1000 },
		{ CLOCK_PROCESS_CPUTIME_ID,	0 },
		{ CLOCK_THREAD_CPUTIME_ID,	0 },
		{ CLOCK_MONOTONIC_RAW,		1000 },
		{ CLOCK_REALTIME_COARSE,	0 },
		{ CLOCK_MONOTONIC_COARSE,	1000 },
		{ CLOCK_BOOTTIME,		-7 },
		{ CLOCK_REALTIME_ALARM,		0 },
		{ CLOCK_BOOTTIME_ALARM,		-7 },
		{ 10,				0 },
		{ CLOCK_TAI,			0 },
		{ 12,				0 },
		{ MAX_CLOCKS - 1,		0 },
		{ MAX_CLOCKS,			0 },
		{ MAX_CLOCKS + CLOCK_MONOTONIC,	0 },
		{ S32_MAX,			0 },
		/* CPU clocks of a process, dynamic clocks of a file. */
		{ -1,				0 },
		{ -6,				0 },
		{ S32_MIN + CLOCK_MONOTONIC,	0 },
		{ S32_MIN,			0 },
	};
	const ktime_t t = 50000LL * NSEC_PER_SEC;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const s64 offset = cases[i].offset * NSEC_PER_SEC;

		KUNIT_EXPECT_EQ_MSG(test, t + offset,
				    timens_offsets_from_host(&two_offsets, cases[i].clock, t),
				    "clock %d", cases[i].clock);
		KUNIT_EXPECT_EQ_MSG(test, t - offset,
				    timens_offsets_to_host(&two_offsets, cases[i].clock, t),
				    "clock %d", cases[i].clock);
	}
}

static void times_of_other_clocks_pass_unchanged(struct kunit *test)
{
	struct timespec64 ts = { .tv_sec = -5, .tv_nsec = 17 };

	/* A wall clock may be set before 1970. */
	timens_offsets_timespec_from_host(&two_offsets, CLOCK_REALTIME, &ts);
	KUNIT_EXPECT_EQ(test, -5, ts.tv_sec);
	KUNIT_EXPECT_EQ(test, 17, ts.tv_nsec);

	ts.tv_sec = S64_MAX;
	timens_offsets_timespec_to_host(&two_offsets, CLOCK_TAI, &ts);
	KUNIT_EXPECT_EQ(test, S64_MAX, ts.tv_sec);
	KUNIT_EXPECT_EQ(test, 17, ts.tv_nsec);
}

/* A timespec64 within the last second of ktime_t counts as its end. */
static ktime_t through_timespec(ktime_t t)
{
	return timespec64_to_ktime(ktime_to_timespec64(t));
}

static void timespecs_translate_like_nanoseconds(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < EDGES; i++) {
		const ktime_t t = through_timespec(edge(i));

		if (t < 0)
			continue;
		for (j = 0; j < EDGES; j++) {
			const struct timens_offsets offsets = monotonic_offset(edge(j));
			struct timespec64 to = ktime_to_timespec64(t), from = to;
			ktime_t expected;

			timens_offsets_timespec_to_host(&offsets, CLOCK_MONOTONIC, &to);
			expected = timens_offsets_to_host(&offsets, CLOCK_MONOTONIC, t);
			KUNIT_ASSERT_EQ(test, timespec64_to_ktime(to),
					through_timespec(expected));
			KUNIT_ASSERT_TRUE(test, timespec64_valid(&to));

			/* No clock reads "never". */
			if (t == KTIME_MAX)
				continue;
			timens_offsets_timespec_from_host(&offsets, CLOCK_MONOTONIC, &from);
			expected = timens_offsets_from_host(&offsets, CLOCK_MONOTONIC, t);
			KUNIT_ASSERT_EQ(test, timespec64_to_ktime(from),
					through_timespec(expected));
			KUNIT_ASSERT_TRUE(test, timespec64_valid(&from));
		}
	}
}

static void nanoseconds_carry_from_a_whole_second_on(struct kunit *test)
{
	const struct timens_offsets offsets = {
		.by[TIMENS_MONOTONIC] = { .tv_sec = 1000, .tv_nsec = 600000000 },
	};
	struct timespec64 ts = { .tv_sec = 5, .tv_nsec = 400000000 };

	timens_offsets_timespec_from_host(&offsets, CLOCK_MONOTONIC, &ts);
	KUNIT_EXPECT_EQ(test, 1006, ts.tv_sec);
	KUNIT_EXPECT_EQ(test, 0, ts.tv_nsec);

	ts = (struct timespec64){ .tv_sec = 5, .tv_nsec = 399999999 };
	timens_offsets_timespec_from_host(&offsets, CLOCK_MONOTONIC, &ts);
	KUNIT_EXPECT_EQ(test, 1005, ts.tv_sec);
	KUNIT_EXPECT_EQ(test, NSEC_PER_SEC - 1, ts.tv_nsec);
}

static void other_units_translate_like_nanoseconds(struct kunit *test)
{
	static const u32 units[] = {
		1, NSEC_PER_USEC, NSEC_PER_MSEC, TICK_NSEC, NSEC_PER_SEC / USER_HZ, NSEC_PER_SEC,
	};
	unsigned int i, j, k;

	for (k = 0; k < ARRAY_SIZE(units); k++) {
		const u32 unit = units[k];

		for (i = 0; i < EDGES; i++) {
			const u64 t = edge(i);
			const bool is_time = t <= div_u64(KTIME_MAX, unit);

			for (j = 0; j < EDGES; j++) {
				const struct timens_offsets offsets = monotonic_offset(edge(j));
				u64 from = t;

				if (is_time && edge(j))
					from = div_u64(model_from_host(t * unit, edge(j)), unit);
				KUNIT_ASSERT_EQ(test, from,
						timens_offsets_units_from_host(&offsets,
									       CLOCK_MONOTONIC,
									       t, unit));
			}
		}
	}
}

static void a_latch_tells_the_clocks_that_it_has_seen(struct kunit *test)
{
	struct timens_latch latch = { .moved = true, .moved_by = two_offsets };
	const ktime_t t = 50000LL * NSEC_PER_SEC;
	struct timespec64 ts = { .tv_sec = 50000, .tv_nsec = 17 };

	KUNIT_EXPECT_EQ(test, t + 1000LL * NSEC_PER_SEC,
			timens_latch_from_host(&latch, CLOCK_MONOTONIC_RAW, t));
	KUNIT_EXPECT_EQ(test, t - 7LL * NSEC_PER_SEC,
			timens_latch_from_host(&latch, CLOCK_BOOTTIME, t));
	KUNIT_EXPECT_EQ(test, t, timens_latch_from_host(&latch, CLOCK_REALTIME, t));
	timens_latch_timespec_from_host(&latch, CLOCK_MONOTONIC, &ts);
	KUNIT_EXPECT_EQ(test, 51000, ts.tv_sec);
	KUNIT_EXPECT_EQ(test, 17, ts.tv_nsec);

	/* KUnit runs on the host's clocks, and so does what was never latched. */
	timens_latch_current(&latch);
	KUNIT_EXPECT_EQ(test, t, timens_latch_from_host(&latch, CLOCK_MONOTONIC, t));
	latch = (struct timens_latch){ };
	KUNIT_EXPECT_EQ(test, t, timens_latch_from_host(&latch, CLOCK_BOOTTIME, t));
}

static void a_timespec_beyond_all_clocks_means_never(struct kunit *test)
{
	struct timespec64 ts = { .tv_sec = S64_MAX, .tv_nsec = NSEC_PER_SEC - 1 };

	timens_offsets_timespec_to_host(&two_offsets, CLOCK_MONOTONIC, &ts);
	KUNIT_EXPECT_EQ(test, KTIME_MAX, timespec64_to_ktime(ts));
}

static void a_timespec_before_all_clocks_stays_in_the_past(struct kunit *test)
{
	/* The second wraps around to a positive number of nanoseconds. */
	static const time64_t seconds[] = { -1, -10000000000LL, S64_MIN };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		struct timespec64 ts = { .tv_sec = seconds[i], .tv_nsec = 5 };

		timens_offsets_timespec_to_host(&two_offsets, CLOCK_MONOTONIC, &ts);
		KUNIT_EXPECT_EQ(test, seconds[i], ts.tv_sec);
		KUNIT_EXPECT_EQ(test, 5, ts.tv_nsec);
	}
}

static void base_times_keep_their_phase(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 22);
	for (i = 0; i < 100000; i++) {
		s64 offset = prandom_u32_state(&rnd) * 1000003LL;
		s64 t = prandom_u32_state(&rnd) * 1000033LL;
		struct timens_offsets offsets;
		s64 host;

		if (prandom_u32_state(&rnd) % 2)
			offset = -offset;
		/* Also before the zero of either clock, and zero itself. */
		if (prandom_u32_state(&rnd) % 2)
			t = -t;
		t *= i % 16 != 0;
		offsets = monotonic_offset(offset);
		host = timens_offsets_base_to_host(&offsets, CLOCK_MONOTONIC, t);
		KUNIT_ASSERT_EQ(test, t - offset, host);
		KUNIT_ASSERT_EQ(test, t,
				timens_offsets_base_from_host(&offsets, CLOCK_MONOTONIC,
							      host));
		KUNIT_ASSERT_EQ(test, t,
				timens_offsets_base_to_host(&offsets, CLOCK_REALTIME, t));
	}
}

static void base_times_end_with_the_range(struct kunit *test)
{
	const struct timens_offsets later = monotonic_offset(1000);
	const struct timens_offsets earlier = monotonic_offset(-1000);

	KUNIT_EXPECT_EQ(test, S64_MIN,
			timens_offsets_base_to_host(&later, CLOCK_MONOTONIC, S64_MIN + 5));
	KUNIT_EXPECT_EQ(test, S64_MAX,
			timens_offsets_base_to_host(&earlier, CLOCK_MONOTONIC, S64_MAX - 5));
	KUNIT_EXPECT_EQ(test, S64_MAX,
			timens_offsets_base_from_host(&later, CLOCK_MONOTONIC, S64_MAX - 5));
	KUNIT_EXPECT_EQ(test, S64_MIN,
			timens_offsets_base_from_host(&earlier, CLOCK_MONOTONIC, S64_MIN + 5));
	/* Never is never, there and back. */
	KUNIT_EXPECT_EQ(test, S64_MAX,
			timens_offsets_base_to_host(&later, CLOCK_MONOTONIC, S64_MAX));
	KUNIT_EXPECT_EQ(test, S64_MAX,
			timens_offsets_base_from_host(&earlier, CLOCK_MONOTONIC, S64_MAX));
}

static void latches_are_equal_where_the_clock_is(struct kunit *test)
{
	const struct timens_latch host = { };
	const struct timens_latch one = { .moved = true, .moved_by = two_offsets };
	struct timens_latch other = one;

	KUNIT_EXPECT_TRUE(test, timens_latch_equal(&one, &other, CLOCK_MONOTONIC));
	KUNIT_EXPECT_FALSE(test, timens_latch_equal(&one, &host, CLOCK_MONOTONIC));
	KUNIT_EXPECT_FALSE(test, timens_latch_equal(&host, &one, CLOCK_BOOTTIME));
	KUNIT_EXPECT_TRUE(test, timens_latch_equal(&one, &host, CLOCK_REALTIME));

	other.moved_by.by[TIMENS_BOOTTIME].tv_nsec++;
	KUNIT_EXPECT_TRUE(test, timens_latch_equal(&one, &other, CLOCK_MONOTONIC_RAW));
	KUNIT_EXPECT_FALSE(test, timens_latch_equal(&one, &other, CLOCK_BOOTTIME));

	/* Offsets of zero are the host's clocks. */
	other.moved_by = (struct timens_offsets){ };
	KUNIT_EXPECT_TRUE(test, timens_latch_equal(&host, &other, CLOCK_MONOTONIC));
}

static void the_boot_date_moves_against_the_boot_clock(struct kunit *test)
{
	struct timespec64 date = { .tv_sec = 1700000000, .tv_nsec = 250000000 };
	struct timens_offsets offsets = { };

	offsets.by[TIMENS_BOOTTIME] = (struct timespec64){ 3, 500000000 };
	timens_offsets_boot_date(&offsets, &date);
	KUNIT_EXPECT_EQ(test, 1699999996, date.tv_sec);
	KUNIT_EXPECT_EQ(test, 750000000, date.tv_nsec);
}

static void the_boot_date_does_not_go_below_1970(struct kunit *test)
{
	struct timespec64 date = { .tv_sec = 1700000000, .tv_nsec = 250000000 };
	struct timens_offsets offsets = { };

	offsets.by[TIMENS_BOOTTIME].tv_sec = KTIME_SEC_MAX / 2;
	timens_offsets_boot_date(&offsets, &date);
	KUNIT_EXPECT_EQ(test, 0, date.tv_sec);
	KUNIT_EXPECT_EQ(test, 0, date.tv_nsec);
}

struct exiting_task {
	struct completion	done;
	bool			on_host_clocks;
};

static int translate_while_exiting(void *data)
{
	struct timespec64 ts = { .tv_sec = 123, .tv_nsec = 456 }, date = ts;
	struct exiting_task *task = data;

	/* As late in do_exit(), where files are released. */
	exit_task_namespaces(current);

	timens_timespec_from_host(CLOCK_MONOTONIC, &ts);
	timens_timespec_to_host(CLOCK_BOOTTIME, &ts);
	timens_boot_date(&date);
	task->on_host_clocks =
		timens_to_host(CLOCK_MONOTONIC, 789) == 789 &&
		timens_from_host(CLOCK_BOOTTIME, 789) == 789 &&
		ts.tv_sec == 123 && ts.tv_nsec == 456 &&
		date.tv_sec == 123 && date.tv_nsec == 456;
	kthread_complete_and_exit(&task->done, 0);
}

static void a_task_without_namespaces_is_on_the_clocks_of_the_host(struct kunit *test)
{
	struct exiting_task task = { };
	struct task_struct *thread;

	init_completion(&task.done);
	thread = kthread_run(translate_while_exiting, &task, "timens_kunit");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, thread);
	wait_for_completion(&task.done);
	KUNIT_EXPECT_TRUE(test, task.on_host_clocks);
}

static struct kunit_case timens_clocks_cases[] = {
	KUNIT_CASE(translation_matches_the_model_at_every_edge),
	KUNIT_CASE(translation_matches_the_model_over_the_whole_range),
	KUNIT_CASE(translation_there_and_back_is_the_identity_within_range),
	KUNIT_CASE(translation_keeps_the_order_of_times),
	KUNIT_CASE(at_once_and_never_stay_what_they_are),
	KUNIT_CASE(deadlines_before_the_zero_of_the_host_are_counted),
	KUNIT_CASE(no_deadline_is_lost_or_out_of_phase),
	KUNIT_CASE(a_single_deadline_before_the_zero_of_the_host_is_at_once),
	KUNIT_CASE(what_is_negative_is_no_time),
	KUNIT_CASE(every_clock_follows_its_offset),
	KUNIT_CASE(times_of_other_clocks_pass_unchanged),
	KUNIT_CASE(timespecs_translate_like_nanoseconds),
	KUNIT_CASE(nanoseconds_carry_from_a_whole_second_on),
	KUNIT_CASE(other_units_translate_like_nanoseconds),
	KUNIT_CASE(a_latch_tells_the_clocks_that_it_has_seen),
	KUNIT_CASE(a_timespec_beyond_all_clocks_means_never),
	KUNIT_CASE(a_timespec_before_all_clocks_stays_in_the_past),
	KUNIT_CASE(base_times_keep_their_phase),
	KUNIT_CASE(base_times_end_with_the_range),
	KUNIT_CASE(latches_are_equal_where_the_clock_is),
	KUNIT_CASE(the_boot_date_moves_against_the_boot_clock),
	KUNIT_CASE(the_boot_date_does_not_go_below_1970),
	KUNIT_CASE(a_task_without_namespaces_is_on_the_clocks_of_the_host),
	{ }
};

static struct kunit_suite timens_clocks_suite = {
	.name		= "timens_clocks",
	.test_cases	= timens_clocks_cases,
};

kunit_test_suite(timens_clocks_suite);
