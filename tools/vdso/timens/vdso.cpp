// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine code of a vDSO, on data pages that no kernel would show it soon:
 * after years without a tick, or replaced between any two of its instructions.
 * Each answer is the model's of one moment of the call, or that of the kernel
 * where only that knows.
 */
#include "harness.hpp"
#include "world.hpp"

#include <algorithm>
#include <climits>
#include <limits>
#include <random>
#include <tuple>

#include <sys/mman.h>

namespace timens
{

namespace
{

constexpr std::uint64_t second = 1'000'000'000, round_of_counter = std::uint64_t(1) << 63;

/* How the kernel converts a counter of this frequency (clocks_calc_mult_shift(), clocks_calc_max_nsecs()). */
struct conversion {
	std::uint32_t mult, shift;
	std::uint64_t max_cycles;
};

conversion convert(std::uint64_t frequency, int parts_per_thousand = 0)
{
	constexpr std::uint64_t seconds_to_last = 600;
	std::uint32_t spare_bits = 32;
	conversion found = { 0, 32, 0 };

	for (auto rest = seconds_to_last * frequency >> 32; rest; rest >>= 1)
		--spare_bits;
	for (;; --found.shift) {
		const auto mult = ((second << found.shift) + frequency / 2) / frequency;

		if (mult >> spare_bits)
			continue;
		/* NTP may change it by 11 %, with which the kernel has reckoned. */
		const auto adjustment = mult * 11 / 100;
		found.mult = mult + static_cast<std::int64_t>(mult) * parts_per_thousand / 1000;
		found.max_cycles = std::numeric_limits<std::uint64_t>::max() / (mult + adjustment);
		return found;
	}
}

/* All clocks differ, and those of two seeds. */
host_data make_host(std::uint32_t seed, const conversion &how, std::uint64_t cycle_last)
{
	host_data host = {};

	for (std::size_t set = 0; set < host.sets.size(); ++set) {
		auto &data = host.sets[set];

		data.clock_mode = bench::mode_tsc;
		data.cycle_last = cycle_last;
		data.max_cycles = how.max_cycles;
		data.mask = std::numeric_limits<std::uint64_t>::max();
		data.mult = how.mult;
		data.shift = how.shift;
		for (std::uint32_t id = 0; id < clock_ids; ++id) {
			const std::uint64_t nsec = (seed * 123'456'789 + id * 31'234'567) % second;

			data.basetime[id] = { seed * 1'000'000 + id * 1'000,
					      is_coarse(id) ? nsec : (nsec << data.shift) + seed };
		}
		/* For time() they are one clock. */
		data.basetime[CLOCK_REALTIME_COARSE].sec = data.basetime[CLOCK_REALTIME].sec;
		data.tz_minuteswest = -60;
		data.tz_dsttime = 3;
		data.hrtimer_res = seed;
	}
	return host;
}

/* Its sequence count is far from those of the host. */
namespace_data make_namespace(std::uint32_t seed)
{
	namespace_data ns = { 1U << 31 | seed << 2 | 1, {}, {} };

	for (std::uint32_t id = 0; id < clock_ids; ++id)
		ns.offsets[id] = { seed * 100'000'000 + id * 10'000'000,
				   (seed * 271'828'182 + id * 14'142'135) % second };
	/* For time() this is the host's, and seconds alone. */
	ns.offsets[CLOCK_REALTIME_COARSE] = {};
	return ns;
}

/* Those that the vDSO has an answer for. */
std::vector<call> all_calls()
{
	std::vector<call> calls;

	for (const clockid_t clock :
	     { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
	       CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI }) {
		calls.push_back({ question::clock_gettime, clock });
	}
#ifndef __x86_64__
	for (const clockid_t clock : { CLOCK_MONOTONIC, CLOCK_REALTIME_COARSE })
		calls.push_back({ question::clock_gettime32, clock });
#endif
	calls.push_back({ question::gettimeofday });
	calls.push_back({ question::time });
	calls.push_back({ question::clock_getres, CLOCK_MONOTONIC });
	return calls;
}

constexpr std::uint64_t frequencies[] = { 300'000'000, 1'000'000'000, 2'300'000'000,
					  5'400'000'000 };

/* Of the counter and its base. */
constexpr std::uint64_t bases[] = { 0,
				    1,
				    5'000'000'000'000,
				    round_of_counter / 2,
				    round_of_counter - 5,
				    round_of_counter + 7,
				    std::numeric_limits<std::uint64_t>::max() - 9 };

void check_everywhere(world &all, std::uint64_t counter)
{
	for (const auto &made : all_calls())
		all.check_call(made, counter);
}

/* Outside and in a namespace, with counters this far beyond their base. */
void check_distances(const std::vector<std::uint64_t> &distances)
{
	world all;

	for (const auto frequency : frequencies) {
		for (const auto base : bases) {
			all.set_host(make_host(3, convert(frequency), base));
			for (const bool inside : { false, true }) {
				all.enter(inside ? std::optional(make_namespace(5)) : std::nullopt);
				for (const auto distance : distances)
					check_everywhere(all, base + distance);
			}
		}
	}
}

} /* namespace */

TEST(within_the_span_a_clock_is_exact, .time_namespaces = feature::either)
{
	check_distances({ 0, 1, 2, 1'000, 999'999'999, 1'000'000'001, 100'000'000'000 });
}

TEST(at_and_beyond_the_end_of_the_span_a_clock_is_exact, .timeout = 60s,
     .time_namespaces = feature::either)
{
	std::vector<std::uint64_t> distances;

	for (const auto frequency : frequencies) {
		const auto end = convert(frequency).max_cycles;

		for (const auto around : { end / 2, end, end * 2, end * 64 })
			distances.insert(distances.end(), { around - 1, around, around + 1 });
	}
	check_distances(distances);
}

TEST(a_century_beyond_the_span_a_clock_is_exact, .timeout = 60s, .time_namespaces = feature::either)
{
	world all;

	for (const auto base : { std::uint64_t(0), round_of_counter - 5 }) {
		all.set_host(make_host(3, convert(2'300'000'000), base));
		all.check_call({ question::clock_gettime, CLOCK_MONOTONIC },
			       base + round_of_counter / 2 - 1);
	}
}

TEST(with_a_counter_behind_its_base_a_clock_stands, .time_namespaces = feature::either)
{
	const auto minus = [](std::uint64_t distance) { return -distance; };

	check_distances({ minus(1), minus(2), minus(1'000), minus(1'000'000'000'000),
			  round_of_counter / 2, round_of_counter / 2 + 1, round_of_counter - 1,
			  round_of_counter - 1'000'000 });
}

TEST(with_a_counter_that_went_round_a_clock_goes_on, .time_namespaces = feature::either)
{
	check_distances({ round_of_counter, round_of_counter + 1, round_of_counter + 1'000'000,
			  round_of_counter + 100'000'000'000 });
}

/* adjtimex() makes it faster by a tenth and 500 millionths. */
TEST(the_fastest_clock_is_exact_up_to_the_end_of_its_span, .time_namespaces = feature::either)
{
	world all;

	for (const auto frequency : frequencies) {
		const auto how = convert(frequency, 101);
		auto host = make_host(3, how, 1'000);

		for (auto &set : host.sets) {
			for (std::uint32_t id = 0; id < clock_ids; ++id) {
				if (!is_coarse(id))
					set.basetime[id].nsec = (second << how.shift) - 1;
			}
		}
		all.set_host(host);
		for (const auto distance :
		     { how.max_cycles - 1, how.max_cycles, how.max_cycles + 1 })
			check_everywhere(all, 1'000 + distance);
	}
}

TEST(offsets_are_exact_at_every_edge, .time_namespaces = feature::either)
{
	constexpr std::int64_t host_seconds = 1'000'000, largest = LLONG_MAX / 2 / 1'000'000'000;
	constexpr std::uint64_t parts[] = { 0, 1, 499'999'999, second - 1 };
	world all;

	for (const auto host_part : parts) {
		auto host = make_host(1, convert(2'300'000'000), 1'000);
		for (auto &set : host.sets) {
			for (std::uint32_t id = 0; id < clock_ids; ++id)
				set.basetime[id] = { host_seconds,
						     is_coarse(id) ? host_part
								   : host_part << set.shift };
		}
		all.set_host(host);
		for (const std::int64_t seconds :
		     { std::int64_t(0), std::int64_t(1), std::int64_t(-1), -host_seconds - 2,
		       -host_seconds - 1, -host_seconds, -host_seconds + 1, largest, -largest,
		       std::int64_t(INT_MAX) - host_seconds, std::int64_t(INT_MAX),
		       std::int64_t(UINT_MAX), 2 * largest, -2 * largest }) {
			for (const auto part : parts) {
				namespace_data ns = make_namespace(19);
				ns.offsets.fill({ static_cast<std::uint64_t>(seconds), part });
				all.enter(ns);
				check_everywhere(all, 1'000);
				check_everywhere(all, 1'002);
			}
		}
	}
}

TEST(other_counters_are_left_to_the_kernel, .time_namespaces = feature::either)
{
	world all;

	for (const auto mode :
	     { static_cast<int>(bench::mode_none), static_cast<int>(bench::mode_pvclock),
	       static_cast<int>(bench::mode_hvclock), 4, -1, INT_MIN, INT_MAX - 1 }) {
		auto host = make_host(1, convert(2'300'000'000), 1'000);
		for (auto &set : host.sets)
			set.clock_mode = mode;
		all.set_host(host);
		for (const bool inside : { false, true }) {
			all.enter(inside ? std::optional(make_namespace(5)) : std::nullopt);
			check_everywhere(all, 2'000);
		}
	}
}

TEST(a_hypervisors_counter_is_read_if_it_says_that_it_is_stable, .time_namespaces = feature::either)
{
	/* struct pvclock_vcpu_time_info: nanoseconds that are ticks of the counter */
	struct {
		std::uint32_t version, unused;
		std::uint64_t counter, system_time;
		std::uint32_t mult;
		std::int8_t shift;
		std::uint8_t flags;
	} const stable = { 2, 0, 1'000, 1'000, std::uint32_t(1) << 31, 1, 1 };
	world all;

	std::copy_n(reinterpret_cast<const std::byte *>(&stable), sizeof(stable),
		    all.page("pvclock_page"));
	auto host = make_host(1, convert(second), 1'000);
	for (auto &set : host.sets)
		set.clock_mode = bench::mode_pvclock;
	host.hypervisor_has_counter = true;
	all.set_host(host);
	for (const bool inside : { false, true }) {
		all.enter(inside ? std::optional(make_namespace(5)) : std::nullopt);
		for (const auto counter : { 1'000U, 1'001U, 2'000'000'000U })
			check_everywhere(all, counter);
	}
}

TEST(clocks_that_have_no_data_are_left_to_the_kernel, .time_namespaces = feature::either)
{
	world all;

	all.set_host(make_host(1, convert(2'300'000'000), 1'000));
	for (const bool inside : { false, true }) {
		all.enter(inside ? std::optional(make_namespace(5)) : std::nullopt);
		for (const clockid_t clock :
		     { -1, -6, 2, 3, 8, 9, 10, 12, 15, 16, 17, 31, 32, 33, 64, INT_MAX, INT_MIN }) {
			all.check_call({ question::clock_gettime, clock }, 2'000);
			all.check_call({ question::clock_getres, clock }, 2'000);
		}
	}
}

namespace
{

/*
 * Two states of the host that have nothing in common. The counter is beyond the
 * base of both.
 */
const host_data first_host = make_host(1, convert(2'300'000'000), 1'000'000'000);
const host_data second_host = make_host(2, convert(1'100'000'000), 2'000'000'000);
constexpr std::uint64_t counter_then = 7'000'000'000;

/* Of whoever has no counter to read. */
host_data without_counter(host_data host)
{
	for (auto &set : host.sets)
		set.clock_mode = bench::mode_none;
	return host;
}

/* Nothing is after the end of its span. */
host_data without_span(host_data host)
{
	for (auto &set : host.sets)
		set.max_cycles = 1'000;
	return host;
}

const host_data hosts[] = { first_host, second_host,
			    without_counter(make_host(3, convert(second), 1)),
			    without_span(make_host(4, convert(3'000'000'000), 3'000'000'000)) };

std::optional<namespace_data> make_place(bool inside, std::uint32_t seed)
{
	return inside ? std::optional(make_namespace(seed)) : std::nullopt;
}

/*
 * Makes the change before each instruction of a call in turn, beginning anew each
 * time. Returns how many instructions there were.
 */
int change_everywhere(world &all, const call &made, const std::function<void()> &prepare,
		      const std::function<void()> &change)
{
	for (int place = 0;; ++place) {
		bool changed = false;

		prepare();
		all.check_call(made, counter_then, [&](int instruction) {
			if (instruction < place)
				return true;
			change();
			changed = true;
			return false;
		});
		if (!changed)
			return place;
	}
}

} /* namespace */

TEST(a_host_that_is_updated_between_any_two_instructions_is_read_whole, .timeout = 120s,
     .time_namespaces = feature::either)
{
	world all;
	int places = 0;

	for (const auto &made : all_calls()) {
		for (const bool inside : { false, true }) {
			for (std::size_t from = 0; from < std::size(hosts); ++from) {
				places += change_everywhere(
					all, made,
					[&] {
						all.set_host(hosts[from]);
						all.enter(make_place(inside, 5));
					},
					[&] {
						all.set_host(hosts[(from + 1) % std::size(hosts)]);
					});
			}
		}
	}
	note("updates: " + std::to_string(places));
}

TEST(a_task_that_moves_between_any_two_instructions_reads_one_place, .timeout = 120s,
     .time_namespaces = feature::either)
{
	world all;
	int places = 0;

	for (const auto &made : all_calls()) {
		for (const auto &[host, from, to] :
		     { std::tuple(0, false, true), std::tuple(0, true, false),
		       std::tuple(0, true, true), std::tuple(3, true, true) }) {
			places += change_everywhere(
				all, made,
				[&] {
					all.set_host(hosts[host]);
					all.enter(make_place(from, 5));
				},
				[&] { all.enter(make_place(to, 6)); });
		}
	}
	note("moves: " + std::to_string(places));
}

TEST(an_update_that_begins_and_ends_between_instructions_is_waited_for, .timeout = 120s,
     .time_namespaces = feature::either)
{
	std::minstd_rand random(1);
	const auto below = [&](int end) { return static_cast<int>(random() % end); };
	world all;

	for (const auto &made : all_calls()) {
		for (int run = 0; run < 300; ++run) {
			const int begin = below(60), end = begin + 1 + below(run % 2 ? 10 : 200),
				  part = 1 + below(30);

			all.set_host(hosts[below(std::size(hosts))]);
			all.enter(make_place(run & 1, 5));
			all.check_call(made, counter_then, [&](int instruction) {
				if (instruction == begin) {
					all.begin_update(hosts[below(std::size(hosts))]);
					for (int writes = 0; writes < part; ++writes)
						all.write_next();
				}
				if (instruction == end)
					all.finish_update();
				return instruction < end;
			});
			all.finish_update();
		}
	}
}

namespace
{

/* Something that happens to a task, or nothing. */
void disturb(world &all, std::uint32_t &seed, const std::function<int(int)> &below, int pause)
{
	switch (below(pause)) {
	case 0:
		if (!all.is_updating())
			all.begin_update(hosts[below(std::size(hosts))]);
		for (int writes = below(40); writes && all.is_updating(); --writes)
			all.write_next();
		break;
	case 1:
		/*
		 * Nobody can notice a page that comes back within one read: so it is
		 * another namespace's each time, or the host's after an update.
		 */
		if (below(4)) {
			all.enter(make_namespace(++seed));
		} else if (all.now().ns) {
			all.set_host(hosts[below(std::size(hosts))]);
			all.enter({});
		}
		break;
	}
}

} /* namespace */

TEST(whatever_happens_between_instructions_the_answer_is_of_one_moment, .timeout = 120s,
     .time_namespaces = feature::either)
{
	std::minstd_rand random(2);
	const auto below = [&](int end) { return static_cast<int>(random() % end); };
	world all;
	std::uint32_t seed = 0;

	for (const auto &made : all_calls()) {
		for (int run = 0; run < 300; ++run) {
			const int pause = 1 + below(30), busy = 1 + below(300);
			const auto act = [&](int instruction) {
				if (instruction > busy)
					all.finish_update();
				else
					disturb(all, seed, below, pause);
				return instruction <= busy;
			};

			all.enter(make_place(below(2), ++seed));
			all.check_call(made, counter_then, act, true);
			all.finish_update();
		}
	}
}

namespace
{

/* All anchors, in turn. */
wall_data make_wall(std::uint32_t seed)
{
	constexpr std::uint32_t anchors[] = { CLOCK_REALTIME, CLOCK_BOOTTIME };
	const auto anchor = anchors[seed % 2];

	const std::int64_t sec = seed * 7'000'000;
	const std::uint64_t nsec = (seed * 314'159'265ULL) % second;
	/* Before what the coarse clock reads, and after. */
	const std::int64_t floor = seed % 3 ? 0 : sec + 5'000'000;

	return { wall_formula{ sec, nsec, floor, floor ? nsec / 2 : 0, anchor },
		 wall_formula{ sec + 37, nsec, floor, 0,
			       seed % 4 < 2 ? anchor : static_cast<std::uint32_t>(CLOCK_TAI) } };
}

namespace_data make_wall_namespace(std::uint32_t seed)
{
	auto ns = make_namespace(seed);

	ns.seq |= 2;
	ns.wall = make_wall(seed);
	return ns;
}

void require_wall_clocks(const world &all)
{
	if (!all.knows_wall_clocks())
		skip("this vDSO knows no wall clocks");
}

} /* namespace */

TEST(a_wall_clock_is_exact_at_every_edge, .timeout = 120s, .time_namespaces = feature::either)
{
	constexpr std::int64_t farthest = LLONG_MAX / 2 / 1'000'000'000;
	constexpr std::uint32_t anchors[] = { CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI };
	world all;

	require_wall_clocks(all);
	for (const auto frequency : frequencies) {
		const auto how = convert(frequency);
		all.set_host(make_host(3, how, 1'000));
		for (const auto anchor : anchors) {
			for (const std::int64_t sec :
			     { std::int64_t(0), std::int64_t(-1), std::int64_t(-3'000'000),
			       std::int64_t(-3'100'000), farthest, -farthest }) {
				for (const std::uint64_t nsec : { std::uint64_t(0), second - 1 }) {
					auto ns = make_wall_namespace(6);
					ns.wall->fill({ sec, nsec, 0, 0, anchor });
					all.enter(ns);
					for (const auto distance :
					     { std::uint64_t(0), std::uint64_t(1), how.max_cycles,
					       how.max_cycles + 1, how.max_cycles * 64,
					       round_of_counter, -std::uint64_t(1),
					       round_of_counter / 2 })
						check_everywhere(all, 1'000 + distance);
				}
			}
		}
	}
}

TEST(both_copies_of_a_wall_clock_are_read, .time_namespaces = feature::either)
{
	world all;

	require_wall_clocks(all);
	all.set_host(first_host);
	all.enter(make_wall_namespace(6));
	all.begin_setting(make_wall(7));
	for (;;) {
		check_everywhere(all, counter_then);
		if (!all.is_setting())
			break;
		all.set_next();
	}
}

TEST(other_counters_are_left_to_the_kernel_by_a_wall_clock, .time_namespaces = feature::either)
{
	world all;

	require_wall_clocks(all);
	all.enter(make_wall_namespace(5));
	for (const auto mode :
	     { static_cast<int>(bench::mode_none), static_cast<int>(bench::mode_pvclock),
	       static_cast<int>(bench::mode_hvclock), 4, -1 }) {
		auto host = first_host;
		for (auto &set : host.sets)
			set.clock_mode = mode;
		all.set_host(host);
		check_everywhere(all, counter_then);
	}
}

TEST(a_wall_clock_that_is_set_between_any_two_instructions_is_read_whole, .timeout = 120s,
     .time_namespaces = feature::either)
{
	std::minstd_rand random(3);
	const auto below = [&](int end) { return static_cast<int>(random() % end); };
	world all;
	std::uint32_t seed = 0;

	require_wall_clocks(all);
	for (const auto &made : all_calls()) {
		for (const auto &host : hosts) {
			change_everywhere(
				all, made,
				[&] {
					all.set_host(host);
					all.enter(make_wall_namespace(++seed));
				},
				[&] { all.set_wall(make_wall(seed + 1)); });
		}
		for (int run = 0; run < 300; ++run) {
			const int begin = below(70), end = begin + 1 + below(30);

			all.enter(make_wall_namespace(++seed));
			all.check_call(made, counter_then, [&](int instruction) {
				if (instruction == begin) {
					all.begin_setting(make_wall(seed + 1));
					all.set_next();
				}
				if (instruction > begin && all.is_setting() && below(2))
					all.set_next();
				return instruction < end;
			});
			all.finish_setting();
		}
	}
}

TEST(a_task_that_moves_to_or_from_a_wall_clock_reads_one_place, .timeout = 120s,
     .time_namespaces = feature::either)
{
	world all;

	require_wall_clocks(all);
	for (const auto &made : all_calls()) {
		for (const auto &[from, to] :
		     { std::pair(std::optional<namespace_data>(),
				 std::optional(make_wall_namespace(6))),
		       std::pair(std::optional(make_wall_namespace(6)),
				 std::optional<namespace_data>()),
		       std::pair(std::optional(make_wall_namespace(6)),
				 std::optional(make_wall_namespace(7))),
		       std::pair(std::optional(make_wall_namespace(6)),
				 std::optional(make_namespace(7))),
		       std::pair(std::optional(make_namespace(6)),
				 std::optional(make_wall_namespace(7))) }) {
			change_everywhere(
				all, made,
				[&] {
					all.set_host(first_host);
					all.enter(from);
				},
				[&] { all.enter(to); });
		}
	}
}

TEST(a_host_that_is_updated_under_a_wall_clock_is_read_whole, .timeout = 120s,
     .time_namespaces = feature::either)
{
	world all;

	require_wall_clocks(all);
	for (const auto &made : all_calls()) {
		for (std::size_t from = 0; from < std::size(hosts); ++from) {
			change_everywhere(
				all, made,
				[&] {
					all.set_host(hosts[from]);
					all.enter(make_wall_namespace(6));
				},
				[&] { all.set_host(hosts[(from + 1) % std::size(hosts)]); });
		}
	}
}

} /* namespace timens */
