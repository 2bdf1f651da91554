/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The calls of a container that map and unmap, tell what was written, and tell about it.
 * They work on any file that is one: /dev/vfio/vfio, or /dev/iommu with an IOAS chosen.
 */
#ifndef ST_DMA_H
#define ST_DMA_H

#include "iommu_selftest.h"

#define ST_DMA_R	VFIO_DMA_MAP_FLAG_READ
#define ST_DMA_W	VFIO_DMA_MAP_FLAG_WRITE
#define ST_DMA_RW	(ST_DMA_R | ST_DMA_W)

/* Room for VFIO_IOMMU_GET_INFO with all its capabilities. */
#define ST_INFO_ROOM	1024

/* The bitmap part of calls, laid out as the 64-bit kernel reads it. */
struct st_bitmap {
	__u64 pgsize;
	__u64 size;
	__aligned_u64 data;
};

/* VFIO_IOMMU_UNMAP_DMA with VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP. */
struct st_unmap_dirty {
	struct vfio_iommu_type1_dma_unmap unmap;
	struct st_bitmap bitmap;
};

/* VFIO_IOMMU_DIRTY_PAGES. */
struct st_dirty {
	struct vfio_iommu_type1_dirty_bitmap head;
	__u64 iova;
	__u64 size;
	struct st_bitmap bitmap;
};

/* What GET_INFO says. */
struct st_info {
	__u32 argsz, flags, cap_offset;
	__u64 pgsizes;
	unsigned int caps;		/* how many */
	__u16 id[8];			/* in the chain's order */
	__u32 avail;			/* DMA_AVAIL; 0 without */
	__u64 dirty_pgsizes, dirty_max;	/* MIGRATION; 0 without */
	unsigned int ranges;		/* IOVA_RANGE; 0 without */
	struct iommu_iova_range range[IOVA_RANGES_MAX];
};

int st_dma_map(int fd, __u32 flags, const void *va, __u64 size, __u64 iova);
int st_dma_unmap(int fd, __u32 flags, __u64 iova, __u64 *size);
int st_dma_dirty(int fd, __u32 flags);
int st_dma_dirty_get(int fd, __u64 iova, __u64 size, __u64 *bitmap, size_t bytes);
int st_dma_info(int fd, struct st_info *info);
long long st_dma_mapped(int fd);

#endif
