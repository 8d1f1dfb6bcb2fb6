/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vDSO with its data pages, put into this process as the kernel would have
 * done, but with data that is made here: so its code runs on this processor,
 * whichever kernel it is from. It is of as many bits as this program.
 */
#pragma once

#include "system.hpp"
#include "vdso_data.hpp"

#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bench
{

/* Whose data page the vDSO finds in the first place. */
enum class side { outside, inside };

/* An image as read from a file, not yet mapped. */
struct vdso_file {
	/*
	 * Either the kernel's build output vdso64.so.dbg, for which data pages are
	 * made as `where` says, or what dump_vdso saw: its data pages with the
	 * image behind them.
	 */
	vdso_file(const std::string &path, side where);

	vvar_layout layout;
	std::string vvar; /* whole pages */
	std::string text; /* whole pages */
};

/* Has this vdso64.so.dbg a place for the host's data page inside a namespace? */
bool knows_namespaces(const std::string &path);

using clock_gettime_function = int(clockid_t, timespec *);
using clock_getres_function = int(clockid_t, timespec *);
using time_function = time_t(time_t *);
using gettimeofday_function = int(timeval *, void *);
using getrandom_function = ssize_t(void *, std::size_t, unsigned int, void *, std::size_t);

#ifndef __x86_64__
/* struct __kernel_timespec */
struct kernel_timespec {
	std::int64_t tv_sec, tv_nsec;
};
using clock_gettime64_function = int(clockid_t, kernel_timespec *);
#endif

class vdso_image {
public:
	explicit vdso_image(const vdso_file &file);

	/* Copies all pages to new memory, at new addresses. */
	void renew();
	/* Gives the pages new addresses, which no TLB knows. */
	void move();
	/* Takes the pages out of the caches of this processor. */
	void flush() const;

	/* The host's clocks run on from their base, from now. */
	void set_clocks() const;
	/* Does every clock read what the data says? Throws if not. */
	void verify() const;

	clock_gettime_function *clock_gettime;
	clock_getres_function *clock_getres;
	time_function *time;
	gettimeofday_function *gettimeofday;
#ifdef __x86_64__
	getrandom_function *getrandom;
#else
	clock_gettime64_function *clock_gettime64;
#endif

	/* Where a data page is, by its name in the vDSO's linker script; nullptr without it. */
	std::byte *data_page(std::string_view name) const;

	const std::byte *text() const
	{
		return pages_ + vvar_size_;
	}
	std::size_t text_size() const
	{
		return size_ - vvar_size_;
	}

private:
	std::byte *choose_place() const;
	void settle(std::byte *place);
	void find_functions();
	void find_data_pages();
	void prepare_data() const;
	void verify_clock(clockid_t clock) const;

	mapping arena_; /* the pages are somewhere in it */
	std::size_t vvar_size_, size_;
	std::byte *pages_;
	vvar_layout layout_;
	std::vector<vvar_page> hosts_; /* copies of one page: a task that has two sees the same */
	std::optional<vvar_page> timens_; /* only inside */
};

std::uint64_t read_tsc();

} /* namespace bench */
