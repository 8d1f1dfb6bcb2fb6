// SPDX-License-Identifier: GPL-2.0-only
#include "stamps.hpp"

#include "error.hpp"

#include <algorithm>
#include <regex>

namespace timens
{

namespace
{

/* Not a part of a version, an address or a word. */
const std::regex stamp_in_line(R"((^|[^0-9A-Za-z.-])([0-9]{1,12}\.([0-9]{1,9}))(?![0-9A-Za-z.]))");

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
	std::smatch found;

	if (!std::regex_search(line, found, stamp_in_line))
		return line;
	try {
		const auto moved = add(parse_duration(found.str(2)), by);

		if (!moved)
			return {};
		auto stamp = format_seconds(*moved, static_cast<int>(found.length(3)));
		auto start = found.prefix().str() + found.str(1);
		/* Keep the columns of the lines, as far as there is room. */
		const auto width = static_cast<std::size_t>(found.length(2));
		for (auto n = stamp.size(); n > width && start.ends_with("  "); --n)
			start.pop_back();
		if (stamp.size() < width)
			stamp.insert(0, width - stamp.size(), ' ');
		return start + stamp + found.suffix().str();
	} catch (const usage_error &) {
		return {};
	}
}

} /* namespace timens */
