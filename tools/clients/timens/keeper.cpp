// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tree of processes that live by the clock, to be frozen and moved.
 *
 *	keeper JOURNAL SECONDS
 *
 * Each child arms one timer, or waits, until the same moment on its clock, some
 * seconds ahead. The parent reads all clocks four times a second, driven by a
 * periodic timer. Everything is written down in the journal, a line of JSON
 * each, times in nanoseconds. Ends when the last child has, with 1 if one failed.
 */
#include "../../../vm/system.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <linux/futex.h>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <vector>

namespace guest
{

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr auto beat = 250ms;

timespec to_timespec(nanoseconds time)
{
	const auto whole = std::chrono::floor<seconds>(time);

	return { whole.count(), (time - whole).count() };
}

nanoseconds to_nanoseconds(const timespec &time)
{
	return seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

nanoseconds now(clockid_t clock)
{
	timespec time;

	check(clock_gettime(clock, &time), "clock_gettime");
	return to_nanoseconds(time);
}

nanoseconds now_by_syscall(clockid_t clock)
{
	timespec time;

	check(syscall(SYS_clock_gettime, clock, &time), "clock_gettime");
	return to_nanoseconds(time);
}

const char *name_of(clockid_t clock)
{
	return clock == CLOCK_MONOTONIC ? "monotonic" : "boottime";
}

/* A write(2) of a whole line to a file that is open for appending: no line is torn. */
class journal {
public:
	explicit journal(const std::string &path)
		: file_(check(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644),
			      path))
	{
	}

	void write(const std::ostringstream &line) const
	{
		write_all(file_.get(), line.str() + "\n");
	}

private:
	unique_fd file_;
};

/* ------------------------------------------------------------------- waits */

struct moment {
	clockid_t clock;
	nanoseconds due;
};

using report = std::function<void()>;

/*
 * A way to wait until a moment. It reports when its timer is armed, or right
 * before the call that is the wait. A process that was frozen sees EINTR where
 * the kernel would have restarted a wait from its own memory; programs call
 * again, with the same deadline.
 */
struct way {
	const char *name;
	clockid_t clock;
	void (*wait)(const moment &until, const report &armed);
};

void wait_timerfd(const moment &until, const report &armed)
{
	const unique_fd timer(check(timerfd_create(until.clock, TFD_CLOEXEC), "timerfd_create"));
	const itimerspec setting{ {}, to_timespec(until.due) };
	std::uint64_t expirations = 0;

	check(timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &setting, nullptr),
	      "timerfd_settime");
	armed();
	while (read(timer.get(), &expirations, sizeof(expirations)) < 0) {
		if (errno != EINTR)
			fail("read a timerfd");
	}
	if (expirations != 1)
		throw std::runtime_error("timerfd expired " + std::to_string(expirations) +
					 " times");
}

siginfo_t take_signal(const sigset_t &signals)
{
	siginfo_t info;

	while (sigwaitinfo(&signals, &info) < 0) {
		if (errno != EINTR)
			fail("sigwaitinfo");
	}
	return info;
}

sigset_t block(int signal)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, signal);
	check(sigprocmask(SIG_BLOCK, &signals, nullptr), "sigprocmask");
	return signals;
}

void start_timer(clockid_t clock, int signal, int flags, const itimerspec &setting)
{
	sigevent event{};
	timer_t timer;

	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = signal;
	check(timer_create(clock, &event, &timer), "timer_create");
	check(timer_settime(timer, flags, &setting, nullptr), "timer_settime");
}

void wait_timer(const moment &until, const report &armed)
{
	const auto signals = block(SIGUSR1);

	start_timer(until.clock, SIGUSR1, TIMER_ABSTIME, { {}, to_timespec(until.due) });
	armed();
	take_signal(signals);
}

/* It has no clock of its own and counts down; the moment is what is left of it. */
void wait_itimer(const moment &until, const report &armed)
{
	const auto signals = block(SIGALRM);
	const auto left = std::chrono::ceil<std::chrono::microseconds>(until.due - now(until.clock));
	const itimerval setting{ {}, { left.count() / 1000000, left.count() % 1000000 } };

	check(setitimer(ITIMER_REAL, &setting, nullptr), "setitimer");
	armed();
	take_signal(signals);
}

void wait_sleep(const moment &until, const report &armed)
{
	const auto due = to_timespec(until.due);
	int error;

	armed();
	while ((error = clock_nanosleep(until.clock, TIMER_ABSTIME, &due, nullptr)) == EINTR)
		;
	if (error) {
		errno = error;
		fail("clock_nanosleep");
	}
}

void wait_futex(const moment &until, const report &armed)
{
	const auto due = to_timespec(until.due);
	std::uint32_t word = 0;

	armed();
	do {
		if (syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &due, nullptr,
			    FUTEX_BITSET_MATCH_ANY) == 0)
			throw std::runtime_error("a futex was woken that nobody wakes");
	} while (errno == EINTR);
	if (errno != ETIMEDOUT)
		fail("futex");
}

constexpr way ways[] = {
	{ "timerfd", CLOCK_MONOTONIC, wait_timerfd },
	{ "timerfd", CLOCK_BOOTTIME, wait_timerfd },
	{ "timer_settime", CLOCK_MONOTONIC, wait_timer },
	{ "timer_settime", CLOCK_BOOTTIME, wait_timer },
	{ "setitimer", CLOCK_MONOTONIC, wait_itimer },
	{ "clock_nanosleep", CLOCK_MONOTONIC, wait_sleep },
	{ "clock_nanosleep", CLOCK_BOOTTIME, wait_sleep },
	{ "futex", CLOCK_MONOTONIC, wait_futex },
};

/* ------------------------------------------------------------------- tree */

void write_wait(const journal &to, const char *event, const way &how, nanoseconds due)
{
	std::ostringstream line;

	line << R"({"event": ")" << event << R"(", "way": ")" << how.name << R"(", "clock": ")"
	     << name_of(how.clock) << R"(", "due": )" << due.count() << R"(, "at": )"
	     << now(how.clock).count() << "}";
	to.write(line);
}

[[noreturn]] void live(const journal &to, const way &how, seconds ahead)
{
	int status = 0;

	try {
		check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
		const moment until{ how.clock, now(how.clock) + ahead };
		how.wait(until, [&] { write_wait(to, "armed", how, until.due); });
		write_wait(to, "fired", how, until.due);
	} catch (const std::exception &error) {
		fprintf(stderr, "keeper: %s: %s\n", how.name, error.what());
		status = 1;
	}
	_exit(status);
}

void write_beat(const journal &to, std::uint64_t expirations)
{
	struct sysinfo info;
	std::ostringstream line;
	const auto uptime = read_file("/proc/uptime");

	check(sysinfo(&info), "sysinfo");
	line << R"({"event": "beat", "expirations": )" << expirations;
	for (const auto clock : { CLOCK_MONOTONIC, CLOCK_BOOTTIME })
		line << ", \"" << name_of(clock) << "\": " << now(clock).count() << ", \""
		     << name_of(clock) << "_by_syscall\": " << now_by_syscall(clock).count();
	line << R"(, "realtime": )" << now(CLOCK_REALTIME).count() << R"(, "proc_uptime": )"
	     << uptime.substr(0, uptime.find(' ')) << R"(, "sysinfo_uptime": )" << info.uptime
	     << "}";
	to.write(line);
}

/*
 * A beat whenever the timer expired, until no child is left. True if all ended
 * well. Not a timerfd: one that expired and was not yet read when CRIU looks is
 * dumped as disarmed, and stays so.
 */
bool keep(const journal &to)
{
	const auto signals = block(SIGUSR2);
	bool good = true;

	start_timer(CLOCK_MONOTONIC, SIGUSR2, 0, { to_timespec(beat), to_timespec(beat) });
	for (;;) {
		int status = 0;
		pid_t child;

		write_beat(to, 1 + take_signal(signals).si_overrun);
		while ((child = waitpid(-1, &status, WNOHANG)) > 0)
			good = good && status == 0;
		if (child < 0)
			return good;
	}
}

int run(const std::string &path, seconds ahead)
{
	const journal to(path);
	std::ostringstream end;

	for (const auto &how : ways) {
		if (check(fork(), "fork") == 0)
			live(to, how, ahead);
	}
	const bool good = keep(to);
	end << R"({"event": "end", "good": )" << (good ? "true" : "false") << "}";
	to.write(end);
	return good ? 0 : 1;
}

} /* namespace guest */

int main(int argc, char **argv)
{
	if (argc != 3 || atoi(argv[2]) <= 0) {
		fprintf(stderr, "usage: keeper JOURNAL SECONDS\n");
		return 2;
	}
	try {
		return guest::run(argv[1], guest::seconds(atoi(argv[2])));
	} catch (const std::exception &error) {
		fprintf(stderr, "keeper: %s\n", error.what());
		return 1;
	}
}
