/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * How the pages of a process are pinned; for backing_user.c.
 */
#ifndef __IOMMUFD_MEMORY_USER_PIN_H
#define __IOMMUFD_MEMORY_USER_PIN_H

struct iommufd_backing;
struct iommufd_log;
struct pfn_runs;

int iommufd_user_pin(struct iommufd_backing *backing, unsigned long first,
		     unsigned long npages, struct pfn_runs *runs,
		     struct iommufd_log *log);

#endif
