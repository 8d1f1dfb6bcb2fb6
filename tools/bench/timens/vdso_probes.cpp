// SPDX-License-Identifier: GPL-2.0-only
#include "vdso_probes.hpp"

namespace bench
{

namespace
{

template <clockid_t clock>
[[gnu::noinline]] void call_clock_gettime(const vdso_image &image, probe_memory &memory, int times)
{
	auto *const function = image.clock_gettime;

	for (; times; --times)
		function(clock, &memory.time);
}

[[gnu::noinline]] void call_gettimeofday(const vdso_image &image, probe_memory &memory, int times)
{
	auto *const function = image.gettimeofday;

	for (; times; --times)
		function(&memory.old_time, nullptr);
}

[[gnu::noinline]] void call_time(const vdso_image &image, probe_memory &memory, int times)
{
	auto *const function = image.time;

	for (; times; --times)
		function(&memory.seconds);
}

[[gnu::noinline]] void call_clock_getres(const vdso_image &image, probe_memory &memory, int times)
{
	auto *const function = image.clock_getres;

	for (; times; --times)
		function(CLOCK_MONOTONIC, &memory.time);
}

[[gnu::noinline]] void call_getrandom(const vdso_image &image, probe_memory &memory, int times)
{
	auto *const function = image.getrandom;

	for (; times; --times)
		function(memory.random, sizeof(memory.random), 0, memory.random_state,
			 random_state_size);
}

constexpr probe probes[] = {
	{ "MONOTONIC", call_clock_gettime<CLOCK_MONOTONIC> },
	{ "BOOTTIME", call_clock_gettime<CLOCK_BOOTTIME> },
	{ "REALTIME", call_clock_gettime<CLOCK_REALTIME> },
	{ "MONOTONIC_RAW", call_clock_gettime<CLOCK_MONOTONIC_RAW> },
	{ "MONOTONIC_COARSE", call_clock_gettime<CLOCK_MONOTONIC_COARSE> },
	{ "REALTIME_COARSE", call_clock_gettime<CLOCK_REALTIME_COARSE> },
	{ "gettimeofday", call_gettimeofday },
	{ "time", call_time },
	{ "clock_getres", call_clock_getres },
	{ "getrandom", call_getrandom },
};

} /* namespace */

std::span<const probe> list_probes()
{
	return probes;
}

} /* namespace bench */
