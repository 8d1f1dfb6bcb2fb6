// SPDX-License-Identifier: GPL-2.0-only
#include "offsets_ioctl.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

namespace timens
{

bool has_offsets_ioctls()
{
	timens_info info;

	return !ioctl(open_file("/proc/self/ns/time", O_RDONLY).get(), TIMENS_GET_INFO, &info) ||
	       errno != ENOTTY;
}

timens_offsets_arg to_clock_offsets(const offsets &value)
{
	const auto to_offset = [](nanoseconds by) {
		const auto time = to_timespec(by);

		return timens_offset{ time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec), 0 };
	};

	return { 1ULL << CLOCK_MONOTONIC | 1ULL << CLOCK_BOOTTIME, to_offset(value.monotonic),
		 to_offset(value.boottime) };
}

outcome set_offsets_by_ioctl(const unique_fd &ns, const offsets &value)
{
	const auto wanted = to_clock_offsets(value);

	return ioctl(ns.get(), TIMENS_SET_OFFSETS, &wanted);
}

offsets read_offsets_by_ioctl(const unique_fd &ns)
{
	const auto from_offset = [](const timens_offset &offset) {
		return seconds(offset.sec) + nanoseconds(offset.nsec);
	};
	timens_offsets_arg found;

	check(ioctl(ns.get(), TIMENS_GET_OFFSETS, &found), "TIMENS_GET_OFFSETS");
	return { from_offset(found.monotonic), from_offset(found.boottime) };
}

} // namespace timens
