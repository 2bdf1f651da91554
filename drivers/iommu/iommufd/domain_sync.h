/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef __IOMMUFD_DOMAIN_SYNC_H
#define __IOMMUFD_DOMAIN_SYNC_H

#include <linux/gfp.h>
#include <linux/types.h>

struct iommu_domain;
struct iommu_iotlb_gather;

int iommufd_domain_map_nosync(struct iommu_domain *domain, unsigned long iova,
			      phys_addr_t phys, size_t length, int prot,
			      gfp_t gfp);
int iommufd_domain_map_pages(struct iommu_domain *domain, unsigned long iova,
			     const unsigned long *pfns, unsigned long npages,
			     int prot, gfp_t gfp, unsigned long *mapped);
size_t iommufd_domain_unmap(struct iommu_domain *domain, unsigned long iova,
			    size_t length, struct iommu_iotlb_gather *gather);
int iommufd_domain_sync_map(struct iommu_domain *domain, unsigned long iova,
			    size_t length);
#endif
