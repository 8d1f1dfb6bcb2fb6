// SPDX-License-Identifier: GPL-2.0-only
/* bpf(2): when a program was loaded. */
#include "process.hpp"
#include "viewpoints.hpp"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace timens;

namespace
{

std::uint64_t address_of(const void *object)
{
	return reinterpret_cast<std::uintptr_t>(object);
}

/* A socket filter that returns 0. */
unique_fd load_program()
{
	static const bpf_insn instructions[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	bpf_attr attributes{};

	attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attributes.insn_cnt = std::size(instructions);
	attributes.insns = address_of(instructions);
	attributes.license = address_of("GPL");

	const outcome fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));

	if (fd.error == ENOSYS)
		skip("the kernel has no bpf(2)");
	return unique_fd(static_cast<int>(check(fd, "bpf(BPF_PROG_LOAD)")));
}

nanoseconds load_time(const unique_fd &program)
{
	bpf_prog_info information{};
	bpf_attr attributes{};

	attributes.info.bpf_fd = static_cast<std::uint32_t>(program.get());
	attributes.info.info_len = sizeof(information);
	attributes.info.info = address_of(&information);
	check(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof(attributes)),
	      "bpf(BPF_OBJ_GET_INFO_BY_FD)");
	return nanoseconds(information.load_time);
}

} // namespace

TEST(the_load_time_of_a_program_is_on_the_clock_of_the_reader, .timeout = 30s,
     .differs_from_stock = "it is on the host's clock")
{
	from_each_viewpoint([](const shift &) {
		const period loading(CLOCK_BOOTTIME);
		const unique_fd program = load_program();

		loading.expect_contains(load_time(program), "load_time");
	});
}

TEST(a_program_that_was_loaded_outside_shows_when_on_the_clock_of_the_reader,
     .differs_from_stock = "it is on the host's clock")
{
	const unique_fd program = load_program();
	const nanoseconds outside = load_time(program);

	in_namespace(some_offsets, [&] {
		expect_eq(load_time(program), outside + some_offsets.boottime, "load_time");
	});
	/* Before the zero of the clock there is no time. */
	in_namespace({ -now(CLOCK_MONOTONIC), -now(CLOCK_BOOTTIME) },
		     [&] { expect_eq(load_time(program), 0s, "load_time"); });
}
