// SPDX-License-Identifier: GPL-2.0-only
/* Sound cards without hardware, and streams of samples from them. */
#pragma once

#include "kernel.hpp"
#include "process.hpp"
#include "waiting.hpp"

#include <climits>
#include <filesystem>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <sound/asound.h>
#include <sys/ioctl.h>

namespace timens
{

/* By its id, such as "Dummy"; skips if there is none. */
inline int sound_card(std::string_view id)
{
	for (int card = 0; card < 32; card++) {
		const std::string file = "/sys/class/sound/card" + std::to_string(card) + "/id";

		if (std::filesystem::exists(file) && read_file(file) == std::string(id) + "\n")
			return card;
	}
	skip("this kernel has no sound card " + std::string(id));
}

/* Does anything come, or hang up, while patience lasts? */
inline short wait_event(const unique_fd &fd, short events = POLLIN)
{
	pollfd wanted{ fd.get(), events, 0 };
	const auto timeout = to_timespec(patience);

	check(ppoll(&wanted, 1, &timeout, nullptr), "ppoll");
	return wanted.revents;
}

/* The clocks of timestamps, and how streams of samples are told to use them. */
struct sound_clock {
	int type;
	clockid_t clock;
};

inline constexpr sound_clock sound_clocks[] = {
	{ SNDRV_PCM_TSTAMP_TYPE_GETTIMEOFDAY, CLOCK_REALTIME },
	{ SNDRV_PCM_TSTAMP_TYPE_MONOTONIC, CLOCK_MONOTONIC },
	{ SNDRV_PCM_TSTAMP_TYPE_MONOTONIC_RAW, CLOCK_MONOTONIC_RAW },
};

/*
 * Records silence: ten periods of a hundredth of a second, with timestamps. It
 * goes on where nobody reads it, or stops when it is full.
 */
class recording {
public:
	recording(int card, int type, bool stops_when_full = false)
		: fd(open_file("/dev/snd/pcmC" + std::to_string(card) + "D0c", O_RDWR))
	{
		set_hardware();
		set_software(type, stops_when_full);
		check(ioctl(fd.get(), SNDRV_PCM_IOCTL_PREPARE), "SNDRV_PCM_IOCTL_PREPARE");
	}
	const unique_fd &file() const
	{
		return fd;
	}
	void start() const
	{
		check(ioctl(fd.get(), SNDRV_PCM_IOCTL_START), "SNDRV_PCM_IOCTL_START");
	}
	/* Until the first period is there. */
	void wait() const
	{
		expect(wait_event(fd) & POLLIN, "samples come");
	}
	void stop() const
	{
		check(ioctl(fd.get(), SNDRV_PCM_IOCTL_DROP), "SNDRV_PCM_IOCTL_DROP");
	}
	snd_pcm_status status() const
	{
		snd_pcm_status status{};

		/* Also that of the driver. */
		status.audio_tstamp_data = SNDRV_PCM_AUDIO_TSTAMP_TYPE_DEFAULT;
		check(ioctl(fd.get(), SNDRV_PCM_IOCTL_STATUS_EXT, &status),
		      "SNDRV_PCM_IOCTL_STATUS_EXT");
		return status;
	}

private:
	static constexpr unsigned int rate = 48000;
	static constexpr unsigned int period_size = rate / 100;
	static constexpr unsigned int buffer_size = period_size * 10;

	void set_hardware() const
	{
		snd_pcm_hw_params wanted{};
		const auto only = [&](int parameter, unsigned int value) {
			auto &interval =
				wanted.intervals[parameter - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];

			interval.min = value;
			interval.max = value;
			interval.integer = 1;
		};

		for (auto &mask : wanted.masks)
			for (auto &bits : mask.bits)
				bits = UINT_MAX;
		for (auto &interval : wanted.intervals)
			interval.max = UINT_MAX;
		wanted.masks[SNDRV_PCM_HW_PARAM_ACCESS] = {};
		wanted.masks[SNDRV_PCM_HW_PARAM_ACCESS].bits[0] =
			1U << SNDRV_PCM_ACCESS_RW_INTERLEAVED;
		wanted.masks[SNDRV_PCM_HW_PARAM_FORMAT] = {};
		wanted.masks[SNDRV_PCM_HW_PARAM_FORMAT].bits[0] = 1U << SNDRV_PCM_FORMAT_S16_LE;
		only(SNDRV_PCM_HW_PARAM_CHANNELS, 2);
		only(SNDRV_PCM_HW_PARAM_RATE, rate);
		only(SNDRV_PCM_HW_PARAM_PERIOD_SIZE, period_size);
		only(SNDRV_PCM_HW_PARAM_BUFFER_SIZE, buffer_size);
		wanted.rmask = UINT_MAX;
		check(ioctl(fd.get(), SNDRV_PCM_IOCTL_HW_PARAMS, &wanted),
		      "SNDRV_PCM_IOCTL_HW_PARAMS");
	}
	void set_software(int type, bool stops_when_full) const
	{
		snd_pcm_sw_params wanted{};

		wanted.tstamp_mode = SNDRV_PCM_TSTAMP_ENABLE;
		wanted.tstamp_type = static_cast<unsigned int>(type);
		wanted.proto = SNDRV_PCM_VERSION;
		wanted.period_step = 1;
		wanted.avail_min = period_size;
		wanted.start_threshold = LONG_MAX;
		wanted.stop_threshold = stops_when_full ? buffer_size : LONG_MAX;
		check(ioctl(fd.get(), SNDRV_PCM_IOCTL_SW_PARAMS, &wanted),
		      "SNDRV_PCM_IOCTL_SW_PARAMS");
	}

	unique_fd fd;
};

} // namespace timens
