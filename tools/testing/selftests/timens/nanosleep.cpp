// SPDX-License-Identifier: GPL-2.0-only
/* clock_nanosleep(2): until when a task in a namespace sleeps. */
#include "calls.hpp"
#include "kernel.hpp"
#include "shifts.hpp"
#include "waiting.hpp"

#include <cerrno>
#include <vector>

#include <signal.h>

using namespace timens;

namespace
{

/* More than prctl(PR_SET_TIMERSLACK) has by default. */
constexpr nanoseconds timer_slack = 1ms;

/* Runs the body with each clock and each width. */
template <class function> void each_sleep(function body)
{
	for (clockid_t clock : timer_clocks())
		for (const auto &calls : all_time_calls())
			if (calls.can_express(system_now(clock) + patience))
				body(clock, calls, clock_by(clock, calls.name));
}

template <class function> void each_sleep_in_each_shift(function body)
{
	in_each_shift([&](const shift &) {
		const watchdog guard;

		each_sleep(body);
	});
}

/* Sleeps until a time on the clock, and checks that it is that time. */
void sleep_until(clockid_t clock, const time_calls &calls, nanoseconds deadline)
{
	const auto name = clock_by(clock, calls.name);
	const outcome slept =
		calls.clock_nanosleep(clock, TIMER_ABSTIME, to_time_value(deadline), nullptr);
	const auto woken = system_now(clock);

	expect_errno(slept, 0, name);
	expect_ge(woken, deadline, name);
	expect_le(woken, deadline + patience, name);
}

/* Interrupts processes that are to sleep for long, and to end for it. */
void interrupt_all(std::vector<child> &sleeping, const time_calls &calls)
{
	for (child &process : sleeping)
		wait_blocked(process, calls.clock_nanosleep_number);
	expect_still_blocked(sleeping);
	for (child &process : sleeping) {
		process.kill(SIGUSR1);
		process.wait_ok();
	}
}

} // namespace

TEST(a_sleep_ends_at_its_deadline, .timeout = 30s)
{
	each_sleep_in_each_shift([](clockid_t clock, const time_calls &calls, const auto &) {
		sleep_until(clock, calls, system_now(clock) + soon);
	});
}

TEST(a_deadline_in_the_past_ends_at_once, .timeout = 30s)
{
	each_sleep_in_each_shift([](clockid_t clock, const time_calls &calls, const auto &name) {
		const auto present = system_now(clock);

		for (nanoseconds deadline : { present - 1ns, present / 2, 1ns, 0ns })
			expect_errno(calls.clock_nanosleep(clock, TIMER_ABSTIME,
							   to_time_value(deadline), nullptr),
				     0, name + " until " + show(deadline));
	});
}

TEST(a_deadline_before_the_zero_of_the_host_ends_at_once, .timeout = 30s)
{
	/* The host has been up for less than these. */
	const offsets by{ 2 * now(CLOCK_MONOTONIC) + 1000s, 2 * now(CLOCK_BOOTTIME) + 1000s };

	in_namespace(by, [&] {
		const watchdog guard;

		for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME })
			for (const auto &calls : all_time_calls())
				for (auto early : { 1ns, nanoseconds(500s) })
					expect_errno(
						calls.clock_nanosleep(
							clock, TIMER_ABSTIME,
							to_time_value(offset_of(clock, by) - early),
							nullptr),
						0, clock_by(clock, calls.name));
	});
}

TEST(a_deadline_in_the_far_future_sleeps_until_a_signal, .timeout = 30s)
{
	const auto sleep_on = [](clockid_t clock, const time_calls &calls,
				 const time_value &deadline) {
		interrupt_on(SIGUSR1);
		expect_errno(calls.clock_nanosleep(clock, TIMER_ABSTIME, deadline, nullptr), EINTR,
			     clock_by(clock, calls.name));
	};

	in_each_shift([&](const shift &) {
		for (const auto &calls : all_time_calls()) {
			std::vector<child> sleeping;

			for (clockid_t clock : timer_clocks()) {
				if (!calls.can_express(system_now(clock) + patience))
					continue;
				for (const auto &deadline : far_deadlines)
					sleeping.emplace_back(
						[&] { sleep_on(clock, calls, deadline); });
			}
			interrupt_all(sleeping, calls);
		}
	});
}

TEST(a_handler_ends_a_sleep_even_if_it_restarts_calls, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		each_sleep([](clockid_t clock, const time_calls &calls, const std::string &name) {
			std::vector<child> sleeping;

			sleeping.emplace_back([&] {
				const auto deadline = system_now(clock) + 2 * patience;

				interrupt_on(SIGUSR1, SA_RESTART);
				expect_errno(calls.clock_nanosleep(clock, TIMER_ABSTIME,
								   to_time_value(deadline),
								   nullptr),
					     EINTR, name);
			});
			interrupt_all(sleeping, calls);
		});
	});
}

TEST(a_stopped_sleeper_keeps_its_deadline, .timeout = 30s)
{
	/* Again with more time if it ends before it can be stopped. */
	const auto stop_during_sleep = [](clockid_t clock, const time_calls &calls) {
		bool stopped = false;

		for (auto ahead = 50ms; !stopped; ahead *= 2) {
			child sleeping([&] {
				const watchdog guard;

				sleep_until(clock, calls, system_now(clock) + ahead);
			});

			stopped = blocks(sleeping, calls.clock_nanosleep_number) &&
				  stop_and_continue(sleeping);
			sleeping.wait_ok();
		}
	};

	in_each_shift([&](const shift &) {
		std::vector<child> tasks;

		each_sleep([&](clockid_t clock, const time_calls &calls, const auto &) {
			tasks.emplace_back([&, clock] { stop_during_sleep(clock, calls); });
		});
		for (child &task : tasks)
			task.wait_ok();
	});
}

TEST(relative_sleeps_are_as_long_as_outside, .timeout = 30s)
{
	each_sleep_in_each_shift([](clockid_t clock, const time_calls &calls, const auto &name) {
		const auto before = system_now(clock);
		const outcome slept = calls.clock_nanosleep(clock, 0, to_time_value(soon), nullptr);
		const auto woken = system_now(clock);

		expect_errno(slept, 0, name);
		expect_ge(woken, before + soon, name);
		expect_le(woken, before + soon + patience, name);
	});
}

TEST(an_interrupted_relative_sleep_tells_what_remains, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		each_sleep([](clockid_t clock, const time_calls &calls, const std::string &name) {
			const nanoseconds whole = 2 * patience;
			const auto before = system_now(clock);
			std::vector<child> sleeping;

			sleeping.emplace_back([&] {
				time_value remaining;

				interrupt_on(SIGUSR1);
				expect_errno(calls.clock_nanosleep(clock, 0, to_time_value(whole),
								   &remaining),
					     EINTR, name);

				const auto elapsed = system_now(clock) - before;

				expect_le(to_nanoseconds(remaining), whole + timer_slack, name);
				expect_ge(to_nanoseconds(remaining), whole - elapsed, name);
			});
			interrupt_all(sleeping, calls);
		});
	});
}

TEST(clocks_without_sleep_and_bad_times_are_refused, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		for (const auto &calls : all_time_calls()) {
			const auto try_sleep = [&](clockid_t clock, time_value deadline) {
				return calls.clock_nanosleep(clock, TIMER_ABSTIME, deadline,
							     nullptr);
			};

			for (clockid_t clock :
			     { CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_COARSE })
				expect_errno(try_sleep(clock, { 1, 0 }), EOPNOTSUPP,
					     clock_by(clock, calls.name));
			for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME }) {
				const auto name = clock_by(clock, calls.name);

				expect_errno(try_sleep(clock, { -1, 0 }), EINVAL, name);
				expect_errno(try_sleep(clock, { 1, -1 }), EINVAL, name);
				expect_errno(try_sleep(clock, { 1, 1'000'000'000 }), EINVAL, name);
			}
		}
	});
}
