// SPDX-License-Identifier: GPL-2.0-only
#include "netlink.hpp"

#include "kernel.hpp"

#include <algorithm>

#include <poll.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

namespace timens
{

namespace
{

/* The kernel's own words about an error, or nothing. */
std::string extended_error(const nlmsghdr &header, byte_span payload)
{
	const auto error = from_bytes<nlmsgerr>(payload);
	std::size_t start = sizeof(error);

	if (!(header.nlmsg_flags & NLM_F_ACK_TLVS))
		return {};
	if (!(header.nlmsg_flags & NLM_F_CAPPED))
		start += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof(error.msg);
	if (start >= payload.size())
		return {};

	const auto words = netlink_attributes(payload.subspan(start)).find(NLMSGERR_ATTR_MSG);

	return words ? " (" + words->text() + ")" : std::string();
}

} // namespace

std::string netlink_attribute::text() const
{
	const std::string_view all(reinterpret_cast<const char *>(payload.data()), payload.size());

	return std::string(all.substr(0, all.find('\0')));
}

std::vector<netlink_attribute> netlink_attributes::all() const
{
	std::vector<netlink_attribute> found;
	byte_span rest = bytes;

	while (rest.size() >= sizeof(nlattr)) {
		const auto attribute = from_bytes<nlattr>(rest);

		if (attribute.nla_len < sizeof(nlattr) || attribute.nla_len > rest.size())
			throw check_failed("a netlink attribute has an impossible length");
		found.push_back(
			{ static_cast<std::uint16_t>(attribute.nla_type & NLA_TYPE_MASK),
			  rest.subspan(sizeof(nlattr), attribute.nla_len - sizeof(nlattr)) });
		rest = rest.subspan(
			std::min<std::size_t>(NLA_ALIGN(attribute.nla_len), rest.size()));
	}
	return found;
}

std::optional<netlink_attribute> netlink_attributes::find(std::uint16_t type) const
{
	for (const auto &attribute : all())
		if (attribute.type == type)
			return attribute;
	return {};
}

netlink_attribute netlink_attributes::get(std::uint16_t type, std::source_location where) const
{
	const auto found = find(type);

	if (!found)
		throw check_failed("there is no netlink attribute " + std::to_string(type), where);
	return *found;
}

netlink_message::netlink_message(std::uint16_t type, std::uint16_t flags)
{
	nlmsghdr header{};

	header.nlmsg_type = type;
	header.nlmsg_flags = NLM_F_REQUEST | flags;
	append(header);
}

netlink_message netlink_message::generic(std::uint16_t family, std::uint8_t command,
					 std::uint16_t flags, std::uint8_t version)
{
	netlink_message message(family, flags);

	message.append(genlmsghdr{ command, version, 0 });
	return message;
}

void netlink_message::append_bytes(byte_span added)
{
	bytes.insert(bytes.end(), added.begin(), added.end());
	bytes.resize(NLMSG_ALIGN(bytes.size()));
}

netlink_message &netlink_message::add_bytes(std::uint16_t type, byte_span payload)
{
	append(nlattr{ static_cast<std::uint16_t>(sizeof(nlattr) + payload.size()), type });
	append_bytes(payload);
	return *this;
}

netlink_message &netlink_message::add(std::uint16_t type, std::string_view text)
{
	const std::string terminated(text);

	return add_bytes(type, std::as_bytes(std::span(terminated.c_str(), terminated.size() + 1)));
}

netlink_message &netlink_message::add_flag(std::uint16_t type)
{
	return add_bytes(type, {});
}

netlink_message &netlink_message::nest(std::uint16_t type, const std::function<void()> &fill)
{
	const auto start = bytes.size();

	append(nlattr{});
	fill();

	const nlattr header{ static_cast<std::uint16_t>(bytes.size() - start),
			     static_cast<std::uint16_t>(type | NLA_F_NESTED) };

	std::memcpy(bytes.data() + start, &header, sizeof(header));
	return *this;
}

byte_span netlink_message::finished(std::uint32_t sequence)
{
	auto header = from_bytes<nlmsghdr>(bytes);

	header.nlmsg_len = bytes.size();
	header.nlmsg_seq = sequence;
	std::memcpy(bytes.data(), &header, sizeof(header));
	return bytes;
}

netlink_attributes netlink_answer::attributes_after(std::size_t header_size) const
{
	const auto start = std::min<std::size_t>(NLMSG_ALIGN(header_size), payload.size());

	return netlink_attributes(byte_span(payload).subspan(start));
}

netlink_socket::netlink_socket(int protocol, std::source_location where)
	: fd(check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "socket AF_NETLINK",
		   where))
{
	const int on = 1;
	sockaddr_nl address{};

	/* Without a port of its own it would miss what port 0, the kernel, multicasts. */
	address.nl_family = AF_NETLINK;
	check(bind(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)),
	      "bind AF_NETLINK", where);
	check(setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)),
	      "setsockopt NETLINK_EXT_ACK", where);
}

/* Reads one datagram, less the messages that are no answers by this function. */
std::vector<netlink_answer>
netlink_socket::read_datagram(const std::function<bool(const nlmsghdr &, byte_span)> &skips)
{
	std::vector<std::byte> buffer(
		check(recv(fd.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC), "recv from netlink"));
	std::vector<netlink_answer> answers;

	buffer.resize(check(recv(fd.get(), buffer.data(), buffer.size(), 0), "recv from netlink"));

	byte_span rest = buffer;

	while (rest.size() >= sizeof(nlmsghdr)) {
		const auto header = from_bytes<nlmsghdr>(rest);

		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest.size())
			throw check_failed("a netlink message has an impossible length");

		const auto payload =
			rest.subspan(sizeof(header), header.nlmsg_len - sizeof(header));

		if (!skips(header, payload))
			answers.push_back(
				{ header.nlmsg_type, { payload.begin(), payload.end() } });
		rest = rest.subspan(
			std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
	}
	return answers;
}

std::vector<netlink_answer> netlink_socket::request(netlink_message &message,
						    std::source_location where)
{
	const auto expected = ++sequence;
	const auto bytes = message.finished(expected);
	auto header = from_bytes<nlmsghdr>(bytes);
	std::vector<std::byte> copy(bytes.begin(), bytes.end());
	std::vector<netlink_answer> answers;
	bool finished = false;

	header.nlmsg_flags |= NLM_F_ACK;
	std::memcpy(copy.data(), &header, sizeof(header));
	check(send(fd.get(), copy.data(), copy.size(), 0), "send to netlink", where);
	while (!finished) {
		auto more = read_datagram([&](const nlmsghdr &answer, byte_span payload) {
			if (answer.nlmsg_seq != expected)
				return true;
			if (answer.nlmsg_type != NLMSG_ERROR && answer.nlmsg_type != NLMSG_DONE)
				return false;
			finished = true;

			/* Both of them begin with the error. */
			const int error =
				payload.size() < sizeof(int) ? 0 : from_bytes<int>(payload);

			if (error)
				throw system_failure(
					"netlink request " + std::to_string(header.nlmsg_type) +
						(answer.nlmsg_type == NLMSG_ERROR
							 ? extended_error(answer, payload)
							 : ""),
					-error, where);
			return true;
		});

		std::move(more.begin(), more.end(), std::back_inserter(answers));
	}
	return answers;
}

netlink_answer netlink_socket::get(netlink_message &message, std::source_location where)
{
	auto answers = request(message, where);

	expect_eq(answers.size(), 1U, "answers to a netlink request", where);
	return std::move(answers.front());
}

void netlink_socket::join(unsigned int group, std::source_location where)
{
	check(setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)),
	      "setsockopt NETLINK_ADD_MEMBERSHIP", where);
}

std::vector<netlink_answer> netlink_socket::receive(nanoseconds limit)
{
	pollfd event{ fd.get(), POLLIN, 0 };
	const auto timeout = to_timespec(limit);

	if (!check(ppoll(&event, 1, &timeout, nullptr), "ppoll of netlink"))
		return {};
	return read_datagram([](const nlmsghdr &, byte_span) { return false; });
}

std::uint32_t generic_family::group(std::string_view name) const
{
	for (const auto &[group, id] : groups)
		if (group == name)
			return id;
	throw check_failed("there is no multicast group " + std::string(name));
}

std::optional<generic_family> find_generic_family(netlink_socket &generic, std::string_view name)
{
	auto message = netlink_message::generic(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);

	message.add(CTRL_ATTR_FAMILY_NAME, name);
	try {
		const auto answer = generic.get(message);
		const auto attributes = answer.attributes<genlmsghdr>();
		generic_family family{ attributes.get(CTRL_ATTR_FAMILY_ID).as<std::uint16_t>(),
				       {} };

		if (const auto groups = attributes.find(CTRL_ATTR_MCAST_GROUPS))
			for (const auto &group : netlink_attributes(groups->payload).all()) {
				const netlink_attributes named(group.payload);

				family.groups.emplace_back(
					named.get(CTRL_ATTR_MCAST_GRP_NAME).text(),
					named.get(CTRL_ATTR_MCAST_GRP_ID).as<std::uint32_t>());
			}
		return family;
	} catch (const system_failure &failure) {
		if (failure.error != ENOENT)
			throw;
		return {};
	}
}

} // namespace timens
