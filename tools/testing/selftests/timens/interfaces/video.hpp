// SPDX-License-Identifier: GPL-2.0-only
/* The nodes of virtual video devices. */
#pragma once

#include "harness.hpp"
#include "process.hpp"
#include "waiting.hpp"

#include <filesystem>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>

namespace timens
{

/* The node of a driver that can do this; skips if there is none. */
inline unique_fd open_video(std::string_view driver, unsigned int capability)
{
	const std::filesystem::path nodes = "/sys/class/video4linux";

	if (exists(nodes)) {
		for (const auto &entry : std::filesystem::directory_iterator(nodes)) {
			const auto name = entry.path().filename().string();

			if (!name.starts_with("video"))
				continue;

			unique_fd node = open_file("/dev/" + name, O_RDWR | O_NONBLOCK);
			v4l2_capability is{};

			check(ioctl(node.get(), VIDIOC_QUERYCAP, &is), "VIDIOC_QUERYCAP");
			if (reinterpret_cast<const char *>(is.driver) == driver &&
			    (is.device_caps & capability))
				return node;
		}
	}
	skip("this kernel has no such video device of " + std::string(driver));
}

/* Waits for these events of poll(2). */
inline void wait_for_events(const unique_fd &fd, short events, std::string_view what)
{
	pollfd event{ fd.get(), events, 0 };
	const auto limit = to_timespec(patience);

	expect(check(ppoll(&event, 1, &limit, nullptr), "ppoll") == 1 && (event.revents & events),
	       what);
}

} // namespace timens
