// SPDX-License-Identifier: GPL-2.0-only
/*
 * What those who own no time namespace cannot do to it, learn from it, or take
 * away from others. Each refusal has its errno, and nothing has changed after it.
 */
#include "capability.hpp"
#include "kernel.hpp"
#include "offsets_ioctl.hpp"
#include "race.hpp"
#include "shifts.hpp"
#include "vvar_pages.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr uid_t user = 1000;
constexpr uid_t other_user = 1001;

/* What strangers ask for. */
constexpr offsets wanted{ 5555s, 6666s };

/* A process with a pending namespace with some_offsets, and what root knows of it. */
class victim {
public:
	explicit victim(const std::function<void()> &make_namespace)
		: process([&] {
			make_namespace();
			ready.open();
			pause();
		})
	{
		ready.wait(process);
		set_offsets(some_offsets, offsets_file());
		pidfd = process.pidfd();
		ns = open_file(process.proc("ns/time_for_children"), O_RDONLY);
		users = open_file(process.proc("ns/user"), O_RDONLY);
	}

	std::string offsets_file() const
	{
		return process.proc("timens_offsets");
	}
	std::string proc(std::string_view name) const
	{
		return process.proc(name);
	}

	/* By those who may: root outside. */
	void expect_untouched(std::string_view after) const
	{
		expect_eq(read_offsets(offsets_file()), some_offsets, after);
		expect_errno(write_offsets(offsets_text(some_offsets), offsets_file()), 0,
			     std::string(after) + ": still open");
	}

	unique_fd pidfd;
	unique_fd ns;
	unique_fd users; /* of the process */

private:
	gate ready;
	child process;
};

struct stranger {
	std::string_view name;
	/* What root does to become one. */
	std::function<void()> become;
	/* Of the file in /proc: EACCES where it cannot be opened, EPERM where not written. */
	int file_error;
};

/* All that takes the right to set the clocks, and a stranger has not. */
void expect_no_shift(const victim &victim, const stranger &by)
{
	expect_errno(write_offsets(offsets_text(wanted), victim.offsets_file()), by.file_error,
		     "timens_offsets");
	if (has_offsets_ioctls()) {
		expect_errno(set_offsets_by_ioctl(victim.ns, wanted), EPERM, "TIMENS_SET_OFFSETS");
		/* Whoever has the descriptor may ask, as anyone may read the file. */
		expect_eq(read_offsets_by_ioctl(victim.ns), some_offsets, "TIMENS_GET_OFFSETS");
	}
	expect_eq(read_offsets(victim.offsets_file()), some_offsets, "timens_offsets");
}

void expect_no_entry(const victim &victim)
{
	const time_namespaces before = namespaces_of();
	const offsets clocks = clocks_now();

	expect_errno(setns(victim.ns.get(), CLONE_NEWTIME), EPERM, "setns");
	expect_errno(setns(victim.ns.get(), 0), EPERM, "setns of any type");
	expect_errno(setns(victim.pidfd.get(), CLONE_NEWTIME), EPERM, "setns of a pidfd");
	expect_eq(namespaces_of(), before, "after setns");
	expect_soon_after(clocks_now().boottime, clocks.boottime, "after setns");
	expect_soon_after(now(CLOCK_MONOTONIC), clocks.monotonic, "after setns");
}

/* Each stranger tries in a process of its own; failures name it. */
void let_try(const victim &victim, std::span<const stranger> strangers,
	     const std::function<void(const stranger &)> &attack)
{
	for (const stranger &each : strangers) {
		try {
			child([&] {
				each.become();
				attack(each);
			}).wait_ok();
		} catch (const check_failed &failure) {
			throw check_failed::reported(std::string(each.name) + ": " +
						     failure.what());
		}
		victim.expect_untouched(each.name);
	}
}

const std::vector<stranger> strangers_to_root{
	{ "a user", [] { become_user(user); }, EACCES },
	{ "a user who is root of a user namespace",
	  [] {
		  become_user(user);
		  enter_user_namespace();
	  },
	  EACCES },
	{ "a user who owns a time namespace",
	  [] {
		  become_user(user);
		  enter_user_namespace(CLONE_NEWTIME);
		  enter(pending_namespace());
	  },
	  EACCES },
	{ "root of a user namespace", [] { enter_user_namespace(); }, EPERM },
	{ "root of a user namespace in a time namespace of its own",
	  [] {
		  enter_user_namespace(CLONE_NEWTIME);
		  enter(pending_namespace());
	  },
	  EPERM },
	{ "root without capabilities", [] { keep_only_capabilities({}); }, EPERM },
	{ "a user with capabilities for other things",
	  [] {
		  keep_only_capabilities({ CAP_SYS_PTRACE, CAP_DAC_OVERRIDE, CAP_SYS_RESOURCE });
	  },
	  EPERM },
};

void own_as_user()
{
	become_user(user);
	enter_user_namespace(CLONE_NEWTIME);
}

void join_as_user(const victim &owner)
{
	become_user(user);
	check(setns(owner.users.get(), CLONE_NEWUSER), "setns(CLONE_NEWUSER)");
}

} // namespace

TEST(strangers_neither_shift_nor_enter_what_the_initial_user_namespace_owns)
{
	const victim root([] { unshare_time(); });

	let_try(root, strangers_to_root, [&](const stranger &self) {
		expect_no_shift(root, self);
		expect_no_entry(root);
	});
}

TEST(strangers_neither_shift_nor_enter_what_a_user_namespace_owns)
{
	const victim owner(own_as_user);
	const std::vector<stranger> strangers{
		{ "another user", [] { become_user(other_user); }, EACCES },
		{ "another user who is root of a user namespace",
		  [] {
			  become_user(other_user);
			  enter_user_namespace(CLONE_NEWTIME);
		  },
		  EACCES },
		{ "the same user in another user namespace",
		  [] {
			  become_user(user);
			  enter_user_namespace(CLONE_NEWTIME);
		  },
		  EPERM },
		{ "root of a user namespace within",
		  [&] {
			  join_as_user(owner);
			  enter_user_namespace(CLONE_NEWTIME);
		  },
		  EPERM },
		{ "one of that user namespace without capabilities",
		  [&] {
			  join_as_user(owner);
			  keep_only_capabilities({});
		  },
		  EPERM },
		{ "root without capabilities", [] { keep_only_capabilities({}); }, EACCES },
	};

	let_try(owner, strangers, [&](const stranger &self) {
		expect_no_shift(owner, self);
		expect_no_entry(owner);
	});
}

/* One right alone: that to set clocks is not that to enter, nor the reverse. */
TEST(the_right_to_set_the_clocks_is_not_the_right_to_enter)
{
	const victim root([] { unshare_time(); });
	child([&] {
		keep_only_capabilities({ CAP_SYS_TIME, CAP_SYS_PTRACE });
		expect_no_entry(root);
		set_offsets(some_offsets, root.offsets_file());
	}).wait_ok();
	child([&] {
		keep_only_capabilities({ CAP_SYS_ADMIN, CAP_SYS_PTRACE });
		expect_no_shift(root, { "", [] {}, EPERM });
	}).wait_ok();
	root.expect_untouched("in the end");
}

/*
 * user_namespaces(7): who made a user namespace has all rights in it, so also
 * over its clocks. To enter takes a right in the user namespace where one is, too.
 */
TEST(the_maker_of_a_user_namespace_may_set_its_clocks_from_outside_but_not_enter)
{
	const victim owner(own_as_user);

	child([&] {
		become_user(user);
		expect_errno(write_offsets(offsets_text(some_offsets), owner.offsets_file()), 0);
		if (has_offsets_ioctls())
			expect_errno(set_offsets_by_ioctl(owner.ns, some_offsets), 0);
		expect_errno(setns(owner.ns.get(), CLONE_NEWTIME), EPERM);
	}).wait_ok();
	owner.expect_untouched("in the end");
}

/* Descriptors on their way, unix(7). */
namespace
{

class descriptor_channel {
public:
	descriptor_channel()
	{
		int both[2];

		check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, both), "socketpair");
		ends[0] = unique_fd(both[0]);
		ends[1] = unique_fd(both[1]);
	}
	void send(const unique_fd &sent)
	{
		message carrier;

		carrier.header.msg_controllen = CMSG_SPACE(sizeof(int));
		*CMSG_FIRSTHDR(&carrier.header) = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };

		const int fd = sent.get();

		std::memcpy(CMSG_DATA(CMSG_FIRSTHDR(&carrier.header)), &fd, sizeof(fd));
		check(sendmsg(ends[0].get(), &carrier.header, 0), "sendmsg");
	}
	unique_fd receive()
	{
		message carrier;
		int fd;

		carrier.header.msg_controllen = sizeof(carrier.space);
		check(recvmsg(ends[1].get(), &carrier.header, MSG_CMSG_CLOEXEC), "recvmsg");
		expect(CMSG_FIRSTHDR(&carrier.header), "a descriptor comes with the message");
		std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&carrier.header)), sizeof(fd));
		return unique_fd(fd);
	}

private:
	struct message {
		message()
		{
			header.msg_iov = &part;
			header.msg_iovlen = 1;
			header.msg_control = space;
		}

		char byte = 0;
		iovec part{ &byte, 1 };
		alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))]{};
		msghdr header{};
	};

	unique_fd ends[2];
};

outcome write_to(const unique_fd &file, const offsets &value)
{
	const std::string text = offsets_text(value);

	return write(file.get(), text.data(), text.size());
}

} // namespace

TEST(a_descriptor_that_root_hands_over_gives_the_right_it_was_opened_with)
{
	const victim root([] { unshare_time(); });
	descriptor_channel given;
	child receiver([&] {
		become_user(user);
		enter_user_namespace();

		const unique_fd ns = given.receive();
		const unique_fd to_read = given.receive();
		const unique_fd to_write = given.receive();
		const auto own_path = [](const unique_fd &fd) {
			return "/proc/self/fd/" + std::to_string(fd.get());
		};

		expect_errno(setns(ns.get(), CLONE_NEWTIME), EPERM);
		if (has_offsets_ioctls())
			expect_errno(set_offsets_by_ioctl(ns, wanted), EPERM);
		expect_errno(write_to(to_read, wanted), EBADF, "a file to read");
		for (const unique_fd *file : { &to_read, &to_write })
			expect_errno(write_offsets(offsets_text(wanted), own_path(*file)), EACCES,
				     "a file opened again");
		expect_eq(read_offsets(root.offsets_file()), some_offsets);

		/* This is what it was opened for, and all of it. */
		expect_errno(write_to(to_write, wanted), 0, "a file to write");
		expect_eq(read_offsets(root.offsets_file()), wanted);
	});

	given.send(root.ns);
	given.send(open_file(root.offsets_file(), O_RDONLY));
	given.send(open_file(root.offsets_file(), O_WRONLY));
	receiver.wait_ok();
}

TEST(root_who_writes_to_the_descriptor_of_a_user_lends_no_right)
{
	descriptor_channel given;
	gate over;
	child giver([&] {
		unshare_time();
		set_offsets(some_offsets);
		become_user(user);
		/* The file is the user's, the namespace is not. */
		given.send(open_file(own_offsets_file, O_WRONLY));
		over.wait();
	});
	const unique_fd file = given.receive();

	expect_errno(write_to(file, wanted), EPERM, "by root");
	expect_eq(read_offsets(giver.proc("timens_offsets")), some_offsets);
	expect_errno(write_offsets(offsets_text(some_offsets), giver.proc("timens_offsets")), 0,
		     "still open");
	over.open();
	giver.wait_ok();
}

/* What can be learnt. */

/* proc(5), hidepid: the file that anyone may read goes with the rest. */
TEST(the_offsets_of_hidden_processes_are_hidden)
{
	const victim root([] { unshare_time(); });

	check(unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
	check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount /");
	for (const auto &[option, error] :
	     { std::pair("hidepid=noaccess", EPERM), std::pair("hidepid=invisible", ENOENT),
	       std::pair("hidepid=ptraceable", ENOENT) }) {
		check(mount("proc", "/proc", "proc", 0, option), "mount /proc");
		child([&] {
			become_user(user);
			for (const char *name : { "timens_offsets", "ns/time", "stat" })
				expect_errno(open(root.proc(name).c_str(), O_RDONLY), error,
					     std::string(option) + " " + name);
			expect_eq(read_offsets(), offsets{}, option);
		}).wait_ok();
		check(umount("/proc"), "umount /proc");
	}
}

/* Not what was in that memory before, and no time of the host's. */
TEST(the_vvar_page_of_a_namespace_holds_its_offsets_and_nothing_else, .timeout = 30s)
{
	expect(!is_namespace_page(vvar_mapping().start), "the host's page outside");
	in_each_shift([](const shift &shift) {
		const auto expect_own_offsets = [&](std::string_view where) {
			expect_eq(offsets_in_page(vvar_mapping().start).value_or(offsets{}),
				  shift.by, where);
		};

		expect_own_offsets("in the namespace");
		unshare_time();
		child([&] { expect_own_offsets("in one that inherits"); }).wait_ok();
	});
}

namespace
{

/* Kernels may be built without process_vm_readv(2) and its like. */
void expect_fault(const outcome &result, std::string_view what,
		  std::source_location where = std::source_location::current())
{
	if (result.error != ENOSYS)
		expect_errno(result, EFAULT, what, where);
}

} // namespace

/*
 * Namespaces share vvar pages, and processes do: a way to write to one would be a
 * way to move the clocks of others. A pipe may hold a reference to it, which keeps it
 * what it is; on some kernels it may not.
 */
TEST(vvar_pages_can_be_read_and_nothing_else)
{
	const auto try_all = [] {
		const mapping vvar = vvar_mapping();
		const auto before = offsets_in_page(vvar.start);
		const unique_fd memory = open_file("/proc/self/mem", O_RDWR);
		const auto address = reinterpret_cast<std::uintptr_t>(vvar.start);
		std::vector<char> bytes(page_size);
		iovec local{ bytes.data(), bytes.size() };
		iovec remote{ vvar.start, page_size };
		int ends[2];

		check(pipe2(ends, O_CLOEXEC | O_NONBLOCK), "pipe2");

		const unique_fd read_end(ends[0]);
		const unique_fd write_end(ends[1]);

		for (int protection : { PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC })
			expect_errno(mprotect(vvar.start, vvar.size, protection), EACCES,
				     "mprotect");
		expect_errno(pread(memory.get(), bytes.data(), page_size, address), EIO,
			     "read /proc/self/mem");
		expect_errno(pwrite(memory.get(), bytes.data(), page_size, address), EIO,
			     "write /proc/self/mem");
		expect_fault(process_vm_readv(getpid(), &local, 1, &remote, 1, 0),
			     "process_vm_readv");
		expect_fault(process_vm_writev(getpid(), &local, 1, &remote, 1, 0),
			     "process_vm_writev");
		if (vmsplice(write_end.get(), &remote, 1, SPLICE_F_GIFT) < 0) {
			expect_eq(errno_name(errno), "EFAULT", "vmsplice");
		} else {
			check(read(read_end.get(), bytes.data(), page_size), "read the pipe");
			expect(before == offsets_in_page(bytes.data()), "the page in a pipe");
		}
		check(write(write_end.get(), "clock", 5), "write to a pipe");
		expect_errno(read(read_end.get(), vvar.start, 5), EFAULT, "read(2) into it");
		/* Some kernels refuse it; where it is allowed, the page comes back. */
		if (madvise(vvar.start, vvar.size, MADV_DONTNEED))
			expect_eq(errno_name(errno), "EINVAL", "MADV_DONTNEED");
		expect_errno(madvise(vvar.start, vvar.size, MADV_DOFORK), EINVAL, "MADV_DOFORK");
		expect_errno(munmap(vvar.start, page_size), EINVAL, "munmap of the first page");
		expect(before == offsets_in_page(vvar.start), "the page is what it was");
	};

	child(try_all).wait_ok();
	in_namespace(some_offsets, try_all);
}

TEST(the_vvar_pages_of_another_process_cannot_be_reached)
{
	const mapping vvar = vvar_mapping();
	gate entered;
	child other([&] {
		unshare_time();
		set_offsets(some_offsets);
		enter(pending_namespace());
		/* Mapped, and at the same place, as it is a copy. */
		expect(is_namespace_page(vvar.start), "the namespace's page");
		entered.open();
		pause();
	});
	std::vector<char> bytes(page_size);
	iovec local{ bytes.data(), bytes.size() };
	iovec remote{ vvar.start, page_size };

	entered.wait(other);
	expect_fault(process_vm_readv(other.pid(), &local, 1, &remote, 1, 0), "process_vm_readv");
	expect_fault(process_vm_writev(other.pid(), &local, 1, &remote, 1, 0), "process_vm_writev");
	expect_errno(pread(open_file(other.proc("mem"), O_RDONLY).get(), bytes.data(), page_size,
			   reinterpret_cast<std::uintptr_t>(vvar.start)),
		     EIO, "/proc/PID/mem");
}

/* How many there may be: namespaces(7), /proc/sys/user/max_time_namespaces. */
namespace
{

/* Checks that exactly as many can be made as are left; gives them back. */
void expect_left(int number, std::string_view when)
{
	child([&] {
		std::vector<unique_fd> made;

		for (int i = 0; i < number; i++) {
			expect_errno(unshare(CLONE_NEWTIME), 0,
				     std::string(when) + ": namespace " + std::to_string(i + 1));
			made.push_back(pending_namespace());
		}
		expect_errno(unshare(CLONE_NEWTIME), ENOSPC,
			     std::string(when) + ": one more than " + std::to_string(number));
	}).wait_ok();
}

} // namespace

TEST(a_clone3_that_fails_after_all_else_gives_its_count_back)
{
	enter_user_namespace(CLONE_NEWPID);
	limit_namespaces("time", 2);
	child([] {
		/* This process has that number: found out when the rest is done. */
		const pid_t taken = getpid();
		clone_args arguments{};

		arguments.flags = CLONE_NEWTIME;
		arguments.exit_signal = SIGCHLD;
		arguments.set_tid = reinterpret_cast<std::uintptr_t>(&taken);
		arguments.set_tid_size = 1;
		expect_eq(taken, 1, "the first process");
		for (int i = 0; i < 200; i++)
			expect_errno(syscall(SYS_clone3, &arguments, sizeof(arguments)), EEXIST,
				     "clone3");
		expect_left(2, "after failures");
	}).wait_ok();
}

TEST(a_refusal_charges_no_level)
{
	constexpr int limit_inside = 5;
	gate limited, raised;

	enter_user_namespace();
	limit_namespaces("time", 2);

	child inner([&] {
		enter_user_namespace();
		limit_namespaces("time", limit_inside);
		expect_left(2, "what the outer level allows");
		unshare_time();
		for (int i = 0; i < 10 * limit_inside; i++) {
			child([] {
				unshare_time();
				expect_errno(unshare(CLONE_NEWTIME), ENOSPC, "the outer level");
				expect_errno(try_clone3(CLONE_NEWTIME), ENOSPC, "the outer level");
			}).wait_ok();
		}
		limited.open();
		raised.wait();
		/* One of them is pending here. */
		expect_left(limit_inside - 1, "what the inner level allows");
	});

	limited.wait(inner);
	expect_left(1, "at the outer level, less that of the inner one");
	limit_namespaces("time", 100);
	raised.open();
	inner.wait_ok();
	expect_left(100, "in the end");
}

TEST(users_are_counted_apart)
{
	gate made, mapped;
	child owner([&] {
		check(unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)");
		made.open();
		mapped.wait();
		limit_namespaces("time", 3);

		const auto exhaust = [](uid_t as) {
			become_user(as);
			enter_user_namespace();
			expect_left(3, "user " + std::to_string(as));
		};

		/* One holds all it can have; that is nobody else's matter. */
		gate full;
		child greedy([&] {
			become_user(user);
			enter_user_namespace();

			std::vector<unique_fd> held;

			while (!unshare(CLONE_NEWTIME))
				held.push_back(pending_namespace());
			expect_eq(errno_name(errno), "ENOSPC");
			expect_eq(held.size(), 3U, "namespaces of the first user");
			full.open();
			pause();
		});

		full.wait(greedy);
		child([&] {
			become_user(user);
			enter_user_namespace();
			expect_errno(unshare(CLONE_NEWTIME), ENOSPC,
				     "the same user in another user namespace");
		}).wait_ok();
		child([&] { exhaust(other_user); }).wait_ok();
		expect_left(3, "root");
		greedy.kill();
		expect(greedy.wait().killed_by(SIGKILL), "the first user's process is killed");
		child([&] { exhaust(user); }).wait_ok();
	});

	made.wait(owner);
	for (const char *map : { "uid_map", "gid_map" })
		check(write(open_file(owner.proc(map), O_WRONLY).get(), "0 0 2000", 8), map);
	mapped.open();
	owner.wait_ok();
}

TEST(tasks_that_race_to_the_limit_do_not_pass_it, .timeout = 60s)
{
	constexpr int limit = 2;
	constexpr int tasks = 6;
	constexpr int attempts = 400;
	shared<std::atomic<int>> held(0);
	shared<std::atomic<int>> refused(0);
	std::vector<child> racers;

	/* A place to go back to: it counts. */
	enter_user_namespace(CLONE_NEWTIME);

	const unique_fd home = pending_namespace();

	enter(home);
	limit_namespaces("time", limit + 1);
	for (int task = 0; task < tasks; task++)
		racers.emplace_back([&] {
			/* Until the limit has mattered, too. */
			for (int i = 0; i < attempts || !*refused; i++) {
				if (unshare(CLONE_NEWTIME)) {
					expect_eq(errno_name(errno), "ENOSPC");
					++*refused;
					continue;
				}
				/* At most the truth: it is counted later, and less earlier. */
				expect_le(++*held, limit, "namespaces at a time");
				sched_yield();
				--*held;
				enter(home);
			}
		});
	for (child &racer : racers)
		racer.wait_ok();
	expect_left(limit, "after the race");
}

/*
 * Vvar pages are mapped by their number. While namespaces come and go by the
 * hundred, and others fill with false clocks whatever memory becomes free, all
 * who stay, move, fork and execute see the offsets of their own namespace.
 */
namespace
{

constexpr offsets false_offsets{ 77777777s, 88888888s };

/* In the vDSO's memory, and by its code between two system calls. */
void expect_own_clocks(const char *page, const std::optional<offsets> &by, std::string_view who)
{
	expect(offsets_in_page(page) == by, std::string(who) + ": offsets in the vvar page");
	for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE }) {
		const auto name = std::string(who) + ": " + clock_name(clock);
		const auto before = system_now(clock);
		const auto seen = now(clock);

		expect_ge(seen, before, name);
		expect_le(seen, system_now(clock), name);
	}
}

HELPER(expect_own_clocks)
{
	expect_own_clocks(vvar_mapping().start,
			  offsets{ nanoseconds(std::stoll(arguments[0])),
				   nanoseconds(std::stoll(arguments[1])) },
			  "after execve");
}

/* A page that would pass for that of a namespace, copied from one. */
std::vector<char> make_false_page()
{
	shared<std::array<char, 65536>> copy;

	in_namespace(false_offsets,
		     [&] { std::memcpy(copy->data(), vvar_mapping().start, page_size); });
	return { copy->data(), copy->data() + page_size };
}

/* Takes memory of the kind that vvar pages are made of, and gives it back: pipe(7). */
void fill_memory(const std::vector<char> &page)
{
	std::vector<unique_fd> pipes;

	for (int i = 0; i < 20; i++) {
		int ends[2];

		check(pipe2(ends, O_CLOEXEC | O_NONBLOCK), "pipe2");
		pipes.emplace_back(ends[0]);
		pipes.emplace_back(ends[1]);
		while (write(ends[1], page.data(), page.size()) > 0)
			;
		expect_eq(errno_name(errno), "EAGAIN", "write to a pipe");
	}
}

} // namespace

TEST(vvar_pages_of_namespaces_that_are_gone_are_seen_by_nobody, .timeout = race_limit())
{
	const offsets stays{ 1111s, 2222s };
	const offsets moves{ 3333s, 4444s };
	const offsets short_life{ 10000s, 20000s };
	const unique_fd host = own_namespace();
	const unique_fd place = make_namespace(moves);
	const auto false_page = make_false_page();
	/* At the same place in all, who are copies. */
	const char *const page = vvar_mapping().start;
	shared<std::atomic<bool>> over(false);
	std::vector<child> tasks;

	expect(offsets_in_page(false_page.data()) == false_offsets, "the false page is a good one");

	/* If one ends, all do. */
	const auto repeat = [&](const std::function<void()> &body) {
		tasks.emplace_back([&, body] {
			const struct ender {
				std::atomic<bool> &over;
				~ender()
				{
					over = true;
				}
			} at_end{ *over };

			do {
				body();
			} while (!*over);
		});
	};

	/* Those that go with their task. */
	repeat([&] {
		unshare_time();
		set_offsets(short_life);
		child([&] {
			expect(is_namespace_page(page), "the page of a short life");
		}).wait_ok();
		enter(host);
	});
	repeat([&] { fill_memory(false_page); });

	/* Those that look. */
	repeat([&] {
		in_namespace(stays, [&] {
			for (int i = 0; i < 50; i++)
				expect_own_clocks(page, stays, "in a namespace");
		});
	});
	repeat([&] {
		expect_own_clocks(page, {}, "on the host");
		enter(place);
		expect_own_clocks(page, moves, "after setns");
		unshare_time();
		set_offsets(stays);
		child([&] { expect_own_clocks(page, stays, "after fork"); }).wait_ok();
		expect_own_clocks(page, moves, "after that");
		enter(host);
	});
	repeat([&] {
		child([&] {
			unshare_time();
			set_offsets(stays);
			exec_helper("expect_own_clocks",
				    { std::to_string(stays.monotonic.count()),
				      std::to_string(stays.boottime.count()) });
		}).wait_ok();
	});

	const auto end_all = [&] {
		*over = true;
		for (child &task : tasks)
			task.wait_ok();
	};

	/* And those that go when their task leaves. */
	race([&](int) {
		if (*over)
			end_all();
		for (int i = 0; i < 100 && !*over; i++) {
			unshare_time();
			set_offsets(short_life);
			enter(pending_namespace());
			expect(is_namespace_page(page), "the page of a short life");
			enter(host);
		}
	});
	end_all();
}
