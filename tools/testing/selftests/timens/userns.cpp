// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns a time namespace, and what that allows: user_namespaces(7),
 * ioctl_ns(2).
 */
#include "capability.hpp"
#include "kernel.hpp"
#include "waiting.hpp"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr uid_t ordinary_user = 1000;

/* The inode number of the user namespace that owns a namespace. */
ino_t owner_of(const unique_fd &ns)
{
	return ns_inode(unique_fd(check(ioctl(ns.get(), NS_GET_USERNS), "ioctl NS_GET_USERNS")));
}

ino_t own_user_namespace()
{
	return ns_inode("/proc/self/ns/user");
}

} // namespace

TEST(an_ordinary_user_cannot_make_a_time_namespace)
{
	become_user(ordinary_user);
	expect_errno(unshare(CLONE_NEWTIME), EPERM);
}

TEST(an_ordinary_user_makes_one_together_with_a_user_namespace)
{
	const time_view outside = view_here();

	become_user(ordinary_user);
	enter_user_namespace(CLONE_NEWTIME);
	set_offsets({ 1000s, 2000s });

	const ino_t created = namespaces_of().for_children;

	expect_view({ { outside.namespaces.own, created }, outside.clocks });
	child([&] {
		expect_view(
			{ { created, created },
			  { outside.clocks.monotonic + 1000s, outside.clocks.boottime + 2000s } });
	}).wait_ok();
}

TEST(an_ordinary_user_makes_one_inside_a_user_namespace)
{
	become_user(ordinary_user);
	enter_user_namespace();
	unshare_time();
	set_offsets({ 1000s, 2000s });
	child([] { expect_eq(read_offsets(), offsets{ 1000s, 2000s }); }).wait_ok();
}

TEST(the_initial_namespace_belongs_to_the_initial_user_namespace)
{
	expect_eq(owner_of(pending_namespace()), own_user_namespace());
}

TEST(the_user_namespace_of_the_creator_owns)
{
	unshare_time();

	const unique_fd before = pending_namespace();
	const ino_t initial = own_user_namespace();

	expect_eq(owner_of(before), initial);
	enter_user_namespace();
	unshare_time();
	expect_eq(owner_of(pending_namespace()), own_user_namespace());
	expect_ne(owner_of(pending_namespace()), initial);
}

TEST(of_two_that_are_made_together_the_user_namespace_owns)
{
	const ino_t initial = own_user_namespace();

	enter_user_namespace(CLONE_NEWTIME);
	expect_eq(owner_of(pending_namespace()), own_user_namespace());
	expect_ne(own_user_namespace(), initial);
}

TEST(clone3_makes_both_together_for_an_ordinary_user)
{
	become_user(ordinary_user);

	const time_namespaces outside = namespaces_of();

	child(
		[&] {
			const unique_fd own = open_file("/proc/self/ns/time", O_RDONLY);

			expect_ne(ns_inode(own), outside.own);
			expect_eq(owner_of(own), own_user_namespace());
		},
		CLONE_NEWUSER | CLONE_NEWTIME)
		.wait_ok();
}

TEST(the_owner_is_hidden_from_its_descendants)
{
	const unique_fd initial = pending_namespace();

	enter_user_namespace();
	expect_errno(ioctl(initial.get(), NS_GET_USERNS), EPERM);
}

TEST(entering_a_user_namespace_gives_no_right_to_the_time_namespace)
{
	enter_user_namespace();
	expect_errno(write_offsets("monotonic 1 0\n"), EPERM,
		     "EPERM, not EACCES for a frozen namespace");
}

TEST(a_user_namespace_within_has_no_right_to_the_time_namespace)
{
	enter_user_namespace(CLONE_NEWTIME);
	check(write_offsets("monotonic 1 0\n"), "write by the owner");

	const unique_fd created = pending_namespace();

	enter_user_namespace();
	expect_errno(write_offsets("monotonic 2 0\n"), EPERM);
	expect_errno(setns(created.get(), CLONE_NEWTIME), EPERM);
}

TEST(root_outside_enters_what_a_user_namespace_owns)
{
	gate created;
	child owner([&] {
		become_user(ordinary_user);
		enter_user_namespace(CLONE_NEWTIME);
		created.open();
		pause();
	});

	created.wait(owner);
	enter(open_file(owner.proc("ns/time_for_children"), O_RDONLY));
}

TEST(setns_enters_the_user_namespace_and_then_what_it_owns)
{
	gate created;
	child owner([&] {
		become_user(ordinary_user);
		enter_user_namespace(CLONE_NEWTIME);
		created.open();
		pause();
	});

	created.wait(owner);

	const unique_fd users = open_file(owner.proc("ns/user"), O_RDONLY);
	const unique_fd time = open_file(owner.proc("ns/time_for_children"), O_RDONLY);

	become_user(ordinary_user);
	expect_errno(setns(time.get(), CLONE_NEWTIME), EPERM, "before");
	check(setns(users.get(), CLONE_NEWUSER), "setns(CLONE_NEWUSER)");
	enter(time);
	expect_eq(namespaces_of().own, ns_inode(time));
}

TEST(a_pair_that_fails_leaves_the_user_namespace_alone)
{
	enter_user_namespace();

	const ino_t before = own_user_namespace();

	limit_namespaces("time", 0);
	expect_errno(unshare(CLONE_NEWUSER | CLONE_NEWTIME), ENOSPC);
	expect_eq(own_user_namespace(), before);
}

TEST(the_owner_is_released_with_the_namespace, .timeout = 30s)
{
	constexpr int limit = 20;

	enter_user_namespace();
	limit_namespaces("user", limit);
	for (int i = 0; i < 10 * limit; i++)
		child([] {
			const auto deadline = now(CLOCK_MONOTONIC) + patience;

			/* A user namespace ends some time after its last reference. */
			while (unshare(CLONE_NEWUSER | CLONE_NEWTIME)) {
				expect_errno(-1, ENOSPC, "unshare");
				expect_le(now(CLOCK_MONOTONIC), deadline,
					  "the end of earlier user namespaces");
				sched_yield();
			}
		}).wait_ok();
}
