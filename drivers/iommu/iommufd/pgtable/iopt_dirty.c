// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Dirty tracking by the IOMMU: switched on and off for a domain, and read for any range
 * into a bitmap of the caller.
 *
 * No dirty bit gets lost, whatever a call returns:
 *
 * - Before anything is cleared, the whole bitmap is found to be writable.  A bitmap that is
 *   not there fails the call with every page still dirty.
 * - Pages are read window by window, while the part of the bitmap that they report to is
 *   pinned (lib/iova_bitmap.c), and each is cleared in the step that reports it.  So when
 *   a later window fails, because the program takes its bitmap away meanwhile or a driver
 *   gives up, what has been cleared stands in the bitmap.
 * - A page that is not whole in the range is reported and not cleared (domain_dirty.c).
 *   Windows and stretches end at multiples of the largest page, so they cut none; only
 *   bits that stand for less than 128 bytes make the windows so small that they do.
 *
 * Locks: the domains lock for reading, so that the domain stays filled, and the space lock
 * for reading, so that no area becomes LEAVING.  Both are dropped after each stretch, and
 * neither is held while the caller's bitmap is faulted in.  A NEW area has been written by
 * nobody.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/iommufd_report.h>
#include <linux/iova_bitmap.h>
#include <linux/sched/signal.h>

#include "domain_dirty.h"
#include "domain_map.h"
#include "iopt_dirty.h"
#include "iopt_private.h"

/* Bytes of IOVA between two moments in which others may change the table. */
#define STRETCH DOMAIN_DIRTY_MAX_PAGE

/* The next stretch with an area in it, taken off *@left: 0 when nothing was left. */
static int walk_stretch(struct iopt_dirty_walk *walk, struct iova_span *left)
{
	struct iommufd_iopt *iopt = walk->iopt;
	struct iova_span stretch, part;
	struct iommufd_area *area;
	int rc;

	guard(rwsem_read)(&iopt->space_lock);
	area = iopt_first_area_in(iopt, left);
	if (!area)
		return 0;
	stretch.first = max(left->first, area->node.span.first);
	stretch.last = min(left->last, stretch.first | (STRETCH - 1));
	iopt_for_each_area_in(area, iopt, &stretch) {
		/* Device memory comes and goes, and is not what a program copies. */
		if (area_state(area) != walk->state || area_revocable(area))
			continue;
		part.first = max(stretch.first, area->node.span.first);
		part.last = min(stretch.last, area->node.span.last);
		rc = walk->visit(walk, area, &part);
		if (rc)
			return rc;
	}
	if (stretch.last == left->last)
		return 0;
	left->first = stretch.last + 1;
	return fatal_signal_pending(current) ? -EINTR : 1;
}

static int walk_stretch_domains(struct iopt_dirty_walk *walk,
				struct iova_span *left)
{
	guard(rwsem_read)(&walk->iopt->domains_lock);
	return walk_stretch(walk, left);
}

/**
 * iopt_dirty_walk - visit all areas in a range
 * @walk: what to do
 * @span: the range; the visits get the parts of the areas that lie in it
 *
 * Context: may sleep.  Takes the domains lock, unless @walk says that it is held, and the
 * space lock.
 * Return: 0; what a visit returned; -EINTR when the caller is being killed.
 */
int iopt_dirty_walk(struct iopt_dirty_walk *walk, const struct iova_span *span)
{
	struct iova_span left = *span;
	int rc;

	do {
		rc = walk->domains_held ? walk_stretch(walk, &left) :
					  walk_stretch_domains(walk, &left);
	} while (rc > 0);
	return rc;
}

static int touch_window(struct iova_bitmap *bitmap, unsigned long iova,
			size_t length, void *opaque)
{
	return 0;
}

static int report_window(struct iova_bitmap *bitmap, unsigned long iova,
			 size_t length, void *opaque)
{
	const struct iova_span window = {
		.first = iova,
		.last = iova + (length - 1),
	};

	return iopt_dirty_walk(opaque, &window);
}

static int refuse_bitmap(struct iommufd_iopt *iopt, int rc,
			 const struct iopt_dirty_request *rq)
{
	if (rc != -EFAULT)
		return rc;
	return iommufd_refuse(iopt->log, rc, WHY_FAULT,
			      "bitmap at va 0x%lx for 0x%lx-0x%lx by 0x%lx is not writable",
			      (unsigned long)rq->data, rq->span.first,
			      rq->span.last, rq->page_size);
}

/**
 * iopt_dirty_report - visit all areas in a range, with a bitmap to report to
 * @walk: what to do; @walk->bitmap is set here
 * @rq: the range and the bitmap
 *
 * Context: may sleep and fault.  Locks as iopt_dirty_walk(), not while it faults.
 * Return: 0; what a visit returned; -EFAULT when the bitmap is not writable, before any
 * visit unless it was taken away meanwhile; -EINTR, -ENOMEM; -EOPNOTSUPP when the kernel
 * has no bitmaps, that is no IOMMU driver which could track.
 */
int iopt_dirty_report(struct iopt_dirty_walk *walk,
		      const struct iopt_dirty_request *rq)
{
	struct iova_bitmap *bitmap;
	int rc = 0;

	bitmap = iova_bitmap_alloc(rq->span.first, iova_span_len(&rq->span),
				   rq->page_size, rq->data);
	if (!bitmap)
		return -EOPNOTSUPP;
	if (IS_ERR(bitmap))
		return refuse_bitmap(walk->iopt, PTR_ERR(bitmap), rq);
	if (!rq->keep)
		rc = iova_bitmap_for_each(bitmap, NULL, touch_window);
	walk->bitmap = bitmap;
	if (!rc)
		rc = iova_bitmap_for_each(bitmap, walk, report_window);
	walk->bitmap = NULL;
	iova_bitmap_free(bitmap);
	return refuse_bitmap(walk->iopt, rc, rq);
}

/**
 * struct domain_walk - a walk for one domain
 * @walk: the walk
 * @dirty: the domain
 */
struct domain_walk {
	struct iopt_dirty_walk walk;
	struct domain_dirty dirty;
};

static int visit_domain(struct iopt_dirty_walk *walk, struct iommufd_area *area,
			const struct iova_span *part)
{
	struct domain_walk *dw = container_of(walk, struct domain_walk, walk);

	dw->dirty.bitmap = walk->bitmap;
	/* The option may have changed since the last stretch, but not under the lock. */
	dw->dirty.max_piece = domain_max_piece(dw->dirty.domain,
					       walk->iopt->huge_pages);
	return domain_dirty_read(&dw->dirty, area, part);
}

static struct domain_walk domain_walk(struct iommufd_iopt *iopt,
				      struct iommu_domain *domain)
{
	return (struct domain_walk){
		.walk = {
			.iopt = iopt,
			.state = AREA_LIVE,
			.visit = visit_domain,
		},
		.dirty = {
			.domain = domain,
			.log = iopt->log,
		},
	};
}

/**
 * iopt_dirty_enable - make every page of a domain clean and the IOMMU track from then on
 * @iopt: table
 * @domain: in the table, with dirty operations
 *
 * Context: may sleep.  The domains lock is held for reading.
 * Return: 0; a driver's errno with the reason noted; -EINTR when the caller is being
 * killed.
 */
int iopt_dirty_enable(struct iommufd_iopt *iopt, struct iommu_domain *domain)
{
	struct domain_walk dw = domain_walk(iopt, domain);
	int rc;

	lockdep_assert_held(&iopt->domains_lock);
	dw.walk.domains_held = true;
	domain_dirty_begin(&dw.dirty);
	rc = iopt_dirty_walk(&dw.walk, &IOVA_SPAN_ALL);
	domain_dirty_end(&dw.dirty);
	if (rc)
		return rc;
	rc = domain->dirty_ops->set_dirty_tracking(domain, true);
	if (rc)
		return iommufd_refuse(iopt->log, rc, WHY_DRIVER,
				      "IOMMU driver could not switch dirty tracking on");
	return 0;
}

/* Bits that the table's own record waits for are not for others to clear. */
static int check_owner(struct iommufd_iopt *iopt, const struct iopt_domain *entry)
{
	if (entry->tracker != IOPT_TRACKER_RECORD)
		return 0;
	return iommufd_refuse(iopt->log, -EBUSY, WHY_BUSY,
			      "VFIO_IOMMU_DIRTY_PAGES has switched dirty tracking on");
}

/**
 * iopt_dirty_start - begin to track what devices write through a domain
 * @iopt: table
 * @entry: the domain, with dirty operations
 *
 * What was written before is forgotten.  Nothing happens when it is tracked already.
 *
 * Context: may sleep; the caller serialises.  Takes the domains and the space lock.
 * Return: 0; -EBUSY when the table does that, see iopt_record.h; the errnos of
 * iopt_dirty_enable().
 */
int iopt_dirty_start(struct iommufd_iopt *iopt, struct iopt_domain *entry)
{
	int rc;

	guard(rwsem_read)(&iopt->domains_lock);
	if (entry->tracker == IOPT_TRACKER_OWNER)
		return 0;
	rc = check_owner(iopt, entry);
	if (rc)
		return rc;
	rc = iopt_dirty_enable(iopt, entry->domain);
	if (!rc)
		entry->tracker = IOPT_TRACKER_OWNER;
	return rc;
}

/**
 * iopt_dirty_stop - end what iopt_dirty_start() began
 * @iopt: table
 * @entry: the domain
 *
 * What was written until now can still be read.
 *
 * Context: may sleep; the caller serialises.  Takes the domains lock.
 * Return: 0, also when it is not tracked; -EBUSY when the table tracks it; a driver's
 * errno.
 */
int iopt_dirty_stop(struct iommufd_iopt *iopt, struct iopt_domain *entry)
{
	struct iommu_domain *domain = entry->domain;
	int rc;

	guard(rwsem_read)(&iopt->domains_lock);
	if (entry->tracker == IOPT_TRACKER_NONE)
		return 0;
	rc = check_owner(iopt, entry);
	if (rc)
		return rc;
	rc = domain->dirty_ops->set_dirty_tracking(domain, false);
	if (rc)
		return iommufd_refuse(iopt->log, rc, WHY_DRIVER,
				      "IOMMU driver could not switch dirty tracking off");
	entry->tracker = IOPT_TRACKER_NONE;
	return 0;
}

/**
 * iopt_dirty_read - report what devices wrote through a domain, and make it clean
 * @iopt: table
 * @entry: the domain, with dirty operations
 * @rq: what, where, and whether it stays dirty
 *
 * The IOTLBs are flushed once.
 *
 * Context: may sleep and fault.  Locks as iopt_dirty_report().
 * Return: as iopt_dirty_report(); -EBUSY when the table tracks the domain, unless it is to
 * stay dirty; a driver's errno.  No bit is lost on failure, see above.
 */
int iopt_dirty_read(struct iommufd_iopt *iopt, struct iopt_domain *entry,
		    const struct iopt_dirty_request *rq)
{
	struct domain_walk dw = domain_walk(iopt, entry->domain);
	int rc = 0;

	if (!rq->keep) {
		scoped_guard(rwsem_read, &iopt->domains_lock)
			rc = check_owner(iopt, entry);
	}
	if (rc)
		return rc;
	dw.dirty.keep = rq->keep;
	domain_dirty_begin(&dw.dirty);
	rc = iopt_dirty_report(&dw.walk, rq);
	domain_dirty_end(&dw.dirty);
	return rc;
}
