/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clocks of a time namespace: what a user asks for, and the offsets that
 * give it.
 */
#pragma once

#include "duration.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace timens
{

/* One time, or offset from the host's, for each of the clocks that a namespace moves. */
struct clock_times {
	nanoseconds monotonic{};
	nanoseconds boottime{};
	/* The host's too, but in a namespace with a wall clock of its own. */
	nanoseconds realtime{};
	nanoseconds tai{};

	bool operator==(const clock_times &) const = default;
};

enum class setting_kind { offset, value };

/* What a clock shall be: so far from the host's, or at a value. */
struct clock_setting {
	setting_kind kind;
	nanoseconds time;

	bool operator==(const clock_setting &) const = default;
};

/* "+3d4h", "-90s", "@0" or "=0"; throws usage_error. */
clock_setting parse_clock_setting(std::string_view text);

/*
 * The offset that makes a clock so. Throws usage_error where the kernel would
 * refuse it: below zero, or beyond about 146 years. The option is the one that
 * has set it.
 */
nanoseconds resolve(const clock_setting &setting, std::string_view option, nanoseconds host);

/* Seconds, and nanoseconds that count upwards; nothing where they do not fit. */
std::optional<nanoseconds> join_time(std::int64_t whole, std::int64_t fraction);

/* The text of /proc/PID/timens_offsets; the wall clock stays as it is. */
std::string offsets_text(const clock_times &offsets);
/* The line that gives a namespace a wall clock of its own. */
std::string realtime_text(nanoseconds offset);
/* CLOCK_TAI is taken to have moved with CLOCK_REALTIME. */
std::optional<clock_times> parse_offsets(const std::string &text);

} /* namespace timens */
