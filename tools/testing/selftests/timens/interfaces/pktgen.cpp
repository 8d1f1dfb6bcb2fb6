// SPDX-License-Identifier: GPL-2.0-only
/* /proc/net/pktgen: when the packet generator ran. */
#include "network.hpp"
#include "viewpoints.hpp"

#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

using namespace timens;

namespace
{

const std::string directory = "/proc/thread-self/net/pktgen/";
const std::string device = "target";

void command(const std::string &file, const std::string &words)
{
	const std::string text = words + "\n";
	const auto opened = open_file(directory + file, O_WRONLY);

	check(write(opened.get(), text.data(), text.size()), "write of " + words);
}

/* In a network namespace of its own, which has a generator of its own. */
void set_up_generator()
{
	enter_network_namespace();
	if (access(directory.c_str(), F_OK) < 0)
		skip("the kernel has no packet generator");

	netlink_socket route(NETLINK_ROUTE);

	add_device(route, device, "dummy");
	set_device_up(route, device);
	command("kpktgend_0", "add_device " + device);
	command(device, "count 1");
}

struct run {
	nanoseconds started;
	nanoseconds stopped;
};

run last_run()
{
	const std::string text = read_file(directory + device);
	const auto line = text.find("started:");
	unsigned long long started;
	unsigned long long stopped;

	if (line == text.npos || std::sscanf(text.c_str() + line, "started: %lluus stopped: %lluus",
					     &started, &stopped) != 2)
		throw check_failed("the generator does not tell when it ran: " + show(text));
	return { std::chrono::microseconds(started), std::chrono::microseconds(stopped) };
}

} // namespace

TEST(a_run_began_and_ended_now, .timeout = 30s,
     .differs_from_stock = "the generator tells times on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		set_up_generator();

		const period period(CLOCK_MONOTONIC);

		/* This waits for the end of the run. */
		command("pgctrl", "start");

		const run seen = last_run();

		period.expect_contains(seen.started, "when the run began", 1us);
		period.expect_contains(seen.stopped, "when the run ended", 1us);
	});
}

TEST(a_generator_that_never_ran_tells_zero, .timeout = 30s)
{
	from_each_viewpoint([](const shift &) {
		set_up_generator();

		const run seen = last_run();

		expect_eq(seen.started, 0ns, "when the run began");
		expect_eq(seen.stopped, 0ns, "when the run ended");
	});
}
