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
#include <uapi/linux/timens.h>

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

/* No number: that of CLOCK_REALTIME is known to be refused. */
static const char wall_name[] = "realtime";

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

/* Whether a line is about the wall clock. */
static bool is_wall_line(const char *line)
{
	const size_t len = strlen(wall_name);

	if (!IS_ENABLED(CONFIG_TIME_NS_WALL))
		return false;
	/* An empty line before it is a line of its own. */
	while (*line == ' ' || *line == '\t')
		line++;
	return !strncmp(line, wall_name, len) && (!line[len] || isspace(line[len]));
}

static int parse_line(char *line, struct timens_request *req)
{
	const bool wall = is_wall_line(line);
	enum timens_timeline timeline;
	s64 sec, nsec;
	int err = 0;

	if (wall)
		line = skip_spaces(line) + strlen(wall_name);
	else
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

	if (wall) {
		req->wall.flags = TIMENS_WALL_SET_OFFSET;
		req->wall.realtime = (struct timespec64){ sec, nsec };
		return 0;
	}
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
 * the first TIMENS_MAX_LINES are not looked at, but for those that begin with
 * "realtime", which do not count.
 *
 * Return: the number of bytes taken, -EINVAL if a line is not of that form.
 */
ssize_t timens_parse(char *text, size_t len, struct timens_request *req)
{
	char *line = text;
	int err;

	BUILD_BUG_ON(TIMENS_MAX_LINES > TIMENS_MAX_ENTRIES);

	*req = (struct timens_request){ };
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
	} while (req->nr < TIMENS_MAX_LINES || is_wall_line(line));

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
	/* Which wall clock it is stays the same when the offsets do. */
	if (req->wall.flags)
		timelines |= TIMENS_CONSTANT;
	return timelines;
}

/* The offset of CLOCK_BOOTTIME that the namespace has or is going to have. */
static struct timespec64 boottime_offset(struct time_namespace *ns,
					 const struct timens_request *req)
{
	struct timespec64 offset = timens_read_offsets(ns).by[TIMENS_BOOTTIME];
	unsigned int i;

	for (i = 0; i < req->nr; i++) {
		if (req->entry[i].timeline == TIMENS_BOOTTIME)
			offset = req->entry[i].offset;
	}
	return offset;
}

/*
 * Sets offsets, the wall clock if there is a new one, and the vvar page with them, for
 * which @page is. Returns a page to free, and in @wall a clock to put.
 */
static struct page *timens_replace(struct time_namespace *ns,
				   const struct timens_request *req,
				   struct timens_wall **wall,
				   struct page *page)
{
	struct page *old = ns->vvar_page;
	unsigned int i;

	lockdep_assert_held(&ns->lock);

	for (i = 0; i < req->nr; i++)
		ns->offsets.by[req->entry[i].timeline] = req->entry[i].offset;

	if (*wall)
		swap(ns->wall, *wall);

	/* The old page may be shared: it is replaced, not changed. */
	if (!timens_any_offset(&ns->offsets) && !ns->wall) {
		put_page(page);
		ns->vvar_page = NULL;
	} else {
		timens_vvar_fill(page, &ns->offsets, ns->wall);
		ns->vvar_page = page;
	}
	return old;
}

/* timens_apply() with the wall clock @from, from which a new one is made. */
static int timens_apply_from(struct time_namespace *ns, const struct timens_request *req,
			     struct timens_wall *from)
{
	const struct timespec64 offset = boottime_offset(ns, req);
	struct timens_wall *wall = NULL;
	struct page *page;
	int err = 0;

	/* What can fail has to come first: entering the namespace must not. */
	if (req->wall.flags) {
		wall = timens_wall_create(ns, from, &req->wall, &offset);
		if (IS_ERR(wall))
			return PTR_ERR(wall);
	} else if (!timens_wall_in_range(from, &offset)) {
		return -ERANGE;
	}
	page = timens_vvar_alloc();
	if (!page) {
		timens_wall_put(wall);
		return -ENOMEM;
	}

	spin_lock(&ns->lock);
	if (ns->frozen & timens_requested(req))
		err = -EACCES;
	else if (ns->wall != from)
		err = -EAGAIN;
	else
		page = timens_replace(ns, req, &wall, page);
	spin_unlock(&ns->lock);

	if (page)
		put_page(page);
	timens_wall_put(wall);
	return err;
}

static int timens_apply(struct time_namespace *ns, const struct timens_request *req)
{
	struct timens_wall *from;
	int err;

	/* Somebody else may give the namespace another wall clock meanwhile. */
	do {
		from = timens_ns_wall(ns);
		err = timens_apply_from(ns, req, from);
		timens_wall_put(from);
	} while (err == -EAGAIN);
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

#ifdef CONFIG_TIME_NS_WALL
/**
 * timens_set_wall() - set the wall clock of a namespace
 * @ns:		time namespace
 * @wall:	what is to be set, valid
 *
 * As long as no task has entered, the namespace is given a clock of its own. Then the
 * one that it has is set.
 *
 * Return: 0, or what uapi/linux/timens.h says for TIMENS_SET_WALL.
 */
int timens_set_wall(struct time_namespace *ns, const struct timens_wall_request *wall)
{
	const struct timens_request req = { .wall = *wall };
	int err = -EACCES;

	if (!timens_frozen(ns)) {
		if (!ns_capable(ns->user_ns, CAP_SYS_TIME))
			return -EPERM;
		err = timens_apply(ns, &req);
	}
	/* A task may have entered just now. */
	if (err == -EACCES && ns->wall) {
		if (!timens_wall_capable(ns->wall))
			return -EPERM;
		err = timens_wall_set(ns->wall, wall, &ns->offsets.by[TIMENS_BOOTTIME]);
	}
	return err;
}
#endif

/**
 * timens_read_offsets() - a consistent copy of the offsets of a namespace
 * @ns:		time namespace, frozen or not
 *
 * Return: the offsets.
 */
struct timens_offsets timens_read_offsets(struct time_namespace *ns)
{
	guard(spinlock)(&ns->lock);
	return ns->offsets;
}

/**
 * timens_inherit() - give a new namespace the clocks of its parent
 * @ns:		namespace that nobody knows of
 * @parent:	time namespace, frozen or not
 */
void timens_inherit(struct time_namespace *ns, struct time_namespace *parent)
{
	guard(spinlock)(&parent->lock);
	ns->offsets = parent->offsets;
	ns->wall = timens_wall_get(parent->wall);
	ns->vvar_page = parent->vvar_page;
	if (ns->vvar_page)
		get_page(ns->vvar_page);
}

/**
 * timens_ns_wall() - the wall clock of a namespace
 * @ns:		time namespace, frozen or not
 *
 * Return: the clock with a reference, NULL if it is the host's.
 */
struct timens_wall *timens_ns_wall(struct time_namespace *ns)
{
	guard(spinlock)(&ns->lock);
	return timens_wall_get(ns->wall);
}

#ifdef CONFIG_TIME_NS_WALL
static void show_wall(struct seq_file *m, struct time_namespace *ns)
{
	struct timens_wall_request read = { };
	struct timens_wall *wall = timens_ns_wall(ns);

	if (!wall)
		return;
	timens_wall_read(wall, &read);
	timens_wall_put(wall);
	seq_printf(m, "%-10s %10lld %9ld\n", wall_name, read.realtime.tv_sec,
		   read.realtime.tv_nsec);
}
#else
static void show_wall(struct seq_file *m, struct time_namespace *ns) { }
#endif

/**
 * timens_show_offsets() - show offsets of a namespace as text
 * @m:	gets a line "CLOCK SECONDS NANOSECONDS" for each clock with an offset, and for the
 *	wall clock if the namespace has one
 * @ns:	time namespace
 */
void timens_show_offsets(struct seq_file *m, struct time_namespace *ns)
{
	const struct timens_offsets shown = timens_read_offsets(ns);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(timens_names); i++) {
		const struct timespec64 *by = &shown.by[timens_names[i].timeline];

		seq_printf(m, "%-10s %10lld %9ld\n", timens_names[i].name,
			   by->tv_sec, by->tv_nsec);
	}
	show_wall(m, ns);
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
