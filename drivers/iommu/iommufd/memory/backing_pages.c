// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings: pages are charged and pinned, and unpinned and uncharged.
 *
 * Order of danger: charge -> pin -> the caller maps; the caller unmaps and flushes ->
 * unpin -> uncharge.  No other file of this directory charges or uncharges, except to
 * move a charge.
 *
 * Locks: &iommufd_backing.lock is held by the caller.  Calls pins, memlock, and the origin
 * through its ops.
 */
#include <linux/sched.h>

#include "../test_hooks.h"
#include "memlock.h"
#include "origin.h"
#include "parts.h"
#include "pins.h"

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

/**
 * iommufd_backing_charge_and_pin - pin pages that are not pinned yet
 * @backing: their backing
 * @first: first page index
 * @npages: number of pages
 * @runs: returns the pages, empty before
 * @log: where a refusal is told
 *
 * Context: may sleep, may fault.
 * Return: as iommufd_backing_pin(); on failure nothing has changed.
 */
int iommufd_backing_charge_and_pin(struct iommufd_backing *backing,
				   unsigned long first, unsigned long npages,
				   struct pfn_runs *runs, struct iommufd_log *log)
{
	int rc;

	rc = iommufd_payer_charge(backing->payer, npages, log);
	if (rc)
		return rc;
	rc = backing->ops->pin(backing, first, npages, runs, log);
	if (!rc) {
		iommufd_test_warn(pfn_runs_npages(runs) != npages);
		return 0;
	}
	/* No device has seen the pages. */
	iommufd_backing_unpin_runs(backing, runs, false);
	iommufd_payer_uncharge(backing->payer, npages);
	return rc;
}

static void uncharge(struct iommufd_backing *backing, unsigned long npages,
		     const struct iommufd_payer *heir)
{
	if (heir)
		iommufd_payer_uncharge_for(backing->payer, heir, npages);
	else
		iommufd_payer_uncharge(backing->payer, npages);
}

/**
 * iommufd_backing_unpin_and_uncharge - give pages back
 * @backing: their backing
 * @runs: the pages; empty afterwards
 * @heir: pays for the same pages from now on; NULL: nobody does
 *
 * Context: may sleep.
 */
void iommufd_backing_unpin_and_uncharge(struct iommufd_backing *backing,
					struct pfn_runs *runs,
					const struct iommufd_payer *heir)
{
	unsigned long npages = pfn_runs_npages(runs);

	iommufd_backing_unpin_runs(backing, runs, iommufd_backing_writable(backing));
	uncharge(backing, npages, heir);
}

/* Contiguous pages.  What fits in a single run needs no memory. */
static void unpin_stretch(struct iommufd_backing *backing, struct pfn_run run)
{
	struct pfn_runs piece;
	unsigned long n;

	for (; run.npages; run.npages -= n, run.pfn += n) {
		n = min(run.npages, BIT(PFN_RUN_LENGTH_BITS));
		pfn_runs_init(&piece);
		pfn_runs_append(&piece, run.pfn, n, GFP_KERNEL);
		iommufd_backing_unpin_runs(backing, &piece, iommufd_backing_writable(backing));
		cond_resched();
	}
}

/**
 * iommufd_backing_unpin_some - give some pages back
 * @backing: their backing
 * @runs: pages, which keep their place in here
 * @first: first one to go
 * @npages: how many, not zero
 * @heir: pays for the same pages from now on; NULL: nobody does
 *
 * Context: may sleep.
 */
void iommufd_backing_unpin_some(struct iommufd_backing *backing,
				const struct pfn_runs *runs, unsigned long first,
				unsigned long npages,
				const struct iommufd_payer *heir)
{
	struct pfn_runs_iter it;

	pfn_runs_for_each(&it, runs, first, npages)
		unpin_stretch(backing, it.run);
	uncharge(backing, npages, heir);
}
