/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A call of user space on its way through the kernel.  main.c copies the argument in
 * and finds the row of the call table; the rooms below carry the calls out.
 */
#ifndef __IOMMUFD_UCMD_H
#define __IOMMUFD_UCMD_H

#include <linux/minmax.h>
#include <linux/uaccess.h>
#include "ctx.h"

/**
 * struct iommufd_ucmd - a running call
 * @ictx: context
 * @ubuffer: the caller's structure
 * @user_size: bytes of it that the caller knows
 * @cmd: kernel copy of it, of the full size that this kernel knows
 */
struct iommufd_ucmd {
	struct iommufd_ctx *ictx;
	void __user *ubuffer;
	u32 user_size;
	void *cmd;
};

static inline int iommufd_refuse_reply(const struct iommufd_ucmd *ucmd)
{
	return iommufd_refuse(&ucmd->ictx->log, -EFAULT, WHY_FAULT,
			      "the result cannot be written to the caller's structure");
}

/**
 * iommufd_ucmd_reply - copy the structure back as far as the caller knows it
 * @ucmd: the call
 * @size: size of the kernel's structure
 *
 * Context: may fault; hold nothing that another caller could wait for.
 * Return: 0; -EFAULT with the reason noted.
 */
static inline int iommufd_ucmd_reply(const struct iommufd_ucmd *ucmd, size_t size)
{
	if (copy_to_user(ucmd->ubuffer, ucmd->cmd,
			 min_t(size_t, ucmd->user_size, size)))
		return iommufd_refuse_reply(ucmd);
	return 0;
}

/*
 * The same for a call whose only result is one member, which even the oldest caller has;
 * @type is of the structure.
 */
#define iommufd_ucmd_reply_member(ucmd, type, member)                          \
	(put_user(((type *)(ucmd)->cmd)->member,                               \
		  &((type __user *)(ucmd)->ubuffer)->member) ?                 \
		 iommufd_refuse_reply(ucmd) : 0)

/* For a flag or a reserved member that this kernel does not know. */
static inline int iommufd_refuse_unknown(const struct iommufd_ucmd *ucmd,
					 const char *what, u64 value)
{
	return iommufd_refuse(&ucmd->ictx->log, -EOPNOTSUPP, WHY_BAD_FLAGS,
			      "%s is 0x%llx, which this kernel does not know",
			      what, value);
}

/* ioas.c */
int iommufd_call_ioas_alloc(struct iommufd_ucmd *ucmd);
int iommufd_call_ioas_iova_ranges(struct iommufd_ucmd *ucmd);
int iommufd_call_ioas_allow_iovas(struct iommufd_ucmd *ucmd);
/* ioas_map.c */
int iommufd_call_ioas_map(struct iommufd_ucmd *ucmd);
int iommufd_call_ioas_map_file(struct iommufd_ucmd *ucmd);
int iommufd_call_ioas_copy(struct iommufd_ucmd *ucmd);
int iommufd_call_ioas_unmap(struct iommufd_ucmd *ucmd);
int iommufd_call_ioas_noiommu_get_pa(struct iommufd_ucmd *ucmd);
/* container.c */
int iommufd_call_vfio_ioas(struct iommufd_ucmd *ucmd);
/* option.c */
int iommufd_call_option(struct iommufd_ucmd *ucmd);
/* change_process.c */
int iommufd_call_ioas_change_process(struct iommufd_ucmd *ucmd);
/* hwpt_alloc.c */
int iommufd_call_hwpt_alloc(struct iommufd_ucmd *ucmd);
/* hwpt_invalidate.c */
int iommufd_call_hwpt_invalidate(struct iommufd_ucmd *ucmd);
/* fault_file.c */
int iommufd_call_fault_alloc(struct iommufd_ucmd *ucmd);
/* veventq.c */
int iommufd_call_veventq_alloc(struct iommufd_ucmd *ucmd);
/* viommu.c */
int iommufd_call_viommu_alloc(struct iommufd_ucmd *ucmd);
/* vdevice.c */
int iommufd_call_vdevice_alloc(struct iommufd_ucmd *ucmd);
/* hw_queue.c */
int iommufd_call_hw_queue_alloc(struct iommufd_ucmd *ucmd);
/* hw_info.c */
int iommufd_call_get_hw_info(struct iommufd_ucmd *ucmd);
/* hwpt_dirty.c */
int iommufd_call_hwpt_set_dirty_tracking(struct iommufd_ucmd *ucmd);
int iommufd_call_hwpt_get_dirty_bitmap(struct iommufd_ucmd *ucmd);
#endif
