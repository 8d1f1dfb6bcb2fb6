// SPDX-License-Identifier: GPL-2.0-only
#include "agreement.hpp"

#include "error.hpp"
#include "namespaces.hpp"
#include "views.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <linux/futex.h>
#include <memory>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace timens
{

namespace
{

constexpr int rounds = 50;

/* ------------------------------------------------------------------- views */

/*
 * A view that has to lie between two readings of a reference. It may be behind
 * by its resolution in its best round, as a reader can be kept waiting, and
 * ahead by its rounding in none.
 */
struct comparison {
	std::string name;
	std::function<nanoseconds()> view, reference;
	nanoseconds may_lag{}, may_lead{};

	int compared = 0;
	nanoseconds least_lag = nanoseconds::max(), most_lead = nanoseconds::min(),
		    lowest = nanoseconds::max();
	/* What was reported in place of a time, and why a round gave nothing. */
	std::string nonsense = {}, failure = {}, absence = {};

	void sample();
	verdict judge() const;
};

void comparison::sample()
{
	try {
		const auto before = reference();
		const auto seen = view();
		const auto after = reference();

		least_lag = std::min(least_lag, before - seen);
		most_lead = std::max(most_lead, seen - after);
		lowest = std::min(lowest, seen);
		++compared;
	} catch (const not_a_time &reported) {
		nonsense = reported.what();
	} catch (const system_failure &failed) {
		(is_not_here(failed.code) ? absence : failure) = failed.what();
	}
}

verdict comparison::judge() const
{
	const auto &reason = failure.empty() ? absence : failure;
	const auto count = std::to_string(compared);

	if (!nonsense.empty())
		return { name, finding::wrong, nonsense };
	if (!compared && failure.empty())
		return { name, finding::not_here, absence };
	if (!compared)
		return { name, finding::not_checked, failure };
	if (lowest < 0ns)
		return { name, finding::wrong,
			 format_seconds(lowest) +
				 ": below zero; 'timens features' says if this kernel allows it" };
	if (least_lag > may_lag)
		return { name, finding::wrong, "behind by " + format_duration(least_lag) };
	if (most_lead > may_lead)
		return { name, finding::wrong, "ahead by " + format_duration(most_lead) };
	if (compared < rounds / 2)
		return { name, finding::not_checked, "only " + count + " comparisons: " + reason };
	return { name, finding::good,
		 count + " comparisons" + (reason.empty() ? "" : ", others failed: " + reason) };
}

/* By /proc, of a child that is made between the readings of the reference. */
nanoseconds start_of_child()
{
	const auto child = check(fork(), "fork");

	if (child == 0) {
		pause();
		_exit(0);
	}
	try {
		const auto start = read_start_time(child);

		kill(child, SIGKILL);
		waitpid(child, nullptr, 0);
		return start;
	} catch (...) {
		kill(child, SIGKILL);
		waitpid(child, nullptr, 0);
		throw;
	}
}

/* The clock by the system call, for the clock that a coarse or alarm clock goes with. */
std::optional<clockid_t> finer_clock(clockid_t clock)
{
	switch (clock) {
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
		return CLOCK_REALTIME;
	case CLOCK_MONOTONIC_COARSE:
		return CLOCK_MONOTONIC;
	case CLOCK_BOOTTIME_ALARM:
		return CLOCK_BOOTTIME;
	}
	return {};
}

std::vector<comparison> list_comparisons()
{
	std::vector<comparison> all;
	const auto by_syscall = [](clockid_t clock) {
		return [clock] { return read_clock_by_syscall(clock); };
	};
	const auto boottime = by_syscall(CLOCK_BOOTTIME);

	for (const auto &clock : all_clocks())
		all.push_back({ full_name(clock) + ": vDSO and system call",
				[id = clock.id] { return read_clock(id); }, by_syscall(clock.id) });
	for (const auto &clock : all_clocks()) {
		if (const auto finer = finer_clock(clock.id))
			all.push_back({ full_name(clock) + " and the clock it goes with",
					by_syscall(clock.id), by_syscall(*finer),
					clock.resolution });
	}
	for (const auto &clock : all_clocks()) {
		if (clock.id != CLOCK_REALTIME && clock.id != CLOCK_TAI &&
		    clock.id != CLOCK_MONOTONIC && clock.id != CLOCK_BOOTTIME)
			continue;
		all.push_back({ full_name(clock) + ": timer_settime() deadlines",
				[id = clock.id] { return read_clock_by_timer(id); },
				by_syscall(clock.id), 1ms, 1ms });
		if (clock.id != CLOCK_TAI)
			all.push_back({ full_name(clock) + ": timerfd_settime() deadlines",
					[id = clock.id] { return read_clock_by_timerfd(id); },
					by_syscall(clock.id), 1ms, 1ms });
	}
	const auto realtime = by_syscall(CLOCK_REALTIME);
	all.push_back(
		{ "CLOCK_REALTIME: gettimeofday() by the vDSO", read_gettimeofday, realtime, 1us });
	all.push_back({ "CLOCK_REALTIME: gettimeofday() by system call",
			read_gettimeofday_by_syscall, realtime, 1us });
	/* Of the last tick, and without the fraction. */
	all.push_back({ "CLOCK_REALTIME: time() by the vDSO", read_time, realtime, 1s + 20ms });
	all.push_back({ "CLOCK_REALTIME: time() by system call", read_time_by_syscall, realtime,
			1s + 20ms });
	all.push_back({ "CLOCK_REALTIME: adjtimex()", read_adjtimex, realtime, 1us });
	all.push_back(
		{ "CLOCK_TAI: as far ahead as adjtimex() says", read_tai_by_adjtimex, realtime });
	all.push_back(
		{ "CLOCK_BOOTTIME: sysinfo() uptime", read_sysinfo_uptime, boottime, 1s, 1s });
	all.push_back({ "CLOCK_BOOTTIME: /proc/uptime", read_proc_uptime, boottime, 10ms });
	all.push_back({ "CLOCK_BOOTTIME: /proc/stat btime",
			[] {
				/* It is a date of the host's wall clock. */
				return read_clock(CLOCK_REALTIME) - own_wall().offset -
				       read_boot_date();
			},
			boottime, 1s, 1s });
	all.push_back({ "CLOCK_BOOTTIME: start of a child", start_of_child, boottime, 10ms });
	return all;
}

/* ------------------------------------------------------------------- waits */

constexpr nanoseconds wait_length = 20ms, wait_limit = 5s;

struct wait {
	const char *how;
	clockid_t clock;
	/* Returns an errno; EINTR from the limit. */
	int (*sleep)(clockid_t clock, const timespec &until);
};

int wait_nanosleep(clockid_t clock, const timespec &until)
{
	return clock_nanosleep(clock, TIMER_ABSTIME, &until, nullptr);
}

int wait_futex(clockid_t clock, const timespec &until)
{
	std::uint32_t word = 0;
	const int operation =
		FUTEX_WAIT_BITSET | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);

	if (syscall(SYS_futex, &word, operation, 0, &until, nullptr, FUTEX_BITSET_MATCH_ANY) == 0)
		return 0;
	return errno == ETIMEDOUT ? 0 : errno;
}

constexpr wait waits[] = {
	{ "clock_nanosleep()", CLOCK_REALTIME, wait_nanosleep },
	{ "clock_nanosleep()", CLOCK_TAI, wait_nanosleep },
	{ "clock_nanosleep()", CLOCK_MONOTONIC, wait_nanosleep },
	{ "clock_nanosleep()", CLOCK_BOOTTIME, wait_nanosleep },
	{ "futex()", CLOCK_REALTIME, wait_futex },
	{ "futex()", CLOCK_MONOTONIC, wait_futex },
};

verdict failed_verdict(const std::string &name, const system_failure &failed)
{
	return { name, is_not_here(failed.code) ? finding::not_here : finding::not_checked,
		 failed.what() };
}

verdict judge_wait(const wait &what, const std::string &name)
{
	const itimerval limit{ {}, { wait_limit / 1s, 0 } }, none{};
	const auto start = read_clock_by_syscall(what.clock);
	const auto until = start + wait_length;

	check(setitimer(ITIMER_REAL, &limit, nullptr), "setitimer");
	const int error = what.sleep(what.clock, { until / 1s, (until % 1s).count() });
	check(setitimer(ITIMER_REAL, &none, nullptr), "setitimer");
	const auto end = read_clock_by_syscall(what.clock);

	if (error && error != EINTR)
		throw system_failure(what.how, error);
	if (end - start >= wait_limit)
		return { name, finding::wrong,
			 "still waited after " + format_duration(wait_limit) + " for " +
				 format_duration(wait_length) };
	if (error)
		return { name, finding::not_checked, "interrupted" };
	if (end < until)
		return { name, finding::wrong, "too early by " + format_duration(until - end) };
	return { name, finding::good, "waited " + format_seconds(end - start, 3) + "s" };
}

verdict measure(const wait &what)
{
	const auto &clock = *std::ranges::find(all_clocks(), what.clock, &named_clock::id);
	const auto name = full_name(clock) + ": " + what.how + " until a time";

	try {
		return judge_wait(what, name);
	} catch (const system_failure &failed) {
		return failed_verdict(name, failed);
	}
}

/* ------------------------------------------------------------------- steps */

/* The latest that anyone has seen of a clock, and how far it has been seen to go back. */
struct latest_time {
	std::atomic<std::int64_t> time = INT64_MIN;
	std::atomic<std::int64_t> step_back = 0;
	/* Why it cannot be read. */
	std::atomic<int> error = 0;

	void observe(nanoseconds (*read)(clockid_t), clockid_t clock);
};

void raise_to(std::atomic<std::int64_t> &highest, std::int64_t value)
{
	auto known = highest.load(std::memory_order_relaxed);

	while (known < value &&
	       !highest.compare_exchange_weak(known, value, std::memory_order_acq_rel))
		;
}

void latest_time::observe(nanoseconds (*read)(clockid_t), clockid_t clock)
{
	/* Whoever published this had read it before the reading here. */
	const auto known = time.load(std::memory_order_acquire);

	try {
		const auto now = read(clock).count();

		if (now < known)
			raise_to(step_back, known - now);
		raise_to(time, now);
	} catch (const system_failure &failed) {
		error = failed.code;
	}
}

verdict judge_steps(const std::string &name, const latest_time &latest, const std::string &how)
{
	const nanoseconds step(latest.step_back.load());

	if (step != 0ns)
		return { name, finding::wrong, "stepped back by " + format_duration(step) };
	if (latest.error)
		return failed_verdict(name, system_failure("clock_gettime", latest.error));
	return { name, finding::good, how };
}

constexpr clockid_t stepless[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE,
				   CLOCK_BOOTTIME };
using latest_times = std::array<latest_time, std::size(stepless)>;

std::vector<int> list_cpus()
{
	/* More than any kernel is built for. */
	constexpr int most = 8192;
	const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t *)> set(
		CPU_ALLOC(most), [](cpu_set_t *which) { CPU_FREE(which); });
	std::vector<int> cpus;

	check(sched_getaffinity(0, CPU_ALLOC_SIZE(most), set.get()), "sched_getaffinity");
	for (int cpu = 0; cpu < most; ++cpu) {
		if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(most), set.get()))
			cpus.push_back(cpu);
	}
	return cpus;
}

void run_on(int cpu)
{
	const auto size = CPU_ALLOC_SIZE(cpu + 1);
	const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t *)> set(
		CPU_ALLOC(cpu + 1), [](cpu_set_t *which) { CPU_FREE(which); });

	CPU_ZERO_S(size, set.get());
	CPU_SET_S(cpu, size, set.get());
	/* A CPU that goes away meanwhile has no reader of its own. */
	sched_setaffinity(0, size, set.get());
}

} /* namespace */

std::vector<verdict> compare_views()
{
	auto all = list_comparisons();
	std::vector<verdict> verdicts;

	for (int round = 0; round < rounds; ++round) {
		for (auto &one : all)
			one.sample();
		std::this_thread::sleep_for(1ms); /* so that there are ticks between */
	}
	for (const auto &one : all)
		verdicts.push_back(one.judge());
	return verdicts;
}

std::vector<verdict> measure_waits()
{
	std::vector<verdict> verdicts;
	struct sigaction interrupt {
	}, before;

	interrupt.sa_handler = [](int) {};
	sigaction(SIGALRM, &interrupt, &before);
	for (const auto &wait : waits)
		verdicts.push_back(measure(wait));
	sigaction(SIGALRM, &before, nullptr);
	return verdicts;
}

std::vector<verdict> watch_steps(nanoseconds length)
{
	const auto cpus = list_cpus();
	const auto end = std::chrono::steady_clock::now() + length;
	latest_times latest;
	std::atomic<std::uint64_t> readings = 0;
	std::vector<std::jthread> readers;

	for (const auto cpu : cpus)
		readers.emplace_back([&, cpu] {
			std::uint64_t count = 0;

			run_on(cpu);
			do {
				for (std::size_t i = 0; i < latest.size(); ++i) {
					latest[i].observe(read_clock, stepless[i]);
					latest[i].observe(read_clock_by_syscall, stepless[i]);
				}
				count += 2;
			} while (std::chrono::steady_clock::now() < end);
			readings += count;
		});
	readers.clear();

	std::vector<verdict> verdicts;
	for (std::size_t i = 0; i < latest.size(); ++i) {
		const auto &clock = *std::ranges::find(all_clocks(), stepless[i], &named_clock::id);

		verdicts.push_back(judge_steps(full_name(clock) + " never steps back", latest[i],
					       std::to_string(readings.load()) + " readings on " +
						       std::to_string(cpus.size()) + " CPUs"));
	}
	return verdicts;
}

} /* namespace timens */
