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
	int share; /* of the cycles; those that take no other process are quick */
	/* Makes a namespace. It may stay pending here, until the next comes. */
	void (*cycle)(const circumstances &here);
};

/* expect_view() reads the clocks by the vDSO too, which maps the page of the namespace. */
constexpr std::array ways{
	way{ "unshare", 6, [](const circumstances &) { unshare_time(); } },
	way{ "offsets by file", 6,
	     [](const circumstances &here) {
		     unshare_time();
		     set_offsets(here.shift);
	     } },
	way{ "offsets by ioctl", 6,
	     [](const circumstances &here) {
		     unshare_time();
		     check(set_offsets_by_ioctl(pending_namespace(), here.shift),
			   "TIMENS_SET_OFFSETS");
	     } },
	way{ "offsets inherited", 6,
	     [](const circumstances &here) {
		     unshare_time();
		     set_offsets(here.shift);
		     unshare_time();
		     expect_eq(read_offsets(), here.shift);
	     } },
	way{ "clone3", 1,
	     [](const circumstances &) {
		     check(try_clone3(CLONE_NEWTIME), "clone3(CLONE_NEWTIME)");
	     } },
	way{ "fork", 1,
	     [](const circumstances &here) {
		     const time_view inside = unshare_with(here.shift);

		     child([&] { expect_view(inside); }).wait_ok();
	     } },
	way{ "execve", 1,
	     [](const circumstances &here) {
		     auto command = view_command(unshare_with(here.shift));
		     const auto pointers = pointers_to(command);

		     run_sharing_memory([&] {
			     execv(pointers[0], pointers.data());
			     throw system_failure("execv", errno);
		     });
	     } },
	way{ "setns by file", 3,
	     [](const circumstances &here) {
		     const time_view inside = unshare_with(here.shift);

		     enter(pending_namespace());
		     expect_view(inside);
		     enter(here.home);
	     } },
	way{ "setns by pidfd", 1,
	     [](const circumstances &here) {
		     const time_view inside = unshare_with(here.shift);
		     const child resident([] { pause(); });

		     enter(resident.pidfd());
		     expect_view(inside);
		     enter(here.home);
	     } },
	way{ "in a user namespace", 1,
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

/* What the kernel has handed out of a slab cache. */
struct cache_level {
	long objects;
	/* Free ones in the slab that a processor allocates from count as handed out. */
	long inexact;
};

/* What it has handed out at all, after it has taken back what it can. */
struct levels {
	std::map<std::string, cache_level> caches;
	long free_pages;

	/* Those that namespaces and their tasks come from. */
	std::string text() const
	{
		std::string text;

		for (const auto &[name, cache] : caches)
			if (name.starts_with("kmalloc-cg-") || name == "nsproxy" ||
			    name == "mm_struct" || name == "task_struct" || name == "pid" ||
			    name == "user_namespace")
				text += name + " " + std::to_string(cache.objects) + ", ";
		return text + "free pages " + std::to_string(free_pages);
	}
};

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

/* Reads levels. It keeps what it writes to open, as each open(2) would hand out memory. */
class gauge {
public:
	gauge()
	{
		for (const auto &cache : std::filesystem::directory_iterator("/sys/kernel/slab"))
			shrinkers.push_back(open_file(cache.path() / "shrink", O_WRONLY));
	}
	levels read() const
	{
		levels found;

		/* Page cache, dentries and inodes, 4: silently; their grace period; empty slabs. */
		for (const auto *what : { "4", "3" })
			put(drop_caches, what);
		for (int times = 0; times < 2; times++)
			check(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), "membarrier");
		for (const auto &shrinker : shrinkers)
			put(shrinker, "1");

		std::istringstream lines(read_file("/proc/slabinfo"));

		for (std::string line; std::getline(lines, line);) {
			std::istringstream words(line);
			std::string name;
			long active, all, size, in_slab;

			/* A store of its own, in which records of freed timers wait for others. */
			if (line.starts_with("debug_objects_cache "))
				continue;
			if (words >> name >> active >> all >> size >> in_slab)
				found.caches[name] = { active, processors * in_slab };
		}
		/* Those that wait on the list of a processor are free as well. */
		found.free_pages = sum_after("/proc/vmstat", "nr_free_pages") +
				   sum_after("/proc/zoneinfo", "count:");
		return found;
	}

private:
	static void put(const unique_fd &file, std::string_view text)
	{
		check(pwrite(file.get(), text.data(), text.size(), 0), "pwrite");
	}

	const long processors = sysconf(_SC_NPROCESSORS_ONLN);
	const unique_fd drop_caches = open_file("/proc/sys/vm/drop_caches", O_WRONLY);
	std::vector<unique_fd> shrinkers;
};

/*
 * How much more is handed out than before. Other tasks of the kernel have objects
 * and pages come and go, but not so many.
 */
struct growth {
	static constexpr long harmless_objects = 50;
	static constexpr long harmless_pages = 200;

	struct cache {
		long excess; /* beyond what is inexact */
		long objects;
		std::string name;

		auto operator<=>(const cache &) const = default;
	};

	long pages;
	std::vector<cache> caches; /* the most excess first */

	growth(const levels &before, const levels &after)
		: pages(before.free_pages - after.free_pages)
	{
		for (const auto &[name, cache] : after.caches) {
			const auto known = before.caches.find(name);
			const long more =
				cache.objects -
				(known == before.caches.end() ? 0 : known->second.objects);

			caches.push_back({ more - cache.inexact, more, name });
		}
		std::ranges::sort(caches, std::greater());
	}
	bool harmless() const
	{
		return caches.front().excess <= harmless_objects && pages <= harmless_pages;
	}
	/* Both, of objects the cache that grew most, and every other that grew by more than is harmless. */
	std::string text() const
	{
		const auto sign = [](long count) {
			return (count < 0 ? "" : "+") + std::to_string(count);
		};
		const auto most = std::ranges::max_element(caches, {}, &cache::objects);
		std::string text = "pages " + sign(pages) + ", objects " + sign(most->objects) +
				   " " + most->name;

		for (const auto &cache : caches)
			if (cache.excess > harmless_objects && cache != *most)
				text += " " + sign(cache.objects) + " " + cache.name;
		return text;
	}
};

/* Some memory is freed later, by RCU and by workers: waits until it falls no more. */
levels read_settled_levels(const gauge &gauge)
{
	levels last = gauge.read();

	for (int quiet = 0; quiet < 3;) {
		const levels next = gauge.read();
		const growth back(next, last);
		const bool falls =
			back.caches.front().excess > 0 || -back.pages > growth::harmless_pages / 10;

		quiet = falls ? 0 : quiet + 1;
		last = next;
	}
	return last;
}

/* Waits until all is where it was; throws if that does not come. */
growth expect_levels(const gauge &gauge, const levels &before)
{
	constexpr int limit = 100;

	for (int tries = 1;; tries++) {
		const growth grown(before, gauge.read());

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
void expect_to_see_what_is_kept(const gauge &gauge, const levels &before)
{
	constexpr int kept = 500;
	std::vector<unique_fd> files;
	const rlimit many{ 2 * kept, 2 * kept };

	check(setrlimit(RLIMIT_NOFILE, &many), "setrlimit");
	limit_namespaces("time", kept + most_at_a_time);
	for (int number = 0; number < kept; number++) {
		unshare_with({ 1000s, 2000s });
		files.push_back(pending_namespace());
	}

	const growth seen(before, read_settled_levels(gauge));

	note(std::to_string(kept) + " kept: " + seen.text());
	expect_ge(seen.caches.front().objects, kept - growth::harmless_objects, "their objects");
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
	int shares = 0;

	for (const auto &way : ways)
		shares += way.share;

	/* In each round, of a way with one share; those are the fewest. */
	const long each = (cycles + rounds * shares - 1) / (rounds * shares);
	std::mt19937_64 random(seed);
	circumstances here{ open_file("/proc/self/ns/time", O_RDONLY), {} };
	std::string names;

	for (const auto &way : ways)
		names += (names.empty() ? "" : ", ") + std::to_string(way.share * each) + " " +
			 std::string(way.name);
	note("seed " + std::to_string(seed) + ": " + std::to_string(rounds) +
	     " rounds, in each in random order: " + names);
	expect_ge(rounds * each, 2 * growth::harmless_pages,
		  "CYCLES is too small to see what is lost in each way: the fewest");

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

	const gauge gauge;
	const levels before = read_settled_levels(gauge);

	child([&] { expect_to_see_what_is_kept(gauge, before); }).wait_ok();
	limit_namespaces("time", most_at_a_time);
	note("none kept: " + expect_levels(gauge, before).text());

	auto order = ways;

	for (long round = 1; round <= rounds; round++) {
		std::ranges::shuffle(order, random);
		for (const auto &way : order)
			run(way, way.share * each);
		note(std::to_string(round * 100 / rounds) +
		     " %: " + std::to_string(round * each * shares) +
		     " namespaces: " + expect_levels(gauge, before).text());
	}
	child(expect_whole_limit).wait_ok();
	note("objects before and after: " + before.text() + "; " + gauge.read().text());
	note("one object lost in " + std::to_string(rounds * each / growth::harmless_objects) +
	     " cycles of the rarest way, or one page in " +
	     std::to_string(rounds * each / growth::harmless_pages) + ", would have been seen");
}
