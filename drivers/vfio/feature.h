/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFIO_DEVICE_FEATURE call.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_FEATURE_H
#define VFIO_FEATURE_H

struct vfio_device;
struct vfio_device_feature;

int vfio_device_feature_ioctl(struct vfio_device *device,
			      struct vfio_device_feature __user *arg);

#endif /* VFIO_FEATURE_H */
