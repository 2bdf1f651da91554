// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_HWPT_SET_DIRTY_TRACKING and IOMMU_HWPT_GET_DIRTY_BITMAP: which pages devices
 * have written through a page table.
 *
 * Locks: the IOAS's mutex, so that one at a time switches tracking on and off.  None while
 * the caller's bitmap is written.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/log2.h>

#include "hwpt.h"
#include "ioas.h"
#include "pgtable/iopt_dirty.h"
#include "ucmd.h"

/* The page table that a call is for; what is unknown or reserved has to be 0. */
static struct iommufd_hwpt_paging *paging_get(const struct iommufd_ucmd *ucmd, u32 id,
					      u32 unknown_flags, u32 reserved)
{
	struct iommufd_object *obj;

	if (unknown_flags)
		return ERR_PTR(iommufd_refuse_unknown(ucmd, "flags", unknown_flags));
	if (reserved)
		return ERR_PTR(iommufd_refuse_unknown(ucmd, "__reserved", reserved));
	obj = iommufd_object_get(&ucmd->ictx->objects, id, IOMMUFD_OBJ_HWPT_PAGING);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	return container_of(obj, struct iommufd_hwpt_paging, common.obj);
}

static void paging_put(struct iommufd_hwpt_paging *paging)
{
	if (!IS_ERR(paging))
		iommufd_object_put(&paging->ioas->ictx->objects, &paging->common.obj);
}

DEFINE_FREE(paging_put, struct iommufd_hwpt_paging *, paging_put(_T))

static int check_can_track(const struct iommufd_hwpt_paging *paging)
{
	if (paging->common.domain->dirty_ops)
		return 0;
	return iommufd_refuse(&paging->ioas->ictx->log, -EOPNOTSUPP,
			      WHY_NOT_SUPPORTED,
			      "hwpt %u was not allocated with dirty tracking",
			      paging->common.obj.id);
}

static int set_tracking(struct iommufd_hwpt_paging *paging, bool on)
{
	struct iommufd_ioas *ioas = paging->ioas;
	int rc = check_can_track(paging);

	if (rc)
		return rc;
	guard(mutex)(&ioas->mutex);
	return on ? iopt_dirty_start(&ioas->iopt, &paging->entry) :
		    iopt_dirty_stop(&ioas->iopt, &paging->entry);
}

/**
 * iommufd_call_hwpt_set_dirty_tracking - IOMMU_HWPT_SET_DIRTY_TRACKING
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP unknown flag, or the page table has no dirty bits; -ENOENT; what
 * the IOMMU driver says.
 */
int iommufd_call_hwpt_set_dirty_tracking(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hwpt_set_dirty_tracking *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *paging __free(paging_put) =
		paging_get(ucmd, cmd->hwpt_id, cmd->flags & ~IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
			   cmd->__reserved);

	if (IS_ERR(paging))
		return PTR_ERR(paging);
	return set_tracking(paging, cmd->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
}

/* The bytes of the range, and what a bit stands for. */
static int parse_range(const struct iommufd_ucmd *ucmd,
		       struct iopt_dirty_request *rq)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = ucmd->cmd;
	struct iommufd_log *log = &ucmd->ictx->log;
	int rc;

	rc = iova_span_make(&rq->span, cmd->iova, cmd->length);
	if (!rc && cmd->length > ULONG_MAX)
		rc = -EOVERFLOW;
	if (rc)
		return iommufd_refuse(log, rc, WHY_BAD_SIZE,
				      "iova 0x%llx, length 0x%llx is empty or wraps",
				      cmd->iova, cmd->length);
	if (!is_power_of_2(cmd->page_size) || cmd->page_size > ULONG_MAX)
		return iommufd_refuse(log, -EINVAL, WHY_BAD_ARGUMENT,
				      "page_size 0x%llx is not a power of two",
				      cmd->page_size);
	if (!IS_ALIGNED(cmd->iova | cmd->length, cmd->page_size))
		return iommufd_refuse(log, -EINVAL, WHY_MISALIGNED,
				      "iova 0x%llx, length 0x%llx is not aligned to page_size 0x%llx",
				      cmd->iova, cmd->length, cmd->page_size);
	rq->page_size = cmd->page_size;
	rq->data = u64_to_user_ptr(cmd->data);
	rq->keep = cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR;
	return 0;
}

static int check_aligned(struct iommufd_iopt *iopt, const struct iova_span *span)
{
	unsigned long alignment;

	scoped_guard(rwsem_read, &iopt->space_lock)
		alignment = iopt->alignment;
	if (IS_ALIGNED(span->first | iova_span_len(span), alignment))
		return 0;
	return iommufd_refuse(iopt->log, -EINVAL, WHY_MISALIGNED,
			      "range 0x%lx-0x%lx is not aligned to 0x%lx",
			      span->first, span->last, alignment);
}

static int get_bitmap(const struct iommufd_ucmd *ucmd,
		      struct iommufd_hwpt_paging *paging)
{
	struct iommufd_iopt *iopt = &paging->ioas->iopt;
	struct iopt_dirty_request rq;
	int rc;

	rc = parse_range(ucmd, &rq);
	if (!rc)
		rc = check_can_track(paging);
	if (!rc)
		rc = check_aligned(iopt, &rq.span);
	if (!rc)
		rc = iopt_dirty_read(iopt, &paging->entry, &rq);
	return rc;
}

/**
 * iommufd_call_hwpt_get_dirty_bitmap - IOMMU_HWPT_GET_DIRTY_BITMAP
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP unknown flag, or the page table has no dirty bits; -ENOENT;
 * -EINVAL length 0, page_size no power of two, or the range not aligned to it or to the
 * IOAS; -EOVERFLOW; -EFAULT the bitmap is not writable; -ENOMEM, -EINTR; what the IOMMU
 * driver says.  No dirty bit is lost on failure: it is still there or in the bitmap.
 */
int iommufd_call_hwpt_get_dirty_bitmap(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *paging __free(paging_put) =
		paging_get(ucmd, cmd->hwpt_id,
			   cmd->flags & ~IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, cmd->__reserved);

	if (IS_ERR(paging))
		return PTR_ERR(paging);
	return get_bitmap(ucmd, paging);
}
