/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a read of a clock has to return, by the data pages and the counter alone.
 */
#pragma once

#include "vdso_data.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <time.h>

namespace timens
{

constexpr std::size_t clock_ids = 12; /* those that have a place in the data */

/* The host's page. */
struct host_data {
	std::array<bench::vdso_data, bench::sets_of_clocks> sets;
	bool hypervisor_has_counter = false; /* the same one, if it is asked for it */
};

/* A wall clock: CLOCK_REALTIME and CLOCK_TAI as functions of the host's clocks. */
struct wall_formula {
	std::int64_t sec;
	std::uint64_t nsec;
	std::int64_t floor_sec; /* no coarse reading is before this */
	std::uint64_t floor_nsec;
	std::uint32_t anchor, reserved = 0;
};
using wall_data = std::array<wall_formula, 2>;

/* That of a namespace. */
struct namespace_data {
	std::uint32_t seq; /* odd; with a wall clock, its second bit is set too */
	std::array<bench::vdso_timestamp, clock_ids> offsets; /* seconds are signed */
	std::optional<wall_data> wall;
};

/* What a task sees. */
struct view {
	host_data host;
	std::optional<namespace_data> ns;
};

enum class question { clock_gettime, clock_gettime32, gettimeofday, time, clock_getres };

struct call {
	question what;
	clockid_t clock = CLOCK_REALTIME;
};

std::string show(const call &made);

struct answer {
	bool by_kernel; /* a system call, and no time */
	std::int64_t sec, nsec;

	bool operator==(const answer &) const = default;
};

std::string show(const answer &given);

struct expectation {
	answer exact;
	bool may_ask_kernel;

	bool allows(const answer &given) const
	{
		return given == exact || (given.by_kernel && may_ask_kernel);
	}
};

bool is_coarse(clockid_t clock);
/* Which of the two sets of clocks in a page has it? */
std::size_t set_of(clockid_t clock);

expectation expect_answer(const call &made, const view &seen, std::uint64_t counter);

} /* namespace timens */
