// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl() on the file descriptor of a time namespace, see uapi/linux/timens.h.
 */
#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/proc_ns.h>
#include <linux/uaccess.h>
#include <uapi/linux/timens.h>

#include "internal.h"

/* The clocks with an offset of their own, and where it is in the structure. */
static const struct {
	clockid_t	clock;
	size_t		place;
} members[] = {
	{ CLOCK_MONOTONIC,	offsetof(struct timens_offsets_arg, monotonic) },
	{ CLOCK_BOOTTIME,	offsetof(struct timens_offsets_arg, boottime) },
};

/* What programs were compiled with. */
static void check_layout(void)
{
	BUILD_BUG_ON(sizeof(struct timens_info) != TIMENS_INFO_SIZE_VER0);
	BUILD_BUG_ON(offsetof(struct timens_info, size) != 0);
	BUILD_BUG_ON(offsetof(struct timens_info, flags) != 4);
	BUILD_BUG_ON(offsetof(struct timens_info, clocks) != 8);
	BUILD_BUG_ON(offsetof(struct timens_info, frozen) != 16);

	BUILD_BUG_ON(sizeof(struct timens_offset) != 16);
	BUILD_BUG_ON(offsetof(struct timens_offset, sec) != 0);
	BUILD_BUG_ON(offsetof(struct timens_offset, nsec) != 8);
	BUILD_BUG_ON(offsetof(struct timens_offset, reserved) != 12);

	BUILD_BUG_ON(sizeof(struct timens_offsets_arg) != TIMENS_OFFSETS_ARG_SIZE_VER0);
	BUILD_BUG_ON(offsetof(struct timens_offsets_arg, clocks) != 0);
	BUILD_BUG_ON(offsetof(struct timens_offsets_arg, monotonic) != 8);
	BUILD_BUG_ON(offsetof(struct timens_offsets_arg, boottime) != 24);

	BUILD_BUG_ON(_IOC_SIZE(TIMENS_GET_INFO) != TIMENS_INFO_SIZE_VER0);
	BUILD_BUG_ON(_IOC_SIZE(TIMENS_GET_OFFSETS) != TIMENS_OFFSETS_ARG_SIZE_VER0);
	BUILD_BUG_ON(_IOC_SIZE(TIMENS_SET_OFFSETS) != TIMENS_OFFSETS_ARG_SIZE_VER0);

	BUILD_BUG_ON(sizeof(struct timens_wall_arg) != TIMENS_WALL_ARG_SIZE_VER0);
	BUILD_BUG_ON(offsetof(struct timens_wall_arg, flags) != 0);
	BUILD_BUG_ON(offsetof(struct timens_wall_arg, mode) != 4);
	BUILD_BUG_ON(offsetof(struct timens_wall_arg, realtime) != 8);
	BUILD_BUG_ON(offsetof(struct timens_wall_arg, tai) != 24);
	BUILD_BUG_ON(offsetof(struct timens_wall_arg, reserved) != 28);
	BUILD_BUG_ON(_IOC_SIZE(TIMENS_GET_WALL) != TIMENS_WALL_ARG_SIZE_VER0);
	BUILD_BUG_ON(_IOC_SIZE(TIMENS_SET_WALL) != TIMENS_WALL_ARG_SIZE_VER0);
}

/**
 * timens_clocks_within() - the clocks whose offsets have a place in a structure
 * @size:	bytes of struct timens_offsets_arg that the caller knows
 *
 * A caller that knows fewer clocks than the kernel must not be told of others:
 * it would set their offsets to nothing when it sets what it got.
 *
 * Return: a mask, BIT_ULL(CLOCK_MONOTONIC) and so on.
 */
u64 timens_clocks_within(size_t size)
{
	u64 clocks = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(members); i++) {
		if (members[i].place + sizeof(struct timens_offset) <= size)
			clocks |= BIT_ULL(members[i].clock);
	}
	return clocks;
}

/* As copy_struct_from_user(), to user space: the size is a part of the command. */
static int copy_out(unsigned long arg, unsigned int cmd, const void *known, size_t size)
{
	void __user *to = (void __user *)arg;
	size_t room = _IOC_SIZE(cmd);

	if (copy_to_user(to, known, min(room, size)))
		return -EFAULT;
	if (room > size && clear_user(to + size, room - size))
		return -EFAULT;
	return 0;
}

static int get_info(struct time_namespace *ns, unsigned int cmd, unsigned long arg)
{
	const u32 frozen = timens_frozen(ns);
	struct timens_info info = {
		.size	= sizeof(info),
		.clocks	= timens_clocks_within(SIZE_MAX),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(members); i++) {
		if (frozen & BIT(timens_timeline(members[i].clock)))
			info.frozen |= BIT_ULL(members[i].clock);
	}
	return copy_out(arg, cmd, &info, sizeof(info));
}

static int get_offsets(struct time_namespace *ns, unsigned int cmd, unsigned long arg)
{
	const struct timens_offsets offsets = timens_read_offsets(ns);
	struct timens_offsets_arg shown = {
		.clocks		= timens_clocks_within(_IOC_SIZE(cmd)),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(members); i++) {
		const struct timespec64 *by = &offsets.by[timens_timeline(members[i].clock)];
		struct timens_offset *offset = (void *)&shown + members[i].place;

		offset->sec = by->tv_sec;
		offset->nsec = by->tv_nsec;
	}
	return copy_out(arg, cmd, &shown, sizeof(shown));
}

/**
 * timens_request_from_arg() - what user space asks for by TIMENS_SET_OFFSETS
 * @req:	filled in
 * @arg:	what was passed, zeros after @size
 * @size:	bytes of @arg that the caller knows
 *
 * Return: 0 or -EINVAL.
 */
int timens_request_from_arg(struct timens_request *req,
			    const struct timens_offsets_arg *arg, size_t size)
{
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(members) > TIMENS_MAX_ENTRIES);

	if (!arg->clocks || arg->clocks & ~timens_clocks_within(size))
		return -EINVAL;

	*req = (struct timens_request){ };
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		const struct timens_offset *offset = (const void *)arg + members[i].place;

		if (!(arg->clocks & BIT_ULL(members[i].clock)))
			continue;
		if (offset->nsec >= NSEC_PER_SEC || offset->reserved)
			return -EINVAL;

		req->entry[req->nr].timeline = timens_timeline(members[i].clock);
		req->entry[req->nr].offset.tv_sec = offset->sec;
		req->entry[req->nr].offset.tv_nsec = offset->nsec;
		req->nr++;
	}
	return 0;
}

static int set_offsets(struct time_namespace *ns, unsigned int cmd, unsigned long arg)
{
	struct timens_offsets_arg passed;
	struct timens_request req;
	int err;

	err = copy_struct_from_user(&passed, sizeof(passed), (void __user *)arg, _IOC_SIZE(cmd));
	if (err)
		return err;
	err = timens_request_from_arg(&req, &passed, _IOC_SIZE(cmd));
	if (err)
		return err;

	if (!ns_capable(ns->user_ns, CAP_SYS_TIME))
		return -EPERM;
	return timens_set_offsets(ns, &req);
}

#ifdef CONFIG_TIME_NS_WALL
static int get_wall(struct time_namespace *ns, unsigned int cmd, unsigned long arg)
{
	struct timens_wall *wall = timens_ns_wall(ns);
	struct timens_wall_request read = { };
	struct timens_wall_arg shown = { };

	timens_wall_read(wall, &read);
	timens_wall_put(wall);
	shown.mode = read.mode;
	shown.realtime.sec = read.realtime.tv_sec;
	shown.realtime.nsec = read.realtime.tv_nsec;
	shown.tai = read.tai;
	return copy_out(arg, cmd, &shown, sizeof(shown));
}

static int set_wall(struct time_namespace *ns, unsigned int cmd, unsigned long arg)
{
	const u32 known = TIMENS_WALL_SET_OFFSET | TIMENS_WALL_SET_MODE | TIMENS_WALL_SET_TAI;
	struct timens_wall_request request;
	struct timens_wall_arg passed;
	int err;

	err = copy_struct_from_user(&passed, sizeof(passed), (void __user *)arg, _IOC_SIZE(cmd));
	if (err)
		return err;
	if (!passed.flags || passed.flags & ~known || passed.reserved || passed.realtime.reserved)
		return -EINVAL;
	if (passed.flags & TIMENS_WALL_SET_MODE &&
	    passed.mode != TIMENS_WALL_FOLLOW && passed.mode != TIMENS_WALL_OWN)
		return -EINVAL;
	if (passed.flags & TIMENS_WALL_SET_TAI && (passed.tai < 0 || passed.tai > TIMENS_MAX_TAI))
		return -EINVAL;
	if (passed.flags & TIMENS_WALL_SET_OFFSET && passed.realtime.nsec >= NSEC_PER_SEC)
		return -EINVAL;

	request = (struct timens_wall_request){
		.flags		= passed.flags,
		.mode		= passed.mode,
		.realtime	= { passed.realtime.sec, passed.realtime.nsec },
		.tai		= passed.tai,
	};
	return timens_set_wall(ns, &request);
}
#endif /* CONFIG_TIME_NS_WALL */

/* A command is known by its number; the size is that of its first version. */
static const struct {
	unsigned int	cmd;
	size_t		size;
	int		(*handle)(struct time_namespace *ns, unsigned int cmd, unsigned long arg);
} commands[] = {
	{ TIMENS_GET_INFO,	TIMENS_INFO_SIZE_VER0,		get_info },
	{ TIMENS_GET_OFFSETS,	TIMENS_OFFSETS_ARG_SIZE_VER0,	get_offsets },
	{ TIMENS_SET_OFFSETS,	TIMENS_OFFSETS_ARG_SIZE_VER0,	set_offsets },
#ifdef CONFIG_TIME_NS_WALL
	{ TIMENS_GET_WALL,	TIMENS_WALL_ARG_SIZE_VER0,	get_wall },
	{ TIMENS_SET_WALL,	TIMENS_WALL_ARG_SIZE_VER0,	set_wall },
#endif
};

/**
 * timens_ioctl() - ioctl() on the file descriptor of a namespace
 * @common:	namespace of any type
 * @cmd:	command, with the size of the structure that the caller knows
 * @arg:	where that is in user space
 *
 * Return: 0, -ENOTTY if @common is not a time namespace or @cmd is unknown, or
 *	   what uapi/linux/timens.h says.
 */
long timens_ioctl(struct ns_common *common, unsigned int cmd, unsigned long arg)
{
	struct time_namespace *ns;
	unsigned int i;

	check_layout();

	if (common->ops != &timens_operations)
		return -ENOTTY;
	ns = container_of(common, struct time_namespace, ns);

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if ((cmd ^ commands[i].cmd) & ~IOCSIZE_MASK)
			continue;
		if (_IOC_SIZE(cmd) < commands[i].size)
			return -EINVAL;
		return commands[i].handle(ns, cmd, arg);
	}
	return -ENOTTY;
}
