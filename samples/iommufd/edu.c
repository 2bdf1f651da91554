// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * QEMU's educational PCI device "edu".
 *
 * Its DMA engine has four registers: source, destination, count and command.
 * One of the two addresses is an I/O virtual address, the other one lies in the
 * device's own buffer at EDU_BUFFER. A transfer takes about 100 ms and never
 * reports an error: where the IOMMU stops it, memory simply stays as it is.
 */
#include <errno.h>
#include <time.h>

#include "edu.h"
#include "mmio.h"

#define EDU_ID		0x00	/* 0xMMmm00ed, major and minor version */
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98

#define EDU_CMD_START		0x1	/* reads as 1 until the transfer is done */
#define EDU_CMD_TO_MEMORY	0x2

#define EDU_BUFFER	0x40000

#define WAIT_MS		3000

/**
 * edu_start() - Get the device ready
 * @edu: filled in
 * @dev: the device, attached to an address space
 *
 * Return: 0; -ENODEV when it is no edu device; -errno of the VFIO call that failed.
 */
int edu_start(struct edu *edu, struct vfio_device *dev)
{
	int rc;

	edu->dev = dev;
	rc = vfio_enable_dma(dev);
	if (rc)
		return rc;
	rc = vfio_map_bar(dev, 0, &edu->bar);
	if (rc)
		return rc;
	return (mmio_read32(edu->bar.base, EDU_ID) & 0xff) == 0xed ? 0 : -ENODEV;
}

static int transfer(struct edu *edu, __u32 src, __u32 dst, size_t length, __u32 flags)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	void *base = edu->bar.base;
	int left;

	mmio_write32(base, EDU_DMA_SRC, src);
	mmio_write32(base, EDU_DMA_DST, dst);
	mmio_write32(base, EDU_DMA_COUNT, length);
	mmio_write32(base, EDU_DMA_CMD, flags | EDU_CMD_START);

	for (left = WAIT_MS; left; left--) {
		if (!(mmio_read32(base, EDU_DMA_CMD) & EDU_CMD_START))
			return 0;
		nanosleep(&ms, NULL);
	}
	return -ETIMEDOUT;
}

/**
 * edu_read_memory() - Make the device copy memory into its buffer
 * @edu: the device
 * @iova: where to read, below EDU_IOVA_LIMIT
 * @length: bytes, at most EDU_BUFFER_SIZE
 *
 * Return: 0 when the device is done, whether the data came or not; -ETIMEDOUT.
 */
int edu_read_memory(struct edu *edu, __u64 iova, size_t length)
{
	return transfer(edu, iova, EDU_BUFFER, length, 0);
}

/**
 * edu_write_memory() - Make the device copy its buffer into memory
 * @edu: the device
 * @iova: where to write, below EDU_IOVA_LIMIT
 * @length: bytes, at most EDU_BUFFER_SIZE
 *
 * Return: 0 when the device is done, whether the data arrived or not; -ETIMEDOUT.
 */
int edu_write_memory(struct edu *edu, __u64 iova, size_t length)
{
	return transfer(edu, EDU_BUFFER, iova, length, EDU_CMD_TO_MEMORY);
}
