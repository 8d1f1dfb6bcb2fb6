// SPDX-License-Identifier: GPL-2.0-only
#include "hostclock.hpp"
#include "kernel.hpp"

#include <cstdlib>

#include <sys/timex.h>

namespace timens
{

namespace
{

/* What CLOCK_REALTIME was when CLOCK_MONOTONIC was 0. */
nanoseconds date_of_zero()
{
	return now(CLOCK_REALTIME) - now(CLOCK_MONOTONIC);
}

int set_realtime(nanoseconds date)
{
	const auto time = to_timespec(date);

	return clock_settime(CLOCK_REALTIME, &time);
}

/* Microseconds by which the clock moves on at each of 100 ticks a second. */
long set_tick(long tick)
{
	timex adjustment{};

	adjustment.modes = tick ? ADJ_TICK : 0;
	adjustment.tick = tick;
	check(adjtimex(&adjustment), "adjtimex");
	return adjustment.tick;
}

} // namespace

bool may_set_clocks()
{
	const char *setting = std::getenv("TIMENS_MAY_SET_CLOCKS");

	return setting && std::string_view(setting) == "1";
}

void require_settable_clocks()
{
	if (!may_set_clocks())
		skip("sets the clocks of the machine; needs "
		     "TIMENS_MAY_SET_CLOCKS=1 in the environment");
}

moved_realtime::moved_realtime()
	: boot_date(date_of_zero())
{
}

moved_realtime::~moved_realtime()
{
	set_realtime(boot_date + now(CLOCK_MONOTONIC));
}

void moved_realtime::move(nanoseconds by)
{
	check(set_realtime(now(CLOCK_REALTIME) + by), "clock_settime CLOCK_REALTIME");
}

fast_monotonic::fast_monotonic()
	: tick(set_tick(0))
{
	set_tick(tick + tick / 10);
}

fast_monotonic::~fast_monotonic()
{
	set_tick(tick);
}

} // namespace timens
