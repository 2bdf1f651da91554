// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Isolation groups of a context, and the IOVA their devices cannot use.
 *
 * A group exists while one of its devices is bound; all devices of an iommu_group find
 * the same one.  A device behind no IOMMU gets a group of its own that nobody finds.
 *
 * Locks: &iommufd_ctx.groups_lock for finding and for the last reference; it is taken
 * under nothing of iommufd's and nothing is taken under it.
 */
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "ctx.h"
#include "igroup.h"
#include "lib/xa_entries.h"
#include "pgtable/iopt.h"
#include "test_hooks.h"

static struct iommufd_group *group_new(struct iommufd_ctx *ictx)
{
	struct iommufd_group *igroup = kzalloc_obj(*igroup, GFP_KERNEL_ACCOUNT);

	if (!igroup)
		return ERR_PTR(-ENOMEM);
	kref_init(&igroup->ref);
	mutex_init(&igroup->lock);
	igroup->ictx = ictx;
	igroup->sw_msi_start = PHYS_ADDR_MAX;
	xa_init(&igroup->attachments);
	return igroup;
}

static void group_free(struct iommufd_group *igroup)
{
	WARN_ON(xa_has_entries(&igroup->attachments));
	xa_destroy(&igroup->attachments);
	iommu_group_put(igroup->group);
	mutex_destroy(&igroup->lock);
	kfree(igroup);
}

/* Uses up the reference on @group, also when it fails. */
static struct iommufd_group *group_find_or_add(struct iommufd_ctx *ictx,
					       struct iommu_group *group)
{
	struct iommufd_group *igroup;
	int rc;

	guard(mutex)(&ictx->groups_lock);
	igroup = xa_load(&ictx->groups, iommu_group_id(group));
	if (igroup) {
		/* An ID is not reused while we hold a group that has it. */
		kref_get(&igroup->ref);
		iommu_group_put(group);
		return igroup;
	}
	igroup = group_new(ictx);
	if (IS_ERR(igroup)) {
		iommu_group_put(group);
		return igroup;
	}
	igroup->group = group;
	rc = xa_err(xa_store(&ictx->groups, iommu_group_id(group), igroup,
			     GFP_KERNEL_ACCOUNT));
	if (rc) {
		group_free(igroup);
		return ERR_PTR(rc);
	}
	return igroup;
}

/**
 * iommufd_group_get - the isolation group of a device
 * @ictx: context
 * @dev: device
 *
 * Context: may sleep; takes the context's groups lock.
 * Return: the group with a reference; ERR_PTR(-ENODEV) when the device has none,
 * ERR_PTR(-ENOMEM).
 */
struct iommufd_group *iommufd_group_get(struct iommufd_ctx *ictx,
					struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);

	if (!group)
		return ERR_PTR(iommufd_refuse(&ictx->log, -ENODEV, WHY_GROUP,
					      "%s has no isolation group",
					      dev_name(dev)));
	return group_find_or_add(ictx, group);
}

/**
 * iommufd_group_new_noiommu - a group for one device behind no IOMMU
 * @ictx: context
 *
 * Context: may sleep.
 * Return: the group with a reference; ERR_PTR(-ENOMEM).
 */
struct iommufd_group *iommufd_group_new_noiommu(struct iommufd_ctx *ictx)
{
	return group_new(ictx);
}

static void group_release(struct kref *ref)
	__releases(&igroup->ictx->groups_lock)
{
	struct iommufd_group *igroup = container_of(ref, struct iommufd_group, ref);
	struct iommufd_ctx *ictx = igroup->ictx;

	lockdep_assert_held(&ictx->groups_lock);
	if (igroup->group)
		xa_erase(&ictx->groups, iommu_group_id(igroup->group));
	mutex_unlock(&ictx->groups_lock);
	group_free(igroup);
}

/**
 * iommufd_group_put - give a reference back
 * @igroup: group; all attachments of its last device are gone
 *
 * Context: may sleep; takes the context's groups lock for the last reference.
 */
void iommufd_group_put(struct iommufd_group *igroup)
{
	kref_put_mutex(&igroup->ref, group_release, &igroup->ictx->groups_lock);
}

/**
 * iommufd_ctx_has_group - is a device of a group bound to a file
 * @ictx: the file
 * @group: the group
 *
 * Context: may sleep; takes the context's groups lock.
 * Return: true if at least one is.
 */
bool iommufd_ctx_has_group(struct iommufd_ctx *ictx, struct iommu_group *group)
{
	if (!ictx || !group)
		return false;
	guard(mutex)(&ictx->groups_lock);
	return xa_load(&ictx->groups, iommu_group_id(group));
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_has_group, "IOMMUFD");

static const char *region_name(const struct iommu_resv_region *region)
{
	switch (region->type) {
	case IOMMU_RESV_DIRECT:
		return "direct";
	case IOMMU_RESV_MSI:
		return "msi";
	case IOMMU_RESV_SW_MSI:
		return "sw-msi";
	default:
		return "reserved";
	}
}

static int reserve_region(struct iommufd_iopt *iopt, struct device *dev,
			  const struct iommu_resv_region *region)
{
	struct iova_span span;
	char name[sizeof_field(struct iova_resv_entry, name)];
	u64 length = region->length;
	int rc;

	/* On 32 bit a region can lie where no IOVA reaches. */
	if (region->start > ULONG_MAX || !length)
		return 0;
	length = min_t(u64, length - 1, ULONG_MAX - region->start) + 1;
	rc = iova_span_make(&span, region->start, length);
	if (rc)
		return rc;
	snprintf(name, sizeof(name), "%s %s", dev_name(dev), region_name(region));
	return iopt_reserve(iopt, &span, dev, name);
}

/* A second window would have to be another one of ours for every device. */
static int note_sw_msi(struct iommufd_group *igroup, struct device *dev,
		       const struct iommu_resv_region *region)
{
	lockdep_assert_held(&igroup->lock);
	if (igroup->sw_msi_start == PHYS_ADDR_MAX) {
		igroup->sw_msi_length = region->length;
		igroup->sw_msi_start = region->start;
		return 0;
	}
	if (igroup->sw_msi_start == region->start)
		return 0;
	return iommufd_refuse(&igroup->ictx->log, -EINVAL, WHY_DRIVER,
			      "%s has its MSI window at %pa, its group at %pa",
			      dev_name(dev), &region->start,
			      &igroup->sw_msi_start);
}

/* The driver gives either a place for our mapping of MSIs, or a place it uses itself. */
static int check_msi_regions(struct iommufd_group *igroup, struct device *dev,
			     const struct list_head *regions)
{
	const struct iommu_resv_region *region, *window = NULL;
	unsigned int nhardware = 0, nwindows = 0;

	list_for_each_entry(region, regions, list) {
		if (region->type == IOMMU_RESV_MSI)
			nhardware++;
		if (region->type == IOMMU_RESV_SW_MSI) {
			window = region;
			nwindows++;
		}
	}
	if (nwindows > 1 || (nwindows && nhardware)) {
		dev_warn_ratelimited(dev, "IOMMU driver reports %u MSI windows beside %u hardware MSI regions\n",
				     nwindows, nhardware);
		return iommufd_refuse(&igroup->ictx->log, -EINVAL, WHY_DRIVER,
				      "%s has %u MSI windows and %u hardware MSI regions",
				      dev_name(dev), nwindows, nhardware);
	}
	return window ? note_sw_msi(igroup, dev, window) : 0;
}

static int reserve_regions(struct iommufd_group *igroup, struct device *dev,
			   struct iommufd_iopt *iopt,
			   const struct list_head *regions)
{
	const struct iommu_resv_region *region;
	int rc;

	rc = check_msi_regions(igroup, dev, regions);
	if (rc)
		return rc;
	list_for_each_entry(region, regions, list) {
		/* What firmware once used there is of no concern to a new owner. */
		if (region->type == IOMMU_RESV_DIRECT_RELAXABLE)
			continue;
		rc = reserve_region(iopt, dev, region);
		if (rc)
			break;
	}
	if (rc)
		iopt_unreserve(iopt, dev);
	return rc;
}

/**
 * iommufd_group_reserve - take out of an address space what a device cannot use
 * @igroup: group of the device
 * @dev: device behind an IOMMU; owner of the reservations
 * @iopt: the address space's table
 *
 * Notes the window for MSIs in the group.  Undone by iopt_unreserve() with @dev.
 *
 * Context: igroup->lock held; may sleep.
 * Return: 0; -EADDRINUSE something is mapped or allowed there; -EINVAL the IOMMU driver
 * contradicts itself; -ENOMEM.  Nothing stays reserved on failure.
 */
int iommufd_group_reserve(struct iommufd_group *igroup, struct device *dev,
			  struct iommufd_iopt *iopt)
{
	LIST_HEAD(regions);
	int rc;

	lockdep_assert_held(&igroup->lock);
	if (iommufd_should_fail())
		return -EINVAL;
	iommu_get_resv_regions(dev, &regions);
	rc = reserve_regions(igroup, dev, iopt, &regions);
	iommu_put_resv_regions(dev, &regions);
	return rc;
}
