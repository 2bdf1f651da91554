// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Areas whose memory gets another user address: a program that is replaced by a new
 * version of itself declares the old addresses void, and the new program tells where it
 * has the same memory.  Devices go on all the time.
 *
 * In between nothing may look for pages by address.  So areas without a valid one are
 * counted, and as long as there are any no domain and no access is added, and they are
 * not copied; while accesses are there addresses cannot become void.
 *
 * The page tables keep their pages, so the memory at the new address has to be those very
 * pages: they are pinned there and compared one by one.  Then the area shows a new
 * backing, paid for by the process that asked, and the use of the old one is given back.
 * A new backing, and not a new address in the old one, because other areas may show the
 * old one, too.  Where nothing is pinned there is nothing that a device could go on to
 * use; only shared mappings of files are accepted then.  Memory of a device is known by the
 * device and the place in it, whether it answers at the moment or not.
 *
 * Locks: the domains lock for reading all the time, so that the area stays in its domains
 * while its pages are pinned once more; the space lock for writing where a gate changes and
 * where the backing is exchanged.  An area at AREA_NEW_VADDR belongs to the one call.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/iommufd_report.h>

#include "../lib/xa_entries.h"
#include "../memory/backing.h"
#include "iopt_private.h"
#include "iopt_vaddr.h"

static int check_invalidate(struct iommufd_iopt *iopt, struct iommufd_area *area,
			    const struct iova_span *span)
{
	int rc = iopt_check_claim(iopt, area, span);

	if (rc)
		return rc;
	if (area->gate == AREA_NO_VADDR)
		return iommufd_refuse(iopt->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "the address of mapping 0x%lx-0x%lx is void already",
				      area->node.span.first,
				      area->node.span.last);
	/* Of an access that has left and not unpinned: such pins are in the old backing. */
	if (atomic_read(&area->accesses))
		return iommufd_refuse(iopt->log, -EBUSY, WHY_BUSY,
				      "mapping 0x%lx-0x%lx is still pinned by a driver",
				      area->node.span.first,
				      area->node.span.last);
	return 0;
}

static int invalidate_locked(struct iommufd_iopt *iopt,
			     const struct iova_span *span, unsigned long *bytes)
{
	struct iommufd_area *area;
	int rc;

	lockdep_assert_held_write(&iopt->space_lock);
	if (xa_has_entries(&iopt->accesses))
		return iommufd_refuse(iopt->log, -EBUSY, WHY_BUSY,
				      "drivers of emulated devices use the memory by its address");
	iopt_for_each_area_in(area, iopt, span) {
		rc = check_invalidate(iopt, area, span);
		if (rc)
			return rc;
	}
	iopt_for_each_area_in(area, iopt, span) {
		/* Memory of a file was never known by an address. */
		if (area->backing->ops->by_offset)
			continue;
		area->gate = AREA_NO_VADDR;
		iopt->no_vaddr++;
		*bytes += area_length(area);
	}
	return 0;
}

/**
 * iopt_vaddr_invalidate - declare the user addresses of areas void
 * @iopt: table
 * @span: range; may have holes
 * @bytes: how much was mapped there
 *
 * Context: may sleep.  Takes the domains and the space lock.
 * Return: 0, also when nothing is mapped there; -ENOENT when the range cuts an area; -EINVAL
 * when the address of one is void already; -EBUSY with an access attached, or when another
 * call works on an area.  On failure nothing has changed.
 */
int iopt_vaddr_invalidate(struct iommufd_iopt *iopt, const struct iova_span *span,
			  unsigned long *bytes)
{
	*bytes = 0;
	guard(rwsem_read)(&iopt->domains_lock);
	guard(rwsem_write)(&iopt->space_lock);
	return invalidate_locked(iopt, span, bytes);
}

/**
 * iopt_vaddr_invalidate_begun - declare the user addresses of areas void
 * @iopt: table
 * @span: range; means the areas that begin in it, as iopt_unmap_begun()
 * @bytes: how much was mapped there
 *
 * Context: as iopt_vaddr_invalidate().
 * Return: as iopt_vaddr_invalidate(), but never -ENOENT.
 */
int iopt_vaddr_invalidate_begun(struct iommufd_iopt *iopt,
				const struct iova_span *span,
				unsigned long *bytes)
{
	struct iova_span whole = *span;

	*bytes = 0;
	guard(rwsem_read)(&iopt->domains_lock);
	guard(rwsem_write)(&iopt->space_lock);
	if (!iopt_span_of_begun(iopt, &whole))
		return 0;
	return invalidate_locked(iopt, &whole, bytes);
}

static int check_update(struct iommufd_iopt *iopt, struct iommufd_area *area,
			const struct iova_span *span)
{
	const struct iova_span *have = &area->node.span;

	if (have->first != span->first || have->last != span->last)
		return iommufd_refuse(iopt->log, -EINVAL, WHY_PARTIAL,
				      "the mapping is 0x%lx-0x%lx, not 0x%lx-0x%lx",
				      have->first, have->last, span->first,
				      span->last);
	if (area->gate == AREA_OPEN || area->gate == AREA_CLOSED)
		return iommufd_refuse(iopt->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "the address of mapping 0x%lx-0x%lx is valid, unmap it with VADDR first",
				      have->first, have->last);
	return iopt_check_claim(iopt, area, span);
}

/*
 * Keep every other call away from the area.  *@alone: nobody else has its backing, and
 * none can get it now.
 */
static struct iommufd_area *claim(struct iommufd_iopt *iopt,
				  const struct iova_span *span, bool *alone)
{
	struct iommufd_area *area;
	int rc;

	guard(rwsem_write)(&iopt->space_lock);
	area = iopt_first_area_in(iopt, span);
	if (!area)
		return ERR_PTR(iommufd_refuse(iopt->log, -ENOENT, WHY_HOLE,
					      "nothing is mapped in 0x%lx-0x%lx",
					      span->first, span->last));
	rc = check_update(iopt, area, span);
	if (rc)
		return ERR_PTR(rc);
	area->gate = AREA_NEW_VADDR;
	*alone = refcount_read(&area->backing->refs) == 1;
	return area;
}

static int refuse_other(struct iommufd_iopt *iopt, const struct iommufd_area *area,
			const char *what)
{
	return iommufd_refuse(iopt->log, -EINVAL, WHY_BAD_ARGUMENT,
			      "the memory for 0x%lx-0x%lx %s", area->node.span.first,
			      area->node.span.last, what);
}

/* A BAR is known by its device; it is looked for now so that no show has a gap later. */
static int prove_device(struct iommufd_iopt *iopt, struct iommufd_area *area,
			struct iommufd_backing *backing)
{
	if (!iommufd_backing_mmio_is_same(backing, area->backing,
					  area_first_page(area)))
		return refuse_other(iopt, area, "is not that which was mapped");
	if (area->pinned)
		iommufd_revocable_find(iommufd_revocable_of(backing), NULL);
	return 0;
}

/* The new backing has a use of its own when the area has one of the old. */
static int prove(struct iommufd_iopt *iopt, struct iommufd_area *area,
		 struct iommufd_backing *backing, bool alone)
{
	struct iommufd_backing *old = area->backing;
	int rc;

	if (iommufd_revocable_of(backing) || area_revocable(area))
		return prove_device(iopt, area, backing);
	if (!area->pinned) {
		if (iommufd_backing_is_shared_file(backing))
			return 0;
		return refuse_other(iopt, area,
				    "is no shared mapping of a file, and nothing is pinned to compare it with");
	}
	if (alone)
		rc = iommufd_backing_pin_for(backing, old, iopt->log);
	else
		rc = iommufd_backing_pin(backing, 0, iommufd_backing_npages(backing), iopt->log);
	if (rc)
		return rc;
	if (iommufd_backing_is_same(backing, old, area_first_page(area)))
		return 0;

	if (alone)
		iommufd_backing_unpin_for(backing, 0, iommufd_backing_npages(backing), old);
	else
		iommufd_backing_unpin(backing, 0, iommufd_backing_npages(backing));
	return refuse_other(iopt, area, "is not that which was mapped");
}

/* The domains go on to show what they do. */
static void move_shows(struct iommufd_iopt *iopt, struct iommufd_area *area,
		       struct iommufd_backing *backing, unsigned long offset)
{
	struct iommufd_show_request rq = {
		.iova = area->node.span.first,
		.offset = offset,
	};
	struct iopt_domain *entry;

	list_for_each_entry(entry, &iopt->domains, item) {
		rq.domain = entry->domain;
		iommufd_revocable_move_show(area_revocable(area),
					    iommufd_revocable_of(backing), &rq);
	}
}

static void give_back(struct iommufd_area *area, struct iommufd_backing *old,
		      unsigned long first, bool alone)
{
	unsigned long npages = area_npages(area);

	if (!area->pinned || iommufd_revocable_of(old))
		return;
	if (alone)
		iommufd_backing_unpin_for(old, first, npages, area->backing);
	else
		iommufd_backing_unpin(old, first, npages);
}

/* Show @backing and let the old one go. */
static void commit(struct iommufd_iopt *iopt, struct iommufd_area *area,
		   struct iommufd_backing *backing, unsigned long offset, bool alone)
{
	struct iommufd_backing *old = area->backing;
	unsigned long first = area_first_page(area);

	if (area_revocable(area))
		move_shows(iopt, area, backing, offset);
	scoped_guard(rwsem_write, &iopt->space_lock) {
		area->backing = backing;
		area->offset = offset;
	}
	give_back(area, old, first, alone);
	scoped_guard(rwsem_write, &iopt->space_lock) {
		area->gate = AREA_OPEN;
		iopt->no_vaddr--;
	}
	/* The reference on the first one stays as long as the area lives in there. */
	if (old != area_home(area))
		iommufd_backing_put(old);
}

static int update(struct iommufd_iopt *iopt, struct iommufd_area *area,
		  const struct iopt_vaddr_request *rq, bool alone)
{
	struct iommufd_backing *backing;
	int rc;

	if (rq->offset != offset_in_page(area->offset))
		return refuse_other(iopt, area, "begins elsewhere in a page");
	backing = rq->make(rq->data, area_length(area),
			   iommufd_backing_writable(area->backing));
	if (IS_ERR(backing))
		return PTR_ERR(backing);
	rc = prove(iopt, area, backing, alone);
	if (rc) {
		iommufd_backing_put(backing);
		return rc;
	}
	/* Commit: nothing below can fail. */
	commit(iopt, area, backing, rq->offset, alone);
	return 0;
}

/**
 * iopt_vaddr_update - tell where the memory of an area is now
 * @iopt: table
 * @rq: the area and the address, in the running process
 *
 * Context: may sleep and fault.  Takes the domains and the space lock.
 * Return: 0; -ENOENT when there is no area; -EINVAL when it is not exactly the range, its
 * address is not void, or the memory is not, or cannot be proved to be, what it was; -EBUSY
 * when another call works on it; what @rq->make and pinning say.  On failure the address
 * stays void.
 */
int iopt_vaddr_update(struct iommufd_iopt *iopt,
		      const struct iopt_vaddr_request *rq)
{
	struct iommufd_area *area;
	bool alone;
	int rc;

	guard(rwsem_read)(&iopt->domains_lock);
	area = claim(iopt, &rq->span, &alone);
	if (IS_ERR(area))
		return PTR_ERR(area);
	rc = update(iopt, area, rq, alone);
	if (!rc)
		return 0;
	guard(rwsem_write)(&iopt->space_lock);
	area->gate = AREA_NO_VADDR;
	return rc;
}
