/* SPDX-License-Identifier: GPL-2.0-only */
/* Time namespaces as /proc shows them. */
#pragma once

#include "offsets.hpp"
#include "system.hpp"
#include "wall.hpp"

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace timens
{

/* Throws an error that says what is missing: the option of the kernel, or /proc. */
void require_time_namespaces();

/* Offsets of the namespace that the children of a process are going to enter. */
clock_times read_offsets(pid_t pid);

/*
 * Offsets of the namespace that this process is in. That of CLOCK_TAI is from a host
 * whose leap seconds are those of this namespace, which are the host's unless set.
 */
clock_times own_offsets();

/* The wall clock of this namespace; the host's on a kernel without others. */
wall_clock own_wall();

/* The host's clocks now. */
clock_times read_host_clocks(const clock_times &own);

/* A namespace that a user has named: by a process in it, or by a file. */
class target {
public:
	/* A PID, or a path with a slash; throws usage_error and error. */
	explicit target(const std::string &name);
	/* The namespace of the calling process. */
	static target own();

	/* The process that was named, or 0. */
	pid_t pid() const
	{
		return process;
	}
	ino_t inode() const
	{
		return number;
	}
	int fd() const
	{
		return file.get();
	}
	std::string name() const;

	/*
	 * The calling process, and not only its children, enters. Whoever may not
	 * do so, but owns the user namespace that the namespace belongs to, enters
	 * that one first.
	 */
	void enter() const;

	/*
	 * By ioctl, which takes no privilege. Without it by the text of a process
	 * whose children will be in the namespace, or of one that enters for that.
	 */
	clock_times offsets() const;
	/* Nothing on a kernel that has no wall clocks of namespaces. */
	std::optional<wall_clock> wall() const;

private:
	target() = default;

	pid_t process = 0;
	ino_t number = 0;
	unique_fd file;
};

/* The user who owns the user namespace that the namespace belongs to, if we may know. */
std::optional<uid_t> owner_of(int namespace_fd);

struct namespace_process {
	pid_t pid;
	uid_t uid;
	std::string command;
};

struct namespace_entry {
	ino_t inode;
	std::optional<uid_t> owner;
	std::optional<clock_times> offsets;
	std::optional<wall_clock> wall;
	std::optional<bool> frozen;
	/* 0 where only children that are still to be made will be in it. */
	unsigned int processes = 0;
	/* Nothing where a file alone keeps it. */
	std::optional<namespace_process> leader;
	/* Where it is mounted, first of all. */
	std::optional<std::string> file;
};

/*
 * All that processes are in, of the processes that we may see, or that a file of
 * our mount namespace keeps; by number.
 */
std::vector<namespace_entry> list_namespaces();

/* The arguments of a process on one line, or its name in brackets. */
std::string command_of(pid_t pid);

} /* namespace timens */
