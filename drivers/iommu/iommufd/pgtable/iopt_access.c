// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * In-kernel users of a table: drivers of emulated devices that pin pages by IOVA,
 * or read and write memory through it.
 *
 * A pin is counted in every area it touches, so an UNMAP sees it and asks the
 * access to let go; pages stay pinned however domains come and go meanwhile.  An access
 * that leaves is asked in the same way, area by area.  Pins for hardware are counted
 * apart, since nobody can be asked: they lock the area.
 *
 * Locks: the space lock, for reading while pinning and copying, which callers that do so
 * hold; for writing when an access comes or goes.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/iommufd_report.h>

#include "../memory/backing.h"
#include "iopt_private.h"
#include "iopt_vaddr.h"

/**
 * iopt_add_access - an in-kernel user joins
 * @iopt: table
 * @access: ops and alignment are set; in no table
 *
 * Context: may sleep.  Takes the space lock.
 * Return: 0; -EADDRINUSE when an area is not aligned for it; -EBUSY while one has no valid
 * user address; -ENOMEM.
 */
int iopt_add_access(struct iommufd_iopt *iopt, struct iopt_access *access)
{
	int rc;

	guard(rwsem_read)(&iopt->domains_lock);
	guard(rwsem_write)(&iopt->space_lock);
	rc = iopt_check_vaddrs(iopt);
	if (!rc)
		rc = iopt_check_areas_aligned(iopt, access->alignment,
					      "an in-kernel access");
	if (rc)
		return rc;
	rc = xa_alloc(&iopt->accesses, &access->id, access, xa_limit_32b,
		      GFP_KERNEL_ACCOUNT);
	if (rc)
		return rc == -EBUSY ? -ENOMEM : rc;
	iopt_update_alignment(iopt);
	return 0;
}

/**
 * iopt_remove_access - an in-kernel user leaves
 * @iopt: table
 * @access: what iopt_add_access() added; its pins may outlive this
 *
 * Context: may sleep.  Takes the space lock.  Cannot fail.
 */
void iopt_remove_access(struct iommufd_iopt *iopt, struct iopt_access *access)
{
	guard(rwsem_read)(&iopt->domains_lock);
	guard(rwsem_write)(&iopt->space_lock);
	WARN_ON(xa_erase(&iopt->accesses, access->id) != access);
	iopt_update_alignment(iopt);
}

/* The lowest area of @span that accesses have pins in. */
static bool find_pinned(struct iommufd_iopt *iopt, const struct iova_span *span,
			struct iova_span *pinned)
{
	struct iommufd_area *area;

	guard(rwsem_read)(&iopt->space_lock);
	iopt_for_each_area_in(area, iopt, span) {
		if (area_state(area) != AREA_LIVE || !atomic_read(&area->accesses))
			continue;
		*pinned = area->node.span;
		return true;
	}
	return false;
}

/**
 * iopt_ask_access - ask an in-kernel user to let go of all that it has pinned
 * @iopt: table
 * @access: in the table; it makes no new pins, and the caller keeps it
 *
 * Whose pins an area has is not known, so it may be asked for an area in which all pins
 * are others'; but for nothing that nobody has pinned.  Nor is it known whether it has let
 * go, so it is asked only once for each.
 *
 * Context: may sleep; calls the unmap operation without a lock held.
 */
void iopt_ask_access(struct iommufd_iopt *iopt, struct iopt_access *access)
{
	struct iova_span rest = IOVA_SPAN_ALL, pinned;

	if (!access->ops->unmap)
		return;
	while (find_pinned(iopt, &rest, &pinned)) {
		access->ops->unmap(access, pinned.first, iova_span_len(&pinned));
		if (pinned.last == rest.last)
			return;
		rest.first = pinned.last + 1;
	}
}

/**
 * struct access_pin - what a pin is for
 * @pages: filled with the pages; NULL if nobody wants them
 * @write: the pages will be written
 * @locks: it cannot be asked to let go
 */
struct access_pin {
	struct page **pages;
	bool write;
	bool locks;
};

static atomic_t *counter_of(struct iommufd_area *area, bool locks)
{
	return locks ? &area->locks : &area->accesses;
}

/* May accesses read or write what the area shows? */
static inline bool is_live(const struct iommufd_area *area, bool write)
{
	return area_state(area) == AREA_LIVE && area->gate == AREA_OPEN &&
	       (area->prot & (write ? IOMMU_WRITE : IOMMU_READ));
}

/* The same, and it is memory.  refuse_closed() tells why not. */
static inline bool is_open(const struct iommufd_area *area, bool write)
{
	return is_live(area, write) && !area_revocable(area);
}

static noinline int refuse_closed(struct iommufd_log *log,
				  const struct iommufd_area *area, bool write)
{
	const struct iova_span *span = &area->node.span;

	if (area->gate == AREA_NO_VADDR || area->gate == AREA_NEW_VADDR)
		return iommufd_refuse(log, -EBUSY, WHY_BUSY,
				      "mapping 0x%lx-0x%lx waits for a new address of its memory",
				      span->first, span->last);
	if (area->gate == AREA_CLOSED || area_state(area) != AREA_LIVE)
		return iommufd_refuse(log, -EINVAL, WHY_IN_PROGRESS,
				      "mapping 0x%lx-0x%lx is being unmapped",
				      span->first, span->last);
	if (!(area->prot & (write ? IOMMU_WRITE : IOMMU_READ)))
		return iommufd_refuse(log, -EPERM, WHY_PERMISSION,
				      "mapping 0x%lx-0x%lx may not be %s",
				      span->first, span->last,
				      write ? "written" : "read");
	return iommufd_refuse(log, -EINVAL, WHY_NOT_SUPPORTED,
			      "mapping 0x%lx-0x%lx is device memory, out of the CPU's reach",
			      span->first, span->last);
}

/* Pages of the piece of the walk: index of the first one, and how many. */
static inline unsigned long part_pages(const struct iopt_cover_walk *walk,
				       unsigned long *first)
{
	unsigned long last = area_offset_of(walk->area, walk->part.last);

	*first = area_offset_of(walk->area, walk->part.first) >> PAGE_SHIFT;
	return (last >> PAGE_SHIFT) - *first + 1;
}

/* A page belongs to one area, and its IOVA has its offset. */
static inline bool has_page_borders(const struct iopt_cover_walk *walk)
{
	const struct iommufd_area *area = walk->area;
	bool more = walk->part.last != walk->span.last;

	return offset_in_page(area->offset) == offset_in_page(area->node.span.first) &&
	       (!more || PAGE_ALIGNED(walk->part.last + 1));
}

/* Advances @pin->pages. */
static int pin_part(const struct iopt_cover_walk *walk, struct access_pin *pin)
{
	struct iommufd_area *area = walk->area;
	struct iommufd_log *log = walk->iopt->log;
	unsigned long first, npages;
	int rc;

	if (unlikely(!is_open(area, pin->write)))
		return refuse_closed(log, area, pin->write);
	if (unlikely(!has_page_borders(walk)))
		return iommufd_refuse(log, -EINVAL, WHY_MISALIGNED,
				      "mapping 0x%lx-0x%lx is not aligned to pages",
				      area->node.span.first, area->node.span.last);
	npages = part_pages(walk, &first);
	rc = iommufd_backing_pin_pages(area->backing, first, npages, pin->pages, log);
	if (rc)
		return rc;
	if (pin->pages)
		pin->pages += npages;
	atomic_inc(counter_of(area, pin->locks));
	return 0;
}

static void unpin_part(const struct iopt_cover_walk *walk, bool locks)
{
	unsigned long first, npages = part_pages(walk, &first);

	/* What is pinned stays LIVE; of others the count is something else. */
	if (WARN_ON_ONCE(area_state(walk->area) != AREA_LIVE))
		return;
	/* As long as they are pinned that says it. */
	area_mark_written(walk->iopt, walk->area, first, npages);
	iommufd_backing_unpin(walk->area->backing, first, npages);
	atomic_dec(counter_of(walk->area, locks));
}

/* The range was pinned piece by piece: give all pieces back. */
static void unpin_span(struct iommufd_iopt *iopt, const struct iova_span *span,
		       bool locks)
{
	struct iopt_cover_walk walk;
	int rc = iopt_cover_first(&walk, iopt, span);

	while (!rc) {
		unpin_part(&walk, locks);
		if (iopt_cover_done(&walk))
			return;
		rc = iopt_cover_next(&walk);
	}
	WARN_ONCE(1, "iommufd: unpin of iova 0x%lx-0x%lx that was never pinned\n",
		  span->first, span->last);
}

static int pin_span(struct iommufd_iopt *iopt, const struct iova_span *span,
		    struct access_pin *pin)
{
	struct iova_span pinned = { .first = span->first };
	struct iopt_cover_walk walk;
	bool any = false;
	int rc;

	rc = iopt_cover_first(&walk, iopt, span);
	while (!rc) {
		rc = pin_part(&walk, pin);
		if (rc)
			break;
		if (iopt_cover_done(&walk))
			return 0;
		any = true;
		pinned.last = walk.part.last;
		rc = iopt_cover_next(&walk);
	}
	if (any)
		unpin_span(iopt, &pinned, pin->locks);
	return rc;
}

static noinline int refuse_span(struct iommufd_iopt *iopt, int rc, unsigned long iova,
				unsigned long length)
{
	return iommufd_refuse(iopt->log, rc, WHY_BAD_SIZE,
			      "iova 0x%lx, length 0x%lx is empty or wraps",
			      iova, length);
}

static inline int make_span(struct iommufd_iopt *iopt, struct iova_span *span,
			    unsigned long iova, unsigned long length)
{
	int rc = iova_span_make(span, iova, length);

	return unlikely(rc) ? refuse_span(iopt, rc, iova, length) : 0;
}

/**
 * iopt_access_pin - pin the pages a range shows
 * @iopt: table
 * @iova: first byte
 * @length: bytes
 * @pages: filled with a pointer for each page that the range touches
 * @write: the pages will be written
 *
 * Context: may sleep and fault.  The space lock is held.
 * Return: 0; -EINVAL length 0, misaligned borders, or being unmapped; -EOVERFLOW;
 * -ENOENT when a part is not mapped; -EPERM by the mapping's protection; what
 * iommufd_backing_pin() says.  On failure nothing is pinned.
 */
int iopt_access_pin(struct iommufd_iopt *iopt, unsigned long iova,
		    unsigned long length, struct page **pages, bool write)
{
	struct access_pin pin = { .pages = pages, .write = write };
	struct iova_span span;
	int rc;

	lockdep_assert_held(&iopt->space_lock);
	rc = make_span(iopt, &span, iova, length);
	if (rc)
		return rc;
	return pin_span(iopt, &span, &pin);
}

/**
 * iopt_access_unpin - give back what iopt_access_pin() pinned
 * @iopt: the same table
 * @iova: the same first byte
 * @length: the same length
 *
 * Context: may sleep.  The space lock is held.  Cannot fail.
 */
void iopt_access_unpin(struct iommufd_iopt *iopt, unsigned long iova,
		       unsigned long length)
{
	struct iova_span span;

	lockdep_assert_held(&iopt->space_lock);
	if (WARN_ON(iova_span_make(&span, iova, length)))
		return;
	unpin_span(iopt, &span, false);
}

/* The runs of a piece have to begin at @next and to follow each other; ends behind them. */
static bool part_follows(const struct iopt_cover_walk *walk, unsigned long *next)
{
	struct iommufd_backing *backing = walk->area->backing;
	unsigned long first, npages = part_pages(walk, &first);
	struct iommufd_backing_walk runs;

	guard(bit_mutex)(&backing->lock);
	iommufd_backing_for_each_run(&runs, backing, first, npages) {
		if (runs.it.run.pfn != *next)
			return false;
		*next += runs.it.run.npages;
	}
	return true;
}

static unsigned long first_pfn(const struct iopt_cover_walk *walk)
{
	struct iommufd_backing *backing = walk->area->backing;
	struct iommufd_backing_walk runs;
	unsigned long first;

	part_pages(walk, &first);
	guard(bit_mutex)(&backing->lock);
	iommufd_backing_walk_first(&runs, backing, first, 1);
	return runs.it.run.pfn;
}

/* The pages of the range are pinned; *@phys is where the first byte is. */
static int check_contiguous(struct iommufd_iopt *iopt, const struct iova_span *span,
			    phys_addr_t *phys)
{
	struct iopt_cover_walk walk;
	unsigned long next;
	int rc;

	rc = iopt_cover_first(&walk, iopt, span);
	if (rc)
		return rc;
	next = first_pfn(&walk);
	*phys = PFN_PHYS(next) + offset_in_page(span->first);
	while (part_follows(&walk, &next)) {
		if (iopt_cover_done(&walk))
			return 0;
		rc = iopt_cover_next(&walk);
		if (rc)
			return rc;
	}
	return iommufd_refuse(iopt->log, -EFAULT, WHY_BAD_ARGUMENT,
			      "memory at iova 0x%lx-0x%lx is not contiguous",
			      span->first, span->last);
}

/**
 * iopt_access_lock - pin a range for hardware that reads it
 * @iopt: table
 * @iova: first byte
 * @length: bytes
 * @phys: returns the physical address of the first byte
 *
 * Context: may sleep and fault.  Takes the space lock.
 * Return: 0; -EFAULT when the memory is not contiguous; else as iopt_access_pin().  On
 * failure nothing is pinned.
 */
int iopt_access_lock(struct iommufd_iopt *iopt, unsigned long iova,
		     unsigned long length, phys_addr_t *phys)
{
	struct access_pin pin = { .locks = true };
	struct iova_span span;
	int rc;

	rc = make_span(iopt, &span, iova, length);
	if (rc)
		return rc;
	guard(rwsem_read)(&iopt->space_lock);
	rc = pin_span(iopt, &span, &pin);
	if (rc)
		return rc;
	rc = check_contiguous(iopt, &span, phys);
	if (rc)
		unpin_span(iopt, &span, true);
	return rc;
}

/**
 * iopt_access_unlock - give back what iopt_access_lock() pinned
 * @iopt: the same table
 * @iova: the same first byte
 * @length: the same length
 *
 * Context: may sleep.  Takes the space lock.  Cannot fail.
 */
void iopt_access_unlock(struct iommufd_iopt *iopt, unsigned long iova,
			unsigned long length)
{
	struct iova_span span;

	if (WARN_ON(iova_span_make(&span, iova, length)))
		return;
	guard(rwsem_read)(&iopt->space_lock);
	unpin_span(iopt, &span, true);
}

static int rw_part(const struct iopt_cover_walk *walk, void *data, unsigned int flags)
{
	struct iommufd_area *area = walk->area;
	bool write = flags & IOMMUFD_ACCESS_RW_WRITE;
	unsigned long first, npages;
	int rc;

	if (!is_open(area, write))
		return refuse_closed(walk->iopt->log, area, write);
	rc = iommufd_backing_rw(area->backing, area_offset_of(area, walk->part.first), data,
				iova_span_len(&walk->part), flags, walk->iopt->log);
	/* After a failure, too: a part may have been copied. */
	npages = part_pages(walk, &first);
	if (write)
		area_mark_written(walk->iopt, area, first, npages);
	return rc;
}

/**
 * iopt_access_copy - read or write memory through the table, in the usual case
 * @iopt: table
 * @iova: first byte
 * @data: kernel buffer
 * @length: bytes
 * @flags: IOMMUFD_ACCESS_RW_*
 *
 * All bytes lie in an area that keeps no record, and nothing has to be pinned.
 *
 * Context: may sleep and fault.  The space lock is held.
 * Return: false when it was not so, or went wrong; a part may have been copied.
 */
bool iopt_access_copy(struct iommufd_iopt *iopt, unsigned long iova, void *data,
		      unsigned long length, unsigned int flags)
{
	struct iova_node *node = iova_set_find(&iopt->areas, iova);
	const struct iommufd_backing_ops *ops;
	struct iommufd_area *area;

	lockdep_assert_held(&iopt->space_lock);
	/* A length of zero is not usual either. */
	if (unlikely(!node || length - 1 > node->span.last - iova || iova_node_is_cover(node)))
		return false;
	area = area_of(node);
	ops = area->backing->ops;
	/* Device memory has no way to copy. */
	if (unlikely(!is_live(area, flags & IOMMUFD_ACCESS_RW_WRITE) || area->written ||
		     !ops->copy))
		return false;
	return ops->copy(area->backing, area_offset_of(area, iova), data, length, flags);
}

/**
 * iopt_access_rw - read or write memory through the table
 * @iopt: table
 * @iova: first byte
 * @data: kernel buffer
 * @length: bytes
 * @flags: IOMMUFD_ACCESS_RW_*
 *
 * Context: may sleep and fault.  The space lock is held.
 * Return: 0; -EINVAL length 0 or being unmapped; -EOVERFLOW; -ENOENT at the first byte
 * that is not mapped, what lies before it has been copied; -EPERM; -EFAULT, -ENOMEM.
 */
int iopt_access_rw(struct iommufd_iopt *iopt, unsigned long iova, void *data,
		   unsigned long length, unsigned int flags)
{
	struct iopt_cover_walk walk;
	struct iova_span span;
	int rc;

	lockdep_assert_held(&iopt->space_lock);
	rc = make_span(iopt, &span, iova, length);
	if (rc)
		return rc;
	rc = iopt_cover_first(&walk, iopt, &span);
	while (!rc) {
		rc = rw_part(&walk, data, flags);
		if (rc || iopt_cover_done(&walk))
			break;
		data += iova_span_len(&walk.part);
		rc = iopt_cover_next(&walk);
	}
	return rc;
}
