/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * How domains of the mock IOMMU are attached.
 */
#ifndef __IOMMUFD_SELFTEST_MOCK_ATTACH_H
#define __IOMMUFD_SELFTEST_MOCK_ATTACH_H

#include <linux/iommu.h>

struct iommufd_viommu;
struct mock_device;

/* No DMA at all. */
extern struct iommu_domain mock_blocked_domain;

/*
 * For the ops of a domain.  @viommu: vIOMMU of a nested domain; -ENOENT if the device
 * has no vDEVICE there.
 */
int mock_attach(struct iommu_domain *domain, struct device *dev,
		struct iommu_domain *old, struct iommufd_viommu *viommu);
int mock_attach_pasid(struct iommu_domain *domain, struct device *dev,
		      ioasid_t pasid, struct iommu_domain *old);

/* What devices do by themselves. */
void mock_send_page_request(struct mock_device *mdev, struct iopf_fault *fault);
int mock_send_event(struct mock_device *mdev);

int mock_attach_init(void);
void mock_attach_exit(void);
#endif
