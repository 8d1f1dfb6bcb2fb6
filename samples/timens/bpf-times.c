// SPDX-License-Identifier: GPL-2.0-only
/*
 * Convert the time stamps of a BPF program, which are on the host's clocks, to
 * the clocks of a time namespace and to the date.
 *
 * Explained in Documentation/userspace-api/time-namespaces.rst.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/timens.h>

#define NSEC_PER_SEC 1000000000LL

/* Namespace's clock minus host's clock, in nanoseconds. */
struct offsets {
	__s64 monotonic;
	__s64 boottime;
};

/* What a BPF program reports: bpf_ktime_get_ns() and bpf_ktime_get_boot_ns(). */
struct stamps {
	__u64 monotonic;
	__u64 boottime;
};

static int open_namespace(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/ns/time", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* For kernels without the ioctl: of the namespace that the children of a process will be in. */
static struct offsets read_text(const char *pid)
{
	struct offsets offsets = { 0 };
	long long sec, nsec;
	char path[64], clock[16];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/timens_offsets", pid);
	file = fopen(path, "re");
	if (!file)
		err(1, "%s", path);
	while (fscanf(file, "%15s %lld %lld", clock, &sec, &nsec) == 3) {
		if (!strcmp(clock, "monotonic"))
			offsets.monotonic = sec * NSEC_PER_SEC + nsec;
		else if (!strcmp(clock, "boottime"))
			offsets.boottime = sec * NSEC_PER_SEC + nsec;
	}
	fclose(file);
	return offsets;
}

static __s64 to_nsec(const struct timens_offset *offset)
{
	return offset->sec * NSEC_PER_SEC + offset->nsec;
}

static struct offsets read_offsets(const char *pid)
{
	struct timens_offsets_arg asked = { 0 };
	struct offsets offsets;
	int ns = open_namespace(pid);

	if (ioctl(ns, TIMENS_GET_OFFSETS, &asked) == 0) {
		offsets.monotonic = to_nsec(&asked.monotonic);
		offsets.boottime = to_nsec(&asked.boottime);
	} else if (errno == ENOTTY) {
		offsets = read_text(pid);
	} else {
		err(1, "TIMENS_GET_OFFSETS");
	}
	close(ns);
	return offsets;
}

static __s64 read_clock(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		err(1, "clock_gettime");
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/*
 * The date of a time of the host's clock: as long before now as the clock has
 * gone on since. The own offset makes the reader's clock the host's.
 */
static __s64 to_date(__u64 stamp, clockid_t clock, __s64 own_offset)
{
	__s64 host_now = read_clock(clock) - own_offset;

	return read_clock(CLOCK_REALTIME) - (host_now - (__s64)stamp);
}

/* A program that stores both stamps in its context, run once. */
static struct stamps run_program(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_0,
		  .off = offsetof(struct stamps, monotonic) },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_boot_ns },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_0,
		  .off = offsetof(struct stamps, boottime) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct stamps stamps = { 0 };
	union bpf_attr load = {
		.prog_type	= BPF_PROG_TYPE_SYSCALL,
		.insn_cnt	= sizeof(program) / sizeof(*program),
		.insns		= (unsigned long)program,
		.license	= (unsigned long)"GPL",
		.prog_flags	= BPF_F_SLEEPABLE,
	};
	union bpf_attr run = {
		.test.ctx_in		= (unsigned long)&stamps,
		.test.ctx_size_in	= sizeof(stamps),
	};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));

	if (fd < 0)
		err(1, "BPF_PROG_LOAD");
	run.test.prog_fd = fd;
	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &run, sizeof(run)) < 0)
		err(1, "BPF_PROG_TEST_RUN");
	close(fd);
	return stamps;
}

static void print_time(const char *name, __s64 time)
{
	/* Below zero where the stamp is from before the zero of the clock. */
	printf("  %s %s%lld.%09lld", name, time < 0 ? "-" : "", llabs(time) / NSEC_PER_SEC,
	       llabs(time) % NSEC_PER_SEC);
}

static void print_stamp(const char *clock, __u64 stamp, __s64 offset, __s64 date)
{
	printf("%s", clock);
	print_time("host", stamp);
	print_time("namespace", (__s64)stamp + offset);
	print_time("date", date);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct offsets own, offsets;
	struct stamps stamps;

	if (argc != 2)
		errx(1, "usage: bpf-times PID");
	own = read_offsets("self");
	offsets = read_offsets(argv[1]);
	stamps = run_program();

	print_stamp("monotonic", stamps.monotonic, offsets.monotonic,
		    to_date(stamps.monotonic, CLOCK_MONOTONIC, own.monotonic));
	print_stamp("boottime", stamps.boottime, offsets.boottime,
		    to_date(stamps.boottime, CLOCK_BOOTTIME, own.boottime));
	return 0;
}
