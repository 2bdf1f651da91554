/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Who pays for pinned memory, and how much.
 *
 * A payer stands for the process that asked for a mapping: its mm, its
 * thread-group leader (whose RLIMIT_MEMLOCK counts), its user, and the mode of
 * accounting that was in force.  Every mapping of one process through one file
 * shares a payer, so a steady map and unmap touches one reference count.
 *
 * Locks: &iommufd_accounts.lock, a leaf; it protects &iommufd_accounts.recent.
 *
 * Context: everything here may be called with a backing's mutex held and may
 * sleep; charging in IOMMUFD_ACCOUNT_MM mode takes the mmap lock for writing.
 */
#ifndef __IOMMUFD_MEMORY_MEMLOCK_H
#define __IOMMUFD_MEMORY_MEMLOCK_H

#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct cred;
struct iommufd_log;
struct mm_struct;
struct task_struct;

/**
 * enum iommufd_account_mode - where pinned pages are counted and limited
 * @IOMMUFD_ACCOUNT_USER: &user_struct.locked_vm, shared by all processes of a user
 * @IOMMUFD_ACCOUNT_MM: &mm_struct.locked_vm of the mapping process
 * @IOMMUFD_ACCOUNT_NONE: not limited: the mapper had CAP_IPC_LOCK
 *
 * &mm_struct.pinned_vm is adjusted in every mode.  The first two values are those
 * of IOMMU_OPTION_RLIMIT_MODE.
 */
enum iommufd_account_mode {
	IOMMUFD_ACCOUNT_USER = 0,
	IOMMUFD_ACCOUNT_MM = 1,
	IOMMUFD_ACCOUNT_NONE = 2,
};

/**
 * struct iommufd_accounts - accounting state of one file
 * @lock: protects @recent
 * @recent: payer used last, holds a reference; NULL at start
 * @mode: mode for new mappings of callers without CAP_IPC_LOCK
 * @pinned: pages pinned now through this file
 * @charged: pages charged against a limit now
 */
struct iommufd_accounts {
	spinlock_t lock; /* @recent */
	struct iommufd_payer *recent;
	enum iommufd_account_mode mode;
	atomic_long_t pinned;
	atomic_long_t charged;
};

/**
 * struct iommufd_payer - a process that pays for mappings
 * @refs: reference count
 * @accounts: of the file; outlives every payer
 * @mode: fixed when the payer is made
 * @mm: address space, held by mmgrab() only: it may die
 * @task: thread-group leader
 * @cred: credentials of the caller for whom the payer was made; their user is charged
 */
struct iommufd_payer {
	refcount_t refs;
	enum iommufd_account_mode mode;
	struct iommufd_accounts *accounts;
	struct mm_struct *mm;
	struct task_struct *task;
	const struct cred *cred;
};

void iommufd_accounts_init(struct iommufd_accounts *accounts,
			   enum iommufd_account_mode mode);
/* Drops @recent; no payer may be in use any more. */
void iommufd_accounts_destroy(struct iommufd_accounts *accounts);

/*
 * Payer for the running process (capability and mode looked at now).
 * ERR_PTR(-ENOMEM); ERR_PTR(-EINVAL) for a thread without an mm.
 */
struct iommufd_payer *iommufd_payer_get_current(struct iommufd_accounts *accounts);

static inline struct iommufd_payer *iommufd_payer_get(struct iommufd_payer *payer)
{
	refcount_inc(&payer->refs);
	return payer;
}

void iommufd_payer_put_many(struct iommufd_payer *payer, unsigned int n);

static inline void iommufd_payer_put(struct iommufd_payer *payer)
{
	iommufd_payer_put_many(payer, 1);
}

/*
 * Charge @npages: -ENOMEM over the limit (reason: WHY_MEMLOCK with limit, in use and
 * need in bytes); in MM mode -EFAULT when the mm has died (WHY_PROCESS_GONE) and
 * -EINTR when the caller is being killed.  Uncharging cannot fail, dead mm or not.
 */
int iommufd_payer_charge(struct iommufd_payer *payer, unsigned long npages,
			 struct iommufd_log *log);
void iommufd_payer_uncharge(struct iommufd_payer *payer, unsigned long npages);

/*
 * Move a charge: iommufd_payer_charge_for() charges @payer for pages that @other
 * is charged for too, until iommufd_payer_uncharge_for() takes them from one of the
 * two (payer: who stops paying, other: who pays on).  Where both count against the same
 * limit it is not touched in between, so that a process at its limit can still move.
 */
int iommufd_payer_charge_for(struct iommufd_payer *payer,
			     const struct iommufd_payer *other,
			     unsigned long npages, struct iommufd_log *log);
void iommufd_payer_uncharge_for(struct iommufd_payer *payer,
				const struct iommufd_payer *other,
				unsigned long npages);
#endif
