// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc, sysinfo(2) and times(2) tell about the time since boot:
 * proc_uptime(5), proc_stat(5), proc_pid_stat(5). All of it is told to a reader
 * in its own time.
 */
#include "kernel.hpp"
#include "shifts.hpp"
#include "waiting.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <ratio>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* The unit of proc_pid_stat(5): USER_HZ, which is 100 on all machines. */
using ticks = std::chrono::duration<std::int64_t, std::centi>;

/* The contents from a file that was opened before, maybe elsewhere. */
std::string read_again(const unique_fd &file)
{
	char buffer[4096];
	const auto size = check(pread(file.get(), buffer, sizeof(buffer) - 1, 0), "pread");

	return { buffer, static_cast<std::size_t>(size) };
}

/* The first of the two numbers, with its two decimal places. */
nanoseconds uptime_in(const std::string &text)
{
	unsigned long long whole;
	unsigned int hundredths;

	if (std::sscanf(text.c_str(), "%llu.%2u ", &whole, &hundredths) != 2)
		throw check_failed("/proc/uptime has unknown content " + show(text));
	return seconds(whole) + ticks(hundredths);
}

/* The second: that of all processors together in which they were idle. */
nanoseconds idle_time()
{
	const auto text = read_file("/proc/uptime");
	unsigned long long whole;
	unsigned int hundredths;

	if (std::sscanf(text.c_str(), "%*u.%*u %llu.%2u", &whole, &hundredths) != 2)
		throw check_failed("/proc/uptime has unknown content " + show(text));
	return seconds(whole) + ticks(hundredths);
}

nanoseconds uptime()
{
	return uptime_in(read_file("/proc/uptime"));
}

/* Its uptime is a long, which may have no room for the far future. */
bool has_room_in_sysinfo(nanoseconds time)
{
	return std::chrono::ceil<seconds>(time + 60s).count() < std::numeric_limits<long>::max();
}

seconds sysinfo_uptime()
{
	struct sysinfo information;

	check(sysinfo(&information), "sysinfo");
	return seconds(information.uptime);
}

/* A number too large for an int64_t, by which a wrapped one shows, throws. */
std::int64_t number_in(const std::string &word)
{
	std::size_t length = 0;
	std::int64_t value = -1;

	try {
		value = std::stoll(word, &length);
	} catch (const std::out_of_range &) {
	}
	if (value < 0 || length != word.size())
		throw check_failed("no sensible number: " + show(word));
	return value;
}

/* The date of boot, in seconds since 1970. */
seconds btime_in(const std::string &text)
{
	std::istringstream lines(text);

	for (std::string name, value; lines >> name; std::getline(lines, value))
		if (name == "btime" && lines >> value)
			return seconds(number_in(value));
	throw check_failed("/proc/stat has no btime");
}

seconds btime()
{
	return btime_in(read_file("/proc/stat"));
}

/* When a task began: the 22nd field of its stat. */
ticks start_time(const std::string &task)
{
	const std::string text = read_file("/proc/" + task + "/stat");
	/* The second field is in parentheses, and may hold anything. */
	std::istringstream fields(text.substr(text.rfind(')') + 1));
	std::string field;

	for (int number = 3; number <= 22; number++)
		fields >> field;
	return ticks(number_in(field));
}

/* A child that does nothing, and the time of the caller when it began. */
struct idle_task {
	nanoseconds before = now(CLOCK_BOOTTIME);
	child task;
	nanoseconds after = now(CLOCK_BOOTTIME);

	idle_task()
		: task([] { pause(); })
	{
	}

	/* Both its files agree with that, for a reader ahead of the caller. */
	void expect_start(nanoseconds ahead = 0s) const
	{
		const auto pid = std::to_string(task.pid());

		for (const auto &file : { pid, pid + "/task/" + pid }) {
			const auto start = start_time(file);

			expect_ge(start, std::chrono::floor<ticks>(before + ahead), file);
			expect_le(start, std::chrono::floor<ticks>(after + ahead), file);
		}
	}
};

/* Namespaces whose clocks start now: all other tasks are older. */
offsets from_zero()
{
	return { -now(CLOCK_MONOTONIC), -now(CLOCK_BOOTTIME) };
}

} // namespace

TEST(the_boot_id_is_that_of_the_machine)
{
	const std::string id = "/proc/sys/kernel/random/boot_id";

	if (access(id.c_str(), R_OK))
		skip("this kernel has no sysctls");

	const std::string outside = read_file(id);

	in_namespace(some_offsets, [&] { expect_eq(read_file(id), outside, id); });
}

TEST(uptime_is_boottime, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto before = now(CLOCK_BOOTTIME);
		const auto shown = uptime();

		expect_ge(shown, std::chrono::floor<ticks>(before), "/proc/uptime");
		expect_le(shown, now(CLOCK_BOOTTIME), "/proc/uptime");
	});
}

TEST(uptime_of_sysinfo_is_boottime, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto before = now(CLOCK_BOOTTIME);

		if (!has_room_in_sysinfo(before))
			return;

		const auto shown = sysinfo_uptime();

		/* A second that has begun counts. */
		expect_ge(shown, before, "sysinfo");
		expect_le(shown, std::chrono::ceil<seconds>(now(CLOCK_BOOTTIME)), "sysinfo");
	});
}

TEST(btime_is_the_date_of_the_zero_of_boottime, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto real_before = now(CLOCK_REALTIME);
		const auto boot = now(CLOCK_BOOTTIME);
		const auto real_after = now(CLOCK_REALTIME);

		if (boot > real_before)
			return;

		const auto shown = btime();

		expect_ge(shown, std::chrono::floor<seconds>(real_before - boot), "btime");
		expect_le(shown, std::chrono::floor<seconds>(real_after - boot), "btime");
	});
}

TEST(a_boot_before_1970_is_shown_as_1970, .timeout = 30s,
     .differs_from_stock = "btime is printed as unsigned, and wraps")
{
	const auto host = now(CLOCK_BOOTTIME);

	for (nanoseconds clock :
	     { latest_clock - nanoseconds(60s), now(CLOCK_REALTIME) + nanoseconds(60s) })
		in_namespace({ 0s, clock - host }, [] { expect_eq(btime(), 0s, "btime"); });
}

TEST(a_task_began_when_its_maker_looked_at_the_clock, .timeout = 30s)
{
	idle_task().expect_start();
	in_each_shift([](const shift &) { idle_task().expect_start(); });
}

TEST(an_older_task_began_at_another_time_for_each_reader, .timeout = 30s)
{
	const idle_task older;

	for (const offsets &by : { some_offsets, offsets{ 0s, -250ms }, offsets{ 0s, 1ns } })
		in_namespace(by, [&] { older.expect_start(by.boottime); });
	older.expect_start();
}

TEST(a_task_that_began_before_the_zero_of_the_clock_shows_zero, .timeout = 30s,
     .differs_from_stock = "starttime is unsigned, and wraps for older tasks")
{
	const idle_task older;
	const auto self = std::to_string(getpid());
	const auto other = std::to_string(older.task.pid());

	in_namespace(from_zero(), [&] {
		for (const std::string &task :
		     { std::string("1"), self, self + "/task/" + self, other })
			expect_eq(start_time(task).count(), 0, "starttime of " + task);
		idle_task().expect_start();
	});
}

TEST(a_reader_outside_sees_its_own_time, .timeout = 30s)
{
	child([] {
		unshare_time();
		set_offsets(some_offsets);

		const idle_task inside;

		/* The maker is on the clocks of the host, its child is not. */
		expect_ne(ns_inode(inside.task.proc("ns/time")), ns_inode("/proc/self/ns/time"));
		inside.expect_start();

		const auto seen = uptime();

		expect_le(seen, now(CLOCK_BOOTTIME), "/proc/uptime");
	}).wait_ok();
}

TEST(a_file_that_was_opened_outside_shows_the_time_of_its_reader, .timeout = 30s)
{
	const unique_fd uptime_file = open_file("/proc/uptime", O_RDONLY);
	const unique_fd stat_file = open_file("/proc/stat", O_RDONLY);
	const unique_fd host = open_file("/proc/self/ns/time", O_RDONLY);
	const unique_fd moved = make_namespace(some_offsets);
	const auto outside = btime();
	const auto before = now(CLOCK_BOOTTIME);

	enter(moved);

	const auto inside = uptime_in(read_again(uptime_file));

	expect_ge(inside, std::chrono::floor<ticks>(before + some_offsets.boottime),
		  "/proc/uptime");
	expect_le(inside, now(CLOCK_BOOTTIME), "/proc/uptime");
	/* The seconds of both have the same fraction, which may move a bit. */
	expect_near(btime_in(read_again(stat_file)), outside - some_offsets.boottime, 1s, "btime");
	enter(host);

	const auto back = uptime_in(read_again(uptime_file));

	expect_le(back, now(CLOCK_BOOTTIME), "/proc/uptime");
}

TEST(all_of_them_agree, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto before = uptime();
		const idle_task task;
		const auto start = start_time(std::to_string(task.task.pid()));
		const auto whole = has_room_in_sysinfo(before) ? sysinfo_uptime() : before;
		const auto after = uptime();
		const auto date = now(CLOCK_REALTIME);

		expect_ge(start, std::chrono::floor<ticks>(before), "starttime after uptime");
		expect_le(start, std::chrono::floor<ticks>(after), "starttime before uptime");
		expect_ge(whole, before, "uptime of sysinfo");
		expect_le(whole, std::chrono::ceil<seconds>(after) + 1s, "uptime of sysinfo");
		if (date > after)
			expect_near(btime() + after, date, 5s, "btime + uptime");
	});
}

/* It is the sum of all processors, which no namespace has for itself. */
TEST(idle_time_is_that_of_the_host, .timeout = 30s)
{
	for (const shift &shift : all_shifts()) {
		channel<bool> question;
		channel<nanoseconds> answer;
		child inside([&] {
			in_namespace(shift.by, [&] {
				while (question.receive())
					answer.send(idle_time());
			});
		});
		const std::string name(shift.name);

		/* More than once: it goes on as outside. */
		for (int i = 0; i < 3; i++) {
			const auto before = idle_time();

			question.send(true);

			const auto seen = answer.receive(inside);

			expect_ge(seen, before, name);
			expect_le(seen, idle_time(), name);
			while (idle_time() < before + 2 * ticks(1))
				std::this_thread::sleep_for(soon);
		}
		question.send(false);
		inside.wait_ok();
	}
}

/* Its result counts from an arbitrary point, and wraps in a 32-bit program. */
TEST(times_counts_on_the_clock_of_the_namespace, .timeout = 30s,
     .differs_from_stock = "it counts on the host's clock")
{
	const auto count = [] {
		struct tms unused;

		/* All results are times, also those that look like an error. */
		return static_cast<unsigned long>(times(&unused));
	};

	for (const shift &shift : all_shifts()) {
		channel<unsigned long> answer;
		const auto moved = std::chrono::floor<ticks>(shift.by.monotonic).count();
		const auto before = count();

		in_namespace(shift.by, [&] { answer.send(count()); });

		const auto inside = answer.receive() - static_cast<unsigned long>(moved) - before;
		const auto passed = count() - before;

		expect_le(inside, passed + 1, std::string(shift.name) + ": ticks since before");
	}
}
