// SPDX-License-Identifier: GPL-2.0-only
#include "table.hpp"

#include "error.hpp"

#define FMT_HEADER_ONLY
#include <algorithm>
#include <fmt/format.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace timens
{

namespace
{

std::vector<std::size_t> choose(std::span<const column> columns,
				const std::optional<std::string> &names)
{
	std::vector<std::size_t> chosen;

	if (!names) {
		for (std::size_t i = 0; i < columns.size(); ++i) {
			if (columns[i].standard)
				chosen.push_back(i);
		}
		return chosen;
	}
	for (std::size_t start = 0; start <= names->size();) {
		const auto end = std::min(names->find(',', start), names->size());
		const auto name = names->substr(start, end - start);
		const auto found = std::ranges::find_if(columns, [&](const column &candidate) {
			return strcasecmp(candidate.name, name.c_str()) == 0;
		});

		if (found == columns.end()) {
			std::string all;

			for (const auto &column : columns)
				all += (all.empty() ? "" : ", ") + std::string(column.name);
			throw usage_error("no column '" + name + "'; there are " + all);
		}
		chosen.push_back(found - columns.begin());
		start = end + 1;
	}
	return chosen;
}

/* Columns of the screen: the bytes of UTF-8 that begin a character. */
std::size_t width_of(const std::string &text)
{
	return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

/* "MONOTONIC-NOW" is "monotonic_now_ns". */
std::string key_of(const column &column)
{
	std::string key = column.name;

	for (auto &c : key)
		c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
	return key + (column.is_time ? "_ns" : "");
}

std::string cut(const std::string &text, std::size_t width)
{
	std::size_t seen = 0;

	for (std::size_t i = 0; i < text.size(); ++i) {
		if ((text[i] & 0xc0) != 0x80 && seen++ == width)
			return text.substr(0, i);
	}
	return text;
}

} /* namespace */

cell cell::text(const std::string &value)
{
	return { value, quote_json(value) };
}

cell cell::time(const std::string &shown, std::chrono::nanoseconds exact)
{
	return { shown, quote_json(std::to_string(exact.count())) };
}

cell cell::number(long long value)
{
	const auto text = std::to_string(value);

	return { text, text };
}

cell cell::boolean(bool value, const char *if_true, const char *if_false)
{
	return { value ? if_true : if_false, value ? "true" : "false" };
}

cell cell::none()
{
	return { "-", "null" };
}

table::table(const char *name, std::span<const column> columns, const table_options &options)
	: name(name)
	, columns(columns)
	, options(options)
	, chosen(choose(columns, options.columns))
{
}

void table::add(std::vector<cell> row)
{
	rows.push_back(std::move(row));
}

std::string table::text(std::size_t width) const
{
	std::vector<std::size_t> widths;
	std::string text;

	if (options.json)
		return json();
	for (const auto i : chosen) {
		auto widest = options.headings ? width_of(columns[i].name) : 0;

		for (const auto &row : rows)
			widest = std::max(widest, width_of(row[i].shown));
		widths.push_back(widest);
	}
	const auto add_line = [&](const auto &shown) {
		std::string line;

		for (std::size_t n = 0; n < chosen.size(); ++n) {
			const std::string value = shown(chosen[n]);
			const std::string padding(widths[n] - width_of(value), ' ');
			const bool last = n + 1 == chosen.size();

			line += n ? " " : "";
			line += columns[chosen[n]].right ? padding + value
							 : value + (last ? "" : padding);
		}
		text += (width ? cut(line, width) : line) + "\n";
	};
	if (options.headings)
		add_line([&](std::size_t i) { return columns[i].name; });
	for (const auto &row : rows)
		add_line([&](std::size_t i) { return row[i].shown; });
	return text;
}

std::string table::json() const
{
	std::string text = fmt::format("{{\n   \"{}\": [", name);
	const char *between_rows = "";

	for (const auto &row : rows) {
		const char *between = "";

		text += fmt::format("{}\n      {{", between_rows);
		for (const auto i : chosen) {
			text += fmt::format("{}\n         {}: {}", between,
					    quote_json(key_of(columns[i])), row[i].json);
			between = ",";
		}
		text += "\n      }";
		between_rows = ",";
	}
	return text + "\n   ]\n}\n";
}

void check_columns(std::span<const column> columns, const table_options &options)
{
	choose(columns, options.columns);
}

std::string describe_columns(std::span<const column> columns)
{
	std::string text;

	for (const auto &column : columns)
		text += fmt::format(" {:>16}  {}\n", column.name, column.help);
	return text;
}

std::string quote_json(const std::string &text)
{
	std::string quoted = "\"";

	for (const char c : text) {
		if (c == '"' || c == '\\')
			quoted += fmt::format("\\{}", c);
		else if (static_cast<unsigned char>(c) < ' ')
			quoted += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
		else
			quoted += c;
	}
	return quoted + "\"";
}

std::size_t terminal_width()
{
	winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return 0;
	return size.ws_col;
}

} /* namespace timens */
