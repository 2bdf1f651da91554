// SPDX-License-Identifier: GPL-2.0-only
/*
 * How devices that do DMA bind and attach to an iommufd.
 *
 * These are the callbacks that the driver of a real device puts into its
 * struct vfio_device_ops.  A device is bound from its first open to its last
 * close.  While it is bound, it and each of its PASIDs may be attached to one
 * page table, and moved from one to another without a gap.  Unbind undoes every
 * attachment that is left.
 *
 * The device-set lock protects a device's iommufd_device; everything here runs
 * under it.  May call attachment.h and iommufd.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "attachment.h"

MODULE_IMPORT_NS("IOMMUFD");

/**
 * vfio_iommufd_device_ictx - The iommufd that a device is bound to
 * @vdev: the device
 *
 * Context: The device-set lock is held, or @vdev is kept open.
 * Return: the iommufd, valid while @vdev stays bound; NULL for a device that
 * is not bound, or does no DMA by itself.
 */
struct iommufd_ctx *vfio_iommufd_device_ictx(struct vfio_device *vdev)
{
	struct iommufd_device *idev = vdev->iommufd_device;

	return idev ? iommufd_device_to_ictx(idev) : NULL;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_device_ictx);

/**
 * vfio_iommufd_get_dev_id - Does an iommufd own a device, and as which ID?
 * @vdev: the device
 * @ictx: the iommufd
 *
 * Context: The device-set lock is held.
 * Return: the device's ID in @ictx, which is positive, if it is bound there;
 * -ENOENT if it is not bound but shares its isolation group with one that is
 * bound there, so that no one else can have it; else -ENODEV.
 */
int vfio_iommufd_get_dev_id(struct vfio_device *vdev, struct iommufd_ctx *ictx)
{
	struct iommu_group *group;
	bool owned;

	lockdep_assert_held(&vdev->dev_set->lock);

	if (!ictx)
		return -ENODEV;
	if (vfio_iommufd_device_ictx(vdev) == ictx)
		return iommufd_device_to_id(vdev->iommufd_device);

	group = iommu_group_get(vdev->dev);
	if (!group)
		return -ENODEV;
	owned = iommufd_ctx_has_group(ictx, group);
	iommu_group_put(group);
	return owned ? -ENOENT : -ENODEV;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_get_dev_id);

/**
 * vfio_iommufd_physical_bind - Claim a device for an iommufd
 * @vdev: the device, not bound
 * @ictx: the iommufd
 * @id: returns the ID of the device in @ictx
 *
 * A device without an IOMMU can be bound like any other.
 *
 * Context: The device-set lock is held; &vfio_device_ops.bind_iommufd.
 * Return: 0; -EBUSY when the device's isolation group belongs to someone else;
 * -EPERM when its interrupts are not isolated; -EINVAL when its DMA is not
 * cache coherent; -ENODEV when it has no group; -ENOMEM.
 */
int vfio_iommufd_physical_bind(struct vfio_device *vdev,
			       struct iommufd_ctx *ictx, u32 *id)
{
	struct iommufd_device *bound;

	lockdep_assert_held(&vdev->dev_set->lock);

	bound = iommufd_device_bind(ictx, vdev->dev, id);
	if (!IS_ERR(bound))
		vdev->iommufd_device = bound;
	return PTR_ERR_OR_ZERO(bound);
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_bind);

/**
 * vfio_iommufd_physical_unbind - Give the claim on a device back
 * @vdev: a device, bound by vfio_iommufd_physical_bind()
 *
 * Every attachment goes with it.
 *
 * Context: The device-set lock is held; &vfio_device_ops.unbind_iommufd.
 */
void vfio_iommufd_physical_unbind(struct vfio_device *vdev)
{
	unsigned long pasid;
	void *pt;

	xa_for_each(&vdev->pasids, pasid, pt)
		vfio_iommufd_physical_pasid_detach_ioas(vdev, pasid);
	vfio_iommufd_physical_detach_ioas(vdev);

	iommufd_device_unbind(vdev->iommufd_device);
	vdev->iommufd_device = NULL;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_unbind);

/* Attach the device or one of its PASIDs, or move it from page table @former. */
static int physical_attach(struct vfio_device *vdev, ioasid_t pasid, u32 former,
			   u32 *pt)
{
	lockdep_assert_held(&vdev->dev_set->lock);

	if (!vdev->iommufd_device)
		return -EINVAL;
	if (former)
		return iommufd_device_replace(vdev->iommufd_device, pasid, pt);
	return iommufd_device_attach(vdev->iommufd_device, pasid, pt);
}

/**
 * vfio_iommufd_physical_attach_ioas - Attach a device, or move it
 * @vdev: a bound device
 * @pt: the ID of an IOAS or HWPT; returns the ID of the HWPT attached
 *
 * Context: The device-set lock is held; &vfio_device_ops.attach_ioas.
 * Return: 0; -EINVAL when the device is not bound, or cannot be attached to
 * this page table; -ENOENT when there is no such ID; -EADDRINUSE when the IOAS
 * has mappings where the device has reserved addresses; -ENOMEM; an errno of
 * the IOMMU driver.  After an error the device is attached as before.
 */
int vfio_iommufd_physical_attach_ioas(struct vfio_device *vdev, u32 *pt)
{
	const u32 asked = *pt;
	int rc;

	rc = physical_attach(vdev, IOMMU_NO_PASID, vfio_attachment_get(vdev), pt);
	if (!rc)
		vfio_attachment_set(vdev, asked, *pt);
	return rc;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_attach_ioas);

/**
 * vfio_iommufd_physical_detach_ioas - Detach a device
 * @vdev: a device; nothing happens if it is not attached
 *
 * Context: The device-set lock is held; &vfio_device_ops.detach_ioas.
 */
void vfio_iommufd_physical_detach_ioas(struct vfio_device *vdev)
{
	if (vfio_attachment_get(vdev)) {
		iommufd_device_detach(vdev->iommufd_device, IOMMU_NO_PASID);
		vfio_attachment_set(vdev, 0, 0);
	}
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_detach_ioas);

/**
 * vfio_iommufd_physical_pasid_attach_ioas - Attach a PASID, or move it
 * @vdev: a bound device; it need not be attached itself
 * @pasid: the PASID
 * @pt: the ID of an IOAS or HWPT; returns the ID of the HWPT attached
 *
 * Context: The device-set lock is held; &vfio_device_ops.pasid_attach_ioas.
 * Return: 0; -EINVAL when the device is not bound, when @pasid is not one that
 * it can use, or when the page table was not made for PASIDs; else as
 * vfio_iommufd_physical_attach_ioas().
 */
int vfio_iommufd_physical_pasid_attach_ioas(struct vfio_device *vdev,
					    u32 pasid, u32 *pt)
{
	const u32 former = vfio_attachment_get_pasid(vdev, pasid);
	const u32 asked = *pt;
	int rc;

	if (pasid == IOMMU_NO_PASID)
		return -EINVAL;
	rc = vfio_attachment_reserve_pasid(vdev, pasid);
	if (rc)
		return rc;

	rc = physical_attach(vdev, pasid, former, pt);
	vfio_attachment_set_pasid(vdev, pasid, rc ? former : asked);
	return rc;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_pasid_attach_ioas);

/**
 * vfio_iommufd_physical_pasid_detach_ioas - Detach a PASID
 * @vdev: a bound device
 * @pasid: the PASID; nothing happens if it is not attached
 *
 * Context: The device-set lock is held; &vfio_device_ops.pasid_detach_ioas.
 */
void vfio_iommufd_physical_pasid_detach_ioas(struct vfio_device *vdev, u32 pasid)
{
	if (vfio_attachment_get_pasid(vdev, pasid)) {
		iommufd_device_detach(vdev->iommufd_device, pasid);
		vfio_attachment_set_pasid(vdev, pasid, 0);
	}
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_pasid_detach_ioas);
