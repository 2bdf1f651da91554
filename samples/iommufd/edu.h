/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * QEMU's educational PCI device "edu": a buffer in the device and a DMA engine
 * that copies between it and memory.
 */
#ifndef EDU_H
#define EDU_H

#include <stddef.h>

#include <linux/types.h>

#include "vfio_util.h"

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

#define EDU_BUFFER_SIZE	4096
#define EDU_IOVA_LIMIT	0x10000000ull	/* its DMA engine has 28 address bits */

struct edu {
	struct vfio_device *dev;
	struct vfio_bar bar;
};

int edu_start(struct edu *edu, struct vfio_device *dev);
int edu_read_memory(struct edu *edu, __u64 iova, size_t length);
int edu_write_memory(struct edu *edu, __u64 iova, size_t length);

#endif
