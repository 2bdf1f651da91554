/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The nodes /dev/vfio/devices/vfioN.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_DEVICE_NODE_H
#define VFIO_DEVICE_NODE_H

struct file_operations;
struct inode;
struct vfio_device;

int vfio_nodes_init(const struct file_operations *fops);
void vfio_nodes_exit(void);

int vfio_node_reserve(struct vfio_device *vdev);
void vfio_node_release(struct vfio_device *vdev);
void vfio_node_prepare(struct vfio_device *vdev);
int vfio_node_add(struct vfio_device *vdev);
void vfio_node_del(struct vfio_device *vdev);
struct vfio_device *vfio_node_device(struct inode *inode);

#endif /* VFIO_DEVICE_NODE_H */
