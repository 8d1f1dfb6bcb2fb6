/* SPDX-License-Identifier: GPL-2.0-only */
/* The calls that are measured, each as a loop of nothing else. */
#pragma once

#include "vdso_image.hpp"

#include <span>
#include <sys/time.h>

namespace bench
{

/* What the calls write to, away from where the data is in its page. */
struct alignas(page_size) probe_memory {
	std::byte before[2048];
	timespec time;
	timeval old_time;
	time_t seconds;
	alignas(64) std::byte random[8];
	alignas(64) std::byte random_state[random_state_size];
};

struct probe {
	const char *name;
	void (*call)(const vdso_image &image, probe_memory &memory, int times);
};

std::span<const probe> list_probes();

} /* namespace bench */
