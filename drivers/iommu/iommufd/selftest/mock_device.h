/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Mock devices.
 */
#ifndef __IOMMUFD_SELFTEST_MOCK_DEVICE_H
#define __IOMMUFD_SELFTEST_MOCK_DEVICE_H

#include <linux/device.h>
#include <linux/rwsem.h>
#include <linux/types.h>

#include "../iommufd_test.h"

struct iommufd_viommu;

/**
 * struct mock_device - a device behind the mock IOMMU
 * @dev: its part of the driver model
 * @flags: MOCK_FLAGS_DEVICE_*; constant
 * @id: number in its name; constant
 * @lock: protects what follows but @cache.  Taken for writing by attaching, under the
 *	  IOMMU core's group mutex, for reading by what the device does by itself
 * @niopf: attachments that page requests go to; the device may send some
 * @viommu: vIOMMU of the nested domain that requests without a PASID go through
 * @virt_id: number of the device there
 * @fail_replace: the next replace of IOMMU_TEST_PASID_RESERVED fails
 * @cache: what vIOMMU invalidations clear; accessed once at a time, no lock
 */
struct mock_device {
	struct device dev;
	unsigned int flags;
	int id;
	struct rw_semaphore lock;
	unsigned int niopf;
	struct iommufd_viommu *viommu;
	unsigned long virt_id;
	bool fail_replace;
	u32 cache[MOCK_DEV_CACHE_NUM];
};

static inline struct mock_device *mock_device_of(struct device *dev)
{
	return container_of(dev, struct mock_device, dev);
}

/* Make a device and put it behind the mock IOMMU; -EINVAL for unknown @flags. */
struct mock_device *mock_device_create(unsigned int flags);
void mock_device_destroy(struct mock_device *mdev);

int mock_device_init(void);
void mock_device_exit(void);
#endif
