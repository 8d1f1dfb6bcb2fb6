// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wall clock of a namespace: how it gets one, who shares it, what it runs on, and
 * that all ways to read the date agree. wall_set.cpp sets it by every call.
 */
#include "hostclock.hpp"
#include "shifts.hpp"
#include "wall_clock.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* Of no whole seconds, so that a carry is seen. */
constexpr nanoseconds ahead = ninety_days + 500ms + 7ns;

constexpr wall_clock of_the_host{ TIMENS_WALL_HOST, 0s, 0 };

outcome write_realtime(nanoseconds by)
{
	return write_offsets(realtime_text(by));
}

std::string shown_offsets()
{
	return read_file(own_offsets_file);
}

constexpr std::string_view two_lines = "monotonic           0         0\n"
				       "boottime            0         0\n";

/* The command with another size of its structure. */
constexpr unsigned int resized(unsigned int command, std::size_t size)
{
	return (command & ~(static_cast<unsigned int>(_IOC_SIZEMASK) << _IOC_SIZESHIFT)) |
	       static_cast<unsigned int>(size) << _IOC_SIZESHIFT;
}

/* Changes a request that would be accepted. */
timens_wall_arg but(timens_wall_arg wanted, auto edit)
{
	edit(wanted);
	return wanted;
}

/* The last second that a clock can be set to is before this (TIME_SETTOD_SEC_MAX). */
constexpr seconds settable_end{ 9'223'372'036 - 30LL * 365 * 24 * 3600 };

} // namespace

/* Asking for one, by text. */

TEST(a_line_of_text_gives_a_wall_clock)
{
	require_wall_clocks();
	for (const nanoseconds by :
	     { nanoseconds(ahead), -ahead, nanoseconds(0s), nanoseconds(sixteen_years) })
		child([&] {
			const auto host_zero = date_of_zero();

			unshare_time();

			const unique_fd ns = pending_namespace();

			expect_eq(wall_of(ns).mode, std::uint32_t(TIMENS_WALL_HOST), "before");
			expect_eq(check(write_realtime(by), "write"), realtime_text(by).size(),
				  "bytes");
			expect_eq(wall_of(ns).mode, std::uint32_t(TIMENS_WALL_FOLLOW), "mode");
			expect_eq(wall_of(ns).offset, by, "offset");
			child([&] { expect_date_of_zero(host_zero + by, "inside"); }).wait_ok();
			expect_date_of_zero(host_zero, "outside");
		}).wait_ok();
}

TEST(the_date_is_exactly_as_far_ahead_as_the_offset)
{
	require_wall_clocks();

	const unique_fd host = own_namespace();
	const unique_fd moved = make_wall_namespace(ahead);

	for (const auto &reader : clock_readers()) {
		const auto before = reader.read(CLOCK_REALTIME);

		if (reader.name.ends_with("time32") && before + ahead > seconds(INT32_MAX))
			continue;
		enter(moved);

		const auto inside = reader.read(CLOCK_REALTIME);

		enter(host);
		expect_ge(inside, before + ahead, reader.name);
		expect_le(inside, reader.read(CLOCK_REALTIME) + ahead, reader.name);
	}
}

TEST(the_numbers_of_wall_clocks_are_no_names)
{
	require_wall_clocks();
	child([] {
		unshare_time();
		for (const char *text : { "0 10 0\n", "5 10 0\n", "8 10 0\n", "11 10 0\n",
					  "tai 10 0\n", "realtime_coarse 10 0\n",
					  "monotonic 1 0\n0 10 0\n", "realtime 1 0\n11 10 0\n" }) {
			expect_errno(write_offsets(text), EINVAL, text);
			expect_eq(shown_offsets(), two_lines, text);
			expect_eq(wall_of(pending_namespace()), of_the_host, text);
		}
	}).wait_ok();
}

TEST(three_lines_of_one_write_are_all_accepted_in_any_order)
{
	require_wall_clocks();

	const std::string lines[] = { "monotonic 1000 1\n", "boottime 2000 2\n",
				      "realtime 5000 3\n" };

	for (const auto &order :
	     { std::array{ 0, 1, 2 }, std::array{ 0, 2, 1 }, std::array{ 1, 0, 2 },
	       std::array{ 1, 2, 0 }, std::array{ 2, 0, 1 }, std::array{ 2, 1, 0 } })
		child([&] {
			const std::string text =
				lines[order[0]] + lines[order[1]] + lines[order[2]];

			unshare_time();
			expect_eq(check(write_offsets(text), "write"), text.size(), show(text));
			expect_eq(shown_offsets(),
				  "monotonic        1000         1\n"
				  "boottime         2000         2\n"
				  "realtime         5000         3\n",
				  show(text));
			expect_eq(wall_of(pending_namespace()).offset, 5000s + 3ns, show(text));
		}).wait_ok();
}

TEST(a_third_line_of_another_clock_is_left_to_the_next_write)
{
	require_wall_clocks();
	child([] {
		const std::string accepted = "realtime 5000 0\nmonotonic 1 0\nboottime 2 0\n";

		unshare_time();
		expect_eq(check(write_offsets(accepted + "monotonic 3 0\n"), "write"),
			  accepted.size(), "bytes accepted");
		expect_eq(shown_offsets(), "monotonic           1         0\n"
					   "boottime            2         0\n"
					   "realtime         5000         0\n");
	}).wait_ok();
}

TEST(a_third_line_is_shown_only_where_there_is_a_wall_clock)
{
	require_wall_clocks();
	expect_eq(shown_offsets(), two_lines, "in the initial namespace");
	child([] {
		unshare_time();
		expect_eq(shown_offsets(), two_lines, "without one");
		check(write_offsets("monotonic 1 0\n"), "write");
		expect_eq(shown_offsets(),
			  "monotonic           1         0\n"
			  "boottime            0         0\n",
			  "without one, moved");
		check(write_realtime(-1ns), "write");
		expect_eq(shown_offsets(),
			  "monotonic           1         0\n"
			  "boottime            0         0\n"
			  "realtime           -1 999999999\n",
			  "with one");
		child([] {
			unshare_time();
			expect_eq(shown_offsets(),
				  "monotonic           1         0\n"
				  "boottime            0         0\n"
				  "realtime           -1 999999999\n",
				  "inherited");
		}).wait_ok();
	}).wait_ok();
}

TEST(an_offset_of_zero_gives_a_wall_clock_too)
{
	require_wall_clocks();
	in_wall_namespace(0s, [] {
		const auto zero = date_of_zero();

		expect_eq(wall_of(own_namespace()).mode, std::uint32_t(TIMENS_WALL_FOLLOW), "mode");
		step_date(5000s);
		expect_date_of_zero(zero + 5000s, "it can be set");
	});
}

TEST(text_that_is_refused_changes_nothing)
{
	require_wall_clocks();
	child([] {
		const auto up = std::chrono::floor<seconds>(system_now(CLOCK_BOOTTIME));
		const auto today = std::chrono::floor<seconds>(date());
		const auto line = [](seconds by) { return realtime_text(by); };
		const struct {
			std::string text;
			int error;
		} cases[] = {
			{ "realtime\n", EINVAL },
			{ "realtime 1\n", EINVAL },
			{ "realtime one 0\n", EINVAL },
			{ "realtime 1 -1\n", EINVAL },
			{ "realtime 1 1000000000\n", EINVAL },
			{ "Realtime 1 0\n", EINVAL },
			{ "realtime 1 0\nboottime\n", EINVAL },
			{ "monotonic 9 0\nrealtime 1\n", EINVAL },
			{ line(-today - 1000s), ERANGE },
			/* In 1970, but before the machine started. */
			{ line(-today + up / 2), ERANGE },
			{ "realtime 9223372037 0\n", ERANGE },
			{ "realtime 9223372036854775807 0\n", ERANGE },
			{ "realtime -9223372036854775808 0\n", ERANGE },
			{ "realtime 9223372036854775808 0\n", ERANGE },
			{ line(settable_end - today), ERANGE },
			/* Right without the other line. */
			{ "boottime 5000 0\n" + line(-today + up + 3000s), ERANGE },
			{ line(-today + up + 3000s) + "boottime 5000 0\n", ERANGE },
			{ "realtime 9 0\nmonotonic 9223372036 0\n", ERANGE },
		};

		unshare_wall(1000s, { 1s, 2s });
		for (const auto &each : cases) {
			expect_errno(write_offsets(each.text), each.error, show(each.text));
			expect_eq(shown_offsets(),
				  "monotonic           1         0\n"
				  "boottime            2         0\n"
				  "realtime         1000         0\n",
				  show(each.text));
		}
	}).wait_ok();
}

TEST(dates_at_the_edge_of_the_range_are_accepted)
{
	require_wall_clocks();
	child([] {
		const auto up = std::chrono::ceil<seconds>(system_now(CLOCK_BOOTTIME));
		const auto today = std::chrono::floor<seconds>(date());

		/* The clock goes on meanwhile, both ways away from the edge. */
		unshare_time();
		check(write_realtime(-today + up + 100s), "just above CLOCK_BOOTTIME");
		child([&] { expect_near(date(), up + 100s, date_slack, "just above"); }).wait_ok();
	}).wait_ok();
	child([] {
		unshare_time();

		const auto latest = settable_end - 100s - std::chrono::floor<seconds>(date());

		check(write_realtime(latest), "latest");
		child([&] {
			expect_near(date(), settable_end - 100s, date_slack, "latest");
		}).wait_ok();
	}).wait_ok();
}

TEST(a_date_that_is_right_with_the_boottime_of_the_same_write_is_accepted)
{
	require_wall_clocks();
	child([] {
		const auto up = std::chrono::floor<seconds>(system_now(CLOCK_BOOTTIME));
		const auto today = std::chrono::floor<seconds>(date());

		/* A second before the host's zero of the clock: it starts there, too. */
		unshare_time();
		check(write_offsets(realtime_text(-today + up - up / 2) + "boottime " +
				    std::to_string(-up.count() + 1) + " 0\n"),
		      "write");
		child([&] {
			expect_ge(date(), system_now(CLOCK_BOOTTIME), "the date");
			expect_le(date(), up + date_slack, "the date");
		}).wait_ok();
	}).wait_ok();
}

TEST(an_offset_that_puts_boottime_above_the_date_is_refused)
{
	require_wall_clocks();
	child([] {
		const std::string far = "boottime 4000000000 0\n";

		unshare_time();
		check(write_realtime(0s), "a wall clock");

		const auto before = shown_offsets();

		expect_errno(write_offsets(far), ERANGE, "above the date");
		expect_eq(shown_offsets(), before);
		check(write_offsets("boottime 1000 0\n"), "below the date");
	}).wait_ok();
	child([] {
		unshare_time();
		check(write_offsets("boottime 4000000000 0\n"), "without a wall clock");
	}).wait_ok();
}

TEST(a_wall_clock_counts_as_a_namespace_of_its_owner)
{
	require_wall_clocks();
	become_user(65534);
	enter_user_namespace();
	limit_namespaces("time", 1);
	unshare_time();
	expect_errno(write_realtime(1000s), ENOSPC, "text");
	expect_errno(set_wall(pending_namespace(), wall_offset(1000s)), ENOSPC, "ioctl");
	expect_eq(shown_offsets(), two_lines);
	limit_namespaces("time", 2);
	check(write_realtime(1000s), "with room for it");
}

TEST(text_comes_too_late_when_a_task_has_entered)
{
	require_wall_clocks();
	expect_errno(write_realtime(1s), EACCES, "the initial namespace");
	expect_errno(write_offsets("realtime 1\n"), EINVAL, "what is malformed is found before");
	in_wall_namespace(1000s, [] {
		const auto zero = date_of_zero();

		expect_errno(write_realtime(5000s), EACCES, "an entered namespace");
		expect_errno(write_offsets("realtime 9223372037 0\n"), ERANGE,
			     "what is out of range is found before");
		expect_date_of_zero(zero, "an entered namespace");
		expect_eq(wall_of(own_namespace()).offset, nanoseconds(1000s), "offset");
	});
	in_namespace(some_offsets, [] {
		expect_errno(write_realtime(5000s), EACCES, "entered without a clock");
		expect_eq(wall_of(own_namespace()), of_the_host, "entered without a clock");
	});
}

TEST(the_last_line_before_the_first_task_holds)
{
	require_wall_clocks();

	const auto host_zero = date_of_zero();

	child([&] {
		unshare_wall(1000s);
		check(write_realtime(5000s), "write");
		child([&] { expect_date_of_zero(host_zero + 5000s, "inside"); }).wait_ok();
	}).wait_ok();
}

/* Asking for one, by ioctl(). */

TEST(an_ioctl_gives_a_wall_clock_in_each_mode)
{
	require_wall_clocks();

	const auto host_zero = date_of_zero();
	const int host_tai = wall_of(own_namespace()).tai;
	const struct {
		const char *name;
		timens_wall_arg wanted;
		std::uint32_t mode;
		nanoseconds offset;
		int tai;
	} cases[] = {
		{ "offset", wall_offset(ahead), TIMENS_WALL_FOLLOW, ahead, host_tai },
		{ "follow", wall_mode(TIMENS_WALL_FOLLOW), TIMENS_WALL_FOLLOW, 0s, host_tai },
		{ "own", wall_mode(TIMENS_WALL_OWN), TIMENS_WALL_OWN, 0s, host_tai },
		{ "TAI", wall_tai(37), TIMENS_WALL_FOLLOW, 0s, 37 },
		{ "all",
		  but(wall_offset(-ahead),
		      [](auto &all) {
			      all.flags |= TIMENS_WALL_SET_MODE | TIMENS_WALL_SET_TAI;
			      all.mode = TIMENS_WALL_OWN;
			      all.tai = 100'000;
		      }),
		  TIMENS_WALL_OWN, -ahead, 100'000 },
	};

	for (const auto &each : cases)
		child([&] {
			unshare_time();

			const unique_fd ns = pending_namespace();

			check(set_wall(ns, each.wanted), each.name);

			const auto found = wall_of(ns);

			expect_eq(found.mode, each.mode, each.name);
			expect_near(found.offset, each.offset, 1us, each.name);
			expect_eq(found.tai, each.tai, each.name);
			child([&] {
				expect_date_of_zero(host_zero + each.offset, each.name);
				expect_readers_agree(seconds(each.tai), each.name);
			}).wait_ok();
			expect_date_of_zero(host_zero, "outside");
		}).wait_ok();
}

TEST(without_a_wall_clock_it_is_the_hosts)
{
	require_wall_clocks();

	timex adjustment;

	read_adjustment(adjustment);
	for (const auto &by : { offsets{}, some_offsets })
		child([&] {
			unshare_time();
			set_offsets(by);

			const auto found = wall_of(pending_namespace());

			expect_eq(found.mode, std::uint32_t(TIMENS_WALL_HOST), "mode");
			expect_eq(found.offset, 0ns, "offset");
			expect_eq(found.tai, adjustment.tai, "TAI");
		}).wait_ok();
}

TEST(requests_that_are_refused_change_nothing)
{
	require_wall_clocks();

	const auto today = std::chrono::floor<seconds>(date());
	const auto all = but(wall_offset(7s), [](auto &wanted) {
		wanted.flags |= TIMENS_WALL_SET_MODE | TIMENS_WALL_SET_TAI;
		wanted.mode = TIMENS_WALL_OWN;
		wanted.tai = 5;
	});
	const struct {
		const char *name;
		int error;
		timens_wall_arg wanted;
	} cases[] = {
		{ "nothing to set", EINVAL, but(all, [](auto &arg) { arg.flags = 0; }) },
		{ "an unknown flag", EINVAL, but(all, [](auto &arg) { arg.flags |= 1U << 3; }) },
		{ "the last flag", EINVAL, but(all, [](auto &arg) { arg.flags |= 1U << 31; }) },
		{ "the mode of the host", EINVAL,
		  but(all, [](auto &arg) { arg.mode = TIMENS_WALL_HOST; }) },
		{ "an unknown mode", EINVAL, but(all, [](auto &arg) { arg.mode = 3; }) },
		{ "negative TAI", EINVAL, but(all, [](auto &arg) { arg.tai = -1; }) },
		{ "great TAI", EINVAL, but(all, [](auto &arg) { arg.tai = 100'001; }) },
		{ "a second of nanoseconds", EINVAL,
		  but(all, [](auto &arg) { arg.realtime.nsec = 1'000'000'000; }) },
		{ "reserved", EINVAL, but(all, [](auto &arg) { arg.reserved = 1; }) },
		{ "reserved in the offset", EINVAL,
		  but(all, [](auto &arg) { arg.realtime.reserved = 1; }) },
		{ "before 1970", ERANGE,
		  but(all, [&](auto &arg) { arg.realtime.sec = -today.count() - 1000; }) },
		{ "before the machine started", ERANGE,
		  but(all, [&](auto &arg) { arg.realtime.sec = -today.count() + 1; }) },
		{ "too late", ERANGE,
		  but(all, [&](auto &arg) { arg.realtime.sec = (settable_end - today).count(); }) },
		{ "most", ERANGE, but(all, [](auto &arg) { arg.realtime.sec = INT64_MAX; }) },
		{ "least", ERANGE, but(all, [](auto &arg) { arg.realtime.sec = INT64_MIN; }) },
	};
	const auto expect_refusals = [&](const unique_fd &ns, const std::string &when) {
		const auto before = wall_of(ns);

		for (const auto &each : cases) {
			const std::string name = when + ": " + each.name;

			expect_errno(set_wall(ns, each.wanted), each.error, name);
			expect_eq(wall_of(ns), before, name);
		}
		expect_errno(ioctl(ns.get(), TIMENS_SET_WALL, nullptr), EFAULT, when);
		expect_errno(ioctl(ns.get(), TIMENS_GET_WALL, nullptr), EFAULT, when);
		expect_eq(wall_of(ns), before, when);
	};

	child([&] {
		unshare_time();

		const unique_fd ns = pending_namespace();

		expect_refusals(ns, "without a clock");
		check(set_wall(ns, wall_offset(1000s)), "TIMENS_SET_WALL");
		expect_refusals(ns, "with one");
		child([&] {
			const auto zero = date_of_zero();

			expect_refusals(ns, "with a task inside");
			expect_date_of_zero(zero, "with a task inside");
			expect_readers_agree(seconds(wall_of(ns).tai), "with a task inside");
		}).wait_ok();
	}).wait_ok();
}

TEST(members_that_are_not_to_be_set_are_not_looked_at)
{
	require_wall_clocks();
	child([] {
		unshare_time();

		const unique_fd ns = pending_namespace();

		check(set_wall(ns, but(wall_tai(5),
				       [](auto &arg) {
					       arg.mode = 77;
					       arg.realtime = { INT64_MAX, 0, 0 };
				       })),
		      "only TAI");
		expect_eq(wall_of(ns), wall_clock{ TIMENS_WALL_FOLLOW, 0s, 5 }, "only TAI");
		check(set_wall(ns, but(wall_offset(7s),
				       [](auto &arg) {
					       arg.mode = 77;
					       arg.tai = -5;
				       })),
		      "only the offset");
		expect_eq(wall_of(ns), wall_clock{ TIMENS_WALL_FOLLOW, 7s, 5 }, "only the offset");
	}).wait_ok();
}

TEST(a_namespace_that_was_entered_without_a_clock_gets_none)
{
	require_wall_clocks();

	const untouched_host host;
	const unique_fd initial = own_namespace();

	for (const auto &wanted : { wall_offset(1000s), wall_mode(TIMENS_WALL_OWN), wall_tai(1) }) {
		expect_errno(set_wall(initial, wanted), EACCES, "the initial namespace");
		in_namespace(some_offsets, [&] {
			expect_errno(set_wall(own_namespace(), wanted), EACCES, "an entered one");
			expect_eq(wall_of(own_namespace()).mode, std::uint32_t(TIMENS_WALL_HOST));
		});
	}
	host.check("after all");
}

TEST(the_structure_may_grow_but_not_shrink)
{
	require_wall_clocks();
	child([] {
		struct {
			timens_wall_arg known;
			std::uint64_t unknown;
		} grown{ wall_offset(5s), 0 };

		unshare_time();

		const unique_fd ns = pending_namespace();
		const auto set_grown = resized(TIMENS_SET_WALL, sizeof(grown));
		const auto get_grown = resized(TIMENS_GET_WALL, sizeof(grown));

		expect_eq(sizeof(timens_wall_arg), 32U, "bytes of the first version");
		check(ioctl(ns.get(), set_grown, &grown), "with zeros");
		expect_eq(wall_of(ns).offset, nanoseconds(5s), "with zeros");
		grown.known = wall_offset(6s);
		grown.unknown = 1;
		expect_errno(ioctl(ns.get(), set_grown, &grown), E2BIG, "with what is unknown");
		/* Even if it could be refused for another reason. */
		grown.known.flags = 0;
		expect_errno(ioctl(ns.get(), set_grown, &grown), E2BIG, "and no flags");
		std::memset(&grown, 0xff, sizeof(grown));
		check(ioctl(ns.get(), get_grown, &grown), "TIMENS_GET_WALL");
		expect_eq(grown.unknown, 0U, "what it does not know");
		expect_eq(grown.known.realtime.sec, 5, "what it does know");
		for (unsigned int command : { TIMENS_GET_WALL, TIMENS_SET_WALL })
			for (unsigned int size : { 0U, _IOC_SIZE(command) - 1 })
				expect_errno(ioctl(ns.get(), resized(command, size), &grown),
					     EINVAL, "a smaller structure");
		expect_eq(wall_of(ns).offset, nanoseconds(5s), "after all");
	}).wait_ok();
}

/* The caller's structure ends where its memory does. */
TEST(a_structure_that_is_cut_off_sets_nothing)
{
	require_wall_clocks();
	child([] {
		const std::size_t page = sysconf(_SC_PAGESIZE);
		const auto wanted = wall_offset(7s);
		auto *const area =
			static_cast<char *>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

		expect(area != MAP_FAILED, "mmap");
		check(munmap(area + page, page), "munmap");
		unshare_wall(5s);

		const unique_fd ns = pending_namespace();
		char *const end = area + page - sizeof(wanted);

		std::memcpy(end + 1, &wanted, sizeof(wanted) - 1);
		expect_errno(ioctl(ns.get(), TIMENS_SET_WALL, end + 1), EFAULT, "cut off");
		expect_eq(wall_of(ns).offset, nanoseconds(5s), "cut off");
		std::memcpy(end, &wanted, sizeof(wanted));
		check(ioctl(ns.get(), TIMENS_SET_WALL, end), "all of it");
		expect_eq(wall_of(ns).offset, nanoseconds(7s), "all of it");
		check(ioctl(ns.get(), TIMENS_GET_WALL, end), "TIMENS_GET_WALL at the end");
		expect_errno(ioctl(ns.get(), resized(TIMENS_GET_WALL, sizeof(wanted) + 8), end),
			     EFAULT, "over the end");
	}).wait_ok();
}

TEST(other_namespaces_do_not_know_the_commands_of_wall_clocks)
{
	require_wall_clocks();
	for (const char *name : { "ipc", "mnt", "net", "pid", "user", "uts", "cgroup" }) {
		const unique_fd ns = open_file(std::string("/proc/self/ns/") + name, O_RDONLY);
		timens_wall_arg wall = wall_offset(5s);

		expect_errno(ioctl(ns.get(), TIMENS_GET_WALL, &wall), ENOTTY, name);
		expect_errno(ioctl(ns.get(), TIMENS_SET_WALL, &wall), ENOTTY, name);
	}
}

TEST(other_ioctls_know_nothing_of_wall_clocks)
{
	require_wall_clocks();
	in_wall_namespace(1000s, [] {
		const std::uint64_t both = 1ULL << CLOCK_MONOTONIC | 1ULL << CLOCK_BOOTTIME;
		const unique_fd ns = own_namespace();
		timens_info info;
		timens_offsets_arg found;

		check(ioctl(ns.get(), TIMENS_GET_INFO, &info), "TIMENS_GET_INFO");
		expect_eq(info.clocks, both, "clocks with an offset");
		check(ioctl(ns.get(), TIMENS_GET_OFFSETS, &found), "TIMENS_GET_OFFSETS");
		expect_eq(found.clocks, both, "clocks with an offset");
	});
}

/* Sharing. */

TEST(a_namespace_that_asks_for_none_shares_the_wall_clock_of_its_parent)
{
	require_wall_clocks();

	const untouched_host host;

	in_wall_namespace(ahead, [] {
		const auto zero = date_of_zero();
		gate started;
		gate set;
		gate set_below;
		gate seen;

		unshare_time();
		set_offsets({ 1000s, 0s });
		expect_eq(wall_of(pending_namespace()), wall_of(own_namespace()), "inherited");

		child below([&] {
			expect_date_of_zero(zero, "below, at first");
			started.open();
			set.wait();
			expect_date_of_zero(zero + 5000s, "below, after a set above");
			expect_readers_agree(seconds(wall_of(own_namespace()).tai), "below");
			step_date(5000s);
			set_below.open();
			seen.wait();
		});

		started.wait(below);
		step_date(5000s);
		set.open();
		set_below.wait(below);
		expect_date_of_zero(zero + 10'000s, "above, after a set below");
		seen.open();
		below.wait_ok();
	});
	host.check("after all");
}

TEST(a_namespace_that_asks_for_one_does_not_share_it)
{
	require_wall_clocks();

	const auto host_zero = date_of_zero();
	const untouched_host host;

	in_wall_namespace(ahead, [&] {
		step_date(5000s);

		const auto zero = date_of_zero();

		unshare_wall(-ahead);
		child([&] {
			expect_date_of_zero(host_zero - ahead, "its offset is that from the host");
			step_date(5000s);
			expect_date_of_zero(host_zero - ahead + 5000s, "set");
		}).wait_ok();
		expect_date_of_zero(zero, "its parent's clock");
	});
	host.check("after all");
}

TEST(a_clock_that_an_ioctl_makes_starts_as_the_one_that_there_was)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		step_date(5000s);
		check(set_wall(own_namespace(), wall_tai(11)), "TIMENS_SET_WALL");

		const auto zero = date_of_zero();
		const auto before = wall_of(own_namespace());

		unshare_time();

		const unique_fd ns = pending_namespace();

		check(set_wall(ns, wall_mode(TIMENS_WALL_FOLLOW)), "TIMENS_SET_WALL");
		expect_eq(wall_of(ns).mode, std::uint32_t(TIMENS_WALL_FOLLOW), "mode");
		expect_near(wall_of(ns).offset, before.offset, 1us, "offset");
		expect_eq(wall_of(ns).tai, 11, "TAI");
		child([&] {
			expect_date_of_zero(zero, "inside");
			step_date(5000s);
		}).wait_ok();
		expect_date_of_zero(zero, "the one that there was");
	});
}

TEST(siblings_do_not_see_what_one_of_them_sets)
{
	require_wall_clocks();

	const unique_fd host = own_namespace();
	const unique_fd first = make_wall_namespace(1000s);
	const unique_fd second = make_wall_namespace(1000s);
	const auto host_zero = date_of_zero();

	enter(first);
	step_date(5000s);
	expect_date_of_zero(host_zero + 6000s, "set");
	enter(second);
	expect_date_of_zero(host_zero + 1000s, "its sibling");
	enter(host);
	expect_date_of_zero(host_zero, "the host");
}

TEST(a_clock_that_is_shared_outlives_the_namespace_that_it_was_made_for)
{
	require_wall_clocks();

	const auto host_zero = date_of_zero();
	unique_fd below;

	child([&] {
		unshare_wall(ahead);
		gate ready;
		child holder([&] {
			step_date(5000s);
			unshare_time();
			ready.open();
			pause();
		});

		ready.wait(holder);
		expect_eq(wall_of(open_file(holder.proc("ns/time_for_children"), O_RDONLY)).mode,
			  std::uint32_t(TIMENS_WALL_OWN));

		const unique_fd inherited =
			open_file(holder.proc("ns/time_for_children"), O_RDONLY);

		holder.kill();
		expect(holder.wait().killed_by(SIGKILL), "the holder is killed");
		/* Leave the pending namespace, too. */
		enter(own_namespace());
		enter(inherited);
		expect_date_of_zero(host_zero + ahead + 5000s, "its clock");
		step_date(5000s);
		expect_date_of_zero(host_zero + ahead + 10'000s, "its clock, set");
	}).wait_ok();
}

TEST(programs_and_threads_have_the_wall_clock_of_their_namespace)
{
	require_wall_clocks();

	const auto host_zero = date_of_zero();

	in_wall_namespace(ahead, [&] {
		std::exception_ptr failure;

		std::thread([&] {
			try {
				expect_date_of_zero(host_zero + ahead, "a thread");
				expect_readers_agree(seconds(wall_of(own_namespace()).tai),
						     "a thread");
			} catch (...) {
				failure = std::current_exception();
			}
		}).join();
		if (failure)
			std::rethrow_exception(failure);
		exec_helper("expect_date", { std::to_string((host_zero + ahead).count()) });
	});
}

HELPER(expect_date)
{
	expect_date_of_zero(nanoseconds(std::stoll(arguments[0])), "after execve");
	expect_readers_agree(seconds(wall_of(own_namespace()).tai), "after execve");
}

TEST(setns_changes_the_wall_clock_at_once)
{
	require_wall_clocks();

	const unique_fd host = own_namespace();
	const unique_fd with = make_wall_namespace(ahead);
	const unique_fd another = make_wall_namespace(-ahead, some_offsets);
	const unique_fd without = make_namespace(some_offsets);
	const auto host_date = date();
	const seconds tai{ wall_of(host).tai };
	const struct {
		const char *name;
		const unique_fd &ns;
		nanoseconds by;
	} places[] = {
		{ "with", with, ahead },
		{ "without", without, 0s },
		{ "with again", with, ahead },
		{ "host", host, 0s },
		{ "another", another, -ahead },
		{ "with once more", with, ahead },
		{ "another again", another, -ahead },
		{ "host again", host, 0s },
	};

	for (const auto &place : places) {
		enter(place.ns);
		for (const auto &reader : date_readers())
			if (host_date + place.by + date_slack < reader.latest)
				expect_near(reader.read(), host_date + place.by, 2 * date_slack,
					    place.name + (": " + reader.name));
		expect_readers_agree(tai, place.name);
	}
}

/* What it runs on. */

TEST(it_follows_the_host_until_it_is_set_and_is_its_own_after, .timeout = 30s)
{
	require_wall_clocks();
	require_settable_clocks();

	const unique_fd host = own_namespace();
	const unique_fd moved = make_wall_namespace(ahead);
	const auto host_zero = date_of_zero();
	const seconds tai{ wall_of(host).tai };
	moved_realtime machine;

	const auto expect_inside = [&](nanoseconds zero, std::uint32_t mode, const char *what) {
		enter(moved);
		expect_date_of_zero(zero, what);
		expect_readers_agree(tai, what);
		enter(host);
		expect_eq(wall_of(moved).mode, mode, what);
		expect_near(wall_of(moved).offset, zero - date_of_zero(), date_slack, what);
	};

	expect_inside(host_zero + ahead, TIMENS_WALL_FOLLOW, "at first");
	machine.move(1000s);
	expect_inside(host_zero + ahead + 1000s, TIMENS_WALL_FOLLOW, "the host is set");
	machine.move(-3000s);
	expect_inside(host_zero + ahead - 2000s, TIMENS_WALL_FOLLOW, "the host is set back");
	machine.move(2000s);
	enter(moved);
	step_date(5000s);
	enter(host);
	expect_inside(host_zero + ahead + 5000s, TIMENS_WALL_OWN, "it is set");
	expect_date_of_zero(host_zero, "the host does not see that");
	machine.move(1000s);
	expect_inside(host_zero + ahead + 5000s, TIMENS_WALL_OWN, "the host is set after that");
	machine.move(-3000s);
	expect_inside(host_zero + ahead + 5000s, TIMENS_WALL_OWN,
		      "the host is set back after that");
	check(set_wall(moved, wall_mode(TIMENS_WALL_FOLLOW)), "TIMENS_SET_WALL");
	expect_inside(host_zero + ahead + 5000s, TIMENS_WALL_FOLLOW, "it follows again");
	machine.move(2000s);
	expect_inside(host_zero + ahead + 7000s, TIMENS_WALL_FOLLOW, "the host is set again");
}

TEST(a_change_of_the_mode_does_not_move_the_date)
{
	require_wall_clocks();

	const unique_fd moved = make_wall_namespace(ahead);

	enter(moved);
	for (const std::uint32_t mode : { TIMENS_WALL_OWN, TIMENS_WALL_FOLLOW, TIMENS_WALL_OWN,
					  TIMENS_WALL_OWN, TIMENS_WALL_FOLLOW }) {
		const auto before = wall_of(moved);
		const auto date_before = date();
		const auto up_before = system_now(CLOCK_BOOTTIME);

		check(set_wall(moved, wall_mode(mode)), "TIMENS_SET_WALL");

		const auto date_after = date();
		const auto up_after = system_now(CLOCK_BOOTTIME);

		expect_eq(wall_of(moved).mode, mode, "mode");
		expect_near(wall_of(moved).offset, before.offset, 1us, "offset");
		expect_eq(wall_of(moved).tai, before.tai, "TAI");
		expect_ge(date_after, date_before - 1us, "it does not go back");
		expect_le(date_after - date_before, up_after - up_before + 100ms, "nor forward");
	}
}

TEST(an_offset_that_is_set_from_outside_keeps_the_mode, .timeout = 30s)
{
	require_wall_clocks();

	const auto host_zero = date_of_zero();

	for (const std::uint32_t mode : { TIMENS_WALL_FOLLOW, TIMENS_WALL_OWN }) {
		const unique_fd moved = make_wall_namespace(ahead);
		gate started;
		gate set;
		gate seen;

		check(set_wall(moved, wall_mode(mode)), "TIMENS_SET_WALL");

		child inside([&] {
			enter(moved);
			started.open();
			set.wait();
			expect_date_of_zero(host_zero - ahead, "inside");
			expect_readers_agree(seconds(wall_of(moved).tai), "inside");
		});

		started.wait(inside);
		check(set_wall(moved, wall_offset(-ahead)), "TIMENS_SET_WALL");
		set.open();
		inside.wait_ok();
		expect_eq(wall_of(moved).mode, mode, "mode");
		expect_near(wall_of(moved).offset, -ahead, 1us, "offset");
	}
}

TEST(the_mode_and_the_offset_can_be_set_together, .timeout = 30s)
{
	require_wall_clocks();
	require_settable_clocks();

	const unique_fd moved = make_wall_namespace(ahead);
	const auto host_zero = date_of_zero();
	moved_realtime machine;

	child([&] { enter(moved); }).wait_ok();
	check(set_wall(moved, but(wall_offset(5000s),
				  [](auto &arg) {
					  arg.flags |= TIMENS_WALL_SET_MODE;
					  arg.mode = TIMENS_WALL_OWN;
				  })),
	      "TIMENS_SET_WALL");
	expect_eq(wall_of(moved).mode, std::uint32_t(TIMENS_WALL_OWN), "mode");
	expect_near(wall_of(moved).offset, 5000s, 1us, "offset");
	machine.move(1000s);
	/* It stays where it was, so the distance from the host is another. */
	expect_near(wall_of(moved).offset, 4000s, date_slack, "offset");
	child([&] {
		enter(moved);
		expect_date_of_zero(host_zero + 5000s, "inside");
	}).wait_ok();
}

TEST(tai_keeps_its_distance)
{
	require_wall_clocks();

	const unique_fd moved = make_wall_namespace(ahead);
	const auto expect_tai = [&](int tai, const char *what) {
		expect_eq(wall_of(moved).tai, tai, what);
		expect_readers_agree(seconds(tai), what);
	};

	enter(moved);
	expect_tai(wall_of(moved).tai, "at first");
	check(set_wall(moved, wall_tai(37)), "TIMENS_SET_WALL");
	expect_eq(wall_of(moved).mode, std::uint32_t(TIMENS_WALL_FOLLOW), "it still follows");
	expect_tai(37, "following");
	step_date(5000s);
	expect_tai(37, "set");
	check(set_wall(moved, wall_tai(0)), "TIMENS_SET_WALL");
	expect_tai(0, "none");
	check(set_wall(moved, wall_tai(100'000)), "TIMENS_SET_WALL");
	expect_tai(100'000, "most");
	check(set_wall(moved, wall_mode(TIMENS_WALL_FOLLOW)), "TIMENS_SET_WALL");
	expect_tai(100'000, "following again");
}

TEST(tai_follows_the_host_until_it_is_set)
{
	require_wall_clocks();
	require_settable_clocks();

	const unique_fd host = own_namespace();
	const unique_fd following = make_wall_namespace(ahead);
	const unique_fd own = make_wall_namespace(ahead);
	const int tai = wall_of(host).tai;
	const auto set_host = [](int to) {
		timex adjustment{};

		adjustment.modes = ADJ_TAI;
		adjustment.constant = to;
		check(adjtimex(&adjustment), "adjtimex");
	};

	enter(own);
	step_date(5000s);
	enter(host);
	set_host(tai + 10);

	const int seen_following = wall_of(following).tai;
	const int seen_own = wall_of(own).tai;

	enter(following);

	const auto ahead_of_date = system_now(CLOCK_TAI) - date();

	enter(host);
	set_host(tai);
	expect_eq(seen_following, tai + 10, "while it follows");
	expect_near(ahead_of_date, seconds(tai + 10), 1s, "CLOCK_TAI while it follows");
	expect_eq(seen_own, tai, "its own");
}

TEST(other_clocks_do_not_notice)
{
	require_wall_clocks();

	const auto before = clocks_now();

	in_wall_namespace(
		ahead,
		[&] {
			for (const auto by : { nanoseconds(5000s), -ahead, nanoseconds(0s) }) {
				step_date(by);
				for (const auto &reader : clock_readers()) {
					expect_soon_after(reader.read(CLOCK_MONOTONIC),
							  before.monotonic + some_offsets.monotonic,
							  reader.name);
					expect_soon_after(reader.read(CLOCK_BOOTTIME),
							  before.boottime + some_offsets.boottime,
							  reader.name);
				}
			}
		},
		some_offsets);
}

/* File times are the host's, whatever the clock of the task. */
TEST(file_times_stay_those_of_the_host)
{
	require_wall_clocks();

	const auto host_date = date();

	in_wall_namespace(sixteen_years, [&] {
		const unique_fd file(check(memfd_create("file", MFD_CLOEXEC), "memfd_create"));
		struct stat status;

		check(ftruncate(file.get(), 1), "ftruncate");
		check(fstat(file.get(), &status), "fstat");
		expect_near(to_nanoseconds(status.st_mtim), host_date, date_slack, "st_mtim");
	});
}

/* Reading. */

TEST(all_ways_to_read_the_date_agree, .timeout = 60s)
{
	require_wall_clocks();
	require_settable_clocks();

	/* In 2038 the clocks of 32 bits end; the day after is as good as any. */
	const auto to_2038 = seconds(INT32_MAX) - std::chrono::floor<seconds>(date()) + 24h;
	const seconds tai{ wall_of(own_namespace()).tai };

	for (const nanoseconds by :
	     { nanoseconds(0s), nanoseconds(ahead), -ahead, nanoseconds(sixteen_years),
	       -nanoseconds(sixteen_years), nanoseconds(to_2038) }) {
		const std::string name = "by " + show(by);

		in_wall_namespace(by, [&] {
			expect_readers_agree(tai, name);
			step_date(-5000s + 1ns);
			expect_readers_agree(tai, name + ", set back");
			step_date(10'000s);
			expect_readers_agree(tai, name + ", set forward");
		});
	}

	const unique_fd host = own_namespace();
	const unique_fd moved = make_wall_namespace(ahead);
	moved_realtime machine;

	for (const nanoseconds by : { nanoseconds(-1000s), nanoseconds(1000s) }) {
		machine.move(by);
		enter(moved);
		expect_readers_agree(tai, "after the host is set");
		enter(host);
	}
}

TEST(the_date_is_right_across_the_end_of_32_bits, .timeout = 30s)
{
	require_wall_clocks();

	const seconds tai{ wall_of(own_namespace()).tai };

	in_wall_namespace(0s, [&] {
		set_date(seconds(INT32_MAX));
		while (date() < seconds(INT32_MAX) + 1s)
			expect_readers_agree(tai, "before");
		expect_readers_agree(tai, "after");
		expect_near(date(), seconds(INT32_MAX) + 1s, date_slack, "date");
	});
}

namespace
{

/*
 * Dates that differ in each word. Seconds of the second with nanoseconds of the first
 * are before it.
 */
constexpr nanoseconds first_date = 1'700'000'000s + 1ms;
constexpr nanoseconds second_date = 1'900'000'000s + 998ms;

/* Does the body in threads until it is done or one of them fails. */
class readers {
public:
	explicit readers(const std::vector<std::function<void()>> &bodies)
	{
		for (const auto &body : bodies)
			threads.emplace_back([this, body] {
				try {
					while (!over)
						body();
				} catch (...) {
					if (!failed.exchange(true))
						failure = std::current_exception();
				}
			});
	}
	~readers()
	{
		over = true;
		for (auto &thread : threads)
			if (thread.joinable())
				thread.join();
	}
	bool have_failed() const
	{
		return failed;
	}
	void end()
	{
		over = true;
		for (auto &thread : threads)
			thread.join();
		if (failed)
			std::rethrow_exception(failure);
	}

private:
	std::atomic<bool> over = false;
	std::atomic<bool> failed = false;
	std::exception_ptr failure;
	std::vector<std::thread> threads;
};

constexpr int storm_rounds = sizeof(long) == 8 ? 20'000 : 5000;

} // namespace

TEST(no_reading_is_torn_in_a_storm_of_sets, .timeout = 60s)
{
	require_wall_clocks();
	in_wall_namespace(0s, [] {
		const auto all = date_readers();
		const auto tai = seconds(wall_of(own_namespace()).tai);
		/* In half a minute at most: the date of the last set goes on. */
		const auto end = system_now(CLOCK_MONOTONIC) + 30s;

		set_date(first_date);

		const auto look = [&] {
			for (const auto &reader : all) {
				const auto ahead = reader.clock == CLOCK_TAI ? tai : 0s;
				const auto seen = reader.read() - ahead;
				const auto is_of = [&](nanoseconds set) {
					return seen >= set - reader.resolution &&
					       seen <= set + date_slack;
				};

				if (!is_of(first_date) && !is_of(second_date))
					throw check_failed(reader.name + " is " + show(seen) +
							   ": it was never set to that");
			}
		};
		readers threads({ look, look });

		for (int i = 0; i < storm_rounds && !threads.have_failed() &&
				system_now(CLOCK_MONOTONIC) < end;
		     i++)
			set_date(i % 2 ? first_date : second_date);
		threads.end();
	});
}

/* The same by TIMENS_SET_WALL from outside, which changes the mode as well. */
TEST(no_reading_goes_back_in_a_storm_of_sets_forward, .timeout = 60s)
{
	require_wall_clocks();

	const unique_fd moved = make_wall_namespace(0s);
	gate started;
	shared<std::atomic<bool>> over(false);
	child inside([&] {
		enter(moved);

		const auto look = [&] {
			nanoseconds last{};

			/* System calls and vDSO in turns: each is at or after the one before. */
			for (const auto &reader : clock_readers()) {
				const auto seen = reader.read(CLOCK_REALTIME);

				expect_ge(seen, last, reader.name);
				last = seen;
			}
		};
		readers threads({ look, look });

		started.open();
		while (!*over && !threads.have_failed())
			look();
		threads.end();
	});

	started.wait(inside);
	for (int i = 1; i < storm_rounds; i++) {
		/* A millisecond each, to show a reading that is of one set and another. */
		auto wanted = wall_offset(i * 1ms);

		if (i % 3 == 0) {
			wanted.flags |= TIMENS_WALL_SET_MODE;
			wanted.mode = i % 2 ? TIMENS_WALL_OWN : TIMENS_WALL_FOLLOW;
		}
		check(set_wall(moved, wanted), "TIMENS_SET_WALL");
	}
	*over = true;
	inside.wait_ok();
}

TEST(what_an_ioctl_reports_is_of_one_set, .timeout = 60s)
{
	require_wall_clocks();
	in_wall_namespace(0s, [] {
		const unique_fd ns = own_namespace();
		readers threads({ [&] {
			const auto seen = wall_of(ns);

			if (seen.offset != seconds(seen.tai))
				throw check_failed("torn: " + show(seen));
		} });

		/* The first has them equal already. */
		check(set_wall(ns, but(wall_offset(0s),
				       [](auto &arg) { arg.flags |= TIMENS_WALL_SET_TAI; })),
		      "TIMENS_SET_WALL");
		for (int i = 1; i < storm_rounds && !threads.have_failed(); i++)
			check(set_wall(ns, but(wall_offset(seconds(i)),
					       [&](auto &arg) {
						       arg.flags |= TIMENS_WALL_SET_TAI;
						       arg.tai = i;
					       })),
			      "TIMENS_SET_WALL");
		threads.end();
	});
}
