// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * dma-bufs that their exporter takes away and gives back, on the mock IOMMU. How much of
 * one a device sees is told by the pages that it can write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "st_container.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define PAGES	16u
#define SIZE	(PAGES * st_page)

FIXTURE(dmabuf)
{
	struct st_env env;
	struct st_mock dev;
	__u32 table;	/* tracks */
	int buf;
	int fd;
};

static int add_table(struct _test_data_dmabuf *self, __u32 ioas, __u32 *table)
{
	return st_mock_hwpt(self->fd, &self->dev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
			    table) ?:
	       st_mock_track(self->fd, *table, IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
}

FIXTURE_SETUP(dmabuf)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->fd = self->env.iommufd;
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &self->dev));
	ASSERT_EQ(0, add_table(self, self->env.ioas, &self->table));
	self->buf = st_mock_dmabuf(self->fd, SIZE);
	ASSERT_LE(0, self->buf);
}

FIXTURE_TEARDOWN(dmabuf)
{
	if (self->buf >= 0)
		close(self->buf);
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map(struct _test_data_dmabuf *self, __u64 start, __u64 length, __u64 iova)
{
	return st_map_file(self->fd, self->env.ioas, ST_RW | ST_FIXED, self->buf, start, length,
			   &iova);
}

static int seen_in(struct _test_data_dmabuf *self, __u32 table)
{
	return st_mock_mapped(self->fd, table, ST_IOVA, PAGES);
}

/* It comes back by itself, some time after it is given back. */
static int comes_back_to(struct _test_data_dmabuf *self, __u32 table)
{
	int seen, tries;

	for (tries = 0; tries < 6000; tries++) {
		seen = seen_in(self, table);
		if (seen)
			break;
		st_sleep_ms(10);
	}
	return seen;
}

/* The selftest's call returns a descriptor, which is all there is. */
TEST_F(dmabuf, descriptor)
{
	EXPECT_EQ(SIZE, lseek(self->buf, 0, SEEK_END));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->buf, F_GETFD));
	EXPECT_EQ(-EINVAL, st_mock_dmabuf(self->fd, 0));
	EXPECT_EQ(-EINVAL, st_mock_dmabuf(self->fd, 512 * st_page + 1));
	EXPECT_EQ(-EBADF, st_mock_revoke(self->fd, 999, true));
	EXPECT_EQ(-EINVAL, st_mock_revoke(self->fd, self->fd, true));
}

TEST_F(dmabuf, map)
{
	char *before = st_state(self->fd);

	/* Beyond its end, or nothing. */
	EXPECT_EQ(-EINVAL, map(self, 0, SIZE + st_page, ST_IOVA));
	EXPECT_EQ(-EINVAL, map(self, st_page, SIZE, ST_IOVA));
	EXPECT_EQ(-EINVAL, map(self, SIZE, st_page, ST_IOVA));
	EXPECT_EQ(-EOVERFLOW, map(self, -st_page, 2 * st_page, ST_IOVA));
	EXPECT_EQ(-EINVAL, map(self, 0, 0, ST_IOVA));
	EXPECT_TRUE(st_state_is(self->fd, before));
	EXPECT_EQ(0, seen_in(self, self->table));

	/* It is no memory of the program: nothing is pinned or charged. */
	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	EXPECT_EQ(PAGES, seen_in(self, self->table));
	EXPECT_EQ(0, st_fdinfo(self->fd, "pinned:"));
	EXPECT_EQ(0, st_fdinfo(self->fd, "charged:"));
	EXPECT_EQ(self->env.before.vm_pin, st_vm_pin());
	EXPECT_EQ(-EEXIST, map(self, 0, st_page, ST_IOVA + SIZE - st_page));
	EXPECT_EQ(0, map(self, 2 * st_page, st_page, ST_IOVA + SIZE));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE + st_page));
	EXPECT_EQ(0, seen_in(self, self->table));
	EXPECT_TRUE(st_state_is(self->fd, before));
}

/* The mapping keeps it. */
TEST_F(dmabuf, descriptor_closed)
{
	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	close(self->buf);
	self->buf = -1;
	EXPECT_EQ(PAGES, seen_in(self, self->table));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->env.ioas, NULL));
}

TEST_F(dmabuf, not_to_be_cut)
{
	__u64 size = SIZE / 2;
	struct iommu_vfio_ioas choice = {
		.size = sizeof(choice),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = self->env.ioas,
	};

	ASSERT_EQ(0, st_call(self->fd, IOMMU_VFIO_IOAS, &choice));
	ASSERT_EQ(0, st_call(self->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	EXPECT_EQ(-ENOENT, st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE / 2));
	EXPECT_EQ(PAGES, seen_in(self, self->table));
	/* As type1 has it: all of the mapping that begins there. */
	EXPECT_EQ(0, st_dma_unmap(self->fd, 0, ST_IOVA, &size));
	EXPECT_EQ(SIZE, size);
	EXPECT_EQ(0, seen_in(self, self->table));
}

/* What the CPU would have to touch. */
TEST_F(dmabuf, out_of_the_cpus_reach)
{
	int access = st_mock_access(self->fd, self->env.ioas,
				    MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	unsigned char bytes[16];
	__u32 pages;

	ASSERT_LE(0, access);
	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	EXPECT_EQ(-EINVAL, st_mock_pin(self->fd, access, ST_IOVA, st_page, 0, &pages));
	EXPECT_EQ(-EINVAL, st_mock_rw(self->fd, access, ST_IOVA, bytes, sizeof(bytes), 0));
	EXPECT_EQ(-EINVAL, st_mock_rw(self->fd, access, ST_IOVA, bytes, sizeof(bytes),
				      MOCK_ACCESS_RW_SLOW_PATH));
	close(access);
}

TEST_F(dmabuf, revoked)
{
	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(PAGES, comes_back_to(self, self->table));
		ASSERT_EQ(0, st_mock_revoke(self->fd, self->buf, true));
		/* At once. */
		EXPECT_EQ(0, seen_in(self, self->table));
		ASSERT_EQ(0, st_mock_revoke(self->fd, self->buf, false));
	}
	EXPECT_EQ(PAGES, comes_back_to(self, self->table));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE));
	EXPECT_EQ(0, seen_in(self, self->table));
}

/* What is made meanwhile has a hole there, which is filled later. */
TEST_F(dmabuf, used_while_revoked)
{
	__u32 table, ioas, other;
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.src_ioas_id = self->env.ioas,
		.length = SIZE,
		.dst_iova = ST_IOVA,
		.src_iova = ST_IOVA,
	};

	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	ASSERT_EQ(0, st_mock_revoke(self->fd, self->buf, true));
	EXPECT_EQ(-ENODEV, map(self, 0, SIZE, 2 * ST_IOVA));
	ASSERT_EQ(0, add_table(self, self->env.ioas, &table));
	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
	copy.dst_ioas_id = ioas;
	ASSERT_EQ(0, add_table(self, ioas, &other));
	EXPECT_EQ(0, st_copy(self->fd, &copy));
	EXPECT_EQ(0, seen_in(self, table));
	EXPECT_EQ(0, seen_in(self, other));

	ASSERT_EQ(0, st_mock_revoke(self->fd, self->buf, false));
	EXPECT_EQ(PAGES, comes_back_to(self, table));
	EXPECT_EQ(PAGES, comes_back_to(self, other));
	EXPECT_EQ(PAGES, comes_back_to(self, self->table));
	EXPECT_EQ(0, map(self, 0, SIZE, 2 * ST_IOVA));

	/* Away from all of them at once. */
	ASSERT_EQ(0, st_mock_revoke(self->fd, self->buf, true));
	EXPECT_EQ(0, seen_in(self, table));
	EXPECT_EQ(0, seen_in(self, other));
	EXPECT_EQ(0, seen_in(self, self->table));
}

/* Unmapped while it is away: it comes back to nobody. */
TEST_F(dmabuf, unmapped_while_revoked)
{
	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	ASSERT_EQ(0, st_mock_revoke(self->fd, self->buf, true));
	ASSERT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE));
	ASSERT_EQ(0, st_mock_revoke(self->fd, self->buf, false));
	ASSERT_EQ(0, map(self, 0, st_page, ST_IOVA));
	EXPECT_EQ(1, comes_back_to(self, self->table));
}

/* Another process can take the file over: nothing of this one is in it. */
TEST_F(dmabuf, change_process)
{
	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	EXPECT_EQ(0, st_change_process(self->fd));
	EXPECT_EQ(PAGES, seen_in(self, self->table));
}

/* Hardware queues have to stay where they are. */
TEST_F(dmabuf, no_hardware_queue)
{
	__u32 parent, viommu;
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.nesting_parent_iova = ST_IOVA,
		.length = st_page,
	};

	ASSERT_EQ(0, map(self, 0, SIZE, ST_IOVA));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	ASSERT_EQ(0, st_mock_viommu(self->fd, &self->dev, parent, NULL, &viommu));
	cmd.viommu_id = viommu;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, &cmd));
	EXPECT_TRUE(st_told(self->fd, "HW_QUEUE_ALLOC", EINVAL, "not-supported", ST_IOVA));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE));
}

TEST_HARNESS_MAIN
