// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Queues of page requests: what comes from devices, and what is answered without user
 * space.  The life of a group stands in fault.h.
 *
 * Locks: &iommufd_fault.lock.
 */
#include <linux/iommu.h>

#include "../iommu-priv.h"
#include "ctx.h"
#include "device.h"
#include "fault.h"
#include "hwpt.h"
#include "trace.h"

static void answer(struct iopf_group *group, enum iommu_page_response_code code)
{
	iopf_group_response(group, code);
	iopf_free_group(group);
}

/* Answer all groups, or those that came through one attachment. */
static void answer_invalid(struct iommufd_fault *fault,
			   const struct iommu_attach_handle *handle)
{
	struct iopf_group *group, *next;
	unsigned long cookie;

	lockdep_assert_held(&fault->lock);
	list_for_each_entry_safe(group, next, &fault->waiting, node) {
		if (handle && group->attach_handle != handle)
			continue;
		list_del(&group->node);
		answer(group, IOMMU_PAGE_RESP_INVALID);
	}
	xa_for_each(&fault->told, cookie, group) {
		if (handle && group->attach_handle != handle)
			continue;
		xa_erase(&fault->told, cookie);
		answer(group, IOMMU_PAGE_RESP_INVALID);
	}
}

static void fault_destroy(struct iommufd_object *obj)
{
	struct iommufd_fault *fault = container_of(obj, struct iommufd_fault, obj);

	/* No HWPT is left, so none comes any more. */
	scoped_guard(mutex, &fault->lock)
		answer_invalid(fault, NULL);
	xa_destroy(&fault->told);
	mutex_destroy(&fault->lock);
}

const struct iommufd_object_ops iommufd_fault_object_ops = {
	.name = "fault",
	.destroy = fault_destroy,
};

/**
 * iommufd_fault_get - look a fault queue up
 * @ictx: context
 * @id: ID that the caller gave
 *
 * Context: any.
 * Return: short reference for iommufd_object_put(); ERR_PTR(-ENOENT).
 */
struct iommufd_fault *iommufd_fault_get(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get(&ictx->objects, id, IOMMUFD_OBJ_FAULT);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iommufd_fault, obj);
}

/**
 * iommufd_fault_iopf_handler - a group of page requests came in
 * @group: the group; belongs to the queue from now on
 *
 * The IOMMU core calls this for domains that deliver their faults to user space.
 *
 * Context: process context, in general a threaded interrupt handler of the IOMMU driver.
 * The core holds nothing that keeps the attachment: it is up to the driver to wait for
 * its handler when it ends one.  Takes the queue's lock.
 * Return: 0.
 */
int iommufd_fault_iopf_handler(struct iopf_group *group)
{
	struct iommufd_hw_pagetable *hwpt = group->attach_handle->domain->iommufd_hwpt;
	struct iommufd_fault *fault = hwpt->fault;

	/* Else the core frees it when the driver takes the device from its queue. */
	iopf_group_dequeue(group);

	trace_iommufd_fault(group->fault_param->dev, &group->last_fault.fault.prm,
			    fault->obj.id);
	guard(mutex)(&fault->lock);
	if (fault->closed) {
		answer(group, IOMMU_PAGE_RESP_INVALID);
		return 0;
	}
	list_add_tail(&group->node, &fault->waiting);
	wake_up_interruptible(&fault->wait);
	return 0;
}

/**
 * iommufd_fault_end_attachment - answer what came through an attachment
 * @fault: queue of the page table, or NULL
 * @handle: handle of the attachment, which the IOMMU core does not know any more
 *
 * Context: may sleep; under the group's lock; takes the queue's lock.
 */
void iommufd_fault_end_attachment(struct iommufd_fault *fault,
				  const struct iommufd_attach_handle *handle)
{
	if (!fault)
		return;
	guard(mutex)(&fault->lock);
	answer_invalid(fault, &handle->handle);
}

/**
 * iommufd_fault_close - nobody reads the queue any more
 * @fault: the queue
 *
 * All groups are answered, and those that still come will be at once.
 *
 * Context: may sleep; takes the queue's lock.
 */
void iommufd_fault_close(struct iommufd_fault *fault)
{
	guard(mutex)(&fault->lock);
	fault->closed = true;
	answer_invalid(fault, NULL);
}
