// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What IOMMU drivers call.
 *
 * IOMMU drivers are usually built into the kernel while iommufd.ko is loaded
 * later, if ever. So this file is built in with them, and uses of iommufd only
 * what stands in headers: the layouts of objects and their reference counts.
 *
 * Locks: the xarray lock of a vIOMMU's vdevs, which the callers of
 * iommufd_viommu_find_dev() hold already; for events those of veventq.h.
 */
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/iommufd.h>
#include <linux/maple_tree.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "ctx.h"
#include "device.h"
#include "mmap_area.h"
#include "object.h"
#include "veventq.h"

/* Whoever made the queue pays. */
static struct iommufd_vevent *vevent_new(struct iommufd_veventq *veventq,
					 const void *event, size_t len)
{
	struct mem_cgroup *old = set_active_memcg(veventq->memcg);
	struct iommufd_vevent *vevent;

	/* Losing an event is told; waiting in an interrupt thread is worse. */
	vevent = kzalloc_flex(*vevent, data, len, GFP_NOWAIT | __GFP_ACCOUNT);
	set_active_memcg(old);
	if (!vevent)
		return NULL;
	/* Not every compiler counts for us. */
	vevent->data_len = len;
	memcpy(vevent->data, event, len);
	return vevent;
}

/* Number an event and queue it, or only note its loss: then false. */
static bool veventq_add(struct iommufd_veventq *veventq,
			struct iommufd_vevent *vevent)
{
	unsigned int sequence;

	guard(spinlock)(&veventq->lock);
	sequence = veventq->sequence;
	veventq->sequence = sequence == INT_MAX ? 0 : sequence + 1;

	if (!vevent || veventq->num_events >= veventq->depth) {
		veventq->lost.header.sequence = sequence;
		if (list_empty(&veventq->lost.item))
			list_add_tail(&veventq->lost.item, &veventq->events);
		return false;
	}
	vevent->header.sequence = sequence;
	list_del_init(&veventq->lost.item);
	list_add_tail(&vevent->item, &veventq->events);
	veventq->num_events++;
	return true;
}

/**
 * iommufd_viommu_report_event() - Send an event to a guest
 * @viommu: the vIOMMU
 * @type: which of its queues
 * @event: the event, in the format of the user API
 * @len: its length in bytes
 *
 * An event that finds the queue full, or no memory, is lost, and user space is
 * told so in the queue.
 *
 * Context: May sleep, for the vIOMMU's veventqs_rwsem; takes the queue's lock.
 * Return: 0; -EOPNOTSUPP if user space has no queue of this type, -EINVAL for an
 * empty event.
 */
int iommufd_viommu_report_event(struct iommufd_viommu *viommu,
				enum iommu_veventq_type type, void *event,
				size_t len)
{
	struct iommufd_veventq *veventq;
	struct iommufd_vevent *vevent;

	if (WARN_ON_ONCE(!event || !len))
		return -EINVAL;

	guard(rwsem_read)(&viommu->veventqs_rwsem);
	veventq = iommufd_viommu_find_veventq(viommu, type);
	if (!veventq)
		return -EOPNOTSUPP;

	vevent = vevent_new(veventq, event, len);
	if (!veventq_add(veventq, vevent))
		kfree(vevent);
	wake_up_interruptible(&veventq->wait);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_viommu_report_event, "IOMMUFD");

/**
 * iommufd_viommu_get_vdev_id() - Look up the guest's number of a device
 * @viommu: the vIOMMU
 * @wanted: the device
 * @number: returns the number
 *
 * Context: Process context; takes the xarray lock of the vIOMMU's vdevs.
 * Return: 0, or -ENOENT if @wanted has no vDEVICE in this vIOMMU.
 */
int iommufd_viommu_get_vdev_id(struct iommufd_viommu *viommu,
			       struct device *wanted, unsigned long *number)
{
	const struct iommufd_vdevice *vdev;
	unsigned long at;

	xa_lock(&viommu->vdevs);
	xa_for_each(&viommu->vdevs, at, vdev) {
		if (vdev->idev->dev == wanted)
			break;
	}
	xa_unlock(&viommu->vdevs);

	/* After a full walk there is no entry to point at. */
	if (!vdev)
		return -ENOENT;
	*number = at;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_viommu_get_vdev_id, "IOMMUFD");

/**
 * iommufd_viommu_find_dev() - Look up a device by the guest's number
 * @viommu: the vIOMMU
 * @number: number that the guest uses
 *
 * Context: Under the xarray lock of the vIOMMU's vdevs; the result may be used
 * until that is dropped.
 * Return: The device, or NULL if there is none of this number.
 */
struct device *iommufd_viommu_find_dev(struct iommufd_viommu *viommu,
				       unsigned long number)
{
	const struct iommufd_vdevice *found;

	lockdep_assert_held(&viommu->vdevs.xa_lock);

	found = xa_load(&viommu->vdevs, number);
	if (!found)
		return NULL;
	return found->idev->dev;
}
EXPORT_SYMBOL_NS_GPL(iommufd_viommu_find_dev, "IOMMUFD");

/**
 * iommufd_vdevice_to_device() - The physical device of a vDEVICE
 * @vdevice: the vDEVICE
 *
 * Context: Any.
 * Return: The device; valid as long as @vdevice is, which goes before its device.
 */
struct device *iommufd_vdevice_to_device(struct iommufd_vdevice *vdevice)
{
	return vdevice->idev->dev;
}
EXPORT_SYMBOL_NS_GPL(iommufd_vdevice_to_device, "IOMMUFD");

/**
 * _iommufd_object_undepend() - Undo _iommufd_object_depend()
 * @user: object that needed the other
 * @used: object that was needed
 *
 * Context: Any.
 */
void _iommufd_object_undepend(struct iommufd_object *user,
			      struct iommufd_object *used)
{
	if (!WARN_ON_ONCE(user == used))
		iommufd_object_release(used);
}
EXPORT_SYMBOL_NS_GPL(_iommufd_object_undepend, "IOMMUFD");

/**
 * _iommufd_object_depend() - Keep an object until another one is gone
 * @user: object that needs the other
 * @used: object that is needed; a lock of the driver keeps it in memory, which its
 *	  destroy callback takes
 *
 * Context: Any.
 * Return: 0; -EINVAL if the two are one or not of one type; -ENOENT if @used is just
 * being destroyed.
 */
int _iommufd_object_depend(struct iommufd_object *user,
			   struct iommufd_object *used)
{
	if (WARN_ON_ONCE(user == used || user->type != used->type))
		return -EINVAL;
	return refcount_inc_not_zero(&used->users) ? 0 : -ENOENT;
}
EXPORT_SYMBOL_NS_GPL(_iommufd_object_depend, "IOMMUFD");

static struct iommufd_mmap_area *mmap_area_new(struct iommufd_object *owner,
					       phys_addr_t phys,
					       unsigned long npages)
{
	struct iommufd_mmap_area *area;

	area = kmalloc_obj(*area, GFP_KERNEL_ACCOUNT);
	if (area)
		*area = (struct iommufd_mmap_area){
			.owner = owner,
			.phys = phys,
			.npages = npages,
		};
	return area;
}

/**
 * _iommufd_alloc_mmap() - Let user space map physical pages
 * @ictx: context whose file they appear in
 * @owner: object they belong to; mappings keep it alive
 * @first: physical address, page aligned
 * @length: bytes, a multiple of PAGE_SIZE
 * @file_offset: returns the file offset, never 0
 *
 * Nobody can map them before @owner is published.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL if misaligned or empty, -EBUSY if the file has no room for
 * as many bytes, -ENOMEM.
 */
int _iommufd_alloc_mmap(struct iommufd_ctx *ictx, struct iommufd_object *owner,
			phys_addr_t first, size_t length,
			unsigned long *file_offset)
{
	struct iommufd_mmap_area *area __free(kfree) = NULL;
	unsigned long pgoff;
	int rc;

	if (!length || !PAGE_ALIGNED(first | length))
		return -EINVAL;

	area = mmap_area_new(owner, first, length >> PAGE_SHIFT);
	if (!area)
		return -ENOMEM;
	rc = mtree_alloc_range(&ictx->mt_mmap, &pgoff, area, area->npages, 1,
			       ULONG_MAX >> PAGE_SHIFT, GFP_KERNEL_ACCOUNT);
	if (rc)
		return rc;
	retain_and_null_ptr(area);
	*file_offset = pgoff << PAGE_SHIFT;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(_iommufd_alloc_mmap, "IOMMUFD");

/**
 * _iommufd_destroy_mmap() - Undo _iommufd_alloc_mmap()
 * @ictx: the same context
 * @owner: the same object, which nobody can reach any more or yet
 * @file_offset: what that function returned
 *
 * Context: Process context, may sleep.
 */
void _iommufd_destroy_mmap(struct iommufd_ctx *ictx,
			   struct iommufd_object *owner,
			   unsigned long file_offset)
{
	struct iommufd_mmap_area *area;

	area = mtree_erase(&ictx->mt_mmap, file_offset >> PAGE_SHIFT);
	WARN_ON_ONCE(!area || area->owner != owner);
	kfree(area);
}
EXPORT_SYMBOL_NS_GPL(_iommufd_destroy_mmap, "IOMMUFD");

MODULE_DESCRIPTION("Services of iommufd for built-in IOMMU drivers");
MODULE_IMPORT_NS("IOMMUFD_INTERNAL");
MODULE_LICENSE("GPL");
