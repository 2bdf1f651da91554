/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The walks of leaves.h, to be compiled once for each format.  Who includes this has
 *
 *	#define PT_FMT vtdss
 *	#define PT_SUPPORTED_FEATURES ...
 *
 * before, the same as drivers/iommu/generic_pt/fmt/iommu_<format>.c.
 *
 * Tables may be added by others while a walk goes down, as in generic_pt/iommu_pt.h.  A
 * table on the way can not go away: only an unmap that covers all of it frees it, and
 * a part of what it covers is the caller's.
 */
#include <linux/args.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/stringify.h>

#define PTPFX CONCATENATE(PT_FMT, _)
#define _PT_FMT_H PT_FMT.h
#define _PT_DEFS_H CONCATENATE(defs_, _PT_FMT_H)

#include <linux/generic_pt/common.h>
#include __stringify(../generic_pt/fmt/_PT_DEFS_H)
#include "../generic_pt/pt_defs.h"
#include __stringify(../generic_pt/fmt/_PT_FMT_H)
#include "../generic_pt/pt_common.h"
#include "../generic_pt/pt_iter.h"
#include "../iommu-pages.h"
#include "leaves.h"

/* In the entry of a table: whoever installed it has flushed it, see iommu_pt.h. */
#define SW_BIT_CACHE_FLUSH_DONE 0

/*
 * Whoever installed the tables on the way has flushed the entries that point to them, of
 * which @bits has what all have in common: the hardware sees the way.
 */
static __always_inline bool is_visible(const struct pt_common *common, u64 bits)
{
#ifdef pt_sw_bit
	if (pt_feature(common, PT_FEAT_DMA_INCOHERENT)) {
		if (!(bits & pt_sw_bit(SW_BIT_CACHE_FLUSH_DONE)))
			return false;
		/* Pairs with pt_set_sw_bit_release() after the flush. */
		smp_acquire__after_ctrl_dep();
	}
#endif
	return true;
}

/*
 * From a table of @level to the next one for @va, and leave in @bits what the entries have
 * in common.  Every level is code of its own, in which all that depends on it is constant.
 */
static __always_inline bool go_down(struct pt_state *pts, pt_vaddr_t va,
				    unsigned int level, u64 *bits)
{
	if (level > PT_MAX_TOP_LEVEL)
		return false;
	pts->level = level;
	pts->index = log2_div(va, pt_table_item_lg2sz(pts));
	/* The highest level is never below another. */
	if (level != PT_MAX_TOP_LEVEL)
		pts->index = log2_mod(pts->index, pt_num_items_lg2(pts));
	if (pt_load_entry_raw(pts) != PT_ENTRY_TABLE)
		return false;
	*bits &= pts->entry;
	pts->table = pt_table_ptr(pts);
	return true;
}

static __always_inline bool go_to_lowest(struct pt_state *pts, pt_vaddr_t va,
					 unsigned int top_level, u64 *bits)
{
	switch (top_level) {
	case 5:
		if (!go_down(pts, va, 5, bits))
			return false;
		fallthrough;
	case 4:
		if (!go_down(pts, va, 4, bits))
			return false;
		fallthrough;
	case 3:
		if (!go_down(pts, va, 3, bits))
			return false;
		fallthrough;
	case 2:
		if (!go_down(pts, va, 2, bits))
			return false;
		fallthrough;
	case 1:
		if (!go_down(pts, va, 1, bits))
			return false;
		fallthrough;
	case 0:
		pts->level = 0;
		return true;
	default:
		return false;
	}
}

/*
 * Go down to the lowest table for @npages pages from @iova on, and stand on those entries
 * in it that belong to them.  False when there is none, or when it is not visible to the
 * hardware yet, or when they can not be entries of a lowest table.
 *
 * @pts->range says whose table it is, and no more.
 */
static __always_inline bool find_leaves(struct pt_common *common, unsigned long iova,
					unsigned long npages, struct pt_state *pts)
{
	struct pt_range range __uninitialized;
	unsigned long last, index, room;
	u64 bits = U64_MAX;
	pt_vaddr_t va;

	if (!pt_has_system_page_size(common) ||
	    !(iommu_from_common(common)->domain.pgsize_bitmap & PAGE_SIZE) ||
	    offset_in_page(iova) ||
	    check_add_overflow(iova, (npages << PAGE_SHIFT) - 1, &last))
		return false;
	range = pt_make_range(common, iova, last);
	if (range.va != iova || range.last_va != last || pt_check_range(&range))
		return false;

	/* The bits that an index is made of; none decides in the topmost table but they. */
	va = fvalog2_mod(iova, range.max_vasz_lg2);
	pts->table = range.top_table;
	if (!go_to_lowest(pts, va, range.top_level, &bits) || !is_visible(common, bits))
		return false;
	index = log2_mod(log2_div(va, PAGE_SHIFT), pt_num_items_lg2(pts));
	room = log2_to_int(pt_num_items_lg2(pts)) - index;
	pts->index = index;
	pts->end_index = index + min(room, npages);
	return true;
}

/* The hardware may not see what the CPU wrote to the entries from @start on. */
static __always_inline void flush_entries(const struct pt_state *pts, unsigned int start)
{
	struct pt_iommu *pt = iommu_from_common(pts->range->common);

	if (pts_feature(pts, PT_FEAT_DMA_INCOHERENT) && pts->index != start)
		iommu_pages_flush_incoherent(pt->iommu_device, pts->table,
					     start * PT_ITEM_WORD_SIZE,
					     (pts->index - start) * PT_ITEM_WORD_SIZE);
}

/* The highest address that an entry can have. */
static __always_inline pt_oaddr_t max_address(const struct pt_common *common)
{
	return common->max_oasz_lg2 == PT_OADDR_MAX_LG2 ? PT_OADDR_MAX :
		oalog2_to_max_int(common->max_oasz_lg2);
}

static unsigned long fill(struct pt_iommu *pt, unsigned long iova,
			  const unsigned long *pfns, unsigned long npages, int prot)
{
	struct pt_common *common = common_from_iommu(pt);
	pt_oaddr_t max = max_address(common);
	struct pt_write_attrs attrs __uninitialized;
	struct pt_range range = { .common = common };
	struct pt_state pts = { .range = &range };
	unsigned int start;

	if (!(prot & (IOMMU_READ | IOMMU_WRITE)) ||
	    !find_leaves(common, iova, npages, &pts) ||
	    pt_iommu_set_prot(common, &attrs, prot))
		return 0;

	for (start = pts.index; pts.index < pts.end_index; pts.index++) {
		pt_oaddr_t oa = PFN_PHYS(*pfns++);

		if (oa > max || pt_load_entry_raw(&pts) != PT_ENTRY_EMPTY)
			break;
		pt_install_leaf_entry(&pts, oa, PAGE_SHIFT, &attrs);
	}
	flush_entries(&pts, start);
	return pts.index - start;
}

static void gather_range(struct pt_iommu *pt, unsigned long iova, unsigned long length,
			 struct iommu_iotlb_gather *gather)
{
	if (iommu_iotlb_gather_queued(gather))
		return;
	if (pt_feature(common_from_iommu(pt), PT_FEAT_FLUSH_RANGE_NO_GAPS) &&
	    iommu_iotlb_gather_is_disjoint(gather, iova, length))
		iommu_iotlb_sync(&pt->domain, gather);
	iommu_iotlb_gather_add_range(gather, iova, length);
}

static unsigned long clear(struct pt_iommu *pt, unsigned long iova, unsigned long npages,
			   struct iommu_iotlb_gather *gather)
{
	struct pt_common *common = common_from_iommu(pt);
	struct pt_range range = { .common = common };
	struct pt_state pts = { .range = &range };
	unsigned int start;

	/* Which levels were changed is not gathered here. */
	if (pt_feature(common, PT_FEAT_DETAILED_GATHER) ||
	    !find_leaves(common, iova, npages, &pts))
		return 0;
	/* Of this and other tables, or of the whole table, which is to be freed then. */
	if (pts.end_index - pts.index != npages ||
	    npages == log2_to_int(pt_num_items_lg2(&pts)))
		return 0;

	for (start = pts.index; pts.index < pts.end_index; pts.index++) {
		if (pt_load_entry_raw(&pts) != PT_ENTRY_OA ||
		    pt_entry_num_contig_lg2(&pts))
			break;
		pt_clear_entries(&pts, ilog2(1));
	}
	if (pts.index == start)
		return 0;
	flush_entries(&pts, start);
	gather_range(pt, iova, (unsigned long)(pts.index - start) << PAGE_SHIFT, gather);
	return pts.index - start;
}

const struct iommufd_leaf_ops CONCATENATE(iommufd_leaves_, PT_FMT) = {
	.fill = fill,
	.clear = clear,
};
