// SPDX-License-Identifier: GPL-2.0-only
/*
 * A wall clock of a namespace that is set while others read it, arm timers on it, fork,
 * end and enter. Who wins is not known; what each may see is.
 */
#include "futex_waits.hpp"
#include "hostclock.hpp"
#include "race.hpp"
#include "shifts.hpp"
#include "timer_objects.hpp"
#include "wall_clock.hpp"

#include <atomic>
#include <cstdlib>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr nanoseconds ahead = ninety_days;

/* Processes that go on until the race is over. The first that fails ends it. */
class crowd {
public:
	void add(std::function<void()> body)
	{
		members.emplace_back([this, body = std::move(body)] {
			try {
				while (!*over)
					body();
			} catch (...) {
				*over = true;
				throw;
			}
		});
	}
	/* Does the body meanwhile. */
	void run(const std::function<void(int round)> &body)
	{
		race([&](int round) {
			if (!*over)
				body(round);
		});
		*over = true;
		/* Some may still wait for what it does. */
		for (child &member : members) {
			std::optional<ending> end;

			for (int round = 0; !(end = member.wait_for(0s)); round++)
				body(round);
			end->expect_ok();
		}
	}

private:
	shared<std::atomic<bool>> over{ false };
	std::vector<child> members;
};

const time_calls &calls()
{
	return all_time_calls().front();
}

void allow_timer_files(int number)
{
	const rlimit enough{ rlim_t(number) + 100, rlim_t(number) + 100 };

	check(setrlimit(RLIMIT_NOFILE, &enough), "setrlimit RLIMIT_NOFILE");
}

void arm_or_report(const timer_file &timer, const time_value &deadline)
{
	const outcome set = calls().timerfd_settime(timer.get(),
						   TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
						   { {}, deadline }, nullptr);

	if (set.error != ECANCELED)
		check(set, "timerfd_settime");
}

} // namespace

/*
 * The date goes forward only, much faster than time. So whatever expires is not early,
 * and whoever waits does not wait long.
 */
TEST(nothing_is_early_or_lost_while_the_date_runs_forward, .timeout = race_limit())
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const unique_fd ns = own_namespace();
		crowd crowd;
		const auto some_time = [] { return std::chrono::milliseconds(std::rand() % 3000); };

		crowd.add([] {
			nanoseconds last{};

			for (const auto &reader : clock_readers()) {
				const auto seen = reader.read(CLOCK_REALTIME);

				if (reader.name.ends_with("time32") && last > seconds(INT32_MAX))
					continue;
				expect_ge(seen, last, reader.name);
				last = seen;
			}
		});
		for (const clockid_t clock : { CLOCK_REALTIME, CLOCK_REALTIME })
			crowd.add([&] {
				const timer_file timer(clock);
				const auto deadline = date() + some_time();

				arm(timer, calls(), to_time_value(deadline));
				timer.wait("a timer");
				expect_ge(date(), deadline, "date after a timer");
			});
		crowd.add([&] {
			block_expiry_signal();

			const posix_timer timer(CLOCK_TAI);
			const auto deadline = system_now(CLOCK_TAI) + some_time();

			arm(timer, calls(), to_time_value(deadline));
			wait_expiry("a timer on CLOCK_TAI");
			expect_ge(system_now(CLOCK_TAI), deadline, "CLOCK_TAI after a timer");
		});
		crowd.add([&] {
			const watchdog guard;
			const auto deadline = date() + some_time();

			expect_errno(calls().clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME,
							     to_time_value(deadline), nullptr),
				     0, "clock_nanosleep");
			expect_ge(date(), deadline, "date after a sleep");
		});
		crowd.add([&] {
			const watchdog guard;
			const auto deadline = date() + some_time();
			wait_bitset wait(CLOCK_REALTIME, calls());

			expect_errno(wait.wait(to_time_value(deadline)), ETIMEDOUT, wait.name);
			expect_ge(date(), deadline, "date after a futex");
		});
		/* Arms, arms anew and ends with it, in a process that ends. */
		crowd.add([&] {
			const auto before = date();

			child([&] {
				const timer_file timer(CLOCK_REALTIME);
				const timer_file other(CLOCK_REALTIME);

				expect_ge(date(), before, "date in a new process");
				for (int i = 0; i < 20; i++) {
					arm(timer, calls(), to_time_value(date() + some_time()));
					/* It may have been cancelled meanwhile, which this reports. */
					arm_or_report(other, to_time_value(date() + 1000s));
				}
			}).wait_ok();
		});
		/* It never moves the date. */
		crowd.add([&] {
			check(set_wall(ns, wall_mode(TIMENS_WALL_OWN)), "TIMENS_SET_WALL");
		});
		crowd.run([](int) {
			for (int i = 0; i < 20; i++)
				step_date(20ms);
		});
	});
}

/*
 * The date goes to and fro. What has been due at any time may expire, once. timerfd_create(2) has a
 * read return nothing if the clock was set back after an interval timer had expired.
 */
TEST(reads_of_timers_end_while_the_date_goes_to_and_fro, .timeout = race_limit())
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const auto start = date();
		crowd crowd;

		for (int i = 0; i < 3; i++)
			crowd.add([&] {
				const unique_fd timer(
					check(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC),
					      "timerfd_create"));
				std::uint64_t expiries = 0;
				const watchdog guard;

				check(calls().timerfd_settime(
					      timer.get(), TFD_TIMER_ABSTIME,
					      { to_time_value(1s), to_time_value(start + 50s) },
					      nullptr),
				      "timerfd_settime");
				for (int j = 0; j < 10; j++) {
					const auto bytes =
						check(read(timer.get(), &expiries, sizeof(expiries)), "read");

					if (bytes != 0) {
						expect_eq(bytes, std::int64_t{ sizeof(expiries) },
							  "bytes read");
						expect_ge(expiries, 1U, "expiries");
					}
					/* Where the deadline was in the past, it goes on from here. */
					check(calls().timerfd_settime(
						      timer.get(), TFD_TIMER_ABSTIME,
						      { to_time_value(1s),
							to_time_value(start + 50s) },
						      nullptr),
					      "timerfd_settime");
				}
			});
		crowd.run([&](int) {
			set_date(start + 100s);
			set_date(start);
		});
	});
}

TEST(ten_thousand_timers_expire_as_they_are_due, .timeout = 120s)
{
	require_wall_clocks();

	constexpr int number = 10'000;
	allow_timer_files(number);
	in_wall_namespace(ahead, [] {
		const auto start = date();
		const auto date_of = [&](int i) { return start + (i + 1) * 100s; };
		std::vector<timer_file> timers;
		/* Those before this have expired. */
		int due = 0;
		const auto expect_due_until = [&](int end, std::string_view what) {
			std::uint64_t expiries;

			for (; due < end; due++)
				expect_eq(timers[due].wait("timer " + show(due)), 1, what);
			for (int i = end; i < number; i++)
				expect_errno(timers[i].try_read(expiries), EAGAIN, what);
		};

		for (int i = 0; i < number; i++) {
			timers.emplace_back(CLOCK_REALTIME);
			arm(timers.back(), calls(), to_time_value(date_of(i)));
		}
		expect_due_until(0, "armed");
		set_date(date_of(0) + 50s);
		expect_due_until(1, "the first");
		set_date(date_of(number / 2) + 50s);
		expect_due_until(number / 2 + 1, "half of them");
		set_date(start);
		expect_due_until(number / 2 + 1, "set back");
		set_date(date_of(number / 2) + 50s);
		expect_due_until(number / 2 + 1, "set forward to where it was");
		for (int i = 1; i <= 100; i++)
			set_date(date_of(number / 2 + i) + 50s);
		expect_due_until(number / 2 + 101, "in steps");
		set_date(date_of(number - 1));
		expect_due_until(number, "all");
	});
}

TEST(ten_thousand_timers_end_with_their_process_while_the_date_is_set, .timeout = 120s)
{
	require_wall_clocks();

	constexpr int number = 10'000;
	allow_timer_files(number);
	in_wall_namespace(ahead, [] {
		gate armed;
		child holder([&] {
			const auto start = date();
			std::vector<timer_file> timers;

			for (int i = 0; i < number; i++) {
				timers.emplace_back(CLOCK_REALTIME);
				arm(timers.back(), calls(), to_time_value(start + i * 10ms + 1000s),
				    0s, i % 2 ? TFD_TIMER_CANCEL_ON_SET : 0);
			}
			armed.open();
			pause();
		});

		armed.wait(holder);
		step_date(1000s);
		holder.kill();
		for (std::optional<ending> end; !end; end = holder.wait_for(0s))
			step_date(10ms);
	});
}

/* The line of text and the first task. */
TEST(a_clock_that_is_asked_for_while_the_first_task_enters_is_that_of_all_or_refused,
     .timeout = race_limit())
{
	require_wall_clocks();

	const auto host_zero = date_of_zero();

	race([&](int) {
		gate go;
		gate written;
		child maker([&] {
			unshare_wall(ahead);
			go.open();
			/* Its first reading, and one when nothing more can happen. */
			child([&] {
				const nanoseconds first = date_of_zero();

				written.wait();
				expect_date_of_zero(first, "later");
				expect(first > host_zero + ahead / 2, "it is not the host's clock");
			}).wait_ok();
		});

		go.wait(maker);

		const unique_fd ns = open_file(maker.proc("ns/time_for_children"), O_RDONLY);
		const outcome result =
			write_offsets(realtime_text(2 * ahead), maker.proc("timens_offsets"));

		written.open();
		expect(result.error == 0 || result.error == EACCES,
		       "the write: " + errno_name(result.error));
		maker.wait_ok();
		expect_eq(wall_of(ns).offset, nanoseconds(result.error ? ahead : 2 * ahead),
			  "offset");
	});
}

/* A clock that is set from outside while its last task ends. */
TEST(a_clock_is_set_while_its_last_task_ends, .timeout = race_limit())
{
	require_wall_clocks();
	race([](int) {
		gate started;
		child inside([&] {
			unshare_wall(ahead);
			child([&] {
				const timer_file timer(CLOCK_REALTIME);

				arm(timer, calls(), to_time_value(date() + 1ms));
				started.open();
			}).wait_ok();
		});

		started.wait(inside);

		unique_fd ns(
			open(inside.proc("ns/time_for_children").c_str(), O_RDONLY | O_CLOEXEC));

		/* It may have ended already. */
		if (ns.get() < 0)
			return inside.wait_ok();
		for (int i = 0; i < 50; i++)
			check(set_wall(ns, wall_offset(i * 1s)), "TIMENS_SET_WALL");
		inside.wait_ok();
		check(set_wall(ns, wall_offset(0s)), "TIMENS_SET_WALL");
		expect_eq(wall_of(ns).offset, 0ns, "offset");
	});
}

TEST(a_clock_of_its_own_stays_where_it_is_when_the_host_is_set_meanwhile, .timeout = race_limit())
{
	require_wall_clocks();
	require_settable_clocks();

	const unique_fd moved = make_wall_namespace(ahead);
	moved_realtime machine;
	crowd crowd;

	check(set_wall(moved, wall_mode(TIMENS_WALL_OWN)), "TIMENS_SET_WALL");
	for (int i = 0; i < 2; i++)
		crowd.add([&] {
			child([&] {
				enter(moved);

				const auto zero = date_of_zero();

				/* Nothing of this is about the date. */
				for (int j = 0; j < 300; j++) {
					check(set_wall(moved, wall_tai(j)), "TIMENS_SET_WALL");
					check(set_wall(moved, wall_mode(TIMENS_WALL_OWN)),
					      "TIMENS_SET_WALL");
					expect_date_of_zero(zero, "after a set of something else");
				}
			}).wait_ok();
		});
	crowd.run([&](int round) { machine.move(round % 2 ? 1000s : -1000s); });
}

/* Each sets all of it. What is read is of one of them. */
TEST(setters_do_not_mix, .timeout = race_limit())
{
	require_wall_clocks();

	const unique_fd moved = make_wall_namespace(0s);
	const auto request_of = [](int i) {
		auto wanted = wall_offset(i * 1000s);

		wanted.flags |= TIMENS_WALL_SET_MODE | TIMENS_WALL_SET_TAI;
		wanted.mode = i % 2 ? TIMENS_WALL_OWN : TIMENS_WALL_FOLLOW;
		wanted.tai = i;
		return wanted;
	};
	crowd crowd;

	child([&] { enter(moved); }).wait_ok();
	check(set_wall(moved, request_of(0)), "TIMENS_SET_WALL");
	for (int i = 0; i < 4; i++)
		crowd.add([&, i] { check(set_wall(moved, request_of(i)), "TIMENS_SET_WALL"); });
	crowd.run([&](int) {
		const auto seen = wall_of(moved);

		expect_near(seen.offset, seen.tai * 1000s, 1us,
			    "offset with TAI " + show(seen.tai));
		expect_eq(seen.mode,
			  std::uint32_t(seen.tai % 2 ? TIMENS_WALL_OWN : TIMENS_WALL_FOLLOW),
			  "mode with TAI " + show(seen.tai));
	});
}
