// SPDX-License-Identifier: GPL-2.0-only
/* /dev/snd/timer: when a timer was started, ticked, and its stream was started. */
#include "sound.hpp"
#include "viewpoints.hpp"

#include <unistd.h>

using namespace timens;

namespace
{

constexpr auto host_clock_only = "sound timers tell the host's clock";

class sound_timer {
public:
	sound_timer(const snd_timer_id &id, unsigned int ticks, unsigned int events)
		: fd(open_timer())
	{
		const int with_times = 1;
		snd_timer_select choice{};
		snd_timer_params parameters{};

		check(ioctl(fd.get(), SNDRV_TIMER_IOCTL_TREAD, &with_times),
		      "SNDRV_TIMER_IOCTL_TREAD");
		choice.id = id;

		const outcome selected = ioctl(fd.get(), SNDRV_TIMER_IOCTL_SELECT, &choice);

		if (selected.error == ENODEV)
			skip("this kernel has no such sound timer");
		check(selected, "SNDRV_TIMER_IOCTL_SELECT");
		parameters.flags = SNDRV_TIMER_PSFLG_AUTO | SNDRV_TIMER_PSFLG_EARLY_EVENT;
		parameters.ticks = ticks;
		parameters.queue_size = 128;
		parameters.filter = events;
		check(ioctl(fd.get(), SNDRV_TIMER_IOCTL_PARAMS, &parameters),
		      "SNDRV_TIMER_IOCTL_PARAMS");
		expect_eq(next(SNDRV_TIMER_EVENT_EARLY), 0s, "the time of the early event");
	}
	void start() const
	{
		check(ioctl(fd.get(), SNDRV_TIMER_IOCTL_START), "SNDRV_TIMER_IOCTL_START");
	}
	nanoseconds status() const
	{
		snd_timer_status status{};

		const outcome asked = ioctl(fd.get(), SNDRV_TIMER_IOCTL_STATUS, &status);

		if (sizeof(long) == 4 && asked.error == ENOTTY)
			skip("32-bit programs cannot ask for the status of a sound timer");
		check(asked, "SNDRV_TIMER_IOCTL_STATUS");
		return to_nanoseconds(status.tstamp);
	}
	/* The time of the next event, which has to be this one. */
	nanoseconds next(int event) const
	{
		snd_timer_tread told{};

		expect(wait_event(fd) & POLLIN, "an event comes");
		check(read(fd.get(), &told, sizeof(told)), "read of /dev/snd/timer");
		expect_eq(told.event, event, "event");
		return to_nanoseconds(told.tstamp);
	}

private:
	static unique_fd open_timer()
	{
		try {
			return open_file("/dev/snd/timer", O_RDWR);
		} catch (const system_failure &failure) {
			if (failure.error == ENOENT)
				skip("this kernel has no sound timers");
			throw;
		}
	}

	unique_fd fd;
};

/* Of the length of its ticks in nanoseconds. */
sound_timer clockwork(unsigned int events)
{
	return { { SNDRV_TIMER_CLASS_GLOBAL, SNDRV_TIMER_SCLASS_NONE, -1,
		   SNDRV_TIMER_GLOBAL_HRTIMER, 0 },
		 10'000'000,
		 events };
}

/* That of what the first subdevice for recording counts. */
sound_timer timer_of_stream(int card, unsigned int events)
{
	return { { SNDRV_TIMER_CLASS_PCM, SNDRV_TIMER_SCLASS_NONE, card, 0, 1 }, 1, events };
}

} // namespace

TEST(the_events_of_a_sound_timer_are_on_the_clock_of_who_opened_it, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const sound_timer timer =
			clockwork(1U << SNDRV_TIMER_EVENT_START | 1U << SNDRV_TIMER_EVENT_TICK);
		const period since_start(CLOCK_MONOTONIC);

		timer.start();
		since_start.expect_contains(timer.next(SNDRV_TIMER_EVENT_START), "start");
		since_start.expect_contains(timer.next(SNDRV_TIMER_EVENT_TICK), "tick");
	});
}

TEST(the_status_of_a_sound_timer_is_on_the_clock_of_who_opened_it, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		const sound_timer timer = clockwork(0);

		expect_eq(timer.status(), 0s, "tstamp before the start");

		const period since_start(CLOCK_MONOTONIC);

		timer.start();
		since_start.expect_contains(timer.status(), "tstamp");
	});
}

/* The timer then tells the clock of the stream, which can be CLOCK_REALTIME. */
TEST(the_start_of_a_stream_is_on_the_clock_of_who_opened_its_timer, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	const int card = sound_card("Dummy");

	from_each_viewpoint([&](const shift &) {
		for (const sound_clock &clock : sound_clocks) {
			const recording stream(card, clock.type);
			const sound_timer timer =
				timer_of_stream(card, 1U << SNDRV_TIMER_EVENT_MSTART);

			timer.start();

			const period since_start(clock.clock);

			stream.start();
			since_start.expect_contains(timer.next(SNDRV_TIMER_EVENT_MSTART),
						    clock_name(clock.clock));
		}
	});
}

TEST(a_sound_timer_has_another_clock_than_its_stream_from_outside, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	const int card = sound_card("Dummy");
	const recording stream(card, SNDRV_PCM_TSTAMP_TYPE_MONOTONIC);

	in_namespace(some_offsets, [&] {
		const sound_timer timer = timer_of_stream(card, 1U << SNDRV_TIMER_EVENT_MSTART);

		timer.start();
		stream.start();
		expect_eq(timer.next(SNDRV_TIMER_EVENT_MSTART),
			  to_nanoseconds(stream.status().trigger_tstamp) + some_offsets.monotonic,
			  "start");
	});
}
