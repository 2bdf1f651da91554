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
 * The IDs that were asked for are kept, so that the user can see them and a
 * move can be taken back.  Object IDs of an iommufd are never 0, which stands
 * for "not attached".
 *
 * The device-set lock protects a device's iommufd_device, iommufd_pt,
 * iommufd_pt_out and pasids; everything here runs under it.  Calls iommufd.
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

#include "iommufd.h"

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
 * vfio_iommufd_attached_to - What a device is attached to
 * @vdev: a device of any kind
 *
 * Context: The device-set lock is held.
 * Return: the ID that the last successful attach was given; 0 while @vdev is
 * not attached.
 */
u32 vfio_iommufd_attached_to(struct vfio_device *vdev)
{
	lockdep_assert_held(&vdev->dev_set->lock);

	return vdev->iommufd_pt;
}

/**
 * vfio_iommufd_pasid_attached_to - What a PASID of a device is attached to
 * @vdev: a device of any kind, bound
 * @pasid: the PASID
 *
 * Context: The device-set lock is held.
 * Return: the ID that the last successful attach was given; 0 while the PASID
 * is not attached.
 */
u32 vfio_iommufd_pasid_attached_to(struct vfio_device *vdev, u32 pasid)
{
	void *pt;

	lockdep_assert_held(&vdev->dev_set->lock);

	pt = xa_load(&vdev->pasids, pasid);
	return pt ? xa_to_value(pt) : 0;
}

/**
 * vfio_iommufd_physical_bind - Claim a device for an iommufd
 * @vdev: the device, not bound
 * @ictx: the iommufd
 * @out_device_id: returns the ID of the device in @ictx
 *
 * A device without an IOMMU can be bound like any other.
 *
 * Context: The device-set lock is held; &vfio_device_ops.bind_iommufd.
 * Return: 0; -EBUSY when the device's isolation group belongs to someone else;
 * -EPERM when its interrupts are not isolated; -EINVAL when its DMA is not
 * cache coherent; -ENODEV when it has no group; -ENOMEM.
 */
int vfio_iommufd_physical_bind(struct vfio_device *vdev,
			       struct iommufd_ctx *ictx, u32 *out_device_id)
{
	struct iommufd_device *idev;

	lockdep_assert_held(&vdev->dev_set->lock);

	idev = iommufd_device_bind(ictx, vdev->dev, out_device_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	vdev->iommufd_device = idev;
	return 0;
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

	lockdep_assert_held(&vdev->dev_set->lock);

	xa_for_each(&vdev->pasids, pasid, pt)
		vfio_iommufd_physical_pasid_detach_ioas(vdev, pasid);
	vfio_iommufd_physical_detach_ioas(vdev);

	iommufd_device_unbind(vdev->iommufd_device);
	vdev->iommufd_device = NULL;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_unbind);

/**
 * vfio_iommufd_physical_attach_ioas - Attach a device, or move it
 * @vdev: a bound device
 * @pt_id: the ID of an IOAS or HWPT; returns the ID of the HWPT attached
 *
 * Context: The device-set lock is held; &vfio_device_ops.attach_ioas.
 * Return: 0; -EINVAL when the device is not bound, or cannot be attached to
 * this page table; -ENOENT when there is no such ID; -EADDRINUSE when the IOAS
 * has mappings where the device has reserved addresses; -ENOMEM; an errno of
 * the IOMMU driver.  After an error the device is attached as before.
 */
int vfio_iommufd_physical_attach_ioas(struct vfio_device *vdev, u32 *pt_id)
{
	struct iommufd_device *idev = vdev->iommufd_device;
	const u32 asked = *pt_id;
	int rc;

	lockdep_assert_held(&vdev->dev_set->lock);

	if (!idev)
		return -EINVAL;

	if (vdev->iommufd_pt)
		rc = iommufd_device_replace(idev, IOMMU_NO_PASID, pt_id);
	else
		rc = iommufd_device_attach(idev, IOMMU_NO_PASID, pt_id);
	if (rc)
		return rc;

	vdev->iommufd_pt = asked;
	vdev->iommufd_pt_out = *pt_id;
	return 0;
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
	lockdep_assert_held(&vdev->dev_set->lock);

	if (!vdev->iommufd_device || !vdev->iommufd_pt)
		return;

	iommufd_device_detach(vdev->iommufd_device, IOMMU_NO_PASID);
	vdev->iommufd_pt = 0;
	vdev->iommufd_pt_out = 0;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_detach_ioas);

/**
 * vfio_iommufd_physical_pasid_attach_ioas - Attach a PASID, or move it
 * @vdev: a bound device; it need not be attached itself
 * @pasid: the PASID
 * @pt_id: the ID of an IOAS or HWPT; returns the ID of the HWPT attached
 *
 * Context: The device-set lock is held; &vfio_device_ops.pasid_attach_ioas.
 * Return: 0; -EINVAL when the device is not bound, when @pasid is not one that
 * it can use, or when the page table was not made for PASIDs; else as
 * vfio_iommufd_physical_attach_ioas().
 */
int vfio_iommufd_physical_pasid_attach_ioas(struct vfio_device *vdev,
					    u32 pasid, u32 *pt_id)
{
	struct iommufd_device *idev = vdev->iommufd_device;
	const u32 asked = *pt_id;
	int rc;

	lockdep_assert_held(&vdev->dev_set->lock);

	if (!idev || pasid == IOMMU_NO_PASID)
		return -EINVAL;

	if (xa_load(&vdev->pasids, pasid)) {
		rc = iommufd_device_replace(idev, pasid, pt_id);
		if (rc)
			return rc;
	} else {
		rc = xa_reserve(&vdev->pasids, pasid, GFP_KERNEL_ACCOUNT);
		if (rc)
			return rc;
		rc = iommufd_device_attach(idev, pasid, pt_id);
		if (rc) {
			xa_release(&vdev->pasids, pasid);
			return rc;
		}
	}

	/* The slot is there, so this allocates nothing and cannot fail. */
	xa_store(&vdev->pasids, pasid, xa_mk_value(asked), GFP_KERNEL_ACCOUNT);
	return 0;
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
	lockdep_assert_held(&vdev->dev_set->lock);

	if (!vdev->iommufd_device || !xa_load(&vdev->pasids, pasid))
		return;

	iommufd_device_detach(vdev->iommufd_device, pasid);
	xa_erase(&vdev->pasids, pasid);
}
EXPORT_SYMBOL_GPL(vfio_iommufd_physical_pasid_detach_ioas);
