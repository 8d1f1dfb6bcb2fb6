/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processor, as far as the code of a vDSO can tell: its counter reads what a
 * test says, its system calls do not reach the kernel but are noted, and a test
 * may act before each of its instructions, as another processor or a signal
 * handler could.
 */
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace timens
{

struct kernel_call {
	long number;
	unsigned long arguments[2];
};

struct machine_run {
	int instructions; /* of the vDSO, up to where `act` wanted no more */
	int kernel_calls;
	kernel_call last_call;
};

/* The code that runs so, from now on in this process. */
void confine(std::span<const std::byte> code);

/*
 * Runs a function that calls the code. `act` is called before each instruction of
 * the code, with its number from 0, until it returns false; the rest runs freely.
 */
machine_run run_confined(std::uint64_t counter, const std::function<void()> &function,
			 const std::function<bool(int)> &act = {});

} /* namespace timens */
