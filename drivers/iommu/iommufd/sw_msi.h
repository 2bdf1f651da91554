/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Interrupt pages for devices whose MSIs pass through the IOMMU.
 *
 * Where the IOMMU translates MSIs (ARM), the doorbell page of the interrupt
 * controller has to be mapped in each domain such a device is attached to. The
 * IOMMU driver reserves a window of IOVA for that, which igroup.c records in the
 * group. The first MSI that a device sets up towards a page gets a slot in the
 * window; the pair of window and page is a map, with an ID within the context.
 *
 * - A group knows the maps its devices need, a page table those it has.
 * - iommufd_sw_msi_install() makes the second include the first; attach.c calls
 *   it before a group comes to a page table, so that interrupts go on.
 * - A map stays until the context goes, a mapping until its domain goes.
 *
 * &iommufd_ctx.sw_msi_lock protects it all. It is taken under the IOMMU core's
 * group mutex, and nothing but the domain's own locks is taken under it.
 */
#ifndef __IOMMUFD_SW_MSI_H
#define __IOMMUFD_SW_MSI_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_group;
struct iommufd_hwpt_paging;

/* Maps of one context. A machine has one doorbell page for each MSI frame. */
#define IOMMUFD_SW_MSI_MAX 64

/**
 * struct iommufd_sw_msi_map - an interrupt page in a window
 * @item: in &iommufd_ctx.sw_msi_list
 * @window: first IOVA of the window
 * @page: physical address of the interrupt page
 * @slot: its place in the window, in pages from the beginning
 * @id: bit in &struct iommufd_sw_msi_maps
 */
struct iommufd_sw_msi_map {
	struct list_head item;
	phys_addr_t window;
	phys_addr_t page;
	unsigned int slot;
	unsigned int id;
};

/**
 * struct iommufd_sw_msi_maps - a set of maps
 * @ids: by &iommufd_sw_msi_map.id
 */
struct iommufd_sw_msi_maps {
	DECLARE_BITMAP(ids, IOMMUFD_SW_MSI_MAX);
};

#ifdef CONFIG_IRQ_MSI_IOMMU
int iommufd_sw_msi_install(struct iommufd_group *igroup,
			   struct iommufd_hwpt_paging *hwpt_paging);
void iommufd_sw_msi_free_maps(struct iommufd_ctx *ictx);
#else
static inline int iommufd_sw_msi_install(struct iommufd_group *igroup,
					 struct iommufd_hwpt_paging *hwpt_paging)
{
	return 0;
}

static inline void iommufd_sw_msi_free_maps(struct iommufd_ctx *ictx)
{
}
#endif
#endif
