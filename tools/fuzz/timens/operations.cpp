// SPDX-License-Identifier: GPL-2.0-only
#include "operations.hpp"

#include <cstdio>
#include <iterator>
#include <numeric>

namespace fuzz
{

namespace
{

/* SplitMix64: the same numbers everywhere, which <random> does not promise. */
class random_numbers {
public:
	explicit random_numbers(std::uint64_t seed)
		: state(seed)
	{
	}
	std::uint64_t next()
	{
		auto z = state += 0x9e3779b97f4a7c15;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		return z ^ (z >> 31);
	}

private:
	std::uint64_t state;
};

/*
 * How often each is done. What makes and ends processes is slow, and so rare;
 * between two changes of the state there should be some looks at it.
 */
constexpr struct {
	verb what;
	unsigned weight;
} weights[] = {
	{ verb::spawn, 60 },  { verb::exec, 15 },  { verb::exit, 40 },	{ verb::reap, 40 },
	{ verb::unshare, 70 }, { verb::drop, 12 },  { verb::limit, 10 }, { verb::keep, 70 },
	{ verb::enter, 90 },  { verb::write, 180 }, { verb::read, 60 },	{ verb::clock, 160 },
	{ verb::view, 60 },   { verb::link, 60 },   { verb::wait, 40 },	{ verb::remaining, 60 },
};

verb choose(std::uint64_t number)
{
	constexpr auto total = std::accumulate(std::begin(weights), std::end(weights), 0u,
					       [](unsigned sum, auto each) { return sum + each.weight; });
	auto left = static_cast<unsigned>(number % total);

	for (const auto &each : weights) {
		if (left < each.weight)
			return each.what;
		left -= each.weight;
	}
	return verb::clock;
}

constexpr std::int64_t top_seconds = INT64_MAX / 1'000'000'000 / 2;

constexpr offsets_text texts[] = {
	/* Good, as long as the namespace is open. */
	{ "monotonic 1000 0\n" },
	{ "boottime 1000 0\n" },
	{ "monotonic 0 0\nboottime 0 0\n" },
	{ "monotonic 86400 1\nboottime 604800 999999999\n" },
	{ "monotonic -1 500000000\nboottime -1 0\n" },
	{ "1 77 999999999\n" },
	{ "7 -0 5\n" },
	{ "1 5 0\n7 6 0\n" },
	{ "monotonic 3155760000 0\nboottime 3155760000 0\n" },
	{ "monotonic ZERO+1 0\nboottime ZERO+1 0\n" },
	{ "boottime ZERO+1 0\n" },
	{ "monotonic TOP-60 0\nboottime TOP-60 999999999" },
	{ "boottime 12 0" },
	{ "  \t monotonic\t-1\v250000000  and more\n" },
	{ "\xa0" "boottime\xa0" "33 3\n" },
	{ "monotonic 1 0\nmonotonic 2 0\n" },
	{ "boottime 500 0\nboottime -1 1\n" },
	{ "monotonic21 0 5\n" },
	{ "boottime 4 999999999.5\n" },
	{ "boottime 00000000000000000000000000000000005 000000000000000000000000000000\n" },
	{ "monotonic 9 0\eboottime 8 0\nrubbish\n" },
	{ "monotonic 64 0\n", 4095 },
	/* Taken in part: what follows two lines is left over. */
	{ "monotonic 3 0\nboottime 4 0\nmonotonic 5 0\n" },
	{ "boottime 3 0\nmonotonic 4 0\nrubbish" },
	{ "boottime 3 0\nmonotonic 4 0\n\n" },
	/* Malformed. */
	{ "" },
	{ "\n" },
	{ " " },
	{ "\emonotonic 1 0\n" },
	{ "monotonic\n" },
	{ "monotonic 1\n" },
	{ "monotonic\n1 0\n" },
	{ "monotonic 1 0\n\nboottime 1 0\n" },
	{ "\nmonotonic 1 0\n" },
	{ "monotonic +1 0\n" },
	{ "monotonic - 1 0\n" },
	{ "monotonic --1 0\n" },
	{ "monotonic 0x10 0\n" },
	{ "monotonic 1.5 0\n" },
	{ "monotonic 1,0\n" },
	{ "monotonic 1 -1\n" },
	{ "monotonic 1 -0\n" },
	{ "monotonic 1 1000000000\n" },
	{ "boottime 1 9223372036854775807\n" },
	{ "monotonic 1 0\nboottime 1 1000000000\n" },
	{ "realtime 1 0\n" },
	{ "0 1 0\n" },
	{ "4 1 0\n" },
	{ "6 1 0\n" },
	{ "9 1 0\n" },
	{ "11 1 0\n" },
	{ "01 1 0\n" },
	{ "-1 1 0\n" },
	{ "Monotonic 1 0\n" },
	{ "monotoni 1 0\n" },
	{ "monotonicx 1 0\n" },
	{ "boottimex 1 0\n" },
	{ "monotonic 64 0\n", 4096 },
	{ "monotonic 1 0\nrubbish\n" },
	/* Out of range. */
	{ "monotonic ZERO-60 0\n" },
	{ "boottime ZERO-60 999999999\n" },
	{ "monotonic TOP+60 0\n" },
	{ "boottime TOP+60 0\n" },
	{ "monotonic 5 0\nboottime ZERO-60 0\n" },
	{ "monotonic 9223372036 854775807\n" },
	{ "boottime 9223372037 0\n" },
	{ "boottime -9223372036 0\n" },
	{ "boottime -9223372037 0\n" },
	{ "monotonic 9223372036854775807 0\n" },
	{ "monotonic -9223372036854775808 0\n" },
	{ "monotonic 9223372036854775808 0\n" },
	{ "monotonic -9223372036854775809 0\n" },
	{ "boottime 18446744073709551615 0\n" },
	/* Beyond 64 bits, where stock cuts. */
	{ "monotonic 18446744073709551617 0\n" },
	{ "boottime -18446744073709551617 0\n" },
	{ "boottime 340282366920938463463374607431768211457 0\n" },
	{ "monotonic 3 18446744073709551616\n" },
	{ "monotonic 3 9223372036854775808\n" },
	{ "boottime 3 18446744073709551615\n" },
	{ "boottime 3 99999999999999999999999999999999999999999999\n" },
	{ "boottime ZERO-60 0\nmonotonic 1 9223372036854775808\n" },
};

void replace(std::string &text, std::string_view token, std::int64_t base)
{
	for (auto at = text.find(token); at != text.npos; at = text.find(token)) {
		std::size_t length = 0;
		const auto by = std::stoll(text.substr(at + token.size()), &length);

		text.replace(at, token.size() + length, std::to_string(base + by));
	}
}

} /* namespace */

std::vector<operation> make_sequence(std::uint64_t seed, unsigned number, unsigned length)
{
	random_numbers numbers(random_numbers(seed).next() + number);
	std::vector<operation> made;

	made.reserve(length);
	for (unsigned index = 0; index < length; index++) {
		const auto what = choose(numbers.next());
		const auto tasks = numbers.next();
		const auto ways = numbers.next();

		made.push_back({ index, what, static_cast<std::uint32_t>(tasks), static_cast<std::uint32_t>(tasks >> 32),
				 static_cast<std::uint32_t>(ways), static_cast<std::uint32_t>(ways >> 32) });
	}
	return made;
}

std::size_t count_texts()
{
	return std::size(texts);
}

const offsets_text &text_at(std::size_t number)
{
	return texts[number];
}

std::string expand(const offsets_text &text, std::int64_t host_seconds)
{
	std::string expanded(text.form);

	replace(expanded, "ZERO", -host_seconds);
	replace(expanded, "TOP", top_seconds - host_seconds);
	for (auto &c : expanded) {
		if (c == '\e')
			c = '\0';
	}
	if (expanded.size() < text.padded_to)
		expanded.insert(expanded.size() - 1, text.padded_to - expanded.size(), ' ');
	return expanded;
}

std::string quote(std::string_view text)
{
	std::string quoted = "\"";

	for (const char c : text) {
		char code[8];

		if (c == '\n')
			quoted += "\\n";
		else if (c == '\e')
			quoted += "\\0";
		else if (c > ' ' - 1 && c < 127)
			quoted += c;
		else {
			std::snprintf(code, sizeof(code), "\\x%02x", static_cast<unsigned char>(c));
			quoted += code;
		}
	}
	return quoted + '"';
}

} /* namespace fuzz */
