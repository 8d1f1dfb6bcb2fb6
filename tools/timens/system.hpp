/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

namespace timens
{

/* Owns a file descriptor. */
class unique_fd {
public:
	unique_fd() = default;
	explicit unique_fd(int fd)
		: fd(fd)
	{
	}
	unique_fd(unique_fd &&other) noexcept
		: fd(std::exchange(other.fd, -1))
	{
	}
	unique_fd &operator=(unique_fd other) noexcept
	{
		std::swap(fd, other.fd);
		return *this;
	}
	~unique_fd();

	int get() const
	{
		return fd;
	}

private:
	int fd = -1;
};

/* These throw system_failure, which names the file. */
unique_fd open_file(const std::string &path, int flags = O_RDONLY);
std::string read_file(const std::string &path);
/* By a single write(2): files of /proc take a text as a whole. */
void write_file(const std::string &path, std::string_view text);

/* "/proc/PID/name"; without a PID of the calling process. */
std::string proc_path(pid_t pid, std::string_view name);

} /* namespace timens */
