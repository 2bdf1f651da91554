// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_HW_QUEUE_ALLOC: hardware reads a queue out of guest memory.
 *
 * The memory is pinned and its mappings are locked from before the driver starts the
 * queue until after it has stopped it, so that neither an UNMAP nor anybody else can
 * give the pages to another use meanwhile.
 *
 * Locks: none here; pinning takes those of the page table.
 */
#include <linux/iommu.h>

#include "hwpt.h"
#include "ioas.h"
#include "ucmd.h"
#include "viommu.h"

/* The guest's memory as its physical addresses show it. */
static struct iommufd_iopt *memory_of(const struct iommufd_viommu *viommu)
{
	return &viommu->hwpt->ioas->iopt;
}

static void hw_queue_destroy(struct iommufd_object *obj)
{
	struct iommufd_hw_queue *queue =
		container_of(obj, struct iommufd_hw_queue, obj);

	if (queue->destroy)
		queue->destroy(queue);
	if (queue->length)
		iopt_access_unlock(memory_of(queue->viommu), queue->base_addr,
				   queue->length);
	iommufd_object_release(&queue->viommu->obj);
}

const struct iommufd_object_ops iommufd_hw_queue_object_ops = {
	.name = "hw-queue",
	.destroy = hw_queue_destroy,
};

static int check_cmd(const struct iommufd_ucmd *ucmd,
		     const struct iommu_hw_queue_alloc *cmd)
{
	struct iommufd_log *log = &ucmd->ictx->log;
	u64 last;

	if (cmd->flags)
		return iommufd_refuse_unknown(ucmd, "flags", cmd->flags);
	if (cmd->type == IOMMU_HW_QUEUE_TYPE_DEFAULT)
		return iommufd_refuse_unknown(ucmd, "type", cmd->type);
	if (!cmd->length)
		return iommufd_refuse(log, -EINVAL, WHY_BAD_SIZE, "length is 0");
	if (check_add_overflow(cmd->nesting_parent_iova, cmd->length - 1, &last) ||
	    last >= ULONG_MAX)
		return iommufd_refuse(log, -EOVERFLOW, WHY_OVERFLOW,
				      "address 0x%llx, length 0x%llx wraps",
				      cmd->nesting_parent_iova, cmd->length);
	return 0;
}

static struct iommufd_hw_queue *queue_new(struct iommufd_viommu *viommu,
					  enum iommu_hw_queue_type type)
{
	const struct iommufd_viommu_ops *ops = viommu->ops;
	struct iommufd_hw_queue *queue;
	struct iommufd_object *obj;
	size_t size = 0;

	if (ops->get_hw_queue_size && ops->hw_queue_init_phys)
		size = ops->get_hw_queue_size(viommu, type);
	if (!size || WARN_ON_ONCE(size < sizeof(*queue)))
		return ERR_PTR(iommufd_refuse(&viommu->ictx->log, -EOPNOTSUPP,
					      WHY_NOT_SUPPORTED,
					      "vIOMMU %u has no hardware queues of type %u",
					      viommu->obj.id, type));
	obj = _iommufd_object_new(&viommu->ictx->objects, size, IOMMUFD_OBJ_HW_QUEUE);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	queue = container_of(obj, struct iommufd_hw_queue, obj);
	queue->viommu = viommu;
	queue->type = type;
	iommufd_object_hold(&viommu->obj);
	return queue;
}

static struct iommufd_hw_queue *make(const struct iommufd_ucmd *ucmd,
				     const struct iommu_hw_queue_alloc *cmd)
{
	struct iommufd_viommu *viommu __free(viommu_put) =
		iommufd_viommu_get(ucmd->ictx, cmd->viommu_id);

	return IS_ERR(viommu) ? ERR_CAST(viommu) : queue_new(viommu, cmd->type);
}

static int start(struct iommufd_hw_queue *queue,
		 const struct iommu_hw_queue_alloc *cmd)
{
	struct iommufd_viommu *viommu = queue->viommu;
	phys_addr_t phys;
	int rc;

	rc = iopt_access_lock(memory_of(viommu), cmd->nesting_parent_iova,
			      cmd->length, &phys);
	if (rc)
		return rc;
	queue->base_addr = cmd->nesting_parent_iova;
	queue->length = cmd->length;
	rc = viommu->ops->hw_queue_init_phys(queue, cmd->index, phys);
	if (!rc)
		return 0;
	/* What failed has nothing to undo. */
	queue->destroy = NULL;
	return iommufd_refuse(&viommu->ictx->log, rc, WHY_DRIVER,
			      "the IOMMU driver refused hardware queue %u of type %u",
			      cmd->index, cmd->type);
}

/**
 * iommufd_call_hw_queue_alloc - IOMMU_HW_QUEUE_ALLOC
 * @ucmd: the call
 *
 * The ID is written before the queue is started: another queue may depend on this one as
 * soon as the driver knows it, so nothing can be allowed to fail after that.
 *
 * Return: 0; -EOPNOTSUPP unknown flag, or a type that is not offered; -EINVAL length 0, or
 * a misaligned mapping; -EOVERFLOW; -ENOENT no such vIOMMU, or nothing is mapped there;
 * -EFAULT the memory is not contiguous; -ENOMEM; what pinning and the IOMMU driver say.
 */
int iommufd_call_hw_queue_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommufd_objects *objs = &ucmd->ictx->objects;
	struct iommu_hw_queue_alloc *cmd = ucmd->cmd;
	struct iommufd_hw_queue *queue;
	int rc;

	rc = check_cmd(ucmd, cmd);
	if (rc)
		return rc;
	queue = make(ucmd, cmd);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	cmd->out_hw_queue_id = queue->obj.id;
	rc = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	if (!rc)
		rc = start(queue, cmd);
	if (rc) {
		iommufd_object_abort_and_destroy(objs, &queue->obj);
		return rc;
	}
	iommufd_object_finalize(objs, &queue->obj);
	return 0;
}
