// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the arithmetic of nested clocks, against a model that multiplies
 * bit by bit and searches what it inverts.
 */
#include <kunit/test.h>
#include <linux/hrtimer_defs.h>
#include <linux/nested_clock.h>
#include <linux/prandom.h>

#define ONE	NESTED_CLOCK_RATE_ONE
#define HOUR	(3600LL * NSEC_PER_SEC)

/* @d times @rate / 2^63, rounded down or up. */
static u64 model_scale(u64 d, u64 rate, bool up)
{
	u64 high = 0, low = 0;
	int bit;

	for (bit = 63; bit >= 0; bit--) {
		high = high << 1 | low >> 63;
		low <<= 1;
		if (rate & BIT_ULL(bit)) {
			low += d;
			high += low < d;
		}
	}
	return (high << 1 | low >> 63) + (up && (low & (ONE - 1)));
}

/* Reads one segment, in two halves of a number line that ends at KTIME_MAX and 0. */
static ktime_t model_read_segment(const struct nested_segment *segment, ktime_t t)
{
	bool before = t < segment->start;
	u64 distance = before ? segment->start - t : t - segment->start;
	u64 by = model_scale(distance, segment->rate, before);
	/* From -2^63, so that nothing has a sign. */
	u64 value = (u64)segment->value + ONE;

	if (before)
		value = by > value ? 0 : value - by;
	else
		value = by > U64_MAX - value ? U64_MAX : value + by;
	return value < ONE ? 0 : value - ONE;
}

static unsigned int model_segment(const struct nested_formula *formula, ktime_t t)
{
	unsigned int i, found = 0;

	for (i = 1; i < formula->nr; i++) {
		if (formula->segment[i].start <= t)
			found = i;
	}
	return found;
}

static ktime_t model_read(const struct nested_formula *formula, ktime_t t)
{
	return model_read_segment(&formula->segment[model_segment(formula, t)], t);
}

/* Within a segment the clock does not step back: halve the range. */
static ktime_t model_inverse(const struct nested_formula *formula, ktime_t time, ktime_t earliest)
{
	unsigned int i;

	for (i = 0; i < formula->nr && time < KTIME_MAX; i++) {
		const struct nested_segment *segment = &formula->segment[i];
		s64 low = i ? max(earliest, segment->start) : earliest;
		s64 high = i + 1 < formula->nr ? segment[1].start - 1 : KTIME_MAX - 1;

		if (low > high || model_read_segment(segment, high) < time)
			continue;
		while (low < high) {
			s64 middle = low + (high - low) / 2;

			if (model_read_segment(segment, middle) >= time)
				high = middle;
			else
				low = middle + 1;
		}
		return low;
	}
	return KTIME_MAX;
}

/* From 0 to KTIME_MAX, as often small as large, often at an end. */
static s64 random_time(struct rnd_state *rnd)
{
	u64 bits = (u64)prandom_u32_state(rnd) << 32 | prandom_u32_state(rnd);
	unsigned int shape = prandom_u32_state(rnd) % 70;

	if (shape == 0)
		return 0;
	if (shape == 1)
		return KTIME_MAX;
	if (shape == 2)
		return KTIME_MAX - 1 - (bits & 7);
	return (bits & KTIME_MAX) >> (shape % 63);
}

static u64 random_rate(struct rnd_state *rnd)
{
	u64 bits = (u64)prandom_u32_state(rnd) << 32 | prandom_u32_state(rnd);

	switch (prandom_u32_state(rnd) % 8) {
	case 0:
		return 0;
	case 1:
		return U64_MAX;
	case 2:
		return ONE + ((s64)((u32)bits % 200001) - 100000) * (ONE / 1000000000);
	case 3:
		return bits >> (bits % 64);
	case 4:
		return bits;
	default:
		return ONE;
	}
}

static struct nested_formula random_formula(struct rnd_state *rnd)
{
	struct nested_formula formula = {
		.anchor	= HRTIMER_BASE_BOOTTIME,
		.nr	= 1 + prandom_u32_state(rnd) % NESTED_CLOCK_SEGMENTS,
	};
	s64 start = random_time(rnd) / 2;
	unsigned int i;

	for (i = 0; i < formula.nr; i++) {
		struct nested_segment *segment = &formula.segment[i];

		segment->start = start;
		segment->value = prandom_u32_state(rnd) & 1 ? random_time(rnd) : -random_time(rnd);
		segment->rate = random_rate(rnd);
		start += 1 + random_time(rnd) / 8;
	}
	return formula;
}

#define ROUNDS	1000

static void check_read(struct kunit *test, const struct nested_formula *formula, ktime_t t)
{
	KUNIT_ASSERT_EQ(test, nested_formula_read(formula, t), model_read(formula, t));
}

static void a_clock_reads_what_the_model_reads(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i, at;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < ROUNDS; i++) {
		struct nested_formula formula = random_formula(&rnd);
		ktime_t t = random_time(&rnd);

		KUNIT_ASSERT_TRUE(test, nested_formula_valid(&formula));
		check_read(test, &formula, t);
		for (at = 0; at < formula.nr; at++) {
			t = formula.segment[at].start;
			check_read(test, &formula, t);
			check_read(test, &formula, max(t - 1, 0));
		}
	}
}

static void check_inverse(struct kunit *test, const struct nested_formula *formula, ktime_t time,
			  ktime_t earliest)
{
	ktime_t t = nested_formula_inverse(formula, time, earliest);

	KUNIT_ASSERT_EQ(test, t, model_inverse(formula, time, earliest));
	KUNIT_ASSERT_GE(test, t, earliest);
	if (t != KTIME_MAX)
		KUNIT_ASSERT_GE(test, nested_formula_read(formula, t), time);
}

static void the_inverse_is_the_first_time_that_reads_enough(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 2);
	for (i = 0; i < ROUNDS; i++) {
		struct nested_formula formula = random_formula(&rnd);
		ktime_t earliest = random_time(&rnd);
		ktime_t time = nested_formula_read(&formula, random_time(&rnd));

		check_inverse(test, &formula, random_time(&rnd), earliest);
		check_inverse(test, &formula, time, earliest);
		check_inverse(test, &formula, min(time, KTIME_MAX - 1) + 1, earliest);
		check_inverse(test, &formula, time, formula.segment[formula.nr - 1].start);
		check_inverse(test, &formula, -time, earliest);
	}
}

/* With a model that only reads: it looks at one time after the other. */
static void the_inverse_is_the_first_time_of_all_in_a_small_range(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 3);
	for (i = 0; i < ROUNDS / 4; i++) {
		struct nested_formula formula = {
			.nr = 1 + prandom_u32_state(&rnd) % NESTED_CLOCK_SEGMENTS,
		};
		ktime_t earliest = prandom_u32_state(&rnd) % 200;
		ktime_t time = prandom_u32_state(&rnd) % 200, t;
		s64 start = prandom_u32_state(&rnd) % 60;
		unsigned int at;

		for (at = 0; at < formula.nr; at++) {
			formula.segment[at] = (struct nested_segment){
				.start	= start,
				.value	= (s64)(prandom_u32_state(&rnd) % 200) - 50,
				.rate	= prandom_u32_state(&rnd) % 9 * (ONE / 4 - 1),
			};
			start += 1 + prandom_u32_state(&rnd) % 60;
		}
		for (t = earliest; t < 1000; t++) {
			if (model_read(&formula, t) >= time)
				break;
		}
		if (t == 1000)
			KUNIT_ASSERT_GE(test, nested_formula_inverse(&formula, time, earliest), t);
		else
			KUNIT_ASSERT_EQ(test, nested_formula_inverse(&formula, time, earliest), t);
	}
}

/* At 1000 of the anchor the clock goes back from 1000 to 400. */
static const struct nested_formula repeats = {
	.nr		= 2,
	.segment	= {
		{ .start = 0, .value = 0, .rate = ONE },
		{ .start = 1000, .value = 400, .rate = ONE },
	},
};

static void a_repeated_second_counts_from_now_on_only(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&repeats, 700, 0), 700);
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&repeats, 700, 650), 700);
	/* It reads more than 700 still. */
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&repeats, 700, 999), 999);
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&repeats, 700, 1000), 1300);
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&repeats, 1000, 0), 1600);
}

static void a_stopped_clock_is_never_there(struct kunit *test)
{
	struct nested_formula formula = {
		.nr		= 3,
		.segment	= {
			{ .start = 0, .value = 100, .rate = ONE },
			{ .start = 1000, .value = 1100, .rate = 0 },
			{ .start = 5000, .value = 1100, .rate = ONE },
		},
	};

	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&formula, 1100, 0), 1000);
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&formula, 1101, 0), 5001);
	formula.nr = 2;
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&formula, 1100, 2000), 2000);
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&formula, 1101, 2000), KTIME_MAX);
}

static void an_endless_wait_has_no_end(struct kunit *test)
{
	struct nested_formula formula = {
		.nr = 1, .segment = { { .value = KTIME_MAX, .rate = ONE } },
	};

	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&formula, KTIME_MAX, 0), KTIME_MAX);
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&formula, KTIME_MAX - 1, 0), 0);
	formula.segment[0].value = -KTIME_MAX;
	KUNIT_EXPECT_EQ(test, nested_formula_read(&formula, KTIME_MAX), 0);
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&formula, 1, 0), KTIME_MAX);
	KUNIT_EXPECT_EQ(test, nested_formula_inverse(&formula, KTIME_MAX - 1, 0), KTIME_MAX);
}

static void a_formula_out_of_range_is_not_valid(struct kunit *test)
{
	struct nested_formula formula = repeats;

	KUNIT_EXPECT_TRUE(test, nested_formula_valid(&formula));
	formula.segment[1].start = 0;
	KUNIT_EXPECT_FALSE(test, nested_formula_valid(&formula));
	formula = repeats;
	formula.segment[0].start = -1;
	KUNIT_EXPECT_FALSE(test, nested_formula_valid(&formula));
	formula = repeats;
	formula.segment[1].value = S64_MIN;
	KUNIT_EXPECT_FALSE(test, nested_formula_valid(&formula));
	formula = repeats;
	formula.nr = 0;
	KUNIT_EXPECT_FALSE(test, nested_formula_valid(&formula));
	formula.nr = NESTED_CLOCK_SEGMENTS + 1;
	KUNIT_EXPECT_FALSE(test, nested_formula_valid(&formula));
	formula = repeats;
	formula.anchor = HRTIMER_BASE_MONOTONIC_SOFT;
	KUNIT_EXPECT_FALSE(test, nested_formula_valid(&formula));
}

/* Changes the rate, and checks that nobody sees the clock step. */
static ktime_t change_rate(struct kunit *test, struct nested_formula *formula, ktime_t now,
			   u64 rate)
{
	struct nested_formula before = *formula;
	ktime_t from = nested_formula_change_rate(formula, now, rate);
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, nested_formula_valid(formula));
	KUNIT_ASSERT_LE(test, from, now + NESTED_CLOCK_LEAD_NS);
	KUNIT_ASSERT_GE(test, from, now + NESTED_CLOCK_LEAD_NS / 2);
	for (i = 0; i <= 16; i++) {
		ktime_t t = now + (from - now) / 16 * i;

		KUNIT_ASSERT_EQ(test, model_read(formula, t), model_read(&before, t));
	}
	KUNIT_ASSERT_EQ(test, model_read(formula, from), model_read(&before, from));
	KUNIT_ASSERT_EQ(test, model_read(formula, from + NSEC_PER_SEC),
			model_read(&before, from) + model_scale(NSEC_PER_SEC, rate, false));
	return from;
}

static void a_change_of_the_rate_does_not_step_the_clock(struct kunit *test)
{
	static const u64 rates[] = { 0, ONE, ONE / 2, ONE + ONE / 4 };
	struct nested_formula formula = { .nr = 1, .segment = { { .value = 77, .rate = ONE } } };
	ktime_t now = NSEC_PER_SEC;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 4);
	for (i = 0; i < ROUNDS; i++) {
		u64 rate = rates[prandom_u32_state(&rnd) % ARRAY_SIZE(rates)];

		change_rate(test, &formula, now, rate);
		now += prandom_u32_state(&rnd) % (NESTED_CLOCK_LEAD_NS * (i & 64 ? 24 : 1) / 8);
	}
}

static void what_is_stopped_and_continued_at_once_was_never_stopped(struct kunit *test)
{
	struct nested_formula formula = { .nr = 1, .segment = { { .value = 77, .rate = ONE } } };
	ktime_t now = NSEC_PER_SEC;

	KUNIT_EXPECT_EQ(test, change_rate(test, &formula, now, 0), now + NESTED_CLOCK_LEAD_NS);
	KUNIT_EXPECT_EQ(test, formula.nr, 2);
	change_rate(test, &formula, now + 1, ONE);
	KUNIT_EXPECT_EQ(test, formula.nr, 1);
	KUNIT_EXPECT_EQ(test, nested_formula_read(&formula, HOUR), HOUR + 77);
}

static void an_anchor_that_was_set_back_is_no_hindrance(struct kunit *test)
{
	struct nested_formula formula = {
		.nr = 1, .segment = { { .start = HOUR, .value = HOUR, .rate = ONE } },
	};

	change_rate(test, &formula, NSEC_PER_SEC, 0);
	KUNIT_EXPECT_EQ(test, nested_formula_read(&formula, HOUR),
			NSEC_PER_SEC + NESTED_CLOCK_LEAD_NS);
}

static struct kunit_case nested_clock_cases[] = {
	KUNIT_CASE(a_clock_reads_what_the_model_reads),
	KUNIT_CASE(the_inverse_is_the_first_time_that_reads_enough),
	KUNIT_CASE(the_inverse_is_the_first_time_of_all_in_a_small_range),
	KUNIT_CASE(a_repeated_second_counts_from_now_on_only),
	KUNIT_CASE(a_stopped_clock_is_never_there),
	KUNIT_CASE(an_endless_wait_has_no_end),
	KUNIT_CASE(a_formula_out_of_range_is_not_valid),
	KUNIT_CASE(a_change_of_the_rate_does_not_step_the_clock),
	KUNIT_CASE(what_is_stopped_and_continued_at_once_was_never_stopped),
	KUNIT_CASE(an_anchor_that_was_set_back_is_no_hindrance),
	{}
};

static struct kunit_suite nested_clock_suite = {
	.name		= "nested_clock",
	.test_cases	= nested_clock_cases,
};

kunit_test_suite(nested_clock_suite);

MODULE_DESCRIPTION("KUnit tests of the arithmetic of nested clocks");
MODULE_LICENSE("GPL");
