// SPDX-License-Identifier: GPL-2.0-only
#include "operations.hpp"

#include <algorithm>
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
	{ verb::spawn, 60 },   { verb::exec, 15 },   { verb::exit, 28 }, { verb::reap, 40 },
	{ verb::unshare, 70 }, { verb::drop, 10 },   { verb::limit, 8 }, { verb::keep, 80 },
	{ verb::enter, 90 },   { verb::write, 180 }, { verb::read, 60 }, { verb::clock, 160 },
	{ verb::view, 60 },    { verb::link, 60 },   { verb::wait, 40 }, { verb::remaining, 60 },
};

verb choose(std::uint64_t number)
{
	constexpr auto total =
		std::accumulate(std::begin(weights), std::end(weights), 0u,
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

/* As long as the namespace is open. */
constexpr offsets_text good_texts[] = {
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
	{ "monotonic NOW\nboottime NOW\n" },
	{ "monotonic TOP-60 0\nboottime TOP-60 999999999" },
	{ "boottime 12 0" },
	{ "  \t monotonic\t-1\v250000000  and more\n" },
	{ "\xa0"
	  "boottime\xa0"
	  "33 3\n" },
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
};

constexpr offsets_text bad_texts[] = {
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
	{ "realtimes 1 0\n" },
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

/*
 * A task makes a namespace, sets it to zero or to something else, enters it and
 * looks at a clock at once: within a tick the coarse clocks are still behind.
 */
void add_phrase(std::vector<operation> &to, std::uint32_t actor, std::uint32_t choice,
		std::uint32_t detail)
{
	const auto to_zero =
		std::ranges::find_if(
			good_texts,
			[](const auto &each) { return each.form.find("NOW") != each.form.npos; }) -
		std::begin(good_texts);
	const auto text =
		static_cast<std::uint32_t>(choice % 4 ? to_zero : detail % std::size(good_texts));
	using namespace meaning;

	to.push_back({ 0, verb::unshare, actor, itself, new_time, 0 });
	to.push_back({ 0, verb::write, actor, itself, by_number, good_address + 2 * text + 1 });
	to.push_back({ 0, verb::enter, actor, itself, by_number, space_for_children });
	to.push_back({ 0, verb::clock, actor, itself, choice / 4,
		       choice % 2 ? monotonic_coarse : detail });
}

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

	while (made.size() < length) {
		const auto what = choose(numbers.next());
		const auto tasks = numbers.next();
		const auto ways = numbers.next();
		const auto actor = static_cast<std::uint32_t>(tasks);
		const auto object = static_cast<std::uint32_t>(tasks >> 32);
		const auto choice = static_cast<std::uint32_t>(ways);
		const auto detail = static_cast<std::uint32_t>(ways >> 32);

		if (what == verb::unshare && object % 4 == 0)
			add_phrase(made, actor, choice, detail);
		else
			made.push_back({ 0, what, actor, object, choice, detail });
	}
	made.resize(length);
	for (unsigned index = 0; index < length; index++)
		made[index].index = index;
	return made;
}

const offsets_text &choose_text(std::uint32_t number)
{
	const bool good = number % 2;

	number /= 2;
	return good ? good_texts[number % std::size(good_texts)]
		    : bad_texts[number % std::size(bad_texts)];
}

std::string expand(const offsets_text &text, std::int64_t host)
{
	constexpr std::int64_t second = 1'000'000'000;
	constexpr std::string_view now = "NOW";
	const auto host_seconds = host / second;
	const auto rest = host % second;
	std::string expanded(text.form);

	for (auto at = expanded.find(now); at != expanded.npos; at = expanded.find(now))
		expanded.replace(at, now.size(),
				 std::to_string(-host_seconds - (rest > 0)) + " " +
					 std::to_string(rest > 0 ? second - rest : 0));

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
