// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A device, or one of its PASIDs, is attached to a page table, moved to another one, and
 * detached.
 *
 * All devices of a group share what a PASID is attached to: the first one attaches the
 * group, the others join, and a replace moves all.  Each of them holds one long
 * reference on the page table, and what it cannot use is reserved in the IOAS while the
 * device itself (not only a PASID) is attached.
 *
 * Whatever fails leaves everything as it was, reservations included.
 *
 * Locks: the group's lock, under the mutex of an IOAS if the caller holds one.  References
 * that become free are handed out and given back without a lock held, since the last one
 * may destroy a page table.
 */
#include <linux/iommu.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "../iommu-priv.h"
#include "attach.h"
#include "attach_hw.h"
#include "ctx.h"
#include "device.h"
#include "hwpt.h"
#include "igroup.h"
#include "ioas.h"
#include "lib/xa_entries.h"
#include "trace.h"

static struct iommufd_iopt *iopt_of(struct iommufd_hw_pagetable *hwpt)
{
	return &iommufd_hwpt_last_stage(hwpt)->ioas->iopt;
}

/* The core does not ask a device without PASIDs, and would do nothing for it. */
static int check_pasid_number(struct iommufd_device *idev, ioasid_t pasid)
{
	u32 npasids = idev->dev->iommu->max_pasids;

	if (pasid < npasids)
		return 0;
	return iommufd_refuse(&idev->ictx->log, -EINVAL, WHY_NOT_SUPPORTED,
			      "pasid %u is not one of the %u of %s", pasid, npasids,
			      dev_name(idev->dev));
}

/*
 * As soon as one PASID of a device is used, all its page tables have to be of the format
 * that PASIDs need; the driver was told of that when they were allocated.
 */
static int check_pasid(struct iommufd_device *idev, ioasid_t pasid,
		       const struct iommufd_hw_pagetable *hwpt)
{
	struct xarray *attachments = &idev->igroup->attachments;
	unsigned long other = IOMMU_NO_PASID;
	const struct iommufd_attach *attach;
	int rc;

	lockdep_assert_held(&idev->igroup->lock);
	if (pasid != IOMMU_NO_PASID) {
		rc = check_pasid_number(idev, pasid);
		if (rc)
			return rc;
		attach = xa_load(attachments, IOMMU_NO_PASID);
		if (attach && !attach->hwpt->pasid_compat)
			return iommufd_refuse(&idev->ictx->log, -EINVAL,
					      WHY_BAD_ARGUMENT,
					      "page table %u of %s itself was not allocated for use with PASIDs",
					      attach->hwpt->obj.id,
					      dev_name(idev->dev));
	} else if (!xa_find_after(attachments, &other, ULONG_MAX, XA_PRESENT)) {
		return 0;
	}
	if (!hwpt->pasid_compat)
		return iommufd_refuse(&idev->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "page table %u was not allocated for use with PASIDs",
				      hwpt->obj.id);
	return 0;
}

/*
 * KVM is told by the device alone whether no-snoop DMA can happen, so a page table that
 * lets it happen is not for a device that promised otherwise.
 */
static int check_coherency(struct iommufd_device *idev,
			   struct iommufd_hw_pagetable *hwpt)
{
	if (!idev->enforce_cache_coherency ||
	    iommufd_hwpt_last_stage(hwpt)->enforce_cache_coherency)
		return 0;
	return iommufd_refuse(&idev->ictx->log, -EINVAL, WHY_COHERENCY,
			      "page table %u does not enforce coherency as %s needs",
			      hwpt->obj.id, dev_name(idev->dev));
}

/*
 * A driver takes every domain it is given for one of its own, and the IOMMU core does not
 * compare when a group's domain is replaced.
 */
static int check_driver(struct iommufd_device *idev,
			const struct iommufd_hw_pagetable *hwpt)
{
	const struct iommufd_viommu *viommu = iommufd_hwpt_viommu(hwpt);

	if (hwpt->domain->owner != dev_iommu_ops(idev->dev))
		return iommufd_refuse(&idev->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "page table %u belongs to another IOMMU driver than that of %s",
				      hwpt->obj.id, dev_name(idev->dev));
	if (viommu && viommu->iommu_dev != __iommu_get_iommu_dev(idev->dev))
		return iommufd_refuse(&idev->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "page table %u is of vIOMMU %u, %s is behind another IOMMU",
				      hwpt->obj.id, viommu->obj.id,
				      dev_name(idev->dev));
	return 0;
}

/*
 * The page requests of all functions share one queue in the physical function, so one of
 * them could use up the room of the others.
 */
static int check_fault(struct iommufd_device *idev,
		       const struct iommufd_hw_pagetable *hwpt)
{
	struct pci_dev *pdev;

	if (!hwpt->fault || !dev_is_pci(idev->dev))
		return 0;
	pdev = to_pci_dev(idev->dev);
	if (!pdev->is_virtfn || !pci_pri_supported(pdev))
		return 0;
	return iommufd_refuse(&idev->ictx->log, -EINVAL, WHY_NOT_SUPPORTED,
			      "%s shares its page requests with other functions, page table %u delivers them",
			      dev_name(idev->dev), hwpt->obj.id);
}

/* Do page table and device go together, whatever the rest of the group does? */
static int check_suits(struct iommufd_device *idev, ioasid_t pasid,
		       struct iommufd_hw_pagetable *hwpt)
{
	int rc;

	rc = check_driver(idev, hwpt);
	if (rc)
		return rc;
	rc = check_fault(idev, hwpt);
	if (rc)
		return rc;
	rc = check_pasid(idev, pasid, hwpt);
	if (rc)
		return rc;
	return check_coherency(idev, hwpt);
}

static int check_join(struct iommufd_device *idev,
		      struct iommufd_attach *attach,
		      const struct iommufd_hw_pagetable *hwpt)
{
	lockdep_assert_held(&idev->igroup->lock);
	if (xa_load(&attach->devices, idev->obj.id))
		return iommufd_refuse(&idev->ictx->log, -EBUSY, WHY_BUSY,
				      "%s is attached to page table %u already",
				      dev_name(idev->dev), attach->hwpt->obj.id);
	if (attach->hwpt != hwpt)
		return iommufd_refuse(&idev->ictx->log, -EINVAL, WHY_GROUP,
				      "group %d of %s is attached to page table %u, not %u",
				      iommu_group_id(idev->igroup->group),
				      dev_name(idev->dev), attach->hwpt->obj.id,
				      hwpt->obj.id);
	return 0;
}

static struct iommufd_attach *attach_new(struct iommufd_group *igroup,
					 ioasid_t pasid,
					 struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_attach *attach = kzalloc_obj(*attach, GFP_KERNEL_ACCOUNT);
	int rc;

	lockdep_assert_held(&igroup->lock);
	if (!attach)
		return ERR_PTR(-ENOMEM);
	attach->hwpt = hwpt;
	xa_init(&attach->devices);
	rc = xa_err(xa_store(&igroup->attachments, pasid, attach,
			     GFP_KERNEL_ACCOUNT));
	if (rc) {
		kfree(attach);
		return ERR_PTR(rc);
	}
	return attach;
}

static void attach_free(struct iommufd_group *igroup, ioasid_t pasid,
			struct iommufd_attach *attach)
{
	lockdep_assert_held(&igroup->lock);
	xa_erase(&igroup->attachments, pasid);
	xa_destroy(&attach->devices);
	kfree(attach);
}

/* The device is in @attach->devices; let it do DMA. */
static int begin(struct iommufd_device *idev, ioasid_t pasid,
		 struct iommufd_attach *attach, bool first)
{
	struct iommufd_iopt *iopt = iopt_of(attach->hwpt);
	int rc = 0;

	if (pasid == IOMMU_NO_PASID) {
		rc = iommufd_group_reserve(idev->igroup, idev->dev, iopt);
		if (rc)
			return rc;
	}
	if (first)
		rc = iommufd_hw_attach(attach->hwpt, idev, pasid);
	if (rc && pasid == IOMMU_NO_PASID)
		iopt_unreserve(iopt, idev->dev);
	return rc;
}

static int add_device(struct iommufd_device *idev, ioasid_t pasid,
		      struct iommufd_attach *attach)
{
	bool first = !xa_has_entries(&attach->devices);
	int rc;

	lockdep_assert_held(&idev->igroup->lock);
	rc = xa_insert(&attach->devices, idev->obj.id, idev, GFP_KERNEL_ACCOUNT);
	if (rc)
		return rc;
	rc = begin(idev, pasid, attach, first);
	if (rc) {
		xa_erase(&attach->devices, idev->obj.id);
		return rc;
	}
	iommufd_object_hold(&attach->hwpt->obj);
	return 0;
}

/**
 * iommufd_attach_hwpt - attach a device to a page table
 * @idev: bound device behind an IOMMU
 * @pasid: PASID or IOMMU_NO_PASID
 * @hwpt: page table; the caller holds a reference
 * @old: not used, there is nothing to give back
 *
 * Context: may sleep; takes the group's lock.
 * Return: 0; -EINVAL the page table does not suit the device, or the group uses another
 * one; -EBUSY attached already; -EADDRINUSE a reserved region is mapped or allowed;
 * -ENOMEM; what filling a new page table and the IOMMU driver say.
 */
int iommufd_attach_hwpt(struct iommufd_device *idev, ioasid_t pasid,
			struct iommufd_hw_pagetable *hwpt,
			struct iommufd_detached *old)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach *attach;
	int rc;

	guard(mutex)(&igroup->lock);
	rc = check_suits(idev, pasid, hwpt);
	if (rc)
		return rc;

	attach = xa_load(&igroup->attachments, pasid);
	if (attach) {
		rc = check_join(idev, attach, hwpt);
		if (rc)
			return rc;
	} else {
		attach = attach_new(igroup, pasid, hwpt);
		if (IS_ERR(attach))
			return PTR_ERR(attach);
	}
	rc = add_device(idev, pasid, attach);
	if (!rc)
		trace_iommufd_attach(idev->dev, pasid, hwpt->obj.id);
	else if (!xa_has_entries(&attach->devices))
		attach_free(igroup, pasid, attach);
	return rc;
}

static void unreserve_all(struct iommufd_attach *attach, struct iommufd_iopt *iopt)
{
	struct iommufd_device *member;
	unsigned long id;

	xa_for_each(&attach->devices, id, member)
		iopt_unreserve(iopt, member->dev);
}

static int reserve_all(struct iommufd_group *igroup, struct iommufd_attach *attach,
		       struct iommufd_iopt *iopt)
{
	struct iommufd_device *member;
	unsigned long id;
	int rc;

	xa_for_each(&attach->devices, id, member) {
		rc = iommufd_group_reserve(igroup, member->dev, iopt);
		if (rc) {
			unreserve_all(attach, iopt);
			return rc;
		}
	}
	return 0;
}

/* Move the group, and the reservations of its devices if the IOAS is another one. */
static int move(struct iommufd_device *idev, ioasid_t pasid,
		struct iommufd_attach *attach, struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_iopt *from = iopt_of(attach->hwpt);
	struct iommufd_iopt *to = iopt_of(hwpt);
	bool moves = pasid == IOMMU_NO_PASID && from != to;
	int rc;

	lockdep_assert_held(&idev->igroup->lock);
	if (moves) {
		rc = reserve_all(idev->igroup, attach, to);
		if (rc)
			return rc;
	}
	rc = iommufd_hw_replace(attach->hwpt, hwpt, idev, pasid);
	if (moves)
		unreserve_all(attach, rc ? to : from);
	return rc;
}

static int check_replace(struct iommufd_device *idev, ioasid_t pasid,
			 struct iommufd_attach *attach,
			 struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_device *member;
	unsigned long id;
	int rc;

	lockdep_assert_held(&idev->igroup->lock);
	xa_for_each(&attach->devices, id, member) {
		rc = check_suits(member, pasid, hwpt);
		if (rc)
			return rc;
	}
	return 0;
}

static unsigned int count_devices(struct iommufd_attach *attach)
{
	struct iommufd_device *member;
	unsigned int n = 0;
	unsigned long id;

	xa_for_each(&attach->devices, id, member)
		n++;
	return n;
}

/**
 * iommufd_replace_hwpt - move a device and its group to another page table
 * @idev: attached device
 * @pasid: PASID or IOMMU_NO_PASID
 * @hwpt: new page table; the caller holds a reference
 * @old: returns what is free now; only set on success
 *
 * Context: may sleep; takes the group's lock.
 * Return: 0, also when it is attached there already; -EINVAL also when the device is not
 * attached; else as iommufd_attach_hwpt().
 */
int iommufd_replace_hwpt(struct iommufd_device *idev, ioasid_t pasid,
			 struct iommufd_hw_pagetable *hwpt,
			 struct iommufd_detached *old)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach *attach;
	unsigned int i;
	int rc;

	guard(mutex)(&igroup->lock);
	attach = xa_load(&igroup->attachments, pasid);
	if (!attach || !xa_load(&attach->devices, idev->obj.id))
		return iommufd_refuse(&idev->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "%s (pasid %u) is not attached, so nothing can be replaced",
				      dev_name(idev->dev), pasid);
	if (attach->hwpt == hwpt)
		return 0;
	rc = check_replace(idev, pasid, attach, hwpt);
	if (rc)
		return rc;
	rc = move(idev, pasid, attach, hwpt);
	if (rc)
		return rc;

	old->hwpt = attach->hwpt;
	old->nrefs = count_devices(attach);
	for (i = 0; i < old->nrefs; i++)
		iommufd_object_hold(&hwpt->obj);
	attach->hwpt = hwpt;
	trace_iommufd_replace(idev->dev, pasid, hwpt->obj.id);
	return 0;
}

/* A device leaves; the last one takes the group's attachment with it. */
static void leave(struct iommufd_device *idev, ioasid_t pasid,
		  struct iommufd_attach *attach)
{
	unsigned long id = 0;
	struct iommufd_device *member;

	lockdep_assert_held(&idev->igroup->lock);
	member = xa_find(&attach->devices, &id, ULONG_MAX, XA_PRESENT);
	if (member)
		iommufd_hw_hand_over(idev, member, pasid);
	else
		iommufd_hw_detach(attach->hwpt, idev, pasid);
	if (pasid == IOMMU_NO_PASID)
		iopt_unreserve(iopt_of(attach->hwpt), idev->dev);
	if (!member)
		attach_free(idev->igroup, pasid, attach);
}

/**
 * iommufd_detach_hwpt - detach a device
 * @idev: bound device behind an IOMMU
 * @pasid: PASID or IOMMU_NO_PASID; if it is not attached nothing happens
 * @old: returns what is free now
 *
 * Context: may sleep; takes the group's lock.  Cannot fail.
 */
void iommufd_detach_hwpt(struct iommufd_device *idev, ioasid_t pasid,
			 struct iommufd_detached *old)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach *attach;

	guard(mutex)(&igroup->lock);
	attach = xa_load(&igroup->attachments, pasid);
	if (!attach || !xa_erase(&attach->devices, idev->obj.id))
		return;
	old->hwpt = attach->hwpt;
	old->nrefs = 1;
	trace_iommufd_detach(idev->dev, pasid, old->hwpt->obj.id);
	leave(idev, pasid, attach);
}
