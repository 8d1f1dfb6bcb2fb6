// SPDX-License-Identifier: GPL-2.0-only
#include "../stamps.hpp"
#include "../error.hpp"
#include "../views.hpp"

#include <gtest/gtest.h>

namespace timens
{

namespace
{

TEST(stamp, is_taken_as_logs_print_it)
{
	EXPECT_EQ(parse_stamp("[   12.345678]"), 12345678us);
	EXPECT_EQ(parse_stamp("12.345678901"), 12345678901ns);
	EXPECT_EQ(parse_stamp("12345ns"), 12345ns);
	EXPECT_THROW(parse_stamp("[]"), usage_error);
}

TEST(line, has_its_first_stamp_moved)
{
	EXPECT_EQ(move_stamp("[   12.345678] usb 1-1.2: new", 10s),
		  "[   22.345678] usb 1-1.2: new");
	EXPECT_EQ(move_stamp("bash 123 [001]  7175.523: sched", 24h),
		  "bash 123 [001] 93575.523: sched");
	EXPECT_EQ(move_stamp("12.5", -10s), " 2.5");
}

TEST(line, keeps_its_columns_where_there_is_room)
{
	EXPECT_EQ(move_stamp("[    1.000000] a", 86400s), "[86401.000000] a");
	EXPECT_EQ(move_stamp("[12345.000000] a", 999999s), "[1012344.000000] a");
	EXPECT_EQ(move_stamp("[12345.000000] a", -12344s), "[    1.000000] a");
}

TEST(line, without_a_stamp_stays)
{
	for (const std::string line :
	     { "", "no stamp", "version 6.12.1", "10.0.0.1 is up", "v1.5", "12", "0x1.5" })
		EXPECT_EQ(move_stamp(line, 1h), line);
}

TEST(line, may_go_below_zero)
{
	EXPECT_EQ(move_stamp("[    1.500000] a", -2s), "[   -0.500000] a");
	EXPECT_EQ(move_stamp("[   -0.500000] a", 2s), "[    1.500000] a");
}

TEST(line, with_a_stamp_that_no_clock_shows_is_refused)
{
	EXPECT_EQ(move_stamp("9223372036.5", 1s), std::nullopt);
	EXPECT_EQ(move_stamp("99999999999.5", 1s), std::nullopt);
	EXPECT_EQ(move_stamp("99999999999", 1s, { .field = 1 }), std::nullopt);
	EXPECT_EQ(move_stamp("99999999999999999999", 1s, { .field = 1, .unit = 1ns }),
		  std::nullopt);
}

TEST(field, has_its_stamp_moved_and_the_rest_stays)
{
	const stamp_format second{ .field = 2, .unit = 1ns };

	EXPECT_EQ(move_stamp("  a\t 1  b ", 5ns, second), "  a\t 6  b ");
	EXPECT_EQ(move_stamp("a [1] b", 5ns, second), "a [6] b");
	EXPECT_EQ(move_stamp("a 1.50: b", 5s, second), "a 6.50: b");
	EXPECT_EQ(move_stamp("a \"1\", b", 5ns, second), "a \"6\", b");
	EXPECT_EQ(move_stamp("a;;1", 5ns, { .field = 3, .delimiter = ';', .unit = 1ns }), "a;;6");
	EXPECT_EQ(move_stamp("1500", -2s, { .field = 1, .unit = 1ms }), "-500");
	EXPECT_EQ(move_stamp("1", -1ms, { .field = 1, .unit = 1s }), "0");
	EXPECT_EQ(move_stamp("0", -1ms, { .field = 1, .unit = 1s }), "-1");
}

TEST(field, without_a_stamp_stays)
{
	for (const std::string line : { "", " ", "a", "a b", "a 1x", "a 1.", "a .5", "a 1.2.3",
					"a -", "a 0x1", "a 1.0123456789" })
		EXPECT_EQ(move_stamp(line, 1h, { .field = 2 }), line);
}

TEST(clock, has_a_name_in_every_spelling)
{
	for (const auto *name : { "monotonic_raw", "MONOTONIC-RAW", "CLOCK_MONOTONIC_RAW" })
		EXPECT_EQ(find_clock(name).id, CLOCK_MONOTONIC_RAW);
	EXPECT_EQ(full_name(find_clock("boottime")), "CLOCK_BOOTTIME");
	EXPECT_THROW(find_clock("clock"), usage_error);
	EXPECT_THROW(find_clock(""), usage_error);
}

TEST(clock, follows_its_offset)
{
	const clock_times offsets{ 1h, -2h };

	for (const auto &clock : all_clocks()) {
		const auto expected = clock.name.starts_with("monotonic")  ? 1h
				      : clock.name.starts_with("boottime") ? -2h
									   : 0h;

		EXPECT_EQ(offset_of(clock, offsets), expected) << clock.name;
	}
}

TEST(view, of_the_date_of_boot_moves_the_other_way)
{
	for (const auto &view : list_views(1)) {
		if (view.name == "/proc/stat btime") {
			EXPECT_EQ(view.moves_by({ 1h, -2h }), 2h);
		} else if (view.name == "/proc/uptime") {
			EXPECT_EQ(view.moves_by({ 1h, -2h }), -2h);
		}
	}
}

} /* namespace */

} /* namespace timens */
