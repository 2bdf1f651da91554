// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_IOAS_CHANGE_PROCESS: the caller takes over what all mappings of the file are
 * charged for.
 *
 * Every table of the file is locked at once, in the order of their IDs.  The context's
 * creation lock, held for writing, makes that order safe and keeps the set of IOASes
 * as it is.  First everything is charged to the new process, then either all is
 * released from the old one or all is taken back: no state in between is visible.
 */
#include <linux/slab.h>

#include "ioas.h"
#include "memory/memlock.h"
#include "ucmd.h"

/**
 * struct ioas_list - all IOASes of a file, by ascending ID
 * @ioas: a short reference on each
 * @n: how many
 */
struct ioas_list {
	struct iommufd_ioas **ioas;
	unsigned int n;
};

static void list_put(struct ioas_list *list)
{
	while (list->n)
		iommufd_ioas_put(list->ioas[--list->n]);
	kvfree(list->ioas);
}

static void list_fill(struct iommufd_ctx *ictx, struct ioas_list *list)
{
	struct iommufd_object *obj;
	unsigned long id;

	xa_lock(&ictx->objects.table);
	xa_for_each(&ictx->objects.table, id, obj)
		if (obj->type == IOMMUFD_OBJ_IOAS && iommufd_object_tryget(obj))
			list->ioas[list->n++] =
				container_of(obj, struct iommufd_ioas, obj);
	xa_unlock(&ictx->objects.table);
}

/*
 * An IOAS that IOMMU_DESTROY took the ID of may still be pinned by a call that found it
 * before, and comes back if that call keeps it.
 */
static int list_get(struct iommufd_ctx *ictx, struct ioas_list *list)
{
	unsigned int all = atomic_read(&ictx->nioases);

	lockdep_assert_held_write(&ictx->creation_lock);
	list->n = 0;
	list->ioas = kvmalloc_objs(*list->ioas, all, GFP_KERNEL_ACCOUNT);
	if (!list->ioas)
		return -ENOMEM;
	list_fill(ictx, list);
	if (list->n == all)
		return 0;
	list_put(list);
	return iommufd_refuse(&ictx->log, -EBUSY, WHY_IN_PROGRESS,
			      "an ioas is just being destroyed");
}

static int move_all(struct ioas_list *list, struct iommufd_payer *payer)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < list->n; i++)
		rc = iopt_move_prepare(&list->ioas[i]->iopt, payer);
	for (i = 0; i < list->n; i++) {
		if (rc)
			iopt_move_abort(&list->ioas[i]->iopt);
		else
			iopt_move_commit(&list->ioas[i]->iopt);
	}
	return rc;
}

static int change_payer(struct iommufd_ctx *ictx, struct iommufd_payer *payer)
{
	struct ioas_list list;
	unsigned int i;
	int rc;

	guard(rwsem_write)(&ictx->creation_lock);
	rc = list_get(ictx, &list);
	if (rc)
		return rc;
	for (i = 0; i < list.n; i++)
		iopt_move_lock_domains(&list.ioas[i]->iopt, &ictx->creation_lock);
	for (i = 0; i < list.n; i++)
		iopt_move_lock_space(&list.ioas[i]->iopt, &ictx->creation_lock);
	rc = move_all(&list, payer);
	while (i)
		iopt_move_unlock(&list.ioas[--i]->iopt);
	list_put(&list);
	return rc;
}

/**
 * iommufd_call_ioas_change_process - IOMMU_IOAS_CHANGE_PROCESS
 * @ucmd: the call
 *
 * Waits for mappings that are being made.
 *
 * Return: 0, also for a file without mappings; -EOPNOTSUPP; -EINVAL a mapping shows
 * memory of a process; -EBUSY an IOAS is being destroyed; -ENOMEM the caller's limit.
 * Nothing has changed on failure.
 */
int iommufd_call_ioas_change_process(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_change_process *cmd = ucmd->cmd;
	struct iommufd_payer *payer;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	payer = iommufd_payer_get_current(&ucmd->ictx->accounts);
	if (IS_ERR(payer))
		return PTR_ERR(payer);
	rc = change_payer(ucmd->ictx, payer);
	iommufd_payer_put(payer);
	return rc;
}
