// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long tests try their luck: for TIMENS_RACE_SECONDS, a whole number that may
 * stand in the environment, or for a moment.
 */
#pragma once

#include "harness.hpp"

#include <functional>

namespace timens
{

nanoseconds race_time();

/* For .timeout: only what hangs is to be stopped by it. */
seconds race_limit();

/* Runs the body for that time, and a few times at least. */
void race(const std::function<void(int round)> &body);

} // namespace timens
