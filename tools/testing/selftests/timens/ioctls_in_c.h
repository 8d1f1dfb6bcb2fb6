/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls of include/uapi/linux/timens.h, called from C. */
#ifndef SELFTESTS_TIMENS_IOCTLS_IN_C_H
#define SELFTESTS_TIMENS_IOCTLS_IN_C_H

#ifdef __cplusplus
extern "C" {
#endif

struct timens_offsets_arg;
struct timens_info;

/* As ioctl(2): 0, or -1 and errno. */
int get_info_in_c(int fd, struct timens_info *info);
int get_offsets_in_c(int fd, struct timens_offsets_arg *offsets);
int set_offsets_in_c(int fd, const struct timens_offsets_arg *offsets);

#ifdef __cplusplus
}
#endif

#endif /* SELFTESTS_TIMENS_IOCTLS_IN_C_H */
