// SPDX-License-Identifier: GPL-2.0-only
#include "waiting.hpp"
#include "shifts.hpp"

#include <algorithm>

#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

namespace timens
{

namespace
{

/* A signal just before the call would be lost: it comes again and again. */
void set_alarm(seconds first, std::chrono::microseconds again)
{
	const itimerval times{ { 0, static_cast<suseconds_t>(again.count()) },
			       { static_cast<time_t>(first.count()), 0 } };

	check(setitimer(ITIMER_REAL, &times, nullptr), "setitimer");
}

/* CLD_*; an ended process remains to be waited for. */
int state_change(const child &process, int events)
{
	siginfo_t info;

	check(waitid(P_PID, process.pid(), &info, events | WNOWAIT), "waitid");
	return info.si_code;
}

} // namespace

watchdog::watchdog()
{
	interrupt_on(SIGALRM);
	set_alarm(patience, 100ms);
}

watchdog::~watchdog()
{
	set_alarm(0s, 0ms);
}

void interrupt_on(int signal, int flags)
{
	struct sigaction action {};

	action.sa_handler = [](int) {};
	action.sa_flags = flags;
	check(sigaction(signal, &action, nullptr), "sigaction");
}

void expect_remaining(nanoseconds seen, nanoseconds deadline, nanoseconds before, nanoseconds after,
		      std::string_view what, std::source_location where)
{
	const std::string remaining = std::string(what) + ": what remains";

	expect_le(seen, deadline - before, remaining, where);
	expect_ge(seen, deadline - after, remaining, where);
}

nanoseconds least_remaining(clockid_t clock, const time_calls &calls, const offsets &by)
{
	const auto latest = std::min<seconds>(calls.latest, seconds(far_deadlines[0].tv_sec));

	/* The kernel's own clock may be nearer to its end. */
	return latest - system_now(clock) - abs(offset_of(clock, by)) - patience;
}

bool blocks(const child &process, long system_call)
{
	/* proc_pid_syscall(5): "running", or the number and its arguments. */
	const std::string expected = std::to_string(system_call) + " ";
	const std::string file = process.proc("syscall");
	const unique_fd end = process.pidfd();
	pollfd event{ end.get(), POLLIN, 0 };

	/* Nothing tells when it begins to sleep: ask again each millisecond. */
	while (!read_file(file).starts_with(expected))
		if (check(poll(&event, 1, 1), "poll"))
			return false;
	return true;
}

void wait_blocked(child &process, long system_call)
{
	if (blocks(process, system_call))
		return;
	process.wait_ok();
	throw check_failed("a process ended and was to wait");
}

void expect_still_blocked(std::span<child> processes)
{
	nanoseconds limit = soon;

	for (child &process : processes) {
		if (const auto end = process.wait_for(limit)) {
			end->expect_ok();
			throw check_failed("a process ended and was to wait");
		}
		limit = 0s;
	}
}

bool stop_and_continue(const child &process)
{
	process.kill(SIGSTOP);
	if (state_change(process, WSTOPPED | WEXITED) != CLD_STOPPED)
		return false;
	process.kill(SIGCONT);
	return state_change(process, WCONTINUED | WEXITED) == CLD_CONTINUED;
}

} // namespace timens
