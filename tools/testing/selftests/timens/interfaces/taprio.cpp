// SPDX-License-Identifier: GPL-2.0-only
/* tc-taprio(8): when a schedule starts, and when it is said to. */
#include "network.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <algorithm>

#include <linux/pkt_sched.h>

using namespace timens;

namespace
{

/* A schedule of one entry, that is repeated. */
constexpr nanoseconds cycle = 10ms;

const std::string device = "end";

/* Two queues are the fewest that the discipline takes. */
void enter_scheduled_network()
{
	enter_network_namespace();

	netlink_socket route(NETLINK_ROUTE);

	add_device(route, device, "veth", 2);
	set_device_up(route, device);
}

/* On this clock, or, without one, on that of the device, which carries the schedule out. */
void set_schedule_of(const std::string &device, netlink_socket &route,
		     std::optional<clockid_t> clock, nanoseconds base)
{
	set_root_discipline(route, device, "taprio", [&](netlink_message &message) {
		tc_mqprio_qopt map{};

		map.num_tc = 1;
		map.count[0] = 1;
		message.add(TCA_TAPRIO_ATTR_PRIOMAP, map);
		message.nest(TCA_TAPRIO_ATTR_SCHED_ENTRY_LIST, [&] {
			message.nest(TCA_TAPRIO_SCHED_ENTRY, [&] {
				message.add(TCA_TAPRIO_SCHED_ENTRY_CMD,
					    std::uint8_t{ TC_TAPRIO_CMD_SET_GATES });
				message.add(TCA_TAPRIO_SCHED_ENTRY_GATE_MASK, std::uint32_t{ 1 });
				message.add(TCA_TAPRIO_SCHED_ENTRY_INTERVAL,
					    static_cast<std::uint32_t>(cycle.count()));
			});
		});
		message.add(TCA_TAPRIO_ATTR_SCHED_BASE_TIME,
			    static_cast<std::int64_t>(base.count()));
		if (clock)
			message.add(TCA_TAPRIO_ATTR_SCHED_CLOCKID,
				    static_cast<std::int32_t>(*clock));
		else
			message.add(TCA_TAPRIO_ATTR_FLAGS,
				    std::uint32_t{ TCA_TAPRIO_ATTR_FLAG_FULL_OFFLOAD });
	});
}

void set_schedule(netlink_socket &route, clockid_t clock, nanoseconds base)
{
	set_schedule_of(device, route, clock, base);
}

void remove_schedule(netlink_socket &route)
{
	set_root_discipline(route, device, "pfifo");
}

struct schedule {
	bool started;
	nanoseconds base;
};

schedule schedule_in(const netlink_answer &answer)
{
	const auto options = answer.attributes<tcmsg>().nested(TCA_OPTIONS);
	/* Until it starts, a schedule is the administrator's alone. */
	const auto pending = options.find(TCA_TAPRIO_ATTR_ADMIN_SCHED);
	const auto attributes = pending ? netlink_attributes(pending->payload) : options;

	return { !pending,
		 nanoseconds(attributes.get(TCA_TAPRIO_ATTR_SCHED_BASE_TIME).as<std::int64_t>()) };
}

schedule told_schedule(netlink_socket &route, const std::string &name = device)
{
	return schedule_in(root_discipline(route, name));
}

void each_clock(const std::function<void(clockid_t, const std::string &)> &body)
{
	for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI })
		body(clock, "a schedule on " + clock_name(clock));
}

} // namespace

TEST(a_schedule_starts_at_its_base_time, .timeout = 60s,
     .differs_from_stock = "base times are on the host's clock")
{
	enter_scheduled_network();
	from_each_viewpoint([](const shift &) {
		each_clock([](clockid_t clock, const std::string &what) {
			netlink_socket route(NETLINK_ROUTE);
			const auto base = now(clock) + 300ms;
			bool started = false;

			set_schedule(route, clock, base);
			while (!started) {
				expect_le(now(clock), base + patience, what + " has not started");
				started = told_schedule(route).started;
			}
			expect_ge(now(clock), base, what + " has started");
			remove_schedule(route);
		});
	});
}

TEST(base_times_are_told_as_they_were_set, .timeout = 30s)
{
	enter_scheduled_network();
	from_each_viewpoint([](const shift &) {
		each_clock([](clockid_t clock, const std::string &what) {
			netlink_socket route(NETLINK_ROUTE);
			const auto present = now(clock);

			/* The last ones are before the host's clock was zero, or this one. */
			for (nanoseconds base : { present + 500s, present - 500ms, nanoseconds(5ms),
						  0ns, nanoseconds(-5s), nanoseconds::max() }) {
				set_schedule(route, clock, base);
				expect_eq(told_schedule(route).base, base, what);
				remove_schedule(route);
			}
		});
	});
}

TEST(base_times_are_told_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	enter_scheduled_network();
	each_clock([](clockid_t clock, const std::string &what) {
		const auto base = now(clock) + offset_of(clock, some_offsets) + 500s;
		netlink_socket route(NETLINK_ROUTE);

		in_namespace(some_offsets, [&] { set_schedule(route, clock, base); });
		expect_eq(told_schedule(route).base, base - offset_of(clock, some_offsets), what);
		remove_schedule(route);
	});
}

TEST(a_schedule_keeps_the_phase_of_its_base_time, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	/* Long before the host's clock was zero, and not by whole cycles. */
	constexpr offsets by{ 1000s + 7ms, 2000s + 3ms };
	constexpr nanoseconds base = 1ms;

	enter_scheduled_network();
	for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME })
		in_namespace(by, [&] {
			netlink_socket route(NETLINK_ROUTE);

			set_schedule(route, clock, base);

			const auto expiry = timer_expiry("advance_sched");

			expect(expiry.has_value(), "the schedule has a timer");
			expect_eq((*expiry + offset_of(clock, by) - base) % cycle, 0ns,
				  "the phase of a schedule on " + clock_name(clock));
			remove_schedule(route);
		});
}

TEST(an_answer_is_on_the_clock_of_who_asks, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	enter_scheduled_network();
	from_each_viewpoint([](const shift &) {
		each_clock([](clockid_t clock, const std::string &what) {
			netlink_socket route(NETLINK_ROUTE);
			const auto base = now(clock) + 500s;

			set_schedule(route, clock, base);
			expect_eq(schedule_in(answer_about_discipline(route, device)).base, base, what);
			remove_schedule(route);
		});
	});
}

TEST(base_times_for_the_clock_of_a_device_are_left_alone, .timeout = 30s)
{
	enter_network_namespace();

	const simulated_device simulated(2);
	netlink_socket route(NETLINK_ROUTE);

	set_device_up(route, simulated.name);
	for (nanoseconds base : { nanoseconds(now(CLOCK_REALTIME)), 0ns, nanoseconds(-5s) }) {
		const std::string what = "a schedule at " + show(base);

		in_namespace(some_offsets, [&] {
			netlink_socket inside(NETLINK_ROUTE);

			set_schedule_of(simulated.name, inside, {}, base);
			expect_eq(told_schedule(inside, simulated.name).base, base, what);
		});
		expect_eq(told_schedule(route, simulated.name).base, base, what + ", outside");
		set_root_discipline(route, simulated.name, "pfifo");
	}
}

TEST(a_multicast_is_on_the_clock_of_the_host, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	enter_scheduled_network();
	each_clock([](clockid_t clock, const std::string &what) {
		const auto base = now(clock) + offset_of(clock, some_offsets) + 500s;
		netlink_socket route(NETLINK_ROUTE), listener(NETLINK_ROUTE);

		listener.join(RTNLGRP_TC);
		in_namespace(some_offsets, [&] { set_schedule(route, clock, base); });

		/* The same message may say that there is no other discipline any more. */
		const auto messages = listener.receive(patience);
		const auto added = std::ranges::find(messages, std::uint16_t{ RTM_NEWQDISC },
						     &netlink_answer::type);

		expect(added != messages.end(), what + " is announced");
		expect_eq(schedule_in(*added).base, base - offset_of(clock, some_offsets), what);
		remove_schedule(route);
	});
}
