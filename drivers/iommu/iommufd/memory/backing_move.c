// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings: CHANGE_PROCESS, another process takes over what the first one pays for.
 *
 * In two steps, so that a call over many backings can fail with nothing changed:
 * between prepare and commit or abort both processes are charged.
 *
 * Locks: &iommufd_backing.lock.  The caller keeps uses from coming and going between the
 * steps, so what prepare counted is what commit finds.
 */
#include <linux/cleanup.h>
#include <linux/iommufd_report.h>
#include <linux/mm.h>

#include "memlock.h"
#include "origin.h"

static struct iommufd_movable_backing *movable_of(struct iommufd_backing *backing)
{
	return container_of(backing, struct iommufd_movable_backing, backing);
}

/**
 * iommufd_backing_move_prepare - charge the next payer
 * @backing: the backing; may be prepared already, by another area that shows it
 * @payer: who is going to pay
 * @log: where a refusal is told
 *
 * Context: may sleep.  Takes @backing->lock.
 * Return: 0, also for a dma-buf; -EINVAL when the backing belongs to a process's
 * address space; what iommufd_payer_charge() says.
 */
int iommufd_backing_move_prepare(struct iommufd_backing *backing,
				 struct iommufd_payer *payer,
				 struct iommufd_log *log)
{
	struct iommufd_movable_backing *movable;
	int rc;

	/* What is in a file of its own and costs nobody anything stays as it is. */
	if (backing->ops->revocable && backing->ops->by_offset)
		return 0;
	if (!backing->ops->movable)
		return iommufd_refuse(log, -EINVAL, WHY_NOT_SUPPORTED,
				      "%s memory at va 0x%lx cannot change its process",
				      backing->ops->name, backing->uva);

	movable = movable_of(backing);
	guard(bit_mutex)(&backing->lock);
	if (movable->next_payer || backing->payer == payer)
		return 0;
	rc = iommufd_payer_charge_for(payer, backing->payer,
				      iommufd_backing_npinned(backing), log);
	if (rc)
		return rc;
	movable->next_payer = iommufd_payer_get(payer);
	return 0;
}

/* End a move: @stays pays alone from here on. */
static void move_end(struct iommufd_movable_backing *movable,
		     struct iommufd_payer *stays, struct iommufd_payer *goes)
{
	struct iommufd_backing *backing = &movable->backing;

	lockdep_assert_held(&backing->lock);

	movable->next_payer = NULL;
	backing->payer = stays;
	iommufd_payer_uncharge_for(goes, stays, iommufd_backing_npinned(backing));
	iommufd_payer_put(goes);
}

/**
 * iommufd_backing_move_commit - make the prepared payer the payer
 * @backing: the backing; nothing happens if it is not prepared
 *
 * Context: may sleep.  Takes @backing->lock.
 */
void iommufd_backing_move_commit(struct iommufd_backing *backing)
{
	struct iommufd_movable_backing *movable;

	if (!backing->ops->movable)
		return;
	movable = movable_of(backing);
	guard(bit_mutex)(&backing->lock);
	if (movable->next_payer)
		move_end(movable, movable->next_payer, backing->payer);
}

/**
 * iommufd_backing_move_abort - let the old payer pay on
 * @backing: the backing; nothing happens if it is not prepared
 *
 * Context: may sleep.  Takes @backing->lock.
 */
void iommufd_backing_move_abort(struct iommufd_backing *backing)
{
	struct iommufd_movable_backing *movable;

	if (!backing->ops->movable)
		return;
	movable = movable_of(backing);
	guard(bit_mutex)(&backing->lock);
	if (movable->next_payer)
		move_end(movable, backing->payer, movable->next_payer);
}
