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
 * Calls iommufd, but nothing of the other rooms.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/capability.h>
#include <linux/device.h>
#include <linux/iommufd_container.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/panic.h>
#include <linux/sched.h>
#include <linux/vfio.h>

#include "noiommu.h"

static bool enable_unsafe_noiommu_mode __read_mostly;

/* The container tells programs as well whether groups without an IOMMU exist. */
static int noiommu_mode_set(const char *text, const struct kernel_param *param)
{
	int rc = param_set_bool(text, param);

	if (!rc)
		iommufd_container_allow_noiommu(vfio_noiommu_allowed());
	return rc;
}

static const struct kernel_param_ops noiommu_mode_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = noiommu_mode_set,
	.get = param_get_bool,
};

__MODULE_PARM_TYPE(enable_unsafe_noiommu_mode, "bool");
module_param_cb(enable_unsafe_noiommu_mode, &noiommu_mode_ops,
		&enable_unsafe_noiommu_mode, 0644);
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
 * vfio_noiommu_note_open - Log who was given a device
 * @device: A device that was opened out of its group; nothing happens if an
 *          IOMMU translates its DMA
 *
 * Context: The opening task.
 */
void vfio_noiommu_note_open(const struct vfio_device *device)
{
	if (vfio_device_is_noiommu(device))
		dev_warn(device->dev, "opened without an IOMMU by %s[%d]\n",
			 current->comm, task_pid_nr(current));
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

/**
 * vfio_noiommu_exit - Take back what the module parameter allowed
 *
 * No group without an IOMMU comes any more, but the container outlives VFIO.
 *
 * Context: Module exit, or an init that failed.
 */
void vfio_noiommu_exit(void)
{
	iommufd_container_allow_noiommu(false);
}
