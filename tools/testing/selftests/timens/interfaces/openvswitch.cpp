// SPDX-License-Identifier: GPL-2.0-only
/* Open vSwitch, linux/openvswitch.h: when a flow or a meter was used last. */
#include "network.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/openvswitch.h>
#include <sys/socket.h>

using namespace timens;

namespace
{

using std::chrono::milliseconds;

constexpr std::uint16_t experimental_protocol = 0x88b5;

/* A frame that the flow is for. */
struct frame {
	std::array<std::uint8_t, 6> destination{ 2, 0, 0, 0, 0, 1 };
	std::array<std::uint8_t, 6> source{ 2, 0, 0, 0, 0, 2 };
	std::uint16_t protocol = htons(experimental_protocol);
	std::uint8_t payload[46]{};
};

/* A switch with nothing but its own port, in a network namespace of its own. */
class virtual_switch {
public:
	virtual_switch()
		: generic((enter_network_namespace(), NETLINK_GENERIC))
	{
		auto creation =
			message(OVS_DATAPATH_FAMILY, OVS_DP_CMD_NEW, 0, OVS_DATAPATH_VERSION);
		netlink_socket route(NETLINK_ROUTE);

		creation.add(OVS_DP_ATTR_NAME, port);
		creation.add(OVS_DP_ATTR_UPCALL_PID, std::uint32_t{ 0 });
		generic.request(creation);
		set_device_up(route, port);
		index = device_index(port);
	}
	void add_flow()
	{
		auto addition = flow_message(OVS_FLOW_CMD_NEW);

		addition.nest(OVS_FLOW_ATTR_ACTIONS, [] {});
		generic.request(addition);
	}
	void send_frame() const
	{
		const unique_fd sender(
			check(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "socket"));
		const frame sent;
		sockaddr_ll address{};

		address.sll_family = AF_PACKET;
		address.sll_ifindex = index;
		check(sendto(sender.get(), &sent, sizeof(sent), 0,
			     reinterpret_cast<const sockaddr *>(&address), sizeof(address)),
		      "sendto");
	}
	milliseconds flow_used()
	{
		auto question = flow_message(OVS_FLOW_CMD_GET);

		return used(generic.get(question), OVS_FLOW_ATTR_USED);
	}
	/* What a change that changes nothing echoes. */
	milliseconds flow_used_in_echo()
	{
		auto change = flow_message(OVS_FLOW_CMD_SET, NLM_F_ECHO);

		return used(generic.get(change), OVS_FLOW_ATTR_USED);
	}
	/* What all who listen get when somebody changes a flow. */
	milliseconds flow_used_in_multicast()
	{
		netlink_socket listener(NETLINK_GENERIC);
		auto change = flow_message(OVS_FLOW_CMD_SET);

		listener.join(
			find_generic_family(generic, OVS_FLOW_FAMILY)->group(OVS_FLOW_MCGROUP));
		generic.request(change);

		const auto messages = listener.receive(patience);

		expect_eq(messages.size(), 1U, "messages about a flow");
		return used(messages.front(), OVS_FLOW_ATTR_USED);
	}
	milliseconds flow_used_in_multicast_with_echo()
	{
		netlink_socket listener(NETLINK_GENERIC);

		listener.join(
			find_generic_family(generic, OVS_FLOW_FAMILY)->group(OVS_FLOW_MCGROUP));
		flow_used_in_echo();

		const auto messages = listener.receive(patience);

		expect_eq(messages.size(), 1U, "messages about a flow");
		return used(messages.front(), OVS_FLOW_ATTR_USED);
	}
	milliseconds flow_used_in_dump()
	{
		auto question = message(OVS_FLOW_FAMILY, OVS_FLOW_CMD_GET, NLM_F_DUMP);
		const auto flows = generic.request(question);

		expect_eq(flows.size(), 1U, "number of flows");
		return used(flows.front(), OVS_FLOW_ATTR_USED);
	}
	void add_meter()
	{
		auto addition = meter_message(OVS_METER_CMD_SET);

		addition.add_flag(OVS_METER_ATTR_KBPS);
		addition.nest(OVS_METER_ATTR_BANDS, [&] {
			addition.nest(OVS_BAND_ATTR_UNSPEC, [&] {
				addition.add(OVS_BAND_ATTR_TYPE,
					     std::uint32_t{ OVS_METER_BAND_TYPE_DROP });
				addition.add(OVS_BAND_ATTR_RATE, std::uint32_t{ 1 });
				addition.add(OVS_BAND_ATTR_BURST, std::uint32_t{ 1 });
			});
		});
		generic.request(addition);
	}
	milliseconds meter_used()
	{
		auto question = meter_message(OVS_METER_CMD_GET);

		return used(generic.get(question), OVS_METER_ATTR_USED);
	}

private:
	static milliseconds used(const netlink_answer &answer, std::uint16_t attribute)
	{
		const auto attributes =
			answer.attributes_after(sizeof(genlmsghdr) + sizeof(ovs_header));

		return milliseconds(attributes.get(attribute).as<std::uint64_t>());
	}
	netlink_message message(std::string_view family, std::uint8_t command,
				std::uint16_t flags = 0, std::uint8_t version = 1)
	{
		const auto found = find_generic_family(generic, family);

		if (!found)
			skip("the kernel has no Open vSwitch");

		auto started = netlink_message::generic(found->id, command, flags, version);

		started.append(ovs_header{ index });
		return started;
	}
	netlink_message flow_message(std::uint8_t command, std::uint16_t flags = 0)
	{
		auto started = message(OVS_FLOW_FAMILY, command, flags);

		started.nest(OVS_FLOW_ATTR_KEY, [&] {
			const frame expected;
			ovs_key_ethernet addresses;

			std::ranges::copy(expected.source, addresses.eth_src);
			std::ranges::copy(expected.destination, addresses.eth_dst);
			started.add(OVS_KEY_ATTR_IN_PORT, std::uint32_t{ 0 });
			started.add(OVS_KEY_ATTR_ETHERNET, addresses);
			started.add(OVS_KEY_ATTR_ETHERTYPE, expected.protocol);
		});
		return started;
	}
	netlink_message meter_message(std::uint8_t command)
	{
		auto started = message(OVS_METER_FAMILY, command);

		started.add(OVS_METER_ATTR_ID, std::uint32_t{ 1 });
		return started;
	}

	const std::string port = "switch0";
	netlink_socket generic;
	int index = 0;
};

/* The use of a flow is counted in ticks, some of which an emulated machine gets late. */
constexpr nanoseconds coarseness = 500ms;

} // namespace

TEST(the_last_use_of_a_flow_is_on_the_clock_of_the_task_that_asks, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([&](const shift &) {
		virtual_switch made;

		made.add_flow();

		const period use(CLOCK_MONOTONIC);

		made.send_frame();
		use.expect_contains(made.flow_used(), "OVS_FLOW_ATTR_USED", coarseness);
		use.expect_contains(made.flow_used_in_dump(), "OVS_FLOW_ATTR_USED in a dump",
				    coarseness);
		use.expect_contains(made.flow_used_in_echo(), "OVS_FLOW_ATTR_USED in an echo",
				    coarseness);
	});
}

TEST(the_last_use_of_a_flow_in_a_multicast_is_on_the_clock_of_the_host, .timeout = 30s)
{
	from_each_viewpoint([&](const shift &shift) {
		const auto offset = offset_of(CLOCK_MONOTONIC, shift.by);
		virtual_switch made;

		made.add_flow();

		const period use(CLOCK_MONOTONIC);

		made.send_frame();
		use.expect_contains(made.flow_used_in_multicast() + offset,
				    "OVS_FLOW_ATTR_USED in a multicast", coarseness);
		use.expect_contains(made.flow_used_in_multicast_with_echo() + offset,
				    "OVS_FLOW_ATTR_USED in a multicast beside an echo", coarseness);
	});
}

TEST(the_last_use_of_a_meter_is_on_the_clock_of_the_task_that_asks, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		virtual_switch made;
		const period use(CLOCK_MONOTONIC);

		made.add_meter();
		/* Rounded where it is taken, and where it is moved. */
		use.expect_contains(made.meter_used(), "OVS_METER_ATTR_USED", 2ms);
	});
}

TEST(the_last_use_before_the_zero_of_the_clock_is_0,
     .differs_from_stock = "it is on the host's clock")
{
	virtual_switch made;

	made.add_flow();
	made.send_frame();
	made.add_meter();
	in_namespace({ -now(CLOCK_MONOTONIC), -now(CLOCK_BOOTTIME) }, [&] {
		/* Counted back from now in ticks, which may end a few after the frame. */
		expect_le(made.flow_used(), 500ms, "OVS_FLOW_ATTR_USED");
		expect_eq(made.meter_used(), 0ms, "OVS_METER_ATTR_USED");
	});
}
