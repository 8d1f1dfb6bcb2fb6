// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads: each is in the namespace of its process, and each can have pending
 * ones of its own.
 */
#include "kernel.hpp"

#include <future>
#include <latch>

#include <unistd.h>

using namespace timens;

namespace
{

/* Runs the body in a thread; what it throws is thrown here. */
void in_thread(const std::function<void()> &body)
{
	std::async(std::launch::async, body).get();
}

/* Of a thread that is not the first of its process, on any kernel. */
std::string offsets_file_of_thread()
{
	return "/proc/" + std::to_string(gettid()) + "/timens_offsets";
}

} // namespace

TEST(a_new_thread_stays_outside)
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });
	const time_view unchanged{ { outside.namespaces.own, inside.namespaces.own },
				   outside.clocks };

	in_thread([&] { expect_view(unchanged, "the thread"); });
	expect_view(unchanged, "the first thread");
}

TEST(the_child_of_a_new_thread_enters)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	in_thread([&] { child([&] { expect_view(inside); }).wait_ok(); });
}

TEST(unshare_does_not_concern_other_threads)
{
	const time_view outside = view_here();
	std::latch unshared(1);
	auto other = std::async(std::launch::async, [&] {
		unshared.wait();
		expect_view(outside, "a thread from before");
		child([&] { expect_view(outside, "its child"); }).wait_ok();
	});

	unshare_with({ 1000s, 2000s });
	unshared.count_down();
	other.get();
}

TEST(unshare_by_a_thread_concerns_only_this_thread)
{
	const time_view outside = view_here();

	in_thread([&] {
		unshare_time();
		set_offsets({ 1000s, 2000s }, offsets_file_of_thread());

		const time_namespaces seen = namespaces_of();

		expect_eq(seen.own, outside.namespaces.own);
		expect_ne(seen.for_children, outside.namespaces.own);
		expect_view({ seen, outside.clocks }, "the thread");
		child([&] {
			expect_view({ { seen.for_children, seen.for_children },
				      { outside.clocks.monotonic + 1000s,
					outside.clocks.boottime + 2000s } },
				    "the thread's child");
		}).wait_ok();
	});
	expect_view(outside, "the first thread");
	child([&] { expect_view(outside, "its child"); }).wait_ok();
}

TEST(threads_in_a_namespace_see_its_clocks)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	child([&] { in_thread([&] { expect_view(inside); }); }).wait_ok();
}

TEST(many_threads_have_a_namespace_each)
{
	const nanoseconds outside = now(CLOCK_MONOTONIC);
	std::vector<std::future<void>> threads;

	for (int i = 1; i <= 16; i++)
		threads.push_back(std::async(std::launch::async, [=] {
			const nanoseconds offset = 1000s * i;

			unshare_time();
			set_offsets({ offset, offset }, offsets_file_of_thread());
			child([=] {
				expect_soon_after(now(CLOCK_MONOTONIC), outside + offset);
			}).wait_ok();
		}));
	for (auto &thread : threads)
		thread.get();
}

/* execve(2) by a thread ends the others; its namespace is what counts. */

TEST(execve_by_a_new_thread_enters)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	in_thread([&] { exec_expecting(inside); });
}

TEST(execve_by_a_thread_that_unshared_enters)
{
	const time_view outside = view_here();

	in_thread([&] {
		unshare_time();
		set_offsets({ 1000s, 2000s }, offsets_file_of_thread());

		const ino_t pending = namespaces_of().for_children;

		exec_expecting(
			{ { pending, pending },
			  { outside.clocks.monotonic + 1000s, outside.clocks.boottime + 2000s } });
	});
}

TEST(execve_by_a_thread_does_not_enter_what_another_unshared)
{
	const time_view outside = view_here();
	std::latch unshared(1);
	auto other = std::async(std::launch::async, [&] {
		unshared.wait();
		exec_expecting(outside);
	});

	unshare_with({ 1000s, 2000s });
	unshared.count_down();
	other.get();
}

TEST(execve_with_idle_threads_enters)
{
	const idle_thread first, second;

	exec_expecting(unshare_with({ 1000s, 2000s }));
}
