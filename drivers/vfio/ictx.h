/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reference on an iommufd that goes with its scope.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_ICTX_H
#define VFIO_ICTX_H

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/iommufd.h>

static inline void vfio_ictx_put(struct iommufd_ctx *ictx)
{
	if (!IS_ERR_OR_NULL(ictx))
		iommufd_ctx_put(ictx);
}

DEFINE_FREE(vfio_ictx, struct iommufd_ctx *, vfio_ictx_put(_T))

#endif /* VFIO_ICTX_H */
