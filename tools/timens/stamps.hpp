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

/*
 * Moves the first stamp of a line, digits with a point and a fraction, and keeps
 * the number of its digits. A line without one stays as it is. Nothing where the
 * sum does not fit; throws usage_error where the stamp itself does not.
 */
std::optional<std::string> move_stamp(const std::string &line, nanoseconds by);

} /* namespace timens */
