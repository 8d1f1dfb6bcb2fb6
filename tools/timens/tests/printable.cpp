// SPDX-License-Identifier: GPL-2.0-only
#include "../printable.hpp"

#include <gtest/gtest.h>

namespace timens
{

namespace
{

TEST(printable, has_the_words_of_a_command_line_on_one_line)
{
	using namespace std::string_view_literals;

	EXPECT_EQ(printable("sleep\0001000\0"sv), "sleep 1000");
	EXPECT_EQ(printable("two\nlines\n"), "two lines");
	EXPECT_EQ(printable(""), "");
}

TEST(printable, keeps_the_letters_of_all_languages)
{
	for (const std::string text : { "ä", "\u07ff", "\u0800", "日本", "\U0010ffff" })
		EXPECT_EQ(printable(text), text);
}

TEST(printable, has_nothing_that_moves_the_cursor)
{
	EXPECT_EQ(printable("\033[2J\r\t\x7f"), "?[2J???");
	EXPECT_EQ(printable("\u009b2J"), "?2J");
}

TEST(printable, has_nothing_that_is_no_utf_8)
{
	EXPECT_EQ(printable("\xff"
			    "a\x80"),
		  "?a?");
	EXPECT_EQ(printable("\xc0\xaf"), "??");
	EXPECT_EQ(printable("\xe0\x80\x80"), "???");
	EXPECT_EQ(printable("\xed\xa0\x80"), "???");
	EXPECT_EQ(printable("\xf4\x90\x80\x80"), "????");
	EXPECT_EQ(printable("\xe2\x82"), "??");
}

} /* namespace */

} /* namespace timens */
