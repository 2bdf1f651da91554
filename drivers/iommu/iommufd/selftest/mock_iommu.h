/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The mock IOMMU.
 */
#ifndef __IOMMUFD_SELFTEST_MOCK_IOMMU_H
#define __IOMMUFD_SELFTEST_MOCK_IOMMU_H

struct device;

int mock_iommu_init(void);
void mock_iommu_exit(void);

/* device_add() for a device behind the mock IOMMU. */
int mock_iommu_add_device(struct device *dev);
#endif
