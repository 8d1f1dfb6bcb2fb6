// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time namespaces as system calls and files give them: time_namespaces(7),
 * unshare(2), setns(2), clock_gettime(2), vdso(7), user_namespaces(7).
 *
 * What is not an outcome throws system_failure.
 */
#pragma once

#include "harness.hpp"
#include "process.hpp"

#include <compare>
#include <ctime>
#include <functional>
#include <sched.h>
#include <string>
#include <vector>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace timens
{

/* The two offsets of a namespace from the initial one. */
struct offsets {
	nanoseconds monotonic{};
	nanoseconds boottime{};

	auto operator<=>(const offsets &) const = default;
};
std::string show(const offsets &value);

inline const std::string own_offsets_file = "/proc/self/timens_offsets";

/* Has the running kernel CONFIG_TIME_NS? */
bool has_time_namespaces();

/* How many namespaces of a kind, "time" or "user", the caller's user namespace allows each user. */
void limit_namespaces(std::string_view kind, int count,
		      std::source_location where = std::source_location::current());

/* The file of the namespace that the caller is in. */
unique_fd own_namespace();

/* The file of the namespace for children. */
unique_fd pending_namespace(std::source_location where = std::source_location::current());

/* unshare(CLONE_NEWTIME): the namespace is for children, and still open. */
void unshare_time(std::source_location where = std::source_location::current());

/* One open(2) and one write(2) of the text; either can fail. */
outcome write_offsets(std::string_view text, const std::string &path = own_offsets_file);

/* The text that sets both offsets. */
std::string offsets_text(const offsets &value);

void set_offsets(const offsets &value, const std::string &path = own_offsets_file,
		 std::source_location where = std::source_location::current());

offsets read_offsets(const std::string &path = own_offsets_file,
		     std::source_location where = std::source_location::current());

/* setns(fd, CLONE_NEWTIME) */
void enter(const unique_fd &ns, std::source_location where = std::source_location::current());

/* The inode number that names a namespace, namespaces(7). */
ino_t ns_inode(const std::string &path);
ino_t ns_inode(const unique_fd &ns);

/* The namespace of a task and that of the children that it will have. */
struct time_namespaces {
	ino_t own;
	ino_t for_children;

	auto operator<=>(const time_namespaces &) const = default;
};
std::string show(const time_namespaces &value);

/* Of a task by its directory in /proc; of the calling thread by default. */
time_namespaces namespaces_of(const std::string &task = "/proc/thread-self");

/*
 * Is a clock at or after a time that was read, and moved, a moment ago? Not
 * before, as no clock goes back; after by up to 100 s, for machines that are
 * slow. So offsets to be told apart differ by more, 1000 s.
 */
void expect_soon_after(nanoseconds clock, nanoseconds earlier, std::string_view what = {},
		       std::source_location where = std::source_location::current());

/* What a task sees: its namespaces and its two clocks. */
struct time_view {
	time_namespaces namespaces;
	offsets clocks;
};

time_view view_here();

/* Does the calling thread see this, by every clock reader? */
void expect_view(const time_view &expected, std::string_view what = {},
		 std::source_location where = std::source_location::current());

/* That check as the first thing that a newly executed program does. */
std::vector<std::string> view_command(const time_view &expected);
[[noreturn]] void exec_expecting(const time_view &expected);

/*
 * In the initial namespace: unshares and sets the offsets. Returns what a task
 * in the new namespace sees.
 */
time_view unshare_with(const offsets &value,
		       std::source_location where = std::source_location::current());

/* A new, still open namespace with these offsets, held by its file. */
unique_fd make_namespace(const offsets &value);

/*
 * Runs the body in a task of a new namespace with these offsets. The caller's
 * own namespaces stay as they are; failures in the body are thrown here.
 */
void in_namespace(const offsets &value, const std::function<void()> &body);

/* Changes to another user and group for good: all capabilities are gone. */
void become_user(uid_t user);

/*
 * Enters a new user namespace where the caller is root, together with further
 * namespaces (CLONE_NEW*).
 */
void enter_user_namespace(int further = 0);

/* "CLOCK_MONOTONIC" */
std::string clock_name(clockid_t clock);

/* clock_gettime(3) by the C library. */
nanoseconds now(clockid_t clock);

/*
 * Every way in which a program of this word size can ask for the time: the
 * vDSO, whose functions are looked up here, and the bare system call; for
 * 32-bit programs both with 64-bit and with 32-bit seconds. A reader throws
 * system_failure. A 32-bit clock wraps in 2038, so it is compared only with
 * times before.
 */
struct clock_reader {
	/* "vdso", "syscall"; with 32 bits "vdso_time32", "syscall_time32" */
	std::string_view name;
	nanoseconds (*read)(clockid_t clock);
};
std::span<const clock_reader> clock_readers();

/* Has the vDSO of this architecture a function for a call, such as "clock_gettime"? */
bool vdso_has(std::string_view call);

/* Its address, vdso(7). A vDSO that lacks it, or none at all, fails the case. */
void *vdso_address(std::string_view call,
		   std::source_location where = std::source_location::current());

template <class function> function *
vdso_function(std::string_view call, std::source_location where = std::source_location::current())
{
	return reinterpret_cast<function *>(vdso_address(call, where));
}

/* A second plus nanoseconds pair of any width, and back. */
template <class timespec_like> nanoseconds to_nanoseconds(const timespec_like &time)
{
	return seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

template <class timespec_like = timespec> timespec_like to_timespec(nanoseconds time)
{
	const auto whole = std::chrono::floor<seconds>(time);
	timespec_like converted{};

	converted.tv_sec = whole.count();
	converted.tv_nsec = (time - whole).count();
	return converted;
}

} // namespace timens
