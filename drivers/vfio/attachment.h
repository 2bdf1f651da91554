/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a device and its PASIDs are attached to.
 *
 * The IDs are kept so that the user can see them and a move to another page
 * table can be taken back.  An iommufd never gives out the ID 0, which stands
 * for "not attached".
 *
 * The device-set lock protects all of it.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_ATTACHMENT_H
#define VFIO_ATTACHMENT_H

#include <linux/lockdep.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

/**
 * vfio_attachment_get - What is a device attached to?
 * @vdev: the device
 *
 * Context: The device-set lock is held.
 * Return: the ID that its attach was given; 0 while it is not attached.
 */
static inline u32 vfio_attachment_get(struct vfio_device *vdev)
{
	lockdep_assert_held(&vdev->dev_set->lock);
	return vdev->iommufd_pt;
}

/**
 * vfio_attachment_set - Note that a device is attached, or no longer
 * @vdev: the device
 * @asked: the ID that the attach was given; 0 for a detach
 * @got: the ID that it returned; 0 for a detach
 *
 * Context: The device-set lock is held.
 */
static inline void vfio_attachment_set(struct vfio_device *vdev, u32 asked,
				       u32 got)
{
	lockdep_assert_held(&vdev->dev_set->lock);
	vdev->iommufd_pt = asked;
	vdev->iommufd_pt_out = got;
}

/**
 * vfio_attachment_get_pasid - What is a PASID of a device attached to?
 * @vdev: the device
 * @pasid: the PASID
 *
 * Context: The device-set lock is held.
 * Return: the ID that its attach was given; 0 while it is not attached.
 */
static inline u32 vfio_attachment_get_pasid(struct vfio_device *vdev, u32 pasid)
{
	void *pt;

	lockdep_assert_held(&vdev->dev_set->lock);
	pt = xa_load(&vdev->pasids, pasid);
	return pt ? xa_to_value(pt) : 0;
}

/**
 * vfio_attachment_reserve_pasid - Prepare to note the attach of a PASID
 * @vdev: the device
 * @pasid: the PASID; whether it is attached does not matter
 *
 * Context: The device-set lock is held; may sleep.
 * Return: 0, and vfio_attachment_set_pasid() is next; -ENOMEM.
 */
static inline int vfio_attachment_reserve_pasid(struct vfio_device *vdev,
						u32 pasid)
{
	lockdep_assert_held(&vdev->dev_set->lock);
	return xa_reserve(&vdev->pasids, pasid, GFP_KERNEL_ACCOUNT);
}

/**
 * vfio_attachment_set_pasid - Note that a PASID is attached, or is not
 * @vdev: the device
 * @pasid: a PASID that is attached or reserved
 * @asked: the ID that the attach was given; 0 when it is not attached
 *
 * Context: The device-set lock is held.  Allocates nothing.
 */
static inline void vfio_attachment_set_pasid(struct vfio_device *vdev,
					     u32 pasid, u32 asked)
{
	lockdep_assert_held(&vdev->dev_set->lock);
	if (asked)
		xa_store(&vdev->pasids, pasid, xa_mk_value(asked), GFP_KERNEL);
	else
		xa_erase(&vdev->pasids, pasid);
}

#endif /* VFIO_ATTACHMENT_H */
