// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nodes /dev/vfio/devices/vfioN.
 *
 * Each registered device appears as vfioN in the class "vfio-dev", below the
 * device that it stands for, with a character device of the same name.  What
 * opening it does is decided by an upper floor, which hands its file operations
 * to vfio_nodes_init().
 *
 * Keeps no lock; the numbers are in an IDA.  Calls no other room.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "device_node.h"
#include "noiommu.h"

static DEFINE_IDA(vfio_node_numbers);
static dev_t vfio_node_base;
static const struct file_operations *vfio_node_fops;

static char *vfio_node_path(const struct device *dev, umode_t *mode)
{
	return kasprintf(GFP_KERNEL, "vfio/devices/%s", dev_name(dev));
}

static const struct class vfio_node_class = {
	.name = "vfio-dev",
	.devnode = vfio_node_path,
};

/**
 * vfio_nodes_init - Make room for the nodes of devices
 * @fops: what the nodes do
 *
 * Context: Module init, before the first device is allocated.
 * Return: 0; -ENOMEM; -EBUSY when no major number is left.
 */
int vfio_nodes_init(const struct file_operations *fops)
{
	int rc;

	vfio_node_fops = fops;
	rc = class_register(&vfio_node_class);
	if (rc)
		return rc;

	rc = alloc_chrdev_region(&vfio_node_base, 0, MINORMASK + 1, "vfio-dev");
	if (rc)
		class_unregister(&vfio_node_class);
	return rc;
}

/**
 * vfio_nodes_exit - Undo vfio_nodes_init()
 *
 * Context: Module exit, no device is left.
 */
void vfio_nodes_exit(void)
{
	unregister_chrdev_region(vfio_node_base, MINORMASK + 1);
	class_unregister(&vfio_node_class);
	ida_destroy(&vfio_node_numbers);
}

/**
 * vfio_node_reserve - Choose the number of a new device
 * @vdev: the device; its index is set
 *
 * Context: May sleep.
 * Return: 0; -ENOMEM; -ENOSPC when every minor number is in use.
 */
int vfio_node_reserve(struct vfio_device *vdev)
{
	int n = ida_alloc_max(&vfio_node_numbers, MINORMASK, GFP_KERNEL);

	if (n < 0)
		return n;
	vdev->index = n;
	return 0;
}

/**
 * vfio_node_release - Give a device's number back
 * @vdev: a device that has one and whose node is gone
 *
 * Context: Any.
 */
void vfio_node_release(struct vfio_device *vdev)
{
	ida_free(&vfio_node_numbers, vdev->index);
}

/**
 * vfio_node_prepare - Fill in the driver-model device of a new device
 * @vdev: a device that went through vfio_node_reserve(), and whose driver-model
 *	device is initialised
 *
 * Context: Any.
 */
void vfio_node_prepare(struct vfio_device *vdev)
{
	vdev->device.class = &vfio_node_class;
	vdev->device.parent = vdev->dev;
#if IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV)
	vdev->device.devt = MKDEV(MAJOR(vfio_node_base), vdev->index);
	cdev_init(&vdev->cdev, vfio_node_fops);
	vdev->cdev.owner = THIS_MODULE;
#endif
}

#if IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV)
/**
 * vfio_node_device - Find the device of a node that is being opened
 * @inode: the node's inode
 *
 * Context: The open of a node made here.
 * Return: The device; it may be unregistered already.
 */
struct vfio_device *vfio_node_device(struct inode *inode)
{
	return container_of(inode->i_cdev, struct vfio_device, cdev);
}

static int vfio_node_publish(struct vfio_device *vdev)
{
	return cdev_device_add(&vdev->cdev, &vdev->device);
}

static void vfio_node_withdraw(struct vfio_device *vdev)
{
	cdev_device_del(&vdev->cdev, &vdev->device);
}
#else
static int vfio_node_publish(struct vfio_device *vdev)
{
	return device_add(&vdev->device);
}

static void vfio_node_withdraw(struct vfio_device *vdev)
{
	device_del(&vdev->device);
}
#endif

/**
 * vfio_node_add - Show a device to user space
 * @vdev: the device; it can be opened before this returns
 *
 * The name warns of a device without an IOMMU: noiommu-vfioN.
 *
 * Context: May sleep.
 * Return: 0; -ENOMEM; whatever else the driver core refuses it with.
 */
int vfio_node_add(struct vfio_device *vdev)
{
	const char *prefix = vfio_device_is_noiommu(vdev) ? "noiommu-" : "";
	int rc;

	rc = dev_set_name(&vdev->device, "%svfio%u", prefix, vdev->index);
	if (rc)
		return rc;
	return vfio_node_publish(vdev);
}

/**
 * vfio_node_del - Hide a device from user space again
 * @vdev: a device that vfio_node_add() showed
 *
 * An open that has found the node already may still arrive afterwards.
 *
 * Context: May sleep.
 */
void vfio_node_del(struct vfio_device *vdev)
{
	vfio_node_withdraw(vdev);
}
