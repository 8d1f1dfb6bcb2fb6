// SPDX-License-Identifier: GPL-2.0-only
#include "kernel.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <linux/time_types.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace timens
{

std::string show(const offsets &value)
{
	return "monotonic " + show(value.monotonic) + " boottime " + show(value.boottime);
}

bool has_time_namespaces()
{
	return access("/proc/self/ns/time", F_OK) == 0;
}

void limit_namespaces(std::string_view kind, int count, std::source_location where)
{
	const std::string path = "/proc/sys/user/max_" + std::string(kind) + "_namespaces";
	const std::string text = std::to_string(count);

	check(write(open_file(path, O_WRONLY, where).get(), text.data(), text.size()),
	      "write " + path, where);
}

unique_fd own_namespace()
{
	return open_file("/proc/self/ns/time", O_RDONLY);
}

unique_fd pending_namespace(std::source_location where)
{
	return open_file("/proc/self/ns/time_for_children", O_RDONLY, where);
}

void unshare_time(std::source_location where)
{
	check(unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME)", where);
}

outcome write_offsets(std::string_view text, const std::string &path)
{
	const outcome opened = open(path.c_str(), O_WRONLY | O_CLOEXEC);
	const unique_fd file(opened.value);

	if (opened.error)
		return opened;
	return write(file.get(), text.data(), text.size());
}

std::string offsets_text(const offsets &value)
{
	const auto line = [](std::string_view clock, nanoseconds offset) {
		const auto time = to_timespec(offset);

		return std::string(clock) + " " + std::to_string(time.tv_sec) + " " +
		       std::to_string(time.tv_nsec) + "\n";
	};

	return line("monotonic", value.monotonic) + line("boottime", value.boottime);
}

void set_offsets(const offsets &value, const std::string &path, std::source_location where)
{
	const std::string text = offsets_text(value);
	const auto written = check(write_offsets(text, path), "write " + path, where);

	expect_eq(written, text.size(), "bytes written to " + path, where);
}

offsets read_offsets(const std::string &path, std::source_location where)
{
	const std::string text = read_file(path, where);
	long long seconds_of[2];
	long nanoseconds_of[2];

	if (std::sscanf(text.c_str(), "monotonic %lld %ld boottime %lld %ld", &seconds_of[0],
			&nanoseconds_of[0], &seconds_of[1], &nanoseconds_of[1]) != 4)
		throw check_failed(path + " has unknown content " + show(text), where);
	return { seconds(seconds_of[0]) + nanoseconds(nanoseconds_of[0]),
		 seconds(seconds_of[1]) + nanoseconds(nanoseconds_of[1]) };
}

void enter(const unique_fd &ns, std::source_location where)
{
	check(setns(ns.get(), CLONE_NEWTIME), "setns(CLONE_NEWTIME)", where);
}

ino_t ns_inode(const std::string &path)
{
	struct stat status;

	check(stat(path.c_str(), &status), "stat " + path);
	return status.st_ino;
}

ino_t ns_inode(const unique_fd &ns)
{
	struct stat status;

	check(fstat(ns.get(), &status), "fstat of a namespace");
	return status.st_ino;
}

std::string show(const time_namespaces &value)
{
	return "time " + show(value.own) + " time_for_children " + show(value.for_children);
}

time_namespaces namespaces_of(const std::string &task)
{
	return { ns_inode(task + "/ns/time"), ns_inode(task + "/ns/time_for_children") };
}

void expect_soon_after(nanoseconds clock, nanoseconds earlier, std::string_view what,
		       std::source_location where)
{
	expect_ge(clock, earlier, what, where);
	expect_le(clock, earlier + 100s, what, where);
}

time_view view_here()
{
	return { namespaces_of(), { now(CLOCK_MONOTONIC), now(CLOCK_BOOTTIME) } };
}

void expect_view(const time_view &expected, std::string_view what, std::source_location where)
{
	const std::string prefix = what.empty() ? "" : std::string(what) + ": ";

	expect_eq(namespaces_of(), expected.namespaces, what, where);
	for (const auto &reader : clock_readers()) {
		const std::string by = " by " + std::string(reader.name);

		expect_soon_after(reader.read(CLOCK_MONOTONIC), expected.clocks.monotonic,
				  prefix + "CLOCK_MONOTONIC" + by, where);
		expect_soon_after(reader.read(CLOCK_BOOTTIME), expected.clocks.boottime,
				  prefix + "CLOCK_BOOTTIME" + by, where);
	}
}

HELPER(expect_view)
{
	const auto number = [&](int index) { return std::stoull(arguments[index]); };

	expect_view(
		{ { number(0), number(1) }, { nanoseconds(number(2)), nanoseconds(number(3)) } },
		"after execve");
}

namespace
{

std::vector<std::string> view_arguments(const time_view &view)
{
	return { std::to_string(view.namespaces.own), std::to_string(view.namespaces.for_children),
		 std::to_string(view.clocks.monotonic.count()),
		 std::to_string(view.clocks.boottime.count()) };
}

} // namespace

std::vector<std::string> view_command(const time_view &expected)
{
	return helper_command("expect_view", view_arguments(expected));
}

void exec_expecting(const time_view &expected)
{
	exec_helper("expect_view", view_arguments(expected));
}

time_view unshare_with(const offsets &value, std::source_location where)
{
	const offsets outside = view_here().clocks;

	unshare_time(where);
	set_offsets(value, own_offsets_file, where);

	const ino_t created = namespaces_of().for_children;

	return { { created, created },
		 { outside.monotonic + value.monotonic, outside.boottime + value.boottime } };
}

unique_fd make_namespace(const offsets &value)
{
	gate ready;
	child holder([&] {
		unshare_time();
		set_offsets(value);
		ready.open();
		pause();
	});

	ready.wait(holder);
	return open_file(holder.proc("ns/time_for_children"), O_RDONLY);
}

void in_namespace(const offsets &value, const std::function<void()> &body)
{
	child([&] {
		unshare_time();
		set_offsets(value);
		child(body).wait_ok();
	}).wait_ok();
}

void become_user(uid_t user)
{
	check(setgroups(0, nullptr), "setgroups");
	check(setresgid(user, user, user), "setresgid");
	check(setresuid(user, user, user), "setresuid");
	/* Otherwise /proc/self would belong to root from here on. */
	check(prctl(PR_SET_DUMPABLE, 1), "prctl(PR_SET_DUMPABLE)");
}

void enter_user_namespace(int further)
{
	const auto map = [](const char *path, const std::string &text) {
		const unique_fd file = open_file(path, O_WRONLY);

		check(write(file.get(), text.data(), text.size()), std::string("write ") + path);
	};
	const std::string uid = std::to_string(geteuid());
	const std::string gid = std::to_string(getegid());

	check(unshare(CLONE_NEWUSER | further), "unshare(CLONE_NEWUSER)");
	map("/proc/self/setgroups", "deny");
	map("/proc/self/uid_map", "0 " + uid + " 1");
	map("/proc/self/gid_map", "0 " + gid + " 1");
}

std::string clock_name(clockid_t clock)
{
	static constexpr std::array names{
		"CLOCK_REALTIME",	   "CLOCK_MONOTONIC",	  "CLOCK_PROCESS_CPUTIME_ID",
		"CLOCK_THREAD_CPUTIME_ID", "CLOCK_MONOTONIC_RAW", "CLOCK_REALTIME_COARSE",
		"CLOCK_MONOTONIC_COARSE",  "CLOCK_BOOTTIME",	  "CLOCK_REALTIME_ALARM",
		"CLOCK_BOOTTIME_ALARM",	   "CLOCK_SGI_CYCLE",	  "CLOCK_TAI",
	};

	if (clock >= 0 && static_cast<std::size_t>(clock) < names.size())
		return names[clock];
	return "clock " + std::to_string(clock);
}

nanoseconds now(clockid_t clock)
{
	timespec time;

	check(clock_gettime(clock, &time), "clock_gettime " + clock_name(clock));
	return to_nanoseconds(time);
}

namespace
{

/* What the linker scripts of the kernel's vDSOs have. */
#if defined(__aarch64__) || defined(__powerpc__) || defined(__s390__)
constexpr std::string_view vdso_prefix = "__kernel_";
#else
constexpr std::string_view vdso_prefix = "__vdso_";
#endif

constexpr std::string_view calls_of_vdso[] = {
	"clock_gettime",
	"clock_getres",
	"gettimeofday",
#ifndef __LP64__
	"clock_gettime64",
#endif
#if defined(__x86_64__) || defined(__i386__) || defined(__powerpc__)
	"time",
#endif
#if defined(__LP64__) && !defined(__riscv)
	"getrandom",
#endif
};

/* An address in the vDSO of this process, or nullptr. */
void *vdso_symbol(std::string_view name)
{
	const char *image = reinterpret_cast<const char *>(getauxval(AT_SYSINFO_EHDR));

	if (!image)
		return nullptr;

	/* The image is mapped as a whole, with its section headers. */
	const auto header = reinterpret_cast<const ElfW(Ehdr) *>(image);
	const std::span sections(reinterpret_cast<const ElfW(Shdr) *>(image + header->e_shoff),
				 header->e_shnum);

	for (const auto &section : sections) {
		if (section.sh_type != SHT_DYNSYM)
			continue;

		const char *names = image + sections[section.sh_link].sh_offset;
		const std::span symbols(
			reinterpret_cast<const ElfW(Sym) *>(image + section.sh_offset),
			section.sh_size / sizeof(ElfW(Sym)));

		for (const auto &symbol : symbols)
			if (symbol.st_shndx != SHN_UNDEF && name == names + symbol.st_name)
				return const_cast<char *>(image) + symbol.st_value;
	}
	return nullptr;
}

} // namespace

bool vdso_has(std::string_view call)
{
	return std::ranges::find(calls_of_vdso, call) != std::end(calls_of_vdso);
}

void *vdso_address(std::string_view call, std::source_location where)
{
	const std::string name = std::string(vdso_prefix) + std::string(call);
	void *const address = vdso_symbol(name);

	if (!address)
		throw check_failed("the vDSO has no " + name, where);
	return address;
}

namespace
{

/* As the 32-bit system calls of old have it. */
struct timespec32 {
	std::int32_t tv_sec;
	std::int32_t tv_nsec;
};

/* The vDSO returns what the system call instruction does: the errno, negative but on powerpc. */
template <class time_type> nanoseconds read_vdso(const char *call, clockid_t clock)
{
	const auto read = vdso_function<int(clockid_t, time_type *)>(call);
	time_type time;

	if (const int error = std::abs(read(clock, &time)))
		throw system_failure("vDSO " + (call + (" " + clock_name(clock))), error);
	return to_nanoseconds(time);
}

template <class time_type> nanoseconds read_syscall(long number, clockid_t clock)
{
	time_type time;

	check(syscall(number, clock, &time), "system call clock_gettime " + clock_name(clock));
	return to_nanoseconds(time);
}

#ifdef __LP64__
constexpr clock_reader readers[] = {
	{ "vdso",
	  [](clockid_t clock) { return read_vdso<__kernel_timespec>("clock_gettime", clock); } },
	{ "syscall",
	  [](clockid_t clock) {
		  return read_syscall<__kernel_timespec>(SYS_clock_gettime, clock);
	  } },
};
#else
constexpr clock_reader readers[] = {
	{ "vdso",
	  [](clockid_t clock) { return read_vdso<__kernel_timespec>("clock_gettime64", clock); } },
	{ "vdso_time32",
	  [](clockid_t clock) { return read_vdso<timespec32>("clock_gettime", clock); } },
	{ "syscall",
	  [](clockid_t clock) {
		  return read_syscall<__kernel_timespec>(SYS_clock_gettime64, clock);
	  } },
	{ "syscall_time32",
	  [](clockid_t clock) { return read_syscall<timespec32>(SYS_clock_gettime, clock); } },
};
#endif

} // namespace

std::span<const clock_reader> clock_readers()
{
	return readers;
}

} // namespace timens
