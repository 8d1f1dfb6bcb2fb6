// SPDX-License-Identifier: GPL-2.0-only
/*
 * How times are compared.
 *
 * The controller never leaves the host's clocks. It reads a clock before it
 * gives an order and again after the answer; what a task has read of the same
 * clock, less its offset, must lie between the two. A clock never goes back, and
 * all tasks are on one processor, so no tolerance is needed but the resolution
 * of the interface:
 *
 * - clocks, and what is left of a timer: none;
 * - /proc/uptime: 10 ms, as it shows hundredths, cut;
 * - sysinfo(): none, as the controller does the same rounding up;
 * - starttime: one tick of 10 ms, as the controller too sees a cut value;
 * - btime: one second, for the same reason;
 * - a wait must not end before its time on the host's clock. It may end late by
 *   PATIENCE, because the guest is emulated on a shared machine: only a wait
 *   that would last for the length of an offset is an error, and all offsets
 *   but a few are longer.
 *
 * What is printed is only whether that holds, never a time.
 */
#include "session.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef PIDFD_GET_TIME_NAMESPACE
#define PIDFD_GET_TIME_NAMESPACE _IO(0xff, 7)
#define PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE _IO(0xff, 8)
#endif
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

namespace fuzz
{

namespace
{

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t tick = 10'000'000; /* of /proc: USER_HZ is 100 */
constexpr std::int64_t patience = 5 * second;
constexpr std::int64_t endless = 100LL * 365 * 86400 * second;
constexpr timespec answer_limit{ 20, 0 };
constexpr unsigned ordinary_user = 1000;

std::string errno_name(long error)
{
	const char *name = strerrorname_np(static_cast<int>(error));

	return name ? name : "errno " + std::to_string(error);
}

std::string show_result(long value)
{
	return value < 0 && value >= -4095 ? errno_name(-value) : std::to_string(value);
}

/* The host's clock, or -errno in `error`. */
std::int64_t host(clockid_t clock, long *error = nullptr)
{
	timespec now{};
	const long result = raw(SYS_clock_gettime, clock, reinterpret_cast<long>(&now));

	if (error)
		*error = result;
	return now.tv_sec * second + now.tv_nsec;
}

std::string read_host(const std::string &path)
{
	char text[4096];
	const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
	const auto length = fd < 0 ? -1 : ::read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	return { text, static_cast<std::size_t>(std::max<ssize_t>(length, 0)) };
}

/* The field that follows the name in parentheses, as proc(5) counts: the state is the third. */
std::string stat_field(const std::string &stat, int number)
{
	auto at = stat.rfind(')');

	if (at == stat.npos)
		return {};
	for (int field = 2; field < number; field++) {
		at = stat.find(' ', at + 1);
		if (at == stat.npos)
			return {};
	}
	return stat.substr(at + 1, stat.find(' ', at + 1) - at - 1);
}

bool follows_monotonic(clockid_t clock)
{
	return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
	       clock == CLOCK_MONOTONIC_COARSE;
}

std::int64_t offset_of(const time_space &space, clockid_t clock)
{
	if (follows_monotonic(clock))
		return space.by.monotonic;
	return clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM ? space.by.boottime : 0;
}

const char *clock_name(clockid_t clock)
{
	static constexpr const char *names[] = {
		"REALTIME",	  "MONOTONIC",	     "PROCESS_CPUTIME",	 "THREAD_CPUTIME",
		"MONOTONIC_RAW",  "REALTIME_COARSE", "MONOTONIC_COARSE", "BOOTTIME",
		"REALTIME_ALARM", "BOOTTIME_ALARM",  "SGI_CYCLE",	 "TAI"
	};

	return names[clock];
}

void close_held(int &fd)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
}

/* For the self-test: the guest has LKDTM. */
void die()
{
	const int fd = open("/sys/kernel/debug/provoke-crash/DIRECT", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || ::write(fd, "PANIC", 5) != 5)
		throw std::runtime_error("cannot make the kernel panic: " + errno_name(errno));
}

} /* namespace */

session::session(board &shared, flavour kernel, sabotage wrong)
	: shared(shared)
	, model(kernel, wrong)
{
	std::ranges::fill(held_fds, -1);
	for (auto &each : shared.desks)
		each.whose = turn::nobody;
	shared.futex = 0;
	struct stat own {};
	stat("/proc/self/ns/time", &own);
	model.initial->inode = own.st_ino;
}

session::~session()
{
	for (auto &each : held_fds)
		close_held(each);
	kill_all();
	if (model.root->limit == INT_MAX)
		return;
	const int fd = open("/proc/sys/user/max_time_namespaces", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || ::write(fd, "2147483647", 10) != 10)
		abort();
	close(fd);
}

/* ---------------------------------------------------------- what is printed */

void session::say(const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	said += text;
}

void session::mark(difference what)
{
	if (tags.insert(what).second)
		met[known_differences[static_cast<std::size_t>(what)].name]++;
}

void session::expect(long seen, long expected)
{
	say(" = %s", show_result(seen).c_str());
	if (seen != expected)
		throw divergence("the contract says " + show_result(expected) + ", the kernel " +
				 show_result(seen));
}

void session::expect_within(std::int64_t seen, std::int64_t low, std::int64_t high)
{
	if (seen < low || seen > high) {
		const double by = seen < low ? seen - low : seen - high;

		say(" wrong");
		throw divergence("a reading is off by " + std::to_string(by / second) +
				 " s: " + std::to_string(seen) + " is not in " +
				 std::to_string(low) + " to " + std::to_string(high));
	}
	say(", as predicted");
}

/* -------------------------------------------------------------------- orders */

void session::await(const desk &answer, const std::string &who)
{
	for (;;) {
		const auto bell = shared.bell.load();

		if (answer.whose == turn::controller)
			return;
		if (raw(SYS_futex, reinterpret_cast<long>(&shared.bell), FUTEX_WAIT, bell,
			reinterpret_cast<long>(&answer_limit)) == -ETIMEDOUT)
			throw divergence("no answer from " + who + " within " +
					 std::to_string(answer_limit.tv_sec) + " s");
	}
}

desk &session::order(task &actor, call what, long a, long b, long c, long d)
{
	auto &to = shared.desks[actor.slot];

	to.what = what;
	to.a = a;
	to.b = b;
	to.c = c;
	to.d = d;
	to.sends_file = false;
	to.path[0] = 0;
	to.length = 0;
	return to;
}

/* Hands the order over. */
void session::ask(task &actor)
{
	auto &to = shared.desks[actor.slot];

	to.whose = turn::task;
	raw(SYS_futex, reinterpret_cast<long>(&to.whose), FUTEX_WAKE, 1);
}

void session::attach(desk &to, unsigned file)
{
	to.sends_file = true;
	send_file(controller_fd, held_fds[file]);
}

/* --------------------------------------------------------- tasks and objects */

void session::start_process()
{
	const auto slot = model.free_slot();

	shared.desks[slot].whose = turn::nobody;
	const auto pid = fork();
	if (pid < 0)
		throw std::runtime_error("fork: " + errno_name(errno));
	if (pid == 0) {
		/* A copy of a held file would keep what it refers to alive. */
		for (auto &each : held_fds)
			close_held(each);
		begin_service(slot);
	}
	/* What it makes is of its process group, and ends with it. */
	setpgid(pid, pid);
	groups.push_back(pid);
	model.start(slot, pid);
	await(shared.desks[slot], "a new process");
}

task &session::actor_of(const operation &what)
{
	if (model.running().empty()) {
		/* All are dead or wait for the dead, which cannot be: those who wait have a child that runs. */
		for (auto *each : model.reapable()) {
			waitpid(each->id->number, nullptr, __WALL);
			model.reap(*each);
		}
		start_process();
	}
	const auto tasks = model.running();

	return *tasks[what.actor % tasks.size()];
}

/* One in three operations is about the actor itself. */
task *session::object_of(const operation &what, const task &actor)
{
	const auto tasks = model.all();

	if (what.object % 3 == 0)
		return model.at(actor.slot);
	return tasks[what.object / 3 % tasks.size()];
}

/* One of the ways in which a task can be named in /proc. */
std::string session::path_of(const operation &what, const task &actor, task *&target,
			     const char *name, bool &by_thread)
{
	const auto way = what.choice % 4;
	char path[64];

	by_thread = way >= 2;
	if (target == &actor && what.choice / 4 % 2) {
		if (!by_thread)
			target = target->group->leader;
		say(" %s/%s of t%u", by_thread ? "thread-self" : "self", name, target->slot);
		snprintf(path, sizeof(path), "/proc/%s/%s", by_thread ? "thread-self" : "self",
			 name);
	} else if (by_thread) {
		say(" task/TID/%s of t%u", name, target->slot);
		snprintf(path, sizeof(path), "/proc/%d/task/%d/%s",
			 target->group->leader->id->number, target->id->number, name);
	} else {
		say(" PID/%s of t%u", name, target->slot);
		snprintf(path, sizeof(path), "/proc/%d/%s", target->id->number, name);
	}
	return path;
}

void session::kill_all()
{
	for (const auto each : groups)
		kill(-each, SIGKILL);
	while (waitpid(-1, nullptr, __WALL) > 0)
		;
}

/* Those who waited for a child run again, and tell what their call returned. */
void session::settle(const std::vector<task *> &released)
{
	for (const auto *each : released) {
		const auto &answer = shared.desks[each->slot];

		await(answer, "a parent after vfork");
		if (answer.value <= 0)
			throw divergence("a parent after vfork got " + show_result(answer.value));
	}
}

/*
 * A thread is gone when its number is. The number goes a moment before the
 * thread leaves its group, both under one lock, which waitid() takes too.
 */
void session::wait_gone(int group, int number)
{
	while (raw(SYS_tgkill, group, number, 0) != -ESRCH)
		sched_yield();
	siginfo_t ignored;
	waitid(P_PID, group, &ignored, WEXITED | WNOHANG | WNOWAIT | __WALL);
}

void session::wait_dead_leader(int group)
{
	const auto path =
		"/proc/" + std::to_string(group) + "/task/" + std::to_string(group) + "/stat";

	while (stat_field(read_host(path), 3) != "Z")
		sched_yield();
}

void session::wait_zombie(int group)
{
	siginfo_t info;

	if (waitid(P_PID, group, &info, WEXITED | WNOWAIT | __WALL) < 0)
		throw divergence("a process cannot be waited for: " + errno_name(errno));
	if (info.si_code != CLD_EXITED || info.si_status != 0)
		throw divergence("a process ended with status " + std::to_string(info.si_status));
}

/* A new namespace has a number that no living one has. */
void session::learn_inode(const time_space_ref &space, unsigned long inode)
{
	const auto taken = [&](const time_space_ref &other) {
		return other && other != space && other->inode == inode;
	};
	bool old = inode == 0;

	for (const auto *each : model.all())
		old = old || taken(each->own) || taken(each->children);
	for (const auto &each : held)
		old = old || taken(each.target_space);
	if (old)
		throw divergence("a new namespace has the number of another one, " +
				 std::to_string(inode));
	space->inode = inode;
	say(" makes ns%u", space->serial);
}

void session::hold(unsigned slot, held_file file, int fd)
{
	close_held(held_fds[slot]);
	held[slot] = std::move(file);
	held_fds[slot] = fd;
}

/* -------------------------------------------------------------- operations */

void session::spawn(task &actor, const operation &what)
{
	static constexpr struct {
		spawn_kind kind;
		const char *name;
		unsigned long flags;
	} kinds[] = {
		{ spawn_kind::fork, "fork", CLONE_PARENT },
		{ spawn_kind::fork, "fork", CLONE_PARENT },
		{ spawn_kind::vfork, "vfork", CLONE_PARENT | CLONE_VM | CLONE_VFORK },
		{ spawn_kind::shared, "clone with CLONE_VM", CLONE_PARENT | CLONE_VM },
		{ spawn_kind::thread, "thread",
		  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM },
	};
	const auto &kind = kinds[what.choice % std::size(kinds)];
	const bool legacy = what.detail % 3 == 0;
	const bool new_time = what.detail / 3 % 3 == 0;
	const bool new_user = what.detail / 9 % 8 == 0;
	const bool bad_signal = !legacy && what.detail / 72 % 16 == 0;

	say("%s by %s%s%s%s", kind.name, legacy ? "clone" : "clone3", new_time ? ", NEWTIME" : "",
	    new_user ? ", NEWUSER" : "", bad_signal ? ", with an exit signal" : "");
	if (!model.has_free_slot()) {
		say(": no room");
		return;
	}
	if (kind.kind == spawn_kind::vfork && model.wrong == sabotage::vfork_panics)
		die();
	const auto slot = model.free_slot();
	auto &child = shared.desks[slot];
	/* To clone(2) the flag is a part of the exit signal. */
	const int expected =
		bad_signal ? EINVAL
			   : model.spawn(actor, kind.kind, new_time && !legacy, new_user, slot);

	child.whose = turn::nobody;
	auto &mine =
		order(actor, call::spawn,
		      kind.flags | (new_time ? CLONE_NEWTIME : 0) | (new_user ? CLONE_NEWUSER : 0),
		      bad_signal ? SIGCHLD : 0, slot, legacy);
	ask(actor);
	if (expected || kind.kind != spawn_kind::vfork) {
		await(mine, "a task that makes another");
		expect(std::min(mine.value, 0L), -expected);
	}
	if (expected)
		return;
	await(child, "a new task");
	if (child.value)
		throw divergence("a new task could not set itself up: " + show_result(child.value));
	auto &made = *model.at(slot);
	made.id->number = static_cast<int>(child.reading);
	say(" is t%u", slot);
	if (new_time && !legacy)
		learn_inode(made.children, child.inode);
}

void session::exec(task &actor)
{
	const auto group = actor.group->leader->id->number;
	std::vector<int> threads;

	for (const auto *each : actor.group->members) {
		if (each != &actor && !each->leads())
			threads.push_back(each->id->number);
	}
	if (!actor.leads())
		threads.push_back(actor.id->number); /* it takes that of the leader */
	say("exec");
	auto &mine = order(actor, call::exec);
	const auto released = model.exec(actor);

	ask(actor);
	await(mine, "a task in exec");
	for (const auto each : threads)
		wait_gone(group, each);
	expect(mine.value, 0);
	settle(released);
}

void session::exit(task &actor, const operation &what)
{
	const bool whole = what.choice % 2;
	const auto group = actor.group;
	const auto number = group->leader->id->number;
	const auto own = actor.id->number;
	const bool leads = actor.leads();
	std::vector<int> threads;

	say("exit%s", whole ? " of the process" : "");
	for (const auto *each : group->members) {
		if (!each->leads() && (whole || each == &actor))
			threads.push_back(each->id->number);
	}
	order(actor, call::exit, whole);
	ask(actor);
	/* The task is deleted by this, if it is a thread. */
	const auto released = model.exit(actor, whole);
	for (const auto each : threads)
		wait_gone(number, each);
	if (group->members.size() == 1 && group->leader->state == life::dead)
		wait_zombie(number);
	else if (leads)
		wait_dead_leader(own);
	settle(released);
}

void session::reap(const operation &what)
{
	const auto dead = model.reapable();

	if (dead.empty()) {
		say("reap: none is dead");
		return;
	}
	auto &chosen = *dead[what.object % dead.size()];

	say("reap t%u", chosen.slot);
	if (waitpid(chosen.id->number, nullptr, __WALL) != chosen.id->number)
		throw divergence("a zombie cannot be waited for: " + errno_name(errno));
	model.reap(chosen);
}

void session::unshare(task &actor, const operation &what)
{
	const bool new_user = what.choice % 4 == 0;
	const bool new_time = !new_user || what.choice / 4 % 2;

	say("unshare%s%s", new_time ? " NEWTIME" : "", new_user ? " NEWUSER" : "");
	const auto expected = model.unshare(actor, new_time, new_user);
	auto &mine = order(actor, call::unshare,
			   (new_time ? CLONE_NEWTIME : 0) | (new_user ? CLONE_NEWUSER : 0));
	ask(actor);
	await(mine, "a task in unshare");
	expect(mine.value, -expected);
	if (!expected && new_time)
		learn_inode(actor.children, mine.inode);
}

void session::drop(task &actor, const operation &what)
{
	static constexpr struct {
		capability model;
		long number;
		const char *name;
	} capabilities[] = {
		{ cap_sys_admin, 21, "SYS_ADMIN" },
		{ cap_sys_time, 25, "SYS_TIME" },
		{ cap_sys_ptrace, 19, "SYS_PTRACE" },
		{ cap_dac_override, 1, "DAC_OVERRIDE" },
	};

	if (what.choice % 4 == 0 && actor.who.in == model.root && actor.who.user == 0) {
		say("become user %u", ordinary_user);
		model.become_user(actor, ordinary_user);
		auto &mine = order(actor, call::drop, -1, ordinary_user);
		ask(actor);
		await(mine, "a task that changes its user");
		expect(mine.value, 0);
		return;
	}
	const auto &chosen = capabilities[what.detail % std::size(capabilities)];

	say("drop CAP_%s", chosen.name);
	model.drop(actor, chosen.model);
	auto &mine = order(actor, call::drop, chosen.number);
	ask(actor);
	await(mine, "a task that drops a capability");
	expect(mine.value, 0);
}

/* Close to what there is, so that it matters; or away with it. */
void session::limit(task &actor, const operation &what)
{
	auto &space = *actor.who.in;
	const auto room = what.detail % 3;
	const bool none = what.choice % 2;
	const auto value = none ? INT_MAX : space.charged[actor.who.user] + room;

	if (none)
		say("no limit of time namespaces");
	else
		say("limit time namespaces to %u more", room);
	const auto expected = model.may_set_limit(actor);
	auto &mine = order(actor, call::write);
	strcpy(mine.path, "/proc/sys/user/max_time_namespaces");
	mine.length = snprintf(mine.text, sizeof(mine.text), "%ld\n", static_cast<long>(value));
	ask(actor);
	await(mine, "a task that writes a limit");
	expect(mine.value, expected ? -expected : static_cast<long>(mine.length));
	if (!expected)
		space.limit = value;
}

/* Opens a file and leaves it with the controller, for anyone to use later. */
void session::keep(task &actor, const operation &what)
{
	const auto slot = what.detail % held_files;
	static constexpr enum {
		own,
		children,
		readable,
		writable,
		pidfd,
		by_pidfd,
		children_by_pidfd,
		timer
	} kinds[] = {
		own,   children, readable,	    writable, writable, pidfd,
		pidfd, by_pidfd, children_by_pidfd, timer,    timer,
	};
	const auto kind = kinds[what.detail / held_files % std::size(kinds)];
	auto *target = object_of(what, actor);
	held_file file;
	int expected;
	desk *mine;
	bool by_thread = false;

	say("keep as f%u", slot);
	if (kind == timer) {
		static constexpr clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME,
							CLOCK_REALTIME };

		file.kind = held_file::timer;
		file.clock = clocks[what.choice % std::size(clocks)];
		file.host_deadline = host(file.clock) + 1000 * second;
		expected = 0;
		say(" a timerfd of %s", clock_name(file.clock));
		mine = &order(actor, call::arm, file.clock);
		mine->deadline = file.host_deadline + offset_of(*actor.own, file.clock);
	} else if (kind == by_pidfd || kind == children_by_pidfd) {
		const auto source = what.object % held_files;

		say(" by f%u the namespace%s", source, kind == by_pidfd ? "" : " for children");
		if (held[source].kind != held_file::pidfd) {
			say(": no pidfd");
			return;
		}
		target = held[source].target->who;
		expected = !target ? ESRCH : model.look(actor, *target);
		if (!expected && target->state == life::dead)
			expected = ESRCH;
		file.kind = held_file::space;
		if (!expected)
			file.target_space = kind == by_pidfd ? target->own : target->children;
		mine = &order(actor, call::pidfd_space,
			      kind == by_pidfd ? PIDFD_GET_TIME_NAMESPACE
					       : PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE);
		attach(*mine, source);
	} else if (kind == pidfd) {
		const bool thread = what.choice % 2;

		say(" a pidfd of t%u%s", target->slot, thread ? " as a thread" : "");
		file.kind = held_file::pidfd;
		expected = thread || target->leads() ? 0 : EINVAL;
		mine = &order(actor, call::open_pidfd, target->id->number,
			      thread ? PIDFD_THREAD : 0);
	} else {
		const bool offsets = kind == readable || kind == writable;
		const auto path = path_of(what, actor, target,
					  offsets	     ? "timens_offsets"
					  : kind == children ? "ns/time_for_children"
							     : "ns/time",
					  by_thread);

		if (offsets) {
			file.kind = held_file::offsets;
			file.writable = kind == writable;
			expected = model.open_offsets(actor, *target, file.writable);
			if (by_thread) {
				/* Not kept, so that both kernels go on from the same state. */
				say(": not kept");
				return;
			}
		} else {
			file.kind = held_file::space;
			expected = model.look(actor, *target);
			if (!expected && target->state == life::dead)
				expected = ENOENT;
			if (!expected)
				file.target_space =
					kind == children ? target->children : target->own;
		}
		mine = &order(actor, call::open, file.writable ? O_RDWR : O_RDONLY);
		strcpy(mine->path, path.c_str());
	}
	if (target)
		file.target = target->id;
	file.opener = actor.who;
	ask(actor);
	await(*mine, "a task that opens a file");
	const int fd = mine->value < 0 ? -1 : receive_file(controller_fd);
	if (fd >= 0 && expected)
		close(fd);
	expect(mine->value, -expected);
	if (expected)
		return;
	if (file.kind == held_file::space) {
		struct stat found {};

		fstat(fd, &found);
		say(" ns%u", file.target_space->serial);
		if (found.st_ino != file.target_space->inode)
			throw divergence("it is not ns" +
					 std::to_string(file.target_space->serial) +
					 " but has the number " + std::to_string(found.st_ino));
	}
	hold(slot, std::move(file), fd);
}

void session::enter(task &actor, const operation &what)
{
	static constexpr unsigned long flag_choices[] = {
		CLONE_NEWTIME, CLONE_NEWTIME,
		CLONE_NEWTIME, 0,
		CLONE_NEWUTS,  CLONE_NEWTIME | CLONE_NEWUSER
	};
	const auto flags = flag_choices[what.detail % std::size(flag_choices)];
	const auto file = what.detail / 8 % held_files;
	const char *const flags_name = flags == CLONE_NEWTIME  ? "NEWTIME"
				       : flags == CLONE_NEWUTS ? "NEWUTS"
				       : flags		       ? "NEWTIME NEWUSER"
							       : "0";
	int expected;

	auto &mine = order(actor, call::setns, static_cast<long>(flags));
	if (what.detail / 64 % 2 && held[file].kind != held_file::nothing) {
		const auto &chosen = held[file];

		say("setns f%u %s", file, flags_name);
		if (chosen.kind == held_file::space)
			expected = model.enter(actor, chosen.target_space, flags);
		else if (chosen.kind == held_file::pidfd) {
			const auto *target = chosen.target->who;

			/* Not what is of other namespaces, nor what leaves a task without a user. */
			if (flags == CLONE_NEWUTS ||
			    (flags & CLONE_NEWUSER && target && target->who.in != model.root &&
			     target->who.in->owner != actor.who.user)) {
				say(": not done");
				return;
			}
			expected = model.enter_by_pidfd(actor, target, flags);
		} else
			expected = EINVAL;
		attach(mine, file);
	} else {
		auto *target = object_of(what, actor);
		const bool children = what.detail / 128 % 2;
		bool by_thread;

		say("setns %s", flags_name);
		const auto path = path_of(what, actor, target,
					  children ? "ns/time_for_children" : "ns/time", by_thread);
		expected = model.look(actor, *target);
		if (!expected && target->state == life::dead)
			expected = ENOENT;
		if (!expected) {
			const auto space = children ? target->children : target->own;

			expected = model.enter(actor, space, flags);
		}
		strcpy(mine.path, path.c_str());
	}
	ask(actor);
	await(mine, "a task in setns");
	expect(mine.value, -expected);
}

void session::write(task &actor, const operation &what)
{
	const auto file = what.detail / 1024 % held_files;
	const auto &text = choose_text(what.detail % 1024);
	const bool bad_address = what.detail / 8192 % 32 == 0;
	const bool by_file = what.detail / 65536 % 2 && held[file].kind == held_file::offsets;
	held_file *chosen = nullptr;
	task *target = nullptr;
	bool by_thread = false;
	std::string path;
	int expected_open = 0;

	say("write");
	if (by_file) {
		chosen = &held[file];
		say(" f%u", file);
	} else {
		target = object_of(what, actor);
		path = path_of(what, actor, target, "timens_offsets", by_thread);
		expected_open = model.open_offsets(actor, *target, true);
		if (by_thread) {
			mark(difference::thread_file);
			if (model.kernel == flavour::stock)
				expected_open = ENOENT;
		}
	}

	const auto now = host(CLOCK_MONOTONIC);
	const auto content = expand(text, now);
	say(" %s%s", bad_address ? "a bad address" : quote(text.form).c_str(),
	    text.padded_to ? ", padded" : "");
	if (text.padded_to)
		say(" to %zu", text.padded_to);

	const identity of = by_file ? *chosen->target : identity{ 0, target };
	const auto &opener = by_file ? chosen->opener : actor.who;
	const bool moved = by_file && chosen->moved;
	const auto *before = of.who && of.who->state != life::dead ? of.who : nullptr;
	const auto old = before ? before->children->by : shift{};
	bool undo = false;
	long expected;

	if (expected_open) {
		expected = -expected_open;
	} else if (by_file && !chosen->writable) {
		expected = -EBADF;
	} else if (bad_address) {
		expected = moved || content.size() >= 4096 ? -EINVAL
			   : content.empty()		   ? -EINVAL
							   : -EFAULT;
	} else {
		bool differs;

		expected = model.write(of, opener, content, moved, now, differs).value;
		if (differs)
			mark(difference::wide_number);
		/* Where the other kernel does not do it, it is undone, so that both go on from the same state. */
		undo = expected > 0 && !tags.empty();
		if (undo)
			before->children->by = old;
	}
	auto &mine = order(actor, undo ? call::write_undo : call::write, bad_address ? 8 : 0);
	strcpy(mine.path, path.c_str());
	strcpy(mine.undo, show_offsets(old).c_str());
	memcpy(mine.text, content.data(), content.size());
	mine.length = content.size();
	if (by_file)
		attach(mine, file);
	ask(actor);
	await(mine, "a task that writes offsets");
	/* How long a text is may depend on the time. */
	const auto show = [&](long value) {
		return value > 0 && value == static_cast<long>(content.size()) ? "all"
									       : show_result(value);
	};
	say(" = %s", show(mine.value).c_str());
	if (mine.value != expected)
		throw divergence("the contract says " + show(expected) + ", the kernel " +
				 show(mine.value));
}

void session::read(task &actor, const operation &what)
{
	const auto file = what.detail % held_files;
	const bool by_file = what.detail / 8 % 2 && held[file].kind == held_file::offsets;
	std::string expected;
	long result = 0;

	if (by_file) {
		auto &chosen = held[file];
		const auto *target = chosen.target->who;

		if (what.detail / 16 % 2) {
			say("rewind f%u", file);
			auto &mine = order(actor, call::rewind);
			attach(mine, file);
			ask(actor);
			await(mine, "a task that rewinds a file");
			expect(mine.value, 0);
			chosen.moved = false;
			return;
		}
		say("read f%u", file);
		if (!chosen.moved) {
			if (!target)
				result = -ESRCH;
			else if (target->state != life::dead)
				expected = show_offsets(target->children->by);
		}
		chosen.moved = chosen.moved || !expected.empty();
		auto &mine = order(actor, call::read);
		attach(mine, file);
	} else {
		auto *target = object_of(what, actor);
		bool by_thread;

		say("read");
		const auto path = path_of(what, actor, target, "timens_offsets", by_thread);
		if (by_thread)
			mark(difference::thread_file);
		if (by_thread && model.kernel == flavour::stock)
			result = -ENOENT;
		else if (target->state != life::dead)
			expected = show_offsets(target->children->by);
		auto &mine = order(actor, call::read);
		strcpy(mine.path, path.c_str());
	}
	ask(actor);
	const auto &mine = shared.desks[actor.slot];
	await(mine, "a task that reads offsets");
	/* The length tells of the value, which may depend on the time. */
	say(" = %s", mine.value < 0 ? show_result(mine.value).c_str()
		     : mine.value   ? "offsets"
				    : "nothing");
	if (mine.value != (result ? result : static_cast<long>(expected.size())))
		throw divergence("the contract says " +
				 show_result(result ? result : expected.size()) + ", the kernel " +
				 show_result(mine.value));
	if (expected != mine.answer)
		throw divergence("the contract shows " + quote(expected) + ", the kernel " +
				 quote(mine.answer));
}

void session::clock(task &actor, const operation &what)
{
	static constexpr clockid_t clocks[] = { CLOCK_MONOTONIC,
						CLOCK_MONOTONIC,
						CLOCK_BOOTTIME,
						CLOCK_BOOTTIME,
						CLOCK_MONOTONIC_RAW,
						CLOCK_MONOTONIC_COARSE,
						CLOCK_BOOTTIME_ALARM,
						CLOCK_REALTIME_ALARM,
						CLOCK_REALTIME,
						CLOCK_REALTIME_COARSE,
						CLOCK_TAI };
	const auto clock = clocks[what.detail % std::size(clocks)];
	const bool vdso = what.choice % 2;
	const auto offset = offset_of(*actor.own, clock);
	long error;

	say("clock %s by %s", clock_name(clock), vdso ? "vDSO" : "system call");
	const auto before = host(clock, &error);
	auto &mine = order(actor, call::clock, clock, vdso);
	ask(actor);
	await(mine, "a task that reads a clock");
	const auto after = host(clock);
	expect(mine.value, error);
	if (error)
		return;

	auto low = before + offset;
	auto high = after + offset;
	if (low < 0) {
		mark(difference::negative_clock);
		if (model.kernel == flavour::timens) {
			low = 0;
			high = std::max<std::int64_t>(high, 0);
		}
	}
	expect_within(mine.reading, low, high);
}

void session::view(task &actor, const operation &what)
{
	const auto &by = actor.own->by;
	const auto ceil_seconds = [](std::int64_t time) { return (time + second - 1) / second; };

	switch (what.choice % 4) {
	case 0: {
		say("/proc/uptime");
		const auto before = host(CLOCK_BOOTTIME);
		auto &mine = order(actor, call::read);
		strcpy(mine.path, "/proc/uptime");
		ask(actor);
		await(mine, "a task that reads the uptime");
		const auto after = host(CLOCK_BOOTTIME);
		long long seconds = 0, hundredths = 0;
		if (sscanf(mine.answer, "%lld.%lld ", &seconds, &hundredths) != 2)
			throw divergence("/proc/uptime says " + quote(mine.answer));
		expect_within(seconds * second + hundredths * tick, before + by.boottime - tick,
			      after + by.boottime);
		return;
	}
	case 1: {
		say("sysinfo");
		const auto before = host(CLOCK_BOOTTIME);
		auto &mine = order(actor, call::sysinfo);
		ask(actor);
		await(mine, "a task that asks sysinfo");
		const auto after = host(CLOCK_BOOTTIME);
		expect_within(mine.reading, ceil_seconds(before + by.boottime),
			      ceil_seconds(after + by.boottime));
		return;
	}
	case 2: {
		say("/proc/stat btime");
		const auto text = [](const std::string &stat) {
			const auto at = stat.find("\nbtime ");
			return at == stat.npos ? 0ULL : std::stoull(stat.substr(at + 7));
		};
		const auto date = static_cast<std::int64_t>(text(read_host("/proc/stat")));
		auto &mine = order(actor, call::read);
		strcpy(mine.path, "/proc/stat");
		ask(actor);
		await(mine, "a task that reads the date of boot");
		const auto seen = static_cast<std::int64_t>(text(mine.answer));
		auto expected = date - by.boottime / second;
		if (expected < 1) {
			mark(difference::negative_start);
			if (model.kernel == flavour::timens)
				expected = std::max<std::int64_t>(expected, 0);
		}
		expect_within(seen, expected - 1, expected + 1);
		return;
	}
	default: {
		auto *target = object_of(what, actor);
		bool by_thread;

		say("starttime");
		const auto path = path_of(what, actor, target, "stat", by_thread);
		char resolved[64];
		snprintf(resolved, sizeof(resolved), "/proc/%d/task/%d/stat",
			 target->group->leader->id->number, target->id->number);
		const auto started = std::stoll(stat_field(read_host(resolved), 22));
		auto &mine = order(actor, call::read);
		strcpy(mine.path, path.c_str());
		ask(actor);
		await(mine, "a task that reads a start time");
		if (mine.value <= 0)
			throw divergence("the start time cannot be read: " +
					 show_result(mine.value));
		const auto seen = std::stoull(stat_field(mine.answer, 22));
		const auto moved = started * tick + by.boottime;
		if (moved < tick) {
			mark(difference::negative_start);
			if (model.kernel == flavour::stock && moved < 0 &&
			    seen > INT64_MAX / tick) {
				const auto wrapped = static_cast<std::int64_t>(
					(UINT64_MAX - seen * tick) / tick);
				expect_within(-wrapped, moved / tick - 2, moved / tick + 2);
				return;
			}
		}
		const auto expected = std::max<std::int64_t>(moved, 0) / tick;
		expect_within(static_cast<std::int64_t>(seen), expected - 1, expected + 1);
		return;
	}
	}
}

void session::link(task &actor, const operation &what)
{
	const bool children = what.detail % 2;
	auto *target = object_of(what, actor);
	bool by_thread;

	say("readlink");
	const auto path = path_of(what, actor, target,
				  children ? "ns/time_for_children" : "ns/time", by_thread);
	auto expected = model.look(actor, *target);
	if (!expected && target->state == life::dead)
		expected = ENOENT;
	auto &mine = order(actor, call::readlink);
	strcpy(mine.path, path.c_str());
	ask(actor);
	await(mine, "a task that reads a link");
	expect(mine.value, -expected);
	if (expected)
		return;
	const auto &space = *(children ? target->children : target->own);
	const auto name = "time:[" + std::to_string(space.inode) + "]";
	say(" ns%u", space.serial);
	if (name != mine.answer)
		throw divergence("the link says " + quote(mine.answer) + ", and not ns" +
				 std::to_string(space.serial) + ", " + name);
}

void session::wait(task &actor, const operation &what)
{
	static constexpr struct {
		way how;
		const char *name;
		clockid_t clock;
		long expected;
	} waits[] = {
		{ way::nanosleep, "clock_nanosleep", CLOCK_MONOTONIC, 0 },
		{ way::nanosleep, "clock_nanosleep", CLOCK_BOOTTIME, 0 },
		{ way::nanosleep, "clock_nanosleep", CLOCK_REALTIME, 0 },
		{ way::nanosleep, "clock_nanosleep", CLOCK_TAI, 0 },
		{ way::timerfd, "timerfd", CLOCK_MONOTONIC, 1 },
		{ way::timerfd, "timerfd", CLOCK_BOOTTIME, 1 },
		{ way::timerfd, "timerfd", CLOCK_REALTIME, 1 },
		{ way::timer, "timer", CLOCK_MONOTONIC, SIGALRM },
		{ way::timer, "timer", CLOCK_BOOTTIME, SIGALRM },
		{ way::timer, "timer", CLOCK_TAI, SIGALRM },
		{ way::futex_bitset, "FUTEX_WAIT_BITSET", CLOCK_MONOTONIC, -ETIMEDOUT },
		{ way::futex_bitset, "FUTEX_WAIT_BITSET", CLOCK_REALTIME, -ETIMEDOUT },
		{ way::futex_waitv, "futex_waitv", CLOCK_MONOTONIC, -ETIMEDOUT },
		{ way::futex_waitv, "futex_waitv", CLOCK_REALTIME, -ETIMEDOUT },
		{ way::futex_lock_pi2, "FUTEX_LOCK_PI2", CLOCK_MONOTONIC, -ETIMEDOUT },
		{ way::futex_lock_pi2, "FUTEX_LOCK_PI2", CLOCK_REALTIME, -ETIMEDOUT },
	};
	const auto &chosen = waits[what.detail % std::size(waits)];
	const auto offset = offset_of(*actor.own, chosen.clock);
	const auto start = host(chosen.clock);
	const char *when = "soon";
	std::int64_t deadline;

	switch (what.choice % 3) {
	case 0:
		when = "a second ago";
		deadline = start + offset - second;
		break;
	case 1:
		/* Zero would disarm a timer. */
		when = "just after zero";
		deadline = 1;
		break;
	default:
		deadline = start + offset + 2'000'000;
	}
	deadline = std::max<std::int64_t>(deadline, 1);
	say("%s %s until %s", chosen.name, clock_name(chosen.clock), when);
	shared.lock = static_cast<std::uint32_t>(getpid());
	auto &mine = order(actor, call::wait, static_cast<long>(chosen.how), chosen.clock);
	mine.deadline = deadline;
	ask(actor);
	await(mine, "a task that waits");
	const auto end = host(chosen.clock);
	expect(mine.value, chosen.expected);
	if (end < deadline - offset)
		throw divergence("the wait ended " + std::to_string(deadline - offset - end) +
				 " ns early");
	if (end > std::max(deadline - offset, start) + patience)
		throw divergence("the wait ended " + std::to_string(end - start) +
				 " ns after its start");
	say(", in time");
}

void session::remaining(task &actor, const operation &what)
{
	static constexpr struct {
		way how;
		const char *name;
		clockid_t clock;
	} timers[] = {
		{ way::timerfd, "timerfd", CLOCK_MONOTONIC },
		{ way::timerfd, "timerfd", CLOCK_BOOTTIME },
		{ way::timerfd, "timerfd", CLOCK_REALTIME },
		{ way::timer, "timer", CLOCK_MONOTONIC },
		{ way::timer, "timer", CLOCK_BOOTTIME },
		{ way::timer, "timer", CLOCK_REALTIME },
	};
	const auto &chosen = timers[what.detail % std::size(timers)];
	const auto offset = offset_of(*actor.own, chosen.clock);
	const auto file = what.object % held_files;

	if (what.detail / 8 % 2 && held[file].kind == held_file::timer) {
		/* Whoever asks, wherever it was set: what is left is the same for all. */
		const auto clock = held[file].clock;

		say("what is left of f%u", file);
		const auto before = host(clock);
		auto &mine = order(actor, call::left);
		attach(mine, file);
		ask(actor);
		await(mine, "a task that asks a timer");
		const auto after = host(clock);
		expect(mine.value, 0);
		expect_within(mine.reading, held[file].host_deadline - after,
			      held[file].host_deadline - before);
		return;
	}
	const auto before = host(chosen.clock);
	const char *when;
	std::int64_t deadline;

	switch (what.choice % 5) {
	case 0:
		when = "in 1000 s";
		deadline = before + offset + 1000 * second;
		break;
	case 1:
		when = "at the host's time";
		deadline = before;
		break;
	case 2:
		when = "at the end of time";
		deadline = INT64_MAX;
		break;
	case 3:
		when = "at zero";
		deadline = 0;
		break;
	default:
		when = "on 1970-02-01";
		deadline = 31 * 86400 * second;
	}
	say("%s %s %s", chosen.name, clock_name(chosen.clock), when);
	auto &mine = order(actor, call::remaining, static_cast<long>(chosen.how), chosen.clock);
	mine.deadline = deadline;
	ask(actor);
	await(mine, "a task that sets a timer");
	const auto after = host(chosen.clock);
	expect(mine.value, 0);
	if (deadline == 0) {
		expect_within(mine.reading, 0, 0); /* disarmed */
		return;
	}
	const auto left = [&](std::int64_t now) {
		const auto until = static_cast<__int128>(deadline) - offset - now;

		return static_cast<std::int64_t>(std::clamp<__int128>(until, 0, INT64_MAX));
	};
	if (left(after) > endless) {
		/* The ends of both clocks are centuries away, and which one counts makes no difference. */
		expect_within(mine.reading, endless, INT64_MAX);
		return;
	}
	/* A timer that has expired says 0, or 1 ns if it has not fired yet. */
	expect_within(mine.reading, left(after), std::max<std::int64_t>(left(before), 1));
}

std::string session::run(const operation &what)
{
	said.clear();
	tags.clear();
	try {
		if (what.what == verb::reap) {
			reap(what);
		} else {
			auto &actor = actor_of(what);

			say("t%u ", actor.slot);
			moved += actor.own->by != shift{};
			switch (what.what) {
			case verb::spawn:
				spawn(actor, what);
				break;
			case verb::exec:
				exec(actor);
				break;
			case verb::exit:
				exit(actor, what);
				break;
			case verb::unshare:
				unshare(actor, what);
				break;
			case verb::drop:
				drop(actor, what);
				break;
			case verb::limit:
				limit(actor, what);
				break;
			case verb::keep:
				keep(actor, what);
				break;
			case verb::enter:
				enter(actor, what);
				break;
			case verb::write:
				write(actor, what);
				break;
			case verb::read:
				read(actor, what);
				break;
			case verb::clock:
				clock(actor, what);
				break;
			case verb::view:
				view(actor, what);
				break;
			case verb::link:
				link(actor, what);
				break;
			case verb::wait:
				wait(actor, what);
				break;
			case verb::remaining:
				remaining(actor, what);
				break;
			case verb::reap:
				break;
			}
		}
	} catch (const divergence &error) {
		throw divergence(said + ": " + error.what());
	}
	for (const auto tag : tags)
		say(" [%s]",
		    std::string(known_differences[static_cast<std::size_t>(tag)].name).c_str());
	return said;
}

} /* namespace fuzz */
