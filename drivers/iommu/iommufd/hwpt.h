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
struct iommu_user_data;
struct iommufd_ctx;
struct iommufd_device;
struct iommufd_fault;
struct iommufd_ioas;

/**
 * struct iommufd_hw_pagetable - what paging and nested HWPTs have in common
 * @obj: ID and lifetime
 * @ictx: context
 * @pasid_compat: allocated with IOMMU_HWPT_ALLOC_PASID
 * @fault: fault queue, NULL if faults are not delivered to user space; a long reference
 * @domain: the IOMMU domain; NULL only while the HWPT is made or unmade
 */
struct iommufd_hw_pagetable {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	bool pasid_compat;
	struct iommufd_fault *fault;
	struct iommu_domain *domain;
};

/**
 * struct iommufd_hwpt_paging - a HWPT that shows an IOAS
 * @common: common part, first
 * @item: in &iommufd_ioas.hwpts
 * @entry: in &iommufd_iopt.domains
 * @in_iopt: @entry is in the IOAS's page table
 * @nest_parent: allocated with IOMMU_HWPT_ALLOC_NEST_PARENT
 * @enforce_cache_coherency: the domain ignores no-snoop requests
 * @auto_domain: made by attaching to the IOAS, goes with its last attachment
 * @has_msi_window: @msi_window is reserved in the IOAS for @common.domain
 * @msi_window: window of the group that was attached last
 * @present_sw_msi: MSI pages mapped in @domain; ictx->sw_msi_lock
 * @ioas: the IOAS; a long reference
 */
struct iommufd_hwpt_paging {
	struct iommufd_hw_pagetable common;
	struct list_head item;
	struct iopt_domain entry;
	bool in_iopt;
	bool nest_parent;
	bool enforce_cache_coherency;
	bool auto_domain;
	bool has_msi_window;
	phys_addr_t msi_window;
	struct iommufd_sw_msi_maps present_sw_msi;
	struct iommufd_ioas *ioas;
};

/**
 * struct iommufd_hwpt_nested - a HWPT whose page table is the user's own
 * @common: common part, first
 * @viommu: vIOMMU it was allocated from, or NULL; a long reference
 * @parent: the HWPT it is nested on; a long reference
 */
struct iommufd_hwpt_nested {
	struct iommufd_hw_pagetable common;
	struct iommufd_viommu *viommu;
	struct iommufd_hwpt_paging *parent;
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
	return iommufd_hwpt_is_paging(hwpt) ?
		iommufd_hwpt_to_paging(hwpt) :
		container_of(hwpt, struct iommufd_hwpt_nested, common)->parent;
}

/* The vIOMMU that a nested HWPT was made of, or NULL. */
static inline struct iommufd_viommu *
iommufd_hwpt_viommu(const struct iommufd_hw_pagetable *hwpt)
{
	return iommufd_hwpt_is_paging(hwpt) ? NULL :
		container_of(hwpt, struct iommufd_hwpt_nested, common)->viommu;
}

/**
 * struct iommufd_hwpt_args - what a new HWPT shall be like
 * @idev: device whose IOMMU decides about the format; behind an IOMMU
 * @flags: &enum iommufd_hwpt_alloc_flags
 * @data: for the driver, of user space; NULL if there is none
 */
struct iommufd_hwpt_args {
	struct iommufd_device *idev;
	u32 flags;
	const struct iommu_user_data *data;
};

extern const struct iommufd_object_ops iommufd_hwpt_paging_object_ops;
extern const struct iommufd_object_ops iommufd_hwpt_nested_object_ops;

struct iommufd_hw_pagetable *
iommufd_hwpt_paging_new(struct iommufd_ioas *ioas,
			const struct iommufd_hwpt_args *args);
/* hwpt_nested.c */
struct iommufd_hw_pagetable *
iommufd_hwpt_nested_new(struct iommufd_hwpt_paging *parent,
			const struct iommufd_hwpt_args *args);
struct iommufd_hw_pagetable *
iommufd_hwpt_viommu_nested_new(struct iommufd_viommu *viommu,
			       const struct iommufd_hwpt_args *args);

void iommufd_hwpt_set_fault(struct iommufd_hw_pagetable *hwpt,
			    struct iommufd_fault *fault);
void iommufd_hwpt_publish(struct iommufd_hw_pagetable *hwpt);
void iommufd_hwpt_free_domain(struct iommufd_hw_pagetable *hwpt);

struct iommufd_hwpt_paging *iommufd_hwpt_auto_new(struct iommufd_ioas *ioas,
						  struct iommufd_device *idev);
int iommufd_hwpt_fill(struct iommufd_hwpt_paging *paging);
bool iommufd_hwpt_complete_at_alloc(const struct iommufd_hw_pagetable *hwpt);
void iommufd_hwpt_release(struct iommufd_hw_pagetable *hwpt, unsigned int nrefs);
#endif
