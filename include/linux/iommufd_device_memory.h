/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What iommufd and VFIO tell each other about the memory of devices (BARs) that is
 * mapped for other devices' DMA by its user address.
 */
#ifndef __LINUX_IOMMUFD_DEVICE_MEMORY_H
#define __LINUX_IOMMUFD_DEVICE_MEMORY_H

struct address_space;
struct file_operations;

/*
 * Whose mappings are device memory: a file with these operations maps only memory of
 * a device that its opener owns, and zaps the mappings (unmap_mapping_range()) before
 * the device stops to answer.  There is one such kind of file.  NULL: none any more.
 * Returns what was said before.
 */
const struct file_operations *
iommufd_device_memory_set_fops(const struct file_operations *fops);

/* A call on the file of a device, with this f_mapping, may have brought its BARs back. */
void iommufd_device_memory_recheck(const struct address_space *mapping);

#endif
