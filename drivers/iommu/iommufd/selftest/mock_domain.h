/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Domains of the mock IOMMU.
 */
#ifndef __IOMMUFD_SELFTEST_MOCK_DOMAIN_H
#define __IOMMUFD_SELFTEST_MOCK_DOMAIN_H

#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>

#include "../iommufd_test.h"

struct iommufd_viommu;

/**
 * struct mock_domain - a domain with a page table
 * @domain: the IOMMU core's part
 * @iommu: the generic page table's, around it
 * @amdv1: and that of its format
 * @tracking: dirty tracking is on
 */
struct mock_domain {
	union {
		struct iommu_domain domain;
		struct pt_iommu iommu;
		struct pt_iommu_amdv1 amdv1;
	};
	bool tracking;
};

PT_IOMMU_CHECK_DOMAIN(struct mock_domain, iommu, domain);
PT_IOMMU_CHECK_DOMAIN(struct mock_domain, amdv1.iommu, domain);

/**
 * struct mock_nested_domain - a domain whose first stage is user space's
 * @domain: the IOMMU core's part
 * @viommu: vIOMMU it was allocated from, or NULL; outlives it
 * @iotlb: what a real IOMMU would cache; accessed once at a time, no lock
 */
struct mock_nested_domain {
	struct iommu_domain domain;
	struct iommufd_viommu *viommu;
	u32 iotlb[MOCK_NESTED_DOMAIN_IOTLB_NUM];
};

/* NULL for a domain of another driver or kind. */
struct mock_domain *mock_domain_of(struct iommu_domain *domain);
struct mock_nested_domain *mock_nested_domain_of(struct iommu_domain *domain);

/* For &struct iommu_ops. */
struct iommu_domain *mock_domain_alloc_paging(struct device *dev, u32 flags,
					      const struct iommu_user_data *data);
struct iommu_domain *mock_domain_alloc_nested(struct device *dev,
					      struct iommu_domain *parent, u32 flags,
					      const struct iommu_user_data *data);
/* For &struct iommufd_viommu_ops. */
struct iommu_domain *mock_viommu_alloc_nested(struct iommufd_viommu *viommu, u32 flags,
					      const struct iommu_user_data *data);
#endif
