/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * vIOMMUs of the mock IOMMU.
 */
#ifndef __IOMMUFD_SELFTEST_MOCK_VIOMMU_H
#define __IOMMUFD_SELFTEST_MOCK_VIOMMU_H

#include <linux/iommufd.h>
#include <linux/mutex.h>

#include "../iommufd_test.h"

struct iommu_domain;
struct mock_hw_queue;

/**
 * struct mock_viommu - a guest's slice of the mock IOMMU
 * @core: iommufd's part, first
 * @parent: domain that shows the guest's memory
 * @pages: pages that user space can map, or NULL
 * @mmap_offset: where
 * @lock: protects @queues
 * @queues: hardware queues by index
 */
struct mock_viommu {
	struct iommufd_viommu core;
	struct iommu_domain *parent;
	void *pages;
	unsigned long mmap_offset;
	struct mutex lock; /* queues */
	struct mock_hw_queue *queues[IOMMU_TEST_HW_QUEUE_MAX];
};

static inline struct mock_viommu *mock_viommu_of(struct iommufd_viommu *viommu)
{
	return container_of(viommu, struct mock_viommu, core);
}

/* For &struct iommu_ops. */
size_t mock_viommu_size(struct device *dev, enum iommu_viommu_type type);
int mock_viommu_init(struct iommufd_viommu *viommu, struct iommu_domain *parent,
		     const struct iommu_user_data *data);

/* For &struct iommufd_viommu_ops. */
size_t mock_hw_queue_size(struct iommufd_viommu *viommu,
			  enum iommu_hw_queue_type type);
int mock_hw_queue_init(struct iommufd_hw_queue *core, u32 index, phys_addr_t base);
#endif
