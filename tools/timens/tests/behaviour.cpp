// SPDX-License-Identifier: GPL-2.0-only
/*
 * What timens does, on whichever kernel this runs: the program beside this one
 * is run as a user would, and judged by its output, its exit status, and what
 * it has done to the kernel.
 */
#include "../../testing/selftests/timens/harness.hpp"
#include "../../testing/selftests/timens/kernel.hpp"
#include "../../testing/selftests/timens/process.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/timens.h>
#include <pty.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace timens
{

namespace
{

const auto timens_path = std::filesystem::read_symlink("/proc/self/exe").replace_filename("timens");

/* An emulated machine that others share takes seconds to start a program. */
constexpr auto patience = 120s;

/* Only ours has it; what else differs comes with it. */
bool is_ours()
{
	return access("/proc/thread-self/timens_offsets", F_OK) == 0;
}

bool has_wall_clocks()
{
	timens_wall_arg wall{};

	return ioctl(open_file("/proc/self/ns/time", O_RDONLY).get(), TIMENS_GET_WALL, &wall) == 0;
}

void need_wall_clocks()
{
	if (!has_wall_clocks())
		skip("the kernel has no wall clocks for time namespaces (CONFIG_TIME_NS_WALL)");
}

struct output_file {
	output_file()
		: file(check(memfd_create("output", 0), "memfd_create"))
	{
	}
	std::string text() const
	{
		return read_file("/proc/self/fd/" + std::to_string(file.get()));
	}

	unique_fd file;
};

struct finished {
	int status; /* as of wait(2) */
	std::string output, errors;

	int exit_code() const
	{
		return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	}
};

[[noreturn]] void become_timens(std::vector<std::string> arguments)
{
	arguments.insert(arguments.begin(), timens_path);
	execv(timens_path.c_str(), pointers_to(arguments).data());
	throw system_failure("execv timens", errno);
}

/* A process that is timens, or what timens has become. Killed at the end. */
class running {
public:
	explicit running(const std::vector<std::string> &arguments, const std::string &input = {},
			 uid_t user = 0)
	{
		const output_file in;

		check(write(in.file.get(), input.data(), input.size()), "write");
		lseek(in.file.get(), 0, SEEK_SET);
		id = check(fork(), "fork");
		if (id)
			return;
		try {
			if (user)
				become_user(user);
			dup2(in.file.get(), STDIN_FILENO);
			dup2(output.file.get(), STDOUT_FILENO);
			dup2(errors.file.get(), STDERR_FILENO);
			become_timens(arguments);
		} catch (const std::exception &failure) {
			dprintf(errors.file.get(), "%s\n", failure.what());
			_exit(99);
		}
	}
	running(const running &) = delete;
	~running()
	{
		if (id) {
			kill(id, SIGKILL);
			waitpid(id, nullptr, 0);
		}
	}

	std::string pid() const
	{
		return std::to_string(id);
	}
	std::string proc(const std::string &name) const
	{
		return "/proc/" + pid() + "/" + name;
	}
	void signal(int number) const
	{
		check(kill(id, number), "kill");
	}
	/* Until timens has become its program, which is then inside. */
	void wait_until_it_is(const std::string &program) const
	{
		while (read_file(proc("comm")) != program + "\n") {
			siginfo_t ended{};

			waitid(P_PID, id, &ended, WEXITED | WNOHANG | WNOWAIT);
			expect(ended.si_pid == 0,
			       program + " has not been started: " + errors.text());
			usleep(1000);
		}
	}
	void wait_for_output(const std::string &text) const
	{
		while (output.text().find(text) == std::string::npos)
			usleep(1000);
	}
	finished wait()
	{
		int status;

		check(waitpid(id, &status, 0), "waitpid");
		id = 0;
		return { status, output.text(), errors.text() };
	}

private:
	output_file output, errors;
	pid_t id;
};

finished run_timens(const std::vector<std::string> &arguments, const std::string &input = {})
{
	return running(arguments, input).wait();
}

finished run_timens_as(uid_t user, const std::vector<std::string> &arguments)
{
	return running(arguments, {}, user).wait();
}

void expect_output(const finished &run, const std::string &output)
{
	expect_eq(run.errors, std::string(), "standard error");
	expect_eq(run.exit_code(), 0, "exit status");
	expect_eq(run.output, output, "output");
}

void expect_refused(const finished &run, int code, const std::string &message)
{
	expect_eq(run.exit_code(), code, "exit status");
	expect_eq(run.output, std::string(), "output");
	expect(run.errors.find(message) != std::string::npos,
	       "standard error has '" + message + "': " + run.errors);
	/* Nothing else, but where to read more. */
	const auto first = run.errors.substr(0, run.errors.find('\n') + 1);
	const auto rest = run.errors.substr(first.size());
	expect(rest.empty() || (rest.starts_with("Try 'timens") &&
				rest.ends_with("--help' for more information.\n") &&
				std::ranges::count(rest, '\n') == 1),
	       "one line on standard error: " + run.errors);
}

/* Wrong options or operands: getopt(3) says which, and the help is pointed to. */
void expect_syntax_error(const finished &run, int code, const std::string &message)
{
	expect_refused(run, code, message);
	expect(run.errors.find("\nTry 'timens ") != std::string::npos, run.errors);
}

/* From here on the system call fails with EIO in this process and its children. */
void make_fail(std::initializer_list<int> calls)
{
	std::vector<sock_filter> filter{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(seccomp_data, nr)) };

	for (const auto call : calls) {
		filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
					  static_cast<std::uint32_t>(call), 0, 1));
		filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO));
	}
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	const sock_fprog program{ static_cast<unsigned short>(filter.size()), filter.data() };

	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	const outcome filtered = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	if (filtered.error == EINVAL)
		skip("the kernel has no seccomp filters");
	check(filtered, "PR_SET_SECCOMP");
}

/* A mount namespace of its own, in which a file shows another text. */
void put_over(const std::string &path, const std::string &text)
{
	const std::string file = "/tmp/put_over." + std::to_string(getpid());

	check(unshare(CLONE_NEWNS), "unshare");
	check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
	const auto made = unique_fd(static_cast<int>(
		check(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644), "open")));
	check(write(made.get(), text.data(), text.size()), "write");
	check(mount(file.c_str(), path.c_str(), nullptr, MS_BIND, nullptr), "mount");
	check(unlink(file.c_str()), "unlink");
}

/* The last line of a text. */
std::string last_line(const std::string &text)
{
	const auto end = text.find_last_not_of('\n');

	return end == text.npos
		       ? ""
		       : text.substr(text.rfind('\n', end) + 1, end - text.rfind('\n', end));
}

std::string offsets_file(const std::string &monotonic, const std::string &boottime)
{
	const auto line = [](std::string clock, const std::string &value) {
		clock.resize(10, ' ');
		return clock + " " + std::string(10 - value.size(), ' ') + value + "         0\n";
	};

	return line("monotonic", monotonic) + line("boottime", boottime);
}

/* No clock goes back, and a slow machine takes its time. */
void expect_soon_after_seconds(double time, double earlier)
{
	expect_ge(time, earlier);
	expect_le(time, earlier + 100);
}

/* The line of a table that starts with a word, its columns one space apart; "" if there is none. */
std::string find_row(const std::string &table, const std::string &first)
{
	std::istringstream lines(table);
	std::string line;

	while (std::getline(lines, line)) {
		std::istringstream words(line);
		std::string word, row;

		while (words >> word)
			row += (row.empty() ? "" : " ") + word;
		if (row.starts_with(first + " "))
			return row;
	}
	return "";
}

const std::vector<std::string> sleep_a_day_ahead = { "run", "--monotonic", "+1d",   "--boottime",
						     "+1w", "--",	   "sleep", "1000" };
const std::vector<std::string> cat_offsets = { "cat", "/proc/self/timens_offsets" };

std::vector<std::string> operator+(std::vector<std::string> left,
				   const std::vector<std::string> &right)
{
	left.insert(left.end(), right.begin(), right.end());
	return left;
}

std::vector<std::string> shell(const std::string &script)
{
	return { "--", "sh", "-c", script };
}

} /* namespace */

/* --------------------------------------------------------------------- run */

TEST(run_moves_each_clock_by_its_offset, .timeout = patience)
{
	expect_output(run_timens(std::vector<std::string>{ "run", "--monotonic", "+3d4h",
							   "--boottime=1w", "--" } +
				 cat_offsets),
		      offsets_file("273600", "604800"));
}

TEST(run_puts_a_clock_at_an_exact_value, .timeout = patience)
{
	for (const auto &value : { "@1000d", "=1000d" }) {
		const auto run = run_timens({ "run", "--boottime", value, "cat", "/proc/uptime" });

		expect_eq(run.exit_code(), 0, value);
		expect_soon_after_seconds(std::stod(run.output), 86400000);
	}
}

namespace
{

/* In a namespace that has this uptime, started by the options and commands before it. */
void expect_uptime(const std::vector<std::string> &start, double uptime)
{
	const auto run =
		run_timens(start + std::vector<std::string>{ "--", timens_path, "list", "-n", "-o",
							     "MONOTONIC-NOW,BOOTTIME-NOW,"
							     "COMMAND" });

	expect_eq(run.exit_code(), 0, run.errors);
	std::istringstream lines(run.output);
	std::string line;
	while (std::getline(lines, line) && line.find("timens list") == std::string::npos)
		;
	double monotonic = 0, boottime = 0;
	std::istringstream(line) >> monotonic >> boottime;
	expect_soon_after_seconds(monotonic, uptime);
	expect_soon_after_seconds(boottime, uptime);
}

/* Makes a namespace that no task has entered, and keeps it. */
void hold_pending_namespace(gate &made)
{
	unshare_time();
	made.open();
	pause();
}

} /* namespace */

TEST(run_with_an_uptime_starts_both_clocks_there, .timeout = patience)
{
	expect_uptime({ "run", "--uptime", "5m" }, 300);
}

/* As a runtime in a container does for its own containers: uptime 0 is not minus its own. */
TEST(run_with_an_uptime_within_a_namespace_starts_both_clocks_there, .timeout = patience)
{
	for (const auto &uptime : { "1000d", "0" }) {
		const std::vector<std::string> outside{ "run", "--uptime", uptime, "--",
							timens_path };

		expect_uptime(outside + std::vector<std::string>{ "run", "--uptime", "0" }, 0);
		expect_uptime(outside + std::vector<std::string>{ "run", "--uptime", "2000d" },
			      2000 * 86400);
	}
	expect_uptime({ "run", "--monotonic", "3d", "--boottime", "7d", "--", timens_path, "exec",
			"/proc/self/ns/time", timens_path, "run", "--uptime", "0", "--",
			timens_path, "run", "--uptime", "5m" },
		      300);
}

TEST(run_with_an_uptime_by_a_user_within_a_namespace_starts_there, .timeout = patience)
{
	const auto run =
		run_timens_as(1234, { "run", "-U", "--uptime", "1000d", "--", timens_path, "run",
				      "-U", "--uptime", "0", "--", "cat", "/proc/uptime" });

	expect_eq(run.exit_code(), 0, run.errors);
	expect_soon_after_seconds(std::stod(run.output), 0);
}

TEST(run_keeps_the_offset_of_a_clock_that_is_not_named, .timeout = patience)
{
	expect_output(
		run_timens(std::vector<std::string>{ "run", "--monotonic", "1d", "--", timens_path,
						     "run", "--boottime", "2d", "--" } +
			   cat_offsets),
		offsets_file("86400", "172800"));
}

TEST(run_takes_offsets_from_the_host_within_a_namespace_too, .timeout = patience)
{
	const auto run = run_timens({ "run", "--boottime", "1000d", "--", timens_path, "run",
				      "--boottime", "=500d", "--", "cat", "/proc/uptime" });

	expect_eq(run.exit_code(), 0, run.errors);
	expect_soon_after_seconds(std::stod(run.output), 43200000);
}

TEST(run_enters_by_itself_and_leaves_nothing_behind_it, .timeout = patience)
{
	const running sleeper(sleep_a_day_ahead);

	sleeper.wait_until_it_is("sleep");
	expect_ne(ns_inode(sleeper.proc("ns/time")), ns_inode("/proc/self/ns/time"));
	expect_eq(ns_inode(sleeper.proc("ns/time")),
		  ns_inode(sleeper.proc("ns/time_for_children")));
}

TEST(run_ends_as_its_program_ends, .timeout = patience)
{
	expect_eq(run_timens(std::vector<std::string>{ "run" } + shell("exit 7")).exit_code(), 7);
	const auto killed = run_timens(std::vector<std::string>{ "run" } + shell("kill -KILL $$"));
	expect(WIFSIGNALED(killed.status) && WTERMSIG(killed.status) == SIGKILL,
	       "killed by SIGKILL");
}

TEST(run_hands_signals_to_its_program, .timeout = patience)
{
	running program(std::vector<std::string>{ "run" } +
			shell("trap 'echo got it; exit 5' USR1; echo ready; "
			      "while :; do sleep 0.01; done"));

	program.wait_for_output("ready\n");
	program.signal(SIGUSR1);
	const auto end = program.wait();
	expect_eq(end.exit_code(), 5);
	expect_eq(end.output, std::string("ready\ngot it\n"));
}

TEST(run_leaves_the_terminal_to_its_program, .timeout = patience)
{
	int terminal;
	const auto pid = check(forkpty(&terminal, nullptr, nullptr, nullptr), "forkpty");
	std::string seen;
	char part[256];
	int status;

	if (pid == 0) {
		try {
			become_timens(std::vector<std::string>{ "run", "--uptime", "0" } +
				      shell("read line; echo got $line; exec sleep 1000"));
		} catch (const std::exception &) {
			_exit(99);
		}
	}
	const unique_fd master(terminal);
	check(write(terminal, "hello\n", 6), "write");
	while (seen.find("got hello") == std::string::npos)
		seen.append(part, check(read(terminal, part, sizeof(part)), "read the terminal"));
	check(write(terminal, "\x03", 1), "write");
	check(waitpid(pid, &status, 0), "waitpid");
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT, "interrupted from the keyboard");
}

TEST(run_checks_all_before_it_does_anything, .timeout = patience)
{
	const auto refuse = [](const std::vector<std::string> &options, const std::string &why) {
		expect_refused(run_timens(std::vector<std::string>{ "run" } + options +
					  shell("echo started")),
			       125, why);
	};

	refuse({ "--monotonic", "3x" }, "'3x': no unit 'x'");
	refuse({ "--monotonic", "-9999d" }, "--monotonic '-9999d': the clock would be below zero");
	refuse({ "--monotonic", "-9999d" }, ", or --monotonic @0");
	refuse({ "--boottime", "=150000d" }, "beyond");
	refuse({ "--boottime", "=60000d" }, "beyond 146 years");
	refuse({ "--boottime", "=-1s" }, "a clock cannot be below zero");
	refuse({ "--uptime", "-1s" }, "'-1s': a clock cannot be below zero");
	refuse({ "--uptime", "60000d" }, "--uptime '60000d': the clock would be beyond");
	refuse({ "--uptime", "+1" }, "without '+'");
	refuse({ "--uptime", "1", "--monotonic", "1" }, "--uptime sets both clocks");
	refuse({ "--never" }, "unrecognized option '--never'");
	refuse({ "--monotonic" }, "'--': expected a number");
	refuse({ "--m", "1d" }, "option '--m' is ambiguous; possibilities: ");
	refuse({ "--user=1" }, "option '--user' doesn't allow an argument");
	refuse({ "--keep", "/tmp/kept", "-U" }, "--keep takes the rights of root");
}

TEST(run_says_as_env_does_why_its_program_has_not_started, .timeout = patience)
{
	expect_refused(run_timens({ "run", "--", "no-such-program" }), 127, "no-such-program");
	expect_refused(run_timens({ "run", "--", "/no/such/program" }), 127, "/no/such/program");
	expect_refused(run_timens({ "run", "--", "/proc" }), 126, "/proc: Permission denied");
}

/* ----------------------------------------------------------- ordinary users */

TEST(user_makes_a_namespace_and_stays_the_same_user, .timeout = patience)
{
	const auto run =
		run_timens_as(1234, std::vector<std::string>{ "run", "-U", "--uptime", "5" } +
					    shell("id -u; id -g; cat /proc/uptime"));
	unsigned int uid = 0, gid = 0;
	double uptime = 0;

	std::istringstream(run.output) >> uid >> gid >> uptime;
	expect_eq(run.exit_code(), 0, run.errors);
	expect_eq(uid, 1234U);
	expect_eq(gid, 1234U);
	expect_soon_after_seconds(uptime, 5);
}

TEST(user_is_root_in_the_namespace_when_asked_for, .timeout = patience)
{
	expect_output(run_timens_as(1234, std::vector<std::string>{ "run", "-r" } + shell("id -u")),
		      "0\n");
}

TEST(user_without_a_user_namespace_is_told_of_it, .timeout = patience)
{
	expect_refused(run_timens_as(1234, { "run", "--uptime", "5", "true" }), 125,
		       "with -U it needs no privilege");
}

TEST(user_enters_a_namespace_of_his_own, .timeout = patience)
{
	const running sleeper({ "run", "-U", "--monotonic", "1d", "sleep", "1000" }, {}, 1234);

	sleeper.wait_until_it_is("sleep");
	expect_output(run_timens_as(1234, std::vector<std::string>{ "exec", sleeper.pid() } +
						  cat_offsets),
		      offsets_file("86400", "0"));
}

TEST(user_may_not_enter_a_namespace_of_root, .timeout = patience)
{
	const running sleeper(sleep_a_day_ahead);

	sleeper.wait_until_it_is("sleep");
	expect_refused(run_timens_as(1234, { "exec", sleeper.pid(), "true" }), 125,
		       "Permission denied");
}

/* -------------------------------------------------------------------- exec */

TEST(exec_enters_the_namespace_of_a_process, .timeout = patience)
{
	const running sleeper(sleep_a_day_ahead);
	const auto file = sleeper.proc("ns/time");

	sleeper.wait_until_it_is("sleep");
	for (const auto &name : { sleeper.pid(), file })
		expect_output(run_timens({ "exec", name, "--", "readlink", "/proc/self/ns/time" }),
			      "time:[" + std::to_string(ns_inode(file)) + "]\n");
	expect_output(run_timens(std::vector<std::string>{ "exec", sleeper.pid() } + cat_offsets),
		      offsets_file("86400", "604800"));
}

TEST(exec_ends_as_its_program_ends, .timeout = patience)
{
	const auto own = std::to_string(getpid());

	expect_eq(run_timens(std::vector<std::string>{ "exec", own } + shell("exit 7")).exit_code(),
		  7);
	expect_refused(run_timens({ "exec", own, "no-such-program" }), 127, "no-such-program");
}

TEST(exec_names_what_is_not_a_namespace, .timeout = patience)
{
	expect_refused(run_timens({ "exec" }), 125,
		       "missing operand: a process or a namespace file");
	expect_refused(run_timens({ "exec", "2147483647", "true" }), 125, "there is no process");
	expect_refused(run_timens({ "exec", "sleep", "true" }), 125, "'sleep': the number of");
	expect_refused(run_timens({ "exec", "/proc/self/ns/mnt", "true" }), 125,
		       "is not a time namespace");
	expect_refused(run_timens({ "exec", "/proc/self/stat", "true" }), 125,
		       "is not a time namespace");
}

/* -------------------------------------------------------------------- list */

TEST(list_has_the_offsets_and_processes_of_a_namespace, .timeout = patience)
{
	const running sleeper(sleep_a_day_ahead);

	sleeper.wait_until_it_is("sleep");
	const auto number = std::to_string(ns_inode(sleeper.proc("ns/time")));
	const auto list = run_timens(
		{ "list", "-n", "-o", "NS,OWNER,MONOTONIC,BOOTTIME,NPROCS,PID,UID,COMMAND" });
	expect_eq(list.exit_code(), 0);
	expect_eq(find_row(list.output, number),
		  number + " 0 +1d +7d 1 " + sleeper.pid() + " 0 sleep 1000");
}

TEST(list_has_a_namespace_that_only_children_will_be_in, .timeout = patience)
{
	unshare_time();
	expect_eq(write_offsets("monotonic 5 0\n").error, 0, "errno of writing the offsets");
	const auto number = std::to_string(ns_inode("/proc/self/ns/time_for_children"));

	/* timens is such a child, and so goes elsewhere before it looks. */
	const auto list = run_timens({ "exec", std::to_string(getppid()), "--", timens_path, "list",
				       "-n", "-o", "NS,PID,NPROCS,MONOTONIC" });
	expect_eq(find_row(list.output, number),
		  number + " " + std::to_string(getpid()) + " 0 +5s");
}

TEST(list_in_json_has_exact_nanoseconds, .timeout = patience)
{
	const running sleeper({ "run", "--monotonic", "1d0.000000001s", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	const auto list = run_timens({ "list", "--json", "-o", "pid,monotonic" });
	expect(list.output.find("\"pid\": " + sleeper.pid() +
				",\n         \"monotonic_ns\": \"86400000000001\"\n") !=
		       std::string::npos,
	       list.output);
}

/* A file with a blank in its name, given up at the end. */
class kept {
public:
	kept() = default;
	kept(const kept &) = delete;
	~kept()
	{
		umount2(path.c_str(), MNT_DETACH);
		unlink(path.c_str());
	}

	const std::string path = "/tmp/a kept namespace." + std::to_string(getpid());
};

TEST(run_keeps_a_namespace_on_a_file, .timeout = patience)
{
	const kept file;

	expect_output(run_timens({ "run", "--monotonic", "1d", "--keep", file.path, "true" }), "");
	expect_output(run_timens(std::vector<std::string>{ "exec", file.path } + cat_offsets),
		      offsets_file("86400", "0"));
	expect_refused(run_timens({ "run", "--keep", file.path, "true" }), 125,
		       "is a namespace already");
}

TEST(list_has_a_namespace_that_a_file_keeps, .timeout = patience)
{
	const kept file;

	expect_output(run_timens({ "run", "--monotonic", "1d", "--keep", file.path, "true" }), "");
	const auto number = std::to_string(ns_inode(file.path));
	const std::vector<std::string> list{ "list", "-n", "-o",
					     "NS,OWNER,MONOTONIC,NPROCS,PID,COMMAND,FILE" };
	expect_eq(find_row(run_timens(list).output, number), number + " 0 +1d 0 - - " + file.path);

	const running sleeper({ "exec", file.path, "sleep", "1000" });
	sleeper.wait_until_it_is("sleep");
	expect_eq(find_row(run_timens(list).output, number),
		  number + " 0 +1d 1 " + sleeper.pid() + " sleep 1000 " + file.path);
}

TEST(run_that_starts_nothing_keeps_nothing, .timeout = patience)
{
	const kept file;

	expect_refused(run_timens({ "run", "--keep", file.path, "no-such-program" }), 127,
		       "no-such-program");
	expect(access(file.path.c_str(), F_OK) != 0, "no file is left");
	expect_refused(run_timens({ "run", "--keep", "/proc/kept", "true" }), 125, "/proc/kept: ");
	expect_refused(run_timens_as(1234, { "run", "--keep", file.path, "true" }), 125,
		       "Operation not permitted");
	expect(access(file.path.c_str(), F_OK) != 0, "no file is left by a user");
}

/* ------------------------------------------------------------ by the ioctls */

TEST(user_reads_offsets_of_a_namespace_that_he_may_not_enter, .timeout = patience)
{
	const kept file;

	expect_output(run_timens({ "run", "--monotonic", "1d", "--keep", file.path, "true" }), "");
	const auto run = run_timens_as(1234, { "translate", file.path, "monotonic", "1" });
	if (is_ours())
		expect_output(run, "86401.000000000\n");
	else
		expect_refused(run, 1, "Operation not permitted");
}

TEST(list_says_which_offsets_can_still_be_set, .timeout = patience)
{
	gate made;
	child maker([&] { hold_pending_namespace(made); });

	made.wait(maker);
	const auto pending = std::to_string(ns_inode(maker.proc("ns/time_for_children")));
	const auto own = std::to_string(ns_inode("/proc/self/ns/time"));
	const auto list = run_timens({ "list", "-n", "-o", "NS,FROZEN" });

	expect_eq(find_row(list.output, pending), pending + (is_ours() ? " no" : " -"));
	expect_eq(find_row(list.output, own), own + (is_ours() ? " yes" : " -"));
}

/* ------------------------------------------------------------- show, check */

TEST(show_finds_every_view_moved_by_the_offsets, .timeout = patience)
{
	const running sleeper(sleep_a_day_ahead);

	sleeper.wait_until_it_is("sleep");
	const auto show = run_timens({ "show", sleeper.pid() });
	expect_eq(show.exit_code(), 0, show.output);
	for (const auto *view : { "CLOCK_MONOTONIC, vDSO", "CLOCK_MONOTONIC, system call",
				  "timerfd_settime(), CLOCK_BOOTTIME", "sysinfo() uptime",
				  "/proc/uptime", "/proc/stat btime" })
		expect(show.output.find(view) != std::string::npos, view + show.output);
}

TEST(show_tells_a_kernel_where_a_process_starts_before_zero, .timeout = patience)
{
	const running sleeper({ "run", "--uptime", "0", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	const auto show = run_timens({ "show", sleeper.pid() });
	const auto wrong = show.output.find("/stat starttime") != std::string::npos &&
			   show.output.find("WRONG") != std::string::npos;
	expect_eq(wrong, !is_ours(), show.output);
	expect_eq(show.exit_code(), is_ours() ? 0 : 1);
}

TEST(show_alone_is_of_the_own_namespace, .timeout = patience)
{
	const auto show = run_timens(
		{ "run", "--monotonic", "1d", timens_path, "show", "-n", "-o", "VIEW,OFFSET" });

	expect_eq(show.exit_code(), 0, show.errors);
	expect_eq(find_row(show.output, "CLOCK_MONOTONIC, vDSO"),
		  std::string("CLOCK_MONOTONIC, vDSO +1d"));
}

TEST(check_finds_that_all_views_agree, .timeout = patience)
{
	const auto outside = run_timens({ "check", "--seconds", "0.2", "-q" });
	expect_eq(outside.exit_code(), 0, outside.output + outside.errors);
	expect_eq(outside.output, std::string());
	const auto inside = run_timens({ "run", "--monotonic", "3d", "--boottime", "1w", "--",
					 timens_path, "check", "--seconds", "0.2", "-q" });
	expect_eq(inside.exit_code(), 0, inside.output + inside.errors);
}

TEST(check_of_a_process_enters_its_namespace, .timeout = patience)
{
	const running sleeper(sleep_a_day_ahead);

	sleeper.wait_until_it_is("sleep");
	const auto check = run_timens({ "check", "-s", "0.2", sleeper.pid() });
	expect_eq(check.exit_code(), 0, check.output + check.errors);
	expect(check.output.find("CLOCK_BOOTTIME never steps back") != std::string::npos,
	       check.output);
}

TEST(check_counts_what_it_has_found, .timeout = patience)
{
	const auto check = run_timens({ "check", "-s", "0.2" });
	const auto line = last_line(check.output);
	int all = 0, not_here = -1;

	expect_eq(check.exit_code(), 0, check.output + check.errors);
	expect_eq(std::sscanf(line.c_str(), "%d checks, %d not possible here", &all, &not_here), 2,
		  line);
	expect(line.ends_with(" not possible here, 0 not checked, 0 wrong"), line);
	/* The heading and this line are no checks. */
	expect_eq(std::ranges::count(check.output, '\n') - 2, all, check.output);
	expect_ge(all, 30);
	expect_eq(line, std::to_string(all) + " checks, " + std::to_string(not_here) +
				" not possible here, 0 not checked, 0 wrong");
}

TEST(check_does_not_call_good_what_it_could_not_check, .timeout = patience)
{
	make_fail({ SYS_sysinfo, SYS_timerfd_create });
	const auto check = run_timens({ "check", "-s", "0.2" });

	expect_eq(check.exit_code(), 3, check.output + check.errors);
	expect(find_row(check.output, "CLOCK_BOOTTIME: sysinfo() uptime")
		       .ends_with("uptime not checked sysinfo: Input/output error"),
	       check.output);
	expect(find_row(check.output, "CLOCK_MONOTONIC: timerfd_settime() deadlines")
		       .ends_with("not checked timerfd_create: Input/output error"),
	       check.output);
	expect(last_line(check.output).ends_with(", 4 not checked, 0 wrong"), check.output);

	const auto quiet = run_timens({ "check", "-s", "0.2", "-q", "-n" });
	expect_eq(quiet.exit_code(), 3, quiet.output + quiet.errors);
	expect_eq(std::ranges::count(quiet.output, '\n'), 4, quiet.output);
}

TEST(check_says_what_the_user_may_not_do_and_is_content, .timeout = patience)
{
	const auto check = run_timens_as(1234, { "check", "-s", "0.2", "-o", "CHECK,RESULT" });

	/* What wakes a machine takes a privilege or an RTC, where there is one. */
	expect_eq(check.exit_code(), 0, check.output + check.errors);
	expect(last_line(check.output).ends_with(" 0 not checked, 0 wrong"), check.output);
}

TEST(check_finds_an_uptime_that_is_not_a_time, .timeout = patience)
{
	put_over("/proc/uptime", "");
	const auto check = run_timens({ "check", "-s", "0.2" });

	expect_eq(check.exit_code(), 1, check.output + check.errors);
	expect_eq(find_row(check.output, "CLOCK_BOOTTIME: /proc/uptime"),
		  std::string("CLOCK_BOOTTIME: /proc/uptime WRONG /proc/uptime: '' is not a time"));
	expect(last_line(check.output).ends_with(" 0 not checked, 1 wrong"), check.output);
}

TEST(check_finds_an_uptime_of_another_clock, .timeout = patience)
{
	put_over("/proc/uptime", "1.00 1.00\n");
	const auto check = run_timens(
		{ "run", "--uptime", "1d", "--", timens_path, "check", "-s", "0.2", "-q" });

	expect_eq(check.exit_code(), 1, check.output + check.errors);
	expect(find_row(check.output, "CLOCK_BOOTTIME: /proc/uptime")
		       .starts_with("CLOCK_BOOTTIME: /proc/uptime WRONG behind by 23h59m"),
	       check.output);
	expect(last_line(check.output).ends_with(" 1 wrong"), check.output);
}

TEST(check_is_content_with_a_namespace_at_zero, .timeout = patience,
     .differs_from_stock = "clocks fall below zero")
{
	if (!is_ours())
		skip("this kernel lets clocks fall below zero");
	const auto check = run_timens(
		{ "run", "--uptime", "0", "--", timens_path, "check", "--seconds", "0.2", "-q" });
	expect_eq(check.exit_code(), 0, check.output + check.errors);
}

/* ---------------------------------------------------------- the wall clock */

namespace
{

const std::vector<std::string> sleep_in_2030 = { "run", "--realtime", "@2030-01-01 12:00Z", "sleep",
						 "1000" };
/* 2030-01-01 12:00 */
constexpr double in_2030 = 1893499200;

const std::vector<std::string> print_date = { "date", "-u", "+%s" };

double date_of(const finished &run)
{
	expect_eq(run.exit_code(), 0, run.errors);
	expect_eq(run.errors, std::string(), "standard error");
	return std::stod(run.output);
}

double date_in(const running &inside)
{
	return date_of(run_timens(std::vector<std::string>{ "exec", inside.pid() } + print_date));
}

double date_here()
{
	return now(CLOCK_REALTIME).count() / 1e9;
}

/* What a column of list says of the namespace of a process. */
std::string listed(const running &inside, const std::string &column)
{
	const auto number = std::to_string(ns_inode(inside.proc("ns/time")));
	const auto row =
		find_row(run_timens({ "list", "-n", "-o", "NS," + column }).output, number);

	expect(!row.empty(), "the namespace is listed");
	return row.substr(number.size() + 1);
}

} /* namespace */

TEST(run_gives_a_wall_clock_by_an_offset, .timeout = patience)
{
	need_wall_clocks();
	const auto before = date_here();
	const auto date = date_of(run_timens(
		std::vector<std::string>{ "run", "--realtime", "+90d", "--" } + print_date));

	expect_ge(date, std::floor(before) + 90 * 86400);
	expect_le(date, date_here() + 90 * 86400);
}

TEST(run_gives_a_wall_clock_by_a_date, .timeout = patience)
{
	need_wall_clocks();
	for (const auto *setting :
	     { "@2030-01-01 12:00Z", "=2030-01-01T12:00:00+00:00", "@1893499200" })
		expect_soon_after_seconds(
			date_of(run_timens(
				std::vector<std::string>{ "run", "--realtime", setting, "--" } +
				print_date)),
			in_2030);
}

TEST(run_reads_a_date_in_the_time_zone_of_the_user, .timeout = patience)
{
	need_wall_clocks();
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	expect_soon_after_seconds(
		date_of(run_timens(
			std::vector<std::string>{ "run", "--realtime", "@2030-01-01 13:00", "--" } +
			print_date)),
		in_2030);
}

TEST(run_gives_all_three_clocks_at_once, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper({ "run", "--monotonic", "+1d", "--boottime", "+1w", "--realtime",
				"+90d", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	expect_eq(listed(sleeper, "MONOTONIC,BOOTTIME,REALTIME,WALL"),
		  std::string("+1d +7d +90d FOLLOW"));
}

/* The date goes with the CLOCK_BOOTTIME of the same command. */
TEST(run_puts_the_date_as_low_as_the_uptime_allows, .timeout = patience)
{
	need_wall_clocks();
	const auto date = date_of(run_timens(
		std::vector<std::string>{ "run", "--boottime", "@0", "--realtime", "@100", "--" } +
		print_date));

	expect_soon_after_seconds(date, 100);
	expect_refused(
		run_timens({ "run", "--boottime", "@1000d", "--realtime", "@999d", "--", "true" }),
		125, "the machine would have booted before 1970");
}

TEST(run_without_a_wall_clock_keeps_that_of_the_caller, .timeout = patience)
{
	need_wall_clocks();
	const auto nested = run_timens(
		std::vector<std::string>{ "run", "--realtime", "@2030-01-01 12:00Z", "--",
					  timens_path, "run", "--monotonic", "1d", "--" } +
		print_date);

	expect_soon_after_seconds(date_of(nested), in_2030);
	const auto outside = date_here();
	const auto plain = date_of(run_timens(
		std::vector<std::string>{ "run", "--monotonic", "1d", "--" } + print_date));
	expect_soon_after_seconds(plain, std::floor(outside));
}

TEST(run_counts_the_date_from_the_host_within_a_namespace_too, .timeout = patience)
{
	need_wall_clocks();
	const auto before = date_here();
	const auto date = date_of(run_timens(
		std::vector<std::string>{ "run", "--realtime", "+1000d", "--", timens_path, "run",
					  "--realtime", "+10d", "--" } +
		print_date));

	expect_soon_after_seconds(date, std::floor(before) + 10 * 86400);
	expect_soon_after_seconds(
		date_of(run_timens(std::vector<std::string>{ "run", "--realtime", "+1000d", "--",
							     timens_path, "run", "--realtime",
							     "@1893499200", "--" } +
				   print_date)),
		in_2030);
}

TEST(user_sets_the_date_inside_and_nothing_outside, .timeout = patience)
{
	need_wall_clocks();
	const auto before = date_here();
	const auto run = run_timens_as(
		1234, std::vector<std::string>{ "run", "-r", "--realtime", "+0" } +
			      shell("date -u -s @1893499200 > /dev/null && date -u +%s"));

	expect_soon_after_seconds(date_of(run), in_2030);
	expect_soon_after_seconds(date_here(), before);
}

TEST(a_date_that_is_set_inside_makes_the_clock_its_own, .timeout = patience)
{
	need_wall_clocks();
	running sleeper(std::vector<std::string>{ "run", "--realtime", "+5d" } +
				shell("read line; date -u -s @1893499200 > /dev/null; echo set; "
				      "exec sleep 1000"),
			"\n");

	sleeper.wait_for_output("set\n");
	sleeper.wait_until_it_is("sleep");
	expect_eq(listed(sleeper, "WALL"), std::string("OWN"));
	expect_soon_after_seconds(date_in(sleeper), in_2030);
}

TEST(set_moves_the_clock_of_programs_that_run, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper(sleep_in_2030);

	sleeper.wait_until_it_is("sleep");
	expect_output(run_timens({ "set", sleeper.pid(), "--realtime", "+5d" }), "");
	expect_eq(listed(sleeper, "REALTIME,WALL"), std::string("+5d FOLLOW"));
	expect_output(run_timens({ "set", "--realtime", "@1893499200", sleeper.proc("ns/time") }),
		      "");
	expect_soon_after_seconds(date_in(sleeper), in_2030);
	expect_output(run_timens({ "set", sleeper.pid(), "--realtime=-0.5s" }), "");
	expect_eq(listed(sleeper, "REALTIME"), std::string("-0.5s"));
}

TEST(set_ends_a_wait_for_a_date, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper({ "run", "--realtime", "+0", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	child waiting([&] {
		const timespec then{ static_cast<time_t>(in_2030), 0 };

		check(setns(open_file(sleeper.proc("ns/time"), O_RDONLY).get(), CLONE_NEWTIME),
		      "setns");
		expect_eq(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &then, nullptr), 0);
		expect_ge(date_here(), in_2030);
	});
	while (!read_file(waiting.proc("syscall"))
			.starts_with(std::to_string(SYS_clock_nanosleep) + " "))
		usleep(1000);
	expect_output(run_timens({ "set", sleeper.pid(), "--realtime", "@1893499201" }), "");
	waiting.wait_ok();
}

TEST(set_changes_what_the_clock_runs_on_and_not_what_it_reads, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper({ "run", "--realtime", "+5d", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	for (const std::string mode : { "own", "follow", "own" }) {
		std::string name = mode;

		std::ranges::transform(name, name.begin(), toupper);
		expect_output(run_timens({ "set", "--" + mode, sleeper.pid() }), "");
		expect_eq(listed(sleeper, "REALTIME,WALL"), "+5d " + name);
	}
}

TEST(set_says_how_far_ahead_tai_is, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper({ "run", "--realtime", "+5d", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	expect_output(run_timens({ "set", "--tai", "42", sleeper.pid() }), "");
	expect_eq(listed(sleeper, "REALTIME,TAI"), std::string("+5d 42"));
	const auto show = run_timens({ "show", sleeper.pid() });
	expect_eq(show.exit_code(), 0, show.output);
}

TEST(set_before_the_first_program_enters_makes_a_clock, .timeout = patience)
{
	need_wall_clocks();
	gate made;
	child maker([&] { hold_pending_namespace(made); });

	made.wait(maker);
	const auto pending = maker.proc("ns/time_for_children");
	const auto number = std::to_string(ns_inode(pending));
	const std::vector<std::string> list{ "list", "-n", "-o", "NS,REALTIME,WALL" };
	expect_eq(find_row(run_timens(list).output, number), number + " - HOST");
	expect_output(run_timens({ "set", "--realtime", "+5d", pending }), "");
	expect_eq(find_row(run_timens(list).output, number), number + " +5d FOLLOW");
}

TEST(set_says_what_is_wrong, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper(sleep_in_2030), plain(sleep_a_day_ahead);

	sleeper.wait_until_it_is("sleep");
	plain.wait_until_it_is("sleep");
	const auto refuse = [&](const std::vector<std::string> &options, int code,
				const std::string &why) {
		expect_refused(
			run_timens(std::vector<std::string>{ "set", sleeper.pid() } + options),
			code, why);
		expect_ge(date_in(sleeper), in_2030, "nothing has been set");
	};

	refuse({ "--realtime", "2030-01-01" }, 2, "a date stands after '@'");
	refuse({ "--realtime", "@2030-02-30" }, 2, "there is no such day");
	refuse({ "--realtime", "-99999d" }, 2, "the date would be before 1970");
	refuse({ "--realtime", "@0" }, 2, "the lowest value is the CLOCK_BOOTTIME there");
	refuse({ "--realtime", "@2300-01-01" }, 2, "beyond 2232");
	refuse({ "--tai", "100001" }, 2, "0 to 100000");
	refuse({ "--own", "--follow" }, 2, "--follow and --own exclude each other");
	refuse({}, 2, "nothing to set");
	expect_syntax_error(run_timens({ "set", "--own" }), 2, "missing operand: a process");
	for (const auto &host : { plain.pid(), std::to_string(getpid()) })
		expect_refused(run_timens({ "set", host, "--realtime", "+5d" }), 1,
			       "the namespace has the host's");
	expect_refused(run_timens_as(1234, { "set", sleeper.pid(), "--realtime", "+5d" }), 1,
		       "/ns/time: Permission denied");
	expect_ge(date_in(sleeper), in_2030, "nothing has been set");
}

TEST(user_sets_the_clock_of_his_own_namespace_from_outside_and_no_other, .timeout = patience)
{
	need_wall_clocks();
	const kept file;
	const running mine({ "run", "-U", "--realtime", "+5d", "sleep", "1000" }, {}, 1234);

	mine.wait_until_it_is("sleep");
	expect_output(run_timens_as(1234, { "set", mine.pid(), "--realtime", "@1893499200" }), "");
	expect_soon_after_seconds(date_in(mine), in_2030);
	/* By a file that all may open. */
	expect_output(run_timens({ "run", "--realtime", "+5d", "--keep", file.path, "true" }), "");
	expect_refused(run_timens_as(1234, { "set", file.path, "--realtime", "+6d" }), 1,
		       "it takes CAP_SYS_TIME in the user namespace that owns it");
}

TEST(show_and_check_know_the_wall_clock, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper({ "run", "--realtime", "+90d", "--uptime", "5m", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	for (const std::string mode : { "--follow", "--own" }) {
		expect_output(run_timens({ "set", mode, sleeper.pid() }), "");
		const auto show = run_timens({ "show", sleeper.pid() });
		expect_eq(show.exit_code(), 0, show.output + show.errors);
		for (const std::string view :
		     { "CLOCK_REALTIME, vDSO", "CLOCK_REALTIME, system call",
		       "CLOCK_REALTIME_COARSE, vDSO", "CLOCK_TAI, vDSO", "CLOCK_TAI, system call",
		       "gettimeofday()", "time()", "timer_settime(), CLOCK_REALTIME",
		       "timer_settime(), CLOCK_TAI", "timerfd_settime(), CLOCK_REALTIME" })
			expect(find_row(show.output, view).ends_with(" +90d ok"),
			       view + " in " + show.output);
		const auto check = run_timens({ "check", "-s", "0.2", "-q", sleeper.pid() });
		expect_eq(check.exit_code(), 0, check.output + check.errors);
		expect_eq(check.output, std::string());
	}
	const auto alone = run_timens({ "exec", sleeper.pid(), "--", timens_path, "show" });
	expect_eq(alone.exit_code(), 0, alone.errors);
	expect(alone.output.find(", realtime +90d (OWN)\n") != std::string::npos, alone.output);
}

TEST(list_in_json_has_the_wall_clock, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper({ "run", "--realtime", "+1d0.000000001s", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	const auto list = run_timens({ "list", "--json", "-o", "pid,realtime,wall" });
	expect(list.output.find("\"pid\": " + sleeper.pid() +
				",\n         \"realtime_ns\": \"86400000000001\","
				"\n         \"wall\": \"FOLLOW\"\n") != std::string::npos,
	       list.output);
}

TEST(translate_goes_by_the_wall_clock, .timeout = patience)
{
	need_wall_clocks();
	const running sleeper({ "run", "--realtime", "+1d", "sleep", "1000" });

	sleeper.wait_until_it_is("sleep");
	for (const auto *clock : { "realtime", "tai" })
		expect_output(run_timens({ "translate", sleeper.pid(), clock, "5" }),
			      "86405.000000000\n");
}

TEST(kernel_without_wall_clocks_is_told_in_one_line, .timeout = patience)
{
	if (has_wall_clocks())
		skip("the kernel has wall clocks for time namespaces");
	expect_refused(run_timens(std::vector<std::string>{ "run", "--realtime", "+5d" } +
				  shell("echo started")),
		       125, "this kernel has no wall clocks for time namespaces");
	expect_refused(run_timens({ "set", "1", "--realtime", "+5d" }), 1,
		       "this kernel has no wall clocks for time namespaces");
}

/* --------------------------------------------- watch, translate, features */

TEST(watch_shows_the_clocks_again_and_again, .timeout = patience)
{
	const auto watch =
		run_timens({ "watch", "-c", "3", "-i", "20ms", "-o", "NS,BOOTTIME-NOW" });
	std::size_t updates = 0;

	expect_eq(watch.exit_code(), 0, watch.errors);
	for (std::size_t at = 0; (at = watch.output.find("BOOTTIME-NOW", at)) != std::string::npos;
	     ++at)
		++updates;
	expect_eq(updates, 3U);
}

TEST(watch_ends_well_when_interrupted, .timeout = patience)
{
	running watch({ "watch", "-i", "1h", std::to_string(getpid()) });

	watch.wait_for_output("starttime");
	watch.signal(SIGINT);
	expect_eq(watch.wait().exit_code(), 0);
}

TEST(translate_goes_there_and_back, .timeout = patience)
{
	const running sleeper(sleep_a_day_ahead);
	const auto pid = sleeper.pid();

	sleeper.wait_until_it_is("sleep");
	expect_output(run_timens({ "translate", pid, "monotonic", "[  12.345678]" }),
		      "86412.345678000\n");
	expect_output(run_timens({ "translate", pid, "CLOCK_BOOTTIME", "0.000000001" }),
		      "604800.000000001\n");
	expect_output(run_timens({ "translate", pid, "monotonic-raw", "1d1s", "--to-host" }),
		      "1.000000000\n");
	expect_output(run_timens({ "translate", pid, "realtime", "5" }), "5.000000000\n");
	expect_output(run_timens({ "translate", pid, "monotonic", "-" },
				 "[    1.500000] usb 1-1.2: new\nno stamp\n"),
		      "[86401.500000] usb 1-1.2: new\nno stamp\n");
}

TEST(translate_without_a_process_is_of_the_own_namespace, .timeout = patience)
{
	expect_output(run_timens({ "run", "--monotonic", "1d", timens_path, "translate",
				   "monotonic", "1" }),
		      "86401.000000000\n");
}

TEST(translate_names_the_clocks_that_there_are, .timeout = patience)
{
	expect_refused(run_timens({ "translate", "1", "sundial", "5" }), 2, "there are realtime, ");
	expect_refused(run_timens({ "translate", "1", "monotonic", "noon" }), 2, "'noon'");
	expect_syntax_error(run_timens({ "translate", "monotonic" }), 2,
			    "missing operand: a clock and a time");
}

TEST(translate_of_a_negative_time_says_what_it_takes, .timeout = patience)
{
	expect_syntax_error(run_timens({ "translate", "monotonic", "-5" }), 2,
			    "a negative time requires '--' before it");
	expect_output(run_timens({ "translate", "monotonic", "--", "-5" }), "-5.000000000\n");
}

TEST(translate_takes_the_stamps_of_a_field_and_keeps_the_rest, .timeout = patience)
{
	const running sleeper(sleep_a_day_ahead);
	const std::vector<std::string> to{ "translate", sleeper.pid(), "monotonic", "-" };

	sleeper.wait_until_it_is("sleep");
	expect_output(run_timens(to + std::vector<std::string>{ "--unit", "ns" },
				 "1500000001  7.5 open(\"a b\")\nlost 3 events\n\n1 last"),
		      "86401500000001  7.5 open(\"a b\")\nlost 3 events\n\n86400000000001 last");
	expect_output(
		run_timens(to + std::vector<std::string>{ "-f", "3" }, "bash 5.25 12.500000: x\n"),
		"bash 5.25 86412.500000: x\n");
	expect_output(run_timens(to + std::vector<std::string>{ "-d", ",", "-f2", "-u", "us" },
				 "a b,1000000,,c\n,,\n"),
		      "a b,86401000000,,c\n,,\n");
	expect_output(run_timens(to + std::vector<std::string>{ "--to-host", "-u", "ns" },
				 "86401500000001 x\n"),
		      "1500000001 x\n");
}

TEST(translate_writes_each_line_before_the_next_is_there, .timeout = patience)
{
	int in[2], out[2];

	check(pipe2(in, O_CLOEXEC), "pipe2");
	check(pipe2(out, O_CLOEXEC), "pipe2");
	child filter([&] {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		become_timens({ "run", "--monotonic", "1d", timens_path, "translate", "-u", "ns",
				"monotonic", "-" });
	});
	close(in[0]);
	close(out[1]);
	for (const std::string line : { "1 first\n", "2 second\n" }) {
		char got[64];

		check(write(in[1], line.data(), line.size()), "write");
		const auto size = check(read(out[0], got, sizeof(got)), "read");
		expect_eq(std::string(got, size), "8640000000000" + line);
	}
	close(in[1]);
	expect(filter.wait().exited_with(0), "it ends with its input");
}

TEST(translate_names_the_line_that_no_clock_can_count, .timeout = patience)
{
	const auto run = run_timens({ "translate", "-u", "s", "monotonic", "-" },
				    "1 a\n99999999999 b\n3 c\n");

	expect_eq(run.exit_code(), 1);
	expect_eq(run.output, std::string("1 a\n"));
	expect(run.errors.find("line 2: ") != std::string::npos, run.errors);
	expect_refused(run_timens({ "translate", "-u", "h", "monotonic", "-" }), 2,
		       "invalid unit 'h'");
	expect_refused(run_timens({ "translate", "-f", "0", "monotonic", "-" }), 2,
		       "invalid field '0'");
	expect_refused(run_timens({ "translate", "-d", "ab", "monotonic", "-" }), 2,
		       "invalid delimiter 'ab'");
	expect_syntax_error(run_timens({ "translate", "-f", "2", "monotonic", "5" }), 2,
			    "are for lines");
}

/* samples/timens/bpf-times.c: the stamps of a BPF program, which are on the host's clocks. */
TEST(times_of_bpf_are_converted_by_the_documented_sample, .timeout = patience)
{
	const auto sample = timens_path.parent_path() / "bpf-times";

	if (syscall(SYS_bpf, -1, nullptr, 0) < 0 && errno == ENOSYS)
		skip("the kernel has no bpf(2)");
	unshare_time();
	set_offsets({ 86400s, 604800s });
	child inside([&] {
		const output_file output;
		const auto monotonic = now(CLOCK_MONOTONIC), boottime = now(CLOCK_BOOTTIME),
			   date = now(CLOCK_REALTIME);
		int status;

		const auto pid = check(fork(), "fork");
		if (pid == 0) {
			dup2(output.file.get(), STDOUT_FILENO);
			execl(sample.c_str(), "bpf-times", "self", nullptr);
			_exit(99);
		}
		check(waitpid(pid, &status, 0), "waitpid");
		expect_eq(status, 0, "status of bpf-times");

		const auto text = output.text();
		double host[2], there[2], dates[2];
		expect_eq(std::sscanf(text.c_str(),
				      "monotonic host %lf namespace %lf date %lf\n"
				      "boottime host %lf namespace %lf date %lf\n",
				      &host[0], &there[0], &dates[0], &host[1], &there[1],
				      &dates[1]),
			  6, text);
		const auto in_seconds = [](nanoseconds time) { return time.count() / 1e9; };
		expect_ge(there[0], in_seconds(monotonic), "monotonic there");
		expect_le(there[0], in_seconds(now(CLOCK_MONOTONIC)), "monotonic there");
		expect_ge(there[1], in_seconds(boottime), "boottime there");
		expect_le(there[1], in_seconds(now(CLOCK_BOOTTIME)), "boottime there");
		expect_le(std::abs(there[0] - host[0] - 86400), 1e-6, "monotonic");
		expect_le(std::abs(there[1] - host[1] - 604800), 1e-6, "boottime");
		for (const auto at : dates) {
			expect_ge(at, in_seconds(date) - 0.001, "date");
			expect_le(at, in_seconds(now(CLOCK_REALTIME)) + 0.001, "date");
		}
	});
	inside.wait_ok();
}

TEST(features_are_what_this_kernel_has, .timeout = patience)
{
	const auto features = run_timens({ "features", "--json", "-o", "feature,offered" });
	const auto offered = [&](const std::string &name) {
		const auto at = features.output.find(name);

		expect(at != std::string::npos, name + " in " + features.output);
		return features.output.substr(at + name.size())
			.starts_with("\",\n         \"offered\": true");
	};

	expect_eq(features.exit_code(), 0, features.errors);
	expect(offered("time namespaces"), "time namespaces");
	expect(offered("entered by exec"), "entered by exec");
	expect_eq(offered("offsets of one thread"), is_ours());
	for (const auto *name : { "TIMENS_GET_INFO", "TIMENS_GET_OFFSETS", "TIMENS_SET_OFFSETS" })
		expect_eq(offered(name), is_ours(), name);
	for (const auto *name : { "TIMENS_GET_WALL", "TIMENS_SET_WALL" })
		expect_eq(offered(name), has_wall_clocks(), name);
	expect_eq(offered("times never below zero"), is_ours());
}

TEST(kernel_without_time_namespaces_is_told_in_one_line, .timeout = patience,
     .time_namespaces = feature::absent)
{
	const std::string why = "this kernel has no time namespaces";

	for (const auto *verb : { "run", "exec" })
		expect_refused(run_timens({ verb, "1" }), 125, why);
	for (const auto *verb : { "list", "show", "watch", "check" })
		expect_refused(run_timens({ verb }), 1, why);
	expect_refused(run_timens({ "translate", "monotonic", "5" }), 1, why);
	expect_refused(run_timens({ "set", "1", "--realtime", "5" }), 1, why);
	expect_eq(run_timens({ "features" }).exit_code(), 1);
}

/* -------------------------------------------------------------------- words */

TEST(help_is_there_for_every_command, .timeout = patience, .time_namespaces = feature::either)
{
	const auto all = run_timens({ "--help" });

	expect_eq(all.exit_code(), 0);
	for (const std::string verb :
	     { "run", "exec", "set", "list", "show", "watch", "check", "translate", "features" }) {
		expect(all.output.find("\n " + verb + " ") != std::string::npos, verb);
		const auto help = run_timens({ verb, "--help" });
		expect_eq(help.exit_code(), 0, verb);
		expect(help.output.starts_with("\nUsage:\n timens " + verb), help.output);
	}
}

TEST(words_that_are_no_command_are_refused, .timeout = patience, .time_namespaces = feature::either)
{
	expect_syntax_error(run_timens({}), 2, "timens: missing command");
	expect_syntax_error(run_timens({ "dance" }), 2, "no command 'dance'");
	expect_syntax_error(run_timens({ "list", "-x" }), 2, "timens list: invalid option -- 'x'");
	expect_syntax_error(run_timens({ "list", "-o" }), 2,
			    "timens list: option requires an argument -- 'o'");
	expect_syntax_error(run_timens({ "list", "--json=3" }), 2,
			    "timens list: option '--json' doesn't allow an argument");
	expect_refused(run_timens({ "list", "-o", "AGE" }), 2, "no column 'AGE'; there are NS,");
	expect_syntax_error(run_timens({ "list", "more" }), 2, "extra operand 'more'");
}

TEST(output_that_cannot_be_written_is_a_failure, .timeout = patience,
     .time_namespaces = feature::either)
{
	const auto full = check(fork(), "fork");
	int status;

	if (full == 0) {
		const auto sink = open_file("/dev/full", O_WRONLY);

		dup2(sink.get(), STDOUT_FILENO);
		dup2(open_file("/dev/null", O_WRONLY).get(), STDERR_FILENO);
		become_timens({ "--help" });
	}
	check(waitpid(full, &status, 0), "waitpid");
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "exit status 1");
}

} /* namespace timens */
