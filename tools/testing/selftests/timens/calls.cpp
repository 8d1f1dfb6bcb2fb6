// SPDX-License-Identifier: GPL-2.0-only
#include "calls.hpp"
#include "kernel.hpp"

#include <algorithm>
#include <limits>

#include <sys/syscall.h>
#include <unistd.h>

namespace timens
{

namespace
{

struct call_numbers {
	long clock_getres;
	long clock_nanosleep;
	long timer_settime;
	long timer_gettime;
	long timerfd_settime;
	long timerfd_gettime;
	long futex;
};

/* The calls with seconds and nanoseconds of this type. */
template <class integer, call_numbers numbers> struct width {
	struct time {
		integer tv_sec;
		integer tv_nsec;
	};
	struct timer {
		time it_interval;
		time it_value;
	};

	static integer narrow(long long value)
	{
		constexpr long long most = std::numeric_limits<integer>::max();

		return std::min(value, most);
	}
	static time narrow(const time_value &value)
	{
		return { narrow(value.tv_sec), narrow(value.tv_nsec) };
	}
	static timer narrow(const timer_value &value)
	{
		return { narrow(value.it_interval), narrow(value.it_value) };
	}
	static time_value widen(const time &value)
	{
		return { value.tv_sec, value.tv_nsec };
	}
	static timer_value widen(const timer &value)
	{
		return { widen(value.it_interval), widen(value.it_value) };
	}

	static outcome clock_getres(clockid_t clock, time_value &resolution)
	{
		time got{};
		const outcome result = syscall(numbers.clock_getres, clock, &got);

		resolution = widen(got);
		return result;
	}
	static outcome clock_nanosleep(clockid_t clock, int flags, const time_value &request,
				       time_value *remaining)
	{
		const time asked = narrow(request);
		time left{};
		const outcome result = syscall(numbers.clock_nanosleep, clock, flags, &asked,
					       remaining ? &left : nullptr);

		if (remaining)
			*remaining = widen(left);
		return result;
	}

	/* timer_settime(2) and timerfd_settime(2) are alike. */
	static outcome settime(long number, int id, int flags, const timer_value &value,
			       timer_value *old)
	{
		const timer asked = narrow(value);
		timer before{};
		const outcome result = syscall(number, id, flags, &asked, old ? &before : nullptr);

		if (old)
			*old = widen(before);
		return result;
	}
	static outcome gettime(long number, int id, timer_value &value)
	{
		timer got{};
		const outcome result = syscall(number, id, &got);

		value = widen(got);
		return result;
	}
	static outcome timer_settime(int id, int flags, const timer_value &value, timer_value *old)
	{
		return settime(numbers.timer_settime, id, flags, value, old);
	}
	static outcome timer_gettime(int id, timer_value &value)
	{
		return gettime(numbers.timer_gettime, id, value);
	}
	static outcome timerfd_settime(int fd, int flags, const timer_value &value,
				       timer_value *old)
	{
		return settime(numbers.timerfd_settime, fd, flags, value, old);
	}
	static outcome timerfd_gettime(int fd, timer_value &value)
	{
		return gettime(numbers.timerfd_gettime, fd, value);
	}

	static outcome futex(std::uint32_t *word, int operation, std::uint32_t value,
			     const time_value *timeout, std::uint32_t *second_word,
			     std::uint32_t third_value)
	{
		const time asked = timeout ? narrow(*timeout) : time{};

		return syscall(numbers.futex, word, operation, value, timeout ? &asked : nullptr,
			       second_word, third_value);
	}

	static constexpr time_calls calls(std::string_view name)
	{
		return {
			.name = name,
			.latest = seconds(std::numeric_limits<integer>::max()),
			.clock_nanosleep_number = numbers.clock_nanosleep,
			.futex_number = numbers.futex,
			.clock_getres = clock_getres,
			.clock_nanosleep = clock_nanosleep,
			.timer_settime = timer_settime,
			.timer_gettime = timer_gettime,
			.timerfd_settime = timerfd_settime,
			.timerfd_gettime = timerfd_gettime,
			.futex = futex,
		};
	}
};

#ifdef __LP64__
using time64 =
	width<std::int64_t, call_numbers{ SYS_clock_getres, SYS_clock_nanosleep, SYS_timer_settime,
					  SYS_timer_gettime, SYS_timerfd_settime,
					  SYS_timerfd_gettime, SYS_futex }>;

constexpr time_calls widths[] = { time64::calls("time64") };
#else
using time64 = width<std::int64_t,
		     call_numbers{ SYS_clock_getres_time64, SYS_clock_nanosleep_time64,
				   SYS_timer_settime64, SYS_timer_gettime64, SYS_timerfd_settime64,
				   SYS_timerfd_gettime64, SYS_futex_time64 }>;
using time32 =
	width<std::int32_t, call_numbers{ SYS_clock_getres, SYS_clock_nanosleep, SYS_timer_settime,
					  SYS_timer_gettime, SYS_timerfd_settime,
					  SYS_timerfd_gettime, SYS_futex }>;

constexpr time_calls widths[] = { time64::calls("time64"), time32::calls("time32") };
#endif

} // namespace

time_value to_time_value(nanoseconds time)
{
	return to_timespec<time_value>(time);
}

bool time_calls::can_express(nanoseconds time) const
{
	return std::chrono::floor<seconds>(time) <= latest;
}

std::span<const time_calls> all_time_calls()
{
	return widths;
}

} // namespace timens
