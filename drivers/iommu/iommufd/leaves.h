/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The lowest tables of a domain that is a generic page table: many pages entered, or
 * taken out, by one walk.
 *
 * This is a short cut for what can be done in a table that exists.  Whatever else there
 * may be (a table is missing or would become free, a page is larger, an argument is
 * wrong) is left to the IOMMU core, which does it, or knows what is wrong.
 */
#ifndef __IOMMUFD_LEAVES_H
#define __IOMMUFD_LEAVES_H

#include <linux/types.h>

struct iommu_iotlb_gather;
struct pt_iommu;

/**
 * struct iommufd_leaf_ops - what differs by format
 * @fill: enter page frames one behind the other from an IOVA on, without telling the
 *	  hardware.  Returns how many were entered, which may be none
 * @clear: take pages out from an IOVA on, and add them to the gather.  Returns how many
 *	   were taken out, which may be none
 *
 * Context: any.  Nobody else maps or unmaps these pages meanwhile.
 */
struct iommufd_leaf_ops {
	unsigned long (*fill)(struct pt_iommu *pt, unsigned long iova,
			      const unsigned long *pfns, unsigned long npages,
			      int prot);
	unsigned long (*clear)(struct pt_iommu *pt, unsigned long iova,
			       unsigned long npages,
			       struct iommu_iotlb_gather *gather);
};

extern const struct iommufd_leaf_ops iommufd_leaves_amdv1;
extern const struct iommufd_leaf_ops iommufd_leaves_vtdss;
extern const struct iommufd_leaf_ops iommufd_leaves_x86_64;
#endif
