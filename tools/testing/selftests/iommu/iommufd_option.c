// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_OPTION, IOMMU_VFIO_IOAS and IOMMU_IOAS_NOIOMMU_GET_PA.
 */
#include <errno.h>
#include <unistd.h>

#include <linux/capability.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(option)
{
	struct st_env env;
	int bare;	/* an iommufd without any object */
};

FIXTURE_SETUP(option)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	self->bare = iommufd_open();
	ASSERT_LE(0, self->bare);
}

FIXTURE_TEARDOWN(option)
{
	close(self->bare);
	EXPECT_EQ(0, st_env_close(&self->env));
}

TEST_F(option, unknown)
{
	struct iommu_option cmd = { .size = sizeof(cmd), .op = IOMMU_OPTION_OP_GET };

	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->bare, IOMMU_OPTION, &cmd));
	cmd.__reserved = 0;
	cmd.op = 2;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->bare, IOMMU_OPTION, &cmd));
	cmd.op = 0xffff;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->bare, IOMMU_OPTION, &cmd));
	cmd.op = IOMMU_OPTION_OP_GET;
	cmd.option_id = 2;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->bare, IOMMU_OPTION, &cmd));
	cmd.option_id = 0xffffffff;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->bare, IOMMU_OPTION, &cmd));

	/* An unknown direction of the option that has an object. */
	cmd = (struct iommu_option) {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = 2,
		.object_id = self->env.ioas,
	};
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->env.iommufd, IOMMU_OPTION, &cmd));
}

TEST_F(option, rlimit_mode)
{
	__u64 value = 7;

	ASSERT_EQ(0, st_option_get(self->bare, IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, st_option_set(self->bare, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	ASSERT_EQ(0, st_option_get(self->bare, IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(1, value);
	ASSERT_EQ(0, st_option_set(self->bare, IOMMU_OPTION_RLIMIT_MODE, 0, 0));

	EXPECT_EQ(-EINVAL, st_option_set(self->bare, IOMMU_OPTION_RLIMIT_MODE, 0, 2));
	EXPECT_EQ(-EINVAL, st_option_set(self->bare, IOMMU_OPTION_RLIMIT_MODE, 0, ST_MAX));
	EXPECT_EQ(-EOPNOTSUPP, st_option_get(self->bare, IOMMU_OPTION_RLIMIT_MODE, 1, &value));
	EXPECT_EQ(-EOPNOTSUPP, st_option_set(self->bare, IOMMU_OPTION_RLIMIT_MODE, 1, 1));
	ASSERT_EQ(0, st_option_get(self->bare, IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, value);
}

TEST_F(option, rlimit_mode_with_objects)
{
	__u64 value;

	EXPECT_EQ(-EBUSY, st_option_set(self->env.iommufd, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(-EBUSY, st_option_set(self->env.iommufd, IOMMU_OPTION_RLIMIT_MODE, 0, 0));
	EXPECT_EQ(0, st_option_get(self->env.iommufd, IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
	EXPECT_EQ(0, st_option_set(self->env.iommufd, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
}

static int set_mode_without_capability(void *argument)
{
	int fd = *(int *)argument;
	__u64 value;

	if (st_drop_capability(CAP_SYS_RESOURCE))
		return 1;
	if (st_option_set(fd, IOMMU_OPTION_RLIMIT_MODE, 0, 1) != -EPERM)
		return 2;
	/* Who may not change it may look. */
	return st_option_get(fd, IOMMU_OPTION_RLIMIT_MODE, 0, &value) || value ? 3 : 0;
}

TEST_F(option, rlimit_mode_needs_capability)
{
	EXPECT_EQ(0, st_in_child(set_mode_without_capability, &self->bare));
}

TEST_F(option, huge_pages)
{
	int fd = self->env.iommufd;
	struct iova_ranges ranges;
	__u64 value = 7;

	ASSERT_EQ(0, st_option_get(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(-EINVAL, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 2));
	EXPECT_EQ(-EINVAL, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, ST_MAX));
	EXPECT_EQ(-ENOENT, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, 0, 1));
	EXPECT_EQ(-ENOENT, st_option_get(fd, IOMMU_OPTION_HUGE_PAGES, ST_NO_ID, &value));

	ASSERT_EQ(0, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 0));
	ASSERT_EQ(0, st_option_get(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, ioas_iova_ranges(fd, self->env.ioas, &ranges));
	EXPECT_EQ(st_page, ranges.alignment);
	EXPECT_EQ(-EINVAL, st_map_at(fd, self->env.ioas, &ranges, 8, ST_IOVA));

	ASSERT_EQ(0, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 1));
	ASSERT_EQ(0, ioas_iova_ranges(fd, self->env.ioas, &ranges));
	EXPECT_EQ(1, ranges.alignment);
}

TEST_F(option, huge_pages_misaligned_mapping)
{
	int fd = self->env.iommufd;
	struct iova_ranges ranges;
	char byte;

	ASSERT_EQ(0, st_map_at(fd, self->env.ioas, &byte, 1, ST_IOVA + 3));
	EXPECT_EQ(-EADDRINUSE, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 0));
	ASSERT_EQ(0, ioas_iova_ranges(fd, self->env.ioas, &ranges));
	EXPECT_EQ(1, ranges.alignment);
	EXPECT_EQ(0, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 1));

	ASSERT_EQ(0, st_unmap(fd, self->env.ioas, ST_IOVA + 3, 1));
	EXPECT_EQ(0, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 0));
}

TEST_F(option, huge_pages_in_use)
{
	int fd = self->env.iommufd, rc = st_env_add_device(&self->env, ST_QUICK);
	__u64 value;

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);

	/* Aligned mappings alone, or page tables alone, are no obstacle. */
	ASSERT_EQ(0, st_map_at(fd, self->env.ioas, st_memory(st_page), st_page, ST_IOVA));
	EXPECT_EQ(0, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 0));
	EXPECT_EQ(0, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 1));

	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_EQ(-EINVAL, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 0));
	ASSERT_EQ(0, st_option_get(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(0, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 1));

	ASSERT_EQ(0, st_unmap(fd, self->env.ioas, ST_IOVA, st_page));
	EXPECT_EQ(0, st_option_set(fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 0));
}

static int vfio_ioas(int fd, __u16 op, __u32 *ioas)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = op, .ioas_id = *ioas };
	int rc = st_call(fd, IOMMU_VFIO_IOAS, &cmd);

	*ioas = cmd.ioas_id;
	return rc;
}

TEST_F(option, vfio_ioas)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .__reserved = 1 };
	int fd = self->env.iommufd;
	__u32 id = 0;

	EXPECT_EQ(-EOPNOTSUPP, st_call(fd, IOMMU_VFIO_IOAS, &cmd));
	cmd = (struct iommu_vfio_ioas) { .size = sizeof(cmd), .op = 3 };
	EXPECT_EQ(-EOPNOTSUPP, st_call(fd, IOMMU_VFIO_IOAS, &cmd));

	/* A kernel without the container's shim refuses every operation alike. */
	if (vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &id) == -EOPNOTSUPP) {
		EXPECT_EQ(-EOPNOTSUPP, vfio_ioas(fd, IOMMU_VFIO_IOAS_SET, &id));
		EXPECT_EQ(-EOPNOTSUPP, vfio_ioas(fd, IOMMU_VFIO_IOAS_CLEAR, &id));
		return;
	}
	EXPECT_EQ(-ENODEV, vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &id));
	id = ST_NO_ID;
	EXPECT_EQ(-ENOENT, vfio_ioas(fd, IOMMU_VFIO_IOAS_SET, &id));
	EXPECT_EQ(0, vfio_ioas(fd, IOMMU_VFIO_IOAS_CLEAR, &id));

	id = self->env.ioas;
	EXPECT_EQ(0, vfio_ioas(fd, IOMMU_VFIO_IOAS_SET, &id));
	id = 0;
	EXPECT_EQ(0, vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &id));
	EXPECT_EQ(self->env.ioas, id);

	/* It names the address space and does not hold it. */
	EXPECT_EQ(0, iommufd_destroy(fd, self->env.ioas));
	EXPECT_EQ(-ENODEV, vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &id));
}

static int get_pa_without_capability(void *argument)
{
	struct iommu_ioas_noiommu_get_pa cmd = { .size = sizeof(cmd), .flags = 1 };

	if (st_drop_capability(CAP_SYS_RAWIO))
		return 1;
	return st_call(*(int *)argument, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd) == -EPERM ? 0 : 2;
}

TEST_F(option, noiommu_get_pa)
{
	struct iommu_ioas_noiommu_get_pa cmd = { .size = sizeof(cmd) };
	int fd = self->env.iommufd;

	EXPECT_EQ(0, st_in_child(get_pa_without_capability, &self->env.iommufd));

	/* From wrong in every way to right in all but the device. */
	cmd.flags = 1;
	cmd.iova = ST_MAX;
	EXPECT_EQ(-EOPNOTSUPP, st_call(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	cmd.flags = 0;
	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	cmd.__reserved = 0;
	EXPECT_EQ(-EINVAL, st_call(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	cmd.length = 1;
	EXPECT_EQ(-EOVERFLOW, st_call(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	cmd.iova = ST_IOVA;
	EXPECT_EQ(-ENOENT, st_call(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	cmd.ioas_id = self->env.ioas;
	EXPECT_EQ(-ENOENT, st_call(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	ASSERT_EQ(0, st_map_at(fd, self->env.ioas, st_memory(st_page), st_page, ST_IOVA));
	EXPECT_EQ(-EOPNOTSUPP, st_call(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	EXPECT_EQ(0, cmd.out_phys);
}

TEST_HARNESS_MAIN
