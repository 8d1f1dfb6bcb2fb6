// SPDX-License-Identifier: GPL-2.0-only
#include "process.hpp"

#include <climits>
#include <cstring>
#include <exception>

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace timens
{

namespace
{

/* Where this process reports why it fails: its parent reads it. */
int report_fd = -1;

/* The exit statuses that say "read the report". */
constexpr int exit_failed = 1;

void send_report(const char *text)
{
	std::string line(text);

	/*
	 * At most what a pipe takes at once, so that nobody blocks here. A
	 * newline, as an executed program reports in the same pipe as the
	 * child that was replaced by it.
	 */
	line.resize(std::min<std::size_t>(line.size(), PIPE_BUF - 1));
	line += '\n';
	if (write(report_fd, line.data(), line.size()) < 0)
		_exit(exit_failed);
}

std::string drain(const unique_fd &fd)
{
	char buffer[PIPE_BUF];
	const ssize_t size = read(fd.get(), buffer, sizeof(buffer));
	std::string text(buffer, std::max<ssize_t>(size, 0));

	if (text.ends_with('\n'))
		text.pop_back();
	return text;
}

pid_t start(std::uint64_t flags)
{
	if (!flags)
		return fork();

	clone_args arguments{};

	arguments.flags = flags;
	arguments.exit_signal = SIGCHLD;
	return syscall(SYS_clone3, &arguments, sizeof(arguments));
}

} // namespace

unique_fd::~unique_fd()
{
	if (fd >= 0)
		::close(fd);
}

unique_fd open_file(const std::string &path, int flags, std::source_location where)
{
	return unique_fd(check(::open(path.c_str(), flags | O_CLOEXEC), "open " + path, where));
}

std::string read_file(const std::string &path, std::source_location where)
{
	const unique_fd file = open_file(path, O_RDONLY, where);
	std::string text;
	char buffer[4096];

	while (const auto size =
		       check(read(file.get(), buffer, sizeof(buffer)), "read " + path, where))
		text.append(buffer, size);
	return text;
}

bool ending::exited_with(int code) const
{
	return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

bool ending::killed_by(int signal) const
{
	return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

std::string ending::text() const
{
	if (!report.empty())
		return report;
	if (WIFSIGNALED(status))
		return "killed by SIG" + std::string(sigabbrev_np(WTERMSIG(status)) ?: "?");
	return "exited with status " + std::to_string(WEXITSTATUS(status));
}

void ending::expect_ok() const
{
	if (exited_with(0))
		return;
	if (exited_with(exit_skipped))
		skip(report);
	throw check_failed::reported(text());
}

child::child(const std::function<void()> &body, std::uint64_t flags, std::source_location where)
{
	int ends[2];

	check(pipe2(ends, O_CLOEXEC | O_NONBLOCK), "pipe2", where);
	report = unique_fd(ends[0]);

	unique_fd write_end(ends[1]);

	id = check(start(flags), flags ? "clone3" : "fork", where);
	if (!id) {
		report.close();
		_exit(run_reporting(body, write_end.get()));
	}
}

child child::adopt(pid_t pid)
{
	child adopted;

	adopted.id = pid;
	return adopted;
}

child::child(child &&other) noexcept
	: id(std::exchange(other.id, 0))
	, report(std::move(other.report))
{
}

child &child::operator=(child other) noexcept
{
	std::swap(id, other.id);
	std::swap(report, other.report);
	return *this;
}

child::~child()
{
	/* One that may not be killed is left to the harness. */
	if (id && !::kill(id, SIGKILL))
		waitpid(id, nullptr, __WALL);
}

unique_fd child::pidfd() const
{
	return unique_fd(check(syscall(SYS_pidfd_open, id, 0), "pidfd_open"));
}

std::string child::proc(std::string_view name) const
{
	return "/proc/" + std::to_string(id) + "/" + std::string(name);
}

void child::kill(int signal) const
{
	check(::kill(id, signal), "kill");
}

ending child::wait()
{
	int status;

	check(waitpid(id, &status, __WALL), "waitpid");
	id = 0;
	return { status, drain(report) };
}

std::optional<ending> child::wait_for(nanoseconds limit)
{
	const unique_fd process = pidfd();
	pollfd exit{ process.get(), POLLIN, 0 };
	const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(limit).count();

	if (!check(poll(&exit, 1, timeout), "poll"))
		return {};
	return wait();
}

void child::wait_exited() const
{
	siginfo_t info;

	check(waitid(P_PID, id, &info, WEXITED | WNOWAIT | __WALL), "waitid");
}

pid_t clone_with(unsigned long flags)
{
#ifdef __s390__
	return check(syscall(SYS_clone, 0, flags, 0, 0, 0), "clone");
#else
	return check(syscall(SYS_clone, flags, 0, 0, 0, 0), "clone");
#endif
}

outcome try_clone3(std::uint64_t flags)
{
	clone_args arguments{};

	arguments.flags = flags;
	arguments.exit_signal = SIGCHLD;

	const outcome result = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (result.value == 0)
		_exit(0);
	if (result.value > 0)
		waitpid(result.value, nullptr, __WALL);
	return result;
}

#ifdef __x86_64__

namespace
{

struct shared_task {
	const std::function<void()> &body;
	std::exception_ptr failure;
};

/* The first and last function of the new task. */
[[gnu::noinline, noreturn]] void run_and_exit(shared_task *task)
{
	try {
		task->body();
	} catch (...) {
		task->failure = std::current_exception();
	}
	/* Only this task: it may be a thread. */
	for (;;)
		syscall(SYS_exit, 0);
}

/*
 * The new task runs on the stack of this function, below its frame, while the
 * caller waits. So the call is made here, not in a function that returns, and
 * the new task leaves the frame alone.
 */
[[gnu::noinline]] long clone_sharing(const clone_args *arguments, shared_task *task)
{
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(SYS_clone3), "D"(arguments), "S"(sizeof(*arguments))
		     : "rcx", "r11", "memory");
	if (result == 0)
		run_and_exit(task);
	return result;
}

} // namespace

void run_sharing_memory(const std::function<void()> &body, std::uint64_t flags)
{
	clone_args arguments{};
	shared_task task{ body, nullptr };

	arguments.flags = CLONE_VM | CLONE_VFORK | flags;
	arguments.exit_signal = flags & CLONE_THREAD ? 0 : SIGCHLD;

	const long result = clone_sharing(&arguments, &task);

	if (result < 0)
		throw system_failure("clone3", -result);

	std::optional<ending> end;

	if (!(flags & CLONE_THREAD))
		end = child::adopt(result).wait();
	if (task.failure)
		std::rethrow_exception(task.failure);
	if (end)
		end->expect_ok();
}

#else

void run_sharing_memory(const std::function<void()> &, std::uint64_t)
{
	skip("needs x86-64");
}

#endif

int run_reporting(const std::function<void()> &body, int fd)
{
	report_fd = fd;
	try {
		body();
		return 0;
	} catch (const skipped &skip) {
		send_report(skip.what());
		return exit_skipped;
	} catch (const std::exception &failure) {
		send_report(failure.what());
		return exit_failed;
	}
}

std::vector<std::string> helper_command(const std::string &name,
					const std::vector<std::string> &arguments)
{
	std::vector<std::string> command{ "/proc/self/exe", "--helper", std::to_string(report_fd),
					  name };

	check(fcntl(report_fd, F_SETFD, 0), "fcntl F_SETFD");
	command.insert(command.end(), arguments.begin(), arguments.end());
	return command;
}

std::vector<char *> pointers_to(std::vector<std::string> &strings)
{
	std::vector<char *> pointers;

	for (std::string &string : strings)
		pointers.push_back(string.data());
	pointers.push_back(nullptr);
	return pointers;
}

void exec_helper(const std::string &name, const std::vector<std::string> &arguments)
{
	auto command = helper_command(name, arguments);

	execv(command[0].c_str(), pointers_to(command).data());
	throw system_failure("execv", errno);
}

pipe_ends::pipe_ends()
{
	int ends[2];

	check(pipe2(ends, O_CLOEXEC), "pipe2");
	read_end = unique_fd(ends[0]);
	write_end = unique_fd(ends[1]);
}

void pipe_ends::send(const void *data, std::size_t size)
{
	check(write(write_end.get(), data, size), "write to a pipe");
}

void pipe_ends::receive(void *data, std::size_t size, child *sender, std::source_location where)
{
	wait_readable(sender, where);
	check(read(read_end.get(), data, size), "read from a pipe", where);
}

void pipe_ends::wait_readable(child *sender, std::source_location where)
{
	const unique_fd process = sender ? sender->pidfd() : unique_fd();
	pollfd events[] = { { read_end.get(), POLLIN, 0 }, { process.get(), POLLIN, 0 } };

	write_end.close();
	check(poll(events, 2, -1), "poll");
	if (events[0].revents & POLLIN)
		return;
	if (sender)
		sender->wait_ok();
	throw check_failed("the other process ended without a word", where);
}

process_barrier::process_barrier(unsigned int parties)
{
	pthread_barrierattr_t attributes;

	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&*barrier, &attributes, parties);
	pthread_barrierattr_destroy(&attributes);
}

void process_barrier::wait()
{
	pthread_barrier_wait(&*barrier);
}

} // namespace timens
