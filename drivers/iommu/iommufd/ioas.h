/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The IOAS object: an I/O page table with an ID, and the HWPTs that show it.
 */
#ifndef __IOMMUFD_IOAS_H
#define __IOMMUFD_IOAS_H

#include <linux/mutex.h>
#include "ctx.h"
#include "pgtable/iopt.h"

/**
 * struct iommufd_ioas - an I/O address space
 * @obj: ID and lifetime
 * @ictx: context
 * @iopt: the page table
 * @mutex: protects @hwpts; held while a device is attached automatically, so that two
 *	   attaches do not make two HWPTs.  Outside &iommufd_group.lock
 * @hwpts: &struct iommufd_hwpt_paging, in the order they were made
 */
struct iommufd_ioas {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct iommufd_iopt iopt;
	struct mutex mutex; /* list of HWPTs */
	struct list_head hwpts;
};

/* Short reference; ERR_PTR(-ENOENT) with a reason.  Give back by iommufd_object_put(). */
struct iommufd_ioas *iommufd_ioas_get(struct iommufd_ctx *ictx, u32 id);
#endif
