// SPDX-License-Identifier: GPL-2.0-only
/*
 * Setting the wall clock of a namespace from inside, by each call that there is:
 * clock_settime(2), settimeofday(2), stime(2), adjtimex(2), clock_adjtime(2). Who may is
 * in wall_owner.cpp.
 */
#include "hostclock.hpp"
#include "shifts.hpp"
#include "wall_clock.hpp"

#include <algorithm>
#include <cstring>

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr nanoseconds ahead = ninety_days;

/* What the calls of old take. */
struct old_timeval {
	long tv_sec;
	long tv_usec;
};

/* A way to set the date, as exact as its resolution. */
struct setter {
	const char *name;
	nanoseconds resolution;
	outcome (*set)(nanoseconds date);
};

/* ADJ_SETOFFSET takes a difference. */
outcome adjust_to(nanoseconds date, unsigned int further_modes, outcome (*adjust)(timex *))
{
	const auto by = date - system_now(CLOCK_REALTIME);
	const auto whole = std::chrono::floor<seconds>(by);
	timex adjustment{};

	adjustment.modes = ADJ_SETOFFSET | further_modes;
	adjustment.time.tv_sec = whole.count();
	adjustment.time.tv_usec = (by - whole).count() / (further_modes & ADJ_NANO ? 1 : 1000);
	return adjust(&adjustment);
}

#ifdef __LP64__
constexpr long clock_settime_number = SYS_clock_settime;
#else
constexpr long clock_settime_number = SYS_clock_settime64;
#endif

/* A difference that is read and then applied is late by the time between. */
constexpr nanoseconds late = 1s;

constexpr setter setters[] = {
	{ "clock_settime", 0ns,
	  [](nanoseconds date) -> outcome {
		  const auto time = to_timespec<__kernel_timespec>(date);

		  return syscall(clock_settime_number, CLOCK_REALTIME, &time);
	  } },
#ifndef __LP64__
	{ "clock_settime of 32 bits", 0ns,
	  [](nanoseconds date) -> outcome {
		  const auto time = to_timespec(date);
		  const std::int32_t old[2] = { static_cast<std::int32_t>(time.tv_sec),
						static_cast<std::int32_t>(time.tv_nsec) };

		  return syscall(SYS_clock_settime, CLOCK_REALTIME, old);
	  } },
#endif
	{ "settimeofday", 1us,
	  [](nanoseconds date) -> outcome {
		  const auto time = to_timespec(date);
		  const old_timeval old{ static_cast<long>(time.tv_sec), time.tv_nsec / 1000 };

		  return syscall(SYS_settimeofday, &old, nullptr);
	  } },
#ifdef SYS_stime
	{ "stime", 1s,
	  [](nanoseconds date) -> outcome {
		  const long time = std::chrono::floor<seconds>(date).count();

		  return syscall(SYS_stime, &time);
	  } },
#endif
	{ "adjtimex", late,
	  [](nanoseconds date) {
		  return adjust_to(date, 0, [](timex *time) -> outcome { return adjtimex(time); });
	  } },
	{ "adjtimex in nanoseconds", late,
	  [](nanoseconds date) {
		  return adjust_to(date, ADJ_NANO,
				   [](timex *time) -> outcome { return adjtimex(time); });
	  } },
	{ "clock_adjtime", late,
	  [](nanoseconds date) {
		  return adjust_to(date, 0, [](timex *time) -> outcome {
			  return clock_adjtime(CLOCK_REALTIME, time);
		  });
	  } },
};

/* The clock of the task, with this many modes of adjtimex(2). */
timex adjust(unsigned int modes, auto edit)
{
	timex adjustment{};

	adjustment.modes = modes;
	edit(adjustment);
	check(adjtimex(&adjustment), "adjtimex " + show(modes));
	return adjustment;
}

timex adjustment_now()
{
	timex adjustment;

	read_adjustment(adjustment);
	return adjustment;
}

/* All but the date, which goes on. */
void expect_same_adjustment(const timex &found, const timex &expected, const std::string &what)
{
	expect_eq(found.status, expected.status, what + ": status");
	expect_eq(found.offset, expected.offset, what + ": offset");
	expect_eq(found.freq, expected.freq, what + ": frequency");
	expect_eq(found.tick, expected.tick, what + ": tick");
	expect_eq(found.constant, expected.constant, what + ": time constant");
	expect_eq(found.esterror, expected.esterror, what + ": estimated error");
	expect_eq(found.tai, expected.tai, what + ": TAI");
	expect_ge(found.maxerror, expected.maxerror, what + ": greatest error");
	expect_le(found.maxerror, expected.maxerror + 1'000'000, what + ": greatest error");
}

constexpr seconds settable_end{ 9'223'372'036 - 30LL * 365 * 24 * 3600 };

} // namespace

TEST(every_call_sets_the_wall_clock_of_its_namespace, .timeout = 30s)
{
	require_wall_clocks();

	const untouched_host host;
	const unique_fd initial = own_namespace();
	const auto host_zero = date_of_zero();

	for (const auto &setter : setters) {
		const unique_fd moved = make_wall_namespace(ahead);
		const unique_fd sibling = make_wall_namespace(ahead);

		/* Forward, back, and by less than a second. */
		for (const nanoseconds by : { nanoseconds(86'400s), nanoseconds(-40 * 86'400s),
					      nanoseconds(250ms + 17us) }) {
			const std::string name = setter.name + (" by " + show(by));

			enter(moved);

			const auto wanted = date() + by;
			const auto up_before = system_now(CLOCK_BOOTTIME);

			expect_errno(setter.set(wanted), 0, name);

			const auto up_set = system_now(CLOCK_BOOTTIME);
			const auto seen = date();
			const auto up_seen = system_now(CLOCK_BOOTTIME);

			/* It goes on from the moment of the call. */
			expect_ge(seen, wanted - setter.resolution, name);
			expect_le(seen,
				  wanted + (up_seen - up_before) +
					  (setter.resolution == late ? up_set - up_before : 0ns),
				  name);
			expect_readers_agree(seconds(wall_of(own_namespace()).tai), name);
			enter(initial);
			expect_eq(wall_of(moved).mode, std::uint32_t(TIMENS_WALL_OWN), name);
			host.check(name);
		}
		enter(sibling);
		expect_date_of_zero(host_zero + ahead, setter.name + std::string(": the sibling"));
		enter(initial);
	}
}

TEST(every_call_sets_the_clock_of_the_host_where_there_is_no_other, .timeout = 30s)
{
	require_wall_clocks();
	require_settable_clocks();

	const auto host_zero = date_of_zero();
	const unique_fd initial = own_namespace();
	const unique_fd wall = make_wall_namespace(ahead);
	const unique_fd without = make_namespace(some_offsets);
	moved_realtime machine;

	child([&] {
		enter(wall);
		step_date(0s);
	}).wait_ok();
	for (const auto &setter : setters) {
		enter(without);
		expect_errno(setter.set(date() + 5000s), 0, setter.name);
		enter(initial);
		expect_date_of_zero(host_zero + 5000s, setter.name);
		enter(wall);
		expect_date_of_zero(host_zero + ahead, setter.name + std::string(": a wall clock"));
		enter(without);
		expect_errno(setter.set(date() - 5000s), 0, setter.name);
		enter(initial);
		expect_date_of_zero(host_zero, setter.name);
	}
}

TEST(dates_that_the_host_refuses_are_refused)
{
	require_wall_clocks();

	const untouched_host host;

	in_wall_namespace(ahead, [] {
		const auto zero = date_of_zero();
		const auto before = wall_of(own_namespace());
		const auto up = std::chrono::floor<seconds>(system_now(CLOCK_BOOTTIME));
		const timespec bad[] = {
			{ -1, 0 },
			{ 2'000'000'000, -1 },
			{ 2'000'000'000, 1'000'000'000 },
			{ static_cast<time_t>(settable_end.count()), 0 },
			{ INT64_MAX, 0 },
			{ INT64_MIN, 0 },
			/* Before the machine started. */
			{ 0, 0 },
			{ static_cast<time_t>(up.count() - 1), 0 },
		};

		for (const auto &date : bad) {
			const std::string name = show(date.tv_sec) + " " + show(date.tv_nsec);

			expect_errno(try_set_date(date), EINVAL, name);
			expect_date_of_zero(zero, name);
			expect_eq(wall_of(own_namespace()), before, name);
		}
		for (const old_timeval &date : { old_timeval{ -1, 0 },
						 { 2'000'000'000, -1 },
						 { 2'000'000'000, 1'000'001 },
						 { 0, 0 } })
			expect_errno(syscall(SYS_settimeofday, &date, nullptr), EINVAL,
				     "settimeofday");
		expect_errno(syscall(clock_settime_number, CLOCK_REALTIME, nullptr), EFAULT,
			     "clock_settime of nothing");
		expect_eq(wall_of(own_namespace()), before, "after all");
	});
	host.check("after all");
}

TEST(dates_at_the_edge_of_the_range_can_be_set)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		set_date(settable_end - 1s);
		expect_near(date(), settable_end, date_slack, "latest");
		expect_readers_agree(seconds(wall_of(own_namespace()).tai), "latest");
		/* The clocks go on while this is asked for. */
		set_date(system_now(CLOCK_BOOTTIME) + 10s);
		expect_near(date(), system_now(CLOCK_BOOTTIME), date_slack, "least");
		expect_ge(date(), system_now(CLOCK_BOOTTIME), "least");
		expect_readers_agree(seconds(wall_of(own_namespace()).tai), "least");
	});
}

TEST(the_boottime_of_the_namespace_is_the_least_date)
{
	require_wall_clocks();
	in_wall_namespace(ahead,
			  [] {
				  const auto up = system_now(CLOCK_BOOTTIME);

				  expect_errno(try_set_date(up - 500s), EINVAL,
					       "the host's would do");
				  set_date(up + 100s);
				  expect_near(date(), up + 100s, date_slack, "just above");
			  },
			  { 0s, 100'000s });
	/* With a clock that starts before the host's zero less is enough. */
	child([] {
		const auto up = system_now(CLOCK_BOOTTIME);

		unshare_wall(0s, { 0s, 1s - up });
		child([&] {
			set_date(up / 2 + date_slack);
			expect_near(date(), up / 2 + date_slack, date_slack,
				    "before the host's zero");
			expect_errno(try_set_date(0ns), EINVAL, "zero");
		}).wait_ok();
	}).wait_ok();
}

/* Whatever clock_settime(2) says to another clock, it says inside. */
TEST(other_clocks_cannot_be_set_inside_either)
{
	require_wall_clocks();

	const auto ask = [](clockid_t clock) {
		const auto time = to_timespec<__kernel_timespec>(system_now(CLOCK_REALTIME));

		return outcome(syscall(clock_settime_number, clock, &time));
	};

	for (const clockid_t clock : { CLOCK_TAI, CLOCK_REALTIME_COARSE, CLOCK_REALTIME_ALARM,
				       CLOCK_MONOTONIC, CLOCK_BOOTTIME, clockid_t(99) }) {
		const outcome outside = ask(clock);

		expect_ne(outside.error, 0, clock_name(clock) + " outside");
		in_wall_namespace(ahead, [&] {
			const auto before = wall_of(own_namespace());

			expect_errno(ask(clock), outside.error, clock_name(clock));
			expect_eq(wall_of(own_namespace()), before, clock_name(clock));
		});
	}
}

/* adjtimex(2) */

TEST(a_wall_clock_starts_unsynchronised_and_without_an_adjustment)
{
	require_wall_clocks();

	const untouched_host host;

	in_wall_namespace(ahead, [] {
		timex found;

		expect_eq(read_adjustment(found), TIME_ERROR, "state");
		expect_eq(found.status, STA_UNSYNC, "status");
		expect_eq(found.offset, 0, "offset");
		expect_eq(found.freq, 0, "frequency");
		expect_eq(found.tick, 10'000, "tick");
		expect_eq(found.tai, wall_of(own_namespace()).tai, "TAI");
	});
	host.check("after all");
}

TEST(adjtimex_reports_the_date_of_the_namespace)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		for (const nanoseconds by : { 0s, 5000s }) {
			timex found;

			step_date(by);
			for (const bool nano : { false, true }) {
				adjust(nano ? ADJ_NANO : ADJ_MICRO, [](timex &) {});

				const auto before = date();

				read_adjustment(found);

				const auto after = date();
				const auto fraction =
					nanoseconds(found.time.tv_usec * (nano ? 1 : 1000));
				const auto seen = seconds(found.time.tv_sec) + fraction;

				expect_eq(bool(found.status & STA_NANO), nano, "STA_NANO");
				expect_ge(seen, before - 1us, "time");
				expect_le(seen, after, "time");
			}
		}
	});
}

TEST(what_adjtimex_stores_is_of_the_wall_clock, .timeout = 30s)
{
	require_wall_clocks();

	const untouched_host host;
	const unique_fd sibling = make_wall_namespace(ahead);

	in_wall_namespace(ahead, [] {
		const auto zero = date_of_zero();

		expect_eq(adjust(ADJ_MAXERROR, [](timex &all) { all.maxerror = 12'345; }).maxerror /
				  1000,
			  12, "greatest error");
		expect_eq(adjust(ADJ_ESTERROR, [](timex &all) { all.esterror = 2345; }).esterror,
			  2345, "estimated error");
		expect_eq(adjust(ADJ_TIMECONST | ADJ_NANO, [](timex &all) { all.constant = 6; })
				  .constant,
			  6, "time constant");
		expect_eq(adjust(ADJ_TAI, [](timex &all) { all.constant = 37; }).tai, 37, "TAI");
		expect_eq(wall_of(own_namespace()).tai, 37, "TAI by TIMENS_GET_WALL");
		expect_readers_agree(37s, "after ADJ_TAI");
		expect_eq(adjust(ADJ_STATUS, [](timex &all) { all.status = 0; }).status & ~STA_NANO,
			  0, "status");

		timex found;

		expect_eq(read_adjustment(found), TIME_OK, "state without STA_UNSYNC");
		expect_eq(found.esterror, 2345, "estimated error later");
		expect_eq(found.constant, 6, "time constant later");
		expect_eq(found.tai, 37, "TAI later");
		expect_ge(found.maxerror, 12'345, "greatest error later");
		adjust(ADJ_STATUS, [](timex &all) { all.status = STA_UNSYNC; });
		expect_eq(read_adjustment(found), TIME_ERROR, "state with STA_UNSYNC");
		expect_date_of_zero(zero, "no date is set");
		expect_eq(wall_of(own_namespace()).mode, std::uint32_t(TIMENS_WALL_FOLLOW), "mode");
	});
	host.check("after all");
	enter(sibling);
	expect_eq(adjustment_now().status, STA_UNSYNC, "a sibling's status");
	expect_ne(adjustment_now().tai, 37, "a sibling's TAI");
}

/* Programs set what they have read. */
TEST(what_is_read_can_be_set)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		const auto before = adjustment_now();

		for (const unsigned int modes :
		     { ADJ_FREQUENCY, ADJ_TICK, ADJ_OFFSET, ADJ_MAXERROR, ADJ_ESTERROR,
		       ADJ_TIMECONST | ADJ_NANO, ADJ_STATUS, ADJ_FREQUENCY | ADJ_TICK | ADJ_STATUS,
		       int(ADJ_OFFSET_SINGLESHOT) }) {
			auto wanted = before;

			wanted.modes = modes;
			check(clock_adjtime(CLOCK_REALTIME, &wanted),
			      "clock_adjtime " + show(modes));
		}
		adjust(ADJ_MICRO, [](timex &) {});
		expect_same_adjustment(adjustment_now(), before, "after all");
	});
}

TEST(what_it_cannot_do_is_refused_and_changes_nothing)
{
	require_wall_clocks();

	const untouched_host host;
	const struct {
		const char *name;
		unsigned int modes;
		int error;
		void (*edit)(timex &all);
	} cases[] = {
		{ "frequency", ADJ_FREQUENCY, EOPNOTSUPP, [](timex &all) { all.freq = 1; } },
		{ "negative frequency", ADJ_FREQUENCY, EOPNOTSUPP,
		  [](timex &all) { all.freq = -65'536; } },
		{ "tick", ADJ_TICK, EOPNOTSUPP, [](timex &all) { all.tick = 10'001; } },
		{ "offset", ADJ_OFFSET, EOPNOTSUPP, [](timex &all) { all.offset = 1; } },
		{ "singleshot", ADJ_OFFSET_SINGLESHOT, EOPNOTSUPP,
		  [](timex &all) { all.offset = 1; } },
		{ "leap second", ADJ_STATUS, EOPNOTSUPP, [](timex &all) { all.status = STA_INS; } },
		{ "leap second to delete", ADJ_STATUS, EOPNOTSUPP,
		  [](timex &all) { all.status = STA_DEL; } },
		{ "microseconds of a step", ADJ_SETOFFSET, EINVAL,
		  [](timex &all) {
			  all.time = { 1, 1'000'000 };
		  } },
		{ "negative microseconds", ADJ_SETOFFSET, EINVAL,
		  [](timex &all) {
			  all.time = { 1, -1 };
		  } },
		{ "nanoseconds of a step", ADJ_SETOFFSET | ADJ_NANO, EINVAL,
		  [](timex &all) {
			  all.time = { 1, 1'000'000'000 };
		  } },
		{ "a step before the start", ADJ_SETOFFSET, EINVAL,
		  [](timex &all) {
			  all.time = { -std::chrono::floor<seconds>(date()).count(), 0 };
		  } },
		{ "a step beyond all", ADJ_SETOFFSET, EINVAL,
		  [](timex &all) {
			  all.time = { settable_end.count() -
					       std::chrono::floor<seconds>(date()).count() + 1,
				       0 };
		  } },
	};

	in_wall_namespace(ahead, [&] {
		const auto zero = date_of_zero();
		const auto before = adjustment_now();

		for (const auto &each : cases)
			/* Alone, and with what would be stored. */
			for (const unsigned int further :
			     { 0U, unsigned(ADJ_MAXERROR | ADJ_ESTERROR),
			       unsigned(ADJ_SETOFFSET) }) {
				const std::string name = each.name + (" with " + show(further));
				timex wanted{};

				if (each.modes == ADJ_OFFSET_SINGLESHOT && further)
					continue;
				wanted.modes = each.modes | further;
				wanted.time = { 5000, 0 };
				wanted.maxerror = 1;
				wanted.esterror = 1;
				each.edit(wanted);
				expect_errno(adjtimex(&wanted), each.error, name);
				expect_same_adjustment(adjustment_now(), before, name);
				expect_date_of_zero(zero, name);
			}
		expect_errno(syscall(SYS_adjtimex, nullptr), EFAULT, "nothing");
	});
	host.check("after all");
}

/* Coarse clocks lag behind by up to a tick, but not behind what was set. */
TEST(no_reading_is_before_the_date_that_was_set)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		for (int i = 0; i < 50; i++)
			for (const auto &reader : date_readers()) {
				const auto wanted = std::chrono::floor<seconds>(date()) + 10s;

				set_date(wanted);
				expect_ge(reader.read(), nanoseconds(wanted), reader.name);
			}
	});
}

TEST(steps_of_nothing_do_not_move_the_clock)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		step_date(0s);

		const unique_fd own = own_namespace();
		const auto before = wall_of(own);

		for (int i = 0; i < 1000; i++)
			adjust(ADJ_SETOFFSET | ADJ_NANO, [](timex &all) { all.time = { 0, 0 }; });
		expect_eq(wall_of(own), before);
	});
}

TEST(a_step_by_adjtimex_is_added_to_the_date)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		const auto zero = date_of_zero();

		adjust(ADJ_SETOFFSET, [](timex &all) { all.time = { 5000, 999'999 }; });
		expect_near(date_of_zero(), zero + 5001s, 1s, "forward");
		adjust(ADJ_SETOFFSET | ADJ_NANO, [](timex &all) { all.time = { -10'000, 1 }; });
		expect_near(date_of_zero(), zero - 4999s, 1s, "back");
		adjust(ADJ_SETOFFSET | ADJ_TAI, [](timex &all) {
			all.time = { 5000, 0 };
			all.constant = 37;
		});
		expect_near(date_of_zero(), zero + 1s, 1s, "with TAI");
		expect_readers_agree(37s, "with TAI");
	});
}

TEST(adjustments_are_shared_with_the_clock)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		adjust(ADJ_STATUS | ADJ_ESTERROR, [](timex &all) {
			all.status = 0;
			all.esterror = 77;
		});
		in_namespace({ 1000s, 0s }, [] {
			timex found;

			expect_eq(read_adjustment(found), TIME_OK, "state below");
			expect_eq(found.esterror, 77, "estimated error below");
			adjust(ADJ_ESTERROR, [](timex &all) { all.esterror = 78; });
		});
		expect_eq(adjustment_now().esterror, 78, "estimated error above");
		/* A clock of its own begins anew. */
		in_wall_namespace(0s, [] {
			timex found;

			expect_eq(read_adjustment(found), TIME_ERROR, "state of another clock");
		});
	});
}

TEST(only_the_wall_clock_is_adjusted_as_one)
{
	require_wall_clocks();

	const auto ask = [](clockid_t clock) {
		timex adjustment{};

		return outcome(clock_adjtime(clock, &adjustment));
	};

	for (const clockid_t clock :
	     { CLOCK_TAI, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM }) {
		const outcome outside = ask(clock);

		expect_ne(outside.error, 0, clock_name(clock) + " outside");
		in_wall_namespace(
			ahead, [&] { expect_errno(ask(clock), outside.error, clock_name(clock)); });
	}
}

/* The time zone is the host's, set with the host's capability, that root has here. */
TEST(the_time_zone_is_the_hosts)
{
	require_wall_clocks();
	require_settable_clocks();

	struct zone {
		int west;
		int dst;
	};
	const auto read_zone = [] {
		zone found;

		check(syscall(SYS_gettimeofday, nullptr, &found), "gettimeofday");
		return found;
	};
	const auto set_both = [](nanoseconds date, const zone &wanted) {
		const auto time = to_timespec(date);
		const old_timeval old{ static_cast<long>(time.tv_sec), 0 };

		return outcome(syscall(SYS_settimeofday, &old, &wanted));
	};
	const zone before = read_zone();
	const auto host_zero = date_of_zero();

	in_wall_namespace(ahead, [&] {
		const auto zero = date_of_zero();

		check(set_both(date() + 5000s, { before.west + 60, before.dst }), "settimeofday");
		expect_date_of_zero(zero + 5000s, "the date");
		expect_eq(read_zone().west, before.west + 60, "the zone inside");
		expect_errno(set_both(date(), { 10'000, 0 }), EINVAL, "a zone that there is not");
		expect_date_of_zero(zero + 5000s, "with a zone that there is not");
	});

	const auto seen = read_zone();

	check(set_both(date(), before), "settimeofday");
	expect_eq(seen.west, before.west + 60, "the zone outside");
	expect_date_of_zero(host_zero, "the date outside");
}
