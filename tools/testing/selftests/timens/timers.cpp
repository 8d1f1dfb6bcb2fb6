// SPDX-License-Identifier: GPL-2.0-only
/* POSIX timers, timer_create(2): when those of a task in a namespace expire. */
#include "calls.hpp"
#include "kernel.hpp"
#include "shifts.hpp"
#include "timer_objects.hpp"
#include "waiting.hpp"

#include <algorithm>
#include <functional>
#include <list>

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* Runs the body with each clock and each width. */
template <class function> void each_timer(function body)
{
	block_expiry_signal();
	for (clockid_t clock : timer_clocks())
		for (const auto &calls : all_time_calls())
			if (calls.can_express(system_now(clock) + 2000s))
				body(clock, calls, clock_by(clock, calls.name));
}

template <class function> void each_timer_in_each_shift(function body)
{
	in_each_shift([&](const shift &) { each_timer(body); });
}

/* Arms the timer for soon and waits for its signal. */
void expect_expiry(const posix_timer &timer, clockid_t clock, const time_calls &calls,
		   const std::string &name)
{
	const auto deadline = system_now(clock) + soon;

	arm(timer, calls, to_time_value(deadline));
	wait_expiry(name);

	const auto present = system_now(clock);

	expect_ge(present, deadline, name);
	expect_le(present, deadline + patience, name);
}

} // namespace

TEST(a_timer_expires_at_its_deadline, .timeout = 30s)
{
	each_timer_in_each_shift(
		[](clockid_t clock, const time_calls &calls, const std::string &name) {
			expect_expiry(posix_timer(clock), clock, calls, name);
		});
}

TEST(a_timer_for_one_thread_expires_at_its_deadline, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		each_timer([](clockid_t clock, const time_calls &calls, const std::string &name) {
			expect_expiry(posix_timer(clock, SIGEV_THREAD_ID), clock, calls, name);
		});
	});
}

TEST(a_silent_timer_runs_out_at_its_deadline, .timeout = 30s)
{
	each_timer_in_each_shift([](clockid_t clock, const time_calls &calls,
				    const std::string &name) {
		const posix_timer timer(clock, SIGEV_NONE);
		const auto deadline = system_now(clock) + soon;
		nanoseconds left = soon;

		arm(timer, calls, to_time_value(deadline));
		while (left > 0s) {
			const auto before = system_now(clock);

			left = remaining(timer, calls);
			if (left > 0s)
				expect_remaining(left, deadline, before, system_now(clock), name);
			expect_le(before, deadline + patience, name);
		}
		expect_ge(system_now(clock), deadline, name);
	});
}

TEST(a_deadline_in_the_past_expires_at_once, .timeout = 30s)
{
	each_timer_in_each_shift(
		[](clockid_t clock, const time_calls &calls, const std::string &name) {
			const posix_timer timer(clock);
			const auto present = system_now(clock);

			for (nanoseconds deadline : { present - 1ns, present / 2, 1ns }) {
				arm(timer, calls, to_time_value(deadline));
				wait_expiry(name + " at " + show(deadline));
				expect_eq(remaining(timer, calls), 0ns, name);
			}
		});
}

TEST(a_deadline_before_the_zero_of_the_host_expires_at_once, .timeout = 30s)
{
	/* The host has been up for less than these. */
	const offsets by{ 2 * now(CLOCK_MONOTONIC) + 1000s, 2 * now(CLOCK_BOOTTIME) + 1000s };

	in_namespace(by, [&] {
		each_timer([&](clockid_t clock, const time_calls &calls, const std::string &name) {
			const posix_timer timer(clock);
			const auto zero = offset_of(clock, by);

			if (zero == 0s)
				return;
			for (nanoseconds early : { 1ns, nanoseconds(500s) }) {
				arm(timer, calls, to_time_value(zero - early));
				wait_expiry(name);
			}
		});
	});
}

TEST(a_deadline_in_the_far_future_is_kept, .timeout = 30s)
{
	struct far_timer {
		far_timer(clockid_t clock, const time_calls &calls, const offsets &by)
			: timer(clock)
			, calls(calls)
			, name(clock_by(clock, calls.name))
			, least(least_remaining(clock, calls, by))
		{
		}

		const posix_timer timer;
		const time_calls &calls;
		const std::string name;
		const nanoseconds least;
	};

	in_each_shift([](const shift &shift) {
		std::list<far_timer> timers;

		each_timer([&](clockid_t clock, const time_calls &calls, const std::string &) {
			for (const auto &deadline : far_deadlines) {
				timers.emplace_back(clock, calls, shift.by);
				arm(timers.back().timer, calls, deadline);
			}
		});

		siginfo_t info;
		const bool expired = !try_wait_expiry(soon, info).error;

		/* These tell which, if any. */
		for (const far_timer &far : timers)
			expect_ge(remaining(far.timer, far.calls), far.least,
				  far.name + ": what remains");
		expect(!expired, "a timer has not expired");
	});
}

TEST(a_periodic_timer_keeps_its_period, .timeout = 30s)
{
	constexpr nanoseconds interval = 2ms;

	each_timer_in_each_shift([&](clockid_t clock, const time_calls &calls,
				     const std::string &name) {
		const posix_timer timer(clock);
		const auto first = system_now(clock) + interval;
		long long expiries = 0;

		arm(timer, calls, to_time_value(first), interval);
		for (int round = 0; round < 3; round++) {
			/* In the last round some expiries are missed. */
			while (round == 2 && system_now(clock) < first + (expiries + 3) * interval)
				;

			const auto before = system_now(clock);
			const auto info = wait_expiry(name);
			const auto after = system_now(clock);

			expect_eq(info.si_overrun, timer.overrun(), name + ": overrun");
			expiries += 1 + info.si_overrun;
			expect_ge(after, first + (expiries - 1) * interval,
				  name + ": time of the last expiry");
			expect_le(before, first + expiries * interval,
				  name + ": time of the next expiry");
		}
		expect_ge(timer.overrun(), 1, name + ": overrun");
	});
}

namespace
{

/* Expiries of a timer with this interval, the first at 1 ns, until a time. */
long long expiries_until(nanoseconds time, nanoseconds interval)
{
	return (time - 1ns) / interval + 1;
}

/*
 * Runs the body in two namespaces, for timers that begin at 1 ns on their clocks. Their
 * first expiries are before the zero of the host's clock, where they cannot be queued.
 * The next one after it is due already, or not yet.
 */
void each_timer_from_before_zero(
	const std::function<void(clockid_t clock, const time_calls &calls, const std::string &name,
				 nanoseconds interval)> &body)
{
	const auto up = now(CLOCK_BOOTTIME);
	const struct {
		std::string_view name;
		nanoseconds interval;
		nanoseconds offset;
	} cases[] = {
		{ "next is due", 1s, 5000s + 500ms },
		{ "next is not due", 2 * up + 2000s, 5 * (up + 1000s) },
	};

	for (const auto &each : cases)
		in_namespace({ each.offset, each.offset }, [&] {
			each_timer([&](clockid_t clock, const time_calls &calls,
				       const std::string &plain) {
				if (offset_of(clock, { 1s, 1s }) != 0s)
					body(clock, calls, plain + ", " + std::string(each.name),
					     each.interval);
			});
		});
}

/* What remains until the next expiry is right. */
void expect_phase(const posix_timer &timer, clockid_t clock, const time_calls &calls,
		  nanoseconds interval, const std::string &name)
{
	const auto before = system_now(clock);
	const auto left = remaining(timer, calls);
	const auto after = system_now(clock);
	const auto next = 1ns + expiries_until(before, interval) * interval;

	if (after < next)
		expect_remaining(left, next, before, after, name);
}

} // namespace

TEST(a_periodic_timer_from_before_the_zero_of_the_host_keeps_count_and_phase, .timeout = 30s,
     .differs_from_stock = "it begins anew at the zero of the host's clock")
{
	each_timer_from_before_zero([](clockid_t clock, const time_calls &calls,
				       const std::string &name, nanoseconds interval) {
		const posix_timer timer(clock);
		const auto before = system_now(clock);

		arm(timer, calls, to_time_value(1ns), interval);
		/* The signal is pending. */
		expect_phase(timer, clock, calls, interval, name);

		const auto info = wait_expiry(name);
		const auto after = system_now(clock);
		const long long expiries = 1 + info.si_overrun;

		expect_eq(info.si_overrun, timer.overrun(), name + ": overrun");
		expect_ge(expiries, expiries_until(before, interval), name + ": expiries");
		expect_le(expiries, expiries_until(after, interval), name + ": expiries");
		expect_phase(timer, clock, calls, interval, name);
		if (interval == 1s) {
			const auto next = 1ns + expiries * interval;
			const auto later = wait_expiry(name + ": once more");
			const auto present = system_now(clock);

			expect_ge(present, next + later.si_overrun * interval, name);
			expect_le(present, next + patience, name);
		}
	});
}

TEST(a_silent_timer_from_before_the_zero_of_the_host_keeps_its_phase, .timeout = 30s,
     .differs_from_stock = "it begins anew at the zero of the host's clock")
{
	each_timer_from_before_zero([](clockid_t clock, const time_calls &calls,
				       const std::string &name, nanoseconds interval) {
		const posix_timer timer(clock, SIGEV_NONE);

		arm(timer, calls, to_time_value(1ns), interval);
		expect_phase(timer, clock, calls, interval, name);
	});
}

TEST(an_ignored_timer_from_before_the_zero_of_the_host_keeps_its_phase, .timeout = 30s,
     .differs_from_stock = "it begins anew at the zero of the host's clock")
{
	each_timer_from_before_zero([](clockid_t clock, const time_calls &calls,
				       const std::string &name, nanoseconds interval) {
		const posix_timer timer(clock);
		const sigset_t set = expiry_set();

		signal(expiry_signal, SIG_IGN);
		check(sigprocmask(SIG_UNBLOCK, &set, nullptr), "sigprocmask");
		arm(timer, calls, to_time_value(1ns), interval);
		block_expiry_signal();
		signal(expiry_signal, SIG_DFL);
		expect_phase(timer, clock, calls, interval, name);
		if (interval == 1s)
			wait_expiry(name + ": no longer ignored");
	});
}

TEST(what_remains_counts_from_the_clock_of_the_namespace, .timeout = 30s)
{
	each_timer_in_each_shift([](clockid_t clock, const time_calls &calls,
				    const std::string &name) {
		const posix_timer timer(clock);
		const auto deadline = system_now(clock) + 1000s;
		const timer_value later{ to_time_value(7s), to_time_value(deadline + 100s) };
		timer_value old;

		arm(timer, calls, to_time_value(deadline), 3s);

		const auto before = system_now(clock);

		check(calls.timer_settime(timer.get(), TIMER_ABSTIME, later, &old),
		      "timer_settime");

		const auto between = system_now(clock);
		const auto left = remaining(timer, calls);

		expect_eq(to_nanoseconds(old.it_interval), nanoseconds(3s),
			  name + ": old interval");
		expect_remaining(to_nanoseconds(old.it_value), deadline, before, between, name);
		expect_remaining(left, deadline + 100s, between, system_now(clock), name);
	});
}

TEST(a_disarmed_timer_does_not_expire, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		each_timer([](clockid_t clock, const time_calls &calls, const std::string &name) {
			const posix_timer timer(clock);

			arm(timer, calls, to_time_value(system_now(clock) + 1000s));
			arm(timer, calls, { 0, 0 });
			expect_eq(remaining(timer, calls), 0ns, name);
			expect(!has_expired(), name + " has not expired");
		});
	});
}

TEST(relative_timers_run_as_long_as_outside, .timeout = 30s)
{
	each_timer_in_each_shift([](clockid_t clock, const time_calls &calls,
				    const std::string &name) {
		const posix_timer timer(clock);
		const auto before = system_now(clock);

		check(calls.timer_settime(timer.get(), 0, { {}, to_time_value(soon) }, nullptr),
		      "timer_settime");
		wait_expiry(name);

		const auto present = system_now(clock);

		expect_ge(present, before + soon, name);
		expect_le(present, before + soon + patience, name);
	});
}

TEST(a_timer_armed_outside_keeps_its_time, .timeout = 30s)
{
	const unique_fd host = open_file("/proc/self/ns/time", O_RDONLY);

	for (const shift &shift : all_shifts()) {
		const unique_fd moved = make_namespace(shift.by);

		each_timer([&](clockid_t clock, const time_calls &calls, const std::string &plain) {
			const auto name = std::string(shift.name) + ": " + plain;
			const posix_timer timer(clock);
			const posix_timer later(clock, SIGEV_NONE);
			const auto deadline = system_now(clock) + soon;

			arm(timer, calls, to_time_value(deadline));
			arm(later, calls, to_time_value(deadline + 1000s));

			const auto before = system_now(clock);

			enter(moved);

			const auto left = remaining(later, calls);

			wait_expiry(name);
			enter(host);

			const auto after = system_now(clock);

			expect_ge(after, deadline, name);
			expect_remaining(left, deadline + 1000s, before, after, name);
		});
	}
}

TEST(a_timer_on_processor_time_is_not_moved, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		block_expiry_signal();
		for (clockid_t clock : { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID }) {
			const auto &calls = all_time_calls().front();
			const auto name = clock_name(clock);
			const posix_timer timer(clock);
			const auto deadline = now(clock) + soon;

			arm(timer, calls, to_time_value(deadline));
			while (!has_expired())
				expect_le(now(clock), deadline + patience, name);
			expect_ge(now(clock), deadline, name);
		}
	});
}
