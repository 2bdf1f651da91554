/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO devices in debugfs.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_DEBUGFS_H
#define VFIO_DEBUGFS_H

#include <linux/init.h>

struct vfio_device;

void __init vfio_debugfs_create_root(void);
void vfio_device_debugfs_init(struct vfio_device *vdev);

void vfio_debugfs_remove_root(void);
void vfio_device_debugfs_exit(struct vfio_device *vdev);

#endif /* VFIO_DEBUGFS_H */
