// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a time namespace: made by unshare() or clone3(), entered at fork, at
 * exec or by setns(), gone with its last reference.
 *
 * A task has two: the one that it is in, and the one that its children will be
 * in. They differ between unshare(CLONE_NEWTIME) and exec. Tasks that share an
 * address space are always in the same one, because their vDSO reads the same
 * page: this is why threads and vfork() children stay where their parent is.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/proc_ns.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "internal.h"

/*
 * Two references are those of init_nsproxy, the third keeps it for ever. It has
 * been entered and so its offsets stay 0.
 */
struct time_namespace init_time_ns = {
	.ns.count	= REFCOUNT_INIT(3),
	.ns.inum	= PROC_TIME_INIT_INO,
	.ns.ops		= &timens_operations,
	.user_ns	= &init_user_ns,
	.lock		= __SPIN_LOCK_UNLOCKED(init_time_ns.lock),
	.frozen		= TIMENS_CONSTANT,
};

static struct time_namespace *timens_of_common(struct ns_common *common)
{
	return container_of(common, struct time_namespace, ns);
}

/* A new namespace with the offsets of @parent, not frozen. */
static struct time_namespace *timens_create(struct user_namespace *user_ns,
					    struct time_namespace *parent)
{
	struct time_namespace *ns;
	struct ucounts *ucounts;
	int err;

	ucounts = inc_ucount(user_ns, current_euid(), UCOUNT_TIME_NAMESPACES);
	if (!ucounts)
		return ERR_PTR(-ENOSPC);

	ns = kzalloc(sizeof(*ns), GFP_KERNEL_ACCOUNT);
	if (!ns) {
		err = -ENOMEM;
		goto err_dec_ucount;
	}

	err = ns_alloc_inum(&ns->ns);
	if (err)
		goto err_free;

	refcount_set(&ns->ns.count, 1);
	ns->ns.ops = &timens_operations;
	ns->user_ns = get_user_ns(user_ns);
	ns->ucounts = ucounts;
	spin_lock_init(&ns->lock);
	timens_inherit(ns, parent);
	return ns;

err_free:
	kfree(ns);
err_dec_ucount:
	dec_ucount(ucounts, UCOUNT_TIME_NAMESPACES);
	return ERR_PTR(err);
}

/**
 * timens_free() - free a time namespace
 * @ns:	time namespace without references
 */
void timens_free(struct time_namespace *ns)
{
	if (ns->vvar_page)
		put_page(ns->vvar_page);
	timens_wall_put(ns->wall);
	ns_free_inum(&ns->ns);
	put_user_ns(ns->user_ns);
	dec_ucount(ns->ucounts, UCOUNT_TIME_NAMESPACES);
	kfree(ns);
}

/**
 * timens_copy() - fill in the time namespaces of a new nsproxy
 * @flags:	CLONE_NEWTIME for a new namespace for children
 * @user_ns:	owner of a new namespace
 * @old:	nsproxy to inherit from
 * @new:	nsproxy to fill in
 *
 * Return: 0, or -ENOSPC if @user_ns may not have more time namespaces, -ENOMEM.
 */
int timens_copy(unsigned long flags, struct user_namespace *user_ns,
		const struct nsproxy *old, struct nsproxy *new)
{
	struct time_namespace *ns = old->time_ns_for_children;

	if (flags & CLONE_NEWTIME)
		ns = timens_create(user_ns, ns);
	else
		timens_get(ns);
	if (IS_ERR(ns))
		return PTR_ERR(ns);

	new->time_ns_for_children = ns;
	new->time_ns = timens_get(old->time_ns);
	return 0;
}

/**
 * timens_enter() - make the namespace for children the one of the tasks themselves
 * @nsproxy:	namespaces that no task runs in yet, not shared
 *
 * Its offsets may still be set: the fork or exec that this is for can fail.
 * timens_fork() or timens_exec() ends that.
 */
void timens_enter(struct nsproxy *nsproxy)
{
	if (!timens_pending(nsproxy))
		return;
	timens_put(nsproxy->time_ns);
	nsproxy->time_ns = timens_get(nsproxy->time_ns_for_children);
}

/**
 * __timens_fork() - give a new process the clocks of its time namespace
 * @child:	the process, not yet running, with an address space of its own
 *
 * The offsets have to be frozen before they choose the page and the pointer.
 */
void __timens_fork(struct task_struct *child)
{
	struct nsproxy *nsproxy = child->nsproxy;

	timens_freeze(nsproxy->time_ns);
	timens_switch_task(child, nsproxy);
	timens_mm_switch(child, nsproxy->time_ns);
}

/**
 * timens_exec() - give the new address space of current its clocks
 * @nsproxy:	namespaces that current is going to be in, not shared if the
 *		namespace for children is another one than the current one
 *
 * To be called past the point of no return, before the vDSO is mapped.
 */
void timens_exec(struct nsproxy *nsproxy)
{
	timens_enter(nsproxy);
	timens_freeze(nsproxy->time_ns);
	timens_mm_set(current->mm, nsproxy->time_ns);
}

/**
 * timens_setns() - switch the clocks of current at the end of setns()
 * @nsproxy:	namespaces that current is going to be in
 *
 * Cannot fail. current is the only user of its address space, see
 * timens_op_install().
 */
void timens_setns(struct nsproxy *nsproxy)
{
	timens_freeze(nsproxy->time_ns);
	timens_mm_switch(current, nsproxy->time_ns);
}

/**
 * timens_switch_task() - point a task to the offsets that it is to see
 * @task:	current, or a task that does not run yet
 * @nsproxy:	namespaces that the task is going to be in, NULL if it exits
 */
void timens_switch_task(struct task_struct *task, const struct nsproxy *nsproxy)
{
	const struct timens_offsets *offsets = NULL;

	if (nsproxy && nsproxy->time_ns->vvar_page)
		offsets = &nsproxy->time_ns->offsets;
	task->timens = offsets;
}

static struct time_namespace *timens_of_task(struct task_struct *task,
					     bool for_children)
{
	struct time_namespace *ns = NULL;
	struct nsproxy *nsproxy;

	task_lock(task);
	nsproxy = task->nsproxy;
	if (nsproxy)
		ns = timens_get(for_children ? nsproxy->time_ns_for_children :
					       nsproxy->time_ns);
	task_unlock(task);
	return ns;
}

/**
 * timens_get_for_children() - the namespace that the children of a task enter
 * @task:	any task
 *
 * Return: the namespace with a reference, NULL if @task is dead.
 */
struct time_namespace *timens_get_for_children(struct task_struct *task)
{
	return timens_of_task(task, true);
}

static struct ns_common *timens_op_get(struct task_struct *task)
{
	struct time_namespace *ns = timens_of_task(task, false);

	return ns ? &ns->ns : NULL;
}

static struct ns_common *timens_op_get_for_children(struct task_struct *task)
{
	struct time_namespace *ns = timens_of_task(task, true);

	return ns ? &ns->ns : NULL;
}

static void timens_op_put(struct ns_common *common)
{
	timens_put(timens_of_common(common));
}

static struct user_namespace *timens_op_owner(struct ns_common *common)
{
	return timens_of_common(common)->user_ns;
}

/*
 * First half of setns(). Clocks belong to the address space, so nobody else may
 * be using it.
 */
static int timens_op_install(struct nsset *nsset, struct ns_common *common)
{
	struct time_namespace *ns = timens_of_common(common);
	struct nsproxy *nsproxy = nsset->nsproxy;

	if (!current_is_single_threaded())
		return -EUSERS;
	if (!ns_capable(ns->user_ns, CAP_SYS_ADMIN) ||
	    !ns_capable(nsset->cred->user_ns, CAP_SYS_ADMIN))
		return -EPERM;

	timens_put_nsproxy(nsproxy);
	nsproxy->time_ns = timens_get(ns);
	nsproxy->time_ns_for_children = timens_get(ns);
	return 0;
}

const struct proc_ns_operations timens_operations = {
	.name		= "time",
	.type		= CLONE_NEWTIME,
	.get		= timens_op_get,
	.put		= timens_op_put,
	.install	= timens_op_install,
	.owner		= timens_op_owner,
};

const struct proc_ns_operations timens_for_children_operations = {
	.name		= "time_for_children",
	.real_ns_name	= "time",
	.type		= CLONE_NEWTIME,
	.get		= timens_op_get_for_children,
	.put		= timens_op_put,
	.install	= timens_op_install,
	.owner		= timens_op_owner,
};
