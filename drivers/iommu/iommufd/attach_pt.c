// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Attach, replace and detach as drivers call them: which page table an ID stands for.
 *
 * The ID of a page table names it.  The ID of an IOAS asks for one of its automatic page
 * tables: the first that suits the device, and a new one if none does.
 *
 * Locks: the IOAS's mutex is held while an automatic page table is looked for, tried and
 * made, so that two devices do not make one each, and while a page table that only its
 * first device completes is attached; the group's lock is taken under it.
 */
#include <linux/iommu.h>
#include <linux/module.h>

#include "attach.h"
#include "ctx.h"
#include "device.h"
#include "hwpt.h"
#include "igroup.h"
#include "ioas.h"

/* iommufd_attach_hwpt() or iommufd_replace_hwpt(). */
typedef int (*attach_fn)(struct iommufd_device *idev, ioasid_t pasid,
			 struct iommufd_hw_pagetable *hwpt,
			 struct iommufd_detached *old);

/**
 * struct attach_op - a call that is running
 * @idev: the device
 * @pasid: PASID or IOMMU_NO_PASID
 * @fn: what to do with a page table
 * @old: what a replace no longer uses
 * @made: automatic page table that was made for the call, with a reference
 * @hwpt_id: page table that was chosen
 */
struct attach_op {
	struct iommufd_device *idev;
	ioasid_t pasid;
	attach_fn fn;
	struct iommufd_detached old;
	struct iommufd_hw_pagetable *made;
	u32 hwpt_id;
};

static int try_hwpt(struct attach_op *op, struct iommufd_hw_pagetable *hwpt)
{
	op->hwpt_id = hwpt->obj.id;
	return op->fn(op->idev, op->pasid, hwpt, &op->old);
}

/*
 * Only -EINVAL means that page table and device do not suit each other; that is also
 * the answer when no automatic page table is left to try.
 */
static int try_existing(struct attach_op *op, struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt_paging *paging;
	int rc;

	lockdep_assert_held(&ioas->mutex);
	list_for_each_entry(paging, &ioas->hwpts, item) {
		if (!paging->auto_domain ||
		    !iommufd_object_tryget(&paging->common.obj))
			continue;
		rc = try_hwpt(op, &paging->common);
		iommufd_object_put(&ioas->ictx->objects, &paging->common.obj);
		if (rc != -EINVAL)
			return rc;
	}
	return -EINVAL;
}

/*
 * The page table is held until all is over: another device of the group may leave it by a
 * replace as soon as it is attached, and then it has to be published before it goes.
 */
static int try_new(struct attach_op *op, struct iommufd_ioas *ioas)
{
	struct iommufd_objects *objs = &ioas->ictx->objects;
	struct iommufd_hwpt_paging *paging;
	int rc;

	lockdep_assert_held(&ioas->mutex);
	paging = iommufd_hwpt_auto_new(ioas, op->idev);
	if (IS_ERR(paging))
		return PTR_ERR(paging);
	iommufd_object_hold(&paging->common.obj);
	rc = try_hwpt(op, &paging->common);
	if (rc) {
		iommufd_object_release(&paging->common.obj);
		iommufd_object_abort_and_destroy(objs, &paging->common.obj);
		return rc;
	}
	list_add_tail(&paging->item, &ioas->hwpts);
	iommufd_object_finalize(objs, &paging->common.obj);
	op->made = &paging->common;
	return 0;
}

static int attach_to_ioas(struct attach_op *op, struct iommufd_ioas *ioas)
{
	int rc;

	guard(mutex)(&ioas->mutex);
	rc = try_existing(op, ioas);
	if (rc != -EINVAL)
		return rc;
	return try_new(op, ioas);
}

/* One that is filled when its first device comes in must be filled by one call only. */
static int attach_to_paging(struct attach_op *op, struct iommufd_hwpt_paging *paging)
{
	if (iommufd_hwpt_complete_at_alloc(&paging->common))
		return try_hwpt(op, &paging->common);
	guard(mutex)(&paging->ioas->mutex);
	return try_hwpt(op, &paging->common);
}

static int attach_to_object(struct attach_op *op, struct iommufd_object *obj)
{
	struct iommufd_hw_pagetable *hwpt =
		container_of(obj, struct iommufd_hw_pagetable, obj);

	switch (obj->type) {
	case IOMMUFD_OBJ_HWPT_PAGING:
		return attach_to_paging(op, iommufd_hwpt_to_paging(hwpt));
	case IOMMUFD_OBJ_HWPT_NESTED:
		return try_hwpt(op, hwpt);
	case IOMMUFD_OBJ_IOAS:
		return attach_to_ioas(op, container_of(obj, struct iommufd_ioas,
						       obj));
	default:
		return iommufd_refuse(&op->idev->ictx->log, -EINVAL,
				      WHY_BAD_ARGUMENT,
				      "object %u is neither an IOAS nor a page table",
				      obj->id);
	}
}

static int run(struct attach_op *op, u32 pt_id)
{
	struct iommufd_ctx *ictx = op->idev->ictx;
	struct iommufd_object *obj;
	int rc;

	if (!iommufd_device_has_iommu(op->idev))
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_NO_IOMMU,
				      "%s is behind no IOMMU, mappings would not apply to it",
				      dev_name(op->idev->dev));
	obj = iommufd_object_get(&ictx->objects, pt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	rc = attach_to_object(op, obj);
	iommufd_object_put(&ictx->objects, obj);
	if (op->made)
		iommufd_hwpt_release(op->made, 1);
	return rc;
}

/**
 * iommufd_device_attach - let a device, or one PASID of it, do DMA
 * @idev: bound device
 * @pasid: PASID or IOMMU_NO_PASID
 * @pt_id: in: IOAS or page table; out: page table that was attached
 *
 * Context: process context, may sleep.
 * Return: 0; -ENOENT no such object; -EINVAL wrong type, behind no IOMMU, or page table,
 * device and the rest of the group do not go together; -EBUSY attached already;
 * -EADDRINUSE a reserved region of the device is mapped or allowed; -ENOMEM; what pinning
 * and the IOMMU driver say.
 */
int iommufd_device_attach(struct iommufd_device *idev, ioasid_t pasid, u32 *pt_id)
{
	struct attach_op op = {
		.idev = idev,
		.pasid = pasid,
		.fn = iommufd_attach_hwpt,
	};
	int rc;

	rc = run(&op, *pt_id);
	if (!rc)
		*pt_id = op.hwpt_id;
	iommufd_report_result(&idev->ictx->log, "DEVICE_ATTACH", rc);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_attach, "IOMMUFD");

/**
 * iommufd_device_replace - change the page table without a gap
 * @idev: attached device; all of its group move
 * @pasid: PASID or IOMMU_NO_PASID
 * @pt_id: in: IOAS or page table; out: page table that was attached
 *
 * Context: process context, may sleep.
 * Return: 0, also when nothing had to change; as iommufd_device_attach(), and -EINVAL when
 * the device is not attached.  Everything stays as it was on failure.
 */
int iommufd_device_replace(struct iommufd_device *idev, ioasid_t pasid, u32 *pt_id)
{
	struct attach_op op = {
		.idev = idev,
		.pasid = pasid,
		.fn = iommufd_replace_hwpt,
	};
	int rc;

	rc = run(&op, *pt_id);
	if (!rc)
		*pt_id = op.hwpt_id;
	if (op.old.hwpt)
		iommufd_hwpt_release(op.old.hwpt, op.old.nrefs);
	iommufd_report_result(&idev->ictx->log, "DEVICE_REPLACE", rc);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_replace, "IOMMUFD");

/**
 * iommufd_device_detach - block the DMA of a device or of one of its PASIDs
 * @idev: bound device
 * @pasid: what was attached; nothing happens if it is not
 *
 * Context: process context, may sleep.
 */
void iommufd_device_detach(struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_detached old = {};

	if (!iommufd_device_has_iommu(idev))
		return;
	iommufd_detach_hwpt(idev, pasid, &old);
	if (old.hwpt)
		iommufd_hwpt_release(old.hwpt, old.nrefs);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_detach, "IOMMUFD");
