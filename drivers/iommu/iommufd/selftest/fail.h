/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Fault injection into iommufd.
 */
#ifndef __IOMMUFD_SELFTEST_FAIL_H
#define __IOMMUFD_SELFTEST_FAIL_H

void iommufd_test_fail_init(void);
void iommufd_test_fail_exit(void);
#endif
