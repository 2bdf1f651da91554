// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Domains of the mock IOMMU with a page table: the generic page table in the format of
 * AMD's IOMMU, with 2 KiB as the smallest page so that it differs from the CPU's.
 *
 * Locks: none; as with all users of the generic page table, whoever maps, unmaps or
 * looks up keeps others from changing the same range.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "../../iommu-pages.h"
#include "mock_attach.h"
#include "mock_domain.h"

static int mock_domain_attach(struct iommu_domain *domain, struct device *dev,
			      struct iommu_domain *old)
{
	return mock_attach(domain, dev, old, NULL);
}

static void mock_domain_iotlb_sync(struct iommu_domain *domain,
				   struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
}

static void mock_domain_free(struct iommu_domain *domain)
{
	struct mock_domain *mock = container_of(domain, struct mock_domain, domain);

	pt_iommu_deinit(&mock->iommu);
	kfree(mock);
}

static const struct iommu_domain_ops mock_domain_ops = {
	IOMMU_PT_DOMAIN_OPS(amdv1_mock),
	.attach_dev = mock_domain_attach,
	.set_dev_pasid = mock_attach_pasid,
	.iotlb_sync = mock_domain_iotlb_sync,
	.free = mock_domain_free,
};

static int mock_domain_set_tracking(struct iommu_domain *domain, bool enabled)
{
	container_of(domain, struct mock_domain, domain)->tracking = enabled;
	return 0;
}

static const struct iommu_dirty_ops mock_dirty_ops = {
	IOMMU_PT_DIRTY_OPS(amdv1_mock),
	.set_dirty_tracking = mock_domain_set_tracking,
};

/**
 * mock_domain_of - is it one of these domains?
 * @domain: any domain
 *
 * Context: any.
 * Return: the domain with a page table; NULL for every other.
 */
struct mock_domain *mock_domain_of(struct iommu_domain *domain)
{
	if (domain->ops != &mock_domain_ops)
		return NULL;
	return container_of(domain, struct mock_domain, domain);
}

/*
 * The default format has an aperture, which makes for reserved ranges at both ends; the
 * other has pages of 1 MiB beside those of the CPU.
 */
static int table_init(struct mock_domain *mock, u32 format)
{
	struct pt_iommu_amdv1_cfg cfg = {
		.common.hw_max_oasz_lg2 = 51,
	};
	struct iommu_domain *domain = &mock->domain;
	int rc;

	switch (format) {
	case MOCK_IOMMUPT_DEFAULT:
		cfg.starting_level = 2;
		cfg.common.hw_max_vasz_lg2 = 32;
		break;
	case MOCK_IOMMUPT_HUGE:
		cfg.starting_level = 4;
		cfg.common.hw_max_vasz_lg2 = 56;
		break;
	default:
		return -EOPNOTSUPP;
	}

	rc = pt_iommu_amdv1_mock_init(&mock->amdv1, &cfg, GFP_KERNEL);
	if (rc)
		return rc;
	if (format == MOCK_IOMMUPT_HUGE) {
		domain->pgsize_bitmap = MOCK_HUGE_PAGE_SIZE | PAGE_SIZE;
	} else {
		domain->geometry.aperture_start = MOCK_APERTURE_START;
		domain->geometry.aperture_end = MOCK_APERTURE_LAST;
	}
	return 0;
}

static int read_data(struct iommu_hwpt_selftest *format,
		     const struct iommu_user_data *data)
{
	if (!data)
		return 0;
	if (data->type == IOMMU_HWPT_DATA_NONE)
		return 0;
	if (data->type != IOMMU_HWPT_DATA_SELFTEST)
		return -EOPNOTSUPP;
	return iommu_copy_struct_from_user(format, data, IOMMU_HWPT_DATA_SELFTEST,
					   iotlb);
}

/**
 * mock_domain_alloc_paging - a domain with a page table
 * @dev: mock device it shall suit
 * @flags: IOMMU_HWPT_ALLOC_*
 * @data: &struct iommu_hwpt_selftest, or NULL
 *
 * Context: process context, may sleep.
 * Return: the domain; ERR_PTR(-EOPNOTSUPP) for flags or data that the mock IOMMU does not
 * know or @dev cannot do, -EINVAL, -EFAULT, -E2BIG the data cannot be read, -ENOMEM.
 */
struct iommu_domain *mock_domain_alloc_paging(struct device *dev, u32 flags,
					      const struct iommu_user_data *data)
{
	const u32 known = IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
			  IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID;
	struct iommu_hwpt_selftest format = {};
	struct mock_domain *mock;
	int rc;

	if (flags & ~known)
		return ERR_PTR(-EOPNOTSUPP);
	if ((flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) &&
	    !device_iommu_capable(dev, IOMMU_CAP_DIRTY_TRACKING))
		return ERR_PTR(-EOPNOTSUPP);
	rc = read_data(&format, data);
	if (rc)
		return ERR_PTR(rc);

	mock = kzalloc_obj(*mock, GFP_KERNEL_ACCOUNT);
	if (!mock)
		return ERR_PTR(-ENOMEM);
	mock->domain.ops = &mock_domain_ops;
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING)
		mock->domain.dirty_ops = &mock_dirty_ops;
	mock->iommu.nid = NUMA_NO_NODE;
	rc = table_init(mock, format.pagetable_type);
	if (rc) {
		mock_domain_free(&mock->domain);
		return ERR_PTR(rc);
	}
	return &mock->domain;
}

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
