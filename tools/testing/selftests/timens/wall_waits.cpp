// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that block until a date on a wall clock of a namespace, while it is set:
 * clock_nanosleep(2), futex(2) and its relatives, mq_timedreceive(3), mq_timedsend(3),
 * io_uring(7). A set forward ends at once what is due, a set back goes on with it.
 */
#include "futex_waits.hpp"
#include "hostclock.hpp"
#include "shifts.hpp"
#include "waiting.hpp"
#include "wall_clock.hpp"

#include <array>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <linux/io_uring.h>
#include <mqueue.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr nanoseconds ahead = ninety_days;

/* What a wait returns when its time is over. */
outcome over(int error)
{
	outcome result(0);

	result.error = error;
	return result;
}

/* None of these is woken by others. */
class lonely_wait : public timed_wait {
public:
	using timed_wait::timed_wait;

	void wake() override
	{
		throw check_failed(name + " cannot be woken");
	}
};

class sleep_wait : public lonely_wait {
public:
	sleep_wait(clockid_t clock, const time_calls &calls)
		: lonely_wait("clock_nanosleep", clock, calls.name, calls.clock_nanosleep_number)
		, calls(calls)
	{
	}
	outcome wait(const time_value &deadline) override
	{
		const outcome slept =
			calls.clock_nanosleep(clock, TIMER_ABSTIME, deadline, nullptr);

		return slept.error ? slept : over(ETIMEDOUT);
	}
	bool can_express(nanoseconds time) const override
	{
		return calls.can_express(time);
	}

private:
	const time_calls &calls;
};

/* The calls of message queues in one width. */
struct queue_calls {
	const char *width;
	long receive;
	long send;
	seconds latest;
};
#ifdef __LP64__
constexpr queue_calls all_queue_calls[] = {
	{ "time64", SYS_mq_timedreceive, SYS_mq_timedsend, seconds(9'000'000'000) },
};
#else
constexpr queue_calls all_queue_calls[] = {
	{ "time64", SYS_mq_timedreceive_time64, SYS_mq_timedsend_time64, seconds(9'000'000'000) },
	{ "time32", SYS_mq_timedreceive, SYS_mq_timedsend, seconds(INT32_MAX) },
};
#endif

/* Waits for a message in an empty queue, or for room in a full one. */
class queue_wait : public lonely_wait {
public:
	queue_wait(const queue_calls &calls, bool sends)
		: lonely_wait(sends ? "mq_timedsend" : "mq_timedreceive", CLOCK_REALTIME,
			      calls.width, sends ? calls.send : calls.receive)
		, calls(calls)
		, sends(sends)
	{
		static int number;
		const std::string path =
			"/timens-" + std::to_string(getpid()) + "-" + std::to_string(number++);
		mq_attr attributes{};

		attributes.mq_maxmsg = 1;
		attributes.mq_msgsize = 1;
		queue = unique_fd(check(mq_open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
						0600, &attributes),
					"mq_open"));
		check(mq_unlink(path.c_str()), "mq_unlink");
		if (sends)
			check(mq_send(queue.get(), "m", 1, 0), "mq_send");
	}
	outcome wait(const time_value &deadline) override
	{
		const std::int32_t narrow[2] = { static_cast<std::int32_t>(deadline.tv_sec),
						 static_cast<std::int32_t>(deadline.tv_nsec) };
		const void *time = calls.latest == seconds(INT32_MAX)
					   ? static_cast<const void *>(narrow)
					   : &deadline;
		char message = 'm';

		if (sends)
			return syscall(calls.send, queue.get(), &message, 1UL, 0U, time);
		return syscall(calls.receive, queue.get(), &message, 1UL, nullptr, time);
	}
	bool can_express(nanoseconds time) const override
	{
		return time < calls.latest;
	}

private:
	const queue_calls &calls;
	const bool sends;
	unique_fd queue;
};

/* As much of a ring as two requests at a time need, without liburing. */
class small_ring {
public:
	small_ring()
	{
		io_uring_params parameters{};

		fd = unique_fd(
			check(syscall(SYS_io_uring_setup, 8, &parameters), "io_uring_setup"));
		expect(parameters.features & IORING_FEAT_SINGLE_MMAP, "one mapping for both rings");
		entries = static_cast<io_uring_sqe *>(
			map(parameters.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
		rings = static_cast<char *>(
			map(std::max(parameters.sq_off.array +
					     parameters.sq_entries * sizeof(std::uint32_t),
				     parameters.cq_off.cqes +
					     parameters.cq_entries * sizeof(io_uring_cqe)),
			    IORING_OFF_SQ_RING));
		submission = parameters.sq_off;
		completion = parameters.cq_off;
	}
	/* A new request, which is submitted by the next call of wait(). */
	io_uring_sqe &request(int operation, std::uint64_t name)
	{
		auto &tail = word(submission.tail);
		const std::uint32_t index = (tail + queued) & word(submission.ring_mask);
		io_uring_sqe &entry = entries[index];

		entry = {};
		entry.opcode = operation;
		entry.fd = -1;
		entry.user_data = name;
		reinterpret_cast<std::uint32_t *>(rings + submission.array)[index] = index;
		queued++;
		return entry;
	}
	/* Submits what there is, and waits for the next completion. */
	io_uring_cqe wait()
	{
		std::atomic_ref(word(submission.tail)).fetch_add(queued, std::memory_order_release);

		auto &head = word(completion.head);

		while (head == std::atomic_ref(word(completion.tail))
				       .load(std::memory_order_acquire) ||
		       queued) {
			const unsigned int submitted = std::exchange(queued, 0);

			check(syscall(SYS_io_uring_enter, fd.get(), submitted, 1,
				      IORING_ENTER_GETEVENTS, nullptr, 0),
			      "io_uring_enter");
		}

		const io_uring_cqe completed = reinterpret_cast<io_uring_cqe *>(
			rings + completion.cqes)[head & word(completion.ring_mask)];

		std::atomic_ref(head).store(head + 1, std::memory_order_release);
		return completed;
	}

private:
	void *map(std::size_t size, off_t offset) const
	{
		void *memory =
			mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), offset);

		if (memory == MAP_FAILED)
			throw system_failure("mmap of a ring", errno);
		return memory;
	}
	std::uint32_t &word(std::uint32_t offset) const
	{
		return *reinterpret_cast<std::uint32_t *>(rings + offset);
	}

	unique_fd fd;
	io_uring_sqe *entries;
	char *rings;
	io_sqring_offsets submission;
	io_cqring_offsets completion;
	unsigned int queued = 0;
};

/* Requests of io_uring that end at a date. */
class ring_wait : public lonely_wait {
public:
	enum kind { timeout, link_timeout, update, link_update };

	explicit ring_wait(kind which)
		: lonely_wait(names[which], CLOCK_REALTIME, "io_uring", SYS_io_uring_enter)
		, which(which)
	{
	}
	outcome wait(const time_value &deadline) override
	{
		constexpr time_value long_time{ 100'000, 0 };
		std::array<int, 2> ends;
		small_ring ring;
		char byte;

		check(pipe2(ends.data(), O_CLOEXEC), "pipe2");

		const unique_fd read_end(ends[0]);
		const unique_fd write_end(ends[1]);
		const auto set = [](io_uring_sqe &entry, const time_value &time,
				    std::uint32_t flags) {
			entry.addr = reinterpret_cast<std::uintptr_t>(&time);
			entry.len = 1;
			entry.timeout_flags = flags;
		};
		constexpr std::uint32_t absolute = IORING_TIMEOUT_ABS | IORING_TIMEOUT_REALTIME;

		if (which == timeout) {
			set(ring.request(IORING_OP_TIMEOUT, timed), deadline, absolute);
		} else if (which == update) {
			set(ring.request(IORING_OP_TIMEOUT, timed), long_time,
			    IORING_TIMEOUT_REALTIME);
		} else {
			auto &entry = ring.request(IORING_OP_READ, linked);

			entry.fd = read_end.get();
			entry.addr = reinterpret_cast<std::uintptr_t>(&byte);
			entry.len = 1;
			entry.flags = IOSQE_IO_LINK;
			if (which == link_timeout)
				set(ring.request(IORING_OP_LINK_TIMEOUT, timed), deadline,
				    absolute);
			else
				set(ring.request(IORING_OP_LINK_TIMEOUT, timed), long_time,
				    IORING_TIMEOUT_REALTIME);
		}
		if (which == update || which == link_update) {
			auto &entry = ring.request(IORING_OP_TIMEOUT_REMOVE, updating);

			entry.addr = timed;
			entry.addr2 = reinterpret_cast<std::uintptr_t>(&deadline);
			entry.timeout_flags =
				IORING_TIMEOUT_ABS | IORING_TIMEOUT_UPDATE |
				(which == link_update ? IORING_LINK_TIMEOUT_UPDATE : 0);

			const auto updated = ring.wait();

			expect_eq(updated.user_data, std::uint64_t(updating),
				  name + ": the first to end");
			expect_eq(updated.res, 0, name + ": the update");
		}
		/* The one that is linked ends with it. */
		for (;;) {
			const auto completed = ring.wait();

			if (completed.user_data == timed)
				return over(completed.res == -ETIME ? ETIMEDOUT : -completed.res);
		}
	}

private:
	static constexpr const char *names[] = { "timeout", "linked timeout", "updated timeout",
						 "updated linked timeout" };
	enum request : std::uint64_t { timed = 1, linked, updating };

	const kind which;
};

/* A new one of each. */
std::vector<std::unique_ptr<timed_wait>> all_date_waits()
{
	auto waits = all_waits();

	std::erase_if(waits, [](const auto &wait) { return wait->clock != CLOCK_REALTIME; });
	for (const clockid_t clock : timer_clocks())
		if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI)
			for (const auto &calls : all_time_calls())
				waits.push_back(std::make_unique<sleep_wait>(clock, calls));
	for (const auto &calls : all_queue_calls)
		for (const bool sends : { false, true })
			waits.push_back(std::make_unique<queue_wait>(calls, sends));
	for (const auto kind : { ring_wait::timeout, ring_wait::link_timeout, ring_wait::update,
				 ring_wait::link_update })
		waits.push_back(std::make_unique<ring_wait>(kind));
	std::erase_if(waits, [](const auto &wait) {
		return !wait->can_express(system_now(wait->clock) + 10'000s);
	});
	return waits;
}

/* A task for each wait, that ends with it. */
class waiting_tasks {
public:
	/* Until this much later, each on its clock. */
	explicit waiting_tasks(nanoseconds later)
		: waits(all_date_waits())
	{
		for (const auto &wait : waits) {
			const auto deadline = system_now(wait->clock) + later;

			tasks.emplace_back([&wait, deadline] {
				expect_errno(wait->wait(to_time_value(deadline)), ETIMEDOUT,
					     wait->name);
			});
		}
	}
	/* Does each wait? Some may be over. */
	bool all_block()
	{
		for (std::size_t i = 0; i < waits.size(); i++)
			if (!blocks(tasks[i], waits[i]->number))
				return false;
		return true;
	}
	void wait_all_block()
	{
		for (std::size_t i = 0; i < waits.size(); i++)
			wait_blocked(tasks[i], waits[i]->number);
	}
	void expect_still_waiting(std::string_view when)
	{
		nanoseconds limit = soon;

		for (std::size_t i = 0; i < waits.size(); i++) {
			if (const auto end = tasks[i].wait_for(limit)) {
				end->expect_ok();
				throw check_failed(waits[i]->name +
						   " has ended: " + std::string(when));
			}
			limit = 0s;
		}
	}
	/* Is one over? It has to have ended well. */
	bool any_ended()
	{
		bool ended = false;

		for (std::size_t i = 0; i < waits.size(); i++)
			if (const auto end = tasks[i].wait_for(0s)) {
				end->expect_ok();
				ended = true;
			}
		return ended;
	}
	void expect_ended(std::string_view when)
	{
		for (std::size_t i = 0; i < waits.size(); i++) {
			const auto end = tasks[i].wait_for(patience);

			expect(end.has_value(), waits[i]->name + " ends: " + std::string(when));
			end->expect_ok();
		}
	}

private:
	std::vector<std::unique_ptr<timed_wait>> waits;
	std::vector<child> tasks;
};

} // namespace

TEST(a_wait_ends_at_its_date, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		for (const nanoseconds by :
		     { nanoseconds(0s), nanoseconds(5000s), nanoseconds(-5000s) }) {
			step_date(by);

			const auto waits = all_date_waits();
			std::vector<child> tasks;

			for (const auto &wait : waits)
				tasks.emplace_back([&] {
					const watchdog guard;
					const auto deadline = system_now(wait->clock) + soon;

					expect_errno(wait->wait(to_time_value(deadline)), ETIMEDOUT,
						     wait->name);
					expect_ge(system_now(wait->clock), deadline, wait->name);
					expect_le(system_now(wait->clock), deadline + patience,
						  wait->name);
				});
			for (child &task : tasks)
				task.wait_ok();
		}
	});
}

TEST(a_date_in_the_past_ends_a_wait_at_once, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const auto waits = all_date_waits();
		std::vector<child> tasks;

		for (const auto &wait : waits)
			tasks.emplace_back([&] {
				const watchdog guard;
				const auto present = system_now(wait->clock);

				for (const nanoseconds deadline :
				     { present - 1ns, present / 2, 1ns })
					expect_errno(wait->wait(to_time_value(deadline)), ETIMEDOUT,
						     wait->name + " until " + show(deadline));
			});
		for (child &task : tasks)
			task.wait_ok();
	});
}

TEST(a_set_forward_ends_at_once_what_is_due, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		waiting_tasks tasks(2000s);

		tasks.wait_all_block();
		step_date(1000s);
		tasks.expect_still_waiting("nearer");
		step_date(-2000s);
		tasks.expect_still_waiting("set back");
		step_date(4000s);
		tasks.expect_ended("due");
	});
}

TEST(a_set_from_outside_ends_what_is_due, .timeout = 60s)
{
	require_wall_clocks();

	const unique_fd moved = make_wall_namespace(ahead);
	gate started;
	gate set;
	child inside([&] {
		enter(moved);

		waiting_tasks tasks(2000s);

		tasks.wait_all_block();
		started.open();
		set.wait();
		tasks.expect_ended("due");
	});

	started.wait(inside);
	check(set_wall(moved, wall_offset(ahead + 3000s)), "TIMENS_SET_WALL");
	set.open();
	inside.wait_ok();
}

TEST(a_set_back_goes_on_with_a_wait, .timeout = 120s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		bool delayed = false;

		/* Again with more time if one is over before the set. */
		for (nanoseconds due = 500ms; !delayed; due *= 2) {
			const auto up = system_now(CLOCK_BOOTTIME);
			waiting_tasks tasks(due);

			expect_le(due, 20s, "a wait ends in spite of a set back, after");
			if (!tasks.all_block())
				continue;
			step_date(-1000s);
			if (tasks.any_ended())
				continue;

			/* The last of them has been told its time just before the set. */
			wait_until_up(system_now(CLOCK_BOOTTIME) + due + soon);
			tasks.expect_still_waiting("set back at " +
						   show(system_now(CLOCK_BOOTTIME) - up));
			delayed = true;
			step_date(2000s);
			tasks.expect_ended("set forward again");
		}
	});
}

TEST(a_stopped_wait_keeps_its_date, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		for (auto &wait : all_date_waits()) {
			/* That of a ring returns to its caller. */
			if (dynamic_cast<ring_wait *>(wait.get()))
				continue;

			const auto deadline = system_now(wait->clock) + 2000s;
			child task([&] {
				expect_errno(wait->wait(to_time_value(deadline)), ETIMEDOUT,
					     wait->name);
			});

			wait_blocked(task, wait->number);
			expect(stop_and_continue(task), wait->name + " is stopped");
			step_date(-1000s);
			expect_still_blocked(std::span(&task, 1));
			step_date(3500s);

			const auto end = task.wait_for(patience);

			expect(end.has_value(), wait->name + " ends");
			end->expect_ok();
			step_date(-2500s);
		}
	});
}

TEST(waits_follow_a_host_that_is_set_until_the_clock_is_its_own, .timeout = 60s)
{
	require_wall_clocks();
	require_settable_clocks();

	for (const bool own : { false, true }) {
		const unique_fd moved = make_wall_namespace(ahead);
		gate started;
		gate host_set;
		gate seen;
		gate host_is_back;
		child inside([&] {
			enter(moved);
			if (own)
				step_date(0s);

			waiting_tasks tasks(2000s);

			tasks.wait_all_block();
			started.open();
			host_set.wait();
			if (own)
				tasks.expect_still_waiting("its own, the host is set");
			else
				tasks.expect_ended("the host is set");
			seen.open();
			host_is_back.wait();
			if (own) {
				step_date(3000s);
				tasks.expect_ended("it is set");
			}
		});

		started.wait(inside);
		{
			moved_realtime machine;

			machine.move(3000s);
			host_set.open();
			seen.wait(inside);
		}
		host_is_back.open();
		inside.wait_ok();
	}
}

TEST(waits_outside_do_not_notice, .timeout = 60s)
{
	require_wall_clocks();

	waiting_tasks tasks(1000s);

	tasks.wait_all_block();
	in_wall_namespace(0s, [] {
		step_date(5000s);
		step_date(-10'000s);
	});
	tasks.expect_still_waiting("a namespace's clock is set");

	waiting_tasks short_ones(1s);

	in_wall_namespace(0s, [] { step_date(-5000s); });
	short_ones.expect_ended("a namespace's clock is set back");
}

/* Relative ones, of which only the clock could be that of the namespace. */
TEST(relative_waits_do_not_move, .timeout = 60s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		const auto &calls = all_time_calls().front();
		const shared<std::uint32_t> word;
		const auto sleep = [&](clockid_t clock, nanoseconds length) {
			return calls.clock_nanosleep(clock, 0, to_time_value(length), nullptr);
		};
		const auto wait_for_word = [&](nanoseconds length) {
			const auto time = to_time_value(length);

			return calls.futex(&*word, FUTEX_WAIT, 0, &time, nullptr, 0);
		};
		const auto request = [](nanoseconds length) {
			small_ring ring;
			const auto time = to_time_value(length);
			auto &entry = ring.request(IORING_OP_TIMEOUT, 1);

			entry.addr = reinterpret_cast<std::uintptr_t>(&time);
			entry.len = 1;
			entry.timeout_flags = IORING_TIMEOUT_REALTIME;
			expect_eq(ring.wait().res, -ETIME, "a relative timeout of io_uring");
		};
		const struct {
			std::string name;
			long number;
			std::function<void(nanoseconds length)> wait;
		} waits[] = {
			{ "a sleep on CLOCK_REALTIME", calls.clock_nanosleep_number,
			  [&](nanoseconds length) {
				  expect_errno(sleep(CLOCK_REALTIME, length), 0);
			  } },
			{ "a sleep on CLOCK_TAI", calls.clock_nanosleep_number,
			  [&](nanoseconds length) { expect_errno(sleep(CLOCK_TAI, length), 0); } },
			{ "FUTEX_WAIT", calls.futex_number,
			  [&](nanoseconds length) {
				  expect_errno(wait_for_word(length), ETIMEDOUT);
			  } },
			{ "io_uring", SYS_io_uring_enter, request },
		};

		for (const auto &each : waits) {
			child longer([&] { each.wait(1000s); });

			wait_blocked(longer, each.number);
			step_date(5000s);
			expect_still_blocked(std::span(&longer, 1));

			const auto before = system_now(CLOCK_BOOTTIME);
			child shorter([&] { each.wait(100ms); });

			step_date(-5000s);

			const auto end = shorter.wait_for(patience + 100ms);

			expect(end.has_value(), each.name + " ends, set back");
			end->expect_ok();
			expect_ge(system_now(CLOCK_BOOTTIME), before + 100ms, each.name);
		}
	});
}

/* From FUTEX_WAIT_REQUEUE_PI, moved to a lock that is held. */
TEST(a_wait_that_has_moved_to_a_lock_follows_the_date, .timeout = 30s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		for (const auto &calls : all_time_calls()) {
			const held_lock lock;
			wait_requeue_pi wait(CLOCK_REALTIME, calls);
			const auto deadline = date() + 2000s;

			if (!calls.can_express(deadline + 5000s))
				continue;

			child waiting([&] {
				expect_errno(wait.wait(to_time_value(deadline), lock.get()),
					     ETIMEDOUT, wait.name);
			});

			wait_blocked(waiting, wait.number);
			expect_eq(wait.requeue(lock.get()), 1, wait.name + ": moved");
			step_date(1000s);
			expect_still_blocked(std::span(&waiting, 1));
			step_date(2000s);

			const auto end = waiting.wait_for(patience);

			expect(end.has_value(), wait.name + " ends");
			end->expect_ok();
			step_date(-3000s);
		}
	});
}

TEST(waits_end_with_their_tasks, .timeout = 30s)
{
	require_wall_clocks();
	in_each_wall_mode([] {
		{
			waiting_tasks tasks(1000s);

			tasks.wait_all_block();
			/* They are killed here. */
		}
		step_date(5000s);

		waiting_tasks tasks(1000s);

		tasks.wait_all_block();
		step_date(5000s);
		tasks.expect_ended("after others");
	});
}
