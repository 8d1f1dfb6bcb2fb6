// SPDX-License-Identifier: GPL-2.0-only
/* /dev/snd/midiC*: when bytes came, where the reader asked for frames. */
#include "sound.hpp"
#include "viewpoints.hpp"

#include <cstring>

#include <sound/asequencer.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* The input of the first port of a card that has no instruments. */
class midi_input {
public:
	explicit midi_input(unsigned int mode)
		: fd(open_file("/dev/snd/midiC" + std::to_string(sound_card("VirMIDI")) + "D0",
			       O_RDONLY | O_NONBLOCK))
	{
		const int version = SNDRV_RAWMIDI_VERSION;
		snd_rawmidi_params parameters{};

		check(ioctl(fd.get(), SNDRV_RAWMIDI_IOCTL_USER_PVERSION, &version),
		      "SNDRV_RAWMIDI_IOCTL_USER_PVERSION");
		parameters.stream = SNDRV_RAWMIDI_STREAM_INPUT;
		parameters.buffer_size = 4096;
		parameters.avail_min = 1;
		parameters.mode = SNDRV_RAWMIDI_MODE_FRAMING_TSTAMP | mode;
		check(ioctl(fd.get(), SNDRV_RAWMIDI_IOCTL_PARAMS, &parameters),
		      "SNDRV_RAWMIDI_IOCTL_PARAMS");

		/* The first attempt to read makes it listen. */
		snd_rawmidi_framing_tstamp none{};

		expect_errno(read(fd.get(), &none, sizeof(none)), EAGAIN, "read of no bytes");
	}
	/* The time of the next bytes. */
	nanoseconds next() const
	{
		snd_rawmidi_framing_tstamp frame{};

		expect(wait_event(fd) & POLLIN, "bytes come");
		expect_eq(check(read(fd.get(), &frame, sizeof(frame)), "read of MIDI"),
			  sizeof(frame), "size of the frame");
		expect_eq(frame.length, 3, "bytes in the frame");
		return seconds(frame.tv_sec) + nanoseconds(frame.tv_nsec);
	}

private:
	unique_fd fd;
};

/* A sequencer client whose notes come in at that port. */
class note_player {
public:
	note_player()
		: fd(open_file("/dev/snd/seq", O_RDWR))
		, port(find_port())
	{
		int own = 0;
		snd_seq_port_info sender{};
		snd_seq_port_subscribe subscription{};

		check(ioctl(fd.get(), SNDRV_SEQ_IOCTL_CLIENT_ID, &own),
		      "SNDRV_SEQ_IOCTL_CLIENT_ID");
		sender.addr.client = static_cast<unsigned char>(own);
		sender.capability = SNDRV_SEQ_PORT_CAP_READ | SNDRV_SEQ_PORT_CAP_SUBS_READ;
		check(ioctl(fd.get(), SNDRV_SEQ_IOCTL_CREATE_PORT, &sender),
		      "SNDRV_SEQ_IOCTL_CREATE_PORT");
		source = sender.addr;
		subscription.sender = source;
		subscription.dest = port;
		check(ioctl(fd.get(), SNDRV_SEQ_IOCTL_SUBSCRIBE_PORT, &subscription),
		      "SNDRV_SEQ_IOCTL_SUBSCRIBE_PORT");
	}
	void play() const
	{
		snd_seq_event event{};

		event.type = SNDRV_SEQ_EVENT_NOTEON;
		event.queue = SNDRV_SEQ_QUEUE_DIRECT;
		event.source = source;
		event.dest = port;
		event.data.note.note = 60;
		event.data.note.velocity = 64;
		check(write(fd.get(), &event, sizeof(event)), "write to /dev/snd/seq");
	}

private:
	snd_seq_addr find_port() const
	{
		constexpr std::string_view wanted = "Virtual Raw MIDI";
		snd_seq_client_info client{};

		client.client = -1;
		while (ioctl(fd.get(), SNDRV_SEQ_IOCTL_QUERY_NEXT_CLIENT, &client) == 0) {
			if (std::string_view(client.name).starts_with(wanted))
				return { static_cast<unsigned char>(client.client), 0 };
		}
		skip("this kernel has no virtual MIDI");
	}

	unique_fd fd;
	snd_seq_addr source{};
	snd_seq_addr port;
};

} // namespace

TEST(midi_frames_are_on_the_clock_of_who_opened_the_input, .timeout = 30s,
     .differs_from_stock = "frames tell the host's clock")
{
	static constexpr struct {
		unsigned int mode;
		clockid_t clock;
	} clocks[] = {
		{ SNDRV_RAWMIDI_MODE_CLOCK_REALTIME, CLOCK_REALTIME },
		{ SNDRV_RAWMIDI_MODE_CLOCK_MONOTONIC, CLOCK_MONOTONIC },
		{ SNDRV_RAWMIDI_MODE_CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_RAW },
	};

	from_each_viewpoint([](const shift &) {
		const note_player player;

		for (const auto &[mode, clock] : clocks) {
			const midi_input input(mode);
			const period since_note(clock);

			player.play();
			since_note.expect_contains(input.next(), clock_name(clock));
		}
	});
}

TEST(a_midi_input_from_outside_stays_on_the_clock_of_outside)
{
	const note_player player;
	const midi_input input(SNDRV_RAWMIDI_MODE_CLOCK_MONOTONIC);

	in_namespace(some_offsets, [&] {
		const nanoseconds begin = now(CLOCK_MONOTONIC);

		player.play();

		const nanoseconds told = input.next() + some_offsets.monotonic;

		expect_ge(told, begin, "frame");
		expect_le(told, now(CLOCK_MONOTONIC), "frame");
	});
}

TEST(midi_frames_without_a_clock_tell_none)
{
	from_each_viewpoint([](const shift &) {
		const note_player player;
		const midi_input input(SNDRV_RAWMIDI_MODE_CLOCK_NONE);

		player.play();
		expect_eq(input.next(), 0s, "frame");
	});
}
