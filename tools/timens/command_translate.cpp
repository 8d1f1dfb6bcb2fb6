// SPDX-License-Identifier: GPL-2.0-only
/* timens translate: times of the host's clocks to those of a namespace, and back. */
#include "commands.hpp"
#include "error.hpp"
#include "namespaces.hpp"
#include "options.hpp"
#include "stamps.hpp"
#include "views.hpp"

#include <charconv>
#include <cstring>
#include <iostream>
#include <optional>

namespace timens
{

namespace
{

const char *const help =
	"\nUsage:\n timens translate [options] [<pid>|<file>] <clock> <time>|-\n\n"
	"Say what a clock in a time namespace showed at a time of the host's clock, or the\n"
	"other way. Tracers and BPF have times of the host. With - instead of a time the\n"
	"time stamp in each line of the standard input is converted, and each line is\n"
	"written at once. A negative time requires -- before it.\n\n"
	"Options:\n"
	"     --to-host           from the namespace's clock to the host's\n"
	"\n"
	"With -:\n"
	" -f, --field <number>    the stamp is this field of a line, from 1 (default: the\n"
	"                         first that has a point and a fraction, in seconds)\n"
	" -d, --delimiter <char>  what is between fields (default: any blanks)\n"
	" -u, --unit <unit>       s, ms, us or ns: of stamps without a point (default s);\n"
	"                         implies --field 1\n"
	"\n"
	" -h, --help              display this help\n"
	" -V, --version           display version\n"
	"\nFor more details see timens(1).\n";

enum long_option { opt_to_host = 256 };

nanoseconds move(nanoseconds time, nanoseconds by, const std::string &text)
{
	const auto moved = add(time, by);

	if (!moved)
		throw error("'" + text + "': beyond what the clock can count");
	return *moved;
}

unsigned int parse_field(const std::string &text)
{
	const auto *end = text.data() + text.size();
	unsigned int field = 0;

	if (std::from_chars(text.data(), end, field).ptr != end || field == 0)
		throw usage_error("invalid field '" + text + "': expected a number from 1");
	return field;
}

/* Each line is written when it has been read, and the last without an end if it has none. */
int translate_lines(nanoseconds by, const stamp_format &format)
{
	std::string line;

	for (unsigned long number = 1; std::getline(std::cin, line); ++number) {
		const auto moved = move_stamp(line, by, format);

		if (!moved)
			throw error("line " + std::to_string(number) +
				    ": beyond what the clock can count");
		print(*moved + (std::cin.eof() ? "" : "\n"));
	}
	if (std::cin.bad())
		throw system_failure("standard input", errno);
	return 0;
}

struct settings {
	bool to_host = false;
	/* Of lines: what has been asked for. */
	std::optional<unsigned int> field;
	std::optional<nanoseconds> unit;
	std::optional<char> delimiter;
	std::span<char *> operands;

	bool is_of_lines() const
	{
		return field || unit || delimiter;
	}
	stamp_format format() const;
};

stamp_format settings::format() const
{
	return { .field = field.value_or(unit || delimiter ? 1 : 0),
		 .delimiter = delimiter,
		 .unit = unit.value_or(1s) };
}

settings parse(int argc, char **argv)
{
	/* Digits are options so that a negative time can be named in the message. */
	option_parser options(argc, argv, "f:d:u:0123456789",
			      { { "to-host", no_argument, nullptr, opt_to_host },
				{ "field", required_argument, nullptr, 'f' },
				{ "delimiter", required_argument, nullptr, 'd' },
				{ "unit", required_argument, nullptr, 'u' } },
			      help);
	settings wanted;

	for (int given; (given = options.next()) != -1;) {
		if (given == opt_to_host)
			wanted.to_host = true;
		else if (given == 'f')
			wanted.field = parse_field(optarg);
		else if (given == 'u')
			wanted.unit = parse_unit(optarg);
		else if (given == 'd' && std::strlen(optarg) == 1)
			wanted.delimiter = optarg[0];
		else if (given == 'd')
			throw usage_error("invalid delimiter '" + std::string(optarg) +
					  "': expected a single character");
		else
			options.fail("a negative time requires '--' before it, as in "
				     "'timens translate monotonic -- -5'");
	}
	wanted.operands = options.operands(2, 3, "a clock and a time");
	if (wanted.is_of_lines() && wanted.operands.back() != std::string("-"))
		options.fail("--field, --delimiter and --unit are for lines: the time has to be -");
	return wanted;
}

} /* namespace */

int command_translate(int argc, char **argv)
{
	const auto wanted = parse(argc, argv);
	const auto &operands = wanted.operands;
	const bool has_target = operands.size() == 3;
	const std::string text = operands.back();
	const auto &clock = find_clock(operands[has_target]);
	const bool is_filter = text == "-";
	const auto time = is_filter ? 0ns : parse_stamp(text);

	require_time_namespaces();
	const auto where = has_target ? target(operands[0]) : target::own();
	const auto offset = offset_of(clock, where.offsets());
	const auto by = wanted.to_host ? -offset : offset;
	if (is_filter)
		return translate_lines(by, wanted.format());
	print(format_seconds(move(time, by, text)) + "\n");
	return 0;
}

} /* namespace timens */
