// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Hardware queues of a mock vIOMMU.  They are made in the order of their indices and
 * destroyed in the opposite one, as some hardware needs it.
 *
 * Locks: &mock_viommu.lock.
 */
#include <linux/iommu.h>

#include "mock_viommu.h"

/**
 * struct mock_hw_queue - a hardware queue
 * @core: iommufd's part, first
 * @before: queue with the next lower index, which stays until this one is gone
 * @index: index in &mock_viommu.queues
 */
struct mock_hw_queue {
	struct iommufd_hw_queue core;
	struct mock_hw_queue *before;
	u32 index;
};

static struct mock_hw_queue *queue_of(struct iommufd_hw_queue *core)
{
	return container_of(core, struct mock_hw_queue, core);
}

static void hw_queue_destroy(struct iommufd_hw_queue *core)
{
	struct mock_viommu *mock = mock_viommu_of(core->viommu);
	struct mock_hw_queue *queue = queue_of(core);

	guard(mutex)(&mock->lock);
	mock->queues[queue->index] = NULL;
	if (queue->before)
		iommufd_hw_queue_undepend(queue, queue->before, core);
}

/**
 * mock_hw_queue_size - bytes of a hardware queue
 * @viommu: mock vIOMMU
 * @type: what user space asks for
 *
 * Context: any.
 * Return: the size; 0 for a type that the mock IOMMU does not have.
 */
size_t mock_hw_queue_size(struct iommufd_viommu *viommu,
			  enum iommu_hw_queue_type type)
{
	if (type != (enum iommu_hw_queue_type)IOMMU_HW_QUEUE_TYPE_SELFTEST)
		return 0;
	return HW_QUEUE_STRUCT_SIZE(struct mock_hw_queue, core);
}

/* With the lock held the queue before cannot end its destruction. */
static int depend_on_queue_before(struct mock_viommu *mock,
				  struct mock_hw_queue *queue)
{
	struct mock_hw_queue *before;
	int rc;

	lockdep_assert_held(&mock->lock);
	if (!queue->index)
		return 0;
	before = mock->queues[queue->index - 1];
	if (!before)
		return -EIO;
	rc = iommufd_hw_queue_depend(queue, before, core);
	if (!rc)
		queue->before = before;
	return rc;
}

/**
 * mock_hw_queue_init - start a hardware queue
 * @core: of mock_hw_queue_size() bytes
 * @index: which of the vIOMMU's queues
 * @base: physical address of its memory
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL there are not so many queues, -EFAULT the parent domain shows other
 * memory at the queue's address, -EEXIST @index is taken, -EIO the index before is not.
 */
int mock_hw_queue_init(struct iommufd_hw_queue *core, u32 index, phys_addr_t base)
{
	struct mock_viommu *mock = mock_viommu_of(core->viommu);
	struct mock_hw_queue *queue = queue_of(core);
	int rc;

	if (index >= IOMMU_TEST_HW_QUEUE_MAX)
		return -EINVAL;
	if (iommu_iova_to_phys(mock->parent, core->base_addr) != base)
		return -EFAULT;

	guard(mutex)(&mock->lock);
	if (mock->queues[index])
		return -EEXIST;
	queue->index = index;
	rc = depend_on_queue_before(mock, queue);
	if (rc)
		return rc;
	core->destroy = hw_queue_destroy;
	mock->queues[index] = queue;
	return 0;
}
