// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VFIO_DEVICE_FEATURE call.
 *
 * One call for many small services, each with a number: the user asks to get
 * or set a feature, or only whether that could be done.  The features that are
 * the same for every device stand in the table here; any other number goes to
 * the driver.
 *
 * No locks.  Calls the migration and the DMA logging room.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "dma_logging.h"
#include "feature.h"
#include "migration.h"

typedef int (*feature_fn_t)(struct vfio_device *device, u32 flags,
			    void __user *data, size_t size);

#define FEATURE_OPS	(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET)

static const feature_fn_t core_features[] = {
	[VFIO_DEVICE_FEATURE_MIGRATION] = vfio_feature_migration,
	[VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE] = vfio_feature_mig_state,
	[VFIO_DEVICE_FEATURE_DMA_LOGGING_START] = vfio_feature_logging_start,
	[VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP] = vfio_feature_logging_stop,
	[VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT] = vfio_feature_logging_report,
	[VFIO_DEVICE_FEATURE_MIG_DATA_SIZE] = vfio_feature_mig_data_size,
	[VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2] = vfio_feature_precopy_info_v2,
};

/* NULL when it is the driver's.  The user must not make the CPU look behind the table. */
static feature_fn_t core_feature(u32 number)
{
	if (number >= ARRAY_SIZE(core_features))
		return NULL;
	return core_features[array_index_nospec(number, ARRAY_SIZE(core_features))];
}

static bool feature_flags_valid(u32 flags)
{
	if (flags & ~(VFIO_DEVICE_FEATURE_MASK | FEATURE_OPS |
		      VFIO_DEVICE_FEATURE_PROBE))
		return false;

	/* A probe may ask for both operations; a call does one of them. */
	return flags & VFIO_DEVICE_FEATURE_PROBE ||
	       (flags & FEATURE_OPS) != FEATURE_OPS;
}

/**
 * vfio_device_feature_ioctl - The VFIO_DEVICE_FEATURE call
 * @device: An open device
 * @arg: The user's struct vfio_device_feature, its data behind it
 *
 * Context: An ioctl; the device is resumed and open.
 * Return: 0, or what the driver's feature returns (a dma-buf's descriptor, for
 * instance); -EFAULT; -EINVAL when argsz is below the header's size, when an
 * unknown flag is set, or GET and SET together without PROBE; -ENOTTY when
 * nobody knows the feature; else the refusal of the feature.
 */
int vfio_device_feature_ioctl(struct vfio_device *device,
			      struct vfio_device_feature __user *arg)
{
	const size_t header_size = offsetofend(struct vfio_device_feature,
					       flags);
	struct vfio_device_feature header;
	feature_fn_t feature;
	size_t size;

	if (copy_from_user(&header, arg, header_size))
		return -EFAULT;
	if (header.argsz < header_size || !feature_flags_valid(header.flags))
		return -EINVAL;

	size = header.argsz - header_size;
	feature = core_feature(header.flags & VFIO_DEVICE_FEATURE_MASK);
	if (feature)
		return feature(device, header.flags, arg->data, size);

	if (!device->ops->device_feature)
		return -ENOTTY;
	return device->ops->device_feature(device, header.flags, arg->data,
					   size);
}
