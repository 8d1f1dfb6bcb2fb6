// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens when memory runs out while a namespace is made or entered, or its
 * offsets are written: the call fails, and nothing else has changed. The kernel is
 * made to fail where it allocates the set of namespaces of a task, and nowhere
 * else; then at each allocation that a call makes, one after the other
 * (Documentation/fault-injection/fault-injection.rst). This needs
 * CONFIG_FAILSLAB, the former also the boot parameter slab_nomerge. With
 * CONFIG_FAIL_PAGE_ALLOC pages fail as well as objects.
 */
#include "kernel.hpp"
#include "offsets_ioctl.hpp"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace timens;

namespace
{

const std::string failslab = "/sys/kernel/debug/failslab/";
const std::string fail_page_alloc = "/sys/kernel/debug/fail_page_alloc/";

std::string fails_in(const std::string &cache)
{
	return "/sys/kernel/slab/" + cache + "/failslab";
}

outcome write_file(const std::string &path, std::string_view text)
{
	return write(open_file(path, O_WRONLY).get(), text.data(), text.size());
}

/*
 * While it exists, the calling process and its children get nothing from a cache,
 * if not from that of the sets of namespaces, unless it is suspended. One at a time:
 * the setting is one for the whole machine.
 */
class no_memory_for_namespaces {
    public:
	explicit no_memory_for_namespaces(const std::string &cache = "nsproxy")
		: fails_in_cache(fails_in(cache))
	{
		if (access(failslab.c_str(), F_OK))
			skip("the kernel has no fault injection (CONFIG_FAILSLAB)");
		if (!write_file(fails_in_cache, "1\n").value)
			skip("the cache is shared with others: boot with slab_nomerge");
		for (const auto &[name, value] : settings)
			check(write_file(failslab + name, value), "write to failslab");
		make_it_fail = open_file("/proc/self/make-it-fail", O_WRONLY);
		resume();
	}
	no_memory_for_namespaces(const no_memory_for_namespaces &) = delete;
	no_memory_for_namespaces &operator=(const no_memory_for_namespaces &) = delete;
	~no_memory_for_namespaces()
	{
		write(make_it_fail.get(), "0", 1);
		write_file(failslab + "probability", "0");
		write_file(fails_in_cache, "0\n");
	}
	void suspend() const
	{
		check(write(make_it_fail.get(), "0", 1), "write to make-it-fail");
	}
	void resume() const
	{
		check(write(make_it_fail.get(), "1", 1), "write to make-it-fail");
	}

    private:
	const std::string fails_in_cache;
	unique_fd make_it_fail;
	static constexpr std::pair<const char *, std::string_view> settings[] = {
		{ "task-filter", "Y" },	   { "cache-filter", "Y" }, { "ignore-gfp-wait", "N" },
		{ "verbose", "0" },	   { "times", "-1" },	    { "interval", "1" },
		{ "probability", "100" },
	};
};

/* Which allocation of a call fails, and what has come of the calls; children share it. */
struct numbered_fault {
	unsigned int number = 0;
	bool happened = false;
	unsigned int without_effect = 0;
	unsigned int errors[133] = {};

	/* Did the call fail? It may, with these errors. */
	bool stops(const std::function<outcome()> &call, std::initializer_list<int> allowed);
	std::string text() const;
};

bool numbered_fault::stops(const std::function<outcome()> &call, std::initializer_list<int> allowed)
{
	const std::string text = std::to_string(number);
	const unique_fd file = open_file("/proc/thread-self/fail-nth", O_RDWR);
	char left;

	check(write(file.get(), text.data(), text.size()), "write to fail-nth");

	const outcome result = call();

	check(read(file.get(), &left, 1), "read from fail-nth");
	check(write(file.get(), "0", 1), "write to fail-nth");
	happened = left == '0';
	if (!result.error) {
		without_effect += happened;
		return false;
	}
	expect(std::ranges::find(allowed, result.error) != allowed.end(),
	       "without allocation " + text + " it may fail with " + errno_name(result.error));
	expect(happened, "it fails for want of memory");
	errors[result.error]++;
	return true;
}

std::string numbered_fault::text() const
{
	std::string list;

	for (int error = 0; error < std::ssize(errors); error++)
		if (errors[error])
			list += std::to_string(errors[error]) + " " + errno_name(error) + ", ";
	return list + std::to_string(without_effect) + " without effect";
}

enum class memory { objects, objects_and_pages };

void allow_numbered_faults(memory of = memory::objects_and_pages)
{
	/* All orders of pages, or none. */
	const char *const least_order = of == memory::objects ? "100" : "0";

	if (access(failslab.c_str(), F_OK))
		skip("the kernel has no fault injection (CONFIG_FAILSLAB)");
	for (const auto *name : { "ignore-gfp-wait", "cache-filter" })
		check(write_file(failslab + name, "N"), "write to failslab");
	check(write_file(failslab + "verbose", "0"), "write to failslab");
	if (access(fail_page_alloc.c_str(), F_OK))
		return;
	check(write_file(fail_page_alloc + "ignore-gfp-wait", "N"), "write to fail_page_alloc");
	check(write_file(fail_page_alloc + "verbose", "0"), "write to fail_page_alloc");
	check(write_file(fail_page_alloc + "min-order", least_order), "write to fail_page_alloc");
}

/*
 * Runs the body in a child whose first allocation in fault.stops() fails, then in
 * one whose second does, until there are no more.
 */
void fail_each_allocation(const std::function<void(numbered_fault &)> &body)
{
	const shared<numbered_fault> fault;

	do {
		fault->number++;
		fault->happened = false;
		child([&] { body(*fault); }).wait_ok();
	} while (fault->happened);
	note(std::to_string(fault->number - 1) + " allocations: " + fault->text());
	expect_ne(std::ranges::count(fault->errors, 0U), std::ssize(fault->errors),
		  "kinds of errors that never came");
}

/* User namespaces in which nobody may have more than one time namespace: none may be lost. */
void enter_user_namespace_with_one_time_namespace()
{
	enter_user_namespace();
	enter_user_namespace();
	limit_namespaces("time", 1);
}

/* A process that has entered a namespace, or that has one for its children. */
class holder {
public:
	enum place { inside, outside };

	explicit holder(place where)
		: process([this, where] {
			unshare_time();
			set_offsets({ 1000s, 2000s });
			const auto stay = [this] {
				pid.send(getpid());
				pause();
			};
			if (where == outside)
				stay();
			child(stay).wait_ok();
		})
		, id(pid.receive(process))
	{
	}
	std::string proc(const std::string &name) const
	{
		return "/proc/" + std::to_string(id) + "/" + name;
	}
	unique_fd pidfd() const
	{
		return unique_fd(check(syscall(SYS_pidfd_open, id, 0), "pidfd_open"));
	}

private:
	channel<pid_t> pid;
	child process;
	const pid_t id;
};

/* How calls of execve(2) ended, each without another allocation. */
struct exec_endings {
	unsigned int failed = 0;
	unsigned int deadly = 0;
	unsigned int without_effect = 0;

	std::string text() const
	{
		return std::to_string(failed) + " failed, " + std::to_string(deadly) +
		       " killed the task, " + std::to_string(without_effect) + " without effect";
	}
};

/* The next stop or the end of a traced child, which is left to be waited for. */
siginfo_t peek(const child &traced)
{
	siginfo_t info;

	check(waitid(P_PID, traced.pid(), &info, WEXITED | WSTOPPED | WNOWAIT), "waitid");
	return info;
}

/* Executes a program without its nth allocation; false when there is none. */
bool exec_without_allocation(unsigned int number, bool pending, const std::function<void()> &prepare,
			     exec_endings &endings)
{
	child traced([&] {
		prepare();
		/* The same mappings, so the same allocations, each time. */
		check(personality(ADDR_NO_RANDOMIZE), "personality");

		const time_view before = view_here();
		const time_view after = pending ? unshare_with({ 1000s, 2000s }) : before;
		std::vector<std::string> command = view_command(after);
		const std::vector<char *> pointers = pointers_to(command);
		const unique_fd program = open_file(command[0], O_RDONLY);
		const auto exec = [&] {
			return execveat(program.get(), "", pointers.data(), environ, AT_EMPTY_PATH);
		};
		numbered_fault fault{ number };

		check(ptrace(PTRACE_TRACEME), "PTRACE_TRACEME");
		check(raise(SIGSTOP), "raise");
		/* ENOEXEC, E2BIG: no memory to read headers, or for the stack of arguments. */
		fault.stops(exec, { ENOMEM, ENOEXEC, E2BIG });
		expect_eq(namespaces_of(), time_namespaces{ before.namespaces.own,
							    after.namespaces.for_children });
		if (pending)
			expect_errno(write_offsets(offsets_text({ 1000s, 2000s })), 0,
				     "nothing is frozen");
	});
	const unique_fd left = open_file(traced.proc("fail-nth"), O_RDWR);
	char digit;

	peek(traced);
	check(ptrace(PTRACE_SETOPTIONS, traced.pid(), 0, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL),
	      "PTRACE_SETOPTIONS");
	check(ptrace(PTRACE_CONT, traced.pid(), 0, 0), "PTRACE_CONT");

	const siginfo_t info = peek(traced);

	if (info.si_code != CLD_TRAPPED) {
		const ending end = traced.wait();

		/* As it is for every program whose new address space has no memory. */
		if (end.killed_by(SIGKILL) || end.killed_by(SIGSEGV)) {
			endings.deadly++;
		} else {
			end.expect_ok();
			endings.failed++;
		}
		return true;
	}
	if (info.si_status != (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
		/* The signal of the end, on its way. */
		expect(info.si_status == SIGSEGV, "it stops after execve, or dies");
		endings.deadly++;
		return true;
	}
	check(read(left.get(), &digit, 1), "read from fail-nth");
	if (digit == '0') {
		/* The program itself would say nothing that the last one does not. */
		endings.without_effect++;
		return true;
	}
	check(write(left.get(), "0", 1), "write to fail-nth");
	check(ptrace(PTRACE_DETACH, traced.pid(), 0, 0), "PTRACE_DETACH");
	traced.wait_ok();
	return false;
}

exec_endings exec_without_each_allocation(bool pending, const std::function<void()> &prepare = [] {})
{
	exec_endings endings;
	unsigned int number = 1;

	while (exec_without_allocation(number, pending, prepare, endings))
		number++;
	note(std::string(pending ? "entering" : "staying") + ": " + std::to_string(number - 1) +
	     " allocations: " + endings.text());
	return endings;
}

} // namespace

TEST(execve_without_memory_to_enter_fails_and_the_task_lives,
     .differs_from_stock = "the allocation comes after the point of no return: the task is killed")
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });
	std::vector<std::string> command = view_command(inside);
	const std::vector<char *> pointers = pointers_to(command);

	{
		const no_memory_for_namespaces fault;

		expect_errno(execv(pointers[0], pointers.data()), ENOMEM);
	}
	expect_eq(namespaces_of(), time_namespaces{ outside.namespaces.own,
						    inside.namespaces.own });
	expect_errno(write_offsets(offsets_text({ 1000s, 2000s })), 0, "nothing is frozen");
	exec_expecting(inside);
}

TEST(fork_without_memory_to_enter_fails_and_freezes_nothing)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	{
		const no_memory_for_namespaces fault;
		const pid_t pid = fork();
		const outcome forked = pid;

		if (!pid)
			_exit(0);
		expect_errno(forked, ENOMEM);
	}
	expect_errno(write_offsets(offsets_text({ 1000s, 2000s })), 0, "nothing is frozen");
	child([&] { expect_view(inside); }).wait_ok();
}

TEST(unshare_without_memory_changes_nothing)
{
	const time_namespaces before = namespaces_of();

	{
		const no_memory_for_namespaces fault;

		expect_errno(unshare(CLONE_NEWTIME), ENOMEM);
	}
	expect_eq(namespaces_of(), before);
	expect_errno(unshare(CLONE_NEWTIME), 0);
}

TEST(setns_without_memory_changes_and_freezes_nothing)
{
	const unique_fd pending = make_namespace({ 1000s, 2000s });
	const time_view before = view_here();

	{
		const no_memory_for_namespaces fault;

		expect_errno(setns(pending.get(), CLONE_NEWTIME), ENOMEM);
	}
	expect_view(before);
	expect_errno(setns(pending.get(), CLONE_NEWTIME), 0);
}

/* Numbers come in chunks of 1,024, and each chunk is an object (lib/idr.c). */
TEST(unshare_without_memory_for_an_inode_number_changes_nothing, .timeout = 60s)
{
	constexpr int most = 2 * 1024;
	const rlimit limit{ most + 100, most + 100 };
	std::vector<unique_fd> namespaces;

	check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");

	const no_memory_for_namespaces fault("kmalloc-128");

	for (;;) {
		const time_namespaces before = namespaces_of();

		fault.resume();
		const outcome made = unshare(CLONE_NEWTIME);
		fault.suspend();
		if (made.error) {
			expect_errno(made, ENOMEM);
			expect_eq(namespaces_of(), before);
			break;
		}
		expect(namespaces.size() < most, "a number that needs memory comes");
		namespaces.push_back(pending_namespace());
	}
	expect_errno(unshare(CLONE_NEWTIME), 0);
}

TEST(unshare_fails_cleanly_at_each_allocation, .timeout = 60s)
{
	allow_numbered_faults();
	enter_user_namespace_with_one_time_namespace();
	fail_each_allocation([](numbered_fault &fault) {
		const time_namespaces before = namespaces_of();

		if (!fault.stops([] { return unshare(CLONE_NEWTIME); }, { ENOMEM }))
			return;
		expect_eq(namespaces_of(), before);
		expect_errno(unshare(CLONE_NEWTIME), 0);
		child([] {}).wait_ok();
	});
}

TEST(unshare_with_a_user_namespace_fails_cleanly_at_each_allocation, .timeout = 60s)
{
	allow_numbered_faults();
	enter_user_namespace_with_one_time_namespace();
	fail_each_allocation([](numbered_fault &fault) {
		const time_namespaces before = namespaces_of();
		const ino_t owner = ns_inode("/proc/self/ns/user");

		/* ENOSPC, as for other namespaces: the counters of the new owner have no memory. */
		if (!fault.stops([] { return unshare(CLONE_NEWUSER | CLONE_NEWTIME); },
				 { ENOMEM, ENOSPC }))
			return;
		expect_eq(namespaces_of(), before);
		expect_eq(ns_inode("/proc/self/ns/user"), owner);
		expect_errno(unshare(CLONE_NEWTIME), 0);
	});
}

TEST(clone3_fails_cleanly_at_each_allocation, .timeout = 60s)
{
	allow_numbered_faults();
	enter_user_namespace_with_one_time_namespace();
	fail_each_allocation([](numbered_fault &fault) {
		const time_namespaces before = namespaces_of();

		if (!fault.stops([] { return try_clone3(CLONE_NEWTIME); }, { ENOMEM }))
			return;
		expect_eq(namespaces_of(), before);
		expect_errno(try_clone3(CLONE_NEWTIME), 0);
	});
}

TEST(fork_into_a_pending_namespace_fails_cleanly_at_each_allocation, .timeout = 60s)
{
	allow_numbered_faults();
	fail_each_allocation([](numbered_fault &fault) {
		const time_view inside = unshare_with({ 1000s, 2000s });
		const time_namespaces before = namespaces_of();

		if (!fault.stops([] { return try_clone3(0); }, { ENOMEM }))
			return;
		expect_eq(namespaces_of(), before);
		expect_eq(read_offsets(), offsets{ 1000s, 2000s });
		/* Nobody has entered. */
		set_offsets({ 1000s, 2000s });
		child([&] { expect_view(inside); }).wait_ok();
	});
}

TEST(a_write_of_offsets_sets_none_at_each_allocation_that_fails)
{
	const std::string text = offsets_text({ 3000s, 4000s });

	allow_numbered_faults();
	fail_each_allocation([&](numbered_fault &fault) {
		unshare_with({ 1000s, 2000s });

		const unique_fd file = open_file(own_offsets_file, O_WRONLY);
		const auto write_text = [&] {
			return write(file.get(), text.data(), text.size());
		};

		if (fault.stops(write_text, { ENOMEM })) {
			expect_eq(read_offsets(), offsets{ 1000s, 2000s });
			expect_errno(write_text(), 0);
		}
		expect_eq(read_offsets(), offsets{ 3000s, 4000s });
	});
}

TEST(an_ioctl_sets_no_offsets_at_each_allocation_that_fails)
{
	if (access(fail_page_alloc.c_str(), F_OK))
		skip("it allocates only pages (CONFIG_FAIL_PAGE_ALLOC)");
	if (!has_offsets_ioctls())
		skip("there are no ioctls for time namespaces");
	allow_numbered_faults();
	fail_each_allocation([&](numbered_fault &fault) {
		unshare_with({ 1000s, 2000s });

		const unique_fd ns = pending_namespace();
		const auto set = [&] { return set_offsets_by_ioctl(ns, { 3000s, 4000s }); };

		if (fault.stops(set, { ENOMEM })) {
			expect_eq(read_offsets(), offsets{ 1000s, 2000s });
			expect_errno(set(), 0);
		}
		expect_eq(read_offsets(), offsets{ 3000s, 4000s });
	});
}

TEST(setns_changes_and_freezes_nothing_at_each_allocation_that_fails, .timeout = 60s)
{
	allow_numbered_faults();
	fail_each_allocation([](numbered_fault &fault) {
		const holder pending(holder::outside);
		const unique_fd ns = open_file(pending.proc("ns/time_for_children"), O_RDONLY);
		const time_view before = view_here();

		if (fault.stops([&] { return setns(ns.get(), CLONE_NEWTIME); }, { ENOMEM })) {
			expect_view(before);
			expect_errno(write_offsets(offsets_text({ 1000s, 2000s }),
						   pending.proc("timens_offsets")),
				     0, "nothing is frozen");
			enter(ns);
		}
		expect_eq(namespaces_of(), time_namespaces{ ns_inode(ns), ns_inode(ns) });
	});
}

TEST(setns_of_a_pidfd_changes_nothing_at_each_allocation_that_fails, .timeout = 60s)
{
	allow_numbered_faults();
	fail_each_allocation([](numbered_fault &fault) {
		const holder target(holder::inside);
		const unique_fd process = target.pidfd();
		const time_view before = view_here();

		if (fault.stops([&] { return setns(process.get(), CLONE_NEWTIME); }, { ENOMEM })) {
			expect_view(before);
			enter(process);
		}
		expect_eq(namespaces_of(), namespaces_of(target.proc("")));
	});
}

TEST(execve_into_a_namespace_has_no_more_deadly_allocations, .timeout = 120s,
     .differs_from_stock = "the allocation comes after the point of no return: the task is killed")
{
	/* Pages are for the new program, wherever it is. */
	allow_numbered_faults(memory::objects);

	const exec_endings staying = exec_without_each_allocation(false);
	const exec_endings entering = exec_without_each_allocation(true);

	expect_eq(entering.deadly, staying.deadly);
	expect_ge(entering.failed, staying.failed + 1);
}

TEST(a_task_that_dies_on_its_way_into_a_namespace_gives_it_back, .timeout = 60s)
{
	/* Its table of files is copied past the point of no return, with the namespace at hand. */
	const auto share_files = [] {
		const pid_t parent = getpid();

		if (clone_with(CLONE_FILES | SIGCHLD))
			return;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			pause();
		_exit(0);
	};

	allow_numbered_faults(memory::objects);
	enter_user_namespace_with_one_time_namespace();

	const auto alone = exec_without_each_allocation(true);
	const auto sharing = exec_without_each_allocation(true, share_files);

	expect(sharing.deadly > alone.deadly, "tasks die where files are copied");
	expect_errno(unshare(CLONE_NEWTIME), 0);
}
