// SPDX-License-Identifier: GPL-2.0-only
/*
 * Offsets by ioctl() on the file of a namespace (include/uapi/linux/timens.h).
 * ioctl.cpp tests what is special about it, others take it for one way of many.
 */
#pragma once

#include "harness.hpp"
#include "kernel.hpp"

#include <linux/timens.h>

namespace timens
{

/* Not every kernel that has time namespaces has them. */
bool has_offsets_ioctls();

timens_offsets_arg to_clock_offsets(const offsets &value);
outcome set_offsets_by_ioctl(const unique_fd &ns, const offsets &value);
offsets read_offsets_by_ioctl(const unique_fd &ns);

} // namespace timens
