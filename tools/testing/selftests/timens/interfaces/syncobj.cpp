// SPDX-License-Identifier: GPL-2.0-only
/* DRM_IOCTL_SYNCOBJ_WAIT and _TIMELINE_WAIT: when waits for fences end. */
#include "drm.hpp"
#include "sw_sync.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <sys/syscall.h>

using namespace timens;

namespace
{

/*
 * How far ahead deadlines are, and how early they may come: the kernel waits for
 * a number of ticks, less those that a loaded machine has yet to catch up with.
 */
constexpr nanoseconds ahead = 1s;
constexpr nanoseconds missed_ticks = ahead / 2;

/* Of include/uapi/drm/drm.h, the deadline since 6.6. */
struct syncobj_wait {
	std::uint64_t handles;
	std::int64_t timeout_nsec;
	std::uint32_t count_handles;
	std::uint32_t flags;
	std::uint32_t first_signaled;
	std::uint32_t pad;
	std::uint64_t deadline_nsec;
};
struct syncobj_timeline_wait {
	std::uint64_t handles;
	std::uint64_t points;
	std::int64_t timeout_nsec;
	std::uint32_t count_handles;
	std::uint32_t flags;
	std::uint32_t first_signaled;
	std::uint32_t pad;
	std::uint64_t deadline_nsec;
};
constexpr unsigned int wait_for_submit = 1U << 1;
constexpr unsigned int wait_deadline = 1U << 3;

/* A place for a fence, without one. */
class syncobj {
public:
	syncobj()
		: device(drm::open_device("virtio_gpu"))
	{
		struct {
			std::uint32_t handle;
			std::uint32_t flags;
		} request{};

		drm::call(device, 0xbf, request, "DRM_IOCTL_SYNCOBJ_CREATE");
		handle = request.handle;
	}
	void put(const fence_file &fence)
	{
		struct {
			std::uint32_t handle;
			std::uint32_t flags;
			std::int32_t fd;
			std::uint32_t pad;
		} request{ handle, 1, fence.get(), 0 };

		drm::call(device, 0xc2, request, "DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE");
	}
	void signal()
	{
		struct {
			std::uint64_t handles;
			std::uint32_t count_handles;
			std::uint32_t pad;
		} request{ drm::address_of(&handle), 1, 0 };

		drm::call(device, 0xc5, request, "DRM_IOCTL_SYNCOBJ_SIGNAL");
	}
	outcome wait(nanoseconds timeout, unsigned int flags, nanoseconds deadline = 0ns) const
	{
		syncobj_wait request{};

		fill(request, timeout, flags, deadline);
		return ioctl(device.get(), drm::request_number<syncobj_wait>(0xc3), &request);
	}
	outcome timeline_wait(nanoseconds timeout, unsigned int flags,
			      nanoseconds deadline = 0ns) const
	{
		const std::uint64_t point = 0;
		syncobj_timeline_wait request{};

		fill(request, timeout, flags, deadline);
		request.points = drm::address_of(&point);
		return ioctl(device.get(), drm::request_number<syncobj_timeline_wait>(0xca),
			     &request);
	}

private:
	template <class type> void fill(type &request, nanoseconds timeout, unsigned int flags,
					nanoseconds deadline) const
	{
		request.handles = drm::address_of(&handle);
		request.count_handles = 1;
		request.timeout_nsec = timeout.count();
		request.flags = flags;
		request.deadline_nsec = deadline.count();
	}

	unique_fd device;
	std::uint32_t handle;
};

/* The two calls that wait. */
struct wait_call {
	std::string_view name;
	outcome (syncobj::*wait)(nanoseconds timeout, unsigned int flags,
				 nanoseconds deadline) const;

	outcome operator()(const syncobj &object, nanoseconds timeout,
			   unsigned int flags = wait_for_submit, nanoseconds deadline = 0ns) const
	{
		return (object.*wait)(timeout, flags, deadline);
	}
};
constexpr wait_call wait_calls[] = {
	{ "DRM_IOCTL_SYNCOBJ_WAIT", &syncobj::wait },
	{ "DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT", &syncobj::timeline_wait },
};

} // namespace

TEST(a_wait_ends_at_its_deadline, .timeout = 30s,
     .differs_from_stock = "it is taken on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const syncobj object;
		const watchdog watchdog;

		for (const wait_call &wait : wait_calls) {
			const nanoseconds deadline = now(CLOCK_MONOTONIC) + ahead;

			expect_errno(wait(object, deadline), ETIME, wait.name);

			const nanoseconds present = now(CLOCK_MONOTONIC);

			expect_ge(present, deadline - missed_ticks, wait.name);
			expect_le(present, deadline + patience, wait.name);
		}
	});
}

TEST(a_deadline_in_the_past_ends_a_wait_at_once,
     .differs_from_stock = "it is taken on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const syncobj object;
		const watchdog watchdog;

		for (const wait_call &wait : wait_calls) {
			const nanoseconds present = now(CLOCK_MONOTONIC);

			for (nanoseconds deadline : { present - 1ns, present / 2, 1ns, -1ns })
				expect_errno(wait(object, deadline), ETIME, wait.name);
			expect_le(now(CLOCK_MONOTONIC), present + patience, wait.name);
		}
	});
}

TEST(a_wait_without_a_deadline_polls)
{
	from_each_viewpoint([](const shift &) {
		syncobj object;
		const watchdog watchdog;

		for (const wait_call &wait : wait_calls)
			expect_errno(wait(object, 0ns), ETIME, wait.name);
		object.signal();
		for (const wait_call &wait : wait_calls)
			check(wait(object, 0ns), wait.name);
	});
}

TEST(a_wait_that_never_ends_waits_for_the_fence, .timeout = 30s)
{
	from_each_viewpoint([](const shift &) {
		for (const wait_call &wait : wait_calls) {
			syncobj object;
			child waiting([&] { check(wait(object, nanoseconds::max()), wait.name); });

			wait_blocked(waiting, SYS_ioctl);
			expect_still_blocked({ &waiting, 1 });
			object.signal();
			waiting.wait_ok();
		}
	});
}

TEST(a_hint_is_on_the_clock_of_who_waits, .differs_from_stock = "it is taken on the host's clock")
{
	fence_timeline timeline;
	syncobj object;

	for (const shift &shift : all_shifts())
		for (const wait_call &wait : wait_calls) {
			const fence_file fence = timeline.make_fence();
			channel<nanoseconds> inside;

			object.put(fence);
			in_namespace(shift.by, [&] {
				const nanoseconds hint = now(CLOCK_MONOTONIC) + ahead;

				expect_errno(wait(object, 0ns, wait_deadline, hint), ETIME,
					     wait.name);
				inside.send(hint);
			});
			expect_eq(timeline.deadline_of(fence),
				  inside.receive() - shift.by.monotonic,
				  std::string(wait.name) + ", " + std::string(shift.name));
		}
}
