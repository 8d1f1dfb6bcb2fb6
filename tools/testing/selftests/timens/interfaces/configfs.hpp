// SPDX-License-Identifier: GPL-2.0-only
/* Devices that are made in configfs(5) and set up in sysfs(5). */
#pragma once

#include "harness.hpp"
#include "process.hpp"

#include <string>
#include <string_view>

namespace timens
{

/* One open(2) and one write(2) of a text, such as to an attribute. */
void write_file(const std::string &path, std::string_view text,
		std::source_location where = std::source_location::current());

/* The text of an attribute without its newline. */
std::string read_line(const std::string &path,
		      std::source_location where = std::source_location::current());

/*
 * Where configfs is mounted: in a mount namespace that is new to the calling
 * process. Skips when there is none, or without this subsystem in it.
 */
std::string configfs_of(std::string_view subsystem);

/* A folder in configfs, and what the kernel makes of it, for as long as it lives. */
class configfs_folder {
public:
	explicit configfs_folder(std::string path,
				 std::source_location where = std::source_location::current());
	configfs_folder(const configfs_folder &) = delete;
	configfs_folder &operator=(const configfs_folder &) = delete;
	~configfs_folder();

	const std::string path;
};

} // namespace timens
