// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Areas by themselves: made, pinned for the domains, freed, and the record of what the
 * kernel wrote in them.  Which tree an area
 * stands in and who may see it is iopt_*.c's business; whether an IOMMU maps it
 * is domain_map.c's.
 *
 * Locks: none of its own.  @pinned belongs to the table's domains lock, or to
 * the one call that owns a NEW or LEAVING area.
 */
#include <linux/bitops.h>
#include <linux/iommu.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../memory/backing.h"
#include "../memory/discard.h"
#include "area.h"
#include "iopt.h"

/**
 * area_new - make an area for a slice of a backing
 * @slice: what it shows
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE
 *
 * The area is NEW, its span starts at 0 and has the slice's length; the caller
 * moves the span to its place.  Takes a reference on the backing.
 *
 * Context: may sleep.
 * Return: the area, or NULL without memory.
 */
struct iommufd_area *area_new(const struct iopt_slice *slice, int prot)
{
	void *room = slice->is_first ? iommufd_backing_room(slice->backing) : NULL;
	struct iommufd_area *area = room ?: kmalloc_obj(*area, GFP_KERNEL_ACCOUNT);

	static_assert(sizeof(*area) <= IOMMUFD_BACKING_ROOM);
	if (!area)
		return NULL;
	*area = (struct iommufd_area){
		.node.span.last = slice->length - 1,
		.backing = iommufd_backing_get(slice->backing),
		.offset = slice->offset,
		.prot = prot,
		.state = AREA_NEW,
		.in_room = !!room,
	};
	return area;
}

/* For what does not go together with others. */
static void area_free(struct iommufd_area *area)
{
	struct iommufd_backing *backing = area->backing;
	struct iommufd_backing *home = area_home(area);

	area_unpin(area);
	if (!home)
		kfree(area);
	else if (home != backing)
		iommufd_backing_put(home);
	iommufd_backing_put(backing);
}

/**
 * area_free_chain - unpin and free areas that are in no tree and in no domain
 * @chain: first area, linked by @next, may be NULL
 *
 * Context: may sleep (unpinning, last reference of a backing).
 */
void area_free_chain(struct iommufd_area *chain)
{
	struct iommufd_discard discard __uninitialized;
	struct iommufd_area *area;

	iommufd_discard_begin(&discard);
	while ((area = chain)) {
		chain = area->next;
		if (area_home(area) != area->backing ||
		    !iommufd_discard_add(&discard, area->backing, area->pinned))
			area_free(area);
		cond_resched();
	}
	iommufd_discard_end(&discard);
}

/**
 * area_record - begin to record which pages are written
 * @iopt: its table
 * @area: the area; nothing happens if it is read only or shows device memory
 *
 * There is a bit for each page.
 *
 * Context: may sleep.  The area is NEW, or the space lock is held for writing.
 * Return: 0; -ENOMEM.
 */
int area_record(struct iommufd_iopt *iopt, struct iommufd_area *area)
{
	unsigned long *bits;
	int rc;

	if (!(area->prot & IOMMU_WRITE) || area_revocable(area))
		return 0;
	bits = kvcalloc(BITS_TO_LONGS(area_npages(area)), sizeof(*bits),
			GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;
	rc = xa_alloc(&iopt->written, &area->written, bits, xa_limit_32b,
		      GFP_KERNEL_ACCOUNT);
	if (!rc)
		return 0;
	kvfree(bits);
	area->written = 0;
	return -ENOMEM;
}

/**
 * __area_forget - area_forget() of an area that records what is written
 * @iopt: its table
 * @area: the area
 *
 * Context: may sleep.  The space lock is held for writing.
 */
void __area_forget(struct iommufd_iopt *iopt, struct iommufd_area *area)
{
	kvfree(xa_erase(&iopt->written, area->written));
	area->written = 0;
}

/**
 * area_written - which pages were written since that was last reported
 * @iopt: its table
 * @area: the area
 *
 * Context: the space lock is held; for reading, others set bits, too.
 * Return: a bit for each page; NULL when nothing is recorded.
 */
unsigned long *area_written(struct iommufd_iopt *iopt,
			    const struct iommufd_area *area)
{
	return unlikely(area->written) ? xa_load(&iopt->written, area->written) : NULL;
}

/**
 * __area_mark_written - area_mark_written() of an area that records what is written
 * @iopt: its table
 * @area: the area
 * @first: index of the first page in the backing
 * @npages: number of pages
 *
 * Context: any; the space lock is held.
 */
void __area_mark_written(struct iommufd_iopt *iopt, struct iommufd_area *area,
			 unsigned long first, unsigned long npages)
{
	unsigned long bit = first - area_first_page(area);
	unsigned long *bits = area_written(iopt, area);

	for (; bits && npages; npages--)
		set_bit(bit++, bits);
}

/* All pages of a backing that nobody but the call that makes the area knows yet? */
static bool is_first_use(const struct iommufd_area *area)
{
	return area->in_room && area->state == AREA_NEW &&
	       area_npages(area) == iommufd_backing_npages(area->backing);
}

/**
 * area_pin - pin the area's pages for the domains, or see that its device memory is there
 * @area: the area, not pinned yet
 * @log: where a refusal is told
 *
 * Context: may sleep and fault.
 * Return: 0, or what iommufd_backing_pin() or iommufd_revocable_find() says.
 */
int area_pin(struct iommufd_area *area, struct iommufd_log *log)
{
	struct iommufd_revocable *rev = area_revocable(area);
	int rc;

	if (rev)
		rc = iommufd_revocable_find(rev, log);
	else if (is_first_use(area))
		rc = iommufd_backing_pin_new(area->backing, log);
	else
		rc = iommufd_backing_pin(area->backing, area_first_page(area),
					 area_npages(area), log);
	if (rc)
		return rc;
	area->pinned = true;
	return 0;
}

/**
 * area_pin_or_hole - area_pin(), but device memory that is away does no harm
 * @area: the area, not pinned yet
 * @log: where a refusal is told
 *
 * Context: may sleep and fault.
 * Return: 0, or what iommufd_backing_pin() says.
 */
int area_pin_or_hole(struct iommufd_area *area, struct iommufd_log *log)
{
	struct iommufd_revocable *rev = area_revocable(area);

	if (!rev)
		return area_pin(area, log);
	iommufd_revocable_find(rev, NULL);
	area->pinned = true;
	return 0;
}

/**
 * area_unpin - give back what area_pin() took, if anything
 * @area: the area, in no domain any more, with the IOTLBs flushed
 */
void area_unpin(struct iommufd_area *area)
{
	if (!area->pinned)
		return;
	area->pinned = false;
	if (!area_revocable(area))
		iommufd_backing_unpin(area->backing, area_first_page(area),
				      area_npages(area));
}
