// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What becomes of mappings when the process that made them forks, execs or ends, on the
 * mock IOMMU: in each way of charging, with a page table that shows them and without.
 * iommufd_dma_mm.c has DMA of a device.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define SIZE	(16 * ST_KIB)

FIXTURE(mm)
{
	struct st_env env;
	struct st_mock dev;
	__u32 ioas;	/* with no table */
	int access;	/* to env.ioas, which a table shows */
	int fd;
};

FIXTURE_VARIANT(mm)
{
	bool by_process;
	bool is_limited;
};

FIXTURE_VARIANT_ADD(mm, nobody)
{
};

FIXTURE_VARIANT_ADD(mm, user)
{
	.is_limited = true,
};

FIXTURE_VARIANT_ADD(mm, process)
{
	.is_limited = true,
	.by_process = true,
};

FIXTURE_SETUP(mm)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->fd = self->env.iommufd;
	ASSERT_EQ(0, iommufd_destroy(self->fd, self->env.ioas));
	ASSERT_EQ(0, st_option_set(self->fd, IOMMU_OPTION_RLIMIT_MODE, 0, variant->by_process));
	if (variant->is_limited)
		ASSERT_EQ(0, st_limit_memlock(ST_MIB));
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->env.ioas));
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &self->dev));
	self->access = st_mock_access(self->fd, self->env.ioas,
				      MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	ASSERT_LE(0, self->access);
}

FIXTURE_TEARDOWN(mm)
{
	close(self->access);
	EXPECT_EQ(0, st_env_close(&self->env));
}

static bool is_charged(struct _test_data_mm *self, bool is_limited, __u64 bytes)
{
	return st_fdinfo(self->fd, "pinned:") == bytes &&
	       st_fdinfo(self->fd, "charged:") == (is_limited ? bytes : 0);
}

static int map_both(struct _test_data_mm *self)
{
	unsigned char *memory = st_memory(SIZE);

	memset(memory, 7, SIZE);
	return st_map_at(self->fd, self->env.ioas, memory, SIZE, ST_IOVA) ?:
	       st_map_at(self->fd, self->ioas, memory, SIZE, ST_IOVA) ? 1 : 0;
}

static int mapper(void *self)
{
	return map_both(self);
}

static int reads(struct _test_data_mm *self, __u32 flags)
{
	unsigned char bytes[64] = {};
	int rc = st_mock_rw(self->fd, self->access, ST_IOVA + 100, bytes, sizeof(bytes), flags);

	return rc ?: bytes[0] != 7 || bytes[63] != 7;
}

/* The one stays pinned and works, of the other nothing can be had any more. */
TEST_F(mm, mapper_ends)
{
	__u32 pages, table;
	char *before;

	ASSERT_EQ(0, st_in_child(mapper, self));
	EXPECT_TRUE(is_charged(self, variant->is_limited, SIZE));
	EXPECT_EQ(0, st_vm_pin());
	EXPECT_EQ(0, reads(self, 0));
	EXPECT_EQ(0, reads(self, MOCK_ACCESS_RW_SLOW_PATH));
	EXPECT_EQ(0, st_mock_pin(self->fd, self->access, ST_IOVA, SIZE, 0, &pages));
	EXPECT_EQ(0, st_mock_unpin(self->fd, self->access, pages));
	EXPECT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas, 0, &table));
	EXPECT_EQ(0, iommufd_destroy(self->fd, table));

	before = st_state(self->fd);
	EXPECT_EQ(-EFAULT, st_mock_hwpt(self->fd, &self->dev, self->ioas, 0, &table));
	EXPECT_TRUE(st_told(self->fd, "HWPT_ALLOC", EFAULT, "process-gone", 0));
	EXPECT_EQ(-EFAULT, st_mock_replace(self->fd, &self->dev, self->ioas));
	EXPECT_TRUE(st_state_is(self->fd, before));
	ASSERT_EQ(0, st_mock_move(self->fd, self->access, self->ioas));
	EXPECT_EQ(-EFAULT, st_mock_pin(self->fd, self->access, ST_IOVA, SIZE, 0, &pages));
	EXPECT_EQ(-EFAULT, reads(self, MOCK_ACCESS_RW_SLOW_PATH));
	EXPECT_GT(0, reads(self, 0));

	/* Whom it was charged to is no more. */
	EXPECT_EQ(0, st_unmap_all(self->fd, self->env.ioas, NULL));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
	EXPECT_TRUE(is_charged(self, variant->is_limited, 0));
}

static int execs(void *self)
{
	int rc = map_both(self);

	if (!rc)
		execl("/bin/true", "true", NULL);
	return rc ?: 2;
}

/* An exec is an end. */
TEST_F(mm, mapper_execs)
{
	__u32 table;
	int rc = st_in_child(execs, self);

	if (rc == 2)
		SKIP(return, "there is no /bin/true");
	ASSERT_EQ(0, rc);
	EXPECT_TRUE(is_charged(self, variant->is_limited, SIZE));
	EXPECT_EQ(0, reads(self, MOCK_ACCESS_RW_SLOW_PATH));
	EXPECT_EQ(-EFAULT, st_mock_hwpt(self->fd, &self->dev, self->ioas, 0, &table));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->env.ioas, NULL));
	EXPECT_TRUE(is_charged(self, variant->is_limited, 0));
}

static int attaches(void *argument)
{
	struct _test_data_mm *self = argument;
	__u32 table;

	/* Whose memory is pinned pays, not who makes the table. */
	if (st_mock_hwpt(self->fd, &self->dev, self->ioas, 0, &table) || st_vm_pin())
		return 1;
	/* What it maps itself is its own. */
	if (st_map_at(self->fd, self->ioas, st_memory(SIZE), SIZE, 2 * ST_IOVA))
		return 2;
	return st_vm_pin() == SIZE / ST_KIB ? 0 : 3;
}

/* A child's call pins memory of its parent. */
TEST_F(mm, child_attaches)
{
	unsigned char *memory = st_memory(SIZE);
	long long before = st_vm_pin();

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, memory, SIZE, ST_IOVA));
	EXPECT_EQ(before, st_vm_pin());
	EXPECT_EQ(0, st_in_child(attaches, self));
	EXPECT_EQ(before + (long long)(SIZE / ST_KIB), st_vm_pin());
	EXPECT_EQ(variant->by_process ? (long long)(SIZE / ST_KIB) : 0,
		  st_vm_lck() - self->env.before.vm_lck);
	EXPECT_TRUE(is_charged(self, variant->is_limited, 2 * SIZE));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
	EXPECT_EQ(before, st_vm_pin());
	EXPECT_TRUE(is_charged(self, variant->is_limited, 0));
}

static int maps_file(void *argument)
{
	struct _test_data_mm *self = argument;
	int file = st_memfd(SIZE, 0);
	__u64 iova = ST_IOVA;

	return st_map_file(self->fd, self->ioas, ST_RW | ST_FIXED, file, 0, SIZE, &iova) ? 1 : 0;
}

/* A file needs nobody, but whoever is to be charged has to be there. */
TEST_F(mm, file_mapper_ends)
{
	unsigned char bytes[8];
	__u32 table;

	ASSERT_EQ(0, st_in_child(maps_file, self));
	if (variant->by_process) {
		EXPECT_EQ(-EFAULT, st_mock_hwpt(self->fd, &self->dev, self->ioas, 0, &table));
		EXPECT_TRUE(st_told(self->fd, "HWPT_ALLOC", EFAULT, "process-gone", 0));
		return;
	}
	EXPECT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->ioas, 0, &table));
	ASSERT_EQ(0, st_mock_move(self->fd, self->access, self->ioas));
	EXPECT_EQ(0, st_mock_rw(self->fd, self->access, ST_IOVA, bytes, sizeof(bytes),
				MOCK_ACCESS_RW_SLOW_PATH));
	EXPECT_EQ(SIZE, st_fdinfo(self->fd, "pinned:"));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
	EXPECT_TRUE(is_charged(self, variant->is_limited, 0));
}

TEST_HARNESS_MAIN
