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

wall_mode mode_of(std::uint32_t mode)
{
	switch (mode) {
	case TIMENS_WALL_HOST:
		return wall_mode::host;
	case TIMENS_WALL_FOLLOW:
		return wall_mode::follow;
	case TIMENS_WALL_OWN:
		return wall_mode::own;
	}
	throw error("the kernel reports a wall clock of an unknown kind, " + std::to_string(mode));
}

} /* namespace */

std::optional<clock_times> ask_offsets(int namespace_fd)
{
	timens_offsets_arg offsets{};

	if (!ask(namespace_fd, TIMENS_GET_OFFSETS, &offsets, "TIMENS_GET_OFFSETS"))
		return {};
	return clock_times{ .monotonic = to_nanoseconds(offsets.monotonic),
			    .boottime = to_nanoseconds(offsets.boottime) };
}

std::optional<bool> ask_frozen(int namespace_fd)
{
	timens_info info{};

	if (!ask(namespace_fd, TIMENS_GET_INFO, &info, "TIMENS_GET_INFO"))
		return {};
	return info.frozen == info.clocks;
}

std::optional<wall_clock> ask_wall(int namespace_fd)
{
	timens_wall_arg wall{};

	if (!ask(namespace_fd, TIMENS_GET_WALL, &wall, "TIMENS_GET_WALL"))
		return {};
	return wall_clock{ .mode = mode_of(wall.mode),
			   .offset = to_nanoseconds(wall.realtime),
			   .tai = seconds(wall.tai) };
}

void change_wall(int namespace_fd, const wall_change &change)
{
	timens_wall_arg wall{};

	if (change.offset) {
		const auto whole = std::chrono::floor<seconds>(*change.offset);

		wall.flags |= TIMENS_WALL_SET_OFFSET;
		wall.realtime.sec = whole.count();
		wall.realtime.nsec = (*change.offset - whole).count();
	}
	if (change.mode) {
		wall.flags |= TIMENS_WALL_SET_MODE;
		wall.mode = *change.mode == wall_mode::own ? TIMENS_WALL_OWN : TIMENS_WALL_FOLLOW;
	}
	if (change.tai) {
		wall.flags |= TIMENS_WALL_SET_TAI;
		wall.tai = change.tai->count();
	}
	if (ioctl(namespace_fd, TIMENS_SET_WALL, &wall) == 0)
		return;
	switch (errno) {
	case ENOTTY:
		throw error(no_wall_clocks);
	case EACCES:
		throw system_failure("setting the wall clock", EACCES,
				     "the namespace has the host's, as no other was asked for "
				     "before the first program entered: 'timens run --realtime +0' "
				     "starts one with its own");
	case EPERM:
		throw system_failure("setting the wall clock", EPERM,
				     "it takes CAP_SYS_TIME in the user namespace that owns it, or "
				     "being its owner");
	case ERANGE:
		throw system_failure("setting the wall clock", ERANGE,
				     "the date would be before 1970, before the CLOCK_BOOTTIME "
				     "there, or beyond 2232");
	}
	throw system_failure("TIMENS_SET_WALL", errno);
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

bool has_get_wall(int namespace_fd)
{
	timens_wall_arg wall{};

	return knows(namespace_fd, TIMENS_GET_WALL, &wall);
}

bool has_set_wall(int namespace_fd)
{
	/* Of nothing, which is refused. */
	timens_wall_arg wall{};

	return knows(namespace_fd, TIMENS_SET_WALL, &wall);
}

} /* namespace timens */
