// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_IOMMU_DIRTY_PAGES, and what UNMAP_DMA and GET_INFO say about written pages.
 *
 * The rules are those of the type1 driver: bits stand for pages of the CPU, a range
 * must not cut a mapping, a container of the first version has no record.  What counts as
 * written is pgtable/iopt_record.c's business.
 *
 * The user's &struct vfio_bitmap ends with a pointer; that of a 32-bit program is
 * shorter.
 *
 * Locks: the IOAS's mutex, so that one at a time switches the record on and off; the
 * container's map_lock for reading, as every call that looks at mappings.
 */
#include <linux/cleanup.h>
#include <linux/compat.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "ioas.h"
#include "pgtable/iopt_dirty.h"
#include "pgtable/iopt_record.h"
#include "vfio_compat.h"

/* A bit for each page of 8 TiB, if pages have 4 KiB. */
#define BITMAP_MAX_SIZE SZ_256M

#ifdef CONFIG_COMPAT
struct compat_vfio_bitmap {
	compat_u64 pgsize;
	compat_u64 size;
	compat_uptr_t data;
};

static bool copy_compat_bitmap(struct vfio_bitmap *bitmap, const void __user *from)
{
	struct compat_vfio_bitmap compat;

	if (copy_from_user(&compat, from, sizeof(compat)))
		return false;
	bitmap->pgsize = compat.pgsize;
	bitmap->size = compat.size;
	bitmap->data = compat_ptr(compat.data);
	return true;
}

#define COMPAT_BITMAP_SIZE sizeof(struct compat_vfio_bitmap)
#else
static bool copy_compat_bitmap(struct vfio_bitmap *bitmap, const void __user *from)
{
	return false;
}

#define COMPAT_BITMAP_SIZE 0
#endif

/**
 * iommufd_vfio_bitmap_size - bytes of a &struct vfio_bitmap of the calling program
 *
 * Context: process context.
 * Return: less for a program of 32 bits on a kernel of 64.
 */
u32 iommufd_vfio_bitmap_size(void)
{
	return in_compat_syscall() ? COMPAT_BITMAP_SIZE :
				     sizeof(struct vfio_bitmap);
}

static bool copy_bitmap(struct vfio_bitmap *bitmap, const void __user *from)
{
	if (in_compat_syscall())
		return copy_compat_bitmap(bitmap, from);
	return !copy_from_user(bitmap, from, sizeof(*bitmap));
}

static int check_bitmap(struct iommufd_ctx *ictx, const struct vfio_bitmap *bitmap,
			u64 npages)
{
	u64 need = BITS_TO_U64(npages) * sizeof(u64);

	if (bitmap->pgsize != PAGE_SIZE)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "bitmap.pgsize is 0x%llx, a bit stands for 0x%lx bytes",
				      bitmap->pgsize, PAGE_SIZE);
	if (bitmap->size < need || bitmap->size > BITMAP_MAX_SIZE)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_SIZE,
				      "bitmap.size is %llu, %llu bytes are needed and %u possible",
				      bitmap->size, need, BITMAP_MAX_SIZE);
	return 0;
}

static int parse_range(struct iommufd_ctx *ictx, struct iova_span *span, u64 iova,
		       u64 size)
{
	int rc = iova_span_make(span, iova, size);

	/* The last byte of all was out of reach of the type1 driver. */
	if (!rc && span->last == ULONG_MAX)
		rc = -EOVERFLOW;
	if (rc)
		return iommufd_refuse(&ictx->log, rc,
				      rc == -EINVAL ? WHY_BAD_SIZE : WHY_OVERFLOW,
				      "iova 0x%llx, size 0x%llx is empty or wraps",
				      iova, size);
	if (!IS_ALIGNED(iova | size, PAGE_SIZE))
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_MISALIGNED,
				      "iova 0x%llx, size 0x%llx is not a multiple of 0x%lx",
				      iova, size, PAGE_SIZE);
	return 0;
}

/**
 * iommufd_vfio_read_bitmap - copy in and check a range and a user's bitmap for it
 * @ictx: context
 * @rq: filled in
 * @iova: first byte of the range
 * @size: its bytes
 * @from: the user's &struct vfio_bitmap
 *
 * Context: may fault.
 * Return: 0; -EFAULT; -EOVERFLOW the range wraps; -EINVAL it is empty or not aligned, the
 * bitmap is too small or too large, or its unit is not a page.
 */
int iommufd_vfio_read_bitmap(struct iommufd_ctx *ictx, struct iopt_dirty_request *rq,
			     u64 iova, u64 size, const void __user *from)
{
	struct vfio_bitmap bitmap;
	int rc;

	if (!copy_bitmap(&bitmap, from))
		return iommufd_refuse(&ictx->log, -EFAULT, WHY_FAULT,
				      "the structure of the bitmap cannot be read");
	rc = parse_range(ictx, &rq->span, iova, size);
	if (!rc)
		rc = check_bitmap(ictx, &bitmap, size >> PAGE_SHIFT);
	if (rc)
		return rc;
	rq->page_size = PAGE_SIZE;
	rq->data = bitmap.data;
	rq->keep = false;
	return 0;
}

static int run_start(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
		     unsigned long arg, u32 argsz)
{
	guard(mutex)(&ioas->mutex);
	return iopt_record_start(&ioas->iopt);
}

static int run_stop(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
		    unsigned long arg, u32 argsz)
{
	guard(mutex)(&ioas->mutex);
	iopt_record_stop(&ioas->iopt);
	return 0;
}

static int run_get(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
		   unsigned long arg, u32 argsz)
{
	const u32 before = offsetof(struct vfio_iommu_type1_dirty_bitmap_get, bitmap);
	const u32 head = sizeof(struct vfio_iommu_type1_dirty_bitmap);
	const u32 need = head + before + iommufd_vfio_bitmap_size();
	void __user *data = (void __user *)arg + head;
	struct vfio_iommu_type1_dirty_bitmap_get get;
	struct iopt_dirty_request rq;
	int rc;

	if (argsz < need)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_SIZE,
				      "argsz is %u, at least %u is needed", argsz, need);
	if (copy_from_user(&get, data, before))
		return iommufd_refuse(&ictx->log, -EFAULT, WHY_FAULT,
				      "the range cannot be read");
	rc = iommufd_vfio_read_bitmap(ictx, &rq, get.iova, get.size, data + before);
	if (rc)
		return rc;
	if (down_read_killable(&ictx->container.map_lock))
		return -EINTR;
	rc = iopt_record_read(&ioas->iopt, &rq);
	up_read(&ictx->container.map_lock);
	return rc;
}

/**
 * iommufd_vfio_dirty_pages - VFIO_IOMMU_DIRTY_PAGES
 * @ictx: context
 * @arg: user address of a &struct vfio_iommu_type1_dirty_bitmap
 *
 * START and STOP do nothing when it is so already.
 *
 * Return: 0; -EACCES with VFIO_TYPE1_IOMMU; -EFAULT; -EINVAL argsz too small, not exactly
 * one known flag, for GET_BITMAP what iommufd_vfio_read_bitmap() says, a range that cuts a
 * mapping, or no record; -EOVERFLOW; -ENODEV, -ENOTTY of iommufd_container_get_ioas();
 * -ENOMEM.
 */
int iommufd_vfio_dirty_pages(struct iommufd_ctx *ictx, unsigned long arg)
{
	int (*run)(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
		   unsigned long arg, u32 argsz) = NULL;
	struct vfio_iommu_type1_dirty_bitmap head;

	if (READ_ONCE(ictx->container.type) == VFIO_TYPE1_IOMMU)
		return iommufd_refuse(&ictx->log, -EACCES, WHY_NOT_SUPPORTED,
				      "VFIO_TYPE1_IOMMU has no record of written pages, VFIO_TYPE1v2_IOMMU has");
	if (copy_from_user(&head, (void __user *)arg, sizeof(head)))
		return iommufd_refuse(&ictx->log, -EFAULT, WHY_FAULT,
				      "argsz and flags cannot be read");
	if (head.argsz < sizeof(head))
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_SIZE,
				      "argsz is %u, at least %zu is needed",
				      head.argsz, sizeof(head));
	if (head.flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_START)
		run = run_start;
	else if (head.flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP)
		run = run_stop;
	else if (head.flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP)
		run = run_get;
	if (!run)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_FLAGS,
				      "flags 0x%x, exactly one of START, STOP and GET_BITMAP is needed",
				      head.flags);

	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_ioas(ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	return run(ictx, ioas, arg, head.argsz);
}

/**
 * iommufd_vfio_fill_migration - the migration capability of VFIO_IOMMU_GET_INFO
 * @cap: zeroed behind its header; filled in
 */
void iommufd_vfio_fill_migration(struct vfio_iommu_type1_info_cap_migration *cap)
{
	cap->pgsize_bitmap = PAGE_SIZE;
	cap->max_dirty_bitmap_size = BITMAP_MAX_SIZE;
}
