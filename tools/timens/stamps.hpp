/* SPDX-License-Identifier: GPL-2.0-only */
/* Time stamps as logs and tracers print them. */
#pragma once

#include "duration.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace timens
{

/* "[  123.456789]", "123.456789", or a duration; throws usage_error. */
nanoseconds parse_stamp(std::string_view text);

/* Where in a line the stamp is, and how it is written. */
struct stamp_format {
	/* From 1; 0 is the first that has digits, a point and a fraction. */
	unsigned int field = 0;
	/* Between fields; nothing stands for any number of blanks. */
	std::optional<char> delimiter = {};
	/* Of a number without a point. */
	nanoseconds unit = 1s;
};

/* "s", "ms", "us" or "ns"; throws usage_error. */
nanoseconds parse_unit(std::string_view text);

/*
 * Moves the stamp of a line, keeps the number of its digits, and what is around
 * it. A line without a stamp there stays as it is. Nothing where the stamp or the
 * sum does not fit.
 */
std::optional<std::string> move_stamp(const std::string &line, nanoseconds by,
				      const stamp_format &format = {});

} /* namespace timens */
