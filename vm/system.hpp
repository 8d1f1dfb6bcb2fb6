/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <cerrno>
#include <fcntl.h>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace guest
{

/* Every failed call ends here: the message names the call, the code is errno. */
[[noreturn]] inline void fail(const std::string &call)
{
	throw std::system_error(errno, std::generic_category(), call);
}

template <typename number> number check(number result, const std::string &call)
{
	if (result < 0)
		fail(call);
	return result;
}

class unique_fd {
public:
	unique_fd() = default;
	explicit unique_fd(int fd)
		: fd_(fd)
	{
	}
	unique_fd(unique_fd &&other) noexcept
		: fd_(std::exchange(other.fd_, -1))
	{
	}
	unique_fd &operator=(unique_fd &&other) noexcept
	{
		std::swap(fd_, other.fd_);
		return *this;
	}
	~unique_fd()
	{
		reset();
	}

	void reset()
	{
		if (fd_ >= 0)
			close(fd_);
		fd_ = -1;
	}
	int get() const
	{
		return fd_;
	}
	explicit operator bool() const
	{
		return fd_ >= 0;
	}

private:
	int fd_ = -1;
};

inline unique_fd open_file(const std::string &path, int flags)
{
	return unique_fd(check(open(path.c_str(), flags | O_CLOEXEC), "open " + path));
}

inline std::string read_file(const std::string &path)
{
	const auto file = open_file(path, O_RDONLY);
	std::string text;
	char part[4096];

	while (const auto got = check(read(file.get(), part, std::size(part)), "read " + path))
		text.append(part, got);
	return text;
}

inline void write_all(int fd, std::string_view text)
{
	while (!text.empty())
		text.remove_prefix(check(write(fd, text.data(), text.size()), "write"));
}

} /* namespace guest */
