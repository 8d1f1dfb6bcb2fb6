/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace bench
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
		if (fd_ >= 0)
			close(fd_);
	}

	int get() const
	{
		return fd_;
	}

private:
	int fd_ = -1;
};

inline unique_fd open_file(const std::string &path, int flags)
{
	return unique_fd(check(open(path.c_str(), flags | O_CLOEXEC, 0644), "open " + path));
}

inline std::string read_file(const std::string &path)
{
	const auto file = open_file(path, O_RDONLY);
	std::string text;
	char part[4096];

	while (const auto got = check(read(file.get(), part, sizeof(part)), "read " + path))
		text.append(part, got);
	return text;
}

inline void write_all(int fd, std::string_view text)
{
	while (!text.empty())
		text.remove_prefix(check(write(fd, text.data(), text.size()), "write"));
}

/* Memory from mmap(2). */
class mapping {
public:
	mapping() = default;
	mapping(std::size_t size, int protection, int flags, int fd = -1, off_t offset = 0,
		void *address = nullptr)
		: start_(static_cast<std::byte *>(
			  mmap(address, size, protection, flags, fd, offset)))
		, size_(size)
	{
		if (start_ == MAP_FAILED)
			fail("mmap");
	}
	mapping(mapping &&other) noexcept
		: start_(std::exchange(other.start_, nullptr))
		, size_(std::exchange(other.size_, 0))
	{
	}
	mapping &operator=(mapping &&other) noexcept
	{
		std::swap(start_, other.start_);
		std::swap(size_, other.size_);
		return *this;
	}
	~mapping()
	{
		if (start_)
			munmap(start_, size_);
	}

	std::byte *data() const
	{
		return start_;
	}
	std::size_t size() const
	{
		return size_;
	}

private:
	std::byte *start_ = nullptr;
	std::size_t size_ = 0;
};

} /* namespace bench */
