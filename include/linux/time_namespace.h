/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time namespaces: clocks of its own for a group of processes. This is what the
 * kernel has to do to keep, enter and leave them; linux/timens.h is for the code
 * that only tells or takes a time.
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
#include <linux/timens.h>

struct file;
struct mm_struct;
struct page;
struct seq_file;
struct timens_wall;
struct ucounts;
struct user_namespace;
struct vdso_data;
struct vm_area_struct;

/**
 * struct time_namespace - a set of clocks
 * @ns:		what all namespaces share
 * @user_ns:	the owner; CAP_SYS_TIME there is what writing offsets takes
 * @ucounts:	charged with this namespace
 * @lock:	protects @offsets, @wall, @vvar_page and @frozen until @frozen is set
 * @offsets:	the offsets, constant once @frozen is set
 * @wall:	the wall clock, constant once @frozen is set. NULL for the host's. May be
 *		shared with other namespaces, and set at any time.
 * @vvar_page:	what the vDSO reads in place of the host's vvar page. NULL if
 *		and only if all of @offsets is 0 and @wall is NULL: then the host's page
 *		will do. May be shared with the namespace that @offsets came from.
 * @frozen:	timelines whose offset is constant, as bits: those of TIMENS_CONSTANT
 *		when the first task enters, never cleared
 */
struct time_namespace {
	struct ns_common	ns;
	struct user_namespace	*user_ns;
	struct ucounts		*ucounts;
	/* For everything below, until it is frozen. */
	spinlock_t		lock;
	struct timens_offsets	offsets;
	struct timens_wall	*wall;
	struct page		*vvar_page;
	u32			frozen;
} __randomize_layout;

extern struct time_namespace init_time_ns;

#ifdef CONFIG_TIME_NS

/* For masks of clone flags, and to ask for the flag where it may be unknown. */
#define TIMENS_CLONE_FLAG	CLONE_NEWTIME

void timens_free(struct time_namespace *ns);
int timens_copy(unsigned long flags, struct user_namespace *user_ns,
		const struct nsproxy *old, struct nsproxy *new);
void timens_enter(struct nsproxy *nsproxy);
void __timens_fork(struct task_struct *child);
void timens_exec(struct nsproxy *nsproxy);
void timens_setns(struct nsproxy *nsproxy);
void timens_switch_task(struct task_struct *task, const struct nsproxy *nsproxy);

void timens_mm_init(struct mm_struct *mm);
void timens_mm_release(struct mm_struct *mm);

struct time_namespace *timens_get_for_children(struct task_struct *task);
void timens_show_offsets(struct seq_file *m, struct time_namespace *ns);
ssize_t timens_write_offsets(struct time_namespace *ns, const struct file *file,
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

/**
 * timens_fork() - let a new process enter its time namespace
 * @child:	process that current has made, not yet running
 *
 * To be called when nothing can fail any more: it freezes the offsets.
 */
static inline void timens_fork(struct task_struct *child)
{
	if (unlikely(child->nsproxy->time_ns != current->nsproxy->time_ns))
		__timens_fork(child);
}

/*
 * Between generic code and the architectures. find_timens_vvar_page() is for
 * their fault handlers; they provide vdso_join_timens(), which unmaps the vvar
 * pages of @task so that they are faulted in again, and arch_get_vdso_data().
 */
struct page *find_timens_vvar_page(struct vm_area_struct *vma);
struct page *find_timens_wall_page(struct vm_area_struct *vma);
void vdso_join_timens(struct task_struct *task, struct time_namespace *ns);
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

static inline void timens_enter(struct nsproxy *nsproxy) { }
static inline void timens_setns(struct nsproxy *nsproxy) { }
static inline void timens_fork(struct task_struct *child) { }
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

static inline struct page *find_timens_vvar_page(struct vm_area_struct *vma)
{
	return NULL;
}

#endif /* CONFIG_TIME_NS */

#endif /* _LINUX_TIME_NAMESPACE_H */
