// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Nested domains of the mock IOMMU.  User space's first stage is never walked; what
 * there is of it is an IOTLB of four numbers that invalidations set to zero.
 *
 * Locks: none.
 */
#include <linux/iommufd.h>
#include <linux/slab.h>

#include "mock_attach.h"
#include "mock_domain.h"

static struct mock_nested_domain *nested_of(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_nested_domain, domain);
}

static int nested_attach(struct iommu_domain *domain, struct device *dev,
			 struct iommu_domain *old)
{
	return mock_attach(domain, dev, old, nested_of(domain)->viommu);
}

static void nested_free(struct iommu_domain *domain)
{
	kfree(nested_of(domain));
}

static int invalidate_one(struct mock_nested_domain *nested,
			  const struct iommu_hwpt_invalidate_selftest *request)
{
	u32 id = request->iotlb_id;

	if (request->flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (request->flags & IOMMU_TEST_INVALIDATE_FLAG_ALL) {
		for (id = 0; id < MOCK_NESTED_DOMAIN_IOTLB_NUM; id++)
			WRITE_ONCE(nested->iotlb[id], 0);
		return 0;
	}
	if (id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX)
		return -EINVAL;
	WRITE_ONCE(nested->iotlb[id], 0);
	return 0;
}

/* Entry by entry; what was done before a bad one stays done. */
static int nested_invalidate(struct iommu_domain *domain,
			     struct iommu_user_data_array *array)
{
	struct iommu_hwpt_invalidate_selftest request;
	u32 done = 0;
	int rc = 0;

	if (array->type != IOMMU_HWPT_INVALIDATE_DATA_SELFTEST)
		rc = -EINVAL;
	while (!rc && done < array->entry_num) {
		rc = iommu_copy_struct_from_user_array(&request, array,
						       IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
						       done, iotlb_id);
		if (!rc)
			rc = invalidate_one(nested_of(domain), &request);
		if (!rc)
			done++;
	}
	array->entry_num = done;
	return rc;
}

static const struct iommu_domain_ops mock_nested_ops = {
	.attach_dev = nested_attach,
	.set_dev_pasid = mock_attach_pasid,
	.cache_invalidate_user = nested_invalidate,
	.free = nested_free,
};

/**
 * mock_nested_domain_of - is it one of these domains?
 * @domain: any domain
 *
 * Context: any.
 * Return: the nested domain; NULL for every other.
 */
struct mock_nested_domain *mock_nested_domain_of(struct iommu_domain *domain)
{
	return domain->ops == &mock_nested_ops ? nested_of(domain) : NULL;
}

static struct iommu_domain *nested_alloc(struct iommufd_viommu *viommu, u32 flags,
					 const struct iommu_user_data *data)
{
	struct iommu_hwpt_selftest first_stage;
	struct mock_nested_domain *nested;
	int rc;

	if (flags & ~IOMMU_HWPT_ALLOC_PASID)
		return ERR_PTR(-EOPNOTSUPP);
	if (data->type != IOMMU_HWPT_DATA_SELFTEST)
		return ERR_PTR(-EOPNOTSUPP);
	rc = iommu_copy_struct_from_user(&first_stage, data,
					 IOMMU_HWPT_DATA_SELFTEST, iotlb);
	if (rc)
		return ERR_PTR(rc);

	nested = kzalloc_obj(*nested, GFP_KERNEL_ACCOUNT);
	if (!nested)
		return ERR_PTR(-ENOMEM);
	nested->domain.type = IOMMU_DOMAIN_NESTED;
	nested->domain.ops = &mock_nested_ops;
	nested->viommu = viommu;
	for (int i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		nested->iotlb[i] = first_stage.iotlb;
	return &nested->domain;
}

/**
 * mock_domain_alloc_nested - a nested domain over a parent
 * @dev: mock device
 * @parent: domain that translates what comes out of the first stage
 * @flags: IOMMU_HWPT_ALLOC_PASID
 * @data: &struct iommu_hwpt_selftest
 *
 * Context: process context, may sleep.
 * Return: the domain; ERR_PTR(-EINVAL) for a parent of another driver or unreadable data,
 * -EOPNOTSUPP for unknown flags or data, -EFAULT, -E2BIG, -ENOMEM.
 */
struct iommu_domain *mock_domain_alloc_nested(struct device *dev,
					      struct iommu_domain *parent, u32 flags,
					      const struct iommu_user_data *data)
{
	if (!mock_domain_of(parent))
		return ERR_PTR(-EINVAL);
	return nested_alloc(NULL, flags, data);
}

/**
 * mock_viommu_alloc_nested - a nested domain of a vIOMMU
 * @viommu: the vIOMMU; stays as long as the domain
 * @flags: IOMMU_HWPT_ALLOC_PASID
 * @data: &struct iommu_hwpt_selftest
 *
 * Context: process context, may sleep.
 * Return: as mock_domain_alloc_nested().
 */
struct iommu_domain *mock_viommu_alloc_nested(struct iommufd_viommu *viommu, u32 flags,
					      const struct iommu_user_data *data)
{
	return nested_alloc(viommu, flags, data);
}
