// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may set which wall clock: CAP_SYS_TIME in the user namespace that owns it, or for
 * the host's clock that of the host. Each who tries, on each clock, by each call.
 */
#include "capability.hpp"
#include "hostclock.hpp"
#include "shifts.hpp"
#include "wall_clock.hpp"

#include <array>

#include <fcntl.h>

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr nanoseconds ahead = ninety_days;
constexpr seconds step = 5000s;

/* A call that moves the date by a step, if it may. */
struct dated_call {
	const char *name;
	outcome (*set)(nanoseconds date);
};

outcome step_by_adjtimex(int (*adjust)(timex *))
{
	timex wanted{};

	wanted.modes = ADJ_SETOFFSET;
	wanted.time.tv_sec = step.count();
	return adjust(&wanted);
}

constexpr dated_call dated_calls[] = {
	{ "clock_settime", [](nanoseconds date) { return try_set_date(date); } },
	{ "settimeofday",
	  [](nanoseconds date) -> outcome {
		  const timeval time{ std::chrono::floor<seconds>(date).count(), 0 };

		  return syscall(SYS_settimeofday, &time, nullptr);
	  } },
	{ "ADJ_SETOFFSET by adjtimex", [](nanoseconds) { return step_by_adjtimex(adjtimex); } },
	{ "ADJ_SETOFFSET by clock_adjtime",
	  [](nanoseconds) {
		  return step_by_adjtimex(
			  [](timex *time) { return clock_adjtime(CLOCK_REALTIME, time); });
	  } },
	{ "ADJ_SETOFFSET and others",
	  [](nanoseconds) {
		  return step_by_adjtimex([](timex *time) {
			  time->modes |= ADJ_MAXERROR;
			  time->maxerror = 16'000'000;
			  return adjtimex(time);
		  });
	  } },
};

/* What adjtimex(2) stores, each with what is there already. */
constexpr unsigned int stored_modes[] = {
	ADJ_STATUS, ADJ_MAXERROR, ADJ_ESTERROR,	 ADJ_NANO | ADJ_TIMECONST,	  ADJ_MICRO,
	ADJ_TAI,    ADJ_TICK,	  ADJ_FREQUENCY, unsigned(ADJ_OFFSET_SINGLESHOT),
};

outcome adjust_to_the_same(unsigned int modes)
{
	timex wanted;

	read_adjustment(wanted);
	wanted.modes = modes;
	/* The one member has two meanings. */
	if (modes & ADJ_TAI && modes != unsigned(ADJ_OFFSET_SINGLESHOT))
		wanted.constant = wanted.tai;
	return adjtimex(&wanted);
}

/* Tries everything on the clock that the caller is on. */
void expect_calls(bool allowed, const unique_fd &ns, const std::string &name)
{
	const int error = allowed ? 0 : EPERM;
	const bool is_host = wall_of(ns).mode == TIMENS_WALL_HOST;
	timex unchanged{};
	timex adjustment;

	/* All may read. */
	read_adjustment(adjustment);
	unchanged.modes = ADJ_OFFSET_SS_READ;
	check(adjtimex(&unchanged), name + ": ADJ_OFFSET_SS_READ");

	for (const auto &call : dated_calls) {
		const auto zero = date_of_zero();
		const auto what = name + ": " + call.name;

		expect_errno(call.set(date() + step), error, what);
		expect_date_of_zero(zero + (allowed ? step : 0s), what);
	}
	for (const unsigned int modes : stored_modes)
		expect_errno(adjust_to_the_same(modes), error, name + ": modes " + show(modes));

	for (const auto &wanted :
	     { wall_offset(wall_of(ns).offset + step), wall_mode(TIMENS_WALL_OWN), wall_tai(9) }) {
		const auto what = name + ": TIMENS_SET_WALL of " + show(wanted.flags);
		const auto zero = date_of_zero();
		const auto before = wall_of(ns);

		expect_errno(set_wall(ns, wanted), is_host ? EACCES : error, what);
		if (is_host || !allowed)
			expect_eq(wall_of(ns), before, what);
		else if (wanted.flags == TIMENS_WALL_SET_OFFSET)
			expect_date_of_zero(zero + step, what);
		else
			expect_date_of_zero(zero, what);
	}
}

/* Who tries. */
enum class actor { host_root, root_of_a_user_namespace, plain_user };

constexpr std::array actors{ actor::host_root, actor::root_of_a_user_namespace, actor::plain_user };

std::string show(actor who)
{
	switch (who) {
	case actor::host_root:
		return "the host's root";
	case actor::root_of_a_user_namespace:
		return "root of a user namespace";
	default:
		return "a user";
	}
}

void become(actor who)
{
	if (who == actor::root_of_a_user_namespace)
		enter_user_namespace();
	if (who == actor::plain_user)
		become_user(1000);
}

} // namespace

TEST(the_hosts_clock_is_set_with_the_capability_of_the_host, .timeout = 60s)
{
	require_wall_clocks();
	require_settable_clocks();
	for (const auto who : actors) {
		moved_realtime machine;

		child([&] {
			become(who);
			expect_calls(who == actor::host_root, own_namespace(), show(who));
		}).wait_ok();
		/* Also from a namespace with offsets of its own and no wall clock. */
		in_namespace(some_offsets, [&] {
			become(who);
			expect_calls(who == actor::host_root, own_namespace(),
				     show(who) + " in a namespace");
		});
	}
	/* A user namespace and a time namespace of its own do not help. */
	child([&] {
		become(actor::root_of_a_user_namespace);
		unshare_time();
		set_offsets(some_offsets);
		child([&] {
			expect_calls(false, own_namespace(), "in its own namespace");
		}).wait_ok();
	}).wait_ok();
}

TEST(its_own_clock_is_set_by_root_of_a_user_namespace, .timeout = 60s)
{
	require_wall_clocks();

	const untouched_host host;

	for (const auto who : actors)
		child([&] {
			/* A user has none but in a user namespace, in which it is no root. */
			become(who == actor::plain_user ? actor::root_of_a_user_namespace : who);
			unshare_wall(ahead);
			child([&] {
				if (who == actor::plain_user)
					keep_only_capabilities({});
				expect_calls(who != actor::plain_user, own_namespace(), show(who));
			}).wait_ok();
		}).wait_ok();
	host.check("after all");
}

TEST(its_own_clock_is_set_by_root_that_was_a_user, .timeout = 60s)
{
	require_wall_clocks();

	const untouched_host host;

	child([] {
		become_user(1000);
		enter_user_namespace();
		unshare_wall(ahead);
		child([] { expect_calls(true, own_namespace(), "a user's root"); }).wait_ok();
	}).wait_ok();
	host.check("after all");
}

TEST(a_clock_of_the_parent_is_set_with_its_capability, .timeout = 60s)
{
	require_wall_clocks();

	const untouched_host host;

	for (const auto who : actors)
		in_wall_namespace(ahead, [&] {
			const auto zero = date_of_zero();

			child([&] {
				become(who);
				expect_calls(who == actor::host_root, own_namespace(),
					     show(who) + " in the parent's namespace");
			}).wait_ok();
			if (who != actor::host_root)
				expect_date_of_zero(zero, show(who));
		});
	host.check("after all");
}

TEST(a_clock_that_is_shared_with_the_parent_is_still_the_parents, .timeout = 60s)
{
	require_wall_clocks();

	const untouched_host host;

	for (const auto who : { actor::host_root, actor::root_of_a_user_namespace })
		in_wall_namespace(ahead, [&] {
			const auto zero = date_of_zero();

			child([&] {
				become(who);
				unshare_time();
				set_offsets(some_offsets);
				child([&] {
					expect_calls(who == actor::host_root, own_namespace(),
						     show(who) + " in a namespace of its own");
				}).wait_ok();
			}).wait_ok();
			if (who != actor::host_root)
				expect_date_of_zero(zero, show(who));
		});
	host.check("after all");
}

namespace
{

/* A namespace with a wall clock that is owned by a user namespace of its own. */
unique_fd make_foreign_namespace()
{
	gate ready;
	child holder([&] {
		enter_user_namespace();
		unshare_wall(ahead);
		ready.open();
		pause();
	});

	ready.wait(holder);
	return open_file(holder.proc("ns/time_for_children"), O_RDONLY);
}

} // namespace

TEST(a_clock_of_a_sibling_is_set_with_its_capability, .timeout = 60s)
{
	require_wall_clocks();

	const untouched_host host;

	for (const auto who : actors) {
		const unique_fd foreign = make_foreign_namespace();

		child([&] {
			enter(foreign);

			const auto zero = date_of_zero();

			child([&] {
				become(who);
				expect_calls(who == actor::host_root, foreign, show(who));
			}).wait_ok();
			if (who != actor::host_root)
				expect_date_of_zero(zero, show(who));
		}).wait_ok();
	}
	host.check("after all");
}

/* From outside, by its descriptor alone. */
TEST(a_descriptor_gives_no_permission, .timeout = 60s)
{
	require_wall_clocks();

	for (const bool entered : { false, true })
		for (const auto who : actors) {
			const unique_fd foreign = make_foreign_namespace();
			const std::string name = timens::show(int(entered)) + ": " + show(who);

			if (entered)
				child([&] { enter(foreign); }).wait_ok();
			child([&] {
				const auto before = wall_of(foreign);

				become(who);
				for (const auto &wanted :
				     { wall_offset(0s), wall_mode(TIMENS_WALL_OWN), wall_tai(9) })
					expect_errno(set_wall(foreign, wanted),
						     who == actor::host_root ? 0 : EPERM, name);
				if (who != actor::host_root)
					expect_eq(wall_of(foreign), before, name);
			}).wait_ok();
		}
}

/* capabilities(7): who made a user namespace has all capabilities in it. */
TEST(a_user_sets_the_clock_of_its_container_from_outside)
{
	require_wall_clocks();
	child([] {
		become_user(1000);

		gate ready;
		gate set;
		child container([&] {
			enter_user_namespace();
			unshare_wall(ahead);
			child([&] {
				const auto zero = date_of_zero();

				ready.open();
				set.wait();
				expect_date_of_zero(zero - ahead, "inside");
			}).wait_ok();
		});

		ready.wait(container);

		const unique_fd ns = open_file(container.proc("ns/time_for_children"), O_RDONLY);

		check(set_wall(ns, wall_offset(0s)), "TIMENS_SET_WALL");
		set.open();
		container.wait_ok();
	}).wait_ok();
}

TEST(root_of_an_outer_user_namespace_sets_the_clocks_of_inner_ones)
{
	require_wall_clocks();
	child([] {
		enter_user_namespace();

		const unique_fd inner = make_foreign_namespace();

		check(set_wall(inner, wall_offset(0s)), "before a task enters");
		child([&] {
			enter(inner);
			expect_calls(true, inner, "outer root");
		}).wait_ok();
	}).wait_ok();
}

TEST(no_capability_but_that_for_the_time_is_needed)
{
	require_wall_clocks();
	in_wall_namespace(ahead, [] {
		child([] {
			keep_only_capabilities({ CAP_SYS_TIME });
			expect_calls(true, own_namespace(), "with CAP_SYS_TIME alone");
		}).wait_ok();
		child([] {
			drop_capability(CAP_SYS_TIME);
			expect_calls(false, own_namespace(), "with all others");
		}).wait_ok();
	});
	child([] {
		enter_user_namespace();
		unshare_wall(ahead);
		child([] {
			drop_capability(CAP_SYS_TIME);
			expect_calls(false, own_namespace(),
				     "in a user namespace, with all others");
		}).wait_ok();
	}).wait_ok();
}

TEST(a_wall_clock_is_made_with_the_capability_of_its_namespace)
{
	require_wall_clocks();

	const auto expect_refused = [](const char *name) {
		const unique_fd ns = pending_namespace();

		expect_errno(set_wall(ns, wall_offset(5s)), EPERM, name);
		expect_errno(write_offsets(realtime_text(5s)), EPERM, name);
		expect_errno(write_offsets("monotonic 5 0\n" + realtime_text(5s)), EPERM, name);
		expect_eq(wall_of(ns).mode, std::uint32_t(TIMENS_WALL_HOST), name);
		expect_eq(read_file(own_offsets_file).find("realtime"), std::string::npos, name);
		/* What is wrong is found before. */
		expect_errno(set_wall(ns, wall_mode(7)), EINVAL, name);
		expect_errno(write_offsets("realtime 5\n"), EINVAL, name);
	};

	child([&] {
		unshare_time();
		drop_capability(CAP_SYS_TIME);
		expect_refused("without the capability");
	}).wait_ok();
	child([&] {
		unshare_time();
		enter_user_namespace();
		expect_refused("with that of another user namespace");
		unshare_time();
		check(set_wall(pending_namespace(), wall_offset(5s)), "in its own");
	}).wait_ok();
	/* As for the offsets, it is the opener's that counts for text. */
	child([&] {
		unshare_time();

		const unique_fd file = open_file(own_offsets_file, O_WRONLY);
		const std::string text = realtime_text(5s);

		drop_capability(CAP_SYS_TIME);
		check(write(file.get(), text.data(), text.size()), "write");
		expect_eq(wall_of(pending_namespace()).offset, nanoseconds(5s), "opened with it");
	}).wait_ok();
}

/* The capability comes after what is wrong, and before the range. */
TEST(errors_come_in_their_order)
{
	require_wall_clocks();
	child([] {
		const unique_fd foreign = make_foreign_namespace();
		const unique_fd without = own_namespace();
		const auto early = wall_offset(-date() - 1000s);
		auto wrong = early;

		wrong.flags |= 1U << 9;
		child([&] { enter(foreign); }).wait_ok();
		become_user(1000);
		expect_errno(set_wall(without, wrong), EINVAL, "wrong before frozen");
		expect_errno(set_wall(without, early), EACCES, "frozen before the permission");
		expect_errno(set_wall(foreign, wrong), EINVAL, "wrong before the permission");
		expect_errno(set_wall(foreign, early), EPERM, "the permission before the range");
		expect_errno(ioctl(foreign.get(), TIMENS_SET_WALL, nullptr), EFAULT,
			     "no structure");
	}).wait_ok();
}

TEST(root_of_a_user_namespace_does_not_set_the_time_zone)
{
	require_wall_clocks();

	const struct zone {
		int west;
		int dst;
	} wanted{ 60, 0 };
	zone before;

	check(syscall(SYS_gettimeofday, nullptr, &before), "gettimeofday");
	child([&] {
		enter_user_namespace();
		unshare_wall(ahead);
		child([&] {
			const auto zero = date_of_zero();
			const timeval time{ std::chrono::floor<seconds>(date() + step).count(), 0 };
			zone found;

			expect_errno(syscall(SYS_settimeofday, &time, &wanted), EPERM, "both");
			expect_errno(syscall(SYS_settimeofday, nullptr, &wanted), EPERM,
				     "the zone");
			expect_date_of_zero(zero, "the date");
			check(syscall(SYS_gettimeofday, nullptr, &found), "gettimeofday");
			expect_eq(found.west, before.west, "the zone");
			check(syscall(SYS_settimeofday, &time, nullptr),
			      "settimeofday of the date");
			expect_date_of_zero(zero + step, "the date alone");
		}).wait_ok();
	}).wait_ok();
}

TEST(a_wall_clock_is_entered_with_the_capabilities_of_any_time_namespace)
{
	require_wall_clocks();

	const unique_fd moved = make_wall_namespace(ahead);
	const auto zero = date_of_zero();

	for (const auto who : { actor::root_of_a_user_namespace, actor::plain_user })
		child([&] {
			become(who);
			expect_errno(setns(moved.get(), CLONE_NEWTIME), EPERM, show(who));
			expect_date_of_zero(zero, show(who));
		}).wait_ok();
}
