// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices whose DMA no IOMMU translates.
 *
 * A program that drives such a device can make it read and write all memory.
 * This is allowed only to who could do that anyway (CAP_SYS_RAWIO), only where
 * the administrator set the module parameter before the device was registered,
 * and it taints the kernel.  The device can be opened and bound, but never
 * attached: an attach would promise a confinement that is not there.
 *
 * No locks; @noiommu of a device is written once, before it is registered.
 * Calls nothing of the other rooms.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/capability.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/vfio.h>

#include "noiommu.h"

static bool enable_unsafe_noiommu_mode __read_mostly;
module_param(enable_unsafe_noiommu_mode, bool, 0644);
MODULE_PARM_DESC(enable_unsafe_noiommu_mode,
		 "Accept devices without an IOMMU. Their programs can write to all memory; the kernel is tainted. (default: false)");

/**
 * vfio_noiommu_allowed - May a device be registered without an IOMMU?
 *
 * Context: Any.  The answer can change at any time; what counts is the one that
 * was given when a device was registered.
 * Return: true when the administrator set enable_unsafe_noiommu_mode.
 */
bool vfio_noiommu_allowed(void)
{
	return READ_ONCE(enable_unsafe_noiommu_mode);
}

/**
 * vfio_noiommu_taint - Mark the kernel as open to a device's DMA
 * @device: A device that is being registered; nothing happens if an IOMMU
 *          translates its DMA
 *
 * Context: Any.
 */
void vfio_noiommu_taint(struct vfio_device *device)
{
	if (!vfio_device_is_noiommu(device))
		return;

	add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	dev_warn(device->dev,
		 "given to user space without an IOMMU, kernel tainted\n");
}

/**
 * vfio_noiommu_check_open - May the calling task open a device?
 * @device: The device
 *
 * Context: The opening task.
 * Return: 0; -EPERM when an IOMMU does not translate the DMA of @device and the
 * task lacks CAP_SYS_RAWIO.
 */
int vfio_noiommu_check_open(const struct vfio_device *device)
{
	if (vfio_device_is_noiommu(device) && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	return 0;
}
