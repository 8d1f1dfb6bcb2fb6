// SPDX-License-Identifier: GPL-2.0-only
#include "race.hpp"
#include "kernel.hpp"

#include <charconv>
#include <cstdlib>

#include <poll.h>
#include <sys/timerfd.h>

namespace timens
{

namespace
{

/* 32-bit programs race for what is different: their vDSO and system calls. */
constexpr nanoseconds usual_race_time = sizeof(long) == 8 ? 1500ms : 400ms;
constexpr int least_rounds = 5;

} // namespace

nanoseconds race_time()
{
	const std::string_view text = std::getenv("TIMENS_RACE_SECONDS") ?: "";
	const auto end = text.data() + text.size();
	int asked = 0;

	if (text.empty())
		return usual_race_time;
	if (std::from_chars(text.data(), end, asked).ptr != end || asked < 1)
		throw check_failed("TIMENS_RACE_SECONDS wants a whole number from 1, not '" +
				   std::string(text) + "'");
	return seconds(asked);
}

seconds race_limit()
{
	constexpr seconds hangs = 60s;

	try {
		return hangs + std::chrono::ceil<seconds>(race_time());
	} catch (const check_failed &) {
		/* The case will say it. */
		return hangs;
	}
}

void race(const std::function<void(int round)> &body)
{
	/* A clock would not do: racers go to other namespaces and set what there is to set. */
	const unique_fd timer(
		check(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create"));
	const itimerspec length{ {}, to_timespec(race_time()) };
	pollfd over{ timer.get(), POLLIN, 0 };

	check(timerfd_settime(timer.get(), 0, &length, nullptr), "timerfd_settime");
	for (int round = 0; round < least_rounds || !poll(&over, 1, 0); round++)
		body(round);
}

} // namespace timens
