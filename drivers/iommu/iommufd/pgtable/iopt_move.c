// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Another process takes a context over (IOMMU_IOAS_CHANGE_PROCESS): what its
 * tables have pinned is charged to the new process from then on.
 *
 * Locks: both locks of every table for writing, so no call can pin or unpin; the
 * caller's lock orders the tables among each other.
 */
#include <linux/iommufd_report.h>

#include "../memory/backing.h"
#include "iopt_private.h"

/**
 * iopt_move_lock_domains - the first half of keeping every other call out of a table
 * @iopt: table
 * @nest: held for writing; lets several tables be locked
 *
 * Of all tables, before the second half of any: the order of the locks is one for all.
 *
 * Context: may sleep.  Undone by iopt_move_unlock().
 */
void iopt_move_lock_domains(struct iommufd_iopt *iopt, struct rw_semaphore *nest)
	__acquires(&iopt->domains_lock)
{
	down_write_nest_lock(&iopt->domains_lock, nest);
}

/**
 * iopt_move_lock_space - the second half
 * @iopt: table
 * @nest: held for writing; lets several tables be locked
 *
 * Context: may sleep.  Undone by iopt_move_unlock().
 */
void iopt_move_lock_space(struct iommufd_iopt *iopt, struct rw_semaphore *nest)
	__acquires(&iopt->space_lock)
{
	down_write_nest_lock(&iopt->space_lock, nest);
}

/**
 * iopt_move_prepare - charge the new process for everything pinned
 * @iopt: table, locked
 * @payer: the new process
 *
 * Context: may sleep.
 * Return: 0; -EINVAL when an area shows memory that belongs to the old process;
 * -ENOMEM over the limit.  Then the caller aborts all tables.
 */
int iopt_move_prepare(struct iommufd_iopt *iopt, struct iommufd_payer *payer)
{
	struct iommufd_area *area;
	int rc;

	lockdep_assert_held_write(&iopt->space_lock);
	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL) {
		rc = iommufd_backing_move_prepare(area->backing, payer,
						  iopt->log);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * iopt_move_commit - let the old process go
 * @iopt: table, locked and prepared
 */
void iopt_move_commit(struct iommufd_iopt *iopt)
{
	struct iommufd_area *area;

	lockdep_assert_held_write(&iopt->space_lock);
	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL)
		iommufd_backing_move_commit(area->backing);
}

/**
 * iopt_move_abort - the old process keeps paying
 * @iopt: table, locked; prepared whole, in part or not at all
 */
void iopt_move_abort(struct iommufd_iopt *iopt)
{
	struct iommufd_area *area;

	lockdep_assert_held_write(&iopt->space_lock);
	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL)
		iommufd_backing_move_abort(area->backing);
}

/**
 * iopt_move_unlock - let the other calls in again
 * @iopt: table
 */
void iopt_move_unlock(struct iommufd_iopt *iopt)
	__releases(&iopt->space_lock) __releases(&iopt->domains_lock)
{
	up_write(&iopt->space_lock);
	up_write(&iopt->domains_lock);
}
