// SPDX-License-Identifier: GPL-2.0-only
/* timerfd_create(2): when the timers of a task in a namespace expire. */
#include "calls.hpp"
#include "hostclock.hpp"
#include "kernel.hpp"
#include "shifts.hpp"
#include "timer_objects.hpp"
#include "waiting.hpp"

#include <algorithm>
#include <cstdio>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* Runs the body with each clock, of which CLOCK_TAI is none here, and each width. */
template <class function> void each_timer(function body)
{
	for (clockid_t clock : timer_clocks())
		for (const auto &calls : all_time_calls())
			if (clock != CLOCK_TAI && calls.can_express(system_now(clock) + 2000s))
				body(clock, calls, clock_by(clock, calls.name));
}

template <class function> void each_timer_in_each_shift(function body)
{
	in_each_shift([&](const shift &) { each_timer(body); });
}

} // namespace

TEST(a_timer_expires_at_its_deadline, .timeout = 30s)
{
	each_timer_in_each_shift(
		[](clockid_t clock, const time_calls &calls, const std::string &name) {
			const timer_file timer(clock);
			const auto deadline = system_now(clock) + soon;

			arm(timer, calls, to_time_value(deadline));
			expect_eq(timer.wait(name), 1, name + ": expiries");

			const auto present = system_now(clock);

			expect_ge(present, deadline, name);
			expect_le(present, deadline + patience, name);
			expect_eq(remaining(timer, calls), 0ns, name);
		});
}

TEST(a_deadline_in_the_past_expires_at_once, .timeout = 30s)
{
	each_timer_in_each_shift(
		[](clockid_t clock, const time_calls &calls, const std::string &name) {
			const timer_file timer(clock);
			const auto present = system_now(clock);

			for (nanoseconds deadline : { present - 1ns, present / 2, 1ns }) {
				arm(timer, calls, to_time_value(deadline));
				expect_eq(timer.wait(name + " at " + show(deadline)), 1, name);
			}
		});
}

TEST(a_deadline_before_the_zero_of_the_host_expires_at_once, .timeout = 30s)
{
	/* The host has been up for less than these. */
	const offsets by{ 2 * now(CLOCK_MONOTONIC) + 1000s, 2 * now(CLOCK_BOOTTIME) + 1000s };

	in_namespace(by, [&] {
		each_timer([&](clockid_t clock, const time_calls &calls, const std::string &name) {
			const timer_file timer(clock);
			const auto zero = offset_of(clock, by);

			if (zero == 0s)
				return;
			for (nanoseconds early : { 1ns, nanoseconds(500s) }) {
				arm(timer, calls, to_time_value(zero - early));
				expect_eq(timer.wait(name), 1, name);
			}
		});
	});
}

TEST(a_deadline_in_the_far_future_is_kept, .timeout = 30s)
{
	struct far_timer {
		timer_file timer;
		const time_calls &calls;
		std::string name;
		nanoseconds least;
	};

	in_each_shift([](const shift &shift) {
		std::vector<far_timer> timers;

		each_timer([&](clockid_t clock, const time_calls &calls, const std::string &name) {
			for (const auto &deadline : far_deadlines) {
				timers.push_back({ timer_file(clock), calls, name,
						   least_remaining(clock, calls, shift.by) });
				arm(timers.back().timer, calls, deadline);
			}
		});

		nanoseconds limit = soon;

		for (const far_timer &far : timers) {
			expect(!far.timer.is_readable(limit), far.name + " has not expired");
			expect_ge(remaining(far.timer, far.calls), far.least,
				  far.name + ": what remains");
			limit = 0s;
		}
	});
}

TEST(a_periodic_timer_counts_its_expiries, .timeout = 30s)
{
	constexpr nanoseconds interval = 2ms;

	each_timer_in_each_shift([&](clockid_t clock, const time_calls &calls,
				     const std::string &name) {
		const timer_file timer(clock);
		const auto first = system_now(clock) + interval;
		std::uint64_t expiries = 0;

		arm(timer, calls, to_time_value(first), interval);
		for (int round = 0; round < 3; round++) {
			/* In the last round several have to be counted. */
			while (round == 2 && system_now(clock) < first + (expiries + 3) * interval)
				;

			const auto before = system_now(clock);
			const auto more = timer.wait(name);
			const auto after = system_now(clock);

			expiries += more;
			expect_ge(after, first + (expiries - 1) * interval,
				  name + ": time of the last expiry");
			expect_le(before, first + expiries * interval,
				  name + ": time of the next expiry");
			if (round == 2)
				expect_ge(more, 3U, name + ": expiries at once");
		}
	});
}

/*
 * Its first expiries are before the zero of the host's clock, where they cannot be
 * queued. The next one is due already, or not yet.
 */
TEST(a_periodic_timer_from_before_the_zero_of_the_host_keeps_count_and_phase, .timeout = 30s,
     .differs_from_stock = "it begins anew at the zero of the host's clock")
{
	const auto up = now(CLOCK_BOOTTIME);
	const struct {
		std::string_view name;
		nanoseconds interval;
		nanoseconds offset;
		bool is_due;
	} cases[] = {
		{ "next is due", 1s, 5000s + 500ms, true },
		{ "next is not due", 2 * up + 2000s, 5 * (up + 1000s), false },
	};

	for (const auto &each : cases)
		in_namespace({ each.offset, each.offset }, [&] {
			each_timer([&](clockid_t clock, const time_calls &calls,
				       const std::string &plain) {
				if (offset_of(clock, { 1s, 1s }) == 0s)
					return;

				const auto name = plain + ", " + std::string(each.name);
				const timer_file timer(clock);
				const auto first = 1ns;
				const auto until = [&](nanoseconds time) {
					return (time - first) / each.interval + 1;
				};
				const auto before = system_now(clock);

				arm(timer, calls, to_time_value(first), each.interval);

				const long long expiries = timer.wait(name);
				const auto between = system_now(clock);
				const auto next = first + expiries * each.interval;

				expect_ge(expiries, until(before), name + ": expiries");
				expect_le(expiries, until(between), name + ": expiries");
				if (!each.is_due)
					expect_eq(expiries, 3, name + ": expiries");

				const auto left = remaining(timer, calls);
				const auto after = system_now(clock);

				/* It may have expired again since. */
				if (after < next)
					expect_remaining(left, next, between, after, name);
				else
					expect_le(left, each.interval, name);
			});
		});
}

/* One task waits for a timer that another sets. */
TEST(expiries_before_the_zero_of_the_host_wake_who_waits,
     .differs_from_stock = "it begins anew at the zero of the host's clock")
{
	const auto interval = 2 * now(CLOCK_BOOTTIME) + 2000s;
	const auto &calls = all_time_calls().front();
	const timer_file timer(CLOCK_MONOTONIC);

	arm(timer, calls, to_time_value(system_now(CLOCK_MONOTONIC) + 100'000s));

	child reader([&] {
		expect_eq(timer.wait("the timer"), 3, "expiries");
	});

	wait_blocked(reader, SYS_ppoll);
	in_namespace({ 5 * interval / 2, 5 * interval / 2 },
		     [&] { arm(timer, calls, to_time_value(1ns), interval); });
	reader.wait_ok();
}

TEST(what_remains_counts_from_the_clock_of_the_namespace, .timeout = 30s)
{
	each_timer_in_each_shift([](clockid_t clock, const time_calls &calls,
				    const std::string &name) {
		const timer_file timer(clock);
		const auto deadline = system_now(clock) + 1000s;
		const timer_value later{ to_time_value(7s), to_time_value(deadline + 100s) };
		timer_value old;

		arm(timer, calls, to_time_value(deadline), 3s);

		const auto before = system_now(clock);

		check(calls.timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, later, &old),
		      "timerfd_settime");

		const auto between = system_now(clock);
		const auto left = remaining(timer, calls);
		const auto left_in_fdinfo = remaining_in_fdinfo(timer);
		const auto after = system_now(clock);

		expect_eq(to_nanoseconds(old.it_interval), nanoseconds(3s),
			  name + ": old interval");
		expect_remaining(to_nanoseconds(old.it_value), deadline, before, between,
				 name + ": old value");
		expect_remaining(left, deadline + 100s, between, after, name);
		expect_remaining(left_in_fdinfo, deadline + 100s, between, after,
				 name + ": fdinfo");
	});
}

TEST(a_disarmed_timer_does_not_expire, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		each_timer([](clockid_t clock, const time_calls &calls, const std::string &name) {
			const timer_file timer(clock);

			arm(timer, calls, to_time_value(system_now(clock) + soon));
			arm(timer, calls, { 0, 0 });
			expect(!timer.is_readable(2 * soon), name + " has not expired");
		});
	});
}

TEST(relative_timers_run_as_long_as_outside, .timeout = 30s)
{
	each_timer_in_each_shift([](clockid_t clock, const time_calls &calls,
				    const std::string &name) {
		const timer_file timer(clock);
		const auto before = system_now(clock);

		check(calls.timerfd_settime(timer.get(), 0, { {}, to_time_value(soon) }, nullptr),
		      "timerfd_settime");
		timer.wait(name);

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
			const timer_file timer(clock);
			const timer_file later(clock);
			const auto deadline = system_now(clock) + soon;

			arm(timer, calls, to_time_value(deadline));
			arm(later, calls, to_time_value(deadline + 1000s));

			const auto before = system_now(clock);

			enter(moved);

			const auto left = remaining(later, calls);

			timer.wait(name);
			enter(host);

			const auto after = system_now(clock);

			expect_ge(after, deadline, name);
			expect_remaining(left, deadline + 1000s, before, after, name);
		});
	}
}

TEST(a_deadline_is_on_the_clock_of_the_task_that_sets_it, .timeout = 30s)
{
	each_timer([](clockid_t clock, const time_calls &calls, const std::string &name) {
		const timer_file shared_timer(clock);
		const auto ahead = offset_of(clock, some_offsets) + 500s;
		const auto before = system_now(clock);

		/* The same deadline is nearer for a task whose clock is ahead. */
		in_namespace(some_offsets,
			     [&] { arm(shared_timer, calls, to_time_value(before + ahead)); });

		const auto left = remaining(shared_timer, calls);

		expect_remaining(left, before + 500s, before, system_now(clock), name);
	});
}

TEST(setting_the_clock_cancels_timers_that_ask_for_it, .timeout = 30s)
{
	require_settable_clocks();
	in_each_shift([](const shift &) {
		moved_realtime host;

		each_timer([&](clockid_t clock, const time_calls &calls, const std::string &name) {
			const bool is_date =
				clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
			const timer_file asking(clock);
			const timer_file other(clock);
			const auto deadline = to_time_value(system_now(clock) + 1000s);
			std::uint64_t expiries;

			arm(asking, calls, deadline, 0s, TFD_TIMER_CANCEL_ON_SET);
			arm(other, calls, deadline);
			host.move(1ms);
			expect_errno(asking.try_read(expiries), is_date ? ECANCELED : EAGAIN, name);
			expect_errno(other.try_read(expiries), EAGAIN, name + " without the flag");
		});
	});
}

TEST(setting_the_clock_moves_only_deadlines_on_it, .timeout = 30s)
{
	require_settable_clocks();
	in_each_shift([](const shift &) {
		each_timer([&](clockid_t clock, const time_calls &calls, const std::string &name) {
			const bool is_date =
				clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
			const timer_file timer(clock);

			arm(timer, calls, to_time_value(system_now(clock) + 1000s));

			moved_realtime host;

			host.move(2000s);
			if (is_date)
				timer.wait(name);
			else
				expect(!timer.is_readable(0s), name + " has not expired");
		});
	});
}
