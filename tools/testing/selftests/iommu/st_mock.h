/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Mock devices behind the mock IOMMU of kernels with CONFIG_IOMMUFD_TEST. The functions
 * return 0 or a negative errno.
 */
#ifndef ST_MOCK_H
#define ST_MOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

/* A mock device: as its driver, as it is bound, and the HWPT it was attached to. */
struct st_mock {
	__u32 driver;
	__u32 id;
	__u32 hwpt;
};

bool st_mock_is_there(void);
int st_mock_add(int fd, __u32 pt_id, __u32 flags, struct st_mock *mock);
int st_mock_replace(int fd, const struct st_mock *mock, __u32 pt_id);
int st_mock_pasid_attach(int fd, const struct st_mock *mock, __u32 pasid, __u32 pt_id);
int st_mock_pasid_replace(int fd, const struct st_mock *mock, __u32 pasid, __u32 pt_id);
int st_mock_pasid_detach(int fd, const struct st_mock *mock, __u32 pasid);
int st_mock_pasid_is_at(int fd, const struct st_mock *mock, __u32 pasid, __u32 hwpt);
int st_mock_page_request(int fd, const struct st_mock *mock, __u32 pasid, __u32 group,
			 __u64 addr);
int st_mock_page_requests(int fd, const struct st_mock *mock, __u32 pasid, __u32 group,
			  unsigned int count);
int st_mock_event(int fd, const struct st_mock *mock);
int st_mock_shows(int fd, __u32 hwpt, __u64 iova, const void *va, __u64 length);
int st_mock_iotlb_is(int fd, __u32 hwpt, __u32 entry, __u32 value);
int st_mock_cache_is(int fd, const struct st_mock *mock, __u32 entry, __u32 value);
int st_mock_writes(int fd, __u32 hwpt, __u64 iova, __u64 length, __u64 unit,
		   const void *bits);
int st_mock_mapped(int fd, __u32 hwpt, __u64 iova, unsigned int pages);

/* In-kernel accesses, which stand behind a descriptor of their own. */
int st_mock_access(int fd, __u32 ioas, __u32 flags);
int st_mock_pin(int fd, int access, __u64 iova, __u64 length, __u32 flags, __u32 *id);
int st_mock_unpin(int fd, int access, __u32 id);
int st_mock_rw(int fd, int access, __u64 iova, void *data, __u64 length, __u32 flags);
int st_mock_move(int fd, int access, __u32 ioas);

/* Data for the mock IOMMU's page tables goes with these; NULL for none. */
int st_mock_hwpt(int fd, const struct st_mock *mock, __u32 pt_id, __u32 flags, __u32 *id);
int st_mock_nested(int fd, const struct st_mock *mock, __u32 pt_id, __u32 flags,
		   __u32 fault_id, __u32 *id);
int st_mock_viommu(int fd, const struct st_mock *mock, __u32 parent,
		   struct iommu_viommu_selftest *data, __u32 *id);
int st_mock_vdevice(int fd, __u32 viommu, const struct st_mock *mock, __u64 number,
		    __u32 *id);
int st_mock_veventq(int fd, __u32 viommu, __u32 depth, __u32 *id);

int st_mock_reserve(int fd, __u32 ioas, __u64 start, __u64 length);

/* What IOMMU_HWPT_* tells of pages that a device has written. */
int st_mock_track(int fd, __u32 hwpt, __u32 flags);
int st_mock_dirty(int fd, __u32 hwpt, __u32 flags, __u64 iova, __u64 length, __u64 page,
		  void *bitmap);

/* A dma-buf of the selftest. */
int st_mock_dmabuf(int fd, __u32 length);
int st_mock_revoke(int fd, int dmabuf, bool revoked);
#endif
