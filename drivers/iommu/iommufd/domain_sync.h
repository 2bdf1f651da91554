/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef __IOMMUFD_DOMAIN_SYNC_H
#define __IOMMUFD_DOMAIN_SYNC_H

#include <linux/gfp.h>
#include <linux/types.h>

struct iommu_domain;

int iommufd_domain_map_nosync(struct iommu_domain *domain, unsigned long iova,
			      phys_addr_t phys, size_t length, int prot,
			      gfp_t gfp);
int iommufd_domain_sync_map(struct iommu_domain *domain, unsigned long iova,
			    size_t length);
#endif
