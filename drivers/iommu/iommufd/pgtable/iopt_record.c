// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A record of writes: which pages of a table have been written, or may have been, since
 * that was last read.  Written by whom?
 *
 * - By devices through a domain: the IOMMU's dirty bits tell, if every domain has them
 *   and the record switched them on.  If one domain has none, every page that may be
 *   written counts as written.
 * - By kernel drivers through pages that they pin: a page counts as written as long as it
 *   is pinned, which the backing knows without any list (it has more uses than the
 *   domains' one), and once more after it was unpinned, which is noted in the area.  An
 *   area that shares its backing with another one may so be told of more than was written.
 * - By copies through the table: noted in the area.
 *
 * So a container with nothing but emulated devices reports what these pinned or wrote,
 * and nothing is kept for that while there is no record but one pointer in each area.
 * Its bits are allocated when the record begins, or with an area that is mapped later, so
 * neither unpin nor unmap has to.  When a domain goes while its bits have not been
 * read, every page of every area counts as written once.
 *
 * Nothing is lost, for the reasons that stand in iopt_dirty.c.  For what is noted in areas:
 * a page is looked for among the pinned ones before its bit is, and its bit is set before
 * it is unpinned, so one of the two finds it.
 *
 * Locks: begin and end take both locks of the table for writing.  A read holds the domains
 * lock from begin to end, as a map does, so that the set of domains does not change
 * between two stretches and each is flushed once; a page fault of the bitmap delays
 * an attach, but no mapping.
 */
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd_report.h>
#include <linux/iova_bitmap.h>
#include <linux/slab.h>

#include "../memory/backing.h"
#include "domain_dirty.h"
#include "domain_map.h"
#include "iopt_dirty.h"
#include "iopt_private.h"
#include "iopt_record.h"

/**
 * struct record_walk - a look at the record
 * @walk: the walk
 * @domains: all of the table, if each tells what was written through it
 * @ndomains: how many
 * @exact: only what was written is reported
 * @keep: the record stays as it is
 */
struct record_walk {
	struct iopt_dirty_walk walk;
	struct domain_dirty *domains;
	unsigned int ndomains;
	bool exact;
	bool keep;
};

/* The IOVA of pages [first, end) of the backing, as far as they lie in the area. */
static struct iova_span span_of_pages(const struct iommufd_area *area,
				      unsigned long first, unsigned long end)
{
	unsigned long from = first << PAGE_SHIFT;
	unsigned long to = (end << PAGE_SHIFT) - 1;
	struct iova_span span = area->node.span;

	if (from > area->offset)
		span.first += from - area->offset;
	if (to - area->offset < area_length(area))
		span.last = area->node.span.first + (to - area->offset);
	return span;
}

static void report_pages(struct iova_bitmap *bitmap,
			 const struct iommufd_area *area,
			 const struct iova_span *part, unsigned long first,
			 unsigned long end)
{
	struct iova_span span = span_of_pages(area, first, end);

	span.first = max(span.first, part->first);
	span.last = min(span.last, part->last);
	iova_bitmap_set(bitmap, span.first, iova_span_len(&span));
}

static unsigned long part_end_page(const struct iommufd_area *area,
				   const struct iova_span *part)
{
	return (area_offset_of(area, part->last) >> PAGE_SHIFT) + 1;
}

/* Pages that kernel drivers have pinned. */
static void report_pinned(const struct record_walk *rw, struct iommufd_area *area,
			  const struct iova_span *part)
{
	struct iommufd_backing *backing = area->backing;
	unsigned long first = area_offset_of(area, part->first) >> PAGE_SHIFT;
	unsigned long end = part_end_page(area, part);
	unsigned long npages;

	guard(bit_mutex)(&backing->lock);
	while (first < end) {
		npages = iommufd_backing_next_shared(backing, area->pinned,
						     &first, end);
		if (!npages)
			return;
		report_pages(rw->walk.bitmap, area, part, first, first + npages);
		first += npages;
	}
}

/* A page whose other half lies in another part is told of there again. */
static void clear_written(unsigned long *written, struct iommufd_area *area,
			  const struct iova_span *part, unsigned long first,
			  unsigned long end)
{
	unsigned long base = area_first_page(area);

	for (; first < end; first++) {
		struct iova_span page = span_of_pages(area, first, first + 1);

		if (iova_span_contains(part, &page))
			clear_bit(first - base, written);
	}
}

/* Pages that are noted in the area. */
static void report_written(const struct record_walk *rw, struct iommufd_area *area,
			   const struct iova_span *part)
{
	unsigned long *written = area_written(rw->walk.iopt, area);
	unsigned long base = area_first_page(area);
	unsigned long first = (area_offset_of(area, part->first) >> PAGE_SHIFT) - base;
	unsigned long nbits = part_end_page(area, part) - base;
	unsigned long end;

	if (!written)
		return;
	for_each_set_bitrange_from(first, end, written, nbits) {
		if (!rw->keep)
			clear_written(written, area, part, base + first, base + end);
		report_pages(rw->walk.bitmap, area, part, base + first, base + end);
	}
}

static int visit_recorded(struct iopt_dirty_walk *walk, struct iommufd_area *area,
			  const struct iova_span *part)
{
	struct record_walk *rw = container_of(walk, struct record_walk, walk);
	unsigned int i;
	int rc;

	if (!(area->prot & IOMMU_WRITE))
		return 0;
	if (!rw->exact) {
		iova_bitmap_set(walk->bitmap, part->first, iova_span_len(part));
		return 0;
	}
	for (i = 0; i < rw->ndomains; i++) {
		rw->domains[i].bitmap = walk->bitmap;
		rc = domain_dirty_read(&rw->domains[i], area, part);
		if (rc)
			return rc;
	}
	report_pinned(rw, area, part);
	report_written(rw, area, part);
	return 0;
}

/* Does each domain tell the record what was written through it? */
static bool is_exact(struct iommufd_iopt *iopt, unsigned int *ndomains)
{
	struct iopt_domain *entry;

	*ndomains = 0;
	list_for_each_entry(entry, &iopt->domains, item) {
		if (entry->tracker != IOPT_TRACKER_RECORD)
			return false;
		++*ndomains;
	}
	return true;
}

static int record_walk_begin(struct record_walk *rw)
{
	struct iommufd_iopt *iopt = rw->walk.iopt;
	struct iopt_domain *entry;
	struct domain_dirty *dd;

	rw->exact = is_exact(iopt, &rw->ndomains);
	if (!rw->exact)
		rw->ndomains = 0;
	if (!rw->ndomains)
		return 0;
	rw->domains = kcalloc(rw->ndomains, sizeof(*dd), GFP_KERNEL_ACCOUNT);
	if (!rw->domains)
		return -ENOMEM;
	dd = rw->domains;
	list_for_each_entry(entry, &iopt->domains, item) {
		dd->domain = entry->domain;
		dd->max_piece = domain_max_piece(entry->domain, iopt->huge_pages);
		dd->keep = rw->keep;
		dd->log = iopt->log;
		domain_dirty_begin(dd++);
	}
	return 0;
}

static void record_walk_end(struct record_walk *rw)
{
	for (unsigned int i = 0; i < rw->ndomains; i++)
		domain_dirty_end(&rw->domains[i]);
	kfree(rw->domains);
}

static int report(struct iommufd_iopt *iopt, const struct iopt_dirty_request *rq,
		  enum area_state state)
{
	struct record_walk rw = {
		.walk = {
			.iopt = iopt,
			.state = state,
			.visit = visit_recorded,
			.domains_held = true,
		},
		.keep = rq->keep,
	};
	int rc;

	lockdep_assert_held(&iopt->domains_lock);
	rc = record_walk_begin(&rw);
	if (rc)
		return rc;
	rc = iopt_dirty_report(&rw.walk, rq);
	record_walk_end(&rw);
	return rc;
}

/* Does the range cut an area? */
static int check_uncut(struct iommufd_iopt *iopt, const struct iova_span *span)
{
	const unsigned long borders[] = { span->first, span->last };

	guard(rwsem_read)(&iopt->space_lock);
	for (int i = 0; i < ARRAY_SIZE(borders); i++) {
		const struct iova_span border = { borders[i], borders[i] };
		struct iommufd_area *area = iopt_first_area_in(iopt, &border);

		if (area && !iova_span_contains(span, &area->node.span))
			return iommufd_refuse(iopt->log, -EINVAL, WHY_PARTIAL,
					      "range 0x%lx-0x%lx cuts the mapping 0x%lx-0x%lx",
					      span->first, span->last,
					      area->node.span.first,
					      area->node.span.last);
	}
	return 0;
}

/**
 * iopt_record_read - report what was written in a range, and begin anew there
 * @iopt: table
 * @rq: what, where, and whether the record stays as it is
 *
 * Context: may sleep and fault.  Takes the domains lock for reading, and the space lock.
 * Return: 0; -EINVAL when nothing is recorded, or the range cuts an area; the errnos of
 * iopt_dirty_report(); a driver's errno.  Nothing is lost on failure.
 */
int iopt_record_read(struct iommufd_iopt *iopt, const struct iopt_dirty_request *rq)
{
	int rc;

	guard(rwsem_read)(&iopt->domains_lock);
	if (!iopt->recording)
		return iommufd_refuse(iopt->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "writes are not recorded");
	rc = check_uncut(iopt, &rq->span);
	return rc ?: report(iopt, rq, AREA_LIVE);
}

/**
 * iopt_record_collect - report what was written in areas that are being unmapped
 * @iopt: table
 * @rq: the range, in which the caller has claimed all areas, and the bitmap
 *
 * Nobody can pin or copy any more; devices still can write until the areas have left the
 * domains, but who unmaps memory that is being written to does not want to know.
 *
 * Context: may sleep and fault.  The domains lock is held.  Takes the space lock.
 * Return: as iopt_record_read().
 */
int iopt_record_collect(struct iommufd_iopt *iopt,
			const struct iopt_dirty_request *rq)
{
	if (!iopt->recording)
		return iommufd_refuse(iopt->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "writes are not recorded");
	return report(iopt, rq, AREA_LEAVING);
}

static void forget_all(struct iommufd_iopt *iopt)
{
	struct iommufd_area *area;

	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL)
		area_forget(iopt, area);
}

static int record_all(struct iommufd_iopt *iopt)
{
	struct iommufd_area *area;
	int rc = 0;

	guard(rwsem_write)(&iopt->space_lock);
	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL) {
		rc = area_record(iopt, area);
		if (rc)
			break;
	}
	if (rc)
		forget_all(iopt);
	else
		iopt->recording = true;
	return rc;
}

/**
 * iopt_record_start - begin to record what is written
 * @iopt: table
 *
 * A domain that somebody else tracks, or whose driver fails, counts as one that cannot.
 *
 * Context: may sleep; the caller serialises.  Takes the domains and the space lock.
 * Return: 0, also when it is recorded already; -ENOMEM.
 */
int iopt_record_start(struct iommufd_iopt *iopt)
{
	struct iopt_domain *entry;
	int rc;

	scoped_guard(rwsem_write, &iopt->domains_lock) {
		/* Not once more: a page that became clean by that would be lost. */
		if (iopt->recording)
			return 0;
		rc = record_all(iopt);
		if (rc)
			return rc;
	}
	/* The longer part need not keep others from mapping. */
	guard(rwsem_read)(&iopt->domains_lock);
	list_for_each_entry(entry, &iopt->domains, item) {
		if (entry->tracker != IOPT_TRACKER_NONE ||
		    !entry->domain->dirty_ops)
			continue;
		if (!iopt_dirty_enable(iopt, entry->domain))
			entry->tracker = IOPT_TRACKER_RECORD;
	}
	return 0;
}

/**
 * iopt_record_stop - end the record and forget what it has
 * @iopt: table; nothing happens if it is not recorded
 *
 * Context: may sleep; the caller serialises.  Takes the domains and the space lock.
 */
void iopt_record_stop(struct iommufd_iopt *iopt)
{
	struct iopt_domain *entry;

	guard(rwsem_write)(&iopt->domains_lock);
	guard(rwsem_write)(&iopt->space_lock);
	if (!iopt->recording)
		return;
	iopt->recording = false;
	forget_all(iopt);
	list_for_each_entry(entry, &iopt->domains, item) {
		if (entry->tracker != IOPT_TRACKER_RECORD)
			continue;
		/* A driver that cannot costs time, nothing else. */
		entry->domain->dirty_ops->set_dirty_tracking(entry->domain, false);
		entry->tracker = IOPT_TRACKER_NONE;
	}
}
