// SPDX-License-Identifier: GPL-2.0-only
/* /dev/input/eventN: when events happened, on the clock that EVIOCSCLOCKID chose. */
#include "viewpoints.hpp"
#include "virtual_input.hpp"

using namespace timens;

namespace
{

void choose_clock(const unique_fd &events, clockid_t clock)
{
	int id = clock;

	check(ioctl(events.get(), EVIOCSCLOCKID, &id), "EVIOCSCLOCKID");
}

/* Reads the event of the button and the end of its packet. */
void expect_press(const unique_fd &events, const period &around, bool down)
{
	const input_event button = read_event(events, "evdev");
	const input_event end = read_event(events, "evdev");

	expect_eq(button.type, EV_KEY, "type of the first event");
	expect_eq(button.value, int(down), "state of the button");
	expect_eq(end.type, EV_SYN, "type of the second event");
	around.expect_contains(time_of(button), "time of the button", rounded_twice);
	around.expect_contains(time_of(end), "time of the end of its packet", rounded_twice);
}

} // namespace

TEST(events_tell_when_they_happened, .timeout = 30s,
     .differs_from_stock = "evdev tells the host's clocks")
{
	from_each_viewpoint([](const shift &) {
		const virtual_input device;
		const unique_fd events = device.open_as("event");

		for (clockid_t clock : { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME }) {
			choose_clock(events, clock);
			for (bool down : { true, false }) {
				const period around(clock);

				device.press(down);
				expect_press(events, around, down);
			}
		}
	});
}

TEST(events_are_on_the_clock_of_the_reader, .differs_from_stock = "evdev tells the host's clocks")
{
	for (clockid_t clock : { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME }) {
		const virtual_input device;
		const unique_fd events = device.open_as("event");
		const period outside(clock);

		choose_clock(events, clock);
		in_namespace(some_offsets, [&] {
			const period inside(clock);

			device.press(true);
			device.press(false);
			expect_press(events, inside, true);
		});
		expect_press(events, outside, false);
	}
}

TEST(an_overflow_tells_when_it_happened, .differs_from_stock = "evdev tells the host's clocks")
{
	from_each_viewpoint([](const shift &) {
		const virtual_input device;
		const unique_fd events = device.open_as("event");

		choose_clock(events, CLOCK_MONOTONIC);

		const period around(CLOCK_MONOTONIC);

		/* More than the queue takes, whatever its size. */
		for (int i = 0; i < 2000; i++)
			device.press(i % 2 == 0);

		const input_event dropped = read_event(events, "evdev");

		expect_eq(dropped.type, EV_SYN, "type of the first event");
		expect_eq(dropped.code, SYN_DROPPED, "code of the first event");
		around.expect_contains(time_of(dropped), "time of the overflow", rounded_twice);
	});
}
