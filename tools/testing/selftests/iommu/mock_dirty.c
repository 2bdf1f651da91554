// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_HWPT_SET_DIRTY_TRACKING and IOMMU_HWPT_GET_DIRTY_BITMAP on the mock IOMMU, whose
 * pages are smaller than the CPU's, or 1 MiB: what is refused, and that no dirty bit gets
 * lost by a call that fails or reads a part.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define ON	IOMMU_HWPT_DIRTY_TRACKING_ENABLE
#define KEEP	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR
#define PAGES	64

FIXTURE(dirty)
{
	struct st_env env;
	struct st_mock dev;
	__u32 hwpt;
	int fd;
	unsigned char *memory;
	__u64 bits;
	struct iommu_hwpt_get_dirty_bitmap get;
};

FIXTURE_SETUP(dirty)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->fd = self->env.iommufd;
	self->memory = st_memory(PAGES * st_page);
	ASSERT_NE(NULL, self->memory);
	/* Neighbours in memory would share a page of the IOMMU, and its dirty bit. */
	ASSERT_EQ(0, st_option_set(self->fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 0));
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &self->dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &self->hwpt));
	self->get = (struct iommu_hwpt_get_dirty_bitmap){
		.size = sizeof(self->get),
		.hwpt_id = self->hwpt,
		.iova = ST_IOVA,
		.length = PAGES * st_page,
		.page_size = st_page,
		.data = (uintptr_t)&self->bits,
	};
}

FIXTURE_TEARDOWN(dirty)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int switch_tracking(int fd, __u32 hwpt, __u32 flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.hwpt_id = hwpt,
	};

	return st_call(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static int get(struct _test_data_dirty *self)
{
	self->bits = 0;
	return st_call(self->fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &self->get);
}

static int device_writes(struct _test_data_dirty *self, __u64 bits)
{
	return st_mock_writes(self->fd, self->hwpt, ST_IOVA, PAGES * st_page, st_page, &bits);
}

static int map(struct _test_data_dirty *self, unsigned int first, unsigned int n)
{
	return st_map_at(self->fd, self->env.ioas, self->memory + first * st_page, n * st_page,
			 ST_IOVA + first * st_page);
}

TEST_F(dirty, set_refused)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.hwpt_id = self->hwpt,
		.__reserved = 1,
	};

	EXPECT_EQ(-EOPNOTSUPP, switch_tracking(self->fd, self->hwpt, 2));
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd));
	EXPECT_EQ(-ENOENT, switch_tracking(self->fd, ST_NO_ID, ON));
	EXPECT_EQ(-ENOENT, switch_tracking(self->fd, self->env.ioas, ON));
	EXPECT_EQ(-EOPNOTSUPP, switch_tracking(self->fd, self->dev.hwpt, ON));
	EXPECT_TRUE(st_told(self->fd, "HWPT_SET_DIRTY_TRACKING", EOPNOTSUPP, "not-supported",
			    self->dev.hwpt));
	EXPECT_EQ(0, switch_tracking(self->fd, self->hwpt, 0));
	EXPECT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	EXPECT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	EXPECT_EQ(0, switch_tracking(self->fd, self->hwpt, 0));
}

TEST_F(dirty, get_refused)
{
	const struct iommu_hwpt_get_dirty_bitmap good = self->get;
	struct iommu_hwpt_get_dirty_bitmap *cmd = &self->get;

	EXPECT_EQ(0, get(self));
	cmd->flags = 2;
	EXPECT_EQ(-EOPNOTSUPP, get(self));
	*cmd = good;
	cmd->__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, get(self));
	*cmd = good;
	cmd->hwpt_id = self->env.ioas;
	EXPECT_EQ(-ENOENT, get(self));
	cmd->hwpt_id = self->dev.hwpt;
	EXPECT_EQ(-EOPNOTSUPP, get(self));
	*cmd = good;
	cmd->length = 0;
	EXPECT_EQ(-EINVAL, get(self));
	cmd->length = ST_MAX;
	EXPECT_EQ(-EOVERFLOW, get(self));
	cmd->length = -ST_IOVA + st_page;
	EXPECT_EQ(-EOVERFLOW, get(self));
	*cmd = good;
	cmd->page_size = 0;
	EXPECT_EQ(-EINVAL, get(self));
	cmd->page_size = 3000;
	EXPECT_EQ(-EINVAL, get(self));
	cmd->page_size = 128 * st_page;
	EXPECT_EQ(-EINVAL, get(self));
	*cmd = good;
	cmd->page_size = 1;
	cmd->iova += MOCK_PAGE_SIZE / 2;
	cmd->length -= MOCK_PAGE_SIZE;
	EXPECT_EQ(-EINVAL, get(self));
	EXPECT_TRUE(st_told(self->fd, "HWPT_GET_DIRTY_BITMAP", EINVAL, "misaligned", st_page));
}

/* Starting forgets, stopping does not, and starting twice is starting once. */
TEST_F(dirty, on_and_off)
{
	ASSERT_EQ(0, map(self, 0, PAGES));
	EXPECT_EQ(-EINVAL, device_writes(self, 1));
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	ASSERT_EQ(0, device_writes(self, 6));
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, 0));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(6, self->bits);
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	ASSERT_EQ(0, device_writes(self, 8));
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, 0));
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);
}

/* Bits are added, and cleared in the table unless they are to be kept. */
TEST_F(dirty, bits)
{
	ASSERT_EQ(0, map(self, 0, PAGES));
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	ASSERT_EQ(0, device_writes(self, 0x8000000000000101));
	self->get.flags = KEEP;
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0x8000000000000101, self->bits);
	self->get.flags = 0;
	self->bits = 0xf0;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &self->get));
	EXPECT_EQ(0x80000000000001f1, self->bits);
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);

	/* The unit may be smaller or larger than a page. */
	ASSERT_EQ(0, device_writes(self, 2));
	self->get.page_size = st_page / 4;
	self->get.length = 16 * st_page;
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0xf0, self->bits);
	ASSERT_EQ(0, device_writes(self, 0x30));
	self->get.page_size = 4 * st_page;
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(2, self->bits);
}

/* Holes are no error, and what lies behind them is read. */
TEST_F(dirty, holes)
{
	ASSERT_EQ(0, map(self, 1, 2));
	ASSERT_EQ(0, map(self, 10, 1));
	ASSERT_EQ(0, map(self, 60, 2));
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	ASSERT_EQ(0, device_writes(self, 1ull << 2 | 1ull << 10 | 1ull << 61));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(1ull << 2 | 1ull << 10 | 1ull << 61, self->bits);
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);
	self->get.iova = ST_IOVA + ST_MIB;
	ASSERT_EQ(0, get(self));
}

/* A call without a bitmap takes nothing away. */
TEST_F(dirty, no_bitmap)
{
	unsigned char *two = st_memory(2 * st_page);
	__u64 got;

	ASSERT_EQ(0, map(self, 0, PAGES));
	ASSERT_EQ(0, switch_tracking(self->fd, self->hwpt, ON));
	ASSERT_EQ(0, device_writes(self, 0x11));
	self->get.data = 0;
	EXPECT_EQ(-EFAULT, get(self));
	EXPECT_TRUE(st_told(self->fd, "HWPT_GET_DIRTY_BITMAP", EFAULT, "fault", ST_IOVA));
	self->get.data = ST_MAX - 7;
	EXPECT_EQ(-EFAULT, get(self));
	ASSERT_EQ(0, mprotect(two + st_page, st_page, PROT_READ));
	self->get.data = (uintptr_t)two + st_page - 4;
	EXPECT_EQ(-EFAULT, get(self));
	memcpy(&got, two + st_page - 8, sizeof(got));
	EXPECT_EQ(0, got);
	self->get.data = (uintptr_t)&self->bits;
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0x11, self->bits);
}

/* A page of the IOMMU that the range cuts is told of and stays dirty. */
TEST_F(dirty, cut_page)
{
	const struct iommu_hwpt_selftest data = { .pagetable_type = MOCK_IOMMUPT_HUGE };
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = self->dev.id,
		.pt_id = self->env.ioas,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	unsigned char *huge = st_huge_memory(ST_HUGE);
	const __u64 one = 1;

	if (!huge)
		SKIP(return, "no huge pages");
	ASSERT_EQ(0, st_option_set(self->fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 1));
	ASSERT_EQ(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &alloc));
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, huge, ST_HUGE, ST_IOVA));
	self->get.hwpt_id = alloc.out_hwpt_id;
	ASSERT_EQ(0, switch_tracking(self->fd, alloc.out_hwpt_id, ON));
	ASSERT_EQ(0, st_mock_writes(self->fd, alloc.out_hwpt_id, ST_IOVA + ST_MIB, ST_MIB,
				    ST_MIB, &one));

	self->get.length = 40 * st_page;
	self->get.iova = ST_IOVA + ST_MIB - 20 * st_page;
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0xfffffull << 20, self->bits);
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0xfffffull << 20, self->bits);

	self->get.iova = ST_IOVA;
	self->get.length = ST_HUGE;
	self->get.page_size = ST_HUGE / 64;
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0xffffffffull << 32, self->bits);
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);
	munmap(huge, ST_HUGE);
}

TEST_HARNESS_MAIN
