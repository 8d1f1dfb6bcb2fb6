// SPDX-License-Identifier: GPL-2.0-only
#include "features.hpp"

#include "error.hpp"
#include "kernel_offsets.hpp"
#include "namespaces.hpp"
#include "views.hpp"

#include <sched.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace timens
{

namespace
{

enum probe_status { probe_no, probe_yes, probe_unknown };

/* A child tries, so that the namespaces of the caller stay as they are. */
std::optional<bool> probe(probe_status (*attempt)())
{
	const auto child = check(fork(), "fork");
	int status;

	if (child == 0) {
		try {
			_exit(attempt());
		} catch (const std::exception &) {
			_exit(probe_unknown);
		}
	}
	check(waitpid(child, &status, 0), "waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) == probe_unknown)
		return {};
	return WEXITSTATUS(status) == probe_yes;
}

void make_namespace()
{
	if (unshare(CLONE_NEWTIME) && unshare(CLONE_NEWUSER | CLONE_NEWTIME))
		throw system_failure("unshare", errno);
}

probe_status probe_user()
{
	return unshare(CLONE_NEWUSER | CLONE_NEWTIME) == 0 ? probe_yes : probe_no;
}

/* A kernel on which exec does not enter refuses vfork, so that none can tell. */
probe_status probe_exec()
{
	make_namespace();
	const auto child = vfork();
	if (child == 0)
		_exit(0);
	return child > 0 ? probe_yes : probe_no;
}

/* This process is older than a namespace whose clocks start now. */
probe_status probe_zero()
{
	const auto own = own_offsets();

	make_namespace();
	const auto host = read_host_clocks(own);
	write_file("/proc/self/timens_offsets", offsets_text({ -host.monotonic, -host.boottime }));
	const auto next = open_file("/proc/self/ns/time_for_children");
	check(setns(next.get(), CLONE_NEWTIME), "setns");

	const bool is_coarse_good = read_clock(CLOCK_MONOTONIC_COARSE) >= 0ns;
	const auto start = read_start_time(getpid());
	const bool is_start_good = start >= 0ns && start <= read_clock(CLOCK_BOOTTIME);
	return is_coarse_good && is_start_good ? probe_yes : probe_no;
}

} /* namespace */

std::vector<feature> probe_features()
{
	const bool exists = access("/proc/self/ns/time", F_OK) == 0;
	const auto own = exists ? open_file("/proc/self/ns/time") : unique_fd();
	const auto answers = [&](bool (*asked)(int fd)) { return exists && asked(own.get()); };
	const auto if_exists = [&](probe_status (*attempt)()) {
		return exists ? probe(attempt) : false;
	};

	return {
		{ "time namespaces", exists, "timens needs CONFIG_TIME_NS=y, Linux 5.6 or later" },
		{ "made without privilege", if_exists(probe_user),
		  "timens run -U fails: users may not make user namespaces" },
		{ "entered by exec", if_exists(probe_exec),
		  "only children and setns() enter, vfork() fails meanwhile; timens does not "
		  "depend on it" },
		{ "offsets of one thread", access("/proc/thread-self/timens_offsets", F_OK) == 0,
		  "a thread that has unshared cannot set its offsets" },
		{ "TIMENS_GET_INFO", answers(has_get_info),
		  "whether offsets can still be set is found by trying" },
		{ "TIMENS_GET_OFFSETS", answers(has_get_offsets),
		  "offsets are read through a process, or by entering" },
		{ "TIMENS_SET_OFFSETS", answers(has_set_offsets),
		  "offsets are set by text, through a process whose children will be inside" },
		{ "TIMENS_GET_WALL", answers(has_get_wall),
		  "the date is the host's in every namespace; timens run --realtime fails" },
		{ "TIMENS_SET_WALL", answers(has_set_wall),
		  "no wall clock is set from outside; timens set fails" },
		{ "times never below zero", if_exists(probe_zero),
		  "clocks, and start times of processes, of a namespace that starts at zero can "
		  "be negative" },
	};
}

std::string kernel_name()
{
	utsname name;

	check(uname(&name), "uname");
	return std::string(name.sysname) + " " + name.release;
}

} /* namespace timens */
