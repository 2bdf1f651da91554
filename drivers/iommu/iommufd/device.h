/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Bound devices.
 */
#ifndef __IOMMUFD_DEVICE_H
#define __IOMMUFD_DEVICE_H

#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include "igroup.h"
#include "object.h"

/**
 * struct iommufd_device - a device that a driver has bound to a context
 * @obj: ID and lifetime; the driver holds a long reference until it unbinds
 * @ictx: context, holds its file
 * @igroup: isolation group; a reference
 * @vdev: vDEVICE that stands for it, or NULL; has a short reference; @igroup->lock
 * @dev: the device; always valid while bound
 * @going: it is being unbound, no vDEVICE can be made any more; @igroup->lock
 * @enforce_cache_coherency: the IOMMU can make its no-snoop requests snoop
 */
struct iommufd_device {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct iommufd_group *igroup;
	struct iommufd_vdevice *vdev;
	struct device *dev;
	bool going;
	bool enforce_cache_coherency;
};

/**
 * struct iommufd_attach_handle - what the IOMMU core keeps of an attachment for us
 * @handle: the core's part, first
 * @igroup: group that is attached; outlives the attachment
 * @idev: one of its attached devices; @igroup->lock
 * @dev_id: its ID, for those who read without the lock
 */
struct iommufd_attach_handle {
	struct iommu_attach_handle handle;
	struct iommufd_group *igroup;
	struct iommufd_device *idev;
	u32 dev_id;
};

extern const struct iommufd_object_ops iommufd_device_object_ops;

/* Short reference by ID; ERR_PTR(-ENOENT) with a reason. */
struct iommufd_device *iommufd_device_get(struct iommufd_ctx *ictx, u32 id);
void iommufd_device_put(struct iommufd_device *idev);

/* A device behind no IOMMU: it can be bound but not attached. */
static inline bool iommufd_device_has_iommu(const struct iommufd_device *idev)
{
	return idev->igroup->group;
}

DEFINE_FREE(idev_put, struct iommufd_device *, if (!IS_ERR_OR_NULL(_T)) iommufd_device_put(_T))
#endif
