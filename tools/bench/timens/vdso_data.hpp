/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vDSO of Linux 6.12 reads, of 64 and of 32 bits: include/vdso/datapage.h with x86's
 * options, at the places that arch/x86/include/asm/vvar.h gives it in its page. A
 * vDSO with our time namespaces has the offsets of a namespace behind the clocks
 * that stock has them in the place of.
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
	vdso_timestamp basetime[12];
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

/* Places in bytes. */
struct vvar_layout {
	std::size_t between_sets; /* from one set of clocks to the next */
	std::size_t offsets; /* in a set of clocks of a namespace's page */
	std::size_t rng; /* in the host's page */
};

constexpr std::size_t first_set = 128;
constexpr vvar_layout stock_layout{ sizeof(vdso_data), offsetof(vdso_data, basetime), 640 };
constexpr vvar_layout our_layout{ sizeof(vdso_data) + sizeof(vdso_data::basetime),
				  sizeof(vdso_data), 1024 };

/* A page of either layout. */
class vvar_page {
public:
	vvar_page(std::byte *page, const vvar_layout &layout)
		: page_(page)
		, layout_(&layout)
	{
	}

	/* The second set is for CLOCK_MONOTONIC_RAW. */
	vdso_data &clocks(std::size_t set) const
	{
		return at<vdso_data>(first_set + set * layout_->between_sets);
	}

	/* In a namespace's page. */
	vdso_timestamp &offset(std::size_t set, std::size_t id) const
	{
		return at<vdso_timestamp>(first_set + set * layout_->between_sets +
					  layout_->offsets + id * sizeof(vdso_timestamp));
	}

	vdso_rng_data &rng() const
	{
		return at<vdso_rng_data>(layout_->rng);
	}

private:
	template <typename T> T &at(std::size_t place) const
	{
		return *reinterpret_cast<T *>(page_ + place);
	}

	std::byte *page_;
	const vvar_layout *layout_;
};

constexpr std::size_t sets_of_clocks = 2;

/* struct vgetrandom_state: with a wrong size, getrandom() becomes a system call. */
constexpr std::size_t random_state_size = 144;

enum clock_mode : std::int32_t {
	mode_none = 0,
	mode_tsc = 1,
	mode_pvclock = 2,
	mode_hvclock = 3,
	mode_timens = INT_MAX
};

} /* namespace bench */
