// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/timens_offsets: what it shows, accepts and refuses, in which order
 * it looks at a request, and when the offsets freeze. time_namespaces(7).
 */
#include "capability.hpp"
#include "kernel.hpp"
#include "shifts.hpp"
#include "wall_clock.hpp"

#include <climits>
#include <future>

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr std::string_view valid = "monotonic 9 0\n";
constexpr std::string_view malformed = "monotonic nine\n";
constexpr std::string_view out_of_range = "monotonic 9223372036 0\n";
constexpr std::string_view zero_text = "monotonic           0         0\n"
				       "boottime            0         0\n";

outcome write_to(const unique_fd &file, std::string_view text)
{
	return write(file.get(), text.data(), text.size());
}

/* The seconds of the host's clock, for a caller in the initial namespace. */
seconds host_seconds(clockid_t clock)
{
	return std::chrono::floor<seconds>(now(clock));
}

/*
 * Writes an offset that brings the clock to this second. The host's clock is
 * in the same second before and after, so the sum is exact.
 */
outcome write_offset_to_reach(std::string_view name, clockid_t clock, seconds goal)
{
	for (;;) {
		const seconds host = host_seconds(clock);
		const std::string text =
			std::string(name) + " " + std::to_string((goal - host).count()) + " 0\n";
		const outcome result = write_offsets(text);

		if (host_seconds(clock) == host)
			return result;
	}
}

struct named_clock {
	std::string_view name;
	clockid_t id;
};
constexpr named_clock clocks[] = {
	{ "monotonic", CLOCK_MONOTONIC },
	{ "boottime", CLOCK_BOOTTIME },
};

} // namespace

/* Showing. */

TEST(the_file_is_readable_by_all_and_writable_by_its_owner)
{
	struct stat status;

	check(stat(own_offsets_file.c_str(), &status), "stat");
	expect_eq(status.st_mode, S_IFREG | 0644u);
	expect_eq(status.st_uid, 0u);
}

TEST(a_stranger_may_read_the_file_but_not_open_it_for_writing)
{
	const std::string path = "/proc/" + std::to_string(getpid()) + "/timens_offsets";

	child([&] {
		become_user(1000);
		expect_eq(read_file(path), zero_text);
		expect_errno(open(path.c_str(), O_WRONLY), EACCES);
	}).wait_ok();
}

TEST(the_initial_namespace_shows_zero_offsets)
{
	expect_eq(read_file(own_offsets_file), zero_text);
}

TEST(offsets_are_shown_in_columns)
{
	unshare_time();
	set_offsets({ 1234567890s + 1ns, -1ns });
	expect_eq(read_file(own_offsets_file), "monotonic  1234567890         1\n"
					       "boottime           -1 999999999\n");
}

TEST(the_file_shows_the_namespace_for_children)
{
	unshare_time();
	set_offsets({ 1000s, 2000s });
	child([] {
		expect_eq(read_offsets(), offsets{ 1000s, 2000s }, "inherited by the child");
		unshare_time();
		set_offsets({ 3000s, 4000s });
		expect_eq(read_offsets(), offsets{ 3000s, 4000s }, "pending in the child");
	}).wait_ok();
	expect_eq(read_offsets(), offsets{ 1000s, 2000s }, "in the parent");
}

TEST(a_reader_never_sees_half_of_a_write, .timeout = 30s,
     .differs_from_stock = "at times: offsets are shown and inherited without a lock")
{
	constexpr int rounds = 20000;
	gate started;
	child reader([&] {
		unshare_time();
		started.open();
		for (int i = 0; i < rounds; i++) {
			const offsets seen = read_offsets();

			expect_eq(seen.monotonic, seen.boottime, "shown");
			unshare_time();

			const offsets inherited = read_offsets();

			expect_eq(inherited.monotonic, inherited.boottime, "inherited");
		}
	});

	started.wait(reader);

	const unique_fd file = open_file(reader.proc("timens_offsets"), O_WRONLY);
	const std::string texts[] = {
		offsets_text({ 1000s + 1ns, 1000s + 1ns }),
		offsets_text({ 2000s + 2ns, 2000s + 2ns }),
	};

	std::optional<ending> end;

	for (int i = 0; !end; i++) {
		const outcome result = write_to(file, texts[i % 2]);

		/* The reader may end at any time. */
		expect(result.error == 0 || result.error == ESRCH,
		       "the write is accepted: " + errno_name(result.error));
		end = reader.wait_for(0s);
	}
	end->expect_ok();
}

/* Accepting. */

TEST(text_is_accepted_as_programs_write_it)
{
	using namespace std::string_literals;

	const offsets first{ 1s + 2ns, 0s };
	const offsets both{ 1s + 2ns, 3s + 4ns };
	const std::pair<std::string, offsets> texts[] = {
		{ "monotonic 1 2\n", first },
		{ "boottime 3 4\n", { 0s, 3s + 4ns } },
		{ "1 1 2\n", first },
		{ "7 3 4\n", { 0s, 3s + 4ns } },
		{ "monotonic 1 2\nboottime 3 4\n", both },
		{ "boottime 3 4\nmonotonic 1 2\n", both },
		{ "1 1 2\nboottime 3 4\n", both },
		{ "monotonic 1 2", first },
		{ "monotonic 1 2\nboottime 3 4", both },
		{ "  monotonic 1 2\n  boottime 3 4\n", both },
		{ "\tmonotonic\t1\t2\n", first },
		{ "monotonic           1         2\n", first },
		{ "monotonic 1 2 \n", first },
		{ "monotonic 1 2\r\n", first },
		{ "monotonic 1 2 # comment\n", first },
		{ "monotonic 1 2junk\n", first },
		{ "monotonic 1 2 boottime 3 4\n", first },
		{ "monotonic 9 9\nmonotonic 1 2\n", first },
		{ "monotonic 0001 0002\n", first },
		{ "monotonic 0 999999999\n", { 999999999ns, 0s } },
		{ "monotonic -1 999999999\n", { -1ns, 0s } },
		{ "monotonic -0 5\n", { 5ns, 0s } },
		{ "monotonic 1 2\n\0"s, first },
	};

	for (const auto &[text, expected] : texts)
		child([&] {
			unshare_time();
			expect_eq(check(write_offsets(text), show(text)), text.size(),
				  "bytes of " + show(text));
			expect_eq(read_offsets(), expected, show(text));
		}).wait_ok();
}

TEST(a_write_sets_only_the_clocks_that_it_names)
{
	unshare_time();
	set_offsets({ 10s, 20s });
	check(write_offsets("boottime 30 0\n"), "write");
	expect_eq(read_offsets(), offsets{ 10s, 30s });
	check(write_offsets("monotonic 40 0\n"), "write");
	expect_eq(read_offsets(), offsets{ 40s, 30s });
}

TEST(only_two_lines_are_taken_and_the_write_is_short)
{
	const std::string two = "monotonic 1 0\nboottime 2 0\n";

	unshare_time();
	expect_eq(check(write_offsets(two + "monotonic 3 0\n"), "write"), two.size());
	expect_eq(read_offsets(), offsets{ 1s, 2s });
	expect_eq(check(write_offsets(two + "not even looked at"), "write"), two.size());
	expect_eq(check(write_offsets(two + "\n"), "write"), two.size());
}

TEST(a_write_is_shorter_than_a_page)
{
	std::string text = "monotonic 9 0";

	text.resize(sysconf(_SC_PAGESIZE), ' ');
	unshare_time();
	expect_errno(write_offsets(text), EINVAL, "a page");
	expect_errno(write_offsets(text + text), EINVAL, "two pages");
	expect_eq(read_offsets(), offsets{});
	text.pop_back();
	expect_eq(check(write_offsets(text), "write of a page less one byte"), text.size());
	expect_eq(read_offsets(), offsets{ 9s, 0s });
}

TEST(one_descriptor_takes_several_writes)
{
	unshare_time();

	const unique_fd file = open_file(own_offsets_file, O_RDWR);

	for (int second : { 1, 2, 3 }) {
		check(write_to(file, offsets_text({ seconds(second), 0s })), "write");
		expect_eq(read_offsets().monotonic, nanoseconds(seconds(second)));
		expect_eq(check(lseek(file.get(), 0, SEEK_CUR), "lseek"), 0);
	}
}

TEST(a_write_wants_the_file_position_zero)
{
	char buffer[512];

	unshare_time();

	const unique_fd file = open_file(own_offsets_file, O_RDWR);

	check(read(file.get(), buffer, sizeof(buffer)), "read");
	expect_errno(write_to(file, valid), EINVAL, "after a read");
	check(lseek(file.get(), 0, SEEK_SET), "lseek");
	check(write_to(file, valid), "write after lseek to 0");
	check(lseek(file.get(), 1, SEEK_SET), "lseek");
	expect_errno(write_to(file, valid), EINVAL, "after lseek to 1");
}

TEST(pwrite_is_not_possible)
{
	unshare_time();

	const unique_fd file = open_file(own_offsets_file, O_WRONLY);

	expect_errno(pwrite(file.get(), valid.data(), valid.size(), 0), ESPIPE);
}

TEST(truncating_and_appending_descriptors_write_as_any_other)
{
	unshare_time();
	for (int flag : { O_TRUNC, O_APPEND, O_TRUNC | O_APPEND }) {
		const unique_fd file = open_file(own_offsets_file, O_WRONLY | flag);

		set_offsets({});
		check(write_to(file, valid), "write");
		expect_eq(read_offsets(), offsets{ 9s, 0s });
	}
}

/* Refusing. */

TEST(malformed_text_is_refused_and_changes_nothing)
{
	const offsets before{ 3s, 4s };
	const std::string_view texts[] = {
		"",
		"\n",
		" \n",
		"\nmonotonic 1 0\n",
		"monotonic 1 0\n\n",
		"monotonic 1 0\n\nboottime 1 0\n",
		"monotonic\n",
		"monotonic 1\n",
		"monotonic 1 \n",
		"monotonic\n1 0\n",
		"1 0\n",
		"monotonic one 0\n",
		"monotonic 1 zero\n",
		"monotonic +1 0\n",
		"monotonic 1 +0\n",
		"monotonic - 0\n",
		"monotonic --1 0\n",
		"monotonic 0x10 0\n",
		"monotonic 1.5 0\n",
		"monotonic 1,0\n",
		"monotonic 1 -1\n",
		"monotonic 1 -0\n",
		"monotonic 1 1000000000\n",
		"monotonic 1 99999999999\n",
		"monotonic 1 9223372036854775807\n",
		"Monotonic 1 0\n",
		"MONOTONIC 1 0\n",
		"CLOCK_MONOTONIC 1 0\n",
		"monoton 1 0\n",
		"monotonic_raw 1 0\n",
		"monotonic_coarse 1 0\n",
		"boottime_ 1 0\n",
		"boottime_alarm 1 0\n",
		"realtime 1 0\n",
		"tai 1 0\n",
		"01 1 0\n",
		"-1 1 0\n",
		"0 1 0\n", /* CLOCK_REALTIME */
		"2 1 0\n", /* CLOCK_PROCESS_CPUTIME_ID */
		"3 1 0\n", /* CLOCK_THREAD_CPUTIME_ID */
		"4 1 0\n", /* CLOCK_MONOTONIC_RAW */
		"5 1 0\n", /* CLOCK_REALTIME_COARSE */
		"6 1 0\n", /* CLOCK_MONOTONIC_COARSE */
		"8 1 0\n", /* CLOCK_REALTIME_ALARM */
		"9 1 0\n", /* CLOCK_BOOTTIME_ALARM */
		"11 1 0\n", /* CLOCK_TAI */
		"17 1 0\n",
		"monotonic 1 0\nboottime\n",
		"monotonic 1 0\njunk",
		"monotonic 1 0\nmonotonic 1 1000000000\n",
	};

	unshare_time();
	set_offsets(before);
	for (std::string_view text : texts) {
		/* A name where there are wall clocks: see wall.cpp. */
		if (text.starts_with("realtime") && has_wall_clocks())
			continue;
		expect_errno(write_offsets(text), EINVAL, show(text));
		expect_eq(read_offsets(), before, show(text));
	}
}

TEST(a_number_that_no_clock_can_reach_is_out_of_range)
{
	const offsets before{ 3s, 4s };
	const std::string_view texts[] = {
		"monotonic 9223372036 0\n",
		"monotonic -9223372036 0\n",
		"monotonic 9223372037 0\n",
		"monotonic -9223372037 0\n",
		"monotonic 9223372036854775807 0\n",
		"monotonic 9223372036854775807 999999999\n",
		"monotonic -9223372036854775807 0\n",
		"monotonic -9223372036854775808 0\n",
		"monotonic 9223372036854775808 0\n",
		"monotonic -9223372036854775809 0\n",
		"boottime 9223372036 0\n",
		"boottime -9223372036 0\n",
		"7 9223372037 0\n",
		"monotonic 1 0\nboottime 9223372036 0\n",
		"monotonic -9223372036 0\nboottime 1 0\n",
		"monotonic 9223372036 0\nmonotonic 1 0\n",
	};

	unshare_time();
	set_offsets(before);
	for (std::string_view text : texts) {
		expect_errno(write_offsets(text), ERANGE, show(text));
		expect_eq(read_offsets(), before, show(text));
	}
}

TEST(a_number_that_overflows_never_wraps,
     .differs_from_stock = "18446744073709551617 is taken as 1")
{
	const std::pair<std::string_view, int> texts[] = {
		{ "monotonic 18446744073709551617 0\n", ERANGE },
		{ "monotonic -18446744073709551615 0\n", ERANGE },
		{ "monotonic 36893488147419103233 0\n", ERANGE },
		{ "boottime 340282366920938463463374607431768211457 0\n", ERANGE },
		{ "monotonic 1 18446744073709551616\n", EINVAL },
		{ "monotonic 1 18446744073709551617\n", EINVAL },
	};

	unshare_time();
	for (const auto &[text, error] : texts) {
		expect_errno(write_offsets(text), error, show(text));
		expect_eq(read_offsets(), offsets{}, show(text));
	}
}

TEST(a_clock_may_start_at_zero_but_not_below)
{
	unshare_time();
	for (const auto &[name, clock] : clocks) {
		check(write_offset_to_reach(name, clock, 0s), std::string(name) + " reaching 0 s");
		expect_errno(write_offset_to_reach(name, clock, -1s), ERANGE,
			     std::string(name) + " reaching -1 s");
	}
}

TEST(a_clock_may_start_at_half_of_the_greatest_time_but_not_above)
{
	/* KTIME_SEC_MAX / 2, about 146 years. */
	constexpr seconds limit{ LLONG_MAX / 1'000'000'000 / 2 };

	unshare_time();
	for (const auto &[name, clock] : clocks) {
		check(write_offset_to_reach(name, clock, limit),
		      std::string(name) + " reaching the limit");
		expect_errno(write_offset_to_reach(name, clock, limit + 1s), ERANGE,
			     std::string(name) + " above the limit");
	}
}

TEST(the_range_is_that_of_the_clock_of_the_initial_namespace)
{
	const seconds host = host_seconds(CLOCK_MONOTONIC);
	const auto reaching = [&](seconds goal) {
		return "monotonic " + std::to_string((goal - host).count()) + " 0\n";
	};

	in_namespace({ 100000s, 100000s }, [&] {
		unshare_time();
		/* Only the clock inside is that far above zero. */
		expect_errno(write_offsets(reaching(-1000s)), ERANGE);
		check(write_offsets(reaching(0s)), "write");
	});
	in_namespace({ -host, 0s }, [&] {
		unshare_time();
		/* The clock inside is about zero, that of the host is not. */
		check(write_offsets(reaching(0s)), "write");
	});
}

TEST(a_bad_address_is_a_fault)
{
	const std::size_t page = sysconf(_SC_PAGESIZE);
	char *memory = static_cast<char *>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	expect(memory != MAP_FAILED, "memory is mapped");
	check(mprotect(memory + page, page, PROT_NONE), "mprotect");
	unshare_time();

	const unique_fd file = open_file(own_offsets_file, O_WRONLY);

	expect_errno(write(file.get(), memory + page, 10), EFAULT);
	/* Valid text that runs into the hole. */
	valid.copy(memory + page - valid.size(), valid.size());
	expect_errno(write(file.get(), memory + page - valid.size(), valid.size() + 1), EFAULT,
		     "text before a hole");
	expect_eq(read_offsets(), offsets{});
	check(write(file.get(), memory + page - valid.size(), valid.size()),
	      "write of the text alone");
}

/* The order of checks: each request is wrong in two ways. */

TEST(position_and_size_come_before_the_address)
{
	void *hole =
		mmap(nullptr, sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(hole != MAP_FAILED, "memory is mapped");
	unshare_time();

	const unique_fd file = open_file(own_offsets_file, O_RDWR);

	expect_errno(write(file.get(), hole, sysconf(_SC_PAGESIZE)), EINVAL, "size");
	check(lseek(file.get(), 1, SEEK_SET), "lseek");
	expect_errno(write(file.get(), hole, 10), EINVAL, "position");
}

TEST(the_address_comes_before_the_permission)
{
	void *hole =
		mmap(nullptr, sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(hole != MAP_FAILED, "memory is mapped");
	unshare_time();
	drop_capability(CAP_SYS_TIME);

	const unique_fd file = open_file(own_offsets_file, O_WRONLY);

	expect_errno(write(file.get(), hole, 10), EFAULT);
}

TEST(the_text_comes_before_the_life_of_the_task)
{
	child target([] {});
	const unique_fd file = open_file(target.proc("timens_offsets"), O_WRONLY);

	target.wait_exited();
	expect_errno(write_to(file, malformed), EINVAL);
	expect_errno(write_to(file, valid), ESRCH);
}

TEST(the_life_of_the_task_comes_before_the_permission)
{
	child target([] {});

	drop_capability(CAP_SYS_TIME);

	const unique_fd file = open_file(target.proc("timens_offsets"), O_WRONLY);

	target.wait_exited();
	expect_errno(write_to(file, valid), ESRCH);
}

TEST(the_permission_comes_before_the_range)
{
	unshare_time();
	drop_capability(CAP_SYS_TIME);
	expect_errno(write_offsets(out_of_range), EPERM);
	expect_errno(write_offsets(malformed), EINVAL);
	expect_errno(write_offsets(valid), EPERM);
}

TEST(the_range_comes_before_the_freeze)
{
	unshare_time();
	child([] {}).wait_ok();
	expect_errno(write_offsets(malformed), EINVAL);
	expect_errno(write_offsets(out_of_range), ERANGE);
	expect_errno(write_offsets(valid), EACCES);
}

TEST(the_permission_comes_before_the_freeze)
{
	drop_capability(CAP_SYS_TIME);
	expect_errno(write_offsets(valid), EPERM, "initial namespace");
	unshare_time();
	child([] {}).wait_ok();
	expect_errno(write_offsets(valid), EPERM, "frozen namespace");
}

/* Who may write. */

TEST(cap_sys_time_is_needed)
{
	unshare_time();
	drop_capability(CAP_SYS_TIME);
	expect_errno(write_offsets(valid), EPERM);
	expect_eq(read_offsets(), offsets{});
}

TEST(cap_sys_time_is_enough)
{
	unshare_time();
	keep_only_capabilities({ CAP_SYS_TIME });
	check(write_offsets(valid), "write with CAP_SYS_TIME alone");
	expect_eq(read_offsets(), offsets{ 9s, 0s });
}

TEST(the_capability_of_the_opener_counts)
{
	unshare_time();

	const unique_fd opened_with = open_file(own_offsets_file, O_WRONLY);

	set_effective(CAP_SYS_TIME, false);
	check(write_to(opened_with, valid), "write by an opener that could");

	const unique_fd opened_without = open_file(own_offsets_file, O_WRONLY);

	set_effective(CAP_SYS_TIME, true);
	expect_errno(write_to(opened_without, valid), EPERM);
	check(write_offsets(valid), "write with the capability again");
}

TEST(the_capability_is_wanted_in_the_user_namespace_that_owns)
{
	unshare_time();
	enter_user_namespace();
	expect_errno(write_offsets(valid), EPERM, "namespace of the parent user namespace");
	unshare_time();
	check(write_offsets(valid), "write to an own namespace");
}

TEST(a_capability_in_an_ancestor_user_namespace_is_enough)
{
	gate created;
	child target([&] {
		enter_user_namespace(CLONE_NEWTIME);
		created.open();
		pause();
	});
	const std::string path = target.proc("timens_offsets");

	created.wait(target);
	check(write_offsets(valid, path), "write from outside");
	expect_eq(read_offsets(path), offsets{ 9s, 0s });
}

/* Whose offsets. */

TEST(another_task_sets_the_offsets_of_a_pending_namespace)
{
	const time_view outside = view_here();
	gate created, written;
	child target([&] {
		unshare_time();
		created.open();
		written.wait();

		const ino_t pending = namespaces_of().for_children;

		child([&] {
			expect_view({ { pending, pending },
				      { outside.clocks.monotonic + 1000s,
					outside.clocks.boottime + 2000s } });
		}).wait_ok();
	});

	created.wait(target);
	set_offsets({ 1000s, 2000s }, target.proc("timens_offsets"));
	expect_eq(read_offsets(), offsets{}, "of the writer");
	written.open();
	target.wait_ok();
}

TEST(an_open_file_follows_its_task_to_a_new_namespace)
{
	unshare_time();

	const unique_fd file = open_file(own_offsets_file, O_WRONLY);

	child([] {}).wait_ok();
	expect_errno(write_to(file, valid), EACCES);
	unshare_time();
	check(write_to(file, valid), "write after a second unshare");
	expect_eq(read_offsets(), offsets{ 9s, 0s });
}

TEST(a_zombie_shows_nothing_and_takes_nothing)
{
	child target([] {});
	const unique_fd file = open_file(target.proc("timens_offsets"), O_RDWR);
	char buffer[512];

	target.wait_exited();
	expect_eq(check(read(file.get(), buffer, sizeof(buffer)), "read"), 0);
	expect_eq(read_file(target.proc("timens_offsets")), "",
		  "opened when it was a zombie already");
	check(lseek(file.get(), 0, SEEK_SET), "lseek");
	expect_errno(write_to(file, valid), ESRCH);
}

TEST(a_reaped_task_is_not_found)
{
	child target([] {});
	const std::string path = target.proc("timens_offsets");
	const unique_fd file = open_file(path, O_RDWR);
	char buffer[512];

	target.wait_ok();
	expect_errno(read(file.get(), buffer, sizeof(buffer)), ESRCH);
	expect_errno(write_to(file, valid), ESRCH);
	expect_errno(open(path.c_str(), O_RDONLY), ENOENT);
}

/* Freezing. */

TEST(the_initial_namespace_is_frozen)
{
	expect_errno(write_offsets(valid), EACCES);
	expect_errno(write_offsets(zero_text), EACCES, "without a change");
}

TEST(offsets_freeze_when_the_first_task_enters)
{
	unshare_time();
	set_offsets({ 100s, 200s });
	child([] {}).wait_ok();
	expect_errno(write_offsets(valid), EACCES);
	expect_eq(read_offsets(), offsets{ 100s, 200s });
}

TEST(frozen_offsets_are_so_for_every_process)
{
	unshare_time();

	const std::string parent = "/proc/" + std::to_string(getpid()) + "/timens_offsets";
	const unique_fd file = open_file(own_offsets_file, O_WRONLY);

	child([&] {
		expect_errno(write_offsets(valid), EACCES, "in the namespace");
		expect_errno(write_offsets(valid, parent), EACCES, "to the parent's file");
		child([&] {
			expect_errno(write_offsets(valid), EACCES, "in a grandchild");
		}).wait_ok();
	}).wait_ok();
	expect_errno(write_to(file, valid), EACCES, "through an old file");
}

TEST(setns_freezes)
{
	gate created, entered;
	child visitor([&, parent = getpid()] {
		const std::string path =
			"/proc/" + std::to_string(parent) + "/ns/time_for_children";

		created.wait();
		enter(open_file(path, O_RDONLY));
		entered.open();
		pause();
	});

	unshare_time();
	check(write_offsets(valid), "write before");
	created.open();
	entered.wait(visitor);
	expect_errno(write_offsets(valid), EACCES);
}

TEST(setns_into_the_own_pending_namespace_freezes)
{
	unshare_time();
	enter(open_file("/proc/self/ns/time_for_children", O_RDONLY));
	expect_errno(write_offsets(valid), EACCES);
}

HELPER(offsets_are_frozen)
{
	expect_errno(write_offsets(valid), EACCES, "after execve");
}

TEST(execve_freezes)
{
	unshare_time();
	check(write_offsets(valid), "write before");
	exec_helper("offsets_are_frozen");
}

TEST(clone3_with_the_flag_freezes_at_once)
{
	child([] { expect_errno(write_offsets(valid), EACCES); }, CLONE_NEWTIME).wait_ok();
}

TEST(a_failed_execve_does_not_freeze)
{
	char *const arguments[] = { nullptr };

	unshare_time();
	expect_errno(execve("/proc/self/no_such_file", arguments, arguments), ENOENT);
	/* A file that may be executed by nobody. */
	expect_errno(execve("/proc/self/stat", arguments, arguments), EACCES);
	check(write_offsets(valid), "write after");
}

/* The number of the new process is taken, which shows when its namespaces are there. */
TEST(a_failed_fork_does_not_freeze,
     .differs_from_stock = "it freezes before the last step that can fail")
{
	for (std::uint64_t flags : { 0, CLONE_NEWUTS, CLONE_NEWTIME }) {
		const pid_t taken = getpid();
		clone_args arguments{};

		arguments.flags = flags;
		arguments.exit_signal = SIGCHLD;
		arguments.set_tid = reinterpret_cast<std::uintptr_t>(&taken);
		arguments.set_tid_size = 1;

		const time_view inside = unshare_with({ 1000s, 2000s });
		const time_namespaces before = namespaces_of();

		expect_errno(syscall(SYS_clone3, &arguments, sizeof(arguments)), EEXIST, "clone3");
		expect_eq(namespaces_of(), before);
		expect_errno(write_offsets(valid), 0, "write after");
		/* The next one enters, with what was written last. */
		set_offsets({ 1000s, 2000s });
		child([&] { expect_view(inside); }).wait_ok();
		expect_errno(write_offsets(valid), EACCES, "write after a fork that worked");
	}
}

/* Found out last of all, when the process would become visible. */
TEST(a_fork_into_a_dead_pid_namespace_does_not_freeze,
     .differs_from_stock = "it freezes before the last step that can fail")
{
	child([] {
		check(unshare(CLONE_NEWPID), "unshare");
		child([] {}).wait_ok();
		unshare_time();

		const pid_t pid = fork();

		if (!pid)
			_exit(0);
		expect_errno(pid, ENOMEM, "fork without init");
		check(write_offsets(valid), "write after");
	}).wait_ok();
}

TEST(a_failed_setns_does_not_freeze)
{
	unshare_time();

	const unique_fd pending = open_file("/proc/self/ns/time_for_children", O_RDONLY);

	{
		const idle_thread other;

		expect_errno(setns(pending.get(), CLONE_NEWTIME), EUSERS);
	}
	set_effective(CAP_SYS_ADMIN, false);
	check(write_offsets(valid), "write after");
}

TEST(a_thread_does_not_freeze)
{
	unshare_time();

	const idle_thread other;

	check(write_offsets(valid), "write with a second thread");
}

TEST(a_vfork_that_only_exits_does_not_freeze)
{
	int status;

	unshare_time();

	const pid_t pid = check(vfork(), "vfork");

	if (!pid)
		_exit(0);
	check(waitpid(pid, &status, 0), "waitpid");
	check(write_offsets(valid), "write after vfork");
}

TEST(reading_does_not_freeze)
{
	unshare_time();
	read_offsets();
	namespaces_of();
	open_file("/proc/self/ns/time_for_children", O_RDONLY);
	check(write_offsets(valid), "write after reading");
}

/* Inheriting. */

TEST(a_second_unshare_makes_a_new_writable_namespace)
{
	unshare_time();
	set_offsets({ 1000s, 2000s });
	child([] {}).wait_ok();

	const ino_t frozen = namespaces_of().for_children;

	unshare_time();
	expect_ne(namespaces_of().for_children, frozen);
	check(write_offsets("monotonic 3000 0\n"), "write");
	expect_eq(read_offsets(), offsets{ 3000s, 2000s });
}

TEST(a_runtime_within_a_namespace_starts_its_child_at_zero)
{
	in_namespace({ 1000s, 2000s }, [] {
		const offsets own = read_offsets();
		const offsets now = clocks_now();

		unshare_time();
		expect_errno(write_offsets(offsets_text({ -now.monotonic, -now.boottime })), ERANGE,
			     "minus the own clock");
		set_offsets({ own.monotonic - now.monotonic, own.boottime - now.boottime });
		child([] {
			expect_soon_after(clocks_now().monotonic, 0s, "CLOCK_MONOTONIC");
			expect_soon_after(clocks_now().boottime, 0s, "CLOCK_BOOTTIME");
		}).wait_ok();
	});
}

TEST(a_new_namespace_inherits_from_the_pending_one)
{
	unshare_time();
	set_offsets({ 1000s, 2000s });
	unshare_time();
	expect_eq(read_offsets(), offsets{ 1000s, 2000s }, "from an open one");
	child([] {}).wait_ok();
	unshare_time();
	expect_eq(read_offsets(), offsets{ 1000s, 2000s }, "from a frozen one");
	set_offsets({});
	expect_eq(read_offsets(), offsets{}, "set to zero");
}

TEST(inherited_offsets_hold_without_a_write)
{
	const time_view outside = view_here();

	in_namespace({ 1000s, 2000s }, [&] {
		unshare_time();

		const ino_t pending = namespaces_of().for_children;

		child([&] {
			expect_view({ { pending, pending },
				      { outside.clocks.monotonic + 1000s,
					outside.clocks.boottime + 2000s } });
		}).wait_ok();
	});
}

TEST(a_change_after_inheriting_leaves_the_parent_alone)
{
	const time_view outside = view_here();

	in_namespace({ 1000s, 2000s }, [&] {
		const ino_t own = namespaces_of().own;

		unshare_time();
		set_offsets({ 5000s, 6000s });

		const ino_t pending = namespaces_of().for_children;

		expect_view(
			{ { own, pending },
			  { outside.clocks.monotonic + 1000s, outside.clocks.boottime + 2000s } });
		child([&] {
			expect_view({ { pending, pending },
				      { outside.clocks.monotonic + 5000s,
					outside.clocks.boottime + 6000s } });
		}).wait_ok();
	});
}

TEST(offsets_are_from_the_initial_namespace_and_do_not_add_up)
{
	const nanoseconds outside = now(CLOCK_MONOTONIC);

	in_namespace({ 1000s, 1000s }, [&] {
		in_namespace({ 5000s, 5000s },
			     [&] { expect_soon_after(now(CLOCK_MONOTONIC), outside + 5000s); });
	});
}

/* By thread. */

TEST(a_thread_sets_its_own_offsets,
     .differs_from_stock = "/proc/PID/task/TID has no timens_offsets")
{
	const auto thread = [] {
		const std::string path =
			"/proc/self/task/" + std::to_string(gettid()) + "/timens_offsets";

		unshare_time();
		set_offsets({ 1000s, 2000s }, path);
		expect_eq(read_offsets("/proc/thread-self/timens_offsets"),
			  offsets{ 1000s, 2000s });
		child([] {
			expect_eq(read_offsets(), offsets{ 1000s, 2000s },
				  "in a child of the thread");
			expect_errno(write_offsets(valid), EACCES);
		}).wait_ok();
		expect_errno(write_offsets(valid, path), EACCES);
	};

	std::async(std::launch::async, thread).get();
	expect_eq(read_offsets(), offsets{}, "of the first thread");
}

TEST(the_directory_of_a_thread_id_sets_the_offsets_of_that_thread)
{
	const auto thread = [] {
		const std::string path = "/proc/" + std::to_string(gettid()) + "/timens_offsets";

		unshare_time();
		set_offsets({ 1000s, 2000s }, path);
		child([] { expect_eq(read_offsets(), offsets{ 1000s, 2000s }); }).wait_ok();
	};

	std::async(std::launch::async, thread).get();
	expect_eq(read_offsets(), offsets{}, "of the first thread");
}
