// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * vIOMMUs of the mock IOMMU: pages that user space can map as it would a real one's
 * registers, and invalidations of the caches of devices.
 *
 * Locks: the xarray lock of the vIOMMU's vdevs while a device is used.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "mock_device.h"
#include "mock_domain.h"
#include "mock_viommu.h"

#define SHOWN_PAGES_ORDER 1
#define SHOWN_PAGES_SIZE (PAGE_SIZE << SHOWN_PAGES_ORDER)

static void hide_pages(struct mock_viommu *mock)
{
	if (!mock->pages)
		return;
	iommufd_viommu_destroy_mmap(&mock->core, mock->mmap_offset);
	free_pages((unsigned long)mock->pages, SHOWN_PAGES_ORDER);
}

static int show_pages(struct mock_viommu *mock, u32 first_word)
{
	u32 *pages;
	int rc;

	pages = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO,
					 SHOWN_PAGES_ORDER);
	if (!pages)
		return -ENOMEM;
	*pages = first_word;
	rc = iommufd_viommu_alloc_mmap(&mock->core, virt_to_phys(pages),
				       SHOWN_PAGES_SIZE, &mock->mmap_offset);
	if (rc) {
		free_pages((unsigned long)pages, SHOWN_PAGES_ORDER);
		return rc;
	}
	mock->pages = pages;
	return 0;
}

static void mock_viommu_destroy(struct iommufd_viommu *viommu)
{
	hide_pages(mock_viommu_of(viommu));
}

static int invalidate_cache(struct mock_device *mdev,
			    const struct iommu_viommu_invalidate_selftest *request)
{
	u32 id = request->cache_id;

	if (request->flags & IOMMU_TEST_INVALIDATE_FLAG_ALL) {
		for (id = 0; id < MOCK_DEV_CACHE_NUM; id++)
			WRITE_ONCE(mdev->cache[id], 0);
		return 0;
	}
	if (id > MOCK_DEV_CACHE_ID_MAX)
		return -EINVAL;
	WRITE_ONCE(mdev->cache[id], 0);
	return 0;
}

static int invalidate_one(struct iommufd_viommu *viommu,
			  const struct iommu_viommu_invalidate_selftest *request)
{
	struct device *dev;

	if (request->flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	/* With the lock held the device cannot go. */
	guard(spinlock)(&viommu->vdevs.xa_lock);
	dev = iommufd_viommu_find_dev(viommu, request->vdev_id);
	if (!dev)
		return -EINVAL;
	return invalidate_cache(mock_device_of(dev), request);
}

/* All requests are read before the first is carried out. */
static int invalidate_all(struct iommufd_viommu *viommu,
			  struct iommu_user_data_array *array, u32 *done)
{
	struct iommu_viommu_invalidate_selftest *requests __free(kvfree) = NULL;
	int rc;

	requests = kvcalloc(array->entry_num, sizeof(*requests), GFP_KERNEL_ACCOUNT);
	if (!requests)
		return -ENOMEM;
	rc = iommu_copy_struct_from_full_user_array(requests, sizeof(*requests), array,
						    IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST);
	while (!rc && *done < array->entry_num) {
		rc = invalidate_one(viommu, &requests[*done]);
		if (!rc)
			++*done;
	}
	return rc;
}

static int mock_viommu_invalidate(struct iommufd_viommu *viommu,
				  struct iommu_user_data_array *array)
{
	u32 done = 0;
	int rc = 0;

	if (array->type != IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST)
		rc = -EINVAL;
	else if (array->entry_num)
		rc = invalidate_all(viommu, array, &done);
	array->entry_num = done;
	return rc;
}

static const struct iommufd_viommu_ops mock_viommu_ops = {
	.destroy = mock_viommu_destroy,
	.alloc_domain_nested = mock_viommu_alloc_nested,
	.cache_invalidate = mock_viommu_invalidate,
	.get_hw_queue_size = mock_hw_queue_size,
	.hw_queue_init_phys = mock_hw_queue_init,
};

/**
 * mock_viommu_size - bytes of a vIOMMU
 * @dev: mock device
 * @type: what user space asks for
 *
 * Context: any.
 * Return: the size; 0 for a type that the mock IOMMU does not have.
 */
size_t mock_viommu_size(struct device *dev, enum iommu_viommu_type type)
{
	if (type != (enum iommu_viommu_type)IOMMU_VIOMMU_TYPE_SELFTEST)
		return 0;
	return VIOMMU_STRUCT_SIZE(struct mock_viommu, core);
}

/* What user space asked for, and what it is to know. */
static int exchange_data(struct mock_viommu *mock, const struct iommu_user_data *data)
{
	struct iommu_viommu_selftest shown;
	int rc;

	rc = iommu_copy_struct_from_user(&shown, data, IOMMU_VIOMMU_TYPE_SELFTEST,
					 out_mmap_length);
	if (rc)
		return rc;
	rc = show_pages(mock, shown.in_data);
	if (rc)
		return rc;
	shown.out_data = shown.in_data;
	shown.out_mmap_offset = mock->mmap_offset;
	shown.out_mmap_length = SHOWN_PAGES_SIZE;
	rc = iommu_copy_struct_to_user(data, &shown, IOMMU_VIOMMU_TYPE_SELFTEST,
				       out_mmap_length);
	if (rc)
		hide_pages(mock);
	return rc;
}

/**
 * mock_viommu_init - set up a vIOMMU
 * @viommu: of mock_viommu_size() bytes
 * @parent: domain that shows the guest's memory
 * @data: &struct iommu_viommu_selftest, or NULL: then there are no pages to map
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL, -EFAULT, -E2BIG the data cannot be read or written, -ENOMEM.
 */
int mock_viommu_init(struct iommufd_viommu *viommu, struct iommu_domain *parent,
		     const struct iommu_user_data *data)
{
	struct mock_viommu *mock = mock_viommu_of(viommu);
	int rc;

	if (data) {
		rc = exchange_data(mock, data);
		if (rc)
			return rc;
	}
	mutex_init(&mock->lock);
	mock->parent = parent;
	viommu->ops = &mock_viommu_ops;
	return 0;
}
