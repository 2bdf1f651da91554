/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Hardware page tables.
 */
#ifndef __IOMMUFD_HWPT_H
#define __IOMMUFD_HWPT_H

#include <linux/iommufd.h>
#include "pgtable/iopt.h"
#include "sw_msi.h"

struct iommu_domain;
struct iommufd_device;
struct iommufd_fault;
struct iommufd_ioas;

/**
 * struct iommufd_hw_pagetable - what paging and nested HWPTs have in common
 * @obj: ID and lifetime
 * @domain: the IOMMU domain; NULL only while the HWPT is made or unmade
 * @fault: fault queue, NULL if faults are not delivered to user space
 * @pasid_compat: allocated with IOMMU_HWPT_ALLOC_PASID
 */
struct iommufd_hw_pagetable {
	struct iommufd_object obj;
	struct iommu_domain *domain;
	struct iommufd_fault *fault;
	bool pasid_compat : 1;
};

/**
 * struct iommufd_hwpt_paging - a HWPT that shows an IOAS
 * @common: common part, first
 * @ioas: the IOAS; a long reference
 * @auto_domain: made by attaching to the IOAS, goes with its last attachment
 * @enforce_cache_coherency: the domain ignores no-snoop requests
 * @nest_parent: allocated with IOMMU_HWPT_ALLOC_NEST_PARENT
 * @in_iopt: @entry is in the IOAS's page table
 * @item: in &iommufd_ioas.hwpts
 * @entry: in &iommufd_iopt.domains
 * @present_sw_msi: MSI pages mapped in @domain; ictx->sw_msi_lock
 */
struct iommufd_hwpt_paging {
	struct iommufd_hw_pagetable common;
	struct iommufd_ioas *ioas;
	bool auto_domain : 1;
	bool enforce_cache_coherency : 1;
	bool nest_parent : 1;
	bool in_iopt : 1;
	struct list_head item;
	struct iopt_domain entry;
	struct iommufd_sw_msi_maps present_sw_msi;
};

/**
 * struct iommufd_hwpt_nested - a HWPT whose page table is the user's own
 * @common: common part, first
 * @parent: the HWPT it is nested on; a long reference
 * @viommu: vIOMMU it was allocated from, or NULL; a long reference
 */
struct iommufd_hwpt_nested {
	struct iommufd_hw_pagetable common;
	struct iommufd_hwpt_paging *parent;
	struct iommufd_viommu *viommu;
};

static inline bool iommufd_hwpt_is_paging(const struct iommufd_hw_pagetable *hwpt)
{
	return hwpt->obj.type == IOMMUFD_OBJ_HWPT_PAGING;
}

static inline struct iommufd_hwpt_paging *
iommufd_hwpt_to_paging(struct iommufd_hw_pagetable *hwpt)
{
	return container_of(hwpt, struct iommufd_hwpt_paging, common);
}

/* The paging HWPT that translates last: itself, or a nested HWPT's parent. */
static inline struct iommufd_hwpt_paging *
iommufd_hwpt_last_stage(struct iommufd_hw_pagetable *hwpt)
{
	if (iommufd_hwpt_is_paging(hwpt))
		return iommufd_hwpt_to_paging(hwpt);
	return container_of(hwpt, struct iommufd_hwpt_nested, common)->parent;
}
#endif
