// SPDX-License-Identifier: GPL-2.0-only
/* /dev/videoN: the times of buffers, of events and in metadata. */
#include "video.hpp"
#include "viewpoints.hpp"

#include <cstdint>
#include <cstring>
#include <vector>

#include <sys/mman.h>

using namespace timens;

namespace
{

constexpr auto host_clock_only = "V4L2 tells the host's clock";
constexpr unsigned int buffers = 4;

nanoseconds time_of(const v4l2_buffer &buffer)
{
	return seconds(buffer.timestamp.tv_sec) +
	       std::chrono::microseconds(buffer.timestamp.tv_usec);
}

/* One direction of a device, whose buffers are mapped. */
class queue {
public:
	queue(const unique_fd &device, v4l2_buf_type type)
		: device(device.get())
		, type(type)
	{
		v4l2_requestbuffers request{};

		request.count = buffers;
		request.type = type;
		request.memory = V4L2_MEMORY_MMAP;
		check(ioctl(this->device, VIDIOC_REQBUFS, &request), "VIDIOC_REQBUFS");
		expect_eq(request.count, buffers, "buffers");
	}

	v4l2_buffer query(unsigned int index) const
	{
		v4l2_buffer buffer = make(index);

		check(ioctl(device, VIDIOC_QUERYBUF, &buffer), "VIDIOC_QUERYBUF");
		return buffer;
	}

	void put(v4l2_buffer &buffer) const
	{
		check(ioctl(device, VIDIOC_QBUF, &buffer), "VIDIOC_QBUF");
	}
	void put(unsigned int index) const
	{
		v4l2_buffer buffer = make(index);

		put(buffer);
		expect_eq(time_of(buffer), 0ns, "time of a buffer that waits");
	}

	void start() const
	{
		int value = type;

		check(ioctl(device, VIDIOC_STREAMON, &value), "VIDIOC_STREAMON");
	}
	void put_all_and_start() const
	{
		for (unsigned int i = 0; i < buffers; i++)
			put(i);
		start();
	}
	void stop() const
	{
		int value = type;

		check(ioctl(device, VIDIOC_STREAMOFF, &value), "VIDIOC_STREAMOFF");
	}

	v4l2_buffer get() const
	{
		v4l2_buffer buffer = make(0);
		pollfd event{ device, POLLIN | POLLOUT, 0 };
		const auto limit = to_timespec(patience);
		int result;

		while ((result = ioctl(device, VIDIOC_DQBUF, &buffer)) < 0 && errno == EAGAIN)
			expect(check(ppoll(&event, 1, &limit, nullptr), "ppoll") == 1,
			       "a buffer is done");
		check(result, "VIDIOC_DQBUF");
		return buffer;
	}

	/* Until the case ends. */
	const unsigned char *map(const v4l2_buffer &buffer) const
	{
		void *memory = mmap(nullptr, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED,
				    device, buffer.m.offset);

		if (memory == MAP_FAILED)
			throw system_failure("mmap", errno);
		return static_cast<unsigned char *>(memory);
	}

private:
	v4l2_buffer make(unsigned int index) const
	{
		v4l2_buffer buffer{};

		buffer.type = type;
		buffer.memory = V4L2_MEMORY_MMAP;
		buffer.index = index;
		return buffer;
	}

	const int device;
	const v4l2_buf_type type;
};

/* A small picture from the camera. */
unique_fd open_camera()
{
	unique_fd camera = open_video("vivid", V4L2_CAP_VIDEO_CAPTURE);
	int input = 0;
	v4l2_format format{};

	check(ioctl(camera.get(), VIDIOC_S_INPUT, &input), "VIDIOC_S_INPUT");
	format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	check(ioctl(camera.get(), VIDIOC_G_FMT, &format), "VIDIOC_G_FMT");
	format.fmt.pix.width = 320;
	format.fmt.pix.height = 180;
	check(ioctl(camera.get(), VIDIOC_S_FMT, &format), "VIDIOC_S_FMT");
	return camera;
}

/* Frames may be stamped with their end, before it comes. */
nanoseconds frame_length(const unique_fd &camera)
{
	v4l2_streamparm parameters{};

	parameters.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	check(ioctl(camera.get(), VIDIOC_G_PARM, &parameters), "VIDIOC_G_PARM");

	const auto &length = parameters.parm.capture.timeperframe;

	return nanoseconds(1s) * length.numerator / length.denominator;
}

/* The next frame with a time: vivid first shows some without, as it sets it late. */
v4l2_buffer next_frame(const queue &frames)
{
	for (;;) {
		v4l2_buffer frame = frames.get();

		expect_eq(frame.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK,
			  unsigned(V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC), "clock of the frame");
		if (time_of(frame) != 0ns)
			return frame;
		frames.put(frame.index);
	}
}

} // namespace

TEST(frames_tell_when_they_were_taken, .timeout = 30s, .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const unique_fd camera = open_camera();
		const nanoseconds unit = frame_length(camera);
		const queue frames(camera, V4L2_BUF_TYPE_VIDEO_CAPTURE);
		const period around(CLOCK_MONOTONIC);

		frames.put_all_and_start();
		for (unsigned int i = 0; i < 2 * buffers; i++) {
			const v4l2_buffer frame = next_frame(frames);

			around.expect_contains(time_of(frame), "time of a frame", unit);
			expect_eq(time_of(frames.query(frame.index)), time_of(frame),
				  "time of a frame that is looked at again");
			frames.put(frame.index);
		}
		frames.stop();
	});
}

TEST(a_buffer_that_was_not_filled_has_no_time, .timeout = 30s)
{
	from_each_viewpoint([](const shift &) {
		const unique_fd camera = open_camera();
		const queue frames(camera, V4L2_BUF_TYPE_VIDEO_CAPTURE);

		for (unsigned int i = 0; i < buffers; i++) {
			expect_eq(time_of(frames.query(i)), 0ns, "time of a new buffer");
			frames.put(i);
			expect_eq(time_of(frames.query(i)), 0ns, "time of a buffer that waits");
		}
	});
}

TEST(frames_are_on_the_clock_of_who_takes_them_out, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	const unique_fd camera = open_camera();
	const nanoseconds unit = frame_length(camera);
	const queue frames(camera, V4L2_BUF_TYPE_VIDEO_CAPTURE);
	const period outside(CLOCK_MONOTONIC);
	const shared<unsigned int> taken;

	in_namespace(some_offsets, [&] {
		const period inside(CLOCK_MONOTONIC);

		frames.put_all_and_start();

		const v4l2_buffer frame = next_frame(frames);

		inside.expect_contains(time_of(frame), "time of a frame", unit);
		*taken = frame.index;
	});
	outside.expect_contains(time_of(frames.query(*taken)),
				"time of the frame seen from outside", unit);
	outside.expect_contains(time_of(next_frame(frames)), "time of the next frame", unit);
	frames.stop();
}

TEST(copied_timestamps_stay_what_they_are, .timeout = 30s)
{
	from_each_viewpoint([](const shift &) {
		const unique_fd device = open_video("vim2m", V4L2_CAP_VIDEO_M2M);
		const queue in(device, V4L2_BUF_TYPE_VIDEO_OUTPUT);
		const queue out(device, V4L2_BUF_TYPE_VIDEO_CAPTURE);

		out.put(0);
		in.start();
		out.start();

		v4l2_buffer picture = in.query(0);

		picture.bytesused = picture.length;
		picture.field = V4L2_FIELD_NONE;
		picture.timestamp.tv_sec = 123;
		picture.timestamp.tv_usec = 456789;
		in.put(picture);

		const v4l2_buffer copy = out.get();

		expect_eq(copy.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK,
			  unsigned(V4L2_BUF_FLAG_TIMESTAMP_COPY), "clock of the picture");
		expect_eq(time_of(copy), nanoseconds(123456789us), "time of the copy");
		expect_eq(time_of(in.get()), nanoseconds(123456789us), "time of the original");
	});
}

namespace
{

void set_brightness(const unique_fd &camera, int value)
{
	v4l2_control control{ V4L2_CID_BRIGHTNESS, value };

	check(ioctl(camera.get(), VIDIOC_S_CTRL, &control), "VIDIOC_S_CTRL");
}

/* With events of its controls; two of them can wait. */
void subscribe(const unique_fd &camera)
{
	set_brightness(camera, 10);
	for (unsigned int id : { V4L2_CID_BRIGHTNESS, V4L2_CID_CONTRAST }) {
		v4l2_event_subscription wanted{};

		wanted.type = V4L2_EVENT_CTRL;
		wanted.id = id;
		wanted.flags = V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK;
		check(ioctl(camera.get(), VIDIOC_SUBSCRIBE_EVENT, &wanted),
		      "VIDIOC_SUBSCRIBE_EVENT");
	}
}

void expect_event(const unique_fd &camera, const period &around, int value)
{
	v4l2_event event{};

	wait_for_events(camera, POLLPRI, "an event comes");
	check(ioctl(camera.get(), VIDIOC_DQEVENT, &event), "VIDIOC_DQEVENT");
	expect_eq(event.u.ctrl.value, value, "value of the control");
	around.expect_contains(to_nanoseconds(event.timestamp), "time of an event");
}

} // namespace

TEST(events_tell_when_they_happened, .timeout = 30s, .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const unique_fd camera = open_camera();

		subscribe(camera);
		for (int value : { 20, 30 }) {
			const period around(CLOCK_MONOTONIC);

			set_brightness(camera, value);
			expect_event(camera, around, value);
		}
	});
}

TEST(events_are_on_the_clock_of_the_reader, .timeout = 30s, .differs_from_stock = host_clock_only)
{
	const unique_fd camera = open_camera();
	v4l2_control contrast{ V4L2_CID_CONTRAST, 100 };

	check(ioctl(camera.get(), VIDIOC_S_CTRL, &contrast), "VIDIOC_S_CTRL");
	subscribe(camera);

	const period outside(CLOCK_MONOTONIC);

	in_namespace(some_offsets, [&] {
		const period inside(CLOCK_MONOTONIC);

		set_brightness(camera, 20);
		contrast.value = 110;
		check(ioctl(camera.get(), VIDIOC_S_CTRL, &contrast), "VIDIOC_S_CTRL");
		expect_event(camera, inside, 20);
	});
	expect_event(camera, outside, 110);
}

namespace
{

/* Metadata of the camera, as uvcvideo has it; it begins with a time. */
class metadata {
public:
	metadata()
		: device(open_metadata())
		, blocks(device, V4L2_BUF_TYPE_META_CAPTURE)
	{
		for (unsigned int i = 0; i < buffers; i++)
			memory.push_back(blocks.map(blocks.query(i)));
	}

	nanoseconds next_time() const
	{
		const v4l2_buffer block = blocks.get();
		std::uint64_t time;

		std::memcpy(&time, memory.at(block.index), sizeof(time));
		return nanoseconds(time);
	}

private:
	static unique_fd open_metadata()
	{
		/* It is there as long as the input is the camera. */
		open_camera();
		return open_video("vivid", V4L2_CAP_META_CAPTURE);
	}

	const unique_fd device;

public:
	const queue blocks;

private:
	std::vector<const unsigned char *> memory;
};

} // namespace

TEST(metadata_tell_when_they_were_made, .timeout = 30s,
     .differs_from_stock = "vivid writes the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const metadata meta;
		const period around(CLOCK_MONOTONIC);

		meta.blocks.put_all_and_start();
		for (unsigned int i = 0; i < buffers; i++)
			around.expect_contains(meta.next_time(), "time in metadata");
		meta.blocks.stop();
	});
}

TEST(metadata_are_on_the_clock_of_who_starts_the_stream, .timeout = 30s,
     .differs_from_stock = "vivid writes the host's clock")
{
	const metadata meta;
	const period before(CLOCK_MONOTONIC);

	in_namespace(some_offsets, [&] {
		const period inside(CLOCK_MONOTONIC);

		meta.blocks.put_all_and_start();
		inside.expect_contains(meta.next_time(), "time in metadata");
	});
	before.expect_contains(meta.next_time() - some_offsets.monotonic,
			       "time inside in metadata seen from outside");
	meta.blocks.stop();

	const period outside(CLOCK_MONOTONIC);

	meta.blocks.put_all_and_start();
	outside.expect_contains(meta.next_time(), "time in metadata of another stream");
	meta.blocks.stop();
}
