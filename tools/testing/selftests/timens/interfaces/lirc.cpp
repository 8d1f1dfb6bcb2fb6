// SPDX-License-Identifier: GPL-2.0-only
/* /dev/lircN: when scancodes of a remote control were received. */
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <linux/lirc.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr auto host_clock_only = "LIRC tells the host's clock";

/* A remote control that receives what it sends. */
class loopback {
public:
	loopback()
	{
		const std::filesystem::path controls = "/sys/class/rc";

		if (!exists(controls))
			skip("this kernel has no remote controls");
		for (const auto &control : std::filesystem::directory_iterator(controls))
			if (read_file(control.path() / "uevent").find("DRV_NAME=rc-loopback") !=
			    std::string::npos)
				open(control.path());
		if (file.get() < 0)
			skip("this kernel has no rc-loopback");
	}

	void send(unsigned int code) const
	{
		lirc_scancode sent{};

		sent.rc_proto = RC_PROTO_NEC;
		sent.scancode = code;

		const outcome written = write(file.get(), &sent, sizeof(sent));

		if (written.error == EINVAL)
			skip("this kernel cannot encode and decode NEC");
		expect_eq(check(written, "write of a scancode"), sizeof(sent),
			  "size of a scancode");
	}

	outcome try_receive(void *scancodes, std::size_t count) const
	{
		pollfd event{ file.get(), POLLIN, 0 };
		const auto limit = to_timespec(patience);

		expect(check(ppoll(&event, 1, &limit, nullptr), "ppoll") == 1,
		       "a scancode is received");
		return read(file.get(), scancodes, count * sizeof(lirc_scancode));
	}

	/* Reads up to as many in one call. */
	std::vector<lirc_scancode> receive(std::size_t limit) const
	{
		std::vector<lirc_scancode> scancodes(limit);
		const auto size = check(try_receive(scancodes.data(), limit), "read of scancodes");

		expect_eq(size % sizeof(lirc_scancode), 0U, "what is left of whole scancodes");
		scancodes.resize(size / sizeof(lirc_scancode));
		return scancodes;
	}

private:
	void open(const std::filesystem::path &control)
	{
		std::ofstream protocols(control / "protocols");

		protocols << "nec" << std::flush;
		for (const auto &entry : std::filesystem::directory_iterator(control))
			if (entry.path().filename().string().starts_with("lirc"))
				file = open_file("/dev/" + entry.path().filename().string(),
						 O_RDWR);
		set_mode(LIRC_SET_REC_MODE);
		set_mode(LIRC_SET_SEND_MODE);
	}
	void set_mode(unsigned long request) const
	{
		unsigned int mode = LIRC_MODE_SCANCODE;

		check(ioctl(file.get(), request, &mode), "ioctl of LIRC");
	}

	unique_fd file;
};

void expect_scancode(const lirc_scancode &scancode, const period &around, unsigned int code)
{
	expect_eq(scancode.scancode, code, "scancode");
	around.expect_contains(nanoseconds(scancode.timestamp), "time of a scancode");
}

} // namespace

TEST(scancodes_tell_when_they_were_received, .timeout = 30s, .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const loopback control;

		for (unsigned int code : { 0x1234, 0x1235 }) {
			const period around(CLOCK_MONOTONIC);

			control.send(code);

			const auto received = control.receive(3);

			expect_eq(received.size(), 1U, "scancodes");
			expect_scancode(received[0], around, code);
		}
	});
}

TEST(scancodes_are_on_the_clock_of_the_reader, .differs_from_stock = host_clock_only)
{
	const loopback control;
	const period outside(CLOCK_MONOTONIC);

	in_namespace(some_offsets, [&] {
		const period inside(CLOCK_MONOTONIC);

		control.send(0x1234);
		control.send(0x1235);

		const auto received = control.receive(1);

		expect_eq(received.size(), 1U, "scancodes");
		expect_scancode(received[0], inside, 0x1234);
	});
	expect_scancode(control.receive(1).at(0), outside, 0x1235);
}

TEST(several_scancodes_are_read_at_once, .timeout = 30s, .differs_from_stock = host_clock_only)
{
	in_namespace(some_offsets, [] {
		const loopback control;
		const period around(CLOCK_MONOTONIC);
		std::vector<lirc_scancode> received;

		for (unsigned int code : { 0x1234, 0x1235, 0x1236 })
			control.send(code);
		while (received.size() < 3)
			for (const auto &scancode : control.receive(2))
				received.push_back(scancode);
		for (unsigned int i = 0; i < 3; i++)
			expect_scancode(received[i], around, 0x1234 + i);
	});
}

TEST(a_scancode_that_cannot_be_copied_is_kept)
{
	const loopback control;
	const period around(CLOCK_MONOTONIC);
	void *forbidden =
		mmap(nullptr, sizeof(lirc_scancode), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(forbidden != MAP_FAILED, "mmap");
	control.send(0x1234);
	expect_errno(control.try_receive(forbidden, 1), EFAULT);
	expect_scancode(control.receive(1).at(0), around, 0x1234);
}
