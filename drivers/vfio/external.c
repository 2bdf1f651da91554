// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM and hot reset ask of a file that a user handed to them.
 *
 * KVM looks these functions up by name, so that it does not depend on vfio.ko.
 * The caller holds a reference to the file, which keeps the device registered,
 * or the group in memory.
 *
 * Keeps no lock.  May call kvm.c, device_open.h, device_file.c and group.c.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/vfio.h>

#include "device_file.h"
#include "device_open.h"
#include "group.h"
#include "kvm.h"

/**
 * vfio_file_iommu_group - The isolation group that a file stands for
 * @file: any file
 *
 * Context: May sleep.
 * Return: the isolation group of a group's file, which the caller puts with
 * iommu_group_put(); NULL when the group's last device went, for the file of a
 * device, and for one that is not VFIO's.
 */
struct iommu_group *vfio_file_iommu_group(struct file *file)
{
	struct vfio_group *group = vfio_group_of_file(file);

	return group ? vfio_group_get_isolation(group) : NULL;
}
EXPORT_SYMBOL_GPL(vfio_file_iommu_group);

#if IS_ENABLED(CONFIG_VFIO_GROUP)
/**
 * vfio_file_is_group - Is this the file of a group?
 * @file: any file
 *
 * Context: Any.
 * Return: true for an open group.
 */
bool vfio_file_is_group(struct file *file)
{
	return vfio_group_of_file(file);
}
EXPORT_SYMBOL_GPL(vfio_file_is_group);

/**
 * vfio_file_has_dev - Does a file stand for the group of a device?
 * @file: any file
 * @device: a device; it need not be open
 *
 * Who holds the file of its group owns a device, as far as a reset is concerned
 * that affects it.
 *
 * Context: Any, while @device stays in memory: the device-set lock is held.
 * Return: true for the file of that group; false for the file of a device.
 */
bool vfio_file_has_dev(struct file *file, struct vfio_device *device)
{
	struct vfio_group *group = vfio_group_of_file(file);

	return group && group == READ_ONCE(device->group);
}
EXPORT_SYMBOL_GPL(vfio_file_has_dev);
#endif

/**
 * vfio_file_is_valid - Is this a VFIO file?
 * @file: any file
 *
 * Context: Any.
 * Return: true for the file of a device, bound or not, and for that of a group.
 */
bool vfio_file_is_valid(struct file *file)
{
	return vfio_df_from_file(file) || vfio_group_of_file(file);
}
EXPORT_SYMBOL_GPL(vfio_file_is_valid);

/**
 * vfio_file_set_kvm - Tell a file which virtual machine it serves
 * @file: any file; nothing happens if it is not VFIO's
 * @kvm: the machine, or NULL to forget it; no reference is taken until the
 *	device is opened, so KVM says NULL before it frees the machine
 *
 * A group's file passes it on to the devices that are opened out of it.
 *
 * Context: Any task.
 */
void vfio_file_set_kvm(struct file *file, struct kvm *kvm)
{
	struct vfio_device_file *df = vfio_df_from_file(file);

	struct vfio_group *group = vfio_group_of_file(file);

	if (group)
		vfio_group_serve(group, kvm);
	else if (df)
		vfio_kvm_link_set(&df->kvm, kvm);
}
EXPORT_SYMBOL_GPL(vfio_file_set_kvm);

/**
 * vfio_file_enforced_coherent - Is the DMA behind a file always coherent?
 * @file: any file
 *
 * KVM has to emulate the guest's cache flushes if a device can do DMA past the
 * caches.
 *
 * Context: May sleep.
 * Return: whether the device's IOMMU can force its DMA to be coherent, for a
 * group's file whether that holds for all its devices; true for a file that is
 * not VFIO's.
 */
bool vfio_file_enforced_coherent(struct file *file)
{
	const struct vfio_device_file *df = vfio_df_from_file(file);
	struct vfio_group *group = vfio_group_of_file(file);

	if (group)
		return vfio_group_is_coherent(group);

	return !df || device_iommu_capable(df->device->dev,
					   IOMMU_CAP_ENFORCE_CACHE_COHERENCY);
}
EXPORT_SYMBOL_GPL(vfio_file_enforced_coherent);
