// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a seed to operations. An operation names tasks, files and texts by
 * numbers that are taken modulo what there is when it runs, so it stays valid
 * when others before it are left out.
 */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz
{

enum class verb {
	spawn,
	exec,
	exit,
	reap,
	unshare,
	drop,
	limit,
	keep,
	enter,
	write,
	read,
	clock,
	view,
	link,
	wait,
	remaining,
};

struct operation {
	unsigned index; /* its place in the whole sequence */
	verb what;
	std::uint32_t actor; /* who does it */
	std::uint32_t object; /* to whom, or with which held file */
	std::uint32_t choice; /* in which way */
	std::uint32_t detail; /* with which text, clock, flag */
};

/*
 * Numbers that have a certain meaning to session.cpp, for phrases: what chance
 * alone would hardly ever put in a row.
 */
namespace meaning
{
constexpr std::uint32_t itself = 0; /* object: the actor */
constexpr std::uint32_t by_number = 0; /* choice: /proc/PID/... */
constexpr std::uint32_t new_time = 1; /* choice of unshare */
constexpr std::uint32_t good_address = 8192; /* detail of write, added to the number of a text */
constexpr std::uint32_t space_for_children = 128; /* detail of enter */
constexpr std::uint32_t monotonic_coarse = 5; /* detail of clock */
}

/* Sequence `number` of a seed. All are independent of each other. */
std::vector<operation> make_sequence(std::uint64_t seed, unsigned number, unsigned length);

/*
 * Texts for timens_offsets, good and hostile. "ZERO" stands for the seconds
 * that bring a clock to zero, "TOP" for those that bring it to its upper limit,
 * "NOW" for the seconds and nanoseconds that bring it to just above zero, "\e"
 * for a NUL. Some are filled with spaces up to the longest that is taken.
 */
struct offsets_text {
	std::string_view form;
	std::size_t padded_to = 0;
};
const offsets_text &choose_text(std::uint32_t number);
/* At this time of the host's clocks, in nanoseconds. */
std::string expand(const offsets_text &text, std::int64_t host);

/* On one line, for a report. */
std::string quote(std::string_view text);

} /* namespace fuzz */
