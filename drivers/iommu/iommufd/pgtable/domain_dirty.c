// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The dirty bits that an IOMMU keeps in its page table: read, cleared, reported.
 *
 * The IOMMU has one bit for each of its pages, which may be larger than the part that
 * is asked for.  A page that lies in the part is reported and cleared in one step of the
 * driver, so it is either still dirty or has been reported.  A page that the part cuts is
 * reported and stays dirty, because nobody is told of what it holds outside: a bit too
 * many the next time, and none too few.  That is why the largest page that may be there
 * is worked out from the area, from its alignment and how far its memory is contiguous,
 * and not from the dirty bits, which come while one looks.  Drivers are given whole pages
 * only; some lose their way when they start in the middle of one.
 *
 * What was cleared is flushed from the IOTLBs once, by domain_dirty_end(): an IOTLB
 * that knows a page as dirty does not set its bit again.  A write before the flush
 * belongs to a page that has been reported, and the caller reads it only afterwards.
 *
 * Locks: the caller keeps the area in the domain.  The backing's mutex is taken to look
 * at its runs.
 */
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/iommufd_report.h>

#include "../memory/backing.h"
#include "area.h"
#include "domain_dirty.h"

/**
 * domain_dirty_begin - begin to look at dirty bits
 * @dd: @domain and @log are set; the rest, but @gather, before each read
 */
void domain_dirty_begin(struct domain_dirty *dd)
{
	iommu_iotlb_gather_init(&dd->gather);
}

static int read_pages(struct domain_dirty *dd, const struct iova_span *span,
		      bool keep)
{
	struct iommu_dirty_bitmap to = {
		.bitmap = dd->bitmap,
		.gather = keep ? NULL : &dd->gather,
	};
	int rc;

	rc = dd->domain->dirty_ops->read_and_clear_dirty(dd->domain, span->first,
							 iova_span_len(span),
							 keep ? IOMMU_DIRTY_NO_CLEAR : 0,
							 &to);
	if (rc)
		return iommufd_refuse(dd->log, rc, WHY_DRIVER,
				      "IOMMU driver could not read the dirty bits of 0x%lx-0x%lx",
				      span->first, span->last);
	return 0;
}

/* Could the memory behind a block of @size, which lies in the area, be one page? */
static bool is_one_page(const struct iommufd_area *area,
			const struct iova_span *block, unsigned long size)
{
	unsigned long offset = area_offset_of(area, block->first);
	unsigned long first = offset >> PAGE_SHIFT;
	unsigned long npages = (area_offset_of(area, block->last) >> PAGE_SHIFT) -
			       first + 1;
	struct iommufd_backing_walk walk;
	bool begun = false;
	phys_addr_t next = 0;

	lockdep_assert_held(&area->backing->lock);
	iommufd_backing_for_each_run(&walk, area->backing, first, npages) {
		phys_addr_t phys = PFN_PHYS(walk.it.run.pfn);

		if (begun ? phys != next :
			    !IS_ALIGNED(phys + offset_in_page(offset), size))
			return false;
		begun = true;
		next = phys + PFN_PHYS(walk.it.run.npages);
	}
	return begun;
}

/* The largest page of the domain that may hold @iova of the area. */
static struct iova_span page_at(const struct domain_dirty *dd,
				const struct iommufd_area *area,
				unsigned long iova)
{
	unsigned long sizes = dd->domain->pgsize_bitmap;
	unsigned long smallest = 1UL << __ffs(sizes);
	struct iova_span block;

	if (dd->max_piece)
		sizes &= dd->max_piece | (dd->max_piece - 1);
	guard(bit_mutex)(&area->backing->lock);
	for (; sizes > smallest; sizes &= ~(1UL << __fls(sizes))) {
		unsigned long size = 1UL << __fls(sizes);

		block.first = iova & ~(size - 1);
		block.last = iova | (size - 1);
		if (iova_span_contains(&area->node.span, &block) &&
		    is_one_page(area, &block, size))
			return block;
	}
	block.first = iova & ~(smallest - 1);
	block.last = iova | (smallest - 1);
	return block;
}

/**
 * domain_dirty_read - report what is dirty in a part of an area, and clear it
 * @dd: the domain and how
 * @area: LIVE, or claimed by the caller, and pinned
 * @part: in the area, aligned to the domain's smallest page
 *
 * Pages of the IOMMU that @part cuts are reported whole and not cleared.
 *
 * Context: does not sleep for long if @part lies in the bitmap's current window.
 * Return: 0, or a driver's errno with the reason noted; whatever was cleared has been
 * reported.
 */
int domain_dirty_read(struct domain_dirty *dd, struct iommufd_area *area,
		      const struct iova_span *part)
{
	struct iova_span whole = *part;
	struct iova_span page;
	int rc;

	if (part->first != area->node.span.first) {
		page = page_at(dd, area, part->first);
		if (page.first != part->first) {
			rc = read_pages(dd, &page, true);
			if (rc || page.last >= part->last)
				return rc;
			whole.first = page.last + 1;
		}
	}
	if (part->last != area->node.span.last) {
		page = page_at(dd, area, part->last);
		if (page.last != part->last) {
			rc = read_pages(dd, &page, true);
			if (rc || page.first == whole.first)
				return rc;
			whole.last = page.first - 1;
		}
	}
	return read_pages(dd, &whole, dd->keep);
}

/**
 * domain_dirty_end - let the IOTLBs forget what was cleared
 * @dd: after domain_dirty_begin(); the bits that were reported may be acted on now
 */
void domain_dirty_end(struct domain_dirty *dd)
{
	if (!dd->gather.end)
		return;
	/*
	 * A gather tells other drivers one page size, which they may take for the
	 * level of all leaves (SMMUv3's TTL); pages of several sizes were cleared.
	 */
	if (dd->domain->is_iommupt)
		iommu_iotlb_sync(dd->domain, &dd->gather);
	else
		iommu_flush_iotlb_all(dd->domain);
}
