// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clocks of the whole machine, which a few tests have to disturb: only if
 * TIMENS_MAY_SET_CLOCKS=1 is in the environment, as in a guest of their own.
 */
#pragma once

#include "harness.hpp"

namespace timens
{

bool may_set_clocks();
/* Skips the case if not. */
void require_settable_clocks();

/*
 * Sets CLOCK_REALTIME forward or back, once for each call of move(). It is that of the
 * machine only for a task without a wall clock of its own, here and at the end.
 */
class moved_realtime {
public:
	moved_realtime();
	moved_realtime(const moved_realtime &) = delete;
	moved_realtime &operator=(const moved_realtime &) = delete;
	/* Back to where it would be. */
	~moved_realtime();

	void move(nanoseconds by);

private:
	const nanoseconds boot_date;
};

/*
 * As long as it lives CLOCK_MONOTONIC is a tenth faster than
 * CLOCK_MONOTONIC_RAW, which falls behind: adjtimex(2).
 */
class fast_monotonic {
public:
	fast_monotonic();
	fast_monotonic(const fast_monotonic &) = delete;
	fast_monotonic &operator=(const fast_monotonic &) = delete;
	~fast_monotonic();

private:
	long tick;
};

} // namespace timens
