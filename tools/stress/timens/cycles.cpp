// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes and drops CYCLES time namespaces in every way there is, in an order that
 * SEED gives, and wants the kernel's memory to be where it was: no slab cache may
 * have grown, no page may be gone. Meanwhile nobody may have more than a few
 * namespaces, so that none can be lost from that count.
 *
 * For a machine of its own, which runs nothing else.
 */
#include "kernel.hpp"
#include "offsets_ioctl.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <random>
#include <sstream>
#include <vector>

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* ------------------------------------------------------------------- ways */

/* Where the process belongs; and what moves the clocks of the next namespace. */
struct circumstances {
	const unique_fd home;
	offsets shift;
};

struct way {
	std::string_view name;
	/* Makes a namespace. It may stay pending here, until the next comes. */
	void (*cycle)(const circumstances &here);
};

/* expect_view() reads the clocks by the vDSO too, which maps the page of the namespace. */
constexpr std::array ways{
	way{ "unshare", [](const circumstances &) { unshare_time(); } },
	way{ "offsets by file",
	     [](const circumstances &here) {
		     unshare_time();
		     set_offsets(here.shift);
	     } },
	way{ "offsets by ioctl",
	     [](const circumstances &here) {
		     unshare_time();
		     check(set_offsets_by_ioctl(pending_namespace(), here.shift),
			   "TIMENS_SET_OFFSETS");
	     } },
	way{ "offsets inherited",
	     [](const circumstances &here) {
		     unshare_time();
		     set_offsets(here.shift);
		     unshare_time();
		     expect_eq(read_offsets(), here.shift);
	     } },
	way{ "clone3",
	     [](const circumstances &) {
		     check(try_clone3(CLONE_NEWTIME), "clone3(CLONE_NEWTIME)");
	     } },
	way{ "fork",
	     [](const circumstances &here) {
		     const time_view inside = unshare_with(here.shift);

		     child([&] { expect_view(inside); }).wait_ok();
	     } },
	way{ "execve",
	     [](const circumstances &here) {
		     auto command = view_command(unshare_with(here.shift));
		     const auto pointers = pointers_to(command);

		     run_sharing_memory([&] {
			     execv(pointers[0], pointers.data());
			     throw system_failure("execv", errno);
		     });
	     } },
	way{ "setns by file",
	     [](const circumstances &here) {
		     const time_view inside = unshare_with(here.shift);

		     enter(pending_namespace());
		     expect_view(inside);
		     enter(here.home);
	     } },
	way{ "setns by pidfd",
	     [](const circumstances &here) {
		     const time_view inside = unshare_with(here.shift);
		     const child resident([] { pause(); });

		     enter(resident.pidfd());
		     expect_view(inside);
		     enter(here.home);
	     } },
	way{ "in a user namespace",
	     [](const circumstances &here) {
		     child([&] {
			     enter_user_namespace(CLONE_NEWTIME);
			     set_offsets(here.shift);
			     child([&] { expect_eq(read_offsets(), here.shift); }).wait_ok();
		     }).wait_ok();
	     } },
};

/* As many as a way has at a time, and the one that is still pending from before. */
constexpr int most_at_a_time = 3;

/* ----------------------------------------------------------------- levels */

/* What the kernel has handed out, after it has taken back what it can. */
struct levels {
	std::map<std::string, long> objects; /* by slab cache */
	long free_pages;

	/* Those that namespaces and their tasks come from. */
	std::string text() const
	{
		std::string text;

		for (const auto &[name, count] : objects)
			if (name.starts_with("kmalloc-cg-") || name == "nsproxy" ||
			    name == "mm_struct" || name == "task_struct" || name == "pid" ||
			    name == "user_namespace")
				text += name + " " + std::to_string(count) + ", ";
		return text + "free pages " + std::to_string(free_pages);
	}
};

void write_file(const std::string &path, std::string_view text)
{
	check(write(open_file(path, O_WRONLY).get(), text.data(), text.size()), "write " + path);
}

/* The numbers that follow a word, summed up over all places where it stands. */
long sum_after(const std::string &path, std::string_view wanted)
{
	std::istringstream words(read_file(path));
	long sum = 0, number;

	for (std::string word; words >> word;)
		if (word == wanted && words >> number)
			sum += number;
	return sum;
}

levels read_levels()
{
	levels found;

	/* A grace period; page cache, dentries and inodes, 4: silently; then empty slabs. */
	check(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), "membarrier");
	for (const auto *what : { "4", "3" })
		write_file("/proc/sys/vm/drop_caches", what);
	for (const auto &cache : std::filesystem::directory_iterator("/sys/kernel/slab"))
		write_file(cache.path() / "shrink", "1");

	std::istringstream lines(read_file("/proc/slabinfo"));

	for (std::string line; std::getline(lines, line);) {
		std::istringstream words(line);
		std::string name;
		long active;

		if (words >> name >> active)
			found.objects[name] = active;
	}
	/* Those that wait on the list of a processor are free as well. */
	found.free_pages =
		sum_after("/proc/vmstat", "nr_free_pages") + sum_after("/proc/zoneinfo", "count:");
	return found;
}

/*
 * How much more is handed out than before. Other tasks of the kernel have objects
 * and pages come and go, but not so many.
 */
struct growth {
	static constexpr long harmless_objects = 50;
	static constexpr long harmless_pages = 200;

	long pages;
	std::vector<std::pair<long, std::string>> caches; /* by growth, the most first */

	growth(const levels &before, const levels &after)
		: pages(before.free_pages - after.free_pages)
	{
		for (const auto &[name, count] : after.objects) {
			const auto known = before.objects.find(name);

			caches.emplace_back(
				count - (known == before.objects.end() ? 0 : known->second), name);
		}
		std::ranges::sort(caches, std::greater());
	}
	long objects() const
	{
		return caches.front().first;
	}
	bool harmless() const
	{
		return objects() <= harmless_objects && pages <= harmless_pages;
	}
	/* Both, and every cache that grew by this much, at least the first. */
	std::string text(long much = harmless_objects + 1) const
	{
		const auto sign = [](long count) {
			return (count < 0 ? "" : "+") + std::to_string(count);
		};
		std::string text = "pages " + sign(pages) + ", objects";
		bool first = true;

		for (const auto &[more, name] : caches)
			if (std::exchange(first, false) || more >= much)
				text += " " + sign(more) + " " + name;
		return text;
	}
};

/* Some memory is freed later, by RCU and by workers: waits until it falls no more. */
levels read_settled_levels()
{
	levels last = read_levels();

	for (int quiet = 0; quiet < 3;) {
		const levels next = read_levels();
		const growth back(next, last);
		const bool falls = back.objects() > growth::harmless_objects / 10 ||
				   -back.pages > growth::harmless_pages / 10;

		quiet = falls ? 0 : quiet + 1;
		last = next;
	}
	return last;
}

/* Waits until all is where it was; throws if that does not come. */
growth expect_levels(const levels &before)
{
	constexpr int limit = 100;

	for (int tries = 1;; tries++) {
		const growth grown(before, read_levels());

		if (grown.harmless())
			return grown;
		if (tries == limit)
			throw check_failed("memory is lost: " + grown.text());
	}
}

/* ------------------------------------------------------------------- plan */

long setting(const char *name)
{
	const char *text = getenv(name);

	expect(text && *text, std::string(name) + " is set");
	return std::stol(text);
}

offsets random_offsets(std::mt19937_64 &random)
{
	/* None, back, which is at most what has passed since boot, and far ahead. */
	const auto one = [&]() -> nanoseconds {
		switch (random() % 4) {
		case 0:
			return 0s;
		case 1:
			return -nanoseconds(random() % 1'000'000'000);
		default:
			return nanoseconds(random() % 1'000'000'000'000'000'000);
		}
	};

	return { one(), one() };
}

/* Namespaces that are kept have to be seen: otherwise lost ones would not be. */
void expect_to_see_what_is_kept(const levels &before)
{
	constexpr int kept = 500;
	std::vector<unique_fd> files;
	const rlimit many{ kept + 100, kept + 100 };

	check(setrlimit(RLIMIT_NOFILE, &many), "setrlimit");
	limit_namespaces("time", kept + most_at_a_time);
	for (int number = 0; number < kept; number++) {
		unshare_with({ 1000s, 2000s });
		files.push_back(pending_namespace());
	}

	const growth seen(before, read_settled_levels());

	note(std::to_string(kept) + " kept: " + seen.text(kept - growth::harmless_objects));
	expect_ge(seen.objects(), kept - growth::harmless_objects, "their objects");
	expect_ge(seen.pages, kept - growth::harmless_pages, "their pages");
}

/* Exactly so many can be made, so nothing is missing from the count, and nothing too much. */
void expect_whole_limit()
{
	std::vector<unique_fd> files;

	for (int number = 0; number < most_at_a_time; number++) {
		unshare_time();
		files.push_back(pending_namespace());
	}
	expect_errno(unshare(CLONE_NEWTIME), ENOSPC, "one more than the limit");
}

} // namespace

TEST(namespaces_that_come_and_go_leave_nothing_behind, .timeout = 86400s)
{
	constexpr long rounds = 10;
	const long seed = setting("SEED");
	const long cycles = setting("CYCLES");
	const long each = (cycles + rounds * std::ssize(ways) - 1) / (rounds * std::ssize(ways));
	std::mt19937_64 random(seed);
	circumstances here{ open_file("/proc/self/ns/time", O_RDONLY), {} };
	std::string names;

	for (const auto &way : ways)
		names += (names.empty() ? "" : ", ") + std::string(way.name);
	note("seed " + std::to_string(seed) + ": " + std::to_string(rounds) + " rounds, in each " +
	     std::to_string(each) + " namespaces in each of " + std::to_string(ways.size()) +
	     " ways: " + names);
	expect_ge(rounds * each, 2 * growth::harmless_pages,
		  "CYCLES is too small to see what is lost, cycles in each way");

	const auto run = [&](const way &way, long count) {
		for (long number = 0; number < count; number++) {
			here.shift = random_offsets(random);
			way.cycle(here);
		}
		enter(here.home);
	};

	limit_namespaces("time", most_at_a_time);
	for (const auto &way : ways)
		run(way, 100);

	const levels before = read_settled_levels();

	child([&] { expect_to_see_what_is_kept(before); }).wait_ok();
	limit_namespaces("time", most_at_a_time);
	note("none kept: " + expect_levels(before).text());

	auto order = ways;

	for (long round = 1; round <= rounds; round++) {
		std::ranges::shuffle(order, random);
		for (const auto &way : order)
			run(way, each);
		note(std::to_string(round * 100 / rounds) +
		     " %: " + std::to_string(round * each * std::ssize(ways)) +
		     " namespaces: " + expect_levels(before).text());
	}
	child(expect_whole_limit).wait_ok();
	note("objects before and after: " + before.text() + "; " + read_levels().text());
	note("a leak of one in " + std::to_string(rounds * each / growth::harmless_objects) +
	     " objects or one in " + std::to_string(rounds * each / growth::harmless_pages) +
	     " pages of a way would have been seen");
}
