// SPDX-License-Identifier: GPL-2.0-only
/*
 * A joystick with a light, made by uinput, and the files that show it:
 * /dev/input/eventN and /dev/input/jsN.
 */
#pragma once

#include "harness.hpp"
#include "kernel.hpp"
#include "process.hpp"
#include "waiting.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <linux/input.h>
#include <linux/uinput.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace timens
{

/* Of times that are told in microseconds, on the host's clock, and moved then. */
constexpr nanoseconds rounded_twice = 2us;

inline nanoseconds time_of(const input_event &event)
{
	return seconds(event.input_event_sec) + std::chrono::microseconds(event.input_event_usec);
}

inline input_event make_event(int type, int code, int value, nanoseconds time = 0ns)
{
	const auto split = to_timespec(time);
	input_event event{};

	event.input_event_sec = split.tv_sec;
	event.input_event_usec = split.tv_nsec / 1000;
	event.type = type;
	event.code = code;
	event.value = value;
	return event;
}

/* Waits until there is something to read. */
inline void wait_readable(const unique_fd &fd, std::string_view what)
{
	pollfd event{ fd.get(), POLLIN, 0 };
	const auto limit = to_timespec(patience);

	expect(check(ppoll(&event, 1, &limit, nullptr), "ppoll") == 1,
	       std::string(what) + " has something to read");
}

/* The next event, of an input device or of the other side of uinput. */
inline input_event read_event(const unique_fd &fd, std::string_view what)
{
	input_event event;

	wait_readable(fd, what);
	expect_eq(check(read(fd.get(), &event, sizeof(event)), "read of an event"), sizeof(event),
		  what);
	return event;
}

inline void write_event(const unique_fd &fd, const input_event &event)
{
	expect_eq(check(write(fd.get(), &event, sizeof(event)), "write of an event"), sizeof(event),
		  "size of an event");
}

class virtual_input {
public:
	virtual_input()
	{
		if (access("/dev/uinput", F_OK) != 0)
			skip("this kernel has no uinput");
		uinput = open_file("/dev/uinput", O_RDWR | O_NONBLOCK);
		control(UI_SET_EVBIT, EV_KEY);
		control(UI_SET_KEYBIT, BTN_TRIGGER);
		control(UI_SET_EVBIT, EV_ABS);
		control(UI_SET_EVBIT, EV_LED);
		control(UI_SET_LEDBIT, LED_CAPSL);

		uinput_abs_setup axis{};

		axis.code = ABS_X;
		axis.absinfo.minimum = -100;
		axis.absinfo.maximum = 100;
		check(ioctl(uinput.get(), UI_ABS_SETUP, &axis), "UI_ABS_SETUP");

		uinput_setup setup{};

		setup.id.bustype = BUS_VIRTUAL;
		std::string_view("timens").copy(setup.name, sizeof(setup.name) - 1);
		check(ioctl(uinput.get(), UI_DEV_SETUP, &setup), "UI_DEV_SETUP");
		check(ioctl(uinput.get(), UI_DEV_CREATE), "UI_DEV_CREATE");
	}

	/* The file that shows it by this prefix, "event" or "js". */
	unique_fd open_as(const std::string &prefix, int flags = O_RDONLY | O_NONBLOCK) const
	{
		char name[64] = {};

		check(ioctl(uinput.get(), UI_GET_SYSNAME(sizeof(name) - 1), name),
		      "UI_GET_SYSNAME");
		for (const auto &entry : std::filesystem::directory_iterator(
			     "/sys/devices/virtual/input/" + std::string(name))) {
			const auto file = entry.path().filename().string();

			if (file.starts_with(prefix) &&
			    file.find_first_not_of("0123456789", prefix.size()) == file.npos)
				return open_file("/dev/input/" + file, flags);
		}
		skip("this kernel shows no input device as " + prefix);
	}

	/* Presses or releases the button: an event and the end of its packet. */
	void press(bool down, nanoseconds time = 0ns) const
	{
		write_event(uinput, make_event(EV_KEY, BTN_TRIGGER, down, time));
		write_event(uinput, make_event(EV_SYN, SYN_REPORT, 0, time));
	}

	/* Where the device is asked to switch its light. */
	const unique_fd &other_side() const
	{
		return uinput;
	}

private:
	void control(unsigned long request, int value) const
	{
		check(ioctl(uinput.get(), request, value), "ioctl of uinput");
	}

	unique_fd uinput;
};

} // namespace timens
