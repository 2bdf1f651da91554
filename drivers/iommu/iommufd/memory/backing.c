// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings: uses are taken and given back, pages are charged and pinned for the
 * first use and unpinned after the last one.
 *
 * A backing has one of two shapes.  Whole: one set of runs and one count of uses, all
 * of all pages.  In parts (backing_parts.c): a tree of pinned segments and a table of
 * single pages.  It gets into parts when a part of it is used alone, and becomes whole
 * again when what is pinned allows it.
 *
 * Locks: &iommufd_backing.lock, see backing.h.  Calls backing_parts.c, backing_pages.c and
 * memlock.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/iommufd_report.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "memlock.h"
#include "origin.h"
#include "parts.h"

/**
 * iommufd_backing_init_free - fill in what a backing has that nobody pays for
 * @backing: memory with anything in it; @uva or @pgoff is the caller's to fill in
 * @ops: of the origin
 * @npages: length, not zero
 * @writable: pin for writing
 */
void iommufd_backing_init_free(struct iommufd_backing *backing,
			       const struct iommufd_backing_ops *ops,
			       unsigned long npages, bool writable)
{
	refcount_set(&backing->refs, 1);
	backing->whole_uses = 0;
	bit_mutex_init(&backing->lock, npages << BIT_MUTEX_BITS |
		       (unsigned long)writable << IOMMUFD_BACKING_WRITABLE);
	backing->ops = ops;
	backing->payer = NULL;
	pfn_runs_init(&backing->whole_runs);
}

/**
 * iommufd_backing_init - fill in what every backing has
 * @backing: memory with anything in it; @uva or @pgoff is the caller's to fill in
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
	if (WARN_ON(iommufd_backing_in_parts(backing) || backing->whole_uses))
		return;

	if (backing->ops->release)
		backing->ops->release(backing);
	if (backing->payer)
		iommufd_payer_put(backing->payer);
	kfree(backing);
}

static int pin_whole(struct iommufd_backing *backing, struct iommufd_log *log)
{
	int rc;

	if (backing->whole_uses == UINT_MAX)
		return iommufd_backing_refuse_uses(log);
	if (!backing->whole_uses) {
		rc = iommufd_backing_charge_and_pin(backing, 0,
						    iommufd_backing_npages(backing),
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
	return !first && npages == iommufd_backing_npages(backing);
}

static bool is_inside(const struct iommufd_backing *backing, unsigned long first,
		      unsigned long npages)
{
	unsigned long all = iommufd_backing_npages(backing);

	return npages && first < all && npages <= all - first;
}

static int pin_range(struct iommufd_backing *backing, unsigned long first,
		     unsigned long npages, struct iommufd_log *log)
{
	if (!iommufd_backing_in_parts(backing) && is_whole(backing, first, npages))
		return pin_whole(backing, log);
	return iommufd_backing_pin_part(backing, first, npages, log);
}

/**
 * iommufd_backing_pin_pages - take a use of a range of pages, and list them
 * @backing: the backing
 * @first: first page index
 * @npages: number of pages; the range lies in the backing
 * @pages: room for @npages pointers; NULL if nobody wants them
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
int iommufd_backing_pin_pages(struct iommufd_backing *backing,
			      unsigned long first, unsigned long npages,
			      struct page **pages, struct iommufd_log *log)
{
	unsigned long pfn;
	int rc;

	if (WARN_ON_ONCE(!is_inside(backing, first, npages)))
		return -EINVAL;

	ACQUIRE(bit_mutex_kill, lock)(&backing->lock);
	rc = ACQUIRE_ERR(bit_mutex_kill, &lock);
	if (rc)
		return rc;
	if (npages == 1 && iommufd_backing_npages(backing) != 1) {
		rc = iommufd_backing_pin_single(backing, first, &pfn, log);
		if (!rc && pages)
			*pages = pfn_to_page(pfn);
		return rc;
	}
	rc = pin_range(backing, first, npages, log);
	if (!rc && pages)
		iommufd_backing_fill_pages(backing, first, npages, pages);
	return rc;
}

/**
 * iommufd_backing_pin_new - take the first use of all pages
 * @backing: the backing, which nobody else knows yet
 * @log: where a refusal is told
 *
 * Context: may sleep, may fault.  Nobody else is there, so that no lock is needed.
 * Return: as iommufd_backing_pin().
 */
int iommufd_backing_pin_new(struct iommufd_backing *backing, struct iommufd_log *log)
{
	int rc;

	if (WARN_ON_ONCE(iommufd_backing_in_parts(backing) || backing->whole_uses))
		return -EINVAL;
	rc = iommufd_backing_charge_and_pin(backing, 0, iommufd_backing_npages(backing),
					    &backing->whole_runs, log);
	if (!rc)
		backing->whole_uses = 1;
	return rc;
}

static void unpin(struct iommufd_backing *backing, unsigned long first,
		  unsigned long npages, const struct iommufd_payer *heir)
{
	if (WARN_ON_ONCE(!is_inside(backing, first, npages)))
		return;

	guard(bit_mutex)(&backing->lock);
	if (iommufd_backing_in_parts(backing)) {
		iommufd_backing_unpin_part(backing, first, npages, heir);
		return;
	}
	if (WARN_ON_ONCE(!is_whole(backing, first, npages) ||
			 !backing->whole_uses))
		return;
	if (!--backing->whole_uses)
		iommufd_backing_unpin_and_uncharge(backing, &backing->whole_runs,
						   heir);
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
	unsigned long npages = iommufd_backing_npages(backing);
	int rc;

	guard(bit_mutex)(&backing->lock);
	if (WARN_ON_ONCE(iommufd_backing_in_parts(backing) || backing->whole_uses))
		return -EINVAL;
	rc = iommufd_payer_charge_for(backing->payer, other->payer, npages, log);
	if (rc)
		return rc;
	rc = backing->ops->pin(backing, 0, npages, &backing->whole_runs, log);
	if (!rc) {
		backing->whole_uses = 1;
		return 0;
	}
	iommufd_backing_unpin_runs(backing, &backing->whole_runs, false);
	iommufd_payer_uncharge_for(backing->payer, other->payer, npages);
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
