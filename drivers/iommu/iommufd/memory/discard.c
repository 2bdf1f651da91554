// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The end of many small backings.
 *
 * Whoever holds the only reference on a backing is alone with it, and needs no lock.  Of
 * such backings, as long as they are a page of the same process each, the pins go at once,
 * the charges in one change of the counters, and the memory in one call of the allocator.
 *
 * Order of danger: who adds a backing has flushed the IOTLBs before.
 *
 * No locks.  Calls memlock, backing_user.c and the mm.
 */
#include <linux/mm.h>
#include <linux/refcount.h>

#include "backing.h"
#include "discard.h"
#include "memlock.h"
#include "origin.h"
#include "pins.h"

static void flush(struct iommufd_discard *discard)
{
	if (discard->npages)
		iommufd_payer_uncharge(discard->payer, discard->npages);
	iommufd_payer_put_many(discard->payer, discard->nbackings);
	iommufd_backing_user_free(discard->backings, discard->nbackings);
	iommufd_discard_begin(discard);
}

/* Is the caller's the only reference?  What others did before they dropped theirs is seen. */
static bool is_alone(const struct iommufd_backing *backing)
{
	if (refcount_read(&backing->refs) != 1)
		return false;
	smp_acquire__after_ctrl_dep();
	return true;
}

static bool is_small(const struct iommufd_backing *backing, bool pinned)
{
	return iommufd_backing_is_user(backing) && iommufd_backing_npages(backing) == 1 &&
	       !iommufd_backing_in_parts(backing) && backing->whole_uses == pinned;
}

static bool goes_with(const struct iommufd_discard *discard,
		      const struct iommufd_backing *backing)
{
	return discard->payer == backing->payer && discard->nbackings < DISCARD_ROOM;
}

/**
 * iommufd_discard_add - let go of a backing, now or soon
 * @discard: those that go
 * @backing: the backing; the caller has a reference
 * @pinned: the caller has a use of all pages, too
 *
 * Context: may sleep.
 * Return: true when the caller's reference and use are taken over; false when nothing has
 * changed.
 */
bool iommufd_discard_add(struct iommufd_discard *discard,
			 struct iommufd_backing *backing, bool pinned)
{
	if (!is_alone(backing) || !is_small(backing, pinned))
		return false;
	if (discard->nbackings && !goes_with(discard, backing))
		flush(discard);
	discard->payer = backing->payer;
	if (pinned) {
		iommufd_unpin_page(pfn_to_page(pfn_runs_single_pfn(&backing->whole_runs)),
				   iommufd_backing_writable(backing));
		discard->npages++;
	}
	discard->backings[discard->nbackings++] = backing;
	return true;
}

/**
 * iommufd_discard_end - let go of all that are left
 * @discard: those that go
 *
 * Context: may sleep.
 */
void iommufd_discard_end(struct iommufd_discard *discard)
{
	if (discard->nbackings)
		flush(discard);
}
