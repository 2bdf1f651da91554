// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups and their nodes, /dev/vfio/N.
 *
 * A group stands for an isolation group of the IOMMU core, and exists as long
 * as a device of it is registered here.  A device that is in no isolation
 * group, because it is emulated or behind no IOMMU, gets one for itself: so
 * programs find every device's group by the link iommu_group below the device.
 * The node is named after the isolation group, N or noiommu-N.
 *
 * When the last device parts, the group is withdrawn: nobody finds it any more,
 * and the next device makes a new group, with a node of the same name.  A file
 * of the former group may still be open then.
 *
 * Devices are shown, that is, can be opened, for a part of the time in which
 * they are members.
 *
 * Locks, outermost first; none is held while a driver is called from here:
 *
 *   struct vfio_group.calls	see group.c
 *   vfio_groups_lock		which groups there are, and how many members
 *				each has; held while nodes are made and removed
 *   struct vfio_group.lock	a group's devices, and who uses them
 *
 * What opening a node does is decided by an upper floor, see
 * vfio_groups_init().  May call kvm.c and noiommu.h.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/iommu.h>
#include <linux/kdev_t.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "group_node.h"
#include "noiommu.h"

static DEFINE_MUTEX(vfio_groups_lock);
static LIST_HEAD(vfio_groups);

static DEFINE_IDA(vfio_group_minors);
static dev_t vfio_group_base;
static const struct file_operations *vfio_group_node_fops;

static char *vfio_group_path(const struct device *dev, umode_t *mode)
{
	return kasprintf(GFP_KERNEL, "vfio/%s", dev_name(dev));
}

static const struct class vfio_group_class = {
	.name = "vfio",
	.devnode = vfio_group_path,
};

/**
 * vfio_groups_init - Make room for the nodes of groups
 * @fops: what the nodes do
 *
 * Context: Module init, before the first device is registered.
 * Return: 0; -ENOMEM; -EBUSY when no major number is left.
 */
int vfio_groups_init(const struct file_operations *fops)
{
	int rc;

	vfio_group_node_fops = fops;
	rc = class_register(&vfio_group_class);
	if (rc)
		return rc;

	rc = alloc_chrdev_region(&vfio_group_base, 0, MINORMASK + 1, "vfio");
	if (rc)
		class_unregister(&vfio_group_class);
	return rc;
}

/**
 * vfio_groups_exit - Undo vfio_groups_init()
 *
 * Context: Module exit, no device and no open file is left.
 */
void vfio_groups_exit(void)
{
	unregister_chrdev_region(vfio_group_base, MINORMASK + 1);
	class_unregister(&vfio_group_class);
	ida_destroy(&vfio_group_minors);
}

static void vfio_group_free(struct device *dev)
{
	struct vfio_group *group = container_of(dev, struct vfio_group, dev);

	/* A group that was never shown still has it. */
	iommu_group_put(group->iommu_group);
	ida_free(&vfio_group_minors, MINOR(dev->devt));
	mutex_destroy(&group->lock);
	mutex_destroy(&group->calls);
	kfree(group);
}

/* A new group without a node; put_device() frees it. */
static struct vfio_group *vfio_group_alloc(enum vfio_group_kind kind)
{
	struct vfio_group *group __free(kfree) = kzalloc_obj(*group);
	int minor;

	if (!group)
		return ERR_PTR(-ENOMEM);

	minor = ida_alloc_max(&vfio_group_minors, MINORMASK, GFP_KERNEL);
	if (minor < 0)
		return ERR_PTR(minor);

	group->kind = kind;
	mutex_init(&group->calls);
	mutex_init(&group->lock);
	INIT_LIST_HEAD(&group->devices);
	INIT_LIST_HEAD(&group->bound);
	INIT_LIST_HEAD(&group->attached);
	vfio_kvm_link_init(&group->kvm);
	iommufd_log_init(&group->log);

	device_initialize(&group->dev);
	group->dev.class = &vfio_group_class;
	group->dev.release = vfio_group_free;
	group->dev.devt = MKDEV(MAJOR(vfio_group_base), minor);
	cdev_init(&group->cdev, vfio_group_node_fops);
	group->cdev.owner = THIS_MODULE;
	return no_free_ptr(group);
}

/* Uses up the reference on @iommu_group, also when it fails. */
static struct vfio_group *vfio_group_create(struct iommu_group *iommu_group,
					    enum vfio_group_kind kind)
{
	struct vfio_group *group;
	int rc;

	lockdep_assert_held(&vfio_groups_lock);

	group = vfio_group_alloc(kind);
	if (IS_ERR(group)) {
		iommu_group_put(iommu_group);
		return group;
	}

	group->iommu_group = iommu_group;
	rc = dev_set_name(&group->dev, "%s%d",
			  kind == VFIO_GROUP_NOIOMMU ? "noiommu-" : "",
			  iommu_group_id(iommu_group));
	if (!rc)
		rc = cdev_device_add(&group->cdev, &group->dev);
	if (rc) {
		put_device(&group->dev);
		return ERR_PTR(rc);
	}
	list_add(&group->item, &vfio_groups);
	return group;
}

static struct vfio_group *vfio_group_find(struct iommu_group *iommu_group)
{
	struct vfio_group *group;

	lockdep_assert_held(&vfio_groups_lock);

	list_for_each_entry(group, &vfio_groups, item)
		if (group->iommu_group == iommu_group)
			return group;
	return NULL;
}

static enum vfio_group_kind vfio_group_kind_of(struct vfio_device *vdev)
{
	if (vdev->emulated)
		return VFIO_GROUP_EMULATED;
	return vfio_device_is_noiommu(vdev) ? VFIO_GROUP_NOIOMMU :
					      VFIO_GROUP_PHYSICAL;
}

/* An isolation group for a device that the IOMMU core does not know. */
static struct iommu_group *vfio_iommu_group_new(struct device *dev,
						enum vfio_group_kind kind)
{
	struct iommu_group *iommu_group = iommu_group_alloc();
	int rc = 0;

	if (IS_ERR(iommu_group))
		return iommu_group;

	if (kind == VFIO_GROUP_NOIOMMU)
		rc = iommu_group_set_name(iommu_group, "vfio-noiommu");
	if (!rc)
		rc = iommu_group_add_device(iommu_group, dev);
	if (!rc)
		return iommu_group;
	iommu_group_put(iommu_group);
	return ERR_PTR(rc);
}

static void vfio_iommu_group_drop(struct device *dev, enum vfio_group_kind kind)
{
	if (kind != VFIO_GROUP_PHYSICAL)
		iommu_group_remove_device(dev);
}

/**
 * vfio_group_join - Make a device a member of its group
 * @vdev: a device that is being registered
 *
 * The group is made if this is its first device.
 *
 * Context: May sleep.
 * Return: 0; -ENOMEM; -ENOSPC when there are too many groups; an errno of the
 * driver core.
 */
int vfio_group_join(struct vfio_device *vdev)
{
	const enum vfio_group_kind kind = vfio_group_kind_of(vdev);
	struct iommu_group *iommu_group;
	struct vfio_group *group;

	iommu_group = kind == VFIO_GROUP_PHYSICAL ?
		      iommu_group_get(vdev->dev) :
		      vfio_iommu_group_new(vdev->dev, kind);
	if (IS_ERR(iommu_group))
		return PTR_ERR(iommu_group);

	INIT_LIST_HEAD(&vdev->group_next);
	INIT_LIST_HEAD(&vdev->iommu_entry);

	guard(mutex)(&vfio_groups_lock);
	group = vfio_group_find(iommu_group);
	if (group)
		iommu_group_put(iommu_group);
	else
		group = vfio_group_create(iommu_group, kind);
	if (IS_ERR(group)) {
		vfio_iommu_group_drop(vdev->dev, kind);
		return PTR_ERR(group);
	}

	group->members++;
	get_device(&group->dev);
	WRITE_ONCE(vdev->group, group);
	return 0;
}

/**
 * vfio_group_has_one_member - Would the group be withdrawn if a device parted?
 * @group: a group with a member
 *
 * Context: May sleep; &vfio_group.calls is held, so no other device parts.
 * Return: whether there is only one, until another joins.
 */
bool vfio_group_has_one_member(struct vfio_group *group)
{
	lockdep_assert_held(&group->calls);

	guard(mutex)(&vfio_groups_lock);
	return group->members == 1;
}

/**
 * vfio_group_part - Undo vfio_group_join()
 * @vdev: a device that nobody uses any more, neither shown nor bound
 *
 * With the last device the group is withdrawn.  @vdev->group stays as it is,
 * with the reference that belongs to it, for the caller to drop.
 *
 * Context: May sleep; &vfio_group.calls is held.
 * Return: whether it was the last device.
 */
bool vfio_group_part(struct vfio_device *vdev)
{
	struct vfio_group *group = vdev->group;

	lockdep_assert_held(&group->calls);

	vfio_iommu_group_drop(vdev->dev, group->kind);

	scoped_guard(mutex, &vfio_groups_lock) {
		if (--group->members)
			return false;
		list_del(&group->item);
		cdev_device_del(&group->cdev, &group->dev);
	}
	put_device(&group->dev);
	return true;
}

/**
 * vfio_group_show - Let a device be opened out of its group
 * @vdev: a registered member
 *
 * Context: May sleep.
 */
void vfio_group_show(struct vfio_device *vdev)
{
	guard(mutex)(&vdev->group->lock);
	list_add_tail(&vdev->group_next, &vdev->group->devices);
}

/**
 * vfio_group_hide - Undo vfio_group_show()
 * @vdev: a member; its files stay open
 *
 * Context: May sleep.
 */
void vfio_group_hide(struct vfio_device *vdev)
{
	guard(mutex)(&vdev->group->lock);
	list_del_init(&vdev->group_next);
}

/**
 * vfio_group_of_node - Find the group of a node that is being opened
 * @inode: the node's inode
 *
 * Context: The open of a node made here.
 * Return: the group, valid during the open; it may be withdrawn already.
 */
struct vfio_group *vfio_group_of_node(struct inode *inode)
{
	return container_of(inode->i_cdev, struct vfio_group, cdev);
}

/**
 * vfio_group_kind_name - What kind of devices is in a group?
 * @group: the group
 *
 * Context: Any.
 * Return: a word for fdinfo, the same that is said of the devices.
 */
const char *vfio_group_kind_name(const struct vfio_group *group)
{
	static const char * const names[] = {
		[VFIO_GROUP_PHYSICAL] = "physical",
		[VFIO_GROUP_EMULATED] = "emulated",
		[VFIO_GROUP_NOIOMMU] = "noiommu",
	};

	return names[group->kind];
}

/**
 * vfio_group_claim_for_cdev - Keep a group closed
 * @vdev: a device that is about to be bound by its own node
 *
 * Context: May sleep; undone by vfio_group_release_for_cdev().
 * Return: 0; -EBUSY when the group is open.
 */
int vfio_group_claim_for_cdev(struct vfio_device *vdev)
{
	struct vfio_group *group = vdev->group;

	guard(mutex)(&group->lock);
	if (group->file)
		return -EBUSY;
	group->cdev_users++;
	return 0;
}

/**
 * vfio_group_release_for_cdev - Undo vfio_group_claim_for_cdev()
 * @vdev: a device that is not bound any more
 *
 * Context: May sleep.
 */
void vfio_group_release_for_cdev(struct vfio_device *vdev)
{
	guard(mutex)(&vdev->group->lock);
	vdev->group->cdev_users--;
}
