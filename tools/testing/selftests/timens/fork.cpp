// SPDX-License-Identifier: GPL-2.0-only
/* Entering by fork(2), clone(2) and clone3(2). */
#include "capability.hpp"
#include "kernel.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace timens;

TEST(fork_enters_the_pending_namespace)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	child([&] { expect_view(inside); }).wait_ok();
}

TEST(the_parent_stays_outside)
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });

	child([] {}).wait_ok();
	expect_view({ { outside.namespaces.own, inside.namespaces.own }, outside.clocks });
}

TEST(every_later_child_enters_the_same_namespace)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	for (int i = 0; i < 3; i++)
		child([&] { expect_view(inside); }).wait_ok();
}

TEST(grandchildren_are_in_the_namespace)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	child([&] { child([&] { expect_view(inside); }).wait_ok(); }).wait_ok();
}

TEST(a_child_without_a_pending_namespace_stays_where_its_parent_is)
{
	const time_view outside = view_here();

	child([&] { expect_view(outside); }).wait_ok();
}

TEST(entering_by_fork_needs_no_capability)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	keep_only_capabilities({});
	child([&] { expect_view(inside); }).wait_ok();
}

TEST(a_child_with_other_new_namespaces_enters_as_well)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	child([&] { expect_view(inside); }, CLONE_NEWNS).wait_ok();
}

TEST(a_child_with_other_new_namespaces_stays_where_its_parent_is)
{
	const time_view here = view_here();

	child([&] { expect_view(here); }, CLONE_NEWNS).wait_ok();
	enter(make_namespace({ 1000s, 2000s }));

	const time_view inside = view_here();

	child([&] { expect_view(inside); }, CLONE_NEWNS).wait_ok();
}

TEST(negative_offsets_move_the_clocks_back)
{
	/* To about zero; the clocks of a machine are at least that old. */
	const time_view outside = view_here();
	const auto down_to_zero = [](nanoseconds clock) {
		return -std::chrono::floor<seconds>(clock);
	};
	const offsets value{ down_to_zero(outside.clocks.monotonic),
			     down_to_zero(outside.clocks.boottime) };

	in_namespace(value, [] {
		for (const auto &reader : clock_readers()) {
			expect_soon_after(reader.read(CLOCK_MONOTONIC), 0s, reader.name);
			expect_soon_after(reader.read(CLOCK_BOOTTIME), 0s, reader.name);
		}
	});
}

/* clone3(2) */

TEST(clone3_starts_the_child_in_a_new_namespace)
{
	const time_view outside = view_here();

	child(
		[&] {
			const time_namespaces own = namespaces_of();

			expect_ne(own.own, outside.namespaces.own);
			expect_eq(own.for_children, own.own);
			expect_view({ own, outside.clocks });
		},
		CLONE_NEWTIME)
		.wait_ok();
}

TEST(clone3_leaves_the_parent_alone)
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });

	child([] {}, CLONE_NEWTIME).wait_ok();
	expect_view({ { outside.namespaces.own, inside.namespaces.own }, outside.clocks });
	/* The pending namespace has not been entered. */
	check(write_offsets("monotonic 1 0\n"), "write");
}

TEST(a_namespace_by_clone3_inherits_the_pending_offsets)
{
	const time_view pending = unshare_with({ 1000s, 2000s });

	child(
		[&] {
			const time_namespaces own = namespaces_of();

			expect_ne(own.own, pending.namespaces.own);
			expect_eq(read_offsets(), offsets{ 1000s, 2000s });
			expect_view({ own, pending.clocks });
		},
		CLONE_NEWTIME)
		.wait_ok();
}

TEST(clone3_needs_cap_sys_admin)
{
	drop_capability(CAP_SYS_ADMIN);
	expect_errno(try_clone3(CLONE_NEWTIME), EPERM);
	expect_errno(try_clone3(0), 0, "without the flag");
}

TEST(clone3_refuses_an_exit_signal_among_the_flags)
{
	expect_errno(try_clone3(CLONE_NEWTIME | SIGCHLD), EINVAL);
	expect_errno(try_clone3(CLONE_NEWTIME | 1), EINVAL);
}

TEST(clone3_that_shares_memory_makes_the_namespace_pending)
{
	const time_view outside = view_here();

	run_sharing_memory(
		[&] {
			const time_namespaces seen = namespaces_of();

			expect_eq(seen.own, outside.namespaces.own);
			expect_ne(seen.for_children, outside.namespaces.own);
			expect_view({ seen, outside.clocks });
			check(write_offsets("monotonic 1000 0\n"),
			      "write to the pending namespace");
		},
		CLONE_NEWTIME);
	expect_view(outside, "in the parent");
}

TEST(clone3_that_shares_memory_enters_at_execve)
{
	const time_view outside = view_here();

	run_sharing_memory(
		[&] {
			const ino_t pending = namespaces_of().for_children;

			set_offsets({ 1000s, 2000s });
			exec_expecting({ { pending, pending },
					 { outside.clocks.monotonic + 1000s,
					   outside.clocks.boottime + 2000s } });
		},
		CLONE_NEWTIME);
}

TEST(clone3_of_a_thread_makes_the_namespace_pending)
{
	const time_view outside = view_here();

	run_sharing_memory(
		[&] {
			const time_namespaces seen = namespaces_of();

			expect_eq(seen.own, outside.namespaces.own);
			expect_ne(seen.for_children, outside.namespaces.own);
			expect_view({ seen, outside.clocks });
			child([&] { expect_eq(namespaces_of().own, seen.for_children); }).wait_ok();
		},
		CLONE_NEWTIME | CLONE_THREAD | CLONE_SIGHAND);
	expect_view(outside, "in the first thread");
}

/* clone(2) */

TEST(clone_takes_the_flag_for_a_part_of_the_exit_signal)
{
	const time_namespaces before = namespaces_of();
	channel<time_namespaces> seen;
	const pid_t pid = clone_with(CLONE_NEWTIME | SIGCHLD);

	if (!pid) {
		seen.send(namespaces_of());
		_exit(0);
	}

	child made = child::adopt(pid);

	expect_eq(seen.receive(made), before);
	made.wait_ok();
	expect_eq(namespaces_of(), before, "of the parent");
}

TEST(a_process_that_shares_memory_stays_outside)
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });
	const time_view unchanged{ { outside.namespaces.own, inside.namespaces.own },
				   outside.clocks };

	run_sharing_memory([&] {
		expect_view(unchanged);
		child([&] { expect_view(inside, "its child"); }).wait_ok();
	});
	expect_view(unchanged, "the parent");
}
