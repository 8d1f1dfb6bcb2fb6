// SPDX-License-Identifier: GPL-2.0-only
#include "views.hpp"

#include "printable.hpp"
#include "system.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <sstream>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <unistd.h>

namespace timens
{

namespace
{

constexpr auto tick = 20ms;

constexpr named_clock clocks[] = {
	{ "realtime", CLOCK_REALTIME, &clock_times::realtime },
	{ "realtime_coarse", CLOCK_REALTIME_COARSE, &clock_times::realtime, tick },
	{ "realtime_alarm", CLOCK_REALTIME_ALARM, &clock_times::realtime },
	{ "tai", CLOCK_TAI, &clock_times::tai },
	{ "monotonic", CLOCK_MONOTONIC, &clock_times::monotonic },
	{ "monotonic_raw", CLOCK_MONOTONIC_RAW, &clock_times::monotonic },
	{ "monotonic_coarse", CLOCK_MONOTONIC_COARSE, &clock_times::monotonic, tick },
	{ "boottime", CLOCK_BOOTTIME, &clock_times::boottime },
	{ "boottime_alarm", CLOCK_BOOTTIME_ALARM, &clock_times::boottime },
};

nanoseconds to_duration(const timespec &time)
{
	return seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

nanoseconds to_duration(const timeval &time)
{
	return seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

timespec to_timespec(nanoseconds time)
{
	return { time / 1s, (time % 1s).count() };
}

/* Far enough not to come, near enough for every clock to count to it. */
itimerspec far_deadline(clockid_t clock)
{
	return { {}, to_timespec(read_clock_by_syscall(clock) + 24h) };
}

class timer {
public:
	explicit timer(clockid_t clock)
	{
		sigevent silent{};

		silent.sigev_notify = SIGEV_NONE;
		check(timer_create(clock, &silent, &id), "timer_create");
	}
	timer(const timer &) = delete;
	timer &operator=(const timer &) = delete;
	~timer()
	{
		timer_delete(id);
	}

	timer_t get() const
	{
		return id;
	}

private:
	timer_t id;
};

/* The field of /proc/PID/stat; the name in field 2 may hold anything, so count from its end. */
std::string stat_field(pid_t pid, int wanted)
{
	const auto text = read_file(proc_path(pid, "stat"));
	std::istringstream fields(text.substr(text.rfind(')') + 1));
	std::string field;

	for (int number = 3; number <= wanted; ++number)
		fields >> field;
	return field;
}

/* A kernel may write a negative number as a huge one. */
nanoseconds from_count(const std::string &path, const std::string &text, nanoseconds unit)
{
	std::uint64_t number;

	if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc())
		throw not_a_time(path, text);
	return unit * static_cast<std::int64_t>(number);
}

} /* namespace */

std::span<const named_clock> all_clocks()
{
	return clocks;
}

const named_clock &find_clock(const std::string &name)
{
	auto wanted = name;

	for (auto &c : wanted)
		c = c == '-' ? '_' : std::tolower(static_cast<unsigned char>(c));
	if (wanted.starts_with("clock_"))
		wanted.erase(0, 6);
	for (const auto &clock : clocks) {
		if (clock.name == wanted)
			return clock;
	}
	std::string names;
	for (const auto &clock : clocks)
		names += (names.empty() ? "" : ", ") + std::string(clock.name);
	throw usage_error("no clock '" + name + "'; there are " + names);
}

std::string full_name(const named_clock &clock)
{
	std::string name = "CLOCK_";

	for (const auto c : clock.name)
		name += std::toupper(static_cast<unsigned char>(c));
	return name;
}

nanoseconds offset_of(const named_clock &clock, const clock_times &offsets)
{
	return offsets.*clock.follows;
}

not_a_time::not_a_time(const std::string &where, const std::string &text)
	: error(where + ": '" + printable(text.substr(0, 40)) + "' is not a time")
{
}

bool is_not_here(int code)
{
	switch (code) {
	case EINVAL: /* unknown clock; alarm clock without a clock that wakes */
	case EOPNOTSUPP:
	case ENOSYS:
	case EPERM: /* alarm clocks take CAP_WAKE_ALARM */
	case EACCES:
	case ENOENT: /* /proc may be mounted in part */
		return true;
	}
	return false;
}

nanoseconds read_clock(clockid_t clock)
{
	timespec now;

	check(clock_gettime(clock, &now), "clock_gettime");
	return to_duration(now);
}

nanoseconds read_clock_by_syscall(clockid_t clock)
{
	timespec now;

	check(syscall(SYS_clock_gettime, clock, &now), "clock_gettime");
	return to_duration(now);
}

nanoseconds read_gettimeofday()
{
	timeval now;

	check(gettimeofday(&now, nullptr), "gettimeofday");
	return to_duration(now);
}

nanoseconds read_gettimeofday_by_syscall()
{
	timeval now;

	check(syscall(SYS_gettimeofday, &now, nullptr), "gettimeofday");
	return to_duration(now);
}

nanoseconds read_time()
{
	return seconds(time(nullptr));
}

nanoseconds read_time_by_syscall()
{
	return seconds(check(syscall(SYS_time, nullptr), "time"));
}

nanoseconds read_adjtimex()
{
	timex state{};

	check(adjtimex(&state), "adjtimex");
	return seconds(state.time.tv_sec) +
	       (state.status & STA_NANO ? nanoseconds(state.time.tv_usec)
					: std::chrono::microseconds(state.time.tv_usec));
}

nanoseconds read_tai_by_adjtimex()
{
	timex state{};

	check(adjtimex(&state), "adjtimex");
	return read_clock_by_syscall(CLOCK_TAI) - seconds(state.tai);
}

nanoseconds read_sysinfo_uptime()
{
	struct sysinfo info;

	check(sysinfo(&info), "sysinfo");
	return seconds(info.uptime);
}

nanoseconds read_proc_uptime()
{
	const auto text = read_file("/proc/uptime");

	try {
		return parse_duration(text.substr(0, text.find(' ')));
	} catch (const usage_error &) {
		throw not_a_time("/proc/uptime", text);
	}
}

nanoseconds read_boot_date()
{
	const auto text = read_file("/proc/stat");
	const auto start = text.find("btime ");

	if (start == std::string::npos)
		throw not_a_time("/proc/stat btime", "");
	return from_count("/proc/stat btime", text.substr(start + std::strlen("btime ")), 1s);
}

nanoseconds read_start_time(pid_t pid)
{
	return from_count(proc_path(pid, "stat"), stat_field(pid, 22),
			  nanoseconds(1s) / sysconf(_SC_CLK_TCK));
}

nanoseconds read_clock_by_timerfd(clockid_t clock)
{
	const unique_fd file(check(timerfd_create(clock, TFD_CLOEXEC), "timerfd_create"));
	const auto deadline = far_deadline(clock);
	itimerspec left;

	check(timerfd_settime(file.get(), TFD_TIMER_ABSTIME, &deadline, nullptr),
	      "timerfd_settime");
	check(timerfd_gettime(file.get(), &left), "timerfd_gettime");
	return to_duration(deadline.it_value) - to_duration(left.it_value);
}

nanoseconds read_clock_by_timer(clockid_t clock)
{
	const timer alarm(clock);
	const auto deadline = far_deadline(clock);
	itimerspec left;

	check(timer_settime(alarm.get(), TIMER_ABSTIME, &deadline, nullptr), "timer_settime");
	check(timer_gettime(alarm.get(), &left), "timer_gettime");
	return to_duration(deadline.it_value) - to_duration(left.it_value);
}

nanoseconds view::moves_by(const clock_times &offsets) const
{
	return is_date ? -(offsets.*follows) : offsets.*follows;
}

std::optional<nanoseconds> view::try_read() const
{
	try {
		return read();
	} catch (const system_failure &failure) {
		/* The process that it is about may have ended. */
		if (is_not_here(failure.code) || failure.code == ESRCH)
			return {};
		throw;
	}
}

std::vector<view> list_views(pid_t process)
{
	std::vector<view> views;
	const auto add_clocks = [&](const char *how, nanoseconds (*read)(clockid_t)) {
		for (const auto &clock : clocks)
			views.push_back({ full_name(clock) + ", " + how,
					  [read, id = clock.id] { return read(id); }, clock.follows,
					  false, std::max<nanoseconds>(clock.resolution, 10ms) });
	};
	const auto add_deadlines = [&](const char *how, nanoseconds (*read)(clockid_t),
				       std::initializer_list<clockid_t> ids) {
		for (const auto id : ids) {
			const auto &clock = *std::ranges::find(clocks, id, &named_clock::id);

			views.push_back({ std::string(how) + ", " + full_name(clock),
					  [read, id] { return read(id); }, clock.follows, false,
					  10ms });
		}
	};

	add_clocks("vDSO", read_clock);
	add_clocks("system call", read_clock_by_syscall);
	views.push_back(
		{ "gettimeofday()", read_gettimeofday, &clock_times::realtime, false, 10ms });
	views.push_back({ "time()", read_time, &clock_times::realtime, false, 1s });
	add_deadlines("timer_settime()", read_clock_by_timer,
		      { CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
			CLOCK_BOOTTIME_ALARM });
	add_deadlines("timerfd_settime()", read_clock_by_timerfd,
		      { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM });
	views.push_back(
		{ "sysinfo() uptime", read_sysinfo_uptime, &clock_times::boottime, false, 1s });
	views.push_back({ "/proc/uptime", read_proc_uptime, &clock_times::boottime, false, 20ms });
	views.push_back({ "/proc/stat btime", read_boot_date, &clock_times::boottime, true, 1s });
	views.push_back({ "/proc/" + std::to_string(process) + "/stat starttime",
			  [process] { return read_start_time(process); }, &clock_times::boottime,
			  false, 20ms });
	return views;
}

} /* namespace timens */
