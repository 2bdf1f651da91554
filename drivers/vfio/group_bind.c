// SPDX-License-Identifier: GPL-2.0-only
/*
 * A group in a container, and its devices bound there.
 *
 * The container is an iommufd.  From the moment a group enters it, the DMA of
 * the whole isolation group belongs to that iommufd, so that no driver of the
 * kernel can bind to a device of it; this is done in the name of the iommufd,
 * as iommufd_device_bind() does it for each device, so the two add up.  When
 * the container has got its address space, all devices of the group that do DMA
 * are bound and attached to it, all or none, and stay so until the group exits,
 * open or not.  One that is registered later follows when it is opened.
 *
 * An emulated device has an access instead of DMA, and its driver is told of
 * unmaps only while it is open, so it is bound and attached from its first open
 * to its last close.  A device without an IOMMU is never bound: there is
 * nothing that it could be attached to.
 *
 * A bound device that is not open does not hold up its driver's remove: it is
 * unbound when it leaves the group.
 *
 * Lock order: &vfio_group.calls -> the iommufd's container lock ->
 * &vfio_group.lock -> device-set lock -> the locks that an attach takes.  A
 * device leaves with &vfio_group.calls held, so that one after the other finds
 * out whether it is the last.  May call group_node.c, noiommu.h, attachment.h,
 * iommufd, and of the driver bind_iommufd, unbind_iommufd and attach_ioas.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/iommufd_container.h>
#include <linux/iommufd_report.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/vfio.h>

#include "attachment.h"
#include "group_bind.h"
#include "group_node.h"
#include "noiommu.h"

MODULE_IMPORT_NS("IOMMUFD_VFIO");

static struct vfio_group *
vfio_group_of_member(struct iommufd_container_member *member)
{
	return container_of(member, struct vfio_group, member);
}

static int vfio_bind_and_attach(struct vfio_device *vdev,
				struct iommufd_ctx *ictx, u32 ioas_id,
				u32 *devid)
{
	int rc;

	lockdep_assert_held(&vdev->dev_set->lock);

	rc = vdev->ops->bind_iommufd(vdev, ictx, devid);
	if (rc)
		return rc;
	rc = vdev->ops->attach_ioas(vdev, &ioas_id);
	if (rc)
		vdev->ops->unbind_iommufd(vdev);
	return rc;
}

static int vfio_group_refuse_elsewhere(struct vfio_group *group,
				       struct vfio_device *vdev, u32 now,
				       u32 ioas_id)
{
	return iommufd_refuse(&group->log, -EBUSY, WHY_BUSY,
			      "%s was opened before, in IOAS %u instead of %u",
			      dev_name(vdev->dev), now, ioas_id);
}

/* Those that were opened before: are they where all shall be? */
static int vfio_group_check_opened(struct vfio_group *group, u32 ioas_id)
{
	struct vfio_device *vdev;
	u32 now;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(vdev, &group->devices, group_next) {
		scoped_guard(mutex, &vdev->dev_set->lock)
			now = vfio_attachment_get(vdev);
		if (now && now != ioas_id)
			return vfio_group_refuse_elsewhere(group, vdev, now,
							   ioas_id);
	}
	return 0;
}

/* By VFIO_SET_IOMMU, and not opened since? */
static bool vfio_group_is_attached(struct vfio_group *group,
				   struct vfio_device *vdev)
{
	struct vfio_device *attached;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(attached, &group->attached, iommu_entry)
		if (attached == vdev)
			return true;
	return false;
}

/*
 * Nobody who has a device open expects it to go elsewhere, and what VFIO_SET_IOMMU attached
 * stays together.
 */
static int vfio_group_check_closed(struct vfio_group *group, u32 ioas_id)
{
	struct vfio_device *vdev;
	u32 now = 0;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(vdev, &group->devices, group_next) {
		scoped_guard(mutex, &vdev->dev_set->lock)
			now = vdev->open_count || vfio_group_is_attached(group, vdev) ?
			      vfio_attachment_get(vdev) : 0;
		if (now && now != ioas_id)
			return vfio_group_refuse_elsewhere(group, vdev, now,
							   ioas_id);
	}
	return 0;
}

static int vfio_group_move_device(struct vfio_group *group,
				  struct vfio_device *vdev, u32 ioas_id)
{
	u32 now;
	int rc;

	guard(mutex)(&vdev->dev_set->lock);
	now = vfio_attachment_get(vdev);
	if (!now || now == ioas_id)
		return 0;
	rc = vdev->ops->attach_ioas(vdev, &ioas_id);
	if (rc)
		return iommufd_refuse(&group->log, rc, WHY_DRIVER,
				      "%s was not moved from IOAS %u to the container's; see the fdinfo of the container",
				      dev_name(vdev->dev), now);
	return 0;
}

/*
 * The user may have chosen another IOAS for the container since a device was bound.  What
 * the IOMMU does not tell apart goes there together, so each of the group is told.
 */
static int vfio_group_move(struct vfio_group *group, u32 ioas_id)
{
	struct vfio_device *vdev;
	int rc;

	rc = vfio_group_check_closed(group, ioas_id);
	if (rc)
		return rc;
	list_for_each_entry(vdev, &group->devices, group_next) {
		rc = vfio_group_move_device(group, vdev, ioas_id);
		if (rc)
			return rc;
	}
	return 0;
}

/* Bind a device that is not bound for the group; put it on the list @bound. */
static int vfio_group_bind(struct vfio_group *group, struct vfio_device *vdev,
			   struct iommufd_ctx *ictx, u32 ioas_id,
			   struct list_head *bound)
{
	u32 devid;
	int rc;

	lockdep_assert_held(&group->lock);

	scoped_guard(mutex, &vdev->dev_set->lock)
		rc = vfio_bind_and_attach(vdev, ictx, ioas_id, &devid);
	if (rc)
		return iommufd_refuse(&group->log, rc, WHY_DRIVER,
				      "%s was not attached to the container's IOAS; see the fdinfo of the container",
				      dev_name(vdev->dev));
	list_add_tail(&vdev->iommu_entry, bound);
	return 0;
}

static void vfio_group_unbind(struct vfio_group *group,
			      struct vfio_device *vdev)
{
	lockdep_assert_held(&group->lock);

	list_del_init(&vdev->iommu_entry);
	guard(mutex)(&vdev->dev_set->lock);
	vdev->ops->unbind_iommufd(vdev);
}

/* The last one bound is the first to go. */
static void vfio_group_unbind_list(struct vfio_group *group,
				   struct list_head *bound)
{
	struct vfio_device *vdev, *next;

	list_for_each_entry_safe_reverse(vdev, next, bound, iommu_entry)
		vfio_group_unbind(group, vdev);
}

static int vfio_group_bind_all(struct vfio_group *group,
			       struct iommufd_ctx *ictx, u32 ioas_id)
{
	struct vfio_device *vdev;
	LIST_HEAD(bound);
	int rc;

	guard(mutex)(&group->lock);
	rc = vfio_group_check_opened(group, ioas_id);
	if (rc || group->kind == VFIO_GROUP_EMULATED)
		return rc;

	list_for_each_entry(vdev, &group->devices, group_next) {
		if (!list_empty(&vdev->iommu_entry))
			continue;
		rc = vfio_group_bind(group, vdev, ictx, ioas_id, &bound);
		if (rc) {
			vfio_group_unbind_list(group, &bound);
			return rc;
		}
	}
	list_splice_tail(&bound, &group->attached);
	return 0;
}

/* &iommufd_container_ops.attach */
static int vfio_group_attach(struct iommufd_container_member *member,
			     struct iommufd_ctx *ictx, u32 ioas_id)
{
	struct vfio_group *group = vfio_group_of_member(member);
	int rc;

	if (group->kind == VFIO_GROUP_NOIOMMU)
		rc = iommufd_refuse(&group->log, -EINVAL, WHY_NO_IOMMU,
				    "no page table confines the device");
	else
		rc = vfio_group_bind_all(group, ictx, ioas_id);
	iommufd_report_result(&group->log, "VFIO_GROUP_ATTACH", rc);
	return rc;
}

/*
 * &iommufd_container_ops.detach, which undoes an attach and no more: when another
 * group of the container cannot be attached, devices that were opened before it, or
 * meanwhile, stay.
 */
static void vfio_group_detach(struct iommufd_container_member *member)
{
	struct vfio_group *group = vfio_group_of_member(member);

	guard(mutex)(&group->lock);
	vfio_group_unbind_list(group, &group->attached);
}

/* Those that were opened, too. */
static void vfio_group_unbind_all(struct vfio_group *group)
{
	guard(mutex)(&group->lock);
	vfio_group_unbind_list(group, &group->attached);
	vfio_group_unbind_list(group, &group->bound);
}

VISIBLE_IF_KUNIT const struct iommufd_container_ops vfio_group_container_ops = {
	.attach = vfio_group_attach,
	.detach = vfio_group_detach,
};

/*
 * Nobody else shall have the DMA of the isolation group.  Whoever has it, -EBUSY
 * tells so; the IOMMU core has two ways to say that.
 */
static int vfio_group_claim_dma(struct vfio_group *group,
				struct iommufd_ctx *ictx)
{
	int rc;

	if (group->kind != VFIO_GROUP_PHYSICAL)
		return 0;

	rc = iommu_group_claim_dma_owner(group->iommu_group, ictx);
	if (rc == -EPERM || rc == -EBUSY)
		return iommufd_refuse(&group->log, -EBUSY, WHY_OWNED,
				      "a device of group %d belongs to another owner or to a kernel driver",
				      iommu_group_id(group->iommu_group));
	if (rc)
		return iommufd_refuse(&group->log, rc, WHY_DRIVER,
				      "the IOMMU driver cannot block the DMA of group %d",
				      iommu_group_id(group->iommu_group));
	return 0;
}

static void vfio_group_release_dma(struct vfio_group *group)
{
	if (group->kind == VFIO_GROUP_PHYSICAL)
		iommu_group_release_dma_owner(group->iommu_group);
}

/**
 * vfio_group_enter_container - Put a group into a container
 * @group: a group that is alive, open, and in no container
 * @ictx: the container; the group takes over a reference when it succeeds
 *
 * Context: &vfio_group.calls is held.
 * Return: 0; -EBUSY when another owner or a kernel driver has the DMA of the
 * group; -EPERM when the container has groups of the other kind, with or
 * without an IOMMU; the errno of an attach, if the container has an address
 * space already; -EOPNOTSUPP when the kernel has no containers; -ENOMEM.
 */
int vfio_group_enter_container(struct vfio_group *group,
			       struct iommufd_ctx *ictx)
{
	int rc;

	lockdep_assert_held(&group->calls);

	rc = vfio_group_claim_dma(group, ictx);
	if (rc)
		return rc;

	group->member = (struct iommufd_container_member) {
		.ops = &vfio_group_container_ops,
		.no_iommu = group->kind == VFIO_GROUP_NOIOMMU,
		.emulated = group->kind == VFIO_GROUP_EMULATED,
	};
	rc = iommufd_container_join(ictx, &group->member);
	if (rc) {
		vfio_group_release_dma(group);
		return iommufd_refuse(&group->log, rc, WHY_DRIVER,
				      "the container did not take the group; see its fdinfo");
	}
	group->ictx = ictx;
	return 0;
}

/**
 * vfio_group_exit_container - Take a group out of its container
 * @group: a group of which no device is open
 *
 * The devices are unbound first, as the container need not know of those that
 * were bound when they were opened.
 *
 * Context: &vfio_group.calls is held.
 */
void vfio_group_exit_container(struct vfio_group *group)
{
	struct iommufd_ctx *ictx = group->ictx;

	lockdep_assert_held(&group->calls);

	if (!ictx)
		return;
	vfio_group_unbind_all(group);
	iommufd_container_leave(ictx, &group->member);
	vfio_group_release_dma(group);
	group->ictx = NULL;
	iommufd_ctx_put(ictx);
}

/*
 * The last device went: the group is no longer in use by anybody, although its
 * node may still be open.
 */
static void vfio_group_die(struct vfio_group *group)
{
	lockdep_assert_held(&group->calls);

	guard(mutex)(&group->lock);
	iommu_group_put(group->iommu_group);
	group->iommu_group = NULL;
}

/**
 * vfio_group_leave - Take a device out of its group for good
 * @vdev: a device that nobody uses any more, and that is not shown
 *
 * If it is the last one, the group exits its container.  It does so while it can
 * still be found: else a device that comes now would make a new group, which could
 * claim the DMA of the isolation group in the name of the same iommufd, and the two
 * claims would be taken for one.  A device that comes in between finds its group
 * without a container.
 *
 * Context: May sleep; the driver's remove.
 */
void vfio_group_leave(struct vfio_device *vdev)
{
	struct vfio_group *group = vdev->group;

	scoped_guard(mutex, &group->calls) {
		scoped_guard(mutex, &group->lock)
			if (!list_empty(&vdev->iommu_entry))
				vfio_group_unbind(group, vdev);

		if (vfio_group_has_one_member(group))
			vfio_group_exit_container(group);
		if (vfio_group_part(vdev))
			vfio_group_die(group);
	}
	/* A hot reset of its set may still ask for it. */
	WRITE_ONCE(vdev->group, NULL);
	put_device(&group->dev);
}

/**
 * vfio_group_bind_device - Make sure that a device is bound before it is opened
 * @group: its group, which is in a container that has an address space
 * @vdev: a device of @group that is kept registered by the caller
 * @ioas_id: the address space
 *
 * Context: &vfio_group.calls is held.
 * Return: 0, also for a device that is bound at its first open, or never;
 * -EBUSY when it is open in another address space, which was the container's
 * before; else what bind_iommufd or attach_ioas say.
 */
int vfio_group_bind_device(struct vfio_group *group, struct vfio_device *vdev,
			   u32 ioas_id)
{
	int rc;

	lockdep_assert_held(&group->calls);

	if (group->kind != VFIO_GROUP_PHYSICAL)
		return 0;

	guard(mutex)(&group->lock);
	if (list_empty(&vdev->iommu_entry))
		return vfio_group_bind(group, vdev, group->ictx, ioas_id,
				       &group->bound);
	/* VFIO_SET_IOMMU came after @ioas_id was looked up, and knows better. */
	rc = vfio_group_is_attached(group, vdev) ?
	     0 : vfio_group_move(group, ioas_id);
	/* It may be about to fail, and to undo its attach. */
	if (!rc)
		list_move_tail(&vdev->iommu_entry, &group->bound);
	return rc;
}

/**
 * vfio_group_bind_opened - Bind a device for its first open out of a group
 * @vdev: the device
 * @ictx: the container
 * @ioas_id: its address space
 * @devid: returns the ID of an emulated device in @ictx
 *
 * Context: The device-set lock is held.
 * Return: 0; for an emulated device also what bind_iommufd or attach_ioas say.
 */
int vfio_group_bind_opened(struct vfio_device *vdev, struct iommufd_ctx *ictx,
			   u32 ioas_id, u32 *devid)
{
	lockdep_assert_held(&vdev->dev_set->lock);

	return vdev->emulated ?
	       vfio_bind_and_attach(vdev, ictx, ioas_id, devid) : 0;
}

/**
 * vfio_group_unbind_closed - Undo vfio_group_bind_opened()
 * @vdev: a device that is being closed for the last time
 *
 * Context: The device-set lock is held.
 */
void vfio_group_unbind_closed(struct vfio_device *vdev)
{
	lockdep_assert_held(&vdev->dev_set->lock);

	if (vdev->emulated)
		vdev->ops->unbind_iommufd(vdev);
}
