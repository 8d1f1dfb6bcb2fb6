// SPDX-License-Identifier: GPL-2.0-only
#include "shifts.hpp"

#include <algorithm>
#include <array>

namespace timens
{

std::vector<shift> all_shifts()
{
	const offsets host{ now(CLOCK_MONOTONIC), now(CLOCK_BOOTTIME) };
	/* The clocks go on while the case runs. */
	const nanoseconds most = latest_clock - 60s;

	return {
		{ "ahead", some_offsets },
		{ "just started", { 1s - host.monotonic, 1s - host.boottime } },
		{ "by fractions", { 1s - 1ns, -250ms } },
		{ "far ahead", { most - host.monotonic, most - host.boottime } },
		{ "unmoved", { 0s, 0s } },
		{ "only monotonic", { 1000s, 0s } },
		{ "only boottime", { 0s, 1000s } },
	};
}

void in_each_shift(const std::function<void(const shift &)> &body)
{
	for (const shift &shift : all_shifts()) {
		try {
			in_namespace(shift.by, [&] { body(shift); });
		} catch (const check_failed &failure) {
			throw check_failed::reported(std::string(shift.name) + ": " +
						     failure.what());
		}
	}
}

nanoseconds offset_of(clockid_t clock, const offsets &by)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		return by.monotonic;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		return by.boottime;
	default:
		return 0ns;
	}
}

namespace
{

std::vector<clockid_t> those_there(std::span<const clockid_t> clocks)
{
	std::vector<clockid_t> there;
	timespec time;

	std::ranges::copy_if(clocks, std::back_inserter(there),
			     [&](clockid_t clock) { return !clock_gettime(clock, &time); });
	return there;
}

} // namespace

std::vector<clockid_t> all_clocks()
{
	return those_there(std::array{
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
		CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
		CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_TAI });
}

std::vector<clockid_t> timer_clocks()
{
	return those_there(std::array{ CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
				       CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_TAI });
}

nanoseconds system_now(clockid_t clock)
{
	return std::ranges::find(clock_readers(), "syscall", &clock_reader::name)->read(clock);
}

offsets clocks_now()
{
	return { system_now(CLOCK_MONOTONIC), system_now(CLOCK_BOOTTIME) };
}

std::string clock_by(clockid_t clock, std::string_view means)
{
	return clock_name(clock) + " by " + std::string(means);
}

} // namespace timens
