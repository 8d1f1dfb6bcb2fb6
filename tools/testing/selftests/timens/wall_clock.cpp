// SPDX-License-Identifier: GPL-2.0-only
#include "wall_clock.hpp"
#include "shifts.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace timens
{

bool has_wall_clocks()
{
	timens_wall_arg found;

	return !ioctl(own_namespace().get(), TIMENS_GET_WALL, &found) || errno != ENOTTY;
}

void require_wall_clocks()
{
	if (!has_wall_clocks())
		skip("there are no wall clocks of namespaces");
}

std::string show(const wall_clock &value)
{
	return "mode " + show(value.mode) + " offset " + show(value.offset) + " tai " +
	       show(value.tai);
}

wall_clock wall_of(const unique_fd &ns, std::source_location where)
{
	timens_wall_arg found;

	std::memset(&found, 0xff, sizeof(found));
	check(ioctl(ns.get(), TIMENS_GET_WALL, &found), "TIMENS_GET_WALL", where);
	expect_eq(found.flags | found.reserved | found.realtime.reserved, 0U, "reserved members",
		  where);
	expect_le(found.realtime.nsec, 999'999'999U, "nanoseconds", where);
	return { found.mode, seconds(found.realtime.sec) + nanoseconds(found.realtime.nsec),
		 found.tai };
}

timens_wall_arg wall_offset(nanoseconds by)
{
	const auto time = to_timespec(by);
	timens_wall_arg wanted{};

	wanted.flags = TIMENS_WALL_SET_OFFSET;
	wanted.realtime = { time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec), 0 };
	return wanted;
}

timens_wall_arg wall_mode(std::uint32_t mode)
{
	timens_wall_arg wanted{};

	wanted.flags = TIMENS_WALL_SET_MODE;
	wanted.mode = mode;
	return wanted;
}

timens_wall_arg wall_tai(int tai)
{
	timens_wall_arg wanted{};

	wanted.flags = TIMENS_WALL_SET_TAI;
	wanted.tai = tai;
	return wanted;
}

outcome set_wall(const unique_fd &ns, const timens_wall_arg &wanted)
{
	return ioctl(ns.get(), TIMENS_SET_WALL, &wanted);
}

std::string realtime_text(nanoseconds by)
{
	const auto time = to_timespec(by);

	return "realtime " + std::to_string(time.tv_sec) + " " + std::to_string(time.tv_nsec) +
	       "\n";
}

void unshare_wall(nanoseconds by, const offsets &others)
{
	const std::string text = offsets_text(others) + realtime_text(by);

	unshare_time();
	expect_eq(check(write_offsets(text), "write " + show(text)), text.size(), "bytes written");
}

unique_fd make_wall_namespace(nanoseconds by, const offsets &others)
{
	gate ready;
	child holder([&] {
		unshare_wall(by, others);
		ready.open();
		pause();
	});

	ready.wait(holder);
	return open_file(holder.proc("ns/time_for_children"), O_RDONLY);
}

void in_wall_namespace(nanoseconds by, const std::function<void()> &body, const offsets &others)
{
	child([&] {
		unshare_wall(by, others);
		child(body).wait_ok();
	}).wait_ok();
}

void in_each_wall_mode(const std::function<void()> &body)
{
	for (const std::uint32_t mode : { TIMENS_WALL_FOLLOW, TIMENS_WALL_OWN })
		try {
			in_wall_namespace(ninety_days, [&] {
				check(set_wall(own_namespace(), wall_mode(mode)),
				      "TIMENS_SET_WALL");
				body();
			});
		} catch (const check_failed &failure) {
			throw check_failed::reported(
				std::string(mode == TIMENS_WALL_OWN ? "own: " : "follow: ") +
				failure.what());
		}
}

outcome try_set_date(const timespec &date)
{
#ifdef __LP64__
	const __kernel_timespec time{ date.tv_sec, date.tv_nsec };

	return syscall(SYS_clock_settime, CLOCK_REALTIME, &time);
#else
	const __kernel_timespec time{ date.tv_sec, date.tv_nsec };

	return syscall(SYS_clock_settime64, CLOCK_REALTIME, &time);
#endif
}

outcome try_set_date(nanoseconds date)
{
	return try_set_date(to_timespec(date));
}

void set_date(nanoseconds date, std::source_location where)
{
	check(try_set_date(date), "clock_settime CLOCK_REALTIME", where);
}

void step_date(nanoseconds by, std::source_location where)
{
	set_date(date() + by, where);
}

nanoseconds date()
{
	return system_now(CLOCK_REALTIME);
}

nanoseconds date_of_zero()
{
	return date() - system_now(CLOCK_BOOTTIME);
}

void wait_until_up(nanoseconds up)
{
	const auto time = to_timespec(up);

	expect_eq(clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &time, nullptr), 0,
		  "clock_nanosleep CLOCK_BOOTTIME");
}

void expect_date_of_zero(nanoseconds expected, std::string_view what, std::source_location where)
{
	expect_near(date_of_zero(), expected, date_slack, what, where);
}

namespace
{

constexpr seconds end_of_int32{ std::numeric_limits<std::int32_t>::max() };

/* Of what the calls of old take and return. */
struct old_timeval {
	long tv_sec;
	long tv_usec;
};
constexpr seconds end_of_old{ std::numeric_limits<long>::max() == INT32_MAX ? end_of_int32.count()
									    : 9'000'000'000 };

nanoseconds to_nanoseconds(const old_timeval &time)
{
	return seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

nanoseconds read_gettimeofday(int (*call)(old_timeval *, void *))
{
	old_timeval time;

	expect_eq(call(&time, nullptr), 0, "gettimeofday");
	return to_nanoseconds(time);
}

#ifdef __x86_64__
/* The page is not in the vDSO: it is always there, or not at all. */
constexpr std::uintptr_t vsyscall_gettimeofday = 0xffffffffff600000;
constexpr std::uintptr_t vsyscall_time = 0xffffffffff600400;

bool has_vsyscall_page()
{
	return read_file("/proc/self/maps").find("[vsyscall]") != std::string::npos;
}
#endif

} // namespace

std::vector<date_reader> date_readers()
{
	constexpr nanoseconds microsecond = 1us;
	std::vector<date_reader> all;

	for (const clockid_t clock : all_clocks()) {
		if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE &&
		    clock != CLOCK_REALTIME_ALARM && clock != CLOCK_TAI)
			continue;
		for (const auto &reader : clock_readers())
			all.push_back({ clock_by(clock, reader.name), clock,
					clock == CLOCK_REALTIME_COARSE ? date_slack : 0ns,
					reader.name.ends_with("time32") ? end_of_int32
									: seconds(9'000'000'000),
					[clock, read = reader.read] { return read(clock); } });
	}
	all.push_back({ "gettimeofday by syscall", CLOCK_REALTIME, microsecond, end_of_old, [] {
			       return read_gettimeofday([](old_timeval *time, void *zone) -> int {
				       return syscall(SYS_gettimeofday, time, zone);
			       });
		       } });
	if (vdso_has("gettimeofday"))
		all.push_back(
			{ "gettimeofday by vdso", CLOCK_REALTIME, microsecond, end_of_old, [] {
				 return read_gettimeofday(
					 vdso_function<int(old_timeval *, void *)>("gettimeofday"));
			 } });
#ifdef SYS_time
	/* They read the clock as it was at the last tick. */
	all.push_back({ "time by syscall", CLOCK_REALTIME, date_slack, end_of_old,
			[]() -> nanoseconds { return seconds(syscall(SYS_time, nullptr)); } });
#endif
	if (vdso_has("time"))
		all.push_back({ "time by vdso", CLOCK_REALTIME, date_slack, end_of_old,
				[]() -> nanoseconds {
					return seconds(
						vdso_function<long(long *)>("time")(nullptr));
				} });
#ifdef __x86_64__
	if (has_vsyscall_page()) {
		all.push_back(
			{ "gettimeofday by vsyscall", CLOCK_REALTIME, microsecond, end_of_old, [] {
				 return read_gettimeofday(
					 reinterpret_cast<int (*)(old_timeval *, void *)>(
						 vsyscall_gettimeofday));
			 } });
		all.push_back({ "time by vsyscall", CLOCK_REALTIME, date_slack, end_of_old,
				[]() -> nanoseconds {
					return seconds(reinterpret_cast<long (*)(long *)>(
						vsyscall_time)(nullptr));
				} });
	}
#endif
	return all;
}

void expect_readers_agree(seconds tai, std::string_view what, std::source_location where)
{
	for (const auto &reader : date_readers()) {
		const auto ahead = reader.clock == CLOCK_TAI ? tai : 0s;
		const auto name = std::string(what) + ": " + reader.name;
		const auto before = date() + ahead;
		const auto seen = reader.read();
		const auto after = date() + ahead;

		if (after > reader.latest)
			continue;
		expect_ge(seen, before - reader.resolution, name, where);
		expect_le(seen, after, name, where);
	}
}

int read_adjustment(timex &adjustment)
{
	adjustment = {};
	return check(adjtimex(&adjustment), "adjtimex");
}

untouched_host::untouched_host()
	: zero(date_of_zero())
{
	read_adjustment(adjustment);
}

void untouched_host::check(std::string_view what, std::source_location where) const
{
	const std::string prefix = std::string(what) + ": the host's ";
	timex found;

	expect_near(date_of_zero(), zero, 10s, prefix + "date", where);
	read_adjustment(found);
	expect_eq(found.status, adjustment.status, prefix + "status", where);
	expect_eq(found.offset, adjustment.offset, prefix + "offset", where);
	expect_eq(found.freq, adjustment.freq, prefix + "frequency", where);
	expect_eq(found.tick, adjustment.tick, prefix + "tick", where);
	expect_eq(found.constant, adjustment.constant, prefix + "time constant", where);
	expect_eq(found.esterror, adjustment.esterror, prefix + "estimated error", where);
	expect_eq(found.tai, adjustment.tai, prefix + "TAI", where);
	/* It grows with time. */
	expect_ge(found.maxerror, adjustment.maxerror, prefix + "greatest error", where);
}

} // namespace timens
