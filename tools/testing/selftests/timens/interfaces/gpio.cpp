// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines of GPIO chips, gpio.h: when a line changed its level or its use. The
 * time is on the clock of the task that opened the file or requested the line,
 * whoever reads it.
 */
#include "configfs.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/gpio.h>

using namespace timens;

namespace
{

/* A chip with one line, whose level is what it is pulled to: low at first. */
class chip {
public:
	chip()
		: device(configfs_of("gpio-sim") + "/timens." + std::to_string(getpid()))
		, bank(device.path + "/bank")
		, live(device.path + "/live")
		, pull("/sys/devices/platform/" + read_line(device.path + "/dev_name") + "/" +
		       read_line(bank.path + "/chip_name") + "/sim_gpio0/pull")
		, node("/dev/" + read_line(bank.path + "/chip_name"))
	{
	}
	void raise() const
	{
		write_file(pull, "pull-up");
	}
	void lower() const
	{
		write_file(pull, "pull-down");
	}
	unique_fd open() const
	{
		return open_file(node, O_RDWR);
	}

private:
	class power {
	public:
		explicit power(std::string file)
			: file(std::move(file))
		{
			write_file(this->file, "1");
		}
		~power()
		{
			write_file(file, "0");
		}

	private:
		const std::string file;
	};

	const configfs_folder device;
	const configfs_folder bank;
	const power live;
	const std::string pull;
	const std::string node;
};

template <class event> event next(const unique_fd &file, const std::string &what)
{
	pollfd readable{ file.get(), POLLIN, 0 };
	event value{};

	expect(check(poll(&readable, 1, patience / 1ms), "poll") == 1, what + " comes");
	expect_eq(check(read(file.get(), &value, sizeof(value)), "read of " + what), sizeof(value),
		  "size of " + what);
	return value;
}

gpio_v2_line_request request_of(std::uint64_t flags)
{
	gpio_v2_line_request request{};

	request.num_lines = 1;
	request.config.flags = GPIO_V2_LINE_FLAG_INPUT | flags;
	return request;
}

unique_fd request_line(const unique_fd &chip, gpio_v2_line_request request)
{
	check(ioctl(chip.get(), GPIO_V2_GET_LINE_IOCTL, &request), "GPIO_V2_GET_LINE_IOCTL");
	return unique_fd(request.fd);
}

unique_fd request_edges(const unique_fd &chip, std::uint64_t flags = 0,
			std::uint32_t debounce_period_us = 0)
{
	auto request =
		request_of(GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING | flags);

	if (debounce_period_us) {
		auto &attribute = request.config.attrs[request.config.num_attrs++];

		attribute.attr.id = GPIO_V2_LINE_ATTR_ID_DEBOUNCE;
		attribute.attr.debounce_period_us = debounce_period_us;
		attribute.mask = 1;
	}
	return request_line(chip, request);
}

unique_fd request_edges_in_first_version(const unique_fd &chip)
{
	gpioevent_request request{};

	request.handleflags = GPIOHANDLE_REQUEST_INPUT;
	request.eventflags = GPIOEVENT_REQUEST_BOTH_EDGES;

	const outcome result = ioctl(chip.get(), GPIO_GET_LINEEVENT_IOCTL, &request);

	if (result.error == EINVAL)
		skip("the kernel has no first version of the interface");
	check(result, "GPIO_GET_LINEEVENT_IOCTL");
	return unique_fd(request.fd);
}

nanoseconds next_edge(const unique_fd &line)
{
	return nanoseconds(next<gpio_v2_line_event>(line, "an edge").timestamp_ns);
}

nanoseconds next_edge_in_first_version(const unique_fd &line)
{
	return nanoseconds(next<gpioevent_data>(line, "an edge").timestamp);
}

void watch(const unique_fd &chip)
{
	gpio_v2_line_info info{};

	check(ioctl(chip.get(), GPIO_V2_GET_LINEINFO_WATCH_IOCTL, &info),
	      "GPIO_V2_GET_LINEINFO_WATCH_IOCTL");
}

nanoseconds next_change(const unique_fd &chip)
{
	return nanoseconds(next<gpio_v2_line_info_changed>(chip, "a change").timestamp_ns);
}

} // namespace

TEST(an_edge_is_on_the_clock_of_the_task_that_requested_the_line, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const chip simulated;

	from_each_viewpoint([&](const shift &) {
		const unique_fd line = request_edges(simulated.open());

		for (const bool rises : { true, false }) {
			const period edge(CLOCK_MONOTONIC);

			rises ? simulated.raise() : simulated.lower();
			edge.expect_contains(next_edge(line), "timestamp_ns");
		}
	});
}

TEST(an_edge_that_is_debounced_is_on_that_clock, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const chip simulated;

	from_each_viewpoint([&](const shift &) {
		const unique_fd line = request_edges(simulated.open(), 0, 1000);
		const period edge(CLOCK_MONOTONIC);

		simulated.raise();
		edge.expect_contains(next_edge(line), "timestamp_ns");
		simulated.lower();
		next_edge(line);
	});
}

TEST(an_edge_with_a_date_is_not_moved, .timeout = 30s)
{
	const chip simulated;

	from_each_viewpoint([&](const shift &) {
		const unique_fd line =
			request_edges(simulated.open(), GPIO_V2_LINE_FLAG_EVENT_CLOCK_REALTIME);
		const period edge(CLOCK_REALTIME);

		simulated.raise();
		edge.expect_contains(next_edge(line), "timestamp_ns");
		simulated.lower();
		next_edge(line);
	});
}

TEST(each_edge_keeps_its_clock_when_the_line_is_set_to_another, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const chip simulated;

	from_each_viewpoint([&](const shift &) {
		const unique_fd line = request_edges(simulated.open());
		auto dates =
			request_of(GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING |
				   GPIO_V2_LINE_FLAG_EVENT_CLOCK_REALTIME)
				.config;
		pollfd readable{ line.get(), POLLIN, 0 };
		const period first(CLOCK_MONOTONIC);
		const period second(CLOCK_REALTIME);

		simulated.raise();
		expect(check(poll(&readable, 1, patience / 1ms), "poll") == 1, "an edge comes");
		check(ioctl(line.get(), GPIO_V2_LINE_SET_CONFIG_IOCTL, &dates),
		      "GPIO_V2_LINE_SET_CONFIG_IOCTL");
		simulated.lower();
		first.expect_contains(next_edge(line), "the first timestamp_ns");
		second.expect_contains(next_edge(line), "the second timestamp_ns");
	});
}

TEST(an_edge_in_the_first_version_is_on_that_clock, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const chip simulated;

	from_each_viewpoint([&](const shift &) {
		const unique_fd line = request_edges_in_first_version(simulated.open());

		for (const bool rises : { true, false }) {
			const period edge(CLOCK_MONOTONIC);

			rises ? simulated.raise() : simulated.lower();
			edge.expect_contains(next_edge_in_first_version(line), "timestamp");
		}
	});
}

TEST(a_line_that_was_requested_outside_tells_edges_on_the_clock_outside)
{
	const chip simulated;

	for (const bool first_version : { false, true }) {
		const unique_fd line = first_version
					       ? request_edges_in_first_version(simulated.open())
					       : request_edges(simulated.open());
		const period edge(CLOCK_MONOTONIC);
		const shared<std::atomic<std::int64_t>> time;

		in_namespace(some_offsets, [&] {
			simulated.raise();
			*time = (first_version ? next_edge_in_first_version(line) : next_edge(line))
					.count();
		});
		edge.expect_contains(nanoseconds(*time), "timestamp");
		simulated.lower();
	}
}

TEST(a_change_of_use_is_on_the_clock_of_the_task_that_opened_the_chip, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const chip simulated;

	from_each_viewpoint([&](const shift &) {
		const unique_fd watching = simulated.open();

		watch(watching);

		const period change(CLOCK_MONOTONIC);
		const unique_fd line = request_line(watching, request_of(0));

		change.expect_contains(next_change(watching), "timestamp_ns");
	});
}

TEST(a_change_of_use_in_the_first_version_is_on_that_clock, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	const chip simulated;

	from_each_viewpoint([&](const shift &) {
		const unique_fd watching = simulated.open();
		gpioline_info info{};
		const outcome result = ioctl(watching.get(), GPIO_GET_LINEINFO_WATCH_IOCTL, &info);

		if (result.error == EINVAL)
			skip("the kernel has no first version of the interface");
		check(result, "GPIO_GET_LINEINFO_WATCH_IOCTL");

		const period change(CLOCK_MONOTONIC);
		const unique_fd line = request_line(watching, request_of(0));

		change.expect_contains(
			nanoseconds(next<gpioline_info_changed>(watching, "a change").timestamp),
			"timestamp");
	});
}

TEST(a_chip_that_was_opened_outside_tells_changes_on_the_clock_outside)
{
	const chip simulated;
	const unique_fd watching = simulated.open();
	const shared<std::atomic<std::int64_t>> time;

	watch(watching);

	const period change(CLOCK_MONOTONIC);

	in_namespace(some_offsets, [&] {
		const unique_fd line = request_line(simulated.open(), request_of(0));

		*time = next_change(watching).count();
	});
	change.expect_contains(nanoseconds(*time), "timestamp_ns");
}
