// SPDX-License-Identifier: GPL-2.0-only
#include "configfs.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace timens
{

void write_file(const std::string &path, std::string_view text, std::source_location where)
{
	const unique_fd file = open_file(path, O_WRONLY, where);

	check(write(file.get(), text.data(), text.size()), "write to " + path, where);
}

std::string read_line(const std::string &path, std::source_location where)
{
	const std::string text = read_file(path, where);

	return text.substr(0, text.find('\n'));
}

std::string configfs_of(std::string_view subsystem)
{
	const std::string mountpoint = "/sys/kernel/config";
	const std::string folder = mountpoint + "/" + std::string(subsystem);

	if (access(mountpoint.c_str(), F_OK))
		skip("the kernel has no configfs");
	check(unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
	check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(MS_PRIVATE)");
	check(mount("configfs", mountpoint.c_str(), "configfs", 0, nullptr), "mount of configfs");
	if (access(folder.c_str(), F_OK))
		skip("the kernel has no " + std::string(subsystem) + " in configfs");
	return folder;
}

configfs_folder::configfs_folder(std::string name, std::source_location where)
	: path(std::move(name))
{
	check(mkdir(path.c_str(), 0700), "mkdir " + path, where);
}

configfs_folder::~configfs_folder()
{
	rmdir(path.c_str());
}

} // namespace timens
