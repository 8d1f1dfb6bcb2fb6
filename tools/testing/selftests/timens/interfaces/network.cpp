// SPDX-License-Identifier: GPL-2.0-only
#include "network.hpp"

#include "configfs.hpp"
#include "kernel.hpp"

#include <cstdio>

#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <unistd.h>

namespace timens
{

namespace
{

const std::string simulated_bus = "/sys/bus/netdevsim/";

tcmsg discipline_of(const std::string &device, std::source_location where)
{
	tcmsg header{};

	header.tcm_family = AF_UNSPEC;
	header.tcm_ifindex = device_index(device, where);
	header.tcm_parent = TC_H_ROOT;
	return header;
}

/* A request that fails with this error when the kernel has no such kind. */
void request_kind(netlink_socket &route, netlink_message &message, int absent,
		  std::string_view kind, std::source_location where)
{
	try {
		route.request(message, where);
	} catch (const system_failure &failure) {
		if (failure.error == absent)
			skip("the kernel has no " + std::string(kind));
		throw;
	}
}

} // namespace

void enter_network_namespace(std::source_location where)
{
	const outcome result = unshare(CLONE_NEWNET);

	if (result.error == EINVAL)
		skip("the kernel has no network namespaces");
	check(result, "unshare CLONE_NEWNET", where);

	netlink_socket route(NETLINK_ROUTE, where);

	set_device_up(route, "lo", true, where);
}

int device_index(const std::string &name, std::source_location where)
{
	const auto index = if_nametoindex(name.c_str());

	expect(index != 0, "there is a network device " + name, where);
	return static_cast<int>(index);
}

void set_device_up(netlink_socket &route, const std::string &name, bool up,
		   std::source_location where)
{
	netlink_message message(RTM_NEWLINK);
	ifinfomsg header{};

	header.ifi_index = device_index(name, where);
	header.ifi_flags = up ? IFF_UP : 0;
	header.ifi_change = IFF_UP;
	message.append(header);
	route.request(message, where);
}

void add_device(netlink_socket &route, const std::string &name, std::string_view kind,
		std::uint32_t queues, std::source_location where)
{
	netlink_message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);

	message.append(ifinfomsg{});
	message.add(IFLA_IFNAME, name);
	message.add(IFLA_NUM_TX_QUEUES, queues);
	message.nest(IFLA_LINKINFO, [&] { message.add(IFLA_INFO_KIND, kind); });
	request_kind(route, message, EOPNOTSUPP, kind, where);
}

simulated_device::simulated_device(unsigned int queues)
	: id(std::to_string(getpid()))
{
	if (access(simulated_bus.c_str(), F_OK) < 0)
		skip("the kernel has no simulated network devices");
	write_file(simulated_bus + "new_device", id + " 1 " + std::to_string(queues));
}

simulated_device::~simulated_device()
{
	try {
		write_file(simulated_bus + "del_device", id);
	} catch (const check_failed &failure) {
		note(failure.what());
	}
}

void simulated_device::hold_page() const
{
	const std::string file = "/sys/kernel/debug/netdevsim/netdevsim" + id + "/ports/0/pp_hold";

	if (access(file.c_str(), F_OK) < 0)
		skip("debugfs is not mounted, or has no page pools");
	write_file(file, "1");
}

void set_root_discipline(netlink_socket &route, const std::string &device, std::string_view kind,
			 const std::function<void(netlink_message &)> &configure,
			 std::source_location where)
{
	netlink_message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);

	message.append(discipline_of(device, where));
	message.add(TCA_KIND, kind);
	if (configure)
		message.nest(TCA_OPTIONS, [&] { configure(message); });
	request_kind(route, message, ENOENT, kind, where);
}

netlink_answer root_discipline(netlink_socket &route, const std::string &device,
			       std::source_location where)
{
	const auto header = discipline_of(device, where);
	netlink_message message(RTM_GETQDISC, NLM_F_DUMP);

	message.append(tcmsg{});
	for (auto &answer : route.request(message, where)) {
		const auto told = answer.header<tcmsg>();

		if (told.tcm_ifindex == header.tcm_ifindex && told.tcm_parent == TC_H_ROOT)
			return std::move(answer);
	}
	throw check_failed("there is no queueing discipline at " + device, where);
}

netlink_answer answer_about_discipline(netlink_socket &route, const std::string &device,
				       std::source_location where)
{
	/* The answer is the echo of a notification. */
	netlink_message message(RTM_GETQDISC, NLM_F_ECHO);

	message.append(discipline_of(device, where));
	return route.get(message, where);
}

std::optional<nanoseconds> timer_expiry(std::string_view function)
{
	const std::string list = read_file("/proc/timer_list");
	const auto timer = list.find(function);
	long long expiry;

	if (timer == list.npos)
		return {};

	const auto text = list.find("expires at ", timer);

	if (text == list.npos || std::sscanf(list.c_str() + text, "expires at %lld-", &expiry) != 1)
		throw check_failed("timer_list does not say when a timer expires");
	return nanoseconds(expiry);
}

} // namespace timens
