// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings: uses are taken and given back, pages are charged and pinned for the
 * first use and unpinned after the last one.
 *
 * A backing has one of two shapes.  Whole: one set of runs and one count of uses, all
 * of all pages.  In segments: a tree of pinned parts.  It goes into segments when a
 * part of it is used alone, and becomes whole again when what is pinned allows it.
 *
 * Order of danger: charge -> pin -> the caller maps; the caller unmaps and flushes ->
 * unpin -> uncharge.  No other file of this directory charges or uncharges, except to
 * move a charge.
 *
 * Locks: &iommufd_backing.lock, see backing.h.  Calls segments, pins, memlock, and
 * the origin through its ops.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/iommufd_report.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../test_hooks.h"
#include "memlock.h"
#include "origin.h"
#include "pins.h"
#include "segments.h"

/**
 * iommufd_backing_init_free - fill in what a backing has that nobody pays for
 * @backing: zeroed memory
 * @ops: of the origin
 * @npages: length, not zero
 * @writable: pin for writing
 */
void iommufd_backing_init_free(struct iommufd_backing *backing,
			       const struct iommufd_backing_ops *ops,
			       unsigned long npages, bool writable)
{
	refcount_set(&backing->refs, 1);
	backing->ops = ops;
	backing->npages = npages;
	backing->writable = writable;
	mutex_init(&backing->lock);
}

/**
 * iommufd_backing_init - fill in what every backing has
 * @backing: zeroed memory
 * @ops: of the origin
 * @accounts: accounting of the file the call was made on; the running process pays
 * @npages: length, not zero
 * @writable: pin for writing
 * @log: where a refusal is told
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM without memory; -EINVAL when no process is running.  On failure the
 * caller frees the memory itself.
 */
int iommufd_backing_init(struct iommufd_backing *backing,
			 const struct iommufd_backing_ops *ops,
			 struct iommufd_accounts *accounts,
			 unsigned long npages, bool writable,
			 struct iommufd_log *log)
{
	struct iommufd_payer *payer = iommufd_payer_get_current(accounts);

	if (IS_ERR(payer))
		return iommufd_refuse(log, PTR_ERR(payer), WHY_NO_MEMORY,
				      "no account for the calling process");
	iommufd_backing_init_free(backing, ops, npages, writable);
	backing->payer = payer;
	return 0;
}

/**
 * iommufd_backing_put - drop a reference
 * @backing: the backing
 *
 * Pages that are still in use when the last reference goes stay pinned for ever: a
 * device might reach them.
 *
 * Context: may sleep.
 */
void iommufd_backing_put(struct iommufd_backing *backing)
{
	if (!refcount_dec_and_test(&backing->refs))
		return;
	if (WARN_ON(backing->in_segments || backing->whole_uses))
		return;

	if (backing->ops->release)
		backing->ops->release(backing);
	if (backing->payer)
		iommufd_payer_put(backing->payer);
	mutex_destroy(&backing->lock);
	kfree(backing);
}

/**
 * iommufd_backing_unpin_runs - give pages back to where they came from
 * @backing: their backing
 * @runs: the pages; empty afterwards
 * @dirty: they may have been written
 *
 * Does not uncharge.
 *
 * Context: may sleep.
 */
void iommufd_backing_unpin_runs(struct iommufd_backing *backing,
				struct pfn_runs *runs, bool dirty)
{
	if (unlikely(backing->ops->unpin))
		backing->ops->unpin(backing, runs, dirty);
	else
		iommufd_unpin_runs(runs, dirty);
}

static int charge_and_pin(struct iommufd_backing *backing, unsigned long first,
			  unsigned long npages, struct pfn_runs *runs,
			  struct iommufd_log *log)
{
	int rc;

	rc = iommufd_payer_charge(backing->payer, npages, log);
	if (rc)
		return rc;
	rc = backing->ops->pin(backing, first, npages, runs, log);
	if (!rc) {
		iommufd_test_warn(runs->npages != npages);
		return 0;
	}
	/* No device has seen the pages. */
	iommufd_backing_unpin_runs(backing, runs, false);
	iommufd_payer_uncharge(backing->payer, npages);
	return rc;
}

/* @heir pays for the same pages from now on; NULL: nobody does. */
static void unpin_and_uncharge(struct iommufd_backing *backing,
			       struct pfn_runs *runs,
			       const struct iommufd_payer *heir)
{
	unsigned long npages = runs->npages;

	iommufd_backing_unpin_runs(backing, runs, backing->writable);
	if (heir)
		iommufd_payer_uncharge_for(backing->payer, heir, npages);
	else
		iommufd_payer_uncharge(backing->payer, npages);
}

static int refuse_uses(struct iommufd_log *log)
{
	return iommufd_refuse(log, -EOVERFLOW, WHY_OVERFLOW,
			      "pages have %u uses already", UINT_MAX);
}

static int refuse_no_memory(struct iommufd_log *log)
{
	return iommufd_refuse(log, -ENOMEM, WHY_NO_MEMORY,
			      "no memory to divide a range of pinned pages");
}

/* Whole -> in segments. */
static int enter_segments(struct iommufd_backing *backing)
{
	struct iommufd_segment *segment = NULL;

	if (backing->in_segments)
		return 0;
	if (backing->whole_uses) {
		segment = kzalloc_obj(*segment, GFP_KERNEL_ACCOUNT);
		if (!segment)
			return -ENOMEM;
		segment->uses = backing->whole_uses;
		segment->begins = backing->whole_uses;
		segment->ends = backing->whole_uses;
		segment->runs = backing->whole_runs;
	}
	backing->whole_uses = 0;
	backing->segments = RB_ROOT;
	backing->in_segments = true;
	if (segment)
		segments_insert(&backing->segments, segment);
	return 0;
}

/* In segments -> whole, if nothing is pinned or all of it in one segment. */
static void try_leave_segments(struct iommufd_backing *backing)
{
	struct iommufd_segment *segment = segments_find(&backing->segments, 0);

	if (segment && segment->runs.npages != backing->npages)
		return;
	backing->in_segments = false;
	pfn_runs_init(&backing->whole_runs);
	if (!segment)
		return;
	/* Nothing is left outside of it, so every use begins and ends with it. */
	backing->whole_uses = segment->uses;
	backing->whole_runs = segment->runs;
	kfree(segment);
}

/* The shape after a use has come or gone at these borders. */
static void tidy_segments(struct iommufd_backing *backing, unsigned long first,
			  unsigned long npages)
{
	segments_try_join(&backing->segments, first);
	segments_try_join(&backing->segments, first + npages);
	try_leave_segments(backing);
}

/* Take one use from every segment of a range that has no gap and that begins with one. */
static void drop_segments(struct iommufd_backing *backing, unsigned long first,
			  unsigned long end, const struct iommufd_payer *heir)
{
	struct iommufd_segment *segment = segments_find(&backing->segments, first);
	struct iommufd_segment *next;

	for (; segment && segment->first < end; segment = next) {
		next = segments_next(segment);
		if (--segment->uses)
			continue;
		rb_erase(&segment->rb, &backing->segments);
		unpin_and_uncharge(backing, &segment->runs, heir);
		kfree(segment);
		cond_resched();
	}
}

/* Pin pages of which none is pinned. */
static int pin_gap(struct iommufd_backing *backing, unsigned long first,
		   unsigned long npages, struct iommufd_log *log)
{
	struct iommufd_segment *segment __free(kfree) =
		kzalloc_obj(*segment, GFP_KERNEL_ACCOUNT);
	int rc;

	if (!segment)
		return refuse_no_memory(log);
	rc = charge_and_pin(backing, first, npages, &segment->runs, log);
	if (rc)
		return rc;
	segment->first = first;
	segment->uses = 1;
	segments_insert(&backing->segments, no_free_ptr(segment));
	return 0;
}

/*
 * Take a use of every segment from *@at to @end and pin the gaps; the borders exist.
 * On failure the range up to *@at has its use.
 */
static int hold_segments(struct iommufd_backing *backing, unsigned long *at,
			 unsigned long end, struct iommufd_log *log)
{
	struct iommufd_segment *segment = segments_find(&backing->segments, *at);
	unsigned long gap_end;
	int rc;

	while (*at < end) {
		if (segment && segment->first == *at) {
			if (segment->uses == UINT_MAX)
				return refuse_uses(log);
			segment->uses++;
			*at = segment_end(segment);
			segment = segments_next(segment);
			continue;
		}
		gap_end = segment ? min(end, segment->first) : end;
		rc = pin_gap(backing, *at, gap_end - *at, log);
		if (rc)
			return rc;
		*at = gap_end;
	}
	return 0;
}

static int pin_in_segments(struct iommufd_backing *backing, unsigned long first,
			   unsigned long npages, struct iommufd_log *log)
{
	unsigned long end = first + npages;
	unsigned long at = first;
	int rc;

	rc = enter_segments(backing);
	if (rc)
		return refuse_no_memory(log);

	if (segments_cut(&backing->segments, first) ||
	    segments_cut(&backing->segments, end))
		rc = refuse_no_memory(log);
	else
		rc = hold_segments(backing, &at, end, log);
	if (rc) {
		if (at > first)
			drop_segments(backing, first, at, NULL);
		tidy_segments(backing, first, npages);
		return rc;
	}

	segments_find(&backing->segments, first)->begins++;
	segments_find(&backing->segments, end - 1)->ends++;
	return 0;
}

static int pin_whole(struct iommufd_backing *backing, struct iommufd_log *log)
{
	int rc;

	if (backing->whole_uses == UINT_MAX)
		return refuse_uses(log);
	if (!backing->whole_uses) {
		rc = charge_and_pin(backing, 0, backing->npages,
				    &backing->whole_runs, log);
		if (rc)
			return rc;
	}
	backing->whole_uses++;
	return 0;
}

static bool is_whole(const struct iommufd_backing *backing, unsigned long first,
		     unsigned long npages)
{
	return !first && npages == backing->npages;
}

static bool is_inside(const struct iommufd_backing *backing, unsigned long first,
		      unsigned long npages)
{
	return npages && first < backing->npages &&
	       npages <= backing->npages - first;
}

/**
 * iommufd_backing_pin - take a use of a range of pages
 * @backing: the backing
 * @first: first page index
 * @npages: number of pages; the range lies in the backing
 * @log: where a refusal is told
 *
 * Pages without a use are charged and pinned first.  On failure nothing has changed.
 *
 * Context: may sleep, may fault.  Takes @backing->lock, killable.
 * Return: 0; -ENOMEM over RLIMIT_MEMLOCK or without memory; -EFAULT when there is no
 * memory that could be pinned, or the process is gone; -EINTR when the caller is being
 * killed; -EINVAL when a file has become too short; -EOVERFLOW after 2^32 uses; other
 * errnos of the mm (-EHWPOISON, -EOPNOTSUPP).
 */
int iommufd_backing_pin(struct iommufd_backing *backing, unsigned long first,
			unsigned long npages, struct iommufd_log *log)
{
	int rc;

	if (WARN_ON_ONCE(!is_inside(backing, first, npages)))
		return -EINVAL;

	ACQUIRE(mutex_kill, lock)(&backing->lock);
	rc = ACQUIRE_ERR(mutex_kill, &lock);
	if (rc)
		return rc;
	if (!backing->in_segments && is_whole(backing, first, npages))
		return pin_whole(backing, log);
	return pin_in_segments(backing, first, npages, log);
}

static void unpin_in_segments(struct iommufd_backing *backing,
			      unsigned long first, unsigned long npages,
			      const struct iommufd_payer *heir)
{
	struct iommufd_segment *head, *tail;

	if (WARN_ON_ONCE(!segments_cover(&backing->segments, first, npages)))
		return;
	head = segments_find(&backing->segments, first);
	tail = segments_find(&backing->segments, first + npages - 1);
	if (WARN_ON_ONCE(head->first != first || !head->begins ||
			 segment_end(tail) != first + npages || !tail->ends))
		return;

	head->begins--;
	tail->ends--;
	drop_segments(backing, first, first + npages, heir);
	tidy_segments(backing, first, npages);
}

static void unpin(struct iommufd_backing *backing, unsigned long first,
		  unsigned long npages, const struct iommufd_payer *heir)
{
	if (WARN_ON_ONCE(!is_inside(backing, first, npages)))
		return;

	guard(mutex)(&backing->lock);
	if (backing->in_segments) {
		unpin_in_segments(backing, first, npages, heir);
		return;
	}
	if (WARN_ON_ONCE(!is_whole(backing, first, npages) ||
			 !backing->whole_uses))
		return;
	if (!--backing->whole_uses)
		unpin_and_uncharge(backing, &backing->whole_runs, heir);
}

/**
 * iommufd_backing_unpin - give back a use
 * @backing: the backing
 * @first: first page index
 * @npages: number of pages; the same range as was taken
 *
 * The caller has taken the pages out of every IOMMU and flushed.  A range that
 * nobody has taken is a bug of the caller and is ignored.
 *
 * Context: may sleep.  Takes @backing->lock.
 */
void iommufd_backing_unpin(struct iommufd_backing *backing, unsigned long first,
			   unsigned long npages)
{
	unpin(backing, first, npages, NULL);
}

/**
 * iommufd_backing_pin_for - take a use of all pages for the time after another backing
 * @backing: the backing, without uses
 * @other: shows the same pages and is charged for them; nobody else uses it
 * @log: where a refusal is told
 *
 * One of the two is given back by iommufd_backing_unpin_for().  Until then a limit that
 * both count against counts the pages once.
 *
 * Context: may sleep and fault.  Takes @backing->lock.
 * Return: as iommufd_backing_pin().
 */
int iommufd_backing_pin_for(struct iommufd_backing *backing,
			    const struct iommufd_backing *other,
			    struct iommufd_log *log)
{
	int rc;

	guard(mutex)(&backing->lock);
	if (WARN_ON_ONCE(backing->in_segments || backing->whole_uses))
		return -EINVAL;
	rc = iommufd_payer_charge_for(backing->payer, other->payer,
				      backing->npages, log);
	if (rc)
		return rc;
	rc = backing->ops->pin(backing, 0, backing->npages, &backing->whole_runs,
			       log);
	if (!rc) {
		backing->whole_uses = 1;
		return 0;
	}
	iommufd_backing_unpin_runs(backing, &backing->whole_runs, false);
	iommufd_payer_uncharge_for(backing->payer, other->payer, backing->npages);
	return rc;
}

/**
 * iommufd_backing_unpin_for - give back a use of pages that another backing goes on to use
 * @backing: the backing, which has no other use
 * @first: first page index
 * @npages: number of pages; the same range as was taken
 * @other: see iommufd_backing_pin_for()
 *
 * Context: may sleep.  Takes @backing->lock.
 */
void iommufd_backing_unpin_for(struct iommufd_backing *backing,
			       unsigned long first, unsigned long npages,
			       const struct iommufd_backing *other)
{
	unpin(backing, first, npages, other->payer);
}

/**
 * iommufd_backing_split - turn one use into two
 * @backing: the backing
 * @at: first page index of the upper one; inside a range that is used
 *
 * To be called once for each use that is split.
 *
 * Context: may sleep.  Takes @backing->lock.
 * Return: 0; -ENOMEM, and nothing has changed.
 */
int iommufd_backing_split(struct iommufd_backing *backing, unsigned long at)
{
	if (WARN_ON_ONCE(!at || at >= backing->npages))
		return -EINVAL;

	guard(mutex)(&backing->lock);
	if (!backing->in_segments && WARN_ON_ONCE(!backing->whole_uses))
		return -EINVAL;
	if (enter_segments(backing))
		return -ENOMEM;
	if (WARN_ON_ONCE(!segments_cover(&backing->segments, at - 1, 2)))
		return -EINVAL;
	if (segments_cut(&backing->segments, at)) {
		try_leave_segments(backing);
		return -ENOMEM;
	}
	segments_find(&backing->segments, at - 1)->ends++;
	segments_find(&backing->segments, at)->begins++;
	return 0;
}
