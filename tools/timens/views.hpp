/* SPDX-License-Identifier: GPL-2.0-only */
/* Every way in which a program can see the time, and which offset moves it. */
#pragma once

#include "error.hpp"
#include "offsets.hpp"

#include <ctime>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace timens
{

struct named_clock {
	/* As in clock_gettime(2), in small letters without CLOCK_. */
	std::string_view name;
	clockid_t id;
	nanoseconds clock_times::*follows;
	/* What it may lag behind the moment: a tick. */
	nanoseconds resolution = 0ns;
};

std::span<const named_clock> all_clocks();

/* By name, with or without CLOCK_, in any case; throws usage_error. */
const named_clock &find_clock(const std::string &name);

/* "CLOCK_MONOTONIC" */
std::string full_name(const named_clock &clock);

nanoseconds offset_of(const named_clock &clock, const clock_times &offsets);

/* A file holds something else where a time is expected. */
class not_a_time : public error {
public:
	not_a_time(const std::string &where, const std::string &text);
};

/* Does this errno of a view mean that the machine, the kernel or the caller's rights lack it? */
bool is_not_here(int code);

/* By the vDSO, and by the system call. These throw system_failure. */
nanoseconds read_clock(clockid_t clock);
nanoseconds read_clock_by_syscall(clockid_t clock);

/* CLOCK_REALTIME by older ways; in whole microseconds and seconds. */
nanoseconds read_gettimeofday();
nanoseconds read_gettimeofday_by_syscall();
nanoseconds read_time();
nanoseconds read_time_by_syscall();
nanoseconds read_adjtimex();
/* CLOCK_TAI less what adjtimex(2) says that it is ahead. */
nanoseconds read_tai_by_adjtimex();

/* Those of files also throw not_a_time. */
nanoseconds read_sysinfo_uptime();
nanoseconds read_proc_uptime();
nanoseconds read_boot_date();
nanoseconds read_start_time(pid_t pid);

/* The clock as a timer sees it: a deadline on it, less what is left of that. */
nanoseconds read_clock_by_timerfd(clockid_t clock);
nanoseconds read_clock_by_timer(clockid_t clock);

struct view {
	std::string name;
	std::function<nanoseconds()> read;
	nanoseconds clock_times::*follows;
	/* It moves the other way. */
	bool is_date;
	nanoseconds resolution;

	nanoseconds moves_by(const clock_times &offsets) const;
	/* Nothing where this machine or kernel, or the user's rights, do not have it. */
	std::optional<nanoseconds> try_read() const;
};

/* With the start time of a process, as who asks sees it. */
std::vector<view> list_views(pid_t process);

} /* namespace timens */
