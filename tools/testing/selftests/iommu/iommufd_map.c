// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_IOAS_MAP: what is refused, in which order, and what a refusal leaves.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(map)
{
	struct st_env env;
	struct iommu_iova_range msi;
	unsigned char *memory;
	int fd;
	__u32 ioas;
};

FIXTURE_VARIANT(map)
{
	bool attached;
};

FIXTURE_VARIANT_ADD(map, alone)
{
	.attached = false,
};

FIXTURE_VARIANT_ADD(map, device)
{
	.attached = true,
};

FIXTURE_SETUP(map)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
	self->ioas = self->env.ioas;
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_msi_window(&self->env, &self->msi));
	if (variant->attached)
		ASSERT_EQ(0, vfio_attach(&self->env.dev, self->ioas));
}

FIXTURE_TEARDOWN(map)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* Nothing was mapped, pinned or charged by what was tried. */
static bool unchanged(struct _test_data_map *self)
{
	__u64 length = 1;

	return !st_unmap_all(self->fd, self->ioas, &length) && !length &&
	       st_counters_are(&self->env.before);
}

TEST_F(map, flags)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = ST_RW,
		.ioas_id = self->ioas,
		.user_va = (uintptr_t)self->memory,
		.length = st_page,
		.iova = ST_IOVA,
	};
	unsigned int bit;

	for (bit = 3; bit < 32; bit++) {
		map.flags = ST_RW | 1u << bit;
		EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_IOAS_MAP, &map)) {
			TH_LOG("flag bit %u", bit);
		}
	}
	map.flags = ST_RW;
	map.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_IOAS_MAP, &map));
	map.__reserved = 0;
	map.flags = 0;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_IOAS_MAP, &map));
	map.flags = ST_FIXED;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_IOAS_MAP, &map));
	EXPECT_TRUE(unchanged(self));
}

/* Wrong in every way: mend one thing at a time and see what is judged next. */
TEST_F(map, order_of_refusals)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = 1u << 31,
		.ioas_id = ST_NO_ID,
		.length = ST_MAX,
		.iova = ST_MAX,
	};

	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_IOAS_MAP, &map));
	map.flags = 0;
	EXPECT_EQ(-EOVERFLOW, st_call(self->fd, IOMMU_IOAS_MAP, &map));
	map.length = 0;
	EXPECT_EQ(-EOVERFLOW, st_call(self->fd, IOMMU_IOAS_MAP, &map));
	map.iova = 0;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_IOAS_MAP, &map));
	map.flags = ST_R;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_IOAS_MAP, &map));
	map.ioas_id = self->ioas;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_IOAS_MAP, &map));
}

TEST_F(map, numbers_out_of_range)
{
	__u64 iova = ST_MAX;

	/* The IOVA is judged even where it is not used. */
	EXPECT_EQ(-EOVERFLOW, st_map(self->fd, self->ioas, ST_RW, self->memory, st_page, &iova));
	iova = ST_IOVA;
	EXPECT_EQ(-EOVERFLOW, st_map(self->fd, self->ioas, ST_RW, self->memory, ST_MAX, &iova));
	EXPECT_EQ(-EINVAL, st_map(self->fd, self->ioas, ST_RW, self->memory, 0, &iova));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, 0, ST_IOVA));

	/* Source and destination that wrap; the source is judged before alignment. */
	EXPECT_EQ(-EOVERFLOW, st_map_at(self->fd, self->ioas, (void *)-st_page, 2 * st_page,
					ST_IOVA));
	EXPECT_EQ(-EOVERFLOW, st_map_at(self->fd, self->ioas, (void *)-1ul, st_page, ST_IOVA + 1));
	EXPECT_EQ(-EOVERFLOW, st_map_at(self->fd, self->ioas, self->memory, 2 * st_page,
					-st_page));
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map, alignment)
{
	int expected = variant->attached ? -EINVAL : 0;

	EXPECT_EQ(expected, st_map_at(self->fd, self->ioas, self->memory, st_page, ST_IOVA + 1));
	EXPECT_EQ(expected, st_map_at(self->fd, self->ioas, self->memory, 100, 2 * ST_IOVA));
	EXPECT_EQ(expected, st_map_at(self->fd, self->ioas, self->memory + 1, st_page,
				      3 * ST_IOVA));
	if (!variant->attached) {
		EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA + 1, st_page));
		EXPECT_EQ(0, st_unmap(self->fd, self->ioas, 2 * ST_IOVA, 100));
		EXPECT_EQ(0, st_unmap(self->fd, self->ioas, 3 * ST_IOVA, st_page));
	} else {
		__u64 iova = 0;

		/* Neither is it rounded where the kernel chooses the place. */
		EXPECT_EQ(-EINVAL, st_map(self->fd, self->ioas, ST_RW, self->memory + 1, st_page,
					  &iova));
		EXPECT_EQ(-EINVAL, st_map(self->fd, self->ioas, ST_RW, self->memory, 100, &iova));
	}
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map, reserved)
{
	struct iommu_iova_range *msi = &self->msi;

	if (!variant->attached) {
		EXPECT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, msi->start));
		EXPECT_EQ(0, st_unmap(self->fd, self->ioas, msi->start, st_page));
		return;
	}
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, st_page, msi->start));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, st_page,
				     msi->last + 1 - st_page));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, 2 * st_page,
				     msi->start - st_page));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, 2 * st_page,
				     msi->last + 1 - st_page));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, st_page, 1ull << 62));

	/* Up to the window on both sides is fine; reserved comes before occupied. */
	EXPECT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page,
			       msi->start - st_page));
	EXPECT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, msi->last + 1));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, 2 * st_page,
				     msi->start - st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, msi->start - st_page, st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, msi->last + 1, st_page));
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map, overlap)
{
	static const struct { int from, to; } pages[] = {
		{ 4, 8 }, { 4, 5 }, { 7, 8 }, { 5, 6 }, { 3, 5 }, { 7, 9 }, { 0, 16 },
	};
	size_t i;

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, 4 * st_page,
			       ST_IOVA + 4 * st_page));
	for (i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		EXPECT_EQ(-EEXIST, st_map_at(self->fd, self->ioas, self->memory,
					     (pages[i].to - pages[i].from) * st_page,
					     ST_IOVA + pages[i].from * st_page)) {
			TH_LOG("pages %d to %d", pages[i].from, pages[i].to);
		}
	}
	EXPECT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, 4 * st_page, ST_IOVA));
	EXPECT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page,
			       ST_IOVA + 8 * st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, 9 * st_page));
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map, overlap_by_a_byte)
{
	if (variant->attached)
		return;
	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, 10, 1000));
	EXPECT_EQ(-EEXIST, st_map_at(self->fd, self->ioas, self->memory, 1, 1009));
	EXPECT_EQ(-EEXIST, st_map_at(self->fd, self->ioas, self->memory, 2, 999));
	EXPECT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, 1, 1010));
	EXPECT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, 1, 999));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, 999, 12));
}

TEST_F(map, edges_of_the_space)
{
	__u64 last = ST_MAX - st_page + 1;

	EXPECT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, 0));
	EXPECT_EQ(variant->attached ? -EINVAL : 0,
		  st_map_at(self->fd, self->ioas, self->memory, st_page, last));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
}

/* Memory that cannot be pinned: refused as soon as there is a page table. */
static void expect_fault(struct __test_metadata *_metadata, struct _test_data_map *self,
			 bool attached, __u32 flags, const void *va, size_t length)
{
	__u64 iova = ST_IOVA;
	int rc = st_map(self->fd, self->ioas, flags | ST_FIXED, va, length, &iova);

	if (attached) {
		EXPECT_EQ(-EFAULT, rc);
	} else {
		EXPECT_EQ(0, rc);
		EXPECT_EQ(-EFAULT, st_attach(self->env.dev.fd, self->ioas));
		EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, length));
		EXPECT_EQ(0, st_attach(self->env.dev.fd, self->ioas));
		EXPECT_EQ(0, st_detach(self->env.dev.fd));
	}
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map, read_only_memory)
{
	__u64 iova = ST_IOVA;

	self->memory[0] = 1;
	ASSERT_EQ(0, mprotect(self->memory, 4 * st_page, PROT_READ));
	expect_fault(_metadata, self, variant->attached, ST_W, self->memory, 4 * st_page);
	expect_fault(_metadata, self, variant->attached, ST_RW, self->memory, 8 * st_page);
	EXPECT_EQ(0, st_map(self->fd, self->ioas, ST_R | ST_FIXED, self->memory, 4 * st_page,
			    &iova));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, 4 * st_page));
}

TEST_F(map, absent_memory)
{
	ASSERT_EQ(0, munmap(self->memory + 8 * st_page, 4 * st_page));
	expect_fault(_metadata, self, variant->attached, ST_R, self->memory + 8 * st_page,
		     st_page);
	expect_fault(_metadata, self, variant->attached, ST_RW, self->memory, 9 * st_page);
	expect_fault(_metadata, self, variant->attached, ST_RW, self->memory, ST_MIB);
	ASSERT_EQ(0, mprotect(self->memory, 4 * st_page, PROT_NONE));
	expect_fault(_metadata, self, variant->attached, ST_R, self->memory, st_page);
	expect_fault(_metadata, self, variant->attached, ST_R, NULL, st_page);
}

/* A device's registers are no memory. */
TEST_F(map, registers)
{
	struct vfio_bar bar;

	ASSERT_EQ(0, vfio_enable_dma(&self->env.dev));
	ASSERT_EQ(0, vfio_map_bar(&self->env.dev, 0, &bar));
	expect_fault(_metadata, self, variant->attached, ST_RW, bar.base, st_page);
	munmap(bar.base, bar.size);
}

TEST_F(map, permissions_alone)
{
	__u64 iova = 0;

	self->memory[0] = 1;
	EXPECT_EQ(0, st_map(self->fd, self->ioas, ST_R, self->memory, st_page, &iova));
	EXPECT_EQ(0, st_map(self->fd, self->ioas, ST_W, self->memory, st_page, &iova));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
}

TEST_F(map, iova_is_told)
{
	__u64 iova = 0x12345;

	/* Without FIXED the value passed in means nothing. */
	ASSERT_EQ(0, st_map(self->fd, self->ioas, ST_RW, self->memory, st_page, &iova));
	EXPECT_NE(0x12345, iova);
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, iova, st_page));
	iova = ST_IOVA;
	ASSERT_EQ(0, st_map(self->fd, self->ioas, ST_RW | ST_FIXED, self->memory, st_page,
			    &iova));
	EXPECT_EQ(ST_IOVA, iova);
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, iova, st_page));
}

/* Pinned as long as a page table shows it, and not before. */
TEST_F(map, pins)
{
	long long before = self->env.before.vm_pin, mapped = 4 * (long long)(ST_MIB / ST_KIB);
	unsigned char *memory = st_memory(4 * ST_MIB);

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, memory, 4 * ST_MIB, ST_IOVA));
	EXPECT_EQ(variant->attached ? before + mapped : before, st_vm_pin());
	if (!variant->attached) {
		ASSERT_EQ(0, st_attach(self->env.dev.fd, self->ioas));
		EXPECT_EQ(before + mapped, st_vm_pin());
		ASSERT_EQ(0, st_detach(self->env.dev.fd));
		EXPECT_EQ(before, st_vm_pin());
		ASSERT_EQ(0, st_attach(self->env.dev.fd, self->ioas));
		EXPECT_EQ(before + mapped, st_vm_pin());
	}
	ASSERT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, 4 * ST_MIB));
	EXPECT_EQ(before, st_vm_pin());
	EXPECT_TRUE(unchanged(self));
}

TEST_HARNESS_MAIN
