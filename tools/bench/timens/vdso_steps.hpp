/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include "vdso_probes.hpp"

namespace bench
{

/* How many instructions of the vDSO one call executes, by single steps. */
int count_instructions(const vdso_image &image, const probe &what, probe_memory &memory);

} /* namespace bench */
