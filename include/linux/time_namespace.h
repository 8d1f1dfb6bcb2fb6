/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time namespaces: clocks of its own for a group of processes.
 *
 * A task in a time namespace sees CLOCK_MONOTONIC, CLOCK_BOOTTIME and the
 * clocks derived from them moved by a constant. The kernel itself keeps time on
 * the host's clocks only, so a time is translated where it crosses the border
 * to user space, for the task that asks:
 *
 *   timens_to_host()    an absolute time that user space hands in
 *   timens_from_host()  a time that the kernel hands out
 *
 * Both may be called from any context that has a current task. Kernel threads,
 * tasks past exit_task_namespaces() and tasks whose namespace has no offsets are
 * on the host's clocks: for them a translation is one load and one branch.
 *
 * See Documentation/core-api/time-namespaces.rst for the invariants.
 */
#ifndef _LINUX_TIME_NAMESPACE_H
#define _LINUX_TIME_NAMESPACE_H

#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/ns_common.h>
#include <linux/nsproxy.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock_types.h>
#include <linux/time64.h>

struct file;
struct mm_struct;
struct page;
struct seq_file;
struct ucounts;
struct user_namespace;
struct vdso_data;
struct vm_area_struct;

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
 * struct time_namespace - a set of clocks
 * @ns:		what all namespaces share
 * @user_ns:	the owner; CAP_SYS_TIME there is what writing offsets takes
 * @ucounts:	charged with this namespace
 * @lock:	protects @offset, @clock_page and @frozen until @frozen is set
 * @offset:	the offsets, constant once @frozen is set
 * @clock_page:	what the vDSO reads in place of the host's clock page. NULL if
 *		and only if all of @offset is 0: then the host's page will do.
 *		May be shared with the namespace that @offset came from.
 * @frozen:	set when the first task enters, never cleared
 */
struct time_namespace {
	struct ns_common	ns;
	struct user_namespace	*user_ns;
	struct ucounts		*ucounts;
	/* For everything below, until it is frozen. */
	spinlock_t		lock;
	struct timens_offsets	offset;
	struct page		*clock_page;
	bool			frozen;
} __randomize_layout;

extern struct time_namespace init_time_ns;

#ifdef CONFIG_TIME_NS

/* For masks of clone flags. */
#define TIMENS_CLONE_FLAG	CLONE_NEWTIME

void timens_free(struct time_namespace *ns);
int timens_copy(unsigned long flags, struct user_namespace *user_ns,
		const struct nsproxy *old, struct nsproxy *new);
int timens_fork(struct task_struct *child, struct nsproxy *nsproxy);
void timens_exec(struct nsproxy *nsproxy);
void timens_setns(struct nsproxy *nsproxy);
void timens_switch_task(struct task_struct *task, const struct nsproxy *nsproxy);

void timens_mm_init(struct mm_struct *mm);
void timens_mm_release(struct mm_struct *mm);

void timens_show_offsets(struct seq_file *m, struct task_struct *task);
ssize_t timens_write_offsets(struct task_struct *task, const struct file *file,
			     char *text, size_t len);

long timens_ioctl(struct ns_common *common, unsigned int cmd, unsigned long arg);

/**
 * timens_get() - take a reference
 * @ns:	time namespace
 *
 * Return: @ns.
 */
static inline struct time_namespace *timens_get(struct time_namespace *ns)
{
	refcount_inc(&ns->ns.count);
	return ns;
}

/**
 * timens_put() - drop a reference
 * @ns:	time namespace
 */
static inline void timens_put(struct time_namespace *ns)
{
	if (refcount_dec_and_test(&ns->ns.count))
		timens_free(ns);
}

/**
 * timens_put_nsproxy() - drop the references that a nsproxy holds
 * @nsproxy:	about to be freed
 */
static inline void timens_put_nsproxy(const struct nsproxy *nsproxy)
{
	timens_put(nsproxy->time_ns);
	timens_put(nsproxy->time_ns_for_children);
}

/**
 * timens_get_common() - take a reference to a time namespace of a nsproxy
 * @nsproxy:		namespaces of a task
 * @for_children:	the namespace that children enter, not the task's own
 *
 * Return: the namespace, NULL if the kernel has no time namespaces.
 */
static inline struct ns_common *timens_get_common(const struct nsproxy *nsproxy,
						  bool for_children)
{
	struct time_namespace *ns = for_children ?
		nsproxy->time_ns_for_children : nsproxy->time_ns;

	return &timens_get(ns)->ns;
}

/**
 * timens_pending() - do children start in a time namespace other than this one?
 * @nsproxy:	namespaces of a task
 *
 * Return: true after unshare(CLONE_NEWTIME) until exec.
 */
static inline bool timens_pending(const struct nsproxy *nsproxy)
{
	return unlikely(nsproxy->time_ns != nsproxy->time_ns_for_children);
}

enum timens_timeline timens_timeline(clockid_t clock);
ktime_t timens_offsets_to_host(const struct timens_offsets *offsets,
			       clockid_t clock, ktime_t t);
ktime_t timens_offsets_from_host(const struct timens_offsets *offsets,
				 clockid_t clock, ktime_t t);
void timens_offsets_timespec_to_host(const struct timens_offsets *offsets,
				     clockid_t clock, struct timespec64 *ts);
void timens_offsets_timespec_from_host(const struct timens_offsets *offsets,
				       clockid_t clock, struct timespec64 *ts);
void timens_offsets_boot_date(const struct timens_offsets *offsets,
			      struct timespec64 *date);

/**
 * timens_to_host() - translate an absolute time that user space handed in
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on current's clock, 0 to KTIME_MAX
 *
 * A time before the zero of the host's clock becomes 0, which is in the past;
 * one after its end becomes KTIME_MAX. 0 and KTIME_MAX, which mean "at once" or
 * "none" and "never" in many interfaces, stay what they are.
 *
 * Return: nanoseconds on the host's clock, 0 to KTIME_MAX.
 */
static inline ktime_t timens_to_host(clockid_t clock, ktime_t t)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets))
		return t;
	return timens_offsets_to_host(offsets, clock, t);
}

/**
 * timens_from_host() - translate a time that is handed out to user space
 * @clock:	clock id that @t is on
 * @t:		nanoseconds on the host's clock, 0 to KTIME_MAX
 *
 * A time before the zero of the namespace's clock becomes 0, one after its end
 * KTIME_MAX. KTIME_MAX, "never", stays what it is. 0 is translated: an interface
 * in which 0 is not a time must not translate it.
 *
 * Return: nanoseconds on current's clock, 0 to KTIME_MAX.
 */
static inline ktime_t timens_from_host(clockid_t clock, ktime_t t)
{
	const struct timens_offsets *offsets = current->timens;

	if (likely(!offsets))
		return t;
	return timens_offsets_from_host(offsets, clock, t);
}

/**
 * timens_timespec_to_host() - timens_to_host() for a timespec64
 * @clock:	clock id that @ts is on
 * @ts:		a valid time on current's clock, replaced by the host's
 */
static inline void timens_timespec_to_host(clockid_t clock,
					   struct timespec64 *ts)
{
	const struct timens_offsets *offsets = current->timens;

	if (unlikely(offsets))
		timens_offsets_timespec_to_host(offsets, clock, ts);
}

/**
 * timens_timespec_from_host() - timens_from_host() for a timespec64
 * @clock:	clock id that @ts is on
 * @ts:		a time on the host's clock, replaced by current's
 *
 * Every @ts is a time: none means "never".
 */
static inline void timens_timespec_from_host(clockid_t clock,
					     struct timespec64 *ts)
{
	const struct timens_offsets *offsets = current->timens;

	if (unlikely(offsets))
		timens_offsets_timespec_from_host(offsets, clock, ts);
}

/**
 * timens_boot_date() - the date at which current's CLOCK_BOOTTIME was zero
 * @date:	CLOCK_REALTIME at which the host's was zero, replaced by current's
 *
 * A date before 1970 becomes 1970: the interfaces that show it are unsigned.
 */
static inline void timens_boot_date(struct timespec64 *date)
{
	const struct timens_offsets *offsets = current->timens;

	if (unlikely(offsets))
		timens_offsets_boot_date(offsets, date);
}

/*
 * Between generic code and the architectures. find_timens_vvar_page() is for
 * their fault handlers; they provide vdso_join_timens(), which unmaps the clock
 * pages of @task so that they are faulted in again, and arch_get_vdso_data().
 */
struct page *find_timens_vvar_page(struct vm_area_struct *vma);
int vdso_join_timens(struct task_struct *task, struct time_namespace *ns);
struct vdso_data *arch_get_vdso_data(void *vvar_page);

#else /* !CONFIG_TIME_NS */

/* The flag is as unknown as any other. */
#define TIMENS_CLONE_FLAG	0

static inline int timens_copy(unsigned long flags,
			      struct user_namespace *user_ns,
			      const struct nsproxy *old, struct nsproxy *new)
{
	return 0;
}

static inline int timens_fork(struct task_struct *child,
			      struct nsproxy *nsproxy)
{
	return 0;
}

static inline void timens_exec(struct nsproxy *nsproxy) { }
static inline void timens_switch_task(struct task_struct *task,
				      const struct nsproxy *nsproxy) { }
static inline void timens_mm_init(struct mm_struct *mm) { }
static inline void timens_mm_release(struct mm_struct *mm) { }
static inline void timens_put_nsproxy(const struct nsproxy *nsproxy) { }

static inline bool timens_pending(const struct nsproxy *nsproxy)
{
	return false;
}

static inline struct ns_common *timens_get_common(const struct nsproxy *nsproxy,
						  bool for_children)
{
	return NULL;
}

static inline long timens_ioctl(struct ns_common *common, unsigned int cmd,
				unsigned long arg)
{
	return -ENOTTY;
}

static inline ktime_t timens_to_host(clockid_t clock, ktime_t t)
{
	return t;
}

static inline ktime_t timens_from_host(clockid_t clock, ktime_t t)
{
	return t;
}

static inline void timens_timespec_to_host(clockid_t clock,
					   struct timespec64 *ts) { }
static inline void timens_timespec_from_host(clockid_t clock,
					     struct timespec64 *ts) { }
static inline void timens_boot_date(struct timespec64 *date) { }

static inline struct page *find_timens_vvar_page(struct vm_area_struct *vma)
{
	return NULL;
}

#endif /* CONFIG_TIME_NS */

#endif /* _LINUX_TIME_NAMESPACE_H */
