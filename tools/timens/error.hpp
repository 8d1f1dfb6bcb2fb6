/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace timens
{

/* How timens itself ends; run and exec keep to env(1). */
enum exit_status {
	exit_good = 0,
	exit_failure = 1,
	exit_usage = 2,
	exit_no_run = 125,
	exit_cannot_execute = 126,
	exit_not_found = 127,
};

/* What is wrong and what would be right, on one line. */
class error : public std::runtime_error {
public:
	explicit error(const std::string &message, int status = exit_failure)
		: std::runtime_error(message)
		, status(status)
	{
	}

	const int status;
};

/* The command line is wrong, and nothing has been done. */
class usage_error : public error {
public:
	explicit usage_error(const std::string &message)
		: error(message, exit_usage)
	{
	}
};

/*
 * The options or the number of operands are wrong, so that --help is of use. The
 * message is empty where getopt(3) has already written its own.
 */
class syntax_error : public usage_error {
public:
	using usage_error::usage_error;
};

/* A failed call: its name and its errno, and advice where there is some. */
class system_failure : public error {
public:
	system_failure(const std::string &call, int code, const std::string &advice = {})
		: error(call + ": " + std::generic_category().message(code) +
			(advice.empty() ? "" : ": " + advice))
		, code(code)
	{
	}

	const int code;
};

template <class number> number check(number result, const std::string &call)
{
	if (result < 0)
		throw system_failure(call, errno);
	return result;
}

} /* namespace timens */
