// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Paging HWPTs: an IOMMU domain that shows an IOAS, here those that attaching a device
 * to an IOAS makes and that go with their last attachment.
 *
 * Some drivers know the format of a domain only when the first device is attached.  So
 * a new HWPT is empty; attach.c has it filled before it lets a device in where the
 * domain is complete by then, and else right after.
 *
 * Locks: the IOAS's mutex protects its list of HWPTs; the domain itself is protected by
 * the page table (iopt.h) and the IOMMU driver.
 */
#include <linux/iommu.h>

#include "../iommu-priv.h"
#include "device.h"
#include "hwpt.h"
#include "ioas.h"

static struct iommufd_hwpt_paging *paging_of(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_hwpt_paging, common.obj);
}

static void hwpt_paging_destroy(struct iommufd_object *obj)
{
	struct iommufd_hwpt_paging *paging = paging_of(obj);
	struct iommufd_ioas *ioas = paging->ioas;

	/* The maker puts it in the list just before it is published. */
	if (!list_empty(&paging->item)) {
		guard(mutex)(&ioas->mutex);
		list_del_init(&paging->item);
	}
	if (paging->in_iopt)
		iopt_remove_domain(&ioas->iopt, &paging->entry);
	if (paging->common.domain)
		iommu_domain_free(paging->common.domain);
	iommufd_object_release(&ioas->obj);
}

const struct iommufd_object_ops iommufd_hwpt_paging_object_ops = {
	.name = "hwpt",
	.destroy = hwpt_paging_destroy,
};

/*
 * Has to come before the first mapping: with some drivers every entry of the page
 * table tells about coherency.
 */
static int enforce_coherency(struct iommufd_hwpt_paging *paging,
			     struct iommufd_device *idev)
{
	struct iommu_domain *domain = paging->common.domain;

	if (!idev->enforce_cache_coherency)
		return 0;
	if (!domain->ops->enforce_cache_coherency ||
	    !domain->ops->enforce_cache_coherency(domain))
		return iommufd_refuse(&paging->ioas->ictx->log, -EINVAL,
				      WHY_COHERENCY,
				      "the IOMMU of %s cannot enforce coherency although it says so",
				      dev_name(idev->dev));
	paging->enforce_cache_coherency = true;
	return 0;
}

static int alloc_domain(struct iommufd_hwpt_paging *paging,
			struct iommufd_device *idev)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(idev->dev);

	if (IS_ERR(domain))
		return iommufd_refuse(&paging->ioas->ictx->log, PTR_ERR(domain),
				      WHY_DRIVER,
				      "the IOMMU driver of %s makes no page table",
				      dev_name(idev->dev));
	domain->cookie_type = IOMMU_COOKIE_IOMMUFD;
	domain->iommufd_hwpt = &paging->common;
	paging->common.domain = domain;
	paging->entry.domain = domain;
	return enforce_coherency(paging, idev);
}

/**
 * iommufd_hwpt_auto_new - make the HWPT for attaching a device to an IOAS
 * @ioas: the IOAS; the caller holds a reference
 * @idev: first device, bound, behind an IOMMU
 *
 * The HWPT is empty and not published.  The caller fills it, adds it to ioas->hwpts
 * and publishes it, or ends it by iommufd_object_abort_and_destroy().
 *
 * Context: ioas->mutex held; may sleep.
 * Return: the HWPT; an ERR_PTR: -ENOMEM, -EBUSY no ID left, -EINVAL, or what the IOMMU
 * driver says.
 */
struct iommufd_hwpt_paging *iommufd_hwpt_auto_new(struct iommufd_ioas *ioas,
						  struct iommufd_device *idev)
{
	struct iommufd_objects *objs = &ioas->ictx->objects;
	struct iommufd_hwpt_paging *paging;
	int rc;

	lockdep_assert_held(&ioas->mutex);
	paging = iommufd_object_new(objs, paging, IOMMUFD_OBJ_HWPT_PAGING,
				    common.obj);
	if (IS_ERR(paging))
		return paging;
	INIT_LIST_HEAD(&paging->item);
	paging->auto_domain = true;
	paging->ioas = ioas;
	iommufd_object_hold(&ioas->obj);
	rc = alloc_domain(paging, idev);
	if (rc) {
		iommufd_object_abort_and_destroy(objs, &paging->common.obj);
		return ERR_PTR(rc);
	}
	return paging;
}

/**
 * iommufd_hwpt_complete_at_alloc - does a domain work before the first attach
 * @hwpt: page table
 *
 * True where the driver serves IOMMU_HWPT_ALLOC, which maps before it attaches, or
 * uses the generic page table.  Others may look at the first device to decide about
 * page sizes and aperture.
 *
 * Context: any.
 * Return: true when it can be filled now.
 */
bool iommufd_hwpt_complete_at_alloc(const struct iommufd_hw_pagetable *hwpt)
{
	const struct iommu_domain *domain = hwpt->domain;

	return domain->is_iommupt ||
	       (domain->owner && domain->owner->domain_alloc_paging_flags);
}

/**
 * iommufd_hwpt_fill - make a new HWPT show its IOAS
 * @paging: HWPT that nobody else knows yet, or a finished one
 *
 * Context: may sleep and fault.
 * Return: 0, also when it does already; the errnos of iopt_add_domain().
 */
int iommufd_hwpt_fill(struct iommufd_hwpt_paging *paging)
{
	int rc;

	if (paging->in_iopt)
		return 0;
	rc = iopt_add_domain(&paging->ioas->iopt, &paging->entry);
	if (!rc)
		paging->in_iopt = true;
	return rc;
}

/**
 * iommufd_hwpt_release - give the references of attachments back
 * @hwpt: page table
 * @nrefs: how many long references, at least one
 *
 * An automatic HWPT that nobody uses any more is destroyed.
 *
 * Context: may sleep; takes the IOAS's mutex.
 */
void iommufd_hwpt_release(struct iommufd_hw_pagetable *hwpt, unsigned int nrefs)
{
	struct iommufd_hwpt_paging *paging;

	while (--nrefs)
		iommufd_object_release(&hwpt->obj);

	if (iommufd_hwpt_is_paging(hwpt)) {
		paging = iommufd_hwpt_to_paging(hwpt);
		if (paging->auto_domain) {
			iommufd_object_put_and_try_destroy(&paging->ioas->ictx->objects,
							   &hwpt->obj);
			return;
		}
	}
	iommufd_object_release(&hwpt->obj);
}
