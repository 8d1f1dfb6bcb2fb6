// SPDX-License-Identifier: GPL-2.0-only
#include "harness.hpp"
#include "kernel.hpp"
#include "process.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace timens
{

namespace
{

struct test_case {
	std::string_view name;
	void (*body)();
	test_options options;
};

struct helper {
	std::string_view name;
	void (*body)(helper_arguments);
};

/* Functions, as registrations run before this file's own objects exist. */
std::vector<test_case> &all_cases()
{
	static std::vector<test_case> cases;
	return cases;
}

std::vector<helper> &all_helpers()
{
	static std::vector<helper> helpers;
	return helpers;
}

/* "file.cpp:12: " */
std::string location(std::source_location where)
{
	std::string_view file = where.file_name();

	file.remove_prefix(file.rfind('/') + 1);
	return std::string(file) + ":" + std::to_string(where.line()) + ": ";
}

/* One write(2) per text, so that lines of several processes do not mix. */
void print(const std::string &text)
{
	std::string_view rest = text;

	while (!rest.empty()) {
		const ssize_t done = write(STDOUT_FILENO, rest.data(), rest.size());

		if (done < 0 && errno != EINTR)
			return;
		rest.remove_prefix(std::max<ssize_t>(done, 0));
	}
}

std::string diagnostic(std::string_view text)
{
	std::string lines = "# ";

	for (char c : text) {
		lines += c;
		if (c == '\n')
			lines += "# ";
	}
	return lines + "\n";
}

/* The parent of a process, from proc_pid_stat(5); 0 when it is gone. */
pid_t parent_of(const char *pid)
{
	std::string stat;

	try {
		stat = read_file("/proc/" + std::string(pid) + "/stat");
	} catch (const system_failure &) {
		return 0;
	}

	/* PID (name) STATE PPID, where the name may hold anything. */
	const auto name_end = stat.rfind(") ");
	pid_t parent = 0;

	if (name_end != stat.npos)
		std::from_chars(stat.data() + name_end + 4, stat.data() + stat.size(), parent);
	return parent;
}

void kill_children()
{
	const std::unique_ptr<DIR, int (*)(DIR *)> proc(opendir("/proc"), closedir);

	if (!proc)
		throw system_failure("opendir /proc", errno);
	while (const dirent *entry = readdir(proc.get()))
		if (isdigit(entry->d_name[0]) && parent_of(entry->d_name) == getpid())
			kill(std::stoi(entry->d_name), SIGKILL);
}

/*
 * Ends whatever a case left behind. Orphans come to this process, which is
 * their subreaper, so that each round finds the next generation.
 */
void end_strays()
{
	do {
		kill_children();
	} while (waitpid(-1, nullptr, __WALL) > 0 || errno != ECHILD);
}

void require(const test_options &options)
{
	if (geteuid() != 0)
		skip("needs root");
	if (options.time_namespaces == feature::present && !has_time_namespaces())
		skip("needs a kernel with CONFIG_TIME_NS");
	if (options.time_namespaces == feature::absent && has_time_namespaces())
		skip("needs a kernel without CONFIG_TIME_NS");
}

/* Runs one case to its end and returns its result line. */
bool run(const test_case &test, std::size_t number, int timeout_factor)
{
	const auto limit = test.options.timeout * timeout_factor;
	std::optional<ending> end;

	{
		child runner([&test] {
			/* A case may signal its own process group. */
			check(setpgid(0, 0), "setpgid");
			check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
			require(test.options);
			test.body();
		});

		end = runner.wait_for(limit);
	}
	end_strays();

	const bool skipping = end && end->exited_with(exit_skipped);
	const bool ok = skipping || (end && end->exited_with(0));
	std::string result;

	if (!test.options.differs_from_stock.empty())
		result += diagnostic("differs-from-stock: " +
				     std::string(test.options.differs_from_stock));
	if (!end)
		result += diagnostic("timeout after " + show(limit));
	else if (!ok)
		result += diagnostic(end->text());
	result += ok ? "ok " : "not ok ";
	result += std::to_string(number) + " " + std::string(test.name);
	if (skipping)
		result += " # SKIP " + end->report;
	print(result + "\n");
	return ok;
}

int run_all(const std::vector<test_case> &cases, int timeout_factor)
{
	std::size_t number = 0;
	std::size_t failed = 0;

	check(prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	print("KTAP version 1\n1.." + std::to_string(cases.size()) + "\n");
	for (const test_case &test : cases)
		failed += !run(test, ++number, timeout_factor);
	return failed ? 1 : 0;
}

int run_helper(std::span<char *const> arguments)
{
	/* REPORT_FD NAME ARGUMENT... as helper_command() makes it. */
	const auto &helpers = all_helpers();
	const auto found = std::ranges::find(helpers, arguments[1], &helper::name);

	return run_reporting(
		[&] {
			expect(found != helpers.end(),
			       "there is a helper " + std::string(arguments[1]));
			found->body(arguments.subspan(2));
		},
		std::stoi(arguments[0]));
}

int complain(const std::string &message)
{
	const std::string line = message + "\n";

	return write(STDERR_FILENO, line.data(), line.size()) < 0 ? 3 : 2;
}

constexpr char usage[] = "Usage: PROGRAM [--list] [--timeout-factor=N] [CASE...]\n"
			 "Runs the cases, all when none is named, and reports in KTAP.\n"
			 "Exit status: 0 no case failed, 1 some failed, 2 bad arguments.\n"
			 "\n"
			 "  --list              print the names of the cases\n"
			 "  --timeout-factor=N  give each case N times its time\n";

int run_program(std::span<char *const> arguments)
{
	constexpr std::string_view factor_option = "--timeout-factor=";
	int timeout_factor = 1;
	std::vector<test_case> chosen;

	if (arguments.size() >= 3 && std::string_view(arguments[0]) == "--helper")
		return run_helper(arguments.subspan(1));
	for (std::string_view argument : arguments) {
		if (argument == "--list") {
			for (const test_case &test : all_cases())
				print(std::string(test.name) + "\n");
			return 0;
		}
		if (argument == "--help") {
			print(usage);
			return 0;
		}
		if (argument.starts_with(factor_option)) {
			argument.remove_prefix(factor_option.size());
			const auto end = argument.data() + argument.size();
			const auto parsed = std::from_chars(argument.data(), end, timeout_factor);
			if (parsed.ptr != end || timeout_factor < 1)
				return complain("--timeout-factor wants a whole number "
						"from 1, not '" +
						std::string(argument) + "'");
			continue;
		}
		const auto found = std::ranges::find(all_cases(), argument, &test_case::name);
		if (found == all_cases().end())
			return complain("no case '" + std::string(argument) +
					"'; --list shows those there are");
		chosen.push_back(*found);
	}
	return run_all(chosen.empty() ? all_cases() : chosen, timeout_factor);
}

} // namespace

check_failed::check_failed(std::string_view message, std::source_location where)
	: text(location(where) + std::string(message))
{
}

check_failed check_failed::reported(std::string_view message)
{
	check_failed failure("");

	failure.text = message;
	return failure;
}

const char *check_failed::what() const noexcept
{
	return text.c_str();
}

system_failure::system_failure(std::string_view call, int error, std::source_location where)
	: check_failed(std::string(call) + ": " + errno_name(error) + " (" + strerror(error) + ")",
		       where)
	, call(call)
	, error(error)
{
}

skipped::skipped(std::string_view reason)
	: text(reason)
{
}

const char *skipped::what() const noexcept
{
	return text.c_str();
}

void skip(std::string_view reason)
{
	throw skipped(reason);
}

void note(std::string_view text)
{
	print(diagnostic(text));
}

long long check(const outcome &result, std::string_view call, std::source_location where)
{
	if (result.error)
		throw system_failure(call, result.error, where);
	return result.value;
}

std::string errno_name(int error)
{
	if (!error)
		return "success";

	const char *name = strerrorname_np(error);

	return name ? name : "errno " + std::to_string(error);
}

std::string show(std::string_view value)
{
	std::string quoted = "\"";

	for (char c : value) {
		if (c == '\n')
			quoted += "\\n";
		else
			quoted += c;
	}
	return quoted + "\"";
}

std::string show(nanoseconds value)
{
	const auto count = value.count();
	/* Not the absolute value: the least has none. */
	std::string fraction = std::to_string(std::abs(count % 1'000'000'000));

	fraction.insert(0, 9 - fraction.size(), '0');
	return (count < 0 ? "-" : "") + std::to_string(std::abs(count / 1'000'000'000)) + "." +
	       fraction + " s";
}

void fail_comparison(std::string_view what, const std::string &actual, std::string_view relation,
		     const std::string &expected, std::source_location where)
{
	std::string message(what);

	if (!what.empty())
		message += ": ";
	message += "expected " + std::string(relation);
	if (!relation.empty())
		message += " ";
	message += expected + ", got " + actual;
	throw check_failed(message, where);
}

void expect(bool condition, std::string_view what, std::source_location where)
{
	if (!condition)
		throw check_failed("not so: " + std::string(what), where);
}

void expect_errno(const outcome &result, int error, std::string_view what,
		  std::source_location where)
{
	if (result.error != error)
		fail_comparison(what, errno_name(result.error), "", errno_name(error), where);
}

void expect_near(nanoseconds actual, nanoseconds expected, nanoseconds tolerance,
		 std::string_view what, std::source_location where)
{
	if (actual < expected - tolerance || actual > expected + tolerance)
		fail_comparison(what, show(actual), "within " + show(tolerance) + " of",
				show(expected), where);
}

test_registration::test_registration(std::string_view name, void (*body)(), test_options options)
{
	all_cases().push_back({ name, body, options });
}

helper_registration::helper_registration(std::string_view name, void (*body)(helper_arguments))
{
	all_helpers().push_back({ name, body });
}

int run_program(int count, char **arguments)
{
	return run_program(std::span(arguments, count).subspan(1));
}

} // namespace timens

int main(int argc, char **argv)
{
	return timens::run_program(argc, argv);
}
