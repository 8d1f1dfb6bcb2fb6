// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tasks move between namespaces all the time, by every way in, while others
 * read their clocks: no clock of anyone ever steps back.
 *
 * A clock belongs to a set of offsets, not to a process or a processor: what
 * one task has read in it is a lower bound for each task that reads it later.
 * Many namespaces can have the same offsets.
 */
#include "kernel.hpp"
#include "shifts.hpp"

#include <array>
#include <atomic>
#include <numeric>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr std::array clocks{
	CLOCK_REALTIME,		CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
	CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
};

/* The first is the host. */
constexpr std::array<offsets, 4> places{
	offsets{ 0s, 0s },
	offsets{ 1000s, 5000s },
	offsets{ 300ms, -200ms },
	offsets{ 1s - 1ns, 100000s },
};

/* The latest that anybody has read, by place and clock. */
class latest_readings {
public:
	/* Reads all clocks by all means; throws if one has stepped back. */
	void read(std::size_t place)
	{
		for (std::size_t i = 0; i < clocks.size(); i++)
			for (const auto &reader : clock_readers())
				read(place, i, reader);
	}
	std::atomic<bool> stop{};

private:
	void read(std::size_t place, std::size_t i, const clock_reader &reader)
	{
		auto &latest = readings[place][i];
		auto before = latest.load();
		const auto seen = reader.read(clocks[i]).count();

		if (seen < before)
			throw check_failed(clock_by(clocks[i], reader.name) + " in place " +
					   std::to_string(place) + " steps back from " +
					   show(nanoseconds(before)) + " to " +
					   show(nanoseconds(seen)));
		while (seen > before && !latest.compare_exchange_weak(before, seen))
			;
	}

	std::array<std::array<std::atomic<long long>, clocks.size()>, places.size()> readings{};
};

/* Pins the caller to one processor after the other, of those it may use. */
class processor_tour {
public:
	processor_tour()
	{
		check(sched_getaffinity(0, sizeof(usable), &usable), "sched_getaffinity");
	}
	void next()
	{
		cpu_set_t one;

		do {
			processor = (processor + 1) % CPU_SETSIZE;
		} while (!CPU_ISSET(processor, &usable));
		CPU_ZERO(&one);
		CPU_SET(processor, &one);
		check(sched_setaffinity(0, sizeof(one), &one), "sched_setaffinity");
	}

private:
	cpu_set_t usable;
	int processor = -1;
};

/* PLACE TIME...: reads every clock, of which each was TIME before execve(2) */
HELPER(read_after_exec)
{
	const auto place = std::stoul(arguments[0]);
	latest_readings latest;
	std::size_t i = 1;

	for (clockid_t clock : clocks)
		expect_ge(clock_readers().front().read(clock),
			  nanoseconds(std::stoll(arguments[i++])),
			  clock_name(clock) + " after exec in place " + std::to_string(place));
	latest.read(place);
}

[[noreturn]] void exec_in(std::size_t place)
{
	std::vector<std::string> arguments{ std::to_string(place) };

	unshare_time();
	set_offsets(places[place]);
	/* Unsharing leaves the clocks of the caller, who is on the host's. */
	for (clockid_t clock : clocks)
		arguments.push_back(std::to_string(
			(system_now(clock) + offset_of(clock, places[place])).count()));
	exec_helper("read_after_exec", arguments);
}

struct round_counters {
	std::atomic<int> staying;
	std::atomic<int> setns;
	std::atomic<int> fork;
	std::atomic<int> exec;

	/* Machines are slow and busy: how long that takes is not known. */
	bool are_enough() const
	{
		return staying >= 100 && setns >= 100 && fork >= 10 && exec >= 5;
	}
};

/* Repeats the body until somebody says to stop, or fails. */
template <class function>
void repeat(latest_readings &latest, std::atomic<int> &rounds, function body)
{
	struct stop_all {
		latest_readings &latest;
		~stop_all()
		{
			latest.stop = true;
		}
	} at_exit{ latest };

	for (int round = 0; !latest.stop; round++, rounds++)
		body(round);
}

} // namespace

TEST(no_clock_steps_back_for_those_who_move_nor_for_those_who_stay, .timeout = 60s)
{
	shared<latest_readings> latest;
	shared<round_counters> rounds;
	std::vector<child> tasks;
	std::vector<unique_fd> namespaces;

	namespaces.push_back(open_file("/proc/self/ns/time", O_RDONLY));
	for (std::size_t place = 1; place < places.size(); place++)
		namespaces.push_back(make_namespace(places[place]));

	/* Those who stay read on one processor after the other. */
	for (std::size_t place = 0; place < places.size(); place++)
		tasks.emplace_back([&, place] {
			processor_tour tour;

			if (place)
				enter(namespaces[place]);
			repeat(*latest, rounds->staying, [&](int) {
				tour.next();
				latest->read(place);
			});
		});

	/* By setns(2), from each to each other. */
	for (std::size_t stride = 1; stride < places.size(); stride++)
		tasks.emplace_back([&, stride] {
			std::size_t place = 0;

			repeat(*latest, rounds->setns, [&](int round) {
				place = (place + stride + round % 2) % places.size();
				enter(namespaces[place]);
				latest->read(place);
			});
		});

	/* By fork(2) into a new namespace, from any other. */
	tasks.emplace_back([&] {
		repeat(*latest, rounds->fork, [&](int round) {
			const auto from = round % places.size();
			const auto to = (round / 3 + 1) % places.size();

			enter(namespaces[from]);
			unshare_time();
			set_offsets(places[to]);
			child([&] { latest->read(to); }).wait_ok();
			latest->read(from);
		});
	});

	/* By execve(2). */
	tasks.emplace_back([&] {
		repeat(*latest, rounds->exec, [&](int round) {
			const auto place = round % places.size();

			child([&] { exec_in(place); }).wait_ok();
		});
	});

	/* One that fails makes all of them stop: watching any will do. */
	auto end = tasks.back().wait_for(3s);

	while (!end && !rounds->are_enough())
		end = tasks.back().wait_for(100ms);
	latest->stop = true;
	if (end) {
		tasks.pop_back();
		end->expect_ok();
	}
	for (child &task : tasks)
		task.wait_ok();
	expect(rounds->are_enough(), "all have moved or stayed often enough");
}
