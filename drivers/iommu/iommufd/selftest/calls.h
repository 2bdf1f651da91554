/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What IOMMU_TEST_CMD can do, one function for each operation.  They get the call with
 * &struct iommu_test_cmd as ucmd->cmd, write it back if it has results, and return 0 or
 * what the call shall return.
 */
#ifndef __IOMMUFD_SELFTEST_CALLS_H
#define __IOMMUFD_SELFTEST_CALLS_H

#include "../iommufd_test.h"
#include "../ucmd.h"

static inline int test_reply(const struct iommufd_ucmd *ucmd)
{
	return iommufd_ucmd_reply(ucmd, sizeof(struct iommu_test_cmd));
}

/* device.c */
int test_mock_domain(struct iommufd_ucmd *ucmd);
int test_mock_domain_flags(struct iommufd_ucmd *ucmd);
int test_mock_domain_replace(struct iommufd_ucmd *ucmd);
int test_pasid_attach(struct iommufd_ucmd *ucmd);
int test_pasid_replace(struct iommufd_ucmd *ucmd);
int test_pasid_detach(struct iommufd_ucmd *ucmd);
int test_pasid_check_hwpt(struct iommufd_ucmd *ucmd);
int test_trigger_iopf(struct iommufd_ucmd *ucmd);
int test_trigger_vevent(struct iommufd_ucmd *ucmd);
int test_check_cache(struct iommufd_ucmd *ucmd);

/* domain.c */
int test_check_map(struct iommufd_ucmd *ucmd);
int test_check_refs(struct iommufd_ucmd *ucmd);
int test_check_iotlb(struct iommufd_ucmd *ucmd);
int test_dirty(struct iommufd_ucmd *ucmd);

/* access.c */
int test_create_access(struct iommufd_ucmd *ucmd);
int test_access_replace_ioas(struct iommufd_ucmd *ucmd);
int test_access_pages(struct iommufd_ucmd *ucmd);
int test_destroy_access_pages(struct iommufd_ucmd *ucmd);
int test_access_rw(struct iommufd_ucmd *ucmd);

/* dmabuf.c */
int test_dmabuf_get(struct iommufd_ucmd *ucmd);
int test_dmabuf_revoke(struct iommufd_ucmd *ucmd);
#endif
