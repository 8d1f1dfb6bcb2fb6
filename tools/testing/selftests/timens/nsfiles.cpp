// SPDX-License-Identifier: GPL-2.0-only
/* /proc/PID/ns/time and time_for_children as files: namespaces(7). */
#include "kernel.hpp"

#include <set>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* PROC_TIME_INIT_INO, which programs compare with. */
constexpr ino_t initial_inode = 0xEFFFFFFA;

std::string link_of(const std::string &path)
{
	char text[64];
	const auto size = check(readlink(path.c_str(), text, sizeof(text)), "readlink " + path);

	return std::string(text, size);
}

std::set<std::string> names_in(const std::string &path)
{
	const std::unique_ptr<DIR, int (*)(DIR *)> directory(opendir(path.c_str()), closedir);
	std::set<std::string> names;

	if (!directory)
		throw system_failure("opendir " + path, errno);
	while (const dirent *entry = readdir(directory.get()))
		names.insert(entry->d_name);
	return names;
}

} // namespace

TEST(the_initial_namespace_has_its_fixed_inode_number)
{
	expect_eq(namespaces_of(), time_namespaces{ initial_inode, initial_inode });
}

TEST(every_namespace_has_its_own_inode_number)
{
	std::set<ino_t> seen{ initial_inode };
	std::vector<unique_fd> kept;

	for (int i = 0; i < 50; i++) {
		kept.push_back(make_namespace({}));
		expect(seen.insert(ns_inode(kept.back())).second, "the inode number is a new one");
	}
}

TEST(the_directories_of_tasks_and_threads_list_both)
{
	for (const char *path : { "/proc/self/ns", "/proc/thread-self/ns" }) {
		const auto names = names_in(path);

		expect(names.contains("time"), path);
		expect(names.contains("time_for_children"), path);
	}
}

TEST(the_links_name_type_and_inode_number)
{
	unshare_time();

	const time_namespaces own = namespaces_of();

	expect_eq(link_of("/proc/self/ns/time"), "time:[" + std::to_string(own.own) + "]");
	expect_eq(link_of("/proc/self/ns/time_for_children"),
		  "time:[" + std::to_string(own.for_children) + "]");
}

TEST(all_files_of_a_namespace_are_the_same_file)
{
	struct stat first, second, third;

	unshare_time();
	check(stat("/proc/self/ns/time_for_children", &first), "stat");
	child([&] {
		check(stat("/proc/self/ns/time", &second), "stat");
		check(stat("/proc/self/ns/time_for_children", &third), "stat");
		expect_eq(second.st_ino, first.st_ino, "inode");
		expect_eq(second.st_dev, first.st_dev, "device");
		expect_eq(third.st_ino, first.st_ino, "inode");
		expect_eq(third.st_dev, first.st_dev, "device");
	}).wait_ok();
}

TEST(the_file_is_read_only_for_all)
{
	struct stat status;
	const unique_fd file = open_file("/proc/self/ns/time", O_RDONLY);

	check(fstat(file.get(), &status), "fstat");
	expect_eq(status.st_mode, S_IFREG | 0444u);
	expect_errno(write(file.get(), "", 1), EBADF);
}

TEST(a_thread_has_files_of_its_own)
{
	const time_namespaces first = namespaces_of();

	std::thread([&] {
		unshare_time();
		expect_ne(namespaces_of().for_children, first.for_children, "/proc/thread-self");
		expect_eq(namespaces_of("/proc/self"), first, "/proc/self");
	}).join();
}

TEST(a_descriptor_keeps_the_namespace)
{
	const nanoseconds outside = now(CLOCK_MONOTONIC);
	const unique_fd kept = make_namespace({ 1000s, 1000s });
	const ino_t inode = ns_inode(kept);

	/* No task is in it; others come and go. */
	for (int i = 0; i < 10; i++)
		expect_ne(ns_inode(make_namespace({})), inode);
	enter(kept);
	expect_eq(namespaces_of(), time_namespaces{ inode, inode });
	expect_soon_after(now(CLOCK_MONOTONIC), outside + 1000s);
}

TEST(a_bind_mount_keeps_the_namespace)
{
	const char directory[] = "/tmp";
	const char place[] = "/tmp/namespace";
	const nanoseconds outside = now(CLOCK_MONOTONIC);
	ino_t inode;

	check(unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
	check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount --make-rprivate");
	check(mount("tmpfs", directory, "tmpfs", 0, nullptr), "mount tmpfs");
	check(mknod(place, S_IFREG | 0600, 0), "mknod");
	{
		const unique_fd ns = make_namespace({ 1000s, 1000s });
		const std::string path = "/proc/self/fd/" + std::to_string(ns.get());

		inode = ns_inode(ns);
		check(mount(path.c_str(), place, nullptr, MS_BIND, nullptr), "mount --bind");
	}
	enter(open_file(place, O_RDONLY));
	expect_eq(namespaces_of(), time_namespaces{ inode, inode });
	expect_soon_after(now(CLOCK_MONOTONIC), outside + 1000s);
}

TEST(the_files_of_another_user_are_closed)
{
	const std::string own = "/proc/" + std::to_string(getpid()) + "/ns/";

	child([&] {
		char text[64];

		become_user(1000);
		for (const char *name : { "time", "time_for_children" }) {
			const std::string path = own + name;

			expect_errno(open(path.c_str(), O_RDONLY), EACCES);
			expect_errno(readlink(path.c_str(), text, sizeof(text)), EACCES);
			open_file("/proc/self/ns/" + std::string(name), O_RDONLY);
		}
	}).wait_ok();
}

TEST(a_zombie_is_in_no_namespace)
{
	child target([] {});

	target.wait_exited();
	for (const char *name : { "ns/time", "ns/time_for_children" }) {
		const std::string path = target.proc(name);
		char text[64];

		expect_errno(open(path.c_str(), O_RDONLY), ENOENT);
		expect_errno(readlink(path.c_str(), text, sizeof(text)), ENOENT);
	}
}
