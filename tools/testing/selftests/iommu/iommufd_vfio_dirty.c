// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_IOMMU_DIRTY_PAGES, and UNMAP_DMA with a bitmap, on an IOAS chosen with
 * IOMMU_VFIO_IOAS. The mock IOMMU of kernels with CONFIG_IOMMUFD_TEST has dirty bits and
 * an in-kernel access that pins; other machines show what happens without.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_dma.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define PAGES	64
#define ALL	(~0ull)

struct dirty_get {
	struct vfio_iommu_type1_dirty_bitmap head;
	struct vfio_iommu_type1_dirty_bitmap_get get;
};

struct dirty_unmap {
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_bitmap bitmap;
};

FIXTURE(dirty)
{
	struct st_env env;
	int fd;
	unsigned char *memory;
	__u64 bits;
	struct dirty_get get;
	__u32 hwpt;
	int access;
};

FIXTURE_SETUP(dirty)
{
	struct iommu_vfio_ioas choose = {
		.size = sizeof(choose),
		.op = IOMMU_VFIO_IOAS_SET,
	};

	ASSERT_EQ(0, st_env_open(&self->env));
	self->fd = self->env.iommufd;
	self->access = -1;
	self->memory = st_memory(PAGES * st_page);
	ASSERT_NE(NULL, self->memory);
	/* Neighbours in memory would share a page of the IOMMU, and its dirty bit. */
	ASSERT_EQ(0, st_option_set(self->fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, 0));
	choose.ioas_id = self->env.ioas;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_VFIO_IOAS, &choose));
	self->get = (struct dirty_get){
		.head.argsz = sizeof(self->get),
		.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.get.iova = ST_IOVA,
		.get.size = PAGES * st_page,
		.get.bitmap.pgsize = st_page,
		.get.bitmap.size = sizeof(self->bits),
		.get.bitmap.data = &self->bits,
	};
}

FIXTURE_TEARDOWN(dirty)
{
	if (self->access >= 0)
		close(self->access);
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* The first bits of so many pages. */
static __u64 pages(unsigned int first, unsigned int n)
{
	return (n == 64 ? ALL : (1ull << n) - 1) << first;
}

static int map(struct _test_data_dirty *self, __u32 flags, unsigned int first, unsigned int n)
{
	return st_dma_map(self->fd, flags, self->memory + first * st_page, n * st_page,
			  ST_IOVA + first * st_page);
}

static int map_rw(struct _test_data_dirty *self, unsigned int first, unsigned int n)
{
	return map(self, ST_DMA_RW, first, n);
}

static int start(struct _test_data_dirty *self)
{
	return st_dma_dirty(self->fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static int stop(struct _test_data_dirty *self)
{
	return st_dma_dirty(self->fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
}

static int get(struct _test_data_dirty *self)
{
	self->bits = 0;
	return st_call(self->fd, VFIO_IOMMU_DIRTY_PAGES, &self->get);
}

static int unmap(struct _test_data_dirty *self, __u32 more_flags, unsigned int first,
		 unsigned int n, __u64 *data, __u64 *unmapped)
{
	struct dirty_unmap cmd = {
		.unmap.argsz = sizeof(cmd),
		.unmap.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | more_flags,
		.unmap.iova = ST_IOVA + first * st_page,
		.unmap.size = n * st_page,
		.bitmap.pgsize = st_page,
		.bitmap.size = sizeof(*data),
		.bitmap.data = data,
	};
	int rc = st_call(self->fd, VFIO_IOMMU_UNMAP_DMA, &cmd);

	*unmapped = cmd.unmap.size;
	return rc;
}

TEST_F(dirty, flags)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = { .argsz = sizeof(cmd) };
	__u32 flags;

	for (flags = 0; flags < 16; flags++) {
		if (flags == 1 || flags == 2 || flags == 4)
			continue;
		EXPECT_EQ(-EINVAL, st_dma_dirty(self->fd, flags));
	}
	EXPECT_EQ(-EINVAL, st_dma_dirty(self->fd, 1u << 31));
	cmd.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START;
	cmd.argsz--;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_IOMMU_DIRTY_PAGES, &cmd));
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_IOMMU_DIRTY_PAGES, NULL));
	EXPECT_EQ(0, stop(self));
	EXPECT_EQ(0, start(self));
	EXPECT_EQ(0, start(self));
	EXPECT_EQ(0, stop(self));
	EXPECT_EQ(0, stop(self));
}

TEST_F(dirty, without_an_ioas)
{
	struct iommu_vfio_ioas clear = {
		.size = sizeof(clear),
		.op = IOMMU_VFIO_IOAS_CLEAR,
	};

	ASSERT_EQ(0, st_call(self->fd, IOMMU_VFIO_IOAS, &clear));
	EXPECT_EQ(-EINVAL, st_dma_dirty(self->fd, 0));
	EXPECT_EQ(-ENODEV, start(self));
}

TEST_F(dirty, not_with_the_first_type)
{
	ASSERT_EQ(0, st_call(self->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU));
	EXPECT_EQ(-EACCES, start(self));
	EXPECT_EQ(-EACCES, st_dma_dirty(self->fd, 0));
	ASSERT_EQ(0, st_call(self->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, start(self));
}

TEST_F(dirty, arguments)
{
	struct vfio_iommu_type1_dirty_bitmap_get *arg = &self->get.get;
	struct vfio_iommu_type1_dirty_bitmap_get good;

	ASSERT_EQ(0, map_rw(self, 0, 32));
	ASSERT_EQ(0, map_rw(self, 32, 32));
	EXPECT_EQ(-EINVAL, get(self));
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(0, get(self));
	good = *arg;

	self->get.head.argsz--;
	EXPECT_EQ(-EINVAL, get(self));
	self->get.head.argsz += 100;
	EXPECT_EQ(0, get(self));
	arg->bitmap.pgsize = 0;
	EXPECT_EQ(-EINVAL, get(self));
	arg->bitmap.pgsize = 3000;
	EXPECT_EQ(-EINVAL, get(self));
	arg->bitmap.pgsize = 2 * st_page;
	EXPECT_EQ(-EINVAL, get(self));
	*arg = good;
	arg->bitmap.size = 7;
	EXPECT_EQ(-EINVAL, get(self));
	arg->bitmap.size = 256 * ST_MIB + 1;
	EXPECT_EQ(-EINVAL, get(self));
	*arg = good;
	arg->size = 0;
	EXPECT_EQ(-EINVAL, get(self));
	arg->size = st_page / 2;
	EXPECT_EQ(-EINVAL, get(self));
	arg->size = -ST_IOVA;
	EXPECT_EQ(-EOVERFLOW, get(self));
	arg->size = ST_MAX;
	EXPECT_EQ(-EOVERFLOW, get(self));
	*arg = good;
	arg->iova += 8;
	EXPECT_EQ(-EINVAL, get(self));

	/* A range may hold several mappings and holes, but no part of a mapping. */
	*arg = good;
	arg->size -= st_page;
	EXPECT_EQ(-EINVAL, get(self));
	EXPECT_TRUE(st_told(self->fd, "VFIO_IOMMU_DIRTY_PAGES", EINVAL, "partial",
			    ST_IOVA + 32 * st_page));
	arg->iova += st_page;
	EXPECT_EQ(-EINVAL, get(self));
	*arg = good;
	arg->size = 32 * st_page;
	EXPECT_EQ(0, get(self));
	arg->iova = ST_IOVA + PAGES * st_page;
	EXPECT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);
	*arg = good;
	arg->bitmap.data = NULL;
	EXPECT_EQ(-EFAULT, get(self));
	ASSERT_EQ(0, stop(self));
	*arg = good;
	EXPECT_EQ(-EINVAL, get(self));
}

/* With nothing that could write nothing is written. */
TEST_F(dirty, no_device)
{
	ASSERT_EQ(0, map_rw(self, 0, PAGES));
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);
}

/* Of a device behind an IOMMU without dirty bits it is not known what it wrote. */
TEST_F(dirty, real_device)
{
	struct st_env *env = &self->env;
	__u64 bits = 0, unmapped;
	int rc = st_env_add_device(env, ST_EDU);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, map_rw(self, 0, 16));
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, map(self, VFIO_DMA_MAP_FLAG_READ, 16, 16));
	ASSERT_EQ(0, vfio_attach(&env->dev, env->ioas));
	ASSERT_EQ(0, st_edu_start(env));
	ASSERT_EQ(0, st_device_fills(env, ST_IOVA + 3 * st_page, 7, st_page));
	EXPECT_TRUE(st_filled(self->memory + 3 * st_page, 7, st_page));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(0, 16), self->bits);
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(0, 16), self->bits);
	ASSERT_EQ(0, unmap(self, 0, 16, 16, &bits, &unmapped));
	EXPECT_EQ(0, bits);
	EXPECT_EQ(16 * st_page, unmapped);

	/* When it has gone all it could have written is told of once more. */
	ASSERT_EQ(0, st_detach(env->dev.fd));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(0, 16), self->bits);
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);
}

TEST_F(dirty, unmap_arguments)
{
	__u64 bits = 0, unmapped;

	ASSERT_EQ(0, map_rw(self, 0, 8));
	EXPECT_EQ(-EINVAL, unmap(self, 0, 0, 8, &bits, &unmapped));
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(-EINVAL, unmap(self, VFIO_DMA_UNMAP_FLAG_ALL, 0, 8, &bits, &unmapped));
	EXPECT_EQ(-EINVAL, unmap(self, VFIO_DMA_UNMAP_FLAG_VADDR, 0, 8, &bits, &unmapped));
	EXPECT_EQ(-EINVAL, unmap(self, 0, 0, 0, &bits, &unmapped));
	EXPECT_EQ(-EINVAL, unmap(self, 0, 0, 65, &bits, &unmapped));
	EXPECT_EQ(-ENOENT, unmap(self, 0, 0, 4, &bits, &unmapped));
	EXPECT_EQ(-EFAULT, unmap(self, 0, 0, 8, NULL, &unmapped));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "ioas:\tid=%u areas=1 mapped=%zu", self->env.ioas,
				    8 * st_page));
	EXPECT_EQ(0, unmap(self, 0, 8, 8, &bits, &unmapped));
	EXPECT_EQ(0, unmapped);
	EXPECT_EQ(0, unmap(self, 0, 0, 8, &bits, &unmapped));
	EXPECT_EQ(8 * st_page, unmapped);
}

/* Attach a mock device to a page table with these flags. */
static int attach_mock(struct _test_data_dirty *self, __u32 flags)
{
	struct st_mock dev;
	int rc = st_mock_add(self->fd, self->env.ioas, 0, &dev);

	if (!rc)
		rc = st_mock_hwpt(self->fd, &dev, self->env.ioas, flags, &self->hwpt);
	return rc ?: st_mock_replace(self->fd, &dev, self->hwpt);
}

static int device_writes(struct _test_data_dirty *self, __u64 bits)
{
	return st_mock_writes(self->fd, self->hwpt, ST_IOVA, PAGES * st_page, st_page, &bits);
}

static int open_access(struct _test_data_dirty *self)
{
	self->access = st_mock_access(self->fd, self->env.ioas,
				      MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	return self->access < 0 ? self->access : 0;
}

static int pin(struct _test_data_dirty *self, unsigned int first, unsigned int n, __u32 *id)
{
	return st_mock_pin(self->fd, self->access, ST_IOVA + first * st_page, n * st_page,
			   MOCK_FLAGS_ACCESS_WRITE, id);
}

static int unpin(struct _test_data_dirty *self, __u32 id)
{
	return st_mock_unpin(self->fd, self->access, id);
}

static int copy(struct _test_data_dirty *self, unsigned int page, __u32 flags)
{
	char text[4] = "abc";

	return st_mock_rw(self->fd, self->access, ST_IOVA + page * st_page + 5, text,
			  sizeof(text), flags);
}

/* What a driver of an emulated device touched, and nothing else. */
TEST_F(dirty, pins_and_copies)
{
	__u64 bits = 0, unmapped;
	__u32 before, during;

	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	ASSERT_EQ(0, open_access(self));
	ASSERT_EQ(0, map_rw(self, 0, 32));
	ASSERT_EQ(0, pin(self, 2, 3, &before));
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, map_rw(self, 32, 32));
	ASSERT_EQ(0, pin(self, 30, 4, &during));
	ASSERT_EQ(0, copy(self, 40, MOCK_ACCESS_RW_WRITE));
	ASSERT_EQ(0, copy(self, 41, MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH));
	ASSERT_EQ(0, copy(self, 42, 0));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(2, 3) | pages(30, 4) | pages(40, 2), self->bits);

	/* What is pinned may be written all the time, what was unpinned no more. */
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(2, 3) | pages(30, 4), self->bits);
	ASSERT_EQ(0, unpin(self, during));
	self->get.get.bitmap.data = NULL;
	EXPECT_EQ(-EFAULT, get(self));
	self->get.get.bitmap.data = &self->bits;
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(2, 3) | pages(30, 4), self->bits);
	ASSERT_EQ(0, unpin(self, before));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(2, 3), self->bits);

	ASSERT_EQ(0, copy(self, 50, MOCK_ACCESS_RW_WRITE));
	ASSERT_EQ(0, unmap(self, 0, 32, 32, &bits, &unmapped));
	EXPECT_EQ(pages(50 - 32, 1), bits);
	EXPECT_EQ(32 * st_page, unmapped);
}

/* A table with dirty bits tells what was written; the access adds to it. */
TEST_F(dirty, dirty_bits)
{
	struct iommu_hwpt_set_dirty_tracking set = { .size = sizeof(set) };
	struct iommu_hwpt_get_dirty_bitmap read = {
		.size = sizeof(read),
		.iova = ST_IOVA,
		.length = PAGES * st_page,
		.page_size = st_page,
		.data = (uintptr_t)&self->bits,
	};
	__u64 bits = 0, unmapped;
	__u32 id;

	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	ASSERT_EQ(0, attach_mock(self, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
	ASSERT_EQ(0, open_access(self));
	ASSERT_EQ(0, map_rw(self, 0, 16));
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, map_rw(self, 20, 44));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);
	ASSERT_EQ(0, device_writes(self, pages(1, 2) | pages(63, 1)));
	ASSERT_EQ(0, pin(self, 5, 1, &id));

	/* The bits are the record's while it runs. */
	set.hwpt_id = self->hwpt;
	read.hwpt_id = self->hwpt;
	EXPECT_EQ(-EBUSY, st_call(self->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
	EXPECT_EQ(-EBUSY, st_call(self->fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &read));
	EXPECT_TRUE(st_told(self->fd, "HWPT_GET_DIRTY_BITMAP", EBUSY, "busy", 0));
	read.flags = IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR;
	self->bits = 0;
	EXPECT_EQ(0, st_call(self->fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &read));
	EXPECT_EQ(pages(1, 2) | pages(63, 1), self->bits);

	self->get.get.bitmap.data = NULL;
	EXPECT_EQ(-EFAULT, get(self));
	self->get.get.bitmap.data = &self->bits;
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(1, 2) | pages(5, 1) | pages(63, 1), self->bits);
	ASSERT_EQ(0, unpin(self, id));
	ASSERT_EQ(0, device_writes(self, pages(10, 3)));
	EXPECT_EQ(-EFAULT, unmap(self, 0, 0, 16, NULL, &unmapped));
	ASSERT_EQ(0, unmap(self, 0, 0, 16, &bits, &unmapped));
	EXPECT_EQ(pages(5, 1) | pages(10, 3), bits);
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(0, self->bits);
	ASSERT_EQ(0, stop(self));
	EXPECT_EQ(0, st_call(self->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
}

/* One table without dirty bits, and everything counts as written. */
TEST_F(dirty, no_dirty_bits)
{
	__u32 id;

	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	ASSERT_EQ(0, attach_mock(self, 0));
	ASSERT_EQ(0, open_access(self));
	ASSERT_EQ(0, map_rw(self, 8, 8));
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, pin(self, 9, 1, &id));
	ASSERT_EQ(0, get(self));
	EXPECT_EQ(pages(8, 8), self->bits);
	ASSERT_EQ(0, unpin(self, id));
}

TEST_HARNESS_MAIN
