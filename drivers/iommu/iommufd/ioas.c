// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * I/O address spaces as objects: made and destroyed, and which of their addresses
 * can be used.  What is mapped in them is ioas_map.c.
 *
 * Locks: an IOAS appears, and is emptied at its end, with &iommufd_ctx.creation_lock
 * held for reading, so CHANGE_PROCESS sees every mapping there is.  No lock is held
 * while the caller's memory is read or written.
 */
#include <linux/slab.h>

#include "ioas.h"
#include "ucmd.h"

/* More allowed ranges than this nobody needs; bounds what a call can allocate. */
#define ALLOW_MAX_RANGES SZ_1M

static struct iommufd_ioas *ioas_of(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_ioas, obj);
}

static void ioas_pre_destroy(struct iommufd_object *obj)
{
	struct iommufd_container *container = &ioas_of(obj)->ictx->container;
	struct iommufd_ioas *ioas = ioas_of(obj);

	xa_lock(&ioas->ictx->objects.table);
	if (container->chosen == ioas) {
		WRITE_ONCE(container->chosen, NULL);
		container->displaced = ioas;
	} else if (container->displaced == ioas) {
		/* An earlier one, which was at the same address. */
		container->displaced = NULL;
	}
	xa_unlock(&ioas->ictx->objects.table);
}

/* A DESTROY that fails does not change the choice. */
static void ioas_revive(struct iommufd_object *obj)
{
	struct iommufd_container *container = &ioas_of(obj)->ictx->container;

	if (container->displaced != ioas_of(obj))
		return;
	container->displaced = NULL;
	WRITE_ONCE(container->chosen, ioas_of(obj));
}

static void ioas_destroy(struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = ioas_of(obj);
	unsigned long unmapped;

	scoped_guard(rwsem_read, &ioas->ictx->creation_lock) {
		WARN_ON(iopt_unmap_all(&ioas->iopt, &unmapped));
		if (ioas->published)
			atomic_dec(&ioas->ictx->nioases);
	}
	WARN_ON(!list_empty(&ioas->hwpts));
	iopt_destroy(&ioas->iopt);
	mutex_destroy(&ioas->mutex);
}

static void ioas_free(struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = ioas_of(obj);

	kfree_rcu(ioas, rcu);
}

const struct iommufd_object_ops iommufd_ioas_object_ops = {
	.name = "ioas",
	.pre_destroy = ioas_pre_destroy,
	.revive = ioas_revive,
	.destroy = ioas_destroy,
	.free = ioas_free,
};

/**
 * iommufd_ioas_new - make an empty address space
 * @ictx: context
 *
 * Context: may sleep.
 * Return: the IOAS with its ID, which no lookup finds before iommufd_ioas_publish();
 * ERR_PTR(-ENOMEM), ERR_PTR(-EBUSY) when all IDs are taken.
 */
struct iommufd_ioas *iommufd_ioas_new(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;

	ioas = iommufd_object_new(&ictx->objects, ioas, IOMMUFD_OBJ_IOAS, obj);
	if (IS_ERR(ioas))
		return ioas;
	ioas->ictx = ictx;
	iopt_init(&ioas->iopt, &ictx->log);
	ioas->iopt.id = ioas->obj.id;
	mutex_init(&ioas->mutex);
	INIT_LIST_HEAD(&ioas->hwpts);
	return ioas;
}

/**
 * iommufd_ioas_publish - let lookups find a new address space
 * @ioas: from iommufd_ioas_new(); the caller may no longer use it without a reference
 *
 * Context: may sleep; takes the context's creation lock.
 */
void iommufd_ioas_publish(struct iommufd_ioas *ioas)
{
	struct iommufd_ctx *ictx = ioas->ictx;

	guard(rwsem_read)(&ictx->creation_lock);
	ioas->published = true;
	atomic_inc(&ictx->nioases);
	iommufd_object_finalize(&ictx->objects, &ioas->obj);
}

/**
 * iommufd_ioas_get - look an address space up
 * @ictx: context
 * @id: ID that the caller gave
 *
 * Context: any; give back soon, IOMMU_DESTROY waits for it.
 * Return: short reference for iommufd_ioas_put(); ERR_PTR(-ENOENT).
 */
struct iommufd_ioas *iommufd_ioas_get(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get(&ictx->objects, id, IOMMUFD_OBJ_IOAS);

	return IS_ERR(obj) ? ERR_CAST(obj) : ioas_of(obj);
}

/**
 * iommufd_ioas_put - give a short reference back
 * @ioas: from iommufd_ioas_get()
 *
 * Context: any.
 */
void iommufd_ioas_put(struct iommufd_ioas *ioas)
{
	iommufd_object_put(&ioas->ictx->objects, &ioas->obj);
}

/**
 * iommufd_call_ioas_alloc - IOMMU_IOAS_ALLOC
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP unknown flag; -ENOMEM, -EBUSY no ID left; -EFAULT.  Nothing
 * is left on failure.
 */
int iommufd_call_ioas_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_alloc *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;
	int rc;

	if (cmd->flags)
		return iommufd_refuse_unknown(ucmd, "flags", cmd->flags);
	ioas = iommufd_ioas_new(ucmd->ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	cmd->out_ioas_id = ioas->obj.id;
	rc = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	if (rc) {
		iommufd_object_abort_and_destroy(&ucmd->ictx->objects, &ioas->obj);
		return rc;
	}
	iommufd_ioas_publish(ioas);
	return 0;
}

/* The usable ranges, as many as fit; returns how many there are. */
static u32 collect_ranges(struct iommufd_iopt *iopt,
			  struct iommu_iova_range *ranges, u32 room,
			  u64 *alignment)
{
	struct iova_span hole;
	unsigned long from = 0;
	u32 n = 0;

	guard(rwsem_read)(&iopt->space_lock);
	*alignment = iopt->alignment;
	while (iova_resv_next_hole(&iopt->reserved, from, &hole)) {
		if (n < room) {
			ranges[n].start = hole.first;
			ranges[n].last = hole.last;
		}
		n++;
		if (hole.last == ULONG_MAX)
			break;
		from = hole.last + 1;
	}
	return n;
}

/**
 * iommufd_ioas_ranges - the ranges of an address space that can be used
 * @ioas: the IOAS; the caller holds a reference
 * @room: ask for no more than these
 * @total: returns how many there are; the array has min(@room, @total)
 * @alignment: returns what mappings have to be multiples of
 *
 * There are never many: devices and domains reserve a handful.
 *
 * Context: may sleep.
 * Return: the ranges in ascending order, for kvfree(); ERR_PTR(-ENOMEM).
 */
struct iommu_iova_range *iommufd_ioas_ranges(struct iommufd_ioas *ioas, u32 room,
					     u32 *total, u64 *alignment)
{
	u32 found = collect_ranges(&ioas->iopt, NULL, 0, alignment);
	struct iommu_iova_range *ranges;
	u32 size;

	for (;;) {
		size = min(room, found);
		ranges = kvmalloc_objs(*ranges, size, GFP_KERNEL_ACCOUNT);
		if (!ranges)
			return ERR_PTR(-ENOMEM);
		found = collect_ranges(&ioas->iopt, ranges, size, alignment);
		if (found <= size || size == room)
			break;
		/* A device was attached in between. */
		kvfree(ranges);
	}
	*total = found;
	return ranges;
}

/**
 * iommufd_call_ioas_iova_ranges - IOMMU_IOAS_IOVA_RANGES
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP; -ENOENT; -EFAULT; -ENOMEM; -EMSGSIZE when the array is too
 * short: it is filled, and the number and the alignment are returned all the same.
 */
int iommufd_call_ioas_iova_ranges(struct iommufd_ucmd *ucmd)
{
	struct iommu_iova_range *ranges __free(kvfree) = NULL;
	struct iommu_ioas_iova_ranges *cmd = ucmd->cmd;
	struct iommufd_log *log = &ucmd->ictx->log;
	struct iommufd_ioas *ioas;
	u32 room = cmd->num_iovas;
	u32 nfilled;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	ioas = iommufd_ioas_get(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ranges = iommufd_ioas_ranges(ioas, room, &cmd->num_iovas,
				     &cmd->out_iova_alignment);
	iommufd_ioas_put(ioas);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	nfilled = min(room, cmd->num_iovas);

	if (copy_to_user(u64_to_user_ptr(cmd->allowed_iovas), ranges,
			 array_size(nfilled, sizeof(*ranges))))
		return iommufd_refuse(log, -EFAULT, WHY_FAULT,
				      "allowed_iovas cannot be written (%u entries)",
				      nfilled);
	rc = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	if (rc)
		return rc;
	if (cmd->num_iovas > room)
		return iommufd_refuse(log, -EMSGSIZE, WHY_BAD_SIZE,
				      "there are %u ranges, num_iovas has room for %u",
				      cmd->num_iovas, room);
	return 0;
}

static int read_span(const struct iommufd_ucmd *ucmd, u32 index,
		     struct iova_span *span)
{
	const struct iommu_ioas_allow_iovas *cmd = ucmd->cmd;
	struct iommu_iova_range __user *from = u64_to_user_ptr(cmd->allowed_iovas);
	struct iommu_iova_range range;

	if (copy_from_user(&range, from + index, sizeof(range)))
		return iommufd_refuse(&ucmd->ictx->log, -EFAULT, WHY_FAULT,
				      "entry %u of allowed_iovas cannot be read",
				      index);
	if (range.start >= range.last)
		return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "entry %u: start 0x%llx is not below last 0x%llx",
				      index, range.start, range.last);
	if (range.last > ULONG_MAX)
		return iommufd_refuse(&ucmd->ictx->log, -EOVERFLOW, WHY_OVERFLOW,
				      "entry %u: 0x%llx is no address on this machine",
				      index, range.last);
	span->first = range.start;
	span->last = range.last;
	return 0;
}

static struct iova_span *read_spans(const struct iommufd_ucmd *ucmd)
{
	const struct iommu_ioas_allow_iovas *cmd = ucmd->cmd;
	struct iova_span *spans __free(kvfree) = NULL;
	int rc;
	u32 i;

	if (cmd->num_iovas > ALLOW_MAX_RANGES)
		return ERR_PTR(iommufd_refuse(&ucmd->ictx->log, -ENOMEM,
					      WHY_NO_MEMORY,
					      "%u ranges, at most %u are possible",
					      cmd->num_iovas, ALLOW_MAX_RANGES));
	spans = kvmalloc_objs(*spans, cmd->num_iovas, GFP_KERNEL_ACCOUNT);
	if (!spans)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < cmd->num_iovas; i++) {
		rc = read_span(ucmd, i, &spans[i]);
		if (rc)
			return ERR_PTR(rc);
	}
	return no_free_ptr(spans);
}

/**
 * iommufd_call_ioas_allow_iovas - IOMMU_IOAS_ALLOW_IOVAS
 * @ucmd: the call
 *
 * The IOAS is looked up twice: first because a wrong ID is told before a wrong array,
 * and again because nothing may be held while the caller's memory is read.
 *
 * Return: 0; -EOPNOTSUPP; -ENOENT; -EFAULT; -EINVAL empty or overlapping ranges;
 * -EADDRINUSE one is reserved; -EOVERFLOW; -ENOMEM.  The old set stays on failure.
 */
int iommufd_call_ioas_allow_iovas(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_allow_iovas *cmd = ucmd->cmd;
	struct iova_span *spans __free(kvfree) = NULL;
	struct iommufd_ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	ioas = iommufd_ioas_get(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	iommufd_ioas_put(ioas);

	spans = read_spans(ucmd);
	if (IS_ERR(spans))
		return PTR_ERR(spans);
	ioas = iommufd_ioas_get(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = iopt_set_allowed(&ioas->iopt, spans, cmd->num_iovas);
	iommufd_ioas_put(ioas);
	return rc;
}
