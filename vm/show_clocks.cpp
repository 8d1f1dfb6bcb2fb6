// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every clock, and every /proc and system call view of time, outside and inside
 * a time namespace side by side, with the offset that each shows; then waits
 * until an absolute time on each clock, on both sides.
 *
 * Ends with 1 if a view moved other than documented, or a wait was too short or
 * too long.
 */
#include "system.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <linux/futex.h>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
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

struct offsets {
	nanoseconds monotonic, boottime;
};

/* ------------------------------------------------------------------- views */

struct view {
	std::string name;
	std::function<nanoseconds()> read;
	nanoseconds moves_by; /* what the documentation says */
	nanoseconds unit = 10ms;
};

struct named_clock {
	const char *name;
	clockid_t id;
	nanoseconds offsets::*follows;
};

constexpr named_clock clocks[] = {
	{ "REALTIME", CLOCK_REALTIME, nullptr },
	{ "REALTIME_COARSE", CLOCK_REALTIME_COARSE, nullptr },
	{ "TAI", CLOCK_TAI, nullptr },
	{ "MONOTONIC", CLOCK_MONOTONIC, &offsets::monotonic },
	{ "MONOTONIC_RAW", CLOCK_MONOTONIC_RAW, &offsets::monotonic },
	{ "MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE, &offsets::monotonic },
	{ "BOOTTIME", CLOCK_BOOTTIME, &offsets::boottime },
	{ "BOOTTIME_ALARM", CLOCK_BOOTTIME_ALARM, &offsets::boottime },
};

nanoseconds to_duration(const timespec &time)
{
	return seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

timespec to_timespec(nanoseconds time)
{
	return { time / 1s, (time % 1s).count() };
}

nanoseconds read_by_vdso(clockid_t clock)
{
	timespec now;

	check(clock_gettime(clock, &now), "clock_gettime");
	return to_duration(now);
}

nanoseconds read_by_syscall(clockid_t clock)
{
	timespec now;

	check(syscall(SYS_clock_gettime, clock, &now), "clock_gettime");
	return to_duration(now);
}

nanoseconds read_sysinfo()
{
	struct sysinfo info;

	check(sysinfo(&info), "sysinfo");
	return seconds(info.uptime);
}

nanoseconds from_seconds(const std::string &text)
{
	return std::chrono::duration_cast<nanoseconds>(
		std::chrono::duration<double>(std::stod(text)));
}

nanoseconds read_proc_uptime()
{
	return from_seconds(read_file("/proc/uptime"));
}

nanoseconds read_proc_btime()
{
	const auto text = read_file("/proc/stat");

	return from_seconds(text.substr(text.find("btime ") + 6));
}

/* Field 22, in clock ticks; the name in field 2 may hold spaces, so count from its end. */
nanoseconds read_proc_starttime(pid_t process)
{
	const auto text = read_file("/proc/" + std::to_string(process) + "/stat");
	std::istringstream fields(text.substr(text.rfind(')') + 1));
	std::string field;

	for (int number = 3; number <= 22; ++number)
		fields >> field;
	return std::stoll(field) * nanoseconds(1s) / sysconf(_SC_CLK_TCK);
}

std::vector<view> list_views(const offsets &offset, pid_t inside)
{
	std::vector<view> views;

	for (const auto &clock : clocks) {
		const auto moves_by = clock.follows ? offset.*clock.follows : 0ns;
		const std::string name = clock.name;

		views.push_back(
			{ name + ", vDSO", [=] { return read_by_vdso(clock.id); }, moves_by });
		views.push_back({ name + ", system call", [=] { return read_by_syscall(clock.id); },
				  moves_by });
	}
	views.push_back({ "sysinfo() uptime", read_sysinfo, offset.boottime, 1s });
	views.push_back({ "/proc/uptime", read_proc_uptime, offset.boottime });
	views.push_back({ "/proc/stat btime", read_proc_btime, -offset.boottime, 1s });
	views.push_back({ "/proc/PID/stat starttime", [=] { return read_proc_starttime(inside); },
			  offset.boottime });
	return views;
}

/* ------------------------------------------------------------------- waits */

struct wait {
	std::string name;
	clockid_t clock;
	std::function<void(const timespec &until)> sleep;
};

void wait_nanosleep(clockid_t clock, const timespec &until)
{
	clock_nanosleep(clock, TIMER_ABSTIME, &until, nullptr);
}

void wait_timerfd(clockid_t clock, const timespec &until)
{
	const unique_fd timer(check(timerfd_create(clock, TFD_CLOEXEC), "timerfd_create"));
	const itimerspec once{ {}, until };
	std::uint64_t expirations;

	check(timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &once, nullptr), "timerfd_settime");
	if (read(timer.get(), &expirations, sizeof(expirations)) < 0 && errno != EINTR)
		fail("read timerfd");
}

class posix_timer {
public:
	posix_timer(clockid_t clock, sigevent event)
	{
		check(timer_create(clock, &event, &id_), "timer_create");
	}
	posix_timer(const posix_timer &) = delete;
	~posix_timer()
	{
		timer_delete(id_);
	}
	timer_t get() const
	{
		return id_;
	}

private:
	timer_t id_;
};

void wait_timer(clockid_t clock, const timespec &until)
{
	sigset_t signals, before;
	sigevent event{};
	int arrived;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, &before);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = SIGUSR1;
	const posix_timer timer(clock, event);
	const itimerspec once{ {}, until };
	check(timer_settime(timer.get(), TIMER_ABSTIME, &once, nullptr), "timer_settime");
	sigaddset(&signals, SIGALRM);
	sigwait(&signals, &arrived);
	sigprocmask(SIG_SETMASK, &before, nullptr);
}

void wait_futex(clockid_t clock, const timespec &until)
{
	std::uint32_t word = 0;
	const int operation =
		FUTEX_WAIT_BITSET | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);

	syscall(SYS_futex, &word, operation, 0, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void wait_futex_waitv(clockid_t clock, const timespec &until)
{
	std::uint32_t word = 0;
	futex_waitv waiter{ 0, reinterpret_cast<std::uintptr_t>(&word), FUTEX_32, 0 };

	syscall(SYS_futex_waitv, &waiter, 1, 0, &until, clock);
}

std::vector<wait> list_waits()
{
	struct method {
		const char *name;
		void (*sleep)(clockid_t, const timespec &);
		std::vector<named_clock> clocks;
	};
	constexpr named_clock realtime = clocks[0], tai = clocks[2], monotonic = clocks[3],
			      boottime = clocks[6], boottime_alarm = clocks[7];
	const method methods[] = {
		{ "clock_nanosleep",
		  wait_nanosleep,
		  { realtime, tai, monotonic, boottime, boottime_alarm } },
		{ "timerfd_settime",
		  wait_timerfd,
		  { realtime, monotonic, boottime, boottime_alarm } },
		{ "timer_settime",
		  wait_timer,
		  { realtime, tai, monotonic, boottime, boottime_alarm } },
		{ "futex", wait_futex, { realtime, monotonic } },
		{ "futex_waitv", wait_futex_waitv, { realtime, monotonic } },
	};
	std::vector<wait> waits;

	for (const auto &method : methods) {
		for (const auto &clock : method.clocks)
			waits.push_back({ method.name + std::string(", ") + clock.name, clock.id,
					  [sleep = method.sleep, id = clock.id](
						  const timespec &until) { sleep(id, until); } });
	}
	return waits;
}

constexpr nanoseconds wait_length = 50ms, wait_limit = 2s;

/* How long a wait of 50 ms really took, by a relative measure; a signal ends one that would go on
 * too long. */
nanoseconds measure(const wait &what)
{
	const itimerval limit{ {}, { wait_limit / 1s, 0 } }, none{};
	const auto before = read_by_syscall(CLOCK_MONOTONIC_RAW);

	setitimer(ITIMER_REAL, &limit, nullptr);
	what.sleep(to_timespec(read_by_syscall(what.clock) + wait_length));
	setitimer(ITIMER_REAL, &none, nullptr);
	return read_by_syscall(CLOCK_MONOTONIC_RAW) - before;
}

bool is_right(nanoseconds waited)
{
	/* CLOCK_MONOTONIC_RAW is not slewed as the others are: allow it a little. */
	return waited > wait_length - 1ms && waited < wait_limit / 2;
}

/* --------------------------------------------------------- the other side */

/* A process inside the namespace that answers with a number for a number. */
class inside {
public:
	using answer_function = std::function<nanoseconds(int question)>;

	explicit inside(const answer_function &answer)
	{
		int ends[2];

		check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
		unique_fd ours(ends[0]), theirs(ends[1]);
		pid_ = check(fork(), "fork");
		if (pid_ == 0) {
			ours.reset();
			serve(theirs.get(), answer);
		}
		socket_ = std::move(ours);
	}
	inside(const inside &) = delete;
	~inside()
	{
		socket_.reset(); /* the child reads the end */
		waitpid(pid_, nullptr, 0);
	}

	pid_t pid() const
	{
		return pid_;
	}
	void ask(int question) const
	{
		check(write(socket_.get(), &question, sizeof(question)), "write to the inside");
	}
	nanoseconds answer() const
	{
		nanoseconds answer;

		if (check(read(socket_.get(), &answer, sizeof(answer)), "read from the inside") !=
		    sizeof(answer))
			throw std::runtime_error("the process inside died");
		return answer;
	}

private:
	[[noreturn]] static void serve(int socket, const answer_function &answer)
	{
		try {
			int question;

			while (check(read(socket, &question, sizeof(question)), "read")) {
				const auto value = answer(question);

				check(write(socket, &value, sizeof(value)), "write");
			}
			_exit(0);
		} catch (const std::exception &error) {
			fprintf(stderr, "show_clocks: inside: %s\n", error.what());
			_exit(1);
		}
	}

	unique_fd socket_;
	pid_t pid_;
};

/* -------------------------------------------------------------- the tables */

double in_seconds(nanoseconds time)
{
	return std::chrono::duration<double>(time).count();
}

/* The time outside is read before and after the time inside, so the middle is the same instant. */
bool show_view(const view &what, int number, const inside &child)
{
	const auto before = what.read();
	child.ask(number);
	const auto within = child.answer();
	const auto after = what.read();
	const auto outside = before + (after - before) / 2;
	const auto offset = std::chrono::round<std::chrono::milliseconds>(within - outside);
	const bool good = std::chrono::abs(offset - what.moves_by) <= what.unit + (after - before);

	printf("  %-32s %16.2f %16.2f %+12.2f%s\n", what.name.c_str(), in_seconds(outside),
	       in_seconds(within), std::chrono::abs(offset) < 10ms ? 0 : in_seconds(offset),
	       good ? "" : "  WRONG");
	return good;
}

bool show_wait(const wait &what, int number, const inside &child)
{
	child.ask(number);
	const auto outside = measure(what);
	const auto within = child.answer();

	const auto text = [](nanoseconds waited) {
		return std::to_string(waited / 1ms) + " ms " + (is_right(waited) ? "ok" : "WRONG");
	};
	printf("  %-32s %16s %16s\n", what.name.c_str(), text(outside).c_str(),
	       text(within).c_str());
	return is_right(outside) && is_right(within);
}

void enter_next(const offsets &offset)
{
	const auto line = [](const char *clock, nanoseconds by) {
		const auto whole = std::chrono::floor<seconds>(by);

		return std::string(clock) + " " + std::to_string(whole.count()) + " " +
		       std::to_string((by - whole).count()) + "\n";
	};

	check(unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME)");
	write_all(open_file("/proc/self/timens_offsets", O_WRONLY).get(),
		  line("monotonic", offset.monotonic) + line("boottime", offset.boottime));
}

bool show(const offsets &offset)
{
	const auto waits = list_waits();
	const int first_wait = list_views(offset, 0).size();
	bool good = true;

	/* Answers SIGALRM by ending the wait. */
	struct sigaction interrupt {};
	interrupt.sa_handler = [](int) {};
	sigaction(SIGALRM, &interrupt, nullptr);

	enter_next(offset);
	const inside child([&](int question) {
		if (question >= first_wait)
			return measure(waits.at(question - first_wait));
		return list_views(offset, getpid()).at(question).read();
	});
	const auto views = list_views(offset, child.pid());

	printf("  %-32s %16s %16s %12s\n", "seconds", "outside", "inside", "offset");
	for (int number = 0; number < first_wait; ++number)
		good &= show_view(views[number], number, child);

	printf("\n  %-32s %16s %16s\n", "wait 50 ms, until a time on", "outside", "inside");
	for (int number = 0; number < static_cast<int>(waits.size()); ++number)
		good &= show_wait(waits[number], first_wait + number, child);
	return good;
}

} /* namespace guest */

int main(int argc, char **argv)
{
	using namespace guest;

	if (argc != 3) {
		fprintf(stderr, "usage: show_clocks MONOTONIC BOOTTIME    offsets in seconds\n");
		return 2;
	}
	try {
		return show({ from_seconds(argv[1]), from_seconds(argv[2]) }) ? 0 : 1;
	} catch (const std::exception &error) {
		fprintf(stderr, "show_clocks: %s\n", error.what());
		return 2;
	}
}
