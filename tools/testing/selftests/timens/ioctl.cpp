// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking and setting offsets by ioctl() on the file descriptor of a namespace
 * (include/uapi/linux/timens.h), from C++ and from C.
 */
#include "capability.hpp"
#include "offsets_ioctl.hpp"
#include "shifts.hpp"
#include "ioctls_in_c.h"
#include "waiting.hpp"

#include <array>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr std::uint64_t monotonic_bit = 1ULL << CLOCK_MONOTONIC;
constexpr std::uint64_t boottime_bit = 1ULL << CLOCK_BOOTTIME;

int get_info_in_cxx(int fd, timens_info *info)
{
	return ioctl(fd, TIMENS_GET_INFO, info);
}

int get_offsets_in_cxx(int fd, timens_offsets_arg *offsets)
{
	return ioctl(fd, TIMENS_GET_OFFSETS, offsets);
}

int set_offsets_in_cxx(int fd, const timens_offsets_arg *offsets)
{
	return ioctl(fd, TIMENS_SET_OFFSETS, offsets);
}

/* The calls as a program in that language makes them. */
struct language {
	const char *name;
	int (*get_info)(int fd, timens_info *info);
	int (*get_offsets)(int fd, timens_offsets_arg *offsets);
	int (*set_offsets)(int fd, const timens_offsets_arg *offsets);
};

constexpr std::array languages{
	language{ "C++", get_info_in_cxx, get_offsets_in_cxx, set_offsets_in_cxx },
	language{ "C", get_info_in_c, get_offsets_in_c, set_offsets_in_c },
};

/* What all but the first case need: that one shows it. */
void require_ioctls()
{
	if (!has_offsets_ioctls())
		skip("there are no ioctls for time namespaces");
}

nanoseconds to_nanoseconds(const timens_offset &offset)
{
	return seconds(offset.sec) + nanoseconds(offset.nsec);
}

timens_offsets_arg ask_offsets(const unique_fd &ns)
{
	timens_offsets_arg found;

	std::memset(&found, 0xff, sizeof(found));
	check(get_offsets_in_cxx(ns.get(), &found), "TIMENS_GET_OFFSETS");
	return found;
}

void expect_offsets(const unique_fd &ns, const offsets &by, std::string_view where)
{
	const auto found = ask_offsets(ns);

	expect_eq<std::uint64_t>(found.clocks, monotonic_bit | boottime_bit, where);
	expect_eq(to_nanoseconds(found.monotonic), by.monotonic, where);
	expect_eq(to_nanoseconds(found.boottime), by.boottime, where);
	expect_eq(found.monotonic.reserved | found.boottime.reserved, 0U, where);
}

/* Both clocks are, or none is. */
bool is_frozen(const unique_fd &ns)
{
	timens_info info;

	check(get_info_in_cxx(ns.get(), &info), "TIMENS_GET_INFO");
	if (info.frozen)
		expect_eq(info.frozen, info.clocks, "clocks that are frozen");
	return info.frozen;
}

/* The command with another size of its structure. */
constexpr unsigned int resized(unsigned int command, std::size_t size)
{
	return (command & ~(static_cast<unsigned int>(_IOC_SIZEMASK) << _IOC_SIZESHIFT)) |
	       static_cast<unsigned int>(size) << _IOC_SIZESHIFT;
}

/* A structure that has grown: what this kernel does not know comes last. */
template <class structure> struct grown {
	structure known;
	std::uint64_t unknown;
};

} // namespace

TEST(info_tells_what_the_kernel_offers,
     .differs_from_stock = "there are no ioctls for time namespaces")
{
	const unique_fd ns = open_file("/proc/self/ns/time", O_RDONLY);

	for (const auto &language : languages) {
		timens_info info;

		std::memset(&info, 0xff, sizeof(info));
		expect_eq(language.get_info(ns.get(), &info), 0, language.name);
		expect_eq(info.size, sizeof(info), language.name);
		expect_eq(info.flags, 0U, language.name);
		expect_eq(info.clocks, monotonic_bit | boottime_bit, language.name);
		expect_eq(info.frozen, info.clocks, language.name);
	}
}

TEST(a_namespace_is_frozen_when_a_task_has_entered)
{
	require_ioctls();
	child([] {
		unshare_time();

		const unique_fd ns = pending_namespace();

		expect(!is_frozen(ns), "not after unshare");
		set_offsets(some_offsets);
		expect(!is_frozen(ns), "not after a write of its offsets");
		child([] {}).wait_ok();
		expect(is_frozen(ns), "after fork");
	}).wait_ok();
}

TEST(offsets_that_are_set_are_those_of_the_file_and_of_the_clocks, .timeout = 30s)
{
	require_ioctls();
	for (const auto &language : languages)
		for (const shift &shift : all_shifts())
			child([&] {
				const offsets before = clocks_now();

				unshare_time();

				const unique_fd ns = pending_namespace();
				const auto wanted = to_clock_offsets(shift.by);

				expect_eq(language.set_offsets(ns.get(), &wanted), 0, language.name);
				expect_offsets(ns, shift.by, language.name);
				expect_eq(read_offsets(), shift.by, language.name);
				child([&] {
					expect_ge(now(CLOCK_MONOTONIC),
						  before.monotonic + shift.by.monotonic, shift.name);
					expect_ge(now(CLOCK_BOOTTIME),
						  before.boottime + shift.by.boottime, shift.name);
					expect_near(now(CLOCK_MONOTONIC),
						    before.monotonic + shift.by.monotonic, patience,
						    shift.name);
				}).wait_ok();
			}).wait_ok();
}

TEST(offsets_written_as_text_are_answered)
{
	require_ioctls();
	for (const auto &language : languages)
		child([&] {
			timens_offsets_arg found;

			unshare_time();
			set_offsets({ -1s - 1ns, 1s + 1ns });
			expect_eq(language.get_offsets(pending_namespace().get(), &found), 0,
				  language.name);
			expect_eq(found.monotonic.sec, -2, language.name);
			expect_eq(found.monotonic.nsec, 999'999'999U, language.name);
			expect_eq(found.boottime.sec, 1, language.name);
			expect_eq(found.boottime.nsec, 1U, language.name);
		}).wait_ok();
}

TEST(a_clock_that_is_not_meant_keeps_its_offset)
{
	require_ioctls();
	child([] {
		timens_offsets_arg wanted = to_clock_offsets({ 1s, 2s });

		unshare_time();

		const unique_fd ns = pending_namespace();

		expect_eq(set_offsets_in_cxx(ns.get(), &wanted), 0);
		wanted = { boottime_bit, { 0, 2'000'000'000, 7 }, { 3, 0, 0 } };
		expect_eq(set_offsets_in_cxx(ns.get(), &wanted), 0, "only boottime");
		expect_offsets(ns, { 1s, 3s }, "only boottime");
		wanted = { monotonic_bit, { 4, 0, 0 }, { 0, 2'000'000'000, 7 } };
		expect_eq(set_offsets_in_cxx(ns.get(), &wanted), 0, "only monotonic");
		expect_offsets(ns, { 4s, 3s }, "only monotonic");
	}).wait_ok();
}

TEST(what_is_wrong_is_refused_and_changes_nothing)
{
	require_ioctls();
	child([] {
		const offsets before{ 5s, 6s };
		const offsets host = clocks_now();
		const auto wanted = [](auto edit) {
			auto all = to_clock_offsets({ 7s, 8s });

			edit(all);
			return all;
		};
		const struct {
			const char *name;
			int error;
			timens_offsets_arg wanted;
		} cases[] = {
			{ "no clock", EINVAL, wanted([](auto &all) { all.clocks = 0; }) },
			{ "an unknown clock", EINVAL,
			  wanted([](auto &all) { all.clocks |= 1ULL << CLOCK_REALTIME; }) },
			{ "a clock beyond all", EINVAL,
			  wanted([](auto &all) { all.clocks |= 1ULL << 63; }) },
			{ "a second of nanoseconds", EINVAL,
			  wanted([](auto &all) { all.boottime.nsec = 1'000'000'000; }) },
			{ "reserved", EINVAL, wanted([](auto &all) { all.monotonic.reserved = 1; }) },
			{ "below zero", ERANGE,
			  wanted([&](auto &all) {
				  all.boottime =
					  to_clock_offsets({ 0s, -host.boottime - 1000s }).boottime;
			  }) },
			{ "too far", ERANGE,
			  wanted([](auto &all) { all.boottime.sec = INT64_MAX / 1'000'000'000; }) },
			{ "least", ERANGE,
			  wanted([](auto &all) { all.boottime.sec = INT64_MIN; }) },
			{ "most", ERANGE,
			  wanted([](auto &all) { all.boottime.sec = INT64_MAX; }) },
		};

		unshare_time();

		const unique_fd ns = pending_namespace();

		set_offsets(before);
		for (const auto &each : cases)
			for (const auto &language : languages) {
				expect_errno(language.set_offsets(ns.get(), &each.wanted), each.error,
					     each.name);
				expect_offsets(ns, before, each.name);
			}
		expect_errno(set_offsets_in_cxx(ns.get(), nullptr), EFAULT, "no structure");
		expect_errno(get_offsets_in_cxx(ns.get(), nullptr), EFAULT, "no structure");
		expect_errno(get_info_in_cxx(ns.get(), nullptr), EFAULT, "no structure");
		expect_offsets(ns, before, "no structure");
	}).wait_ok();
}

TEST(structures_may_grow_but_not_shrink)
{
	require_ioctls();
	child([] {
		unshare_time();

		const unique_fd ns = pending_namespace();
		grown<timens_offsets_arg> wanted{ to_clock_offsets(some_offsets), 0 };
		const auto set_grown = resized(TIMENS_SET_OFFSETS, sizeof(wanted));

		expect_eq(ioctl(ns.get(), set_grown, &wanted), 0, "with zeros");
		expect_offsets(ns, some_offsets, "with zeros");
		wanted.unknown = 1;
		expect_errno(ioctl(ns.get(), set_grown, &wanted), E2BIG, "with what is unknown");
		/* Even if it could be refused for another reason. */
		wanted.known.clocks |= 1ULL << CLOCK_TAI;
		expect_errno(ioctl(ns.get(), set_grown, &wanted), E2BIG,
			     "an unknown clock and its offset");
		wanted.unknown = 0;
		expect_errno(ioctl(ns.get(), set_grown, &wanted), EINVAL,
			     "an unknown clock and no offset");

		grown<timens_offsets_arg> found;
		grown<timens_info> info;

		std::memset(&found, 0xff, sizeof(found));
		std::memset(&info, 0xff, sizeof(info));
		check(ioctl(ns.get(), resized(TIMENS_GET_OFFSETS, sizeof(found)), &found), "offsets");
		check(ioctl(ns.get(), resized(TIMENS_GET_INFO, sizeof(info)), &info), "info");
		expect_eq(found.unknown, 0U, "what it does not know");
		expect_eq(info.unknown, 0U, "what it does not know");
		expect_eq(info.known.size, sizeof(info.known), "what it does know");

		for (unsigned int command :
		     { TIMENS_GET_INFO, TIMENS_GET_OFFSETS, TIMENS_SET_OFFSETS })
			for (unsigned int size : { 0U, _IOC_SIZE(command) - 1 })
				expect_errno(ioctl(ns.get(), resized(command, size), &found), EINVAL,
					     "a smaller structure");
		expect_offsets(ns, some_offsets, "after all");
	}).wait_ok();
}

/* The caller's structure ends where its memory does. */
TEST(nothing_is_written_beyond_the_structure)
{
	require_ioctls();
	const std::size_t page = sysconf(_SC_PAGESIZE);
	const unique_fd ns = open_file("/proc/self/ns/time", O_RDONLY);
	auto *const area = static_cast<char *>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	expect(area != MAP_FAILED, "mmap");
	check(munmap(area + page, page), "munmap");
	for (unsigned int command : { TIMENS_GET_INFO, TIMENS_GET_OFFSETS }) {
		char *const end = area + page - _IOC_SIZE(command);

		expect_eq(ioctl(ns.get(), command, end), 0, "at the end");
		expect_errno(ioctl(ns.get(), resized(command, _IOC_SIZE(command) + 8), end), EFAULT,
			     "over the end");
	}
}

/* The memory of the caller ends before its structure does. */
TEST(a_structure_that_is_cut_off_sets_nothing)
{
	require_ioctls();
	child([] {
		const offsets before{ 5s, 6s };
		const std::size_t page = sysconf(_SC_PAGESIZE);
		const auto wanted = to_clock_offsets(some_offsets);
		auto *const area =
			static_cast<char *>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

		expect(area != MAP_FAILED, "mmap");
		check(munmap(area + page, page), "munmap");
		unshare_time();
		set_offsets(before);

		const unique_fd ns = pending_namespace();

		for (const std::size_t size : { sizeof(wanted) - 1, sizeof(wanted) / 2, 1UL }) {
			char *const start = area + page - size;

			std::memcpy(start, &wanted, size);
			expect_errno(ioctl(ns.get(), TIMENS_SET_OFFSETS, start), EFAULT,
				     std::to_string(size) + " bytes of it");
			expect_offsets(ns, before, "after " + std::to_string(size) + " bytes");
		}
		std::memcpy(area + page - sizeof(wanted), &wanted, sizeof(wanted));
		expect_eq(ioctl(ns.get(), TIMENS_SET_OFFSETS, area + page - sizeof(wanted)), 0,
			  "all of it");
		expect_offsets(ns, some_offsets, "all of it");
	}).wait_ok();
}

TEST(a_frozen_namespace_cannot_be_set)
{
	require_ioctls();
	const auto wanted = to_clock_offsets(some_offsets);

	expect_errno(set_offsets_in_cxx(open_file("/proc/self/ns/time", O_RDONLY).get(), &wanted),
		     EACCES, "the initial namespace");
	in_namespace({ 1s, 2s }, [&] {
		const unique_fd ns = open_file("/proc/self/ns/time", O_RDONLY);

		expect_errno(set_offsets_in_cxx(ns.get(), &wanted), EACCES, "an entered namespace");
		expect_offsets(ns, { 1s, 2s }, "an entered namespace");
	});
}

TEST(whoever_sets_offsets_needs_the_capability)
{
	require_ioctls();
	child([] {
		const auto wanted = to_clock_offsets(some_offsets);

		unshare_time();

		const unique_fd ns = pending_namespace();

		drop_capability(CAP_SYS_TIME);
		expect_errno(set_offsets_in_cxx(ns.get(), &wanted), EPERM, "without CAP_SYS_TIME");
		expect_offsets(ns, {}, "without CAP_SYS_TIME");
		/* What is wrong is looked at first, as in a write. */
		expect_errno(set_offsets_in_cxx(ns.get(), nullptr), EFAULT, "no structure");
	}).wait_ok();
}

TEST(all_capabilities_elsewhere_do_not_help)
{
	require_ioctls();
	child([] {
		const auto wanted = to_clock_offsets(some_offsets);

		unshare_time();

		const unique_fd ns = pending_namespace();

		check(unshare(CLONE_NEWUSER), "unshare");
		expect_errno(set_offsets_in_cxx(ns.get(), &wanted), EPERM,
			     "as root of another user namespace");
		check(unshare(CLONE_NEWTIME), "unshare");
		expect_eq(set_offsets_in_cxx(pending_namespace().get(), &wanted), 0,
			  "as root of its own");
	}).wait_ok();
}

TEST(other_namespaces_do_not_know_the_commands)
{
	for (const char *name : { "ipc", "mnt", "net", "pid", "user", "uts", "cgroup" }) {
		const unique_fd ns = open_file(std::string("/proc/self/ns/") + name, O_RDONLY);
		timens_offsets_arg all = to_clock_offsets(some_offsets);

		expect_errno(ioctl(ns.get(), TIMENS_GET_INFO, &all), ENOTTY, name);
		expect_errno(get_offsets_in_cxx(ns.get(), &all), ENOTTY, name);
		expect_errno(set_offsets_in_cxx(ns.get(), &all), ENOTTY, name);
	}
}

TEST(unknown_commands_are_refused)
{
	const unique_fd ns = open_file("/proc/self/ns/time", O_RDONLY);
	timens_info info;

	expect_errno(ioctl(ns.get(), _IOR(NSIO, 0x65, timens_info), &info), ENOTTY, "next number");
	expect_errno(ioctl(ns.get(), _IOW(NSIO, 0x60, timens_info), &info), ENOTTY,
		     "other direction");
	expect_errno(ioctl(ns.get(), _IOR(0x42, 0x60, timens_info), &info), ENOTTY, "other type");
	/* What a task could do with any namespace it still can. */
	expect_eq(ioctl(ns.get(), NS_GET_NSTYPE), CLONE_NEWTIME, "NS_GET_NSTYPE");
}

/* One task sets, others look: they see both offsets of one call, or of another. */
TEST(offsets_are_set_together, .timeout = 30s)
{
	require_ioctls();
	child([] {
		constexpr int rounds = 20'000;

		unshare_time();

		const unique_fd ns = pending_namespace();
		std::atomic<bool> done = false;
		std::atomic<bool> torn = false;
		std::thread reader([&] {
			while (!done) {
				const auto seen = ask_offsets(ns);

				if (seen.monotonic.sec != seen.boottime.sec ||
				    seen.monotonic.nsec != seen.boottime.nsec)
					torn = true;
			}
		});

		for (int i = 0; i < rounds; i++) {
			const auto by = to_clock_offsets({ i * 1s, i * 1s });

			check(set_offsets_in_cxx(ns.get(), &by), "TIMENS_SET_OFFSETS");
		}
		done = true;
		reader.join();
		expect(!torn, "both offsets are of one call");
	}).wait_ok();
}
