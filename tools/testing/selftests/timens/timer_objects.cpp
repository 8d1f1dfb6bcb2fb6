// SPDX-License-Identifier: GPL-2.0-only
#include "timer_objects.hpp"

#include <cstdio>

namespace timens
{

sigset_t expiry_set()
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, expiry_signal);
	return set;
}

void block_expiry_signal()
{
	const sigset_t set = expiry_set();

	check(sigprocmask(SIG_BLOCK, &set, nullptr), "sigprocmask");
}

outcome try_wait_expiry(nanoseconds limit, siginfo_t &info)
{
	const sigset_t set = expiry_set();
	const auto timeout = to_timespec(limit);

	return sigtimedwait(&set, &info, &timeout);
}

siginfo_t wait_expiry(const std::string &name)
{
	siginfo_t info;

	expect_errno(try_wait_expiry(patience, info), 0, name + ": waiting for its signal");
	expect(info.si_code == SI_TIMER, name + ": a timer sent the signal");
	return info;
}

bool has_expired()
{
	siginfo_t info;

	return !try_wait_expiry(0s, info).error;
}

void arm(const posix_timer &timer, const time_calls &calls, const time_value &deadline,
	 nanoseconds interval)
{
	check(calls.timer_settime(timer.get(), TIMER_ABSTIME, { to_time_value(interval), deadline },
				  nullptr),
	      "timer_settime");
}

nanoseconds remaining(const posix_timer &timer, const time_calls &calls)
{
	timer_value value;

	check(calls.timer_gettime(timer.get(), value), "timer_gettime");
	return to_nanoseconds(value.it_value);
}

void arm(const timer_file &timer, const time_calls &calls, const time_value &deadline,
	 nanoseconds interval, int flags)
{
	check(calls.timerfd_settime(timer.get(), TFD_TIMER_ABSTIME | flags,
				    { to_time_value(interval), deadline }, nullptr),
	      "timerfd_settime");
}

nanoseconds remaining(const timer_file &timer, const time_calls &calls)
{
	timer_value value;

	check(calls.timerfd_gettime(timer.get(), value), "timerfd_gettime");
	return to_nanoseconds(value.it_value);
}

nanoseconds remaining_in_fdinfo(const timer_file &timer)
{
	const std::string text = read_file("/proc/self/fdinfo/" + std::to_string(timer.get()));
	const auto field = text.find("it_value:");
	unsigned long long whole;
	unsigned long long fraction;

	if (field == text.npos ||
	    std::sscanf(text.c_str() + field, "it_value: (%llu, %llu)", &whole, &fraction) != 2)
		throw check_failed("fdinfo has no it_value: " + show(text));
	return seconds(whole) + nanoseconds(fraction);
}

} // namespace timens
