// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What a VFIO container tells of itself: VFIO_CHECK_EXTENSION and VFIO_IOMMU_GET_INFO.
 *
 * The answer to the latter is a structure with a chain of capabilities behind it, which
 * is built here whole.  A caller without room for it gets the structure and how much
 * room it takes; never is more written than the caller said there is.
 *
 * Locks: the space lock of the page table, for reading, while its domains are looked at.
 */
#include <linux/iommu.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "container.h"
#include "hwpt.h"
#include "ioas.h"
#include "lib/xa_entries.h"
#include "vfio_compat.h"

/*
 * Without page tables all is coherent, since nothing does DMA by itself; but what
 * comes with groups that are not attached yet is not known.
 */
static bool is_coherent(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas)
{
	const struct iommufd_container *container = &ictx->container;
	struct iommufd_hwpt_paging *paging;

	guard(rwsem_read)(&ioas->iopt.space_lock);
	if (list_empty(&ioas->iopt.domains))
		return READ_ONCE(container->kind) == CONTAINER_EMPTY ||
		       READ_ONCE(container->type);
	list_for_each_entry(paging, &ioas->iopt.domains, entry.item)
		if (!paging->enforce_cache_coherency)
			return false;
	return true;
}

static bool container_is_coherent(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_chosen(ictx);

	return ioas && is_coherent(ictx, ioas);
}

/* Emulated devices go by user addresses, and open in a group any moment. */
static bool container_can_update_vaddr(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_chosen(ictx);

	if (!ioas || READ_ONCE(ictx->container.emulated))
		return false;
	if (READ_ONCE(ictx->container.kind) != CONTAINER_EMPTY &&
	    !READ_ONCE(ictx->container.type))
		return false;
	return !xa_has_entries(&ioas->iopt.accesses);
}

/**
 * iommufd_vfio_check_extension - VFIO_CHECK_EXTENSION
 * @ictx: context
 * @arg: number of the extension
 *
 * Groups without an IOMMU know their own type and nothing else, and no other groups
 * know that.  Without groups both kinds could still come.
 *
 * Return: 1 or 0.
 */
int iommufd_vfio_check_extension(struct iommufd_ctx *ictx, unsigned long arg)
{
	enum iommufd_container_kind kind = READ_ONCE(ictx->container.kind);

	if (arg == VFIO_NOIOMMU_IOMMU)
		return kind != CONTAINER_IOMMU && READ_ONCE(iommufd_container_noiommu);
	if (kind == CONTAINER_NOIOMMU)
		return 0;
	switch (arg) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_UPDATE_VADDR:
		return container_can_update_vaddr(ictx);
	case VFIO_DMA_CC_IOMMU:
		return container_is_coherent(ictx);
	default:
		return 0;
	}
}

/**
 * struct info_chain - an answer that is being built
 * @info: the structure, and the capabilities behind it
 * @size: bytes so far
 * @link: offset of the u32 that says where the next capability is
 */
struct info_chain {
	struct vfio_iommu_type1_info *info;
	u32 size;
	u32 link;
};

/* Add a capability of @size bytes, zeroed behind its header; NULL without memory. */
static void *add_cap(struct info_chain *chain, u16 id, size_t size)
{
	u32 offset = chain->size;
	struct vfio_info_cap_header *cap;
	void *info;

	size = ALIGN(size, sizeof(u64));
	info = kvrealloc(chain->info, offset + size, GFP_KERNEL_ACCOUNT);
	if (!info)
		return NULL;
	chain->info = info;
	chain->size += size;
	*(u32 *)(info + chain->link) = offset;
	cap = info + offset;
	memset(cap, 0, size);
	cap->id = id;
	cap->version = 1;
	chain->link = offset + offsetof(struct vfio_info_cap_header, next);
	return cap;
}

/* Any number can be mapped; this is as many as the member can say. */
static int add_dma_avail(struct info_chain *chain)
{
	struct vfio_iommu_type1_info_dma_avail *cap =
		add_cap(chain, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, sizeof(*cap));

	if (!cap)
		return -ENOMEM;
	cap->avail = U32_MAX;
	return 0;
}

static int add_iova_ranges(struct info_chain *chain, struct iommufd_ioas *ioas)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	u64 alignment;
	u32 n, i;

	struct iommu_iova_range *ranges __free(kvfree) =
		iommufd_ioas_ranges(ioas, U32_MAX, &n, &alignment);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	cap = add_cap(chain, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
		      struct_size(cap, iova_ranges, n));
	if (!cap)
		return -ENOMEM;
	cap->nr_iovas = n;
	for (i = 0; i < n; i++) {
		cap->iova_ranges[i].start = ranges[i].start;
		cap->iova_ranges[i].end = ranges[i].last;
	}
	return 0;
}

/* What was written can be asked for. */
static int add_migration(struct info_chain *chain)
{
	struct vfio_iommu_type1_info_cap_migration *cap =
		add_cap(chain, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, sizeof(*cap));

	if (!cap)
		return -ENOMEM;
	iommufd_vfio_fill_migration(cap);
	return 0;
}

/*
 * The order is that of the type1 driver.  Programs that bring no group do not know the
 * first one.
 */
static int add_caps(struct iommufd_ctx *ictx, struct info_chain *chain,
		    struct iommufd_ioas *ioas)
{
	int rc = 0;

	if (READ_ONCE(ictx->container.kind) != CONTAINER_EMPTY)
		rc = add_migration(chain);
	if (!rc)
		rc = add_dma_avail(chain);
	return rc ?: add_iova_ranges(chain, ioas);
}

/* Sizes below the CPU's page cannot be had, memory is pinned in whole pages. */
static u64 page_sizes(struct iommufd_ioas *ioas)
{
	unsigned long sizes = iopt_page_sizes(&ioas->iopt);

	if (sizes & ~PAGE_MASK)
		sizes = (sizes & PAGE_MASK) | PAGE_SIZE;
	return sizes;
}

static int build(struct iommufd_ctx *ictx, struct info_chain *chain)
{
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_ioas(ictx);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	chain->info = kvzalloc_obj(*chain->info, GFP_KERNEL_ACCOUNT);
	if (!chain->info)
		return -ENOMEM;
	chain->size = sizeof(*chain->info);
	chain->link = offsetof(struct vfio_iommu_type1_info, cap_offset);
	chain->info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	chain->info->iova_pgsizes = page_sizes(ioas);
	return add_caps(ictx, chain, ioas);
}

/* @argsz: what the caller has room for. */
static int reply(struct iommufd_ctx *ictx, struct info_chain *chain,
		 unsigned long arg, u32 argsz)
{
	struct vfio_iommu_type1_info *info = chain->info;
	u32 size = chain->size;

	info->argsz = max(argsz, size);
	if (argsz < size) {
		info->cap_offset = 0;
		size = min_t(u32, argsz, sizeof(*info));
	}
	if (copy_to_user((void __user *)arg, info, size))
		return iommufd_refuse(&ictx->log, -EFAULT, WHY_FAULT,
				      "the %u bytes of the answer cannot be written",
				      size);
	return 0;
}

/**
 * iommufd_vfio_get_info - VFIO_IOMMU_GET_INFO
 * @ictx: context
 * @arg: user address of a &struct vfio_iommu_type1_info
 *
 * Return: 0; -EFAULT; -EINVAL argsz too small, or VFIO_SET_IOMMU was not called; -ENODEV
 * no IOAS; -ENOTTY no IOMMU; -ENOMEM.
 */
int iommufd_vfio_get_info(struct iommufd_ctx *ictx, unsigned long arg)
{
	const u32 least = offsetofend(struct vfio_iommu_type1_info, iova_pgsizes);
	struct info_chain chain = {};
	u32 argsz;
	int rc;

	if (get_user(argsz, (u32 __user *)arg))
		return iommufd_refuse(&ictx->log, -EFAULT, WHY_FAULT,
				      "argsz cannot be read");
	if (argsz < least)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_SIZE,
				      "argsz is %u, at least %u is needed", argsz,
				      least);
	rc = build(ictx, &chain);
	if (!rc)
		rc = reply(ictx, &chain, arg, argsz);
	kvfree(chain.info);
	return rc;
}
