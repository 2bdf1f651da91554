/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Bound devices.
 */
#ifndef __IOMMUFD_DEVICE_H
#define __IOMMUFD_DEVICE_H

#include <linux/iommu.h>
#include <linux/iommufd.h>

struct iommufd_group;

/**
 * struct iommufd_device - a device that a driver has bound to a context
 * @obj: ID and lifetime; the driver holds a long reference until it unbinds
 * @ictx: context, holds its file
 * @igroup: isolation group; a reference
 * @vdev: virtual device made for it, or NULL; @igroup->lock
 * @dev: the device; always valid while bound
 * @enforce_cache_coherency: the IOMMU can make its no-snoop requests snoop
 */
struct iommufd_device {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct iommufd_group *igroup;
	struct iommufd_vdevice *vdev;
	struct device *dev;
	bool enforce_cache_coherency;
};

/**
 * struct iommufd_attach_handle - what the IOMMU core keeps of an attachment for us
 * @handle: the core's part, first
 * @idev: first device that was attached by it
 */
struct iommufd_attach_handle {
	struct iommu_attach_handle handle;
	struct iommufd_device *idev;
};
#endif
