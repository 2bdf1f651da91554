// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Interrupt pages for devices whose MSIs pass through the IOMMU; see sw_msi.h.
 *
 * Part of iommufd_driver, because the IOMMU core calls iommufd_sw_msi() whenever
 * an MSI is set up. That call has no way to say why it failed but its errno.
 */
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/msi.h>
#include <linux/slab.h>
#include "../iommu-priv.h"
#include "ctx.h"
#include "device.h"
#include "hwpt.h"
#include "igroup.h"
#include "sw_msi.h"

static struct iommufd_sw_msi_map *sw_msi_map_new(struct iommufd_ctx *ictx,
						 phys_addr_t window,
						 phys_addr_t page,
						 unsigned int slot)
{
	struct iommufd_sw_msi_map *map;

	lockdep_assert_held(&ictx->sw_msi_lock);

	if (ictx->sw_msi_id == IOMMUFD_SW_MSI_MAX)
		return ERR_PTR(-ENOSPC);
	map = kzalloc_obj(*map, GFP_KERNEL_ACCOUNT);
	if (!map)
		return ERR_PTR(-ENOMEM);
	map->window = window;
	map->page = page;
	map->slot = slot;
	map->id = ictx->sw_msi_id++;
	list_add_tail(&map->item, &ictx->sw_msi_list);
	return map;
}

/* The map of a page in the group's window, made if it does not exist yet. */
static struct iommufd_sw_msi_map *sw_msi_map_get(struct iommufd_group *igroup,
						 phys_addr_t page)
{
	struct iommufd_ctx *ictx = igroup->ictx;
	phys_addr_t window = igroup->sw_msi_start;
	unsigned int nslots = 0;
	struct iommufd_sw_msi_map *map;

	lockdep_assert_held(&ictx->sw_msi_lock);

	list_for_each_entry(map, &ictx->sw_msi_list, item) {
		if (map->window != window)
			continue;
		if (map->page == page)
			break;
		nslots++;
	}
	if (!list_entry_is_head(map, &ictx->sw_msi_list, item))
		nslots = map->slot;

	/* Windows of two groups can begin alike and differ in length. */
	if (nslots >= igroup->sw_msi_length >> PAGE_SHIFT)
		return ERR_PTR(-ENOSPC);
	if (!list_entry_is_head(map, &ictx->sw_msi_list, item))
		return map;
	return sw_msi_map_new(ictx, window, page, nslots);
}

static phys_addr_t sw_msi_map_iova(const struct iommufd_sw_msi_map *map)
{
	return map->window + (phys_addr_t)map->slot * PAGE_SIZE;
}

/* Map an interrupt page in a domain, unless it is there. */
static int sw_msi_map_install(struct iommufd_sw_msi_map *map,
			      struct iommufd_hwpt_paging *hwpt_paging)
{
	int rc;

	if (test_bit(map->id, hwpt_paging->present_sw_msi.ids))
		return 0;
	rc = iommu_map(hwpt_paging->common.domain, sw_msi_map_iova(map),
		       map->page, PAGE_SIZE,
		       IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO,
		       GFP_KERNEL_ACCOUNT);
	if (!rc)
		__set_bit(map->id, hwpt_paging->present_sw_msi.ids);
	return rc;
}

/**
 * iommufd_sw_msi_install() - Give a page table the interrupts of a group
 * @igroup: group that is about to be attached
 * @hwpt_paging: page table it comes to, or parent of the nested one
 *
 * MSIs that the group's devices set up before go on working. One that is set up
 * between this call and the attach is known to the old page table only, so the
 * caller repeats the call after the attach. What was mapped when a later page
 * fails stays, it does no harm.
 *
 * Context: Process context, may sleep. Takes &iommufd_ctx.sw_msi_lock.
 * Return: 0; -ENOMEM or another errno of the IOMMU driver from mapping.
 */
int iommufd_sw_msi_install(struct iommufd_group *igroup,
			   struct iommufd_hwpt_paging *hwpt_paging)
{
	struct iommufd_ctx *ictx = igroup->ictx;
	struct iommufd_sw_msi_map *map;
	int rc;

	if (igroup->sw_msi_start == PHYS_ADDR_MAX)
		return 0;

	guard(mutex)(&ictx->sw_msi_lock);
	list_for_each_entry(map, &ictx->sw_msi_list, item) {
		if (!test_bit(map->id, igroup->required_sw_msi.ids))
			continue;
		rc = sw_msi_map_install(map, hwpt_paging);
		if (rc)
			return rc;
	}
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi_install, "IOMMUFD_INTERNAL");

/**
 * iommufd_sw_msi_free_maps() - Free what a context knows of interrupt pages
 * @ictx: context whose last user is gone
 *
 * Context: Process context; no domain that has one of the pages is left.
 */
void iommufd_sw_msi_free_maps(struct iommufd_ctx *ictx)
{
	struct iommufd_sw_msi_map *map, *next;

	list_for_each_entry_safe(map, next, &ictx->sw_msi_list, item)
		kfree(map);
	INIT_LIST_HEAD(&ictx->sw_msi_list);
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi_free_maps, "IOMMUFD_INTERNAL");

/**
 * iommufd_sw_msi() - Find the IOVA at which a device reaches its interrupt page
 * @domain: domain of iommufd that the device is attached to
 * @desc: the MSI
 * @msi_addr: physical address the interrupt controller wants it written to
 *
 * Leaves the IOVA in @desc. Without a window for MSIs the device writes to the
 * physical address.
 *
 * Context: Process context under the IOMMU core's mutex of the device's group,
 * which keeps the attachment as it is. Takes &iommufd_ctx.sw_msi_lock.
 * Return: 0; -ENOENT if the attachment is not one of iommufd, -ENOSPC if the
 * window or the context has no room for one more page, -ENOMEM or another errno
 * of the IOMMU driver from mapping.
 */
int iommufd_sw_msi(struct iommu_domain *domain, struct msi_desc *desc,
		   phys_addr_t msi_addr)
{
	struct device *dev = msi_desc_to_dev(desc);
	struct iommu_attach_handle *raw;
	struct iommufd_sw_msi_map *map;
	struct iommufd_group *igroup;
	int rc;

	iommu_group_mutex_assert(dev);
	raw = iommu_attach_handle_get(dev->iommu_group, IOMMU_NO_PASID, 0);
	if (IS_ERR(raw))
		return PTR_ERR(raw);
	igroup = container_of(raw, struct iommufd_attach_handle, handle)->igroup;
	if (igroup->sw_msi_start == PHYS_ADDR_MAX) {
		msi_desc_set_iommu_msi_iova(desc, 0, 0);
		return 0;
	}

	guard(mutex)(&igroup->ictx->sw_msi_lock);
	map = sw_msi_map_get(igroup, msi_addr & PAGE_MASK);
	if (IS_ERR(map))
		return PTR_ERR(map);
	rc = sw_msi_map_install(map, iommufd_hwpt_last_stage(domain->iommufd_hwpt));
	if (rc)
		return rc;
	__set_bit(map->id, igroup->required_sw_msi.ids);
	msi_desc_set_iommu_msi_iova(desc, sw_msi_map_iova(map), PAGE_SHIFT);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi, "IOMMUFD");
