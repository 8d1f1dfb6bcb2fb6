// SPDX-License-Identifier: GPL-2.0-only
/* What a kernel without CONFIG_TIME_NS answers. */
#include "kernel.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

TEST(unshare_does_not_know_the_flag, .time_namespaces = feature::absent)
{
	expect_errno(unshare(CLONE_NEWTIME), EINVAL);
	check(unshare(CLONE_NEWNS), "unshare without it");
	expect_errno(unshare(CLONE_NEWTIME | CLONE_NEWNS), EINVAL);
}

TEST(clone3_does_not_know_the_flag, .time_namespaces = feature::absent)
{
	expect_errno(try_clone3(CLONE_NEWTIME), EINVAL);
	expect_errno(try_clone3(0), 0, "without it");
}

TEST(clone_takes_the_flag_for_a_part_of_the_exit_signal, .time_namespaces = feature::either)
{
	const pid_t pid = clone_with(CLONE_NEWTIME | SIGCHLD);

	if (!pid)
		_exit(0);
	child::adopt(pid).wait_ok();
}

TEST(setns_of_a_pidfd_does_not_know_the_flag, .time_namespaces = feature::absent)
{
	child other([] { pause(); });

	expect_errno(setns(other.pidfd().get(), CLONE_NEWTIME), EINVAL);
}

TEST(proc_has_no_namespace_files, .time_namespaces = feature::absent)
{
	for (const char *path : {
		     "/proc/self/ns/time",
		     "/proc/self/ns/time_for_children",
		     "/proc/thread-self/ns/time",
		     "/proc/thread-self/ns/time_for_children",
	     })
		expect_errno(open(path, O_RDONLY), ENOENT, path);
}

TEST(proc_has_no_offsets_file, .time_namespaces = feature::absent)
{
	for (const char *path : {
		     "/proc/self/timens_offsets",
		     "/proc/thread-self/timens_offsets",
	     })
		expect_errno(open(path, O_RDONLY), ENOENT, path);
}

TEST(the_clocks_run_as_ever, .time_namespaces = feature::either)
{
	for (const auto &reader : clock_readers())
		for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
					 CLOCK_MONOTONIC_COARSE }) {
			const std::string what =
				clock_name(clock) + " by " + std::string(reader.name);
			const nanoseconds first = reader.read(clock);

			expect_ge(first, 0ns, what);
			expect_ge(reader.read(clock), first, what);
		}
}
