// SPDX-License-Identifier: GPL-2.0-only
#include "futex_waits.hpp"
#include "waiting.hpp"

namespace timens
{

int clock_flag(clockid_t clock)
{
	return clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0;
}

std::vector<std::unique_ptr<timed_wait>> all_waits()
{
	std::vector<std::unique_ptr<timed_wait>> waits;

	for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_REALTIME }) {
		waits.push_back(std::make_unique<futex_waitv_wait>(clock));
		waits.push_back(std::make_unique<futex_wait_wait>(clock));
		for (const auto &calls : all_time_calls()) {
			waits.push_back(std::make_unique<wait_bitset>(clock, calls));
			waits.push_back(std::make_unique<wait_requeue_pi>(clock, calls));
			waits.push_back(std::make_unique<lock_pi>(
				"FUTEX_LOCK_PI2", FUTEX_LOCK_PI2 | clock_flag(clock), clock,
				calls));
			if (clock == CLOCK_REALTIME)
				waits.push_back(std::make_unique<lock_pi>(
					"FUTEX_LOCK_PI", FUTEX_LOCK_PI, clock, calls));
		}
	}
	std::erase_if(waits, [](const auto &wait) {
		return !wait->can_express(system_now(wait->clock) + patience);
	});
	return waits;
}

} // namespace timens
