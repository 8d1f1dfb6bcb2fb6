// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races for the short moments in which a namespace is made, set, entered, left and
 * given up. Who wins is not known; what the winner and the loser may see is.
 */
#include "kernel.hpp"
#include "offsets_ioctl.hpp"
#include "race.hpp"
#include "shifts.hpp"
#include "vvar_pages.hpp"
#include "wall_clock.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <future>
#include <sstream>
#include <stop_token>
#include <thread>

#include <fcntl.h>
#include <linux/sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace timens;

namespace
{

/*
 * Processes that do something at the same time, round after round. The caller
 * leads: it prepares a round alone, lets all go who wait at the line, and looks
 * at the end alone. A failure of one ends the race for all.
 */
class team {
public:
	/* Others are those that the leader brings to the line in each round. */
	explicit team(int members, int others = 0)
		: barrier(members + 1)
		, runners(members + others)
	{
	}

	/* As many as there are to be. */
	void add(std::function<void(int round)> body)
	{
		members.emplace_back([this, body] { follow(body); });
	}

	struct leader {
		std::function<void(int round)> prepare;
		std::function<void(int round)> act;
		std::function<void(int round)> look = [](int) {};
	};

	void run(const leader &leader)
	{
		race([&](int round) {
			if (*over)
				end();
			leader.prepare(round);
			barrier.wait();
			leader.act(round);
			barrier.wait();
			if (!*over)
				leader.look(round);
		});
		end();
	}

	/* Waits at the line: all are let go at once, awake. */
	void line_up(int round)
	{
		(*waiting)++;
		while (*started <= round)
			sched_yield();
	}

	/* Lets them go when all are there. */
	void go(int round)
	{
		while (*waiting < runners * (round + 1) && !*over)
			sched_yield();
		*started = round + 1;
	}

private:
	/* Throws if one has failed. */
	void end()
	{
		*over = true;
		barrier.wait();
		for (child &member : members)
			member.wait_ok();
	}

	void follow(const std::function<void(int round)> &body)
	{
		std::exception_ptr failure;

		for (int round = 0;; round++) {
			barrier.wait();
			if (*over)
				break;
			try {
				body(round);
			} catch (...) {
				failure = std::current_exception();
				*over = true;
			}
			/* All others count on it. */
			barrier.wait();
		}
		if (failure)
			std::rethrow_exception(failure);
	}

	process_barrier barrier;
	const int runners;
	shared<std::atomic<int>> waiting{ 0 };
	shared<std::atomic<int>> started{ 0 };
	shared<std::atomic<bool>> over{ false };
	std::vector<child> members;
};

std::string file_of(pid_t task, std::string_view name)
{
	return "/proc/" + std::to_string(task) + "/" + std::string(name);
}

/* Others in each round, so that what is left of one is seen in the next. */
offsets offsets_of(int round)
{
	return { 1000s * (round % 1000 + 1) + 1ns, 2000000s + 1000s * (round % 1000) + 2ns };
}

constexpr std::array clocks{ CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC,	    CLOCK_BOOTTIME,
			     CLOCK_MONOTONIC_RAW,    CLOCK_REALTIME_COARSE, CLOCK_REALTIME };

/* What the clocks were on the host, by their number. */
using clock_times = std::array<nanoseconds, CLOCK_TAI + 1>;

clock_times clock_times_now()
{
	clock_times times{};

	for (clockid_t clock : clocks)
		times[clock] = system_now(clock);
	return times;
}

nanoseconds vdso_time()
{
	return seconds(vdso_function<long(long *)>("time")(nullptr));
}

/*
 * Reads every clock by every means, beginning with another one each time: what is
 * wrong only at first is seen by any of them.
 */
void expect_clocks(const offsets &by, const clock_times &earlier, std::size_t first)
{
	const auto readers = clock_readers();
	const auto by_clock = readers.size() * clocks.size();
	const auto number = by_clock + vdso_has("time");

	for (std::size_t i = 0; i < number; i++) {
		const std::size_t which = (first + i) % number;
		const std::string order = ", reading " + std::to_string(i + 1);

		if (which == by_clock) {
			expect_soon_after(
				vdso_time(),
				std::chrono::floor<seconds>(earlier[CLOCK_REALTIME_COARSE]),
				"time()" + order);
			continue;
		}

		const auto &reader = readers[which / clocks.size()];
		const clockid_t clock = clocks[which % clocks.size()];

		expect_soon_after(reader.read(clock), earlier[clock] + offset_of(clock, by),
				  clock_by(clock, reader.name) + order);
	}
}

/* All that a task in a namespace can see of its offsets is these. */
void expect_offsets(const offsets &by, const clock_times &earlier, std::size_t first)
{
	/* Whoever is forked from here on has it at the same place. */
	static const char *const page = vvar_mapping().start;

	expect_clocks(by, earlier, first);
	expect_eq(read_offsets(), by, own_offsets_file);

	const auto in_page = offsets_in_page(page);

	expect(in_page.has_value(), "the vvar page is the namespace's");
	expect_eq(*in_page, by, "offsets in the vvar page");
}

/* Every other time by what the vDSO takes from memory as it is, without a loop. */
std::size_t first_reading(int round, int task)
{
	return round % 2 ? 0 : round / 2 + task;
}

constexpr char publication_race[] =
	"at times: stock marks a namespace as entered before its vvar page is filled";

} // namespace

/* Into one that nobody has entered before, some by setns(2), some by fork(2). */
TEST(all_who_enter_at_once_are_right_from_their_first_reading, .timeout = race_limit(),
     .differs_from_stock = publication_race)
{
	constexpr int by_setns = 3;
	constexpr int by_fork = 3;
	const auto file = file_of(getpid(), "ns/time_for_children");
	const unique_fd host = own_namespace();
	shared<clock_times> earlier;
	std::vector<std::future<void>> forkers;
	team tasks(by_setns, by_fork);

	for (int i = 0; i < by_setns; i++)
		tasks.add([&, i](int round) {
			const unique_fd ns = open_file(file, O_RDONLY);

			tasks.line_up(round);
			enter(ns);
			expect_offsets(offsets_of(round), *earlier, first_reading(round, i));
			enter(host);
		});

	const auto fork_one = [&](int round, int i) {
		tasks.line_up(round);
		child([&] {
			expect_offsets(offsets_of(round), *earlier, first_reading(round, i));
		}).wait_ok();
		expect_clocks({}, *earlier, round + i);
	};

	tasks.run({
		.prepare =
			[&](int round) {
				*earlier = clock_times_now();
				unshare_time();
				set_offsets(offsets_of(round));
			},
		.act =
			[&](int round) {
				/* Threads that are made now have the same namespaces. */
				for (int i = 0; i < by_fork; i++)
					forkers.push_back(
						std::async(std::launch::async, fork_one, round, i));
				tasks.go(round);
				for (auto &forker : std::exchange(forkers, {}))
					forker.get();
			},
	});
}

namespace
{

/* What one of those who write has done in a round. */
struct writes {
	int done;
	offsets last;
};

/* Another for each write of each writer. */
offsets offsets_of_write(int writer, int number)
{
	return { 1000s * (number + 1) + nanoseconds(writer),
		 5000000s + 1000s * (number + 1) + nanoseconds(writer) };
}

/* Writes until it is too late. */
writes write_until_frozen(int writer, const std::function<outcome(const offsets &)> &write)
{
	constexpr int most = 300;
	writes made{};

	for (int i = 0; i < most; i++) {
		const offsets value = offsets_of_write(writer, i);
		const outcome result = write(value);

		if (result.error) {
			expect_eq(errno_name(result.error), "EACCES", "a write that is late");
			expect_errno(write(value), EACCES, "a write after one that was late");
			break;
		}
		made.done++;
		made.last = value;
	}
	return made;
}

} // namespace

TEST(what_is_written_while_the_first_enter_is_seen_by_all_or_refused, .timeout = race_limit(),
     .differs_from_stock = publication_race)
{
	constexpr int writers = 2;
	constexpr int enterers = 3;
	const pid_t leader = getpid();
	const auto file = file_of(leader, "ns/time_for_children");
	const unique_fd host = own_namespace();
	const bool by_ioctl = has_offsets_ioctls();
	shared<clock_times> earlier;
	shared<std::array<writes, writers>> made;
	shared<std::array<offsets, enterers + 1>> seen;
	team tasks(writers + enterers);

	const auto look_inside = [&](int round, int i) {
		const auto found = read_offsets();

		expect_offsets(found, *earlier, round + i);
		(*seen)[i] = found;
	};
	const auto wait_a_little = [](int times) {
		while (times-- > 0)
			sched_yield();
	};

	tasks.add([&](int round) {
		const unique_fd text = open_file(file_of(leader, "timens_offsets"), O_WRONLY);

		tasks.line_up(round);
		(*made)[0] = write_until_frozen(0, [&](const offsets &value) -> outcome {
			const std::string line = offsets_text(value);
			const outcome result = write(text.get(), line.data(), line.size());

			if (!result.error)
				expect_eq(result.value, line.size(), "bytes written");
			return result;
		});
	});
	tasks.add([&](int round) {
		const unique_fd ns = open_file(file, O_RDONLY);

		tasks.line_up(round);
		(*made)[1] = write_until_frozen(1, [&](const offsets &value) {
			return by_ioctl ? set_offsets_by_ioctl(ns, value)
					: write_offsets(offsets_text(value),
							file_of(leader, "timens_offsets"));
		});
	});
	for (int i = 0; i < enterers; i++)
		tasks.add([&, i](int round) {
			const unique_fd ns = open_file(file, O_RDONLY);

			tasks.line_up(round);
			wait_a_little((round + i) % 16);
			enter(ns);
			look_inside(round, i);
			enter(host);
		});

	tasks.run({
		.prepare =
			[&](int) {
				*earlier = clock_times_now();
				*made = {};
				unshare_time();
				set_offsets(offsets_of(0));
			},
		.act =
			[&](int round) {
				tasks.go(round);
				wait_a_little(round % 16);
				child([&] { look_inside(round, enterers); }).wait_ok();
			},
		.look =
			[&](int) {
				const offsets last = read_offsets();
				bool nobody_wrote = true;
				bool is_a_last_one = false;

				for (const writes &writes : *made) {
					nobody_wrote &= !writes.done;
					is_a_last_one |= writes.done && writes.last == last;
				}
				if (nobody_wrote)
					expect_eq(last, offsets_of(0), "offsets that stay");
				else
					expect(is_a_last_one,
					       "the last that was accepted stays, not " +
						       show(last));
				for (const offsets &offsets : *seen)
					expect_eq(offsets, last, "offsets seen inside");
				expect_errno(write_offsets(offsets_text(last)), EACCES,
					     "a write in the end");
			},
	});
}

/* Those who end. */
namespace
{

/* <linux/pidfd.h> of 6.11; installed headers may be older. */
constexpr unsigned long pidfd_get_time_namespace = _IO(0xFF, 7);

/* A process in a namespace of its own, for one round, that others know. */
struct ending_task {
	pid_t pid;
	ino_t ns;
	clock_times earlier;
};

class task_that_ends {
public:
	task_that_ends(int round, team &others, ending_task &known)
		: process([&, round] {
			unshare_time();
			set_offsets(offsets_of(round));
			enter(pending_namespace());
			ready.open();
			others.line_up(round);
		})
	{
		ready.wait(process);
		known.pid = process.pid();
		known.ns = ns_inode(process.proc("ns/time"));
	}
	void wait_ok()
	{
		process.wait_ok();
	}

private:
	gate ready;
	child process;
};

unique_fd open_process(pid_t pid)
{
	return unique_fd(check(syscall(SYS_pidfd_open, pid, 0), "pidfd_open"));
}

/* Errors that are right once a task ends, whatever it was that was asked. */
bool is_gone(int error)
{
	return error == ENOENT || error == ESRCH;
}

} // namespace

TEST(setns_enters_the_namespace_of_a_task_that_ends_or_fails, .timeout = race_limit())
{
	const unique_fd host = own_namespace();
	const time_namespaces outside = namespaces_of();
	shared<ending_task> target;
	std::optional<task_that_ends> task;
	team enterers(4, 1);
	/* Each returns what it did in the end. */
	const std::array<std::function<outcome(int round)>, 4> ways{
		[&](int round) -> outcome {
			const auto path = file_of(target->pid, "ns/time");

			enterers.line_up(round);

			const outcome opened = open(path.c_str(), O_RDONLY | O_CLOEXEC);
			const unique_fd ns(opened.value);

			/* EACCES when it is reaped between lookup and open. */
			if (opened.error == EACCES)
				errno = ESRCH;
			return opened.error ? -1 : setns(ns.get(), CLONE_NEWTIME);
		},
		[&](int round) -> outcome {
			const auto process = open_process(target->pid);

			enterers.line_up(round);
			return setns(process.get(), CLONE_NEWTIME);
		},
		[&](int round) -> outcome {
			const auto process = open_process(target->pid);

			enterers.line_up(round);

			const outcome opened = ioctl(process.get(), pidfd_get_time_namespace, 0);
			const unique_fd ns(opened.value);

			return opened.error ? -1 : setns(ns.get(), CLONE_NEWTIME);
		},
		[&](int round) -> outcome {
			const unique_fd ns = open_file(file_of(target->pid, "ns/time"), O_RDONLY);

			enterers.line_up(round);

			const outcome entered = setns(ns.get(), CLONE_NEWTIME);

			expect_errno(entered, 0, "a file that is open");
			return entered;
		},
	};

	for (std::size_t i = 0; i < ways.size(); i++)
		enterers.add([&, i](int round) {
			const outcome entered = ways[i](round);

			if (entered.error) {
				expect(is_gone(entered.error), "way " + std::to_string(i) +
								       " fails with ESRCH, not " +
								       errno_name(entered.error));
				expect_eq(namespaces_of(), outside, "after a failure");
				expect_clocks({}, target->earlier, round);
				return;
			}
			expect_eq(namespaces_of(), time_namespaces{ target->ns, target->ns });
			expect_offsets(offsets_of(round), target->earlier, round + i);
			enter(host);
		});

	enterers.run({
		.prepare =
			[&](int round) {
				target->earlier = clock_times_now();
				task.emplace(round, enterers, *target);
			},
		.act =
			[&](int round) {
				enterers.go(round);
				task->wait_ok();
			},
	});
}

namespace
{

/* Empty if the task is gone. */
std::optional<std::string> text_of(pid_t task, std::string_view name)
{
	try {
		return read_file(file_of(task, name));
	} catch (const system_failure &failure) {
		expect(is_gone(failure.error), failure.what());
		return {};
	}
}

std::optional<std::string> link_of(pid_t task, std::string_view name)
{
	const auto path = file_of(task, name);
	char text[64];
	const outcome size = readlink(path.c_str(), text, sizeof(text));

	if (!size.error)
		return std::string(text, size.value);
	/* EACCES when it is reaped between lookup and use. */
	expect(is_gone(size.error) || size.error == EACCES,
	       "readlink fails with ENOENT, not " + errno_name(size.error));
	return {};
}

/* As timens_offsets shows them. */
std::string shown_text(const offsets &value)
{
	const auto line = [](const char *clock, nanoseconds offset) {
		const auto time = to_timespec(offset);
		char text[64];

		std::snprintf(text, sizeof(text), "%-10s %10lld %9ld\n", clock,
			      static_cast<long long>(time.tv_sec), static_cast<long>(time.tv_nsec));
		return std::string(text);
	};

	return line("monotonic", value.monotonic) + line("boottime", value.boottime);
}

/* /proc/uptime, in hundredths of a second. */
nanoseconds uptime()
{
	return std::chrono::round<nanoseconds>(
		std::chrono::duration<double>(std::stod(read_file("/proc/uptime"))));
}

/* When a task began, the 22nd field of proc_pid_stat(5), in hundredths of a second. */
nanoseconds start_in(const std::string &stat)
{
	std::istringstream fields(stat.substr(stat.rfind(") ") + 2));
	std::string field;

	for (int number = 3; number <= 22; number++)
		fields >> field;
	return std::stoull(field) * 10ms;
}

} // namespace

TEST(the_files_of_a_task_that_ends_tell_the_truth_or_nothing, .timeout = race_limit())
{
	const unique_fd host = own_namespace();
	const unique_fd elsewhere = make_namespace(some_offsets);
	shared<ending_task> target;
	std::optional<task_that_ends> task;
	team readers(3, 1);

	readers.add([&](int round) {
		const std::string shown = shown_text(offsets_of(round));
		const unique_fd open_before =
			open_file(file_of(target->pid, "timens_offsets"), O_RDONLY);
		std::optional<std::string> text;
		char buffer[128];

		readers.line_up(round);
		while ((text = text_of(target->pid, "timens_offsets")))
			if (!text->empty())
				expect_eq(*text, shown, "timens_offsets");
		expect_errno(pread(open_before.get(), buffer, sizeof(buffer), 0), ESRCH,
			     "timens_offsets that is open, in the end");
	});
	readers.add([&](int round) {
		const std::string expected = "time:[" + std::to_string(target->ns) + "]";
		std::optional<std::string> own, pending;

		readers.line_up(round);
		do {
			own = link_of(target->pid, "ns/time");
			pending = link_of(target->pid, "ns/time_for_children");
			expect_eq(own.value_or(expected), expected, "ns/time");
			expect_eq(pending.value_or(expected), expected, "ns/time_for_children");
		} while (own || pending);
	});
	readers.add([&](int round) {
		const auto by = round % 2 ? some_offsets : offsets{};
		const auto earliest = target->earlier[CLOCK_BOOTTIME] + by.boottime - 10ms;
		std::optional<std::string> stat;

		readers.line_up(round);
		while ((stat = text_of(target->pid, "stat")))
			expect_soon_after(start_in(*stat), earliest, "start time of the task");
		expect_soon_after(uptime(), earliest, "/proc/uptime");
		enter(round % 2 ? host : elsewhere);
	});

	readers.run({
		.prepare =
			[&](int round) {
				target->earlier = clock_times_now();
				task.emplace(round, readers, *target);
			},
		.act =
			[&](int round) {
				readers.go(round);
				task->wait_ok();
			},
	});
}

/* Each thread makes namespaces of its own, and children of all kinds into them. */
namespace
{

/* posix_spawn(3), which is a vfork(2) and an execve(2). */
void spawn_expecting(const time_view &view)
{
	auto command = view_command(view);
	const auto pointers = pointers_to(command);
	pid_t pid;

	errno = posix_spawn(&pid, pointers[0], nullptr, nullptr, pointers.data(), environ);
	check(-errno, "posix_spawn");
	child::adopt(pid).wait_ok();
}

void vfork_and_exit()
{
	const pid_t pid = vfork();

	if (!pid)
		_exit(0);
	check(pid, "vfork");
	child::adopt(pid).wait_ok();
}

/*
 * clone3(2) into a namespace that inherits from this one. Behind the back of the C
 * library: other threads may hold its locks, so the child asks for no memory.
 */
void clone_expecting(ino_t pending, const offsets &earlier)
{
	clone_args arguments{};

	arguments.flags = CLONE_NEWTIME;
	arguments.exit_signal = SIGCHLD;

	const pid_t pid = check(syscall(SYS_clone3, &arguments, sizeof(arguments)), "clone3");

	if (!pid) {
		struct stat own;
		timespec monotonic, boottime;

		if (stat("/proc/self/ns/time", &own) ||
		    clock_gettime(CLOCK_MONOTONIC, &monotonic) ||
		    clock_gettime(CLOCK_BOOTTIME, &boottime))
			_exit(2);

		const auto since_monotonic = to_nanoseconds(monotonic) - earlier.monotonic;
		const auto since_boottime = to_nanoseconds(boottime) - earlier.boottime;

		_exit(own.st_ino == pending || since_monotonic < 0s || since_monotonic > 100s ||
		      since_boottime < 0s || since_boottime > 100s);
	}
	expect_eq(child::adopt(pid).wait().text(), "exited with status 0", "a child of clone3");
}

} // namespace

TEST(children_of_a_storm_are_each_in_the_namespace_of_their_maker, .timeout = race_limit())
{
	constexpr int threads = 4;
	std::vector<std::future<void>> storm;

	const auto make_children = [&](int thread, int round) {
		const time_view outside = view_here();
		const offsets by = offsets_of(threads * round + thread);
		const auto file = file_of(gettid(), "timens_offsets");

		unshare_time();
		set_offsets(by, file);

		const ino_t created = namespaces_of().for_children;
		const time_view pending{ { outside.namespaces.own, created }, outside.clocks };
		const time_view inside{ { created, created },
					{ outside.clocks.monotonic + by.monotonic,
					  outside.clocks.boottime + by.boottime } };

		switch ((thread + round) % 5) {
		case 0:
			child([&] { expect_view(inside, "by fork"); }).wait_ok();
			break;
		case 1:
			spawn_expecting(inside);
			break;
		case 2:
			vfork_and_exit();
			set_offsets(by, file);
			break;
		case 3:
			clone_expecting(created, inside.clocks);
			set_offsets(by, file);
			break;
		case 4:
			std::async(std::launch::async, [&] {
				expect_view(pending, "a thread");
				child([&] {
					expect_view(inside, "by fork of a thread");
				}).wait_ok();
			}).get();
			break;
		}
		expect_view(pending, "in the end");
	};

	for (int thread = 0; thread < threads; thread++)
		storm.push_back(std::async(std::launch::async, [&, thread] {
			race([&](int round) { make_children(thread, round); });
		}));
	for (auto &thread : storm)
		thread.get();
}

/*
 * A thread moves the vvar pages of its process while another forks. Until they are
 * back in their place nobody may call the vDSO.
 */
namespace
{

using disturbance = std::function<void(const mapping &pages, std::stop_token stop)>;

/* Forks from the host's clocks, and from others. */
void fork_while(int round, const disturbance &disturb)
{
	const mapping home = vvar_mapping();
	const offsets from = round % 2 ? some_offsets : offsets{};
	const auto earlier = clock_times_now();

	if (round % 2) {
		unshare_time();
		set_offsets(from);
		enter(pending_namespace());
	}
	/* They are mapped from here on. */
	expect_clocks(from, earlier, round);

	const std::jthread disturber([&](std::stop_token stop) { disturb(home, stop); });

	for (int i = 0; i < 10; i++) {
		const offsets by = offsets_of(10 * round + i);

		unshare_time();
		set_offsets(by);
		child([&] {
			expect_soon_after(system_now(CLOCK_BOOTTIME),
					  earlier[CLOCK_BOOTTIME] + by.boottime, "system call");
			for (const mapping &pages : vdso_mappings()) {
				if (pages.name != home.name)
					continue;
				expect_eq(offsets_in_page(pages.start).value_or(offsets{}), by,
					  "offsets in the vvar page");
				if (pages.start != home.start)
					move_mapping(pages, home.start);
				expect_offsets(by, earlier, i);
			}
		}).wait_ok();
	}
}

} // namespace

TEST(a_child_has_its_clocks_wherever_a_thread_moves_their_pages, .timeout = race_limit())
{
	const auto move = [](const mapping &home, std::stop_token stop) {
		const mapping elsewhere{ reserve(home.size), home.size, home.name };

		while (!stop.stop_requested()) {
			move_mapping(home, elsewhere.start);
			move_mapping(elsewhere, home.start);
		}
	};

	race([&](int round) { child([&] { fork_while(round, move); }).wait_ok(); });
}

TEST(a_child_has_its_clocks_while_a_thread_unmaps_their_pages, .timeout = race_limit())
{
	const auto unmap = [](const mapping &pages, std::stop_token) {
		munmap(pages.start, pages.size);
	};

	race([&](int round) { child([&] { fork_while(round, unmap); }).wait_ok(); });
}

TEST(execve_enters_what_its_thread_unshared_while_others_unshare, .timeout = race_limit())
{
	constexpr int others = 3;
	/* Each of the others replaces one; and one for the thread. */
	constexpr int limit = 2 * others + 1;

	enter_user_namespace();
	limit_namespaces("time", limit);
	race([&](int round) {
		child([&] {
			const auto expected =
				round % 2 ? unshare_with(offsets_of(round)) : view_here();
			std::barrier ready(others + 1);
			std::vector<std::thread> threads;

			for (int i = 0; i < others; i++)
				threads.emplace_back([&] {
					const auto file = file_of(gettid(), "timens_offsets");
					const std::string text =
						offsets_text(offsets_of(round + 1));

					ready.arrive_and_wait();
					for (;;) {
						unshare(CLONE_NEWTIME);
						write_offsets(text, file);
					}
				});
			ready.arrive_and_wait();
			exec_expecting(expected);
		}).wait_ok();
	});

	/* None of those is left. */
	std::vector<unique_fd> all;

	for (int i = 0; i < limit; i++) {
		unshare_time();
		all.push_back(pending_namespace());
	}
	expect_errno(unshare(CLONE_NEWTIME), ENOSPC, "one more than all");
}

/* A reading of the vDSO that a signal interrupts, whose handler goes to another namespace. */
namespace
{

std::array<int, 2> hop_between;
volatile std::sig_atomic_t hops;
volatile std::sig_atomic_t failed_hops;

void hop(int)
{
	const int error = errno;

	if (setns(hop_between[(hops + 1) % 2], CLONE_NEWTIME))
		failed_hops = failed_hops + 1;
	else
		hops = hops + 1;
	errno = error;
}

/* Hops in short intervals while it exists. */
class hopping {
public:
	hopping()
	{
		check(signal(SIGALRM, hop) == SIG_ERR ? -1 : 0, "signal");
		set_interval(700);
	}
	hopping(const hopping &) = delete;
	hopping &operator=(const hopping &) = delete;
	~hopping()
	{
		set_interval(0);
		signal(SIGALRM, SIG_IGN);
	}

private:
	static void set_interval(suseconds_t microseconds)
	{
		const itimerval timer{ { 0, microseconds }, { 0, microseconds } };

		setitimer(ITIMER_REAL, &timer, nullptr);
	}
};

bool is_soon_after(nanoseconds time, nanoseconds earlier)
{
	return time >= earlier && time <= earlier + 100s;
}

} // namespace

TEST(a_reading_that_setns_interrupts_is_of_one_namespace_or_the_other, .timeout = race_limit(),
     .differs_from_stock = "at times: stock ends the task by SIGBUS")
{
	constexpr int enough = 500;
	constexpr int readings = 1000;
	const unique_fd host = own_namespace();
	const unique_fd moved = make_namespace(some_offsets);
	const auto earlier = clock_times_now();

	hop_between = { host.get(), moved.get() };

	const hopping hops_on;

	while (hops < enough && !failed_hops)
		race([&](int round) {
			const clockid_t clock = clocks[round % clocks.size()];
			const auto inside = earlier[clock] + offset_of(clock, some_offsets);

			for (const auto &reader : clock_readers()) {
				if (!reader.name.starts_with("vdso"))
					continue;
				for (int i = 0; i < readings; i++) {
					const auto time = reader.read(clock);

					if (!is_soon_after(time, earlier[clock]) &&
					    !is_soon_after(time, inside))
						throw check_failed(clock_by(clock, reader.name) +
								   " is " + show(time) + " after " +
								   show(int(hops)) +
								   " hops: in neither namespace");
				}
			}
		});
	expect_eq(int(failed_hops), 0, "calls of setns() that fail");
}

/* The pages from which the date is read are others as well. */
TEST(a_reading_of_the_date_that_setns_interrupts_is_of_one_namespace_or_the_other,
     .timeout = race_limit())
{
	constexpr int enough = 300;
	constexpr int readings = 200;

	require_wall_clocks();

	const unique_fd host = own_namespace();
	const unique_fd wall = make_wall_namespace(ninety_days);
	const unique_fd own = make_wall_namespace(-ninety_days, some_offsets);
	const unique_fd without = make_namespace(some_offsets);
	const struct {
		const char *name;
		const unique_fd &first;
		const unique_fd &second;
		nanoseconds ahead[2];
	} pairs[] = {
		{ "host and wall clock", host, wall, { 0s, ninety_days } },
		{ "two wall clocks", wall, own, { ninety_days, -ninety_days } },
		{ "wall clock and offsets", own, without, { -ninety_days, 0s } },
	};
	const auto earlier = date();
	const auto all = date_readers();

	check(set_wall(own, wall_mode(TIMENS_WALL_OWN)), "TIMENS_SET_WALL");
	for (const auto &pair : pairs) {
		hops = 0;
		hop_between = { pair.first.get(), pair.second.get() };
		enter(pair.first);

		const hopping hops_on;

		while (hops < enough && !failed_hops)
			race([&](int round) {
				const auto &reader = all[round % all.size()];

				for (int i = 0; i < readings; i++) {
					const auto seen = reader.read() + reader.resolution;

					if (std::ranges::none_of(
						    pair.ahead, [&](nanoseconds ahead) {
							    return seen >= earlier + ahead &&
								   seen <= earlier + ahead + 200s;
						    }))
						throw check_failed(std::string(pair.name) + ": " +
								   reader.name + " is " +
								   show(seen) + " after " +
								   show(int(hops)) +
								   " hops: in neither namespace");
				}
			});
		expect_eq(int(failed_hops), 0, "calls of setns() that fail");
	}
}

#ifdef __x86_64__
#ifndef ARCH_MAP_VDSO_64
#define ARCH_MAP_VDSO_64 0x2003
#endif

/*
 * Whatever mappings of vvar pages a process has come to, they are of its namespace:
 * a page that it has left is freed, and becomes the memory of somebody else.
 */
namespace
{

constexpr int mappers = 8;

std::vector<mapping> clock_mappings()
{
	auto found = vdso_mappings();

	std::erase_if(found, [](const mapping &pages) { return pages.name != "[vvar]"; });
	return found;
}

/* Unmaps the vDSO, and maps it from several threads at once. Returns with one thread. */
void map_vdso_together(char *room)
{
	std::barrier start(mappers);
	std::vector<std::jthread> threads;

	for (const mapping &pages : vdso_mappings())
		check(munmap(pages.start, pages.size), "munmap " + pages.name);
	for (int i = 0; i < mappers; i++)
		threads.emplace_back([&start, place = room + 100 * i * page_size] {
			start.arrive_and_wait();
			syscall(SYS_arch_prctl, ARCH_MAP_VDSO_64, place);
		});
}

void expect_all_vvar_pages(const offsets &by, std::string_view when)
{
	for (const mapping &pages : clock_mappings())
		expect_eq(offsets_in_page(pages.start).value_or(offsets{}), by,
			  "offsets in a vvar page " + std::string(when));
}

/* Maps in a user's own namespaces, beside other mappings, and lets the body go to another. */
void race_for_clock_mappings(const std::function<void(const offsets &next)> &leave,
			     std::size_t neighbours = 20000)
{
	become_user(65534);
	enter_user_namespace();
	race([&](int round) {
		const offsets first = offsets_of(2 * round);
		const offsets next = offsets_of(2 * round + 1);

		unshare_time();
		set_offsets(first);
		/* It is the only task there: the page ends with it. */
		child([&] {
			char *const area = reserve(neighbours * page_size);
			char *const room = reserve(100 * mappers * page_size);

			/* No two can be one: looking for the vDSO takes its time. */
			for (std::size_t i = 0; i < neighbours; i += 2)
				check(mprotect(area + i * page_size, page_size, PROT_READ),
				      "mprotect");
			check(munmap(room, 100 * mappers * page_size), "munmap");
			map_vdso_together(room);
			expect(!clock_mappings().empty(), "one of the threads maps the clocks");
			expect_all_vvar_pages(first, "of the first namespace");
			leave(next);
		}).wait_ok();
	});
}

} // namespace

TEST(setns_leaves_no_old_vvar_page_to_threads_that_map_it_together, .timeout = race_limit())
{
	race_for_clock_mappings([](const offsets &next) {
		unshare_time();
		set_offsets(next);
		enter(pending_namespace());
		expect_all_vvar_pages(next, "after setns");
	});
}

TEST(a_child_has_no_vvar_page_of_its_parent_whose_threads_map_it_together, .timeout = race_limit())
{
	race_for_clock_mappings([](const offsets &next) {
		unshare_time();
		set_offsets(next);
		child([&] { expect_all_vvar_pages(next, "after fork"); }).wait_ok();
	});
}

HELPER(expect_one_vvar_page)
{
	const offsets by{ nanoseconds(std::stoll(arguments[0])),
			  nanoseconds(std::stoll(arguments[1])) };

	expect_eq(clock_mappings().size(), 1U, "mappings of vvar pages after execve");
	expect_all_vvar_pages(by, "after execve");
	expect_eq(read_offsets(), by, own_offsets_file);
	unshare_time();
	set_offsets(offsets{});
	enter(pending_namespace());
	expect_all_vvar_pages({}, "after execve and setns");
}

TEST(a_program_that_a_thread_executes_has_one_vvar_page_whatever_others_map,
     .timeout = race_limit())
{
	const auto execute = [](const offsets &next) {
		const std::size_t room = 16 * page_size;
		std::barrier start(mappers + 1);
		std::vector<std::jthread> threads;

		unshare_time();
		set_offsets(next);
		for (int i = 0; i < mappers; i++)
			threads.emplace_back([&start, room, place = reserve(room)] {
				start.arrive_and_wait();
				for (;;) {
					munmap(place, room);
					syscall(SYS_arch_prctl, ARCH_MAP_VDSO_64, place);
				}
			});
		std::thread([&] {
			start.arrive_and_wait();
			exec_helper("expect_one_vvar_page",
				    { std::to_string(next.monotonic.count()),
				      std::to_string(next.boottime.count()) });
		}).join();
	};

	/* The race is for execve(2), which does not look for the vDSO. */
	race_for_clock_mappings(execute, 1000);
}
#endif
