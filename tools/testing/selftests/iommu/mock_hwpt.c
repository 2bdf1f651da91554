// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Nested page tables and PASIDs, on the mock IOMMU: what goes together, what a refused
 * replace leaves, and invalidation.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define PASID	77u
#define FAILING	IOMMU_TEST_PASID_RESERVED

FIXTURE(mock)
{
	struct st_env env;
	struct st_mock dev;	/* on an automatic table, with PASIDs */
	__u32 parent;
	int fd;
};

FIXTURE_SETUP(mock)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->fd = self->env.iommufd;
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, MOCK_FLAGS_DEVICE_PASID, &self->dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT, &self->parent));
}

FIXTURE_TEARDOWN(mock)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static struct iommu_hwpt_alloc nested_request(struct _test_data_mock *self,
					      struct iommu_hwpt_selftest *data)
{
	return (struct iommu_hwpt_alloc) {
		.size = sizeof(struct iommu_hwpt_alloc),
		.dev_id = self->dev.id,
		.pt_id = self->parent,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(*data),
		.data_uptr = (uintptr_t)data,
	};
}

TEST_F(mock, nested_refused)
{
	struct iommu_hwpt_selftest data = {};
	const struct iommu_hwpt_alloc good = nested_request(self, &data);
	struct iommu_hwpt_alloc bad = good;
	__u32 plain;

	/* Only page requests and PASIDs can be asked for. */
	bad.flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &bad));
	bad.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &bad));
	bad = good;
	bad.data_type = IOMMU_HWPT_DATA_NONE;
	bad.data_len = 0;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &bad));

	/* What the driver thinks of the data. */
	bad = good;
	bad.data_type = IOMMU_HWPT_DATA_VTD_S1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &bad));
	EXPECT_TRUE(st_told(self->fd, "HWPT_ALLOC", EOPNOTSUPP, "driver", 0));
	bad = good;
	bad.data_len = 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_ALLOC, &bad));
	bad = good;
	bad.data_uptr = 0;
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_HWPT_ALLOC, &bad));

	/* Tables that are no parents. */
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas, 0, &plain));
	bad = good;
	bad.pt_id = plain;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_ALLOC, &bad));
	EXPECT_TRUE(st_told(self->fd, "HWPT_ALLOC", EINVAL, "bad-argument", plain));
	bad.pt_id = self->dev.hwpt;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_ALLOC, &bad));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->parent));
}

TEST_F(mock, nested_copy_out_fails)
{
	struct iommu_hwpt_alloc *cmd = st_memory(st_page);
	struct iommu_hwpt_selftest data = {};

	*cmd = nested_request(self, &data);
	mprotect(cmd, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_HWPT_ALLOC, cmd));
	munmap(cmd, st_page);
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->parent));
}

TEST_F(mock, nested_life)
{
	__u32 nested, other;

	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, self->parent, 0, 0, &nested));
	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, self->parent, 0, 0, &other));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "hwpt-nested:\tid=%u parent=%u viommu=none users=0",
				    nested, self->parent));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->parent));

	/* Attached by a replace; the automatic table goes. */
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, nested));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->fd, self->dev.hwpt));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, nested));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, other));
	EXPECT_EQ(0, iommufd_destroy(self->fd, nested));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, self->parent));
	EXPECT_EQ(0, iommufd_destroy(self->fd, other));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->parent));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, self->env.ioas));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->parent));
}

/* What is mapped while a nested table is in use arrives in the parent. */
TEST_F(mock, parent_shows_the_ioas)
{
	unsigned char *before = st_memory(st_page), *after = st_memory(st_page);
	__u32 nested;

	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, before, st_page, ST_IOVA));
	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, self->parent, 0, 0, &nested));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, nested));
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, after, st_page, 2 * ST_IOVA));
	EXPECT_EQ(0, st_mock_shows(self->fd, self->parent, ST_IOVA, before, st_page));
	EXPECT_EQ(0, st_mock_shows(self->fd, self->parent, 2 * ST_IOVA, after, st_page));
	ASSERT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, st_page));
	EXPECT_EQ(-EINVAL, st_mock_shows(self->fd, self->parent, ST_IOVA, before, st_page));
}

static int invalidate(int fd, __u32 id, const struct iommu_hwpt_invalidate_selftest *entries,
		      __u32 *count)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.data_uptr = (uintptr_t)entries,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(*entries),
		.entry_num = *count,
	};
	int rc = st_call(fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*count = cmd.entry_num;
	return rc;
}

TEST_F(mock, invalidate_counts)
{
	struct iommu_hwpt_invalidate_selftest entries[3] = {
		{ .iotlb_id = 0 },
		{ .flags = 4 },
		{ .iotlb_id = 2 },
	};
	__u32 nested, count = 3, i;

	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, self->parent, 0, 0, &nested));
	for (i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, i, IOMMU_TEST_IOTLB_DEFAULT));

	/* The second one is bad: one was done, and is told. */
	EXPECT_EQ(-EOPNOTSUPP, invalidate(self->fd, nested, entries, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 0, 0));
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 2, IOMMU_TEST_IOTLB_DEFAULT));
	entries[1].flags = 0;
	entries[1].iotlb_id = MOCK_NESTED_DOMAIN_IOTLB_ID_MAX + 1;
	count = 3;
	EXPECT_EQ(-EINVAL, invalidate(self->fd, nested, entries, &count));
	EXPECT_EQ(1, count);
	entries[1].iotlb_id = 3;
	count = 3;
	EXPECT_EQ(0, invalidate(self->fd, nested, entries, &count));
	EXPECT_EQ(3, count);
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 2, 0));
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 3, 0));
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 1, IOMMU_TEST_IOTLB_DEFAULT));

	/* Nothing to do, and nothing to read. */
	count = 0;
	EXPECT_EQ(0, invalidate(self->fd, nested, NULL, &count));
	/* The parent is the kernel's own. */
	count = 3;
	EXPECT_EQ(-EINVAL, invalidate(self->fd, self->parent, entries, &count));
	EXPECT_EQ(0, count);
}

/* More entries than a driver is given at once. */
TEST_F(mock, invalidate_many)
{
	struct iommu_hwpt_invalidate_selftest *entries = st_memory(5000 * sizeof(*entries));
	const __u32 bad = 4500;
	__u32 nested, count = 5000;

	ASSERT_NE(NULL, entries);
	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, self->parent, 0, 0, &nested));
	entries[bad].flags = 4;
	EXPECT_EQ(-EOPNOTSUPP, invalidate(self->fd, nested, entries, &count));
	EXPECT_EQ(bad, count);
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 1, IOMMU_TEST_IOTLB_DEFAULT));
	entries[bad].flags = 0;
	entries[bad].iotlb_id = 1;
	count = 5000;
	EXPECT_EQ(0, invalidate(self->fd, nested, entries, &count));
	EXPECT_EQ(5000, count);
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 1, 0));
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 2, IOMMU_TEST_IOTLB_DEFAULT));
	munmap(entries, 5000 * sizeof(*entries));
}

/* The count is told even if the caller cannot be told of success. */
TEST_F(mock, invalidate_copy_out_fails)
{
	struct iommu_hwpt_invalidate_selftest all = { .flags = IOMMU_TEST_INVALIDATE_FLAG_ALL };
	struct iommu_hwpt_invalidate *cmd = st_memory(st_page);
	__u32 nested;

	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, self->parent, 0, 0, &nested));
	*cmd = (struct iommu_hwpt_invalidate) {
		.size = sizeof(*cmd),
		.hwpt_id = nested,
		.data_uptr = (uintptr_t)&all,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(all),
		.entry_num = 1,
	};
	mprotect(cmd, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_HWPT_INVALIDATE, cmd));
	EXPECT_EQ(0, st_mock_iotlb_is(self->fd, nested, 1, 0));
	munmap(cmd, st_page);
}

/* A device that cannot track dirty pages does not come to a table that does. */
TEST_F(mock, replace_refused_by_the_driver)
{
	struct st_mock plain;
	__u32 dirty, none;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &dirty));
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &plain));
	EXPECT_EQ(-EINVAL, st_mock_replace(self->fd, &plain, dirty));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "attach:\tdevice=%u pasid=none hwpt=%u", plain.id,
				    plain.hwpt));
	EXPECT_EQ(-EOPNOTSUPP, st_mock_hwpt(self->fd, &plain, self->env.ioas,
					    IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &none));
	EXPECT_EQ(0, st_mock_replace(self->fd, &self->dev, dirty));
}

/* The core would say 0 and do nothing. */
TEST_F(mock, pasid_of_a_device_without)
{
	struct st_mock plain;
	__u32 table;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_PASID, &table));
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &plain));
	ASSERT_EQ(0, st_mock_replace(self->fd, &plain, table));
	EXPECT_EQ(-EINVAL, st_mock_pasid_attach(self->fd, &plain, PASID, table));
	EXPECT_EQ(-EINVAL, st_mock_pasid_attach(self->fd, &plain, 1, table));
}

TEST_F(mock, pasid_needs_its_tables)
{
	__u32 plain, table;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas, 0, &plain));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_PASID, &table));

	/* The device's own table is not of the kind, then the PASID's is not. */
	EXPECT_EQ(-EINVAL, st_mock_pasid_attach(self->fd, &self->dev, PASID, table));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, table));
	EXPECT_EQ(-EINVAL, st_mock_pasid_attach(self->fd, &self->dev, PASID, plain));
	EXPECT_EQ(-EINVAL, st_mock_pasid_attach(self->fd, &self->dev, PASID, self->env.ioas));
	EXPECT_EQ(-ENOENT, st_mock_pasid_attach(self->fd, &self->dev, PASID, ST_NO_ID));
	EXPECT_EQ(0, st_mock_pasid_is_at(self->fd, &self->dev, PASID, 0));
	ASSERT_EQ(0, st_mock_pasid_attach(self->fd, &self->dev, PASID, table));
	EXPECT_EQ(0, st_mock_pasid_is_at(self->fd, &self->dev, PASID, table));

	/* Now the device cannot leave for another kind either. */
	EXPECT_EQ(-EINVAL, st_mock_replace(self->fd, &self->dev, plain));
	EXPECT_EQ(-EINVAL, st_mock_replace(self->fd, &self->dev, self->env.ioas));
	EXPECT_EQ(-EINVAL, st_mock_pasid_replace(self->fd, &self->dev, PASID, plain));
	EXPECT_EQ(0, st_mock_pasid_is_at(self->fd, &self->dev, PASID, table));
	ASSERT_EQ(0, st_mock_pasid_detach(self->fd, &self->dev, PASID));
	EXPECT_EQ(0, st_mock_replace(self->fd, &self->dev, plain));
}

TEST_F(mock, pasid_limits)
{
	__u32 table;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_PASID, &table));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, table));
	EXPECT_EQ(-EINVAL, st_mock_pasid_attach(self->fd, &self->dev, 1u << MOCK_PASID_WIDTH,
						table));
	ASSERT_EQ(0, st_mock_pasid_attach(self->fd, &self->dev, (1u << MOCK_PASID_WIDTH) - 1,
					  table));
	ASSERT_EQ(0, st_mock_pasid_attach(self->fd, &self->dev, PASID, table));
	EXPECT_EQ(-EBUSY, st_mock_pasid_attach(self->fd, &self->dev, PASID, table));
	EXPECT_EQ(-EINVAL, st_mock_pasid_replace(self->fd, &self->dev, PASID + 1, table));
	EXPECT_EQ(0, st_mock_pasid_replace(self->fd, &self->dev, PASID, table));

	/* Nothing there: nothing is said. The table is held once for each. */
	EXPECT_EQ(0, st_mock_pasid_detach(self->fd, &self->dev, PASID + 1));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "hwpt:\tid=%u ioas=%u auto=0 coherency=0 users=3",
				    table, self->env.ioas));
	EXPECT_EQ(0, st_mock_pasid_detach(self->fd, &self->dev, PASID));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, table));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->dev.driver));
	EXPECT_EQ(0, iommufd_destroy(self->fd, table));
}

/* The driver fails in the middle of a replace. */
TEST_F(mock, pasid_replace_fails)
{
	__u32 one, two;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_PASID, &one));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_PASID, &two));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, one));
	ASSERT_EQ(0, st_mock_pasid_attach(self->fd, &self->dev, FAILING, one));
	EXPECT_EQ(-ENOMEM, st_mock_pasid_replace(self->fd, &self->dev, FAILING, two));
	EXPECT_EQ(0, st_mock_pasid_is_at(self->fd, &self->dev, FAILING, one));
	EXPECT_EQ(0, iommufd_destroy(self->fd, two));
	EXPECT_EQ(0, st_mock_pasid_detach(self->fd, &self->dev, FAILING));
}

/* Nested tables for PASIDs, over one parent. */
TEST_F(mock, pasid_nested)
{
	__u32 parent, nested, plain;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID,
				  &parent));
	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, parent, IOMMU_HWPT_ALLOC_PASID, 0,
				    &nested));
	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, parent, 0, 0, &plain));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, nested));
	EXPECT_EQ(-EINVAL, st_mock_pasid_attach(self->fd, &self->dev, PASID, plain));
	ASSERT_EQ(0, st_mock_pasid_attach(self->fd, &self->dev, PASID, nested));
	EXPECT_EQ(0, st_mock_pasid_replace(self->fd, &self->dev, PASID, parent));
	EXPECT_EQ(0, st_mock_pasid_is_at(self->fd, &self->dev, PASID, parent));
	EXPECT_EQ(-EINVAL, st_mock_replace(self->fd, &self->dev, plain));
}

/* What the driver says, in buffers of each size; and what the core adds. */
TEST_F(mock, hw_info)
{
	struct {
		struct iommu_test_hw_info info;
		__u32 more;
	} data;
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = self->dev.id,
		.data_uptr = (uintptr_t)&data,
	};
	struct st_mock plain;

	memset(&data, 0xff, sizeof(data));
	cmd.data_len = sizeof(data);
	/* Without its flag the type is not looked at. */
	cmd.in_data_type = IOMMU_HW_INFO_TYPE_INTEL_VTD;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
	EXPECT_EQ(sizeof(data.info), cmd.data_len);
	EXPECT_EQ(IOMMU_HW_INFO_SELFTEST_REGVAL, data.info.test_reg);
	EXPECT_EQ(0, data.info.flags);
	EXPECT_EQ(0, data.more);
	EXPECT_EQ(IOMMU_HW_CAP_DIRTY_TRACKING | IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED,
		  cmd.out_capabilities);
	EXPECT_EQ(MOCK_PASID_WIDTH, cmd.out_max_pasid_log2);

	/* As much as there is room for; the length is that of all. */
	memset(&data, 0xff, sizeof(data));
	cmd.data_len = sizeof(data.info.flags);
	cmd.dev_id = self->dev.id;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(sizeof(data.info), cmd.data_len);
	EXPECT_EQ(0, data.info.flags);
	EXPECT_EQ(0xffffffff, data.info.test_reg);
	cmd.data_len = 0;
	cmd.data_uptr = 0;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(sizeof(data.info), cmd.data_len);

	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &plain));
	cmd.dev_id = plain.id;
	cmd.data_len = 0;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, cmd.out_capabilities);
	EXPECT_EQ(0, cmd.out_max_pasid_log2);
}

TEST_HARNESS_MAIN
