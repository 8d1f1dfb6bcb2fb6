/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls of linux/timens.h, on the descriptor of a time namespace. */
#pragma once

#include "offsets.hpp"
#include "wall.hpp"

#include <optional>

namespace timens
{

/* Of CLOCK_MONOTONIC and CLOCK_BOOTTIME. Nothing on a kernel without the ioctl. These throw
 * system_failure. */
std::optional<clock_times> ask_offsets(int namespace_fd);
/* Can the offsets no longer be set? */
std::optional<bool> ask_frozen(int namespace_fd);
std::optional<wall_clock> ask_wall(int namespace_fd);

/* What of a wall clock shall change. */
struct wall_change {
	std::optional<nanoseconds> offset = {};
	std::optional<wall_mode> mode = {};
	std::optional<seconds> tai = {};
};

/* All or nothing; throws system_failure, with advice. */
void change_wall(int namespace_fd, const wall_change &change);

/* Does the kernel know these? Nothing is changed by asking. */
bool has_get_info(int namespace_fd);
bool has_get_offsets(int namespace_fd);
bool has_set_offsets(int namespace_fd);
bool has_get_wall(int namespace_fd);
bool has_set_wall(int namespace_fd);

} /* namespace timens */
