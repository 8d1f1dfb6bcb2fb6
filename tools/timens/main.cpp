// SPDX-License-Identifier: GPL-2.0-only
/* timens(1): run programs in time namespaces, and look at these. */
#include "commands.hpp"
#include "error.hpp"
#include "options.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <unistd.h>

namespace timens
{

namespace
{

struct verb {
	const char *name;
	int (*command)(int argc, char **argv);
	const char *summary;
	/* Its exit status is that of a program, so timens has statuses of its own. */
	bool becomes_program = false;
};

constexpr verb verbs[] = {
	{ "run", command_run, "run a program in a new time namespace", true },
	{ "exec", command_exec, "run a program in an existing one", true },
	{ "set", command_set, "set a wall clock while programs are in it" },
	{ "list", command_list, "list time namespaces" },
	{ "show", command_show, "show every clock and view of time, here and there" },
	{ "watch", command_watch, "show clocks live" },
	{ "check", command_check, "check that all views of time agree" },
	{ "translate", command_translate, "convert times between the host and a namespace" },
	{ "features", command_features, "say what this kernel offers and lacks" },
};

std::string help_text()
{
	std::string text = "\nUsage:\n timens <command> [options] [argument...]\n\n"
			   "Give programs clocks of their own, and look at those of others.\n\n"
			   "Commands:\n";

	for (const auto &verb : verbs) {
		const std::string name = verb.name;

		text += " " + name + std::string(12 - name.size(), ' ') + verb.summary + "\n";
	}
	return text + "\n -h, --help     display this help; 'timens <command> --help' for more\n"
		      " -V, --version  display version\n"
		      "\nFor more details see timens(1).\n";
}

const verb &find_verb(const std::string &name)
{
	const auto found = std::ranges::find_if(
		verbs, [&](const verb &candidate) { return name == candidate.name; });

	if (found == std::end(verbs))
		throw syntax_error("no command '" + name + "'");
	return *found;
}

void complain(const std::string &name, const std::string &message)
{
	std::fprintf(stderr, "%s: %s\n", name.c_str(), message.c_str());
}

int report(const std::string &name, const error &failure)
{
	const std::string message = failure.what();

	if (!message.empty())
		complain(name, message);
	if (dynamic_cast<const syntax_error *>(&failure))
		std::fprintf(stderr, "Try '%s --help' for more information.\n", name.c_str());
	return failure.status;
}

int run_verb(const verb &chosen, int argc, char **argv)
{
	const auto name = std::string("timens ") + chosen.name;
	const auto status_for = [&](int own) {
		return chosen.becomes_program && own < exit_no_run ? exit_no_run : own;
	};

	try {
		return chosen.command(argc, argv);
	} catch (const error &failure) {
		return status_for(report(name, failure));
	} catch (const std::exception &failure) {
		complain(name, failure.what());
		return status_for(exit_failure);
	}
}

int run(int argc, char **argv)
{
	if (argc < 2)
		throw syntax_error("missing command");
	const std::string first = argv[1];
	if (first == "-h" || first == "--help")
		throw information{ help_text() };
	if (first == "-V" || first == "--version")
		throw information{ version_text() };
	return run_verb(find_verb(first), argc - 1, argv + 1);
}

} /* namespace */

void print(const std::string &text)
{
	std::fwrite(text.data(), 1, text.size(), stdout);
	if (std::fflush(stdout))
		throw system_failure("writing the output", errno);
}

} /* namespace timens */

int main(int argc, char **argv)
{
	using namespace timens;

	try {
		try {
			return run(argc, argv);
		} catch (const information &wanted) {
			print(wanted.text);
			return exit_good;
		}
	} catch (const error &failure) {
		return report("timens", failure);
	}
}
