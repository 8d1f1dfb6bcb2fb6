// SPDX-License-Identifier: GPL-2.0-only
#include "vvar_pages.hpp"
#include "process.hpp"
#include "shifts.hpp"

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>
#include <map>
#include <sstream>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace timens
{

const std::size_t page_size = sysconf(_SC_PAGESIZE);

std::vector<mapping> vdso_mappings()
{
	std::istringstream maps(read_file("/proc/self/maps"));
	std::vector<mapping> found;

	for (std::string line; std::getline(maps, line);) {
		unsigned long start;
		unsigned long end;

		if (line.find("[vvar") == line.npos && line.find("[vdso]") == line.npos)
			continue;
		expect_eq(std::sscanf(line.c_str(), "%lx-%lx", &start, &end), 2,
			  "a range in " + line);
		found.push_back({ reinterpret_cast<char *>(start), end - start,
				  line.substr(line.find('[')) });
	}
	return found;
}

mapping vvar_mapping()
{
	for (const mapping &mapping : vdso_mappings())
		if (mapping.name == "[vvar]")
			return mapping;
	throw check_failed("there is no [vvar] in /proc/self/maps");
}

namespace
{

constexpr std::size_t clocks_in_page = CLOCK_TAI + 1;

/*
 * Where the offsets begin in a set of clocks of this many 64-bit words. They are at
 * its end, with two words for each clock. A stock kernel has them in the place of the
 * base times, before two words of something else.
 */
constexpr std::size_t first_offset(std::size_t words_in_set)
{
	const std::size_t words_of_offsets = 2 * clocks_in_page;
	const bool has_base_times_too = words_in_set > 2 * words_of_offsets;

	return words_in_set - words_of_offsets - (has_base_times_too ? 0 : 2);
}

/* The 64-bit words of a page; it may not hold still. */
std::vector<std::uint64_t> words_of(const char *page)
{
	std::vector<std::uint64_t> words(page_size / sizeof(std::uint64_t));

	std::memcpy(words.data(), page, page_size);
	return words;
}

/*
 * A set of clocks begins with a sequence count and a mode. In the page of a
 * namespace the count is odd, and the mode is that of no clock: INT_MAX.
 */
bool begins_moved_clocks(std::uint64_t word)
{
	return word % 2 && word >> 32 == INT_MAX;
}

} // namespace

bool is_namespace_page(const char *page)
{
	return std::ranges::any_of(words_of(page), begins_moved_clocks);
}

std::optional<offsets> offsets_in_page(const char *page)
{
	auto words = words_of(page);
	std::vector<std::size_t> sets;
	std::map<clockid_t, nanoseconds> found;

	for (std::size_t i = 0; i < words.size(); i++)
		if (begins_moved_clocks(words[i]))
			sets.push_back(i);
	if (sets.empty())
		return {};
	/* One for the clocks that are adjusted, one for that which is not. */
	expect_eq(sets.size(), 2U, "sets of clocks in the page");

	const std::size_t words_in_set = sets[1] - sets[0];
	const std::size_t first_clock = first_offset(words_in_set);

	for (const std::size_t set : sets) {
		words[set] = 0;
		for (std::size_t clock = 0; clock < clocks_in_page; clock++) {
			auto &sec = words.at(set + first_clock + 2 * clock);
			auto &nsec = words.at(set + first_clock + 2 * clock + 1);
			const auto by = seconds(static_cast<std::int64_t>(std::exchange(sec, 0))) +
					nanoseconds(std::exchange(nsec, 0));

			expect_eq(found.try_emplace(clock, by).first->second, by,
				  clock_name(clock) + " in both sets of clocks");
		}
	}

	const offsets by{ found[CLOCK_MONOTONIC], found[CLOCK_BOOTTIME] };

	/* With wall clocks the seconds that time() reads are -1, to say that it has to look further. */
	for (const std::size_t set : sets)
		if (const auto marker = std::find(words.begin() + set,
						  words.begin() + set + words_in_set, ~0ULL);
		    marker != words.begin() + set + words_in_set)
			*marker = 0;
	for (const auto &[clock, offset] : found)
		expect_eq(offset, offset_of(clock, by), clock_name(clock) + " in the page");
	expect(std::ranges::count(words, 0U) == std::ssize(words),
	       "the page holds nothing but offsets");
	return by;
}

char *reserve(std::size_t size)
{
	void *place = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (place == MAP_FAILED)
		throw system_failure("mmap", errno);
	return static_cast<char *>(place);
}

void move_mapping(const mapping &from, char *to)
{
	if (mremap(from.start, from.size, from.size, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	    MAP_FAILED)
		throw system_failure("mremap " + from.name, errno);
}

} // namespace timens
