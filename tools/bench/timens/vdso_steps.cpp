// SPDX-License-Identifier: GPL-2.0-only
#include "vdso_steps.hpp"

#include <csignal>
#include <stdexcept>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

namespace bench
{

namespace
{

/* A stopped child; false when it has ended. */
bool wait_for_stop(pid_t child)
{
	int status;

	check(waitpid(child, &status, 0), "waitpid");
	if (WIFSTOPPED(status))
		return true;
	if (status)
		throw std::runtime_error("the vDSO crashed in single steps");
	return false;
}

[[noreturn]] void run_stepped(const vdso_image &image, const probe &what, probe_memory &memory)
{
	ptrace(PTRACE_TRACEME);
	raise(SIGSTOP);
	what.call(image, memory, 1);
	_exit(0);
}

} /* namespace */

int count_instructions(const vdso_image &image, const probe &what, probe_memory &memory)
{
	int count = 0;

	image.set_clocks();
	what.call(image, memory, 1);
	const pid_t child = check(fork(), "fork");
	if (!child)
		run_stepped(image, what, memory);
	while (wait_for_stop(child)) {
		user_regs_struct registers;

		check(ptrace(PTRACE_GETREGS, child, nullptr, &registers), "ptrace(PTRACE_GETREGS)");
		const auto *at = reinterpret_cast<const std::byte *>(registers.rip);
		count += at >= image.text() && at < image.text() + image.text_size();
		check(ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr),
		      "ptrace(PTRACE_SINGLESTEP)");
	}
	return count;
}

} /* namespace bench */
