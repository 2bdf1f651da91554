/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The IOMMU's fault reports in the kernel log.
 */
#ifndef KLOG_H
#define KLOG_H

#include <stddef.h>

#include <linux/types.h>

int klog_open(void);
int klog_wait_fault(int fd, const char *bdf, __u64 iova, char *line, size_t size);

#endif
