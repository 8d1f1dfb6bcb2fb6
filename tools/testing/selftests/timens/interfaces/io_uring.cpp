// SPDX-License-Identifier: GPL-2.0-only
/* io_uring(7): when requests and waits with a deadline end. */
#include "viewpoints.hpp"
#include "waiting.hpp"

#include <array>

#include <fcntl.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

/* Of include/uapi/linux/io_uring.h since 6.12. */
constexpr unsigned int register_clock = 29; /* IORING_REGISTER_CLOCK */
constexpr unsigned int enter_abs_timer = 1U << 5; /* IORING_ENTER_ABS_TIMER */
struct clock_register { /* struct io_uring_clock_register */
	std::uint32_t clockid;
	std::uint32_t reserved[3];
};

/* How far ahead deadlines are. */
constexpr nanoseconds ahead = 50ms;

struct timeout_clock {
	clockid_t id;
	unsigned int flag;
};
constexpr timeout_clock timeout_clocks[] = {
	{ CLOCK_MONOTONIC, 0 },
	{ CLOCK_BOOTTIME, IORING_TIMEOUT_BOOTTIME },
	{ CLOCK_REALTIME, IORING_TIMEOUT_REALTIME },
};

/* liburing returns errors instead of leaving them in errno. */
int succeed(int returned, std::string_view call,
	    std::source_location where = std::source_location::current())
{
	if (returned < 0)
		throw system_failure(call, -returned, where);
	return returned;
}

struct completion {
	std::uint64_t request;
	int result;
};

class ring {
public:
	explicit ring(unsigned int flags = 0)
	{
		const int error = io_uring_queue_init(8, &uring, flags);

		if (error == -ENOSYS)
			skip("the kernel has no io_uring");
		succeed(error, "io_uring_setup");
	}
	ring(const ring &) = delete;
	ring &operator=(const ring &) = delete;
	~ring()
	{
		io_uring_queue_exit(&uring);
	}
	int fd() const
	{
		return uring.ring_fd;
	}
	/* A request that is still to be prepared; it is named by its data. */
	io_uring_sqe *request()
	{
		io_uring_sqe *entry = io_uring_get_sqe(&uring);

		expect(entry, "the ring has room for a request");
		return entry;
	}
	void submit()
	{
		succeed(io_uring_submit(&uring), "io_uring_submit");
	}
	completion wait(std::string_view what)
	{
		auto limit = to_timespec<__kernel_timespec>(patience);
		io_uring_cqe *entry;
		const int error = io_uring_wait_cqe_timeout(&uring, &entry, &limit);

		expect(error != -ETIME, std::string(what) + " ends");
		succeed(error, "io_uring_wait_cqe_timeout");

		const completion completed{ entry->user_data, entry->res };

		io_uring_cqe_seen(&uring, entry);
		return completed;
	}

private:
	io_uring uring;
};

/* Names of requests. */
constexpr std::uint64_t timeout_request = 1;
constexpr std::uint64_t read_request = 2;
constexpr std::uint64_t update_request = 3;

void expect_result(const completion &completed, std::uint64_t request, int result,
		   const std::string &what)
{
	expect_eq(completed.request, request, what + ": which request ended");
	expect_eq(completed.result, result, what + ": result");
}

/* Is it just after the deadline? */
void expect_due(clockid_t clock, nanoseconds deadline, const std::string &what)
{
	const auto present = now(clock);

	expect_ge(present, deadline, what + " ends at its deadline, not before");
	expect_le(present, deadline + patience, what + " ends at its deadline, not after");
}

void each_timeout_clock(const std::function<void(const timeout_clock &, const std::string &)> &body)
{
	for (const auto &clock : timeout_clocks)
		body(clock, "a request on " + clock_name(clock.id));
}

void expect_timeout_due(ring &ring, const timeout_clock &clock, const std::string &what,
			unsigned int request_flags = 0)
{
	const auto deadline = now(clock.id) + ahead;
	auto time = to_timespec<__kernel_timespec>(deadline);
	io_uring_sqe *request = ring.request();

	io_uring_prep_timeout(request, &time, 0, IORING_TIMEOUT_ABS | clock.flag);
	io_uring_sqe_set_flags(request, request_flags);
	io_uring_sqe_set_data64(request, timeout_request);
	ring.submit();
	expect_result(ring.wait(what), timeout_request, -ETIME, what);
	expect_due(clock.id, deadline, what);
}

/* A request that never ends by itself, and its timeout. */
class limited_read {
public:
	limited_read(ring &ring, __kernel_timespec &time, unsigned int flags)
	{
		std::array<int, 2> fds;

		check(pipe2(fds.data(), O_CLOEXEC), "pipe2");
		read_end = unique_fd(fds[0]);
		write_end = unique_fd(fds[1]);

		io_uring_sqe *request = ring.request();

		io_uring_prep_read(request, read_end.get(), &byte, sizeof(byte), 0);
		io_uring_sqe_set_flags(request, IOSQE_IO_LINK);
		io_uring_sqe_set_data64(request, read_request);
		request = ring.request();
		io_uring_prep_link_timeout(request, &time, flags);
		io_uring_sqe_set_data64(request, timeout_request);
		ring.submit();
	}
	/* Waits until both have ended, the read by the timeout. */
	void expect_cancelled(ring &ring, const std::string &what)
	{
		for (int left = 2; left > 0; left--) {
			const auto completed = ring.wait(what);

			if (completed.request == read_request)
				expect(completed.result == -ECANCELED || completed.result == -EINTR,
				       what + ": the read is cancelled");
			else
				expect_result(completed, timeout_request, -ETIME, what);
		}
	}

private:
	unique_fd read_end;
	unique_fd write_end;
	char byte;
};

void update(ring &ring, __kernel_timespec &time, unsigned int flags, const std::string &what)
{
	io_uring_sqe *request = ring.request();

	io_uring_prep_timeout_update(request, &time, timeout_request, IORING_TIMEOUT_ABS | flags);
	io_uring_sqe_set_data64(request, update_request);
	ring.submit();
	expect_result(ring.wait(what + ": the update"), update_request, 0, what);
}

/* The wait for a completion that does not come; returns its error. */
int wait_until(const ring &ring, nanoseconds deadline)
{
	auto time = to_timespec<__kernel_timespec>(deadline);
	io_uring_getevents_arg argument{};

	argument.ts = reinterpret_cast<std::uintptr_t>(&time);
	return outcome(syscall(SYS_io_uring_enter, ring.fd(), 0, 1,
			       IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | enter_abs_timer,
			       &argument, sizeof(argument)))
		.error;
}

} // namespace

TEST(a_timeout_expires_at_its_deadline, .timeout = 60s,
     .differs_from_stock = "io_uring takes deadlines on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		ring ring;

		each_timeout_clock([&](const timeout_clock &clock, const std::string &what) {
			expect_timeout_due(ring, clock, what);
			expect_timeout_due(ring, clock, what + ", asynchronous", IOSQE_ASYNC);
		});
	});
}

TEST(a_timeout_submitted_by_the_polling_thread_expires_at_its_deadline, .timeout = 60s,
     .differs_from_stock = "io_uring takes deadlines on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		ring ring(IORING_SETUP_SQPOLL);

		each_timeout_clock([&](const timeout_clock &clock, const std::string &what) {
			expect_timeout_due(ring, clock, what);
		});
	});
}

TEST(a_deadline_is_on_the_clock_of_who_submits_it, .timeout = 30s,
     .differs_from_stock = "io_uring takes deadlines on the host's clock")
{
	const shared<ring> ring;

	from_each_viewpoint([&](const shift &) {
		each_timeout_clock([&](const timeout_clock &clock, const std::string &what) {
			expect_timeout_due(*ring, clock, what);
		});
	});
	each_timeout_clock([&](const timeout_clock &clock, const std::string &what) {
		expect_timeout_due(*ring, clock, what + " of the creator");
	});
}

TEST(a_linked_timeout_cancels_its_request_at_its_deadline, .timeout = 60s,
     .differs_from_stock = "io_uring takes deadlines on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		ring ring;

		each_timeout_clock([&](const timeout_clock &clock, const std::string &what) {
			const auto deadline = now(clock.id) + ahead;
			auto time = to_timespec<__kernel_timespec>(deadline);
			limited_read read(ring, time, IORING_TIMEOUT_ABS | clock.flag);

			read.expect_cancelled(ring, what);
			expect_due(clock.id, deadline, what);
		});
	});
}

TEST(an_updated_timeout_expires_at_its_new_deadline, .timeout = 60s,
     .differs_from_stock = "io_uring takes deadlines on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		ring ring;

		each_timeout_clock([&](const timeout_clock &clock, const std::string &what) {
			auto time = to_timespec<__kernel_timespec>(1000s);
			io_uring_sqe *request = ring.request();

			io_uring_prep_timeout(request, &time, 0, clock.flag);
			io_uring_sqe_set_data64(request, timeout_request);
			ring.submit();

			const auto deadline = now(clock.id) + 4 * ahead;

			time = to_timespec<__kernel_timespec>(deadline);
			update(ring, time, 0, what);
			expect_result(ring.wait(what), timeout_request, -ETIME, what);
			expect_due(clock.id, deadline, what);
		});
	});
}

TEST(an_updated_linked_timeout_expires_at_its_new_deadline, .timeout = 60s,
     .differs_from_stock = "io_uring takes deadlines on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		ring ring;

		each_timeout_clock([&](const timeout_clock &clock, const std::string &what) {
			auto time = to_timespec<__kernel_timespec>(1000s);
			limited_read read(ring, time, clock.flag);
			const auto deadline = now(clock.id) + 4 * ahead;

			time = to_timespec<__kernel_timespec>(deadline);
			update(ring, time, IORING_LINK_TIMEOUT_UPDATE, what);
			read.expect_cancelled(ring, what);
			expect_due(clock.id, deadline, what);
		});
	});
}

TEST(relative_timeouts_run_as_long_as_outside, .timeout = 30s)
{
	from_each_viewpoint([](const shift &) {
		ring ring;

		each_timeout_clock([&](const timeout_clock &clock, const std::string &what) {
			auto time = to_timespec<__kernel_timespec>(ahead);
			io_uring_sqe *request = ring.request();
			const auto start = now(clock.id);

			io_uring_prep_timeout(request, &time, 0, clock.flag);
			io_uring_sqe_set_data64(request, timeout_request);
			ring.submit();
			expect_result(ring.wait(what), timeout_request, -ETIME, what);
			expect_due(clock.id, start + ahead, what);
		});
	});
}

TEST(a_wait_for_completions_ends_at_its_deadline, .timeout = 60s,
     .differs_from_stock = "io_uring_enter takes deadlines on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		ring ring;

		for (clockid_t clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME }) {
			clock_register chosen{ static_cast<std::uint32_t>(clock), {} };
			const std::string what = "a wait on " + clock_name(clock);

			check(syscall(SYS_io_uring_register, ring.fd(), register_clock, &chosen, 0),
			      "io_uring_register IORING_REGISTER_CLOCK");

			const watchdog limit;
			const auto deadline = now(clock) + ahead;

			expect_eq(errno_name(wait_until(ring, deadline)), errno_name(ETIME), what);
			expect_due(clock, deadline, what);
		}
	});
}

/*
 * A linked request is carried out long after it was submitted, when its submitter
 * can be elsewhere. The deadline was on the clock that the submitter had.
 */
TEST(an_update_is_on_the_clock_of_who_submitted_it, .timeout = 60s)
{
	for (const auto &clock : timeout_clocks)
		child([&] {
			const std::string what = "a request on " + clock_name(clock.id);
			const unique_fd elsewhere = make_namespace(some_offsets);
			std::array<int, 2> fds;
			char byte = 0;
			ring ring;

			check(pipe2(fds.data(), O_CLOEXEC), "pipe2");

			auto time = to_timespec<__kernel_timespec>(1000s);
			io_uring_sqe *request = ring.request();

			io_uring_prep_timeout(request, &time, 0, clock.flag);
			io_uring_sqe_set_data64(request, timeout_request);
			ring.submit();

			const auto deadline = now(clock.id) + 2s;
			auto later = to_timespec<__kernel_timespec>(deadline);

			request = ring.request();
			io_uring_prep_read(request, fds[0], &byte, sizeof(byte), 0);
			io_uring_sqe_set_flags(request, IOSQE_IO_LINK);
			io_uring_sqe_set_data64(request, read_request);
			request = ring.request();
			io_uring_prep_timeout_update(request, &later, timeout_request,
						     IORING_TIMEOUT_ABS);
			io_uring_sqe_set_data64(request, update_request);
			ring.submit();

			enter(elsewhere);
			check(write(fds[1], &byte, sizeof(byte)), "write to a pipe");
			expect_result(ring.wait(what), read_request, sizeof(byte), what);
			expect_result(ring.wait(what), update_request, 0, what);
			expect_result(ring.wait(what), timeout_request, -ETIME, what);
			expect_due(clock.id, deadline + offset_of(clock.id, some_offsets), what);
		}).wait_ok();
}
