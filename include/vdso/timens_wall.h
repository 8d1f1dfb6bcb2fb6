/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page of the wall clock of a time namespace, which the kernel and the vDSO read.
 */
#ifndef __VDSO_TIMENS_WALL_H
#define __VDSO_TIMENS_WALL_H

#include <uapi/linux/types.h>

/*
 * The sequence count of the vvar page of a time namespace is odd. It has this bit too
 * if the namespace has a wall clock.
 */
#define VDSO_SEQ_WALL	2

/* Anchors are CLOCK_REALTIME, CLOCK_BOOTTIME and CLOCK_TAI. A garbled one is in range. */
#define TIMENS_WALL_ANCHOR_MASK	15

enum timens_wall_clock {
	TIMENS_WALL_REALTIME,
	TIMENS_WALL_TAI,
	TIMENS_WALL_CLOCKS,
};

/**
 * struct timens_wall_formula - a clock as a function of a clock of the host
 * @sec:	seconds from the anchor to the clock, may be negative
 * @nsec:	nanoseconds, 0 to 999999999
 * @floor_sec:	date that the clock was set to, which no reading can be before. Of use for the
 * @floor_nsec:	coarse clock only, whose anchor may lag by a tick. 0 if there is none.
 * @anchor:	the clock of the host
 * @reserved:	0
 */
struct timens_wall_formula {
	__s64	sec;
	__u64	nsec;
	__s64	floor_sec;
	__u64	floor_nsec;
	__u32	anchor;
	__u32	reserved;
};

/**
 * struct timens_wall_data - what a wall clock reads
 * @seq:	latch: the lowest bit is the copy that is valid. It changes whenever a copy
 *		does, so a reader that finds it unchanged afterwards has read one formula.
 * @reserved:	0
 * @copy:	the formulas
 *
 * Read without waiting, also by 32-bit code and in a signal handler.
 */
struct timens_wall_data {
	__u32				seq;
	__u32				reserved;
	struct timens_wall_formula	copy[2][TIMENS_WALL_CLOCKS];
};

#endif /* __VDSO_TIMENS_WALL_H */
