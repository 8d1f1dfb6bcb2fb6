// SPDX-License-Identifier: GPL-2.0-only
#include "../duration.hpp"
#include "../error.hpp"

#include <gtest/gtest.h>
#include <random>

namespace timens
{

namespace
{

std::string refusal(const std::string &text)
{
	try {
		return "accepted as " + format_duration(parse_duration(text));
	} catch (const usage_error &error) {
		return error.what();
	}
}

TEST(duration, takes_every_unit)
{
	EXPECT_EQ(parse_duration("1w"), 168h);
	EXPECT_EQ(parse_duration("1d"), 24h);
	EXPECT_EQ(parse_duration("1h"), 1h);
	EXPECT_EQ(parse_duration("1m"), 1min);
	EXPECT_EQ(parse_duration("1s"), 1s);
	EXPECT_EQ(parse_duration("1ms"), 1ms);
	EXPECT_EQ(parse_duration("1us"), 1us);
	EXPECT_EQ(parse_duration("1ns"), 1ns);
	EXPECT_EQ(parse_duration("1w2d3h4m5s6ms7us8ns"), 219h + 4min + 5s + 6ms + 7us + 8ns);
}

TEST(duration, takes_a_number_alone_as_seconds)
{
	EXPECT_EQ(parse_duration("86400"), 24h);
	EXPECT_EQ(parse_duration("0"), 0s);
	EXPECT_EQ(parse_duration("7175.52"), 7175520ms);
}

TEST(duration, takes_a_sign_for_the_whole)
{
	EXPECT_EQ(parse_duration("+3d4h"), 76h);
	EXPECT_EQ(parse_duration("-1m30s"), -90s);
	EXPECT_EQ(parse_duration("-0.5"), -500ms);
}

TEST(duration, takes_fractions_exactly)
{
	EXPECT_EQ(parse_duration("0.1s"), 100ms);
	EXPECT_EQ(parse_duration("0.000000001s"), 1ns);
	EXPECT_EQ(parse_duration("1.5h"), 90min);
	EXPECT_EQ(parse_duration("0.00000000001d"), 864ns);
	EXPECT_EQ(parse_duration("0.1000000000000000000000000000s"), 100ms);
	EXPECT_EQ(parse_duration("9007199254740993ns"), nanoseconds(9007199254740993));
}

TEST(duration, reaches_both_ends_and_no_further)
{
	EXPECT_EQ(parse_duration("9223372036.854775807"), nanoseconds::max());
	EXPECT_EQ(parse_duration("-9223372036.854775808"), nanoseconds::min());
	for (const auto *text :
	     { "9223372036.854775808", "-9223372036.854775809", "18446744073709551616ns",
	       "18446744073709551615w", "99999999999999999999999999999999999999999999" })
		EXPECT_EQ(refusal(text), "invalid duration '" + std::string(text) +
						 "': beyond the 292 years that a clock can count");
}

TEST(duration, refuses_what_is_finer_than_a_nanosecond)
{
	for (const auto *text : { "0.0000000001s", "0.5ns", "0.0000000000000000000000001w" })
		EXPECT_EQ(refusal(text),
			  "invalid duration '" + std::string(text) + "': finer than a nanosecond");
}

TEST(duration, refuses_what_is_not_one_and_says_what_would_be)
{
	EXPECT_EQ(refusal(""),
		  "invalid duration '': expected a duration such as 3d4h, 90s or 0.5s");
	EXPECT_EQ(refusal("-"),
		  "invalid duration '-': expected a duration such as 3d4h, 90s or 0.5s");
	EXPECT_EQ(refusal("+-1"),
		  "invalid duration '+-1': expected a number before '-1', as in 3d4h, 90s or 0.5s");
	EXPECT_EQ(refusal("h"),
		  "invalid duration 'h': expected a number before 'h', as in 3d4h, 90s or 0.5s");
	EXPECT_EQ(refusal("1.s"), "invalid duration '1.s': expected digits after the point");
	EXPECT_EQ(refusal("1x"),
		  "invalid duration '1x': no unit 'x'; there are w, d, h, m, s, ms, us and ns");
	EXPECT_EQ(refusal("1 s"), "invalid duration '1 s': a unit is missing; there are w, d, h, "
				  "m, s, ms, us and ns");
	EXPECT_EQ(refusal("1d2"), "invalid duration '1d2': a unit is missing; there are w, d, h, "
				  "m, s, ms, us and ns");
	EXPECT_EQ(refusal("1h2d"),
		  "invalid duration '1h2d': larger units come first, each only once");
	EXPECT_EQ(refusal("1h2h"),
		  "invalid duration '1h2h': larger units come first, each only once");
	EXPECT_EQ(refusal("0x10"),
		  "invalid duration '0x10': no unit 'x'; there are w, d, h, m, s, ms, us and ns");
}

TEST(duration, is_written_with_few_words)
{
	EXPECT_EQ(format_duration(0s), "0s");
	EXPECT_EQ(format_duration(76h), "3d4h");
	EXPECT_EQ(format_duration(-90s), "-1m30s");
	EXPECT_EQ(format_duration(500ms), "0.5s");
	EXPECT_EQ(format_duration(24h + 1ns), "1d0.000000001s");
	EXPECT_EQ(format_duration(nanoseconds::min()), "-106751d23h47m16.854775808s");
	EXPECT_EQ(format_offset(76h), "+3d4h");
	EXPECT_EQ(format_offset(-1s), "-1s");
	EXPECT_EQ(format_offset(0s), "0s");
}

TEST(duration, is_read_as_it_was_written)
{
	std::mt19937_64 random(1);
	auto times = std::vector<nanoseconds>{ nanoseconds::min(), nanoseconds::max(), 0ns, -1ns };

	for (int bits = 1; bits < 64; ++bits)
		for (int n = 0; n < 100; ++n)
			times.emplace_back(static_cast<std::int64_t>(random()) >> bits);
	for (const auto time : times) {
		EXPECT_EQ(parse_duration(format_duration(time)), time);
		EXPECT_EQ(parse_duration(format_offset(time)), time);
		EXPECT_EQ(parse_duration(format_seconds(time)), time);
	}
}

TEST(seconds, are_cut_towards_the_past)
{
	EXPECT_EQ(format_seconds(1999999999ns), "1.999999999");
	EXPECT_EQ(format_seconds(1999999999ns, 3), "1.999");
	EXPECT_EQ(format_seconds(1999999999ns, 0), "1");
	EXPECT_EQ(format_seconds(-1ns, 2), "-0.01");
	EXPECT_EQ(format_seconds(-1ns, 0), "-1");
	EXPECT_EQ(format_seconds(-1500ms), "-1.500000000");
	EXPECT_EQ(format_seconds(nanoseconds::min()), "-9223372036.854775808");
}

TEST(sum, is_nothing_where_it_does_not_fit)
{
	EXPECT_EQ(add(1s, -2s), -1s);
	EXPECT_EQ(add(nanoseconds::max(), 1ns), std::nullopt);
	EXPECT_EQ(add(nanoseconds::min(), -1ns), std::nullopt);
}

} /* namespace */

} /* namespace timens */
