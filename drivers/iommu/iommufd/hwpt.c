// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Paging HWPTs: an IOMMU domain that shows an IOAS.  Attaching a device to an IOAS makes
 * automatic ones, which go with their last attachment; IOMMU_HWPT_ALLOC makes those that
 * user space names and destroys itself, and that no attach to the IOAS ever picks.
 *
 * Some drivers know the format of a domain only when the first device is attached.  So
 * a new HWPT is empty.  It is filled before anybody can attach to it where the domain is
 * complete by then, and else by attach_hw.c right after its first device came in.
 *
 * Locks: the IOAS's mutex protects its list of HWPTs; the domain itself is protected by
 * the page table (iopt.h) and the IOMMU driver.
 */
#include <linux/iommu.h>

#include "../iommu-priv.h"
#include "device.h"
#include "fault.h"
#include "hwpt.h"
#include "ioas.h"

static struct iommufd_hwpt_paging *paging_of(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_hwpt_paging, common.obj);
}

/**
 * iommufd_hwpt_free_domain - the end that all HWPTs have in common
 * @hwpt: attached to nothing; empty, or half made
 *
 * Context: may sleep.
 */
void iommufd_hwpt_free_domain(struct iommufd_hw_pagetable *hwpt)
{
	if (hwpt->domain)
		iommu_domain_free(hwpt->domain);
	if (hwpt->fault)
		iommufd_object_release(&hwpt->fault->obj);
}

/**
 * iommufd_hwpt_set_fault - let a fault queue have the page requests
 * @hwpt: new, nobody knows it yet
 * @fault: the queue; the caller holds a reference
 *
 * Context: any.
 */
void iommufd_hwpt_set_fault(struct iommufd_hw_pagetable *hwpt,
			    struct iommufd_fault *fault)
{
	iommufd_object_hold(&fault->obj);
	hwpt->fault = fault;
	hwpt->domain->iopf_handler = iommufd_fault_iopf_handler;
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
	iommufd_hwpt_free_domain(&paging->common);
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

/* Data of user space goes to the driver directly, the core's function takes none. */
static struct iommu_domain *ask_driver(struct device *dev, u32 flags,
				       const struct iommu_user_data *data)
{
	const struct iommu_ops *ops = dev_iommu_ops(dev);
	struct iommu_domain *domain;

	if (!data)
		return iommu_paging_domain_alloc_flags(dev, flags);
	domain = ops->domain_alloc_paging_flags(dev, flags, data);
	if (IS_ERR(domain))
		return domain;
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	domain->owner = ops;
	if (!domain->ops)
		domain->ops = ops->default_domain_ops;
	return domain;
}

static int alloc_domain(struct iommufd_hwpt_paging *paging,
			const struct iommufd_hwpt_args *args)
{
	struct device *dev = args->idev->dev;
	struct iommu_domain *domain;

	/* The fault queue is no business of the driver. */
	domain = ask_driver(dev, args->flags & ~IOMMU_HWPT_FAULT_ID_VALID,
			    args->data);
	if (IS_ERR(domain))
		return iommufd_refuse(&paging->ioas->ictx->log, PTR_ERR(domain),
				      WHY_DRIVER,
				      "the IOMMU driver of %s makes no page table with flags 0x%x",
				      dev_name(dev), args->flags);
	domain->cookie_type = IOMMU_COOKIE_IOMMUFD;
	domain->iommufd_hwpt = &paging->common;
	paging->common.domain = domain;
	paging->entry.domain = domain;
	return enforce_coherency(paging, args->idev);
}

/* With its domain, which is empty. */
static struct iommufd_hwpt_paging *paging_new(struct iommufd_ioas *ioas,
					      const struct iommufd_hwpt_args *args)
{
	struct iommufd_objects *objs = &ioas->ictx->objects;
	struct iommufd_hwpt_paging *paging;
	int rc;

	paging = iommufd_object_new(objs, paging, IOMMUFD_OBJ_HWPT_PAGING,
				    common.obj);
	if (IS_ERR(paging))
		return paging;
	INIT_LIST_HEAD(&paging->item);
	paging->common.ictx = ioas->ictx;
	paging->common.pasid_compat = args->flags & IOMMU_HWPT_ALLOC_PASID;
	paging->nest_parent = args->flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	paging->ioas = ioas;
	iommufd_object_hold(&ioas->obj);
	rc = alloc_domain(paging, args);
	if (rc) {
		iommufd_object_abort_and_destroy(objs, &paging->common.obj);
		return ERR_PTR(rc);
	}
	return paging;
}

static bool can_track_dirty(struct device *dev)
{
	return dev_iommu_ops(dev)->domain_alloc_paging_flags &&
	       device_iommu_capable(dev, IOMMU_CAP_DIRTY_TRACKING);
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
	struct iommufd_hwpt_args args = { .idev = idev };
	struct iommufd_hwpt_paging *paging;

	lockdep_assert_held(&ioas->mutex);
	if (ioas->track_dirty && can_track_dirty(idev->dev))
		args.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	paging = paging_new(ioas, &args);
	if (IS_ERR(paging) && args.flags) {
		args.flags = 0;
		paging = paging_new(ioas, &args);
	}
	if (!IS_ERR(paging))
		paging->auto_domain = true;
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

#define PAGING_FLAGS                                                           \
	(IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING |      \
	 IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID)

static int check_paging_args(struct iommufd_log *log,
			     const struct iommufd_hwpt_args *args)
{
	const u32 parent_with_faults = IOMMU_HWPT_ALLOC_NEST_PARENT |
				       IOMMU_HWPT_FAULT_ID_VALID;
	struct device *dev = args->idev->dev;

	if (args->flags & ~PAGING_FLAGS)
		return iommufd_refuse(log, -EOPNOTSUPP, WHY_BAD_FLAGS,
				      "flags 0x%x are unknown or not for a table over an IOAS",
				      args->flags & ~PAGING_FLAGS);
	if ((args->flags || args->data) &&
	    !dev_iommu_ops(dev)->domain_alloc_paging_flags)
		return iommufd_refuse(log, -EOPNOTSUPP, WHY_NOT_SUPPORTED,
				      "the IOMMU driver of %s takes neither flags nor data",
				      dev_name(dev));
	if ((args->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) &&
	    !device_iommu_capable(dev, IOMMU_CAP_DIRTY_TRACKING))
		return iommufd_refuse(log, -EOPNOTSUPP, WHY_NOT_SUPPORTED,
				      "the IOMMU of %s tracks no dirty pages",
				      dev_name(dev));
	if ((args->flags & parent_with_faults) == parent_with_faults)
		return iommufd_refuse(log, -EOPNOTSUPP, WHY_BAD_FLAGS,
				      "faults of nested translation go to the nested tables, not to their parent");
	return 0;
}

/**
 * iommufd_hwpt_paging_new - make the HWPT that user space asks for over an IOAS
 * @ioas: the IOAS; the caller holds a reference
 * @args: what is asked for
 *
 * It shows the IOAS already, unless its driver completes domains at the first attach
 * only.  The caller publishes it by iommufd_hwpt_publish(), or ends it by
 * iommufd_object_abort_and_destroy().
 *
 * Context: may sleep and fault.
 * Return: the HWPT; an ERR_PTR: -EOPNOTSUPP flags or data that the driver or the device
 * lack; -ENOMEM; -EBUSY no ID left; the errnos of iopt_add_domain(); what the IOMMU
 * driver says.
 */
struct iommufd_hw_pagetable *
iommufd_hwpt_paging_new(struct iommufd_ioas *ioas,
			const struct iommufd_hwpt_args *args)
{
	struct iommufd_hwpt_paging *paging;
	int rc;

	rc = check_paging_args(&ioas->ictx->log, args);
	if (rc)
		return ERR_PTR(rc);
	paging = paging_new(ioas, args);
	if (IS_ERR(paging))
		return ERR_CAST(paging);
	if (iommufd_hwpt_complete_at_alloc(&paging->common))
		rc = iommufd_hwpt_fill(paging);
	if (rc) {
		iommufd_object_abort_and_destroy(&ioas->ictx->objects,
						 &paging->common.obj);
		return ERR_PTR(rc);
	}
	return &paging->common;
}

/**
 * iommufd_hwpt_publish - let lookups find a new HWPT
 * @hwpt: complete; another thread may destroy it from now on
 *
 * Context: may sleep; takes the IOAS's mutex, unless the HWPT is nested.  Cannot fail.
 */
void iommufd_hwpt_publish(struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_objects *objs = &hwpt->ictx->objects;
	struct iommufd_hwpt_paging *paging;
	struct iommufd_ioas *ioas;
	bool brief;

	if (!iommufd_hwpt_is_paging(hwpt)) {
		iommufd_object_finalize(objs, &hwpt->obj);
		return;
	}
	paging = iommufd_hwpt_to_paging(hwpt);
	ioas = paging->ioas;
	/*
	 * Others may have destroyed the HWPT when the mutex is released.  A DESTROY of
	 * the IOAS waits for a short reference.  If it lets nobody have one any more
	 * it is about to fail, since the HWPT holds the IOAS.
	 */
	brief = iommufd_object_tryget(&ioas->obj);
	if (!brief)
		iommufd_object_hold(&ioas->obj);
	scoped_guard(mutex, &ioas->mutex) {
		list_add_tail(&paging->item, &ioas->hwpts);
		iommufd_object_finalize(objs, &hwpt->obj);
	}
	if (brief)
		iommufd_object_put(objs, &ioas->obj);
	else
		iommufd_object_release(&ioas->obj);
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
			iommufd_object_put_and_try_destroy(&hwpt->ictx->objects,
							   &hwpt->obj);
			return;
		}
	}
	iommufd_object_release(&hwpt->obj);
}
