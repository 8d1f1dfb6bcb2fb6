// SPDX-License-Identifier: GPL-2.0-only
/* Page pools in the netdev family of netlink: since when a pool is detached. */
#include "network.hpp"
#include "viewpoints.hpp"

#include <fcntl.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* Of include/uapi/linux/netdev.h since 6.8. */
constexpr std::uint8_t page_pool_get = 5; /* NETDEV_CMD_PAGE_POOL_GET */
constexpr std::uint16_t pool_detach_time = 6; /* NETDEV_A_PAGE_POOL_DETACH_TIME */

void write_file(const std::string &path, const std::string &text)
{
	const auto opened = open_file(path, O_WRONLY);

	check(write(opened.get(), text.data(), text.size()), "write to " + path);
}

/* A simulated network device, the first in a network namespace of its own. */
class simulated_device {
public:
	simulated_device()
	{
		if (access(bus.c_str(), F_OK) < 0)
			skip("the kernel has no simulated network devices");
		write_file(bus + "new_device", id + " 1");
	}
	simulated_device(const simulated_device &) = delete;
	simulated_device &operator=(const simulated_device &) = delete;
	~simulated_device()
	{
		try {
			write_file(bus + "del_device", id);
		} catch (const check_failed &failure) {
			note(failure.what());
		}
	}
	/* Takes a page out of its pool. */
	void hold_page() const
	{
		const std::string file =
			"/sys/kernel/debug/netdevsim/netdevsim" + id + "/ports/0/pp_hold";

		if (access(file.c_str(), F_OK) < 0)
			skip("debugfs is not mounted, or has no page pools");
		write_file(file, "1");
	}

	const std::string name = "eth0";

private:
	const std::string bus = "/sys/bus/netdevsim/";
	const std::string id = std::to_string(getpid());
};

/* An integer is told in 32 bits or in 64, as it needs. */
seconds to_seconds(const netlink_attribute &attribute)
{
	if (attribute.payload.size() == sizeof(std::uint32_t))
		return seconds(attribute.as<std::uint32_t>());
	return seconds(attribute.as<std::uint64_t>());
}

std::vector<seconds> detach_times()
{
	netlink_socket generic(NETLINK_GENERIC);
	const auto family = find_generic_family(generic, "netdev");

	if (!family)
		skip("the kernel does not tell about page pools");

	auto message = netlink_message::generic(family->id, page_pool_get, NLM_F_DUMP);
	std::vector<seconds> times;

	for (const auto &answer : generic.request(message))
		if (const auto time = answer.attributes<genlmsghdr>().find(pool_detach_time))
			times.push_back(to_seconds(*time));
	return times;
}

} // namespace

TEST(a_pool_was_detached_now, .timeout = 30s,
     .differs_from_stock = "detach times are on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		enter_network_namespace();

		const simulated_device device;
		netlink_socket route(NETLINK_ROUTE);

		set_device_up(route, device.name);
		device.hold_page();
		expect_eq(detach_times().size(), 0U, "detached pools before");

		const period period(CLOCK_BOOTTIME);

		/* A pool whose page is held outlives the device. */
		set_device_up(route, device.name, false);

		const auto times = detach_times();

		expect_eq(times.size(), 1U, "detached pools");
		/* Whole seconds of the host's clock, and again of this one. */
		period.expect_contains(times.front(), "when the pool was detached", 2s);
	});
}
