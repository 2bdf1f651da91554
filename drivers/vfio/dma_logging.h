/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA logging: which pages has a device written?
 *
 * vfio_combine_iova_ranges(), which drivers call, is declared in
 * <linux/vfio.h>.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_DMA_LOGGING_H
#define VFIO_DMA_LOGGING_H

#include <linux/types.h>

struct vfio_device;

int vfio_feature_logging_start(struct vfio_device *device, u32 flags,
			       void __user *data, size_t size);
int vfio_feature_logging_stop(struct vfio_device *device, u32 flags,
			      void __user *data, size_t size);
int vfio_feature_logging_report(struct vfio_device *device, u32 flags,
				void __user *data, size_t size);

#endif /* VFIO_DMA_LOGGING_H */
