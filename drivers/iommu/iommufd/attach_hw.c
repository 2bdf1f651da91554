// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The step of an attachment that the IOMMU core and its drivers do: for the device
 * itself by group, for a PASID by device (the core extends that to the group).
 *
 * The core keeps a handle of ours with each attachment.  A new one is made for each
 * attach and replace, because some of the core's paths look at the handle without a
 * lock.
 *
 * Before a device comes in, the page table shows its IOAS and has the interrupt pages
 * that the group's devices use already, where the domain is complete by then.
 *
 * Locks: the group's lock is held by all callers; that of a fault queue is taken under it.
 */
#include <linux/iommu.h>
#include <linux/slab.h>

#include "../iommu-priv.h"
#include "attach_hw.h"
#include "ctx.h"
#include "device.h"
#include "fault.h"
#include "hwpt.h"
#include "ioas.h"

static struct iommufd_attach_handle *handle_new(struct iommufd_device *idev)
{
	struct iommufd_attach_handle *handle;

	handle = kzalloc_obj(*handle, GFP_KERNEL_ACCOUNT);
	if (handle) {
		handle->igroup = idev->igroup;
		handle->idev = idev;
		handle->dev_id = idev->obj.id;
	}
	return handle;
}

static struct iommufd_attach_handle *handle_find(struct iommufd_group *igroup,
						 ioasid_t pasid)
{
	struct iommu_attach_handle *raw;

	lockdep_assert_held(&igroup->lock);
	raw = iommu_attach_handle_get(igroup->group, pasid, 0);
	if (IS_ERR(raw))
		return NULL;
	return container_of(raw, struct iommufd_attach_handle, handle);
}

/* The core does not know the handle any more: nothing new comes through it. */
static void handle_end(struct iommufd_attach_handle *handle,
		       const struct iommufd_hw_pagetable *hwpt)
{
	iommufd_fault_end_attachment(hwpt->fault, handle);
	kfree(handle);
}

/* The errno is the driver's: told, and passed on. */
static int note_driver(int rc, const struct iommufd_hw_pagetable *hwpt,
		       const struct iommufd_device *idev, ioasid_t pasid)
{
	if (rc)
		iommufd_refuse(&idev->ictx->log, rc, WHY_DRIVER,
			       "the IOMMU of %s refused page table %u (pasid %u)",
			       dev_name(idev->dev), hwpt->obj.id, pasid);
	return rc;
}

/* @handle is the core's on success, and still the caller's else. */
static int core_attach(struct iommufd_attach_handle *handle,
		       struct iommufd_hw_pagetable *hwpt, ioasid_t pasid)
{
	struct iommu_domain *domain = hwpt->domain;
	struct iommufd_device *idev = handle->idev;
	int rc;

	rc = pasid == IOMMU_NO_PASID ?
		iommu_attach_group_handle(domain, handle->igroup->group,
					  &handle->handle) :
		iommu_attach_device_pasid(domain, idev->dev, pasid,
					  &handle->handle);
	return note_driver(rc, hwpt, idev, pasid);
}

/* The same; ends the handle of @from that the core had before. */
static int core_replace(struct iommufd_attach_handle *handle,
			const struct iommufd_hw_pagetable *from,
			struct iommufd_hw_pagetable *hwpt, ioasid_t pasid)
{
	struct iommufd_attach_handle *old = handle_find(handle->igroup, pasid);
	struct iommu_domain *domain = hwpt->domain;
	struct iommufd_device *idev = handle->idev;
	int rc;

	rc = pasid == IOMMU_NO_PASID ?
		iommu_replace_group_handle(handle->igroup->group, domain,
					   &handle->handle) :
		iommu_replace_device_pasid(domain, idev->dev, pasid,
					   &handle->handle);
	if (!rc && old)
		handle_end(old, from);
	return note_driver(rc, hwpt, idev, pasid);
}

/*
 * Interrupt pages stay in a page table until it goes, and so does the reservation of
 * their window; those of the devices end when they are detached.
 */
static int keep_msi_window(const struct iommufd_group *igroup,
			   struct iommufd_hwpt_paging *paging)
{
	struct iova_span window;
	int rc;

	if (paging->has_msi_window && paging->msi_window == igroup->sw_msi_start)
		return 0;
	rc = iova_span_make(&window, igroup->sw_msi_start, igroup->sw_msi_length);
	if (!rc)
		rc = iopt_reserve(&paging->ioas->iopt, &window,
				  paging->common.domain, "msi pages");
	if (rc)
		return rc;
	paging->msi_window = igroup->sw_msi_start;
	paging->has_msi_window = true;
	return 0;
}

/* Only the device itself sends MSIs, and only for it the window is reserved. */
static int install_msi(struct iommufd_hw_pagetable *hwpt,
		       struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_hwpt_paging *paging = iommufd_hwpt_last_stage(hwpt);
	struct iommufd_group *igroup = idev->igroup;
	int rc;

	lockdep_assert_held(&igroup->lock);
	if (!IS_ENABLED(CONFIG_IRQ_MSI_IOMMU) || pasid != IOMMU_NO_PASID ||
	    igroup->sw_msi_start == PHYS_ADDR_MAX)
		return 0;
	rc = keep_msi_window(igroup, paging);
	if (rc)
		return rc;
	rc = iommufd_sw_msi_install(igroup, paging);
	if (rc)
		return iommufd_refuse(&idev->ictx->log, rc, WHY_DRIVER,
				      "the MSI pages of %s cannot be mapped in page table %u",
				      dev_name(idev->dev), hwpt->obj.id);
	return 0;
}

/*
 * What can be done before the device comes in; a domain that its driver completes at the
 * first attach takes no mapping before.
 */
static int prepare(struct iommufd_hw_pagetable *hwpt, struct iommufd_device *idev,
		   ioasid_t pasid)
{
	const unsigned long *needed = idev->igroup->required_sw_msi.ids;
	struct iommufd_hwpt_paging *paging = iommufd_hwpt_last_stage(hwpt);
	int rc;

	if (iommufd_hwpt_complete_at_alloc(hwpt)) {
		rc = iommufd_hwpt_fill(paging);
		if (rc)
			return rc;
	}
	/* data_race: one that is set up right now is for finish(). */
	if (!paging->in_iopt || data_race(bitmap_empty(needed, IOMMUFD_SW_MSI_MAX)))
		return 0;
	return install_msi(hwpt, idev, pasid);
}

/* The rest, with the device in; also MSIs that were set up since prepare(). */
static int finish(struct iommufd_hw_pagetable *hwpt, struct iommufd_device *idev,
		  ioasid_t pasid)
{
	int rc;

	rc = iommufd_hwpt_fill(iommufd_hwpt_last_stage(hwpt));
	if (rc)
		return rc;
	return install_msi(hwpt, idev, pasid);
}

/**
 * iommufd_hw_attach - end the blocking of a group's DMA
 * @hwpt: page table; filled here if it is new
 * @idev: first device of the group that is attached
 * @pasid: PASID or IOMMU_NO_PASID
 *
 * Context: igroup->lock held; may sleep.
 * Return: 0; -EINVAL page table and device do not go together; -ENOMEM; what filling
 * and the IOMMU driver say.  DMA stays blocked on failure.
 */
int iommufd_hw_attach(struct iommufd_hw_pagetable *hwpt,
		      struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_attach_handle *handle __free(kfree) = handle_new(idev);
	int rc;

	lockdep_assert_held(&idev->igroup->lock);
	if (!handle)
		return -ENOMEM;
	rc = prepare(hwpt, idev, pasid);
	if (rc)
		return rc;
	rc = core_attach(handle, hwpt, pasid);
	if (rc)
		return rc;
	retain_and_null_ptr(handle);
	rc = finish(hwpt, idev, pasid);
	if (rc)
		iommufd_hw_detach(hwpt, idev, pasid);
	return rc;
}

/*
 * The new page table could be completed only after the switch, and that has failed.  A
 * driver that does not even take the old one again leaves the group blocked.
 */
static void switch_back(struct iommufd_attach_handle *spare,
			struct iommufd_hw_pagetable *hwpt,
			struct iommufd_hw_pagetable *old, ioasid_t pasid)
{
	struct iommufd_device *idev = spare->idev;

	if (!core_replace(spare, hwpt, old, pasid)) {
		/* An MSI that was set up since the switch is in the new one only. */
		if (install_msi(old, idev, pasid))
			dev_warn(idev->dev, "MSIs may be lost: they are not in the page table used before\n");
		return;
	}
	kfree(spare);
	dev_warn(idev->dev, "DMA is blocked: the IOMMU driver refuses the page table used before\n");
	iommufd_hw_detach(hwpt, idev, pasid);
}

/**
 * iommufd_hw_replace - change the page table without a gap
 * @old: page table in use
 * @hwpt: new page table; filled here if it is new
 * @idev: an attached device of the group
 * @pasid: PASID or IOMMU_NO_PASID
 *
 * Where the driver completes a domain only when it is attached, DMA faults until the
 * table is filled.
 *
 * Context: igroup->lock held; may sleep.
 * Return: as iommufd_hw_attach(); @old stays in use on failure, if the driver looks
 * before it acts.  Those of VT-d and AMD take the device out of @old first and leave it
 * blocked when they then refuse @hwpt, of which the core knows nothing; a detach and
 * an attach bring it back.
 */
int iommufd_hw_replace(struct iommufd_hw_pagetable *old,
		       struct iommufd_hw_pagetable *hwpt,
		       struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_attach_handle *handle __free(kfree) = handle_new(idev);
	struct iommufd_attach_handle *spare __free(kfree) = handle_new(idev);
	int rc;

	lockdep_assert_held(&idev->igroup->lock);
	if (!handle || !spare)
		return -ENOMEM;
	rc = prepare(hwpt, idev, pasid);
	if (rc)
		return rc;
	rc = core_replace(handle, old, hwpt, pasid);
	if (rc)
		return rc;
	retain_and_null_ptr(handle);
	rc = finish(hwpt, idev, pasid);
	if (rc)
		switch_back(no_free_ptr(spare), hwpt, old, pasid);
	return rc;
}

/**
 * iommufd_hw_detach - block a group's DMA
 * @hwpt: page table in use
 * @idev: last device of the group that is attached
 * @pasid: PASID or IOMMU_NO_PASID
 *
 * Context: igroup->lock held; may sleep.  Cannot fail.
 */
void iommufd_hw_detach(struct iommufd_hw_pagetable *hwpt,
		       struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_attach_handle *handle = handle_find(idev->igroup, pasid);

	lockdep_assert_held(&idev->igroup->lock);
	/* Blocked already, see switch_back(). */
	if (!handle)
		return;
	if (pasid == IOMMU_NO_PASID)
		iommu_detach_group_handle(hwpt->domain, idev->igroup->group);
	else
		iommu_detach_device_pasid(hwpt->domain, idev->dev, pasid);
	handle_end(handle, hwpt);
}

/**
 * iommufd_hw_hand_over - let an attachment be known by another device of its group
 * @from: device that leaves
 * @to: device that stays
 * @pasid: PASID or IOMMU_NO_PASID
 *
 * Context: igroup->lock held.
 */
void iommufd_hw_hand_over(struct iommufd_device *from, struct iommufd_device *to,
			  ioasid_t pasid)
{
	struct iommufd_attach_handle *handle = handle_find(from->igroup, pasid);

	lockdep_assert_held(&from->igroup->lock);
	if (handle && handle->idev == from) {
		handle->idev = to;
		/* A fault queue may be read just now. */
		WRITE_ONCE(handle->dev_id, to->obj.id);
	}
}
