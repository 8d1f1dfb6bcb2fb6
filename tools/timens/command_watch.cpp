// SPDX-License-Identifier: GPL-2.0-only
/* timens watch: the tables of list and show, live. */
#include "commands.hpp"
#include "error.hpp"
#include "listing.hpp"
#include "options.hpp"

#include <charconv>
#include <csignal>
#include <cstring>
#include <sys/ioctl.h>
#include <unistd.h>

namespace timens
{

namespace
{

const char *const help_start =
	"\nUsage:\n timens watch [options] [<pid>|<file>]\n\n"
	"Show the clocks of all time namespaces, or every view of time here and in that of\n"
	"a process or file, until interrupted.\n\n"
	"Options:\n"
	" -i, --interval <duration>  time between updates (default 1s)\n"
	" -c, --count <number>       end after so many updates\n"
	" -n, --noheadings           don't print headings\n"
	" -o, --output <list>        output columns, as of list or show\n"
	"\n"
	" -h, --help                 display this help\n"
	" -V, --version              display version\n"
	"\nFor more details see timens(1).\n";

struct settings {
	nanoseconds interval = 1s;
	std::optional<unsigned int> count;
	table_options table;
	std::optional<std::string> target;
};

settings parse(int argc, char **argv)
{
	option_parser options(argc, argv, "i:c:no:",
			      { { "interval", required_argument, nullptr, 'i' },
				{ "count", required_argument, nullptr, 'c' },
				{ "noheadings", no_argument, nullptr, 'n' },
				{ "output", required_argument, nullptr, 'o' } },
			      help_start);
	settings wanted;

	for (int given; (given = options.next()) != -1;) {
		if (given == 'i') {
			wanted.interval = parse_duration(optarg);
			if (wanted.interval < 10ms)
				throw usage_error("invalid --interval '" + std::string(optarg) +
						  "': 10ms or more");
		} else if (given == 'c') {
			const auto *end = optarg + std::strlen(optarg);
			unsigned int count = 0;

			if (std::from_chars(optarg, end, count).ptr != end || count == 0)
				throw usage_error("invalid --count '" + std::string(optarg) +
						  "': a number from 1");
			wanted.count = count;
		} else {
			take_table_option(given, wanted.table);
		}
	}
	const auto operands = options.operands(0, 1, "");
	if (!operands.empty())
		wanted.target = operands[0];
	else if (!wanted.table.columns)
		wanted.table.columns = "NS,OWNER,MONOTONIC-NOW,BOOTTIME-NOW,UPTIME,DATE,"
				       "NPROCS,PID,COMMAND";
	return wanted;
}

/* From the top of the screen, over what was there, and no further than its end. */
std::string on_terminal(const std::string &text, unsigned int rows)
{
	std::string screen = "\033[H";
	unsigned int row = 1;

	for (const char c : text) {
		if (c == '\n' && ++row >= rows)
			break;
		screen += c == '\n' ? std::string("\033[K\n") : std::string(1, c);
	}
	return screen + "\033[K\033[J";
}

void show_text(const std::string &text, bool is_first)
{
	winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		print((is_first ? "" : "\n") + text);
	else
		print(on_terminal(text, size.ws_row ? size.ws_row : 24));
}

/* These are taken by sigtimedwait(), so an update is never cut in two. */
sigset_t block_signals()
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGWINCH);
	sigprocmask(SIG_BLOCK, &signals, nullptr);
	return signals;
}

} /* namespace */

int command_watch(int argc, char **argv)
{
	const auto wanted = parse(argc, argv);

	require_time_namespaces();
	const auto signals = block_signals();
	const timespec interval{ wanted.interval / 1s, (wanted.interval % 1s).count() };
	std::optional<showing> shown;
	if (wanted.target)
		shown.emplace(wanted.target);

	for (unsigned int done = 0;;) {
		const auto text = shown ? shown->text(wanted.table) : list_text(wanted.table);

		show_text(shown ? shown->heading() + "\n" + text : text, done == 0);
		if (++done == wanted.count)
			break;
		if (sigtimedwait(&signals, nullptr, &interval) == SIGINT)
			break;
	}
	if (isatty(STDOUT_FILENO))
		print("\n");
	return 0;
}

} /* namespace timens */
