// SPDX-License-Identifier: GPL-2.0-only
#include "world.hpp"
#include "harness.hpp"

#include <cstring>
#include <stdexcept>

#include <sys/syscall.h>
#include <sys/time.h>

namespace timens
{

namespace
{

constexpr std::size_t sets = bench::sets_of_clocks;

bench::vdso_file read_image()
{
	const char *path = getenv("VDSO");

	if (!path)
		throw check_failed("VDSO does not name the vdso64.so.dbg or vdso32.so.dbg to test");
	return bench::vdso_file(path, bench::side::outside);
}

/* time() asks for a coarse clock, if at all. */
long number_of(const call &made)
{
	switch (made.what) {
	case question::gettimeofday:
		return SYS_gettimeofday;
#ifdef __x86_64__
	case question::clock_getres:
		return SYS_clock_getres;
	default:
		return SYS_clock_gettime;
#else
	case question::clock_getres:
		return SYS_clock_getres;
	case question::clock_gettime32:
		return SYS_clock_gettime;
	default:
		return SYS_clock_gettime64;
#endif
	}
}

} /* namespace */

/* struct timens_wall_data */
struct world::wall_page {
	std::uint32_t seq, reserved;
	std::array<wall_data, 2> copies;
};

world::world()
	: image_(read_image())
	, front_(page("vvar_page"), bench::our_layout)
	, host_(page("host_page"), bench::our_layout)
{
	host_data host = {};

	for (std::size_t set = 0; set < sets; ++set)
		host.sets[set] = host_.clocks(set);
	auto *const wall = image_.data_page("wall_page");
	wall_ = wall ? reinterpret_cast<wall_page *>(wall + bench::first_set) : nullptr;
	remember({ host, {} }, true);
	confine({ image_.text(), image_.text_size() });
}

std::byte *world::page(std::string_view name) const
{
	auto *const place = image_.data_page(name);

	if (!place)
		throw check_failed("the vDSO has no " + std::string(name));
	return place;
}

void world::remember(const view &seen, bool settled)
{
	history_.push_back({ seen, settled });
	if (settled)
		settled_ = seen;
}

void world::forget()
{
	const view before = settled_, present = now();

	history_.clear();
	if (!is_settled())
		remember(before, false);
	remember(present, is_settled());
}

/* The host's page is in both places unless a namespace's is in the first. */
void world::write_to_host(const std::function<void(const bench::vvar_page &)> &write)
{
	write(host_);
	if (!now().ns)
		write(front_);
}

void world::set_host(const host_data &host)
{
	begin_update(host);
	finish_update();
}

void world::begin_update(const host_data &host)
{
	const auto add = [&](std::size_t set, auto bench::vdso_data::*member) {
		writes_.push_back([this, set, member] {
			write_to_host([&](const bench::vvar_page &page) {
				page.clocks(set).*member = next_.sets[set].*member;
			});
		});
	};

	finish_update();
	writes_.clear();
	written_ = 0;
	next_ = host;
	for (std::size_t set = 0; set < sets; ++set) {
		next_.sets[set].seq = host_.clocks(set).seq + 2;
		writes_.push_back([this, set] {
			write_to_host([&](const bench::vvar_page &page) {
				page.clocks(set).seq = next_.sets[set].seq - 1;
			});
		});
	}
	for (std::size_t set = 0; set < sets; ++set)
		add(set, &bench::vdso_data::clock_mode);
	for (std::size_t id = 0; id < clock_ids; ++id) {
		writes_.push_back([this, id] {
			write_to_host([&](const bench::vvar_page &page) {
				for (std::size_t set = 0; set < sets; ++set)
					page.clocks(set).basetime[id] =
						next_.sets[set].basetime[id];
			});
		});
	}
	for (std::size_t set = 0; set < sets; ++set) {
		add(set, &bench::vdso_data::cycle_last);
		add(set, &bench::vdso_data::max_cycles);
		add(set, &bench::vdso_data::mask);
		add(set, &bench::vdso_data::mult);
		add(set, &bench::vdso_data::shift);
		add(set, &bench::vdso_data::tz_minuteswest);
		add(set, &bench::vdso_data::tz_dsttime);
		add(set, &bench::vdso_data::hrtimer_res);
	}
	/* At once, so that there is one moment from which on all clocks are new. */
	writes_.push_back([this] {
		write_to_host([&](const bench::vvar_page &page) {
			for (std::size_t set = 0; set < sets; ++set)
				page.clocks(set).seq = next_.sets[set].seq;
		});
	});
}

void world::write_next()
{
	view next = now();

	writes_[written_++]();
	next.host = next_;
	/* What no sequence count protects may be the new one from now on, and the old one still. */
	if (written_ == 1 || !is_updating())
		remember(next, is_settled());
}

void world::finish_update()
{
	while (is_updating())
		write_next();
}

void world::set_wall(const wall_data &wall)
{
	begin_setting(wall);
	finish_setting();
}

/* A latch: readers are sent to one copy while the other is written. */
void world::begin_setting(const wall_data &wall)
{
	finish_setting();
	settings_.clear();
	set_ = 0;
	next_wall_ = wall;
	for (const bool both : { false, true }) {
		settings_.push_back([this, both] {
			view next = now();

			++wall_->seq;
			next.ns->wall = next_wall_;
			if (both)
				remember(next, is_settled());
		});
		for (std::size_t clock = 0; clock < next_wall_.size(); ++clock) {
			const auto add = [&](auto wall_formula::*member) {
				settings_.push_back([this, clock, member] {
					wall_->copies[!(wall_->seq & 1)][clock].*member =
						next_wall_[clock].*member;
				});
			};
			add(&wall_formula::sec);
			add(&wall_formula::nsec);
			add(&wall_formula::floor_sec);
			add(&wall_formula::floor_nsec);
			add(&wall_formula::anchor);
		}
	}
}

void world::set_next()
{
	settings_[set_++]();
}

void world::finish_setting()
{
	while (is_setting())
		set_next();
}

void world::enter(const std::optional<namespace_data> &ns)
{
	finish_setting();
	if (wall_) {
		/* The count is that of each wall clock alone: two may well have the same. */
		if (ns && ns->wall)
			*wall_ = { 2, 0, { *ns->wall, *ns->wall } };
		else
			std::memset(static_cast<void *>(wall_), 0xff, sizeof(*wall_));
	}
	/* The bytes of the host's page, in whatever state it is. */
	std::memcpy(&front_.clocks(0), &host_.clocks(0),
		    bench::our_layout.between_sets * bench::sets_of_clocks);
	if (ns) {
		for (std::size_t set = 0; set < sets; ++set) {
			auto &clocks = front_.clocks(set);

			clocks = {};
			clocks.seq = ns->seq;
			clocks.clock_mode = bench::mode_timens;
			if (wall_)
				clocks.basetime[CLOCK_REALTIME].sec = -1; /* see time() */
			for (std::size_t id = 0; id < clock_ids; ++id)
				front_.offset(set, id) = ns->offsets[id];
		}
	}

	view next = now();
	next.ns = ns;
	remember(next, is_settled());
}

answer world::make(const call &made, std::uint64_t counter, const std::function<bool(int)> &act,
		   int &instructions) const
{
	constexpr long untouched = -0x5a5a5a5a;
	answer given{ false, untouched, untouched };
	std::uintptr_t written_to = 0;
	int status = -1;
	machine_run run;

	const auto read_into = [&](auto *function, auto time, auto... arguments) {
		time.tv_sec = untouched;
		written_to = reinterpret_cast<std::uintptr_t>(&time);
		run = run_confined(
			counter, [&] { status = function(arguments..., &time); }, act);
		given.sec = time.tv_sec;
		if constexpr (requires { time.tv_nsec; })
			given.nsec = time.tv_nsec;
	};

	switch (made.what) {
#ifdef __x86_64__
	case question::clock_gettime:
		read_into(image_.clock_gettime, timespec(), made.clock);
		break;
	case question::clock_gettime32:
		throw std::logic_error("not a 32-bit vDSO");
#else
	case question::clock_gettime:
		read_into(image_.clock_gettime64, bench::kernel_timespec(), made.clock);
		break;
	case question::clock_gettime32:
		read_into(image_.clock_gettime, timespec(), made.clock);
		break;
#endif
	case question::clock_getres:
		read_into(image_.clock_getres, timespec(), made.clock);
		break;
	case question::gettimeofday: {
		timeval time = { untouched, 0 };
		struct timezone zone = { untouched, untouched };

		written_to = reinterpret_cast<std::uintptr_t>(&time);
		run = run_confined(
			counter, [&] { status = image_.gettimeofday(&time, &zone); }, act);
		given.sec = time.tv_sec;
		given.nsec = time.tv_usec * 1000;
		if (!run.kernel_calls) {
			expect_eq(zone.tz_minuteswest, now().host.sets[0].tz_minuteswest, "zone");
			expect_eq(zone.tz_dsttime, now().host.sets[0].tz_dsttime, "zone");
		}
		break;
	}
	case question::time: {
		time_t time = untouched, returned = 0;

		written_to = reinterpret_cast<std::uintptr_t>(&time);
		run = run_confined(
			counter, [&] { returned = image_.time(&time); }, act);
		status = 0;
		given = { false, time, 0 };
		if (!run.kernel_calls)
			expect_eq(returned, time, "what time() returns and stores");
		break;
	}
	}

	instructions = run.instructions;
	expect_eq(status, 0, "status of " + show(made));
	if (run.kernel_calls) {
		expect_eq(run.kernel_calls, 1, "system calls of " + show(made));
		expect_eq(run.last_call.number, number_of(made), "system call of " + show(made));
		if (made.what == question::time) {
			expect_eq(static_cast<clockid_t>(run.last_call.arguments[0]),
				  CLOCK_REALTIME_COARSE, "its first argument");
			return { true, 0, 0 };
		}
		if (made.what == question::gettimeofday) {
			expect_eq(run.last_call.arguments[0], written_to, "its first argument");
		} else {
			expect_eq(static_cast<clockid_t>(run.last_call.arguments[0]), made.clock,
				  "its first argument");
			expect_eq(run.last_call.arguments[1], written_to, "its second argument");
		}
		if (!act)
			expect_eq(given.sec, untouched,
				  "what the vDSO wrote before its system call");
		return { true, 0, 0 };
	}
	return given;
}

int world::check_call(const call &made, std::uint64_t counter, const std::function<bool(int)> &act,
		      bool may_ask_kernel)
{
	int instructions = 0;

	forget();
	const auto given = make(made, counter, act, instructions);
	if (given.by_kernel && may_ask_kernel)
		return instructions;
	std::string allowed;
	for (const auto &each : history_) {
		const bool any_moment =
			made.what == question::time || made.what == question::clock_getres;
		const auto expected = expect_answer(made, each.seen, counter);
		/* The kernel is always right: so it may be asked before an update has ended. */
		if (expected.allows(given) && (each.settled || any_moment || given.by_kernel))
			return instructions;
		if (!each.settled)
			continue;
		allowed += (allowed.empty() ? "" : " or ") + show(expected.exact);
	}
	throw check_failed(show(made) + ": " + show(given) + ", not " + allowed);
}

} /* namespace timens */
