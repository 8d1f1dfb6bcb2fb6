// SPDX-License-Identifier: GPL-2.0-only
#include "stamps.hpp"

#include "error.hpp"

#include <charconv>

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

struct span_of_line {
	std::size_t start, end;
};

std::optional<span_of_line> find_field(std::string_view line, const stamp_format &format)
{
	const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
	const auto is_between = [&](char c) {
		return format.delimiter ? c == *format.delimiter : is_blank(c);
	};
	std::size_t start = 0;

	for (unsigned int number = 1; start <= line.size(); ++number) {
		while (!format.delimiter && start < line.size() && is_blank(line[start]))
			++start;
		auto end = start;
		while (end < line.size() && !is_between(line[end]))
			++end;
		if (number == format.field)
			return span_of_line{ start, end };
		start = end + 1;
	}
	return {};
}

/* A number that brackets, quotes, a colon and the like may surround, and nothing else. */
std::optional<stamp_place> stamp_in(std::string_view line, const span_of_line &field)
{
	constexpr std::string_view before = " [(\"'", after = " ])\"':,;";
	auto start = field.start, end = field.end;

	while (start < end && before.find(line[start]) != before.npos)
		++start;
	while (start < end && after.find(line[end - 1]) != after.npos)
		--end;

	const bool negative = start < end && line[start] == '-';
	const auto digits = line.substr(start + negative, end - start - negative);
	const auto point = digits.find('.');
	if (digits.empty() || !is_digit(digits.front()) || !is_digit(digits.back()) ||
	    digits.find_first_not_of("0123456789.") != digits.npos ||
	    digits.find('.', point == digits.npos ? point : point + 1) != digits.npos)
		return {};
	const auto fraction = point == digits.npos ? 0 : digits.size() - point - 1;
	if (fraction > 9)
		return {};
	return stamp_place{ start, end - start, fraction };
}

/* The number in this unit as a time; nothing where it does not fit. */
std::optional<nanoseconds> read_number(std::string_view text, nanoseconds unit)
{
	std::int64_t number, time;
	const auto *end = text.data() + text.size();
	const auto result = std::from_chars(text.data(), end, number);

	if (result.ec != std::errc() || result.ptr != end ||
	    __builtin_mul_overflow(number, unit.count(), &time))
		return {};
	return nanoseconds(time);
}

std::optional<nanoseconds> read_stamp(const std::string &text, bool has_point, nanoseconds unit)
{
	if (!has_point)
		return read_number(text, unit);
	try {
		return parse_duration(text);
	} catch (const usage_error &) {
		return {};
	}
}

/* A whole number of units lies towards the past, as a stamp that is cut does. */
std::string write_stamp(nanoseconds time, std::size_t digits, bool has_point, nanoseconds unit)
{
	if (has_point)
		return format_seconds(time, static_cast<int>(digits));
	return std::to_string(time / unit - (time % unit < 0ns));
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

nanoseconds parse_unit(std::string_view text)
{
	if (text == "s")
		return 1s;
	if (text == "ms")
		return 1ms;
	if (text == "us")
		return 1us;
	if (text == "ns")
		return 1ns;
	throw usage_error("invalid unit '" + std::string(text) + "': expected s, ms, us or ns");
}

std::optional<std::string> move_stamp(const std::string &line, nanoseconds by,
				      const stamp_format &format)
{
	const auto field = format.field ? find_field(line, format) : std::nullopt;
	const auto found =
		format.field ? field ? stamp_in(line, *field) : std::nullopt : find_stamp(line);

	if (!found)
		return line;
	const bool has_point = found->digits > 0;
	const auto time =
		read_stamp(line.substr(found->start, found->length), has_point, format.unit);
	const auto moved = time ? add(*time, by) : std::nullopt;
	if (!moved)
		return {};

	auto stamp = write_stamp(*moved, found->digits, has_point, format.unit);
	auto before = line.substr(0, found->start);
	/* Keep the columns of the lines, as far as there is room. */
	if (!format.field) {
		for (auto n = stamp.size(); n > found->length; --n) {
			if (!before.ends_with("  ") && !before.ends_with("[ "))
				break;
			before.pop_back();
		}
		if (stamp.size() < found->length)
			stamp.insert(0, found->length - stamp.size(), ' ');
	}
	return before + stamp + line.substr(found->start + found->length);
}

} /* namespace timens */
