// SPDX-License-Identifier: GPL-2.0-only
#include "namespaces.hpp"

#include "error.hpp"
#include "kernel_offsets.hpp"
#include "printable.hpp"
#include "views.hpp"
#include "visitor.hpp"

#include <algorithm>
#include <charconv>
#include <dirent.h>
#include <linux/nsfs.h>
#include <map>
#include <memory>
#include <sched.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace timens
{

namespace
{

std::optional<pid_t> parse_pid(const std::string &text)
{
	pid_t pid;
	const auto *end = text.data() + text.size();
	const auto result = std::from_chars(text.data(), end, pid);

	if (result.ec != std::errc() || result.ptr != end || pid <= 0)
		return {};
	return pid;
}

std::optional<ino_t> inode_of(const std::string &path)
{
	struct stat status;

	if (stat(path.c_str(), &status))
		return {};
	return status.st_ino;
}

std::vector<pid_t> list_processes()
{
	const std::unique_ptr<DIR, int (*)(DIR *)> proc(opendir("/proc"), closedir);
	std::vector<pid_t> processes;

	if (!proc)
		throw system_failure("/proc", errno);
	while (const auto *entry = readdir(proc.get())) {
		if (const auto pid = parse_pid(entry->d_name))
			processes.push_back(*pid);
	}
	std::ranges::sort(processes);
	return processes;
}

} /* namespace */

void require_time_namespaces()
{
	if (access("/proc/self/ns/time", F_OK) == 0)
		return;
	if (access("/proc/self/ns", F_OK))
		throw error("/proc is not mounted: mount -t proc proc /proc");
	throw error("this kernel has no time namespaces: one of Linux 5.6 or later with "
		    "CONFIG_TIME_NS=y is needed");
}

clock_times read_offsets(pid_t pid)
{
	const auto path = proc_path(pid, "timens_offsets");
	const auto offsets = parse_offsets(read_file(path));

	if (!offsets)
		throw error(path + " is empty: the process has ended");
	return *offsets;
}

wall_clock own_wall()
{
	return ask_wall(open_file("/proc/self/ns/time").get()).value_or(wall_clock());
}

namespace
{

/* All offsets by ioctl, if the kernel has it. */
std::optional<clock_times> ask_all_offsets(int fd)
{
	auto offsets = ask_offsets(fd);

	if (!offsets)
		return {};
	if (const auto wall = ask_wall(fd)) {
		offsets->realtime = wall->offset;
		offsets->tai = wall->offset + wall->tai - own_wall().tai;
	}
	return offsets;
}

} /* namespace */

clock_times own_offsets()
{
	const auto offsets = ask_all_offsets(open_file("/proc/self/ns/time").get());

	/* By text it is the namespace of our children, which exec has made our own. */
	return offsets ? *offsets : read_offsets(0);
}

clock_times read_host_clocks(const clock_times &own)
{
	return { .monotonic = read_clock(CLOCK_MONOTONIC) - own.monotonic,
		 .boottime = read_clock(CLOCK_BOOTTIME) - own.boottime,
		 .realtime = read_clock(CLOCK_REALTIME) - own.realtime,
		 .tai = read_clock(CLOCK_TAI) - own.tai };
}

target::target(const std::string &name)
{
	const auto pid = parse_pid(name);
	const bool is_path = name.find('/') != std::string::npos;

	if (!pid && !is_path)
		throw usage_error("'" + name +
				  "': the number of a process is wanted, or the path of a "
				  "namespace file such as /proc/1/ns/time");
	process = pid.value_or(0);
	if (pid && access(proc_path(*pid, "").c_str(), F_OK))
		throw error("there is no process " + name);
	const auto path = pid ? proc_path(*pid, "ns/time") : name;
	try {
		file = open_file(path);
	} catch (const system_failure &failure) {
		if (failure.code == EACCES || failure.code == EPERM)
			throw system_failure(path, failure.code,
					     "it takes the right to trace the process");
		if (pid && failure.code == ENOENT)
			throw error("process " + name + " has ended");
		throw;
	}
	if (ioctl(file.get(), NS_GET_NSTYPE) != CLONE_NEWTIME)
		throw error(path + " is not a time namespace: /proc/PID/ns/time is one");
	number = inode_of("/proc/self/fd/" + std::to_string(file.get())).value_or(0);
}

target target::own()
{
	return target("/proc/self/ns/time");
}

std::string target::name() const
{
	return "time:[" + std::to_string(number) + "]";
}

void target::enter() const
{
	if (number == inode_of("/proc/self/ns/time"))
		return;
	if (setns(file.get(), CLONE_NEWTIME) == 0)
		return;
	int reason = errno;
	if (reason == EPERM) {
		const unique_fd user(ioctl(file.get(), NS_GET_USERNS));

		if (user.get() >= 0 && setns(user.get(), CLONE_NEWUSER) == 0 &&
		    setns(file.get(), CLONE_NEWTIME) == 0)
			return;
	}
	throw system_failure("entering " + name(), reason,
			     reason == EPERM ? "it takes CAP_SYS_ADMIN in the user namespace that "
					       "owns it, or being its owner"
					     : "");
}

clock_times target::offsets() const
{
	if (const auto known = ask_all_offsets(file.get()))
		return *known;
	if (number == inode_of("/proc/self/ns/time"))
		return own_offsets();
	/* The file shows the namespace of the children, which can be another one. */
	if (process && number == inode_of(proc_path(process, "ns/time_for_children")))
		return read_offsets(process);
	const visitor inside(*this, { [] { return own_offsets().monotonic; },
				      [] { return own_offsets().boottime; } });
	return { .monotonic = inside.ask(0).value(), .boottime = inside.ask(1).value() };
}

std::optional<wall_clock> target::wall() const
{
	return ask_wall(file.get());
}

std::optional<uid_t> owner_of(int namespace_fd)
{
	const unique_fd user(ioctl(namespace_fd, NS_GET_USERNS));
	uid_t owner;

	if (user.get() < 0 || ioctl(user.get(), NS_GET_OWNER_UID, &owner))
		return {};
	return owner;
}

std::string command_of(pid_t pid)
{
	try {
		const auto arguments = printable(read_file(proc_path(pid, "cmdline")));

		if (!arguments.empty())
			return arguments;
		return "[" + printable(read_file(proc_path(pid, "comm"))) + "]";
	} catch (const system_failure &) {
		return "";
	}
}

namespace
{

namespace_process describe_process(pid_t pid)
{
	namespace_process process{ .pid = pid, .uid = 0, .command = command_of(pid) };
	struct stat status;

	if (stat(proc_path(pid, "").c_str(), &status) == 0)
		process.uid = status.st_uid;
	return process;
}

/* What its file says of a namespace. */
void ask_file(namespace_entry &entry, const unique_fd &file)
{
	entry.owner = owner_of(file.get());
	entry.frozen = ask_frozen(file.get());
	entry.offsets = ask_all_offsets(file.get());
	entry.wall = ask_wall(file.get());
}

namespace_entry describe(ino_t inode, pid_t leader, const char *file)
{
	namespace_entry entry{ .inode = inode,
			       .owner = {},
			       .offsets = {},
			       .wall = {},
			       .frozen = {},
			       .processes = 0,
			       .leader = describe_process(leader),
			       .file = {} };

	try {
		ask_file(entry, open_file(proc_path(leader, file)));
	} catch (const system_failure &) {
		/* It has ended meanwhile: what is known is shown. */
	}
	return entry;
}

struct mounted_namespace {
	ino_t inode;
	std::string path;
};

using namespace_map = std::map<ino_t, namespace_entry>;

void read_by_text(namespace_entry &entry, pid_t pid)
{
	if (entry.offsets)
		return;
	try {
		entry.offsets = read_offsets(pid);
	} catch (const error &) {
		/* It has ended; another may have it. */
	}
}

void add_processes(namespace_map &found)
{
	const auto entry_of = [&](ino_t inode, pid_t pid, const char *file) -> namespace_entry & {
		const auto known = found.find(inode);

		if (known != found.end())
			return known->second;
		return found.emplace(inode, describe(inode, pid, file)).first->second;
	};
	std::map<ino_t, pid_t> awaited;

	for (const auto pid : list_processes()) {
		const auto own = inode_of(proc_path(pid, "ns/time"));
		const auto next = inode_of(proc_path(pid, "ns/time_for_children"));

		if (!own || !next)
			continue;
		auto &entry = entry_of(*own, pid, "ns/time");
		++entry.processes;
		if (own != next)
			awaited.try_emplace(*next, pid);
		else
			read_by_text(entry, pid);
	}
	/* Those that have no process yet, but will. */
	for (const auto &[inode, pid] : awaited)
		read_by_text(entry_of(inode, pid, "ns/time_for_children"), pid);
}

void add_file(namespace_map &found, const mounted_namespace &mounted)
{
	const auto known = found.find(mounted.inode);

	if (known != found.end()) {
		if (!known->second.file)
			known->second.file = mounted.path;
		return;
	}
	namespace_entry entry{ .inode = mounted.inode,
			       .owner = {},
			       .offsets = {},
			       .wall = {},
			       .frozen = {},
			       .processes = 0,
			       .leader = {},
			       .file = mounted.path };
	try {
		const target file(mounted.path);

		/* Another mount may cover it. */
		if (file.inode() == mounted.inode) {
			entry.owner = owner_of(file.fd());
			entry.frozen = ask_frozen(file.fd());
			entry.offsets = file.offsets();
			entry.wall = file.wall();
		}
	} catch (const error &) {
		/* We may not reach it, or enter it for its offsets. */
	}
	found.emplace(mounted.inode, std::move(entry));
}

/* Of mountinfo, where a blank and other bytes are "\040" and so on. */
std::string unescape(const std::string &text)
{
	const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
	std::string plain;

	for (std::size_t i = 0; i < text.size(); ++i) {
		if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) &&
		    is_octal(text[i + 2]) && is_octal(text[i + 3])) {
			plain += static_cast<char>((text[i + 1] - '0') * 64 +
						   (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
			i += 3;
		} else {
			plain += text[i];
		}
	}
	return plain;
}

/* The time namespaces of a text such as /proc/PID/mountinfo. */
std::vector<mounted_namespace> parse_mounts(const std::string &mountinfo)
{
	constexpr std::string_view prefix = "time:[";
	std::istringstream lines(mountinfo);
	std::vector<mounted_namespace> mounts;
	std::string line;

	while (std::getline(lines, line)) {
		std::istringstream words(line);
		std::string skipped, root, place;

		/* The fourth is the root in its file system, the fifth where it is. */
		words >> skipped >> skipped >> skipped >> root >> place;
		if (line.find(" - nsfs ") == std::string::npos || !root.starts_with(prefix))
			continue;
		ino_t inode;
		const auto *end = root.data() + root.size();
		const auto result = std::from_chars(root.data() + prefix.size(), end, inode);
		if (result.ec == std::errc() && result.ptr + 1 == end && *result.ptr == ']')
			mounts.push_back({ inode, unescape(place) });
	}
	return mounts;
}

} /* namespace */

std::vector<namespace_entry> list_namespaces()
{
	namespace_map found;

	add_processes(found);
	for (const auto &mounted : parse_mounts(read_file("/proc/self/mountinfo")))
		add_file(found, mounted);

	std::vector<namespace_entry> entries;
	for (auto &[inode, entry] : found)
		entries.push_back(std::move(entry));
	return entries;
}

} /* namespace timens */
