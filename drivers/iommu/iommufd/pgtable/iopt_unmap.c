// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Unmapping.
 *
 * The whole range is checked under the space lock before anything is undone, and
 * its areas are LEAVING: still in the tree, so that nobody takes their IOVA, but
 * no longer anybody else's.  They leave every domain with one flush each, then the
 * tree, and only then are their pages unpinned.
 *
 * In-kernel accesses that hold pins are told first, without a lock held, and the
 * check begins anew.
 *
 * Which areas a range means is a rule of the caller: those inside it, none of which it
 * may cut; or, as the first version of VFIO's type1 had it, those that begin in it, as
 * far as they reach.
 */
#include <linux/cleanup.h>
#include <linux/iommufd_report.h>

#include "../trace.h"
#include "domain_map.h"
#include "iopt_dirty.h"
#include "iopt_private.h"
#include "iopt_record.h"

/* Fewer areas leave the tree one by one. */
#define UNMAP_MANY 16

/* Rounds of asking accesses for the same area before it is a driver's bug. */
#define UNMAP_MAX_ROUNDS 100

/**
 * enum unmap_rule - which areas a range means
 * @UNMAP_INSIDE: those inside; cutting one is an error
 * @UNMAP_BEGUN: those that begin inside; none when the first that the range meets
 *		 begins before it
 */
enum unmap_rule {
	UNMAP_INSIDE,
	UNMAP_BEGUN,
};

/**
 * struct unmap_op - an unmap that is running
 * @span: the range
 * @rule: what it means
 * @written: where to report what was written there; may be NULL
 */
struct unmap_op {
	struct iova_span span;
	enum unmap_rule rule;
	const struct iopt_dirty_request *written;
};

/**
 * struct unmap_claim - areas that are LEAVING
 * @chain: the areas, linked by @next, in ascending order
 * @last: the last one, if there are any
 * @nareas: how many
 * @ninserts: &iommufd_iopt.ninserts when they were claimed, if there are any
 */
struct unmap_claim {
	struct iommufd_area *chain;
	struct iommufd_area *last;
	unsigned long nareas;
	unsigned long ninserts;
};

/* Nothing has happened to the areas yet. */
static void unclaim_locked(struct iommufd_iopt *iopt, struct iommufd_area *chain)
{
	lockdep_assert_held_write(&iopt->space_lock);
	while (chain) {
		struct iommufd_area *area = chain;

		chain = area->next;
		area_set_live(area);
	}
}

static void unclaim(struct iommufd_iopt *iopt, struct iommufd_area *chain)
{
	guard(rwsem_write)(&iopt->space_lock);
	unclaim_locked(iopt, chain);
}

/*
 * Mark all as LEAVING and chain them, or none.  -EAGAIN: the area in @busy is pinned by
 * accesses, and closed for new pins.
 */
static int claim_areas(struct iommufd_iopt *iopt, const struct unmap_op *op,
		       struct unmap_claim *claim, struct iova_span *busy)
{
	struct iommufd_area *area, **link = &claim->chain, *pinned = NULL;
	struct iova_span span = op->span;
	int rc = 0;

	claim->chain = NULL;
	claim->nareas = 0;
	guard(rwsem_write)(&iopt->space_lock);
	if (op->rule == UNMAP_BEGUN && !iopt_span_of_begun(iopt, &span))
		return 0;
	iopt_for_each_area_in(area, iopt, &span) {
		rc = iopt_check_claim(iopt, area, &span);
		if (rc)
			break;
		/* The count is in the place of the link. */
		if (unlikely(atomic_read(&area->accesses))) {
			pinned = pinned ?: area;
			continue;
		}
		WRITE_ONCE(area->state, AREA_LEAVING);
		*link = area;
		link = &area->next;
		claim->last = area;
		claim->nareas++;
	}
	*link = NULL;
	claim->ninserts = iopt->ninserts;
	if (likely(!rc && !pinned))
		return 0;

	unclaim_locked(iopt, claim->chain);
	if (rc)
		return rc;
	pinned->gate = AREA_CLOSED;
	*busy = pinned->node.span;
	return -EAGAIN;
}

static void leave_domains(struct iommufd_iopt *iopt, struct iommufd_area *chain)
{
	struct iopt_domain *entry;

	list_for_each_entry(entry, &iopt->domains, item)
		domain_unmap_chain(entry->domain, chain, NULL);
}

/*
 * Since the areas were claimed others may have been mapped in between, and are not to be
 * lost.
 */
static bool all_between_leave(const struct iommufd_iopt *iopt,
			      const struct unmap_claim *claim)
{
	return claim->ninserts == iopt->ninserts;
}

static void leave_set(struct iommufd_iopt *iopt, const struct unmap_claim *claim)
{
	if (claim->nareas > max(UNMAP_MANY, iopt->nareas / 2) &&
	    all_between_leave(iopt, claim)) {
		iova_resv_remove_areas(&iopt->reserved, &iopt->areas,
				       &claim->chain->node, &claim->last->node);
		return;
	}
	for (struct iommufd_area *area = claim->chain; area; area = area->next)
		iova_set_remove(&iopt->areas, &area->node);
}

/* Number of bytes. */
static unsigned long leave_tree(struct iommufd_iopt *iopt, const struct iova_span *span,
				const struct unmap_claim *claim)
{
	unsigned long bytes = 0;

	guard(rwsem_write)(&iopt->space_lock);
	leave_set(iopt, claim);
	for (struct iommufd_area *area = claim->chain; area; area = area->next) {
		area_forget(iopt, area);
		iopt->no_vaddr -= area->gate == AREA_NO_VADDR;
		bytes += area_length(area);
	}
	iopt->nareas -= claim->nareas;
	iopt->nbytes -= bytes;
	/* Before the IOVA can be used again. */
	trace_iommufd_unmap(iopt->id, span->first, span->last, bytes);
	return bytes;
}

static int try_unmap(struct iommufd_iopt *iopt, const struct unmap_op *op,
		     unsigned long *unmapped, struct iova_span *busy)
{
	struct unmap_claim claim __uninitialized;
	int rc;

	/* Held until the pages are unpinned, CHANGE_PROCESS counts them under it. */
	guard(rwsem_read)(&iopt->domains_lock);
	rc = claim_areas(iopt, op, &claim, busy);
	if (rc || !claim.chain)
		return rc;
	if (op->written) {
		rc = iopt_record_collect(iopt, op->written);
		if (rc) {
			unclaim(iopt, claim.chain);
			return rc;
		}
	}
	/* Commit: nothing below can fail. */
	leave_domains(iopt, claim.chain);
	*unmapped = leave_tree(iopt, &op->span, &claim);
	area_free_chain(claim.chain);
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
		if (area->gate == AREA_CLOSED)
			area->gate = AREA_OPEN;
}

/* An access holds pins in @busy: ask until none does. */
static noinline int unmap_held(struct iommufd_iopt *iopt, const struct unmap_op *op,
			       unsigned long *unmapped, struct iova_span *busy)
{
	struct iova_span top = *busy;
	int rounds = 0;
	int rc;

	do {
		tell_accesses(iopt, busy);
		rc = try_unmap(iopt, op, unmapped, busy);
		/* An area above all others is progress: those are free and closed. */
		rounds = busy->first <= top.last ? rounds + 1 : 0;
		if (!rounds)
			top = *busy;
	} while (rc == -EAGAIN && rounds < UNMAP_MAX_ROUNDS);
	if (rc == -EAGAIN) {
		WARN_ONCE(1, "iommufd: an access does not let go of iova 0x%lx-0x%lx\n",
			  busy->first, busy->last);
		rc = iommufd_refuse(iopt->log, -EDEADLOCK, WHY_DEADLOCK,
				    "an in-kernel access keeps 0x%lx-0x%lx pinned",
				    busy->first, busy->last);
	}
	if (rc)
		reopen(iopt, &op->span);
	return rc;
}

static int unmap_areas(struct iommufd_iopt *iopt, const struct unmap_op *op,
		       unsigned long *unmapped)
{
	struct iova_span busy __uninitialized;
	int rc;

	*unmapped = 0;
	rc = try_unmap(iopt, op, unmapped, &busy);
	return unlikely(rc == -EAGAIN) ? unmap_held(iopt, op, unmapped, &busy) : rc;
}

/**
 * iopt_unmap_any - remove every area inside a range, if there are any
 * @iopt: table
 * @span: the range; may have holes, must not cut an area
 * @unmapped: bytes removed; 0 on failure
 *
 * When this returns no device reaches the memory through the table and its pages
 * are unpinned, unless other areas show them too.
 *
 * Context: may sleep; calls the accesses' unmap operation without a lock held.
 * Return: 0; -ENOENT: an area crosses a border of the range; -EBUSY: one is being
 * mapped or unmapped, or hardware uses it; -EDEADLOCK: an access keeps its pins.  On
 * failure nothing has changed.
 */
int iopt_unmap_any(struct iommufd_iopt *iopt, const struct iova_span *span,
		   unsigned long *unmapped)
{
	const struct unmap_op op = { .span = *span, .rule = UNMAP_INSIDE };

	return unmap_areas(iopt, &op, unmapped);
}

/**
 * iopt_unmap - remove every area inside a range
 * @iopt: table
 * @span: the range; may have holes, must not cut an area
 * @unmapped: bytes removed; 0 on failure
 *
 * Context: as iopt_unmap_any().
 * Return: as iopt_unmap_any(), and -ENOENT also when there is no area.
 */
int iopt_unmap(struct iommufd_iopt *iopt, const struct iova_span *span,
	       unsigned long *unmapped)
{
	int rc = iopt_unmap_any(iopt, span, unmapped);

	if (!rc && !*unmapped)
		return iommufd_refuse(iopt->log, -ENOENT, WHY_HOLE,
				      "nothing is mapped in 0x%lx-0x%lx",
				      span->first, span->last);
	return rc;
}

/**
 * iopt_unmap_written - remove every area inside a range and report what was written there
 * @iopt: table, whose writes are recorded
 * @rq: the range and the bitmap
 * @unmapped: bytes removed; 0 on failure
 *
 * Context: as iopt_unmap_any(); may fault.
 * Return: as iopt_unmap_any() and iopt_record_read().  On failure nothing has changed but
 * bits of the bitmap.
 */
int iopt_unmap_written(struct iommufd_iopt *iopt,
		       const struct iopt_dirty_request *rq,
		       unsigned long *unmapped)
{
	struct iopt_dirty_request written = *rq;
	const struct unmap_op op = {
		.span = rq->span,
		.rule = UNMAP_INSIDE,
		.written = &written,
	};

	if (!READ_ONCE(iopt->recording))
		return iommufd_refuse(iopt->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "writes are not recorded");
	/* The record goes with the areas. */
	written.keep = true;
	return unmap_areas(iopt, &op, unmapped);
}

/**
 * iopt_unmap_begun - remove every area that begins in a range
 * @iopt: table
 * @span: the range
 * @unmapped: bytes removed, which may be more than the range has
 *
 * The last area may reach beyond the range.  If the first that the range meets begins
 * before it, nothing is removed.
 *
 * Context: as iopt_unmap_any().
 * Return: 0, also when nothing was removed; -EBUSY and -EDEADLOCK as iopt_unmap_any().
 */
int iopt_unmap_begun(struct iommufd_iopt *iopt, const struct iova_span *span,
		     unsigned long *unmapped)
{
	const struct unmap_op op = { .span = *span, .rule = UNMAP_BEGUN };

	return unmap_areas(iopt, &op, unmapped);
}

/**
 * iopt_unmap_all - remove every area
 * @iopt: table
 * @unmapped: bytes removed
 *
 * Context: as iopt_unmap_any().
 * Return: as iopt_unmap_any() of the whole space.
 */
int iopt_unmap_all(struct iommufd_iopt *iopt, unsigned long *unmapped)
{
	return iopt_unmap_any(iopt, &IOVA_SPAN_ALL, unmapped);
}
