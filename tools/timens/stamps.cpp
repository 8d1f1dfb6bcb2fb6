// SPDX-License-Identifier: GPL-2.0-only
#include "stamps.hpp"

#include "error.hpp"

namespace timens
{

namespace
{

bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What makes digits a part of a version, an address or a word. */
bool belongs_to_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
	       c == '-' || c == '_';
}

struct stamp_place {
	std::size_t start, length, digits;
};

/* The stamp that begins here, if one does. */
std::optional<stamp_place> stamp_at(std::string_view line, std::size_t start)
{
	const auto digits_from = [&](std::size_t from) {
		auto end = from;

		while (end < line.size() && is_digit(line[end]))
			++end;
		return end - from;
	};

	if (start > 0 && belongs_to_word(line[start - 1]))
		return {};
	const auto whole = start + (line[start] == '-');
	const auto point = whole + digits_from(whole);
	if (point == whole || point >= line.size() || line[point] != '.')
		return {};
	const auto digits = digits_from(point + 1);
	const auto end = point + 1 + digits;
	if (digits < 1 || digits > 9 || (end < line.size() && belongs_to_word(line[end])))
		return {};
	return stamp_place{ start, end - start, digits };
}

std::optional<stamp_place> find_stamp(std::string_view line)
{
	for (std::size_t start = 0; start < line.size(); ++start) {
		if (const auto found = stamp_at(line, start))
			return found;
	}
	return {};
}

} /* namespace */

nanoseconds parse_stamp(std::string_view text)
{
	const auto is_frame = [](char c) { return c == ' ' || c == '[' || c == ']'; };
	auto stamp = text;

	while (!stamp.empty() && is_frame(stamp.front()))
		stamp.remove_prefix(1);
	while (!stamp.empty() && is_frame(stamp.back()))
		stamp.remove_suffix(1);
	return parse_duration(stamp);
}

std::optional<std::string> move_stamp(const std::string &line, nanoseconds by)
{
	const auto found = find_stamp(line);

	if (!found)
		return line;
	const auto time = parse_duration(line.substr(found->start, found->length));
	const auto moved = add(time, by);
	if (!moved)
		return {};

	auto stamp = format_seconds(*moved, static_cast<int>(found->digits));
	auto before = line.substr(0, found->start);
	/* Keep the columns of the lines, as far as there is room. */
	for (auto n = stamp.size(); n > found->length; --n) {
		if (!before.ends_with("  ") && !before.ends_with("[ "))
			break;
		before.pop_back();
	}
	if (stamp.size() < found->length)
		stamp.insert(0, found->length - stamp.size(), ' ');
	return before + stamp + line.substr(found->start + found->length);
}

} /* namespace timens */
