/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device opened by its node: bind, attach, detach.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_CDEV_H
#define VFIO_CDEV_H

struct file;
struct inode;
struct vfio_device_attach_iommufd_pt;
struct vfio_device_bind_iommufd;
struct vfio_device_detach_iommufd_pt;
struct vfio_device_file;

int vfio_cdev_open(struct inode *inode, struct file *file);
void vfio_cdev_close(struct vfio_device_file *df);
int vfio_cdev_bind(struct vfio_device_file *df,
		   struct vfio_device_bind_iommufd __user *arg);
int vfio_cdev_attach(struct vfio_device_file *df,
		     struct vfio_device_attach_iommufd_pt __user *arg);
int vfio_cdev_detach(struct vfio_device_file *df,
		     struct vfio_device_detach_iommufd_pt __user *arg);

#endif /* VFIO_CDEV_H */
