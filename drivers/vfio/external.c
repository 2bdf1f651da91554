// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM and hot reset ask of a file that a user handed to them.
 *
 * KVM looks these functions up by name, so that it does not depend on vfio.ko.
 * The caller holds a reference to the file, which keeps the device registered.
 *
 * Keeps no lock.  May call device_open.c and device_file.c.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/vfio.h>

#include "device_file.h"
#include "device_open.h"

/**
 * vfio_file_iommu_group - The isolation group that a file stands for
 * @file: any file
 *
 * Context: Any task.
 * Return: NULL: the file of a device stands for no group.
 */
struct iommu_group *vfio_file_iommu_group(struct file *file)
{
	return NULL;
}
EXPORT_SYMBOL_GPL(vfio_file_iommu_group);

/**
 * vfio_file_is_valid - Is this a VFIO file?
 * @file: any file
 *
 * Context: Any.
 * Return: true for the file of a device, bound or not.
 */
bool vfio_file_is_valid(struct file *file)
{
	return vfio_df_from_file(file);
}
EXPORT_SYMBOL_GPL(vfio_file_is_valid);

/**
 * vfio_file_set_kvm - Tell a file which virtual machine it serves
 * @file: any file; nothing happens if it is not VFIO's
 * @kvm: the machine, or NULL to forget it; no reference is taken until the
 *	device is opened, so KVM says NULL before it frees the machine
 *
 * Context: Any task.
 */
void vfio_file_set_kvm(struct file *file, struct kvm *kvm)
{
	struct vfio_device_file *df = vfio_df_from_file(file);

	if (df)
		vfio_df_set_kvm(df, kvm);
}
EXPORT_SYMBOL_GPL(vfio_file_set_kvm);

/**
 * vfio_file_enforced_coherent - Is the DMA behind a file always coherent?
 * @file: any file
 *
 * KVM has to emulate the guest's cache flushes if a device can do DMA past the
 * caches.
 *
 * Context: Any.
 * Return: whether the device's IOMMU can force its DMA to be coherent; true for
 * a file that is not VFIO's.
 */
bool vfio_file_enforced_coherent(struct file *file)
{
	const struct vfio_device_file *df = vfio_df_from_file(file);

	return !df || device_iommu_capable(df->device->dev,
					   IOMMU_CAP_ENFORCE_CACHE_COHERENCY);
}
EXPORT_SYMBOL_GPL(vfio_file_enforced_coherent);
