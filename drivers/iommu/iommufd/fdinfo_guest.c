// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The lines of fdinfo about what a VMM makes for the IOMMU of its guest, by the rules of
 * fdinfo.c:
 *
 *	hwpt-nested:	id=N parent=N viommu=N|none users=N
 *	fault:	id=N waiting=N told=N
 *	viommu:	id=N type=N hwpt=N users=N
 *	vdevice:	id=N viommu=N device=N number=N
 *	veventq:	id=N viommu=N type=N depth=N events=N
 *	hw-queue:	id=N viommu=N type=N address=N length=BYTES
 *
 * waiting are the groups of page requests that nobody has read, told those that wait for
 * an answer.  number is how the guest knows the device.
 *
 * Locks: as in fdinfo.c; that of a fault queue is only tried.
 */
#include <linux/iommu.h>
#include <linux/seq_file.h>

#include "device.h"
#include "fault.h"
#include "fdinfo.h"
#include "hwpt.h"
#include "veventq.h"

static unsigned int users_of(const struct iommufd_object *obj)
{
	return refcount_read(&obj->users) - 1;
}

static void show_nested(struct seq_file *m, const struct iommufd_hwpt_nested *nested)
{
	seq_printf(m, "hwpt-nested:\tid=%u parent=%u viommu=", nested->common.obj.id,
		   nested->parent->common.obj.id);
	if (nested->viommu)
		seq_printf(m, "%u", nested->viommu->obj.id);
	else
		seq_puts(m, "none");
	seq_printf(m, " users=%u\n", users_of(&nested->common.obj));
}

static void show_fault(struct seq_file *m, struct iommufd_fault *fault)
{
	struct iopf_group *group;
	unsigned long cookie;
	size_t ntold = 0;

	if (!mutex_trylock(&fault->lock)) {
		seq_printf(m, "fault:\tid=%u busy\n", fault->obj.id);
		return;
	}
	xa_for_each(&fault->told, cookie, group)
		ntold++;
	seq_printf(m, "fault:\tid=%u waiting=%zu told=%zu\n", fault->obj.id,
		   list_count_nodes(&fault->waiting), ntold);
	mutex_unlock(&fault->lock);
}

static void show_viommu(struct seq_file *m, const struct iommufd_viommu *viommu)
{
	seq_printf(m, "viommu:\tid=%u type=%u hwpt=%u users=%u\n", viommu->obj.id,
		   viommu->type, viommu->hwpt->common.obj.id,
		   users_of(&viommu->obj));
}

static void show_vdevice(struct seq_file *m, const struct iommufd_vdevice *vdev)
{
	seq_printf(m, "vdevice:\tid=%u viommu=%u device=%u number=%llu\n",
		   vdev->obj.id, vdev->viommu->obj.id, vdev->idev->obj.id,
		   vdev->virt_id);
}

static void show_veventq(struct seq_file *m, const struct iommufd_veventq *veventq)
{
	seq_printf(m, "veventq:\tid=%u viommu=%u type=%u depth=%u events=%u\n",
		   veventq->obj.id, veventq->viommu->obj.id, veventq->type,
		   veventq->depth, READ_ONCE(veventq->num_events));
}

static void show_hw_queue(struct seq_file *m, const struct iommufd_hw_queue *queue)
{
	seq_printf(m, "hw-queue:\tid=%u viommu=%u type=%u address=%llu length=%zu\n",
		   queue->obj.id, queue->viommu->obj.id, queue->type,
		   queue->base_addr, queue->length);
}

/**
 * iommufd_show_guest_object - print the line of an object for a guest's IOMMU
 * @m: where to
 * @obj: any object; the caller holds a short reference
 *
 * Context: process context.
 * Return: true; false when it is of another type.
 */
bool iommufd_show_guest_object(struct seq_file *m, struct iommufd_object *obj)
{
	switch (obj->type) {
	case IOMMUFD_OBJ_HWPT_NESTED:
		show_nested(m, container_of(obj, struct iommufd_hwpt_nested,
					    common.obj));
		return true;
	case IOMMUFD_OBJ_FAULT:
		show_fault(m, container_of(obj, struct iommufd_fault, obj));
		return true;
	case IOMMUFD_OBJ_VIOMMU:
		show_viommu(m, container_of(obj, struct iommufd_viommu, obj));
		return true;
	case IOMMUFD_OBJ_VDEVICE:
		show_vdevice(m, container_of(obj, struct iommufd_vdevice, obj));
		return true;
	case IOMMUFD_OBJ_VEVENTQ:
		show_veventq(m, container_of(obj, struct iommufd_veventq, obj));
		return true;
	case IOMMUFD_OBJ_HW_QUEUE:
		show_hw_queue(m, container_of(obj, struct iommufd_hw_queue, obj));
		return true;
	default:
		return false;
	}
}
