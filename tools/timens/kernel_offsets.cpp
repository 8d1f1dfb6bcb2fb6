// SPDX-License-Identifier: GPL-2.0-only
#include "kernel_offsets.hpp"

#include "error.hpp"

#include <cerrno>
#include <linux/timens.h>
#include <sys/ioctl.h>

namespace timens
{

namespace
{

/* False if the kernel does not know the command. */
bool ask(int fd, unsigned long command, void *argument, const char *name)
{
	if (ioctl(fd, command, argument) == 0)
		return true;
	if (errno != ENOTTY)
		throw system_failure(name, errno);
	return false;
}

bool knows(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) == 0 || errno != ENOTTY;
}

nanoseconds to_nanoseconds(const timens_offset &offset)
{
	const auto time = join_time(offset.sec, offset.nsec);

	if (!time)
		throw error("the kernel reports an offset beyond 292 years");
	return *time;
}

} /* namespace */

std::optional<clock_pair> ask_offsets(int namespace_fd)
{
	timens_offsets_arg offsets{};

	if (!ask(namespace_fd, TIMENS_GET_OFFSETS, &offsets, "TIMENS_GET_OFFSETS"))
		return {};
	return clock_pair{ to_nanoseconds(offsets.monotonic), to_nanoseconds(offsets.boottime) };
}

std::optional<bool> ask_frozen(int namespace_fd)
{
	timens_info info{};

	if (!ask(namespace_fd, TIMENS_GET_INFO, &info, "TIMENS_GET_INFO"))
		return {};
	return info.frozen == info.clocks;
}

bool has_get_info(int namespace_fd)
{
	timens_info info{};

	return knows(namespace_fd, TIMENS_GET_INFO, &info);
}

bool has_get_offsets(int namespace_fd)
{
	timens_offsets_arg offsets{};

	return knows(namespace_fd, TIMENS_GET_OFFSETS, &offsets);
}

bool has_set_offsets(int namespace_fd)
{
	/* Of no clock, which is refused. */
	timens_offsets_arg offsets{};

	return knows(namespace_fd, TIMENS_SET_OFFSETS, &offsets);
}

} /* namespace timens */
