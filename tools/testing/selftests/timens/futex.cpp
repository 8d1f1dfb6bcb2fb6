// SPDX-License-Identifier: GPL-2.0-only
/*
 * futex(2), futex_waitv(2) and futex_wait(2): until when a task in a namespace
 * waits. All timeouts are absolute, but for FUTEX_WAIT.
 */
#include "calls.hpp"
#include "futex_waits.hpp"
#include "kernel.hpp"
#include "shifts.hpp"
#include "waiting.hpp"

#include <memory>
#include <vector>

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

void wait_all(std::vector<child> &tasks)
{
	for (child &task : tasks)
		task.wait_ok();
}

/* Waits until a time on the clock, and checks that it is that time. */
void expect_timeout(timed_wait &wait, nanoseconds deadline)
{
	const watchdog guard;
	const outcome waited = wait.wait(to_time_value(deadline));
	const auto present = system_now(wait.clock);

	expect_errno(waited, ETIMEDOUT, wait.name);
	expect_ge(present, deadline, wait.name);
	expect_le(present, deadline + patience, wait.name);
}

} // namespace

TEST(a_wait_times_out_at_its_deadline, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto waits = all_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits)
			tasks.emplace_back(
				[&] { expect_timeout(*wait, system_now(wait->clock) + soon); });
		wait_all(tasks);
	});
}

TEST(a_deadline_in_the_past_times_out_at_once, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto waits = all_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits)
			tasks.emplace_back([&] {
				const watchdog guard;
				const auto present = system_now(wait->clock);

				for (nanoseconds deadline :
				     { present - 1ns, present / 2, 1ns, 0ns })
					expect_errno(wait->wait(to_time_value(deadline)), ETIMEDOUT,
						     wait->name + " until " + show(deadline));
			});
		wait_all(tasks);
	});
}

TEST(a_deadline_before_the_zero_of_the_host_times_out_at_once, .timeout = 30s)
{
	/* The host has been up for less than this. */
	const offsets by{ 2 * now(CLOCK_MONOTONIC) + 1000s, 0s };

	in_namespace(by, [&] {
		const auto waits = all_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits) {
			if (wait->clock != CLOCK_MONOTONIC)
				continue;
			tasks.emplace_back([&] {
				const watchdog guard;

				for (nanoseconds early : { 1ns, nanoseconds(500s) })
					expect_errno(
						wait->wait(to_time_value(by.monotonic - early)),
						ETIMEDOUT, wait->name);
			});
		}
		wait_all(tasks);
	});
}

TEST(a_wait_with_a_far_deadline_ends_when_it_is_woken, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		std::vector<std::unique_ptr<timed_wait>> waits;
		std::vector<child> tasks;

		for (const time_value &deadline : far_deadlines)
			for (auto &wait : all_waits()) {
				waits.push_back(std::move(wait));
				tasks.emplace_back([&] {
					expect_errno(waits.back()->wait(deadline), 0,
						     waits.back()->name);
				});
			}
		for (std::size_t i = 0; i < waits.size(); i++)
			wait_blocked(tasks[i], waits[i]->number);
		expect_still_blocked(tasks);
		for (const auto &wait : waits)
			wait->wake();
		wait_all(tasks);
	});
}

TEST(a_stopped_waiter_keeps_its_deadline, .timeout = 30s)
{
	/* Again with more time if it ends before it can be stopped. */
	const auto stop_during_wait = [](timed_wait &wait) {
		bool stopped = false;

		for (auto ahead = 50ms; !stopped; ahead *= 2) {
			child waiting(
				[&] { expect_timeout(wait, system_now(wait.clock) + ahead); });

			stopped = blocks(waiting, wait.number) && stop_and_continue(waiting);
			waiting.wait_ok();
		}
	};

	in_each_shift([&](const shift &) {
		const auto waits = all_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits)
			tasks.emplace_back([&] { stop_during_wait(*wait); });
		wait_all(tasks);
	});
}

TEST(a_wait_that_has_moved_to_a_lock_keeps_its_deadline, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_REALTIME })
			for (const auto &calls : all_time_calls()) {
				long long moved = 0;

				if (!calls.can_express(system_now(clock) + patience))
					continue;

				/* Again with more time if it is over before. */
				for (auto ahead = 20ms; !moved; ahead *= 2) {
					const held_lock lock;
					wait_requeue_pi wait(clock, calls);
					child waiting([&] {
						const watchdog guard;
						const auto deadline = system_now(clock) + ahead;

						expect_errno(wait.wait(to_time_value(deadline),
								       lock.get()),
							     ETIMEDOUT, wait.name);
						expect_ge(system_now(clock), deadline, wait.name);
					});

					if (blocks(waiting, wait.number))
						moved = wait.requeue(lock.get());
					waiting.wait_ok();
				}
			}
	});
}

TEST(a_relative_wait_is_as_long_as_outside, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		for (const auto &calls : all_time_calls()) {
			const auto name = "FUTEX_WAIT by " + std::string(calls.name);
			const auto duration = to_time_value(soon);
			const watchdog guard;
			std::uint32_t word = 0;
			const auto before = now(CLOCK_MONOTONIC);
			const outcome waited =
				calls.futex(&word, FUTEX_WAIT, 0, &duration, nullptr, 0);
			const auto after = now(CLOCK_MONOTONIC);

			expect_errno(waited, ETIMEDOUT, name);
			expect_ge(after, before + soon, name);
			expect_le(after, before + soon + patience, name);
		}
	});
}

TEST(a_stopped_relative_wait_goes_on_for_the_rest, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto &calls = all_time_calls().front();
		bool stopped = false;

		for (auto length = 50ms; !stopped; length *= 2) {
			const auto before = now(CLOCK_MONOTONIC);
			child waiting([&] {
				const watchdog guard;
				const auto duration = to_time_value(length);
				std::uint32_t word = 0;

				expect_errno(
					calls.futex(&word, FUTEX_WAIT, 0, &duration, nullptr, 0),
					ETIMEDOUT, "FUTEX_WAIT");
			});

			stopped = blocks(waiting, calls.futex_number) && stop_and_continue(waiting);
			waiting.wait_ok();
			expect_ge(now(CLOCK_MONOTONIC), before + length);
		}
	});
}

TEST(a_handler_interrupts_a_wait, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		for (const auto &wait : all_waits()) {
			/* The others have it restarted, whatever the handler's flags. */
			if (!dynamic_cast<plain_wait *>(wait.get()))
				continue;

			child waiting([&] {
				interrupt_on(SIGUSR1);
				expect_errno(wait->wait(ktime_max), EINTR, wait->name);
			});

			wait_blocked(waiting, wait->number);
			waiting.kill(SIGUSR1);
			waiting.wait_ok();
		}
	});
}

TEST(bad_times_and_clocks_are_refused, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		for (const auto &wait : all_waits())
			for (const time_value &bad :
			     { time_value{ -1, 0 }, { 1, -1 }, { 1, 1'000'000'000 } })
				expect_errno(wait->wait(bad), EINVAL, wait->name);
		for (clockid_t clock :
		     { CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI }) {
			expect_errno(futex_waitv_wait(clock).wait({ 1, 0 }), EINVAL,
				     "futex_waitv " + clock_name(clock));
			expect_errno(futex_wait_wait(clock).wait({ 1, 0 }), EINVAL,
				     "futex_wait " + clock_name(clock));
		}
	});
}
