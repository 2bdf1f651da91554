/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The open files of a device, its first open and its last close.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_DEVICE_OPEN_H
#define VFIO_DEVICE_OPEN_H

#include <linux/atomic.h>
#include <linux/iommufd_report.h>
#include <linux/kconfig.h>
#include <linux/types.h>

#include "kvm.h"

struct iommufd_ctx;
struct vfio_device;
struct vfio_group;

/**
 * struct vfio_device_file - an open file of a device
 * @device: the device, kept registered by this file
 * @group: the group that this file came out of; NULL for one opened by node
 * @iommufd: the iommufd that the device is bound to by this file, NULL while
 *	this file has not bound it; under the device-set lock.  For a file out of
 *	a group, the group's iommufd
 * @devid: the device's ID in @iommufd; valid while that is not NULL; 0 if it
 *	was not this file that had the device bound
 * @ioas_id: for a file out of a group, the IOAS of the container
 * @usable: the device may be used through this file; never becomes false again
 * @kvm: the virtual machine that this file was told
 * @log: why calls on this file were refused
 */
struct vfio_device_file {
	struct vfio_device *device;
#if IS_ENABLED(CONFIG_VFIO_GROUP)
	struct vfio_group *group;
#endif
	struct iommufd_ctx *iommufd;
	u32 devid;
	u32 ioas_id;
	bool usable;
	struct vfio_kvm_link kvm;
	struct iommufd_log log;
};

/**
 * vfio_df_group - The group that a file came out of
 * @df: the file
 *
 * Context: Any.
 * Return: the group, valid as long as @df; NULL for a file opened by node.
 */
static inline struct vfio_group *vfio_df_group(const struct vfio_device_file *df)
{
#if IS_ENABLED(CONFIG_VFIO_GROUP)
	return df->group;
#else
	return NULL;
#endif
}

/**
 * vfio_df_is_usable - May the device be used through this file?
 * @df: the file
 *
 * Context: Any.
 * Return: true from vfio_df_set_usable() on.
 */
static inline bool vfio_df_is_usable(struct vfio_device_file *df)
{
	/* Pairs with vfio_df_set_usable(): sees everything done for the open. */
	return smp_load_acquire(&df->usable);
}

/**
 * vfio_df_set_usable - Let the device be used through this file
 * @df: the file, after vfio_df_open()
 *
 * Context: Any.
 */
static inline void vfio_df_set_usable(struct vfio_device_file *df)
{
	/* Pairs with vfio_df_is_usable(). */
	smp_store_release(&df->usable, true);
}

struct vfio_device_file *vfio_df_alloc(struct vfio_device *vdev);
int vfio_df_open(struct vfio_device_file *df);
void vfio_df_close(struct vfio_device_file *df);

#endif /* VFIO_DEVICE_OPEN_H */
