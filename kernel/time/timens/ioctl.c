// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl() on the file descriptor of a time namespace, see uapi/linux/timens.h.
 */
#include <linux/capability.h>
#include <linux/proc_ns.h>
#include <linux/uaccess.h>
#include <uapi/linux/timens.h>

#include "internal.h"

#define KNOWN_CLOCKS	(BIT_ULL(CLOCK_MONOTONIC) | BIT_ULL(CLOCK_BOOTTIME))

/* As copy_struct_from_user(), to user space: the size is a part of the command. */
static int copy_out(unsigned long arg, unsigned int cmd, const void *known, size_t size)
{
	void __user *to = (void __user *)arg;
	size_t wanted = _IOC_SIZE(cmd);

	if (copy_to_user(to, known, min(wanted, size)))
		return -EFAULT;
	if (wanted > size && clear_user(to + size, wanted - size))
		return -EFAULT;
	return 0;
}

static int get_info(struct time_namespace *ns, unsigned int cmd, unsigned long arg)
{
	const struct timens_info info = {
		.size		= sizeof(info),
		.flags		= timens_frozen(ns) ? TIMENS_FROZEN : 0,
		.clocks		= KNOWN_CLOCKS,
		.features	= TIMENS_FEATURE_CLOCKS | TIMENS_FEATURE_UPTIME |
				  TIMENS_FEATURE_VDSO | TIMENS_FEATURE_INTERFACES,
	};

	return copy_out(arg, cmd, &info, sizeof(info));
}

static struct timens_offset to_user(const struct timespec64 *by)
{
	return (struct timens_offset){ .sec = by->tv_sec, .nsec = by->tv_nsec };
}

static int get_offsets(struct time_namespace *ns, unsigned int cmd, unsigned long arg)
{
	const struct timens_offsets offsets = timens_read_offsets(ns, NULL);
	const struct timens_clock_offsets shown = {
		.clocks		= KNOWN_CLOCKS,
		.monotonic	= to_user(&offsets.by[TIMENS_MONOTONIC]),
		.boottime	= to_user(&offsets.by[TIMENS_BOOTTIME]),
	};

	return copy_out(arg, cmd, &shown, sizeof(shown));
}

/* Adds an offset to what is asked for, if its clock is meant. */
static int add_offset(struct timens_request *req, u64 clocks, clockid_t clock,
		      const struct timens_offset *offset)
{
	if (!(clocks & BIT_ULL(clock)))
		return 0;
	if (offset->nsec >= NSEC_PER_SEC || offset->reserved)
		return -EINVAL;

	req->line[req->nr].timeline = timens_timeline(clock);
	req->line[req->nr].offset.tv_sec = offset->sec;
	req->line[req->nr].offset.tv_nsec = offset->nsec;
	req->nr++;
	return 0;
}

static int set_offsets(struct time_namespace *ns, unsigned int cmd, unsigned long arg)
{
	struct timens_request req = { };
	struct timens_clock_offsets wanted;
	int err;

	err = copy_struct_from_user(&wanted, sizeof(wanted), (void __user *)arg, _IOC_SIZE(cmd));
	if (err)
		return err;
	if (!wanted.clocks || wanted.clocks & ~KNOWN_CLOCKS)
		return -EINVAL;

	err = add_offset(&req, wanted.clocks, CLOCK_MONOTONIC, &wanted.monotonic);
	if (err)
		return err;
	err = add_offset(&req, wanted.clocks, CLOCK_BOOTTIME, &wanted.boottime);
	if (err)
		return err;

	if (!ns_capable(ns->user_ns, CAP_SYS_TIME))
		return -EPERM;
	return timens_set_offsets(ns, &req);
}

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

	if (common->ops != &timens_operations)
		return -ENOTTY;
	ns = container_of(common, struct time_namespace, ns);

	switch (cmd & ~IOCSIZE_MASK) {
	case TIMENS_GET_INFO & ~IOCSIZE_MASK:
		if (_IOC_SIZE(cmd) < TIMENS_INFO_SIZE_VER0)
			return -EINVAL;
		return get_info(ns, cmd, arg);
	case TIMENS_GET_OFFSETS & ~IOCSIZE_MASK:
		if (_IOC_SIZE(cmd) < TIMENS_CLOCK_OFFSETS_SIZE_VER0)
			return -EINVAL;
		return get_offsets(ns, cmd, arg);
	case TIMENS_SET_OFFSETS & ~IOCSIZE_MASK:
		if (_IOC_SIZE(cmd) < TIMENS_CLOCK_OFFSETS_SIZE_VER0)
			return -EINVAL;
		return set_offsets(ns, cmd, arg);
	}
	return -ENOTTY;
}
