// SPDX-License-Identifier: GPL-2.0-only
/* All ways to wait for a futex until a time on a clock. */
#pragma once

#include "calls.hpp"
#include "harness.hpp"
#include "kernel.hpp"
#include "process.hpp"
#include "shifts.hpp"

#include <memory>
#include <vector>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since Linux 6.7, on every architecture. */
#ifndef SYS_futex_wait
#define SYS_futex_wait 455
#endif
#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 0x02
#endif

namespace timens
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

int clock_flag(clockid_t clock);

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
std::vector<std::unique_ptr<timed_wait>> all_waits();

} // namespace timens
