// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The ioctls of a VFIO container: their table, and those that map and unmap.
 *
 * Programs were written for VFIO's type1 driver, so with groups in the container its
 * rules hold.  Where a file has no groups, and IOMMU_VFIO_IOAS chose the IOAS, some
 * errors are those that iommufd has always had there:
 *
 *				with groups		without
 *	not page aligned	EINVAL			as the IOAS allows
 *	unmap cuts a mapping	EINVAL			ENOENT
 *
 * With VFIO_TYPE1_IOMMU an unmap cuts nothing in either case: it takes whole mappings,
 * see iopt_unmap_begun().
 *
 * Locks: &iommufd_container.map_lock.  Type1 did one call at a time.  Here they run side
 * by side, but an unmap or a new address that meets a mapping on which another call
 * works waits for that, where IOMMU_IOAS_UNMAP would say EBUSY.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "container.h"
#include "ioas.h"
#include "pgtable/iopt_dirty.h"
#include "pgtable/iopt_vaddr.h"
#include "vfio_compat.h"

#define MAP_FLAGS (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define UNMAP_FLAGS                                                            \
	(VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP |      \
	 VFIO_DMA_UNMAP_FLAG_VADDR)

/* What the structures of map and unmap begin with. */
struct vfio_head {
	__u32 argsz;
	__u32 flags;
};

/* Copy a structure of @size bytes in, which begins with &struct vfio_head. */
static int copy_in(struct iommufd_ctx *ictx, void *structure, unsigned long arg,
		   u32 size, u32 flags)
{
	const struct vfio_head *head = structure;

	if (copy_from_user(structure, (void __user *)arg, size))
		return iommufd_refuse(&ictx->log, -EFAULT, WHY_FAULT,
				      "the %u bytes of the structure cannot be read",
				      size);
	if (head->argsz < size)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_SIZE,
				      "argsz is %u, at least %u is needed",
				      head->argsz, size);
	if (head->flags & ~flags)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_FLAGS,
				      "flags 0x%x, of which this kernel knows 0x%x",
				      head->flags, flags);
	return 0;
}

/* Type1 worked in pages; an IOAS without devices takes any byte. */
static int check_aligned(struct iommufd_ctx *ictx, u64 bits)
{
	if (READ_ONCE(ictx->container.kind) == CONTAINER_EMPTY ||
	    IS_ALIGNED(bits, PAGE_SIZE))
		return 0;
	return iommufd_refuse(&ictx->log, -EINVAL, WHY_MISALIGNED,
			      "an address or the size is not a multiple of 0x%lx",
			      PAGE_SIZE);
}

static int make_span(struct iommufd_ctx *ictx, struct iova_span *span, u64 iova,
		     u64 size)
{
	int rc = iova_span_make(span, iova, size);

	if (rc)
		return iommufd_refuse(&ictx->log, rc,
				      rc == -EINVAL ? WHY_BAD_SIZE : WHY_OVERFLOW,
				      "iova 0x%llx, size 0x%llx is empty or wraps",
				      iova, size);
	return 0;
}

static int check_map_flags(struct iommufd_ctx *ictx, u32 flags)
{
	if (!(flags & VFIO_DMA_MAP_FLAG_VADDR) == !(flags & MAP_FLAGS))
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_FLAGS,
				      "flags 0x%x, READ or WRITE is needed, or VADDR alone",
				      flags);
	return 0;
}

static int check_map(struct iommufd_ctx *ictx,
		     const struct vfio_iommu_type1_dma_map *map,
		     struct iova_span *span)
{
	int rc;

	rc = check_map_flags(ictx, map->flags);
	if (rc)
		return rc;
	if (map->vaddr > ULONG_MAX)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "vaddr 0x%llx is no address on this machine",
				      map->vaddr);
	rc = check_aligned(ictx, map->iova | map->vaddr | map->size);
	if (rc)
		return rc;
	rc = make_span(ictx, span, map->iova, map->size);
	if (rc)
		return rc;
	/* The whole space has no length. */
	if (!iova_span_len(span))
		return iommufd_refuse(&ictx->log, -EOVERFLOW, WHY_OVERFLOW,
				      "size 0x%llx is too large", map->size);
	return 0;
}

/* Do it now; with another call at work on a mapping wait until all have ended. */
static int do_or_wait(struct iommufd_ctx *ictx, int (*once)(void *data), void *data)
{
	struct rw_semaphore *lock = &ictx->container.map_lock;
	int rc;

	if (down_read_killable(lock))
		return -EINTR;
	rc = once(data);
	up_read(lock);
	if (rc != -EBUSY)
		return rc;

	if (down_write_killable(lock))
		return -EINTR;
	rc = once(data);
	up_write(lock);
	return rc;
}

/**
 * struct vfio_update - another address for the memory of a mapping
 * @ioas: where it is
 * @span: the mapping
 * @vaddr: the address
 */
struct vfio_update {
	struct iommufd_ioas *ioas;
	struct iova_span span;
	u64 vaddr;
};

static int update_once(void *data)
{
	const struct vfio_update *op = data;

	return iommufd_ioas_update_vaddr(op->ioas, &op->span, op->vaddr);
}

/* VFIO_IOMMU_MAP_DMA */
static int run_map(struct iommufd_ctx *ictx, unsigned long arg)
{
	struct iopt_map_request rq = { .prot = IOMMU_CACHE, .fixed = true };
	struct vfio_iommu_type1_dma_map map;
	struct vfio_update update;
	struct iova_span span;
	int rc;

	rc = copy_in(ictx, &map, arg, sizeof(map),
		     MAP_FLAGS | VFIO_DMA_MAP_FLAG_VADDR);
	if (rc)
		return rc;
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_ioas(ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = check_map(ictx, &map, &span);
	if (rc)
		return rc;
	if (map.flags & VFIO_DMA_MAP_FLAG_VADDR) {
		update = (struct vfio_update){ ioas, span, map.vaddr };
		return do_or_wait(ictx, update_once, &update);
	}
	rq.iova = span.first;
	rq.length = iova_span_len(&span);
	if (map.flags & VFIO_DMA_MAP_FLAG_READ)
		rq.prot |= IOMMU_READ;
	if (map.flags & VFIO_DMA_MAP_FLAG_WRITE)
		rq.prot |= IOMMU_WRITE;

	if (down_read_killable(&ictx->container.map_lock))
		return -EINTR;
	rc = iommufd_ioas_map_user(ioas, &rq, map.vaddr);
	up_read(&ictx->container.map_lock);
	return rc;
}

/**
 * struct vfio_unmap - an unmap that is running
 * @ictx: context
 * @ioas: from which
 * @span: what to unmap
 * @dirty: where to report what was written, if @get_dirty
 * @get_dirty: it was asked for
 * @vaddr: do not unmap, but declare the user addresses void
 * @unmapped: bytes, when it has succeeded
 */
struct vfio_unmap {
	struct iommufd_ctx *ictx;
	struct iommufd_ioas *ioas;
	struct iova_span span;
	struct iopt_dirty_request dirty;
	bool get_dirty;
	bool vaddr;
	unsigned long unmapped;
};

static int unmap_begun(struct vfio_unmap *op)
{
	struct iommufd_iopt *iopt = &op->ioas->iopt;

	return op->vaddr ? iopt_vaddr_invalidate_begun(iopt, &op->span, &op->unmapped) :
			   iopt_unmap_begun(iopt, &op->span, &op->unmapped);
}

static int unmap_inside(struct vfio_unmap *op)
{
	struct iommufd_iopt *iopt = &op->ioas->iopt;

	if (op->vaddr)
		return iopt_vaddr_invalidate(iopt, &op->span, &op->unmapped);
	if (op->get_dirty)
		return iopt_unmap_written(iopt, &op->dirty, &op->unmapped);
	return iopt_unmap_any(iopt, &op->span, &op->unmapped);
}

static int unmap_once(void *data)
{
	struct vfio_unmap *op = data;
	const struct iommufd_container *container = &op->ictx->container;
	int rc;

	/* The first version has no bitmaps. */
	if (READ_ONCE(container->type) == VFIO_TYPE1_IOMMU && !op->get_dirty)
		return unmap_begun(op);
	rc = unmap_inside(op);
	if (rc == -ENOENT && READ_ONCE(container->kind) != CONTAINER_EMPTY)
		rc = -EINVAL;
	return rc;
}

static int check_unmap(struct iommufd_ctx *ictx,
		       const struct vfio_iommu_type1_dma_unmap *args,
		       struct iova_span *span)
{
	int rc;

	if (args->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		*span = IOVA_SPAN_ALL;
		if (args->iova || args->size)
			return iommufd_refuse(&ictx->log, -EINVAL,
					      WHY_BAD_ARGUMENT,
					      "ALL takes no iova 0x%llx and no size 0x%llx",
					      args->iova, args->size);
		return 0;
	}
	rc = check_aligned(ictx, args->iova | args->size);
	if (rc)
		return rc;
	return make_span(ictx, span, args->iova, args->size);
}

/* The flag GET_DIRTY_BITMAP: &struct vfio_bitmap stands behind the structure. */
static int parse_dirty(struct vfio_unmap *op, unsigned long arg,
		       const struct vfio_iommu_type1_dma_unmap *args)
{
	struct iommufd_ctx *ictx = op->ictx;
	u32 need = sizeof(*args) + iommufd_vfio_bitmap_size();

	op->get_dirty = args->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	if (!op->get_dirty)
		return 0;
	if (args->flags & ~VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_FLAGS,
				      "flags 0x%x, GET_DIRTY_BITMAP stands alone",
				      args->flags);
	if (args->argsz < need)
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_SIZE,
				      "argsz is %u, at least %u is needed",
				      args->argsz, need);
	return iommufd_vfio_read_bitmap(ictx, &op->dirty, args->iova, args->size,
					(void __user *)arg + sizeof(*args));
}

/* Open or not: to type1 it was enough that such a group is in. */
static int check_vaddr(struct iommufd_ctx *ictx)
{
	if (!READ_ONCE(ictx->container.emulated))
		return 0;
	return iommufd_refuse(&ictx->log, -EBUSY, WHY_BUSY,
			      "emulated devices go by the addresses of the memory");
}

/* VFIO_IOMMU_UNMAP_DMA */
static int run_unmap(struct iommufd_ctx *ictx, unsigned long arg)
{
	struct vfio_iommu_type1_dma_unmap __user *uargs = (void __user *)arg;
	struct vfio_iommu_type1_dma_unmap args;
	struct vfio_unmap op = { .ictx = ictx };
	int rc;

	rc = copy_in(ictx, &args, arg, sizeof(args), UNMAP_FLAGS);
	if (!rc)
		rc = parse_dirty(&op, arg, &args);
	if (rc)
		return rc;
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_ioas(ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = check_unmap(ictx, &args, &op.span);
	if (rc)
		return rc;
	op.ioas = ioas;
	op.vaddr = args.flags & VFIO_DMA_UNMAP_FLAG_VADDR;
	if (op.vaddr)
		rc = check_vaddr(ictx);
	if (!rc)
		rc = do_or_wait(ictx, unmap_once, &op);
	if (rc)
		return rc;
	if (put_user((u64)op.unmapped, &uargs->size))
		return iommufd_refuse(&ictx->log, -EFAULT, WHY_FAULT,
				      "size cannot be written, 0x%lx bytes are unmapped",
				      op.unmapped);
	return 0;
}

static int run_get_api_version(struct iommufd_ctx *ictx, unsigned long arg)
{
	return VFIO_API_VERSION;
}

/**
 * struct vfio_call - a row of the table
 * @name: as the log prints it
 * @cmd: full ioctl number
 * @run: carries the call out
 */
struct vfio_call {
	const char *name;
	unsigned int cmd;
	int (*run)(struct iommufd_ctx *ictx, unsigned long arg);
};

#define CALL(number, function)                                                 \
	[_IOC_NR(number) - VFIO_BASE] = {                                      \
		.name = #number,                                               \
		.cmd = number,                                                 \
		.run = function,                                               \
	}

static const struct vfio_call calls[] = {
	CALL(VFIO_GET_API_VERSION, run_get_api_version),
	CALL(VFIO_CHECK_EXTENSION, iommufd_vfio_check_extension),
	CALL(VFIO_SET_IOMMU, iommufd_container_set_type),
	CALL(VFIO_IOMMU_GET_INFO, iommufd_vfio_get_info),
	CALL(VFIO_IOMMU_MAP_DMA, run_map),
	CALL(VFIO_IOMMU_UNMAP_DMA, run_unmap),
	CALL(VFIO_IOMMU_DIRTY_PAGES, iommufd_vfio_dirty_pages),
};

/**
 * iommufd_container_call - an ioctl of a VFIO container
 * @ictx: context
 * @cmd: any number
 * @arg: as user space passed it
 *
 * Context: process context, may sleep and fault.
 * Return: what the call returns; -ENOIOCTLCMD for a number that is none of them.
 */
int iommufd_container_call(struct iommufd_ctx *ictx, unsigned int cmd,
			   unsigned long arg)
{
	unsigned int slot = _IOC_NR(cmd) - VFIO_BASE;
	int rc;

	if (slot >= ARRAY_SIZE(calls) || !calls[slot].run ||
	    calls[slot].cmd != cmd)
		return -ENOIOCTLCMD;
	rc = calls[slot].run(ictx, arg);
	iommufd_report_result(&ictx->log, calls[slot].name, rc);
	return rc;
}
