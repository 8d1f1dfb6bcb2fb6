// SPDX-License-Identifier: GPL-2.0-only
/* Entering by execve(2), which the unsharing task itself may do since 6.2. */
#include "kernel.hpp"

#include <barrier>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

TEST(execve_enters_the_pending_namespace)
{
	exec_expecting(unshare_with({ 1000s, 2000s }));
}

TEST(execve_without_a_pending_namespace_changes_nothing)
{
	exec_expecting(view_here());
}

TEST(execve_in_a_namespace_stays_there)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	child([&] { exec_expecting(inside); }).wait_ok();
}

TEST(execve_in_a_namespace_enters_the_next_pending_one)
{
	const offsets outside = view_here().clocks;

	in_namespace({ 1000s, 2000s }, [&] {
		unshare_time();
		set_offsets({ 5000s, 6000s });

		const ino_t pending = namespaces_of().for_children;

		exec_expecting({ { pending, pending },
				 { outside.monotonic + 5000s, outside.boottime + 6000s } });
	});
}

HELPER(forks_and_expects_a_view)
{
	std::vector<std::string> command(arguments.begin(), arguments.end());

	child([&] { exec_helper("expect_view", command); }).wait_ok();
}

TEST(children_after_execve_are_in_the_namespace)
{
	const time_view inside = unshare_with({ 1000s, 2000s });
	auto command = view_command(inside);

	command.erase(command.begin(), command.begin() + 4);
	exec_helper("forks_and_expects_a_view", command);
}

TEST(execve_needs_no_capability_to_enter)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	become_user(1000);
	exec_expecting(inside);
}

TEST(fexecve_enters_the_pending_namespace)
{
	auto command = view_command(unshare_with({ 1000s, 2000s }));
	const unique_fd program = open_file("/proc/self/exe", O_RDONLY);

	check(fexecve(program.get(), pointers_to(command).data(), environ), "fexecve");
}

TEST(execveat_enters_the_pending_namespace)
{
	auto command = view_command(unshare_with({ 1000s, 2000s }));
	const unique_fd program = open_file("/proc/self/exe", O_PATH);

	check(syscall(SYS_execveat, program.get(), "", pointers_to(command).data(), environ,
		      AT_EMPTY_PATH),
	      "execveat");
}

TEST(programs_of_the_other_word_size_enter)
{
	auto command = view_command(unshare_with({ 1000s, 2000s }));
	std::string &program = command[0];

	/* NAME and NAME_32 stand in the same folder. */
	program = std::filesystem::read_symlink("/proc/self/exe");
	if (program.ends_with("_32"))
		program.resize(program.size() - 3);
	else
		program += "_32";
	execv(program.c_str(), pointers_to(command).data());
	if (errno == ENOENT || errno == ENOEXEC)
		skip("there is no " + program + " or it cannot run here");
	throw system_failure("execv " + program, errno);
}

TEST(a_failed_execve_enters_nothing)
{
	const time_view outside = view_here();
	const time_view inside = unshare_with({ 1000s, 2000s });
	char *const none[] = { nullptr };

	expect_errno(execve("/proc/self/no_such_file", none, none), ENOENT);
	expect_view({ { outside.namespaces.own, inside.namespaces.own }, outside.clocks });
}

TEST(the_parent_of_a_program_stays_outside)
{
	const time_view outside = view_here();

	child([&] { exec_expecting(unshare_with({ 1000s, 2000s })); }).wait_ok();
	expect_view(outside);
}

TEST(many_programs_in_a_row_stay_in_the_namespace)
{
	const time_view inside = unshare_with({ 1000s, 2000s });

	for (int i = 0; i < 20; i++)
		child([&] { exec_expecting(inside); }).wait_ok();
}

/* All but one of them fail when it is too late to go back. */
TEST(threads_that_race_to_execve_keep_no_namespace, .timeout = 60s)
{
	constexpr int racers = 4;

	enter_user_namespace();
	limit_namespaces("time", 1);
	for (int i = 0; i < 100; i++)
		child([] {
			const time_view inside = unshare_with({ 1000s, 2000s });
			std::barrier start(racers);
			std::vector<std::jthread> threads;

			for (int j = 0; j < racers; j++)
				threads.emplace_back([&] {
					start.arrive_and_wait();
					exec_expecting(inside);
				});
		}).wait_ok();
}
