// SPDX-License-Identifier: GPL-2.0-only
#include "ioctls_in_c.h"

/* First of all headers: it has to stand alone. */
#include <linux/timens.h>

#include <sys/ioctl.h>

int get_info_in_c(int fd, struct timens_info *info)
{
	return ioctl(fd, TIMENS_GET_INFO, info);
}

int get_offsets_in_c(int fd, struct timens_offsets_arg *offsets)
{
	return ioctl(fd, TIMENS_GET_OFFSETS, offsets);
}

int set_offsets_in_c(int fd, const struct timens_offsets_arg *offsets)
{
	return ioctl(fd, TIMENS_SET_OFFSETS, offsets);
}
