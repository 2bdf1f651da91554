/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices that are opened out of a group.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_GROUP_OPEN_H
#define VFIO_GROUP_OPEN_H

#include <linux/kconfig.h>

struct vfio_device_file;
struct vfio_group;

#if IS_ENABLED(CONFIG_VFIO_GROUP)
struct vfio_device_file *vfio_group_open_device(struct vfio_group *group,
						char *name);
void vfio_group_close_device(struct vfio_device_file *df);
#else
static inline void vfio_group_close_device(struct vfio_device_file *df)
{
}
#endif

#endif /* VFIO_GROUP_OPEN_H */
