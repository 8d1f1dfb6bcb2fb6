// SPDX-License-Identifier: GPL-2.0-only
/* perf_event_open(2): the times of records, on a clock of choice. */
#include "process.hpp"
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <cstring>

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

constexpr auto host_clock_only = "records tell the host's clock";

/* The time of all records is their last field, but for samples: the first. */
constexpr perf_event_attr timed(clockid_t clock)
{
	perf_event_attr attributes{};

	attributes.size = sizeof(attributes);
	attributes.type = PERF_TYPE_SOFTWARE;
	attributes.config = PERF_COUNT_SW_DUMMY;
	attributes.sample_type = PERF_SAMPLE_TIME;
	attributes.sample_id_all = 1;
	attributes.use_clockid = 1;
	attributes.clockid = clock;
	return attributes;
}

/* Whom an event counts, and the leader of its group. */
struct event_target {
	pid_t task = 0; /* the caller */
	int cpu = -1; /* all */
	int group = -1; /* its own */
};

outcome try_open_event(const perf_event_attr &attributes, const event_target &target)
{
	return syscall(SYS_perf_event_open, &attributes, target.task, target.cpu, target.group,
		       PERF_FLAG_FD_CLOEXEC);
}

unique_fd open_event(const perf_event_attr &attributes, const event_target &target)
{
	const outcome fd = try_open_event(attributes, target);

	if (fd.error == ENOSYS)
		skip("the kernel has no perf_event_open(2)");
	return unique_fd(static_cast<int>(check(fd, "perf_event_open")));
}

/* An event of the calling task and its buffer. */
class perf_event {
public:
	explicit perf_event(const perf_event_attr &attributes, int cpu = -1)
		: fd(open_event(attributes, { .cpu = cpu }))
		, memory(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0))
	{
		if (memory == MAP_FAILED)
			throw system_failure("mmap of an event", errno);
	}
	perf_event(const perf_event &) = delete;
	perf_event &operator=(const perf_event &) = delete;
	~perf_event()
	{
		munmap(memory, size);
	}
	int descriptor() const
	{
		return fd.get();
	}
	bool has_records() const
	{
		return std::atomic_ref(page()->data_head).load(std::memory_order_acquire) !=
		       page()->data_tail;
	}
	/*
	 * The time of the next record of this type. No test writes so many that
	 * the buffer wraps around.
	 */
	nanoseconds next(unsigned int type) const
	{
		while (has_records()) {
			const auto *record = static_cast<const char *>(memory) +
					     page()->data_offset + page()->data_tail;
			perf_event_header header{};
			std::uint64_t time = 0;

			std::memcpy(&header, record, sizeof(header));
			page()->data_tail += header.size;
			std::memcpy(&time,
				    type == PERF_RECORD_SAMPLE
					    ? record + sizeof(header)
					    : record + header.size - sizeof(time),
				    sizeof(time));
			if (header.type == type)
				return nanoseconds(time);
		}
		throw check_failed("no record of type " + std::to_string(type));
	}

private:
	static constexpr std::size_t page_size = 4096;
	static constexpr std::size_t size = 17 * page_size;

	perf_event_mmap_page *page() const
	{
		return static_cast<perf_event_mmap_page *>(memory);
	}

	unique_fd fd;
	void *memory;
};

void rename_task()
{
	check(prctl(PR_SET_NAME, "renamed"), "prctl(PR_SET_NAME)");
}

/* The fast clocks of perf can differ a little from the others. */
constexpr nanoseconds unit = 1us;

constexpr clockid_t record_clocks[] = {
	CLOCK_REALTIME,
	CLOCK_MONOTONIC,
	CLOCK_MONOTONIC_RAW,
	CLOCK_BOOTTIME,
};

} // namespace

TEST(the_time_of_a_record_is_on_the_clock_of_who_opened_the_event,
     .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		for (clockid_t clock : record_clocks) {
			auto attributes = timed(clock);

			attributes.comm = 1;

			const perf_event event(attributes);
			const period renaming(clock);

			rename_task();
			renaming.expect_contains(event.next(PERF_RECORD_COMM), clock_name(clock),
						 unit);
		}
	});
}

TEST(the_time_of_a_sample_is_on_the_clock_of_who_opened_the_event, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		for (clockid_t clock : record_clocks) {
			auto attributes = timed(clock);

			attributes.config = PERF_COUNT_SW_CPU_CLOCK;
			attributes.sample_period = 1'000'000;

			const period sampling(clock);
			const perf_event event(attributes);

			while (!event.has_records() && now(clock) < sampling.begin + patience)
				;
			sampling.expect_contains(event.next(PERF_RECORD_SAMPLE), clock_name(clock),
						 unit);
		}
	});
}

TEST(the_time_of_a_fork_is_on_the_clock_of_who_opened_the_event,
     .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		for (clockid_t clock : record_clocks) {
			auto attributes = timed(clock);

			/* The record's own time is the last field then. */
			attributes.sample_id_all = 0;
			attributes.task = 1;

			const perf_event event(attributes);
			const period forking(clock);

			child([] {}).wait_ok();
			forking.expect_contains(event.next(PERF_RECORD_FORK), clock_name(clock),
						unit);
		}
	});
}

TEST(an_inherited_event_stays_on_the_clock_of_who_opened_it, .timeout = 30s,
     .differs_from_stock = host_clock_only)
{
	from_each_viewpoint([](const shift &) {
		cpu_set_t first;

		CPU_ZERO(&first);
		CPU_SET(0, &first);
		check(sched_setaffinity(0, sizeof(first), &first), "sched_setaffinity");
		for (clockid_t clock : record_clocks) {
			auto attributes = timed(clock);

			attributes.comm = 1;
			attributes.inherit = 1;

			const perf_event event(attributes, 0);
			const period renaming(clock);

			child(rename_task).wait_ok();
			renaming.expect_contains(event.next(PERF_RECORD_COMM), clock_name(clock),
						 unit);
		}
	});
}

TEST(an_event_from_outside_stays_on_the_clock_of_outside)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	check(sched_setaffinity(0, sizeof(first), &first), "sched_setaffinity");
	for (clockid_t clock : record_clocks) {
		auto attributes = timed(clock);

		attributes.comm = 1;
		attributes.inherit = 1;

		const perf_event event(attributes, 0);
		const period renaming(clock);

		in_namespace(some_offsets, rename_task);
		renaming.expect_contains(event.next(PERF_RECORD_COMM), clock_name(clock), unit);
	}
}

namespace
{

/* A clock that a time namespace moves is another one in each of them. */
int error_of_mixing(clockid_t clock)
{
	return offset_of(clock, some_offsets) == 0ns ? 0 : EINVAL;
}

void expect_error(const outcome &result, int error, const std::string &what)
{
	expect_eq(errno_name(result.error), errno_name(error), what);
}

/* In a process of its own, as the descriptor is left open. */
outcome try_join_buffer(clockid_t clock, pid_t counted, const perf_event &other)
{
	const unique_fd event = open_event(timed(clock), { .task = counted });

	return ioctl(event.get(), PERF_EVENT_IOC_SET_OUTPUT, other.descriptor());
}

outcome try_join_group(clockid_t clock, pid_t counted, const unique_fd &leader)
{
	return try_open_event(timed(clock), { .task = counted, .group = leader.get() });
}

} // namespace

TEST(a_buffer_has_the_records_of_one_time_namespace,
     .differs_from_stock = "there is one clock for all")
{
	const pid_t counted = getpid();

	for (clockid_t clock : record_clocks) {
		const std::string name = clock_name(clock);
		const perf_event other(timed(clock));

		child([&] {
			expect_error(try_join_buffer(clock, counted, other), 0, name);
		}).wait_ok();
		in_namespace({}, [&] {
			expect_error(try_join_buffer(clock, counted, other), 0,
				     name + ", no offsets");
		});
		in_namespace(some_offsets, [&] {
			const perf_event mine(timed(clock));

			expect_error(try_join_buffer(clock, counted, other), error_of_mixing(clock),
				     name + ", offsets");
			expect_error(try_join_buffer(clock, getpid(), mine), 0,
				     name + ", both inside");
		});
	}
}

TEST(a_group_has_the_events_of_one_time_namespace,
     .differs_from_stock = "there is one clock for all")
{
	const pid_t counted = getpid();

	for (clockid_t clock : record_clocks) {
		const std::string name = clock_name(clock);
		const unique_fd leader = open_event(timed(clock), {});

		child([&] {
			expect_error(try_join_group(clock, counted, leader), 0, name);
		}).wait_ok();
		in_namespace(some_offsets, [&] {
			const unique_fd mine = open_event(timed(clock), {});

			expect_error(try_join_group(clock, counted, leader), error_of_mixing(clock),
				     name + ", offsets");
			expect_error(try_join_group(clock, getpid(), mine), 0,
				     name + ", both inside");
		});
	}
}
