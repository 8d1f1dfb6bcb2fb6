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

/* Sequence `number` of a seed. All are independent of each other. */
std::vector<operation> make_sequence(std::uint64_t seed, unsigned number, unsigned length);

/*
 * Texts for timens_offsets, good and hostile. "ZERO" stands for the seconds
 * that bring a clock to zero, "TOP" for those that bring it to its upper limit,
 * "\e" for a NUL. PAD fills the text with spaces up to 4095 or 4096 bytes.
 */
struct offsets_text {
	std::string_view form;
	std::size_t padded_to = 0;
};
std::size_t count_texts();
const offsets_text &text_at(std::size_t number);
std::string expand(const offsets_text &text, std::int64_t host_seconds);

/* On one line, for a report. */
std::string quote(std::string_view text);

} /* namespace fuzz */
