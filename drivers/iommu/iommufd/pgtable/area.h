/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * An area: a range of IOVA that shows a slice of a backing.
 */
#ifndef __IOMMUFD_PGTABLE_AREA_H
#define __IOMMUFD_PGTABLE_AREA_H

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/mm.h>
#include "../lib/iova_set.h"
#include "../memory/backing.h"
#include "../memory/revocable.h"

struct iommufd_iopt;
struct iommufd_log;
struct iopt_slice;

/**
 * enum area_state - the life of an area
 * @AREA_NEW: in the tree so that nobody else takes its IOVA, being pinned and mapped
 * @AREA_LIVE: shown by every domain, visible to every call
 * @AREA_LEAVING: still in the tree, being taken out of the domains
 *
 * NEW -> LIVE by its MAP, NEW -> removed when that fails, LIVE -> LEAVING under the
 * IOVA-space lock by an UNMAP.  The only way back is
 * that of an UNMAP which finds, before it has done anything else, that it cannot report
 * what was written.
 */
enum area_state {
	AREA_NEW,
	AREA_LIVE,
	AREA_LEAVING,
};

/**
 * enum area_gate - what keeps in-kernel accesses out of a LIVE area
 * @AREA_OPEN: nothing
 * @AREA_CLOSED: an UNMAP waits for the pins to go
 * @AREA_NO_VADDR: the user address of the memory is not valid at the moment
 * @AREA_NEW_VADDR: it is being told anew; the area must not go meanwhile
 *
 * While there are areas without a valid address no access is attached to the table.
 */
enum area_gate {
	AREA_OPEN,
	AREA_CLOSED,
	AREA_NO_VADDR,
	AREA_NEW_VADDR,
};

/**
 * struct iommufd_area - an area
 * @node: in &iommufd_iopt.areas
 * @backing: a reference
 * @offset: byte of @backing that @node.span.first shows
 * @accesses: pins of in-kernel accesses inside, while LIVE
 * @locks: pins of hardware inside, which nobody can ask to let go; while LIVE
 * @next: the next area of the call that works on this one, unless LIVE.  Stands where the
 *	  pins are counted: there are none then
 * @state: see above
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE
 * @pinned: holds a use of its pages for the domains; the table's domains lock.  Of
 *	    device memory: has been looked for
 * @in_room: lives in the room of a backing, of which it holds a reference even when it
 *	     shows another by now.  Constant
 * @gate: see above; the space lock for writing
 * @written: ID of its bitmap in &iommufd_iopt.written, 0 while that is not kept.  Comes and
 *	     goes with the space lock held for writing, or while the area is NEW
 */
struct iommufd_area {
	struct iova_node node;
	struct iommufd_backing *backing;
	unsigned long offset;
	union {
		struct {
			atomic_t accesses;
			atomic_t locks;
		};
		struct iommufd_area *next;
	};
	u8 state;
	u8 prot;
	u8 pinned : 1;
	u8 in_room : 1;
	u8 gate;
	u32 written;
};

/* An area of a page with its backing is 128 bytes. */
static_assert(!IS_ENABLED(CONFIG_64BIT) || sizeof(struct iommufd_area) == 80);

static inline struct iommufd_area *area_of(struct iova_node *node)
{
	return container_of(node, struct iommufd_area, node);
}

/* The backing in whose memory the area lives, or NULL. */
static inline struct iommufd_backing *area_home(struct iommufd_area *area)
{
	return area->in_room ? iommufd_backing_of_room(area) : NULL;
}

static inline unsigned long area_length(const struct iommufd_area *area)
{
	return iova_span_len(&area->node.span);
}

/* Byte of the backing that @iova, which lies in the area, shows. */
static inline unsigned long area_offset_of(const struct iommufd_area *area,
					   unsigned long iova)
{
	return area->offset + (iova - area->node.span.first);
}

static inline unsigned long area_first_page(const struct iommufd_area *area)
{
	return area->offset >> PAGE_SHIFT;
}

static inline unsigned long area_npages(const struct iommufd_area *area)
{
	unsigned long last = area_offset_of(area, area->node.span.last);

	return (last >> PAGE_SHIFT) - area_first_page(area) + 1;
}

static inline enum area_state area_state(const struct iommufd_area *area)
{
	/* Pairs with area_set_live(). */
	return smp_load_acquire(&area->state);
}

/* From here on the area belongs to everyone, and @next is gone. */
static inline void area_set_live(struct iommufd_area *area)
{
	area->next = NULL;
	/* Who sees LIVE sees the area pinned and mapped, and no pins of accesses. */
	smp_store_release(&area->state, AREA_LIVE);
}

/* Pins of in-kernel accesses. */
static inline unsigned int area_accesses(const struct iommufd_area *area)
{
	return area_state(area) == AREA_LIVE ? atomic_read(&area->accesses) : 0;
}

static inline bool area_is_aligned(const struct iommufd_area *area,
				   unsigned long alignment)
{
	return IS_ALIGNED(area->node.span.first | area_length(area) |
			  offset_in_page(area->offset), alignment);
}

/* NULL unless the area shows device memory. */
static inline struct iommufd_revocable *
area_revocable(const struct iommufd_area *area)
{
	return iommufd_revocable_of(area->backing);
}

struct iommufd_area *area_new(const struct iopt_slice *slice, int prot);
void area_free_chain(struct iommufd_area *chain);
int area_record(struct iommufd_iopt *iopt, struct iommufd_area *area);
void __area_forget(struct iommufd_iopt *iopt, struct iommufd_area *area);
unsigned long *area_written(struct iommufd_iopt *iopt,
			    const struct iommufd_area *area);
void __area_mark_written(struct iommufd_iopt *iopt, struct iommufd_area *area,
			 unsigned long first, unsigned long npages);
int area_pin(struct iommufd_area *area, struct iommufd_log *log);
int area_pin_or_hole(struct iommufd_area *area, struct iommufd_log *log);
void area_unpin(struct iommufd_area *area);

/**
 * area_forget - end what area_record() began
 * @iopt: its table
 * @area: the area; nothing happens if it records nothing
 *
 * Context: may sleep.  The space lock is held for writing.
 */
static inline void area_forget(struct iommufd_iopt *iopt, struct iommufd_area *area)
{
	if (unlikely(area->written))
		__area_forget(iopt, area);
}

/**
 * area_mark_written - note that pages may have been written
 * @iopt: its table
 * @area: the area; nothing happens if it records nothing
 * @first: index of the first page in the backing
 * @npages: number of pages
 *
 * Whoever is going to give the pages back does this before.
 *
 * Context: any; the space lock is held.
 */
static inline void area_mark_written(struct iommufd_iopt *iopt,
				     struct iommufd_area *area,
				     unsigned long first, unsigned long npages)
{
	if (unlikely(area->written))
		__area_mark_written(iopt, area, first, npages);
}

DEFINE_FREE(area_chain, struct iommufd_area *, if (_T) area_free_chain(_T))

#endif
