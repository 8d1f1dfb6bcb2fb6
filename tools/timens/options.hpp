/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line of a verb: options as in util-linux, each error on one line. */
#pragma once

#include "table.hpp"

#include <getopt.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace timens
{

/* --help or --version: the text is all that is wanted. */
struct information {
	std::string text;
};

std::string version_text();

class option_parser {
public:
	/*
	 * argv[0] is the verb, and becomes what getopt(3) begins its messages with.
	 * Short options begin with '+' where the first operand is a command, whose
	 * options are its own. --help and --version are added.
	 */
	option_parser(int argc, char **argv, std::string short_options, std::vector<option> options,
		      std::string help);

	/*
	 * The short option, or the value of a long one; -1 when there are no more.
	 * Throws syntax_error after getopt(3) has said what is wrong.
	 */
	int next();

	/* What is left; for after the last option. */
	std::span<char *> operands() const;
	/* Throws syntax_error unless there are so many; names says which. */
	std::span<char *> operands(std::size_t least, std::size_t most,
				   const std::string &names) const;

	[[noreturn]] void fail(const std::string &message) const;

private:
	std::string name;
	int argc;
	char **argv;
	std::string short_options;
	std::vector<option> options;
	std::string help;
};

/* The options of every table: -J, -n, -o. */
constexpr std::string_view table_short_options = "Jno:";
std::vector<option> table_long_options(std::vector<option> more = {});
bool take_table_option(int given, table_options &options);
extern const std::string table_help;

} /* namespace timens */
