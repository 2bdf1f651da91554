// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Revocables: shows come and go, the memory comes and goes, and a domain has of a show
 * what is there of the memory.  Besides pgtable/domain_map.c the only place where
 * iommufd fills and empties IOMMU page tables.
 *
 * Why no device ever reaches memory that has been taken away.  The origin is told before
 * the memory stops to answer, calls iommufd_revocable_revoke_locked() and lets the
 * teller go on after that.  Every change of a page table here is made with the
 * lock held, and mapping only while @present:
 *
 *  - While the lock is held and @present is set, no revocation that was told has
 *    returned yet: it would have cleared @present.  So the memory still answers, and a
 *    revocation that waits for the lock finds in the shows what is being mapped
 *    and takes it out.
 *  - After a revocation @present is clear.  The origin sets it again only with the
 *    lock held and having made sure, under it, that what it looked up was not
 *    revoked in between (backing_mmio.c: mmu_interval_read_retry(); backing_dmabuf.c:
 *    the reservation lock, which a revocation holds).
 *  - Filling a large show takes the lock for a piece at a time and looks at @present
 *    for each.
 *
 * Why a show can leave while its memory does: both happen under the lock, and whoever
 * comes second finds nothing to take out.  When iommufd_revocable_hide() has returned
 * nothing here knows the domain any more, so it can be freed and the IOVA used again.
 *
 * Undo allocates nothing: a show is allocated when it is made and freed when it leaves.
 *
 * Locks: &iommufd_revocable.lock, see revocable.h.  Reclaim may wait for an MMU
 * notifier, which waits for the lock: page tables are allocated without reclaim under
 * it, and if that fails the lock is dropped for a moment of reclaim.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/iommufd_report.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "../domain_sync.h"
#include "origin.h"
#include "revocable.h"
#include "revoked.h"

/* Under the lock. */
#define FILL_GFP (GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT)

/* Rounds of reclaim for one piece. */
#define FILL_TRIES 8

/**
 * struct iommufd_show - a place where a part of the memory is to be seen
 * @rb: in &iommufd_revocable.shows
 * @unfilled: in &iommufd_revocable.unfilled while @done is less than @rq.length
 * @rq: what and where
 * @done: bytes that are mapped, from the first one on
 */
struct iommufd_show {
	struct rb_node rb;
	struct list_head unfilled;
	struct iommufd_show_request rq;
	unsigned long done;
};

#define show_of(node) rb_entry_safe(node, struct iommufd_show, rb)

/* What a show is looked up by. */
struct show_key {
	const struct iommu_domain *domain;
	unsigned long iova;
};

static int compare_key(const void *key, const struct rb_node *node)
{
	const struct iommufd_show *show = show_of(node);
	const struct show_key *want = key;

	return cmp_int(want->domain, show->rq.domain) ?:
	       cmp_int(want->iova, show->rq.iova);
}

static int compare_shows(struct rb_node *new, const struct rb_node *node)
{
	const struct iommufd_show *show = show_of(new);
	const struct show_key key = { show->rq.domain, show->rq.iova };

	return compare_key(&key, node);
}

/* After each change: does anybody wait for the memory? */
static void settle(struct iommufd_revocable *rev)
{
	lockdep_assert_held(&rev->lock);
	iommufd_revoked_set_locked(rev, !rev->gone && !list_empty(&rev->unfilled));
}

/**
 * iommufd_revocable_init - fill in what every revocable has
 * @rev: zeroed memory
 * @backing_ops: of the origin, with @revocable set
 * @ops: of the origin
 * @npages: length, not zero
 * @writable: devices may write
 *
 * The memory is away at first.  iommufd_revocable_exit() undoes it.
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM.
 */
int iommufd_revocable_init(struct iommufd_revocable *rev,
			   const struct iommufd_backing_ops *backing_ops,
			   const struct iommufd_revocable_ops *ops,
			   unsigned long npages, bool writable)
{
	iommufd_backing_init_free(&rev->backing, backing_ops, npages, writable);
	rev->ops = ops;
	mutex_init(&rev->lock);
	rev->shows = RB_ROOT;
	INIT_LIST_HEAD(&rev->unfilled);
	return iommufd_revoked_register(rev);
}

/**
 * iommufd_revocable_exit - end a revocable without shows
 * @rev: the revocable; the caller frees it
 *
 * The origin's restore is not called any more after this, but the origin itself may still
 * revoke.
 *
 * Context: may sleep.
 */
void iommufd_revocable_exit(struct iommufd_revocable *rev)
{
	WARN_ON(!RB_EMPTY_ROOT(&rev->shows));
	iommufd_revoked_unregister(rev);
}

/*
 * The end of the next piece.  Where large IOMMU pages fit, pieces end where the
 * largest of them do; elsewhere, or without memory, they are small.
 */
static unsigned long piece_length(const struct iommufd_revocable *rev,
				  const struct iommufd_show *show, bool small)
{
	unsigned long iova = show->rq.iova + show->done;
	phys_addr_t phys = rev->phys + show->rq.offset + show->done;
	unsigned long unit = SZ_1G;

	if (small || (show->rq.max_piece && show->rq.max_piece < SZ_2M))
		unit = SZ_2M;
	else if ((iova ^ phys) & (SZ_2M - 1))
		unit = SZ_32M;
	return min(show->rq.length - show->done, unit - (iova & (unit - 1)));
}

/* Pages of at most @rq.max_piece, if there is a limit. */
static int map_piece(const struct iommufd_show_request *rq, unsigned long iova,
		     phys_addr_t phys, unsigned long length)
{
	unsigned long limit = rq->max_piece ?: length;
	int prot = (rq->prot & (IOMMU_READ | IOMMU_WRITE)) | IOMMU_MMIO;
	unsigned long done, n;
	int rc = 0;

	for (done = 0; done < length; done += n) {
		n = rq->max_piece ? limit - ((iova + done) & (limit - 1)) : limit;
		n = min(n, length - done);
		rc = iommufd_domain_map_nosync(rq->domain, iova + done,
					       phys + done, n, prot, FILL_GFP);
		if (rc)
			break;
	}
	if (!rc)
		rc = iommufd_domain_sync_map(rq->domain, iova, length);
	if (rc && done)
		iommu_unmap(rq->domain, iova, done);
	return rc;
}

/* Map the next piece of a show. */
static int fill_piece(struct iommufd_revocable *rev, struct iommufd_show *show,
		      bool small)
{
	unsigned long length = piece_length(rev, show, small);
	int rc;

	lockdep_assert_held(&rev->lock);

	rc = map_piece(&show->rq, show->rq.iova + show->done,
		       rev->phys + show->rq.offset + show->done, length);
	if (rc) {
		/* Another show may have more luck. */
		list_move_tail(&show->unfilled, &rev->unfilled);
		return rc;
	}
	show->done += length;
	if (show->done == show->rq.length) {
		list_del_init(&show->unfilled);
		settle(rev);
	}
	return 0;
}

/* Have memory reclaimed, which the lock forbids. */
static void make_room(void)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_NOWARN);

	if (page)
		__free_page(page);
}

/* The next show that lacks something which is there: @only that one, or any. */
static struct iommufd_show *next_unfilled(struct iommufd_revocable *rev,
					  struct iommufd_show *only)
{
	lockdep_assert_held(&rev->lock);

	if (!rev->present)
		return NULL;
	if (only)
		return list_empty(&only->unfilled) ? NULL : only;
	return list_first_entry_or_null(&rev->unfilled, struct iommufd_show,
					unfilled);
}

/* Until nothing is left to be done; memory that is away is not an error. */
static int fill(struct iommufd_revocable *rev, struct iommufd_show *only)
{
	struct iommufd_show *show;
	unsigned int tries = 0;
	bool small = false;
	int rc;

	for (;;) {
		scoped_guard(mutex, &rev->lock) {
			show = next_unfilled(rev, only);
			if (!show)
				return 0;
			rc = fill_piece(rev, show, small);
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		if (!rc) {
			tries = 0;
			continue;
		}
		if (rc != -ENOMEM || tries++ == FILL_TRIES)
			return rc;
		small = true;
		make_room();
	}
}

/**
 * iommufd_revocable_fill - map what is there into all shows
 * @rev: the revocable
 *
 * For an origin that has published the memory.  What cannot be mapped, for want of memory
 * or because of a driver's error, is left to the timer.
 *
 * Context: may sleep.  Takes &iommufd_revocable.lock.
 */
void iommufd_revocable_fill(struct iommufd_revocable *rev)
{
	fill(rev, NULL);
}

/* Take what is mapped of a show out; reachable until the flush. */
static void empty_show(struct iommufd_show *show,
		       struct iommu_iotlb_gather *gather)
{
	size_t done;

	if (!show->done)
		return;
	done = iommu_unmap_fast(show->rq.domain, show->rq.iova, show->done,
				gather);
	/* A driver that loses mappings has no way to be undone. */
	WARN_ON_ONCE(done != show->done);
	show->done = 0;
}

/**
 * iommufd_revocable_revoke_locked - take the memory away from everyone
 * @rev: the revocable
 *
 * When this returns no device reaches the memory through a show, with one flush for
 * each domain.
 *
 * Context: &iommufd_revocable.lock held; allocates nothing.
 */
void iommufd_revocable_revoke_locked(struct iommufd_revocable *rev)
{
	struct rb_node *node = rb_first(&rev->shows);
	struct iommu_iotlb_gather gather;

	lockdep_assert_held(&rev->lock);

	if (!rev->present)
		return;
	rev->present = false;
	/* Shows of a domain are neighbours. */
	while (node) {
		struct iommu_domain *domain = show_of(node)->rq.domain;

		iommu_iotlb_gather_init(&gather);
		for (; node && show_of(node)->rq.domain == domain;
		     node = rb_next(node)) {
			struct iommufd_show *show = show_of(node);

			empty_show(show, &gather);
			if (list_empty(&show->unfilled))
				list_add_tail(&show->unfilled, &rev->unfilled);
			cond_resched();
		}
		iommu_iotlb_sync(domain, &gather);
	}
	settle(rev);
}

/**
 * iommufd_revocable_publish_locked - the memory is there
 * @rev: the revocable
 * @phys: its first byte
 *
 * The caller knows that the memory answers and that a revocation has not been
 * told yet, or waits for the lock.  iommufd_revocable_fill() has to follow.
 *
 * Context: &iommufd_revocable.lock held.
 */
void iommufd_revocable_publish_locked(struct iommufd_revocable *rev,
				      phys_addr_t phys)
{
	lockdep_assert_held(&rev->lock);

	if (rev->gone || (rev->present && rev->phys == phys))
		return;
	iommufd_revocable_revoke_locked(rev);
	rev->phys = phys;
	rev->present = true;
	rev->patience = REVOCABLE_PATIENT;
}

/**
 * iommufd_revocable_set_gone_locked - the memory is away and will never come back
 * @rev: the revocable, which the caller has revoked
 *
 * Context: &iommufd_revocable.lock held; allocates nothing.
 */
void iommufd_revocable_set_gone_locked(struct iommufd_revocable *rev)
{
	lockdep_assert_held(&rev->lock);
	WARN_ON(rev->present);

	rev->gone = true;
	settle(rev);
}

/**
 * iommufd_revocable_find - see that the memory is there
 * @rev: the revocable
 * @log: where a refusal is told
 *
 * It may be gone again when this returns, or somebody else who has found it may still be
 * mapping it into the shows of before: iommufd_revocable_show() maps its own.
 *
 * Context: may sleep and fault.  Takes &iommufd_revocable.lock.
 * Return: 0; what the origin's restore says.
 */
int iommufd_revocable_find(struct iommufd_revocable *rev, struct iommufd_log *log)
{
	scoped_guard(mutex, &rev->lock)
		if (rev->present)
			return 0;
	return rev->ops->restore(rev, log);
}

static void show_free(struct iommufd_revocable *rev, struct iommufd_show *show)
{
	struct iommu_iotlb_gather gather;

	scoped_guard(mutex, &rev->lock) {
		iommu_iotlb_gather_init(&gather);
		if (show->done) {
			empty_show(show, &gather);
			iommu_iotlb_sync(show->rq.domain, &gather);
		}
		rb_erase(&show->rb, &rev->shows);
		list_del(&show->unfilled);
		settle(rev);
	}
	kfree(show);
}

/**
 * iommufd_revocable_show - have a part of the memory seen in a domain
 * @rev: the revocable
 * @rq: where, and what; nothing is mapped there, and no show of @rev begins there
 * @log: where a refusal is told
 *
 * If the memory is there it is mapped when this returns; if not, the place is a
 * hole until it comes back.
 *
 * Context: may sleep.  Takes &iommufd_revocable.lock.
 * Return: 0; -ENOMEM, -EINTR or a driver's errno, then nothing is left.
 */
int iommufd_revocable_show(struct iommufd_revocable *rev,
			   const struct iommufd_show_request *rq,
			   struct iommufd_log *log)
{
	struct iommufd_show *show = kzalloc_obj(*show, GFP_KERNEL_ACCOUNT);
	int rc;

	if (!show)
		return -ENOMEM;
	show->rq = *rq;
	scoped_guard(mutex, &rev->lock) {
		WARN_ON(rb_find_add(&show->rb, &rev->shows, compare_shows));
		list_add_tail(&show->unfilled, &rev->unfilled);
		settle(rev);
	}
	rc = fill(rev, show);
	if (!rc)
		return 0;
	show_free(rev, show);
	if (rc == -EINTR)
		return rc;
	return iommufd_refuse(log, rc, WHY_DRIVER,
			      "IOMMU driver could not map device memory at iova 0x%lx",
			      rq->iova);
}

/**
 * iommufd_revocable_hide - take a show out of its domain and forget it
 * @rev: the revocable
 * @domain: as in the request
 * @iova: as in the request
 *
 * When this returns no device reaches the memory there.
 *
 * Context: may sleep.  Takes &iommufd_revocable.lock.  Cannot fail.
 */
void iommufd_revocable_hide(struct iommufd_revocable *rev,
			    struct iommu_domain *domain, unsigned long iova)
{
	const struct show_key key = { domain, iova };
	struct rb_node *node;

	/* The caller's area owns the show, so it stays when the lock is dropped. */
	scoped_guard(mutex, &rev->lock)
		node = rb_find(&key, &rev->shows, compare_key);
	if (!WARN_ON(!node))
		show_free(rev, show_of(node));
}

static void move_show_locked(struct iommufd_revocable *from,
			     struct iommufd_revocable *to,
			     const struct iommufd_show_request *rq)
{
	const struct show_key key = { rq->domain, rq->iova };
	struct rb_node *node = rb_find(&key, &from->shows, compare_key);
	struct iommu_iotlb_gather gather;
	struct iommufd_show *show;

	lockdep_assert_held(&from->lock);
	lockdep_assert_held(&to->lock);

	if (WARN_ON(!node))
		return;
	show = show_of(node);
	if (show->done &&
	    (!to->present || from->phys + show->rq.offset != to->phys + rq->offset)) {
		iommu_iotlb_gather_init(&gather);
		empty_show(show, &gather);
		iommu_iotlb_sync(show->rq.domain, &gather);
	}
	rb_erase(&show->rb, &from->shows);
	list_del_init(&show->unfilled);
	show->rq.offset = rq->offset;
	WARN_ON(rb_find_add(&show->rb, &to->shows, compare_shows));
	if (show->done != show->rq.length)
		list_add_tail(&show->unfilled, &to->unfilled);
	settle(from);
	settle(to);
}

/**
 * iommufd_revocable_move_show - let another revocable stand behind a show
 * @from: who does now
 * @to: shows the same memory
 * @rq: which show, by domain and IOVA; its offset is the new one
 *
 * What is mapped stays so without a gap if @to has the memory, too.
 *
 * Context: may sleep.  Takes &iommufd_revocable.lock of both.  Cannot fail, allocates
 * nothing that it needs.
 */
void iommufd_revocable_move_show(struct iommufd_revocable *from,
				 struct iommufd_revocable *to,
				 const struct iommufd_show_request *rq)
{
	scoped_guard(mutex, &from->lock) {
		/* Nobody else takes both. */
		mutex_lock_nested(&to->lock, SINGLE_DEPTH_NESTING);
		move_show_locked(from, to, rq);
		mutex_unlock(&to->lock);
	}
	fill(to, NULL);
}
