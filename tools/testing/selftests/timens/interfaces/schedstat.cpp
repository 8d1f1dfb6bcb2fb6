// SPDX-License-Identifier: GPL-2.0-only
/* /proc/schedstat: the time of its reading, in ticks (Documentation/scheduler/sched-stats.rst). */
#include "process.hpp"
#include "viewpoints.hpp"

#include <sstream>
#include <unistd.h>

using namespace timens;

namespace
{

long ticks_of_schedstat()
{
	if (access("/proc/schedstat", R_OK))
		skip("the kernel has no /proc/schedstat");

	std::istringstream words(read_file("/proc/schedstat"));
	long version = 0, ticks = 0;
	std::string word;

	words >> word >> version >> word >> ticks;
	expect_eq(word, "timestamp", "the second line of /proc/schedstat");
	return ticks;
}

/* A coarse clock advances with each tick. */
long ticks_per_second()
{
	timespec resolution;

	check(clock_getres(CLOCK_MONOTONIC_COARSE, &resolution), "clock_getres");
	return 1s / to_nanoseconds(resolution);
}

} // namespace

/* Ticks do not begin with 0, so only the difference to the host's counts. */
TEST(the_time_stamp_is_on_the_clock_of_the_reader,
     .differs_from_stock = "it is on the host's clock")
{
	const long frequency = ticks_per_second();

	for (const shift &shift : all_shifts()) {
		channel<long> inside;
		const long before = ticks_of_schedstat();

		in_namespace(shift.by, [&] { inside.send(ticks_of_schedstat()); });

		const nanoseconds moved = shift.by.monotonic;
		const long outside =
			inside.receive() - std::chrono::floor<seconds>(moved).count() * frequency;

		expect_ge(outside, before, std::string(shift.name));
		expect_le(outside, ticks_of_schedstat() + frequency, std::string(shift.name));
	}
}
