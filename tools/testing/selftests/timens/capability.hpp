// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities of the calling thread, capabilities(7), by libcap. Only for
 * 64-bit programs: there is no 32-bit libcap in the distributions.
 */
#pragma once

#include "harness.hpp"

#include <initializer_list>
#include <sys/capability.h>

namespace timens
{

/* Takes it from the effective, permitted and inheritable set. */
void drop_capability(cap_value_t capability);

/* Leaves these in the effective and permitted set, and no other. */
void keep_only_capabilities(std::initializer_list<cap_value_t> kept);

/* Sets or clears it in the effective set; it stays permitted. */
void set_effective(cap_value_t capability, bool value);

} // namespace timens
