// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading clocks on all processors, inside and outside a namespace, while others
 * make, enter and leave namespaces; and how that work shares the processors.
 *
 * A reader times slices of some reads with the TSC and reports the median: a slice
 * that another task fell into is not it.
 */
#include "timens.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>
#include <x86intrin.h>

namespace bench
{

namespace
{

constexpr int slices = 401;
constexpr int reads = 10'000; /* in a slice, which is shorter than a tick */
constexpr int rounds = 201; /* of making a namespace and all that */

/* Shared by all processes of one measurement. */
struct board {
	std::atomic<int> ready;
	std::atomic<std::uint64_t> results[256];
};

void pin_to(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	check(sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

/* One that is read from the vvar pages alone: processors share QEMU's TSC. */
void read_clock()
{
	timespec time;

	if (clock_gettime(CLOCK_MONOTONIC_COARSE, &time))
		fail("clock_gettime");
}

/* The median of what a piece of work takes, in ticks of the TSC. */
template <class work> std::uint64_t time_median(int times, const work &piece)
{
	std::vector<std::uint64_t> ticks;

	for (int time = 0; time < times; ++time) {
		const auto before = __rdtsc();
		piece();
		ticks.push_back(__rdtsc() - before);
	}
	std::ranges::nth_element(ticks, ticks.begin() + times / 2);
	return ticks[times / 2];
}

std::uint64_t time_reads()
{
	return time_median(slices, [] {
		for (int read = 0; read < reads; ++read)
			read_clock();
	});
}

/* Makes a namespace, enters it, runs a child in it, and leaves it. */
void come_and_go(const unique_fd &home)
{
	check(unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME)");
	write_all(open_file("/proc/self/timens_offsets", O_WRONLY).get(), offsets);
	const auto ns = open_file("/proc/self/ns/time_for_children", O_RDONLY);
	check(setns(ns.get(), CLONE_NEWTIME), "setns");
	child(read_clock).wait();
	check(setns(home.get(), CLONE_NEWTIME), "setns");
}

unique_fd open_home()
{
	return open_file("/proc/self/ns/time", O_RDONLY);
}

class measurement {
public:
	/* Runs at the same time as all others that are added before start(). */
	template <class work> void add(int processor, bool inside, const work &measure)
	{
		const auto index = tasks_.size();
		const auto body = [this, processor, index, measure] {
			pin_to(processor);
			++board_->ready;
			while (board_->ready >= 0)
				sched_yield();
			board_->results[index] = measure();
		};

		if (inside)
			tasks_.push_back(std::make_unique<child>(
				[body] { run_in_namespace(offsets, body); }));
		else
			tasks_.push_back(std::make_unique<child>(body));
	}

	/* What each measured, in the order in which they were added. */
	std::vector<std::uint64_t> run()
	{
		while (board_->ready < static_cast<int>(tasks_.size()))
			sched_yield();
		board_->ready = -1;
		for (const auto &task : tasks_)
			task->wait();
		return { board_->results, board_->results + tasks_.size() };
	}

private:
	mapping memory_{ sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS };
	board *board_ = new (memory_.data()) board();
	std::vector<std::unique_ptr<child>> tasks_;
};

std::uint64_t mean(const std::vector<std::uint64_t> &values, std::size_t first, std::size_t step)
{
	std::uint64_t sum = 0, number = 0;

	for (auto index = first; index < values.size(); index += step, ++number)
		sum += values[index];
	return sum / number;
}

void report(const std::string &name, std::uint64_t value)
{
	printf("%s %lu\n", name.c_str(), static_cast<unsigned long>(value));
	fflush(stdout);
}

void measure_readers(int processors, const std::string &when)
{
	const int places = has_time_namespaces() ? 2 : 1;
	measurement readers;

	for (int processor = 0; processor < processors; ++processor)
		for (int place = 0; place < places; ++place)
			readers.add(processor, place == 1, time_reads);

	const auto found = readers.run();
	report("scaling.reads." + when + ".outside", mean(found, 0, places));
	if (places == 2)
		report("scaling.reads." + when + ".inside", mean(found, 1, places));
}

std::uint64_t time_namespaces()
{
	const auto home = open_home();

	return time_median(rounds, [&] { come_and_go(home); });
}

void measure_namespaces(int processors, const std::string &when)
{
	measurement makers;

	for (int processor = 0; processor < processors; ++processor)
		makers.add(processor, false, time_namespaces);
	report("scaling.namespaces." + when, mean(makers.run(), 0, 1));
}

void measure_all()
{
	const int processors = check(sysconf(_SC_NPROCESSORS_ONLN), "sysconf");

	measure_readers(processors, "quiet");
	if (!has_time_namespaces())
		return;
	measure_namespaces(1, "one");
	measure_namespaces(processors, "all");

	std::vector<std::unique_ptr<child>> others;
	for (int processor = 0; processor < 2 * processors; ++processor)
		others.push_back(std::make_unique<child>([] {
			const auto home = open_home();

			for (;;)
				come_and_go(home);
		}));
	measure_readers(processors, "disturbed");
}

} /* namespace */

} /* namespace bench */

int main()
{
	using namespace bench;

	try {
		measure_all();
	} catch (const std::exception &error) {
		fprintf(stderr, "scale_readers: %s\n", error.what());
		return 1;
	}
}
