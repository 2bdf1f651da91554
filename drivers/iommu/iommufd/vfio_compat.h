/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The ioctls of a VFIO container, as the type1 driver of VFIO had them.
 *
 * Each runs with the argument as user space passed it, checks its structure itself
 * (argsz says how much of it the caller knows), and leaves a reason when it fails.
 * Numbers are fixed-size but for one pointer, see in_compat_syscall() where that is.
 */
#ifndef __IOMMUFD_VFIO_COMPAT_H
#define __IOMMUFD_VFIO_COMPAT_H

struct iommufd_ctx;

/* vfio_compat.c: any ioctl that iommufd does not know.  -ENOIOCTLCMD if this does not either. */
int iommufd_container_call(struct iommufd_ctx *ictx, unsigned int cmd,
		       unsigned long arg);

/* vfio_info.c */
int iommufd_vfio_check_extension(struct iommufd_ctx *ictx, unsigned long arg);
int iommufd_vfio_get_info(struct iommufd_ctx *ictx, unsigned long arg);
#endif
