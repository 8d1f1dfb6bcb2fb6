/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spans of time as people write them: "3d4h", "-90s", "1w2d", "0.5s", "86400".
 * All arithmetic is exact; what does not fit is an error, never rounded.
 */
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace timens
{

using std::chrono::nanoseconds;
using std::chrono::seconds;
using namespace std::chrono_literals;

/*
 * [+-]NUMBER[UNIT]... with the units w d h m s ms us ns, larger ones first; a
 * number alone is seconds. Throws usage_error, which quotes the text.
 */
nanoseconds parse_duration(std::string_view text);

/* What parse_duration() takes: "3d4h", "-1m30s", "0.5s", "0s". */
std::string format_duration(nanoseconds time);

/* The same with a sign, unless it is nothing: "+3d4h". */
std::string format_offset(nanoseconds offset);

/* "-1.500000000"; fewer digits are cut, not rounded, towards the past. */
std::string format_seconds(nanoseconds time, int digits = 9);

/* Nothing where the sum does not fit. */
std::optional<nanoseconds> add(nanoseconds left, nanoseconds right);

} /* namespace timens */
