// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a device: what each system call on it does.
 *
 * Until the file is usable, everything but the bind is refused with -EINVAL.
 * Then a call is answered by the room that knows it, or passed on to the
 * driver.  Around each ioctl the device is kept out of runtime suspend.  A file
 * that came out of a group is usable from the beginning; the group binds and
 * attaches its devices.
 *
 * Keeps no lock; takes the device-set lock to see one state for show_fdinfo, and to
 * go from one device of the set to the next.  May call cdev.c, device_open.h,
 * feature.c, group_open.c, info_cap.c, noiommu.h and the driver.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cleanup.h>
#include <linux/compat.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/iommufd_device_memory.h>
#include <linux/iommufd_report.h>
#include <linux/kobject.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pm_runtime.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "cdev.h"
#include "device_file.h"
#include "device_open.h"
#include "feature.h"
#include "group_open.h"
#include "noiommu.h"

/**
 * vfio_df_from_file - Is this the file of a device?
 * @file: any file
 *
 * Context: Any.
 * Return: the file's state, valid as long as @file; NULL for another file.
 */
struct vfio_device_file *vfio_df_from_file(struct file *file)
{
	return file->f_op == &vfio_device_fops ? file->private_data : NULL;
}

static int vfio_file_release(struct inode *inode, struct file *file)
{
	struct vfio_device_file *df = file->private_data;

	if (vfio_df_group(df))
		vfio_group_close_device(df);
	else
		vfio_cdev_close(df);
	return 0;
}

/*
 * Append the capabilities to the user's structure, or tell how large it has to
 * be for that.
 */
static int vfio_region_info_put_caps(struct vfio_region_info __user *arg,
				     struct vfio_region_info *info,
				     struct vfio_info_cap *caps)
{
	const u32 user_size = info->argsz;

	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (user_size < sizeof(*info) + caps->size) {
		info->argsz = sizeof(*info) + caps->size;
		return 0;
	}

	info->cap_offset = sizeof(*info);
	vfio_info_cap_shift(caps, sizeof(*info));
	return copy_to_user(arg + 1, caps->buf, caps->size) ? -EFAULT : 0;
}

/* VFIO_DEVICE_GET_REGION_INFO, for a driver that fills in the structure. */
static int vfio_region_info(struct vfio_device *vdev,
			    struct vfio_region_info __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info = {};
	struct vfio_info_cap caps = {};
	int rc;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.cap_offset = 0;

	rc = vdev->ops->get_region_info_caps(vdev, &info, &caps);
	if (!rc && caps.size)
		rc = vfio_region_info_put_caps(arg, &info, &caps);
	kfree(caps.buf);
	if (!rc && copy_to_user(arg, &info, minsz))
		rc = -EFAULT;
	return rc;
}

static long vfio_driver_ioctl(struct vfio_device *vdev, unsigned int cmd,
			      unsigned long arg)
{
	return vdev->ops->ioctl ? vdev->ops->ioctl(vdev, cmd, arg) : -EINVAL;
}

/* Its container binds, attaches and detaches a device out of a group. */
static int refuse_group_file(struct vfio_device_file *df)
{
	return iommufd_refuse(&df->log, -EINVAL, WHY_GROUP,
			      "%s was opened out of a group, whose container attaches it",
			      dev_name(df->device->dev));
}

/* A call on a device that is awake. */
static long vfio_file_dispatch(struct vfio_device_file *df, unsigned int cmd,
			       unsigned long arg)
{
	struct vfio_device *vdev = df->device;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		return vfio_df_group(df) ? refuse_group_file(df) :
					   vfio_cdev_attach(df, uarg);
	case VFIO_DEVICE_DETACH_IOMMUFD_PT:
		return vfio_df_group(df) ? refuse_group_file(df) :
					   vfio_cdev_detach(df, uarg);
	case VFIO_DEVICE_FEATURE:
		return vfio_device_feature_ioctl(vdev, uarg);
	case VFIO_DEVICE_GET_REGION_INFO:
		if (vdev->ops->get_region_info_caps)
			return vfio_region_info(vdev, uarg);
		break;
	}
	return vfio_driver_ioctl(vdev, cmd, arg);
}

/*
 * Emulated devices, and those on a bus without power management, never sleep.
 * The others have runtime PM enabled until after they are unregistered, but some
 * drivers enable it only when they have registered the device: so the answer may
 * change once, and a call goes by the one it got.
 */
static int vfio_file_wake(struct vfio_device *vdev)
{
	int rc;

	if (!pm_runtime_enabled(vdev->dev))
		return 0;

	rc = pm_runtime_resume_and_get(vdev->dev);
	if (rc < 0) {
		dev_info_ratelimited(vdev->dev, "does not wake up: %d\n", rc);
		return -EIO;
	}
	return 1;
}

/* Name of a call that the core answers; the driver's refusals are its own. */
static const char *vfio_call_name(unsigned int cmd)
{
	switch (cmd) {
	case VFIO_DEVICE_BIND_IOMMUFD:
		return "VFIO_BIND";
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		return "VFIO_ATTACH";
	case VFIO_DEVICE_DETACH_IOMMUFD_PT:
		return "VFIO_DETACH";
	case VFIO_DEVICE_FEATURE:
		return "VFIO_FEATURE";
	default:
		return NULL;
	}
}

static long vfio_file_call(struct vfio_device_file *df, unsigned int cmd,
			   unsigned long arg)
{
	int awake;
	long rc;

	if (cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return vfio_df_group(df) ? refuse_group_file(df) :
					   vfio_cdev_bind(df, (void __user *)arg);
	if (!vfio_df_is_usable(df))
		return iommufd_refuse(&df->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "%s is not bound to an iommufd through this file",
				      dev_name(df->device->dev));

	awake = vfio_file_wake(df->device);
	if (awake < 0)
		return awake;

	rc = vfio_file_dispatch(df, cmd, arg);
	if (awake)
		pm_runtime_put(df->device->dev);
	return rc;
}

/*
 * The registered device of a set that follows @prev, or the first one; NULL behind the
 * last.  It is kept registered, and thereby in its place, until it is @prev.
 */
static struct vfio_device *vfio_file_next_in_set(struct vfio_device_set *set,
						 struct vfio_device *prev)
{
	struct vfio_device *vdev, *next = NULL;

	scoped_guard(mutex, &set->lock) {
		vdev = list_prepare_entry(prev, &set->device_list, dev_set_list);
		list_for_each_entry_continue(vdev, &set->device_list, dev_set_list) {
			if (!vfio_device_try_get_registration(vdev))
				continue;
			next = vdev;
			break;
		}
	}
	if (prev)
		vfio_device_put_registration(prev);
	return next;
}

/*
 * A call may have switched the memory of the device on again, a hot reset that of all
 * devices that reset with it: whoever has it mapped for DMA sees it now.  No lock is
 * held meanwhile, as memory is pinned and mapped.
 */
static void vfio_file_recheck(struct vfio_device_file *df, unsigned int cmd)
{
	struct vfio_device_set *set = df->device->dev_set;
	struct vfio_device *other = NULL;

	if (!vfio_df_is_usable(df))
		return;
	iommufd_device_memory_recheck(df->device->inode->i_mapping);
	if (cmd != VFIO_DEVICE_PCI_HOT_RESET)
		return;
	while ((other = vfio_file_next_in_set(set, other)))
		if (other != df->device)
			iommufd_device_memory_recheck(other->inode->i_mapping);
}

static long vfio_file_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg)
{
	struct vfio_device_file *df = file->private_data;
	const char *name = vfio_call_name(cmd);
	long rc = vfio_file_call(df, cmd, arg);

	if (name || !vfio_df_is_usable(df))
		iommufd_report_result(&df->log, name ?: "VFIO_CALL", rc);
	vfio_file_recheck(df, cmd);
	return rc;
}

static ssize_t vfio_file_read(struct file *file, char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_device *vdev = df->device;

	if (!vfio_df_is_usable(df) || !vdev->ops->read)
		return -EINVAL;
	return vdev->ops->read(vdev, buf, count, ppos);
}

static ssize_t vfio_file_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *ppos)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_device *vdev = df->device;
	ssize_t rc;

	if (!vfio_df_is_usable(df) || !vdev->ops->write)
		return -EINVAL;
	rc = vdev->ops->write(vdev, buf, count, ppos);
	iommufd_device_memory_recheck(file->f_mapping);
	return rc;
}

static int vfio_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_device *vdev = df->device;

	if (!vfio_df_is_usable(df) || !vdev->ops->mmap)
		return -EINVAL;
	return vdev->ops->mmap(vdev, vma);
}

#ifdef CONFIG_PROC_FS
static const char *vfio_device_kind(struct vfio_device *vdev)
{
	if (vdev->emulated)
		return "emulated";
	return vfio_device_is_noiommu(vdev) ? "noiommu" : "physical";
}

/* What the device is attached to; only who has bound it is told. */
static void vfio_fdinfo_show_binding(struct seq_file *m,
				     struct vfio_device_file *df)
{
	struct vfio_device *vdev = df->device;
	unsigned long pasid;
	void *pt;

	lockdep_assert_held(&vdev->dev_set->lock);

	seq_printf(m, "vfio-device-opens: %u\n", vdev->open_count);
	if (!df->iommufd)
		return;

	if (df->devid)
		seq_printf(m, "vfio-iommufd-devid: %u\n", df->devid);
	if (vdev->iommufd_pt)
		seq_printf(m, "vfio-iommufd-pt: %u hwpt %u\n", vdev->iommufd_pt,
			   vdev->iommufd_pt_out);
	xa_for_each(&vdev->pasids, pasid, pt)
		seq_printf(m, "vfio-iommufd-pasid: %lu pt %lu\n", pasid,
			   xa_to_value(pt));
}

static void vfio_file_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_device *vdev = df->device;
	char *path = kobject_get_path(&vdev->dev->kobj, GFP_KERNEL);

	if (path)
		seq_printf(m, "vfio-device-syspath: /sys%s\n", path);
	kfree(path);
	seq_printf(m, "vfio-device: %s\n", dev_name(&vdev->device));
	seq_printf(m, "vfio-device-kind: %s\n", vfio_device_kind(vdev));
	if (vfio_df_group(df))
		seq_puts(m, "vfio-device-opened-by: group\n");
	/* An attach may wait for a page of its caller's memory; a look does not. */
	if (mutex_trylock(&vdev->dev_set->lock)) {
		vfio_fdinfo_show_binding(m, df);
		mutex_unlock(&vdev->dev_set->lock);
	} else {
		seq_puts(m, "vfio-device-opens: busy\n");
	}
	iommufd_log_show(&df->log, m);
}
#endif

/* How an open device looks to user space, whether by node or out of a group. */
const struct file_operations vfio_device_fops = {
	.owner = THIS_MODULE,
	.open = vfio_cdev_open,
	.release = vfio_file_release,
	.unlocked_ioctl = vfio_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = vfio_file_read,
	.write = vfio_file_write,
	.mmap = vfio_file_mmap,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = vfio_file_show_fdinfo,
#endif
};
