// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfork(2) and posix_spawn(3), whose child shares the memory of its parent up
 * to execve(2): it enters there, not before.
 */
#include "kernel.hpp"

#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* Runs a program by vfork(2) and waits for it. */
void vfork_and_exec(std::vector<std::string> command)
{
	const std::vector<char *> pointers = pointers_to(command);
	const pid_t pid = check(vfork(), "vfork");

	if (!pid) {
		execv(pointers[0], pointers.data());
		_exit(127);
	}
	child::adopt(pid).wait_ok();
}

} // namespace

TEST(vfork_stays_outside_until_it_ends)
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });
	struct stat own {
	}, for_children{};
	timespec monotonic{};
	const pid_t pid = check(vfork(), "vfork");

	if (!pid) {
		stat("/proc/self/ns/time", &own);
		stat("/proc/self/ns/time_for_children", &for_children);
		clock_gettime(CLOCK_MONOTONIC, &monotonic);
		_exit(0);
	}
	child::adopt(pid).wait_ok();
	expect_eq(time_namespaces{ own.st_ino, for_children.st_ino },
		  time_namespaces{ outside.namespaces.own, inside.namespaces.own });
	expect_soon_after(to_nanoseconds(monotonic), outside.clocks.monotonic);
}

TEST(vfork_enters_at_execve)
{
	vfork_and_exec(view_command(unshare_with({ 1000s, 2000s })));
}

TEST(the_parent_of_a_vfork_stays_outside)
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });

	vfork_and_exec(view_command(inside));
	expect_view({ { outside.namespaces.own, inside.namespaces.own }, outside.clocks });
}

TEST(vfork_and_execve_freeze)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	vfork_and_exec(view_command(inside));
	expect_errno(write_offsets("monotonic 1 0\n"), EACCES);
}

TEST(vfork_in_a_namespace_stays_there)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	child([&] { vfork_and_exec(view_command(inside)); }).wait_ok();
}

TEST(a_spawned_program_is_in_the_pending_namespace)
{
	auto command = view_command(unshare_with({ 1000s, 2000s }));
	const std::vector<char *> pointers = pointers_to(command);
	pid_t pid;

	errno = posix_spawn(&pid, pointers[0], nullptr, nullptr, pointers.data(), environ);
	check(-errno, "posix_spawn");
	child::adopt(pid).wait_ok();
}

TEST(a_spawn_that_fails_does_not_freeze)
{
	char name[] = "/proc/self/no_such_file";
	char *const arguments[] = { name, nullptr };
	pid_t pid;

	unshare_time();
	expect_eq(posix_spawn(&pid, name, nullptr, nullptr, arguments, environ), ENOENT);
	check(write_offsets("monotonic 1 0\n"), "write");
}
