// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device opened by its node: bind, attach, detach.
 *
 * A file of /dev/vfio/devices/vfioN can at first do one thing only: bind the
 * device to an iommufd.  One file at a time can have a device bound, and none
 * while the device's group is open.  It is then
 * attached to page tables of that iommufd, moved between them and detached, all
 * of it by the driver's callbacks.  Closing the file undoes everything.
 *
 * User memory is read before, and written after, the device-set lock is held: a
 * page fault may take as long as another program likes, and the lock is shared
 * with other programs' devices.  What an attach returns is known only when it is
 * done, so a program whose memory cannot be written is refused before anything
 * changes; should the memory go in between, the attach is taken back.
 *
 * The device-set lock protects cdev_opened and iommufd_pt_seq of a device, and
 * the iommufd of a file.  May call attachment.h, noiommu.c, device.c,
 * device_node.c, group_node.c, iommufd.c, device_open.c, iommufd and the driver.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/iommufd_report.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vfio.h>

#include "attachment.h"
#include "cdev.h"
#include "device.h"
#include "device_node.h"
#include "device_open.h"
#include "group_node.h"
#include "ictx.h"
#include "noiommu.h"

/* A bind as the user asked for it, with everything read and checked. */
struct vfio_bind_request {
	int iommufd;
	bool has_token;
	uuid_t token;
};

/* What an attach or detach is about: the device, or one of its PASIDs. */
struct vfio_pt_request {
	struct vfio_device_file *df;
	struct vfio_device *vdev;
	bool has_pasid;
	u32 pasid;
	u32 pt_id;
};

/**
 * vfio_cdev_open - Open a device's node
 * @inode: the node
 * @file: the new file
 *
 * Context: Any task.
 * Return: 0; -ENODEV when the device is going away; -EPERM when it has no IOMMU
 * and the caller lacks CAP_SYS_RAWIO; -ENOMEM.
 */
int vfio_cdev_open(struct inode *inode, struct file *file)
{
	struct vfio_device *found = vfio_node_device(inode);
	struct vfio_device_file *df;
	int rc;

	if (!vfio_device_try_get_registration(found))
		return -ENODEV;

	struct vfio_device *vdev __free(vfio_registration) = found;

	rc = vfio_noiommu_check_open(vdev);
	if (rc)
		return rc;

	df = vfio_df_alloc(vdev);
	if (IS_ERR(df))
		return PTR_ERR(df);

	file->private_data = df;
	file->f_mapping = vdev->inode->i_mapping;
	retain_and_null_ptr(vdev);
	return 0;
}

/* Undo vfio_bind_claim(). */
static void vfio_bind_release(struct vfio_device_file *df)
{
	struct vfio_device *vdev = df->device;

	scoped_guard(mutex, &vdev->dev_set->lock) {
		vfio_df_close(df);
		vdev->cdev_opened = false;
		iommufd_ctx_put(df->iommufd);
		df->iommufd = NULL;
	}
	vfio_group_release_for_cdev(vdev);
}

/**
 * vfio_cdev_close - Close a file that vfio_cdev_open() opened
 * @df: the file's state, freed here
 *
 * The device is detached and unbound if this file had bound it.
 *
 * Context: The file's release, no call is in flight.
 */
void vfio_cdev_close(struct vfio_device_file *df)
{
	if (df->iommufd)
		vfio_bind_release(df);
	vfio_device_put_registration(df->device);
	kfree(df);
}

static int refuse_argsz(struct vfio_device_file *df, u32 argsz, size_t need)
{
	return iommufd_refuse(&df->log, -EINVAL, WHY_BAD_SIZE,
			      "argsz %u is below the %zu bytes that the call needs",
			      argsz, need);
}

/*
 * A driver without tokens refuses one; a driver with them is asked even when
 * the user has none, since the device may need it.
 */
static int vfio_bind_parse_token(struct vfio_device_file *df, u64 token_ptr,
				 struct vfio_bind_request *rq)
{
	if (!df->device->ops->match_token_uuid)
		return iommufd_refuse(&df->log, -EINVAL, WHY_BAD_FLAGS,
				      "the driver of %s has no use for a token",
				      dev_name(df->device->dev));
	if (copy_from_user(&rq->token, u64_to_user_ptr(token_ptr),
			   sizeof(rq->token)))
		return -EFAULT;
	rq->has_token = true;
	return 0;
}

static int vfio_bind_parse(struct vfio_device_file *df,
			   struct vfio_device_bind_iommufd __user *arg,
			   struct vfio_bind_request *rq)
{
	struct vfio_device_bind_iommufd bind;
	u32 argsz;
	int rc;

	if (get_user(argsz, &arg->argsz))
		return -EFAULT;
	if (argsz < offsetofend(struct vfio_device_bind_iommufd, out_devid))
		return refuse_argsz(df, argsz,
				    offsetofend(struct vfio_device_bind_iommufd,
						out_devid));
	if (argsz > PAGE_SIZE)
		return -E2BIG;
	rc = copy_struct_from_user(&bind, sizeof(bind), arg, argsz);
	if (rc)
		return rc;
	if (bind.flags & ~VFIO_DEVICE_BIND_FLAG_TOKEN || bind.iommufd < 0)
		return iommufd_refuse(&df->log, -EINVAL, WHY_BAD_FLAGS,
				      "flags 0x%x or iommufd %d is not valid",
				      bind.flags, bind.iommufd);

	rq->iommufd = bind.iommufd;
	if (bind.flags & VFIO_DEVICE_BIND_FLAG_TOKEN)
		return vfio_bind_parse_token(df, bind.token_uuid_ptr, rq);
	return 0;
}

static int vfio_bind_claim_device(struct vfio_device_file *df,
				  const struct vfio_bind_request *rq)
{
	struct vfio_device *vdev = df->device;
	int rc = 0;

	guard(mutex)(&vdev->dev_set->lock);
	if (vdev->cdev_opened)
		return iommufd_refuse(&df->log, -EINVAL, WHY_OWNED,
				      "%s is bound already, through %s open file",
				      dev_name(vdev->dev),
				      df->iommufd ? "this" : "another");

	struct iommufd_ctx *ictx __free(vfio_ictx) =
		iommufd_ctx_from_fd(rq->iommufd);
	if (IS_ERR(ictx))
		return iommufd_refuse(&df->log, PTR_ERR(ictx), WHY_BAD_FILE,
				      "fd %d is not an open /dev/iommu",
				      rq->iommufd);

	if (vdev->ops->match_token_uuid)
		rc = vdev->ops->match_token_uuid(vdev, rq->has_token ?
						 &rq->token : NULL);
	if (rc)
		return iommufd_refuse(&df->log, rc, WHY_PERMISSION,
				      "the driver of %s does not accept %s",
				      dev_name(vdev->dev), rq->has_token ?
				      "this token" : "a bind without a token");

	df->iommufd = ictx;
	rc = vfio_df_open(df);
	if (rc) {
		df->iommufd = NULL;
		return iommufd_refuse(&df->log, rc, WHY_DRIVER,
				      "%s did not open; see the fdinfo of the iommufd, fd %d",
				      dev_name(vdev->dev), rq->iommufd);
	}
	vdev->cdev_opened = true;
	retain_and_null_ptr(ictx);
	return 0;
}

/* Make the device this file's own. */
static int vfio_bind_claim(struct vfio_device_file *df,
			   const struct vfio_bind_request *rq)
{
	int rc = vfio_group_claim_for_cdev(df->device);

	if (rc)
		return iommufd_refuse(&df->log, rc, WHY_GROUP,
				      "the group of %s is open",
				      dev_name(df->device->dev));
	rc = vfio_bind_claim_device(df, rq);
	if (rc)
		vfio_group_release_for_cdev(df->device);
	return rc;
}

/**
 * vfio_cdev_bind - VFIO_DEVICE_BIND_IOMMUFD
 * @df: a file opened by node
 * @arg: the call's argument
 *
 * Context: ioctl of a file that may not be usable yet.
 * Return: 0; -EFAULT when something cannot be read or written; -EINVAL for a
 * size, flag or file descriptor that makes no sense, when the device is bound
 * already, by whatever file, or for a token that the driver has no use for;
 * -EBUSY when the device's group is open;
 * -E2BIG for an argument of a newer kernel; -EACCES when the driver wants
 * another token; -EBADF or -EBADFD when the descriptor is not open or not an
 * iommufd; an errno of vfio_df_open().  After an error nothing is bound.
 */
int vfio_cdev_bind(struct vfio_device_file *df,
		   struct vfio_device_bind_iommufd __user *arg)
{
	struct vfio_bind_request rq = {};
	int rc;

	rc = vfio_bind_parse(df, arg, &rq);
	if (rc)
		return rc;

	rc = vfio_bind_claim(df, &rq);
	if (rc)
		return rc;

	if (put_user(df->devid, &arg->out_devid)) {
		vfio_bind_release(df);
		return -EFAULT;
	}
	vfio_df_set_usable(df);
	return 0;
}

/*
 * The detach that belongs to the driver's attach.  A driver that registered
 * only the core's attach (vfio-cdx does) gets the core's detach.
 */
static void (*vfio_detach_op(struct vfio_device *vdev))(struct vfio_device *)
{
	if (vdev->ops->detach_ioas)
		return vdev->ops->detach_ioas;
	if (vdev->ops->attach_ioas == vfio_iommufd_physical_attach_ioas)
		return vfio_iommufd_physical_detach_ioas;
	return NULL;
}

/*
 * Nothing confines a device without an IOMMU, so it is never attached.  PASID 0
 * is the device itself and has a call without the flag.
 */
static int vfio_pt_check_target(const struct vfio_pt_request *rq)
{
	const struct vfio_device_ops *ops = rq->vdev->ops;

	if (vfio_device_is_noiommu(rq->vdev))
		return iommufd_refuse(&rq->df->log, -EINVAL, WHY_NO_IOMMU,
				      "%s is behind no IOMMU, so no page table confines it",
				      dev_name(rq->vdev->dev));
	if (!rq->has_pasid)
		return 0;
	if (!ops->pasid_attach_ioas || !ops->pasid_detach_ioas)
		return iommufd_refuse(&rq->df->log, -EOPNOTSUPP,
				      WHY_NOT_SUPPORTED,
				      "the driver of %s has no PASIDs",
				      dev_name(rq->vdev->dev));
	if (rq->pasid == IOMMU_NO_PASID)
		return iommufd_refuse(&rq->df->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "PASID 0 is the device itself, which has no flag");
	return 0;
}

static u32 vfio_pt_current(const struct vfio_pt_request *rq)
{
	return rq->has_pasid ?
	       vfio_attachment_get_pasid(rq->vdev, rq->pasid) :
	       vfio_attachment_get(rq->vdev);
}

static int vfio_pt_attach(const struct vfio_pt_request *rq, u32 *pt_id)
{
	struct vfio_device *vdev = rq->vdev;

	lockdep_assert_held(&vdev->dev_set->lock);
	vdev->iommufd_pt_seq++;
	return rq->has_pasid ?
	       vdev->ops->pasid_attach_ioas(vdev, rq->pasid, pt_id) :
	       vdev->ops->attach_ioas(vdev, pt_id);
}

static int vfio_pt_detach(const struct vfio_pt_request *rq)
{
	struct vfio_device *vdev = rq->vdev;
	void (*detach)(struct vfio_device *vdev);

	lockdep_assert_held(&vdev->dev_set->lock);
	vdev->iommufd_pt_seq++;
	if (rq->has_pasid) {
		vdev->ops->pasid_detach_ioas(vdev, rq->pasid);
		return 0;
	}

	detach = vfio_detach_op(vdev);
	if (!detach)
		return -EOPNOTSUPP;
	detach(vdev);
	return 0;
}

/*
 * The user could not be told about an attach.  Go back to @former, or to no
 * attachment, unless somebody changed it since: @seq is what he left behind.
 * If the way back is closed, the device stays where it is.
 */
static void vfio_pt_take_back(const struct vfio_pt_request *rq, u32 former,
			      u32 seq)
{
	guard(mutex)(&rq->vdev->dev_set->lock);
	if (rq->vdev->iommufd_pt_seq != seq)
		return;
	if (former)
		vfio_pt_attach(rq, &former);
	else
		vfio_pt_detach(rq);
}

static int vfio_attach_parse(struct vfio_device_attach_iommufd_pt __user *arg,
			     struct vfio_pt_request *rq)
{
	struct vfio_device_attach_iommufd_pt attach;

	if (copy_from_user(&attach, arg, offsetofend(typeof(attach), pt_id)))
		return -EFAULT;
	if (attach.argsz < offsetofend(typeof(attach), pt_id))
		return refuse_argsz(rq->df, attach.argsz,
				    offsetofend(typeof(attach), pt_id));
	if (attach.flags & ~VFIO_DEVICE_ATTACH_PASID)
		return iommufd_refuse(&rq->df->log, -EINVAL, WHY_BAD_FLAGS,
				      "flags 0x%x are not known", attach.flags);
	rq->pt_id = attach.pt_id;

	if (!(attach.flags & VFIO_DEVICE_ATTACH_PASID))
		return 0;
	if (attach.argsz < offsetofend(typeof(attach), pasid))
		return refuse_argsz(rq->df, attach.argsz,
				    offsetofend(typeof(attach), pasid));
	rq->has_pasid = true;
	return get_user(rq->pasid, &arg->pasid);
}

/**
 * vfio_cdev_attach - VFIO_DEVICE_ATTACH_IOMMUFD_PT
 * @df: a usable file opened by node
 * @arg: the call's argument
 *
 * Attaches the device or a PASID, or moves it if it is attached already.
 *
 * Context: ioctl.
 * Return: 0; -EFAULT when the argument cannot be read or written; -EINVAL for
 * a size, flag or PASID that makes no sense, and always for a device without
 * an IOMMU; -EOPNOTSUPP when the driver has no PASIDs; an errno of the driver's
 * attach callback.  After an error the attachment is as it was.
 */
int vfio_cdev_attach(struct vfio_device_file *df,
		     struct vfio_device_attach_iommufd_pt __user *arg)
{
	struct vfio_pt_request rq = { .df = df, .vdev = df->device };
	u32 former, seq;
	int rc;

	rc = vfio_attach_parse(arg, &rq);
	if (rc)
		return rc;
	rc = vfio_pt_check_target(&rq);
	if (rc)
		return rc;

	/* The same value again, to learn whether the result can be told. */
	if (put_user(rq.pt_id, &arg->pt_id))
		return -EFAULT;

	scoped_guard(mutex, &rq.vdev->dev_set->lock) {
		former = vfio_pt_current(&rq);
		rc = vfio_pt_attach(&rq, &rq.pt_id);
		seq = rq.vdev->iommufd_pt_seq;
	}
	if (rc)
		return iommufd_refuse(&df->log, rc, WHY_DRIVER,
				      "%s was not attached to %u; see the fdinfo of the iommufd",
				      dev_name(rq.vdev->dev), rq.pt_id);

	if (put_user(rq.pt_id, &arg->pt_id)) {
		vfio_pt_take_back(&rq, former, seq);
		return -EFAULT;
	}
	return 0;
}

static int vfio_detach_parse(struct vfio_device_detach_iommufd_pt __user *arg,
			     struct vfio_pt_request *rq)
{
	struct vfio_device_detach_iommufd_pt detach;

	if (copy_from_user(&detach, arg, offsetofend(typeof(detach), flags)))
		return -EFAULT;
	if (detach.argsz < offsetofend(typeof(detach), flags))
		return refuse_argsz(rq->df, detach.argsz,
				    offsetofend(typeof(detach), flags));
	if (detach.flags & ~VFIO_DEVICE_DETACH_PASID)
		return iommufd_refuse(&rq->df->log, -EINVAL, WHY_BAD_FLAGS,
				      "flags 0x%x are not known", detach.flags);

	if (!(detach.flags & VFIO_DEVICE_DETACH_PASID))
		return 0;
	if (detach.argsz < offsetofend(typeof(detach), pasid))
		return refuse_argsz(rq->df, detach.argsz,
				    offsetofend(typeof(detach), pasid));
	rq->has_pasid = true;
	return get_user(rq->pasid, &arg->pasid);
}

/**
 * vfio_cdev_detach - VFIO_DEVICE_DETACH_IOMMUFD_PT
 * @df: a usable file opened by node
 * @arg: the call's argument
 *
 * Detaches the device or a PASID, whose DMA is blocked from then on.  It is no
 * error if it was not attached.
 *
 * Context: ioctl.
 * Return: 0; -EFAULT when the argument cannot be read; -EINVAL for a size, flag
 * or PASID that makes no sense, and always for a device without an IOMMU;
 * -EOPNOTSUPP when the driver has no PASIDs, or has an attach of its own but no
 * detach: such a device is detached by closing it.
 */
int vfio_cdev_detach(struct vfio_device_file *df,
		     struct vfio_device_detach_iommufd_pt __user *arg)
{
	struct vfio_pt_request rq = { .df = df, .vdev = df->device };
	int rc;

	rc = vfio_detach_parse(arg, &rq);
	if (rc)
		return rc;
	rc = vfio_pt_check_target(&rq);
	if (rc)
		return rc;

	guard(mutex)(&rq.vdev->dev_set->lock);
	return vfio_pt_detach(&rq);
}
