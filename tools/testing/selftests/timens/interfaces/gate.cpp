// SPDX-License-Identifier: GPL-2.0-only
/* tc-gate(8): when a gate starts to open and close, and when it is said to. */
#include "network.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <cstdio>

#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_gate.h>

using namespace timens;

namespace
{

/* A gate that is closed and open in turns. */
constexpr nanoseconds interval = 10ms;

/* The gate of the caller's network namespace: set, replaced and removed. */
class gate_action {
public:
	gate_action()
		: route(NETLINK_ROUTE)
	{
	}
	gate_action(const gate_action &) = delete;
	gate_action &operator=(const gate_action &) = delete;
	~gate_action()
	{
		try {
			auto message = named(RTM_DELACTION);

			route.request(message);
		} catch (const check_failed &) {
			/* There is none, or it goes with the network namespace. */
		}
	}
	/* Without a base time, a new gate has 0, and another keeps its own. */
	void set(clockid_t clock, std::optional<nanoseconds> base)
	{
		request_gate(clock, base, 0);
	}
	/* The same, returns the base time in the echo of the change. */
	nanoseconds set_and_echo(clockid_t clock, nanoseconds base)
	{
		const auto answers = request_gate(clock, base, NLM_F_ECHO);

		expect_eq(answers.size(), 1U, "echoes");
		return base_in(answers.front());
	}
	nanoseconds told_base()
	{
		auto message = named(RTM_GETACTION);

		return base_in(route.get(message));
	}
	static nanoseconds base_in(const netlink_answer &message)
	{
		return nanoseconds(message.attributes<tcamsg>()
					   .nested(TCA_ACT_TAB)
					   .nested(1)
					   .nested(TCA_ACT_OPTIONS)
					   .get(TCA_GATE_BASE_TIME)
					   .as<std::int64_t>());
	}

private:
	static constexpr std::uint32_t index = 1;

	std::vector<netlink_answer> request_gate(clockid_t clock, std::optional<nanoseconds> base,
						 std::uint16_t flags)
	{
		netlink_message message(RTM_NEWACTION, NLM_F_CREATE | NLM_F_REPLACE | flags);

		message.append(tcamsg{});
		message.nest(TCA_ACT_TAB, [&] {
			message.nest(1, [&] {
				message.add(TCA_ACT_KIND, "gate");
				message.nest(TCA_ACT_OPTIONS,
					     [&] { add_options(message, clock, base); });
			});
		});
		try {
			return route.request(message);
		} catch (const system_failure &failure) {
			if (failure.error == ENOENT)
				skip("the kernel has no gates");
			throw;
		}
	}
	static netlink_message named(std::uint16_t type)
	{
		netlink_message message(type);

		message.append(tcamsg{});
		message.nest(TCA_ACT_TAB, [&] {
			message.nest(1, [&] {
				message.add(TCA_ACT_KIND, "gate");
				message.add(TCA_ACT_INDEX, index);
			});
		});
		return message;
	}
	static void add_options(netlink_message &message, clockid_t clock,
				std::optional<nanoseconds> base)
	{
		tc_gate parameters{};

		parameters.index = index;
		parameters.action = TC_ACT_PIPE;
		message.add(TCA_GATE_PARMS, parameters);
		message.add(TCA_GATE_CLOCKID, static_cast<std::int32_t>(clock));
		if (base)
			message.add(TCA_GATE_BASE_TIME, static_cast<std::uint64_t>(base->count()));
		message.nest(TCA_GATE_ENTRY_LIST, [&] {
			for (const bool open : { false, true })
				message.nest(TCA_GATE_ONE_ENTRY, [&] {
					if (open)
						message.add_flag(TCA_GATE_ENTRY_GATE);
					message.add(TCA_GATE_ENTRY_INTERVAL,
						    static_cast<std::uint32_t>(interval.count()));
				});
		});
	}

	netlink_socket route;
};

void each_clock(const std::function<void(clockid_t, const std::string &)> &body)
{
	for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI })
		body(clock, "a gate on " + clock_name(clock));
}

/*
 * What remains until the gate starts, by the kernel's list of its timers; empty
 * when no gate waits.
 */
std::optional<nanoseconds> remaining_until_start()
{
	const std::string list = read_file("/proc/timer_list");
	const auto timer = list.find("gate_timer_func");
	long long remaining;

	if (timer == list.npos)
		return {};

	const auto expiry = list.find("[in ", timer);

	if (expiry == list.npos ||
	    std::sscanf(list.c_str() + expiry, "[in %lld to", &remaining) != 1)
		throw check_failed("timer_list does not tell what remains");
	return nanoseconds(remaining);
}

/* Ahead, so that small times are long before the host's clock was zero, and not by whole intervals. */
constexpr offsets before_the_host{ 1000s + 7ms, 2000s + 3ms };

void expect_phase(clockid_t clock, nanoseconds base, const std::string &what)
{
	const auto expiry = timer_expiry("gate_timer_func");

	expect(expiry.has_value(), what + " has a timer");
	expect_eq((*expiry + offset_of(clock, before_the_host) - base) % interval, 0ns,
		  "the phase of " + what);
}

} // namespace

TEST(a_gate_starts_at_its_base_time, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	/*
	 * The list counts from CLOCK_MONOTONIC, whatever the clock of the timer. Two
	 * clocks cannot be read at once.
	 */
	constexpr nanoseconds apart = 1s;
	const auto slept = now(CLOCK_BOOTTIME) - now(CLOCK_MONOTONIC);

	enter_network_namespace();
	from_each_viewpoint([&](const shift &) {
		for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME }) {
			const std::string what = "a gate on " + clock_name(clock);
			gate_action gate;
			const auto base = now(clock) + 100s;

			gate.set(clock, base);

			const auto before = now(clock);
			const auto told = remaining_until_start();
			const auto after = now(clock);

			expect(told.has_value(), what + " has a timer");

			const auto remaining =
				*told - (clock == CLOCK_BOOTTIME ? slept : nanoseconds(0));

			expect_le(remaining, base - before + apart, what + ": what remains");
			expect_ge(remaining, base - after - apart, what + ": what remains");
		}
	});
}

TEST(base_times_are_told_as_they_were_set, .timeout = 30s)
{
	enter_network_namespace();
	from_each_viewpoint([](const shift &) {
		each_clock([](clockid_t clock, const std::string &what) {
			gate_action gate;
			const auto present = now(clock);

			/* The last ones are before the host's clock was zero, or this one. */
			for (nanoseconds base : { present + 500s, present - 500ms, nanoseconds(5ms),
						  0ns, nanoseconds(-5s), nanoseconds::max() }) {
				gate.set(clock, base);
				expect_eq(gate.told_base(), base, what);
			}
		});
	});
}

TEST(base_times_are_told_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	enter_network_namespace();
	each_clock([](clockid_t clock, const std::string &what) {
		const auto base = now(clock) + offset_of(clock, some_offsets) + 500s;
		gate_action gate;

		in_namespace(some_offsets, [&] { gate.set(clock, base); });
		expect_eq(gate.told_base(), base - offset_of(clock, some_offsets), what);
	});
}

TEST(a_gate_keeps_the_phase_of_its_base_time, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	constexpr nanoseconds base = 1ms;

	enter_network_namespace();
	for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME })
		in_namespace(before_the_host, [&] {
			gate_action gate;

			gate.set(clock, base);
			expect_phase(clock, base, "a gate on " + clock_name(clock));
		});
}

TEST(a_gate_without_a_base_time_begins_at_the_zero_of_its_clock, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	enter_network_namespace();
	for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME }) {
		const std::string what = "a gate on " + clock_name(clock);
		gate_action gate;

		in_namespace(before_the_host, [&] {
			gate.set(clock, {});
			expect_phase(clock, 0ns, what);
			expect_eq(gate.told_base(), 0ns, what);
		});
		expect_eq(gate.told_base(), -offset_of(clock, before_the_host), what + ", outside");
	}
}

TEST(a_gate_keeps_its_base_time_when_its_clock_changes, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	constexpr clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI,
					 CLOCK_MONOTONIC };
	constexpr nanoseconds base = 1ms;

	enter_network_namespace();

	gate_action gate;

	in_namespace(before_the_host, [&] { gate.set(CLOCK_BOOTTIME, base); });
	for (clockid_t clock : clocks) {
		const std::string what = "a gate that goes to " + clock_name(clock);

		in_namespace(before_the_host, [&] {
			gate.set(clock, {});
			expect_eq(gate.told_base(), base, what);
			if (clock != CLOCK_TAI)
				expect_phase(clock, base, what);
		});
		expect_eq(gate.told_base(), base - offset_of(clock, before_the_host),
			  what + ", outside");
	}
}

TEST(an_echo_is_on_the_clock_of_who_makes_the_change, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	enter_network_namespace();
	from_each_viewpoint([](const shift &by) {
		each_clock([&](clockid_t clock, const std::string &what) {
			const auto base = now(clock) + 500s;
			netlink_socket listener(NETLINK_ROUTE);
			gate_action gate;

			listener.join(RTNLGRP_TC);
			expect_eq(gate.set_and_echo(clock, base), base, what);

			/* The others get the same message on the host's clock. */
			const auto messages = listener.receive(patience);

			expect_eq(messages.size(), 1U, what + ": messages");
			expect_eq(gate_action::base_in(messages.front()),
				  base - offset_of(clock, by.by), what);
		});
	});
}

TEST(a_multicast_is_on_the_clock_of_the_host, .timeout = 30s,
     .differs_from_stock = "base times are on the host's clock")
{
	enter_network_namespace();
	each_clock([](clockid_t clock, const std::string &what) {
		const auto base = now(clock) + offset_of(clock, some_offsets) + 500s;
		netlink_socket listener(NETLINK_ROUTE);
		gate_action gate;

		listener.join(RTNLGRP_TC);
		in_namespace(some_offsets, [&] { gate.set(clock, base); });

		const auto messages = listener.receive(patience);

		expect_eq(messages.size(), 1U, what + ": messages");
		expect_eq(gate_action::base_in(messages.front()),
			  base - offset_of(clock, some_offsets), what);
	});
}
