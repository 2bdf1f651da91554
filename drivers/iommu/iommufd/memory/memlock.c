// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Who pays for pinned memory: payers, and the three ways to count.
 *
 * Promise: what was charged to a payer is taken back from exactly the counters
 * that it was added to, whatever has happened to the process, to the mode of the
 * file or to the user's capabilities since.  A payer therefore holds the structures that
 * have the counters, and a mode that never changes.
 *
 * Locks: &iommufd_accounts.lock (see memlock.h); the mmap lock around
 * &mm_struct.locked_vm.  Calls iommufd_report.h and the mm.
 */
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/iommufd_report.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "../test_hooks.h"
#include "memlock.h"

/**
 * iommufd_accounts_init - start the accounting of a file
 * @accounts: its state
 * @mode: how callers without CAP_IPC_LOCK are charged
 *
 * Context: any.
 */
void iommufd_accounts_init(struct iommufd_accounts *accounts,
			   enum iommufd_account_mode mode)
{
	*accounts = (struct iommufd_accounts){ .mode = mode };
	spin_lock_init(&accounts->lock);
}

/**
 * iommufd_accounts_destroy - end the accounting of a file
 * @accounts: its state; nothing is charged any more
 *
 * Context: may sleep.
 */
void iommufd_accounts_destroy(struct iommufd_accounts *accounts)
{
	if (accounts->recent)
		iommufd_payer_put(accounts->recent);
	accounts->recent = NULL;
	WARN_ON_ONCE(atomic_long_read(&accounts->pinned) ||
		     atomic_long_read(&accounts->charged));
}

/* The mode of a mapping that is made now by the running thread. */
static enum iommufd_account_mode
mode_for_current(const struct iommufd_accounts *accounts)
{
	if (capable(CAP_IPC_LOCK))
		return IOMMUFD_ACCOUNT_NONE;
	return READ_ONCE(accounts->mode);
}

static bool payer_is_current(const struct iommufd_payer *payer,
			     enum iommufd_account_mode mode)
{
	return payer->mm == current->mm &&
	       payer->task == current->group_leader &&
	       payer->cred->user == current_user() && payer->mode == mode;
}

/*
 * The same, known at first sight: the capabilities of a set of credentials do not
 * change.  The mode of the file does.
 */
static bool payer_is_current_still(const struct iommufd_payer *payer,
				   const struct iommufd_accounts *accounts)
{
	return payer->mm == current->mm &&
	       payer->task == current->group_leader &&
	       payer->cred == current_cred() &&
	       (payer->mode == IOMMUFD_ACCOUNT_NONE ||
		payer->mode == READ_ONCE(accounts->mode));
}

static struct iommufd_payer *payer_new(struct iommufd_accounts *accounts,
				       enum iommufd_account_mode mode)
{
	struct iommufd_payer *payer;

	payer = kzalloc_obj(*payer, GFP_KERNEL_ACCOUNT);
	if (!payer)
		return NULL;
	refcount_set(&payer->refs, 1);
	payer->accounts = accounts;
	payer->mode = mode;
	payer->mm = current->mm;
	mmgrab(payer->mm);
	payer->task = get_task_struct(current->group_leader);
	payer->cred = get_current_cred();
	return payer;
}

/**
 * iommufd_payer_get_current - the payer for the running process
 * @accounts: accounting state of the file that is called
 *
 * The payer used last is taken if it fits, and is remembered otherwise.
 *
 * Context: may sleep.
 * Return: a reference on a payer; ERR_PTR(-ENOMEM) without memory;
 * ERR_PTR(-EINVAL) when the thread has no mm (a kernel thread).
 */
struct iommufd_payer *iommufd_payer_get_current(struct iommufd_accounts *accounts)
{
	struct iommufd_payer *payer, *old;
	enum iommufd_account_mode mode;

	if (!current->mm)
		return ERR_PTR(-EINVAL);

	scoped_guard(spinlock, &accounts->lock) {
		payer = accounts->recent;
		if (payer && payer_is_current_still(payer, accounts))
			return iommufd_payer_get(payer);
	}

	mode = mode_for_current(accounts);
	scoped_guard(spinlock, &accounts->lock) {
		payer = accounts->recent;
		if (payer && payer_is_current(payer, mode))
			return iommufd_payer_get(payer);
	}

	payer = payer_new(accounts, mode);
	if (!payer)
		return ERR_PTR(-ENOMEM);

	scoped_guard(spinlock, &accounts->lock) {
		old = accounts->recent;
		accounts->recent = iommufd_payer_get(payer);
	}
	if (old)
		iommufd_payer_put(old);
	return payer;
}

/**
 * iommufd_payer_put_many - drop references
 * @payer: the payer
 * @n: how many
 *
 * Context: may sleep.
 */
void iommufd_payer_put_many(struct iommufd_payer *payer, unsigned int n)
{
	if (!refcount_sub_and_test(n, &payer->refs))
		return;
	put_cred(payer->cred);
	put_task_struct(payer->task);
	mmdrop(payer->mm);
	kfree(payer);
}

static int refuse_memlock(const struct iommufd_payer *payer,
			  unsigned long limit, unsigned long used,
			  unsigned long npages, struct iommufd_log *log)
{
	return iommufd_refuse(log, -ENOMEM, WHY_MEMLOCK,
			      "RLIMIT_MEMLOCK %llu bytes, %s has %llu locked, %llu more needed",
			      (u64)limit << PAGE_SHIFT,
			      payer->mode == IOMMUFD_ACCOUNT_USER ? "user" : "process",
			      (u64)used << PAGE_SHIFT, (u64)npages << PAGE_SHIFT);
}

static int charge_user(struct iommufd_payer *payer, unsigned long npages,
		       struct iommufd_log *log)
{
	unsigned long limit = task_rlimit(payer->task, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long used = atomic_long_read(&payer->cred->user->locked_vm);
	unsigned long sum;

	do {
		if (check_add_overflow((unsigned long)used, npages, &sum) ||
		    sum > limit)
			return refuse_memlock(payer, limit, used, npages, log);
	} while (!atomic_long_try_cmpxchg(&payer->cred->user->locked_vm, &used, sum));
	return 0;
}

/*
 * A process that has exited is not charged any more: its limit means nothing.
 * mm_users is only looked at, since a reference would have to be dropped here, below
 * locks that a dying mm may want; counting in an mm that dies meanwhile does no
 * harm, the counters live as long as mmgrab() says.
 */
static int charge_mm(struct iommufd_payer *payer, unsigned long npages,
		     struct iommufd_log *log)
{
	struct mm_struct *mm = payer->mm;
	unsigned long used;
	int rc;

	if (!atomic_read(&mm->mm_users))
		return iommufd_refuse(log, -EFAULT, WHY_PROCESS_GONE,
				      "process %d that mapped the memory is gone",
				      task_pid_nr(payer->task));

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	used = mm->locked_vm;
	rc = __account_locked_vm(mm, npages, true, payer->task, false);
	mmap_write_unlock(mm);
	if (rc)
		refuse_memlock(payer,
			       task_rlimit(payer->task, RLIMIT_MEMLOCK) >> PAGE_SHIFT,
			       used, npages, log);
	return rc;
}

static int charge_limit(struct iommufd_payer *payer, unsigned long npages,
			struct iommufd_log *log)
{
	int rc = 0;

	if (payer->mode == IOMMUFD_ACCOUNT_NONE)
		return 0;
	if (payer->mode == IOMMUFD_ACCOUNT_USER)
		rc = charge_user(payer, npages, log);
	else
		rc = charge_mm(payer, npages, log);
	if (!rc)
		atomic_long_add(npages, &payer->accounts->charged);
	return rc;
}

static void uncharge_limit(struct iommufd_payer *payer, unsigned long npages)
{
	if (payer->mode == IOMMUFD_ACCOUNT_NONE)
		return;
	if (payer->mode == IOMMUFD_ACCOUNT_USER) {
		WARN_ON_ONCE(atomic_long_sub_return(npages,
						    &payer->cred->user->locked_vm) < 0);
	} else {
		mmap_write_lock(payer->mm);
		__account_locked_vm(payer->mm, npages, false, payer->task, false);
		mmap_write_unlock(payer->mm);
	}
	atomic_long_sub(npages, &payer->accounts->charged);
}

/* Pages that are pinned, limited or not. */
static void count_pinned(struct iommufd_payer *payer, long npages)
{
	atomic64_add(npages, &payer->mm->pinned_vm);
	atomic_long_add(npages, &payer->accounts->pinned);
	iommufd_test_warn(atomic64_read(&payer->mm->pinned_vm) < 0 ||
			  atomic_long_read(&payer->accounts->pinned) < 0);
}

/**
 * iommufd_payer_charge - charge for pages that are going to be pinned
 * @payer: who pays
 * @npages: how many
 * @log: where a refusal is told
 *
 * Context: may sleep; takes the mmap lock in MM mode.
 * Return: 0; -ENOMEM over RLIMIT_MEMLOCK; in MM mode -EFAULT when the process is
 * gone and -EINTR when the caller is being killed.  Nothing is charged on failure.
 */
int iommufd_payer_charge(struct iommufd_payer *payer, unsigned long npages,
			 struct iommufd_log *log)
{
	int rc;

	if (iommufd_should_fail())
		return -ENOMEM;

	rc = charge_limit(payer, npages, log);
	if (rc)
		return rc;
	count_pinned(payer, npages);
	return 0;
}

/**
 * iommufd_payer_uncharge - give back what iommufd_payer_charge() took
 * @payer: who paid
 * @npages: how many
 *
 * Context: may sleep; takes the mmap lock in MM mode.
 */
void iommufd_payer_uncharge(struct iommufd_payer *payer, unsigned long npages)
{
	uncharge_limit(payer, npages);
	count_pinned(payer, -npages);
}

/* Would a page that both pay for be counted twice in one counter? */
static bool same_limit(const struct iommufd_payer *a,
		       const struct iommufd_payer *b)
{
	if (a->mode != b->mode)
		return false;
	switch (a->mode) {
	case IOMMUFD_ACCOUNT_USER:
		return a->cred->user == b->cred->user;
	case IOMMUFD_ACCOUNT_MM:
		return a->mm == b->mm;
	default:
		return true;
	}
}

/**
 * iommufd_payer_charge_for - charge for pages that another payer is charged for
 * @payer: who pays from now on, or for the moment
 * @other: who is charged already
 * @npages: how many
 * @log: where a refusal is told
 *
 * Context: may sleep; takes the mmap lock in MM mode.
 * Return: as iommufd_payer_charge().
 */
int iommufd_payer_charge_for(struct iommufd_payer *payer,
			     const struct iommufd_payer *other,
			     unsigned long npages, struct iommufd_log *log)
{
	if (!same_limit(payer, other))
		return iommufd_payer_charge(payer, npages, log);
	count_pinned(payer, npages);
	return 0;
}

/**
 * iommufd_payer_uncharge_for - stop paying for pages that another payer keeps
 * @payer: who stops
 * @other: who pays on
 * @npages: how many
 *
 * Context: may sleep; takes the mmap lock in MM mode.
 */
void iommufd_payer_uncharge_for(struct iommufd_payer *payer,
				const struct iommufd_payer *other,
				unsigned long npages)
{
	if (!same_limit(payer, other))
		uncharge_limit(payer, npages);
	count_pinned(payer, -npages);
}
