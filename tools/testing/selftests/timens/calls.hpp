// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system calls that take or return a time, in every width that a program
 * of this word size can use: clock_getres(2), clock_nanosleep(2),
 * timer_settime(2), timerfd_create(2), futex(2).
 *
 * They are called without the C library, which would choose one width.
 */
#pragma once

#include "harness.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include <linux/time_types.h>
#include <sys/types.h>

namespace timens
{

/* Wide enough for whatever user space can ask for, which a duration is not. */
using time_value = __kernel_timespec;
using timer_value = __kernel_itimerspec;

/* The latest time of the kernel's own arithmetic, and of the interfaces. */
constexpr time_value ktime_max{ 9'223'372'036, 854'775'807 };
constexpr time_value end_of_time{ INT64_MAX, 999'999'999 };

/*
 * Deadlines in the far future. On the host's clock all may be after its end: the
 * first is the last whole second that is not taken for it from the start.
 */
constexpr time_value far_deadlines[] = {
	{ ktime_max.tv_sec - 1, 999'999'999 },
	ktime_max,
	end_of_time,
};

time_value to_time_value(nanoseconds time);

/* One width. A time that it cannot express becomes the latest that it can. */
struct time_calls {
	/* "time64"; with 32 bits also "time32" */
	std::string_view name;
	seconds latest;

	/* The numbers of those that a process blocks in. */
	long clock_nanosleep_number;
	long futex_number;

	outcome (*clock_getres)(clockid_t clock, time_value &resolution);
	outcome (*clock_nanosleep)(clockid_t clock, int flags, const time_value &time,
				   time_value *remaining);
	outcome (*timer_settime)(int timer, int flags, const timer_value &value, timer_value *old);
	outcome (*timer_gettime)(int timer, timer_value &value);
	outcome (*timerfd_settime)(int fd, int flags, const timer_value &value, timer_value *old);
	outcome (*timerfd_gettime)(int fd, timer_value &value);
	outcome (*futex)(std::uint32_t *word, int operation, std::uint32_t value,
			 const time_value *timeout, std::uint32_t *second_word,
			 std::uint32_t third_value);

	bool can_express(nanoseconds time) const;
};
std::span<const time_calls> all_time_calls();

} // namespace timens
