// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/timens_offsets and /proc/PID/task/TID/timens_offsets: offsets of the
 * time namespace that the children of a task enter.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/time_namespace.h>

#include "internal.h"

static int timens_offsets_seq_show(struct seq_file *m, void *v)
{
	struct task_struct *task = get_proc_task(file_inode(m->file));
	struct time_namespace *ns;

	if (!task)
		return -ESRCH;
	ns = timens_get_for_children(task);
	put_task_struct(task);

	/* A dead task has none. */
	if (ns) {
		timens_show_offsets(m, ns);
		timens_put(ns);
	}
	return 0;
}

static int timens_offsets_seq_open(struct inode *inode, struct file *file)
{
	return single_open(file, timens_offsets_seq_show, NULL);
}

static ssize_t timens_offsets_seq_write(struct file *file,
					const char __user *buf, size_t len,
					loff_t *ppos)
{
	struct time_namespace *ns = NULL;
	struct task_struct *task;
	ssize_t ret;
	char *text;

	/* The text is one whole: it can neither be continued nor be long. */
	if (*ppos || len >= PAGE_SIZE)
		return -EINVAL;

	text = memdup_user_nul(buf, len);
	if (IS_ERR(text))
		return PTR_ERR(text);

	task = get_proc_task(file_inode(file));
	if (task) {
		ns = timens_get_for_children(task);
		put_task_struct(task);
	}

	/* Malformed text is an error before a dead task is. */
	ret = timens_write_offsets(ns, file, text, len);
	if (ns)
		timens_put(ns);
	kfree(text);
	return ret;
}

const struct file_operations proc_timens_offsets_operations = {
	.open		= timens_offsets_seq_open,
	.read		= seq_read,
	.write		= timens_offsets_seq_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};
