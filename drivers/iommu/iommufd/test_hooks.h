/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What test builds can turn on in the lower rooms.  The selftest defines these;
 * without CONFIG_IOMMUFD_TEST they are constants and cost nothing.
 */
#ifndef __IOMMUFD_TEST_HOOKS_H
#define __IOMMUFD_TEST_HOOKS_H

#include <linux/types.h>

#ifdef CONFIG_IOMMUFD_TEST
/* Largest temporary allocation in bytes. */
extern unsigned long iommufd_test_memory_limit;

/* Shall this step fail now?  (fail_iommufd in debugfs) */
bool iommufd_should_fail(void);
#else
#define iommufd_test_memory_limit ULONG_MAX

static inline bool iommufd_should_fail(void)
{
	return false;
}
#endif
#endif
