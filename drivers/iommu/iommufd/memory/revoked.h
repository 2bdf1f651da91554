/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Memory that is away and the ways in which it comes back, for revocable.c and the
 * origins.
 */
#ifndef __IOMMUFD_MEMORY_REVOKED_H
#define __IOMMUFD_MEMORY_REVOKED_H

#include <linux/types.h>

struct iommufd_revocable;

int iommufd_revoked_register(struct iommufd_revocable *rev);
void iommufd_revoked_unregister(struct iommufd_revocable *rev);
void iommufd_revoked_set_locked(struct iommufd_revocable *rev, bool waiting);
void iommufd_revoked_retry_locked(struct iommufd_revocable *rev,
				  unsigned int patience);

#endif
