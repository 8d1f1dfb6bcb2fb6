/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include "duration.hpp"
#include "system.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace timens
{

class target;

/*
 * A process inside a namespace that reads there what it is asked for, by
 * number. The namespace of the calling process stays as it is.
 */
class visitor {
public:
	using reader = std::function<std::optional<nanoseconds>()>;

	/* Throws what entering throws. */
	visitor(const target &where, std::vector<reader> readers);
	visitor(const visitor &) = delete;
	visitor &operator=(const visitor &) = delete;
	~visitor();

	std::optional<nanoseconds> ask(int question) const;

private:
	[[noreturn]] void serve(const target &where) const;

	std::vector<reader> readers;
	unique_fd ours, theirs;
	pid_t process;
};

} /* namespace timens */
