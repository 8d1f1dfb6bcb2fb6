/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wall clock of a time namespace: CLOCK_REALTIME and CLOCK_TAI, which unlike
 * the other clocks can be set while programs run.
 */
#pragma once

#include "offsets.hpp"

#include <string>
#include <string_view>

namespace timens
{

enum class wall_mode {
	/* The host's clock, none of its own. */
	host,
	/* The host's CLOCK_REALTIME plus an offset. */
	follow,
	/* The host's CLOCK_BOOTTIME plus an offset: whoever sets the host does not move it. */
	own,
};

/* "HOST", "FOLLOW" or "OWN" */
const char *name_of(wall_mode mode);

struct wall_clock {
	wall_mode mode = wall_mode::host;
	/* From the host's CLOCK_REALTIME, now. */
	nanoseconds offset{};
	/* CLOCK_TAI minus CLOCK_REALTIME. */
	seconds tai{};

	bool operator==(const wall_clock &) const = default;
};

/* What to say where the kernel has none. */
extern const std::string no_wall_clocks;

/*
 * "2030-01-01", "2030-01-01 12:00:00.5", with T for the blank, and with Z or an
 * offset from UTC such as +01:00 behind it; without that it is in the time zone of
 * the user, as date(1) reads it. Since 1970; throws usage_error, which quotes the text.
 */
nanoseconds parse_date(std::string_view text);

/* "2030-01-01 12:00:00", cut, in the time zone of the user. */
std::string format_date(nanoseconds time);

/* "+90d" is from the host's; after '@' or '=' stands a date, or seconds since 1970. */
clock_setting parse_wall_setting(std::string_view text);

/* 0 to 100000, as the kernel takes it; throws usage_error. */
seconds parse_tai(std::string_view text);

/*
 * The offset that makes CLOCK_REALTIME so. Throws usage_error where the kernel would
 * refuse it: before 1970 or below the CLOCK_BOOTTIME of the namespace, or too late to
 * be set.
 */
nanoseconds resolve_wall(const clock_setting &setting, nanoseconds host, nanoseconds boottime);

} /* namespace timens */
