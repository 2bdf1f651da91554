// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Nested HWPTs: the first stage is in guest memory, below it lies a paging HWPT that was
 * allocated to be a parent.  Some IOMMU drivers make them from that parent, others from
 * a vIOMMU, which has one.
 *
 * iommufd never maps anything in such a domain; user space tells of its own changes by
 * IOMMU_HWPT_INVALIDATE.
 *
 * Locks: none.
 */
#include <linux/iommu.h>

#include "../iommu-priv.h"
#include "ctx.h"
#include "device.h"
#include "hwpt.h"
#include "ioas.h"

static void hwpt_nested_destroy(struct iommufd_object *obj)
{
	struct iommufd_hwpt_nested *nested =
		container_of(obj, struct iommufd_hwpt_nested, common.obj);

	/* The driver may need what the domain was made of until it is gone. */
	iommufd_hwpt_free_domain(&nested->common);
	if (nested->viommu)
		iommufd_object_release(&nested->viommu->obj);
	iommufd_object_release(&nested->parent->common.obj);
}

const struct iommufd_object_ops iommufd_hwpt_nested_object_ops = {
	.name = "hwpt-nested",
	.destroy = hwpt_nested_destroy,
};

/* Whatever makes nested tables: the same is asked of both. */
static int check_nested_args(struct iommufd_log *log, bool can_nest,
			     const struct iommufd_hwpt_args *args)
{
	u32 unknown = args->flags & ~(IOMMU_HWPT_FAULT_ID_VALID |
				      IOMMU_HWPT_ALLOC_PASID);

	if (unknown)
		return iommufd_refuse(log, -EOPNOTSUPP, WHY_BAD_FLAGS,
				      "flags 0x%x are unknown or not for a nested table",
				      unknown);
	if (!args->data)
		return iommufd_refuse(log, -EOPNOTSUPP, WHY_BAD_ARGUMENT,
				      "a nested table needs the driver's data");
	if (!can_nest)
		return iommufd_refuse(log, -EOPNOTSUPP, WHY_NOT_SUPPORTED,
				      "the IOMMU driver of %s makes no nested tables here",
				      dev_name(args->idev->dev));
	return 0;
}

static int check_parent(const struct iommufd_hwpt_paging *parent,
			const struct iommu_ops *ops)
{
	struct iommufd_log *log = &parent->common.ictx->log;
	u32 id = parent->common.obj.id;

	if (parent->auto_domain || !parent->nest_parent)
		return iommufd_refuse(log, -EINVAL, WHY_BAD_ARGUMENT,
				      "page table %u was not allocated to be a parent",
				      id);
	if (parent->common.domain->owner != ops)
		return iommufd_refuse(log, -EINVAL, WHY_BAD_ARGUMENT,
				      "page table %u belongs to another IOMMU driver",
				      id);
	return 0;
}

/* Without a domain yet. */
static struct iommufd_hwpt_nested *nested_new(struct iommufd_hwpt_paging *parent,
					      struct iommufd_viommu *viommu,
					      const struct iommufd_hwpt_args *args)
{
	struct iommufd_ctx *ictx = parent->common.ictx;
	struct iommufd_hwpt_nested *nested;

	nested = iommufd_object_new(&ictx->objects, nested,
				    IOMMUFD_OBJ_HWPT_NESTED, common.obj);
	if (IS_ERR(nested))
		return nested;
	nested->common.ictx = ictx;
	nested->common.pasid_compat = args->flags & IOMMU_HWPT_ALLOC_PASID;
	nested->parent = parent;
	iommufd_object_hold(&parent->common.obj);
	if (viommu) {
		nested->viommu = viommu;
		iommufd_object_hold(&viommu->obj);
	}
	return nested;
}

/* Take over the domain that the driver made, or end @nested with its errno. */
static struct iommufd_hw_pagetable *adopt_domain(struct iommufd_hwpt_nested *nested,
						 struct iommu_domain *domain,
						 const struct iommu_ops *ops,
						 struct device *dev)
{
	struct iommufd_ctx *ictx = nested->common.ictx;
	int rc = 0;

	if (IS_ERR(domain)) {
		rc = PTR_ERR(domain);
	} else {
		domain->owner = ops;
		domain->cookie_type = IOMMU_COOKIE_IOMMUFD;
		domain->iommufd_hwpt = &nested->common;
		nested->common.domain = domain;
		if (WARN_ON_ONCE(domain->type != IOMMU_DOMAIN_NESTED))
			rc = -EINVAL;
	}
	if (!rc)
		return &nested->common;
	iommufd_refuse(&ictx->log, rc, WHY_DRIVER,
		       "the IOMMU driver of %s refused to make a nested table",
		       dev_name(dev));
	iommufd_object_abort_and_destroy(&ictx->objects, &nested->common.obj);
	return ERR_PTR(rc);
}

/**
 * iommufd_hwpt_nested_new - make a nested HWPT over a parent
 * @parent: the parent; the caller holds a reference
 * @args: what is asked for
 *
 * The caller publishes it by iommufd_hwpt_publish(), or ends it by
 * iommufd_object_abort_and_destroy().
 *
 * Context: may sleep.
 * Return: the HWPT; an ERR_PTR: -EOPNOTSUPP other flags, no data, or a driver without
 * nesting; -EINVAL @parent cannot be one for the device; -ENOMEM; -EBUSY no ID left;
 * what the IOMMU driver says.
 */
struct iommufd_hw_pagetable *
iommufd_hwpt_nested_new(struct iommufd_hwpt_paging *parent,
			const struct iommufd_hwpt_args *args)
{
	struct device *dev = args->idev->dev;
	const struct iommu_ops *ops = dev_iommu_ops(dev);
	struct iommufd_hwpt_nested *nested;
	struct iommu_domain *domain;
	int rc;

	rc = check_nested_args(&parent->common.ictx->log,
			       ops->domain_alloc_nested, args);
	if (!rc)
		rc = check_parent(parent, ops);
	if (rc)
		return ERR_PTR(rc);

	nested = nested_new(parent, NULL, args);
	if (IS_ERR(nested))
		return ERR_CAST(nested);
	domain = ops->domain_alloc_nested(dev, parent->common.domain,
					  args->flags & ~IOMMU_HWPT_FAULT_ID_VALID,
					  args->data);
	return adopt_domain(nested, domain, ops, dev);
}

/**
 * iommufd_hwpt_viommu_nested_new - make a nested HWPT of a vIOMMU
 * @viommu: the vIOMMU; the caller holds a reference
 * @args: what is asked for
 *
 * The rest as iommufd_hwpt_nested_new().
 *
 * Context: may sleep.
 * Return: the HWPT; an ERR_PTR: -EINVAL the device is behind another IOMMU; -EOPNOTSUPP
 * other flags, no data, or a vIOMMU without nesting; -ENOMEM; -EBUSY no ID left; what
 * the IOMMU driver says.
 */
struct iommufd_hw_pagetable *
iommufd_hwpt_viommu_nested_new(struct iommufd_viommu *viommu,
			       const struct iommufd_hwpt_args *args)
{
	struct iommufd_log *log = &viommu->ictx->log;
	struct device *dev = args->idev->dev;
	struct iommufd_hwpt_nested *nested;
	struct iommu_domain *domain;
	int rc;

	if (__iommu_get_iommu_dev(dev) != viommu->iommu_dev)
		return ERR_PTR(iommufd_refuse(log, -EINVAL, WHY_BAD_ARGUMENT,
					      "%s is behind another IOMMU than vIOMMU %u",
					      dev_name(dev), viommu->obj.id));
	rc = check_nested_args(log, viommu->ops->alloc_domain_nested, args);
	if (rc)
		return ERR_PTR(rc);

	nested = nested_new(viommu->hwpt, viommu, args);
	if (IS_ERR(nested))
		return ERR_CAST(nested);
	domain = viommu->ops->alloc_domain_nested(viommu,
						  args->flags & ~IOMMU_HWPT_FAULT_ID_VALID,
						  args->data);
	return adopt_domain(nested, domain, dev_iommu_ops(dev), dev);
}
