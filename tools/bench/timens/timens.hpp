/* SPDX-License-Identifier: GPL-2.0-only */
/* Time namespaces, and children in them, as little as the guest's programs need. */
#pragma once

#include "system.hpp"

#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <sched.h>
#include <stdexcept>
#include <sys/wait.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace bench
{

/* What is written to timens_offsets. Whole seconds: so no addition ever carries. */
constexpr const char *no_offsets = "";
constexpr const char *offsets = "monotonic 100000 0\nboottime 200000 0\n";

inline bool has_time_namespaces()
{
	return access("/proc/self/ns/time", F_OK) == 0;
}

/* A child that runs a function. If it fails, so does the wait for it. */
class child {
public:
	explicit child(const std::function<void()> &body)
		: pid_(check(fork(), "fork"))
	{
		if (pid_)
			return;
		try {
			body();
			_exit(0);
		} catch (const std::exception &error) {
			fprintf(stderr, "%s: %s\n", program_invocation_short_name, error.what());
			_exit(1);
		}
	}
	explicit child(pid_t pid)
		: pid_(pid)
	{
	}
	child(const child &) = delete;
	~child()
	{
		if (pid_) {
			kill(pid_, SIGKILL);
			waitpid(pid_, nullptr, 0);
		}
	}

	void wait()
	{
		int status;

		check(waitpid(std::exchange(pid_, 0), &status, 0), "waitpid");
		if (status)
			throw std::runtime_error("a child failed");
	}

private:
	pid_t pid_;
};

/* The namespace is for the children to come. */
inline void unshare_time(std::string_view offsets)
{
	check(unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME)");
	if (!offsets.empty())
		write_all(open_file("/proc/self/timens_offsets", O_WRONLY).get(), offsets);
}

inline void run_in_namespace(std::string_view offsets, const std::function<void()> &body)
{
	child([&] {
		unshare_time(offsets);
		child(body).wait();
	}).wait();
}

} /* namespace bench */
