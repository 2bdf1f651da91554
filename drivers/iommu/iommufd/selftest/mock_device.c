// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Mock devices: something that can be bound and attached, and that does nothing by
 * itself.  Each has a group of its own.
 *
 * Locks: see mock_device.h.
 */
#include <linux/idr.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "bus.h"
#include "mock_device.h"
#include "mock_iommu.h"

static DEFINE_IDA(mock_device_ids);

/* The IOMMU core looks here for what a device can do with PASIDs. */
static const struct property_entry pasid_properties[] = {
	PROPERTY_ENTRY_U32("pasid-num-bits", MOCK_PASID_WIDTH),
	{}
};

static const struct software_node pasid_node = {
	.name = "iommufd_mock_pasid",
	.properties = pasid_properties,
};

static void mock_device_release(struct device *dev)
{
	struct mock_device *mdev = mock_device_of(dev);

	if (mdev->id >= 0)
		ida_free(&mock_device_ids, mdev->id);
	kfree(mdev);
}

static int mock_device_add(struct mock_device *mdev)
{
	int rc;

	mdev->id = ida_alloc(&mock_device_ids, GFP_KERNEL);
	if (mdev->id < 0)
		return mdev->id;
	rc = dev_set_name(&mdev->dev, "iommufd_mock%d", mdev->id);
	if (rc)
		return rc;
	if (mdev->flags & MOCK_FLAGS_DEVICE_PASID)
		device_set_node(&mdev->dev, software_node_fwnode(&pasid_node));
	rc = mock_iommu_add_device(&mdev->dev);
	if (rc)
		return rc;
	/* The bus's notifier cannot say that the IOMMU did not take the device. */
	if (mdev->dev.iommu_group)
		return 0;
	device_del(&mdev->dev);
	return -ENOMEM;
}

/**
 * mock_device_create - make a device
 * @flags: MOCK_FLAGS_DEVICE_*
 *
 * Context: process context, may sleep.
 * Return: the device, behind the mock IOMMU; ERR_PTR(-EINVAL) for unknown flags, -ENOMEM.
 */
struct mock_device *mock_device_create(unsigned int flags)
{
	struct mock_device *mdev;
	int rc;

	if (flags & ~(MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_PASID))
		return ERR_PTR(-EINVAL);
	mdev = kzalloc_obj(*mdev, GFP_KERNEL);
	if (!mdev)
		return ERR_PTR(-ENOMEM);
	device_initialize(&mdev->dev);
	mdev->dev.bus = &mock_bus;
	mdev->dev.release = mock_device_release;
	mdev->flags = flags;
	init_rwsem(&mdev->lock);
	for (int i = 0; i < MOCK_DEV_CACHE_NUM; i++)
		mdev->cache[i] = IOMMU_TEST_DEV_CACHE_DEFAULT;

	rc = mock_device_add(mdev);
	if (rc) {
		put_device(&mdev->dev);
		return ERR_PTR(rc);
	}
	return mdev;
}

/**
 * mock_device_destroy - take a device away
 * @mdev: from mock_device_create(), bound to nothing; gone on return
 *
 * Context: process context, may sleep.
 */
void mock_device_destroy(struct mock_device *mdev)
{
	device_unregister(&mdev->dev);
}

/**
 * mock_device_init - get ready to make devices
 *
 * Context: process context, may sleep.
 * Return: 0; -ENOMEM.
 */
int mock_device_init(void)
{
	return software_node_register(&pasid_node);
}

/**
 * mock_device_exit - undo mock_device_init()
 *
 * Context: process context, may sleep; all devices are gone.
 */
void mock_device_exit(void)
{
	software_node_unregister(&pasid_node);
	ida_destroy(&mock_device_ids);
}
