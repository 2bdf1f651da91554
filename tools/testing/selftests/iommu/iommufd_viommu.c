// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the calls around vIOMMUs and nested tables refuse. A machine whose IOMMU offers
 * nesting, or the mock driver, is needed for what they do.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define VIOMMU_MIN	24u	/* bytes, before data came */

FIXTURE(viommu)
{
	struct st_env env;	/* with a device that is bound, not attached */
	__u32 table;		/* of the IOAS, no parent */
	int fd;
};

FIXTURE_SETUP(viommu)
{
	struct iommu_hwpt_alloc alloc = { .size = sizeof(alloc) };
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
	alloc.dev_id = self->env.dev.id;
	alloc.pt_id = self->env.ioas;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &alloc));
	self->table = alloc.out_hwpt_id;
}

FIXTURE_TEARDOWN(viommu)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

TEST_F(viommu, alloc_refused)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
		.dev_id = self->env.dev.id,
		.hwpt_id = self->table,
	};
	struct iommu_viommu_alloc bad = cmd;

	bad.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_VIOMMU_ALLOC, &bad));
	bad = cmd;
	bad.type = IOMMU_VIOMMU_TYPE_DEFAULT;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_VIOMMU_ALLOC, &bad));
	bad = cmd;
	bad.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_VIOMMU_ALLOC, &bad));
	bad = cmd;
	bad.dev_id = self->env.ioas;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_VIOMMU_ALLOC, &bad));
	bad = cmd;
	bad.type = 0x7fffffff;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_VIOMMU_ALLOC, &bad));
	bad = cmd;
	bad.size = VIOMMU_MIN - 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_VIOMMU_ALLOC, &bad));
}

TEST_F(viommu, nothing_without_a_viommu)
{
	struct iommu_vdevice_alloc vdevice = {
		.size = sizeof(vdevice),
		.viommu_id = self->table,
		.dev_id = self->env.dev.id,
	};
	struct iommu_hw_queue_alloc queue = {
		.size = sizeof(queue),
		.viommu_id = self->table,
		.type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
		.length = st_page,
	};

	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_VDEVICE_ALLOC, &vdevice));
	vdevice.viommu_id = ST_NO_ID;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_VDEVICE_ALLOC, &vdevice));

	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, &queue));
	queue.length = 0;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, &queue));
	queue.length = ST_MAX;
	queue.nesting_parent_iova = st_page;
	EXPECT_EQ(-EOVERFLOW, st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, &queue));
	queue.length = st_page;
	queue.type = IOMMU_HW_QUEUE_TYPE_DEFAULT;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, &queue));
	queue.type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV;
	queue.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, &queue));
}

/* The number of entries that were done is written whatever happens. */
static int invalidate(int fd, const struct iommu_hwpt_invalidate *cmd, __u32 *done)
{
	struct iommu_hwpt_invalidate copy = *cmd;
	int rc = st_call(fd, IOMMU_HWPT_INVALIDATE, &copy);

	*done = copy.entry_num;
	return rc;
}

TEST_F(viommu, invalidate_refused)
{
	struct iommu_hwpt_vtd_s1_invalidate entry = {};
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = self->table,
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		.entry_len = sizeof(entry),
		.entry_num = 1,
	};
	struct iommu_hwpt_invalidate bad = cmd;
	__u32 done;

	/* The kernel keeps this table itself. */
	EXPECT_EQ(-EINVAL, invalidate(self->fd, &bad, &done));
	EXPECT_EQ(0, done);
	bad.hwpt_id = ST_NO_ID;
	EXPECT_EQ(-ENOENT, invalidate(self->fd, &bad, &done));
	EXPECT_EQ(0, done);
	bad = cmd;
	bad.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, invalidate(self->fd, &bad, &done));
	EXPECT_EQ(0, done);

	/* These come before the ID is looked at. */
	bad = cmd;
	bad.hwpt_id = ST_NO_ID;
	bad.data_uptr = 0;
	EXPECT_EQ(-EINVAL, invalidate(self->fd, &bad, &done));
	bad.data_uptr = cmd.data_uptr;
	bad.entry_len = 0;
	EXPECT_EQ(-EINVAL, invalidate(self->fd, &bad, &done));
	bad.entry_len = st_page + 1;
	EXPECT_EQ(-EINVAL, invalidate(self->fd, &bad, &done));
	bad.entry_len = sizeof(entry);
	bad.entry_num = (1u << 19) + 1;
	EXPECT_EQ(-EINVAL, invalidate(self->fd, &bad, &done));
	EXPECT_EQ(0, done);

	/* No entries: only the ID is left to be wrong. */
	bad.entry_num = 0;
	bad.entry_len = 0;
	bad.data_uptr = 0;
	EXPECT_EQ(-ENOENT, invalidate(self->fd, &bad, &done));
}

TEST_HARNESS_MAIN
