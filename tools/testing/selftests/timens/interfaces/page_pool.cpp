// SPDX-License-Identifier: GPL-2.0-only
/* Page pools in the netdev family of netlink: since when a pool is detached. */
#include "network.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

using namespace timens;

namespace
{

/* Of include/uapi/linux/netdev.h since 6.8. */
constexpr std::uint8_t page_pool_get = 5; /* NETDEV_CMD_PAGE_POOL_GET */
constexpr std::uint16_t pool_detach_time = 6; /* NETDEV_A_PAGE_POOL_DETACH_TIME */

/* An integer is told in 32 bits or in 64, as it needs. */
seconds to_seconds(const netlink_attribute &attribute)
{
	if (attribute.payload.size() == sizeof(std::uint32_t))
		return seconds(attribute.as<std::uint32_t>());
	return seconds(attribute.as<std::uint64_t>());
}

generic_family find_family(netlink_socket &generic)
{
	const auto family = find_generic_family(generic, "netdev");

	if (!family)
		skip("the kernel does not tell about page pools");
	return *family;
}

std::vector<seconds> detach_times_in(const std::vector<netlink_answer> &messages)
{
	std::vector<seconds> times;

	for (const auto &message : messages)
		if (const auto time = message.attributes<genlmsghdr>().find(pool_detach_time))
			times.push_back(to_seconds(*time));
	return times;
}

std::vector<seconds> detach_times()
{
	netlink_socket generic(NETLINK_GENERIC);
	auto message = netlink_message::generic(find_family(generic).id, page_pool_get, NLM_F_DUMP);

	return detach_times_in(generic.request(message));
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

TEST(a_notification_is_on_the_clock_of_the_host, .timeout = 30s,
     .differs_from_stock = "detach times are on the host's clock")
{
	from_each_viewpoint([](const shift &by) {
		enter_network_namespace();

		const simulated_device device;
		netlink_socket route(NETLINK_ROUTE), listener(NETLINK_GENERIC);
		std::vector<seconds> notified;

		set_device_up(route, device.name);
		device.hold_page();
		listener.join(find_family(listener).group("page-pool"));
		set_device_up(route, device.name, false);
		while (notified.empty()) {
			const auto messages = listener.receive(patience);

			expect(!messages.empty(), "the detached pool is announced");
			notified = detach_times_in(messages);
		}

		const auto times = detach_times();

		expect_eq(times.size(), 1U, "detached pools");
		/* So a program that sees both knows one from the other by its offset. */
		expect_eq(times.front(),
			  std::chrono::floor<seconds>(notified.front() +
						      offset_of(CLOCK_BOOTTIME, by.by)),
			  "when the pool was detached, of what was announced");
	});
}
