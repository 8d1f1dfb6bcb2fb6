// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/uinput: times that the maker of an input device gives to its events, and
 * when the device was asked for something.
 */
#include "viewpoints.hpp"
#include "virtual_input.hpp"

using namespace timens;

namespace
{

constexpr auto host_clock_only = "uinput is on the host's clock";

unique_fd open_events(const virtual_input &device)
{
	unique_fd events = device.open_as("event", O_RDWR | O_NONBLOCK);
	int id = CLOCK_MONOTONIC;

	check(ioctl(events.get(), EVIOCSCLOCKID, &id), "EVIOCSCLOCKID");
	return events;
}

void expect_light(const virtual_input &device, const period &around, bool on)
{
	const input_event asked = read_event(device.other_side(), "uinput");

	expect_eq(asked.type, EV_LED, "type of the event");
	expect_eq(asked.value, int(on), "state of the light");
	around.expect_contains(time_of(asked), "time at which the light was switched",
			       rounded_twice);
}

} // namespace

TEST(an_event_keeps_the_time_that_its_maker_gave, .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &shift) {
		const virtual_input device;
		const unique_fd events = open_events(device);
		const auto given =
			std::chrono::floor<std::chrono::microseconds>(now(CLOCK_MONOTONIC) - 300ms);

		device.press(true, given);

		const auto told = time_of(read_event(events, "evdev"));

		if (shift.by == offsets{})
			expect_eq(told, nanoseconds(given), "time of the event");
		expect_le(told, nanoseconds(given), "time of the event");
		expect_ge(told, given - rounded_twice, "time of the event");
	});
}

TEST(an_event_from_another_namespace_keeps_its_time, .differs_from_stock = host_clock_only)
{
	const virtual_input device;
	const unique_fd events = open_events(device);
	const period outside(CLOCK_MONOTONIC);

	/* So long ago that it is not taken for the time of the write. */
	in_namespace(some_offsets, [&] { device.press(true, now(CLOCK_MONOTONIC) - 1s); });

	const auto told = time_of(read_event(events, "evdev"));

	outside.expect_contains(told + 1s, "end of the second after the event", rounded_twice);
}

TEST(a_time_in_the_future_or_long_ago_is_replaced, .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const virtual_input device;
		const unique_fd events = open_events(device);
		bool down = true;

		/* Further ahead and behind than this is allowed, and less than clocks differ. */
		for (nanoseconds apart : { 20s, 500s, -20s, -500s }) {
			const period around(CLOCK_MONOTONIC);
			const auto given = around.begin + apart;

			if (given <= 0s)
				continue;
			device.press(down, given);
			around.expect_contains(time_of(read_event(events, "evdev")),
					       "time in place of one that is " + show(apart) +
						       " apart",
					       rounded_twice);
			read_event(events, "evdev");
			down = !down;
		}
	});
}

TEST(an_event_without_a_time_gets_the_present)
{
	from_each_viewpoint([](const shift &) {
		const virtual_input device;
		const unique_fd events = device.open_as("event");
		const period around(CLOCK_REALTIME);

		device.press(true);
		around.expect_contains(time_of(read_event(events, "evdev")), "time of the event",
				       rounded_twice);
	});
}

TEST(a_request_tells_when_it_was_made, .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const virtual_input device;
		const unique_fd events = open_events(device);

		for (bool on : { true, false }) {
			const period around(CLOCK_MONOTONIC);

			write_event(events, make_event(EV_LED, LED_CAPSL, on));
			expect_light(device, around, on);
		}
	});
}

TEST(a_request_is_on_the_clock_of_the_reader, .differs_from_stock = host_clock_only)
{
	const virtual_input device;
	const unique_fd events = open_events(device);
	const period outside(CLOCK_MONOTONIC);

	in_namespace(some_offsets, [&] {
		const period inside(CLOCK_MONOTONIC);

		write_event(events, make_event(EV_LED, LED_CAPSL, true));
		write_event(events, make_event(EV_LED, LED_CAPSL, false));
		expect_light(device, inside, true);
	});
	expect_light(device, outside, false);
}
