// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_IOAS_COPY.
 */
#include <errno.h>
#include <stdint.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

/* The source is a second IOAS that no device sees. */
FIXTURE(copy)
{
	struct st_env env;
	struct iommu_iova_range msi;
	unsigned char *memory;
	int fd;
	__u32 dst, src;
};

FIXTURE_VARIANT(copy)
{
	bool attached;
};

FIXTURE_VARIANT_ADD(copy, alone)
{
	.attached = false,
};

FIXTURE_VARIANT_ADD(copy, device)
{
	.attached = true,
};

#define SRC	(64 * ST_MIB)
#define DST	ST_IOVA

FIXTURE_SETUP(copy)
{
	int rc = variant->attached ? st_env_open_attached(&self->env, ST_QUICK) :
				     st_env_open(&self->env);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	if (variant->attached)
		ASSERT_EQ(0, st_msi_window(&self->env, &self->msi));
	self->fd = self->env.iommufd;
	self->dst = self->env.ioas;
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->src));
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(copy)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* Copy pages @from to @to of the source to the same pages of the destination. */
static int copy_pages(struct _test_data_copy *self, __u32 flags, int from, int to)
{
	struct iommu_ioas_copy copy = {
		.flags = flags | ST_FIXED,
		.dst_ioas_id = self->dst,
		.src_ioas_id = self->src,
		.length = (to - from) * st_page,
		.dst_iova = DST + from * st_page,
		.src_iova = SRC + from * st_page,
	};

	return st_copy(self->fd, &copy);
}

/* Map pages @from to @to of the source. */
static int map_pages(struct _test_data_copy *self, __u32 flags, int from, int to)
{
	__u64 iova = SRC + from * st_page;

	return st_map(self->fd, self->src, flags | ST_FIXED, self->memory + from * st_page,
		      (to - from) * st_page, &iova);
}

static bool nothing_arrived(struct _test_data_copy *self)
{
	__u64 length = 1;

	return !st_unmap_all(self->fd, self->dst, &length) && !length &&
	       st_counters_are(&self->env.before);
}

TEST_F(copy, order_of_refusals)
{
	struct iommu_ioas_copy copy = {
		.flags = 1u << 31,
		.dst_ioas_id = ST_NO_ID,
		.src_ioas_id = ST_NO_ID,
		.length = ST_MAX,
		.dst_iova = ST_MAX,
		.src_iova = SRC,
	};

	ASSERT_EQ(0, map_pages(self, ST_RW, 0, 4));
	EXPECT_EQ(-EOPNOTSUPP, st_copy(self->fd, &copy));
	copy.flags = 1u << 3;
	EXPECT_EQ(-EOPNOTSUPP, st_copy(self->fd, &copy));
	copy.flags = ST_FIXED;
	EXPECT_EQ(-EOVERFLOW, st_copy(self->fd, &copy));
	copy.length = st_page;
	EXPECT_EQ(-EOVERFLOW, st_copy(self->fd, &copy));
	copy.dst_iova = DST;
	EXPECT_EQ(-EINVAL, st_copy(self->fd, &copy));
	copy.flags = ST_RW | ST_FIXED;
	EXPECT_EQ(-ENOENT, st_copy(self->fd, &copy));
	copy.src_ioas_id = self->src;
	EXPECT_EQ(-ENOENT, st_copy(self->fd, &copy));
	copy.dst_ioas_id = self->dst;
	EXPECT_EQ(0, st_copy(self->fd, &copy));
	EXPECT_EQ(-EEXIST, st_copy(self->fd, &copy));
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, DST, st_page));
}

TEST_F(copy, empty_and_wrapping)
{
	struct iommu_ioas_copy copy = {
		.flags = ST_RW,
		.dst_ioas_id = self->dst,
		.src_ioas_id = self->src,
		.src_iova = SRC,
	};

	ASSERT_EQ(0, map_pages(self, ST_RW, 0, 4));
	EXPECT_EQ(-EINVAL, st_copy(self->fd, &copy));
	copy.length = 2 * st_page;
	copy.src_iova = -st_page;
	EXPECT_EQ(-EOVERFLOW, st_copy(self->fd, &copy));
	copy.src_iova = SRC;
	copy.flags |= ST_FIXED;
	copy.dst_iova = -st_page;
	EXPECT_EQ(-EOVERFLOW, st_copy(self->fd, &copy));
	EXPECT_TRUE(nothing_arrived(self));
}

TEST_F(copy, holes)
{
	ASSERT_EQ(0, map_pages(self, ST_RW, 2, 4));
	ASSERT_EQ(0, map_pages(self, ST_RW, 5, 7));
	EXPECT_EQ(-ENOENT, copy_pages(self, ST_RW, 0, 1));
	EXPECT_EQ(-ENOENT, copy_pages(self, ST_RW, 1, 4));
	EXPECT_EQ(-ENOENT, copy_pages(self, ST_RW, 2, 5));
	EXPECT_EQ(-ENOENT, copy_pages(self, ST_RW, 2, 7));
	EXPECT_EQ(-ENOENT, copy_pages(self, ST_RW, 4, 5));
	EXPECT_EQ(-ENOENT, copy_pages(self, ST_RW, 5, 8));
	EXPECT_TRUE(nothing_arrived(self));
	EXPECT_EQ(0, copy_pages(self, ST_RW, 2, 4));
	EXPECT_EQ(0, copy_pages(self, ST_RW, 5, 7));
}

/* Any slice of a mapping, and several of them in one go. */
TEST_F(copy, slices)
{
	__u64 length = 0;
	int from, to;

	ASSERT_EQ(0, map_pages(self, ST_RW, 0, 2));
	ASSERT_EQ(0, map_pages(self, ST_RW, 2, 5));
	ASSERT_EQ(0, map_pages(self, ST_RW, 5, 6));
	for (from = 0; from < 6; from++)
		for (to = from + 1; to <= 6; to++) {
			ASSERT_EQ(0, copy_pages(self, ST_RW, from, to));
			ASSERT_EQ(0, st_unmap_all(self->fd, self->dst, &length));
			ASSERT_EQ((to - from) * st_page, length);
		}
}

/* What came from several mappings is several mappings. */
TEST_F(copy, lands_as_it_was)
{
	ASSERT_EQ(0, map_pages(self, ST_RW, 0, 2));
	ASSERT_EQ(0, map_pages(self, ST_RW, 2, 4));
	ASSERT_EQ(0, copy_pages(self, ST_RW, 1, 4));
	EXPECT_EQ(-ENOENT, st_unmap(self->fd, self->dst, DST + st_page, 2 * st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, DST + st_page, st_page));
	EXPECT_EQ(-ENOENT, st_unmap(self->fd, self->dst, DST + 2 * st_page, st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, DST + 2 * st_page, 2 * st_page));

	/* The source is as it was. */
	EXPECT_EQ(0, st_unmap(self->fd, self->src, SRC, 2 * st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->src, SRC + 2 * st_page, 2 * st_page));
}

TEST_F(copy, permissions)
{
	struct iommu_ioas_copy copy = {
		.flags = ST_RW,
		.dst_ioas_id = self->dst,
		.length = st_page,
	};
	__u32 middle;

	self->memory[0] = 1;
	ASSERT_EQ(0, map_pages(self, ST_R, 0, 1));
	EXPECT_EQ(-EPERM, copy_pages(self, ST_RW, 0, 1));
	EXPECT_EQ(-EPERM, copy_pages(self, ST_W, 0, 1));
	EXPECT_TRUE(nothing_arrived(self));
	EXPECT_EQ(0, copy_pages(self, ST_R, 0, 1));

	/* A read-only view of writable memory may become writable again. */
	ASSERT_EQ(0, map_pages(self, ST_RW, 1, 2));
	ASSERT_EQ(0, ioas_alloc(self->fd, &middle));
	copy.flags = ST_R | ST_FIXED;
	copy.dst_ioas_id = middle;
	copy.src_ioas_id = self->src;
	copy.src_iova = SRC + st_page;
	ASSERT_EQ(0, st_copy(self->fd, &copy));
	copy.flags = ST_RW | ST_FIXED;
	copy.src_ioas_id = middle;
	copy.src_iova = 0;
	copy.dst_ioas_id = self->dst;
	copy.dst_iova = 2 * DST;
	EXPECT_EQ(0, st_copy(self->fd, &copy));
}

TEST_F(copy, place)
{
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->dst,
		.src_ioas_id = self->src,
		.length = st_page,
		.dst_iova = DST + 1,
		.src_iova = SRC,
	};
	int misaligned = variant->attached ? -EINVAL : 0;

	ASSERT_EQ(0, map_pages(self, ST_RW, 0, 4));
	EXPECT_EQ(misaligned, st_copy(self->fd, &copy));
	copy.dst_iova = 3 * DST;
	copy.length = 100;
	EXPECT_EQ(misaligned, st_copy(self->fd, &copy));
	copy.dst_iova = 4 * DST;
	copy.length = st_page;
	copy.src_iova = SRC + 8;
	EXPECT_EQ(misaligned, st_copy(self->fd, &copy));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->dst, NULL));

	copy.src_iova = SRC;
	if (variant->attached) {
		copy.dst_iova = self->msi.start;
		EXPECT_EQ(-EINVAL, st_copy(self->fd, &copy));
	}
	copy.dst_iova = DST;
	ASSERT_EQ(0, st_copy(self->fd, &copy));
	EXPECT_EQ(-EEXIST, copy_pages(self, ST_RW, 0, 4));

	/* The kernel chooses. */
	copy.flags = ST_RW;
	copy.dst_iova = 0;
	EXPECT_EQ(0, st_copy(self->fd, &copy));
	EXPECT_NE(0, copy.dst_iova);
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, copy.dst_iova, st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, DST, st_page));
	EXPECT_TRUE(nothing_arrived(self));
}

TEST_F(copy, no_room)
{
	struct iommu_iova_range range = { .start = DST, .last = DST + 4 * st_page - 1 };
	struct iommu_ioas_copy copy = {
		.flags = ST_RW,
		.dst_ioas_id = self->dst,
		.src_ioas_id = self->src,
		.length = 5 * st_page,
		.src_iova = SRC,
	};

	ASSERT_EQ(0, map_pages(self, ST_RW, 0, 3));
	ASSERT_EQ(0, map_pages(self, ST_RW, 3, 6));
	ASSERT_EQ(0, st_allow(self->fd, self->dst, &range, 1));
	EXPECT_EQ(-ENOSPC, st_copy(self->fd, &copy));
	EXPECT_TRUE(nothing_arrived(self));
	copy.length = 4 * st_page;
	EXPECT_EQ(0, st_copy(self->fd, &copy));
	EXPECT_EQ(DST, copy.dst_iova);
}

TEST_F(copy, within_one_space)
{
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->dst,
		.src_ioas_id = self->dst,
		.length = 2 * st_page,
		.dst_iova = 2 * DST,
		.src_iova = DST,
	};

	ASSERT_EQ(0, st_map_at(self->fd, self->dst, self->memory, 2 * st_page, DST));
	EXPECT_EQ(0, st_copy(self->fd, &copy));
	copy.dst_iova = DST + st_page;
	EXPECT_EQ(-EEXIST, st_copy(self->fd, &copy));
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, DST, 2 * st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, 2 * DST, 2 * st_page));
	EXPECT_TRUE(nothing_arrived(self));
}

/* A result that cannot be written leaves the mapping. */
TEST_F(copy, result_cannot_be_written)
{
	struct iommu_ioas_copy *copy = (void *)st_memory(st_page);

	ASSERT_EQ(0, st_map_at(self->fd, self->src, self->memory, st_page, SRC));
	*copy = (struct iommu_ioas_copy){
		.size = sizeof(*copy),
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->dst,
		.src_ioas_id = self->src,
		.length = st_page,
		.dst_iova = DST,
		.src_iova = SRC,
	};
	ASSERT_EQ(0, mprotect(copy, st_page, PROT_READ));
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_IOAS_COPY, copy));
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, DST, st_page));
	EXPECT_EQ(0, munmap(copy, st_page));
}

/* However many spaces show a page, it is pinned and counted once. */
TEST_F(copy, pinned_once)
{
	long long before = self->env.before.vm_pin, pages = 16 * (long long)(st_page / ST_KIB);
	struct iommu_ioas_copy again = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->dst,
		.src_ioas_id = self->src,
		.length = 8 * st_page,
		.dst_iova = 4 * DST,
		.src_iova = SRC,
	};

	if (!variant->attached)
		return;
	ASSERT_EQ(0, map_pages(self, ST_RW, 0, 16));
	EXPECT_EQ(before, st_vm_pin());
	ASSERT_EQ(0, copy_pages(self, ST_RW, 0, 16));
	EXPECT_EQ(before + pages, st_vm_pin());
	ASSERT_EQ(0, st_copy(self->fd, &again));
	EXPECT_EQ(before + pages, st_vm_pin());

	/* Half of it is still shown by the second copy. */
	ASSERT_EQ(0, st_unmap(self->fd, self->dst, DST, 16 * st_page));
	EXPECT_EQ(before + pages / 2, st_vm_pin());
	ASSERT_EQ(0, st_unmap(self->fd, self->src, SRC, 16 * st_page));
	EXPECT_EQ(before + pages / 2, st_vm_pin());
	ASSERT_EQ(0, st_unmap(self->fd, self->dst, 4 * DST, 8 * st_page));
	EXPECT_EQ(before, st_vm_pin());
}

TEST_F(copy, outlives_the_source)
{
	ASSERT_EQ(0, map_pages(self, ST_RW, 0, 4));
	ASSERT_EQ(0, copy_pages(self, ST_RW, 0, 4));
	ASSERT_EQ(0, iommufd_destroy(self->fd, self->src));
	EXPECT_EQ(-ENOENT, copy_pages(self, ST_RW, 4, 5));
	EXPECT_EQ(0, st_unmap(self->fd, self->dst, DST, 4 * st_page));
	EXPECT_TRUE(nothing_arrived(self));
}

TEST_HARNESS_MAIN
