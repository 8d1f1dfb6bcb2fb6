// SPDX-License-Identifier: GPL-2.0-only
/* timens check: do all views of time in a namespace agree? */
#include "agreement.hpp"
#include "commands.hpp"
#include "error.hpp"
#include "namespaces.hpp"
#include "options.hpp"

namespace timens
{

namespace
{

constexpr column columns[] = {
	{ "CHECK", "what has been compared" },
	{ "RESULT", "ok or WRONG" },
	{ "DETAIL", "how it was found, or what is wrong" },
};

std::string help()
{
	return "\nUsage:\n timens check [options] [<pid>|<file>]\n\n"
	       "Check that every view of time in this time namespace, or in that of a process\n"
	       "or file, agrees, and that clocks never step back on any CPU.\n\n"
	       "Options:\n"
	       " -s, --seconds <number>  how long to watch for steps (default 1)\n"
	       " -q, --quiet             print only what is wrong\n" +
	       table_help +
	       "\n -h, --help              display this help\n"
	       " -V, --version           display version\n\n"
	       "Available output columns:\n" +
	       describe_columns(columns) +
	       "\nThe exit status is 0 if all is well, 1 if not.\n"
	       "\nFor more details see timens(1).\n";
}

} /* namespace */

int command_check(int argc, char **argv)
{
	option_parser options(argc, argv, "s:q" + std::string(table_short_options),
			      table_long_options({ { "seconds", required_argument, nullptr, 's' },
						   { "quiet", no_argument, nullptr, 'q' } }),
			      help());
	table_options wanted;
	nanoseconds length = 1s;
	bool quiet = false, good = true;

	for (int given; (given = options.next()) != -1;) {
		if (given == 's') {
			length = parse_duration(optarg);
			if (length <= 0ns || length > 24h)
				options.fail("--seconds wants a time up to a day, not '" +
					     std::string(optarg) + "'");
		} else if (given == 'q') {
			quiet = true;
		} else {
			take_table_option(given, wanted);
		}
	}
	const auto operands = options.operands(0, 1, "");
	table shown("checks", columns, wanted);
	require_time_namespaces();
	if (!operands.empty())
		target(operands[0]).enter();

	for (const auto &verdicts : { compare_views(), measure_waits(), watch_steps(length) }) {
		for (const auto &verdict : verdicts) {
			good &= verdict.good;
			if (!quiet || !verdict.good)
				shown.add({ cell::text(verdict.name),
					    cell::boolean(verdict.good, "ok", "WRONG"),
					    cell::text(verdict.detail) });
		}
	}
	if (!quiet || !good || wanted.json)
		print(shown.text(terminal_width()));
	return good ? 0 : 1;
}

} /* namespace timens */
