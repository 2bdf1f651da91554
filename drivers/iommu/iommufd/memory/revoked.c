// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Revocables that wait for their memory.
 *
 * Nobody tells when a BAR decodes again, so there are two ways to find out.  After
 * each call on a device that might have changed it, VFIO asks here to look, and
 * the mappings are back when that call returns.  For everything else (a reset through
 * sysfs or of a sibling, runtime power management) a timer looks, after 10 ms first and
 * then less and less often, down to once a second.  Both cost nothing while no
 * revocable waits.
 *
 * Locks: the registry's, around the look at an entry.  Whether a revocable waits
 * belongs to its own lock.  Calls the origins through their ops.
 */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/iommufd_device_memory.h>
#include <linux/sched.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "revocable.h"
#include "revoked.h"

#define RETRY_MIN_MS 10
#define RETRY_MAX_MS 1000

/* Entries looked at between two looks at the scheduler. */
#define ENTRIES_AT_A_TIME 256

/* All revocables, so that nothing has to be allocated when one is revoked. */
static DEFINE_XARRAY_ALLOC(revocables);

/* How many have @waiting set. */
static atomic_t nwaiting;

/*
 * All of them together look about a thousand times a second at most: user space decides
 * how many there are, and nobody is charged for this time.
 */
static void queue_retry(struct iommufd_revocable *rev)
{
	unsigned int delay = max_t(unsigned int, rev->delay_ms,
				   atomic_read(&nwaiting));

	queue_delayed_work(system_dfl_long_wq, &rev->retry,
			   msecs_to_jiffies(delay));
}

static void retry_restore(struct work_struct *work)
{
	struct iommufd_revocable *rev =
		container_of(work, struct iommufd_revocable, retry.work);

	if (!READ_ONCE(rev->waiting))
		return;
	rev->ops->restore(rev, NULL);

	guard(mutex)(&rev->lock);
	if (!rev->waiting || !rev->patience)
		return;
	if (rev->patience != REVOCABLE_PATIENT)
		rev->patience--;
	rev->delay_ms = min(2 * rev->delay_ms, RETRY_MAX_MS);
	queue_retry(rev);
}

/**
 * iommufd_revoked_register - make a revocable known, before its first show
 * @rev: the revocable
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM.
 */
int iommufd_revoked_register(struct iommufd_revocable *rev)
{
	int rc;

	INIT_DELAYED_WORK(&rev->retry, retry_restore);
	rev->patience = REVOCABLE_PATIENT;
	rc = xa_alloc(&revocables, &rev->id, rev, xa_limit_32b,
		      GFP_KERNEL_ACCOUNT);
	return rc == -EBUSY ? -ENOMEM : rc;
}

/**
 * iommufd_revoked_unregister - forget a revocable that nobody sees any more
 * @rev: the revocable
 *
 * Context: may sleep: waits for a look that is being taken.
 */
void iommufd_revoked_unregister(struct iommufd_revocable *rev)
{
	WARN_ON(rev->waiting);
	xa_erase(&revocables, rev->id);
	disable_delayed_work_sync(&rev->retry);
}

/**
 * iommufd_revoked_set_locked - a revocable begins or ends to wait for its memory
 * @rev: the revocable
 * @waiting: it waits now
 *
 * Context: &iommufd_revocable.lock held; allocates nothing.
 */
void iommufd_revoked_set_locked(struct iommufd_revocable *rev, bool waiting)
{
	lockdep_assert_held(&rev->lock);

	if (rev->waiting == waiting)
		return;
	WRITE_ONCE(rev->waiting, waiting);
	if (!waiting) {
		atomic_dec(&nwaiting);
		return;
	}
	atomic_inc(&nwaiting);
	rev->delay_ms = RETRY_MIN_MS;
	if (rev->patience)
		queue_retry(rev);
}

/**
 * iommufd_revoked_retry_locked - look soon
 * @rev: the revocable
 * @patience: how many times to look
 *
 * For an origin that hears that the memory is about to come back.
 *
 * Context: &iommufd_revocable.lock held; allocates nothing.
 */
void iommufd_revoked_retry_locked(struct iommufd_revocable *rev,
				  unsigned int patience)
{
	lockdep_assert_held(&rev->lock);

	rev->patience = patience;
	rev->delay_ms = RETRY_MIN_MS;
	if (rev->waiting)
		mod_delayed_work(system_dfl_long_wq, &rev->retry, 1);
}

/* Let go of the registry's lock for the time of one restore. */
static void restore_unlocked(struct iommufd_revocable *rev)
	__must_hold(&revocables.xa_lock)
{
	if (!refcount_inc_not_zero(&rev->backing.refs))
		return;
	xa_unlock(&revocables);
	rev->ops->restore(rev, NULL);
	iommufd_backing_put(&rev->backing);
	xa_lock(&revocables);
}

/**
 * iommufd_device_memory_recheck - something has happened to a device
 * @mapping: of the device's file
 *
 * Mappings of the device's memory that were revoked and whose memory is there again are
 * back when this returns; only memory in want or a driver's error leaves one to the
 * timer.  VFIO calls this after a write or an ioctl on a device file.
 *
 * Context: process context, no lock held.  One atomic read when nothing is revoked.
 */
void iommufd_device_memory_recheck(const struct address_space *mapping)
{
	struct iommufd_revocable *rev;
	unsigned int n = 0;
	unsigned long id;

	if (likely(!atomic_read(&nwaiting)))
		return;

	xa_lock(&revocables);
	xa_for_each(&revocables, id, rev) {
		if (READ_ONCE(rev->waiting) && rev->ops->concerns(rev, mapping))
			restore_unlocked(rev);
		if (++n % ENTRIES_AT_A_TIME)
			continue;
		xa_unlock(&revocables);
		cond_resched();
		xa_lock(&revocables);
	}
	xa_unlock(&revocables);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_memory_recheck, "IOMMUFD");
