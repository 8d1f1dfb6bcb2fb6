// SPDX-License-Identifier: GPL-2.0-only
/*
 * What tests of waits have in common: when a wait counts as endless, and how
 * to see that another process waits, and to disturb it.
 */
#pragma once

#include "calls.hpp"
#include "harness.hpp"
#include "kernel.hpp"
#include "process.hpp"

#include <span>

namespace timens
{

/*
 * How late something may be, on a loaded and emulated machine, before it counts
 * as not coming; and, short, how far ahead deadlines are set.
 */
constexpr seconds patience{ 5 };
constexpr nanoseconds soon = 10ms;

/*
 * For tests that would otherwise wait for as long as an offset: interrupts the
 * system calls of the calling process once patience is over.
 */
class watchdog {
public:
	watchdog();
	watchdog(const watchdog &) = delete;
	watchdog &operator=(const watchdog &) = delete;
	~watchdog();
};

/* A handler that does nothing, so that the signal just interrupts. */
void interrupt_on(int signal, int flags = 0);

/* Checks what remained until the deadline, asked between these two times. */
void expect_remaining(nanoseconds seen, nanoseconds deadline, nanoseconds before, nanoseconds after,
		      std::string_view what,
		      std::source_location where = std::source_location::current());

/* The least that remains until far_deadlines for a task with these offsets. */
nanoseconds least_remaining(clockid_t clock, const time_calls &calls, const offsets &by);

/* Waits until the process sleeps in this system call; false if it ends first. */
bool blocks(const child &process, long system_call);
/* The same for one that may not end. */
void wait_blocked(child &process, long system_call);

/* Checks that these, which sleep, go on with it for a while. */
void expect_still_blocked(std::span<child> processes);

/* Stops the process and continues it; false if it ends first. */
bool stop_and_continue(const child &process);

} // namespace timens
