/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a 64-bit vDSO of Linux 6.12 reads: include/vdso/datapage.h with x86's
 * options, at the places that arch/x86/include/asm/vvar.h gives it in its page.
 */
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>

namespace bench
{

constexpr std::size_t page_size = 4096;

struct vdso_timestamp {
	std::uint64_t sec;
	std::uint64_t nsec; /* shifted left, in the high resolution clocks */
};

struct vdso_data {
	std::uint32_t seq;
	std::int32_t clock_mode;
	std::uint64_t cycle_last;
	std::uint64_t max_cycles;
	std::uint64_t mask;
	std::uint32_t mult;
	std::uint32_t shift;
	vdso_timestamp basetime[12]; /* the offsets, in a namespace's page */
	std::int32_t tz_minuteswest;
	std::int32_t tz_dsttime;
	std::uint32_t hrtimer_res;
	std::uint32_t unused;
};
static_assert(sizeof(vdso_data) == 248);

struct vdso_rng_data {
	std::uint64_t generation;
	std::uint8_t is_ready;
};

struct vvar_page {
	std::byte before[128];
	vdso_data clocks[2]; /* the second is for CLOCK_MONOTONIC_RAW */
	std::byte between[640 - 128 - 2 * sizeof(vdso_data)];
	vdso_rng_data rng;
	std::byte after[page_size - 640 - sizeof(vdso_rng_data)];
};
static_assert(sizeof(vvar_page) == page_size && offsetof(vvar_page, rng) == 640);

/* struct vgetrandom_state: with a wrong size, getrandom() becomes a system call. */
constexpr std::size_t random_state_size = 144;

enum clock_mode : std::int32_t { mode_none = 0, mode_tsc = 1, mode_timens = INT_MAX };

} /* namespace bench */
