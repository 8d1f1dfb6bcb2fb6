// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clocks: which of them a namespace moves, and that the vDSO and the system
 * calls show the same, from the first reading on.
 */
#include "calls.hpp"
#include "hostclock.hpp"
#include "kernel.hpp"
#include "shifts.hpp"
#include "waiting.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* 32-bit seconds have no room for the far future. */
bool has_room(const clock_reader &reader, nanoseconds time)
{
	return !reader.name.ends_with("time32") || time < seconds(INT32_MAX);
}

/*
 * Ways to ask for the date that know no clock id. They truncate, so that their
 * readings compare only with each other.
 */
struct date_reader {
	std::string_view name;
	nanoseconds (*read)();
};

struct old_timeval {
	long tv_sec;
	long tv_usec;
};

nanoseconds duration_of(const old_timeval &time)
{
	return seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

constexpr date_reader date_readers[] = {
	{ "vdso gettimeofday",
	  [] {
		  old_timeval time;

		  expect_eq(
			  vdso_function<int(old_timeval *, void *)>("gettimeofday")(&time, nullptr),
			  0, "gettimeofday of the vDSO");
		  return duration_of(time);
	  } },
	{ "syscall gettimeofday",
	  [] {
		  old_timeval time;

		  check(syscall(SYS_gettimeofday, &time, nullptr), "gettimeofday");
		  return duration_of(time);
	  } },
#ifdef SYS_time /* Where it is missing, the vDSO lacks it, too. */
	{ "vdso time",
	  [] { return nanoseconds(seconds(vdso_function<long(long *)>("time")(nullptr))); } },
	{ "syscall time", [] { return nanoseconds(seconds(syscall(SYS_time, nullptr))); } },
#endif
};

/* A reading of a clock and what it is called. */
struct reading {
	std::string name;
	std::function<nanoseconds()> read;
	nanoseconds moved;
};

/* All readings that a namespace with these offsets makes possible. */
std::vector<reading> all_readings(const offsets &by)
{
	std::vector<reading> readings;

	for (clockid_t clock : all_clocks()) {
		const nanoseconds moved = offset_of(clock, by);

		for (const auto &reader : clock_readers())
			if (has_room(reader, system_now(clock) + moved))
				readings.push_back(
					{ clock_by(clock, reader.name),
					  [clock, &reader] { return reader.read(clock); }, moved });
	}
	for (const auto &reader : date_readers)
		readings.push_back({ std::string(reader.name), reader.read, 0ns });
	return readings;
}

/* A vDSO may not be more than the system call before or after it. */
void expect_agreement(clockid_t clock)
{
	for (const auto &reader : clock_readers()) {
		const nanoseconds before = system_now(clock);

		if (!has_room(reader, before + patience))
			continue;

		const nanoseconds seen = reader.read(clock);
		const nanoseconds after = system_now(clock);
		const std::string name = clock_by(clock, reader.name);

		expect_ge(seen, before, name + " against the call before");
		expect_le(seen, after, name + " against the call after");
	}
}

/* Those that the vDSO knows without a system call. */
constexpr std::array vdso_clocks{
	CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE,
	CLOCK_BOOTTIME,	 CLOCK_REALTIME,      CLOCK_REALTIME_COARSE,
};

} // namespace

TEST(every_clock_moves_by_its_offset_and_no_other, .timeout = 30s)
{
	const unique_fd host = own_namespace();

	for (const shift &shift : all_shifts()) {
		const unique_fd moved = make_namespace(shift.by);

		for (const reading &reading : all_readings(shift.by)) {
			const std::string name = std::string(shift.name) + ": " + reading.name;
			const nanoseconds before = reading.read();

			enter(moved);
			const nanoseconds inside = reading.read();

			enter(host);
			const nanoseconds after = reading.read();

			expect_ge(inside, before + reading.moved,
				  name + " against the host before");
			expect_le(inside, after + reading.moved, name + " against the host after");
		}
	}
}

TEST(vdso_and_system_calls_agree_at_once_after_setns, .timeout = 30s)
{
	const unique_fd host = own_namespace();

	for (const shift &shift : all_shifts()) {
		const unique_fd moved = make_namespace(shift.by);

		for (clockid_t clock : all_clocks()) {
			enter(moved);
			expect_agreement(clock);
			enter(host);
			expect_agreement(clock);
		}
	}
}

TEST(vdso_and_system_calls_agree_at_once_after_fork, .timeout = 30s)
{
	for (const shift &shift : all_shifts()) {
		child([&] {
			unshare_time();
			set_offsets(shift.by);
			/* Each child faults its pages in by another clock. */
			for (clockid_t clock : vdso_clocks)
				child([&] { expect_agreement(clock); }).wait_ok();
		}).wait_ok();
	}
}

/* CLOCK HOST_NAMESPACE_FD OFFSET READER_NUMBER HOST_TIME_BEFORE */
HELPER(expect_first_reading)
{
	const clockid_t clock = std::stoi(arguments[0]);
	const unique_fd host(std::stoi(arguments[1]));
	const nanoseconds moved(std::stoll(arguments[2]));
	const clock_reader &reader = clock_readers()[std::stoi(arguments[3])];
	const nanoseconds before(std::stoll(arguments[4]));
	const nanoseconds inside = reader.read(clock);

	enter(host);

	const nanoseconds after = reader.read(clock);
	const std::string name = clock_by(clock, reader.name);

	expect_ge(inside, before + moved, name + " against the host before");
	expect_le(inside, after + moved, name + " against the host after");
}

TEST(the_first_reading_after_exec_is_right, .timeout = 30s)
{
	const offsets by = some_offsets;

	for (clockid_t clock : vdso_clocks) {
		for (std::size_t i = 0; i < clock_readers().size(); i++) {
			child([&] {
				const unique_fd host(check(open("/proc/self/ns/time", O_RDONLY),
							   "open /proc/self/ns/time"));

				unshare_time();
				set_offsets(by);

				/* execve(2) enters. */
				const auto before = clock_readers()[i].read(clock);

				exec_helper("expect_first_reading",
					    { std::to_string(clock), std::to_string(host.get()),
					      std::to_string(offset_of(clock, by).count()),
					      std::to_string(i), std::to_string(before.count()) });
			}).wait_ok();
		}
	}
}

TEST(resolutions_are_those_of_the_host, .timeout = 30s)
{
	std::vector<nanoseconds> outside;
	const auto each_resolution = [](auto found) {
		for (clockid_t clock : all_clocks())
			for (const auto &calls : all_time_calls()) {
				time_value resolution;

				check(calls.clock_getres(clock, resolution),
				      "clock_getres " + clock_name(clock));
				found(clock_by(clock, calls.name), to_nanoseconds(resolution));
			}
		for (clockid_t clock : all_clocks()) {
			struct {
				long tv_sec;
				long tv_nsec;
			} resolution;
			const auto getres = vdso_function<int(clockid_t, void *)>("clock_getres");

			expect_eq(getres(clock, &resolution), 0,
				  "clock_getres of the vDSO " + clock_name(clock));
			found(clock_by(clock, "vdso"), to_nanoseconds(resolution));
		}
	};

	each_resolution([&](const std::string &, nanoseconds resolution) {
		outside.push_back(resolution);
	});
	in_each_shift([&](const shift &) {
		auto expected = outside.begin();

		each_resolution([&](const std::string &name, nanoseconds resolution) {
			expect_eq(resolution, *expected++, name);
		});
	});
}

TEST(unknown_clocks_stay_invalid, .timeout = 30s)
{
	/* 10 was CLOCK_SGI_CYCLE; negative ids are of tasks and files. */
	in_each_shift([](const shift &) {
		for (clockid_t clock : { 10, 12, 15, 1000, INT_MAX, -1 }) {
			for (const auto &reader : clock_readers()) {
				int error = 0;

				try {
					reader.read(clock);
				} catch (const system_failure &failure) {
					error = failure.error;
				}
				expect_eq(errno_name(error), errno_name(EINVAL),
					  clock_by(clock, reader.name));
			}
		}
	});
}

#ifdef __LP64__ /* There is none for 32 bits. */
TEST(vdso_getrandom_works, .timeout = 30s, .time_namespaces = feature::either)
{
	struct {
		std::uint32_t size_of_state;
		std::uint32_t protection;
		std::uint32_t flags;
		std::uint32_t reserved[13];
	} parameters;

	if (!vdso_has("getrandom"))
		skip("the vDSO of this architecture has no getrandom()");

	const auto get =
		vdso_function<ssize_t(void *, std::size_t, unsigned int, void *, std::size_t)>(
			"getrandom");

	expect_eq(get(nullptr, 0, 0, &parameters, ~0UL), 0, "its parameters");

	const std::size_t size = parameters.size_of_state;
	/* It works in user space if it keeps a key: else it leaves this 0. */
	const auto keeps_state = [&] {
		void *memory = mmap(nullptr, size, parameters.protection, parameters.flags, -1, 0);

		if (memory == MAP_FAILED)
			throw system_failure("mmap of its state", errno);

		const std::span state(static_cast<const char *>(memory), size);
		std::array<char, 32> first{};
		std::array<char, 32> second{};

		expect_eq(get(first.data(), first.size(), 0, memory, size), first.size(), "bytes");
		expect_eq(get(second.data(), second.size(), 0, memory, size), second.size(),
			  "bytes");
		expect(first != second, "two results differ");

		const bool kept = std::ranges::any_of(state, [](char c) { return c; });

		munmap(memory, size);
		return kept;
	};
	const bool outside = keeps_state();

	if (!has_time_namespaces())
		return;
	in_each_shift(
		[&](const shift &) { expect_eq(keeps_state(), outside, "it works as outside"); });
}
#endif

/*
 * The first task to enter fills the page that the vDSO reads. One that enters
 * next must not find it half filled: an empty page shows 1970 by time(2) and
 * the boot by the coarse clocks, one without offsets the host's clocks.
 */
namespace
{

void expect_filled_page(const offsets &by, nanoseconds host_before)
{
	const auto &vdso = clock_readers().front();
	const auto date = vdso_has("time") ? vdso_function<long(long *)>("time")(nullptr) : 1;
	const auto coarse = vdso.read(CLOCK_MONOTONIC_COARSE);
	const auto monotonic = vdso.read(CLOCK_MONOTONIC);

	expect_ge(seconds(date), 1s, "the first time()");
	expect_ge(coarse, host_before + by.monotonic, "the first CLOCK_MONOTONIC_COARSE");
	expect_ge(monotonic, host_before + by.monotonic, "the first CLOCK_MONOTONIC");
}

constexpr char publication_race[] =
	"at times: stock marks a namespace as entered before its vvar page is filled";

} // namespace

/*
 * One processor, two tasks. The second has a real-time priority and wakes up
 * again and again: often while the first is somewhere in setns().
 */
TEST(a_task_that_interrupts_the_first_to_enter_sees_whole_clocks, .timeout = 30s,
     .differs_from_stock = publication_race)
{
	const offsets by{ 1000s, 1000s };
	const std::string text = offsets_text(by);
	const auto pending = "/proc/" + std::to_string(getpid()) + "/ns/time_for_children";
	const unique_fd host = own_namespace();
	const unique_fd offsets_file = open_file(own_offsets_file, O_WRONLY);
	shared<std::atomic<bool>> entering(false);
	shared<std::atomic<bool>> over(false);
	gate ready;
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	check(sched_setaffinity(0, sizeof(here), &here), "sched_setaffinity");

	const auto enter_too = [&] {
		const unique_fd ns = open_file(pending, O_RDONLY);
		const auto coarse = now(CLOCK_MONOTONIC_COARSE);

		/* Had to sleep, and the first has gone back already? */
		if (ns_inode(ns) == ns_inode(host))
			return;
		enter(ns);
		expect_filled_page(by, coarse);
		enter(host);
	};
	child second([&] {
		const sched_param priority{ .sched_priority = 1 };
		const auto short_sleep = to_timespec(50us);

		if (sched_setscheduler(0, SCHED_FIFO, &priority))
			skip("needs a real-time priority");
		ready.open();
		while (!*over) {
			nanosleep(&short_sleep, nullptr);
			if (*entering)
				enter_too();
		}
	});

	ready.wait(second);
	for (const auto end = now(CLOCK_REALTIME) + 2s; now(CLOCK_REALTIME) < end;) {
		unshare_time();
		check(write(offsets_file.get(), text.data(), text.size()), "write timens_offsets");

		const unique_fd ns = open_file(pending, O_RDONLY);

		*entering = true;
		enter(ns);
		*entering = false;
		enter(host);
	}
	*over = true;
	second.wait_ok();
}

/* Many tasks, all processors. */
TEST(tasks_that_enter_together_see_whole_clocks, .timeout = 30s,
     .differs_from_stock = publication_race)
{
	constexpr unsigned int tasks = 6;
	const offsets by{ 1000s, 1000s };
	const auto file = "/proc/" + std::to_string(getpid()) + "/ns/time_for_children";
	const unique_fd host = own_namespace();
	shared<std::atomic<bool>> over(false);
	process_barrier barrier(tasks + 1);
	std::vector<child> entering;

	const auto enter_once = [&] {
		const unique_fd ns = open_file(file, O_RDONLY);
		const auto coarse = now(CLOCK_MONOTONIC_COARSE);

		barrier.wait();
		enter(ns);
		expect_filled_page(by, coarse);
		enter(host);
	};
	for (unsigned int i = 0; i < tasks; i++)
		entering.emplace_back([&] {
			std::exception_ptr failure;

			/* All leave at the same barrier, or some would stay. */
			for (;;) {
				barrier.wait();
				if (*over)
					break;
				try {
					enter_once();
				} catch (...) {
					failure = std::current_exception();
					*over = true;
				}
			}
			if (failure)
				std::rethrow_exception(failure);
		});
	for (const auto end = now(CLOCK_REALTIME) + 1s;;) {
		unshare_time();
		set_offsets(by);
		if (now(CLOCK_REALTIME) >= end)
			*over = true;
		barrier.wait();
		if (*over)
			break;
		barrier.wait();
	}
	for (child &task : entering)
		task.wait_ok();
}

/*
 * Only CLOCK_MONOTONIC and CLOCK_BOOTTIME are checked when offsets are written.
 * What follows them can be behind: then it stays at 0 for so long.
 */
namespace
{

constexpr char negative_clocks[] = "stock's coarse and raw clocks go below zero with tv_sec -1";

/*
 * Enters a namespace in which CLOCK_MONOTONIC starts at 0 and reads a clock
 * that is behind it by every means. False if it has caught up meanwhile.
 */
bool reads_zero_while_behind(clockid_t clock, const unique_fd &host)
{
	unshare_time();

	const unique_fd ns = open_file("/proc/self/ns/time_for_children", O_RDONLY);
	const offsets by{ -now(CLOCK_MONOTONIC), 0s };
	std::vector<nanoseconds> seen;

	set_offsets(by);
	enter(ns);
	for (const auto &reader : clock_readers())
		seen.push_back(reader.read(clock));
	enter(host);

	const bool behind = now(clock) + by.monotonic < 0s;

	for (std::size_t i = 0; i < seen.size(); i++) {
		const auto name = clock_by(clock, clock_readers()[i].name);

		expect_ge(seen[i], 0s, name);
		if (behind)
			expect_eq(seen[i], 0ns, name);
	}
	return behind;
}

} // namespace

TEST(the_coarse_clock_stops_at_zero, .timeout = 30s, .differs_from_stock = negative_clocks)
{
	const unique_fd host = own_namespace();
	bool behind = false;

	for (const auto end = now(CLOCK_REALTIME) + 1s; !behind && now(CLOCK_REALTIME) < end;) {
		/* It stays behind for longest right after a tick. */
		const auto last = now(CLOCK_MONOTONIC_COARSE);

		while (now(CLOCK_MONOTONIC_COARSE) == last)
			;
		behind = reads_zero_while_behind(CLOCK_MONOTONIC_COARSE, host);
	}
	if (!behind)
		skip("too slow to enter within a tick");
}

TEST(the_raw_clock_stops_at_zero, .timeout = 30s, .differs_from_stock = negative_clocks)
{
	constexpr nanoseconds enough = 50ms;
	const unique_fd host = own_namespace();
	const auto lag = [] { return now(CLOCK_MONOTONIC) - now(CLOCK_MONOTONIC_RAW); };

	if (lag() < enough) {
		require_settable_clocks();

		const fast_monotonic fast;

		while (lag() < enough)
			;
	}

	bool behind = false;

	for (const auto end = now(CLOCK_REALTIME) + 3s; !behind && now(CLOCK_REALTIME) < end;)
		behind = reads_zero_while_behind(CLOCK_MONOTONIC_RAW, host);
	if (!behind)
		skip("too slow to enter before the clock catches up");
}
