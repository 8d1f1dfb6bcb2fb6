// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test harness: a test program is a set of cases, each run in a forked
 * child of its own, reported in KTAP (Documentation/dev-tools/ktap.rst).
 *
 *	TEST(offsets_freeze_when_the_first_task_enters)
 *	{
 *		unshare_time();
 *		child([] {}).wait_ok();
 *		expect_errno(write_offsets("monotonic 1 0\n"), EACCES);
 *	}
 *
 * A case ends at its first failed check, which throws. main() is in
 * harness.cpp; `PROGRAM --help` shows its arguments.
 */
#pragma once

#include <cerrno>
#include <chrono>
#include <concepts>
#include <exception>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace timens
{

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/* A check that did not hold. It ends the case, or the child, that throws it. */
class check_failed : public std::exception {
public:
	explicit check_failed(std::string_view message,
			      std::source_location where = std::source_location::current());
	/* A failure that another process has already put into words. */
	static check_failed reported(std::string_view message);
	const char *what() const noexcept override;

private:
	std::string text;
};

/* A call that had to succeed and did not: its name and its errno. */
class system_failure : public check_failed {
public:
	system_failure(std::string_view call, int error,
		       std::source_location where = std::source_location::current());

	const std::string call;
	const int error;
};

/* The case cannot be decided here. */
class skipped : public std::exception {
public:
	explicit skipped(std::string_view reason);
	const char *what() const noexcept override;

private:
	std::string text;
};

[[noreturn]] void skip(std::string_view reason);

/* Writes the diagnostic line `# text`; safe in any process and thread. */
void note(std::string_view text);

/*
 * What a system call returned. It takes errno when it is made, so it is made
 * right at the call.
 */
struct outcome {
	template <std::signed_integral integer> outcome(integer returned)
		: value(returned)
		, error(returned < 0 ? errno : 0)
	{
	}

	long long value;
	int error; /* 0 when the call succeeded */
};

/* Returns the value of a call that has to succeed, or throws system_failure. */
long long check(const outcome &result, std::string_view call,
		std::source_location where = std::source_location::current());

/* "EPERM"; "success" for 0. */
std::string errno_name(int error);

/* Values as they appear in messages; a duration in seconds, with unit. */
std::string show(std::string_view value);
std::string show(nanoseconds value);

template <class arithmetic>
requires std::is_arithmetic_v<arithmetic> std::string show(arithmetic value)
{
	return std::to_string(value);
}

[[noreturn]] void fail_comparison(std::string_view what, const std::string &actual,
				  std::string_view relation, const std::string &expected,
				  std::source_location where);

/* The checks. `what` says in words what is checked. */

void expect(bool condition, std::string_view what,
	    std::source_location where = std::source_location::current());

void expect_errno(const outcome &result, int error, std::string_view what = {},
		  std::source_location where = std::source_location::current());

void expect_near(nanoseconds actual, nanoseconds expected, nanoseconds tolerance,
		 std::string_view what = {},
		 std::source_location where = std::source_location::current());

template <class left, class right>
void expect_eq(const left &actual, const right &expected, std::string_view what = {},
	       std::source_location where = std::source_location::current())
{
	bool equal;

	if constexpr (std::integral<left> && std::integral<right> && !std::same_as<left, right>)
		equal = std::cmp_equal(actual, expected);
	else
		equal = actual == expected;
	if (!equal)
		fail_comparison(what, show(actual), "", show(expected), where);
}

template <class left, class right>
void expect_ne(const left &actual, const right &expected, std::string_view what = {},
	       std::source_location where = std::source_location::current())
{
	if (actual == expected)
		fail_comparison(what, show(actual), "!=", show(expected), where);
}

template <class left, class right>
void expect_le(const left &actual, const right &limit, std::string_view what = {},
	       std::source_location where = std::source_location::current())
{
	if (!(actual <= limit))
		fail_comparison(what, show(actual), "<=", show(limit), where);
}

template <class left, class right>
void expect_ge(const left &actual, const right &limit, std::string_view what = {},
	       std::source_location where = std::source_location::current())
{
	if (!(actual >= limit))
		fail_comparison(what, show(actual), ">=", show(limit), where);
}

/* Cases. */

enum class feature { present, absent, either };

struct test_options {
	/* Longer for emulated machines by the argument --timeout-factor. */
	seconds timeout = 10s;
	/* The case is skipped unless time namespaces are so. */
	feature time_namespaces = feature::present;
	/*
	 * Why the stock 6.12 kernel is known to fail this; a diagnostic. It begins
	 * with "at times: " if that takes luck.
	 */
	std::string_view differs_from_stock = {};
};

/* What a freshly executed copy of the program gets from exec_helper(). */
using helper_arguments = std::span<char *const>;

struct test_registration {
	test_registration(std::string_view name, void (*body)(), test_options options);
};

struct helper_registration {
	helper_registration(std::string_view name, void (*body)(helper_arguments));
};

} // namespace timens

/*
 * TEST(name) or TEST(name, .timeout = 30s, .differs_from_stock = "reason"),
 * followed by the body. The name is a sentence.
 */
#define TEST(name, ...)                                                                            \
	static void test_##name();                                                                 \
	static const ::timens::test_registration registered_##name{                                \
		#name, test_##name, ::timens::test_options{ __VA_ARGS__ }                          \
	};                                                                                         \
	static void test_##name()

#define TEST_TIMEOUT(name, limit) TEST(name, .timeout = limit)

/*
 * HELPER(name), followed by a body that sees `arguments`: code that runs after
 * an execve(2) of the test program itself; see exec_helper() in process.hpp.
 */
#define HELPER(name)                                                                               \
	static void helper_##name(::timens::helper_arguments);                                     \
	static const ::timens::helper_registration registered_##name{ #name, helper_##name };      \
	static void helper_##name([[maybe_unused]] ::timens::helper_arguments arguments)
