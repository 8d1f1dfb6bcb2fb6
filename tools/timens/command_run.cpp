// SPDX-License-Identifier: GPL-2.0-only
/*
 * timens run: a program in a new time namespace.
 *
 * The process itself enters and becomes the program, so that signals, the
 * terminal and the exit status are the program's own.
 */
#include "commands.hpp"
#include "error.hpp"
#include "namespaces.hpp"
#include "options.hpp"
#include "system.hpp"

#include <cstdlib>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace timens
{

namespace
{

const char *const help =
	"\nUsage:\n timens run [options] [--] [<program> [<argument>...]]\n\n"
	"Run a program, or a shell, in a new time namespace.\n\n"
	"Options:\n"
	"     --monotonic <offset>|@<value>  move CLOCK_MONOTONIC\n"
	"     --boottime <offset>|@<value>   move CLOCK_BOOTTIME, and with it the uptime\n"
	"     --uptime <duration>            both as on a machine that booted so long ago\n"
	"     --realtime <offset>|@<date>    a wall clock of its own, which can be set in it\n"
	"     --keep <file>                  keep the namespace by mounting it on a file\n"
	" -U, --user                         make a user namespace too; needs no privilege\n"
	" -r, --map-root-user                be root in it (implies --user)\n"
	"\n"
	" -h, --help                         display this help\n"
	" -V, --version                      display version\n"
	"\n"
	"An <offset> such as +3d4h, -90s or 0.5s is from the clock of the host, a <value>\n"
	"is what the clock shows when the program starts, and may also follow '='. Units\n"
	"are w d h m s ms us ns.\n"
	"A <date> is seconds since 1970, or such as '2030-01-01 12:00' in your time zone, as\n"
	"date(1) reads it, '2030-01-01T12:00:00Z' in UTC or '2030-01-01 12:00:00.5+01:00'.\n"
	"\nFor more details see timens(1).\n";

enum long_option { opt_monotonic = 256, opt_boottime, opt_uptime, opt_realtime, opt_keep };

enum class user_mapping { none, same, root };

struct settings {
	std::optional<clock_setting> monotonic, boottime, uptime, realtime;
	std::optional<std::string> keep;
	user_mapping user = user_mapping::none;
	std::span<char *> command;
};

settings parse(int argc, char **argv)
{
	option_parser options(argc, argv, "+Ur",
			      { { "monotonic", required_argument, nullptr, opt_monotonic },
				{ "boottime", required_argument, nullptr, opt_boottime },
				{ "uptime", required_argument, nullptr, opt_uptime },
				{ "realtime", required_argument, nullptr, opt_realtime },
				{ "keep", required_argument, nullptr, opt_keep },
				{ "user", no_argument, nullptr, 'U' },
				{ "map-root-user", no_argument, nullptr, 'r' } },
			      help);
	settings wanted;

	for (int given; (given = options.next()) != -1;) {
		switch (given) {
		case opt_monotonic:
			wanted.monotonic = parse_clock_setting(optarg);
			break;
		case opt_boottime:
			wanted.boottime = parse_clock_setting(optarg);
			break;
		case opt_uptime:
			if (optarg[0] == '@' || optarg[0] == '=' || optarg[0] == '+')
				throw usage_error("invalid --uptime '" + std::string(optarg) +
						  "': a duration without '" +
						  std::string(optarg, 1) + "'");
			wanted.uptime = parse_clock_setting(std::string("@") + optarg);
			break;
		case opt_realtime:
			wanted.realtime = parse_wall_setting(optarg);
			break;
		case opt_keep:
			wanted.keep = optarg;
			break;
		case 'U':
			if (wanted.user == user_mapping::none)
				wanted.user = user_mapping::same;
			break;
		case 'r':
			wanted.user = user_mapping::root;
			break;
		}
	}
	if (wanted.uptime && (wanted.monotonic || wanted.boottime))
		options.fail("--uptime sets both clocks, so it excludes --monotonic and "
			     "--boottime");
	if (wanted.keep && wanted.user != user_mapping::none)
		options.fail("--keep takes the rights of root, so it excludes --user and "
			     "--map-root-user");
	if (wanted.uptime)
		wanted.monotonic = wanted.boottime = wanted.uptime;
	wanted.command = options.operands();
	return wanted;
}

/* A clock that was not named keeps the offset that the caller has. */
clock_times resolve_all(const settings &wanted, const clock_times &own)
{
	const auto host = read_host_clocks(own);
	const auto option = [&](const char *name) { return wanted.uptime ? "--uptime" : name; };
	auto offsets = own;

	if (wanted.monotonic)
		offsets.monotonic =
			resolve(*wanted.monotonic, option("--monotonic"), host.monotonic);
	if (wanted.boottime)
		offsets.boottime = resolve(*wanted.boottime, option("--boottime"), host.boottime);
	if (wanted.realtime)
		offsets.realtime = resolve_wall(*wanted.realtime, host.realtime,
						host.boottime + offsets.boottime);
	return offsets;
}

void make_namespaces(user_mapping user)
{
	const bool with_user = user != user_mapping::none;

	if (unshare(CLONE_NEWTIME | (with_user ? CLONE_NEWUSER : 0)) == 0)
		return;
	const int reason = errno;
	std::string advice;
	if (reason == EPERM && with_user)
		advice = "this system does not let users make user namespaces; be root, without -U";
	else if (reason == EPERM)
		advice = "it takes CAP_SYS_ADMIN; with -U it needs no privilege";
	else if (reason == ENOSPC)
		advice = std::string("raise /proc/sys/user/max_time_namespaces") +
			 (with_user ? " or max_user_namespaces" : "");
	throw system_failure("making the time namespace", reason, advice);
}

void map_user(user_mapping user, uid_t uid, gid_t gid)
{
	const auto line = [&](unsigned int id) {
		return std::to_string(user == user_mapping::root ? 0 : id) + " " +
		       std::to_string(id) + " 1\n";
	};

	/* Without this a user may not map a group. */
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", line(uid));
	write_file("/proc/self/gid_map", line(gid));
}

/* In one write, as the date is checked against the CLOCK_BOOTTIME beside it. */
void set_offsets(const clock_times &offsets, bool with_realtime)
{
	try {
		write_file("/proc/self/timens_offsets",
			   offsets_text(offsets) +
				   (with_realtime ? realtime_text(offsets.realtime) : ""));
	} catch (const system_failure &failure) {
		const char *advice = "";

		if (failure.code == EPERM)
			advice = "it takes CAP_SYS_TIME; with -U it needs no privilege";
		else if (failure.code == ERANGE)
			advice =
				with_realtime
					? "a clock would be below zero or beyond 146 years, or the "
					  "date before 1970, before CLOCK_BOOTTIME or beyond 2232"
					: "a clock would be below zero or beyond 146 years";
		throw system_failure("setting the offsets", failure.code, advice);
	}
}

/* Exec alone would do from Linux 6.2 on. */
void enter_pending()
{
	const auto next = open_file("/proc/self/ns/time_for_children");

	check(setns(next.get(), CLONE_NEWTIME), "entering the new time namespace");
}

/*
 * A file on which the namespace is mounted, so that it stays without a process.
 * Where the program is not started after all, the file is left as it was.
 */
class kept_file {
public:
	/* Throws where there is no such file and none can be made. */
	explicit kept_file(const std::string &path);
	kept_file(const kept_file &) = delete;
	kept_file &operator=(const kept_file &) = delete;
	~kept_file();

	/* The namespace of the calling process. */
	void mount_own();

private:
	std::string path;
	bool is_new = false, is_mounted = false;
};

kept_file::kept_file(const std::string &path)
	: path(path)
{
	unique_fd file(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));

	is_new = file.get() >= 0;
	if (!is_new && errno != EEXIST)
		throw system_failure(path, errno);
	if (!is_new)
		file = open_file(path, O_PATH);
	struct statfs about;
	if (fstatfs(file.get(), &about) == 0 && about.f_type == NSFS_MAGIC)
		throw error(path + " is a namespace already: 'timens exec " + path +
			    "' enters it, 'umount " + path + "' gives it up");
}

kept_file::~kept_file()
{
	if (is_mounted)
		umount2(path.c_str(), MNT_DETACH);
	if (is_new)
		unlink(path.c_str());
}

void kept_file::mount_own()
{
	if (mount("/proc/self/ns/time", path.c_str(), nullptr, MS_BIND, nullptr) < 0)
		throw system_failure("mounting the namespace on " + path, errno,
				     errno == EPERM ? "it takes CAP_SYS_ADMIN" : "");
	is_mounted = true;
}

} /* namespace */

int command_run(int argc, char **argv)
{
	const auto wanted = parse(argc, argv);
	const auto uid = geteuid();
	const auto gid = getegid();

	require_time_namespaces();
	if (wanted.realtime && !target::own().wall())
		throw error(no_wall_clocks);
	const auto own = own_offsets();
	resolve_all(wanted, own);
	std::optional<kept_file> kept;
	if (wanted.keep)
		kept.emplace(*wanted.keep);

	make_namespaces(wanted.user);
	if (wanted.user != user_mapping::none)
		map_user(wanted.user, uid, gid);
	if (wanted.monotonic || wanted.boottime || wanted.realtime)
		set_offsets(resolve_all(wanted, own), wanted.realtime.has_value());
	enter_pending();
	if (kept)
		kept->mount_own();
	execute(wanted.command);
}

void execute(std::span<char *> command)
{
	const char *shell = getenv("SHELL");
	char *const interactive[] = { const_cast<char *>(shell ? shell : "/bin/sh"), nullptr };
	char *const *arguments = command.empty() ? interactive : command.data();

	execvp(arguments[0], arguments);
	const int reason = errno;
	const std::string name = arguments[0];
	if (reason == ENOENT && name.find('/') == std::string::npos)
		throw error("no program '" + name + "' in PATH", exit_not_found);
	throw error(name + ": " + std::generic_category().message(reason),
		    reason == ENOENT ? exit_not_found : exit_cannot_execute);
}

} /* namespace timens */
