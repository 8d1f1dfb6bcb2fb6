// SPDX-License-Identifier: GPL-2.0-only
#include "../wall.hpp"
#include "../error.hpp"

#include <cstdlib>
#include <ctime>
#include <gtest/gtest.h>

namespace timens
{

namespace
{

using kind = setting_kind;

/* Central Europe, by rules that need no file. */
constexpr const char *with_summer_time = "CET-1CEST,M3.5.0,M10.5.0/3";

class date : public testing::Test {
protected:
	~date() override
	{
		live_in("UTC0");
	}
	static void live_in(const char *zone)
	{
		setenv("TZ", zone, 1);
		tzset();
	}
	static std::string refusal(const std::string &text)
	{
		try {
			return "accepted as " + format_seconds(parse_date(text));
		} catch (const usage_error &error) {
			return error.what();
		}
	}
};

TEST_F(date, is_in_the_time_zone_of_the_user)
{
	live_in("UTC0");
	EXPECT_EQ(parse_date("1970-01-01"), 0s);
	EXPECT_EQ(parse_date("2030-01-01"), 1893456000s);
	EXPECT_EQ(parse_date("2030-01-01 12:00"), 1893499200s);
	EXPECT_EQ(parse_date("2030-01-01T12:00:01"), 1893499201s);
	live_in(with_summer_time);
	EXPECT_EQ(parse_date("2030-01-01 12:00"), 1893495600s);
	EXPECT_EQ(parse_date("2030-07-01 12:00"), 1909130400s);
}

TEST_F(date, has_the_zone_that_it_names)
{
	live_in(with_summer_time);
	for (const auto *text :
	     { "2030-01-01 12:00Z", "2030-01-01T12:00:00 UTC", "2030-01-01 12:00+00:00",
	       "2030-01-01 13:30+01:30", "2030-01-01 04:00:00 -0800", "2030-01-02 02:00+14:00" })
		EXPECT_EQ(parse_date(text), 1893499200s) << text;
	EXPECT_EQ(parse_date("2030-01-01 UTC"), 1893456000s);
	EXPECT_EQ(parse_date("2030-01-01Z"), 1893456000s);
}

TEST_F(date, is_exact_to_the_nanosecond)
{
	live_in("UTC0");
	EXPECT_EQ(parse_date("1970-01-01 00:00:01.5"), 1500ms);
	EXPECT_EQ(parse_date("1970-01-01 00:00:01.000000001Z"), 1s + 1ns);
	EXPECT_EQ(refusal("1970-01-01 00:00:01.0000000001"),
		  "invalid date '1970-01-01 00:00:01.0000000001': finer than a nanosecond");
}

TEST_F(date, goes_beyond_32_bits_and_no_further_than_a_clock_can_be_set)
{
	live_in("UTC0");
	EXPECT_EQ(parse_date("2038-01-19 03:14:08"), 2147483648s);
	EXPECT_EQ(parse_date("2232-04-18 00:00"), 8277292800s - 86400s);
	EXPECT_EQ(refusal("2232-04-19"), "invalid date '2232-04-19': beyond 2232");
	EXPECT_EQ(refusal("9999-12-31"), "invalid date '9999-12-31': beyond 2232");
	EXPECT_EQ(refusal("1969-12-31 23:59:59"),
		  "invalid date '1969-12-31 23:59:59': it is before 1970");
	EXPECT_EQ(refusal("1970-01-01 00:59+01:00"),
		  "invalid date '1970-01-01 00:59+01:00': it is before 1970");
}

TEST_F(date, has_to_exist)
{
	live_in(with_summer_time);
	EXPECT_EQ(refusal("2030-02-29"), "invalid date '2030-02-29': there is no such day");
	EXPECT_EQ(refusal("2030-13-01"), "invalid date '2030-13-01': there is no such day");
	EXPECT_EQ(refusal("2030-01-01 24:00"),
		  "invalid date '2030-01-01 24:00': there is no such time of day");
	EXPECT_EQ(refusal("2030-03-31 02:30"),
		  "invalid date '2030-03-31 02:30': there is no such time in this time zone");
	EXPECT_EQ(parse_date("2030-03-31 02:30Z"), 1901154600s);
	EXPECT_EQ(parse_date("2028-02-29 12:00Z"), 1835438400s);
}

TEST_F(date, of_another_form_is_quoted)
{
	for (const auto *text :
	     { "2030-1-1", "30-01-01", "2030-01-01 12", "2030-01-01 12:00x",
	       "2030-01-01 12:00:", "2030-01-01 12:00:00.", "2030-01-01T", "noon-12:00",
	       "2030-01-01 12:00+1", "2030-01-01 1:00", "-2030-01-01" })
		EXPECT_EQ(refusal(text), "invalid date '" + std::string(text) +
						 "': expected one such as '2030-01-01 12:00', "
						 "'2030-01-01T12:00:00Z', or seconds since 1970");
}

TEST_F(date, is_shown_in_the_time_zone_of_the_user)
{
	live_in(with_summer_time);
	EXPECT_EQ(format_date(1893495600s + 999ms), "2030-01-01 12:00:00");
	EXPECT_EQ(format_date(1909130400s), "2030-07-01 12:00:00");
	EXPECT_EQ(format_date(-1ns), "1970-01-01 00:59:59");
	for (const auto time : { 0s, 1893499200s, 2147483648s })
		EXPECT_EQ(parse_date(format_date(time)), time);
}

TEST_F(date, or_an_offset_is_a_setting)
{
	live_in("UTC0");
	EXPECT_EQ(parse_wall_setting("+90d"), (clock_setting{ kind::offset, 2160h }));
	EXPECT_EQ(parse_wall_setting("-30"), (clock_setting{ kind::offset, -30s }));
	EXPECT_EQ(parse_wall_setting("0"), (clock_setting{ kind::offset, 0s }));
	for (const auto *text : { "@2030-01-01 12:00", "=2030-01-01 12:00", "@1893499200",
				  "=1893499200.0", "@2030-01-01T12:00:00Z" })
		EXPECT_EQ(parse_wall_setting(text), (clock_setting{ kind::value, 1893499200s }))
			<< text;
}

std::string setting_refusal(const std::string &text)
{
	try {
		parse_wall_setting(text);
		return "accepted";
	} catch (const usage_error &error) {
		return error.what();
	}
}

TEST_F(date, without_its_sign_is_explained)
{
	EXPECT_EQ(
		setting_refusal("2030-01-01"),
		"invalid offset '2030-01-01': a date stands after '@', as in '@2030-01-01 12:00'");
	EXPECT_EQ(setting_refusal("@-1"), "invalid date '-1': it is before 1970");
	EXPECT_EQ(setting_refusal("+10y"),
		  "invalid duration '+10y': no unit 'y'; there are w, d, h, m, s, ms, us and ns");
	EXPECT_EQ(setting_refusal("@"),
		  "invalid duration '': expected a duration such as 3d4h, 90s or 0.5s");
}

std::string range_refusal(const std::string &text, nanoseconds host, nanoseconds boottime)
{
	try {
		return "accepted as " +
		       format_offset(resolve_wall(parse_wall_setting(text), host, boottime));
	} catch (const usage_error &error) {
		return error.what();
	}
}

TEST_F(date, becomes_an_offset_that_the_kernel_takes)
{
	EXPECT_EQ(range_refusal("+90d", 1800000000s, 5s), "accepted as +90d");
	EXPECT_EQ(range_refusal("@1800000010", 1800000000s, 5s), "accepted as +10s");
	EXPECT_EQ(range_refusal("@5", 1800000000s, 5s), "accepted as -20833d7h59m55s");
	EXPECT_EQ(range_refusal("@4", 1800000000s, 5s),
		  "--realtime '@4.000000000': the machine would have booted before 1970: the "
		  "lowest value is the CLOCK_BOOTTIME there, 5s");
	EXPECT_EQ(range_refusal("-9d", 86400s, 5s),
		  "--realtime '-9d': the date would be before 1970");
	EXPECT_EQ(range_refusal("@8277292035.999999999", 0s, 0s), "accepted as "
								  "+95801d23h47m15.999999999s");
	EXPECT_EQ(range_refusal("@8277292036", 0s, 0s),
		  "--realtime '@8277292036.000000000': the date would be beyond 2232, too late to "
		  "be set");
	EXPECT_EQ(range_refusal("100000d", 9223372036s, 0s),
		  "--realtime '+100000d': the date would be beyond 2232, too late to be set");
}

TEST(tai, is_a_number_of_seconds_that_the_kernel_takes)
{
	EXPECT_EQ(parse_tai("0"), 0s);
	EXPECT_EQ(parse_tai("37"), 37s);
	EXPECT_EQ(parse_tai("100000"), 100000s);
	for (const auto *text : { "-1", "100001", "37s", "", "99999999999", "3.5" })
		EXPECT_THROW(parse_tai(text), usage_error) << text;
}

TEST(wall_line, is_as_the_kernel_reads_it)
{
	EXPECT_EQ(realtime_text(90s), "realtime 90 0\n");
	EXPECT_EQ(realtime_text(-500ms), "realtime -1 500000000\n");
}

} /* namespace */

} /* namespace timens */
