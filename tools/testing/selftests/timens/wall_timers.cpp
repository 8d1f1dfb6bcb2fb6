// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers on a wall clock of a namespace that is set while they are armed: timer_create(2),
 * timerfd_create(2). A deadline is a date: a set forward brings it nearer, a set back
 * takes it away. wall_waits.cpp has the calls that block.
 */
#include "hostclock.hpp"
#include "shifts.hpp"
#include "timer_objects.hpp"
#include "wall_clock.hpp"

#include <algorithm>
#include <list>
#include <memory>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr nanoseconds ahead = ninety_days;

/* A timer of any kind, on a clock that is a date. */
class wall_timer {
public:
	wall_timer(const std::string &kind, clockid_t clock, const time_calls &calls)
		: name(kind + " " + clock_by(clock, calls.name))
		, clock(clock)
		, calls(calls)
	{
	}
	virtual ~wall_timer() = default;

	virtual void settime(int flags, const timer_value &value) = 0;
	/* Waits for an expiry; returns how many there were, 0 after the limit. */
	virtual long long expiries(nanoseconds limit) = 0;
	virtual nanoseconds remaining() const = 0;

	void arm(nanoseconds deadline, nanoseconds interval = 0s)
	{
		settime(TIMER_ABSTIME, { to_time_value(interval), to_time_value(deadline) });
	}
	void arm_relative(nanoseconds by)
	{
		settime(0, { {}, to_time_value(by) });
	}
	nanoseconds now() const
	{
		return system_now(clock);
	}

	const std::string name;
	const clockid_t clock;
	const time_calls &calls;
};

class file_timer : public wall_timer {
public:
	file_timer(clockid_t clock, const time_calls &calls)
		: wall_timer("timerfd", clock, calls)
		, file(clock)
	{
	}
	void settime(int flags, const timer_value &value) override
	{
		check(calls.timerfd_settime(file.get(), flags ? TFD_TIMER_ABSTIME : 0, value,
					    nullptr),
		      name + ": timerfd_settime");
	}
	long long expiries(nanoseconds limit) override
	{
		return file.is_readable(limit) ? file.wait(name) : 0;
	}
	nanoseconds remaining() const override
	{
		return timens::remaining(file, calls);
	}

private:
	timer_file file;
};

class signal_timer : public wall_timer {
public:
	signal_timer(clockid_t clock, const time_calls &calls)
		: wall_timer("timer_create", clock, calls)
		, timer(clock)
	{
	}
	void settime(int flags, const timer_value &value) override
	{
		check(calls.timer_settime(timer.get(), flags, value, nullptr),
		      name + ": timer_settime");
	}
	long long expiries(nanoseconds limit) override
	{
		siginfo_t info;

		if (try_wait_expiry(limit, info).error)
			return 0;
		expect_eq(info.si_overrun, timer.overrun(), name + ": overrun");
		return 1 + info.si_overrun;
	}
	nanoseconds remaining() const override
	{
		return timens::remaining(timer, calls);
	}

private:
	posix_timer timer;
};

/* It only counts down. */
class silent_timer : public wall_timer {
public:
	silent_timer(clockid_t clock, const time_calls &calls)
		: wall_timer("silent timer_create", clock, calls)
		, timer(clock, SIGEV_NONE)
	{
	}
	void settime(int flags, const timer_value &value) override
	{
		check(calls.timer_settime(timer.get(), flags, value, nullptr),
		      name + ": timer_settime");
	}
	long long expiries(nanoseconds limit) override
	{
		const auto end = system_now(CLOCK_BOOTTIME) + limit;

		while (remaining() > 0s)
			if (system_now(CLOCK_BOOTTIME) >= end)
				return 0;
		return 1;
	}
	nanoseconds remaining() const override
	{
		return timens::remaining(timer, calls);
	}

private:
	posix_timer timer;
};

bool is_date(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

/* Runs the body with a timer of each kind, on each clock and in each width. */
void each_timer(const std::function<void(wall_timer &timer)> &body)
{
	block_expiry_signal();
	for (clockid_t clock : timer_clocks())
		for (const auto &calls : all_time_calls()) {
			if (!is_date(clock) || !calls.can_express(system_now(clock) + 10'000s))
				continue;
			/* There is no timerfd on it. */
			if (clock != CLOCK_TAI) {
				file_timer timer(clock, calls);

				body(timer);
			}
			signal_timer timer(clock, calls);

			body(timer);

			silent_timer silent(clock, calls);

			body(silent);
		}
}

/* Checks what remains, asked for now. */
void expect_remaining_until(const wall_timer &timer, nanoseconds deadline, std::string_view when)
{
	const auto before = timer.now();
	const auto left = timer.remaining();

	expect_remaining(left, deadline, before, timer.now(),
			 timer.name + ", " + std::string(when));
}

void expect_no_expiry(wall_timer &timer, std::string_view when)
{
	expect_eq(timer.expiries(0s), 0, timer.name + ", " + std::string(when) + ": expiries");
}

void expect_one_expiry(wall_timer &timer, std::string_view when)
{
	expect_eq(timer.expiries(patience), 1,
		  timer.name + ", " + std::string(when) + ": expiries");
}

/* The other ways to set it are as good: see there. */
struct setter {
	const char *name;
	void (*step)(nanoseconds by);
};
constexpr setter setters[] = {
	{ "clock_settime", [](nanoseconds by) { step_date(by); } },
	{ "settimeofday",
	  [](nanoseconds by) {
		  const auto time = to_timespec(date() + by);
		  const long old[2] = { static_cast<long>(time.tv_sec), time.tv_nsec / 1000 };

		  check(syscall(SYS_settimeofday, old, nullptr), "settimeofday");
	  } },
	{ "adjtimex",
	  [](nanoseconds by) {
		  timex wanted{};

		  wanted.modes = ADJ_SETOFFSET;
		  wanted.time.tv_sec = std::chrono::floor<seconds>(by).count();
		  check(adjtimex(&wanted), "adjtimex");
	  } },
	{ "TIMENS_SET_WALL",
	  [](nanoseconds by) {
		  const unique_fd ns = own_namespace();

		  check(set_wall(ns, wall_offset(wall_of(ns).offset + by)), "TIMENS_SET_WALL");
	  } },
};

} // namespace

TEST(a_timer_expires_at_its_date, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		for (const nanoseconds by :
		     { nanoseconds(0s), nanoseconds(5000s), nanoseconds(-5000s) })
			each_timer([&](wall_timer &timer) {
				step_date(by);

				const auto deadline = timer.now() + soon;

				timer.arm(deadline);
				expect_one_expiry(timer, "soon");
				expect_ge(timer.now(), deadline, timer.name);
				expect_le(timer.now(), deadline + patience, timer.name);
				expect_eq(timer.remaining(), 0ns, timer.name);
			});
	});
}

TEST(a_set_forward_expires_at_once_what_is_due, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		each_timer([](wall_timer &timer) {
			const auto deadline = timer.now() + 2000s;

			timer.arm(deadline);
			expect_no_expiry(timer, "armed");
			expect_remaining_until(timer, deadline, "armed");
			step_date(1000s);
			expect_no_expiry(timer, "nearer");
			expect_remaining_until(timer, deadline, "nearer");
			step_date(1500s);
			expect_one_expiry(timer, "due");
			expect_eq(timer.remaining(), 0ns, timer.name + ", due: what remains");
			step_date(1000s);
			step_date(-5000s);
			if (!dynamic_cast<silent_timer *>(&timer))
				expect_no_expiry(timer, "once only");
		});
	});
}

TEST(every_way_to_set_the_date_moves_deadlines, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		for (const auto &setter : setters)
			each_timer([&](wall_timer &timer) {
				const auto deadline = timer.now() + 2000s;

				timer.arm(deadline);
				setter.step(-1000s);
				expect_remaining_until(timer, deadline, setter.name);
				setter.step(3500s);
				expect_one_expiry(timer, setter.name);
			});
	});
}

TEST(a_set_back_delays_what_was_due_soon, .timeout = 120s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		each_timer([](wall_timer &timer) {
			bool delayed = false;

			/* Again with more time if it expires before the set. */
			for (nanoseconds due = 20ms; !delayed; due *= 2) {
				const auto up = system_now(CLOCK_BOOTTIME);
				const auto deadline = timer.now() + due;

				expect_le(due, 2 * patience,
					  timer.name + ": expires in spite of a set back, after");
				timer.arm(deadline);
				step_date(-1000s);
				wait_until_up(up + due + soon);
				delayed = timer.remaining() > 0s;
				if (!delayed) {
					/* Take what it left. */
					timer.expiries(0s);
					continue;
				}
				expect_no_expiry(timer, "set back");
				expect_remaining_until(timer, deadline, "set back");
				step_date(2000s);
				expect_one_expiry(timer, "set forward again");
			}
		});
	});
}

TEST(a_timer_that_is_relative_does_not_move, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		each_timer([](wall_timer &timer) {
			timer.arm_relative(1000s);

			const auto up = system_now(CLOCK_BOOTTIME);

			for (const nanoseconds by : { nanoseconds(5000s), nanoseconds(-10'000s) }) {
				step_date(by);

				const auto left = timer.remaining();
				const auto passed = system_now(CLOCK_BOOTTIME) - up;

				expect_no_expiry(timer, "relative");
				expect_le(left, nanoseconds(1000s), timer.name);
				/* It was armed before the clock was read. */
				expect_ge(left + passed, 1000s - patience, timer.name);
			}
			timer.arm_relative(soon);
			step_date(-5000s);
			expect_one_expiry(timer, "relative, set back");
		});
	});
}

TEST(deadlines_in_the_past_expire_at_once, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		/* Far before all that the clock that it runs on has ever read. */
		for (const nanoseconds by : { nanoseconds(0s), nanoseconds(sixteen_years) })
			each_timer([&](wall_timer &timer) {
				const auto present = date();

				set_date(present + by);
				for (const nanoseconds deadline :
				     { timer.now() - 1ns, present / 2, nanoseconds(1s), 1ns }) {
					timer.arm(deadline);
					expect_one_expiry(timer, show(deadline));
				}
				set_date(present);
			});
	});
}

TEST(deadlines_in_the_far_future_are_kept, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		each_timer([](wall_timer &timer) {
			const auto present = date();

			for (const auto &deadline : far_deadlines) {
				timer.settime(TIMER_ABSTIME, { {}, deadline });
				for (const nanoseconds by :
				     { nanoseconds(86'400s), -nanoseconds(sixteen_years),
				       nanoseconds(86'400s) }) {
					step_date(by);
					expect_no_expiry(timer, "far ahead");
					expect_ge(timer.remaining(), nanoseconds(1000s),
						  timer.name);
				}
				set_date(present);
			}
		});
	});
}

/* The kernel's own clock cannot express when that will be. */
TEST(deadlines_beyond_the_end_of_the_hosts_clock_are_kept)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		each_timer([](wall_timer &timer) {
			if (timer.calls.latest < ktime_max.tv_sec * 1s)
				return;

			const auto present = date();

			set_date(system_now(CLOCK_BOOTTIME) + 1000s);
			timer.settime(TIMER_ABSTIME, { {}, ktime_max });
			expect_no_expiry(timer, "beyond the end");
			set_date(8'277'000'000s);
			expect_no_expiry(timer, "beyond the end, at the latest date");
			set_date(present);
			expect_no_expiry(timer, "beyond the end, today");
		});
	});
}

TEST(a_change_of_the_mode_leaves_timers_alone, .timeout = 60s)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		const unique_fd ns = own_namespace();

		each_timer([&](wall_timer &timer) {
			const auto deadline = timer.now() + 1000s;

			timer.arm(deadline);
			for (const std::uint32_t mode : { TIMENS_WALL_OWN, TIMENS_WALL_FOLLOW,
							  TIMENS_WALL_OWN, TIMENS_WALL_FOLLOW }) {
				check(set_wall(ns, wall_mode(mode)), "TIMENS_SET_WALL");
				expect_no_expiry(timer, "another mode");
				expect_remaining_until(timer, deadline + 1us, "another mode");
			}
			check(set_wall(ns, wall_mode(TIMENS_WALL_OWN)), "TIMENS_SET_WALL");

			const auto next = timer.now() + soon;

			timer.arm(next);
			check(set_wall(ns, wall_mode(TIMENS_WALL_FOLLOW)), "TIMENS_SET_WALL");
			expect_one_expiry(timer, "another mode meanwhile");
		});
	});
}

TEST(a_timer_on_tai_moves_with_tai)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const unique_fd ns = own_namespace();
		const auto &calls = all_time_calls().front();

		block_expiry_signal();
		check(set_wall(ns, wall_tai(0)), "TIMENS_SET_WALL");

		silent_timer other(CLOCK_REALTIME, calls);
		signal_timer timer(CLOCK_TAI, calls);

		other.arm(other.now() + 1000s);
		timer.arm(timer.now() + 1000s);
		check(set_wall(ns, wall_tai(500)), "TIMENS_SET_WALL");
		expect_no_expiry(timer, "nearer");
		expect_le(timer.remaining(), nanoseconds(500s), "what remains on CLOCK_TAI");
		check(set_wall(ns, wall_tai(2000)), "TIMENS_SET_WALL");
		expect_one_expiry(timer, "due");
		expect_no_expiry(other, "the date is the same");
		expect_ge(other.remaining(), 1000s - date_slack, "what remains on CLOCK_REALTIME");
	});
}

/* Periodic ones. */

TEST(a_periodic_timer_counts_the_periods_of_a_set_forward, .timeout = 60s)
{
	require_wall_clocks();

	constexpr nanoseconds interval = 100s;

	in_each_wall_mode([&] {
		each_timer([&](wall_timer &timer) {
			if (dynamic_cast<silent_timer *>(&timer))
				return;

			const auto first = timer.now() + 50s;
			const auto until = [&](nanoseconds time) {
				return (time - first) / interval + 1;
			};

			timer.arm(first, interval);
			expect_no_expiry(timer, "armed");
			step_date(1000s);

			const auto before = timer.now();
			const auto count = timer.expiries(patience);
			const auto after = timer.now();

			expect_ge(count, until(before), timer.name + ": expiries");
			expect_le(count, until(after), timer.name + ": expiries");
			/* In phase with the first. */
			expect_remaining_until(timer, first + count * interval, "next");
			/* None again that has been. */
			step_date(-500s);
			expect_no_expiry(timer, "set back");
			expect_remaining_until(timer, first + count * interval, "set back");
			step_date(500s + interval);
			expect_ge(timer.expiries(patience), 1, timer.name + ": expiries later");
		});
	});
}

TEST(a_silent_periodic_timer_keeps_its_phase, .timeout = 60s)
{
	require_wall_clocks();

	constexpr nanoseconds interval = 1000s;

	in_each_wall_mode([&] {
		each_timer([&](wall_timer &timer) {
			if (!dynamic_cast<silent_timer *>(&timer))
				return;

			const auto first = timer.now() + 500s;

			timer.arm(first, interval);
			expect_remaining_until(timer, first, "armed");
			step_date(5000s);
			/* 5000 s and a moment after the start. */
			expect_remaining_until(timer, first + 5 * interval, "set forward");
		});
	});
}

TEST(a_periodic_timer_goes_on_with_short_periods, .timeout = 60s)
{
	require_wall_clocks();

	constexpr nanoseconds interval = 5ms;

	in_each_wall_mode([&] {
		each_timer([&](wall_timer &timer) {
			if (dynamic_cast<silent_timer *>(&timer))
				return;

			const auto first = timer.now() + interval;
			long long expiries = 0;

			timer.arm(first, interval);
			for (int round = 0; round < 5; round++) {
				const auto before = timer.now();
				const auto more = timer.expiries(patience);
				const auto after = timer.now();

				expect_ge(more, 1, timer.name + ": expiries");
				expiries += more;
				expect_ge(after, first + (expiries - 1) * interval,
					  timer.name + ": time of the last expiry");
				expect_le(before, first + expiries * interval,
					  timer.name + ": time of the next expiry");
				if (round == 2)
					step_date(1s);
			}
		});
	});
}

/* Whose clock it is. */

TEST(timers_follow_a_host_that_is_set_until_the_clock_is_its_own, .timeout = 60s)
{
	require_wall_clocks();
	require_settable_clocks();

	const unique_fd host = own_namespace();

	for (const bool own : { false, true }) {
		const unique_fd moved = make_wall_namespace(ahead);

		enter(moved);
		if (own)
			step_date(0s);
		each_timer([&](wall_timer &timer) {
			const auto deadline = timer.now() + 2000s;

			timer.arm(deadline);
			enter(host);
			{
				moved_realtime machine;

				machine.move(3000s);
				if (own) {
					expect_no_expiry(timer, "its own");
					machine.move(-5000s);
				} else {
					expect_one_expiry(timer, "the host is set");
				}
			}
			enter(moved);
			if (own)
				expect_remaining_until(timer, deadline, "its own");
		});
		enter(host);
	}
}

TEST(timers_of_the_host_do_not_notice, .timeout = 60s)
{
	require_wall_clocks();

	const unique_fd host = own_namespace();
	const unique_fd moved = make_wall_namespace(0s);

	enter(moved);
	step_date(0s);
	enter(host);
	each_timer([&](wall_timer &timer) {
		const auto deadline = timer.now() + 1000s;

		timer.arm(deadline);
		enter(moved);
		step_date(5000s);
		expect_no_expiry(timer, "armed outside");
		step_date(-5000s);
		enter(host);
		expect_remaining_until(timer, deadline, "armed outside");

		const auto next = timer.now() + soon;

		timer.arm(next);
		enter(moved);
		step_date(-5000s);
		expect_one_expiry(timer, "armed outside, soon");
		step_date(5000s);
		enter(host);
	});
}

TEST(timers_of_a_sibling_do_not_notice, .timeout = 60s)
{
	require_wall_clocks();

	const unique_fd first = make_wall_namespace(ahead);
	const unique_fd second = make_wall_namespace(ahead);

	enter(first);
	each_timer([&](wall_timer &timer) {
		const auto deadline = timer.now() + 1000s;

		timer.arm(deadline);
		enter(second);
		step_date(5000s);
		expect_no_expiry(timer, "armed by the sibling");
		step_date(-5000s);
		enter(first);
		expect_remaining_until(timer, deadline, "armed by the sibling");
	});
}

TEST(a_timer_is_on_the_clock_of_the_task_that_arms_it, .timeout = 60s)
{
	require_wall_clocks();

	const unique_fd host = own_namespace();
	const unique_fd moved = make_wall_namespace(ahead);

	each_timer([&](wall_timer &timer) {
		/* Made outside, armed inside. */
		enter(moved);

		const auto inside = timer.now() + 1000s;

		timer.arm(inside);
		enter(host);

		const auto left = timer.remaining();

		expect_le(left, nanoseconds(1000s), timer.name + ": what remains, seen outside");
		expect_ge(left, 1000s - date_slack, timer.name + ": what remains, seen outside");
		enter(moved);
		step_date(2000s);
		enter(host);
		expect_one_expiry(timer, "armed inside, waited for outside");

		/* Armed again outside. */
		const auto outside = timer.now() + 1000s;

		timer.arm(outside);
		enter(moved);
		step_date(2000s);
		expect_no_expiry(timer, "armed again outside");
		enter(host);
		expect_remaining_until(timer, outside, "armed again outside");

		/* And again inside. */
		enter(moved);
		timer.arm(timer.now() + 1000s);
		step_date(2000s);
		expect_one_expiry(timer, "armed again inside");
		enter(host);
	});
}

TEST(a_file_that_is_passed_on_keeps_its_clock, .timeout = 30s)
{
	require_wall_clocks();

	const auto &calls = all_time_calls().front();
	const unique_fd second = make_wall_namespace(-ahead);
	const timer_file timer(CLOCK_REALTIME);
	gate armed;
	gate set;
	child owner([&] {
		unshare_wall(ahead);
		child([&] {
			arm(timer, calls, to_time_value(date() + 1000s));
			armed.open();
			set.wait();
			step_date(2000s);
		}).wait_ok();
	});

	armed.wait(owner);
	enter(second);
	step_date(5000s);
	expect(!timer.is_readable(0s), "a set of the clock of who has it now");
	expect_near(remaining(timer, calls), 1000s, date_slack, "what remains");
	expect_near(remaining_in_fdinfo(timer), 1000s, date_slack, "what remains in fdinfo");
	set.open();
	owner.wait_ok();
	expect_eq(timer.wait("its own clock is set"), 1, "expiries");
	arm(timer, calls, to_time_value(date() + 1000s));
	step_date(2000s);
	expect_eq(timer.wait("armed again here"), 1, "expiries");
}

/* Cancelling. */

namespace
{

constexpr clockid_t cancel_clocks[] = { CLOCK_REALTIME, CLOCK_REALTIME_ALARM };

/* Timers that ask for it, on each clock, far ahead; and as many that do not. */
class cancelled_timers {
public:
	cancelled_timers()
	{
		const auto clocks = timer_clocks();

		for (const clockid_t clock : cancel_clocks)
			if (std::ranges::count(clocks, clock)) {
				asking.emplace_back(clock);
				others.emplace_back(clock);
			}
		arm_all();
	}
	void arm_all()
	{
		const auto &calls = all_time_calls().front();
		const auto deadline = to_time_value(date() + 100'000s);

		for (const auto &timer : asking)
			arm(timer, calls, deadline, 0s, TFD_TIMER_CANCEL_ON_SET);
		for (const auto &timer : others)
			arm(timer, calls, deadline);
	}
	void expect_cancelled(bool cancelled, std::string_view what)
	{
		std::uint64_t expiries;

		for (const auto &timer : asking) {
			expect_eq(timer.is_readable(cancelled ? nanoseconds(patience) : 0s),
				  cancelled, std::string(what) + ": it is readable");
			expect_errno(timer.try_read(expiries), cancelled ? ECANCELED : EAGAIN,
				     what);
			expect_errno(timer.try_read(expiries), EAGAIN,
				     std::string(what) + ", once");
		}
		for (const auto &timer : others)
			expect_errno(timer.try_read(expiries), EAGAIN,
				     std::string(what) + ", without the flag");
	}

private:
	std::vector<timer_file> asking;
	std::vector<timer_file> others;
};

} // namespace

TEST(sets_cancel_the_timers_that_ask_for_it, .timeout = 30s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		for (const auto &setter : setters)
			for (const nanoseconds by : { nanoseconds(1000s), nanoseconds(-1000s) }) {
				cancelled_timers timers;

				timers.expect_cancelled(false, "armed");
				setter.step(by);
				timers.expect_cancelled(true, setter.name);
				timers.arm_all();
				timers.expect_cancelled(false, "armed again");
				setter.step(by);
				timers.expect_cancelled(true, setter.name);
			}
	});
}

TEST(a_host_that_is_set_cancels_until_the_clock_is_its_own, .timeout = 30s)
{
	require_wall_clocks();
	require_settable_clocks();

	const unique_fd host = own_namespace();

	for (const bool own : { false, true }) {
		const unique_fd moved = make_wall_namespace(ahead);
		moved_realtime machine;

		enter(moved);
		if (own)
			step_date(0s);

		cancelled_timers timers;

		enter(host);
		machine.move(1000s);
		timers.expect_cancelled(!own, "the host is set");
		enter(moved);
		step_date(1000s);
		enter(host);
		timers.expect_cancelled(true, "it is set");
	}
}

TEST(a_clock_that_follows_again_is_cancelled_by_the_host_again)
{
	require_wall_clocks();
	require_settable_clocks();

	const unique_fd host = own_namespace();
	const unique_fd moved = make_wall_namespace(ahead);
	moved_realtime machine;

	enter(moved);
	step_date(0s);
	check(set_wall(moved, wall_mode(TIMENS_WALL_FOLLOW)), "TIMENS_SET_WALL");

	cancelled_timers timers;

	enter(host);
	machine.move(1000s);
	timers.expect_cancelled(true, "the host is set");
}

TEST(sets_cancel_no_timers_of_other_clocks)
{
	require_wall_clocks();

	const unique_fd host = own_namespace();
	const unique_fd first = make_wall_namespace(ahead);
	const unique_fd second = make_wall_namespace(ahead);
	cancelled_timers outside;

	enter(first);

	cancelled_timers inside;

	enter(second);
	step_date(1000s);
	outside.expect_cancelled(false, "the host's");
	inside.expect_cancelled(false, "the sibling's");
	enter(first);
	step_date(1000s);
	outside.expect_cancelled(false, "the host's");
	inside.expect_cancelled(true, "its own");
}

TEST(a_timer_is_cancelled_by_the_clock_on_which_it_was_armed_last)
{
	require_wall_clocks();
	require_settable_clocks();

	const unique_fd host = own_namespace();
	const unique_fd moved = make_wall_namespace(ahead);
	cancelled_timers timers;
	moved_realtime machine;

	enter(moved);
	step_date(0s);
	timers.arm_all();
	enter(host);
	machine.move(1000s);
	timers.expect_cancelled(false, "armed again inside, the host is set");
	enter(moved);
	step_date(1000s);
	timers.expect_cancelled(true, "armed again inside, it is set");
	enter(host);
	timers.arm_all();
	enter(moved);
	step_date(1000s);
	timers.expect_cancelled(false, "armed again outside, the namespace's is set");
	enter(host);
	machine.move(1000s);
	timers.expect_cancelled(true, "armed again outside, the host is set");
}

/* Blocking reads. */

namespace
{

unique_fd make_blocking_timer(nanoseconds deadline, int flags = 0)
{
	unique_fd fd(check(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC), "timerfd_create"));

	check(all_time_calls().front().timerfd_settime(fd.get(), TFD_TIMER_ABSTIME | flags,
						       { {}, to_time_value(deadline) }, nullptr),
	      "timerfd_settime");
	return fd;
}

} // namespace

TEST(a_read_that_waits_goes_on_waiting_after_a_set_back, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		bool delayed = false;

		for (nanoseconds due = 100ms; !delayed; due *= 2) {
			const auto up = system_now(CLOCK_BOOTTIME);
			const unique_fd timer = make_blocking_timer(date() + due);
			child reader([&] {
				std::uint64_t expiries;

				expect_eq(check(read(timer.get(), &expiries, sizeof(expiries)),
						"read"),
					  sizeof(expiries), "bytes read");
				expect_eq(expiries, 1U, "expiries");
			});

			expect_le(due, 2 * patience, "the read ends in spite of a set back, after");
			if (!blocks(reader, SYS_read)) {
				reader.wait_ok();
				continue;
			}
			step_date(-1000s);
			wait_until_up(up + due + soon);
			if (auto end = reader.wait_for(0s)) {
				/* In time before the set, or not at all. */
				end->expect_ok();
				continue;
			}
			delayed = true;
			step_date(2000s);
			reader.wait_ok();
		}
	});
}

TEST(a_read_that_waits_ends_at_a_set_forward)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const unique_fd timer = make_blocking_timer(date() + 1000s);
		child reader([&] {
			std::uint64_t expiries;

			expect_eq(check(read(timer.get(), &expiries, sizeof(expiries)), "read"),
				  sizeof(expiries), "bytes read");
		});

		wait_blocked(reader, SYS_read);
		step_date(2000s);
		reader.wait_ok();
	});
}

TEST(a_read_that_waits_is_cancelled_by_a_set)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const unique_fd timer =
			make_blocking_timer(date() + 1000s, TFD_TIMER_CANCEL_ON_SET);
		child reader([&] {
			std::uint64_t expiries;

			expect_errno(read(timer.get(), &expiries, sizeof(expiries)), ECANCELED);
		});

		wait_blocked(reader, SYS_read);
		step_date(-1000s);
		reader.wait_ok();
	});
}

/* Ends. */

namespace
{

/* Arms a hundred timers of each kind. */
std::list<std::unique_ptr<wall_timer>> arm_many()
{
	const auto &calls = all_time_calls().front();
	std::list<std::unique_ptr<wall_timer>> timers;

	block_expiry_signal();
	for (int i = 0; i < 100; i++)
		for (const clockid_t clock : timer_clocks()) {
			if (!is_date(clock))
				continue;
			if (clock != CLOCK_TAI)
				timers.push_back(std::make_unique<file_timer>(clock, calls));
			timers.push_back(std::make_unique<silent_timer>(clock, calls));
			timers.push_back(std::make_unique<signal_timer>(clock, calls));
		}
	for (const auto &timer : timers)
		timer->arm(timer->now() + 1000s);
	return timers;
}

} // namespace

TEST(tasks_end_with_armed_timers, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const auto zero = date_of_zero();

		/* By exit, without a destructor. */
		child([] {
			const auto timers = arm_many();

			_exit(0);
		}).wait_ok();
		/* By a signal, while they wait. */
		gate armed;
		child victim([&] {
			const auto timers = arm_many();

			armed.open();
			pause();
		});

		armed.wait(victim);
		victim.kill();
		expect(victim.wait().killed_by(SIGKILL), "it is killed");
		/* By execve. */
		child([] {
			const auto timers = arm_many();

			exec_helper("is_gone");
		}).wait_ok();
		/* What would be due now is not there. */
		step_date(5000s);
		expect_date_of_zero(zero + 5000s, "after all");
	});
}

HELPER(is_gone)
{
	siginfo_t info;

	step_date(2000s);
	step_date(-2000s);
	expect(try_wait_expiry(soon, info).error != 0, "no timer is left after execve");
}

TEST(a_timer_file_lives_on_over_execve, .timeout = 30s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const timer_file timer(CLOCK_REALTIME);

		check(fcntl(timer.get(), F_SETFD, 0), "fcntl F_SETFD");
		arm(timer, all_time_calls().front(), to_time_value(date() + 1000s));
		exec_helper("expect_expiry_by_a_set", { std::to_string(timer.get()) });
	});
}

HELPER(expect_expiry_by_a_set)
{
	pollfd event{ std::stoi(arguments[0]), POLLIN, 0 };

	expect_eq(check(poll(&event, 1, 0), "poll"), 0, "due already");
	step_date(2000s);
	expect_eq(check(poll(&event, 1, std::chrono::milliseconds(patience).count()), "poll"), 1,
		  "due after the set");
}

TEST(a_timer_outlives_the_namespace_in_which_it_was_armed, .timeout = 30s)
{
	require_wall_clocks();
	require_settable_clocks();

	const auto &calls = all_time_calls().front();
	const timer_file following(CLOCK_REALTIME);
	const timer_file cancelled(CLOCK_REALTIME);
	const timer_file own(CLOCK_REALTIME);
	std::uint64_t expiries;

	in_wall_namespace(ahead, [&] {
		arm(following, calls, to_time_value(date() + 1000s));
		arm(cancelled, calls, to_time_value(date() + 1000s), 0s, TFD_TIMER_CANCEL_ON_SET);
	});
	in_wall_namespace(ahead, [&] {
		step_date(ahead);
		arm(own, calls, to_time_value(date() + 1000s));
	});
	/* Others come and go meanwhile. */
	for (int i = 0; i < 20; i++)
		in_wall_namespace(ahead, [&] { step_date(5000s); });
	for (const auto *timer : { &following, &cancelled, &own }) {
		expect_errno(timer->try_read(expiries), EAGAIN, "before");
		expect_near(remaining(*timer, calls), 1000s, date_slack, "what remains");
	}

	moved_realtime machine;

	machine.move(2000s);
	expect_eq(following.wait("a clock that follows the host"), 1, "expiries");
	expect_errno(cancelled.try_read(expiries), ECANCELED, "cancelled");
	expect_errno(own.try_read(expiries), EAGAIN, "a clock of its own");
	expect_near(remaining(own, calls), 1000s, date_slack, "what remains of its own");

	/* What it is until it expires all by itself. */
	const timer_file last(CLOCK_REALTIME);

	in_wall_namespace(ahead, [&] {
		step_date(-5000s);
		arm(last, calls, to_time_value(date() + 200ms));
	});
	expect_eq(last.wait("a clock that nobody has any more"), 1, "expiries");
}

TEST(clocks_with_armed_timers_end, .timeout = 60s)
{
	require_wall_clocks();
	become_user(65534);
	enter_user_namespace();
	/* A wall clock counts as one. */
	limit_namespaces("time", 2);
	for (int i = 0; i < 100; i++)
		child([] {
			unshare_wall(ahead);
			child([] {
				const auto &calls = all_time_calls().front();
				const timer_file timer(CLOCK_REALTIME);

				arm(timer, calls, to_time_value(date() + 1000s));
				step_date(500s);
			}).wait_ok();
		}).wait_ok();
	unshare_wall(ahead);
	expect_errno(unshare(CLONE_NEWTIME), ENOSPC, "one more namespace");
}
