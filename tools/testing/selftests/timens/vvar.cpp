// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages from which the vDSO reads the clocks: which of them an address
 * space has mapped, whatever it has done to the mapping, and what they cost.
 *
 * The mapping can be read. That namespaces share a page cannot be seen in it,
 * as pagemap leaves out mappings of this kind: see the memory that they take.
 */
#include "kernel.hpp"
#include "shifts.hpp"
#include "vvar_pages.hpp"
#include "wall_clock.hpp"

#include <algorithm>
#include <climits>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

using namespace timens;

namespace
{

bool maps_namespace_page()
{
	return is_namespace_page(vvar_mapping().start);
}

/*
 * The vDSO somewhere else, code and data at once. The C library knows nothing of
 * it: from here on the clocks are read by this and by system calls.
 */
class moved_vdso {
public:
	moved_vdso()
	{
		const auto mappings = vdso_mappings();
		char *const start = mappings.front().start;
		const std::size_t size = mappings.back().start + mappings.back().size - start;
		const auto gettime = static_cast<char *>(vdso_address("clock_gettime"));
		char *const place = reserve(size);

		for (const mapping &mapping : mappings)
			move_mapping(mapping, place + (mapping.start - start));
		read = reinterpret_cast<function *>(place + (gettime - start));
	}

	void expect_right_clocks(const offsets &host_before, const offsets &by) const
	{
		for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME }) {
			const auto before = clock == CLOCK_BOOTTIME ? host_before.boottime
								    : host_before.monotonic;
			const auto name = clock_by(clock, "moved vDSO");
			timespec time;

			expect_eq(read(clock, &time), 0, name);
			expect_ge(to_nanoseconds(time), before + offset_of(clock, by), name);
			expect_le(to_nanoseconds(time), system_now(clock), name);
		}
	}

private:
	using function = int(clockid_t, timespec *);

	function *read;
};

/* Makes this many mappings, of which no two neighbours can be one. */
void make_mappings(std::size_t number)
{
	char *const area = reserve(number * page_size);

	for (std::size_t i = 0; i < number; i += 2)
		check(mprotect(area + i * page_size, page_size, PROT_READ), "mprotect");
}

void expect_right_clocks(const offsets &host_before, const offsets &by)
{
	for (const auto &reader : clock_readers()) {
		const auto monotonic = reader.read(CLOCK_MONOTONIC);
		const auto boottime = reader.read(CLOCK_BOOTTIME);

		expect_ge(monotonic, host_before.monotonic + by.monotonic, reader.name);
		expect_le(monotonic, system_now(CLOCK_MONOTONIC), reader.name);
		expect_ge(boottime, host_before.boottime + by.boottime, reader.name);
		expect_le(boottime, system_now(CLOCK_BOOTTIME), reader.name);
	}
}

constexpr char own_page_for_nothing[] =
	"every namespace has a page of its own, with offsets or without";

} // namespace

TEST(a_namespace_with_offsets_maps_a_page_of_its_own, .timeout = 30s)
{
	const unique_fd host = own_namespace();
	const unique_fd moved = make_namespace(some_offsets);

	expect(!maps_namespace_page(), "the host's page outside");
	enter(moved);
	expect(maps_namespace_page(), "the namespace's page after setns");
	child([] { expect(maps_namespace_page(), "the namespace's page after fork"); }).wait_ok();
	enter(host);
	expect(!maps_namespace_page(), "the host's page after setns");
}

TEST(one_offset_is_enough_for_a_page, .timeout = 30s)
{
	in_namespace({ 1ns, 0s }, [] { expect(maps_namespace_page(), "with 1 ns"); });
	in_namespace({ 0s, 1ns }, [] { expect(maps_namespace_page(), "with 1 ns"); });
}

TEST(a_namespace_without_offsets_maps_the_page_of_the_host, .timeout = 30s,
     .differs_from_stock = own_page_for_nothing)
{
	const auto expect_host_page = [](std::string_view when) {
		expect(!maps_namespace_page(), "the host's page " + std::string(when));
	};

	child([&] {
		unshare_time();
		child([&] { expect_host_page("when no offset was written"); }).wait_ok();
	}).wait_ok();
	in_namespace({ 0s, 0s }, [&] { expect_host_page("when zeroes were written"); });
	child([&] {
		unshare_time();
		set_offsets(some_offsets);
		set_offsets({ 0s, 0s });
		child([&] { expect_host_page("when offsets were taken back"); }).wait_ok();
	}).wait_ok();
	in_namespace(some_offsets, [&] {
		unshare_time();
		set_offsets({ 0s, 0s });
		child([&] { expect_host_page("when a namespace with offsets is left"); }).wait_ok();
	});
}

TEST(a_namespace_that_inherits_offsets_maps_a_page_with_them, .timeout = 30s)
{
	const offsets before = clocks_now();

	in_namespace(some_offsets, [&] {
		unshare_time();
		child([&] {
			expect(maps_namespace_page(), "a namespace's page");
			expect_right_clocks(before, some_offsets);
		}).wait_ok();
	});
}

namespace
{

/* How many pages of a mapping count as memory of this process: those that it keeps. */
std::size_t pages_kept(const mapping &mapping)
{
	std::istringstream maps(read_file("/proc/self/smaps"));
	bool found = false;

	for (std::string line; std::getline(maps, line);) {
		unsigned long value;

		if (line.ends_with(mapping.name))
			found = true;
		else if (found && std::sscanf(line.c_str(), "Rss: %lu kB", &value) == 1)
			return value * 1024 / page_size;
	}
	throw check_failed("no Rss of " + mapping.name + " in /proc/self/smaps");
}

} // namespace

/* So it cannot outlive the page, however user space came to it. */
TEST(the_mapping_of_a_namespace_page_holds_a_reference, .timeout = 30s,
     .differs_from_stock = "the namespace's page is mapped by PFN, without a reference")
{
	const unique_fd host = own_namespace();
	const unique_fd moved = make_namespace(some_offsets);

	if (access("/proc/self/smaps", R_OK))
		skip("needs CONFIG_PROC_PAGE_MONITOR");
	system_now(CLOCK_MONOTONIC);
	expect(!maps_namespace_page(), "the host's page outside");
	expect_eq(pages_kept(vvar_mapping()), 0U, "pages that are kept outside");
	enter(moved);
	expect(maps_namespace_page(), "the namespace's page inside");
	expect_eq(pages_kept(vvar_mapping()), 1U, "pages that are kept inside");
	child([] {
		expect_eq(pages_kept(vvar_mapping()), 1U, "pages that are kept by a copy");
	}).wait_ok();
	enter(host);
	expect(!maps_namespace_page(), "the host's page after setns");
	expect_eq(pages_kept(vvar_mapping()), 0U, "pages that are kept after setns");
}

TEST(a_moved_vvar_mapping_is_switched, .timeout = 30s)
{
	const unique_fd host = own_namespace();
	const unique_fd moved = make_namespace(some_offsets);
	const mapping vvar = vvar_mapping();
	char *const elsewhere = reserve(vvar.size);

	/* Without its data the vDSO cannot be called: nothing here does. */
	move_mapping(vvar, elsewhere);
	expect(!is_namespace_page(elsewhere), "the host's page before");
	enter(moved);
	expect(is_namespace_page(elsewhere), "the namespace's page after setns");
	enter(host);
	expect(!is_namespace_page(elsewhere), "the host's page after setns");
	move_mapping({ elsewhere, vvar.size, vvar.name }, vvar.start);
}

TEST(a_vvar_mapping_moved_twice_is_switched, .timeout = 30s)
{
	const unique_fd moved = make_namespace(some_offsets);
	const mapping vvar = vvar_mapping();
	char *const elsewhere = reserve(vvar.size);

	move_mapping(vvar, elsewhere);
	move_mapping({ elsewhere, vvar.size, vvar.name }, vvar.start);
	enter(moved);
	expect(maps_namespace_page(), "the namespace's page after setns");
}

TEST(a_moved_vdso_tells_the_time_of_the_namespace, .timeout = 30s)
{
	const unique_fd host = own_namespace();
	const unique_fd moved = make_namespace(some_offsets);
	const offsets before = clocks_now();
	const moved_vdso vdso;

	vdso.expect_right_clocks(before, {});
	enter(moved);
	vdso.expect_right_clocks(before, some_offsets);
	enter(host);
	vdso.expect_right_clocks(before, {});
}

TEST(a_child_with_a_moved_vdso_tells_the_time_of_its_namespace, .timeout = 30s)
{
	const offsets before = clocks_now();
	const moved_vdso vdso;

	unshare_time();
	set_offsets(some_offsets);
	child([&] { vdso.expect_right_clocks(before, some_offsets); }).wait_ok();
	vdso.expect_right_clocks(before, {});
}

TEST(a_task_that_has_unmapped_its_clocks_can_enter, .timeout = 30s)
{
	const unique_fd moved = make_namespace(some_offsets);
	const offsets before = clocks_now();
	const mapping vvar = vvar_mapping();

	check(munmap(vvar.start, vvar.size), "munmap [vvar]");
	enter(moved);
	expect_ge(system_now(CLOCK_BOOTTIME), before.boottime + some_offsets.boottime,
		  "system call");
	child([&] {
		expect_ge(system_now(CLOCK_BOOTTIME), before.boottime + some_offsets.boottime,
			  "system call after fork");
	}).wait_ok();
}

TEST(what_is_mapped_in_place_of_the_clocks_stays, .timeout = 30s)
{
	const unique_fd moved = make_namespace(some_offsets);
	const mapping vvar = vvar_mapping();
	const std::string text = "not a clock";

	check(munmap(vvar.start, vvar.size), "munmap [vvar]");
	if (mmap(vvar.start, vvar.size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		throw system_failure("mmap", errno);
	std::memcpy(vvar.start, text.data(), text.size());
	enter(moved);
	expect_eq(std::string(vvar.start, text.size()), text, "what was written there");
}

#ifdef __x86_64__
#ifndef ARCH_MAP_VDSO_64
#define ARCH_MAP_VDSO_64 0x2003
#endif

/* As CRIU restores a process. */
TEST(a_vdso_that_is_mapped_anew_is_switched, .timeout = 30s)
{
	const unique_fd host = own_namespace();
	const unique_fd moved = make_namespace(some_offsets);
	const auto old = vdso_mappings();

	enter(moved);
	for (const mapping &mapping : old)
		check(munmap(mapping.start, mapping.size), "munmap " + mapping.name);

	const outcome mapped =
		syscall(SYS_arch_prctl, ARCH_MAP_VDSO_64, old.front().start - 1024 * page_size);

	if (mapped.error == EINVAL)
		skip("needs CONFIG_CHECKPOINT_RESTORE");
	check(mapped, "arch_prctl(ARCH_MAP_VDSO_64)");
	expect_ne(vvar_mapping().start, old.front().start, "its address");
	expect(maps_namespace_page(), "the namespace's page inside");
	enter(host);
	expect(!maps_namespace_page(), "the host's page after setns");
	enter(moved);
	expect(maps_namespace_page(), "the namespace's page after setns");
}
#endif

/*
 * Whatever a program does to the mapping, allowed or not: it shows the clocks of its
 * namespace, and never the memory that its page has become.
 */
namespace
{

struct trick {
	std::string_view name;
	std::function<void(const mapping &vvar)> play;
};

void advise(const mapping &vvar)
{
	for (const int advice : { MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED,
				  MADV_REMOVE, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_MERGEABLE,
				  MADV_HUGEPAGE, MADV_HWPOISON })
		madvise(vvar.start, vvar.size, advice);
}

void watch_faults(const mapping &vvar)
{
	const unique_fd faults(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
	uffdio_api api{ .api = UFFD_API, .features = 0, .ioctls = 0 };
	uffdio_register range{ .range = { reinterpret_cast<std::uintptr_t>(vvar.start), vvar.size },
			       .mode = UFFDIO_REGISTER_MODE_MISSING,
			       .ioctls = 0 };

	ioctl(faults.get(), UFFDIO_API, &api);
	ioctl(faults.get(), UFFDIO_REGISTER, &range);
}

const trick tricks[] = {
	{ "nothing", [](const mapping &) {} },
	{ "a second mapping that leaves the first",
	  [](const mapping &vvar) {
		  mremap(vvar.start, vvar.size, vvar.size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	  } },
	{ "a second mapping of the same",
	  [](const mapping &vvar) { mremap(vvar.start, 0, vvar.size, MREMAP_MAYMOVE); } },
	{ "a part moved",
	  [](const mapping &vvar) {
		  mremap(vvar.start, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
			 reserve(page_size));
	  } },
	{ "a mapping moved", [](const mapping &vvar) { move_mapping(vvar, reserve(vvar.size)); } },
	{ "a mapping that grows",
	  [](const mapping &vvar) {
		  mremap(vvar.start, vvar.size, 2 * vvar.size, MREMAP_MAYMOVE);
	  } },
	{ "advice", advise },
	{ "a lock", [](const mapping &vvar) { mlock(vvar.start, vvar.size); } },
	{ "protection",
	  [](const mapping &vvar) {
		  mprotect(vvar.start, page_size, PROT_READ | PROT_WRITE);
		  mprotect(vvar.start, vvar.size, PROT_NONE);
		  mprotect(vvar.start, vvar.size, PROT_READ);
	  } },
	{ "faults watched", watch_faults },
#ifdef __x86_64__
	/* ARCH_MAP_VDSO_X32, _32 and _64, beside the first and in its place. */
	{ "other images mapped",
	  [](const mapping &vvar) {
		  for (const int image : { 0x2001, 0x2002, 0x2003 })
			  syscall(SYS_arch_prctl, image, vvar.start - 1024 * page_size);
	  } },
	{ "other images mapped without the first one's code",
	  [](const mapping &vvar) {
		  for (const mapping &pages : vdso_mappings())
			  if (pages.name == "[vdso]")
				  check(munmap(pages.start, pages.size), "munmap");
		  for (const int image : { 0x2001, 0x2002, 0x2003 })
			  syscall(SYS_arch_prctl, image, vvar.start - 1024 * page_size);
	  } },
	{ "a 32-bit image in its place",
	  [](const mapping &vvar) {
		  for (const mapping &pages : vdso_mappings())
			  check(munmap(pages.start, pages.size), "munmap " + pages.name);
		  for (const int image : { 0x2002, 0x2003 })
			  syscall(SYS_arch_prctl, image, vvar.start - 1024 * page_size);
	  } },
#endif
};

/* What a process can read of its memory without touching it: a vvar page, or nothing. */
void expect_clocks_or_nothing(const mapping &vvar, const offsets &by)
{
	std::vector<char> page(page_size);
	const iovec local{ page.data(), page.size() };
	const iovec remote{ vvar.start, page_size };

	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) > 0)
		expect_eq(offsets_in_page(page.data()).value_or(offsets{}), by,
			  "offsets by process_vm_readv");

	const unique_fd memory = open_file("/proc/self/mem", O_RDONLY);

	if (pread(memory.get(), page.data(), page.size(),
		  reinterpret_cast<std::uintptr_t>(vvar.start)) > 0)
		expect_eq(offsets_in_page(page.data()).value_or(offsets{}), by,
			  "offsets in /proc/self/mem");
}

void expect_all_vvar_pages(const offsets &by, const std::string &when)
{
	/* What was freed is used again. */
	for (int round = 0; round < 2; round++) {
		for (const mapping &pages : vdso_mappings()) {
			if (pages.name != "[vvar]")
				continue;
			expect_eq(offsets_in_page(pages.start).value_or(offsets{}), by,
				  "offsets in a vvar page after " + when);
			expect_clocks_or_nothing(pages, by);
		}

		constexpr std::size_t much = 1024;
		void *const memory = mmap(nullptr, much * page_size, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			throw system_failure("mmap", errno);
		std::memset(memory, 0x5e, much * page_size);
		munmap(memory, much * page_size);
	}
}

/* Plays each trick in a user's own namespace, of which nothing else is, and goes to another. */
void play_and_leave(const std::function<void(const std::string &name)> &leave)
{
	become_user(65534);
	enter_user_namespace();
	for (const trick &trick : tricks) {
		const std::string name(trick.name);

		unshare_time();
		set_offsets({ 1111s, 2222s });
		child([&] {
			const mapping vvar = vvar_mapping();

			expect(is_namespace_page(vvar.start), "the namespace's page");
			trick.play(vvar);
			expect_all_vvar_pages({ 1111s, 2222s }, name);
			unshare_time();
			set_offsets(some_offsets);
			leave(name);
		}).wait_ok();
	}
}

} // namespace

TEST(setns_leaves_no_old_vvar_page_whatever_was_done_to_the_mapping, .timeout = 60s)
{
	play_and_leave([](const std::string &name) {
		enter(pending_namespace());
		expect_all_vvar_pages(some_offsets, name + ", setns");
	});
}

TEST(a_child_has_no_vvar_page_of_its_parent_whatever_was_done_to_the_mapping, .timeout = 60s)
{
	play_and_leave([](const std::string &name) {
		child([&] { expect_all_vvar_pages(some_offsets, name + ", fork"); }).wait_ok();
		/* Their namespace ends first. */
		expect_all_vvar_pages({ 1111s, 2222s }, name + ", fork");
	});
}

TEST(setns_waits_for_the_end_of_whoever_shares_the_vvar_pages)
{
	const unique_fd moved = make_namespace(some_offsets);

	run_sharing_memory([&] {
		expect_errno(setns(moved.get(), CLONE_NEWTIME), EUSERS, "while memory is shared");
		expect(!maps_namespace_page(), "the host's page");
	});
	enter(moved);
	expect(maps_namespace_page(), "the namespace's page");
}

TEST(a_task_with_many_mappings_can_enter, .timeout = 30s)
{
	const unique_fd moved = make_namespace(some_offsets);
	const unique_fd host = own_namespace();
	const offsets before = clocks_now();

	make_mappings(10000);
	enter(moved);
	expect_right_clocks(before, some_offsets);
	enter(host);
	expect_right_clocks(before, {});
}

TEST(a_child_of_a_task_with_many_mappings_has_the_clocks_of_its_namespace, .timeout = 30s)
{
	const offsets before = clocks_now();

	make_mappings(10000);
	unshare_time();
	set_offsets(some_offsets);
	child([&] { expect_right_clocks(before, some_offsets); }).wait_ok();
	expect_right_clocks(before, {});
}

/* What a namespace takes is given back when its last task is gone. */
namespace
{

} // namespace

TEST(a_namespace_ends_with_its_last_task, .timeout = 30s)
{
	enter_user_namespace();
	limit_namespaces("time", 1);
	for (int i = 0; i < 200; i++)
		child([] {
			unshare_time();
			enter(pending_namespace());
		}).wait_ok();
	unshare_time();
	expect_errno(unshare(CLONE_NEWTIME), ENOSPC, "one more namespace");
}

TEST(a_namespace_ends_when_its_last_task_leaves, .timeout = 30s)
{
	enter_user_namespace();
	/* The one that the task is in, and the one that it goes to. */
	limit_namespaces("time", 2);
	for (int i = 0; i < 2000; i++) {
		unshare_time();
		enter(pending_namespace());
	}
	unshare_time();
	expect_errno(unshare(CLONE_NEWTIME), ENOSPC, "one more namespace");
}

/* What namespaces cost, counted in a control group of the calling process. */
namespace
{

class memory_group {
public:
	memory_group()
	{
		if (!std::filesystem::exists(root + "/cgroup.controllers") ||
		    read_file(root + "/cgroup.controllers").find("memory") == std::string::npos)
			skip("needs a memory controller in " + root);
		put(root + "/cgroup.subtree_control", "+memory");
		std::filesystem::create_directory(path);
		put(path + "/cgroup.procs", "0");
	}
	memory_group(const memory_group &) = delete;
	memory_group &operator=(const memory_group &) = delete;
	~memory_group()
	{
		try {
			put(root + "/cgroup.procs", "0");
		} catch (const check_failed &) {
		}
		rmdir(path.c_str());
	}

	/* Pages of the kernel's, other than those cut up for small objects. */
	long long whole_pages() const
	{
		std::istringstream statistics(read_file(path + "/memory.stat"));
		std::map<std::string, long long> bytes;
		std::string name;

		for (long long value; statistics >> name >> value;)
			bytes[name] = value;
		return (bytes.at("kernel") - bytes.at("slab")) / static_cast<long long>(page_size);
	}

private:
	static void put(const std::string &file, const std::string &text)
	{
		const unique_fd opened = open_file(file, O_WRONLY);

		check(write(opened.get(), text.data(), text.size()), "write " + file);
	}

	const std::string root = "/sys/fs/cgroup";
	const std::string path = root + "/timens-" + std::to_string(getpid());
};

constexpr int many_namespaces = 600;
/* The kernel counts in batches: as much is as good as none. */
constexpr int inaccuracy = many_namespaces / 2;

/* Makes namespaces, lets the caller do something to each, and holds them. */
std::vector<unique_fd> hold_namespaces(const std::function<void()> &prepare)
{
	const rlimit enough{ many_namespaces + 100, many_namespaces + 100 };
	std::vector<unique_fd> held;

	check(setrlimit(RLIMIT_NOFILE, &enough), "setrlimit RLIMIT_NOFILE");
	for (int i = 0; i < many_namespaces; i++) {
		unshare_time();
		prepare();
		held.push_back(pending_namespace());
	}
	return held;
}

/* Checks with namespaces that have a page each that pages are counted. */
void expect_pages_are_counted(const memory_group &group)
{
	const auto before = group.whole_pages();
	auto held = hold_namespaces([] { set_offsets(some_offsets); });

	expect_ge(group.whole_pages() - before, inaccuracy, "pages of namespaces with offsets");
	held.clear();
	expect_le(group.whole_pages() - before, inaccuracy, "pages of namespaces that are gone");
}

} // namespace

TEST(the_page_of_a_namespace_goes_with_it, .timeout = 30s)
{
	const memory_group group;

	expect_pages_are_counted(group);
}

TEST(the_pages_of_a_wall_clock_go_with_it, .timeout = 60s)
{
	require_wall_clocks();

	const memory_group group;
	const auto before = group.whole_pages();
	auto held = hold_namespaces([] { check(write_offsets(realtime_text(1000s)), "write"); });

	/* That of the namespace and that of the clock. */
	expect_ge(group.whole_pages() - before, many_namespaces + inaccuracy,
		  "pages of namespaces with wall clocks");
	held.clear();
	expect_le(group.whole_pages() - before, inaccuracy, "pages of namespaces that are gone");
}

TEST(namespaces_without_offsets_take_no_page, .timeout = 30s,
     .differs_from_stock = own_page_for_nothing)
{
	const memory_group group;

	expect_pages_are_counted(group);
	/* From here on nothing is inherited. */
	enter(own_namespace());

	const auto before = group.whole_pages();
	const auto held = hold_namespaces([] {});

	expect_le(group.whole_pages() - before, inaccuracy, "pages");
}

TEST(namespaces_that_inherit_offsets_share_a_page, .timeout = 30s,
     .differs_from_stock = own_page_for_nothing)
{
	const memory_group group;

	expect_pages_are_counted(group);
	unshare_time();
	set_offsets(some_offsets);

	const auto before = group.whole_pages();
	const auto held = hold_namespaces([] {});

	expect_eq(read_offsets(), some_offsets, "the last one's");
	expect_le(group.whole_pages() - before, inaccuracy, "pages");
}
