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

#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_ioas;
struct iopt_dirty_request;
struct vfio_iommu_type1_info_cap_migration;

/* vfio_compat.c: any ioctl that iommufd does not know.  -ENOIOCTLCMD if this does not either. */
int iommufd_container_call(struct iommufd_ctx *ictx, unsigned int cmd,
			   unsigned long arg);

/* vfio_compat_dirty.c */
int iommufd_vfio_dirty_pages(struct iommufd_ctx *ictx, unsigned long arg);
int iommufd_vfio_read_bitmap(struct iommufd_ctx *ictx, struct iopt_dirty_request *rq,
			     u64 iova, u64 size, const void __user *from);
u32 iommufd_vfio_bitmap_size(void);
void iommufd_vfio_fill_migration(struct vfio_iommu_type1_info_cap_migration *cap);

/* vfio_info.c */
int iommufd_vfio_check_extension(struct iommufd_ctx *ictx, unsigned long arg);
int iommufd_vfio_get_info(struct iommufd_ctx *ictx, unsigned long arg);
#endif
