// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Unmapping.
 *
 * The whole range is checked under the space lock before anything is undone; then
 * its areas are LEAVING: still in the tree, so that nobody takes their IOVA, but
 * no longer anybody else's.  They leave every domain with one flush each, then the
 * tree, and only then are their pages unpinned.
 *
 * In-kernel accesses that hold pins are told first, without a lock held, and the
 * check begins anew.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd_report.h>
#include <linux/sched.h>

#include "domain_map.h"
#include "iopt_private.h"

/* Rounds of asking accesses for the same area before it is a driver's bug. */
#define UNMAP_MAX_ROUNDS 100

static int check_area(struct iommufd_iopt *iopt, struct iommufd_area *area,
		      const struct iova_span *span)
{
	if (!iova_span_contains(span, &area->node.span))
		return iommufd_refuse(iopt->log, -ENOENT, WHY_PARTIAL,
				      "range 0x%lx-0x%lx cuts the mapping 0x%lx-0x%lx",
				      span->first, span->last,
				      area->node.span.first,
				      area->node.span.last);
	if (area_state(area) != AREA_LIVE)
		return iommufd_refuse(iopt->log, -EBUSY, WHY_IN_PROGRESS,
				      "mapping 0x%lx-0x%lx is being %s by another thread",
				      area->node.span.first,
				      area->node.span.last,
				      area_state(area) == AREA_NEW ?
					      "mapped" : "unmapped");
	return 0;
}

/*
 * Check all, then mark all as LEAVING and chain them.  -EAGAIN: the area in @busy is
 * pinned by accesses, and closed for new pins.
 */
static int claim_areas(struct iommufd_iopt *iopt, const struct iova_span *span,
		       struct iommufd_area **chain, struct iova_span *busy)
{
	struct iommufd_area *area, *pinned = NULL;
	int rc;

	guard(rwsem_write)(&iopt->space_lock);
	iopt_for_each_area_in(area, iopt, span) {
		rc = check_area(iopt, area, span);
		if (rc)
			return rc;
		if (!pinned && atomic_read(&area->accesses))
			pinned = area;
	}
	if (pinned) {
		pinned->no_access = true;
		*busy = pinned->node.span;
		return -EAGAIN;
	}

	iopt_for_each_area_in(area, iopt, span) {
		WRITE_ONCE(area->state, AREA_LEAVING);
		*chain = area;
		chain = &area->next;
	}
	return 0;
}

static void leave_domains(struct iommufd_iopt *iopt, struct iommufd_area *chain)
{
	struct iommu_iotlb_gather gather;
	struct iopt_domain *entry;
	struct domain_unmap un;

	list_for_each_entry(entry, &iopt->domains, item) {
		domain_unmap_begin(&un, entry->domain, &gather);
		for (struct iommufd_area *area = chain; area; area = area->next) {
			domain_unmap_span(&un, &area->node.span);
			cond_resched();
		}
		domain_unmap_end(&un);
	}
}

static unsigned long leave_tree(struct iommufd_iopt *iopt,
				struct iommufd_area *chain)
{
	unsigned long bytes = 0;

	guard(rwsem_write)(&iopt->space_lock);
	for (struct iommufd_area *area = chain; area; area = area->next) {
		iova_set_remove(&iopt->areas, &area->node);
		iopt->nareas--;
		bytes += area_length(area);
	}
	iopt->nbytes -= bytes;
	return bytes;
}

static int try_unmap(struct iommufd_iopt *iopt, const struct iova_span *span,
		     unsigned long *unmapped, struct iova_span *busy)
{
	int rc;

	/* Held until the pages are unpinned, CHANGE_PROCESS counts them under it. */
	guard(rwsem_read)(&iopt->domains_lock);
	struct iommufd_area *chain __free(area_chain) = NULL;
	rc = claim_areas(iopt, span, &chain, busy);
	if (rc)
		return rc;
	/* Commit: nothing below can fail. */
	leave_domains(iopt, chain);
	*unmapped = leave_tree(iopt, chain);
	return 0;
}

/* Ask every access to let go of a range. */
static void tell_accesses(struct iommufd_iopt *iopt, const struct iova_span *busy)
{
	struct iopt_access *access;
	unsigned long index;

	down_read(&iopt->space_lock);
	xa_for_each(&iopt->accesses, index, access) {
		if (!access->ops->unmap || !access->ops->tryget(access))
			continue;
		up_read(&iopt->space_lock);
		access->ops->unmap(access, busy->first, iova_span_len(busy));
		access->ops->put(access);
		down_read(&iopt->space_lock);
	}
	up_read(&iopt->space_lock);
}

/* The unmap did not happen: open its areas for accesses again. */
static void reopen(struct iommufd_iopt *iopt, const struct iova_span *span)
{
	struct iommufd_area *area;

	guard(rwsem_write)(&iopt->space_lock);
	iopt_for_each_area_in(area, iopt, span)
		area->no_access = false;
}

static int unmap_range(struct iommufd_iopt *iopt, const struct iova_span *span,
		       unsigned long *unmapped)
{
	struct iova_span busy, top;
	bool told = false;
	int rounds = 0;
	int rc;

	*unmapped = 0;
	rc = try_unmap(iopt, span, unmapped, &busy);
	while (rc == -EAGAIN && rounds < UNMAP_MAX_ROUNDS) {
		/* An area above all others is progress: those are free and closed. */
		rounds = told && busy.first <= top.last ? rounds + 1 : 0;
		if (!rounds)
			top = busy;
		told = true;
		tell_accesses(iopt, &busy);
		rc = try_unmap(iopt, span, unmapped, &busy);
	}
	if (rc == -EAGAIN) {
		WARN_ONCE(1, "iommufd: an access does not let go of iova 0x%lx-0x%lx\n",
			  busy.first, busy.last);
		rc = iommufd_refuse(iopt->log, -EDEADLOCK, WHY_DEADLOCK,
				    "an in-kernel access keeps 0x%lx-0x%lx pinned",
				    busy.first, busy.last);
	}
	if (rc && told)
		reopen(iopt, span);
	return rc;
}

/**
 * iopt_unmap - remove every area inside a range
 * @iopt: table
 * @span: the range; may have holes, must not cut an area
 * @unmapped: bytes removed; 0 on failure
 *
 * When this returns no device reaches the memory through the table and its pages
 * are unpinned, unless other areas show them too.
 *
 * Context: may sleep; calls the accesses' unmap operation without a lock held.
 * Return: 0; -ENOENT: no area there, or one crosses a border; -EBUSY: one is being
 * mapped or unmapped; -EDEADLOCK: an access keeps its pins.  On failure nothing has
 * changed.
 */
int iopt_unmap(struct iommufd_iopt *iopt, const struct iova_span *span,
	       unsigned long *unmapped)
{
	int rc = unmap_range(iopt, span, unmapped);

	if (!rc && !*unmapped)
		return iommufd_refuse(iopt->log, -ENOENT, WHY_HOLE,
				      "nothing is mapped in 0x%lx-0x%lx",
				      span->first, span->last);
	return rc;
}

/**
 * iopt_unmap_all - remove every area
 * @iopt: table
 * @unmapped: bytes removed
 *
 * Context: as iopt_unmap().
 * Return: as iopt_unmap() of the whole space, but an empty table is a success.
 */
int iopt_unmap_all(struct iommufd_iopt *iopt, unsigned long *unmapped)
{
	return unmap_range(iopt, &IOVA_SPAN_ALL, unmapped);
}
