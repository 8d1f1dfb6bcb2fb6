// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts the instructions of system calls and kernel paths, in a guest whose
 * TSC counts instructions (QEMU's -icount shift=0) and that has one processor.
 *
 * Prints `NAME COUNT` lines. A count is that of both the kernel's part and the
 * few instructions around the call. It is the lowest of several, which is the
 * one without an interrupt, so it is the same on every run.
 */
#include "system.hpp"
#include "timens.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <liburing.h>
#include <linux/futex.h>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <vector>
#include <x86intrin.h>

namespace bench
{

namespace
{

constexpr int many_mappings = 10'000;
constexpr int many_namespaces = 20'000;
constexpr int sampled_namespaces = 100;

void report(const std::string &name, long count)
{
	printf("%s %ld\n", name.c_str(), count);
	fflush(stdout);
}

template <class function> std::uint64_t count_once(const function &body)
{
	const auto before = __rdtsc();
	body();
	return __rdtsc() - before;
}

/* Without what an empty body counts. */
template <class function> long count_lowest(int times, const function &body)
{
	auto lowest = ~std::uint64_t(0), empty = lowest;

	for (int turn = 0; turn < times; ++turn) {
		empty = std::min(empty, count_once([] {}));
		lowest = std::min(lowest, count_once(body));
	}
	return lowest - empty;
}

/* Exactly this many, and one more: mov, then dec and jnz. */
void spin(std::uint64_t instructions)
{
	auto turns = instructions / 2;

	asm volatile("1: dec %0\n\t"
		     "jnz 1b"
		     : "+r"(turns)
		     :
		     : "cc");
}

void require_counting_tsc()
{
	const auto difference = count_lowest(10, [] { spin(2'000'000); }) -
				count_lowest(10, [] { spin(1'000'000); });

	if (difference != 1'000'000)
		throw std::runtime_error("a million instructions take " +
					 std::to_string(difference) +
					 " ticks of the TSC: boot with -icount shift=0");
}

/* ------------------------------------------------------------ system calls */

constexpr std::int64_t far_away = 1'000'000; /* seconds */

/* Not syscall(2), which sets errno: the count is the kernel's. */
template <class... argument> void call(long number, argument... arguments)
{
	const std::array<long, 6> values{ (long)arguments... };
	register long fourth asm("r10") = values[3];
	register long fifth asm("r8") = values[4];
	register long sixth asm("r9") = values[5];
	long result = number;

	asm volatile("syscall"
		     : "+a"(result)
		     : "D"(values[0]), "S"(values[1]), "d"(values[2]), "r"(fourth), "r"(fifth),
		       "r"(sixth)
		     : "rcx", "r11", "memory");
}

/* An absolute timeout of io_uring that is taken back before it expires. */
class ring {
public:
	ring()
	{
		if (const int error = io_uring_queue_init(4, &ring_, 0)) {
			errno = -error;
			fail("io_uring_queue_init");
		}
	}
	~ring()
	{
		io_uring_queue_exit(&ring_);
	}
	ring(const ring &) = delete;
	ring &operator=(const ring &) = delete;

	void arm_and_cancel()
	{
		constexpr std::uint64_t name = 1;
		__kernel_timespec later{ far_away, 0 };

		auto *arm = io_uring_get_sqe(&ring_);
		io_uring_prep_timeout(arm, &later, 0, IORING_TIMEOUT_ABS);
		io_uring_sqe_set_data64(arm, name);
		io_uring_prep_timeout_remove(io_uring_get_sqe(&ring_), name, 0);
		if (io_uring_submit(&ring_) != 2)
			throw std::runtime_error("io_uring has not taken both requests");
		io_uring_cq_advance(&ring_, 2);
	}

private:
	io_uring ring_;
};

void count_system_calls(const std::string &place)
{
	struct clock {
		const char *name;
		clockid_t id;
	};
	constexpr clock clocks[] = { { "MONOTONIC", CLOCK_MONOTONIC },
				     { "BOOTTIME", CLOCK_BOOTTIME },
				     { "REALTIME", CLOCK_REALTIME },
				     { "MONOTONIC_RAW", CLOCK_MONOTONIC_RAW },
				     { "MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE } };
	constexpr int times = 200;
	timespec now;

	for (const auto &clock : clocks)
		report("clock_gettime." + std::string(clock.name) + "." + place,
		       count_lowest(times, [&] { call(SYS_clock_gettime, clock.id, &now); }));

	const unique_fd timer(check(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd_create"));
	const itimerspec later{ {}, { far_away, 0 } };
	report("timerfd_settime." + place, count_lowest(times, [&] {
		       call(SYS_timerfd_settime, timer.get(), TFD_TIMER_ABSTIME, &later, nullptr);
	       }));

	std::uint32_t word = 0;
	report("futex." + place, count_lowest(times, [&] {
		       call(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 1, &later.it_value,
			    nullptr, FUTEX_BITSET_MATCH_ANY);
	       }));

	report("times." + place, count_lowest(times, [&] { call(SYS_times, nullptr); }));

	struct sysinfo info;
	report("sysinfo." + place, count_lowest(times, [&] { call(SYS_sysinfo, &info); }));
}

void count_io_uring(const std::string &place)
{
	ring ring;

	report("io_uring_timeout." + place, count_lowest(200, [&] { ring.arm_and_cancel(); }));
}

/* -------------------------------------------------- entering a namespace */

/* Mappings that cannot become one. */
class mappings {
public:
	explicit mappings(int number)
		: memory_(number * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS)
	{
		for (int each = 0; each < number; each += 2)
			check(mprotect(memory_.data() + each * page, page, PROT_NONE), "mprotect");
	}

private:
	static constexpr std::size_t page = 4096;
	mapping memory_;
};

unique_fd make_namespace(std::string_view offsets)
{
	unshare_time(offsets);
	return open_file("/proc/self/ns/time_for_children", O_RDONLY);
}

void read_clock()
{
	timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
}

/* Back and forth, so that each time is a change, with vvar pages to take away. */
long count_setns(const unique_fd &one, const unique_fd &other)
{
	const auto enter = [](const unique_fd &ns) {
		check(setns(ns.get(), CLONE_NEWTIME), "setns");
	};
	auto lowest = LONG_MAX;

	for (int turn = 0; turn < 20; ++turn) {
		enter(other);
		read_clock();
		lowest = std::min(lowest, count_lowest(1, [&] { enter(one); }));
	}
	return lowest;
}

void count_all_setns()
{
	const auto one = make_namespace("monotonic 1000 0\n");
	const auto other = make_namespace("monotonic 2000 0\n");

	report("setns.few", count_setns(one, other));
	const mappings more(many_mappings);
	report("setns.many", count_setns(one, other));
}

/* The child must not run before the call has returned. */
void keep_processor()
{
	const sched_param priority{ 1 };

	check(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority),
	      "sched_setscheduler");
}

long count_fork()
{
	auto lowest = LONG_MAX;

	for (int turn = 0; turn < 20; ++turn) {
		pid_t pid;

		read_clock();
		lowest = std::min(lowest, count_lowest(1, [&] {
					  pid = check(fork(), "fork");
					  if (!pid)
						  _exit(0);
				  }));
		waitpid(pid, nullptr, 0);
	}
	return lowest;
}

void count_all_forks()
{
	keep_processor();
	report("fork.few.outside", count_fork());
	const mappings more(many_mappings);
	report("fork.many.outside", count_fork());
	if (!has_time_namespaces())
		return;
	unshare_time(offsets);
	report("fork.many.pending", count_fork());
	child([] {
		keep_processor();
		report("fork.many.inside", count_fork());
	}).wait();
}

/* ------------------------------------------------------------ the first call */

/*
 * All that the call needs but the clock's data is there already: this clock
 * takes the same way through the vDSO, up to the question which clock it is.
 */
void report_first_call(const std::string &name)
{
	struct {
		rusage before, after;
		std::uint64_t count;
	} seen;

	for (const auto clock : { CLOCK_PROCESS_CPUTIME_ID, CLOCK_MONOTONIC }) {
		timespec now;

		getrusage(RUSAGE_SELF, &seen.before);
		seen.count = count_once([&] { clock_gettime(clock, &now); });
		getrusage(RUSAGE_SELF, &seen.after);
	}
	report(name + ".faults", seen.after.ru_minflt - seen.before.ru_minflt);
	report(name + ".instructions", seen.count);
}

[[noreturn]] void exec_first_call(const std::string &name)
{
	execl("/proc/self/exe", program_invocation_short_name, "--first-call", name.c_str(),
	      nullptr);
	fail("execl");
}

void count_first_calls()
{
	read_clock();
	child([] { report_first_call("first.fork.outside"); }).wait();
	child([] { exec_first_call("first.exec.outside"); }).wait();
	if (!has_time_namespaces())
		return;

	const auto count_in = [](const std::string &place, std::string_view with) {
		child([&] {
			read_clock();
			unshare_time(with);
			child([&] { report_first_call("first.fork." + place); }).wait();
			child([&] { exec_first_call("first.exec." + place); }).wait();
		}).wait();
		child([&] {
			const auto ns = make_namespace(with);
			read_clock();
			check(setns(ns.get(), CLONE_NEWTIME), "setns");
			report_first_call("first.setns." + place);
		}).wait();
	};
	count_in("zero", no_offsets);
	count_in("inside", offsets);
}

/* ------------------------------------------------------------ many namespaces */

/* An update of all vvar pages, in the call. */
long count_clock_change()
{
	return count_lowest(50, [] {
		timex change{};

		change.modes = ADJ_SETOFFSET | ADJ_NANO;
		check(adjtimex(&change), "adjtimex");
	});
}

/* What an interrupt adds to a stretch of instructions whose number is known. */
long count_tick()
{
	constexpr std::uint64_t stretch = 10'000;
	constexpr long noise = 100;
	constexpr std::size_t ticks = 51;
	const auto known = count_lowest(100, [] { spin(stretch); });
	std::vector<long> counts;

	while (counts.size() < ticks) {
		const auto added = static_cast<long>(count_once([] { spin(stretch); })) - known;

		if (added > noise)
			counts.push_back(added);
	}
	std::ranges::nth_element(counts, counts.begin() + ticks / 2);
	return counts[ticks / 2];
}

void count_updates(const std::string &namespaces)
{
	report("update.clock_change." + namespaces, count_clock_change());
	report("update.tick." + namespaces, count_tick());
}

/* Pages that a processor keeps at hand are free too, though the kernel's own sum leaves them out. */
long free_memory()
{
	long pages = 0, number;

	write_all(open_file("/proc/sys/vm/stat_refresh", O_WRONLY).get(), "1");
	std::istringstream zones(read_file("/proc/zoneinfo"));
	for (std::string line; std::getline(zones, line);) {
		if (std::sscanf(line.c_str(), " pages free %ld", &number) == 1 ||
		    std::sscanf(line.c_str(), " count: %ld", &number) == 1)
			pages += number;
	}
	return pages * sysconf(_SC_PAGESIZE);
}

/* Namespaces that exist as long as this; each made from the one before. */
class many {
public:
	explicit many(int room)
	{
		files_.reserve(room);
		costs_.reserve(room);
	}
	void add(int number)
	{
		for (; number; --number) {
			costs_.push_back(count_once(
				[] { check(unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME)"); }));
			files_.push_back(open_file("/proc/self/ns/time_for_children", O_RDONLY));
		}
	}
	/* Of some that were made in a row, as memory is not found equally fast each time. */
	long median_cost(std::size_t first) const
	{
		std::vector costs(costs_.begin() + first,
				  costs_.begin() + first + sampled_namespaces);

		std::ranges::sort(costs);
		return costs[costs.size() / 2];
	}
	long lowest_cost() const
	{
		return std::ranges::min(costs_);
	}

private:
	std::vector<unique_fd> files_;
	std::vector<std::uint64_t> costs_;
};

void allow_many()
{
	constexpr rlim_t files = many_namespaces + 20'000;
	const rlimit limit{ files, files };

	check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	write_all(open_file("/proc/sys/user/max_time_namespaces", O_WRONLY).get(), "1000000");
	/* The table of files grows by steps: have it done. */
	const unique_fd last(check(fcntl(0, F_DUPFD_CLOEXEC, files - 1), "fcntl(F_DUPFD)"));
}

void count_many_namespaces()
{
	constexpr int measured = 5'000;
	many namespaces(many_namespaces + 2 * measured);

	count_updates("few");
	if (!has_time_namespaces())
		return;
	allow_many();
	namespaces.add(1);
	const auto before = free_memory();
	namespaces.add(many_namespaces - 1);
	report("memory.zero", (before - free_memory()) / (many_namespaces - 1));
	report("unshare", namespaces.lowest_cost());
	report("create.first", namespaces.median_cost(0));
	report("create.last", namespaces.median_cost(many_namespaces - sampled_namespaces));
	count_updates("many");

	unshare_time(offsets);
	namespaces.add(1);
	const auto then = free_memory();
	namespaces.add(measured);
	report("memory.inherited", (then - free_memory()) / measured);
}

/* ------------------------------------------------------------------- readers */

/* Create, enter and leave namespaces until killed. */
[[noreturn]] void disturb()
{
	const auto home = open_file("/proc/self/ns/time", O_RDONLY);

	for (;;) {
		const auto ns = make_namespace(offsets);

		check(setns(ns.get(), CLONE_NEWTIME), "setns");
		child(read_clock).wait();
		check(setns(home.get(), CLONE_NEWTIME), "setns");
	}
}

/* Of processor time, so what others do on the processor does not count. */
long count_thousand_reads()
{
	constexpr int thousands = 100;
	const auto used = [] {
		timespec time;

		check(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time), "clock_gettime");
		return time.tv_sec * 1'000'000'000 + time.tv_nsec;
	};
	const auto before = used();

	for (int read = 0; read < thousands * 1000; ++read)
		read_clock();
	return (used() - before) / thousands;
}

void count_readers(const std::string &place)
{
	constexpr int disturbers = 4;

	report("readers.quiet." + place, count_thousand_reads());
	if (!has_time_namespaces())
		return;
	std::vector<std::unique_ptr<child>> others;
	for (int number = 0; number < disturbers; ++number)
		others.push_back(std::make_unique<child>(disturb));
	report("readers.disturbed." + place, count_thousand_reads());
}

/* --------------------------------------------------------------------- all */

void count_all()
{
	require_counting_tsc();

	const auto count_in_task = [](const std::string &place) {
		count_system_calls(place);
		count_readers(place);
	};
	child([&] { count_in_task("outside"); }).wait();
	if (has_time_namespaces()) {
		run_in_namespace(no_offsets, [&] { count_in_task("zero"); });
		run_in_namespace(offsets, [&] { count_in_task("inside"); });
		child(count_all_setns).wait();
	}
	child(count_all_forks).wait();
	count_first_calls();
	child(count_many_namespaces).wait();

	/* Last: what is left of a ring is taken down after its process has gone. */
	child([&] { count_io_uring("outside"); }).wait();
	if (has_time_namespaces()) {
		run_in_namespace(no_offsets, [&] { count_io_uring("zero"); });
		run_in_namespace(offsets, [&] { count_io_uring("inside"); });
	}
}

} /* namespace */

} /* namespace bench */

int main(int argc, char **argv)
{
	using namespace bench;

	try {
		if (argc == 3 && !std::strcmp(argv[1], "--first-call")) {
			report_first_call(argv[2]);
		} else if (argc == 1) {
			count_all();
		} else {
			fprintf(stderr, "usage: count_paths\n");
			return 2;
		}
	} catch (const std::exception &error) {
		fprintf(stderr, "count_paths: %s\n", error.what());
		return 1;
	}
}
