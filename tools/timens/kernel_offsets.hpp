/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls of linux/timens.h, on the descriptor of a time namespace. */
#pragma once

#include "offsets.hpp"

#include <optional>

namespace timens
{

/* Nothing on a kernel without the ioctl. These throw system_failure. */
std::optional<clock_pair> ask_offsets(int namespace_fd);
/* Can the offsets no longer be set? */
std::optional<bool> ask_frozen(int namespace_fd);

/* Does the kernel know these? Nothing is changed by asking. */
bool has_get_info(int namespace_fd);
bool has_get_offsets(int namespace_fd);
bool has_set_offsets(int namespace_fd);

} /* namespace timens */
