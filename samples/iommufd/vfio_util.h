/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A PCI device in the hands of user space: open its VFIO device node, bind it
 * to an iommufd, attach it to an address space, reach its registers.
 *
 * Functions return 0 or a negative errno and print nothing.
 */
#ifndef VFIO_UTIL_H
#define VFIO_UTIL_H

#include <stddef.h>

#include <linux/types.h>

#include "pci_sysfs.h"

struct vfio_device {
	char bdf[PCI_BDF_SIZE];
	char node[128];		/* /dev/vfio/devices/vfioN */
	int fd;
	__u32 id;		/* in the iommufd, from the bind */
	__u32 pt_id;		/* page table in use, from the attach */
};

/* Registers of the device, mapped into this process. */
struct vfio_bar {
	void *base;
	size_t size;
};

int vfio_open(struct vfio_device *dev, const char *bdf);
int vfio_bind(int device_fd, int iommufd, __u32 *id);
int vfio_attach(struct vfio_device *dev, __u32 ioas);
int vfio_detach(struct vfio_device *dev);
int vfio_reset(struct vfio_device *dev);
int vfio_enable_dma(struct vfio_device *dev);
int vfio_map_bar(struct vfio_device *dev, unsigned int index, struct vfio_bar *bar);
void vfio_close(struct vfio_device *dev);

#endif
