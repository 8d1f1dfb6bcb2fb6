// SPDX-License-Identifier: GPL-2.0-only
/*
 * Joysticks: the times of events are jiffies in milliseconds
 * (Documentation/input/joydev/joystick-api.rst). They begin anywhere and wrap around.
 */
#include "viewpoints.hpp"
#include "virtual_input.hpp"
#include "waiting.hpp"

#include <linux/joystick.h>
#include <unistd.h>

using namespace timens;

namespace
{

std::uint32_t read_time(const unique_fd &joystick)
{
	js_event event;

	wait_readable(joystick, "joydev");
	expect_eq(check(read(joystick.get(), &event, sizeof(event)), "read of a joystick"),
		  sizeof(event), "size of an event");
	return event.time;
}

/* They are close to each other, so that the sign tells which is earlier. */
void expect_in_order(std::uint32_t earlier, std::uint32_t later, std::string_view what)
{
	expect_le(static_cast<std::int32_t>(earlier - later), 0, what);
}

} // namespace

/* Raw jiffies are on no clock of user space, and are the same for every reader. */
TEST(the_times_of_events_are_the_count_of_the_host)
{
	const virtual_input device;
	const unique_fd joystick = device.open_as("js");

	/* It first reports the state of the button and the axis. */
	for (int i = 0; i < 2; i++)
		read_time(joystick);

	for (const shift &shift : all_shifts()) {
		channel<std::uint32_t> inside;

		device.press(true);

		const auto before = read_time(joystick);

		in_namespace(shift.by, [&] {
			device.press(false);
			inside.send(read_time(joystick));
		});

		const auto time = inside.receive();

		device.press(true);
		expect_in_order(before, time, std::string(shift.name) + ": not before the last");
		expect_in_order(time, read_time(joystick),
				std::string(shift.name) + ": not after the next");
		device.press(false);
		read_time(joystick);
	}
}
