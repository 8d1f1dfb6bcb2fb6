// SPDX-License-Identifier: GPL-2.0-only
/* Network namespaces, and what a test puts into one of its own. */
#pragma once

#include "netlink.hpp"

#include <linux/rtnetlink.h>

namespace timens
{

/*
 * Moves the caller to a new network namespace, whose loopback device is up. It
 * skips when the kernel has none.
 */
void enter_network_namespace(std::source_location where = std::source_location::current());

int device_index(const std::string &name,
		 std::source_location where = std::source_location::current());

void set_device_up(netlink_socket &route, const std::string &name, bool up = true,
		   std::source_location where = std::source_location::current());

/*
 * A device of a kind, "dummy" or "veth", with so many queues to send from; the
 * kernel chooses what the other end of a pair is called. Skips when the kernel
 * has no such kind.
 */
void add_device(netlink_socket &route, const std::string &name, std::string_view kind,
		std::uint32_t queues = 1,
		std::source_location where = std::source_location::current());

/*
 * A device of netdevsim, with a PTP clock, the first of its kind in a network
 * namespace. Skips when the kernel has none.
 */
class simulated_device {
public:
	explicit simulated_device(unsigned int queues = 1);
	simulated_device(const simulated_device &) = delete;
	simulated_device &operator=(const simulated_device &) = delete;
	~simulated_device();
	/* Takes a page out of its pool. */
	void hold_page() const;

	const std::string name = "eth0";

private:
	const std::string id;
};

/*
 * The queueing discipline that all leaves the device through; it is configured
 * by what the function adds to the TCA_OPTIONS of the message. Skips when the
 * kernel has none of the kind.
 */
void set_root_discipline(netlink_socket &route, const std::string &device, std::string_view kind,
			 const std::function<void(netlink_message &)> &configure = {},
			 std::source_location where = std::source_location::current());

/* What the kernel tells about it: a tcmsg, and attributes. */
netlink_answer root_discipline(netlink_socket &route, const std::string &device,
			       std::source_location where = std::source_location::current());

/* The same, of the one at the device alone, and not by a dump. */
netlink_answer answer_about_discipline(netlink_socket &route, const std::string &device,
				       std::source_location where = std::source_location::current());

/*
 * When the first of the kernel's timers that call this function expires, on its
 * clock of the host, by /proc/timer_list. Empty when there is none.
 */
std::optional<nanoseconds> timer_expiry(std::string_view function);

} // namespace timens
