// SPDX-License-Identifier: GPL-2.0-only
#include "system.hpp"

#include "error.hpp"

#include <unistd.h>

namespace timens
{

unique_fd::~unique_fd()
{
	if (fd >= 0)
		close(fd);
}

unique_fd open_file(const std::string &path, int flags)
{
	return unique_fd(check(open(path.c_str(), flags | O_CLOEXEC), path));
}

std::string read_file(const std::string &path)
{
	const auto file = open_file(path);
	std::string text;
	char part[4096];

	while (const auto got = check(read(file.get(), part, sizeof(part)), path))
		text.append(part, got);
	return text;
}

void write_file(const std::string &path, std::string_view text)
{
	const auto file = open_file(path, O_WRONLY);
	const auto written = check(write(file.get(), text.data(), text.size()), path);

	if (static_cast<std::size_t>(written) != text.size())
		throw error(path + ": the kernel took only a part of what was written");
}

std::string proc_path(pid_t pid, std::string_view name)
{
	const auto task = pid ? std::to_string(pid) : "self";

	return "/proc/" + task + "/" + std::string(name);
}

} /* namespace timens */
