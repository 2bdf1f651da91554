/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Isolation groups: devices that the IOMMU cannot tell apart share all attachments.
 */
#ifndef __IOMMUFD_IGROUP_H
#define __IOMMUFD_IGROUP_H

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/xarray.h>
#include "sw_msi.h"

struct device;
struct iommu_group;
struct iommufd_ctx;
struct iommufd_hw_pagetable;
struct iommufd_iopt;

/**
 * struct iommufd_attach - what one PASID of a group is attached to
 * @hwpt: the HWPT; one long reference for each device in @devices
 * @devices: &struct iommufd_device by object ID
 */
struct iommufd_attach {
	struct iommufd_hw_pagetable *hwpt;
	struct xarray devices;
};

/**
 * struct iommufd_group - an iommu_group as one context uses it
 * @ref: bound devices
 * @lock: protects @attachments, @sw_msi_start, and which vDEVICEs its devices have; above
 *	  the IOMMU core's group mutex
 * @ictx: context
 * @group: the iommu_group; NULL for a device behind no IOMMU, which has a group of its own
 * @attachments: &struct iommufd_attach by PASID, IOMMU_NO_PASID for the device itself
 * @required_sw_msi: MSI pages its devices need mapped; ictx->sw_msi_lock
 * @sw_msi_start: first byte of the window for them, PHYS_ADDR_MAX if there is none
 * @sw_msi_length: length of that window in bytes
 */
struct iommufd_group {
	struct kref ref;
	struct mutex lock; /* attachments of the group */
	struct iommufd_ctx *ictx;
	struct iommu_group *group;
	struct xarray attachments;
	struct iommufd_sw_msi_maps required_sw_msi;
	phys_addr_t sw_msi_start;
	size_t sw_msi_length;
};

struct iommufd_group *iommufd_group_get(struct iommufd_ctx *ictx,
					struct device *dev);
struct iommufd_group *iommufd_group_new_noiommu(struct iommufd_ctx *ictx);
void iommufd_group_put(struct iommufd_group *igroup);

int iommufd_group_reserve(struct iommufd_group *igroup, struct device *dev,
			  struct iommufd_iopt *iopt);

DEFINE_FREE(igroup_put, struct iommufd_group *, if (!IS_ERR_OR_NULL(_T)) iommufd_group_put(_T))
#endif
