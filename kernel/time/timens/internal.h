/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the time namespace share with each other.
 */
#ifndef _KERNEL_TIME_TIMENS_INTERNAL_H
#define _KERNEL_TIME_TIMENS_INTERNAL_H

#include <linux/bits.h>
#include <linux/time_namespace.h>

struct timens_offsets_arg;

/*
 * A write to timens_offsets takes this many lines and leaves the rest: programs
 * depend on the number, which therefore does not grow with that of the clocks.
 */
#define TIMENS_MAX_LINES	2

/* Every timeline but that of the host. */
#define TIMENS_MAX_ENTRIES	(TIMENS_NR - 1)

/**
 * struct timens_request - offsets that user space asks for
 * @nr:		number of entries in @entry
 * @entry:	in the order they were written; the last one for a timeline counts
 */
struct timens_request {
	unsigned int nr;
	struct {
		enum timens_timeline	timeline;
		struct timespec64	offset;
	} entry[TIMENS_MAX_ENTRIES];
};

/* clocks.c */
enum timens_timeline timens_timeline(clockid_t clock);

/* offsets.c */
ssize_t timens_parse(char *text, size_t len, struct timens_request *req);
int timens_check_range(const struct timens_request *req,
		       const struct timespec64 now[TIMENS_NR]);
struct timens_offsets timens_read_offsets(struct time_namespace *ns,
					  struct page **vvar_page);
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
void timens_vvar_fill(struct page *page, const struct timens_offsets *offsets);
void timens_mm_set(struct mm_struct *mm, const struct time_namespace *ns);
void timens_mm_switch(struct task_struct *task, struct time_namespace *ns);

#endif /* _KERNEL_TIME_TIMENS_INTERNAL_H */
