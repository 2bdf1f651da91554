// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_IOAS_UNMAP: all of what is asked for, or nothing.
 */
#include <errno.h>
#include <stdint.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(unmap)
{
	struct st_env env;
	unsigned char *memory;
	int fd;
	__u32 ioas;
};

FIXTURE_VARIANT(unmap)
{
	bool attached;
};

FIXTURE_VARIANT_ADD(unmap, alone)
{
	.attached = false,
};

FIXTURE_VARIANT_ADD(unmap, device)
{
	.attached = true,
};

FIXTURE_SETUP(unmap)
{
	int rc = variant->attached ? st_env_open_attached(&self->env, ST_QUICK) :
				     st_env_open(&self->env);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
	self->ioas = self->env.ioas;
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(unmap)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map_pages(struct _test_data_unmap *self, int from, int to)
{
	return st_map_at(self->fd, self->ioas, self->memory + from * st_page,
			 (to - from) * st_page, ST_IOVA + from * st_page);
}

/* The result; @told is what the call left in its length member, in pages. */
static int unmap_pages(struct _test_data_unmap *self, int from, int to, long long *told)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = self->ioas,
		.iova = ST_IOVA + from * st_page,
		.length = (to - from) * st_page,
	};
	int rc = st_call(self->fd, IOMMU_IOAS_UNMAP, &cmd);

	*told = cmd.length / st_page;
	return rc;
}

TEST_F(unmap, numbers)
{
	ASSERT_EQ(0, map_pages(self, 0, 1));
	EXPECT_EQ(-EINVAL, st_unmap(self->fd, self->ioas, ST_IOVA, 0));
	EXPECT_EQ(-EINVAL, st_unmap(self->fd, self->ioas, 0, 0));
	EXPECT_EQ(-EOVERFLOW, st_unmap(self->fd, self->ioas, 1, ST_MAX));
	EXPECT_EQ(-EOVERFLOW, st_unmap(self->fd, self->ioas, ST_IOVA, ST_MAX));
	EXPECT_EQ(-EOVERFLOW, st_unmap(self->fd, self->ioas, ST_MAX, st_page));
	EXPECT_EQ(-EOVERFLOW, st_unmap(self->fd, self->ioas, -st_page, 2 * st_page));

	/* The IOAS is looked up before the numbers are judged. */
	EXPECT_EQ(-ENOENT, st_unmap(self->fd, ST_NO_ID, ST_MAX, st_page));
	EXPECT_EQ(-ENOENT, st_unmap(self->fd, ST_NO_ID, 0, 0));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, st_page));
}

TEST_F(unmap, everything)
{
	__u64 length = 1;

	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, &length));
	EXPECT_EQ(0, length);
	ASSERT_EQ(0, map_pages(self, 0, 1));
	ASSERT_EQ(0, map_pages(self, 1, 4));
	ASSERT_EQ(0, map_pages(self, 8, 16));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, &length));
	EXPECT_EQ(12 * st_page, length);
	EXPECT_TRUE(st_counters_are(&self->env.before));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, &length));
	EXPECT_EQ(0, length);
}

TEST_F(unmap, nothing_there)
{
	long long told;

	EXPECT_EQ(-ENOENT, unmap_pages(self, 0, 1, &told));
	EXPECT_EQ(1, told);
	ASSERT_EQ(0, map_pages(self, 4, 8));
	EXPECT_EQ(-ENOENT, unmap_pages(self, 0, 4, &told));
	EXPECT_EQ(-ENOENT, unmap_pages(self, 8, 12, &told));
	EXPECT_EQ(0, unmap_pages(self, 4, 8, &told));
	EXPECT_EQ(-ENOENT, unmap_pages(self, 4, 8, &told));
	EXPECT_EQ(4, told);
}

TEST_F(unmap, holes_are_fine)
{
	long long told;

	ASSERT_EQ(0, map_pages(self, 4, 8));
	EXPECT_EQ(0, unmap_pages(self, 0, 16, &told));
	EXPECT_EQ(4, told);

	ASSERT_EQ(0, map_pages(self, 1, 2));
	ASSERT_EQ(0, map_pages(self, 4, 8));
	ASSERT_EQ(0, map_pages(self, 8, 9));
	ASSERT_EQ(0, map_pages(self, 15, 16));
	EXPECT_EQ(0, unmap_pages(self, 0, 15, &told));
	EXPECT_EQ(6, told);
	EXPECT_EQ(0, unmap_pages(self, 15, 16, &told));
	EXPECT_TRUE(st_counters_are(&self->env.before));
}

TEST_F(unmap, no_mapping_is_cut)
{
	static const struct { int from, to; } cuts[] = {
		{ 4, 7 }, { 5, 8 }, { 5, 7 }, { 4, 5 }, { 7, 8 }, { 0, 5 }, { 7, 16 },
	};
	long long told;
	size_t i;

	ASSERT_EQ(0, map_pages(self, 4, 8));
	for (i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		EXPECT_EQ(-ENOENT, unmap_pages(self, cuts[i].from, cuts[i].to, &told)) {
			TH_LOG("pages %d to %d", cuts[i].from, cuts[i].to);
		}
		EXPECT_EQ(cuts[i].to - cuts[i].from, told);
	}
	EXPECT_EQ(-ENOENT, st_unmap(self->fd, self->ioas, ST_IOVA + 4 * st_page,
				    4 * st_page - 1));
	EXPECT_EQ(-ENOENT, st_unmap(self->fd, self->ioas, ST_IOVA + 4 * st_page + 1,
				    4 * st_page));
	if (variant->attached)
		EXPECT_EQ(self->env.before.vm_pin + (long long)(4 * st_page / ST_KIB),
			  st_vm_pin());
	EXPECT_EQ(0, unmap_pages(self, 4, 8, &told));
	EXPECT_EQ(4, told);
}

/* The range cuts its last mapping, or its first: the others must stay too. */
TEST_F(unmap, refused_as_a_whole)
{
	long long told;

	ASSERT_EQ(0, map_pages(self, 0, 2));
	ASSERT_EQ(0, map_pages(self, 2, 4));
	ASSERT_EQ(0, map_pages(self, 6, 10));
	EXPECT_EQ(-ENOENT, unmap_pages(self, 0, 8, &told));
	EXPECT_EQ(8, told);
	EXPECT_EQ(-ENOENT, unmap_pages(self, 1, 10, &told));
	EXPECT_EQ(9, told);
	EXPECT_EQ(-ENOENT, unmap_pages(self, 1, 8, &told));
	if (variant->attached)
		EXPECT_EQ(self->env.before.vm_pin + (long long)(8 * st_page / ST_KIB),
			  st_vm_pin());
	EXPECT_EQ(0, unmap_pages(self, 0, 2, &told));
	EXPECT_EQ(0, unmap_pages(self, 2, 4, &told));
	EXPECT_EQ(0, unmap_pages(self, 6, 10, &told));
	EXPECT_TRUE(st_counters_are(&self->env.before));
}

TEST_F(unmap, place_is_free_again)
{
	long long told;
	int i;

	for (i = 0; i < 64; i++) {
		ASSERT_EQ(0, map_pages(self, i % 8, i % 8 + 1 + i % 5));
		ASSERT_EQ(0, unmap_pages(self, i % 8, i % 8 + 1 + i % 5, &told));
		ASSERT_EQ(1 + i % 5, told);
	}
	EXPECT_TRUE(st_counters_are(&self->env.before));
}

/* Many small mappings, taken away in another order and by one call. */
TEST_F_TIMEOUT(unmap, many, ST_TIMEOUT)
{
	__u64 length = 0;
	int i;

	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page,
				       ST_IOVA + i * 2 * st_page));
	for (i = 0; i < 1000; i += 3)
		ASSERT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA + i * 2 * st_page, st_page));
	ASSERT_EQ(0, st_unmap_all(self->fd, self->ioas, &length));
	EXPECT_EQ(666 * st_page, length);
	EXPECT_TRUE(st_counters_are(&self->env.before));
}

TEST_HARNESS_MAIN
