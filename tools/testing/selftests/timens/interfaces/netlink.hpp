// SPDX-License-Identifier: GPL-2.0-only
/*
 * netlink(7): messages made of attributes, to rtnetlink(7) or to a family of
 * generic netlink, and their answers.
 *
 *	netlink_socket route(NETLINK_ROUTE);
 *	netlink_message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
 *
 *	message.append(ifinfomsg{});
 *	message.add(IFLA_IFNAME, "dummy0");
 *	message.nest(IFLA_LINKINFO, [&] { message.add(IFLA_INFO_KIND, "dummy"); });
 *	route.request(message);
 */
#pragma once

#include "harness.hpp"
#include "process.hpp"

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <linux/genetlink.h>
#include <linux/netlink.h>

namespace timens
{

using byte_span = std::span<const std::byte>;

/* The object of which these are the bytes; throws check_failed if they are too few. */
template <class value>
requires std::is_trivially_copyable_v<value> value from_bytes(byte_span bytes)
{
	value copied;

	if (bytes.size() < sizeof(copied))
		throw check_failed("a netlink attribute is too short");
	std::memcpy(&copied, bytes.data(), sizeof(copied));
	return copied;
}

struct netlink_attribute {
	std::uint16_t type; /* without its flags */
	byte_span payload;

	template <class value> value as() const
	{
		return from_bytes<value>(payload);
	}
	/* Up to the terminating zero. */
	std::string text() const;
};

/* A sequence of attributes in memory that somebody else owns. */
class netlink_attributes {
public:
	explicit netlink_attributes(byte_span bytes)
		: bytes(bytes)
	{
	}
	std::vector<netlink_attribute> all() const;
	std::optional<netlink_attribute> find(std::uint16_t type) const;
	/* Throws check_failed when there is none. */
	netlink_attribute get(std::uint16_t type,
			      std::source_location where = std::source_location::current()) const;
	/* The attributes in the one of this type; so throws, too. */
	netlink_attributes
	nested(std::uint16_t type,
	       std::source_location where = std::source_location::current()) const
	{
		return netlink_attributes(get(type, where).payload);
	}

private:
	byte_span bytes;
};

/* A message to be sent: what is appended comes after the netlink header. */
class netlink_message {
public:
	/* NLM_F_REQUEST goes without saying. */
	explicit netlink_message(std::uint16_t type, std::uint16_t flags = 0);
	/* One to a generic netlink family, with the header of those. */
	static netlink_message generic(std::uint16_t family, std::uint8_t command,
				       std::uint16_t flags = 0, std::uint8_t version = 1);

	/* A header of the protocol; padded. */
	template <class value>
	requires std::is_trivially_copyable_v<value> netlink_message &append(const value &header)
	{
		append_bytes(std::as_bytes(std::span(&header, 1)));
		return *this;
	}
	template <class value>
	requires(std::is_trivially_copyable_v<value> &&
		 !std::is_convertible_v<value, std::string_view>)
		netlink_message &add(std::uint16_t type, const value &payload)
	{
		add_bytes(type, std::as_bytes(std::span(&payload, 1)));
		return *this;
	}
	/* With the terminating zero. */
	netlink_message &add(std::uint16_t type, std::string_view text);
	/* An attribute without payload. */
	netlink_message &add_flag(std::uint16_t type);
	netlink_message &add_bytes(std::uint16_t type, byte_span payload);
	/* An attribute of the attributes that the function adds. */
	netlink_message &nest(std::uint16_t type, const std::function<void()> &fill);

	byte_span finished(std::uint32_t sequence);

private:
	void append_bytes(byte_span bytes);

	std::vector<std::byte> bytes;
};

/* A message that was received. */
struct netlink_answer {
	std::uint16_t type;
	std::vector<std::byte> payload;

	/* The header of the protocol, such as ifinfomsg or genlmsghdr. */
	template <class value> value header() const
	{
		return from_bytes<value>(payload);
	}
	/* What follows that header. */
	template <class header> netlink_attributes attributes() const
	{
		return attributes_after(sizeof(header));
	}
	netlink_attributes attributes_after(std::size_t header_size) const;
};

class netlink_socket {
public:
	/* NETLINK_ROUTE, NETLINK_GENERIC; in the caller's network namespace for good. */
	explicit netlink_socket(int protocol,
				std::source_location where = std::source_location::current());

	/*
	 * Sends the message, with NLM_F_DUMP a dump, and returns all answers up to
	 * the acknowledgment. Its error, with the kernel's own words, is thrown as
	 * system_failure.
	 */
	std::vector<netlink_answer>
	request(netlink_message &message,
		std::source_location where = std::source_location::current());
	/* The same for a request with exactly one answer. */
	netlink_answer get(netlink_message &message,
			   std::source_location where = std::source_location::current());

	/* For messages that nobody asked for. */
	void join(unsigned int group, std::source_location where = std::source_location::current());
	/* The next ones; empty if none comes within the limit. */
	std::vector<netlink_answer> receive(nanoseconds limit);

private:
	std::vector<netlink_answer>
	read_datagram(const std::function<bool(const nlmsghdr &, byte_span)> &skips);

	unique_fd fd;
	std::uint32_t sequence = 0;
};

/* A family of generic netlink. */
struct generic_family {
	std::uint16_t id;
	std::vector<std::pair<std::string, std::uint32_t>> groups;

	std::uint32_t group(std::string_view name) const;
};

/* Empty when the kernel has no family of this name. */
std::optional<generic_family> find_generic_family(netlink_socket &generic, std::string_view name);

} // namespace timens
