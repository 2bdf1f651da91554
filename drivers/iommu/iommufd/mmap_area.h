/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Physical pages that user space may map through the iommufd.
 *
 * A driver enters pages of a vIOMMU (iommufd_viommu_alloc_mmap(), driver.c) and
 * tells user space the file offset. Areas stand in &iommufd_ctx.mt_mmap by page
 * offset, from 1 on: offset 0 is never given out. The tree is initialised with
 * MT_FLAGS_ALLOC_RANGE and always walked under its own lock. An area lives at
 * most as long as its owner, and each VMA on it holds a long reference on the
 * owner.
 */
#ifndef __IOMMUFD_MMAP_AREA_H
#define __IOMMUFD_MMAP_AREA_H

#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_object;
struct vm_area_struct;

/**
 * struct iommufd_mmap_area - pages that can be mapped
 * @owner: object they belong to
 * @phys: physical address of the first
 * @npages: how many
 */
struct iommufd_mmap_area {
	struct iommufd_object *owner;
	phys_addr_t phys;
	unsigned long npages;
};

/* mmap() of the file, in mmap_area.c. */
int iommufd_mmap_area_map(struct iommufd_ctx *ictx, struct vm_area_struct *vma);
#endif
