// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start a program in the time namespace of a process, or in one that a file
 * stands for.
 *
 * Explained in Documentation/userspace-api/time-namespaces.rst.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* The target is a process ID, or the path of a namespace file. */
static void join(const char *target)
{
	char *end;
	long pid = strtol(target, &end, 10);
	int fd;

	if (*target && !*end)
		fd = syscall(SYS_pidfd_open, pid, 0);
	else
		fd = open(target, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(125, "%s", target);

	/* The type makes sure that a file is that of a time namespace. */
	if (setns(fd, CLONE_NEWTIME) < 0)
		err(125, "cannot enter the time namespace of %s", target);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(125, "usage: enter-clocks PID|FILE PROGRAM [ARGUMENT...]");
	join(argv[1]);
	execvp(argv[2], argv + 2);
	err(errno == ENOENT ? 127 : 126, "%s", argv[2]);
}
