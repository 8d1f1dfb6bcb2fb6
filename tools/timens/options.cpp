// SPDX-License-Identifier: GPL-2.0-only
#include "options.hpp"

#include "error.hpp"

#ifndef TIMENS_VERSION
#define TIMENS_VERSION "1.0"
#endif

namespace timens
{

const std::string table_help = " -J, --json              use JSON output format\n"
			       " -n, --noheadings        don't print headings\n"
			       " -o, --output <list>     define which output columns to use\n";

std::string version_text()
{
	return "timens " TIMENS_VERSION "\n";
}

option_parser::option_parser(int argc, char **argv, std::string shorts, std::vector<option> longs,
			     std::string help)
	: name(std::string("timens ") + argv[0])
	, argc(argc)
	, argv(argv)
	, short_options(std::move(shorts))
	, options(std::move(longs))
	, help(std::move(help))
{
	short_options += "hV";
	options.push_back({ "help", no_argument, nullptr, 'h' });
	options.push_back({ "version", no_argument, nullptr, 'V' });
	options.push_back({});
	argv[0] = this->name.data();
	optind = 0;
}

int option_parser::next()
{
	const auto given = getopt_long(argc, argv, short_options.c_str(), options.data(), nullptr);

	switch (given) {
	case 'h':
		throw information{ help };
	case 'V':
		throw information{ version_text() };
	case '?':
		fail("");
	}
	return given;
}

std::span<char *> option_parser::operands() const
{
	return { argv + optind, argv + argc };
}

std::span<char *> option_parser::operands(std::size_t least, std::size_t most,
					  const std::string &names) const
{
	const auto left = operands();

	if (left.size() < least)
		fail("missing operand: " + names);
	if (left.size() > most)
		fail("extra operand '" + std::string(left[most]) + "'");
	return left;
}

void option_parser::fail(const std::string &message) const
{
	throw syntax_error(message);
}

std::vector<option> table_long_options(std::vector<option> more)
{
	more.push_back({ "json", no_argument, nullptr, 'J' });
	more.push_back({ "noheadings", no_argument, nullptr, 'n' });
	more.push_back({ "output", required_argument, nullptr, 'o' });
	return more;
}

bool take_table_option(int given, table_options &options)
{
	switch (given) {
	case 'J':
		options.json = true;
		return true;
	case 'n':
		options.headings = false;
		return true;
	case 'o':
		options.columns = optarg;
		return true;
	}
	return false;
}

} /* namespace timens */
