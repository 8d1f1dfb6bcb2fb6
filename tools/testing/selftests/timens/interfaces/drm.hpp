// SPDX-License-Identifier: GPL-2.0-only
/*
 * Graphics devices. Their user space headers are not among those of the C
 * library: what is here is of include/uapi/drm/drm.h, without the prefix.
 */
#pragma once

#include "harness.hpp"
#include "process.hpp"

#include <cstdint>
#include <string>

#include <fcntl.h>
#include <sys/ioctl.h>

namespace timens::drm
{

template <class argument> constexpr unsigned long request_number(unsigned int number)
{
	return _IOWR('d', number, argument);
}

/* A request that has to succeed. */
template <class argument> void call(const unique_fd &device, unsigned int number, argument &value,
				    std::string_view name,
				    std::source_location where = std::source_location::current())
{
	check(ioctl(device.get(), request_number<argument>(number), &value), name, where);
}

struct version {
	int numbers[3];
	std::size_t name_len;
	char *name;
	std::size_t date_len;
	char *date;
	std::size_t desc_len;
	char *desc;
};

/* The first device of this driver; skips where there is none. */
inline unique_fd open_device(const std::string &driver)
{
	for (int minor = 0; minor < 16; minor++) {
		const std::string path = "/dev/dri/card" + std::to_string(minor);
		unique_fd device(::open(path.c_str(), O_RDWR | O_CLOEXEC));
		char name[32] = {};
		version asked{};

		if (device.get() < 0)
			continue;
		asked.name = name;
		asked.name_len = sizeof(name) - 1;
		call(device, 0x00, asked, "DRM_IOCTL_VERSION");
		if (name == driver)
			return device;
	}
	skip("there is no graphics device of the driver " + driver);
}

/* A pointer as it is handed to a device. */
template <class type> std::uint64_t address_of(type *object)
{
	return reinterpret_cast<std::uintptr_t>(object);
}

} // namespace timens::drm
