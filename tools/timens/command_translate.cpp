// SPDX-License-Identifier: GPL-2.0-only
/* timens translate: times of the host's clocks to those of a namespace, and back. */
#include "commands.hpp"
#include "error.hpp"
#include "namespaces.hpp"
#include "options.hpp"
#include "stamps.hpp"
#include "views.hpp"

#include <iostream>

namespace timens
{

namespace
{

const char *const help =
	"\nUsage:\n timens translate [options] [<pid>|<file>] <clock> <time>|-\n\n"
	"Say what a clock in a time namespace showed at a time of the host's clock, or the\n"
	"other way. The kernel log, tracers and BPF have times of the host. With - instead\n"
	"of a time the first time stamp in each line of the standard input is converted.\n\n"
	"Options:\n"
	"     --to-host  from the namespace's clock to the host's\n"
	"\n"
	" -h, --help     display this help\n"
	" -V, --version  display version\n"
	"\nFor more details see timens(1).\n";

enum long_option { opt_to_host = 256 };

nanoseconds move(nanoseconds time, nanoseconds by, const std::string &text)
{
	const auto moved = add(time, by);

	if (!moved)
		throw error("'" + text + "': beyond what the clock can count");
	return *moved;
}

int translate_lines(nanoseconds by)
{
	std::string line;

	for (int number = 1; std::getline(std::cin, line); ++number) {
		const auto moved = move_stamp(line, by);

		if (!moved)
			throw error("line " + std::to_string(number) +
				    ": beyond what the clock can count");
		print(*moved + "\n");
	}
	return 0;
}

} /* namespace */

int command_translate(int argc, char **argv)
{
	option_parser options(argc, argv, "", { { "to-host", no_argument, nullptr, opt_to_host } },
			      help);
	bool to_host = false;

	while (options.next() != -1)
		to_host = true;
	auto operands = options.operands(2, 3, "a clock and a time");
	const bool has_target = operands.size() == 3;
	const std::string text = operands.back();
	const auto &clock = find_clock(operands[has_target]);
	const bool is_filter = text == "-";
	const auto time = is_filter ? 0ns : parse_stamp(text);

	require_time_namespaces();
	const auto where = has_target ? target(operands[0]) : target::own();
	const auto offset = offset_of(clock, where.offsets());
	const auto by = to_host ? -offset : offset;
	if (is_filter)
		return translate_lines(by);
	print(format_seconds(move(time, by, text)) + "\n");
	return 0;
}

} /* namespace timens */
