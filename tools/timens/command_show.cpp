// SPDX-License-Identifier: GPL-2.0-only
/* timens show: every clock and view of time, here and there. */
#include "commands.hpp"
#include "listing.hpp"
#include "options.hpp"

#include <unistd.h>

namespace timens
{

namespace
{

constexpr column columns[] = {
	{ "VIEW", "a clock, and how it is read; or another view of time" },
	{ "HERE", "what it shows here, in seconds", true, true, true },
	{ "THERE", "what it shows there, in seconds", true, true, true },
	{ "OFFSET", "there: from here; without another namespace: from the host", true, true,
	  true },
	{ "STATE", "ok, WRONG where the offsets of the namespace say another time" },
};
constexpr column columns_here[] = { columns[0], columns[1], columns[3] };

std::span<const column> columns_of(bool is_remote)
{
	return is_remote ? std::span<const column>(columns) : columns_here;
}

/* Whoever sets a wall clock all the time does not keep this busy forever. */
constexpr int most_attempts = 10;

std::string help()
{
	return "\nUsage:\n timens show [options] [<pid>|<file>]\n\n"
	       "Show every clock and view of time here, and in the time namespace of a process\n"
	       "or file.\n\n"
	       "Options:\n" +
	       table_help +
	       "\n -h, --help              display this help\n"
	       " -V, --version           display version\n\n"
	       "Available output columns:\n" +
	       describe_columns(columns) +
	       "\nThe exit status is 1 if a view is WRONG.\n"
	       "\nFor more details see timens(1).\n";
}

cell seconds_cell(const std::optional<nanoseconds> &time)
{
	return time ? cell::time(format_seconds(*time, 3), *time) : cell::none();
}

cell offset_cell(nanoseconds offset)
{
	return cell::time(format_offset(offset), offset);
}

nanoseconds round_to(nanoseconds time, nanoseconds unit)
{
	return (time + (time < 0ns ? -unit : unit) / 2) / unit * unit;
}

} /* namespace */

showing::showing(const std::optional<std::string> &other_name)
	: is_remote(other_name)
	, there(other_name ? target(*other_name) : target::own())
	, own(look_here())
	, other(look_there())
	, views(list_views(there.pid() ? there.pid() : getpid()))
{
	std::vector<visitor::reader> readers;

	if (!is_remote)
		return;
	for (const auto &view : views)
		readers.push_back([view] { return view.try_read(); });
	inside = std::make_unique<visitor>(there, std::move(readers));
}

showing::place showing::look_here()
{
	return { own_offsets(), own_wall() };
}

showing::place showing::look_there() const
{
	return is_remote ? place{ there.offsets(), there.wall().value_or(wall_clock()) } : own;
}

std::string showing::heading() const
{
	const auto describe = [](const target &where, const place &state) {
		const auto wall = state.wall.mode == wall_mode::host
					  ? ""
					  : ", realtime " + format_offset(state.wall.offset) +
						    " (" + name_of(state.wall.mode) + ")";

		return where.name() + ", monotonic " + format_offset(state.offsets.monotonic) +
		       ", boottime " + format_offset(state.offsets.boottime) + wall + "\n";
	};
	const auto here = "here:  " + describe(target::own(), own);

	return is_remote ? here + "there: " + describe(there, other) : here;
}

/* Here is read before and after there, so the middle is the same instant. */
std::vector<cell> showing::compare(int number)
{
	const auto &what = views[number];
	const auto before = what.try_read();
	const auto within = inside->ask(number);
	const auto after = what.try_read();

	if (!before || !after || !within)
		return { cell::text(what.name), seconds_cell(before), seconds_cell(within),
			 cell::none(), cell::none() };
	const auto took = *after - *before;
	const auto here = *before + took / 2;
	const auto expected = what.moves_by(other.offsets) - what.moves_by(own.offsets);
	/* Views that would be below zero stay there. */
	const auto due = std::max<nanoseconds>(here + expected, 0ns);
	const bool good =
		*within >= 0ns && std::chrono::abs(*within - due) <= what.resolution + took;
	const bool exact = good && due == here + expected;

	wrong |= !good;
	return { cell::text(what.name), seconds_cell(here), seconds_cell(within),
		 offset_cell(exact ? expected : round_to(*within - here, what.resolution)),
		 cell::boolean(good, "ok", "WRONG") };
}

std::vector<cell> showing::alone(const view &what) const
{
	return { cell::text(what.name), seconds_cell(what.try_read()),
		 offset_cell(what.moves_by(own.offsets)) };
}

std::string showing::text(const table_options &options)
{
	const bool was_wrong = wrong;

	for (int attempt = 1;; ++attempt) {
		table shown("views", columns_of(is_remote), options);

		own = look_here();
		other = look_there();
		wrong = was_wrong;
		for (int number = 0; number < static_cast<int>(views.size()); ++number)
			shown.add(is_remote ? compare(number) : alone(views[number]));
		if (attempt == most_attempts || (own == look_here() && other == look_there()))
			return shown.text(terminal_width());
	}
}

int command_show(int argc, char **argv)
{
	option_parser options(argc, argv, std::string(table_short_options), table_long_options(),
			      help());
	table_options wanted;

	for (int given; (given = options.next()) != -1;)
		take_table_option(given, wanted);
	const auto operands = options.operands(0, 1, "");
	check_columns(columns_of(!operands.empty()), wanted);
	require_time_namespaces();

	showing shown(operands.empty() ? std::optional<std::string>() : operands[0]);
	const auto text = shown.text(wanted);
	print((wanted.json || !wanted.headings ? "" : shown.heading() + "\n") + text);
	return shown.has_wrong() ? 1 : 0;
}

} /* namespace timens */
