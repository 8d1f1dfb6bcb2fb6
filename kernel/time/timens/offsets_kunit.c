// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what timens_offsets and TIMENS_SET_OFFSETS accept.
 */
#include <kunit/test.h>
#include <uapi/linux/timens.h>

#include "internal.h"

#define TEXT_SIZE	256

static ssize_t parse(struct kunit *test, const char *text,
		     struct timens_request *req)
{
	char *copy = kunit_kzalloc(test, TEXT_SIZE, GFP_KERNEL);
	size_t len = strlen(text);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_ASSERT_LT(test, len, (size_t)TEXT_SIZE);
	memcpy(copy, text, len);
	return timens_parse(copy, len, req);
}

static void well_formed_lines_are_taken(struct kunit *test)
{
	static const struct {
		const char		*text;
		enum timens_timeline	timeline;
		time64_t		sec;
		long			nsec;
	} cases[] = {
		{ "monotonic 5 6\n",		TIMENS_MONOTONIC,	5, 6 },
		{ "boottime 5 6\n",		TIMENS_BOOTTIME,	5, 6 },
		{ "1 5 6\n",			TIMENS_MONOTONIC,	5, 6 },
		{ "7 5 6\n",			TIMENS_BOOTTIME,	5, 6 },
		{ "monotonic 5 6",		TIMENS_MONOTONIC,	5, 6 },
		{ "  \t monotonic\t5 \t 6\t\n",	TIMENS_MONOTONIC,	5, 6 },
		{ "monotonic 5 6 and the rest",	TIMENS_MONOTONIC,	5, 6 },
		{ "monotonic 5 6x\n",		TIMENS_MONOTONIC,	5, 6 },
		{ "monotonic -5 6\n",		TIMENS_MONOTONIC,	-5, 6 },
		{ "monotonic -0 0\n",		TIMENS_MONOTONIC,	0, 0 },
		{ "monotonic 007 08\n",		TIMENS_MONOTONIC,	7, 8 },
		{ "monotonic 0 999999999\n",	TIMENS_MONOTONIC,	0, 999999999 },
		{ "monotonic 9223372036854775807 0\n",	TIMENS_MONOTONIC, S64_MAX, 0 },
		{ "monotonic -9223372036854775808 0\n",	TIMENS_MONOTONIC, S64_MIN, 0 },
	};
	struct timens_request req;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = cases[i].text;

		KUNIT_ASSERT_EQ_MSG(test, (ssize_t)strlen(text),
				    parse(test, text, &req), "%s", text);
		KUNIT_ASSERT_EQ_MSG(test, 1, req.nr, "%s", text);
		KUNIT_EXPECT_EQ_MSG(test, cases[i].timeline,
				    req.entry[0].timeline, "%s", text);
		KUNIT_EXPECT_EQ_MSG(test, cases[i].sec,
				    req.entry[0].offset.tv_sec, "%s", text);
		KUNIT_EXPECT_EQ_MSG(test, cases[i].nsec,
				    req.entry[0].offset.tv_nsec, "%s", text);
	}
}

static void malformed_lines_are_refused(struct kunit *test)
{
	static const char *const cases[] = {
		"",
		"\n",
		" \t\n",
		"monotonic",
		"monotonic\n",
		"monotonic 5",
		"monotonic 5\t\n",
		"monotonic\n5 6\n",
		"monotonic x 6\n",
		"monotonic 5 x\n",
		"monotonic +5 6\n",
		"monotonic 5 +6\n",
		"monotonic - 6\n",
		"monotonic 5 -\n",
		"monotonic 5 -1\n",
		"monotonic 5 -0\n",
		"monotonic 0x10 6\n",
		"monotonic 1.5 6\n",
		"monotonic 5 1000000000\n",
		"monotonic 5 18446744073709551616\n",
		"monotonic 5 99999999999999999999999999\n",
#ifndef CONFIG_TIME_NS_WALL
		"realtime 5 6\n",
#endif
		"realtimes 5 6\n",
		"tai 5 6\n",
		"0 5 6\n",
		"4 5 6\n",
		"6 5 6\n",
		"9 5 6\n",
		"11 5 6\n",
		"01 5 6\n",
		"-1 5 6\n",
		"Monotonic 5 6\n",
		"mono 5 6\n",
		"monotonic_raw 5 6\n",
		"boottimer 5 6\n",
		"monotonic 5 6\n\nboottime 5 6\n",
		"monotonic 5 6\n\n",
		"monotonic 5 6\nboottime 5\n",
		"\nmonotonic 5 6\n",
	};
	struct timens_request req;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL, parse(test, cases[i], &req),
				    "\"%s\"", cases[i]);
}

static void two_lines_are_taken_in_order(struct kunit *test)
{
	static const char text[] = "boottime 1 2\nmonotonic 3 4\n";
	struct timens_request req;

	KUNIT_ASSERT_EQ(test, (ssize_t)strlen(text), parse(test, text, &req));
	KUNIT_ASSERT_EQ(test, 2, req.nr);
	KUNIT_EXPECT_EQ(test, TIMENS_BOOTTIME, req.entry[0].timeline);
	KUNIT_EXPECT_EQ(test, 1, req.entry[0].offset.tv_sec);
	KUNIT_EXPECT_EQ(test, TIMENS_MONOTONIC, req.entry[1].timeline);
	KUNIT_EXPECT_EQ(test, 3, req.entry[1].offset.tv_sec);
}

static void a_third_line_is_left_over(struct kunit *test)
{
	static const char two[] = "boottime 1 2\nmonotonic 3 4\n";
	struct timens_request req;

	KUNIT_EXPECT_EQ(test, (ssize_t)strlen(two),
			parse(test, "boottime 1 2\nmonotonic 3 4\nboottime 5 6\n", &req));
	KUNIT_EXPECT_EQ(test, 2, req.nr);
	/* Nor is it looked at. */
	KUNIT_EXPECT_EQ(test, (ssize_t)strlen(two),
			parse(test, "boottime 1 2\nmonotonic 3 4\nnonsense", &req));
}

static void numbers_that_do_not_fit_are_not_cut(struct kunit *test)
{
	struct timens_request req;

	/* 2^64 + 1 */
	KUNIT_ASSERT_GT(test, parse(test, "monotonic 18446744073709551617 0", &req), 0);
	KUNIT_EXPECT_EQ(test, S64_MAX, req.entry[0].offset.tv_sec);
	KUNIT_ASSERT_GT(test, parse(test, "monotonic -18446744073709551617 0", &req), 0);
	KUNIT_EXPECT_EQ(test, S64_MIN, req.entry[0].offset.tv_sec);
}

static void offsets_are_in_range_from_zero_to_half_of_all_time(struct kunit *test)
{
	static const struct timespec64 now[TIMENS_NR] = {
		[TIMENS_MONOTONIC]	= { 100, 500000000 },
		[TIMENS_BOOTTIME]	= { 200, 0 },
	};
	static const struct {
		enum timens_timeline	timeline;
		struct timespec64	offset;
		int			err;
	} cases[] = {
		{ TIMENS_MONOTONIC,	{ 0, 0 },			0 },
		{ TIMENS_MONOTONIC,	{ -100, 0 },			0 },
		{ TIMENS_MONOTONIC,	{ -101, 500000000 },		0 },
		{ TIMENS_MONOTONIC,	{ -101, 499999999 },		-ERANGE },
		{ TIMENS_MONOTONIC,	{ -200, 0 },			-ERANGE },
		{ TIMENS_BOOTTIME,	{ -200, 0 },			0 },
		{ TIMENS_BOOTTIME,	{ -201, 999999999 },		-ERANGE },
		{ TIMENS_BOOTTIME,	{ KTIME_SEC_MAX / 2 - 200, 0 },	0 },
		{ TIMENS_BOOTTIME,	{ KTIME_SEC_MAX / 2 - 200, 999999999 }, 0 },
		{ TIMENS_BOOTTIME,	{ KTIME_SEC_MAX / 2 - 199, 0 },	-ERANGE },
		{ TIMENS_MONOTONIC,	{ KTIME_SEC_MAX / 2 - 101, 499999999 }, 0 },
		{ TIMENS_MONOTONIC,	{ KTIME_SEC_MAX / 2 - 100, 500000000 }, -ERANGE },
		{ TIMENS_MONOTONIC,	{ KTIME_SEC_MAX, 0 },		-ERANGE },
		{ TIMENS_MONOTONIC,	{ KTIME_SEC_MAX + 1, 0 },	-ERANGE },
		{ TIMENS_MONOTONIC,	{ -KTIME_SEC_MAX, 0 },		-ERANGE },
		{ TIMENS_MONOTONIC,	{ S64_MAX, 999999999 },		-ERANGE },
		{ TIMENS_MONOTONIC,	{ S64_MIN, 0 },			-ERANGE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct timens_request req = { .nr = 1 };

		req.entry[0].timeline = cases[i].timeline;
		req.entry[0].offset = cases[i].offset;
		KUNIT_EXPECT_EQ_MSG(test, cases[i].err, timens_check_range(&req, now),
				    "timeline %d offset %lld.%09ld", cases[i].timeline,
				    cases[i].offset.tv_sec, cases[i].offset.tv_nsec);
	}
}

static void one_offset_out_of_range_spoils_both(struct kunit *test)
{
	static const struct timespec64 now[TIMENS_NR] = { };
	struct timens_request req = {
		.nr = 2,
		.entry = {
			{ TIMENS_MONOTONIC, { 5, 0 } },
			{ TIMENS_MONOTONIC, { -5, 0 } },
		},
	};

	KUNIT_EXPECT_EQ(test, -ERANGE, timens_check_range(&req, now));
	swap(req.entry[0], req.entry[1]);
	KUNIT_EXPECT_EQ(test, -ERANGE, timens_check_range(&req, now));
}

static void a_structure_has_the_clocks_that_it_has_a_place_for(struct kunit *test)
{
	const u64 monotonic = BIT_ULL(CLOCK_MONOTONIC);
	const u64 both = monotonic | BIT_ULL(CLOCK_BOOTTIME);
	const struct {
		size_t	size;
		u64	clocks;
	} cases[] = {
		{ 0,		0 },
		{ 8,		0 },
		{ 23,		0 },
		{ 24,		monotonic },
		{ 39,		monotonic },
		{ 40,		both },
		{ 4096,		both },
		{ SIZE_MAX,	both },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, cases[i].clocks, timens_clocks_within(cases[i].size),
				    "size %zu", cases[i].size);
}

/* As an older program would that copies bits which it does not know. */
static void a_clock_beyond_the_structure_is_refused(struct kunit *test)
{
	struct timens_offsets_arg arg = {
		.clocks		= BIT_ULL(CLOCK_MONOTONIC),
		.monotonic	= { .sec = 5, .nsec = 6 },
	};
	struct timens_request req;

	KUNIT_ASSERT_EQ(test, 0, timens_request_from_arg(&req, &arg, 24));
	KUNIT_ASSERT_EQ(test, 1, req.nr);
	KUNIT_EXPECT_EQ(test, TIMENS_MONOTONIC, req.entry[0].timeline);
	KUNIT_EXPECT_EQ(test, 5, req.entry[0].offset.tv_sec);
	KUNIT_EXPECT_EQ(test, 6, req.entry[0].offset.tv_nsec);

	arg.clocks |= BIT_ULL(CLOCK_BOOTTIME);
	KUNIT_EXPECT_EQ(test, -EINVAL, timens_request_from_arg(&req, &arg, 24));
	KUNIT_EXPECT_EQ(test, -EINVAL, timens_request_from_arg(&req, &arg, 39));
	KUNIT_EXPECT_EQ(test, 0, timens_request_from_arg(&req, &arg, 40));
	KUNIT_EXPECT_EQ(test, 2, req.nr);
	KUNIT_EXPECT_EQ(test, 0, timens_request_from_arg(&req, &arg, 48));
}

static struct kunit_case timens_offsets_cases[] = {
	KUNIT_CASE(well_formed_lines_are_taken),
	KUNIT_CASE(malformed_lines_are_refused),
	KUNIT_CASE(two_lines_are_taken_in_order),
	KUNIT_CASE(a_third_line_is_left_over),
	KUNIT_CASE(numbers_that_do_not_fit_are_not_cut),
	KUNIT_CASE(offsets_are_in_range_from_zero_to_half_of_all_time),
	KUNIT_CASE(one_offset_out_of_range_spoils_both),
	KUNIT_CASE(a_structure_has_the_clocks_that_it_has_a_place_for),
	KUNIT_CASE(a_clock_beyond_the_structure_is_refused),
	{ }
};

static struct kunit_suite timens_offsets_suite = {
	.name		= "timens_offsets",
	.test_cases	= timens_offsets_cases,
};

kunit_test_suite(timens_offsets_suite);
