// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a group: what each system call on it does.
 *
 * One file of /dev/vfio/N can be open at a time, and none while a device of the
 * group is bound by its own node.  The file is put into a container, which is
 * an open /dev/vfio/vfio or /dev/iommu, and then gives out files of the group's
 * devices by name.  Closing it takes the group out of the container; the files
 * that came out of it keep it open until then.
 *
 * Locks, outermost first:
 *
 *   struct vfio_group.calls	one call on a group at a time; protects ictx and
 *				member
 *   container lock		of the iommufd; its callbacks come with it held
 *   struct vfio_group.lock	see group_node.c
 *   device-set lock
 *
 * User memory is read before and written after they are held.  May call
 * group_node.c, group_bind.c, group_open.c, kvm.c and device_file.h.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <kunit/visibility.h>
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/iommufd_report.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "device_file.h"
#include "device_open.h"
#include "group.h"
#include "group_bind.h"
#include "group_node.h"
#include "group_open.h"
#include "ictx.h"

static int vfio_group_check_alive(struct vfio_group *group)
{
	if (group->iommu_group)
		return 0;
	return iommufd_refuse(&group->log, -ENODEV, WHY_NO_OBJECT,
			      "the last device of the group is gone");
}

static int vfio_group_file_open(struct inode *inode, struct file *file)
{
	struct vfio_group *group = vfio_group_of_node(inode);

	guard(mutex)(&group->lock);
	if (!group->iommu_group)
		return -ENODEV;
	if (group->kind == VFIO_GROUP_NOIOMMU && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (group->cdev_users || group->file)
		return -EBUSY;

	iommufd_log_init(&group->log);
	get_device(&group->dev);
	group->file = file;
	file->private_data = group;
	return 0;
}

static int vfio_group_file_release(struct inode *inode, struct file *file)
{
	struct vfio_group *group = file->private_data;

	scoped_guard(mutex, &group->calls)
		vfio_group_exit_container(group);
	vfio_kvm_link_set(&group->kvm, NULL);
	scoped_guard(mutex, &group->lock)
		group->file = NULL;
	put_device(&group->dev);
	return 0;
}

/* VFIO_GROUP_GET_STATUS */
static int vfio_group_get_status(struct vfio_group *group,
				 struct vfio_group_status __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_group_status, flags);
	struct vfio_group_status status;
	int rc;

	if (copy_from_user(&status, arg, minsz))
		return -EFAULT;
	if (status.argsz < minsz)
		return iommufd_refuse(&group->log, -EINVAL, WHY_BAD_SIZE,
				      "argsz %u is below the %zu bytes that the call needs",
				      status.argsz, minsz);

	status.flags = 0;
	scoped_guard(mutex, &group->calls) {
		rc = vfio_group_check_alive(group);
		if (rc)
			return rc;
		if (group->ictx)
			status.flags = VFIO_GROUP_FLAGS_CONTAINER_SET |
				       VFIO_GROUP_FLAGS_VIABLE;
		else if (!iommu_group_dma_owner_claimed(group->iommu_group))
			status.flags = VFIO_GROUP_FLAGS_VIABLE;
	}
	return copy_to_user(arg, &status, minsz) ? -EFAULT : 0;
}

/* VFIO_GROUP_SET_CONTAINER */
static int vfio_group_set_container(struct vfio_group *group, int __user *arg)
{
	int fd, rc;

	if (get_user(fd, arg))
		return -EFAULT;

	struct iommufd_ctx *ictx __free(vfio_ictx) =
		iommufd_ctx_from_fd(fd);
	if (IS_ERR(ictx))
		return iommufd_refuse(&group->log, PTR_ERR(ictx), WHY_BAD_FILE,
				      "fd %d is not an open /dev/vfio/vfio or /dev/iommu",
				      fd);

	guard(mutex)(&group->calls);
	rc = vfio_group_check_alive(group);
	if (rc)
		return rc;
	if (group->ictx)
		return iommufd_refuse(&group->log, -EINVAL, WHY_BUSY,
				      "the group is in a container already");
	rc = vfio_group_enter_container(group, ictx);
	if (!rc)
		retain_and_null_ptr(ictx);
	return rc;
}

/* VFIO_GROUP_UNSET_CONTAINER */
static int vfio_group_unset_container(struct vfio_group *group)
{
	unsigned int open;
	int rc;

	guard(mutex)(&group->calls);
	rc = vfio_group_check_alive(group);
	if (rc)
		return rc;
	if (!group->ictx)
		return iommufd_refuse(&group->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "the group is in no container");
	scoped_guard(mutex, &group->lock)
		open = group->open_devices;
	if (open)
		return iommufd_refuse(&group->log, -EBUSY, WHY_BUSY,
				      "%u files of the group's devices are open",
				      open);
	vfio_group_exit_container(group);
	return 0;
}

static struct file *vfio_group_device_file(struct vfio_group *group, char *name)
{
	struct vfio_device_file *df;
	struct file *file;

	guard(mutex)(&group->calls);
	df = vfio_group_open_device(group, name);
	if (IS_ERR(df))
		return ERR_CAST(df);

	file = anon_inode_getfile_fmode("[vfio-device]", &vfio_device_fops, df,
					O_RDWR, FMODE_PREAD | FMODE_PWRITE);
	if (IS_ERR(file))
		vfio_group_close_device(df);
	else
		file->f_mapping = df->device->inode->i_mapping;
	return file;
}

/* VFIO_GROUP_GET_DEVICE_FD; returns the descriptor. */
static int vfio_group_get_device_fd(struct vfio_group *group, char __user *arg)
{
	char *name __free(kfree) = strndup_user(arg, PAGE_SIZE);
	struct file *file;

	if (IS_ERR(name))
		return PTR_ERR(name);

	CLASS(get_unused_fd, fd)(O_CLOEXEC);
	if (fd < 0)
		return fd;

	file = vfio_group_device_file(group, name);
	if (IS_ERR(file))
		return PTR_ERR(file);
	fd_install(fd, file);
	return take_fd(fd);
}

static long vfio_group_file_ioctl(struct file *file, unsigned int cmd,
				  unsigned long arg)
{
	struct vfio_group *group = file->private_data;
	void __user *uarg = (void __user *)arg;
	const char *call;
	int rc;

	switch (cmd) {
	case VFIO_GROUP_GET_STATUS:
		call = "VFIO_GET_STATUS";
		rc = vfio_group_get_status(group, uarg);
		break;
	case VFIO_GROUP_SET_CONTAINER:
		call = "VFIO_SET_CONTAINER";
		rc = vfio_group_set_container(group, uarg);
		break;
	case VFIO_GROUP_UNSET_CONTAINER:
		call = "VFIO_UNSET_CONTAINER";
		rc = vfio_group_unset_container(group);
		break;
	case VFIO_GROUP_GET_DEVICE_FD:
		call = "VFIO_GET_DEVICE_FD";
		rc = vfio_group_get_device_fd(group, uarg);
		break;
	default:
		return -ENOTTY;
	}
	iommufd_report_result(&group->log, call, rc);
	return rc;
}

#ifdef CONFIG_PROC_FS
/*
 * A call that attaches devices may wait for a page of its caller's memory with
 * both locks held.  Whoever looks does not wait for that.
 */
static void vfio_group_show_container(struct seq_file *m,
				      struct vfio_group *group)
{
	const char *state = "busy";

	if (mutex_trylock(&group->calls)) {
		state = group->ictx ? "set" : "none";
		mutex_unlock(&group->calls);
	}
	seq_printf(m, "vfio-group-container: %s\n", state);
}

static void vfio_group_show_devices(struct seq_file *m, struct vfio_group *group)
{
	struct vfio_device *vdev;

	if (!mutex_trylock(&group->lock)) {
		seq_puts(m, "vfio-group-opens: busy\n");
		return;
	}
	seq_printf(m, "vfio-group-opens: %u\n", group->open_devices);
	list_for_each_entry(vdev, &group->devices, group_next)
		seq_printf(m, "vfio-group-device: %s%s\n", dev_name(vdev->dev),
			   list_empty(&vdev->iommu_entry) ? "" : " attached");
	mutex_unlock(&group->lock);
}

VISIBLE_IF_KUNIT
void vfio_group_file_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct vfio_group *group = file->private_data;

	seq_printf(m, "vfio-group: %s\n", dev_name(&group->dev));
	seq_printf(m, "vfio-group-kind: %s\n", vfio_group_kind_name(group));
	vfio_group_show_container(m, group);
	vfio_group_show_devices(m, group);
	iommufd_log_show(&group->log, m);
}
#endif

static const struct file_operations vfio_group_fops = {
	.owner = THIS_MODULE,
	.open = vfio_group_file_open,
	.release = vfio_group_file_release,
	.unlocked_ioctl = vfio_group_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = vfio_group_file_show_fdinfo,
#endif
};

/**
 * vfio_group_init - Let groups have nodes
 *
 * Context: Module init, before the first device is registered.
 * Return: 0, or an errno of vfio_groups_init().
 */
int vfio_group_init(void)
{
	return vfio_groups_init(&vfio_group_fops);
}

/**
 * vfio_group_exit - Undo vfio_group_init()
 *
 * Context: Module exit, no device and no open file is left.
 */
void vfio_group_exit(void)
{
	vfio_groups_exit();
}

/**
 * vfio_group_of_file - Is this the file of a group?
 * @file: any file
 *
 * Context: Any.
 * Return: the group, valid as long as @file; NULL for another file.
 */
struct vfio_group *vfio_group_of_file(struct file *file)
{
	return file->f_op == &vfio_group_fops ? file->private_data : NULL;
}

/**
 * vfio_group_get_isolation - What the IOMMU core calls a group
 * @group: a group whose file the caller holds
 *
 * Context: May sleep.
 * Return: the isolation group, with a reference for iommu_group_put(); NULL when
 * its last device went.
 */
struct iommu_group *vfio_group_get_isolation(struct vfio_group *group)
{
	guard(mutex)(&group->lock);
	return group->iommu_group ? iommu_group_ref_get(group->iommu_group) : NULL;
}

/**
 * vfio_group_serve - Tell a group which virtual machine it serves
 * @group: a group whose file the caller holds
 * @machine: the machine, or NULL
 *
 * Context: Any task.
 */
void vfio_group_serve(struct vfio_group *group, struct kvm *machine)
{
	vfio_kvm_link_set(&group->kvm, machine);
}

/**
 * vfio_group_is_coherent - Is the DMA of a group always coherent?
 * @group: a group whose file the caller holds
 *
 * Context: May sleep.
 * Return: whether that holds for each device of the group.
 */
bool vfio_group_is_coherent(struct vfio_group *group)
{
	struct vfio_device *vdev;

	guard(mutex)(&group->lock);
	list_for_each_entry(vdev, &group->devices, group_next)
		if (!device_iommu_capable(vdev->dev,
					  IOMMU_CAP_ENFORCE_CACHE_COHERENCY))
			return false;
	return true;
}
