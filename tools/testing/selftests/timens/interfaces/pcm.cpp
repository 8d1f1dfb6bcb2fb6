// SPDX-License-Identifier: GPL-2.0-only
/* /dev/snd/pcmC*: when a stream was started and stopped, and was where it is. */
#include "sound.hpp"
#include "viewpoints.hpp"

#include <cstdio>

#include <sys/mman.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr auto host_clock_only = "streams tell the host's clock";

/* The page of a stream that the kernel keeps up to date. */
class status_page {
public:
	explicit status_page(const unique_fd &stream)
		: memory(mmap(nullptr, size, PROT_READ, MAP_SHARED, stream.get(),
			      SNDRV_PCM_MMAP_OFFSET_STATUS))
	{
		if (memory == MAP_FAILED)
			throw system_failure("mmap of the status page", errno);
	}
	status_page(const status_page &) = delete;
	status_page &operator=(const status_page &) = delete;
	~status_page()
	{
		munmap(memory, size);
	}
	const volatile snd_pcm_mmap_status *operator->() const
	{
		return static_cast<const volatile snd_pcm_mmap_status *>(memory);
	}
	nanoseconds tstamp() const
	{
		const auto *status = operator->();

		return seconds(status->tstamp.tv_sec) + nanoseconds(status->tstamp.tv_nsec);
	}

private:
	static constexpr std::size_t size = 4096;

	void *memory;
};

nanoseconds synced_tstamp(const recording &stream)
{
	snd_pcm_sync_ptr sync{};

	sync.flags =
		SNDRV_PCM_SYNC_PTR_HWSYNC | SNDRV_PCM_SYNC_PTR_APPL | SNDRV_PCM_SYNC_PTR_AVAIL_MIN;
	check(ioctl(stream.file().get(), SNDRV_PCM_IOCTL_SYNC_PTR, &sync),
	      "SNDRV_PCM_IOCTL_SYNC_PTR");
	return to_nanoseconds(sync.s.status.tstamp);
}

/* What proc(5) shows about the recording of a card. */
struct shown_times {
	nanoseconds trigger;
	nanoseconds tstamp;
};

nanoseconds shown_time(const std::string &text, const std::string &name)
{
	const auto field = text.find(name);
	long long whole;
	long long fraction;

	if (field == text.npos ||
	    std::sscanf(text.c_str() + field + name.size(), " : %lld.%lld", &whole, &fraction) != 2)
		throw check_failed("the status has no " + name + ": " + show(text));
	return seconds(whole) + nanoseconds(fraction);
}

shown_times read_status(int card)
{
	const std::string file = "/proc/asound/card" + std::to_string(card) + "/pcm0c/sub0/status";

	if (access(file.c_str(), F_OK))
		skip("the kernel has no status of streams in /proc/asound");

	const std::string text = read_file(file);

	return { shown_time(text, "trigger_time"), shown_time(text, "tstamp") };
}

/* Runs the body with each clock and card, seen from everywhere. */
void each_stream(const std::function<void(int card, const sound_clock &)> &body)
{
	const int cards[] = { sound_card("Dummy"), sound_card("Loopback") };

	from_each_viewpoint([&](const shift &) {
		for (int card : cards)
			for (const sound_clock &clock : sound_clocks)
				body(card, clock);
	});
}

} // namespace

TEST(the_status_of_a_stream_is_on_the_clock_of_who_opened_it, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	each_stream([](int card, const sound_clock &clock) {
		const recording stream(card, clock.type);

		expect_eq(to_nanoseconds(stream.status().trigger_tstamp), 0s,
			  "trigger_tstamp before the start");

		const period since_start(clock.clock);

		stream.start();
		since_start.expect_contains(to_nanoseconds(stream.status().trigger_tstamp),
					    "trigger_tstamp of the start");
		stream.wait();

		const auto running = stream.status();

		since_start.expect_contains(to_nanoseconds(running.tstamp), "tstamp");
		/* The kernel tells 32-bit programs audio_tstamp in its place. */
		if (sizeof(long) == 8)
			since_start.expect_contains(to_nanoseconds(running.driver_tstamp),
						    "driver_tstamp");

		const period since_stop(clock.clock);

		stream.stop();

		const auto stopped = stream.status();

		since_stop.expect_contains(to_nanoseconds(stopped.trigger_tstamp),
					   "trigger_tstamp of the stop");
		since_stop.expect_contains(to_nanoseconds(stopped.tstamp), "tstamp after the stop");
	});
}

TEST(a_synced_stream_tells_the_clock_of_who_opened_it, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	each_stream([](int card, const sound_clock &clock) {
		const recording stream(card, clock.type);
		const period since_start(clock.clock);

		stream.start();
		stream.wait();
		since_start.expect_contains(synced_tstamp(stream), "tstamp");
	});
}

TEST(the_status_page_of_a_stream_is_on_the_clock_of_who_opened_it, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	each_stream([](int card, const sound_clock &clock) {
		const recording stream(card, clock.type);
		const status_page status(stream.file());
		const period since_start(clock.clock);

		expect_eq(status.tstamp(), 0s, "tstamp before the start");
		stream.start();
		stream.wait();
		since_start.expect_contains(status.tstamp(), "tstamp by interrupts");
	});
}

TEST(an_overrun_is_on_the_clock_of_who_opened_the_stream, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	each_stream([](int card, const sound_clock &clock) {
		const recording stream(card, clock.type, true);
		const status_page status(stream.file());
		const period since_start(clock.clock);

		stream.start();
		expect(wait_event(stream.file(), 0) & POLLERR, "the stream overruns");
		expect_eq(status->state, SNDRV_PCM_STATE_XRUN, "state");
		since_start.expect_contains(status.tstamp(), "tstamp");
		since_start.expect_contains(to_nanoseconds(stream.status().trigger_tstamp),
					    "trigger_tstamp");
	});
}

TEST(a_stream_from_outside_stays_on_the_clock_of_outside)
{
	const recording stream(sound_card("Dummy"), SNDRV_PCM_TSTAMP_TYPE_MONOTONIC);
	const status_page status(stream.file());
	const nanoseconds begin = now(CLOCK_MONOTONIC);

	stream.start();
	stream.wait();
	in_namespace(some_offsets, [&] {
		const auto expect_outside = [&](nanoseconds time, std::string_view what) {
			expect_ge(time, begin, what);
			expect_le(time, now(CLOCK_MONOTONIC) - some_offsets.monotonic, what);
		};

		expect_outside(status.tstamp(), "tstamp of the page");
		expect_outside(to_nanoseconds(stream.status().tstamp), "tstamp");
		expect_outside(to_nanoseconds(stream.status().trigger_tstamp), "trigger_tstamp");
		expect_outside(synced_tstamp(stream), "tstamp when synced");
	});
}

TEST(the_status_of_a_stream_in_proc_is_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	each_stream([](int card, const sound_clock &clock) {
		const recording stream(card, clock.type);

		expect_eq(read_status(card).trigger, 0s, "trigger_time before the start");

		const period since_start(clock.clock);

		stream.start();
		stream.wait();

		const auto running = read_status(card);

		since_start.expect_contains(running.trigger, "trigger_time");
		since_start.expect_contains(running.tstamp, "tstamp");

		const period since_stop(clock.clock);

		stream.stop();

		const auto stopped = read_status(card);

		since_stop.expect_contains(stopped.trigger, "trigger_time of the stop");
		since_stop.expect_contains(stopped.tstamp, "tstamp after the stop");
	});
}

TEST(readers_in_proc_have_another_clock_than_a_stream_from_elsewhere, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	const int card = sound_card("Dummy");

	/* Opened outside, read inside. */
	{
		const recording stream(card, SNDRV_PCM_TSTAMP_TYPE_MONOTONIC);

		stream.start();
		stream.wait();
		in_namespace(some_offsets, [&] {
			const auto trigger = to_nanoseconds(stream.status().trigger_tstamp);

			expect_eq(read_status(card).trigger, trigger + some_offsets.monotonic,
				  "trigger_time inside");
			expect_ge(read_status(card).tstamp, trigger + some_offsets.monotonic,
				  "tstamp inside");
		});
	}
	/* Opened inside, read outside. */
	gate opened;
	gate read;
	const period opening(CLOCK_MONOTONIC);
	child opener([&] {
		in_namespace(some_offsets, [&] {
			const recording stream(card, SNDRV_PCM_TSTAMP_TYPE_MONOTONIC);

			stream.start();
			stream.wait();
			opened.open();
			read.wait();
		});
	});

	opened.wait(opener);
	opening.expect_contains(read_status(card).trigger, "trigger_time outside");
	opening.expect_contains(read_status(card).tstamp, "tstamp outside");
	read.open();
	opener.wait_ok();
}
