// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/input/jsN: when events happened, in milliseconds that began anywhere and
 * wrap around. They advance with CLOCK_MONOTONIC, so that what can be looked at
 * is how far they are from it.
 */
#include "viewpoints.hpp"
#include "virtual_input.hpp"

#include <cstdint>

#include <linux/joystick.h>

using namespace timens;
using std::chrono::milliseconds;

namespace
{

/* The kernel counts in ticks, and a busy machine is late to count them. */
constexpr milliseconds late{ 1000 };

struct interval {
	std::uint32_t begin;
	std::uint32_t end;

	/* All are close to each other, so that the sign tells which is earlier. */
	void expect_meets(const interval &other, std::string_view what) const
	{
		const auto before = std::int32_t(begin - other.end);
		const auto after = std::int32_t(other.begin - end);

		expect_le(before, late.count(), what);
		expect_le(after, late.count(), what);
	}
};

/* How far the time of the next event, which happens after begin, is from the clock. */
interval read_distance(const unique_fd &joystick, const period &around)
{
	js_event event;

	wait_readable(joystick, "joydev");
	expect_eq(check(read(joystick.get(), &event, sizeof(event)), "read of a joystick"),
		  sizeof(event), "size of an event");

	const auto begin = std::chrono::floor<milliseconds>(around.begin).count();
	const auto end = std::chrono::ceil<milliseconds>(now(around.clock)).count();

	return { event.time - std::uint32_t(end), event.time - std::uint32_t(begin) };
}

struct distances {
	interval of_startup;
	interval of_press;
};

distances look()
{
	const virtual_input device;
	const unique_fd joystick = device.open_as("js");
	distances found;

	/* It first tells the state of the button and the axis. */
	for (int i = 0; i < 2; i++)
		found.of_startup = read_distance(joystick, period(CLOCK_MONOTONIC));

	const period around(CLOCK_MONOTONIC);

	device.press(true);
	found.of_press = read_distance(joystick, around);
	return found;
}

} // namespace

TEST(events_advance_with_the_clock_of_the_reader,
     .differs_from_stock = "joydev tells ticks of the host")
{
	const distances outside = look();

	outside.of_press.expect_meets(outside.of_startup, "distance of a press from the startup");
	from_each_viewpoint([&](const shift &) {
		const distances here = look();

		here.of_startup.expect_meets(outside.of_startup,
					     "distance of the startup from the clock");
		here.of_press.expect_meets(outside.of_press, "distance of a press from the clock");
	});
}

TEST(each_reader_of_a_file_sees_its_own_clock,
     .differs_from_stock = "joydev tells ticks of the host")
{
	const virtual_input device;
	const unique_fd joystick = device.open_as("js");
	interval outside;

	for (int i = 0; i < 2; i++)
		outside = read_distance(joystick, period(CLOCK_MONOTONIC));

	const period around(CLOCK_MONOTONIC);

	in_namespace(some_offsets, [&] {
		const period inside(CLOCK_MONOTONIC);

		device.press(true);
		device.press(false);
		read_distance(joystick, inside).expect_meets(outside, "distance inside");
	});
	read_distance(joystick, around).expect_meets(outside, "distance outside");
}
