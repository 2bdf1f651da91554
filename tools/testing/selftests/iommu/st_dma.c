// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The calls of a container that map and unmap, tell what was written, and tell about it.
 *
 * As everywhere here the functions return 0, or what they say, or a negative errno.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "st_dma.h"

int st_dma_map(int fd, __u32 flags, const void *va, __u64 size, __u64 iova)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map), .flags = flags };

	map.vaddr = (uintptr_t)va;
	map.iova = iova;
	map.size = size;
	return st_call(fd, VFIO_IOMMU_MAP_DMA, &map);
}

/* @size: in and out, as the call has it. */
int st_dma_unmap(int fd, __u32 flags, __u64 iova, __u64 *size)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .flags = flags };
	int rc;

	unmap.iova = iova;
	unmap.size = *size;
	rc = st_call(fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
	*size = unmap.size;
	return rc;
}

/* Start or stop the log of dirty pages. */
int st_dma_dirty(int fd, __u32 flags)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = flags,
	};

	return st_call(fd, VFIO_IOMMU_DIRTY_PAGES, &dirty);
}

int st_dma_dirty_get(int fd, __u64 iova, __u64 size, __u64 *bitmap, size_t bytes)
{
	struct st_dirty get = {
		.head.argsz = sizeof(get),
		.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.iova = iova,
		.size = size,
		.bitmap.pgsize = st_page,
		.bitmap.size = bytes,
		.bitmap.data = (uintptr_t)bitmap,
	};

	return st_call(fd, VFIO_IOMMU_DIRTY_PAGES, &get);
}

/*
 * One capability. Structures of the user API that have a hole before a 64-bit
 * member are laid out differently by a 32-bit compiler, so offsets are the
 * kernel's.
 */
static void read_capability(struct st_info *info, const unsigned char *cap)
{
	__u32 word;

	memcpy(&word, cap + 8, sizeof(word));
	switch (info->id[info->caps]) {
	case VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE:
		info->ranges = word < IOVA_RANGES_MAX ? word : IOVA_RANGES_MAX;
		memcpy(info->range, cap + 16, info->ranges * sizeof(*info->range));
		break;
	case VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION:
		memcpy(&info->dirty_pgsizes, cap + 16, 8);
		memcpy(&info->dirty_max, cap + 24, 8);
		break;
	case VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL:
		info->avail = word;
		break;
	}
}

/* Return: 0; -EPROTO when the chain of capabilities leads out of the buffer. */
int st_dma_info(int fd, struct st_info *info)
{
	[[gnu::aligned(8)]] unsigned char room[ST_INFO_ROOM] = {};
	struct vfio_iommu_type1_info *head = (void *)room;
	struct vfio_info_cap_header cap;
	__u32 at;
	int rc;

	memset(info, 0, sizeof(*info));
	head->argsz = sizeof(room);
	rc = st_call(fd, VFIO_IOMMU_GET_INFO, room);
	if (rc)
		return rc;
	info->argsz = head->argsz;
	info->flags = head->flags;
	info->pgsizes = head->iova_pgsizes;
	info->cap_offset = head->cap_offset;
	if (!(info->flags & VFIO_IOMMU_INFO_CAPS))
		return 0;
	for (at = info->cap_offset; at; at = cap.next) {
		if (at + 32 > sizeof(room) || info->caps == ARRAY_SIZE(info->id))
			return -EPROTO;
		memcpy(&cap, room + at, sizeof(cap));
		info->id[info->caps] = cap.id;
		read_capability(info, room + at);
		info->caps++;
	}
	return 0;
}

/* How many bytes are mapped; they are unmapped by asking. */
long long st_dma_mapped(int fd)
{
	__u64 size = 0;
	int rc = st_dma_unmap(fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size);

	return rc ?: (long long)size;
}
