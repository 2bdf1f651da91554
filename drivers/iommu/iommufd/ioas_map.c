// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Mapping calls: MAP, MAP_FILE, COPY, UNMAP, NOIOMMU_GET_PA.
 *
 * Each checks its argument whole, makes a list of slices of backings, and lets the
 * page table do the rest.  The order of the checks is part of the user API: flags and
 * reserved members, then addresses, then permissions, then the IOAS.
 *
 * Locks: none of its own; an IOAS is held by a short reference for the time of the
 * call.
 */
#include <linux/capability.h>
#include <linux/iommu.h>
#include <linux/mm.h>

#include "ioas.h"
#include "memory/backing.h"
#include "pgtable/iopt_vaddr.h"
#include "test_hooks.h"
#include "ucmd.h"

#define MAP_FLAGS (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | \
		   IOMMU_IOAS_MAP_READABLE)

/*
 * ULONG_MAX itself is refused: as a length it would have to mean the whole space, and
 * no mapping begins at the very last byte.
 */
static noinline int refuse_address(const struct iommufd_ucmd *ucmd, const char *what,
				   u64 value)
{
	return iommufd_refuse(&ucmd->ictx->log, -EOVERFLOW, WHY_OVERFLOW,
			      "%s 0x%llx does not fit this machine", what, value);
}

static inline int check_address(const struct iommufd_ucmd *ucmd, const char *what,
				u64 value)
{
	return likely(value < ULONG_MAX) ? 0 : refuse_address(ucmd, what, value);
}

/* What MAP, MAP_FILE and COPY have in common. */
static __always_inline int check_map(const struct iommufd_ucmd *ucmd, u32 flags,
				     u64 iova, u64 length)
{
	int rc;

	if (flags & ~MAP_FLAGS)
		return iommufd_refuse_unknown(ucmd, "flags", flags);
	rc = check_address(ucmd, "iova", iova);
	if (rc)
		return rc;
	rc = check_address(ucmd, "length", length);
	if (rc)
		return rc;
	if (!(flags & (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)))
		return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_FLAGS,
				      "flags 0x%x ask for neither READABLE nor WRITEABLE",
				      flags);
	return 0;
}

static int check_length(const struct iommufd_ucmd *ucmd, u64 length)
{
	if (length)
		return 0;
	return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_SIZE,
			      "length is 0");
}

static struct iopt_map_request map_request(u32 flags, u64 iova, u64 length)
{
	struct iopt_map_request rq = {
		.length = length,
		.iova = iova,
		.prot = IOMMU_CACHE,
		.fixed = flags & IOMMU_IOAS_MAP_FIXED_IOVA,
	};

	if (flags & IOMMU_IOAS_MAP_WRITEABLE)
		rq.prot |= IOMMU_WRITE;
	if (flags & IOMMU_IOAS_MAP_READABLE)
		rq.prot |= IOMMU_READ;
	return rq;
}

/* Map all of a new backing, whose reference is used up; @start gives the offset. */
static int map_backing(struct iommufd_ioas *ioas, struct iopt_map_request *rq,
		       struct iommufd_backing *backing, u64 start)
{
	struct iopt_slice slice = {
		.backing = backing,
		.offset = offset_in_page(start),
		.length = rq->length,
		.is_first = true,
	};
	LIST_HEAD(slices);
	int rc;

	list_add(&slice.item, &slices);
	rq->slices = &slices;
	rq->hint = start;
	rc = iopt_map(&ioas->iopt, rq);
	iommufd_backing_put(backing);
	return rc;
}

/* The BAR of a device if that is what the caller has there and may map, else memory. */
static struct iommufd_backing *user_backing(struct iommufd_ctx *ictx,
					    unsigned long va,
					    unsigned long length, bool writable)
{
	struct iommufd_backing *backing = NULL;

	if (ictx->p2p_user_va)
		backing = iommufd_backing_mmio(va, length, writable);
	if (!backing)
		backing = iommufd_backing_user(&ictx->accounts, va, length,
					       writable, &ictx->log);
	return backing;
}

/**
 * iommufd_ioas_map_user - map memory of the calling process, or a BAR that it has mapped
 * @ioas: the IOAS; the caller holds a reference
 * @rq: where and how; length is not 0, slices and hint are filled in here
 * @uva: first byte of the memory
 *
 * Context: may sleep and fault.
 * Return: 0, and rq->iova is set; the errnos of iopt_map() and iommufd_backing_user().
 */
int iommufd_ioas_map_user(struct iommufd_ioas *ioas, struct iopt_map_request *rq,
			  u64 uva)
{
	struct iommufd_ctx *ictx = ioas->ictx;
	struct iommufd_backing *backing;

	backing = user_backing(ictx, uva, rq->length, rq->prot & IOMMU_WRITE);
	if (IS_ERR(backing))
		return PTR_ERR(backing);
	return map_backing(ioas, rq, backing, uva);
}

/**
 * struct user_memory - where the calling process has some memory
 * @ioas: for which IOAS
 * @uva: first byte
 */
struct user_memory {
	struct iommufd_ioas *ioas;
	u64 uva;
};

static struct iommufd_backing *make_user_backing(void *data, unsigned long length,
						 bool writable)
{
	const struct user_memory *memory = data;
	struct iommufd_ctx *ictx = memory->ioas->ictx;

	return user_backing(ictx, memory->uva, length, writable);
}

/**
 * iommufd_ioas_update_vaddr - tell where the memory of a mapping is now
 * @ioas: the IOAS; the caller holds a reference
 * @span: exactly the mapping, whose address is void
 * @uva: first byte of the same memory in the calling process
 *
 * Context: may sleep and fault.
 * Return: 0; the errnos of iopt_vaddr_update() and iommufd_backing_user().
 */
int iommufd_ioas_update_vaddr(struct iommufd_ioas *ioas,
			      const struct iova_span *span, u64 uva)
{
	struct user_memory memory = { .ioas = ioas, .uva = uva };
	const struct iopt_vaddr_request rq = {
		.span = *span,
		.offset = offset_in_page(uva),
		.make = make_user_backing,
		.data = &memory,
	};

	return iopt_vaddr_update(&ioas->iopt, &rq);
}

static int map_user(const struct iommufd_ucmd *ucmd, struct iommu_ioas_map *cmd)
{
	struct iopt_map_request rq = map_request(cmd->flags, cmd->iova, cmd->length);
	int rc;

	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = check_length(ucmd, cmd->length);
	if (rc)
		return rc;
	rc = check_address(ucmd, "user_va", cmd->user_va);
	if (rc)
		return rc;
	rc = iommufd_ioas_map_user(ioas, &rq, cmd->user_va);
	cmd->iova = rq.iova;
	return rc;
}

/**
 * iommufd_call_ioas_map - IOMMU_IOAS_MAP
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP, -EOVERFLOW, -EINVAL, -ENOENT, -EEXIST, -ENOSPC, -EFAULT,
 * -ENOMEM as the user API says.  A result that cannot be written leaves the mapping.
 */
int iommufd_call_ioas_map(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_map *cmd = ucmd->cmd;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	rc = check_map(ucmd, cmd->flags, cmd->iova, cmd->length);
	if (rc)
		return rc;
	rc = map_user(ucmd, cmd);
	if (rc)
		return rc;
	return iommufd_ucmd_reply_member(ucmd, struct iommu_ioas_map, iova);
}

static int map_file(const struct iommufd_ucmd *ucmd,
		    struct iommu_ioas_map_file *cmd)
{
	struct iopt_map_request rq = map_request(cmd->flags, cmd->iova, cmd->length);
	struct iommufd_ctx *ictx = ucmd->ictx;
	struct iommufd_backing *backing;
	int rc;

	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = check_length(ucmd, cmd->length);
	if (rc)
		return rc;
	backing = iommufd_backing_dmabuf(ictx->dev, cmd->fd, cmd->start, rq.length,
					 rq.prot & IOMMU_WRITE, &ictx->log);
	if (!backing)
		backing = iommufd_backing_file(&ictx->accounts, cmd->fd, cmd->start,
					       rq.length, rq.prot & IOMMU_WRITE,
					       &ictx->log);
	if (IS_ERR(backing))
		return PTR_ERR(backing);
	rc = map_backing(ioas, &rq, backing, cmd->start);
	cmd->iova = rq.iova;
	return rc;
}

/**
 * iommufd_call_ioas_map_file - IOMMU_IOAS_MAP_FILE
 * @ucmd: the call
 *
 * Return: as iommufd_call_ioas_map(); -EBADF no such file; -EINVAL also a file of another
 * kind or too short; -EACCES not open for this access; -EPERM sealed against writing;
 * -EOPNOTSUPP also a dma-buf that is not one piece of a BAR; -ENODEV one that is revoked.
 */
int iommufd_call_ioas_map_file(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_map_file *cmd = ucmd->cmd;
	int rc;

	rc = check_map(ucmd, cmd->flags, cmd->iova, cmd->length);
	if (rc)
		return rc;
	rc = map_file(ucmd, cmd);
	if (rc)
		return rc;
	return iommufd_ucmd_reply_member(ucmd, struct iommu_ioas_map_file, iova);
}

/* The slices keep the memory; the source itself is given back at once. */
static int copy_source(const struct iommufd_ucmd *ucmd,
		       const struct iommu_ioas_copy *cmd,
		       struct list_head *slices)
{
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(ucmd->ictx, cmd->src_ioas_id);
	int rc;

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = check_length(ucmd, cmd->length);
	if (rc)
		return rc;
	return iopt_get_slices(&ioas->iopt, cmd->src_iova, cmd->length,
			       cmd->flags & IOMMU_IOAS_MAP_WRITEABLE, slices);
}

/* Where the memory came from, so that a copy can be aligned like the original. */
static unsigned long source_address(const struct iopt_slice *slice)
{
	const struct iommufd_backing *backing = slice->backing;

	if (backing->ops->by_offset)
		return (backing->pgoff << PAGE_SHIFT) + slice->offset;
	return backing->uva + slice->offset;
}

static int copy_destination(const struct iommufd_ucmd *ucmd,
			    struct iommu_ioas_copy *cmd,
			    struct list_head *slices)
{
	struct iopt_map_request rq = map_request(cmd->flags, cmd->dst_iova,
						 cmd->length);
	int rc;

	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(ucmd->ictx, cmd->dst_ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rq.slices = slices;
	rq.away_ok = true;
	rq.hint = source_address(list_first_entry(slices, struct iopt_slice, item));
	rc = iopt_map(&ioas->iopt, &rq);
	cmd->dst_iova = rq.iova;
	return rc;
}

/**
 * iommufd_call_ioas_copy - IOMMU_IOAS_COPY
 * @ucmd: the call
 *
 * Return: as iommufd_call_ioas_map(); -ENOENT also a hole in the source; -EPERM writable
 * out of read-only memory.
 */
int iommufd_call_ioas_copy(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_copy *cmd = ucmd->cmd;
	LIST_HEAD(slices);
	int rc = 0;

	iommufd_test_syz_conv_iova_id(ucmd->ictx, cmd->src_ioas_id, &cmd->src_iova,
				      &cmd->flags);
	/* Addresses come after unknown flags and before missing ones. */
	if (!(cmd->flags & ~MAP_FLAGS))
		rc = check_address(ucmd, "src_iova", cmd->src_iova);
	if (!rc)
		rc = check_map(ucmd, cmd->flags, cmd->dst_iova, cmd->length);
	if (rc)
		return rc;
	rc = copy_source(ucmd, cmd, &slices);
	if (rc)
		return rc;
	rc = copy_destination(ucmd, cmd, &slices);
	iopt_slices_free(&slices);
	if (rc)
		return rc;
	return iommufd_ucmd_reply_member(ucmd, struct iommu_ioas_copy, dst_iova);
}

static int unmap(const struct iommufd_ucmd *ucmd,
		 const struct iommu_ioas_unmap *cmd, unsigned long *unmapped)
{
	struct iova_span span;
	int rc;

	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	if (!cmd->iova && cmd->length == U64_MAX)
		return iopt_unmap_all(&ioas->iopt, unmapped);
	rc = check_address(ucmd, "iova", cmd->iova);
	if (rc)
		return rc;
	rc = check_address(ucmd, "length", cmd->length);
	if (rc)
		return rc;
	rc = iova_span_make(&span, cmd->iova, cmd->length);
	if (rc)
		return iommufd_refuse(&ucmd->ictx->log, rc,
				      rc == -EINVAL ? WHY_BAD_SIZE : WHY_OVERFLOW,
				      "iova 0x%llx, length 0x%llx is empty or wraps",
				      cmd->iova, cmd->length);
	return iopt_unmap(&ioas->iopt, &span, unmapped);
}

/**
 * iommufd_call_ioas_unmap - IOMMU_IOAS_UNMAP
 * @ucmd: the call
 *
 * Return: 0; -ENOENT, -EINVAL, -EOVERFLOW, -EBUSY as the user API says; -EDEADLOCK when
 * a kernel driver does not let go.  Nothing is unmapped on failure, except that a
 * result that cannot be written (-EFAULT) does not undo it.
 */
int iommufd_call_ioas_unmap(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_unmap *cmd = ucmd->cmd;
	unsigned long unmapped;
	int rc;

	rc = unmap(ucmd, cmd, &unmapped);
	if (rc)
		return rc;
	cmd->length = unmapped;
	return iommufd_ucmd_reply_member(ucmd, struct iommu_ioas_unmap, length);
}

static bool is_mapped(struct iommufd_iopt *iopt, unsigned long iova)
{
	const struct iova_node *node;

	guard(rwsem_read)(&iopt->space_lock);
	node = iova_set_find(&iopt->areas, iova);
	return node && !iova_node_is_cover(node);
}

/**
 * iommufd_call_ioas_noiommu_get_pa - IOMMU_IOAS_NOIOMMU_GET_PA
 * @ucmd: the call
 *
 * Tells what is wrong with the argument; a good one ends in -EOPNOTSUPP, because no
 * device without an IOMMU can be attached to an address space.
 *
 * Return: -EPERM without CAP_SYS_RAWIO; -EOPNOTSUPP; -EINVAL length 0; -EOVERFLOW;
 * -ENOENT no IOAS, or nothing mapped there.
 */
int iommufd_call_ioas_noiommu_get_pa(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_noiommu_get_pa *cmd = ucmd->cmd;
	struct iommufd_log *log = &ucmd->ictx->log;
	int rc;

	if (!capable(CAP_SYS_RAWIO))
		return iommufd_refuse(log, -EPERM, WHY_PERMISSION,
				      "physical addresses need CAP_SYS_RAWIO");
	if (cmd->flags)
		return iommufd_refuse_unknown(ucmd, "flags", cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	rc = check_length(ucmd, cmd->length);
	if (rc)
		return rc;
	rc = check_address(ucmd, "iova", cmd->iova);
	if (rc)
		return rc;

	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	if (!is_mapped(&ioas->iopt, cmd->iova))
		return iommufd_refuse(log, -ENOENT, WHY_HOLE,
				      "nothing is mapped at iova 0x%llx", cmd->iova);
	return iommufd_refuse(log, -EOPNOTSUPP, WHY_NO_IOMMU,
			      "no device without an IOMMU can use ioas %u",
			      cmd->ioas_id);
}
