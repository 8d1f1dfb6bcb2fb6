// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that the controller shares with its tasks: a desk for each, where
 * an order is left and an answer is found. One order is under way at a time, so
 * the fields need no lock; `turn` alone says whose they are.
 */
#pragma once

#include "contract.hpp"

#include <atomic>
#include <cstdint>

namespace fuzz
{

enum class call {
	spawn, /* a: flags, b: exit signal, c: slot of the child, d: by clone(2), not clone3(2) */
	exec,
	exit, /* a: the whole group */
	unshare, /* a: flags */
	drop, /* a: capability number, or become user b if it is negative */
	open, /* path, a: flags; the file goes to the controller */
	open_pidfd, /* a: pid, b: flags */
	setns, /* path, or the file that was sent; a: flags */
	write, /* path, or the file that was sent; text; a: at this bad address instead */
	write_undo, /* the same, and then the text `undo` */
	read, /* path, or the file that was sent */
	rewind, /* the file that was sent */
	readlink, /* path */
	clock, /* a: clock, b: by the vDSO */
	sysinfo,
	wait, /* a: way, b: clock, deadline */
	remaining, /* a: way, b: clock, deadline */
	pidfd_space, /* the pidfd that was sent, a: ioctl; the file goes to the controller */
	arm, /* a: clock, deadline; the timerfd goes to the controller */
	left, /* of the timerfd that was sent */
};

/* Ways to wait for an absolute time. */
enum class way { nanosleep, timerfd, timer, futex_bitset, futex_waitv, futex_lock_pi2 };
constexpr unsigned ways = 6;

enum class turn : std::uint32_t { nobody, task, controller };

struct desk {
	std::atomic<turn> whose;
	call what;
	long a, b, c, d;
	std::int64_t deadline;
	bool sends_file;
	char path[64];
	char undo[128];
	unsigned length;
	char text[4608];

	long value; /* or -errno */
	std::int64_t reading;
	unsigned long inode; /* of the namespace for children, after calls that make one */
	char answer[8192];
};

struct board {
	std::atomic<std::uint32_t> bell; /* moves with every answer */
	std::uint32_t futex; /* what nobody ever wakes */
	std::uint32_t lock; /* held by the controller */
	desk desks[contract::slots];
};

/* Where every task finds them, also after exec. */
constexpr int board_fd = 60;
constexpr int files_fd = 61; /* the tasks' end of the socket that carries files */
constexpr int controller_fd = 62; /* the other end */

board &map_board();

/* One file over the socket. */
void send_file(int socket, int fd);
int receive_file(int socket);

/* The life of a task: it carries out orders until it is told to end. */
[[noreturn]] void serve(unsigned slot);
/* The first thing that it does, in a new process or program. */
[[noreturn]] void begin_service(unsigned slot);

/* clone(2), fork(2) and the like can be called only so: the child runs on a stack of its own. */
long raw(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0);

/* clock_gettime by the vDSO; -ENOSYS if there is none. */
long vdso_clock_gettime(long clock, void *time);

} /* namespace fuzz */
