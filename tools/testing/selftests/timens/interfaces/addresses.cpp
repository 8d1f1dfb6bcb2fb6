// SPDX-License-Identifier: GPL-2.0-only
/*
 * IFA_CACHEINFO of rtnetlink(7): when an address was made and changed. Programs
 * keep a list that a dump begins and notifications continue, so that both have to
 * be on one clock, and a notification can only be on the host's.
 */
#include "network.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <algorithm>
#include <ranges>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>

using namespace timens;

namespace
{

using hundredths = std::chrono::duration<std::uint32_t, std::ratio<1, 100>>;

/*
 * The times count ticks, of which the kernel misses those before it has set up
 * its clocks.
 */
constexpr nanoseconds tick_error = 1s;

struct address_family {
	std::string_view name;
	int family;
	std::string_view text;
	unsigned int group;
};
constexpr address_family families[] = {
	{ "IPv4", AF_INET, "192.0.2.1", RTNLGRP_IPV4_IFADDR },
	{ "IPv6", AF_INET6, "2001:db8::1", RTNLGRP_IPV6_IFADDR },
};

struct address_times {
	nanoseconds made;
	nanoseconds changed;
};

address_times times_of(const netlink_answer &answer)
{
	const auto info = answer.attributes<ifaddrmsg>().get(IFA_CACHEINFO).as<ifa_cacheinfo>();

	return { hundredths(info.cstamp), hundredths(info.tstamp) };
}

/* The address in the form of the network. */
std::vector<std::byte> bytes_of(const address_family &family)
{
	std::vector<std::byte> bytes(family.family == AF_INET ? 4 : 16);

	expect(inet_pton(family.family, family.text.data(), bytes.data()) == 1,
	       "an address is parsed");
	return bytes;
}

void add_address(netlink_socket &route, const address_family &family)
{
	const auto bytes = bytes_of(family);
	netlink_message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	ifaddrmsg header{};

	header.ifa_family = family.family;
	header.ifa_prefixlen = bytes.size() * 8;
	header.ifa_flags = family.family == AF_INET6 ? IFA_F_NODAD : 0;
	header.ifa_index = device_index("lo");
	message.append(header);
	message.add_bytes(IFA_LOCAL, bytes);
	message.add_bytes(IFA_ADDRESS, bytes);
	route.request(message);
}

bool is_of(const netlink_answer &answer, const address_family &family)
{
	const auto address = answer.attributes<ifaddrmsg>().find(IFA_ADDRESS);

	return address && std::ranges::equal(address->payload, bytes_of(family));
}

address_times dumped_times(netlink_socket &route, const address_family &family)
{
	netlink_message message(RTM_GETADDR, NLM_F_DUMP);
	ifaddrmsg header{};

	header.ifa_family = family.family;
	message.append(header);
	for (const auto &answer : route.request(message))
		if (is_of(answer, family))
			return times_of(answer);
	throw check_failed("there is no address " + std::string(family.text));
}

/* Of the one address asked for, which only IPv6 answers. */
address_times asked_times(netlink_socket &route, const address_family &family)
{
	netlink_message message(RTM_GETADDR);
	ifaddrmsg header{};

	header.ifa_family = family.family;
	message.append(header);
	message.add_bytes(IFA_ADDRESS, bytes_of(family));
	return times_of(route.get(message));
}

/* The host's clock, from a task whose own is moved by the offset. */
void expect_within(const period &period, const address_times &times, nanoseconds offset,
		   const std::string &what)
{
	period.expect_contains(times.made + offset, what + ": when it was made", tick_error);
	period.expect_contains(times.changed + offset, what + ": when it was changed", tick_error);
}

/* Of the notification that an address was added. */
address_times next_times(netlink_socket &listener, const address_family &family)
{
	for (;;) {
		const auto messages = listener.receive(patience);

		expect(!messages.empty(), "there is a notification");
		for (const auto &message : messages)
			if (is_of(message, family))
				return times_of(message);
	}
}

} // namespace

TEST(dumps_answers_and_notifications_are_on_the_clock_of_the_host, .timeout = 30s)
{
	from_each_viewpoint([](const shift &shift) {
		const auto offset = offset_of(CLOCK_MONOTONIC, shift.by);

		enter_network_namespace();

		netlink_socket route(NETLINK_ROUTE);

		for (const auto &family : families) {
			const std::string what = "an address of " + std::string(family.name);
			const period period(CLOCK_MONOTONIC);
			netlink_socket listener(NETLINK_ROUTE);

			listener.join(family.group);
			add_address(route, family);

			const auto notified = next_times(listener, family);
			const auto dumped = dumped_times(route, family);

			expect_within(period, notified, offset, what);
			expect_eq(dumped.made, notified.made, what + ", dumped");
			expect_eq(dumped.changed, notified.changed, what + ", dumped");
			if (family.family == AF_INET6) {
				const auto asked = asked_times(route, family);

				expect_eq(asked.made, notified.made, what + ", asked for");
				expect_eq(asked.changed, notified.changed, what + ", asked for");
			}
		}
	});
}

TEST(a_group_was_joined_on_the_clock_of_the_host, .timeout = 30s)
{
	from_each_viewpoint([](const shift &shift) {
		enter_network_namespace();

		netlink_socket route(NETLINK_ROUTE);
		const period period(CLOCK_MONOTONIC);
		netlink_message message(RTM_GETMULTICAST, NLM_F_DUMP);
		ifaddrmsg header{};
		bool found = false;

		/* A device that is up has joined the group of all nodes. */
		add_device(route, "nodes", "dummy");
		set_device_up(route, "nodes");
		header.ifa_family = AF_INET6;
		message.append(header);
		for (const auto &answer : route.request(message)) {
			if (answer.header<ifaddrmsg>().ifa_index !=
			    static_cast<unsigned int>(device_index("nodes")))
				continue;
			expect_within(period, times_of(answer),
				      offset_of(CLOCK_MONOTONIC, shift.by), "a group");
			found = true;
		}
		expect(found, "the device is in a group");
	});
}

/* IFLA_INET6_CACHEINFO has the time of the last change of a device. */
TEST(a_device_changed_on_the_clock_of_the_host, .timeout = 30s)
{
	from_each_viewpoint([](const shift &shift) {
		enter_network_namespace();

		netlink_socket route(NETLINK_ROUTE);
		const period period(CLOCK_MONOTONIC);
		netlink_message message(RTM_GETLINK, NLM_F_DUMP);
		ifinfomsg header{};
		bool found = false;

		add_device(route, "changed", "dummy");
		set_device_up(route, "changed");
		header.ifi_family = AF_INET6;
		message.append(header);
		for (const auto &answer : route.request(message)) {
			if (answer.header<ifinfomsg>().ifi_index != device_index("changed"))
				continue;

			const auto info = answer.attributes<ifinfomsg>()
						  .nested(IFLA_PROTINFO)
						  .get(IFLA_INET6_CACHEINFO)
						  .as<ifla_cacheinfo>();

			period.expect_contains(hundredths(info.tstamp) +
						       offset_of(CLOCK_MONOTONIC, shift.by),
					       "a device", tick_error);
			found = true;
		}
		expect(found, "the device is in the dump");
	});
}
