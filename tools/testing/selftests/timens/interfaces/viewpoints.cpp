// SPDX-License-Identifier: GPL-2.0-only
#include "viewpoints.hpp"

#include "process.hpp"

namespace timens
{

namespace
{

void run_in(std::string_view name, const std::function<void()> &run)
{
	try {
		run();
	} catch (const check_failed &failure) {
		throw check_failed::reported(std::string(name) + ": " + failure.what());
	}
}

} // namespace

void from_each_viewpoint(const std::function<void(const shift &)> &body)
{
	const shift outside{ "outside", {} };
	const offsets host{ now(CLOCK_MONOTONIC), now(CLOCK_BOOTTIME) };
	const shift inside[] = {
		{ "unmoved", {} },
		{ "ahead", some_offsets },
		{ "just started", { 1s - host.monotonic, 1s - host.boottime } },
	};

	run_in(outside.name, [&] { child([&] { body(outside); }).wait_ok(); });
	for (const shift &shift : inside)
		run_in(shift.name, [&] { in_namespace(shift.by, [&] { body(shift); }); });
}

period::period(clockid_t clock)
	: clock(clock)
	, begin(now(clock))
{
}

void period::expect_contains(nanoseconds time, std::string_view what, nanoseconds unit,
			     std::source_location where) const
{
	const nanoseconds end = now(clock);

	if (time <= begin - unit || time >= end + unit)
		throw check_failed(std::string(what) + " is " + show(time) + ", not from " +
					   show(begin) + " to " + show(end) + " on " +
					   clock_name(clock),
				   where);
}

} // namespace timens
