/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types of linux/timens.h, for headers that only embed one of them.
 */
#ifndef _LINUX_TIMENS_TYPES_H
#define _LINUX_TIMENS_TYPES_H

#include <linux/time64.h>
#include <linux/types.h>

/**
 * enum timens_timeline - groups of clocks that move together
 * @TIMENS_HOST:	clocks that no time namespace moves, offset always 0
 * @TIMENS_MONOTONIC:	CLOCK_MONOTONIC and what follows it
 * @TIMENS_BOOTTIME:	CLOCK_BOOTTIME and what follows it
 * @TIMENS_NR:		number of timelines
 */
enum timens_timeline {
	TIMENS_HOST,
	TIMENS_MONOTONIC,
	TIMENS_BOOTTIME,
	TIMENS_NR,
};

/**
 * struct timens_offsets - how far the clocks of a time namespace are moved
 * @by:	namespace's clock minus host's clock, per timeline. Seconds may be
 *	negative, nanoseconds are 0 to 999999999 and count upwards.
 */
struct timens_offsets {
	struct timespec64 by[TIMENS_NR];
};

/**
 * struct timens_latch - the clocks of the task that opened something
 *
 * Set by timens_latch_current(), released by timens_latch_put(), read by
 * timens_latch_from_host(). All zeros are the host's clocks. It takes no memory
 * without CONFIG_TIME_NS.
 */
struct timens_latch {
#ifdef CONFIG_TIME_NS
	/* private: */
	bool			moved;
	struct timens_offsets	moved_by;
#endif
};

#endif /* _LINUX_TIMENS_TYPES_H */
