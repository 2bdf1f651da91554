// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A PCI device in the hands of user space.
 *
 * The order is always the same: open the node of the device, bind it to an
 * iommufd, attach it to an address space, then use it. Before the bind the
 * kernel answers no other call on the descriptor; before the attach the device
 * can do no DMA at all.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "vfio_util.h"

static int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/**
 * vfio_open() - Open the VFIO device node of a PCI device
 * @dev: filled in
 * @bdf: PCI address of a device bound to vfio-pci
 *
 * Return: 0; -ENODEV when the device has no VFIO device node; -errno of open().
 */
int vfio_open(struct vfio_device *dev, const char *bdf)
{
	char name[PCI_NAME_SIZE];
	int rc = pci_vfio_name(bdf, name);

	if (rc)
		return rc;
	snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);
	snprintf(dev->node, sizeof(dev->node), "/dev/vfio/devices/%s", name);
	dev->fd = open(dev->node, O_RDWR | O_CLOEXEC);
	return dev->fd < 0 ? -errno : 0;
}

/**
 * vfio_bind() - Bind an open device to an iommufd
 * @device_fd: the open device node
 * @iommufd: /dev/iommu
 * @id: set to the device's ID in the iommufd
 *
 * From here on the device belongs to the holder of @device_fd alone.
 *
 * Return: 0; -EINVAL when it is bound already; -EBUSY when somebody else owns
 * the device's group.
 */
int vfio_bind(int device_fd, int iommufd, __u32 *id)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd),
		.iommufd = iommufd,
	};
	int rc = call(device_fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd);

	if (!rc)
		*id = cmd.out_devid;
	return rc;
}

/**
 * vfio_attach() - Make the device see an address space
 * @dev: bound device
 * @ioas: ID of the address space
 *
 * The kernel makes a page table of the IOMMU for the IOAS, or takes one that
 * fits; its ID is left in @dev.
 *
 * Return: 0 or -errno.
 */
int vfio_attach(struct vfio_device *dev, __u32 ioas)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.pt_id = ioas,
	};
	int rc = call(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	if (!rc)
		dev->pt_id = cmd.pt_id;
	return rc;
}

/**
 * vfio_detach() - Take the address space away; the device can do no DMA then
 * @dev: attached device
 *
 * Return: 0 or -errno.
 */
int vfio_detach(struct vfio_device *dev)
{
	struct vfio_device_detach_iommufd_pt cmd = { .argsz = sizeof(cmd) };

	return call(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

/**
 * vfio_reset() - Reset the device, if it knows how
 * @dev: bound device
 *
 * Return: 0, also for a device without a reset; -errno of a reset that failed.
 */
int vfio_reset(struct vfio_device *dev)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int rc = call(dev->fd, VFIO_DEVICE_GET_INFO, &info);

	if (rc || !(info.flags & VFIO_DEVICE_FLAGS_RESET))
		return rc;
	return call(dev->fd, VFIO_DEVICE_RESET, NULL);
}

/* Where a region of the device (a BAR, the configuration space) is in its file. */
static int region_info(struct vfio_device *dev, unsigned int index,
		       struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) {
		.argsz = sizeof(*info),
		.index = index,
	};
	return call(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

/**
 * vfio_enable_dma() - Switch the device's registers and its DMA on
 * @dev: bound device
 *
 * VFIO hands devices over with bus mastering off. The configuration space is
 * read and written through the file at the offset of its region.
 *
 * Return: 0; -EIO when the configuration space cannot be read or written.
 */
int vfio_enable_dma(struct vfio_device *dev)
{
	struct vfio_region_info config;
	__u16 command;
	off_t at;
	int rc = region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX, &config);

	if (rc)
		return rc;
	at = config.offset + PCI_COMMAND;
	if (pread(dev->fd, &command, sizeof(command), at) != sizeof(command))
		return -EIO;
	command |= htole16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (pwrite(dev->fd, &command, sizeof(command), at) != sizeof(command))
		return -EIO;
	return 0;
}

/**
 * vfio_map_bar() - Map a BAR of the device into this process
 * @dev: bound device
 * @index: 0 to 5
 * @bar: filled in
 *
 * Return: 0; -ENOTSUP when the BAR cannot be mapped; -errno of mmap().
 */
int vfio_map_bar(struct vfio_device *dev, unsigned int index, struct vfio_bar *bar)
{
	struct vfio_region_info info;
	void *base;
	int rc = region_info(dev, VFIO_PCI_BAR0_REGION_INDEX + index, &info);

	if (rc)
		return rc;
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return -ENOTSUP;
	base = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd, info.offset);
	if (base == MAP_FAILED)
		return -errno;
	bar->base = base;
	bar->size = info.size;
	return 0;
}

/**
 * vfio_close() - Give the device back
 * @dev: open device, not used afterwards
 *
 * Closing detaches and unbinds the device and stops its DMA.
 */
void vfio_close(struct vfio_device *dev)
{
	close(dev->fd);
	dev->fd = -1;
}
