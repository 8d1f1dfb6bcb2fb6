// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sensors of the industrial I/O subsystem, linux/iio: the timestamps of events
 * and of scans, in the reader's time namespace, whichever clock was chosen for
 * the device.
 */
#include "configfs.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iio/buffer.h>
#include <linux/iio/events.h>

using namespace timens;

namespace
{

const std::string devices = "/sys/bus/iio/devices/";

struct device_clock {
	std::string_view name;
	clockid_t id;
};

constexpr device_clock device_clocks[] = {
	{ "realtime", CLOCK_REALTIME },
	{ "monotonic", CLOCK_MONOTONIC },
	{ "monotonic_raw", CLOCK_MONOTONIC_RAW },
	{ "realtime_coarse", CLOCK_REALTIME_COARSE },
	{ "monotonic_coarse", CLOCK_MONOTONIC_COARSE },
	{ "boottime", CLOCK_BOOTTIME },
	{ "tai", CLOCK_TAI },
};

/* The device or trigger in sysfs that has this name. */
std::string find_device(std::string_view prefix, const std::string &name)
{
	for (const auto &entry : std::filesystem::directory_iterator(devices)) {
		const std::string path = entry.path();

		if (entry.path().filename().string().starts_with(prefix) &&
		    read_line(path + "/name") == name)
			return path;
	}
	throw check_failed("there is no device with the name " + name);
}

/* The device without hardware, whose events are made by hand. */
class sensor {
public:
	sensor()
		: made(configfs_of("iio") + "/devices/dummy/" + name)
		, sysfs(find_device("iio:device", name))
	{
	}
	void set_clock(const device_clock &clock) const
	{
		write_file(sysfs + "/current_timestamp_clock", clock.name);
	}
	unique_fd open() const
	{
		return open_file("/dev/" + std::filesystem::path(sysfs).filename().string(),
				 O_RDONLY | O_NONBLOCK);
	}
	unique_fd open_events() const
	{
		int fd = -1;

		check(ioctl(open().get(), IIO_GET_EVENT_FD_IOCTL, &fd), "IIO_GET_EVENT_FD_IOCTL");
		return unique_fd(fd);
	}
	void make_event() const
	{
		/* The first of the interrupts, as no other device was made. */
		write_file(devices + "iio_evgen/poke_ev0", "0");
	}

	const std::string name = "timens." + std::to_string(getpid());

private:
	const configfs_folder made;

public:
	const std::string sysfs;
};

void wait_readable(const unique_fd &file, const std::string &what)
{
	pollfd readable{ file.get(), POLLIN, 0 };

	expect(check(poll(&readable, 1, patience / 1ms), "poll") == 1, what + " comes");
}

nanoseconds next_event(const unique_fd &events)
{
	iio_event_data event{};

	wait_readable(events, "an event");
	expect_eq(check(read(events.get(), &event, sizeof(event)), "read of an event"),
		  sizeof(event), "size of an event");
	return nanoseconds(event.timestamp);
}

/* One voltage and the time. */
struct scan {
	std::uint16_t voltage;
	alignas(8) std::int64_t timestamp;
};

/* What a timer samples, for as long as it lives. */
class sampling {
public:
	explicit sampling(const sensor &sampled)
		: buffer(sampled.sysfs + "/buffer0/")
		, trigger("/sys/kernel/config/iio/triggers/hrtimer/" + sampled.name)
		, current(sampled.sysfs + "/trigger/current_trigger")
	{
		write_file(find_device("trigger", sampled.name) + "/sampling_frequency", "50");
		write_file(current, sampled.name);
		write_file(buffer + "in_voltage0_en", "1");
		write_file(buffer + "in_timestamp_en", "1");
		write_file(buffer + "length", "16");
		write_file(buffer + "watermark", "3");
		write_file(buffer + "enable", "1");
	}
	/* What is in the buffer by now can still be read. */
	void stop() const
	{
		write_file(buffer + "enable", "0");
	}
	~sampling()
	{
		stop();
		write_file(current, "\n");
	}

private:
	const std::string buffer;
	const configfs_folder trigger;
	const std::string current;
};

std::array<scan, 3> next_scans(const unique_fd &buffer)
{
	std::array<scan, 3> scans{};

	wait_readable(buffer, "a scan");
	expect_eq(check(read(buffer.get(), scans.data(), sizeof(scans)), "read of scans"),
		  sizeof(scans), "size of the scans");
	return scans;
}

void expect_contains(const period &sampled, const std::array<scan, 3> &scans,
		     const std::string &name)
{
	expect(std::ranges::is_sorted(scans, {}, &scan::timestamp), name + ": scans are in order");
	for (const scan &scan : scans)
		sampled.expect_contains(nanoseconds(scan.timestamp), name);
}

} // namespace

TEST(an_event_is_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const sensor dummy;

	for (const device_clock &clock : device_clocks) {
		dummy.set_clock(clock);
		from_each_viewpoint([&](const shift &) {
			const unique_fd events = dummy.open_events();
			const period happening(clock.id);

			dummy.make_event();
			happening.expect_contains(next_event(events), std::string(clock.name));
		});
	}
}

TEST(events_that_were_opened_outside_are_on_the_clock_of_each_reader,
     .differs_from_stock = "it is on the host's clock")
{
	const sensor dummy;

	dummy.set_clock({ "boottime", CLOCK_BOOTTIME });

	const unique_fd events = dummy.open_events();
	const period happening(CLOCK_BOOTTIME);

	dummy.make_event();
	dummy.make_event();
	happening.expect_contains(next_event(events), "outside");
	in_namespace(some_offsets, [&] {
		const nanoseconds time = next_event(events);

		expect_ge(time, happening.begin + some_offsets.boottime, "inside");
		expect_le(time, now(CLOCK_BOOTTIME), "inside");
	});
}

TEST(an_event_that_cannot_be_copied_is_kept)
{
	const sensor dummy;
	void *forbidden = mmap(nullptr, sizeof(iio_event_data), PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(forbidden != MAP_FAILED, "mmap");
	dummy.set_clock({ "monotonic", CLOCK_MONOTONIC });

	const unique_fd events = dummy.open_events();
	const period happening(CLOCK_MONOTONIC);

	dummy.make_event();
	wait_readable(events, "an event");
	expect_errno(read(events.get(), forbidden, sizeof(iio_event_data)), EFAULT);
	happening.expect_contains(next_event(events), "the event");
}

TEST(a_scan_is_on_the_clock_of_the_reader, .timeout = 60s,
     .differs_from_stock = "it is on the host's clock")
{
	const sensor dummy;

	for (const device_clock &clock : device_clocks) {
		dummy.set_clock(clock);
		from_each_viewpoint([&](const shift &) {
			const unique_fd buffer = dummy.open();
			const period sampled(clock.id);
			const sampling running(dummy);

			expect_contains(sampled, next_scans(buffer), std::string(clock.name));
		});
	}
}

TEST(a_scan_is_on_the_clock_of_the_reader_by_a_file_of_the_buffer, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const sensor dummy;

	dummy.set_clock({ "monotonic", CLOCK_MONOTONIC });
	from_each_viewpoint([&](const shift &) {
		int fd = 0;

		check(ioctl(dummy.open().get(), IIO_BUFFER_GET_FD_IOCTL, &fd),
		      "IIO_BUFFER_GET_FD_IOCTL");

		const unique_fd buffer(fd);
		const period sampled(CLOCK_MONOTONIC);
		const sampling running(dummy);

		expect_contains(sampled, next_scans(buffer), "timestamp");
	});
}

TEST(a_buffer_that_was_opened_outside_is_on_the_clock_of_each_reader,
     .differs_from_stock = "it is on the host's clock")
{
	const sensor dummy;

	dummy.set_clock({ "monotonic", CLOCK_MONOTONIC });

	const unique_fd buffer = dummy.open();
	const period sampled(CLOCK_MONOTONIC);
	const sampling running(dummy);

	expect_contains(sampled, next_scans(buffer), "outside");
	in_namespace(some_offsets, [&] {
		for (const scan &scan : next_scans(buffer)) {
			const nanoseconds time(scan.timestamp);

			expect_ge(time, sampled.begin + some_offsets.monotonic, "inside");
			expect_le(time, now(CLOCK_MONOTONIC), "inside");
		}
	});
}

TEST(a_scan_without_a_time_is_not_changed, .timeout = 30s)
{
	const sensor dummy;

	dummy.set_clock({ "monotonic", CLOCK_MONOTONIC });
	from_each_viewpoint([&](const shift &) {
		const unique_fd buffer = dummy.open();
		const sampling running(dummy);
		std::array<std::uint16_t, 8> voltages{};

		write_file(dummy.sysfs + "/buffer0/enable", "0");
		write_file(dummy.sysfs + "/buffer0/in_timestamp_en", "0");
		write_file(dummy.sysfs + "/buffer0/watermark", "8");
		write_file(dummy.sysfs + "/buffer0/enable", "1");
		wait_readable(buffer, "a scan");
		expect_eq(check(read(buffer.get(), voltages.data(), sizeof(voltages)), "read"),
			  sizeof(voltages), "size of the scans");
		for (const auto voltage : voltages)
			expect_eq(voltage, 7, "in_voltage0");
	});
}

/*
 * What is left in a buffer that was disabled has the layout with which it was
 * enabled, whatever was set since then.
 */
TEST(samples_left_in_a_buffer_are_not_changed, .timeout = 30s)
{
	constexpr std::size_t count = 8;
	constexpr std::uint16_t untouched = 0x1111;
	const sensor dummy;

	dummy.set_clock({ "monotonic", CLOCK_MONOTONIC });
	from_each_viewpoint([&](const shift &) {
		const unique_fd buffer = dummy.open();
		const sampling running(dummy);
		/* The samples are read to the middle. */
		std::array<std::uint16_t, 3 * count> memory;

		running.stop();
		write_file(dummy.sysfs + "/buffer0/in_timestamp_en", "0");
		write_file(dummy.sysfs + "/buffer0/watermark", "8");
		write_file(dummy.sysfs + "/buffer0/enable", "1");
		wait_readable(buffer, "a scan");
		running.stop();
		write_file(dummy.sysfs + "/buffer0/in_timestamp_en", "1");

		memory.fill(untouched);
		expect_eq(check(read(buffer.get(), &memory[count], count * sizeof(memory[0])),
				"read"),
			  count * sizeof(memory[0]), "size of the scans");
		for (std::size_t at = 0; at < memory.size(); at++)
			expect_eq(memory[at], at / count == 1 ? 7 : untouched,
				  "word " + std::to_string(at));
	});
}

TEST(times_left_in_a_buffer_are_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "they are on the host's clock")
{
	const sensor dummy;

	from_each_viewpoint([&](const shift &) {
		dummy.set_clock({ "monotonic", CLOCK_MONOTONIC });

		const unique_fd buffer = dummy.open();
		const period sampled(CLOCK_MONOTONIC);
		const sampling running(dummy);

		wait_readable(buffer, "a scan");
		running.stop();
		write_file(dummy.sysfs + "/buffer0/in_timestamp_en", "0");
		dummy.set_clock({ "realtime", CLOCK_REALTIME });
		expect_contains(sampled, next_scans(buffer), "timestamp");
	});
}
