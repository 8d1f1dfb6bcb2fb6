/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Time namespaces: ioctl() on a file descriptor of one, such as /proc/PID/ns/time
 * or /proc/PID/ns/time_for_children.
 *
 * A kernel without these commands fails with ENOTTY, and so does every kernel on
 * the descriptor of a namespace of another type.
 *
 * Structures only ever grow at their end. The size that the caller knows is a part
 * of the command; EINVAL is the answer if it is below that of the first version. In
 * what is read, members that the kernel does not know are 0. In what is set they
 * have to be 0, or E2BIG is the answer.
 */
#ifndef _UAPI_LINUX_TIMENS_H
#define _UAPI_LINUX_TIMENS_H

#include <linux/ioctl.h>
#include <linux/nsfs.h>
#include <linux/types.h>

/**
 * struct timens_info - what the kernel offers, and the state of a namespace
 * @size:	bytes of this structure that the kernel knows
 * @flags:	reserved, 0
 * @clocks:	clocks that can be given an offset, 1ULL << CLOCK_MONOTONIC and so
 *		on. Others follow one of them or have none.
 * @frozen:	those of @clocks whose offset can no longer be set, because a task has
 *		entered the namespace. A fork, exec or setns() that failed has not
 *		entered. All or none as yet; a clock that can be set while tasks are
 *		inside would never be among them.
 */
struct timens_info {
	__u32		size;
	__u32		flags;
	__aligned_u64	clocks;
	__aligned_u64	frozen;
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
	__s64	sec;
	__u32	nsec;
	__u32	reserved;
};

/**
 * struct timens_offsets_arg - the offsets of a namespace
 * @clocks:	clocks whose offsets are meant, 1ULL << CLOCK_MONOTONIC and so on
 * @monotonic:	offset of CLOCK_MONOTONIC
 * @boottime:	offset of CLOCK_BOOTTIME
 */
struct timens_offsets_arg {
	__aligned_u64		clocks;
	struct timens_offset	monotonic;
	struct timens_offset	boottime;
};

#define TIMENS_OFFSETS_ARG_SIZE_VER0	40 /* first version */

/* No privilege is needed. */
#define TIMENS_GET_INFO		_IOR(NSIO, 0x60, struct timens_info)

/*
 * All offsets are of the same moment. @clocks names those that the kernel has and
 * that have a place in the caller's structure. No privilege is needed.
 */
#define TIMENS_GET_OFFSETS	_IOR(NSIO, 0x61, struct timens_offsets_arg)

/*
 * Sets the offsets of @clocks, at least one, and leaves others as they are. All
 * are set or none. The errors, in the order in which they are looked for:
 *
 * EINVAL	the caller's structure is smaller than that of the first version
 * E2BIG	it is larger than the kernel's, and what is beyond is not all 0
 * EFAULT	it cannot be read
 * EINVAL	@clocks is 0, or names a clock that the kernel does not know or whose
 *		offset is beyond the end of the caller's structure; @nsec of one of
 *		them is out of range, or its @reserved is not 0
 * EPERM	no CAP_SYS_TIME in the user namespace that owns the time namespace
 * ERANGE	a clock would be below zero, or beyond half of what 64 bits of
 *		nanoseconds hold, or above a wall clock of the namespace's own
 * ENOMEM
 * EACCES	one of @clocks is frozen
 */
#define TIMENS_SET_OFFSETS	_IOW(NSIO, 0x62, struct timens_offsets_arg)

/*
 * What a wall clock of a time namespace's own runs on. CLOCK_TAI is with it.
 *
 * FOLLOW	the host's CLOCK_REALTIME plus an offset: it moves when that is set,
 *		and has the host's leap seconds
 * OWN		the host's CLOCK_BOOTTIME plus an offset: a host that is set does not
 *		move it. It becomes so when it is set by clock_settime(),
 *		settimeofday(), or clock_adjtime() with ADJ_SETOFFSET.
 */
#define TIMENS_WALL_HOST	0 /* the host's clock, none of its own */
#define TIMENS_WALL_FOLLOW	1
#define TIMENS_WALL_OWN		2

/* Members of struct timens_wall_arg that TIMENS_SET_WALL sets */
#define TIMENS_WALL_SET_OFFSET	(1U << 0) /* @realtime */
#define TIMENS_WALL_SET_MODE	(1U << 1) /* @mode, FOLLOW or OWN */
#define TIMENS_WALL_SET_TAI	(1U << 2) /* @tai */

/**
 * struct timens_wall_arg - the wall clock of a time namespace
 * @flags:	TIMENS_GET_WALL: 0. TIMENS_SET_WALL: what to set, at least one of
 *		TIMENS_WALL_SET_OFFSET, _MODE and _TAI. The rest stays what it is.
 * @mode:	TIMENS_WALL_HOST, TIMENS_WALL_FOLLOW or TIMENS_WALL_OWN
 * @realtime:	namespace's CLOCK_REALTIME minus host's, as of now
 * @tai:	namespace's CLOCK_TAI minus CLOCK_REALTIME in seconds, 0 to 100000
 * @reserved:	0
 */
struct timens_wall_arg {
	__u32			flags;
	__u32			mode;
	struct timens_offset	realtime;
	__s32			tai;
	__u32			reserved;
};

#define TIMENS_WALL_ARG_SIZE_VER0	32 /* first version */

/*
 * ENOTTY if the kernel has no wall clocks of namespaces. All members are of the same
 * moment. No privilege is needed.
 */
#define TIMENS_GET_WALL		_IOR(NSIO, 0x63, struct timens_wall_arg)

/*
 * Before a task has entered, gives the namespace a wall clock of its own that starts
 * as the one it had: with no more than TIMENS_WALL_SET_MODE and TIMENS_WALL_FOLLOW
 * it reads the same. Afterwards sets that clock, also for all namespaces that share
 * it, while tasks are inside. All is set or nothing. The errors, in the order in
 * which they are looked for:
 *
 * EINVAL, E2BIG, EFAULT	for the structure, as TIMENS_SET_OFFSETS
 * EINVAL	@flags is 0 or has unknown bits; @mode is to be set and is neither
 *		FOLLOW nor OWN; @tai is to be set and out of range; @nsec of @realtime
 *		is out of range; a reserved member is not 0
 * EACCES	a task has entered, and the namespace has the host's wall clock
 * EPERM	no CAP_SYS_TIME in the user namespace that owns the time namespace or,
 *		when a task has entered, that which owns the clock
 * ERANGE	the clock would be what clock_settime() refuses: before 1970, below the
 *		namespace's CLOCK_BOOTTIME, or too far in the future
 * ENOSPC	a new clock, which counts as a time namespace, is one too many for the owner
 * ENOMEM
 */
#define TIMENS_SET_WALL		_IOW(NSIO, 0x64, struct timens_wall_arg)

#endif /* _UAPI_LINUX_TIMENS_H */
