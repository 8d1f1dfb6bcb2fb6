// SPDX-License-Identifier: GPL-2.0-only
/*
 * Child processes, and what they need to talk and to wait for each other.
 * Waiting is for a condition, never for a while.
 */
#pragma once

#include "harness.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/types.h>

namespace timens
{

/* Owns a file descriptor. */
class unique_fd {
public:
	unique_fd() = default;
	explicit unique_fd(int fd)
		: fd(fd)
	{
	}
	unique_fd(unique_fd &&other) noexcept
		: fd(std::exchange(other.fd, -1))
	{
	}
	unique_fd &operator=(unique_fd other) noexcept
	{
		std::swap(fd, other.fd);
		return *this;
	}
	~unique_fd();

	int get() const
	{
		return fd;
	}
	void close()
	{
		*this = unique_fd();
	}

private:
	int fd = -1;
};

/* open(2) with O_CLOEXEC; throws system_failure. */
unique_fd open_file(const std::string &path, int flags,
		    std::source_location where = std::source_location::current());

/* The whole of a file, read(2) to its end; throws system_failure. */
std::string read_file(const std::string &path,
		      std::source_location where = std::source_location::current());

/* How a process ended, wait(2), and the failure that it reported. */
struct ending {
	int status;
	std::string report;

	bool exited_with(int code) const;
	bool killed_by(int signal) const;
	/* The report, or "exited with status 3", "killed by SIGSEGV". */
	std::string text() const;
	/* Throws the child's failure, or its skip, in the waiting process. */
	void expect_ok() const;
};

/*
 * A forked child that runs a function. An exception that leaves the function
 * ends the child and is thrown again by wait_ok() in the parent. A child that
 * nobody waited for is killed when its object goes.
 */
class child {
public:
	/*
	 * With flags: clone3(2). CLONE_VM is not for this, as the function
	 * would run on the stack of its parent. Throws system_failure.
	 */
	explicit child(const std::function<void()> &body, std::uint64_t flags = 0,
		       std::source_location where = std::source_location::current());
	/* Takes over a process that was made by another call. */
	static child adopt(pid_t pid);
	child(child &&other) noexcept;
	child &operator=(child other) noexcept;
	~child();

	pid_t pid() const
	{
		return id;
	}
	/* A new descriptor of the process, pidfd_open(2). */
	unique_fd pidfd() const;
	/* "/proc/PID/" + name */
	std::string proc(std::string_view name) const;

	void kill(int signal = SIGKILL) const;
	[[nodiscard]] ending wait();
	/* Empty when it still runs after the limit; 0 asks at once. */
	[[nodiscard]] std::optional<ending> wait_for(nanoseconds limit);
	/* Waits until it is a zombie, and leaves it one. */
	void wait_exited() const;
	void wait_ok()
	{
		wait().expect_ok();
	}

private:
	child() = default;

	pid_t id = 0; /* 0 when there is nothing to wait for */
	unique_fd report;
};

/*
 * The system call clone() with these flags, the signal at exit among them, and a
 * copy of the caller's stack; 0 in the child. The C library's takes no copy.
 */
pid_t clone_with(unsigned long flags);

/*
 * What clone3(2) says to these flags. A child that is made all the same does
 * nothing.
 */
outcome try_clone3(std::uint64_t flags);

/*
 * Runs the body in a new task that shares the memory of the caller, who waits
 * for its end or its execve(2): clone3(2) with CLONE_VM | CLONE_VFORK | flags.
 * An exception that leaves the body is thrown here. Only for x86-64; skips
 * elsewhere.
 */
void run_sharing_memory(const std::function<void()> &body, std::uint64_t flags = 0);

/*
 * Replaces the calling program by a copy of itself that runs HELPER(name).
 * Failures of the helper reach the parent of the calling child, as if they
 * had been thrown here.
 */
[[noreturn]] void exec_helper(const std::string &name,
			      const std::vector<std::string> &arguments = {});

/*
 * The argument vector for that, where the call is another than execv(3). From
 * here on the calling child's report passes through execve(2).
 */
std::vector<std::string> helper_command(const std::string &name,
					const std::vector<std::string> &arguments = {});

/* execve(2) and its relatives want pointers; ends with nullptr. */
std::vector<char *> pointers_to(std::vector<std::string> &strings);

/*
 * A pipe. The first wait makes the waiting process a reader for good: it sees
 * the end of the last writer, and throws check_failed. Where the writer is a
 * child, name it: its own failure is thrown then.
 */
class pipe_ends {
public:
	pipe_ends();
	void send(const void *data, std::size_t size);
	void receive(void *data, std::size_t size, child *sender, std::source_location where);
	/* Waits until something is there, and leaves it there. */
	void wait_readable(child *sender, std::source_location where);

private:
	unique_fd read_end;
	unique_fd write_end;
};

/* Whole values from one process to another. */
template <class value>
requires std::is_trivially_copyable_v<value>
class channel {
public:
	void send(const value &sent)
	{
		ends.send(&sent, sizeof(sent));
	}
	value receive(std::source_location where = std::source_location::current())
	{
		return receive_from(nullptr, where);
	}
	value receive(child &sender, std::source_location where = std::source_location::current())
	{
		return receive_from(&sender, where);
	}

private:
	value receive_from(child *sender, std::source_location where)
	{
		value received;

		ends.receive(&received, sizeof(received), sender, where);
		return received;
	}

	pipe_ends ends;
};

/* Closed until some process opens it, then open for all, and for good. */
class gate {
public:
	void open()
	{
		ends.send("", 1);
	}
	void wait(std::source_location where = std::source_location::current())
	{
		ends.wait_readable(nullptr, where);
	}
	void wait(child &opener, std::source_location where = std::source_location::current())
	{
		ends.wait_readable(&opener, where);
	}

private:
	pipe_ends ends;
};

/* Makes the process multi-threaded while it exists. */
class idle_thread {
public:
	idle_thread()
		: thread([this] { stop.wait(false); })
	{
	}
	~idle_thread()
	{
		stop = true;
		stop.notify_one();
		thread.join();
	}

private:
	std::atomic<bool> stop = false;
	std::thread thread;
};

/* An object in memory that children share; it is made before they are. */
template <class value> class shared {
public:
	template <class... arguments> explicit shared(arguments &&...constructor)
		: object(new (map(sizeof(value))) value(std::forward<arguments>(constructor)...))
	{
	}
	shared(const shared &) = delete;
	shared &operator=(const shared &) = delete;
	~shared()
	{
		munmap(object, sizeof(value));
	}
	value &operator*() const
	{
		return *object;
	}
	value *operator->() const
	{
		return object;
	}

private:
	static void *map(std::size_t size)
	{
		void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			throw system_failure("mmap", errno);
		return memory;
	}

	value *object;
};

/* pthread_barrier_wait(3) between processes. */
class process_barrier {
public:
	explicit process_barrier(unsigned int parties);
	void wait();

private:
	shared<pthread_barrier_t> barrier;
};

/* Runs the body as a child does; returns its exit status. For harness.cpp. */
int run_reporting(const std::function<void()> &body, int report_fd);

/* The exit status of a child that skipped; the one of kselftest. */
constexpr int exit_skipped = 4;

} // namespace timens
