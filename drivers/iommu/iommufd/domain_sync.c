// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The IOMMU core can map many pieces and tell the hardware once, but does not
 * export the two halves of that to modules.  iommufd may be a module, so this
 * room is always built in and hands them on.  The core's own argument checks
 * and tracepoints stay in force.
 *
 * Single pages go past the core where the domain is a page table whose leaves this
 * directory can walk (leaves.h), unless somebody traces or checks what the core does.
 *
 * No lock, no state; calls only the IOMMU core and the walks.
 */
#include <linux/export.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/iommu-debug-pagealloc.h>
#include <linux/mm.h>
#include <trace/events/iommu.h>

#include "domain_sync.h"
#include "leaves.h"

/*
 * The walks for the leaves of a domain, or NULL.  A domain does not say of which format
 * it is, but which of the formats' functions looks addresses up in it.
 */
static const struct iommufd_leaf_ops *leaf_ops(const struct iommu_domain *domain)
{
	if (!domain->is_iommupt)
		return NULL;
	if (IS_BUILTIN(CONFIG_IOMMU_PT_VTDSS) &&
	    domain->ops->iova_to_phys == pt_iommu_vtdss_iova_to_phys)
		return &iommufd_leaves_vtdss;
	if (IS_BUILTIN(CONFIG_IOMMU_PT_X86_64) &&
	    domain->ops->iova_to_phys == pt_iommu_x86_64_iova_to_phys)
		return &iommufd_leaves_x86_64;
	if (IS_BUILTIN(CONFIG_IOMMU_PT_AMDV1) &&
	    domain->ops->iova_to_phys == pt_iommu_amdv1_iova_to_phys)
		return &iommufd_leaves_amdv1;
	return NULL;
}

static bool is_watched(void)
{
#ifdef CONFIG_IOMMU_DEBUG_PAGEALLOC
	if (static_branch_unlikely(&iommu_debug_initialized))
		return true;
#endif
	return trace_map_enabled() || trace_unmap_enabled();
}

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
	const struct iommufd_leaf_ops *leaves;
	unsigned long pfn = PHYS_PFN(phys);

	if (length == PAGE_SIZE && PAGE_ALIGNED(phys) && !is_watched()) {
		leaves = leaf_ops(domain);
		if (leaves && leaves->fill(iommupt_from_domain(domain), iova, &pfn, 1,
					   prot))
			return 0;
	}
	return iommu_map_nosync(domain, iova, phys, length, prot, gfp);
}
EXPORT_SYMBOL_NS_GPL(iommufd_domain_map_nosync, "IOMMUFD_INTERNAL");

/* Go on behind the first *@mapped pages, which are fewer than all. */
static noinline int map_rest(struct iommu_domain *domain,
			     const struct iommufd_leaf_ops *leaves, unsigned long iova,
			     const unsigned long *pfns, unsigned long npages, int prot,
			     gfp_t gfp, unsigned long *mapped)
{
	unsigned long done = *mapped;
	int rc;

	for (;;) {
		/* Makes tables, or says what is wrong. */
		rc = iommu_map_nosync(domain, iova + (done << PAGE_SHIFT),
				      PFN_PHYS(pfns[done]), PAGE_SIZE, prot, gfp);
		if (rc || ++done == npages)
			break;
		if (leaves)
			done += leaves->fill(iommupt_from_domain(domain),
					     iova + (done << PAGE_SHIFT),
					     pfns + done, npages - done, prot);
		if (done == npages)
			break;
	}
	*mapped = done;
	return rc;
}

/**
 * iommufd_domain_map_pages - map scattered pages without telling the hardware
 * @domain: paging domain
 * @iova: where the first one goes; the others follow.  Aligned to pages
 * @pfns: the pages
 * @npages: how many
 * @prot: IOMMU_READ, IOMMU_WRITE, ...
 * @gfp: for the page table's own pages
 * @mapped: returns how many were mapped
 *
 * iommufd_domain_sync_map() has to follow before a device may use the range.
 *
 * Context: may sleep if @gfp allows it.
 * Return: 0, or the driver's errno; then the first *@mapped pages are mapped.
 */
int iommufd_domain_map_pages(struct iommu_domain *domain, unsigned long iova,
			     const unsigned long *pfns, unsigned long npages,
			     int prot, gfp_t gfp, unsigned long *mapped)
{
	const struct iommufd_leaf_ops *leaves = is_watched() ? NULL : leaf_ops(domain);
	unsigned long done = 0;

	if (leaves)
		done = leaves->fill(iommupt_from_domain(domain), iova, pfns, npages, prot);
	*mapped = done;
	return likely(done == npages) ? 0 :
	       map_rest(domain, leaves, iova, pfns, npages, prot, gfp, mapped);
}
EXPORT_SYMBOL_NS_GPL(iommufd_domain_map_pages, "IOMMUFD_INTERNAL");

/* More pages than a lowest table has entries are the core's, see leaves.h. */
#define LEAVES_MAX (PAGE_SIZE / sizeof(u64))

/**
 * iommufd_domain_unmap - unmap a range, and gather what the hardware holds of it
 * @domain: paging domain
 * @iova: first byte of a mapping
 * @length: bytes, up to the end of a mapping
 * @gather: to be flushed by iommu_iotlb_sync() before the pages are given back
 *
 * Context: any.
 * Return: bytes unmapped.
 */
size_t iommufd_domain_unmap(struct iommu_domain *domain, unsigned long iova,
			    size_t length, struct iommu_iotlb_gather *gather)
{
	const struct iommufd_leaf_ops *leaves;
	size_t done = 0;

	if (length < LEAVES_MAX << PAGE_SHIFT && PAGE_ALIGNED(length) && !is_watched()) {
		leaves = leaf_ops(domain);
		if (leaves)
			done = leaves->clear(iommupt_from_domain(domain), iova,
					     length >> PAGE_SHIFT, gather) << PAGE_SHIFT;
	}
	if (done == length)
		return done;
	return done + iommu_unmap_fast(domain, iova + done, length - done, gather);
}
EXPORT_SYMBOL_NS_GPL(iommufd_domain_unmap, "IOMMUFD_INTERNAL");

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
