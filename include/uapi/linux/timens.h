/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Time namespaces: ioctl() on a file descriptor of one, such as /proc/PID/ns/time
 * or /proc/PID/ns/time_for_children.
 *
 * A kernel without these answers ENOTTY, and so does a namespace of another type.
 *
 * Structures only ever grow at their end. The size that the caller knows is a part
 * of the request, and not below that of the first version, or EINVAL is the answer.
 * A kernel that knows more leaves the rest alone; one that knows less fills what it
 * does not know with zeros, and refuses with E2BIG to be given anything else there.
 */
#ifndef _UAPI_LINUX_TIMENS_H
#define _UAPI_LINUX_TIMENS_H

#include <linux/ioctl.h>
#include <linux/nsfs.h>
#include <linux/types.h>

/* A task has entered the namespace: its offsets can no longer be set. */
#define TIMENS_FROZEN			(1U << 0)

/* What shows and takes times on the clocks of a namespace. */

/*
 * clock_gettime(2), and sleeps, timers, timerfd and futex with an absolute time
 */
#define TIMENS_FEATURE_CLOCKS		(1ULL << 0)
/* /proc/uptime, sysinfo(2), btime of /proc/stat, starttime of /proc/PID/stat */
#define TIMENS_FEATURE_UPTIME		(1ULL << 1)
/* The vDSO, without a system call. */
#define TIMENS_FEATURE_VDSO		(1ULL << 2)
/*
 * All that Documentation/admin-guide/namespaces/time-namespaces-interfaces.rst
 * lists: times(2), io_uring, SO_TXTIME and the time stamps of devices.
 */
#define TIMENS_FEATURE_INTERFACES	(1ULL << 3)

/**
 * struct timens_info - what the kernel offers, and the state of a namespace
 * @size:	bytes of this structure that the kernel knows
 * @flags:	TIMENS_FROZEN
 * @clocks:	clocks that can be given an offset, 1ULL << CLOCK_MONOTONIC and so
 *		on. Others follow one of them or have none.
 * @features:	TIMENS_FEATURE_*
 */
struct timens_info {
	__u32		size;
	__u32		flags;
	__aligned_u64	clocks;
	__aligned_u64	features;
};

#define TIMENS_INFO_SIZE_VER0		24 /* first version */

/**
 * struct timens_offset - namespace's clock minus host's clock
 * @sec:	seconds, may be negative
 * @nsec:	nanoseconds, 0 to 999999999; they count upwards also where @sec is
 *		negative
 * @reserved:	0
 */
struct timens_offset {
	__aligned_s64	sec;
	__u32		nsec;
	__u32		reserved;
};

/**
 * struct timens_clock_offsets - offsets of the clocks of a namespace
 * @clocks:	clocks that are meant, 1ULL << CLOCK_MONOTONIC and so on
 * @monotonic:	offset of CLOCK_MONOTONIC
 * @boottime:	offset of CLOCK_BOOTTIME
 */
struct timens_clock_offsets {
	__aligned_u64		clocks;
	struct timens_offset	monotonic;
	struct timens_offset	boottime;
};

#define TIMENS_CLOCK_OFFSETS_SIZE_VER0	40 /* first version */

/* Anyone who has the file descriptor may ask. */
#define TIMENS_GET_INFO		_IOR(NSIO, 0x60, struct timens_info)

/*
 * @clocks tells which offsets are there. All are of the same moment.
 */
#define TIMENS_GET_OFFSETS	_IOR(NSIO, 0x61, struct timens_clock_offsets)

/*
 * Sets the offsets of @clocks, at least one, and leaves others as they are. All
 * are set or none. In the order in which it is looked at:
 *
 * E2BIG	there is something in it that the kernel does not know
 * EFAULT	the structure cannot be read
 * EINVAL	no clock, an unknown one, @nsec out of range, or @reserved not 0
 * EPERM	no CAP_SYS_TIME in the user namespace that owns the time namespace
 * ERANGE	the clock would be below zero, or beyond half of what 64 bits of
 *		nanoseconds hold
 * ENOMEM
 * EACCES	the namespace is frozen
 */
#define TIMENS_SET_OFFSETS	_IOW(NSIO, 0x62, struct timens_clock_offsets)

#endif /* _UAPI_LINUX_TIMENS_H */
