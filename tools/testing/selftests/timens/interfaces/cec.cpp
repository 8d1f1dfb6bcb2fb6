// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/cecN: when messages were sent and received, and when events happened.
 * vivid has a television, which is its HDMI input, and a player, its output.
 */
#include "video.hpp"
#include "viewpoints.hpp"

#include <cstring>
#include <functional>

#include <linux/cec.h>

using namespace timens;

namespace
{

constexpr auto host_clock_only = "CEC tells the host's clock";
constexpr unsigned int television = CEC_LOG_ADDR_TV;
constexpr unsigned int player = CEC_LOG_ADDR_PLAYBACK_1;

/* By the name of its adapter; skips if there is none. */
unique_fd open_adapter(std::string_view wanted)
{
	const std::filesystem::path nodes = "/sys/bus/cec/devices";

	if (exists(nodes)) {
		for (const auto &entry : std::filesystem::directory_iterator(nodes)) {
			unique_fd node =
				open_file("/dev/" + entry.path().filename().string(), O_RDWR);
			cec_caps caps{};

			check(ioctl(node.get(), CEC_ADAP_G_CAPS, &caps), "CEC_ADAP_G_CAPS");
			if (caps.name == wanted)
				return node;
		}
	}
	skip("this kernel has no CEC adapter " + std::string(wanted));
}

/* Gives it a logical address, which lets it send, if it has not got it. */
bool try_take_address(const unique_fd &adapter, unsigned int device, unsigned int type,
		      unsigned int address)
{
	cec_log_addrs none{};
	cec_log_addrs wanted{};

	check(ioctl(adapter.get(), CEC_ADAP_G_LOG_ADDRS, &wanted), "CEC_ADAP_G_LOG_ADDRS");
	if (wanted.num_log_addrs == 1 && wanted.log_addr[0] == address)
		return true;
	wanted = {};
	wanted.cec_version = CEC_OP_CEC_VERSION_2_0;
	wanted.num_log_addrs = 1;
	wanted.vendor_id = CEC_VENDOR_ID_NONE;
	wanted.primary_device_type[0] = device;
	wanted.log_addr_type[0] = type;
	if (ioctl(adapter.get(), CEC_ADAP_S_LOG_ADDRS, &none) < 0 ||
	    ioctl(adapter.get(), CEC_ADAP_S_LOG_ADDRS, &wanted) < 0) {
		if (errno != EBUSY)
			throw system_failure("CEC_ADAP_S_LOG_ADDRS", errno);
		return false;
	}
	return wanted.log_addr[0] == address;
}

/*
 * Until an attempt is successful, or none was for long: the bus of vivid mistakes
 * the fate of a message for that of the next at times.
 */
void repeat(const std::function<bool()> &attempt, std::string_view what)
{
	const auto end = now(CLOCK_MONOTONIC) + 4 * patience;

	while (!attempt())
		expect_le(now(CLOCK_MONOTONIC), end, what);
}

unique_fd open_television()
{
	unique_fd adapter = open_adapter("vivid-000-vid-cap0");

	repeat(
		[&] {
			return try_take_address(adapter, CEC_OP_PRIM_DEVTYPE_TV,
						CEC_LOG_ADDR_TYPE_TV, television);
		},
		"time to get the address of a television");
	return adapter;
}

/* Puts its cable into the television, again when vivid pulls it out, which it does at times. */
unique_fd open_player()
{
	const unique_fd video = open_video("vivid", V4L2_CAP_VIDEO_CAPTURE);
	v4l2_queryctrl control{};

	do {
		control.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
		if (ioctl(video.get(), VIDIOC_QUERYCTRL, &control) < 0)
			skip("this vivid has no cables");
	} while (std::strcmp(reinterpret_cast<char *>(control.name),
			     "HDMI 000-0 Is Connected To") != 0);

	for (int i = control.minimum; i <= control.maximum; i++) {
		v4l2_querymenu item{};

		item.id = control.id;
		item.index = i;
		if (ioctl(video.get(), VIDIOC_QUERYMENU, &item) < 0 ||
		    !std::strstr(reinterpret_cast<char *>(item.name), "HDMI"))
			continue;

		v4l2_control setting{ control.id, i };
		unique_fd adapter = open_adapter("vivid-000-vid-out0");

		repeat(
			[&] {
				check(ioctl(video.get(), VIDIOC_S_CTRL, &setting),
				      "VIDIOC_S_CTRL of the cable");
				return try_take_address(adapter, CEC_OP_PRIM_DEVTYPE_PLAYBACK,
							CEC_LOG_ADDR_TYPE_PLAYBACK, player);
			},
			"time to get the address of a player");
		return adapter;
	}
	skip("this vivid has no HDMI output");
}

cec_msg make_message(unsigned int from, unsigned int to, unsigned int opcode)
{
	cec_msg message{};

	message.len = 2;
	message.msg[0] = from << 4 | to;
	message.msg[1] = opcode;
	return message;
}

/* Sends it until that is its fate. */
cec_msg transmit(const unique_fd &adapter, const cec_msg &message, unsigned int fate)
{
	cec_msg sent;

	repeat(
		[&] {
			sent = message;
			check(ioctl(adapter.get(), CEC_TRANSMIT, &sent), "CEC_TRANSMIT");
			return (sent.tx_status & fate) &&
			       (!sent.reply || (sent.rx_status & CEC_RX_STATUS_OK));
		},
		"time to send a message");
	return sent;
}

cec_msg receive(const unique_fd &adapter)
{
	cec_msg message{};

	message.timeout = std::chrono::milliseconds(patience).count();
	check(ioctl(adapter.get(), CEC_RECEIVE, &message), "CEC_RECEIVE");
	return message;
}

void follow(const unique_fd &adapter)
{
	unsigned int mode = CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER;

	check(ioctl(adapter.get(), CEC_S_MODE, &mode), "CEC_S_MODE");
}

void expect_event(const unique_fd &adapter, const period &around)
{
	cec_event event{};

	check(ioctl(adapter.get(), CEC_DQEVENT, &event), "CEC_DQEVENT");
	around.expect_contains(nanoseconds(event.ts), "time of an event");
}

} // namespace

TEST(events_tell_when_they_happened, .timeout = 30s, .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const period around(CLOCK_MONOTONIC);
		const unique_fd adapter = open_adapter("vivid-000-vid-cap0");

		/* The first tells the state at the opening. */
		expect_event(adapter, around);
	});
}

TEST(events_are_on_the_clock_of_the_reader, .timeout = 30s, .differs_from_stock = host_clock_only)
{
	const period outside(CLOCK_MONOTONIC);
	const unique_fd inner = open_adapter("vivid-000-vid-cap0");
	const unique_fd outer = open_adapter("vivid-000-vid-cap0");
	const shared<std::uint64_t> told;

	in_namespace(some_offsets, [&] {
		cec_event event{};

		check(ioctl(inner.get(), CEC_DQEVENT, &event), "CEC_DQEVENT");
		*told = event.ts;
	});
	outside.expect_contains(nanoseconds(*told) - some_offsets.monotonic,
				"time of an event told inside");
	expect_event(outer, outside);
}

TEST(a_message_that_nobody_takes_tells_when_it_was_sent, .timeout = 60s,
     .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const unique_fd adapter = open_television();
		const period around(CLOCK_MONOTONIC);
		cec_msg message =
			make_message(television, CEC_LOG_ADDR_AUDIOSYSTEM, CEC_MSG_STANDBY);

		message = transmit(adapter, message, CEC_TX_STATUS_NACK);
		around.expect_contains(nanoseconds(message.tx_ts), "time at which it was sent");
		expect_eq(message.rx_ts, 0U, "time at which it was answered");
	});
}

TEST(an_answered_message_tells_both_times, .timeout = 60s, .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const unique_fd receiver = open_television();
		const unique_fd sender = open_player();
		const period around(CLOCK_MONOTONIC);
		cec_msg message = make_message(player, television, CEC_MSG_GIVE_PHYSICAL_ADDR);

		message.reply = CEC_MSG_REPORT_PHYSICAL_ADDR;
		message = transmit(sender, message, CEC_TX_STATUS_OK);
		around.expect_contains(nanoseconds(message.tx_ts), "time at which it was sent");
		around.expect_contains(nanoseconds(message.rx_ts), "time at which it was answered");
	});
}

TEST(received_messages_are_on_the_clock_of_the_reader, .timeout = 60s,
     .differs_from_stock = host_clock_only)
{
	const unique_fd receiver = open_television();
	const unique_fd sender = open_player();
	cec_msg message = make_message(player, television, CEC_MSG_STANDBY);
	const period outside(CLOCK_MONOTONIC);

	follow(receiver);
	in_namespace(some_offsets, [&] {
		const period inside(CLOCK_MONOTONIC);

		transmit(sender, message, CEC_TX_STATUS_OK);
		transmit(sender, message, CEC_TX_STATUS_OK);

		const cec_msg received = receive(receiver);

		inside.expect_contains(nanoseconds(received.rx_ts),
				       "time at which it was received");
		expect_eq(received.tx_ts, 0U, "time at which it was sent");
	});
	outside.expect_contains(nanoseconds(receive(receiver).rx_ts),
				"time at which the second was received");
}
