// SPDX-License-Identifier: GPL-2.0-only
/*
 * setns(2) with the file of a time namespace, and what ioctl_ns(2) says about
 * such files. For setns() with a pidfd see pidfd.cpp.
 */
#include "capability.hpp"
#include "kernel.hpp"

#include <atomic>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* What a task sees after it entered a namespace from the initial one. */
time_view inside(const time_view &outside, const unique_fd &ns, const offsets &value)
{
	return { { ns_inode(ns), ns_inode(ns) },
		 { outside.clocks.monotonic + value.monotonic,
		   outside.clocks.boottime + value.boottime } };
}

/* A process that shares this one's memory, though no thread, while it exists. */
class memory_sharer {
public:
	memory_sharer()
		: stack(new char[stack_size])
	{
		pid = check(
			clone(sleep_forever, stack.get() + stack_size, CLONE_VM | SIGCHLD, nullptr),
			"clone");
	}
	~memory_sharer()
	{
		kill(pid, SIGKILL);
		waitpid(pid, nullptr, 0);
	}

private:
	static constexpr std::size_t stack_size = 65536;

	static int sleep_forever(void *)
	{
		for (;;)
			pause();
	}

	std::unique_ptr<char[]> stack;
	pid_t pid;
};

} // namespace

TEST(setns_enters_by_the_file_of_a_task)
{
	const time_view outside = view_here();
	gate entered;
	child other([&] {
		unshare_time();
		set_offsets({ 1000s, 2000s });
		child([&] {
			entered.open();
			pause();
		}).wait_ok();
	});

	entered.wait(other);

	/* The other's child is in it, the other has it pending. */
	const unique_fd ns = open_file(other.proc("ns/time_for_children"), O_RDONLY);

	for (int type : { 0, CLONE_NEWTIME })
		child([&] {
			check(setns(ns.get(), type), "setns");
			expect_view(inside(outside, ns, { 1000s, 2000s }));
		}).wait_ok();
}

TEST(setns_enters_by_the_file_of_the_own_namespace_of_a_task)
{
	const time_view outside = view_here();
	channel<pid_t> pid;
	child other([&] {
		unshare_time();
		set_offsets({ 1000s, 2000s });
		child([&] {
			pid.send(getpid());
			pause();
		}).wait_ok();
	});
	const std::string task = "/proc/" + std::to_string(pid.receive(other));
	const unique_fd ns = open_file(task + "/ns/time", O_RDONLY);

	for (int type : { 0, CLONE_NEWTIME })
		child([&] {
			check(setns(ns.get(), type), "setns");
			expect_view(inside(outside, ns, { 1000s, 2000s }));
		}).wait_ok();
}

TEST(setns_enters_a_namespace_that_has_no_task)
{
	const time_view outside = view_here();
	const unique_fd ns = make_namespace({ 1000s, 2000s });

	enter(ns);
	expect_view(inside(outside, ns, { 1000s, 2000s }));
}

TEST(children_and_threads_after_setns_are_in_the_namespace)
{
	const time_view outside = view_here();
	const unique_fd ns = make_namespace({ 1000s, 2000s });
	const time_view expected = inside(outside, ns, { 1000s, 2000s });

	enter(ns);
	child([&] { expect_view(expected, "child"); }).wait_ok();
	child([&] { exec_expecting(expected); }).wait_ok();
	std::thread([&] { expect_view(expected, "thread"); }).join();
}

TEST(setns_replaces_a_pending_namespace)
{
	const time_view outside = view_here();
	const unique_fd initial = open_file("/proc/self/ns/time", O_RDONLY);

	unshare_with({ 1000s, 2000s });
	enter(initial);
	expect_view(outside);
	child([&] { expect_view(outside, "child"); }).wait_ok();
}

TEST(setns_moves_between_namespaces_and_back)
{
	const time_view outside = view_here();
	const unique_fd initial = open_file("/proc/self/ns/time", O_RDONLY);
	const unique_fd first = make_namespace({ 1000s, 2000s });
	const unique_fd second = make_namespace({ 5000s, 6000s });
	const unique_fd zero = make_namespace({});

	/* The vvar pages of each have to go from the caller's memory. */
	for (int round = 0; round < 50; round++) {
		enter(first);
		expect_view(inside(outside, first, { 1000s, 2000s }));
		enter(second);
		expect_view(inside(outside, second, { 5000s, 6000s }));
		enter(zero);
		expect_view(inside(outside, zero, {}));
		enter(first);
		expect_view(inside(outside, first, { 1000s, 2000s }));
		enter(initial);
		expect_view(outside);
	}
}

TEST(setns_to_the_own_namespace_changes_nothing)
{
	const time_view outside = view_here();

	enter(open_file("/proc/self/ns/time", O_RDONLY));
	expect_view(outside);
}

TEST(setns_enters_the_own_pending_namespace)
{
	const time_view expected = unshare_with({ 1000s, 2000s });

	enter(open_file("/proc/self/ns/time_for_children", O_RDONLY));
	expect_view(expected);
}

TEST(cap_sys_admin_is_enough)
{
	const unique_fd ns = make_namespace({});

	keep_only_capabilities({ CAP_SYS_ADMIN });
	enter(ns);
}

TEST(tasks_that_enter_together_see_the_clocks_at_once, .timeout = 30s,
     .differs_from_stock = "at times: a second task gets in before the vvar page is filled")
{
	constexpr int parties = 4;
	constexpr int rounds = 300;
	const nanoseconds earlier = now(CLOCK_MONOTONIC_COARSE) + 1000s;
	const std::string path = "/proc/" + std::to_string(getpid()) + "/ns/time_for_children";
	const unique_fd initial = open_file("/proc/self/ns/time", O_RDONLY);
	process_barrier barrier(parties + 1);
	/* The first clock that was wrong; others go on, as the barrier counts on all. */
	const shared<std::atomic<std::int64_t>> wrong(0);
	const shared<std::atomic<bool>> failed(false);
	std::vector<child> tasks;

	for (int i = 0; i < parties; i++)
		tasks.emplace_back([&] {
			for (int round = 0; round < rounds; round++) {
				barrier.wait();

				const unique_fd ns = open_file(path, O_RDONLY);

				barrier.wait();
				enter(ns);

				/* The vDSO never asks the kernel for this one. */
				const nanoseconds clock = now(CLOCK_MONOTONIC_COARSE);

				if (clock < earlier && !failed->exchange(true))
					*wrong = clock.count();
				enter(initial);
			}
		});
	for (int round = 0; round < rounds; round++) {
		unshare_time();
		set_offsets({ 1000s, 2000s });
		barrier.wait();
		barrier.wait();
	}
	for (child &task : tasks)
		task.wait_ok();
	if (*failed)
		expect_soon_after(nanoseconds(*wrong), earlier);
}

/* Refusals. */

TEST(a_multi_threaded_process_cannot_change)
{
	const time_view outside = view_here();
	const unique_fd ns = make_namespace({ 1000s, 2000s });

	{
		const idle_thread other;

		expect_errno(setns(ns.get(), CLONE_NEWTIME), EUSERS, "first thread");
		std::thread([&] { expect_errno(setns(ns.get(), 0), EUSERS, "new thread"); }).join();
	}
	expect_view(outside);
}

TEST(a_process_that_shares_its_memory_cannot_change)
{
	const time_view outside = view_here();
	const unique_fd ns = make_namespace({ 1000s, 2000s });

	{
		const memory_sharer other;

		expect_errno(setns(ns.get(), CLONE_NEWTIME), EUSERS);
	}
	expect_view(outside);
	enter(ns);
}

TEST(a_vfork_child_cannot_change_before_execve)
{
	const unique_fd ns = make_namespace({ 1000s, 2000s });

	run_sharing_memory([&] { expect_errno(setns(ns.get(), CLONE_NEWTIME), EUSERS); });
}

TEST(being_single_threaded_comes_before_the_capability)
{
	const unique_fd ns = make_namespace({});

	drop_capability(CAP_SYS_ADMIN);
	{
		const memory_sharer other;

		expect_errno(setns(ns.get(), CLONE_NEWTIME), EUSERS);
	}
	expect_errno(setns(ns.get(), CLONE_NEWTIME), EPERM);
}

TEST(cap_sys_admin_is_needed)
{
	const time_namespaces before = namespaces_of();
	const unique_fd ns = make_namespace({});

	drop_capability(CAP_SYS_ADMIN);
	expect_errno(setns(ns.get(), CLONE_NEWTIME), EPERM);
	expect_errno(setns(open_file("/proc/self/ns/time", O_RDONLY).get(), 0), EPERM,
		     "own namespace");
	expect_eq(namespaces_of(), before);
}

TEST(cap_sys_admin_is_wanted_in_the_user_namespace_that_owns)
{
	const unique_fd ns = make_namespace({});
	const unique_fd initial = open_file("/proc/self/ns/time", O_RDONLY);

	enter_user_namespace();
	expect_errno(setns(ns.get(), CLONE_NEWTIME), EPERM);
	expect_errno(setns(initial.get(), CLONE_NEWTIME), EPERM, "initial");
}

TEST(cap_sys_admin_is_wanted_in_the_own_user_namespace_too)
{
	gate created;
	child owner([&] {
		enter_user_namespace(CLONE_NEWTIME);
		created.open();
		pause();
	});

	created.wait(owner);

	const unique_fd ns = open_file(owner.proc("ns/time_for_children"), O_RDONLY);

	/* The creator of a user namespace has every capability in it. */
	drop_capability(CAP_SYS_ADMIN);
	expect_errno(setns(ns.get(), CLONE_NEWTIME), EPERM);
}

TEST(the_type_has_to_match)
{
	const unique_fd time = open_file("/proc/self/ns/time", O_RDONLY);
	const unique_fd mounts = open_file("/proc/self/ns/mnt", O_RDONLY);

	expect_errno(setns(time.get(), CLONE_NEWNS), EINVAL);
	expect_errno(setns(time.get(), CLONE_NEWTIME | CLONE_NEWNS), EINVAL);
	expect_errno(setns(time.get(), -1), EINVAL);
	expect_errno(setns(mounts.get(), CLONE_NEWTIME), EINVAL);
}

TEST(the_type_comes_before_being_single_threaded)
{
	const unique_fd time = open_file("/proc/self/ns/time", O_RDONLY);
	const idle_thread other;

	expect_errno(setns(time.get(), CLONE_NEWNS), EINVAL);
}

TEST(the_descriptor_has_to_be_a_namespace)
{
	expect_errno(setns(open_file("/proc/self/stat", O_RDONLY).get(), CLONE_NEWTIME), EINVAL,
		     "another file");
	expect_errno(setns(open_file("/proc/self/ns/time", O_PATH).get(), CLONE_NEWTIME), EBADF,
		     "a descriptor with O_PATH");
	expect_errno(setns(-1, CLONE_NEWTIME), EBADF);
	expect_errno(setns(1023, CLONE_NEWTIME), EBADF);
}

/* ioctl_ns(2) */

TEST(the_type_of_the_file_is_the_flag)
{
	for (const char *path : { "/proc/self/ns/time", "/proc/self/ns/time_for_children" })
		expect_eq(check(ioctl(open_file(path, O_RDONLY).get(), NS_GET_NSTYPE),
				"ioctl NS_GET_NSTYPE"),
			  CLONE_NEWTIME, path);
}

TEST(a_time_namespace_has_no_parent)
{
	unshare_time();
	expect_errno(
		ioctl(open_file("/proc/self/ns/time_for_children", O_RDONLY).get(), NS_GET_PARENT),
		EINVAL);
}

TEST(a_time_namespace_has_no_owner_uid)
{
	uid_t uid;

	expect_errno(ioctl(open_file("/proc/self/ns/time", O_RDONLY).get(), NS_GET_OWNER_UID, &uid),
		     EINVAL);
}
