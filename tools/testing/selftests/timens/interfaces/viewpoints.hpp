// SPDX-License-Identifier: GPL-2.0-only
/*
 * The viewpoints from which every interface is looked at, and what a time that
 * it tells has to be.
 */
#pragma once

#include "harness.hpp"
#include "kernel.hpp"
#include "shifts.hpp"

#include <functional>
#include <string_view>

namespace timens
{

/*
 * Runs the body in a task of its own in the initial namespace, in one without
 * offsets, in one that is 1000 s and 2000 s ahead, and in one that started a
 * second ago; failures name the viewpoint. The shift is the one of the body's
 * clocks against the host's.
 */
void from_each_viewpoint(const std::function<void(const shift &)> &body);

/* Around an event, whose time on a clock has to be between its two ends. */
class period {
public:
	/* Begins now. */
	explicit period(clockid_t clock);

	/*
	 * Checks that a time is not before the beginning and not after now, give
	 * or take how coarsely the interface tells it.
	 */
	void expect_contains(nanoseconds time, std::string_view what, nanoseconds unit = 1ns,
			     std::source_location where = std::source_location::current()) const;

	const clockid_t clock;
	const nanoseconds begin;
};

} // namespace timens
