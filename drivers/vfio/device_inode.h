/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One address space for all mappings of a device.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_DEVICE_INODE_H
#define VFIO_DEVICE_INODE_H

struct inode;

struct inode *vfio_inode_new(void);
void vfio_inode_put(struct inode *inode);

#endif /* VFIO_DEVICE_INODE_H */
