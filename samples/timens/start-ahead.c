// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start a program whose CLOCK_MONOTONIC and CLOCK_BOOTTIME are ahead of the
 * host's, by as much as the kernel at hand offers.
 *
 * Explained in Documentation/userspace-api/time-namespaces.rst.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/const.h>
#include <linux/timens.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define CLOCKS (_BITULL(CLOCK_MONOTONIC) | _BITULL(CLOCK_BOOTTIME))

enum support {
	NO_NAMESPACES,	/* neither the files nor the flag of unshare() */
	BY_TEXT,	/* offsets are written to a file */
	BY_IOCTL,	/* offsets are set by ioctl() */
};

static int open_pending(void)
{
	return open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
}

static enum support find_support(void)
{
	enum support found = BY_TEXT;
	struct timens_info info;
	int ns = open_pending();

	if (ns < 0 && errno == ENOENT)
		return NO_NAMESPACES;
	if (ns < 0)
		err(125, "/proc/self/ns/time_for_children");
	if (ioctl(ns, TIMENS_GET_INFO, &info) == 0) {
		/* A kernel may offer more clocks than these, or other ones. */
		if ((info.clocks & CLOCKS) == CLOCKS)
			found = BY_IOCTL;
	} else if (errno != ENOTTY) {
		err(125, "TIMENS_GET_INFO");
	}
	close(ns);
	return found;
}

static void set_by_ioctl(long long seconds)
{
	const struct timens_offsets_arg offsets = {
		.clocks		= CLOCKS,
		.monotonic.sec	= seconds,
		.boottime.sec	= seconds,
	};
	int ns = open_pending();

	if (ns < 0 || ioctl(ns, TIMENS_SET_OFFSETS, &offsets) < 0)
		err(125, "cannot set the offsets");
	close(ns);
}

static void set_by_text(long long seconds)
{
	int file = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	char text[80];
	int size;

	/* Both lines in one write: they are taken together or not at all. */
	size = snprintf(text, sizeof(text), "monotonic %lld 0\nboottime %lld 0\n",
			seconds, seconds);
	if (file < 0 || write(file, text, size) != size)
		err(125, "cannot write the offsets");
	close(file);
}

static int run(char **command)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		err(125, "fork");
	if (child == 0) {
		execvp(command[0], command);
		err(errno == ENOENT ? 127 : 126, "%s", command[0]);
	}
	if (waitpid(child, &status, 0) < 0)
		err(125, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	static const char *const ways[] = {
		[NO_NAMESPACES]	= "not set: the kernel has no time namespaces",
		[BY_TEXT]	= "set by text",
		[BY_IOCTL]	= "set by ioctl",
	};
	enum support support = find_support();
	long long seconds;
	char *end;

	if (argc < 3)
		errx(125, "usage: start-ahead SECONDS PROGRAM [ARGUMENT...]");
	seconds = strtoll(argv[1], &end, 10);
	if (*end || end == argv[1])
		errx(125, "%s is not a number of seconds", argv[1]);

	/* The program runs in any case; here, its clocks are not worth more. */
	if (support != NO_NAMESPACES && unshare(CLONE_NEWTIME) < 0)
		err(125, "unshare");
	if (support == BY_IOCTL)
		set_by_ioctl(seconds);
	if (support == BY_TEXT)
		set_by_text(seconds);
	fprintf(stderr, "offsets are %s\n", ways[support]);
	return run(argv + 2);
}
