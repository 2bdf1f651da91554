// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The backend "container": the calls of /dev/vfio/vfio, as programs made them
 * before there was iommufd. The type1 driver or iommufd may stand behind them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "bench.h"
#include "say.h"

static int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	must(fd < 0 ? -errno : 0, "cannot open %s", path);
	return fd;
}

static void container_open(struct bench *bench, const char *bdf)
{
	int group = pci_iommu_group(bdf);
	char path[64];

	must(group, "%s is in no IOMMU group", bdf);
	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	bench->container = open_file("/dev/vfio/vfio");
	bench->group = open_file(path);
	must(call(bench->group, VFIO_GROUP_SET_CONTAINER, &bench->container),
	     "cannot put group %d into a container", group);
	must(ioctl(bench->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) ? -errno : 0,
	     "the container has no type1");
	bench->dev.fd = ioctl(bench->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	must(bench->dev.fd < 0 ? -errno : 0, "cannot open %s by its group", bdf);
	must(vfio_reset(&bench->dev), "cannot reset %s", bdf);
}

static void container_close(struct bench *bench)
{
	vfio_close(&bench->dev);
	close(bench->group);
	close(bench->container);
}

static int container_map(struct bench *bench, void *va, size_t length, __u64 iova)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = length,
	};

	return call(bench->container, VFIO_IOMMU_MAP_DMA, &cmd);
}

static int container_unmap(struct bench *bench, __u64 iova, __u64 length)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.iova = iova,
		.size = length,
	};

	return call(bench->container, VFIO_IOMMU_UNMAP_DMA, &cmd);
}

const struct bench_backend bench_container = {
	.name = "container",
	.open = container_open,
	.close = container_close,
	.map = container_map,
	.unmap = container_unmap,
};
