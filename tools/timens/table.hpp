/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables as lsns(8) prints them: for people, without headings, chosen columns, or as JSON. */
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace timens
{

/* A value as people read it, and as JSON has it. */
struct cell {
	static cell text(const std::string &value);
	/*
	 * For a column of times. Nanoseconds are a string in JSON, as many readers
	 * hold numbers in 53 bits.
	 */
	static cell time(const std::string &shown, std::chrono::nanoseconds exact);
	static cell number(long long value);
	static cell boolean(bool value, const char *if_true, const char *if_false);
	/* "-" and null */
	static cell none();

	std::string shown, json;
};

struct column {
	const char *name;
	const char *help;
	bool right = false;
	/* Shown without -o. */
	bool standard = true;
	/* Of times: the key in JSON names the unit. */
	bool is_time = false;
};

struct table_options {
	bool json = false;
	bool headings = true;
	/* The argument of -o. */
	std::optional<std::string> columns = {};
};

class table {
public:
	/* The name is that of the list in JSON. */
	table(const char *name, std::span<const column> columns, const table_options &options);

	/* A cell for each column. */
	void add(std::vector<cell> row);
	/* Cuts the last column to a width; 0 for none. */
	std::string text(std::size_t width = 0) const;

private:
	std::string json() const;

	const char *name;
	std::span<const column> columns;
	const table_options options;
	std::vector<std::size_t> chosen;
	std::vector<std::vector<cell>> rows;
};

/* Throws usage_error where a column is asked for that there is not. */
void check_columns(std::span<const column> columns, const table_options &options);

/* "  NAME  help" for each column, for --help. */
std::string describe_columns(std::span<const column> columns);

std::string quote_json(const std::string &text);

/* The width of the terminal that is the standard output; 0 where it is none. */
std::size_t terminal_width();

} /* namespace timens */
