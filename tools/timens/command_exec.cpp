// SPDX-License-Identifier: GPL-2.0-only
/* timens exec: a program in a time namespace that exists. */
#include "commands.hpp"
#include "error.hpp"
#include "namespaces.hpp"
#include "options.hpp"

namespace timens
{

namespace
{

const char *const help =
	"\nUsage:\n timens exec [options] <pid>|<file> [--] [<program> [<argument>...]]\n\n"
	"Run a program, or a shell, in the time namespace of a process, or of a file\n"
	"such as /proc/<pid>/ns/time.\n\n"
	"Options:\n"
	" -h, --help     display this help\n"
	" -V, --version  display version\n"
	"\nFor more details see timens(1).\n";

} /* namespace */

int command_exec(int argc, char **argv)
{
	option_parser options(argc, argv, "+", {}, help);

	while (options.next() != -1)
		;
	const auto operands = options.operands(1, argc, "a process or a namespace file");
	auto command = operands.subspan(1);
	if (!command.empty() && std::string(command[0]) == "--")
		command = command.subspan(1);

	require_time_namespaces();
	target(operands[0]).enter();
	execute(command);
}

} /* namespace timens */
