// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wakeup sources, sysfs-class-wakeup and sysfs-devices-power: when they were
 * active last.
 */
#include "configfs.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <array>
#include <filesystem>
#include <sstream>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/rtc.h>

using namespace timens;

namespace
{

using std::chrono::milliseconds;

milliseconds read_milliseconds(const std::string &path)
{
	return milliseconds(std::stoll(read_line(path)));
}

/* A FIFO that keeps the system awake while it has something to read. */
class waking_fifo {
public:
	const std::string name = "timens." + std::to_string(getpid());

	waking_fifo()
		: queue(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"))
	{
		const std::string path = std::filesystem::temp_directory_path() / name;

		check(mkfifo(path.c_str(), 0600), "mkfifo");
		fifo = open_file(path, O_RDWR | O_NONBLOCK);
		check(unlink(path.c_str()), "unlink");

		epoll_event interest{};

		interest.events = EPOLLIN | EPOLLWAKEUP;
		check(epoll_ctl(queue.get(), EPOLL_CTL_ADD, fifo.get(), &interest), "epoll_ctl");
	}
	void fill() const
	{
		check(write(fifo.get(), "", 1), "write to a FIFO");
	}
	/* Its folder in sysfs. */
	std::string source() const
	{
		const std::string sources = "/sys/class/wakeup";

		if (!std::filesystem::exists(sources))
			skip("the kernel has no wakeup sources");
		for (const auto &entry : std::filesystem::directory_iterator(sources))
			if (read_line(entry.path().string() + "/name") == name)
				return entry.path();
		throw check_failed("there is no wakeup source with the name " + name);
	}

private:
	const unique_fd queue;
	unique_fd fifo;
};

} // namespace

TEST(the_last_change_of_a_source_is_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const waking_fifo fifo;
		const period change(CLOCK_MONOTONIC);

		fifo.fill();
		change.expect_contains(read_milliseconds(fifo.source() + "/last_change_ms"),
				       "last_change_ms", 1ms);
	});
}

TEST(the_last_change_in_debugfs_is_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const std::string sources = "/sys/kernel/debug/wakeup_sources";

	if (!std::filesystem::exists(sources))
		skip("debugfs is not mounted, or has no wakeup sources");
	from_each_viewpoint([&](const shift &) {
		const waking_fifo fifo;
		const period change(CLOCK_MONOTONIC);

		fifo.fill();

		std::istringstream lines(read_file(sources));
		bool found = false;

		for (std::string line; std::getline(lines, line);) {
			std::istringstream words(line);
			std::string name;
			/* The last is last_change. */
			std::array<long long, 8> numbers{};

			words >> name;
			if (name != fifo.name)
				continue;
			for (auto &number : numbers)
				words >> number;
			change.expect_contains(milliseconds(numbers.back()), "last_change", 1ms);
			found = true;
		}
		expect(found, "the source is in debugfs");
	});
}

TEST(a_source_that_was_never_active_tells_0, .timeout = 30s)
{
	from_each_viewpoint([](const shift &) {
		const waking_fifo fifo;

		expect_eq(read_milliseconds(fifo.source() + "/last_change_ms"), 0ms,
			  "last_change_ms");
	});
}

TEST(the_last_time_of_a_device_is_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const std::string last = "/sys/class/rtc/rtc0/device/power/wakeup_last_time_ms";

	if (!std::filesystem::exists("/dev/rtc0") || !std::filesystem::exists(last))
		skip("there is no clock that can wake the system");
	from_each_viewpoint([&](const shift &) {
		const unique_fd clock = open_file("/dev/rtc0", O_RDONLY);
		const period update(CLOCK_MONOTONIC);

		/* An interrupt at the next second. */
		check(ioctl(clock.get(), RTC_UIE_ON), "RTC_UIE_ON");

		pollfd readable{ clock.get(), POLLIN, 0 };

		expect(check(poll(&readable, 1, patience / 1ms), "poll") == 1, "a second ends");
		update.expect_contains(read_milliseconds(last), "wakeup_last_time_ms", 1ms);
	});
}
