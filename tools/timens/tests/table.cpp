// SPDX-License-Identifier: GPL-2.0-only
#include "../table.hpp"
#include "../duration.hpp"
#include "../error.hpp"

#include <gtest/gtest.h>

namespace timens
{

namespace
{

constexpr column columns[] = {
	{ "NS", "a number", true },
	{ "OFFSET", "a time", true, true, true },
	{ "UID", "hidden", true, false },
	{ "COMMAND", "a text" },
};

std::string text_of(const table_options &options, std::size_t width = 0)
{
	table shown("namespaces", columns, options);

	shown.add({ cell::number(4026531834), cell::time("0s", 0ns), cell::number(0),
		    cell::text("init") });
	shown.add({ cell::number(7), cell::time("+1d", 24h + 1ns), cell::none(),
		    cell::text("say \"ä\\\n\"") });
	return shown.text(width);
}

TEST(table, aligns_its_columns)
{
	EXPECT_EQ(text_of({}), "        NS OFFSET COMMAND\n"
			       "4026531834     0s init\n"
			       "         7    +1d say \"ä\\\n\"\n");
}

TEST(table, goes_without_headings)
{
	EXPECT_EQ(text_of({ .headings = false, .columns = "offset" }), " 0s\n+1d\n");
}

TEST(table, shows_the_columns_that_are_asked_for_in_their_order)
{
	EXPECT_EQ(text_of({ .columns = "uid,NS" }), "UID         NS\n"
						    "  0 4026531834\n"
						    "  -          7\n");
}

TEST(table, names_the_columns_that_there_are)
{
	for (const auto *list : { "NS,X", "X", "NS,", "" }) {
		try {
			text_of({ .columns = list });
			ADD_FAILURE() << "accepted '" << list << "'";
		} catch (const usage_error &error) {
			EXPECT_TRUE(std::string(error.what())
					    .ends_with("there are NS, OFFSET, UID, COMMAND"))
				<< error.what();
		}
	}
}

TEST(table, is_cut_to_the_terminal_by_characters)
{
	EXPECT_EQ(text_of({ .headings = false, .columns = "NS,COMMAND" }, 17),
		  "4026531834 init\n"
		  "         7 say \"ä\n");
}

TEST(table, has_exact_numbers_in_json)
{
	EXPECT_EQ(text_of({ .json = true, .columns = "ns,offset,uid,command" }),
		  "{\n"
		  "   \"namespaces\": [\n"
		  "      {\n"
		  "         \"ns\": 4026531834,\n"
		  "         \"offset_ns\": \"0\",\n"
		  "         \"uid\": 0,\n"
		  "         \"command\": \"init\"\n"
		  "      },\n"
		  "      {\n"
		  "         \"ns\": 7,\n"
		  "         \"offset_ns\": \"86400000000001\",\n"
		  "         \"uid\": null,\n"
		  "         \"command\": \"say \\\"ä\\\\\\u000a\\\"\"\n"
		  "      }\n"
		  "   ]\n"
		  "}\n");
}

TEST(table, without_rows_is_still_json)
{
	EXPECT_EQ(table("namespaces", columns, { .json = true }).text(),
		  "{\n   \"namespaces\": [\n   ]\n}\n");
}

} /* namespace */

} /* namespace timens */
