// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences that are signalled by hand: drivers/dma-buf/sw_sync.c, and the files in
 * which user space holds fences, linux/sync_file.h.
 */
#pragma once

#include "harness.hpp"
#include "process.hpp"

#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <linux/sync_file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

namespace timens
{

/* Of include/uapi/linux/sync_file.h since 6.6. */
struct fence_deadline { /* struct sync_set_deadline */
	std::uint64_t deadline_ns;
	std::uint64_t pad;
};
constexpr unsigned long set_deadline = _IOW('>', 5, fence_deadline); /* SYNC_IOC_SET_DEADLINE */

/* A fence in a file. */
class fence_file {
public:
	explicit fence_file(int fd)
		: fd(fd)
	{
	}
	int get() const
	{
		return fd.get();
	}

	struct state {
		int status; /* 1 when signalled */
		nanoseconds time;
	};
	state look() const
	{
		sync_fence_info fence{};
		sync_file_info info{};

		info.num_fences = 1;
		info.sync_fence_info = reinterpret_cast<std::uintptr_t>(&fence);
		check(ioctl(fd.get(), SYNC_IOC_FILE_INFO, &info), "SYNC_IOC_FILE_INFO");
		expect_eq(info.num_fences, 1, "the fences of a file");
		return { fence.status, nanoseconds(fence.timestamp_ns) };
	}
	void set_deadline(nanoseconds time) const
	{
		fence_deadline deadline{ static_cast<std::uint64_t>(time.count()), 0 };

		check(ioctl(fd.get(), timens::set_deadline, &deadline), "SYNC_IOC_SET_DEADLINE");
	}

private:
	unique_fd fd;
};

/* A counter that signals the fences that wait for its values. */
class fence_timeline {
public:
	fence_timeline()
		: fd(::open(open_debugfs("sync/sw_sync").c_str(), O_RDWR | O_CLOEXEC))
	{
		if (fd.get() < 0)
			skip("the kernel has no sw_sync");
	}
	/* A fence that is signalled by the next advance(). */
	fence_file make_fence()
	{
		create_fence request{};

		request.value = ++latest;
		std::strcpy(request.name, "timens");
		check(ioctl(fd.get(), _IOWR('W', 0, create_fence), &request),
		      "SW_SYNC_IOC_CREATE_FENCE");
		return fence_file(request.fence);
	}
	void advance()
	{
		std::uint32_t by = latest - signalled;

		check(ioctl(fd.get(), _IOW('W', 1, std::uint32_t), &by), "SW_SYNC_IOC_INC");
		signalled = latest;
	}
	/* The earliest deadline of a fence of this timeline. */
	nanoseconds deadline_of(const fence_file &fence) const
	{
		get_deadline request{};

		request.fence_fd = fence.get();
		check(ioctl(fd.get(), _IOWR('W', 2, get_deadline), &request),
		      "SW_SYNC_GET_DEADLINE");
		return nanoseconds(request.deadline_ns);
	}

private:
	/* They are in no header: sw_sync is for tests. */
	struct create_fence { /* struct sw_sync_create_fence_data */
		std::uint32_t value;
		char name[32];
		std::int32_t fence;
	};
	struct get_deadline { /* struct sw_sync_get_deadline */
		std::uint64_t deadline_ns;
		std::uint32_t pad;
		std::int32_t fence_fd;
	};

	static std::string open_debugfs(const std::string &name)
	{
		const std::string root = "/sys/kernel/debug/";

		/* It may be mounted already, then this fails. */
		mount("debugfs", root.c_str(), "debugfs", 0, nullptr);
		return root + name;
	}

	unique_fd fd;
	std::uint32_t latest = 0;
	std::uint32_t signalled = 0;
};

} // namespace timens
