// SPDX-License-Identifier: GPL-2.0-only
#include "machine.hpp"
#include "harness.hpp"

#include <cstddef>
#include <limits>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <ucontext.h>

namespace timens
{

namespace
{

#ifdef __x86_64__
constexpr int instruction_pointer = REG_RIP, low_half = REG_RAX, high_half = REG_RDX,
	      processor_number = REG_RCX, first_argument = REG_RDI, second_argument = REG_RSI;
#else
constexpr int instruction_pointer = REG_EIP, low_half = REG_EAX, high_half = REG_EDX,
	      processor_number = REG_ECX, first_argument = REG_EBX, second_argument = REG_ECX;
#endif
constexpr long trap_flag = 0x100;

/* What the signal handlers share with run_confined(). They run in no other thread. */
struct {
	std::span<const std::byte> code;
	std::uint64_t counter;
	const std::function<bool(int)> *act; /* nullptr: no more steps */
	machine_run run;
} machine;

auto &register_of(void *context, int which)
{
	return static_cast<ucontext_t *>(context)->uc_mcontext.gregs[which];
}

const std::byte *next_instruction(void *context)
{
	return reinterpret_cast<const std::byte *>(register_of(context, instruction_pointer));
}

bool is_in_code(const std::byte *place)
{
	return place >= machine.code.data() && place < machine.code.data() + machine.code.size();
}

/* Between two instructions. */
void step(void *context)
{
	if (machine.act && is_in_code(next_instruction(context)) &&
	    !(*machine.act)(machine.run.instructions++))
		machine.act = nullptr;
	if (machine.act)
		register_of(context, REG_EFL) |= trap_flag;
	else
		register_of(context, REG_EFL) &= ~trap_flag;
}

void handle_trap(int, siginfo_t *, void *context)
{
	step(context);
}

/* The counter cannot be read: PR_SET_TSC. Whatever else faults is an error of the test. */
void handle_fault(int, siginfo_t *, void *context)
{
	const auto *code = next_instruction(context);
	const auto starts_with = [&](auto... bytes) {
		std::size_t place = 0;
		return ((code[place++] == std::byte(bytes)) && ...);
	};

	if (starts_with(0x0f, 0x31)) { /* rdtsc */
		register_of(context, instruction_pointer) += 2;
	} else if (starts_with(0x0f, 0x01, 0xf9)) { /* rdtscp */
		register_of(context, instruction_pointer) += 3;
		register_of(context, processor_number) = 0;
	} else {
		signal(SIGSEGV, SIG_DFL); /* and once more */
		return;
	}
	register_of(context, low_half) = static_cast<std::uint32_t>(machine.counter);
	register_of(context, high_half) = static_cast<std::uint32_t>(machine.counter >> 32);
	if (machine.act)
		step(context);
}

void handle_system_call(int, siginfo_t *info, void *context)
{
	++machine.run.kernel_calls;
	machine.run.last_call = {
		info->si_syscall,
		{ static_cast<unsigned long>(register_of(context, first_argument)),
		  static_cast<unsigned long>(register_of(context, second_argument)) }
	};
	register_of(context, low_half) = 0;
}

void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {};

	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	check(sigaction(number, &action, nullptr), "sigaction");
}

/* System calls of the code become signals, those of the test go on. */
void trap_system_calls(std::span<const std::byte> code)
{
	const auto begin = reinterpret_cast<std::uintptr_t>(code.data());
	const std::uint64_t end = begin + code.size();
	constexpr auto pointer = offsetof(seccomp_data, instruction_pointer);
	const auto half = [](std::uint64_t address, bool high) -> std::uint32_t {
		return high ? address >> 32 : address;
	};

	expect(half(begin, true) == half(end, true), "the code does not cross 4 GiB");
	sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, pointer + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, half(begin, true), 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, pointer),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, half(begin, false), 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, half(end, false), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const sock_fprog program = { std::size(filter), filter };

	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl PR_SET_NO_NEW_PRIVS");
	check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "prctl PR_SET_SECCOMP");
}

} /* namespace */

void confine(std::span<const std::byte> code)
{
	machine.code = code;
	handle(SIGTRAP, handle_trap);
	handle(SIGSEGV, handle_fault);
	handle(SIGSYS, handle_system_call);
	check(prctl(PR_SET_TSC, PR_TSC_SIGSEGV), "prctl PR_SET_TSC");
	trap_system_calls(code);
}

machine_run run_confined(std::uint64_t counter, const std::function<void()> &function,
			 const std::function<bool(int)> &act)
{
	machine.counter = counter;
	machine.run = {};
	if (!act) {
		function();
		return machine.run;
	}
	machine.act = &act;
	asm volatile("int3" ::: "memory"); /* the handler lets the steps begin */
	function();
	machine.act = nullptr; /* and end, at the next of them */
	return machine.run;
}

} /* namespace timens */
