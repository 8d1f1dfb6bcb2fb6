// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time namespaces of a process that is given as a pidfd: setns(2) since 5.8,
 * the ioctls PIDFD_GET_TIME_NAMESPACE and _TIME_FOR_CHILDREN_ since 6.11.
 */
#include "capability.hpp"
#include "kernel.hpp"

#include <future>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* <linux/pidfd.h> of 6.11; installed headers may be older. */
constexpr unsigned long get_time = _IO(0xFF, 7);
constexpr unsigned long get_time_for_children = _IO(0xFF, 8);

constexpr offsets shift{ 1000s, 2000s };

/* A process inside a namespace with these offsets, and another one pending. */
class target {
public:
	target()
		: holder([this] {
			unshare_time();
			set_offsets(shift);
			child([this] {
				unshare_time();
				pid.send(getpid());
				pause();
			}).wait_ok();
		})
		, id(pid.receive(holder))
	{
	}
	unique_fd pidfd() const
	{
		return unique_fd(check(syscall(SYS_pidfd_open, id, 0), "pidfd_open"));
	}
	std::string proc(const std::string &name = {}) const
	{
		return "/proc/" + std::to_string(id) + name;
	}

private:
	channel<pid_t> pid;
	child holder;
	const pid_t id;
};

unique_fd get_namespace(const unique_fd &process, unsigned long request)
{
	return unique_fd(check(ioctl(process.get(), request, 0), "ioctl of a pidfd"));
}

} // namespace

TEST(setns_enters_the_namespace_of_the_process)
{
	const time_view outside = view_here();
	const target process;
	const ino_t own = namespaces_of(process.proc()).own;

	check(setns(process.pidfd().get(), CLONE_NEWTIME), "setns");
	expect_view({ { own, own },
		      { outside.clocks.monotonic + shift.monotonic,
			outside.clocks.boottime + shift.boottime } });
}

TEST(setns_does_not_enter_what_the_process_has_pending)
{
	const time_namespaces before = namespaces_of();
	gate created, entered;
	child process([&] {
		unshare_time();
		created.open();
		entered.wait();
		/* Nobody has entered it. */
		check(write_offsets("monotonic 1 0\n"), "write");
	});

	created.wait(process);
	check(setns(process.pidfd().get(), CLONE_NEWTIME), "setns");
	expect_eq(namespaces_of(), before);
	entered.open();
	process.wait_ok();
}

TEST(setns_enters_several_namespaces_at_once)
{
	gate created;
	child holder([&] {
		check(unshare(CLONE_NEWNS), "unshare");
		unshare_time();
		enter(open_file("/proc/self/ns/time_for_children", O_RDONLY));
		created.open();
		pause();
	});

	created.wait(holder);
	check(setns(holder.pidfd().get(), CLONE_NEWNS | CLONE_NEWTIME), "setns");
	expect_eq(namespaces_of(), namespaces_of("/proc/" + std::to_string(holder.pid())));
	expect_eq(ns_inode("/proc/self/ns/mnt"), ns_inode(holder.proc("ns/mnt")));
}

TEST(setns_enters_all_or_none)
{
	constexpr char names[] = "/proc/self/ns/uts";
	const time_namespaces before = namespaces_of();
	const ino_t uts = ns_inode(names);
	gate created;
	child holder([&] {
		check(unshare(CLONE_NEWUTS), "unshare(CLONE_NEWUTS)");
		unshare_time();
		enter(open_file("/proc/self/ns/time_for_children", O_RDONLY));
		created.open();
		pause();
	});

	created.wait(holder);

	const unique_fd process = holder.pidfd();

	{
		/* It is the time namespace that refuses a second thread. */
		const idle_thread other;

		expect_errno(setns(process.get(), CLONE_NEWUTS | CLONE_NEWTIME), EUSERS);
		expect_eq(ns_inode(names), uts);
		expect_eq(namespaces_of(), before);
		check(setns(process.get(), CLONE_NEWUTS), "setns(CLONE_NEWUTS)");
	}
	expect_ne(ns_inode(names), uts);
}

TEST(setns_needs_a_flag)
{
	const target process;

	expect_errno(setns(process.pidfd().get(), 0), EINVAL);
}

TEST(setns_refuses_flags_that_are_no_namespace)
{
	const target process;

	expect_errno(setns(process.pidfd().get(), CLONE_NEWTIME | CLONE_VM), EINVAL);
	expect_errno(setns(process.pidfd().get(), CLONE_NEWTIME | 1), EINVAL);
}

TEST(a_multi_threaded_process_cannot_change)
{
	const target process;
	const idle_thread other;

	expect_errno(setns(process.pidfd().get(), CLONE_NEWTIME), EUSERS);
}

TEST(cap_sys_admin_is_needed)
{
	const target process;

	drop_capability(CAP_SYS_ADMIN);
	expect_errno(setns(process.pidfd().get(), CLONE_NEWTIME), EPERM);
}

TEST(the_right_to_trace_the_process_is_needed)
{
	const target process;
	const unique_fd pidfd = process.pidfd();
	const idle_thread other;

	become_user(1000);
	expect_errno(setns(pidfd.get(), CLONE_NEWTIME), EPERM, "before the threads are counted");
	expect_errno(ioctl(pidfd.get(), get_time, 0), EACCES);
	expect_errno(ioctl(pidfd.get(), get_time_for_children, 0), EACCES);
}

TEST(a_dead_process_has_no_namespace)
{
	child process([] {});
	const unique_fd pidfd = process.pidfd();
	const auto expect_dead = [&](std::string_view state) {
		expect_errno(setns(pidfd.get(), CLONE_NEWTIME), ESRCH, state);
		expect_errno(ioctl(pidfd.get(), get_time, 0), ESRCH, state);
		expect_errno(ioctl(pidfd.get(), get_time_for_children, 0), ESRCH, state);
	};

	process.wait_exited();
	expect_dead("zombie");
	process.wait_ok();
	expect_dead("reaped");
}

TEST(the_ioctls_give_both_namespaces)
{
	const target process;
	const time_namespaces expected = namespaces_of(process.proc());
	const unique_fd pidfd = process.pidfd();

	expect_ne(expected.own, expected.for_children);
	expect_eq(time_namespaces{ ns_inode(get_namespace(pidfd, get_time)),
				   ns_inode(get_namespace(pidfd, get_time_for_children)) },
		  expected);
}

TEST(the_ioctls_tell_threads_apart)
{
	/* PIDFD_THREAD of 6.9. */
	constexpr unsigned int of_thread = O_EXCL;
	const time_namespaces first = namespaces_of();

	std::async(std::launch::async, [&] {
		const unique_fd pidfd(
			check(syscall(SYS_pidfd_open, gettid(), of_thread), "pidfd_open"));

		unshare_time();
		expect_ne(namespaces_of().for_children, first.for_children);
		expect_eq(ns_inode(get_namespace(pidfd, get_time_for_children)),
			  namespaces_of().for_children);
	}).get();
}

TEST(the_ioctls_give_what_setns_takes)
{
	const target process;
	const time_namespaces expected = namespaces_of(process.proc());
	const unique_fd pidfd = process.pidfd();

	enter(get_namespace(pidfd, get_time));
	expect_eq(namespaces_of().own, expected.own);
	enter(get_namespace(pidfd, get_time_for_children));
	expect_eq(namespaces_of().own, expected.for_children);
}

TEST(a_descriptor_by_ioctl_is_closed_at_execve)
{
	const target process;
	const unique_fd ns = get_namespace(process.pidfd(), get_time);

	expect_eq(check(fcntl(ns.get(), F_GETFD), "fcntl"), FD_CLOEXEC);
}

TEST(the_ioctls_take_no_argument)
{
	const target process;

	expect_errno(ioctl(process.pidfd().get(), get_time, 1), EINVAL);
}

TEST(ioctls_say_when_the_kernel_has_no_time_namespaces, .time_namespaces = feature::absent)
{
	child process([] { pause(); });

	expect_errno(ioctl(process.pidfd().get(), get_time, 0), EOPNOTSUPP);
	expect_errno(ioctl(process.pidfd().get(), get_time_for_children, 0), EOPNOTSUPP);
}
