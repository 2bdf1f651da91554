/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How devices that do DMA bind and attach to an iommufd.
 *
 * What drivers call is declared in <linux/vfio.h>.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_IOMMUFD_H
#define VFIO_IOMMUFD_H

#include <linux/types.h>

struct vfio_device;

u32 vfio_iommufd_attached_to(struct vfio_device *vdev);
u32 vfio_iommufd_pasid_attached_to(struct vfio_device *vdev, u32 pasid);

#endif /* VFIO_IOMMUFD_H */
