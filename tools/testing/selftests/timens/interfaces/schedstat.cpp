// SPDX-License-Identifier: GPL-2.0-only
/* /proc/schedstat: the jiffies of its reading (Documentation/scheduler/sched-stats.rst). */
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

} // namespace

/* Raw jiffies are on no clock of user space, and are the same for every reader. */
TEST(the_time_stamp_is_the_count_of_the_host)
{
	for (const shift &shift : all_shifts()) {
		channel<long> inside;
		const long before = ticks_of_schedstat();

		in_namespace(shift.by, [&] { inside.send(ticks_of_schedstat()); });

		const long ticks = inside.receive();

		expect_ge(ticks, before, std::string(shift.name));
		expect_le(ticks, ticks_of_schedstat(), std::string(shift.name));
	}
}
