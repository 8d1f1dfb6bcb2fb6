// SPDX-License-Identifier: GPL-2.0-only
#include "model.hpp"
#include "wide.hpp"

#include <set>
#include <utility>

namespace timens
{

namespace
{

constexpr std::uint32_t ns_per_second = 1'000'000'000;
constexpr answer kernels{ true, 0, 0 };

const std::set<clockid_t> known_clocks = { CLOCK_REALTIME,
					   CLOCK_MONOTONIC,
					   CLOCK_MONOTONIC_RAW,
					   CLOCK_REALTIME_COARSE,
					   CLOCK_MONOTONIC_COARSE,
					   CLOCK_BOOTTIME,
					   CLOCK_TAI };

/*
 * How far the counter is beyond its base. It has 63 bits and goes round; what is
 * more than half of that away is behind, and then the clock stands at its base.
 */
std::uint64_t elapsed(const bench::vdso_data &data, std::uint64_t counter)
{
	constexpr std::uint64_t round = std::uint64_t(1) << 63;
	const auto ahead = (counter - data.cycle_last) % round;

	return ahead < round / 2 ? ahead : 0;
}

/* Of the namespace, if it has one and the clock is with it. */
const wall_formula *wall_of(const view &seen, clockid_t clock)
{
	if (!seen.ns || !seen.ns->wall)
		return nullptr;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		return &(*seen.ns->wall)[0];
	case CLOCK_TAI:
		return &(*seen.ns->wall)[1];
	default:
		return nullptr;
	}
}

answer add_offset(const view &seen, clockid_t clock, std::uint64_t sec, const wide &nsec)
{
	wide total = nsec;

	if (const auto *wall = wall_of(seen, clock)) {
		sec += wall->sec;
		total = total + wall->nsec;
	} else if (seen.ns) {
		sec += seen.ns->offsets[clock].sec;
		total = total + seen.ns->offsets[clock].nsec;
	}
	const auto [seconds, rest] = total.divide_by(ns_per_second);
	const auto result = static_cast<std::int64_t>(sec + seconds.to_64_bits());
	if (seen.ns && result < 0)
		return { false, 0, 0 }; /* it has not started yet */
	return { false, result, rest };
}

expectation expect_time(clockid_t clock, const view &seen, std::uint64_t counter)
{
	if (!known_clocks.contains(clock))
		return { kernels, false };

	const auto &data = seen.host.sets[set_of(clock)];
	const auto *wall = wall_of(seen, clock);
	const auto &base = data.basetime[wall ? wall->anchor : clock];
	if (wall && is_coarse(clock)) {
		/* The anchor is a fine clock, and not kept up without a counter. */
		if (data.clock_mode == bench::mode_none)
			return { kernels, false };
		const auto found = add_offset(seen, clock, base.sec, wide(base.nsec) >> data.shift);
		const answer floor{ false, wall->floor_sec,
				    static_cast<std::int64_t>(wall->floor_nsec) };
		const bool before =
			std::pair(found.sec, found.nsec) < std::pair(floor.sec, floor.nsec);
		return { before ? floor : found, true };
	}
	if (is_coarse(clock))
		return { add_offset(seen, clock, base.sec, base.nsec), false };
	if (data.clock_mode != bench::mode_tsc &&
	    !(data.clock_mode == bench::mode_pvclock && seen.host.hypervisor_has_counter))
		return { kernels, false };

	const auto delta = elapsed(data, counter);
	const auto nsec = (wide(delta) * data.mult + base.nsec) >> data.shift;
	return { add_offset(seen, clock, base.sec, nsec), delta > data.max_cycles };
}

/* As a 32-bit program gets it in all functions but one. */
expectation cut_to_long(expectation expected)
{
	expected.exact.sec = static_cast<long>(expected.exact.sec);
	return expected;
}

expectation expect_whole_answer(const call &made, const view &seen, std::uint64_t counter)
{
	const auto &data = seen.host.sets[0];

	switch (made.what) {
	case question::clock_gettime:
	case question::clock_gettime32:
		return expect_time(made.clock, seen, counter);
	case question::gettimeofday: {
		auto expected = expect_time(CLOCK_REALTIME, seen, counter);
		expected.exact.nsec -= expected.exact.nsec % 1000;
		return expected;
	}
	case question::time:
		if (seen.ns && seen.ns->wall) {
			auto expected = expect_time(CLOCK_REALTIME_COARSE, seen, counter);
			expected.exact.nsec = 0;
			return expected;
		}
		return { { false, static_cast<std::int64_t>(data.basetime[CLOCK_REALTIME].sec), 0 },
			 false };
	case question::clock_getres:
		if (!known_clocks.contains(made.clock))
			return { kernels, false };
		return { { false, 0, data.hrtimer_res }, false };
	}
	throw std::logic_error("no such call");
}

} /* namespace */

bool is_coarse(clockid_t clock)
{
	return clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
}

std::size_t set_of(clockid_t clock)
{
	return clock == CLOCK_MONOTONIC_RAW;
}

std::string show(const call &made)
{
	const auto of_clock = "(" + std::to_string(made.clock) + ")";

	switch (made.what) {
	case question::clock_gettime:
		return "clock_gettime" + of_clock;
	case question::clock_gettime32:
		return "clock_gettime32" + of_clock;
	case question::clock_getres:
		return "clock_getres" + of_clock;
	case question::gettimeofday:
		return "gettimeofday()";
	case question::time:
		return "time()";
	}
	return "?";
}

std::string show(const answer &given)
{
	if (given.by_kernel)
		return "a system call";
	return std::to_string(given.sec) + " s " + std::to_string(given.nsec) + " ns";
}

expectation expect_answer(const call &made, const view &seen, std::uint64_t counter)
{
	const auto expected = expect_whole_answer(made, seen, counter);

	return made.what == question::clock_gettime ? expected : cut_to_long(expected);
}

} /* namespace timens */
