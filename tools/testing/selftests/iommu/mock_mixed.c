// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Devices behind two IOMMUs in one iommufd: a mock device, and one of the machine. They
 * share address spaces, not page tables; nothing of one IOMMU serves a device of the
 * other.
 */
#include <errno.h>
#include <stdint.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

FIXTURE(mixed)
{
	struct st_env env;	/* with a device that is bound, not attached */
	struct st_mock dev;	/* on an automatic table */
	__u32 parent, viommu;	/* of the mock IOMMU */
	unsigned char *memory;
	int fd;
};

FIXTURE_SETUP(mixed)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &self->dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT, &self->parent));
	ASSERT_EQ(0, st_mock_viommu(self->fd, &self->dev, self->parent, NULL, &self->viommu));
	self->memory = st_memory(ST_MIB);
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, self->memory, ST_MIB, ST_IOVA));
}

FIXTURE_TEARDOWN(mixed)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* The bound device of the machine, for the calls that take mock devices. */
static struct st_mock real(struct _test_data_mixed *self)
{
	return (struct st_mock) { .id = self->env.dev.id };
}

/* Attaching to the IOAS finds the table that suits, or makes one. */
TEST_F(mixed, automatic_tables)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.pt_id = self->env.ioas,
	};
	struct st_mock second;

	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &second));
	EXPECT_EQ(self->dev.hwpt, second.hwpt);
	ASSERT_EQ(0, st_call(self->env.dev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_NE(self->dev.hwpt, cmd.pt_id);
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "ioas:\tid=%u areas=1 mapped=%llu hwpts=3",
				    self->env.ioas, ST_MIB));

	/* Behind that of the other IOMMU the mock's is still found. */
	ASSERT_EQ(0, iommufd_destroy(self->fd, second.driver));
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &second));
	EXPECT_EQ(self->dev.hwpt, second.hwpt);

	/* Pages are pinned once. The one table goes, the other stays. */
	EXPECT_EQ(ST_MIB, st_fdinfo(self->fd, "pinned:"));
	EXPECT_EQ(0, st_mock_shows(self->fd, self->dev.hwpt, ST_IOVA, self->memory, ST_MIB));
	ASSERT_EQ(0, st_detach(self->env.dev.fd));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->fd, cmd.pt_id));
	EXPECT_EQ(0, st_mock_shows(self->fd, self->dev.hwpt, ST_IOVA, self->memory, ST_MIB));
}

/* A table of the other IOMMU, attached to or replaced by. */
TEST_F(mixed, tables_of_the_other)
{
	struct st_mock machine = real(self);
	char *before = st_state(self->fd);
	__u32 table, nested;

	EXPECT_EQ(-EINVAL, st_attach(self->env.dev.fd, self->parent));
	EXPECT_TRUE(st_told(self->fd, "DEVICE_ATTACH", EINVAL, "bad-argument",
			    self->parent));
	EXPECT_EQ(-EINVAL, st_attach(self->env.dev.fd, self->dev.hwpt));
	EXPECT_TRUE(st_state_is(self->fd, before));
	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, self->parent, 0, 0, &nested));
	EXPECT_EQ(-EINVAL, st_attach(self->env.dev.fd, nested));
	ASSERT_EQ(0, iommufd_destroy(self->fd, nested));
	EXPECT_TRUE(st_state_is(self->fd, before));

	ASSERT_EQ(0, st_attach(self->env.dev.fd, self->env.ioas));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &machine, self->env.ioas, 0, &table));
	before = st_state(self->fd);
	EXPECT_EQ(-EINVAL, st_attach(self->env.dev.fd, self->parent));
	EXPECT_EQ(-EINVAL, st_mock_replace(self->fd, &self->dev, table));
	EXPECT_TRUE(st_state_is(self->fd, before));
	EXPECT_EQ(0, st_mock_shows(self->fd, self->dev.hwpt, ST_IOVA, self->memory, ST_MIB));
}

/* Nested tables over a parent, or of a vIOMMU, of the other. */
TEST_F(mixed, nested)
{
	struct st_mock machine = real(self);
	char *before = st_state(self->fd);
	__u32 id;

	EXPECT_EQ(-EINVAL, st_mock_nested(self->fd, &machine, self->parent, 0, 0, &id));
	EXPECT_TRUE(st_told(self->fd, "HWPT_ALLOC", EINVAL, "bad-argument", self->parent));
	EXPECT_EQ(-EINVAL, st_mock_nested(self->fd, &machine, self->viommu, 0, 0, &id));
	EXPECT_TRUE(st_told(self->fd, "HWPT_ALLOC", EINVAL, "bad-argument", self->viommu));
	/* That comes before the flags. */
	EXPECT_EQ(-EINVAL, st_mock_nested(self->fd, &machine, self->viommu,
					  IOMMU_HWPT_ALLOC_NEST_PARENT, 0, &id));
	EXPECT_TRUE(st_state_is(self->fd, before));
}

TEST_F(mixed, vdevice)
{
	struct st_mock machine = real(self);
	char *before = st_state(self->fd);
	__u32 id;

	EXPECT_EQ(-EINVAL, st_mock_vdevice(self->fd, self->viommu, &machine, 1, &id));
	EXPECT_TRUE(st_told(self->fd, "VDEVICE_ALLOC", EINVAL, "bad-argument", self->viommu));
	EXPECT_TRUE(st_state_is(self->fd, before));
	EXPECT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &self->dev, 1, &id));
}

/* A vIOMMU for a mock device over a table that is not of its IOMMU. */
TEST_F(mixed, viommu_over_the_other)
{
	struct st_mock machine = real(self);
	__u32 table, id;
	char *before;
	int rc = st_mock_hwpt(self->fd, &machine, self->env.ioas, IOMMU_HWPT_ALLOC_NEST_PARENT,
			      &table);

	if (rc == -EOPNOTSUPP)
		SKIP(return, "the machine's IOMMU makes no parents");
	ASSERT_EQ(0, rc);
	before = st_state(self->fd);
	EXPECT_EQ(-EINVAL, st_mock_viommu(self->fd, &self->dev, table, NULL, &id));
	EXPECT_TRUE(st_told(self->fd, "VIOMMU_ALLOC", EINVAL, "bad-argument", table));
	EXPECT_EQ(-EINVAL, st_mock_nested(self->fd, &self->dev, table, 0, 0, &id));
	EXPECT_TRUE(st_state_is(self->fd, before));
}

/* Test calls only touch what is theirs. */
TEST_F(mixed, test_calls)
{
	struct st_mock machine = real(self);
	__u32 table;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &machine, self->env.ioas, 0, &table));
	EXPECT_EQ(-EINVAL, st_mock_shows(self->fd, table, ST_IOVA, self->memory, st_page));
	EXPECT_EQ(-EINVAL, st_mock_page_request(self->fd, &machine, 0, 1, 0));
	EXPECT_EQ(-EINVAL, st_mock_event(self->fd, &machine));
	EXPECT_EQ(-EINVAL, st_mock_cache_is(self->fd, &machine, 0, 0));
}

TEST_HARNESS_MAIN
