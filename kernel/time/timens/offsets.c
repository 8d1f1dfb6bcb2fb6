// SPDX-License-Identifier: GPL-2.0-only
/*
 * Offsets of a time namespace: the text form that user space reads and writes,
 * their range, and when they may change.
 *
 * Offsets may be written until the first task enters. That task freezes them;
 * from then on they are constant and read without a lock.
 */
#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <linux/timekeeping.h>

#include "internal.h"

/* The timelines that have an offset, by the names that programs use. */
static const struct {
	const char		*name;
	const char		*number;
	enum timens_timeline	timeline;
} timens_names[] = {
	{ "monotonic",	__stringify(CLOCK_MONOTONIC),	TIMENS_MONOTONIC },
	{ "boottime",	__stringify(CLOCK_BOOTTIME),	TIMENS_BOOTTIME },
};

/* The name of a clock ends at white space or, as ever, after this length. */
#define TIMENS_NAME_LEN	9

static int parse_timeline(char **pos, enum timens_timeline *timeline)
{
	char *name = skip_spaces(*pos), *end = name;
	unsigned int i;

	while (*end && !isspace(*end) && end - name < TIMENS_NAME_LEN)
		end++;
	*pos = end;

	for (i = 0; i < ARRAY_SIZE(timens_names); i++) {
		const char *const known[] = {
			timens_names[i].name, timens_names[i].number,
		};
		unsigned int j;

		for (j = 0; j < ARRAY_SIZE(known); j++) {
			if (strlen(known[j]) == end - name &&
			    !memcmp(known[j], name, end - name)) {
				*timeline = timens_names[i].timeline;
				return 0;
			}
		}
	}
	return -EINVAL;
}

/*
 * Cuts a decimal number out of the text. A number that does not fit becomes the
 * nearest that does: whether it is in range is a later question, which the
 * writer may not even be allowed to ask.
 */
static int parse_number(char **pos, bool may_be_negative, s64 *number)
{
	char *start = skip_spaces(*pos), *end = start, saved;
	int err;

	if (may_be_negative && *end == '-')
		end++;
	while (isdigit(*end))
		end++;

	saved = *end;
	*end = '\0';
	err = kstrtos64(start, 10, number);
	if (err == -ERANGE) {
		*number = *start == '-' ? S64_MIN : S64_MAX;
		err = 0;
	}
	*end = saved;
	*pos = end;
	return err;
}

static int parse_line(char *line, struct timens_request *req)
{
	enum timens_timeline timeline;
	s64 sec, nsec;
	int err;

	err = parse_timeline(&line, &timeline);
	if (err)
		return err;
	err = parse_number(&line, true, &sec);
	if (err)
		return err;
	/* What follows the third field is ignored. */
	err = parse_number(&line, false, &nsec);
	if (err)
		return err;
	if (nsec >= NSEC_PER_SEC)
		return -EINVAL;

	req->entry[req->nr].timeline = timeline;
	req->entry[req->nr].offset.tv_sec = sec;
	req->entry[req->nr].offset.tv_nsec = nsec;
	req->nr++;
	return 0;
}

/**
 * timens_parse() - parse what is written to timens_offsets
 * @text:	lines of the form "CLOCK SECONDS NANOSECONDS", NUL terminated; it is
 *		modified
 * @len:	length of @text in bytes
 * @req:	filled with what the text asks for
 *
 * CLOCK is "monotonic", "boottime" or the number of that clock, NANOSECONDS are
 * 0 to 999999999 and count upwards also where SECONDS is negative. Lines after
 * the first TIMENS_MAX_LINES are not looked at.
 *
 * Return: the number of bytes taken, -EINVAL if a line is not of that form.
 */
ssize_t timens_parse(char *text, size_t len, struct timens_request *req)
{
	char *line = text;
	int err;

	BUILD_BUG_ON(TIMENS_MAX_LINES > TIMENS_MAX_ENTRIES);

	req->nr = 0;
	do {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		err = parse_line(line, req);
		if (err)
			return err;
		/* A newline ends a line, it does not begin one. */
		if (!next || !*next)
			return len;
		line = next;
	} while (req->nr < TIMENS_MAX_LINES);

	return line - text;
}

/**
 * timens_check_range() - are all requested offsets within range?
 * @req:	requested offsets
 * @now:	the host's clocks
 *
 * The namespace's clock must not start below zero, and must not come near
 * KTIME_MAX, where timers end, in the lifetime of any machine.
 *
 * Return: 0 or -ERANGE.
 */
int timens_check_range(const struct timens_request *req,
		       const struct timespec64 now[TIMENS_NR])
{
	unsigned int i;

	for (i = 0; i < req->nr; i++) {
		struct timespec64 sum = req->entry[i].offset;

		/* With this the addition cannot overflow. */
		if (sum.tv_sec > KTIME_SEC_MAX || sum.tv_sec < -KTIME_SEC_MAX)
			return -ERANGE;

		sum = timespec64_add(sum, now[req->entry[i].timeline]);
		if (sum.tv_sec < 0 || sum.tv_sec > KTIME_SEC_MAX / 2)
			return -ERANGE;
	}
	return 0;
}

static bool timens_any_offset(const struct timens_offsets *offsets)
{
	unsigned int i;

	for (i = 0; i < TIMENS_NR; i++) {
		if (offsets->by[i].tv_sec || offsets->by[i].tv_nsec)
			return true;
	}
	return false;
}

/* The timelines that a request names, as bits. */
static u32 timens_requested(const struct timens_request *req)
{
	unsigned int i;
	u32 timelines = 0;

	for (i = 0; i < req->nr; i++)
		timelines |= BIT(req->entry[i].timeline);
	return timelines;
}

/* Sets offsets and the vvar page with them, for which @page is. Returns a page to free. */
static struct page *timens_replace(struct time_namespace *ns,
				   const struct timens_request *req,
				   struct page *page)
{
	struct page *old = ns->vvar_page;
	unsigned int i;

	lockdep_assert_held(&ns->lock);

	for (i = 0; i < req->nr; i++)
		ns->offsets.by[req->entry[i].timeline] = req->entry[i].offset;

	/* The old page may be shared: it is replaced, not changed. */
	if (!timens_any_offset(&ns->offsets)) {
		put_page(page);
		ns->vvar_page = NULL;
	} else {
		timens_vvar_fill(page, &ns->offsets);
		ns->vvar_page = page;
	}
	return old;
}

static int timens_apply(struct time_namespace *ns,
			const struct timens_request *req)
{
	struct page *page;
	int err = 0;

	/* What can fail has to come first: entering the namespace must not. */
	page = timens_vvar_alloc();
	if (!page)
		return -ENOMEM;

	spin_lock(&ns->lock);
	if (ns->frozen & timens_requested(req))
		err = -EACCES;
	else
		page = timens_replace(ns, req, page);
	spin_unlock(&ns->lock);

	if (page)
		put_page(page);
	return err;
}

/**
 * timens_set_offsets() - set offsets of a namespace
 * @ns:		time namespace; the caller has checked the permission to do so
 * @req:	offsets, with normalised nanoseconds
 *
 * All are set, or none.
 *
 * Return: 0, -ERANGE if an offset is out of range, -ENOMEM, -EACCES if a task has
 *	   entered @ns.
 */
int timens_set_offsets(struct time_namespace *ns, const struct timens_request *req)
{
	struct timespec64 now[TIMENS_NR] = { };
	int err;

	ktime_get_ts64(&now[TIMENS_MONOTONIC]);
	ktime_get_boottime_ts64(&now[TIMENS_BOOTTIME]);
	err = timens_check_range(req, now);
	if (err)
		return err;

	return timens_apply(ns, req);
}

/**
 * timens_write_offsets() - set offsets of a namespace by text
 * @ns:		time namespace, NULL if there is no task that it would be that of
 * @file:	the file written to, whose opener has to hold CAP_SYS_TIME
 * @text:	what is written, see timens_parse(); it is modified
 * @len:	length of @text in bytes
 *
 * All offsets that are taken are set, or none.
 *
 * Return: the number of bytes taken, or, in the order in which it is looked at,
 *	   -EINVAL if the text is malformed, -ESRCH if @ns is NULL, -EPERM if
 *	   the opener of @file lacks CAP_SYS_TIME in the user namespace that owns
 *	   the time namespace, -ERANGE if an offset is out of range, -ENOMEM,
 *	   -EACCES if a task has entered the namespace.
 */
ssize_t timens_write_offsets(struct time_namespace *ns, const struct file *file,
			     char *text, size_t len)
{
	struct timens_request req;
	ssize_t taken;
	int err;

	taken = timens_parse(text, len, &req);
	if (taken < 0)
		return taken;

	if (!ns)
		return -ESRCH;
	if (!file_ns_capable(file, ns->user_ns, CAP_SYS_TIME))
		return -EPERM;

	err = timens_set_offsets(ns, &req);
	return err ?: taken;
}

/**
 * timens_read_offsets() - a consistent copy of the offsets of a namespace
 * @ns:		time namespace, frozen or not
 * @vvar_page:	if not NULL, set to a new reference to the page with these
 *		offsets, or to NULL if there is none
 *
 * Return: the offsets.
 */
struct timens_offsets timens_read_offsets(struct time_namespace *ns,
					  struct page **vvar_page)
{
	struct timens_offsets read;

	spin_lock(&ns->lock);
	read = ns->offsets;
	if (vvar_page) {
		*vvar_page = ns->vvar_page;
		if (*vvar_page)
			get_page(*vvar_page);
	}
	spin_unlock(&ns->lock);
	return read;
}

/**
 * timens_show_offsets() - show offsets of a namespace as text
 * @m:	gets a line "CLOCK SECONDS NANOSECONDS" for each clock with an offset
 * @ns:	time namespace
 */
void timens_show_offsets(struct seq_file *m, struct time_namespace *ns)
{
	const struct timens_offsets shown = timens_read_offsets(ns, NULL);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(timens_names); i++) {
		const struct timespec64 *by = &shown.by[timens_names[i].timeline];

		seq_printf(m, "%-10s %10lld %9ld\n", timens_names[i].name,
			   by->tv_sec, by->tv_nsec);
	}
}

/**
 * timens_freeze() - end the time in which offsets can be written
 * @ns:	time namespace that a task is about to enter
 */
void timens_freeze(struct time_namespace *ns)
{
	if (timens_frozen(ns) == TIMENS_CONSTANT)
		return;

	spin_lock(&ns->lock);
	/* Pairs with smp_load_acquire() in timens_frozen(). */
	smp_store_release(&ns->frozen, TIMENS_CONSTANT);
	spin_unlock(&ns->lock);
}
