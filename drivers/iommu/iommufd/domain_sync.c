// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The IOMMU core can map many pieces and tell the hardware once, but does not
 * export the two halves of that to modules.  iommufd may be a module, so this
 * room is always built in and hands them on.  The core's own argument checks
 * and tracepoints stay in force.
 *
 * No lock, no state; calls only the IOMMU core.
 */
#include <linux/export.h>
#include <linux/iommu.h>

#include "domain_sync.h"

/**
 * iommufd_domain_map_nosync - map a contiguous range without telling the hardware
 * @domain: paging domain
 * @iova: first byte, aligned to the domain's smallest page
 * @phys: physical address, aligned likewise
 * @length: bytes, aligned likewise, not zero
 * @prot: IOMMU_READ, IOMMU_WRITE, ...
 * @gfp: for the page table's own pages
 *
 * iommufd_domain_sync_map() has to follow before a device may use the range.
 *
 * Context: may sleep if @gfp allows it.
 * Return: 0, or the driver's errno; then nothing of the range is mapped.
 */
int iommufd_domain_map_nosync(struct iommu_domain *domain, unsigned long iova,
			      phys_addr_t phys, size_t length, int prot,
			      gfp_t gfp)
{
	return iommu_map_nosync(domain, iova, phys, length, prot, gfp);
}
EXPORT_SYMBOL_NS_GPL(iommufd_domain_map_nosync, "IOMMUFD_INTERNAL");

/**
 * iommufd_domain_sync_map - make new mappings visible to the hardware
 * @domain: paging domain
 * @iova: first byte that was mapped
 * @length: bytes; may cover holes
 *
 * Context: may sleep.
 * Return: 0, or the driver's errno; the mappings stay in the page table.
 */
int iommufd_domain_sync_map(struct iommu_domain *domain, unsigned long iova,
			    size_t length)
{
	return iommu_sync_map(domain, iova, length);
}
EXPORT_SYMBOL_NS_GPL(iommufd_domain_sync_map, "IOMMUFD_INTERNAL");
