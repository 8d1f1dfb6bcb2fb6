// SPDX-License-Identifier: GPL-2.0-only
/*
 * futex(2), futex_waitv(2) and futex_wait(2): until when a task in a namespace
 * waits. All timeouts are absolute, but for FUTEX_WAIT.
 */
#include "calls.hpp"
#include "kernel.hpp"
#include "shifts.hpp"
#include "waiting.hpp"

#include <memory>
#include <vector>

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since Linux 6.7, on every architecture. */
#ifndef SYS_futex_wait
#define SYS_futex_wait 455
#endif
#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 0x02
#endif

using namespace timens;

namespace
{

/*
 * A lock that a process holds which does nothing but sleep: a waiter would spin
 * for one that runs, and look busy.
 */
class held_lock {
public:
	held_lock()
		: holder([this] {
			check(syscall(SYS_futex, &*word, FUTEX_LOCK_PI, 0, nullptr),
			      "FUTEX_LOCK_PI");
			locked.open();
			released.wait();
			unlock(*word);
		})
	{
		locked.wait(holder);
	}
	std::uint32_t &get() const
	{
		return *word;
	}
	void release()
	{
		released.open();
		holder.wait_ok();
	}
	static void unlock(std::uint32_t &word)
	{
		check(syscall(SYS_futex, &word, FUTEX_UNLOCK_PI), "FUTEX_UNLOCK_PI");
	}

private:
	shared<std::uint32_t> word;
	gate locked;
	gate released;
	child holder;
};

/* A way to wait until a time on a clock: once, in a child of the maker. */
class timed_wait {
public:
	timed_wait(std::string_view operation, clockid_t clock, std::string_view width, long number)
		: name(std::string(operation) + " " + clock_by(clock, width))
		, clock(clock)
		, number(number)
	{
	}
	virtual ~timed_wait() = default;

	/* Returns what the call does, and frees what it locks. */
	virtual outcome wait(const time_value &deadline) = 0;
	/* Lets it succeed; for the process that made this. */
	virtual void wake() = 0;
	virtual bool can_express(nanoseconds) const
	{
		return true;
	}

	const std::string name;
	const clockid_t clock;
	/* Of the system call. */
	const long number;
};

/* FUTEX_WAKE for all that wait on a plain word. */
class plain_wait : public timed_wait {
public:
	using timed_wait::timed_wait;

	void wake() override
	{
		expect_eq(check(syscall(SYS_futex, &*word, FUTEX_WAKE, 1), "FUTEX_WAKE"), 1,
			  name + ": woken by FUTEX_WAKE");
	}

protected:
	shared<std::uint32_t> word;
};

class futex_waitv_wait : public plain_wait {
public:
	explicit futex_waitv_wait(clockid_t clock)
		: plain_wait("futex_waitv", clock, "time64", SYS_futex_waitv)
	{
	}
	outcome wait(const time_value &deadline) override
	{
		futex_waitv waiter{};

		waiter.uaddr = reinterpret_cast<std::uintptr_t>(&*word);
		waiter.flags = FUTEX_32;
		return syscall(SYS_futex_waitv, &waiter, 1, 0, &deadline, clock);
	}
};

class futex_wait_wait : public plain_wait {
public:
	explicit futex_wait_wait(clockid_t clock)
		: plain_wait("futex_wait", clock, "time64", SYS_futex_wait)
	{
	}
	outcome wait(const time_value &deadline) override
	{
		return syscall(SYS_futex_wait, &*word, 0UL,
			       static_cast<unsigned long>(FUTEX_BITSET_MATCH_ANY), FUTEX2_SIZE_U32,
			       &deadline, clock);
	}
};

int clock_flag(clockid_t clock)
{
	return clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0;
}

class wait_bitset : public plain_wait {
public:
	wait_bitset(clockid_t clock, const time_calls &calls)
		: plain_wait("FUTEX_WAIT_BITSET", clock, calls.name, calls.futex_number)
		, calls(calls)
	{
	}
	outcome wait(const time_value &deadline) override
	{
		return calls.futex(&*word, FUTEX_WAIT_BITSET | clock_flag(clock), 0, &deadline,
				   nullptr, FUTEX_BITSET_MATCH_ANY);
	}
	bool can_express(nanoseconds time) const override
	{
		return calls.can_express(time);
	}

private:
	const time_calls &calls;
};

/* FUTEX_LOCK_PI is always on CLOCK_REALTIME, FUTEX_LOCK_PI2 on either. */
class lock_pi : public timed_wait {
public:
	lock_pi(std::string_view name, int operation, clockid_t clock, const time_calls &calls)
		: timed_wait(name, clock, calls.name, calls.futex_number)
		, operation(operation)
		, calls(calls)
	{
	}
	outcome wait(const time_value &deadline) override
	{
		const outcome locked =
			calls.futex(&lock.get(), operation, 0, &deadline, nullptr, 0);

		if (!locked.error)
			held_lock::unlock(lock.get());
		return locked;
	}
	void wake() override
	{
		lock.release();
	}
	bool can_express(nanoseconds time) const override
	{
		return calls.can_express(time);
	}

private:
	const int operation;
	const time_calls &calls;
	held_lock lock;
};

/* Waits on a word until it is moved to a lock, and then for that. */
class wait_requeue_pi : public timed_wait {
public:
	wait_requeue_pi(clockid_t clock, const time_calls &calls)
		: timed_wait("FUTEX_WAIT_REQUEUE_PI", clock, calls.name, calls.futex_number)
		, calls(calls)
	{
	}
	outcome wait(const time_value &deadline) override
	{
		return wait(deadline, *free);
	}
	void wake() override
	{
		expect_eq(requeue(*free), 1, name + ": woken by FUTEX_CMP_REQUEUE_PI");
	}
	outcome wait(const time_value &deadline, std::uint32_t &lock)
	{
		const outcome locked = calls.futex(
			&*word, FUTEX_WAIT_REQUEUE_PI | clock_flag(clock), 0, &deadline, &lock, 0);

		if (!locked.error)
			held_lock::unlock(lock);
		return locked;
	}
	/* Returns how many have been given the lock or moved to it. */
	long long requeue(std::uint32_t &lock)
	{
		return check(syscall(SYS_futex, &*word, FUTEX_CMP_REQUEUE_PI, 1, 0UL, &lock, 0),
			     "FUTEX_CMP_REQUEUE_PI");
	}
	bool can_express(nanoseconds time) const override
	{
		return calls.can_express(time);
	}

private:
	const time_calls &calls;
	shared<std::uint32_t> word;
	shared<std::uint32_t> free;
};

/* A new one of each kind that has room for the present. */
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

void wait_all(std::vector<child> &tasks)
{
	for (child &task : tasks)
		task.wait_ok();
}

/* Waits until a time on the clock, and checks that it is that time. */
void expect_timeout(timed_wait &wait, nanoseconds deadline)
{
	const watchdog guard;
	const outcome waited = wait.wait(to_time_value(deadline));
	const auto present = system_now(wait.clock);

	expect_errno(waited, ETIMEDOUT, wait.name);
	expect_ge(present, deadline, wait.name);
	expect_le(present, deadline + patience, wait.name);
}

} // namespace

TEST(a_wait_times_out_at_its_deadline, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto waits = all_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits)
			tasks.emplace_back(
				[&] { expect_timeout(*wait, system_now(wait->clock) + soon); });
		wait_all(tasks);
	});
}

TEST(a_deadline_in_the_past_times_out_at_once, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto waits = all_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits)
			tasks.emplace_back([&] {
				const watchdog guard;
				const auto present = system_now(wait->clock);

				for (nanoseconds deadline :
				     { present - 1ns, present / 2, 1ns, 0ns })
					expect_errno(wait->wait(to_time_value(deadline)), ETIMEDOUT,
						     wait->name + " until " + show(deadline));
			});
		wait_all(tasks);
	});
}

TEST(a_deadline_before_the_zero_of_the_host_times_out_at_once, .timeout = 30s)
{
	/* The host has been up for less than this. */
	const offsets by{ 2 * now(CLOCK_MONOTONIC) + 1000s, 0s };

	in_namespace(by, [&] {
		const auto waits = all_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits) {
			if (wait->clock != CLOCK_MONOTONIC)
				continue;
			tasks.emplace_back([&] {
				const watchdog guard;

				for (nanoseconds early : { 1ns, nanoseconds(500s) })
					expect_errno(
						wait->wait(to_time_value(by.monotonic - early)),
						ETIMEDOUT, wait->name);
			});
		}
		wait_all(tasks);
	});
}

TEST(a_wait_with_a_far_deadline_ends_when_it_is_woken, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		std::vector<std::unique_ptr<timed_wait>> waits;
		std::vector<child> tasks;

		for (const time_value &deadline : far_deadlines)
			for (auto &wait : all_waits()) {
				waits.push_back(std::move(wait));
				tasks.emplace_back([&] {
					expect_errno(waits.back()->wait(deadline), 0,
						     waits.back()->name);
				});
			}
		for (std::size_t i = 0; i < waits.size(); i++)
			wait_blocked(tasks[i], waits[i]->number);
		expect_still_blocked(tasks);
		for (const auto &wait : waits)
			wait->wake();
		wait_all(tasks);
	});
}

TEST(a_stopped_waiter_keeps_its_deadline, .timeout = 30s)
{
	/* Again with more time if it ends before it can be stopped. */
	const auto stop_during_wait = [](timed_wait &wait) {
		bool stopped = false;

		for (auto ahead = 50ms; !stopped; ahead *= 2) {
			child waiting(
				[&] { expect_timeout(wait, system_now(wait.clock) + ahead); });

			stopped = blocks(waiting, wait.number) && stop_and_continue(waiting);
			waiting.wait_ok();
		}
	};

	in_each_shift([&](const shift &) {
		const auto waits = all_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits)
			tasks.emplace_back([&] { stop_during_wait(*wait); });
		wait_all(tasks);
	});
}

TEST(a_wait_that_has_moved_to_a_lock_keeps_its_deadline, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_REALTIME })
			for (const auto &calls : all_time_calls()) {
				long long moved = 0;

				if (!calls.can_express(system_now(clock) + patience))
					continue;

				/* Again with more time if it is over before. */
				for (auto ahead = 20ms; !moved; ahead *= 2) {
					const held_lock lock;
					wait_requeue_pi wait(clock, calls);
					child waiting([&] {
						const watchdog guard;
						const auto deadline = system_now(clock) + ahead;

						expect_errno(wait.wait(to_time_value(deadline),
								       lock.get()),
							     ETIMEDOUT, wait.name);
						expect_ge(system_now(clock), deadline, wait.name);
					});

					if (blocks(waiting, wait.number))
						moved = wait.requeue(lock.get());
					waiting.wait_ok();
				}
			}
	});
}

TEST(a_relative_wait_is_as_long_as_outside, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		for (const auto &calls : all_time_calls()) {
			const auto name = "FUTEX_WAIT by " + std::string(calls.name);
			const auto duration = to_time_value(soon);
			const watchdog guard;
			std::uint32_t word = 0;
			const auto before = now(CLOCK_MONOTONIC);
			const outcome waited =
				calls.futex(&word, FUTEX_WAIT, 0, &duration, nullptr, 0);
			const auto after = now(CLOCK_MONOTONIC);

			expect_errno(waited, ETIMEDOUT, name);
			expect_ge(after, before + soon, name);
			expect_le(after, before + soon + patience, name);
		}
	});
}

TEST(a_stopped_relative_wait_goes_on_for_the_rest, .timeout = 30s)
{
	in_each_shift([](const shift &) {
		const auto &calls = all_time_calls().front();
		bool stopped = false;

		for (auto length = 50ms; !stopped; length *= 2) {
			const auto before = now(CLOCK_MONOTONIC);
			child waiting([&] {
				const watchdog guard;
				const auto duration = to_time_value(length);
				std::uint32_t word = 0;

				expect_errno(
					calls.futex(&word, FUTEX_WAIT, 0, &duration, nullptr, 0),
					ETIMEDOUT, "FUTEX_WAIT");
			});

			stopped = blocks(waiting, calls.futex_number) && stop_and_continue(waiting);
			waiting.wait_ok();
			expect_ge(now(CLOCK_MONOTONIC), before + length);
		}
	});
}

TEST(a_handler_interrupts_a_wait, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		for (const auto &wait : all_waits()) {
			/* The others have it restarted, whatever the handler's flags. */
			if (!dynamic_cast<plain_wait *>(wait.get()))
				continue;

			child waiting([&] {
				interrupt_on(SIGUSR1);
				expect_errno(wait->wait(ktime_max), EINTR, wait->name);
			});

			wait_blocked(waiting, wait->number);
			waiting.kill(SIGUSR1);
			waiting.wait_ok();
		}
	});
}

TEST(bad_times_and_clocks_are_refused, .timeout = 30s)
{
	in_namespace(some_offsets, [] {
		for (const auto &wait : all_waits())
			for (const time_value &bad :
			     { time_value{ -1, 0 }, { 1, -1 }, { 1, 1'000'000'000 } })
				expect_errno(wait->wait(bad), EINVAL, wait->name);
		for (clockid_t clock :
		     { CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI }) {
			expect_errno(futex_waitv_wait(clock).wait({ 1, 0 }), EINVAL,
				     "futex_waitv " + clock_name(clock));
			expect_errno(futex_wait_wait(clock).wait({ 1, 0 }), EINVAL,
				     "futex_wait " + clock_name(clock));
		}
	});
}
