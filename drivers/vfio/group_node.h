/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups and their nodes, /dev/vfio/N.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_GROUP_NODE_H
#define VFIO_GROUP_NODE_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/iommufd_container.h>
#include <linux/iommufd_report.h>
#include <linux/kconfig.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "kvm.h"

struct file;
struct file_operations;
struct inode;
struct iommu_group;
struct iommufd_ctx;
struct vfio_device;
struct vfio_group;

/**
 * enum vfio_group_kind - what the devices of a group have in common
 * @VFIO_GROUP_PHYSICAL: the IOMMU cannot tell their DMA apart
 * @VFIO_GROUP_EMULATED: one device without DMA of its own
 * @VFIO_GROUP_NOIOMMU: one device that is behind no IOMMU
 */
enum vfio_group_kind {
	VFIO_GROUP_PHYSICAL,
	VFIO_GROUP_EMULATED,
	VFIO_GROUP_NOIOMMU,
};

#if IS_ENABLED(CONFIG_VFIO_GROUP)
/**
 * struct vfio_group - devices that are given to users together
 * @dev: the group's own device; its reference count keeps all of this alive
 * @cdev: its node
 * @kind: of its devices
 * @item: in the list of all groups that devices can join; vfio_groups_lock
 * @members: registered devices; vfio_groups_lock
 * @calls: see group.c
 * @iommu_group: what the IOMMU core calls the group, referenced; NULL once the
 *	group is dead.  Written with @calls and @lock held
 * @ictx: the iommufd that serves as the container, referenced; @calls
 * @member: the group as the container sees it
 * @lock: protects all below, as far as nothing else is said
 * @devices: the devices that can be opened, by &vfio_device.group_next
 * @bound: the devices that are bound, and were opened, by &vfio_device.iommu_entry
 * @attached: those that were bound as the container got its address space, and were
 *	not opened since, likewise
 * @file: the one open file of the node, NULL if there is none
 * @cdev_users: devices bound, or being bound, by their own node
 * @open_devices: files of devices that came out of @file
 * @kvm: the virtual machine that @file was told; has a lock of its own
 * @log: why calls on @file were refused; has a lock of its own
 */
struct vfio_group {
	struct device dev;
	struct cdev cdev;
	enum vfio_group_kind kind;
	struct list_head item;
	unsigned int members;

	struct mutex calls; /* one call on the group at a time */
	struct iommu_group *iommu_group;
	struct iommufd_ctx *ictx;
	struct iommufd_container_member member;

	struct mutex lock; /* the devices, and who uses them */
	struct list_head devices;
	struct list_head bound;
	struct list_head attached;
	struct file *file;
	unsigned int cdev_users;
	unsigned int open_devices;
	struct vfio_kvm_link kvm;
	struct iommufd_log log;
};

/**
 * vfio_group_kvm_link - Where a group notes the machine that it serves
 * @group: the group
 *
 * Context: Any.
 * Return: the link.
 */
static inline struct vfio_kvm_link *vfio_group_kvm_link(struct vfio_group *group)
{
	return &group->kvm;
}

int vfio_groups_init(const struct file_operations *fops);
void vfio_groups_exit(void);

int vfio_group_join(struct vfio_device *vdev);
bool vfio_group_has_one_member(struct vfio_group *group);
bool vfio_group_part(struct vfio_device *vdev);
void vfio_group_show(struct vfio_device *vdev);
void vfio_group_hide(struct vfio_device *vdev);
struct vfio_group *vfio_group_of_node(struct inode *inode);
const char *vfio_group_kind_name(const struct vfio_group *group);

int vfio_group_claim_for_cdev(struct vfio_device *vdev);
void vfio_group_release_for_cdev(struct vfio_device *vdev);
#else
static inline struct vfio_kvm_link *vfio_group_kvm_link(struct vfio_group *group)
{
	return NULL;
}

static inline int vfio_group_join(struct vfio_device *vdev)
{
	return 0;
}

static inline void vfio_group_show(struct vfio_device *vdev)
{
}

static inline void vfio_group_hide(struct vfio_device *vdev)
{
}

static inline int vfio_group_claim_for_cdev(struct vfio_device *vdev)
{
	return 0;
}

static inline void vfio_group_release_for_cdev(struct vfio_device *vdev)
{
}
#endif

#endif /* VFIO_GROUP_NODE_H */
