/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * vIOMMUs, and what is made in them: vDEVICEs and hardware queues.  Their structures are
 * in linux/iommufd.h, because IOMMU drivers extend them.
 */
#ifndef __IOMMUFD_VIOMMU_H
#define __IOMMUFD_VIOMMU_H

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/iommufd.h>

extern const struct iommufd_object_ops iommufd_viommu_object_ops;
extern const struct iommufd_object_ops iommufd_vdevice_object_ops;
extern const struct iommufd_object_ops iommufd_hw_queue_object_ops;

/* Short reference by ID; ERR_PTR(-ENOENT) with a reason. */
struct iommufd_viommu *iommufd_viommu_get(struct iommufd_ctx *ictx, u32 id);
void iommufd_viommu_put(struct iommufd_viommu *viommu);

DEFINE_FREE(viommu_put, struct iommufd_viommu *, if (!IS_ERR_OR_NULL(_T)) iommufd_viommu_put(_T))
#endif
