// SPDX-License-Identifier: GPL-2.0-only
/* timens list: the time namespaces that there are. */
#include "commands.hpp"
#include "listing.hpp"
#include "namespaces.hpp"
#include "options.hpp"
#include "printable.hpp"
#include "views.hpp"

namespace timens
{

namespace
{

constexpr column columns[] = {
	{ "NS", "number of the namespace (inode)", true },
	{ "OWNER", "user ID of its owner", true },
	{ "MONOTONIC", "offset of CLOCK_MONOTONIC from the host's", true, true, true },
	{ "BOOTTIME", "offset of CLOCK_BOOTTIME from the host's", true, true, true },
	{ "REALTIME", "offset of CLOCK_REALTIME from the host's, if it is not the host's clock",
	  true, true, true },
	{ "MONOTONIC-NOW", "what CLOCK_MONOTONIC shows in it, in seconds", true, false, true },
	{ "BOOTTIME-NOW", "what CLOCK_BOOTTIME shows in it, in seconds", true, false, true },
	{ "UPTIME", "the same as a duration", true, false, true },
	{ "REALTIME-NOW", "what CLOCK_REALTIME shows in it, in seconds", true, false, true },
	{ "DATE", "the same as a date in your time zone", false, false },
	{ "WALL", "its wall clock: HOST, FOLLOW (the host's plus an offset) or OWN", false, false },
	{ "TAI", "CLOCK_TAI minus CLOCK_REALTIME in it, in seconds", true, false },
	{ "FROZEN", "yes if the offsets can no longer be set", false, false },
	{ "NPROCS", "number of processes in it", true },
	{ "PID", "the process in it with the lowest ID", true },
	{ "UID", "user ID of that process", true, false },
	{ "FILE", "file that keeps it without a process" },
	{ "COMMAND", "command line of that process" },
};

std::string help()
{
	return "\nUsage:\n timens list [options]\n\n"
	       "List the time namespaces of the processes that you may see, and those that a\n"
	       "file keeps.\n\n"
	       "Options:\n" +
	       table_help +
	       "\n -h, --help              display this help\n"
	       " -V, --version           display version\n\n"
	       "Available output columns:\n" +
	       describe_columns(columns) + "\nFor more details see timens(1).\n";
}

template <class value, class function>
cell cell_of(const std::optional<value> &known, function &&format)
{
	return known ? format(*known) : cell::none();
}

} /* namespace */

std::string list_text(const table_options &options)
{
	table shown("namespaces", columns, options);
	const auto host = read_host_clocks(own_offsets());
	const auto offset_cell = [](nanoseconds clock_times::*which) {
		return [=](const clock_times &offsets) {
			return cell::time(format_offset(offsets.*which), offsets.*which);
		};
	};
	const auto clock_cell = [&](nanoseconds clock_times::*which) {
		return [&host, which](const clock_times &offsets) {
			const auto now = host.*which + offsets.*which;

			return cell::time(format_seconds(now, 2), now);
		};
	};
	const auto uptime_cell = [&](const clock_times &offsets) {
		const auto now = host.boottime + offsets.boottime;

		return cell::time(format_duration(std::chrono::floor<seconds>(now)), now);
	};

	const auto realtime_cell = [](const wall_clock &wall) {
		return wall.mode == wall_mode::host
			       ? cell::none()
			       : cell::time(format_offset(wall.offset), wall.offset);
	};

	for (const auto &entry : list_namespaces())
		shown.add({ cell::number(entry.inode),
			    cell_of(entry.owner, [](uid_t uid) { return cell::number(uid); }),
			    cell_of(entry.offsets, offset_cell(&clock_times::monotonic)),
			    cell_of(entry.offsets, offset_cell(&clock_times::boottime)),
			    cell_of(entry.wall, realtime_cell),
			    cell_of(entry.offsets, clock_cell(&clock_times::monotonic)),
			    cell_of(entry.offsets, clock_cell(&clock_times::boottime)),
			    cell_of(entry.offsets, uptime_cell),
			    cell_of(entry.offsets, clock_cell(&clock_times::realtime)),
			    cell_of(entry.offsets,
				    [&](auto &offsets) {
					    return cell::text(
						    format_date(host.realtime + offsets.realtime));
				    }),
			    cell_of(entry.wall,
				    [](auto &wall) { return cell::text(name_of(wall.mode)); }),
			    cell_of(entry.wall,
				    [](auto &wall) { return cell::number(wall.tai.count()); }),
			    cell_of(entry.frozen,
				    [](bool frozen) { return cell::boolean(frozen, "yes", "no"); }),
			    cell::number(entry.processes),
			    cell_of(entry.leader,
				    [](auto &leader) { return cell::number(leader.pid); }),
			    cell_of(entry.leader,
				    [](auto &leader) { return cell::number(leader.uid); }),
			    cell_of(entry.file,
				    [](auto &file) { return cell::text(printable(file)); }),
			    cell_of(entry.leader,
				    [](auto &leader) { return cell::text(leader.command); }) });
	return shown.text(terminal_width());
}

int command_list(int argc, char **argv)
{
	option_parser options(argc, argv, std::string(table_short_options), table_long_options(),
			      help());
	table_options wanted;

	for (int given; (given = options.next()) != -1;)
		take_table_option(given, wanted);
	options.operands(0, 0, "");
	check_columns(columns, wanted);
	require_time_namespaces();
	print(list_text(wanted));
	return 0;
}

} /* namespace timens */
