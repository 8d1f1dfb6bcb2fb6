// SPDX-License-Identifier: GPL-2.0-only
/* Timers that tests arm: timer_create(2) and timerfd_create(2). */
#pragma once

#include "calls.hpp"
#include "harness.hpp"
#include "kernel.hpp"
#include "waiting.hpp"

#include <cstdint>
#include <string>

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace timens
{

/* What expiring timers send; blocked, and taken by wait_expiry(). */
inline const int expiry_signal = SIGRTMIN;

sigset_t expiry_set();
void block_expiry_signal();

/* Takes the signal; in vain if none comes for as long as this. */
outcome try_wait_expiry(nanoseconds limit, siginfo_t &info);
siginfo_t wait_expiry(const std::string &name);
bool has_expired();

class posix_timer {
public:
	explicit posix_timer(clockid_t clock, int notification = SIGEV_SIGNAL)
	{
		struct sigevent event {};

		event.sigev_notify = notification;
		event.sigev_signo = expiry_signal;
		if (notification == SIGEV_THREAD_ID)
			event._sigev_un._tid = gettid();
		check(syscall(SYS_timer_create, clock, &event, &id),
		      "timer_create " + clock_name(clock));
	}
	posix_timer(const posix_timer &) = delete;
	posix_timer &operator=(const posix_timer &) = delete;
	~posix_timer()
	{
		syscall(SYS_timer_delete, id);
		/* It may have left a signal that another would be taken for. */
		while (has_expired())
			;
	}
	int get() const
	{
		return id;
	}
	/* Of the last delivered expiry. */
	int overrun() const
	{
		return check(syscall(SYS_timer_getoverrun, id), "timer_getoverrun");
	}

private:
	int id;
};

void arm(const posix_timer &timer, const time_calls &calls, const time_value &deadline,
	 nanoseconds interval = 0s);
nanoseconds remaining(const posix_timer &timer, const time_calls &calls);

class timer_file {
public:
	explicit timer_file(clockid_t clock)
		: fd(check(timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC),
			   "timerfd_create " + clock_name(clock)))
	{
	}
	int get() const
	{
		return fd.get();
	}
	bool is_readable(nanoseconds limit) const
	{
		pollfd event{ fd.get(), POLLIN, 0 };
		const auto timeout = to_timespec(limit);

		return check(ppoll(&event, 1, &timeout, nullptr), "ppoll");
	}
	outcome try_read(std::uint64_t &expiries) const
	{
		return read(fd.get(), &expiries, sizeof(expiries));
	}
	/* Waits for the next expiry, and returns how many there were. */
	std::uint64_t wait(const std::string &name) const
	{
		std::uint64_t expiries = 0;

		expect(is_readable(patience), name + " expires");
		check(try_read(expiries), "read of a timerfd");
		return expiries;
	}

private:
	unique_fd fd;
};

void arm(const timer_file &timer, const time_calls &calls, const time_value &deadline,
	 nanoseconds interval = 0s, int flags = 0);
nanoseconds remaining(const timer_file &timer, const time_calls &calls);
/* The same from proc_pid_fdinfo(5). */
nanoseconds remaining_in_fdinfo(const timer_file &timer);

} // namespace timens
