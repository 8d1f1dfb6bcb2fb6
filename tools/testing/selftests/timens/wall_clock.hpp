// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wall clocks of namespaces (CONFIG_TIME_NS_WALL): a CLOCK_REALTIME and CLOCK_TAI that
 * can be set from inside, by text and by ioctl() (include/uapi/linux/timens.h).
 */
#pragma once

#include "harness.hpp"
#include "kernel.hpp"

#include <functional>
#include <string>
#include <vector>

#include <linux/time_types.h>
#include <linux/timens.h>
#include <sys/timex.h>

namespace timens
{

/* Every case that uses one begins with this; others show what there is without. */
bool has_wall_clocks();
void require_wall_clocks();

/*
 * How much later a date may be than it was when it was last read, on a machine that is
 * slow. So offsets to be told apart differ by more.
 */
constexpr seconds date_slack{ 100 };

constexpr std::chrono::days ninety_days{ 90 };
constexpr std::chrono::hours sixteen_years{ 24 * (16 * 365 + 4) };

/* What TIMENS_GET_WALL says. */
struct wall_clock {
	std::uint32_t mode;
	nanoseconds offset;
	int tai;

	auto operator<=>(const wall_clock &) const = default;
};
std::string show(const wall_clock &value);

wall_clock wall_of(const unique_fd &ns,
		   std::source_location where = std::source_location::current());

/* The requests of TIMENS_SET_WALL with one member. */
timens_wall_arg wall_offset(nanoseconds by);
timens_wall_arg wall_mode(std::uint32_t mode);
timens_wall_arg wall_tai(int tai);

outcome set_wall(const unique_fd &ns, const timens_wall_arg &wanted);

/* "realtime SEC NSEC\n" */
std::string realtime_text(nanoseconds by);

/* A new namespace with a wall clock of its own, in which nobody is. */
unique_fd make_wall_namespace(nanoseconds by, const offsets &others = {});
void unshare_wall(nanoseconds by, const offsets &others = {});
/* Runs the body in a task of such a namespace. */
void in_wall_namespace(nanoseconds by, const std::function<void()> &body,
		       const offsets &others = {});

/*
 * The same for one that follows the host and one that is its own already, at the same
 * date; failures name which.
 */
void in_each_wall_mode(const std::function<void()> &body);

/* clock_settime(CLOCK_REALTIME), by the system call with 64 bits of seconds */
outcome try_set_date(const timespec &date);
outcome try_set_date(nanoseconds date);
void set_date(nanoseconds date, std::source_location where = std::source_location::current());
void step_date(nanoseconds by, std::source_location where = std::source_location::current());

/* CLOCK_REALTIME by the system call. */
nanoseconds date();

/*
 * The date on which CLOCK_BOOTTIME was 0. It changes when the date is set, and only
 * then; up to the time that it takes to read both.
 */
nanoseconds date_of_zero();
void expect_date_of_zero(nanoseconds expected, std::string_view what,
			 std::source_location where = std::source_location::current());

/* Waits until a time on CLOCK_BOOTTIME, which is never set. */
void wait_until_up(nanoseconds up);

/* All ways to read the date. */
struct date_reader {
	std::string name;
	clockid_t clock;
	/* It may read as much less than its clock. */
	nanoseconds resolution;
	/* The last second that it can express. */
	seconds latest;
	std::function<nanoseconds()> read;
};
std::vector<date_reader> date_readers();

/*
 * Checks that all of them agree, on a clock that goes on and is not set meanwhile.
 * @tai: CLOCK_TAI - CLOCK_REALTIME
 */
void expect_readers_agree(seconds tai, std::string_view what,
			  std::source_location where = std::source_location::current());

/*
 * The wall clock of the machine and its adjtimex(2), for a caller in the initial
 * namespace: not to be changed by whatever happens in others.
 */
class untouched_host {
public:
	untouched_host();
	void check(std::string_view what,
		   std::source_location where = std::source_location::current()) const;

private:
	nanoseconds zero;
	timex adjustment;
};

/* adjtimex(2) without a change; returns the state of the clock, TIME_OK or TIME_ERROR. */
int read_adjustment(timex &adjustment);

} // namespace timens
