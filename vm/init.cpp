// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the guest. It mounts what programs expect, does the one job that the
 * host asked for, sends the result through a virtio port and powers off.
 *
 * The host states the job in fw_cfg items (opt/timens/NAME), and whoever prints
 * on the console cannot touch the result, which leaves by another way. If
 * anything fails, the final line is never sent, and that is a failure too.
 */
#include "system.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <thread>
#include <vector>

namespace guest
{

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto path_of_programs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr int skipped = 4; /* KSFT_SKIP */

/* Ask again until the answer is there; the kernel announces neither. */
template <typename question> auto wait_for(const std::string &what, question ask)
{
	const auto deadline = steady::now() + 30s;

	for (;;) {
		if (auto answer = ask())
			return *answer;
		if (steady::now() > deadline)
			throw std::runtime_error("no " + what + " after 30 s");
		std::this_thread::sleep_for(1ms);
	}
}

std::string first_line(const std::string &text)
{
	return text.substr(0, text.find('\n'));
}

std::vector<std::string> words(const std::string &text)
{
	std::istringstream stream(text);

	return { std::istream_iterator<std::string>(stream), {} };
}

std::vector<fs::path> sorted_files(const fs::path &directory)
{
	std::vector<fs::path> files;

	if (fs::exists(directory))
		files.assign(fs::directory_iterator(directory), {});
	std::ranges::sort(files);
	return files;
}

/* In the order of their names, which is that in which they need each other. */
void load_modules()
{
	for (const auto &file : sorted_files("/modules")) {
		const auto module = open_file(file, O_RDONLY);

		check(syscall(SYS_finit_module, module.get(), "", 0), "load " + file.string());
	}
}

/* What the host asks for; an item that it did not give is empty. */
std::string setting(const std::string &name)
{
	const auto path = "/sys/firmware/qemu_fw_cfg/by_name/opt/timens/" + name + "/raw";

	return fs::exists(path) ? read_file(path) : "";
}

/* ------------------------------------------------------------- mounts */

void mount_at(const std::string &where, const char *type, const char *what = "none",
	      unsigned long flags = 0, const std::string &options = "")
{
	fs::create_directories(where);
	check(mount(what, where.c_str(), type, flags, options.c_str()),
	      "mount " + std::string(type) + " at " + where);
}

void mount_system(const std::string &root)
{
	mount_at(root + "/proc", "proc");
	mount_at(root + "/sys", "sysfs");
	mount_at(root + "/sys/kernel/debug", "debugfs");
	mount_at(root + "/sys/fs/cgroup", "cgroup2");
	mount_at(root + "/dev", "devtmpfs");
	mount_at(root + "/dev/pts", "devpts", "none", 0, "ptmxmode=0666,mode=0620,gid=5");
	mount_at(root + "/dev/shm", "tmpfs", "none", 0, "mode=1777");
	mount_at(root + "/dev/mqueue", "mqueue");
	mount_at(root + "/run", "tmpfs", "none", 0, "mode=0755");

	/* What udev would add; the two roots share one devtmpfs. */
	const std::pair<const char *, const char *> links[] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};
	for (const auto &[target, name] : links) {
		if (symlink(target, (root + name).c_str()) < 0 && errno != EEXIST)
			fail("symlink " + root + name);
	}
}

/*
 * Replace the root by the host's, read-only below and writable in memory. The
 * mount is moved, as switch_root does: after a mere chroot() the kernel refuses
 * user namespaces.
 */
void enter_host_root()
{
	mount_at("/host", "9p", "host", MS_RDONLY,
		 "trans=virtio,version=9p2000.L,cache=loose,msize=262144");
	mount_at("/layers", "tmpfs", "none", 0, "mode=0755");
	fs::create_directories("/layers/upper");
	fs::create_directories("/layers/work");
	mount_at("/root", "overlay", "none", 0,
		 "lowerdir=/host,upperdir=/layers/upper,workdir=/layers/work");
	mount_system("/root");
	check(chdir("/root"), "chdir /root");
	check(mount(".", "/", nullptr, MS_MOVE, nullptr), "move the root");
	check(chroot("."), "chroot");

	const auto directory = setting("directory");
	if (directory.empty() || chdir(directory.c_str()) < 0)
		check(chdir("/"), "chdir /");
}

/* ------------------------------------------------------ talking to the host */

/* A virtio port, found by the name that QEMU gave it. */
class port {
public:
	explicit port(const std::string &name)
		: file_(open_file(wait_for("virtio port " + name, [&] { return find(name); }),
				  O_WRONLY))
	{
	}

	void send(std::string_view text) const
	{
		write_all(file_.get(), text);
	}

private:
	static std::optional<std::string> find(const std::string &name)
	{
		const fs::path ports = "/sys/class/virtio-ports";

		if (!fs::exists(ports))
			return {};
		for (const auto &entry : fs::directory_iterator(ports)) {
			const auto device = "/dev/" + entry.path().filename().string();

			if (fs::exists(entry.path() / "name") && fs::exists(device) &&
			    first_line(read_file(entry.path() / "name")) == name)
				return device;
		}
		return {};
	}

	unique_fd file_;
};

/* ---------------------------------------------------------------- programs */

using sink = std::function<void(std::string_view)>;
using command = std::vector<std::string>;

struct ending {
	int status = 0; /* as a shell would show it: 128 + N for signal N */
	std::string complaint; /* empty when it ended by exiting */
};

struct limits {
	std::chrono::seconds time;
	std::size_t output;
};

[[noreturn]] void execute(const command &arguments)
{
	std::vector<char *> argv;

	for (const auto &argument : arguments)
		argv.push_back(const_cast<char *>(argument.c_str()));
	argv.push_back(nullptr);
	execvp(argv[0], argv.data());
	perror(argv[0]);
	_exit(127);
}

class child {
public:
	explicit child(const std::function<void()> &body)
		: pid_(check(fork(), "fork"))
	{
		if (pid_ == 0) {
			body();
			_exit(0);
		}
		watch_ = unique_fd(check(syscall(SYS_pidfd_open, pid_, 0), "pidfd_open"));
	}

	int watch() const
	{
		return watch_.get();
	}

	void kill_group() const
	{
		::kill(-pid_, SIGKILL);
	}

	ending wait() const
	{
		int status;

		check(waitpid(pid_, &status, 0), "waitpid");
		if (WIFEXITED(status))
			return { WEXITSTATUS(status), "" };
		return { 128 + WTERMSIG(status), "killed by signal " +
							 std::to_string(WTERMSIG(status)) + " (" +
							 strsignal(WTERMSIG(status)) + ")" };
	}

private:
	pid_t pid_;
	unique_fd watch_;
};

struct stream {
	unique_fd reader, writer;
	sink to;

	explicit stream(sink where)
		: to(std::move(where))
	{
		int ends[2];

		check(pipe2(ends, O_CLOEXEC), "pipe2");
		reader = unique_fd(ends[0]);
		writer = unique_fd(ends[1]);
		check(fcntl(ends[0], F_SETFL, O_NONBLOCK), "fcntl");
	}

	/*
	 * Pass on what is there, but no more than the pipe holds, so that a
	 * program that never stops cannot keep us here. A closed stream is not
	 * looked at again.
	 */
	std::size_t pass()
	{
		static std::array<char, 65536> part;

		if (!reader)
			return 0;
		const auto got = read(reader.get(), part.data(), part.size());
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (check(got, "read from a program") == 0)
			reader.reset();
		to({ part.data(), static_cast<std::size_t>(got) });
		return got;
	}
};

/* Run a program with nothing to read, and pass on what it writes as it comes. */
ending run(const command &arguments, sink output, sink errors, std::optional<limits> limit = {})
{
	std::array streams{ stream(std::move(output)), stream(std::move(errors)) };
	const auto deadline = steady::now() + (limit ? limit->time : 0s);
	std::size_t written = 0;
	std::string complaint;

	const child program([&] {
		setsid();
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(streams[0].writer.get(), 1);
		dup2(streams[1].writer.get(), 2);
		execute(arguments);
	});
	for (auto &each : streams)
		each.writer.reset();

	for (bool ended = false; !ended;) {
		std::array<pollfd, 3> events{ { { program.watch(), POLLIN, 0 },
						{ streams[0].reader.get(), POLLIN, 0 },
						{ streams[1].reader.get(), POLLIN, 0 } } };
		const auto left =
			std::chrono::ceil<std::chrono::milliseconds>(deadline - steady::now());

		check(poll(events.data(), events.size(),
			   limit ? std::max<int>(left.count(), 0) : -1),
		      "poll");
		ended = events[0].revents;
		for (auto &each : streams)
			written += each.pass();
		if (!limit || ended)
			continue;
		if (steady::now() >= deadline)
			complaint =
				"did not end within " + std::to_string(limit->time.count()) + " s";
		else if (written > limit->output)
			complaint = "wrote more than " + std::to_string(limit->output) + " bytes";
		else
			continue;
		program.kill_group();
		ended = true;
	}

	auto end = program.wait();
	for (auto &each : streams)
		each.pass();
	if (!complaint.empty())
		end.complaint = complaint;
	return end;
}

/* Whatever a test left behind must not disturb the next one. */
void end_all_processes()
{
	kill(-1, SIGKILL);
	while (waitpid(-1, nullptr, 0) > 0)
		;
}

/* ------------------------------------------------------------------- tests */

/* Turns a stream into lines, each of them changed on its way; the last one gets its newline. */
class line_filter {
public:
	explicit line_filter(std::function<std::string(const std::string &)> change)
		: change_(std::move(change))
	{
	}

	std::string add(std::string_view text)
	{
		std::string changed;

		for (const char c : text) {
			if (c == '\n')
				changed += flush();
			else
				line_ += c;
		}
		return changed;
	}
	std::string end()
	{
		return line_.empty() ? "" : flush();
	}

private:
	std::string flush()
	{
		return change_(std::exchange(line_, {}));
	}

	std::function<std::string(const std::string &)> change_;
	std::string line_;
};

/* A part of the outer plan: a KUnit suite, or a program with its arguments. */
struct part {
	std::string name;
	std::function<bool(const port &, int number)> run;
};

void send_result(const port &verdict, bool good, int number, const std::string &rest)
{
	verdict.send((good ? "ok " : "not ok ") + std::to_string(number) + " " + rest + "\n");
}

/*
 * The suites ran at boot. Their files are whole documents of one test each:
 * lift that test into ours.
 */
bool report_suite(const port &verdict, int number, const fs::path &results)
{
	std::istringstream lines(read_file(results));
	const auto name = results.parent_path().filename().string();
	bool good = false;

	for (std::string line; std::getline(lines, line);) {
		if (line.starts_with(" ") || line.starts_with("#"))
			verdict.send(line + "\n");
		else
			good = good || line.starts_with("ok 1 ");
	}
	send_result(verdict, good, number, name);
	return good;
}

bool run_program(const port &verdict, int number, const command &arguments, limits limit)
{
	const auto name = fs::path(arguments[0]).filename().string();
	bool first = true;
	line_filter output([&](const std::string &line) {
		const bool header = std::exchange(first, false) &&
				    (line == "KTAP version 1" || line == "TAP version 13");
		return header ? "" : "    " + line + "\n";
	});
	line_filter errors([](const std::string &line) { return "    # " + line + "\n"; });

	verdict.send("    KTAP version 1\n    # Subtest: " + name + "\n");
	const auto end = run(
		arguments, [&](std::string_view text) { verdict.send(output.add(text)); },
		[&](std::string_view text) { verdict.send(errors.add(text)); }, limit);
	verdict.send(output.end() + errors.end());
	end_all_processes();

	const bool good = end.complaint.empty() && (end.status == 0 || end.status == skipped);
	if (!end.complaint.empty())
		verdict.send("# " + name + ": " + end.complaint + "\n");
	else if (!good)
		verdict.send("# " + name + ": exit status " + std::to_string(end.status) + "\n");
	send_result(verdict, good, number, name + (end.status == skipped ? " # SKIP" : ""));
	return good;
}

bool kunit_ran()
{
	return read_file("/proc/cmdline").find("kunit.enable=1") != std::string::npos;
}

std::vector<part> list_suites()
{
	std::vector<part> suites;

	for (const auto &directory : sorted_files("/sys/kernel/debug/kunit"))
		suites.push_back({ directory.filename(), [=](const port &verdict, int number) {
					  return report_suite(verdict, number,
							      directory / "results");
				  } });
	if (suites.empty())
		throw std::runtime_error("the kernel ran no KUnit suite");
	return suites;
}

/* A choice is PROGRAM or PROGRAM.CASE; without any, all programs run. */
std::vector<part> list_programs(const std::vector<std::string> &choices, limits limit)
{
	std::vector<part> programs;

	/* The harness knows the limits of its cases for a limit of a minute. */
	const auto slow = std::chrono::floor<std::chrono::minutes>(limit.time).count();

	const auto add = [&](const fs::path &program, command arguments) {
		if (slow > 1)
			arguments.insert(arguments.begin(), "--timeout-factor=" + std::to_string(slow));
		arguments.insert(arguments.begin(), program);
		programs.push_back({ program.filename(), [=](const port &verdict, int number) {
					    return run_program(verdict, number, arguments, limit);
				    } });
	};
	if (choices.empty()) {
		for (const auto &program : sorted_files("/tests"))
			add(program, {});
	}
	for (const auto &choice : choices) {
		const auto dot = choice.find('.');

		if (choice == "kunit")
			continue;
		if (dot == std::string::npos)
			add("/tests/" + choice, {});
		else
			add("/tests/" + choice.substr(0, dot), { choice.substr(dot + 1) });
	}
	return programs;
}

bool scan_for_leaks(const port &verdict, int number, const std::string &kmemleak)
{
	/* An object is reported when two scans, some seconds apart, see no pointer to it. */
	for (const auto pause : { 0s, 6s }) {
		std::this_thread::sleep_for(pause);
		write_all(open_file(kmemleak, O_WRONLY).get(), "scan");
	}
	std::istringstream report(read_file(kmemleak));
	bool good = true;
	for (std::string line; std::getline(report, line); good = false)
		verdict.send("# " + line + "\n");
	send_result(verdict, good, number, "kmemleak");
	return good;
}

/*
 * Otherwise the vDSO would fall back to the system call, and half of the
 * feature would go untested.
 */
void require_tsc()
{
	const std::string file = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

	wait_for("clock source tsc", [&]() -> std::optional<bool> {
		if (first_line(read_file(file)) != "tsc")
			return {};
		return true;
	});
}

void run_tests(const port &verdict)
{
	const std::string kmemleak = "/sys/kernel/debug/kmemleak";
	const auto choices = words(setting("tests"));
	const limits limit{ std::chrono::seconds(std::stoi(setting("seconds"))), 1 << 20 };
	auto parts = list_programs(choices, limit);
	int number = 0;

	if (kunit_ran()) {
		auto suites = list_suites();
		parts.insert(parts.begin(), suites.begin(), suites.end());
	}
	if (fs::exists(kmemleak))
		parts.push_back({ "kmemleak", [&](const port &to, int n) {
					 return scan_for_leaks(to, n, kmemleak);
				 } });

	require_tsc();
	check(chdir("/tests"), "chdir /tests");
	setenv("TIMENS_MAY_SET_CLOCKS", "1", 1); /* this machine is theirs alone */
	verdict.send("KTAP version 1\n1.." + std::to_string(parts.size()) + "\n");
	for (const auto &each : parts) {
		printf("%s\n", each.name.c_str());
		fflush(stdout);
		each.run(verdict, ++number);
	}
}

/* ---------------------------------------------------- the host's programs */

void run_command(const port &verdict)
{
	const port output("stdout"), errors("stderr");

	enter_host_root();
	const auto end = run(
		{ "bash", "-c", setting("command") },
		[&](std::string_view text) { output.send(text); },
		[&](std::string_view text) { errors.send(text); });
	verdict.send("status " + std::to_string(end.status) + "\n");
}

void run_shell(const port &verdict)
{
	const auto size = words(setting("size"));

	enter_host_root();
	const child shell([&] {
		setsid();
		const int terminal = open("/dev/hvc0", O_RDWR);
		ioctl(terminal, TIOCSCTTY, 0);
		if (size.size() == 2) {
			const winsize window{ static_cast<unsigned short>(std::stoi(size[0])),
					      static_cast<unsigned short>(std::stoi(size[1])), 0,
					      0 };
			ioctl(terminal, TIOCSWINSZ, &window);
		}
		for (const int fd : { 0, 1, 2 })
			dup2(terminal, fd);
		execute({ "bash", "-i" });
	});
	verdict.send("status " + std::to_string(shell.wait().status) + "\n");
}

/* --------------------------------------------------------------- PID 1 */

void set_environment()
{
	const auto terminal = setting("terminal");

	setenv("PATH", path_of_programs, 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("SHELL", "/bin/bash", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("TERM", terminal.empty() ? "dumb" : terminal.c_str(), 1);
}

[[noreturn]] void power_off()
{
	sync();
	reboot(RB_POWER_OFF);
	_exit(1); /* a panic, which the host sees */
}

void do_job()
{
	mount_system("");
	mount_at("/tmp", "tmpfs", "none", 0, "mode=1777");
	load_modules();
	set_environment();

	const port verdict("verdict");
	const auto mode = setting("mode");
	try {
		if (mode == "test")
			run_tests(verdict);
		else if (mode == "run")
			run_command(verdict);
		else if (mode == "shell")
			run_shell(verdict);
		else
			throw std::runtime_error("the host asks for mode '" + mode +
						 "', not test, run or shell");
		verdict.send("timens: end\n");
	} catch (const std::exception &error) {
		verdict.send("Bail out! init: " + std::string(error.what()) + "\n");
		throw;
	}
}

} /* namespace guest */

int main()
{
	try {
		guest::do_job();
	} catch (const std::exception &error) {
		fprintf(stderr, "init: %s\n", error.what());
	}
	guest::power_off();
}
