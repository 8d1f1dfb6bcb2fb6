// SPDX-License-Identifier: GPL-2.0-only
/* Graphics devices: when the frames of a display were shown, in replies and events. */
#include "drm.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <iterator>
#include <vector>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

/*
 * More than a frame: a frame may have been due before it was asked for, and
 * been noticed after.
 */
constexpr nanoseconds frame = 50ms;

/* Of include/uapi/drm/drm.h and drm_mode.h, to be called by drm::call(). */
struct card_resources {
	std::uint64_t framebuffers;
	std::uint64_t crtcs;
	std::uint64_t connectors;
	std::uint64_t encoders;
	std::uint32_t count_framebuffers;
	std::uint32_t count_crtcs;
	std::uint32_t count_connectors;
	std::uint32_t count_encoders;
	std::uint32_t limits[4];
};
struct mode_info {
	std::uint32_t clock;
	std::uint16_t hdisplay;
	std::uint16_t horizontal[4];
	std::uint16_t vdisplay;
	std::uint16_t vertical[4];
	std::uint32_t vrefresh;
	std::uint32_t flags;
	std::uint32_t type;
	char name[32];
};
struct connector_info {
	std::uint64_t encoders;
	std::uint64_t modes;
	std::uint64_t properties;
	std::uint64_t property_values;
	std::uint32_t count_modes;
	std::uint32_t count_properties;
	std::uint32_t count_encoders;
	std::uint32_t encoder;
	std::uint32_t connector;
	std::uint32_t rest[7];
};
struct dumb_buffer {
	std::uint32_t height;
	std::uint32_t width;
	std::uint32_t bpp;
	std::uint32_t flags;
	std::uint32_t handle;
	std::uint32_t pitch;
	std::uint64_t size;
};
struct framebuffer {
	std::uint32_t id;
	std::uint32_t width;
	std::uint32_t height;
	std::uint32_t pitch;
	std::uint32_t bpp;
	std::uint32_t depth;
	std::uint32_t handle;
};
struct crtc_setting {
	std::uint64_t connectors;
	std::uint32_t count_connectors;
	std::uint32_t crtc;
	std::uint32_t framebuffer;
	std::uint32_t x;
	std::uint32_t y;
	std::uint32_t gamma_size;
	std::uint32_t mode_valid;
	mode_info mode;
};
struct page_flip {
	std::uint32_t crtc;
	std::uint32_t framebuffer;
	std::uint32_t flags;
	std::uint32_t reserved;
	std::uint64_t user_data;
};
union wait_vblank {
	struct {
		std::uint32_t type;
		std::uint32_t sequence;
		unsigned long signal;
	} request;
	struct {
		std::uint32_t type;
		std::uint32_t sequence;
		long tval_sec;
		long tval_usec;
	} reply;
};
struct get_sequence {
	std::uint32_t crtc;
	std::uint32_t active;
	std::uint64_t sequence;
	std::int64_t sequence_ns;
};
struct queue_sequence {
	std::uint32_t crtc;
	std::uint32_t flags;
	std::uint64_t sequence;
	std::uint64_t user_data;
};

constexpr unsigned int relative = 1; /* _DRM_VBLANK_RELATIVE, DRM_CRTC_SEQUENCE_RELATIVE */
constexpr unsigned int as_event = 0x4000000; /* _DRM_VBLANK_EVENT */
constexpr unsigned int flip_event = 1; /* DRM_MODE_PAGE_FLIP_EVENT */

/* What is read from a device. */
struct event {
	std::uint32_t type; /* DRM_EVENT_VBLANK is 1, _FLIP_COMPLETE 2, _CRTC_SEQUENCE 3 */
	std::uint32_t length;
	std::uint64_t user_data;
	union {
		struct {
			std::uint32_t tv_sec;
			std::uint32_t tv_usec;
			std::uint32_t sequence;
			std::uint32_t crtc;
		} vblank;
		struct {
			std::int64_t time_ns;
			std::uint64_t sequence;
		} sequence;
	};

	nanoseconds time() const
	{
		if (type == 3)
			return nanoseconds(sequence.time_ns);
		return seconds(vblank.tv_sec) + std::chrono::microseconds(vblank.tv_usec);
	}
};

/* A virtual display that shows a frame again and again. */
class display {
public:
	display()
		: device(drm::open_device("vkms"))
	{
		std::uint32_t connectors[8];
		std::uint32_t crtcs[8];
		card_resources resources{};

		resources.connectors = drm::address_of(connectors);
		resources.count_connectors = std::size(connectors);
		resources.crtcs = drm::address_of(crtcs);
		resources.count_crtcs = std::size(crtcs);
		drm::call(device, 0xa0, resources, "DRM_IOCTL_MODE_GETRESOURCES");
		expect(resources.count_connectors && resources.count_crtcs, "there is a display");
		crtc = crtcs[0];
		turn_on(connectors[0]);
	}

	/* The ways to ask for an event. */
	void queue_vblank() const
	{
		wait_vblank_for(relative | as_event, 1);
	}
	void queue_flip() const
	{
		page_flip request{ crtc, shown, flip_event, 0, 0 };

		drm::call(device, 0xb0, request, "DRM_IOCTL_MODE_PAGE_FLIP");
	}
	void queue_next_sequence() const
	{
		queue_sequence request{ crtc, relative, 1, 0 };

		drm::call(device, 0x3c, request, "DRM_IOCTL_CRTC_QUEUE_SEQUENCE");
	}

	/* Waits for the next frame, and returns when it was. */
	nanoseconds wait_frame() const
	{
		const wait_vblank answer = wait_vblank_for(relative, 1);

		return seconds(answer.reply.tval_sec) +
		       std::chrono::microseconds(answer.reply.tval_usec);
	}
	/* When the last frame was. */
	nanoseconds last_frame() const
	{
		get_sequence request{ crtc, 0, 0, 0 };

		drm::call(device, 0x3b, request, "DRM_IOCTL_CRTC_GET_SEQUENCE");
		return nanoseconds(request.sequence_ns);
	}

	void wait_for_event() const
	{
		pollfd waiting{ device.get(), POLLIN, 0 };
		const timespec limit = to_timespec(patience);

		expect(check(ppoll(&waiting, 1, &limit, nullptr), "ppoll") == 1, "the event comes");
	}
	event read_event() const
	{
		event next{};

		wait_for_event();
		expect_eq(check(try_read(&next, sizeof(next)), "read of an event"), sizeof(next),
			  "the size of the event");
		return next;
	}
	outcome try_read(void *buffer, std::size_t size) const
	{
		return syscall(SYS_read, device.get(), buffer, size);
	}

private:
	void turn_on(std::uint32_t connector)
	{
		std::vector<mode_info> modes(64);
		connector_info info{};

		info.connector = connector;
		info.modes = drm::address_of(modes.data());
		/* The first call, with none, looks for modes. */
		drm::call(device, 0xa7, info, "DRM_IOCTL_MODE_GETCONNECTOR");
		expect(info.count_modes && info.count_modes <= modes.size(), "there are modes");
		info.count_encoders = 0;
		info.count_properties = 0;
		drm::call(device, 0xa7, info, "DRM_IOCTL_MODE_GETCONNECTOR");

		const mode_info &mode = modes[0];
		dumb_buffer buffer{ mode.vdisplay, mode.hdisplay, 32, 0, 0, 0, 0 };

		drm::call(device, 0xb2, buffer, "DRM_IOCTL_MODE_CREATE_DUMB");

		framebuffer frame{ 0,  buffer.width, buffer.height, buffer.pitch,
				   32, 24,	     buffer.handle };

		drm::call(device, 0xae, frame, "DRM_IOCTL_MODE_ADDFB");
		shown = frame.id;

		crtc_setting setting{};

		setting.connectors = drm::address_of(&connector);
		setting.count_connectors = 1;
		setting.crtc = crtc;
		setting.framebuffer = shown;
		setting.mode_valid = 1;
		setting.mode = mode;
		drm::call(device, 0xa2, setting, "DRM_IOCTL_MODE_SETCRTC");
	}
	wait_vblank wait_vblank_for(unsigned int type, unsigned int sequence) const
	{
		wait_vblank request{};

		request.request.type = type;
		request.request.sequence = sequence;
		drm::call(device, 0x3a, request, "DRM_IOCTL_WAIT_VBLANK");
		return request;
	}

	unique_fd device;
	std::uint32_t crtc;
	std::uint32_t shown;
};

struct event_kind {
	std::string_view name;
	std::uint32_t type;
	void (display::*queue)() const;
};
constexpr event_kind event_kinds[] = {
	{ "DRM_EVENT_VBLANK", 1, &display::queue_vblank },
	{ "DRM_EVENT_FLIP_COMPLETE", 2, &display::queue_flip },
	{ "DRM_EVENT_CRTC_SEQUENCE", 3, &display::queue_next_sequence },
};

} // namespace

TEST(events_tell_when_a_frame_was, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const display display;

		for (const event_kind &kind : event_kinds) {
			const period showing(CLOCK_MONOTONIC);

			(display.*kind.queue)();

			const event shown = display.read_event();

			expect_eq(shown.type, kind.type, kind.name);
			showing.expect_contains(shown.time(), kind.name, frame);
		}
	});
}

TEST(events_are_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "they are on the host's clock")
{
	const display display;

	/* Who asks for an event does not matter, neither does who opened the device. */
	from_each_viewpoint([&](const shift &) {
		for (const event_kind &kind : event_kinds) {
			const period showing(CLOCK_MONOTONIC);

			(display.*kind.queue)();
			showing.expect_contains(display.read_event().time(), kind.name, frame);
		}
	});
	for (const event_kind &kind : event_kinds) {
		const period showing(CLOCK_MONOTONIC);

		in_namespace(some_offsets, [&] { (display.*kind.queue)(); });
		showing.expect_contains(display.read_event().time(), kind.name, frame);
	}
}

TEST(an_event_that_could_not_be_read_waits_for_another_reader, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const display display;

		for (const event_kind &kind : event_kinds) {
			const period showing(CLOCK_MONOTONIC);
			event truncated;

			(display.*kind.queue)();
			display.wait_for_event();
			expect_errno(display.try_read(nullptr, sizeof(event)), EFAULT, kind.name);
			expect_eq(check(display.try_read(&truncated, sizeof(event) - 1), "read"), 0,
				  kind.name);
			showing.expect_contains(display.read_event().time(), kind.name, frame);
		}
	});
}

TEST(replies_tell_when_a_frame_was, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const display display;
		const period showing(CLOCK_MONOTONIC);

		showing.expect_contains(display.wait_frame(), "the reply of DRM_IOCTL_WAIT_VBLANK",
					frame);
		showing.expect_contains(display.last_frame(),
					"the reply of DRM_IOCTL_CRTC_GET_SEQUENCE", frame);
	});
}
