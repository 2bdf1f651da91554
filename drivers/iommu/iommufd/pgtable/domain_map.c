// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The place where iommufd fills and empties IOMMU page tables; for device memory, which
 * comes and goes by itself, it tells memory/revocable.c where it is to be seen.
 *
 * In:  the runs of a pinned area go to the page table as pieces as long as they
 *      are contiguous, without telling the hardware; domain_map_sync() tells it
 *      once for a whole call.
 * Out: neighbouring areas leave as one range, what the IOTLBs hold of them is
 *      gathered and flushed once; the page table is never asked for a physical
 *      address, the runs know.
 *
 * Order of danger: an area is pinned before domain_map_area() and unpinned after
 * domain_unmap_end() has flushed.
 *
 * Locks: the caller holds the table's domains lock; the walk over the runs holds
 * the backing's mutex.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd_report.h>
#include <linux/sched/signal.h>

#include "../domain_sync.h"
#include "../memory/backing.h"
#include "../memory/revocable.h"
#include "../test_hooks.h"
#include "area.h"
#include "domain_map.h"

/* Pieces between two looks at the scheduler; there can be hundreds of millions. */
#define PIECES_AT_A_TIME 1024

/* After each piece: -EINTR when the caller is being killed. */
static __always_inline int breathe(unsigned int *npieces)
{
	if (likely(++*npieces < PIECES_AT_A_TIME))
		return 0;
	*npieces = 0;
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* Map contiguous bytes in a domain that may use small pages only. */
static noinline int map_limited(const struct domain_mapping *to,
				unsigned long *iova, phys_addr_t phys,
				unsigned long length, int prot)
{
	unsigned int npieces = 0;

	while (length) {
		unsigned long room = to->max_piece - (*iova & (to->max_piece - 1));
		unsigned long n = min(length, room);
		int rc;

		rc = iommufd_domain_map_nosync(to->domain, *iova, phys, n, prot,
					       GFP_KERNEL_ACCOUNT);
		if (rc)
			return rc;
		*iova += n;
		phys += n;
		length -= n;
		rc = breathe(&npieces);
		if (rc)
			return rc;
	}
	return 0;
}

/* Pages handed to the page table at once. */
#define BATCH_PAGES 64

/**
 * struct map_progress - runs on their way into a domain
 * @to: the domain and how
 * @iova: where the next page that is not mapped yet goes
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE
 * @npieces: pieces so far, for breathe()
 * @nwaiting: number of @waiting
 * @waiting: single pages to be mapped one behind the other at @iova
 */
struct map_progress {
	const struct domain_mapping *to;
	unsigned long iova;
	int prot;
	unsigned int npieces;
	unsigned int nwaiting;
	unsigned long waiting[BATCH_PAGES];
};

static int map_waiting(struct map_progress *map)
{
	unsigned long mapped;
	int rc;

	if (!map->nwaiting)
		return 0;
	rc = iommufd_domain_map_pages(map->to->domain, map->iova, map->waiting,
				      map->nwaiting, map->prot,
				      GFP_KERNEL_ACCOUNT, &mapped);
	map->iova += mapped << PAGE_SHIFT;
	map->nwaiting = 0;
	return rc;
}

/* Map contiguous bytes that are more or less than a page. */
static noinline int map_contiguous(struct map_progress *map, phys_addr_t phys,
				   unsigned long length)
{
	int rc = map_waiting(map);

	if (rc)
		return rc;
	if (unlikely(map->to->max_piece))
		return map_limited(map->to, &map->iova, phys, length, map->prot);
	rc = iommufd_domain_map_nosync(map->to->domain, map->iova, phys, length,
				       map->prot, GFP_KERNEL_ACCOUNT);
	if (!rc)
		map->iova += length;
	return rc;
}

/* Map contiguous bytes, now or soon.  Called for each page of scattered memory. */
static __always_inline int map_piece(struct map_progress *map, phys_addr_t phys,
				     unsigned long length)
{
	if (length != PAGE_SIZE || !PAGE_ALIGNED(phys | map->iova))
		return map_contiguous(map, phys, length);
	map->waiting[map->nwaiting++] = PHYS_PFN(phys);
	return map->nwaiting == BATCH_PAGES ? map_waiting(map) : 0;
}

/* Pages for which map_piece() would do nothing but let them wait. */
static int map_singles(struct map_progress *map, struct pfn_runs_iter *it,
		       unsigned long *left)
{
	unsigned int n;

	n = pfn_runs_next_singles(it, map->waiting + map->nwaiting,
				  BATCH_PAGES - map->nwaiting);
	map->nwaiting += n;
	map->npieces += n;
	*left -= (unsigned long)n << PAGE_SHIFT;
	return map->nwaiting == BATCH_PAGES ? map_waiting(map) : 0;
}

/* Map the runs of an area whose backing is used whole. */
static int map_whole(struct map_progress *map, struct iommufd_area *area)
{
	const struct pfn_runs *runs = &area->backing->whole_runs;
	struct pfn_runs_iter it __uninitialized;
	unsigned long skip = offset_in_page(area->offset);
	unsigned long left = area_length(area);
	bool aligned = PAGE_ALIGNED(area->node.span.first | skip | left);
	int rc;

	if (WARN_ON_ONCE(pfn_runs_is_empty(runs)))
		return -EINVAL;
	if (pfn_runs_is_single(runs))
		return map_piece(map, PFN_PHYS(pfn_runs_single_pfn(runs)) + area->offset,
				 left);
	pfn_runs_for_each(&it, runs, area_first_page(area), area_npages(area)) {
		unsigned long length = min(left, (it.run.npages << PAGE_SHIFT) - skip);

		rc = map_piece(map, PFN_PHYS(it.run.pfn) + skip, length) ?:
		     breathe(&map->npieces);
		skip = 0;
		left -= length;
		if (!rc && aligned)
			rc = map_singles(map, &it, &left);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * The same for a backing in segments.  The neighbours that the walk does not merge, at the
 * borders of segments, wait for each other here.
 */
static int map_segments(struct map_progress *map, struct iommufd_area *area)
{
	unsigned long skip = offset_in_page(area->offset);
	unsigned long left = area_length(area);
	struct iommufd_backing_walk walk;
	unsigned long waiting = 0;
	phys_addr_t phys = 0;
	int rc;

	iommufd_backing_for_each_run(&walk, area->backing,
				     area_first_page(area), area_npages(area)) {
		phys_addr_t next = PFN_PHYS(walk.it.run.pfn) + skip;
		unsigned long length;

		length = min(left, (walk.it.run.npages << PAGE_SHIFT) - skip);
		skip = 0;
		left -= length;
		if (waiting && phys + waiting != next) {
			rc = map_piece(map, phys, waiting) ?: breathe(&map->npieces);
			if (rc)
				return rc;
			waiting = 0;
		}
		if (!waiting)
			phys = next;
		waiting += length;
	}
	return map_piece(map, phys, waiting);
}

static noinline int map_runs(const struct domain_mapping *to, struct iommufd_area *area,
			     unsigned long *done)
{
	/* Its array is filled as far as it is used. */
	struct map_progress map __uninitialized;
	int rc;

	map.to = to;
	map.iova = area->node.span.first;
	map.prot = area->prot;
	map.npieces = 0;
	map.nwaiting = 0;
	rc = (iommufd_backing_in_parts(area->backing) ?
	      map_segments(&map, area) : map_whole(&map, area)) ?: map_waiting(&map);
	*done = map.iova - area->node.span.first;
	return rc;
}

/* The only page of a backing. */
static int map_page(const struct domain_mapping *to, struct iommufd_area *area,
		    unsigned long *done)
{
	unsigned long pfn = pfn_runs_single_pfn(&area->backing->whole_runs);

	*done = 0;
	return iommufd_domain_map_nosync(to->domain, area->node.span.first,
					 PFN_PHYS(pfn), PAGE_SIZE, area->prot,
					 GFP_KERNEL_ACCOUNT);
}

/* *@done is what was reached, also on failure. */
static int map_backing(const struct domain_mapping *to, struct iommufd_area *area,
		       unsigned long *done)
{
	struct iommufd_backing *backing = area->backing;

	guard(bit_mutex)(&backing->lock);
	if (!iommufd_backing_in_parts(backing) && pfn_runs_is_page(&backing->whole_runs) &&
	    area_length(area) == PAGE_SIZE && PAGE_ALIGNED(area->node.span.first))
		return map_page(to, area, done);
	return map_runs(to, area, done);
}

static int show_area(const struct domain_mapping *to, struct iommufd_area *area,
		     struct iommufd_revocable *rev)
{
	const struct iommufd_show_request rq = {
		.domain = to->domain,
		.iova = area->node.span.first,
		.offset = area->offset,
		.length = area_length(area),
		.prot = area->prot,
		.max_piece = to->max_piece,
	};

	return iommufd_revocable_show(rev, &rq, to->log);
}

/**
 * domain_map_area - put a pinned area into a domain
 * @to: the domain and how
 * @area: the area, not in this domain yet
 *
 * The hardware may not know before domain_map_sync().  Device memory that is away is a
 * hole until it comes back.
 *
 * Context: may sleep.  Takes the backing's mutex.
 * Return: 0; a driver's errno with the reason noted, or -EINTR when the caller is being
 * killed; then nothing of the area is in the domain.
 */
int domain_map_area(const struct domain_mapping *to, struct iommufd_area *area)
{
	struct iommufd_revocable *rev = area_revocable(area);
	unsigned long done;
	int rc;

	if (rev)
		return show_area(to, area, rev);
	iommufd_test_warn((area->prot & IOMMU_WRITE) &&
			  !iommufd_backing_writable(area->backing));
	rc = map_backing(to, area, &done);
	if (!rc)
		return 0;

	if (done)
		iommu_unmap(to->domain, area->node.span.first, done);
	if (rc == -EINTR)
		return rc;
	return iommufd_refuse(to->log, rc, WHY_DRIVER,
			      "IOMMU driver could not map iova 0x%lx (%lu bytes of 0x%lx-0x%lx done)",
			      area->node.span.first + done, done,
			      area->node.span.first,
			      area->node.span.last);
}

/**
 * domain_map_sync - tell the hardware about everything mapped in a range
 * @to: the domain
 * @span: covers what was mapped, may have holes
 *
 * Context: may sleep.
 * Return: 0, or a driver's errno with the reason noted; the caller unmaps.
 */
int domain_map_sync(const struct domain_mapping *to,
		    const struct iova_span *span)
{
	int rc;

	rc = iommufd_domain_sync_map(to->domain, span->first,
				     iova_span_len(span));
	if (rc)
		return iommufd_refuse(to->log, rc, WHY_DRIVER,
				      "IOMMU driver could not sync iova 0x%lx-0x%lx",
				      span->first, span->last);
	return 0;
}

/* For test builds; not every domain of a unit test can say. */
static bool is_shown(struct iommu_domain *domain, unsigned long iova, bool unknown)
{
	return domain->ops->iova_to_phys ? iommu_iova_to_phys(domain, iova) : unknown;
}

static __always_inline void unmap_pending(struct domain_unmap *un)
{
	unsigned long length = iova_span_len(&un->pending);
	size_t done;

	un->have_pending = false;
	iommufd_test_warn(!is_shown(un->domain, un->pending.first, true) ||
			  !is_shown(un->domain, un->pending.last, true));
	done = iommufd_domain_unmap(un->domain, un->pending.first, length,
				    un->gather);
	/* A driver that loses mappings has no way to be undone. */
	WARN_ON_ONCE(done != length);
	iommufd_test_warn(is_shown(un->domain, un->pending.first, false) ||
			  is_shown(un->domain, un->pending.last, false));
}

static __always_inline void unmap_span(struct domain_unmap *un, const struct iova_span *span)
{
	if (un->have_pending && un->pending.last + 1 == span->first) {
		un->pending.last = span->last;
		return;
	}
	if (un->have_pending)
		unmap_pending(un);
	un->pending = *span;
	un->have_pending = true;
}

/* domain_unmap_area() and domain_unmap_end(), where the state need not be in memory. */
static __always_inline void unmap_area(struct domain_unmap *un, struct iommufd_area *area)
{
	struct iommufd_revocable *rev = area_revocable(area);

	if (rev)
		iommufd_revocable_hide(rev, un->domain, area->node.span.first);
	else
		unmap_span(un, &area->node.span);
}

static __always_inline void unmap_end(struct domain_unmap *un)
{
	if (!un->have_pending)
		return;
	unmap_pending(un);
	iommu_iotlb_sync(un->domain, un->gather);
}

/**
 * domain_unmap_area - take an area out of the domain
 * @un: state
 * @area: in this domain; above all areas given before
 *
 * Context: may sleep.  Pages stay reachable by the device until domain_unmap_end().
 */
void domain_unmap_area(struct domain_unmap *un, struct iommufd_area *area)
{
	unmap_area(un, area);
}

/**
 * domain_unmap_end - finish, and flush the IOTLBs once for everything
 * @un: state
 *
 * After this no device reaches the pages through the domain.
 */
void domain_unmap_end(struct domain_unmap *un)
{
	unmap_end(un);
}

/**
 * domain_unmap_chain - take areas out of a domain, and flush the IOTLBs once
 * @domain: the domain
 * @chain: the areas, linked by @next, in ascending order
 * @end: the first area of the chain that is not in the domain; NULL if all are
 *
 * Context: may sleep.  After this no device reaches the pages through the domain.
 */
void domain_unmap_chain(struct iommu_domain *domain, struct iommufd_area *chain,
			const struct iommufd_area *end)
{
	struct iommu_iotlb_gather gather __uninitialized;
	struct domain_unmap un __uninitialized;

	domain_unmap_begin(&un, domain, &gather);
	for (struct iommufd_area *area = chain; area != end; area = area->next) {
		unmap_area(&un, area);
		cond_resched();
	}
	unmap_end(&un);
}
