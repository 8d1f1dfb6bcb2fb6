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
	{ "RESULT", "ok, not here, not checked or WRONG" },
	{ "DETAIL", "how it was found, or why not" },
};

constexpr int exit_not_checked = 3;

const char *word_for(finding found)
{
	switch (found) {
	case finding::good:
		return "ok";
	case finding::not_here:
		return "not here";
	case finding::not_checked:
		return "not checked";
	case finding::wrong:
		break;
	}
	return "WRONG";
}

struct tally {
	int all = 0, not_here = 0, not_checked = 0, wrong = 0;

	void add(finding found);
	std::string text() const;
	int exit_status() const;
};

void tally::add(finding found)
{
	++all;
	not_here += found == finding::not_here;
	not_checked += found == finding::not_checked;
	wrong += found == finding::wrong;
}

std::string tally::text() const
{
	return std::to_string(all) + " checks, " + std::to_string(not_here) +
	       " not possible here, " + std::to_string(not_checked) + " not checked, " +
	       std::to_string(wrong) + " wrong\n";
}

int tally::exit_status() const
{
	if (wrong)
		return exit_failure;
	return not_checked ? exit_not_checked : exit_good;
}

std::string help()
{
	return "\nUsage:\n timens check [options] [<pid>|<file>]\n\n"
	       "Check that every view of time in this time namespace, or in that of a process\n"
	       "or file, agrees, and that clocks never step back on any CPU.\n\n"
	       "Options:\n"
	       " -s, --seconds <duration>\n"
	       "                         how long to watch for steps (default 1s)\n"
	       " -q, --quiet             print only what is wrong or could not be checked\n" +
	       table_help +
	       "\n -h, --help              display this help\n"
	       " -V, --version           display version\n\n"
	       "Available output columns:\n" +
	       describe_columns(columns) +
	       "\nThe exit status is 1 if anything is WRONG, 3 if nothing is but something could\n"
	       "not be checked because of an unexpected error. What is not possible on this\n"
	       "machine or for this user is counted, and does not matter.\n"
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
	bool quiet = false;
	tally counted;

	for (int given; (given = options.next()) != -1;) {
		if (given == 's') {
			length = parse_duration(optarg);
			if (length <= 0ns || length > 24h)
				throw usage_error("invalid --seconds '" + std::string(optarg) +
						  "': more than 0, and up to a day");
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
			const bool is_fine = verdict.found == finding::good ||
					     verdict.found == finding::not_here;

			counted.add(verdict.found);
			if (!quiet || !is_fine)
				shown.add({ cell::text(verdict.name),
					    cell::text(word_for(verdict.found)),
					    cell::text(verdict.detail) });
		}
	}
	if (!quiet || counted.exit_status() || wanted.json)
		print(shown.text(terminal_width()) +
		      (wanted.json || !wanted.headings ? "" : counted.text()));
	return counted.exit_status();
}

} /* namespace timens */
