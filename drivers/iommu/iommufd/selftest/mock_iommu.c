// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The mock IOMMU: one instance, all of whose devices are mock devices.  It can do
 * whatever iommufd can ask of an IOMMU, but translates nothing, since nothing does DMA;
 * the selftest looks into its page tables instead.
 *
 * Locks: none.
 */
#include <linux/iommu.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "../../iommu-priv.h"
#include "bus.h"
#include "mock_attach.h"
#include "mock_device.h"
#include "mock_domain.h"
#include "mock_iommu.h"
#include "mock_viommu.h"

static struct iommu_device mock_iommu = {
	.max_pasids = 1U << MOCK_PASID_WIDTH,
};

static struct notifier_block mock_notifier;
static struct platform_device *mock_platform_device;

static bool mock_capable(struct device *dev, enum iommu_cap cap)
{
	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return true;
	case IOMMU_CAP_DIRTY_TRACKING:
		return !(mock_device_of(dev)->flags & MOCK_FLAGS_DEVICE_NO_DIRTY);
	default:
		return false;
	}
}

/* There is one format, which is also the default; the caller frees the copy. */
static void *mock_describe(struct device *dev, u32 *size,
			   enum iommu_hw_info_type *format)
{
	static const struct iommu_test_hw_info registers = {
		.test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL,
	};
	void *copy;

	switch ((u32)*format) {
	case IOMMU_HW_INFO_TYPE_DEFAULT:
	case IOMMU_HW_INFO_TYPE_SELFTEST:
		break;
	default:
		return ERR_PTR(-EOPNOTSUPP);
	}
	copy = kmemdup(&registers, sizeof(registers), GFP_KERNEL);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	*format = IOMMU_HW_INFO_TYPE_SELFTEST;
	*size = sizeof(registers);
	return copy;
}

static struct iommu_device *mock_probe_device(struct device *dev)
{
	return &mock_iommu;
}

/* Whoever sent a page request looks at the answer no further. */
static void mock_page_response(struct device *dev, struct iopf_fault *fault,
			       struct iommu_page_response *response)
{
}

static const struct iommu_ops mock_iommu_ops = {
	.owner = THIS_MODULE,
	.default_domain = &mock_blocked_domain,
	.blocked_domain = &mock_blocked_domain,
	.user_pasid_table = true,
	.capable = mock_capable,
	.hw_info = mock_describe,
	.probe_device = mock_probe_device,
	.device_group = generic_device_group,
	.page_response = mock_page_response,
	.domain_alloc_paging_flags = mock_domain_alloc_paging,
	.domain_alloc_nested = mock_domain_alloc_nested,
	.get_viommu_size = mock_viommu_size,
	.viommu_init = mock_viommu_init,
};

/**
 * mock_iommu_add_device - put a device behind the mock IOMMU
 * @dev: of &mock_bus, not added yet
 *
 * Context: process context, may sleep.
 * Return: 0; the errnos of device_add().
 */
int mock_iommu_add_device(struct device *dev)
{
	int rc = iommu_mock_device_add(dev, &mock_iommu);

	/* Without memory for its second half the core leaves the first one behind. */
	if (rc) {
		kfree(dev->iommu);
		dev->iommu = NULL;
	}
	return rc;
}

static int mock_iommu_register(void)
{
	int rc;

	rc = iommu_device_sysfs_add(&mock_iommu, &mock_platform_device->dev, NULL,
				    "%s", dev_name(&mock_platform_device->dev));
	if (rc)
		return rc;
	rc = iommu_device_register_bus(&mock_iommu, &mock_iommu_ops, &mock_bus,
				       &mock_notifier);
	if (rc)
		iommu_device_sysfs_remove(&mock_iommu);
	return rc;
}

/**
 * mock_iommu_init - bring the mock IOMMU into being
 *
 * Context: process context, may sleep.
 * Return: 0; -ENOMEM and whatever else the driver model says.
 */
int mock_iommu_init(void)
{
	struct platform_device *pdev;
	int rc;

	rc = mock_attach_init();
	if (rc)
		return rc;
	pdev = platform_device_register_simple("iommufd_selftest_iommu",
					       PLATFORM_DEVID_NONE, NULL, 0);
	rc = PTR_ERR_OR_ZERO(pdev);
	if (rc)
		goto out_attach;
	mock_platform_device = pdev;
	rc = bus_register(&mock_bus);
	if (rc)
		goto out_platform;
	rc = mock_iommu_register();
	if (!rc)
		return 0;
	bus_unregister(&mock_bus);
out_platform:
	platform_device_unregister(pdev);
out_attach:
	mock_attach_exit();
	return rc;
}

/**
 * mock_iommu_exit - undo mock_iommu_init()
 *
 * Context: process context, may sleep; all devices are gone.
 */
void mock_iommu_exit(void)
{
	iommu_device_unregister_bus(&mock_iommu, &mock_bus, &mock_notifier);
	iommu_device_sysfs_remove(&mock_iommu);
	bus_unregister(&mock_bus);
	platform_device_unregister(mock_platform_device);
	mock_attach_exit();
}
