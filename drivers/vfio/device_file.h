/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file of a device: what each system call on it does.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_DEVICE_FILE_H
#define VFIO_DEVICE_FILE_H

struct file;
struct file_operations;
struct vfio_device_file;

extern const struct file_operations vfio_device_fops;

struct vfio_device_file *vfio_df_from_file(struct file *file);

#endif /* VFIO_DEVICE_FILE_H */
