// SPDX-License-Identifier: GPL-2.0-only
/*
 * unshare(CLONE_NEWTIME): whom it concerns, who may, and how many namespaces
 * there may be (namespaces(7), /proc/sys/user/max_time_namespaces).
 */
#include "capability.hpp"
#include "kernel.hpp"

#include <set>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace timens;

namespace
{

} // namespace

TEST(unshare_changes_only_the_namespace_for_children)
{
	const time_namespaces before = namespaces_of();

	unshare_time();
	expect_eq(namespaces_of().own, before.own);
	expect_ne(namespaces_of().for_children, before.for_children);
}

TEST(unshare_does_not_move_the_clocks_of_the_caller)
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });

	expect_view({ { outside.namespaces.own, inside.namespaces.own }, outside.clocks });
}

TEST(each_unshare_makes_a_new_namespace)
{
	std::vector<unique_fd> kept;
	std::set<ino_t> seen{ namespaces_of().own };

	for (int i = 0; i < 100; i++) {
		unshare_time();
		kept.push_back(pending_namespace());
		expect(seen.insert(ns_inode(kept.back())).second, "the inode number is a new one");
	}
}

TEST(a_pending_namespace_that_is_replaced_is_not_entered)
{
	unshare_time();
	set_offsets({ 5000s, 5000s });
	unshare_time();
	set_offsets({ 1000s, 1000s });

	const nanoseconds outside = now(CLOCK_MONOTONIC);
	const ino_t last = namespaces_of().for_children;

	child([&] {
		expect_eq(namespaces_of(), time_namespaces{ last, last });
		expect_soon_after(now(CLOCK_MONOTONIC), outside + 1000s);
	}).wait_ok();
}

TEST(cap_sys_admin_is_needed)
{
	const time_namespaces before = namespaces_of();

	drop_capability(CAP_SYS_ADMIN);
	expect_errno(unshare(CLONE_NEWTIME), EPERM);
	expect_eq(namespaces_of(), before);
}

TEST(cap_sys_admin_is_enough)
{
	keep_only_capabilities({ CAP_SYS_ADMIN });
	unshare_time();
}

TEST(a_multi_threaded_process_may_unshare)
{
	const idle_thread other;

	unshare_time();
}

TEST(a_process_that_shares_its_memory_may_unshare)
{
	const time_namespaces before = namespaces_of();

	run_sharing_memory([&] {
		unshare_time();
		expect_eq(namespaces_of().own, before.own);
		expect_ne(namespaces_of().for_children, before.for_children);
	});
	expect_eq(namespaces_of(), before, "of the other process");
}

TEST(the_flag_combines_with_others)
{
	const time_namespaces before = namespaces_of();
	const ino_t mounts = ns_inode("/proc/self/ns/mnt");

	check(unshare(CLONE_NEWTIME | CLONE_NEWNS), "unshare");
	expect_eq(namespaces_of().own, before.own);
	expect_ne(namespaces_of().for_children, before.for_children);
	expect_ne(ns_inode("/proc/self/ns/mnt"), mounts);
}

TEST(a_refused_combination_changes_nothing)
{
	const time_namespaces before = namespaces_of();
	const idle_thread other;

	expect_errno(unshare(CLONE_NEWTIME | CLONE_THREAD), EINVAL);
	expect_errno(unshare(CLONE_NEWTIME | CLONE_NEWUSER), EINVAL);
	expect_eq(namespaces_of(), before);
}

/* Limits. */

TEST(more_namespaces_than_the_limit_is_no_space)
{
	enter_user_namespace();
	limit_namespaces("time", 2);
	unshare_time();

	unique_fd first = pending_namespace();

	unshare_time();

	const time_namespaces before = namespaces_of();

	expect_errno(unshare(CLONE_NEWTIME), ENOSPC);
	expect_errno(try_clone3(CLONE_NEWTIME), ENOSPC);
	expect_eq(namespaces_of(), before);
	first.close();
	unshare_time();
}

TEST(a_limit_of_zero_allows_none)
{
	enter_user_namespace();
	limit_namespaces("time", 0);
	expect_errno(unshare(CLONE_NEWTIME), ENOSPC);
}

TEST(the_limit_of_an_ancestor_counts)
{
	enter_user_namespace();
	limit_namespaces("time", 1);
	enter_user_namespace();
	unshare_time();
	expect_errno(unshare(CLONE_NEWTIME), ENOSPC);
}

TEST(the_capability_comes_before_the_limit)
{
	enter_user_namespace();
	limit_namespaces("time", 0);
	drop_capability(CAP_SYS_ADMIN);
	expect_errno(unshare(CLONE_NEWTIME), EPERM);
}

TEST(a_replaced_namespace_gives_its_count_back)
{
	enter_user_namespace();
	/* The new one is made before the old one goes. */
	limit_namespaces("time", 2);
	for (int i = 0; i < 1000; i++)
		unshare_time();
}

TEST(the_namespace_of_ended_tasks_gives_its_count_back)
{
	enter_user_namespace();
	limit_namespaces("time", 1);
	for (int i = 0; i < 100; i++)
		child([] {
			unshare_time();
			child([] {}).wait_ok();
		}).wait_ok();
	for (int i = 0; i < 100; i++)
		child([] {}, CLONE_NEWTIME).wait_ok();
}

TEST(a_descriptor_keeps_the_count)
{
	enter_user_namespace();
	limit_namespaces("time", 1);

	unique_fd kept = make_namespace({});

	expect_errno(unshare(CLONE_NEWTIME), ENOSPC);
	kept.close();
	unshare_time();
}
