// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which clock moves by which offset, and offsets at which that could go wrong.
 */
#pragma once

#include "harness.hpp"
#include "kernel.hpp"

#include <functional>
#include <string_view>
#include <vector>

namespace timens
{

/* Offsets under a name. */
struct shift {
	std::string_view name;
	offsets by;
};

/*
 * Forwards, back to a second after zero, by a fraction, as far as it goes, not
 * at all, and one clock alone. For a caller in the initial namespace.
 */
std::vector<shift> all_shifts();

/* Runs the body in a namespace with each; its failures name the shift. */
void in_each_shift(const std::function<void(const shift &)> &body);

/* Enough for what does not depend on how far and which way. */
constexpr offsets some_offsets{ 1000s, 2000s };

/* The largest sum of the host's clock and an offset that the kernel takes. */
constexpr seconds latest_clock{ 4'611'686'018 };

/* How far a clock is moved. */
nanoseconds offset_of(clockid_t clock, const offsets &by);

/* All clocks that this machine has; alarm clocks need one in hardware. */
std::vector<clockid_t> all_clocks();
/* Those of them that a process can sleep on. */
std::vector<clockid_t> timer_clocks();

/* The system call, whatever the vDSO says. */
nanoseconds system_now(clockid_t clock);
/* By it, both clocks that a namespace can move. */
offsets clocks_now();

/* "CLOCK_MONOTONIC by vdso" */
std::string clock_by(clockid_t clock, std::string_view means);

} // namespace timens
