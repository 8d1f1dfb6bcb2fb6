// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wireless networks, linux/nl80211.h: when a network was seen, a station was
 * associated and a distance was measured. Simulated radios join a network without
 * an access point, and get measurements from the simulator.
 */
#include "network.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <array>

#include <fcntl.h>
#include <linux/nl80211.h>

using namespace timens;

namespace
{

constexpr std::array<std::uint8_t, 6> network_address{ 2, 0x11, 0x22, 0x33, 0x44, 0x55 };

/* As in mac80211_hwsim.h, which is not exported. */
namespace hwsim
{
enum command : std::uint8_t {
	register_simulator = 1,
	new_radio = 4,
	start_measurement = 9,
	report_measurement = 11,
};
enum attribute : std::uint16_t {
	address_of_transmitter = 2,
	destroy_radio_on_close = 16,
	measurement_support = 26,
	measurement_request,
	measurement_result,
};
} // namespace hwsim

/* The simulator of the radios in a network namespace of its own. */
class simulator {
public:
	simulator()
		: generic((enter_network_namespace(), NETLINK_GENERIC))
		, family(find_generic_family(generic, "MAC80211_HWSIM"))
	{
		if (!family)
			skip("the kernel has no simulated radios");
	}
	/* Its device is wlan0 or the next. It can measure distances. */
	void add_radio()
	{
		auto addition = message(hwsim::new_radio);

		addition.add_flag(hwsim::destroy_radio_on_close);
		addition.nest(hwsim::measurement_support, [&] {
			addition.add(NL80211_PMSR_ATTR_MAX_PEERS, std::uint32_t{ 1 });
			addition.nest(NL80211_PMSR_ATTR_TYPE_CAPA, [&] {
				addition.nest(NL80211_PMSR_TYPE_FTM, [&] {
					addition.add_flag(NL80211_PMSR_FTM_CAPA_ATTR_ASAP);
					addition.add(NL80211_PMSR_FTM_CAPA_ATTR_PREAMBLES,
						     1U << NL80211_PREAMBLE_LEGACY);
					addition.add(NL80211_PMSR_FTM_CAPA_ATTR_BANDWIDTHS,
						     1U << NL80211_CHAN_WIDTH_20_NOHT);
					addition.add(NL80211_PMSR_FTM_CAPA_ATTR_MAX_BURSTS_EXPONENT,
						     std::uint8_t{ 1 });
					addition.add(NL80211_PMSR_FTM_CAPA_ATTR_MAX_FTMS_PER_BURST,
						     std::uint8_t{ 1 });
				});
			});
		});
		try {
			generic.request(addition);
		} catch (const system_failure &failure) {
			/* The acknowledgment tells its number. */
			if (failure.error > 0)
				throw;
		}
	}
	void take_over()
	{
		auto registration = message(hwsim::register_simulator);

		generic.request(registration);
	}
	/* Waits until a measurement is asked for, and reports that it was done at this time. */
	void measure(const std::function<nanoseconds()> &time)
	{
		const auto limit = now(CLOCK_MONOTONIC) + patience;

		while (now(CLOCK_MONOTONIC) < limit)
			for (const netlink_answer &event : generic.receive(patience))
				if (event.header<genlmsghdr>().cmd == hwsim::start_measurement) {
					report(event.attributes<genlmsghdr>().get(
						       hwsim::address_of_transmitter),
					       time());
					return;
				}
		throw check_failed("the simulator is not asked for a measurement");
	}

private:
	netlink_message message(hwsim::command command) const
	{
		return netlink_message::generic(family->id, command);
	}
	void report(const netlink_attribute &radio, nanoseconds time)
	{
		auto result = message(hwsim::report_measurement);

		result.add_bytes(hwsim::address_of_transmitter, radio.payload);
		result.nest(hwsim::measurement_result, [&] {
			result.nest(NL80211_PMSR_ATTR_PEERS, [&] {
				result.nest(1, [&] {
					result.add(NL80211_PMSR_PEER_ATTR_ADDR, network_address);
					result.nest(NL80211_PMSR_PEER_ATTR_RESP, [&] {
						result.add(NL80211_PMSR_RESP_ATTR_STATUS,
							   std::uint32_t{
								   NL80211_PMSR_STATUS_SUCCESS });
						result.add(NL80211_PMSR_RESP_ATTR_HOST_TIME,
							   std::uint64_t(time.count()));
						result.add_flag(NL80211_PMSR_RESP_ATTR_FINAL);
						result.nest(NL80211_PMSR_RESP_ATTR_DATA, [&] {
							result.nest(NL80211_PMSR_TYPE_FTM, [] {});
						});
					});
				});
			});
		});
		generic.request(result);
	}

	netlink_socket generic;
	const std::optional<generic_family> family;
};

class wireless {
public:
	wireless()
		: generic(NETLINK_GENERIC)
		, route(NETLINK_ROUTE)
		, events(NETLINK_GENERIC)
		, family(find_generic_family(generic, NL80211_GENL_NAME))
	{
		if (!family)
			skip("the kernel has no wireless networks");
		events.join(family->group(NL80211_MULTICAST_GROUP_MLME));
	}
	netlink_message message(std::uint8_t command, const std::string &device,
				std::uint16_t flags = 0) const
	{
		auto started = netlink_message::generic(family->id, command, flags);

		started.add(NL80211_ATTR_IFINDEX, static_cast<std::uint32_t>(device_index(device)));
		return started;
	}
	netlink_attributes wait_for(std::uint8_t command, const std::string &device)
	{
		const auto limit = now(CLOCK_MONOTONIC) + patience;

		while (now(CLOCK_MONOTONIC) < limit) {
			pending = events.receive(patience);
			for (const netlink_answer &event : pending) {
				const auto attributes = event.attributes<genlmsghdr>();
				const auto index = attributes.find(NL80211_ATTR_IFINDEX);

				if (event.header<genlmsghdr>().cmd == command && index &&
				    index->as<int>() == device_index(device))
					return attributes;
			}
		}
		throw check_failed("the notification does not come");
	}

	netlink_socket generic;
	/*
	 * Not closed before the end: the simulated radios go when a socket of the
	 * number of the simulator's does, of whichever protocol.
	 */
	netlink_socket route;

private:
	netlink_socket events;
	std::vector<netlink_answer> pending;
	const std::optional<generic_family> family;
};

/* A radio that takes part in the network until it leaves, or goes. */
class member {
public:
	member(wireless &air, const std::string &device)
		: air(air)
		, device(device)
	{
		auto kind = air.message(NL80211_CMD_SET_INTERFACE, device);
		auto joining = air.message(NL80211_CMD_JOIN_IBSS, device);

		set_device_up(air.route, device, false);
		kind.add(NL80211_ATTR_IFTYPE, std::uint32_t{ NL80211_IFTYPE_ADHOC });
		air.generic.request(kind);
		set_device_up(air.route, device);
		joining.add_bytes(NL80211_ATTR_SSID, std::as_bytes(std::span("timens", 6)));
		joining.add(NL80211_ATTR_WIPHY_FREQ, std::uint32_t{ 2412 });
		joining.add_flag(NL80211_ATTR_FREQ_FIXED);
		joining.add(NL80211_ATTR_MAC, network_address);
		air.generic.request(joining);
	}
	void leave()
	{
		auto leaving = air.message(NL80211_CMD_LEAVE_IBSS, device);

		air.generic.request(leaving);
	}

private:
	wireless &air;
	const std::string device;
};

nanoseconds associated(const netlink_attributes &attributes)
{
	return nanoseconds(attributes.nested(NL80211_ATTR_STA_INFO)
				   .get(NL80211_STA_INFO_ASSOC_AT_BOOTTIME)
				   .as<std::uint64_t>());
}

/* Asks how far it is to another radio. */
void ask_for_measurement(wireless &air, const std::string &device)
{
	auto question = air.message(NL80211_CMD_PEER_MEASUREMENT_START, device);

	set_device_up(air.route, device);
	question.nest(NL80211_ATTR_PEER_MEASUREMENTS, [&] {
		question.nest(NL80211_PMSR_ATTR_PEERS, [&] {
			question.nest(1, [&] {
				question.add(NL80211_PMSR_PEER_ATTR_ADDR, network_address);
				question.nest(NL80211_PMSR_PEER_ATTR_CHAN, [&] {
					question.add(NL80211_ATTR_WIPHY_FREQ,
						     std::uint32_t{ 2412 });
				});
				question.nest(NL80211_PMSR_PEER_ATTR_REQ, [&] {
					question.nest(NL80211_PMSR_REQ_ATTR_DATA, [&] {
						question.nest(NL80211_PMSR_TYPE_FTM, [&] {
							question.add_flag(
								NL80211_PMSR_FTM_REQ_ATTR_ASAP);
							question.add(
								NL80211_PMSR_FTM_REQ_ATTR_FTMS_PER_BURST,
								std::uint8_t{ 1 });
							question.add(
								NL80211_PMSR_FTM_REQ_ATTR_PREAMBLE,
								std::uint32_t{
									NL80211_PREAMBLE_LEGACY });
						});
					});
				});
			});
		});
	});
	air.generic.request(question);
}

nanoseconds next_measurement(wireless &air)
{
	for (const netlink_answer &event : air.generic.receive(patience)) {
		const auto results = event.attributes<genlmsghdr>()
					     .nested(NL80211_ATTR_PEER_MEASUREMENTS)
					     .nested(NL80211_PMSR_ATTR_PEERS);

		if (event.header<genlmsghdr>().cmd == NL80211_CMD_PEER_MEASUREMENT_RESULT)
			return nanoseconds(results.nested(1)
						   .nested(NL80211_PMSR_PEER_ATTR_RESP)
						   .get(NL80211_PMSR_RESP_ATTR_HOST_TIME)
						   .as<std::uint64_t>());
	}
	throw check_failed("the result of the measurement does not come");
}

/* Of the only station that the device knows. */
nanoseconds associated_by_dump(wireless &air, const std::string &device)
{
	auto question = air.message(NL80211_CMD_GET_STATION, device, NLM_F_DUMP);
	const auto stations = air.generic.request(question);

	expect_eq(stations.size(), 1U, "number of stations");
	return associated(stations.front().attributes<genlmsghdr>());
}

nanoseconds associated_by_address(wireless &air, const std::string &device,
				  const netlink_attribute &address)
{
	auto question = air.message(NL80211_CMD_GET_STATION, device);

	question.add_bytes(NL80211_ATTR_MAC, address.payload);
	return associated(air.generic.get(question).attributes<genlmsghdr>());
}

/* When the network was heard of, once it is. */
nanoseconds last_seen(wireless &air, const std::string &device)
{
	const auto limit = now(CLOCK_MONOTONIC) + patience;

	while (now(CLOCK_MONOTONIC) < limit) {
		auto question = air.message(NL80211_CMD_GET_SCAN, device, NLM_F_DUMP);

		for (const auto &network : air.generic.request(question)) {
			const auto attributes =
				network.attributes<genlmsghdr>().nested(NL80211_ATTR_BSS);
			const auto seen = attributes.find(NL80211_BSS_LAST_SEEN_BOOTTIME);

			if (seen &&
			    attributes.get(NL80211_BSS_BSSID).as<std::array<std::uint8_t, 6>>() ==
				    network_address)
				return nanoseconds(seen->as<std::uint64_t>());
		}
	}
	throw check_failed("the network is not seen");
}

} // namespace

TEST(a_network_was_seen_on_the_clock_of_the_task_that_asks, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		simulator simulator;

		simulator.add_radio();
		simulator.add_radio();

		wireless air;
		const period seen(CLOCK_BOOTTIME);
		const member first(air, "wlan0");
		const member second(air, "wlan1");

		seen.expect_contains(last_seen(air, "wlan0"), "LAST_SEEN_BOOTTIME");
	});
}

TEST(a_station_was_associated_on_the_clock_of_the_task_that_asks, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		simulator simulator;

		simulator.add_radio();
		simulator.add_radio();

		wireless air;
		const period association(CLOCK_BOOTTIME);
		const member first(air, "wlan0");
		const member second(air, "wlan1");
		const auto station = air.wait_for(NL80211_CMD_NEW_STATION, "wlan0");

		association.expect_contains(associated_by_dump(air, "wlan0"),
					    "ASSOC_AT_BOOTTIME in a dump");
		association.expect_contains(
			associated_by_address(air, "wlan0", station.get(NL80211_ATTR_MAC)),
			"ASSOC_AT_BOOTTIME");
	});
}

TEST(a_notification_about_a_station_stays_on_the_host_s_clock, .timeout = 30s)
{
	from_each_viewpoint([](const shift &shift) {
		simulator simulator;

		simulator.add_radio();
		simulator.add_radio();

		wireless air;
		const nanoseconds before = now(CLOCK_BOOTTIME) - shift.by.boottime;
		member first(air, "wlan0");
		const member second(air, "wlan1");

		air.wait_for(NL80211_CMD_NEW_STATION, "wlan0");
		first.leave();

		const nanoseconds time = associated(air.wait_for(NL80211_CMD_DEL_STATION, "wlan0"));

		expect_ge(time, before, "ASSOC_AT_BOOTTIME");
		expect_le(time, now(CLOCK_BOOTTIME) - shift.by.boottime, "ASSOC_AT_BOOTTIME");
	});
}

TEST(a_measurement_was_done_on_the_clock_of_the_task_that_asked_for_it, .timeout = 30s,
     .differs_from_stock = "it is on the simulator's clock, as it came")
{
	const unique_fd host = open_file("/proc/self/ns/time", O_RDONLY);

	from_each_viewpoint([&](const shift &) {
		simulator simulator;

		simulator.add_radio();
		simulator.take_over();

		wireless air;
		const period measured(CLOCK_BOOTTIME);

		ask_for_measurement(air, "wlan0");
		child([&] {
			enter(host);
			simulator.measure([] { return now(CLOCK_BOOTTIME); });
		}).wait_ok();
		measured.expect_contains(next_measurement(air), "HOST_TIME");
	});
}

TEST(a_measurement_comes_back_to_the_clock_of_the_simulator, .timeout = 30s)
{
	from_each_viewpoint([](const shift &) {
		simulator simulator;

		simulator.add_radio();
		simulator.take_over();

		wireless air;
		const period measured(CLOCK_BOOTTIME);

		ask_for_measurement(air, "wlan0");
		simulator.measure([] { return now(CLOCK_BOOTTIME); });
		measured.expect_contains(next_measurement(air), "HOST_TIME");
	});
}
