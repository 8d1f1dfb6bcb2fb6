// SPDX-License-Identifier: GPL-2.0-only
/* timens set: the wall clock of a time namespace, from outside. */
#include "commands.hpp"
#include "error.hpp"
#include "kernel_offsets.hpp"
#include "namespaces.hpp"
#include "options.hpp"

namespace timens
{

namespace
{

const char *const help =
	"\nUsage:\n timens set [options] <pid>|<file>\n\n"
	"Set the wall clock of the time namespace of a process or file, while programs are\n"
	"in it, or before the first one enters. The clock is set for all who share it.\n\n"
	"Options:\n"
	"     --realtime <offset>|@<date>  move CLOCK_REALTIME, and CLOCK_TAI with it\n"
	"     --follow                     run on the host's CLOCK_REALTIME, as it starts\n"
	"     --own                        run on the host's CLOCK_BOOTTIME, so that setting\n"
	"                                  the host does not move it, as it does once set inside\n"
	"     --tai <seconds>              how far CLOCK_TAI is ahead of CLOCK_REALTIME\n"
	"\n"
	" -h, --help                       display this help\n"
	" -V, --version                    display version\n"
	"\n"
	"An <offset> such as +90d, -30s or 0 is from the clock of the host. Units are\n"
	"w d h m s ms us ns. A <date> is seconds since 1970, or such as '2030-01-01 12:00' in\n"
	"your time zone, as date(1) reads it, '2030-01-01T12:00:00Z' in UTC or\n"
	"'2030-01-01 12:00:00.5+01:00'; it may also follow '='. A clock that is not moved\n"
	"reads the same after --follow or --own.\n"
	"\nFor more details see timens(1).\n";

enum long_option { opt_realtime = 256, opt_follow, opt_own, opt_tai };

struct settings {
	std::optional<clock_setting> realtime;
	std::optional<wall_mode> mode;
	std::optional<seconds> tai;
	std::string target;
};

settings parse(int argc, char **argv)
{
	option_parser options(argc, argv, "",
			      { { "realtime", required_argument, nullptr, opt_realtime },
				{ "follow", no_argument, nullptr, opt_follow },
				{ "own", no_argument, nullptr, opt_own },
				{ "tai", required_argument, nullptr, opt_tai } },
			      help);
	settings wanted;

	for (int given; (given = options.next()) != -1;) {
		const auto mode = given == opt_own ? wall_mode::own : wall_mode::follow;

		switch (given) {
		case opt_realtime:
			wanted.realtime = parse_wall_setting(optarg);
			break;
		case opt_follow:
		case opt_own:
			if (wanted.mode && wanted.mode != mode)
				options.fail("--follow and --own exclude each other");
			wanted.mode = mode;
			break;
		case opt_tai:
			wanted.tai = parse_tai(optarg);
			break;
		}
	}
	wanted.target = options.operands(1, 1, "a process or a namespace file")[0];
	if (!wanted.realtime && !wanted.mode && !wanted.tai)
		options.fail("nothing to set: --realtime, --follow, --own or --tai is needed");
	return wanted;
}

} /* namespace */

int command_set(int argc, char **argv)
{
	const auto wanted = parse(argc, argv);

	require_time_namespaces();
	const target there(wanted.target);
	if (!there.wall())
		throw error(no_wall_clocks);
	wall_change change{ .mode = wanted.mode, .tai = wanted.tai };
	if (wanted.realtime) {
		const auto host = read_host_clocks(own_offsets());

		change.offset = resolve_wall(*wanted.realtime, host.realtime,
					     host.boottime + there.offsets().boottime);
	}
	change_wall(there.fd(), change);
	return 0;
}

} /* namespace timens */
