// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Mock devices, and what is allocated for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_mock.h"

static int test_call(int fd, struct iommu_test_cmd *cmd, __u32 op, __u32 id)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return st_call(fd, IOMMU_TEST_CMD, cmd);
}

/* Does this kernel have the mock IOMMU? */
bool st_mock_is_there(void)
{
	struct iommu_test_cmd cmd = {};
	int fd = iommufd_open(), rc;

	if (fd < 0)
		return false;
	rc = test_call(fd, &cmd, IOMMU_TEST_OP_MOCK_DOMAIN, ST_NO_ID);
	close(fd);
	return rc != -ENOTTY;
}

/* Make a device, bind it and attach it. @flags: MOCK_FLAGS_DEVICE_*. */
int st_mock_add(int fd, __u32 pt_id, __u32 flags, struct st_mock *mock)
{
	struct iommu_test_cmd cmd = { .mock_domain_flags.dev_flags = flags };
	int rc = test_call(fd, &cmd, IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, pt_id);

	mock->driver = cmd.mock_domain_flags.out_stdev_id;
	mock->id = cmd.mock_domain_flags.out_idev_id;
	mock->hwpt = cmd.mock_domain_flags.out_hwpt_id;
	return rc;
}

int st_mock_replace(int fd, const struct st_mock *mock, __u32 pt_id)
{
	struct iommu_test_cmd cmd = { .mock_domain_replace.pt_id = pt_id };

	return test_call(fd, &cmd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, mock->driver);
}

int st_mock_pasid_attach(int fd, const struct st_mock *mock, __u32 pasid, __u32 pt_id)
{
	struct iommu_test_cmd cmd = {
		.pasid_attach = { .pasid = pasid, .pt_id = pt_id },
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_PASID_ATTACH, mock->driver);
}

int st_mock_pasid_replace(int fd, const struct st_mock *mock, __u32 pasid, __u32 pt_id)
{
	struct iommu_test_cmd cmd = {
		.pasid_replace = { .pasid = pasid, .pt_id = pt_id },
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_PASID_REPLACE, mock->driver);
}

int st_mock_pasid_detach(int fd, const struct st_mock *mock, __u32 pasid)
{
	struct iommu_test_cmd cmd = { .pasid_detach.pasid = pasid };

	return test_call(fd, &cmd, IOMMU_TEST_OP_PASID_DETACH, mock->driver);
}

/* @hwpt 0: to nothing. -EINVAL if not. */
int st_mock_pasid_is_at(int fd, const struct st_mock *mock, __u32 pasid, __u32 hwpt)
{
	struct iommu_test_cmd cmd = {
		.pasid_check = { .pasid = pasid, .hwpt_id = hwpt },
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_PASID_CHECK_HWPT, mock->driver);
}

static int page_request(int fd, const struct st_mock *mock, __u32 pasid, __u32 group,
			__u64 addr, bool more)
{
	struct iommu_test_cmd cmd = {
		.trigger_iopf = {
			.dev_id = mock->id,
			.pasid = pasid,
			.grpid = group,
			.perm = IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE,
			.addr = addr,
			.more = more,
		},
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_TRIGGER_IOPF, 0);
}

/* One that completes its group; @pasid 0: none. */
int st_mock_page_request(int fd, const struct st_mock *mock, __u32 pasid, __u32 group,
			 __u64 addr)
{
	return page_request(fd, mock, pasid, group, addr, false);
}

/* A group of @count, for one page after the other. */
int st_mock_page_requests(int fd, const struct st_mock *mock, __u32 pasid, __u32 group,
			  unsigned int count)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < count; i++)
		rc = page_request(fd, mock, pasid, group, i * st_page, i + 1 < count);
	return rc;
}

int st_mock_event(int fd, const struct st_mock *mock)
{
	struct iommu_test_cmd cmd = { .trigger_vevent.dev_id = mock->id };

	return test_call(fd, &cmd, IOMMU_TEST_OP_TRIGGER_VEVENT, 0);
}

int st_mock_shows(int fd, __u32 hwpt, __u64 iova, const void *va, __u64 length)
{
	struct iommu_test_cmd cmd = {
		.check_map = {
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)va,
		},
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_MD_CHECK_MAP, hwpt);
}

int st_mock_iotlb_is(int fd, __u32 hwpt, __u32 entry, __u32 value)
{
	struct iommu_test_cmd cmd = {
		.check_iotlb = { .id = entry, .iotlb = value },
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_MD_CHECK_IOTLB, hwpt);
}

int st_mock_cache_is(int fd, const struct st_mock *mock, __u32 entry, __u32 value)
{
	struct iommu_test_cmd cmd = {
		.check_dev_cache = { .id = entry, .cache = value },
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_DEV_CHECK_CACHE, mock->id);
}

int st_mock_hwpt(int fd, const struct st_mock *mock, __u32 pt_id, __u32 flags, __u32 *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = mock->id,
		.pt_id = pt_id,
	};
	int rc = st_call(fd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

/* A device writes where a bit is set that stands for @unit bytes. */
int st_mock_writes(int fd, __u32 hwpt, __u64 iova, __u64 length, __u64 unit,
		   const void *bits)
{
	struct iommu_test_cmd cmd = {
		.dirty.iova = iova,
		.dirty.length = length,
		.dirty.page_size = unit,
		.dirty.uptr = (uintptr_t)bits,
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_DIRTY, hwpt);
}

/* How many of some pages, at most 64, does a table that tracks show?  All are written. */
int st_mock_mapped(int fd, __u32 hwpt, __u64 iova, unsigned int pages)
{
	static const __u64 all = ~0ull;
	struct iommu_test_cmd cmd = {
		.dirty.iova = iova,
		.dirty.length = pages * st_page,
		.dirty.page_size = st_page,
		.dirty.uptr = (uintptr_t)&all,
	};
	int rc = test_call(fd, &cmd, IOMMU_TEST_OP_DIRTY, hwpt);

	return rc ?: (int)cmd.dirty.out_nr_dirty;
}

/* Returns its descriptor. */
int st_mock_access(int fd, __u32 ioas, __u32 flags)
{
	struct iommu_test_cmd cmd = { .create_access.flags = flags };
	int rc = test_call(fd, &cmd, IOMMU_TEST_OP_CREATE_ACCESS, ioas);

	return rc ?: (int)cmd.create_access.out_access_fd;
}

int st_mock_pin(int fd, int access, __u64 iova, __u64 length, __u32 flags, __u32 *id)
{
	struct iommu_test_cmd cmd = {
		.access_pages.flags = flags,
		.access_pages.iova = iova,
		.access_pages.length = length,
	};
	int rc = test_call(fd, &cmd, IOMMU_TEST_OP_ACCESS_PAGES, access);

	*id = cmd.access_pages.out_access_pages_id;
	return rc;
}

int st_mock_unpin(int fd, int access, __u32 id)
{
	struct iommu_test_cmd cmd = { .destroy_access_pages.access_pages_id = id };

	return test_call(fd, &cmd, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, access);
}

int st_mock_rw(int fd, int access, __u64 iova, void *data, __u64 length, __u32 flags)
{
	struct iommu_test_cmd cmd = {
		.access_rw.iova = iova,
		.access_rw.length = length,
		.access_rw.uptr = (uintptr_t)data,
		.access_rw.flags = flags,
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_ACCESS_RW, access);
}

/* Its IOTLB begins with the default value. @pt_id: parent or vIOMMU. */
int st_mock_nested(int fd, const struct st_mock *mock, __u32 pt_id, __u32 flags,
		   __u32 fault_id, __u32 *id)
{
	struct iommu_hwpt_selftest data = { .iotlb = IOMMU_TEST_IOTLB_DEFAULT };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = mock->id,
		.pt_id = pt_id,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
		.fault_id = fault_id,
	};
	int rc = st_call(fd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

int st_mock_viommu(int fd, const struct st_mock *mock, __u32 parent,
		   struct iommu_viommu_selftest *data, __u32 *id)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = mock->id,
		.hwpt_id = parent,
		.data_len = data ? sizeof(*data) : 0,
		.data_uptr = (uintptr_t)data,
	};
	int rc = st_call(fd, IOMMU_VIOMMU_ALLOC, &cmd);

	*id = cmd.out_viommu_id;
	return rc;
}

int st_mock_vdevice(int fd, __u32 viommu, const struct st_mock *mock, __u64 number,
		    __u32 *id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = viommu,
		.dev_id = mock->id,
		.virt_id = number,
	};
	int rc = st_call(fd, IOMMU_VDEVICE_ALLOC, &cmd);

	*id = cmd.out_vdevice_id;
	return rc;
}

/* Returns the descriptor. */
int st_mock_veventq(int fd, __u32 viommu, __u32 depth, __u32 *id)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = viommu,
		.type = IOMMU_VEVENTQ_TYPE_SELFTEST,
		.veventq_depth = depth,
	};
	int rc = st_call(fd, IOMMU_VEVENTQ_ALLOC, &cmd);

	*id = cmd.out_veventq_id;
	return rc ?: (int)cmd.out_veventq_fd;
}

int st_mock_track(int fd, __u32 hwpt, __u32 flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.hwpt_id = hwpt,
	};

	return st_call(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

int st_mock_dirty(int fd, __u32 hwpt, __u32 flags, __u64 iova, __u64 length, __u64 page,
		  void *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = flags,
		.iova = iova,
		.length = length,
		.page_size = page,
		.data = (uintptr_t)bitmap,
	};

	return st_call(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

int st_mock_reserve(int fd, __u32 ioas, __u64 start, __u64 length)
{
	struct iommu_test_cmd cmd = { .add_reserved = { .start = start, .length = length } };

	return test_call(fd, &cmd, IOMMU_TEST_OP_ADD_RESERVED, ioas);
}

/* Returns the descriptor. */
int st_mock_dmabuf(int fd, __u32 length)
{
	struct iommu_test_cmd cmd = {
		.dmabuf_get = { .length = length, .open_flags = O_CLOEXEC },
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_DMABUF_GET, 0);
}

int st_mock_revoke(int fd, int dmabuf, bool revoked)
{
	struct iommu_test_cmd cmd = {
		.dmabuf_revoke = { .dmabuf_fd = dmabuf, .revoked = revoked },
	};

	return test_call(fd, &cmd, IOMMU_TEST_OP_DMABUF_REVOKE, 0);
}

int st_mock_move(int fd, int access, __u32 ioas)
{
	struct iommu_test_cmd cmd = { .access_replace_ioas.ioas_id = ioas };

	return test_call(fd, &cmd, IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, access);
}
