// SPDX-License-Identifier: GPL-2.0-only
/* SO_TXTIME: when packets that carry a time leave, by the discipline tc-fq(8). */
#include "network.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <array>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef SO_TXTIME
#define SO_TXTIME 61
#define SCM_TXTIME SO_TXTIME
#endif

using namespace timens;

namespace
{

/* How far ahead packets are to leave: less than the horizon of fq, 10 s. */
constexpr nanoseconds ahead = 200ms;

/* Of protocols and Ethernet types, the ones for experiments. */
constexpr int raw_protocol = 253;
constexpr std::uint16_t packet_protocol = 0x88b5;

/* A socket that sends to itself through the loopback device. */
class echo_socket {
public:
	echo_socket(int family, int type, int protocol, const sockaddr_storage &address,
		    socklen_t length)
		: fd(check(socket(family, type | SOCK_CLOEXEC, protocol), "socket"))
		, address(address)
		, length(length)
	{
		check(bind(fd.get(), generic(), length), "bind");
		/* With the port that it got. */
		check(getsockname(fd.get(), generic(), &length), "getsockname");

		const sock_txtime option{ CLOCK_MONOTONIC, 0 };

		check(setsockopt(fd.get(), SOL_SOCKET, SO_TXTIME, &option, sizeof(option)),
		      "setsockopt SO_TXTIME");
	}
	/* 0 is no time. */
	void send(nanoseconds time)
	{
		/* A frame of the least size. */
		std::array<char, 60> data{};
		iovec part{ data.data(), data.size() };
		alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint64_t))> control{};
		msghdr message{};
		const std::uint64_t count = time.count();

		message.msg_name = &address;
		message.msg_namelen = length;
		message.msg_iov = &part;
		message.msg_iovlen = 1;
		message.msg_control = control.data();
		message.msg_controllen = control.size();

		cmsghdr *header = CMSG_FIRSTHDR(&message);

		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_TXTIME;
		header->cmsg_len = CMSG_LEN(sizeof(count));
		std::memcpy(CMSG_DATA(header), &count, sizeof(count));
		check(sendmsg(fd.get(), &message, 0), "sendmsg");
	}
	/* Waits for the packet; false when it does not come. */
	bool receive(nanoseconds limit)
	{
		pollfd event{ fd.get(), POLLIN, 0 };
		const auto timeout = to_timespec(limit);
		std::array<char, 128> data;

		if (!check(ppoll(&event, 1, &timeout, nullptr), "ppoll"))
			return false;
		check(recv(fd.get(), data.data(), data.size(), 0), "recv");
		return true;
	}

private:
	sockaddr *generic()
	{
		return reinterpret_cast<sockaddr *>(&address);
	}

	unique_fd fd;
	sockaddr_storage address;
	/* The packet socket is told less of it than it wants. */
	socklen_t length;
};

template <class address>
echo_socket make_socket(int type, int protocol, const address &specific, int family)
{
	sockaddr_storage any{};

	std::memcpy(&any, &specific, sizeof(specific));
	return echo_socket(family, type, protocol, any, sizeof(specific));
}

echo_socket over_ipv4(int type, int protocol)
{
	sockaddr_in address{};

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return make_socket(type, protocol, address, AF_INET);
}

echo_socket over_ipv6(int type, int protocol)
{
	sockaddr_in6 address{};

	address.sin6_family = AF_INET6;
	address.sin6_addr = in6addr_loopback;
	return make_socket(type, protocol, address, AF_INET6);
}

echo_socket over_ethernet()
{
	sockaddr_ll address{};

	address.sll_family = AF_PACKET;
	address.sll_protocol = htons(packet_protocol);
	address.sll_ifindex = device_index("lo");
	address.sll_halen = 6;
	return make_socket(SOCK_DGRAM, htons(packet_protocol), address, AF_PACKET);
}

struct kind_of_socket {
	std::string_view name;
	echo_socket (*open)();
};
constexpr kind_of_socket kinds[] = {
	{ "UDP over IPv4", [] { return over_ipv4(SOCK_DGRAM, 0); } },
	{ "UDP over IPv6", [] { return over_ipv6(SOCK_DGRAM, 0); } },
	{ "raw IPv4", [] { return over_ipv4(SOCK_RAW, raw_protocol); } },
	{ "raw IPv6", [] { return over_ipv6(SOCK_RAW, raw_protocol); } },
	{ "packet", [] { return over_ethernet(); } },
};

void each_kind(const std::function<void(echo_socket &, const std::string &)> &body)
{
	for (const auto &kind : kinds) {
		auto socket = kind.open();

		body(socket, std::string(kind.name));
	}
}

void enter_paced_network()
{
	enter_network_namespace();

	netlink_socket route(NETLINK_ROUTE);

	set_root_discipline(route, "lo", "fq");
}

void expect_leaves_when_due(echo_socket &socket, const std::string &name)
{
	const auto due = now(CLOCK_MONOTONIC) + ahead;

	socket.send(due);
	expect(socket.receive(ahead + patience), "the packet arrives: " + name);
	expect_ge(now(CLOCK_MONOTONIC), due, "the packet arrives when due, not before: " + name);
}

} // namespace

TEST(a_packet_leaves_when_due, .timeout = 60s,
     .differs_from_stock = "SCM_TXTIME is on the host's clock")
{
	enter_paced_network();
	from_each_viewpoint([](const shift &) { each_kind(expect_leaves_when_due); });
}

TEST(a_time_is_on_the_clock_of_who_sends, .timeout = 60s,
     .differs_from_stock = "SCM_TXTIME is on the host's clock")
{
	enter_paced_network();
	each_kind([](echo_socket &socket, const std::string &name) {
		from_each_viewpoint([&](const shift &) { expect_leaves_when_due(socket, name); });
	});
}

TEST(a_packet_without_time_leaves_at_once, .timeout = 30s)
{
	enter_paced_network();
	from_each_viewpoint([](const shift &) {
		each_kind([](echo_socket &socket, const std::string &name) {
			socket.send(0ns);
			expect(socket.receive(patience), "the packet arrives: " + name);
		});
	});
}

TEST(a_packet_that_was_due_long_ago_leaves_at_once, .timeout = 30s)
{
	enter_paced_network();
	from_each_viewpoint([](const shift &) {
		each_kind([](echo_socket &socket, const std::string &name) {
			socket.send(1ns);
			expect(socket.receive(patience), "the packet arrives: " + name);
		});
	});
}
