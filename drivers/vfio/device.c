// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices: from allocation to release.
 *
 * A driver allocates a device, registers it when it is ready to be opened,
 * unregisters it when its hardware goes, and puts it.  Two counts follow:
 *
 *   device.kref	keeps the memory; the driver's reference from allocation,
 *			and those of the driver core
 *   refcount		keeps the device registered; one reference from
 *			registration, one for each open file, and those of
 *			vfio_device_try_get_registration().  It only falls to 0
 *			during unregistration, which waits for that.
 *
 * So nobody who holds a registration reference sees the driver go away, and a
 * driver's remove waits until every user has let go; the users are asked to,
 * again and again.
 *
 * Keeps no lock of its own.  May call the ground floor and device_inode.c,
 * device_node.c, group_node.c, group_bind.c.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "debugfs.h"
#include "dev_set.h"
#include "device.h"
#include "device_inode.h"
#include "device_node.h"
#include "group_bind.h"
#include "group_node.h"
#include "noiommu.h"

/* How long a user may take to answer a request to let go of a device. */
#define VFIO_REQUEST_PERIOD	(10 * HZ)

/* What the driver's init does not see, or has undone by now, goes here. */
static void vfio_device_free(struct vfio_device *vdev)
{
	vfio_dev_set_release(vdev);
	xa_destroy(&vdev->pasids);
	if (vdev->inode)
		vfio_inode_put(vdev->inode);
	vfio_node_release(vdev);
	kvfree(vdev);
}

/* The last reference to the memory is gone. */
static void vfio_device_release(struct device *dev)
{
	struct vfio_device *vdev = container_of(dev, struct vfio_device, device);

	if (vdev->ops->release)
		vdev->ops->release(vdev);
	vfio_device_free(vdev);
}

static int vfio_device_fill(struct vfio_device *vdev, struct device *dev,
			    const struct vfio_device_ops *ops)
{
	struct inode *inode;

	vdev->dev = dev;
	vdev->ops = ops;
	init_completion(&vdev->comp);
	xa_init(&vdev->pasids);

	inode = vfio_inode_new();
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	vdev->inode = inode;

	return ops->init ? ops->init(vdev) : 0;
}

/**
 * _vfio_alloc_device - Allocate a device; use vfio_alloc_device()
 * @size: bytes of the driver's structure, which begins with the vfio_device
 * @dev: the device on its bus
 * @ops: the driver's callbacks
 *
 * Context: May sleep; calls @ops->init.
 * Return: the device, zeroed apart from what is needed here and what the
 * driver's init did; to be freed with vfio_put_device().  Or an ERR_PTR:
 * -EINVAL when @size cannot hold a device, -ENOMEM, -ENOSPC when there are too
 * many devices, or the error of @ops->init.
 */
struct vfio_device *_vfio_alloc_device(size_t size, struct device *dev,
				       const struct vfio_device_ops *ops)
{
	struct vfio_device *vdev __free(kvfree) = NULL;
	int rc;

	if (WARN_ON_ONCE(size < sizeof(*vdev)))
		return ERR_PTR(-EINVAL);

	vdev = kvzalloc(size, GFP_KERNEL);
	if (!vdev)
		return ERR_PTR(-ENOMEM);

	rc = vfio_node_reserve(vdev);
	if (rc)
		return ERR_PTR(rc);

	rc = vfio_device_fill(vdev, dev, ops);
	if (rc) {
		vfio_device_free(no_free_ptr(vdev));
		return ERR_PTR(rc);
	}

	device_initialize(&vdev->device);
	vdev->device.release = vfio_device_release;
	vfio_node_prepare(vdev);
	return no_free_ptr(vdev);
}
EXPORT_SYMBOL_GPL(_vfio_alloc_device);

/*
 * Without these a device could be opened but never used.  A missing
 * detach_ioas is tolerated, see cdev.c.
 */
static int vfio_device_check_ops(struct vfio_device *vdev)
{
	const struct vfio_device_ops *ops = vdev->ops;

	if (ops->bind_iommufd && ops->unbind_iommufd && ops->attach_ioas)
		return 0;
	dev_err(vdev->dev, "driver cannot bind to an iommufd\n");
	return -EINVAL;
}

/*
 * Only a device whose DMA is translated, and coherent with the CPU's caches,
 * can be given away; or one that the administrator allows to be unconfined.
 */
static int vfio_device_check_iommu(struct vfio_device *vdev)
{
	struct iommu_group *group = iommu_group_get(vdev->dev);

	if (!group) {
		if (!vfio_noiommu_allowed())
			return -EINVAL;
		vdev->noiommu = true;
		return 0;
	}
	iommu_group_put(group);

	if (!device_iommu_capable(vdev->dev, IOMMU_CAP_CACHE_COHERENCY)) {
		dev_err(vdev->dev, "DMA is not coherent with the CPU\n");
		return -EINVAL;
	}
	return 0;
}

/* Wait a while for the last user; true once there is none. */
static bool vfio_device_await_users(struct vfio_device *vdev, bool *interruptible)
{
	long left;

	if (!*interruptible)
		return wait_for_completion_timeout(&vdev->comp,
						   VFIO_REQUEST_PERIOD);

	left = wait_for_completion_interruptible_timeout(&vdev->comp,
							 VFIO_REQUEST_PERIOD);
	if (left >= 0)
		return left;

	*interruptible = false;
	dev_warn(vdev->dev,
		 "still in use, %s[%d] has to wait until its users let go\n",
		 current->comm, task_pid_nr(current));
	return false;
}

/*
 * Drop the registration's own reference and see all others go.  A signal
 * cannot end the wait, as the driver has no way to fail its remove.
 */
static void vfio_device_retire(struct vfio_device *vdev)
{
	bool interruptible = true;
	unsigned int requests = 0;
	bool gone;

	vfio_device_put_registration(vdev);
	gone = try_wait_for_completion(&vdev->comp);
	while (!gone) {
		if (vdev->ops->request)
			vdev->ops->request(vdev, requests++);
		gone = vfio_device_await_users(vdev, &interruptible);
	}
}

static int vfio_device_register(struct vfio_device *vdev)
{
	int rc = 0;

	if (!vdev->dev_set)
		rc = vfio_assign_device_set(vdev, vdev);
	if (!rc)
		rc = vfio_group_join(vdev);
	if (rc)
		return rc;

	vfio_noiommu_taint(vdev);
	refcount_set(&vdev->refcount, 1);
	rc = vfio_node_add(vdev);
	if (rc) {
		vfio_device_retire(vdev);
		vfio_group_leave(vdev);
		return rc;
	}
	vfio_group_show(vdev);
	vfio_device_debugfs_init(vdev);
	return 0;
}

/**
 * vfio_register_group_dev - Let users have a device that does DMA by itself
 * @device: an allocated device, ready to be opened
 *
 * Context: May sleep.  The device can be opened before this returns.
 * Return: 0; -EINVAL when the driver lacks a callback, or when no IOMMU
 * translates the device's DMA and enable_unsafe_noiommu_mode is not set, or
 * when its DMA is not cache coherent; -ENOMEM; an errno of the driver core.
 */
int vfio_register_group_dev(struct vfio_device *device)
{
	int rc;

	rc = vfio_device_check_ops(device);
	if (rc)
		return rc;

	rc = vfio_device_check_iommu(device);
	if (rc)
		return rc;

	return vfio_device_register(device);
}
EXPORT_SYMBOL_GPL(vfio_register_group_dev);

/**
 * vfio_register_emulated_iommu_dev - Let users have a device without own DMA
 * @device: an allocated device, ready to be opened, whose driver reaches the
 *	user's memory only by vfio_pin_pages() and vfio_dma_rw()
 *
 * Context: May sleep.  The device can be opened before this returns.
 * Return: 0; -EINVAL when the driver lacks a callback; -ENOMEM; an errno of
 * the driver core.
 */
int vfio_register_emulated_iommu_dev(struct vfio_device *device)
{
	int rc;

	rc = vfio_device_check_ops(device);
	if (rc)
		return rc;

	device->emulated = true;
	return vfio_device_register(device);
}
EXPORT_SYMBOL_GPL(vfio_register_emulated_iommu_dev);

/**
 * vfio_unregister_group_dev - Take a device away from its users
 * @device: a registered device of either kind
 *
 * New opens fail from now on.  Those who have the device open are asked every
 * ten seconds to close it, by the driver's request callback, for as long as it
 * takes.
 *
 * Context: May sleep, possibly for ever; the driver's remove.
 */
void vfio_unregister_group_dev(struct vfio_device *device)
{
	/* Files of the driver use device-managed memory, which goes with the node. */
	vfio_device_debugfs_exit(device);
	vfio_node_del(device);
	vfio_group_hide(device);
	vfio_device_retire(device);
	vfio_group_leave(device);
}
EXPORT_SYMBOL_GPL(vfio_unregister_group_dev);

/**
 * vfio_device_try_get_registration - Keep a device registered
 * @device: a device whose memory the caller keeps alive
 *
 * Context: Any.
 * Return: true with a reference that vfio_device_put_registration() drops;
 * false when the device is being unregistered, or is not registered yet.
 */
bool vfio_device_try_get_registration(struct vfio_device *device)
{
	return refcount_inc_not_zero(&device->refcount);
}
EXPORT_SYMBOL_GPL(vfio_device_try_get_registration);

/**
 * vfio_device_put_registration - Let a device be unregistered
 * @device: a device that vfio_device_try_get_registration() said true for; it
 *	must not be used any more by the caller
 *
 * Context: Any.
 */
void vfio_device_put_registration(struct vfio_device *device)
{
	if (refcount_dec_and_test(&device->refcount))
		complete(&device->comp);
}
EXPORT_SYMBOL_GPL(vfio_device_put_registration);
