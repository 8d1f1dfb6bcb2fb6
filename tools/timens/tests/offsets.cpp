// SPDX-License-Identifier: GPL-2.0-only
#include "../offsets.hpp"
#include "../error.hpp"

#include <gtest/gtest.h>

namespace timens
{

namespace
{

using kind = setting_kind;

std::string refusal(const std::string &text, nanoseconds host)
{
	try {
		return "accepted as " +
		       format_offset(resolve(parse_clock_setting(text), "--boottime", host));
	} catch (const usage_error &error) {
		return error.what();
	}
}

TEST(clock_setting, is_an_offset_or_a_value)
{
	EXPECT_EQ(parse_clock_setting("+3d"), (clock_setting{ kind::offset, 72h }));
	EXPECT_EQ(parse_clock_setting("-1"), (clock_setting{ kind::offset, -1s }));
	EXPECT_EQ(parse_clock_setting("=0"), (clock_setting{ kind::value, 0s }));
	EXPECT_EQ(parse_clock_setting("@0"), (clock_setting{ kind::value, 0s }));
	EXPECT_EQ(parse_clock_setting("@1d"), (clock_setting{ kind::value, 24h }));
	EXPECT_EQ(parse_clock_setting("=1h0.5s"), (clock_setting{ kind::value, 1h + 500ms }));
}

TEST(clock_setting, becomes_an_offset_from_the_host)
{
	EXPECT_EQ(resolve({ kind::offset, 72h }, "--boottime", 10s), 72h);
	EXPECT_EQ(resolve({ kind::offset, -10s }, "--boottime", 10s), -10s);
	EXPECT_EQ(resolve({ kind::value, 0s }, "--boottime", 10s), -10s);
	EXPECT_EQ(resolve({ kind::value, 1min }, "--boottime", 10s), 50s);
}

TEST(clock_setting, is_refused_below_zero)
{
	EXPECT_EQ(refusal("=-5s", 1h), "invalid value '-5s': a clock cannot be below zero");
	EXPECT_EQ(refusal("@-5s", 1h), "invalid value '-5s': a clock cannot be below zero");
	EXPECT_EQ(refusal("-3h", 1h + 1ns),
		  "--boottime '-3h': the clock would be below zero: the lowest offset is -1h, "
		  "or --boottime @0 for the lowest value");
	EXPECT_EQ(refusal("-1h", 1h), "accepted as -1h");
	EXPECT_EQ(refusal("-1h0.000000001s", 1h),
		  "--boottime '-1h0.000000001s': the clock would be below zero: the lowest offset "
		  "is -1h, or --boottime @0 for the lowest value");
}

TEST(clock_setting, is_refused_beyond_what_the_kernel_takes)
{
	EXPECT_EQ(refusal("=4611686018", 0s), "accepted as +53375d23h53m38s");
	EXPECT_EQ(refusal("=4611686019", 0s),
		  "--boottime '53375d23h53m39s': the clock would be beyond 146 years: "
		  "the highest value is 53375d23h53m38s");
	EXPECT_EQ(refusal("9223372036", 4000000000s),
		  "--boottime '+106751d23h47m16s': the clock would be beyond 146 years: "
		  "the highest value is 53375d23h53m38s");
}

TEST(offsets_file, has_nanoseconds_that_count_upwards)
{
	EXPECT_EQ(offsets_text({ 24h, 0s }), "monotonic 86400 0\nboottime 0 0\n");
	EXPECT_EQ(offsets_text({ -500ms, -1ns }),
		  "monotonic -1 500000000\nboottime -1 999999999\n");
	EXPECT_EQ(offsets_text({ nanoseconds::min(), nanoseconds::max() }),
		  "monotonic -9223372037 145224192\nboottime 9223372036 854775807\n");
}

TEST(offsets_file, is_read_as_the_kernel_writes_it)
{
	EXPECT_EQ(parse_offsets("monotonic       86400         0\n"
				"boottime           -1 500000000\n"),
		  (clock_times{ 24h, -500ms }));
	for (const clock_times &offsets :
	     { clock_times{ -1ns, 1ns }, clock_times{ nanoseconds::max(), nanoseconds::min() } })
		EXPECT_EQ(parse_offsets(offsets_text(offsets)), offsets);
}

TEST(offsets_file, may_have_a_wall_clock)
{
	EXPECT_EQ(parse_offsets("monotonic 0 0\nboottime 1 0\nrealtime -1 500000000\n"),
		  (clock_times{ 0s, 1s, -500ms, -500ms }));
	EXPECT_EQ(parse_offsets("monotonic 0 0\nrealtime 1 0\n"), std::nullopt);
}

TEST(offsets_file, of_a_dead_process_says_nothing)
{
	EXPECT_EQ(parse_offsets(""), std::nullopt);
	EXPECT_EQ(parse_offsets("monotonic 1 0\n"), std::nullopt);
	EXPECT_EQ(parse_offsets("monotonic x 0\nboottime 0 0\n"), std::nullopt);
	EXPECT_EQ(parse_offsets("monotonic 9223372037 0\nboottime 0 0\n"), std::nullopt);
}

} /* namespace */

} /* namespace timens */
