// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must not become slower as a process grows. The limits are loose, because
 * machines are shared and emulated; tools/bench/timens measures.
 */
#include "kernel.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/mman.h>

using namespace timens;

namespace
{

/* Mappings that the kernel cannot merge into one. */
class many_mappings {
    public:
	explicit many_mappings(std::size_t count)
		: size(2 * count * page)
		, start(static_cast<char *>(mmap(nullptr, size, PROT_NONE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)))
	{
		if (start == MAP_FAILED)
			throw system_failure("mmap", errno);
		for (std::size_t at = 0; at < size; at += 2 * page)
			check(mprotect(start + at, page, PROT_READ), "mprotect");
	}
	many_mappings(const many_mappings &) = delete;
	many_mappings &operator=(const many_mappings &) = delete;
	~many_mappings()
	{
		munmap(start, size);
	}

    private:
	static constexpr std::size_t page = 4096;

	std::size_t size;
	char *start;
};

/* The least processor time of this thread that the call has taken. */
nanoseconds least_cost(const std::function<void()> &call)
{
	nanoseconds least = nanoseconds::max();

	for (int run = 0; run < 50; run++) {
		const nanoseconds before = now(CLOCK_THREAD_CPUTIME_ID);

		call();
		least = std::min(least, now(CLOCK_THREAD_CPUTIME_ID) - before);
	}
	return least;
}

} // namespace

TEST(setns_takes_as_long_with_many_mappings_as_with_few, .timeout = 60s,
     .differs_from_stock = "it looks for the vvar pages among all mappings")
{
	const unique_fd here = open_file("/proc/self/ns/time", O_RDONLY);
	const unique_fd there = make_namespace({ 1000s, 2000s });
	const auto enter_both = [&] {
		enter(there);
		enter(here);
	};
	const nanoseconds with_few = least_cost(enter_both);
	const many_mappings mappings(10'000);

	expect_le(least_cost(enter_both), 10 * with_few);
}
