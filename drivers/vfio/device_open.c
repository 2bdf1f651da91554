// SPDX-License-Identifier: GPL-2.0-only
/*
 * The open files of a device, its first open and its last close.
 *
 * A device's node can be opened by anybody who has the right to, any number of
 * times.  That alone does nothing to the device.  When a file gets its iommufd
 * the device is opened for it here: for the first file, the driver is kept
 * loaded, the virtual machine is taken, the device is bound to the iommufd and
 * the driver starts it.  When the last such file goes, all of this is undone in
 * the opposite order, so that the device's DMA is stopped before its
 * attachments go.  A device that is opened out of a group is bound by the group,
 * which may have been done long before.
 *
 * The device-set lock protects open_count, kvm and put_kvm of a device, and is
 * held around all of the driver's callbacks that are called here.  May call
 * kvm.c, migration.h and group_bind.c, and the driver.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "device_open.h"
#include "group_bind.h"
#include "group_node.h"
#include "kvm.h"
#include "migration.h"

/**
 * vfio_df_alloc - Make the state of a file that is being opened
 * @vdev: the device; the file takes over a registration reference to it
 *
 * Context: May sleep.
 * Return: the state, to be freed with kfree(); an ERR_PTR: -ENOMEM.
 */
struct vfio_device_file *vfio_df_alloc(struct vfio_device *vdev)
{
	struct vfio_device_file *file = kzalloc_obj(*file, GFP_KERNEL_ACCOUNT);

	if (!file)
		return ERR_PTR(-ENOMEM);

	vfio_kvm_link_init(&file->kvm);
	iommufd_log_init(&file->log);
	file->device = vdev;
	return file;
}

/* KVM speaks to the group of a file that came out of one. */
static struct vfio_kvm_link *vfio_df_kvm_link(struct vfio_device_file *df)
{
	struct vfio_group *group = vfio_df_group(df);

	return group ? vfio_group_kvm_link(group) : &df->kvm;
}

static int vfio_df_bind(struct vfio_device *vdev, struct vfio_device_file *df)
{
	if (vfio_df_group(df))
		return vfio_group_bind_opened(vdev, df->iommufd, df->ioas_id,
					      &df->devid);
	return vdev->ops->bind_iommufd(vdev, df->iommufd, &df->devid);
}

static void vfio_df_unbind(struct vfio_device *vdev, struct vfio_device_file *df)
{
	if (vfio_df_group(df))
		vfio_group_unbind_closed(vdev);
	else
		vdev->ops->unbind_iommufd(vdev);
}

static int vfio_df_bind_and_start(struct vfio_device *vdev,
				  struct vfio_device_file *df)
{
	int rc;

	lockdep_assert_held(&vdev->dev_set->lock);

	rc = vfio_df_bind(vdev, df);
	if (rc)
		return rc;

	if (vdev->ops->open_device) {
		rc = vdev->ops->open_device(vdev);
		if (rc)
			vfio_df_unbind(vdev, df);
	}
	return rc;
}

static int vfio_df_first_open(struct vfio_device *vdev,
			      struct vfio_device_file *df)
{
	struct module *driver = vdev->dev->driver->owner;
	int rc;

	if (!try_module_get(driver))
		return -ENODEV;

	vfio_device_get_kvm_safe(vdev, vfio_df_kvm_link(df));
	rc = vfio_df_bind_and_start(vdev, df);
	if (rc) {
		vfio_device_put_kvm(vdev);
		module_put(driver);
	}
	return rc;
}

static void vfio_df_last_close(struct vfio_device *vdev,
			       struct vfio_device_file *df)
{
	lockdep_assert_held(&vdev->dev_set->lock);

	if (vdev->ops->close_device)
		vdev->ops->close_device(vdev);
	vfio_df_unbind(vdev, df);
	vfio_migration_forget_user(vdev);
	vfio_device_put_kvm(vdev);
	module_put(vdev->dev->driver->owner);
}

/**
 * vfio_df_open - Open the device for a file
 * @df: the file; its iommufd is set, and referenced until vfio_df_close().
 *	Only a file out of the group of a device without an IOMMU has none
 *
 * The driver sees an open_count that includes this open.
 *
 * Context: The device-set lock is held.
 * Return: 0; -ENODEV when the driver is being unloaded; on the first open also
 * the errno of bind_iommufd or open_device.  After an error nothing is open.
 */
int vfio_df_open(struct vfio_device_file *df)
{
	struct vfio_device *vdev = df->device;
	int rc = 0;

	lockdep_assert_held(&vdev->dev_set->lock);

	if (++vdev->open_count == 1)
		rc = vfio_df_first_open(vdev, df);
	if (rc)
		vdev->open_count--;
	return rc;
}

/**
 * vfio_df_close - Undo vfio_df_open()
 * @df: a file that the device is open for
 *
 * The driver sees an open_count that still includes this open.
 *
 * Context: The device-set lock is held.
 */
void vfio_df_close(struct vfio_device_file *df)
{
	struct vfio_device *vdev = df->device;

	lockdep_assert_held(&vdev->dev_set->lock);

	if (vdev->open_count == 1)
		vfio_df_last_close(vdev, df);
	vdev->open_count--;
}
