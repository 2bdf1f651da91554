/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The I/O page table of an IOAS: which IOVA shows which piece of memory, kept equal
 * in any number of IOMMU domains and visible to in-kernel accesses.
 *
 * Locks, in this order, both below every object's lock and above
 * &iommufd_backing.lock:
 *
 *  &iommufd_iopt.domains_lock - read: the set of domains and the areas' being
 *	pinned and mapped do not change by others; held over pinning and IOMMU
 *	work by map and unmap.  write: adding and removing a domain, moving to
 *	another process.
 *  &iommufd_iopt.space_lock - the IOVA space: @areas, @reserved, @allowed,
 *	@accesses, @alignment.  Map and unmap hold it for the change of the tree
 *	only, not while they pin and work on page tables; in-kernel accesses hold it
 *	for reading while they pin and copy.
 *
 * Areas and the cover of reserved ranges come and go with the domains lock held for
 * reading (or writing) and the space lock for writing; holding the space lock in any
 * way, or the domains lock for writing, keeps the tree of areas as it is.
 */
#ifndef __IOMMUFD_PGTABLE_IOPT_H
#define __IOMMUFD_PGTABLE_IOPT_H

#include <linux/list.h>
#include <linux/rwsem.h>
#include <linux/xarray.h>
#include "../lib/iova_set.h"

struct iommu_domain;
struct iommufd_backing;
struct iommufd_log;
struct iommufd_payer;
struct iopt_dirty_request;
struct page;

/**
 * struct iommufd_iopt - an I/O page table
 * @space_lock: see above
 * @domains_lock: see above
 * @areas: areas and the cover of @reserved
 * @reserved: ranges that cannot be mapped, with their owners
 * @allowed: ranges for automatic placement; empty means all
 * @allowed_nodes: storage of the nodes of @allowed
 * @domains: &struct iopt_domain, in the order they were added; @domains_lock
 * @accesses: &struct iopt_access by ID
 * @alignment: what IOVA, length and page offset of areas are multiples of
 * @huge_pages: domains may use pages larger than PAGE_SIZE
 * @recording: what is written is recorded, see iopt_record.h; both locks for writing
 * @written: bitmaps of the areas for that, by ID
 * @no_vaddr: areas in @areas whose memory has no valid user address, see iopt_vaddr.h
 * @nareas: areas in @areas
 * @ninserts: how often areas were put in; it only matters whether it has changed
 * @nbytes: bytes that they cover
 * @id: of the IOAS, for traces
 * @log: where refusals are told
 */
struct iommufd_iopt {
	struct rw_semaphore space_lock;
	struct rw_semaphore domains_lock;
	struct iova_set areas;
	struct iova_resv reserved;
	struct iova_set allowed;
	struct iova_node *allowed_nodes;
	struct list_head domains;
	struct xarray accesses;
	unsigned long alignment;
	bool huge_pages;
	bool recording;
	struct xarray written;
	unsigned long no_vaddr;
	unsigned long nareas;
	unsigned long ninserts;
	u64 nbytes;
	u32 id;
	struct iommufd_log *log;
};

void iopt_init(struct iommufd_iopt *iopt, struct iommufd_log *log);
/* All areas, domains and accesses are gone already. */
void iopt_destroy(struct iommufd_iopt *iopt);

/**
 * struct iopt_slice - a piece of a backing
 * @item: in a list of slices that are mapped one behind the other
 * @backing: the backing; the list's owner holds a reference
 * @offset: first byte in the backing
 * @length: bytes, not zero
 * @is_first: the backing is new, and this is its only slice: the area may have its room
 */
struct iopt_slice {
	struct list_head item;
	struct iommufd_backing *backing;
	unsigned long offset;
	unsigned long length;
	bool is_first;
};

/**
 * struct iopt_map_request - what to map
 * @slices: &struct iopt_slice, at least one
 * @length: sum of their lengths
 * @iova: in: where, with @fixed; out: where it was mapped
 * @fixed: @iova is given
 * @away_ok: device memory that is away becomes a hole until it comes back; else it is
 *	     refused
 * @hint: address of the source (user VA, file offset) whose alignment the automatic
 *	  placement imitates
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE
 */
struct iopt_map_request {
	struct list_head *slices;
	unsigned long length;
	unsigned long iova;
	unsigned long hint;
	int prot;
	bool fixed;
	bool away_ok;
};

/*
 * Map; areas take their own references on the backings.  -EINVAL (alignment, reserved),
 * -EEXIST, -ENOSPC, -EOVERFLOW, and what iommufd_backing_pin() and the IOMMU driver say.
 * On failure nothing is left.
 */
int iopt_map(struct iommufd_iopt *iopt, struct iopt_map_request *rq);

/*
 * Collect the slices that [@iova, @iova + @length) shows, with a reference on each
 * backing, in a list for iopt_slices_free().  -ENOENT on a hole, -EOVERFLOW, -EINVAL, -ENOMEM.
 * @prot_write: the copy is to be writable; -EPERM when a backing is not.
 */
int iopt_get_slices(struct iommufd_iopt *iopt, unsigned long iova,
		    unsigned long length, bool prot_write,
		    struct list_head *slices);
void iopt_slices_free(struct list_head *slices);

/*
 * Unmap every area inside @span; checked whole before anything is undone.  -ENOENT:
 * no area, or one crosses a border; -EBUSY: an area is being mapped or unmapped, or is
 * locked; -EDEADLOCK: an access would not let go.  *@unmapped: bytes.
 * iopt_unmap_any(): the same, but that there is no area is success.
 * iopt_unmap_begun(): every area that begins in @span, as far as it reaches; none if the
 * first that @span meets begins before it.
 * iopt_unmap_written(): as iopt_unmap_any(), and what was written is reported first.
 * iopt_unmap_all(): everything, an empty table is success.
 */
int iopt_unmap(struct iommufd_iopt *iopt, const struct iova_span *span,
	       unsigned long *unmapped);
int iopt_unmap_any(struct iommufd_iopt *iopt, const struct iova_span *span,
		   unsigned long *unmapped);
int iopt_unmap_begun(struct iommufd_iopt *iopt, const struct iova_span *span,
		     unsigned long *unmapped);
int iopt_unmap_written(struct iommufd_iopt *iopt,
		       const struct iopt_dirty_request *rq,
		       unsigned long *unmapped);
int iopt_unmap_all(struct iommufd_iopt *iopt, unsigned long *unmapped);

/**
 * enum iopt_tracker - who follows the dirty bits of a domain, and clears them
 * @IOPT_TRACKER_NONE: nobody; the IOMMU need not keep any
 * @IOPT_TRACKER_OWNER: who added the domain, by iopt_dirty.h
 * @IOPT_TRACKER_RECORD: the table, by iopt_record.h
 */
enum iopt_tracker {
	IOPT_TRACKER_NONE,
	IOPT_TRACKER_OWNER,
	IOPT_TRACKER_RECORD,
};

/**
 * struct iopt_domain - an IOMMU domain that shows the table
 * @item: in &iommufd_iopt.domains; private
 * @domain: the domain; set before iopt_add_domain()
 * @tracker: written by one at a time, with the domains lock held
 */
struct iopt_domain {
	struct list_head item;
	struct iommu_domain *domain;
	enum iopt_tracker tracker;
};

/*
 * Fill @entry->domain with all areas and keep it equal from then on; its aperture is
 * enforced.  -EINVAL (smallest page above PAGE_SIZE), -EADDRINUSE (an area is misaligned
 * for it, or outside its aperture), pinning and driver errors; nothing is left on failure.
 * iopt_remove_domain() empties it again; cannot fail.
 */
int iopt_add_domain(struct iommufd_iopt *iopt, struct iopt_domain *entry);
void iopt_remove_domain(struct iommufd_iopt *iopt, struct iopt_domain *entry);

/*
 * Reserve for @owner: -EADDRINUSE when an area or an allowed range is there, -ENOMEM.
 * Overlapping other reservations is fine.
 */
int iopt_reserve(struct iommufd_iopt *iopt, const struct iova_span *span,
		 const void *owner, const char *name);
void iopt_unreserve(struct iommufd_iopt *iopt, const void *owner);

/*
 * Replace the allowed set by @n spans.  -EINVAL when they overlap each other,
 * -EADDRINUSE when one overlaps a reserved range, -ENOMEM; then the old set stays.
 */
int iopt_set_allowed(struct iommufd_iopt *iopt, const struct iova_span *spans,
		     unsigned int n);

/* IOMMU_OPTION_HUGE_PAGES: off is -EINVAL with domains and areas, -EADDRINUSE misaligned. */
int iopt_set_huge_pages(struct iommufd_iopt *iopt, bool on);

/* Page sizes that every domain has; all bits without a domain. */
unsigned long iopt_page_sizes(struct iommufd_iopt *iopt);

/* In-kernel accesses. */

struct iopt_access;

/**
 * struct iopt_access_ops - how to tell an access, from below
 * @tryget: take a short reference; false when it is going away
 * @put: give it back
 * @unmap: let go of all pins in the range now; NULL when it never pins.  May sleep; no
 *	   lock of the table is held
 */
struct iopt_access_ops {
	bool (*tryget)(struct iopt_access *access);
	void (*put)(struct iopt_access *access);
	void (*unmap)(struct iopt_access *access, unsigned long iova,
		      unsigned long length);
};

/**
 * struct iopt_access - an in-kernel user of a table
 * @ops: see above
 * @id: in &iommufd_iopt.accesses; private
 * @alignment: what it needs: PAGE_SIZE if it pins, else 1
 */
struct iopt_access {
	const struct iopt_access_ops *ops;
	u32 id;
	unsigned long alignment;
};

/* -EADDRINUSE: an area is misaligned for it; -ENOMEM. */
int iopt_add_access(struct iommufd_iopt *iopt, struct iopt_access *access);
void iopt_remove_access(struct iommufd_iopt *iopt, struct iopt_access *access);
/* Call its unmap operation for each area with pins.  It must not make new ones. */
void iopt_ask_access(struct iommufd_iopt *iopt, struct iopt_access *access);

/*
 * Pin [@iova, @iova + @length) and return its pages; unpin the very same range later, from
 * the same table.  @write: pages will be written.  SPEC B5 has the errors.  The caller holds
 * the space lock for reading.
 */
int iopt_access_pin(struct iommufd_iopt *iopt, unsigned long iova,
		    unsigned long length, struct page **pages, bool write);
void iopt_access_unpin(struct iommufd_iopt *iopt, unsigned long iova,
		       unsigned long length);
/*
 * The same for hardware that reads from guest memory and cannot be asked to let go: UNMAP
 * says -EBUSY until it is unlocked.  *@phys: where the memory begins; -EFAULT when it is
 * not contiguous.
 */
int iopt_access_lock(struct iommufd_iopt *iopt, unsigned long iova,
		     unsigned long length, phys_addr_t *phys);
void iopt_access_unlock(struct iommufd_iopt *iopt, unsigned long iova,
			unsigned long length);
/*
 * Copy; @flags: IOMMUFD_ACCESS_RW_*.  The caller holds the space lock for reading.
 * iopt_access_copy() is for the usual case and false in others, when nothing or a part has
 * been copied: iopt_access_rw() does them all.
 */
bool iopt_access_copy(struct iommufd_iopt *iopt, unsigned long iova, void *data,
		      unsigned long length, unsigned int flags);
int iopt_access_rw(struct iommufd_iopt *iopt, unsigned long iova, void *data,
		   unsigned long length, unsigned int flags);

/*
 * CHANGE_PROCESS.  lock_domains all tables (@nest, held for writing, orders them), then
 * lock_space all, prepare each, then commit or abort each (abort may be called on one
 * whose prepare failed or was not called), unlock all.  prepare: -EINVAL when an area's
 * backing cannot move, -ENOMEM.
 */
void iopt_move_lock_domains(struct iommufd_iopt *iopt, struct rw_semaphore *nest);
void iopt_move_lock_space(struct iommufd_iopt *iopt, struct rw_semaphore *nest);
int iopt_move_prepare(struct iommufd_iopt *iopt, struct iommufd_payer *payer);
void iopt_move_commit(struct iommufd_iopt *iopt);
void iopt_move_abort(struct iommufd_iopt *iopt);
void iopt_move_unlock(struct iommufd_iopt *iopt);
#endif
