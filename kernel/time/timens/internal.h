/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the time namespace share with each other.
 */
#ifndef _KERNEL_TIME_TIMENS_INTERNAL_H
#define _KERNEL_TIME_TIMENS_INTERNAL_H

#include <linux/bits.h>
#include <linux/time_namespace.h>
#include <linux/timens_wall.h>

struct timens_offsets_arg;

/*
 * A write to timens_offsets takes this many lines and leaves the rest: programs
 * depend on the number, which therefore does not grow with that of the clocks.
 */
#define TIMENS_MAX_LINES	2

/* Every timeline but that of the host. */
#define TIMENS_MAX_ENTRIES	(TIMENS_NR - 1)

/* As for the host, see kernel/time/ntp.c. */
#define TIMENS_MAX_TAI	100000

/**
 * struct timens_wall_request - the wall clock that user space asks for
 * @flags:	what is asked for, TIMENS_WALL_SET_OFFSET and so on; 0 for nothing
 * @mode:	TIMENS_WALL_FOLLOW or TIMENS_WALL_OWN
 * @realtime:	CLOCK_REALTIME minus that of the host, with normalised nanoseconds
 * @tai:	CLOCK_TAI minus CLOCK_REALTIME in seconds, 0 to 100000
 */
struct timens_wall_request {
	u32			flags;
	u32			mode;
	struct timespec64	realtime;
	s32			tai;
};

/**
 * struct timens_request - offsets that user space asks for
 * @nr:		number of entries in @entry
 * @entry:	in the order they were written; the last one for a timeline counts
 * @wall:	a wall clock of its own
 */
struct timens_request {
	struct timens_wall_request wall;
	unsigned int nr;
	struct {
		enum timens_timeline	timeline;
		struct timespec64	offset;
	} entry[TIMENS_MAX_ENTRIES];
};

/* wall.c */
#ifdef CONFIG_TIME_NS_WALL
struct page *timens_wall_page(const struct timens_wall *wall);
void timens_wall_read(struct timens_wall *wall, struct timens_wall_request *request);
struct timens_wall *timens_wall_create(struct time_namespace *ns, struct timens_wall *from,
				       const struct timens_wall_request *request,
				       const struct timespec64 *boottime_offset);
bool timens_wall_in_range(const struct timens_wall *wall,
			  const struct timespec64 *boottime_offset);
int timens_wall_set(struct timens_wall *wall, const struct timens_wall_request *request,
		    const struct timespec64 *boottime_offset);
#else
static inline struct page *timens_wall_page(const struct timens_wall *wall)
{
	return NULL;
}

static inline struct timens_wall *timens_wall_create(struct time_namespace *ns,
						     struct timens_wall *from,
						     const struct timens_wall_request *request,
						     const struct timespec64 *boottime_offset)
{
	return ERR_PTR(-EINVAL);
}

static inline bool timens_wall_in_range(const struct timens_wall *wall,
					const struct timespec64 *boottime_offset)
{
	return true;
}
#endif

/* clocks.c */
enum timens_timeline timens_timeline(clockid_t clock);

/* offsets.c */
ssize_t timens_parse(char *text, size_t len, struct timens_request *req);
int timens_check_range(const struct timens_request *req,
		       const struct timespec64 now[TIMENS_NR]);
struct timens_offsets timens_read_offsets(struct time_namespace *ns);
void timens_inherit(struct time_namespace *ns, struct time_namespace *parent);
struct timens_wall *timens_ns_wall(struct time_namespace *ns);
int timens_set_wall(struct time_namespace *ns, const struct timens_wall_request *wall);
int timens_set_offsets(struct time_namespace *ns, const struct timens_request *req);
void timens_freeze(struct time_namespace *ns);

/*
 * Timelines whose offset is constant once a task has entered. That of a clock which
 * can be set while tasks are inside is not going to be one of them.
 */
#define TIMENS_CONSTANT	(BIT(TIMENS_MONOTONIC) | BIT(TIMENS_BOOTTIME))

/**
 * timens_frozen() - the timelines of a namespace whose offset is constant
 * @ns:	time namespace
 *
 * Return: a mask, TIMENS_CONSTANT if a task has entered: then the offsets and the page
 *	   may be used without the lock. 0 before that.
 */
static inline u32 timens_frozen(const struct time_namespace *ns)
{
	/* Pairs with smp_store_release() in timens_freeze(). */
	return smp_load_acquire(&ns->frozen);
}

/* ioctl.c */
u64 timens_clocks_within(size_t size);
int timens_request_from_arg(struct timens_request *req,
			    const struct timens_offsets_arg *arg, size_t size);

/* vvar.c */
struct page *timens_vvar_alloc(void);
void timens_vvar_fill(struct page *page, const struct timens_offsets *offsets, bool wall);
void timens_mm_set(struct mm_struct *mm, const struct time_namespace *ns);
void timens_mm_switch(struct task_struct *task, struct time_namespace *ns);

#endif /* _KERNEL_TIME_TIMENS_INTERNAL_H */
