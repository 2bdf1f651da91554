// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The space of I/O addresses: which there are, which are reserved or allowed,
 * and where the kernel puts a mapping when it may choose.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(iova)
{
	struct st_env env;
	struct iommu_iova_range msi;
	unsigned char *memory;
};

FIXTURE_SETUP(iova)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_msi_window(&self->env, &self->msi));
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(iova)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int read_ranges(struct st_env *env, struct iommu_iova_range *ranges, __u32 *count,
		       __u64 *alignment)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = env->ioas,
		.num_iovas = *count,
		.allowed_iovas = (uintptr_t)ranges,
	};
	int rc = st_call(env->iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd);

	*count = cmd.num_iovas;
	*alignment = cmd.out_iova_alignment;
	return rc;
}

TEST_F(iova, everything_without_devices)
{
	struct iova_ranges ranges;

	ASSERT_EQ(0, ioas_iova_ranges(self->env.iommufd, self->env.ioas, &ranges));
	EXPECT_EQ(1, ranges.count);
	EXPECT_EQ(1, ranges.alignment);
	EXPECT_EQ(0, ranges.range[0].start);
	EXPECT_EQ(ST_MAX, ranges.range[0].last);
}

TEST_F(iova, device_takes_and_gives_back)
{
	struct iova_ranges ranges;
	unsigned int i;

	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, ioas_iova_ranges(self->env.iommufd, self->env.ioas, &ranges));
	EXPECT_EQ(st_page, ranges.alignment);
	ASSERT_LE(2, ranges.count);
	for (i = 0; i < ranges.count; i++) {
		EXPECT_LT(ranges.range[i].start, ranges.range[i].last);
		EXPECT_TRUE(ranges.range[i].last < self->msi.start ||
			    ranges.range[i].start > self->msi.last);
		if (i)
			EXPECT_LT(ranges.range[i - 1].last, ranges.range[i].start);
	}
	/* The MSI window is a hole between two of them; the end is the IOMMU's. */
	EXPECT_EQ(self->msi.start - 1, ranges.range[0].last);
	EXPECT_EQ(self->msi.last + 1, ranges.range[1].start);
	EXPECT_GT(ST_MAX, ranges.range[ranges.count - 1].last);

	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, ioas_iova_ranges(self->env.iommufd, self->env.ioas, &ranges));
	EXPECT_EQ(1, ranges.count);
	EXPECT_EQ(1, ranges.alignment);
	EXPECT_EQ(ST_MAX, ranges.range[0].last);
}

TEST_F(iova, ranges_refused)
{
	struct iommu_iova_range ranges[8];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = self->env.ioas,
		.num_iovas = 8,
		.__reserved = 1,
		.allowed_iovas = (uintptr_t)ranges,
	};

	EXPECT_EQ(-EOPNOTSUPP, st_call(self->env.iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd));
	cmd.__reserved = 0;
	cmd.allowed_iovas = 8;
	EXPECT_EQ(-EFAULT, st_call(self->env.iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd));
	cmd.ioas_id = ST_NO_ID;
	EXPECT_EQ(-ENOENT, st_call(self->env.iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd));
}

TEST_F(iova, ranges_in_too_little_room)
{
	struct iommu_iova_range full[16], some[16];
	__u64 alignment = 0;
	__u32 count = 0, total = 16, i, n;

	EXPECT_EQ(-EMSGSIZE, read_ranges(&self->env, NULL, &count, &alignment));
	EXPECT_EQ(1, count);
	EXPECT_EQ(1, alignment);

	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, read_ranges(&self->env, full, &total, &alignment));
	ASSERT_LE(2, total);
	for (n = 0; n < total; n++) {
		memset(some, 0x5a, sizeof(some));
		count = n;
		alignment = 0;
		EXPECT_EQ(-EMSGSIZE, read_ranges(&self->env, some, &count, &alignment));
		EXPECT_EQ(total, count);
		EXPECT_EQ(st_page, alignment);
		for (i = 0; i < n; i++)
			EXPECT_EQ(0, memcmp(&some[i], &full[i], sizeof(some[i])));
		EXPECT_EQ(0x5a5a5a5a5a5a5a5aull, some[n].start);
	}
}

TEST_F(iova, allow_refused)
{
	struct iommu_iova_range equal = { .start = ST_MIB, .last = ST_MIB };
	struct iommu_iova_range backwards = { .start = ST_MIB, .last = ST_MIB - 1 };
	struct iommu_iova_range overlap[3] = {
		{ .start = 8 * ST_MIB, .last = 9 * ST_MIB },
		{ .start = ST_MIB, .last = 2 * ST_MIB - 1 },
		{ .start = 9 * ST_MIB, .last = 10 * ST_MIB },
	};
	struct iommu_iova_range same[2] = { overlap[0], overlap[0] };
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = self->env.ioas,
		.num_iovas = 1,
		.__reserved = 1,
		.allowed_iovas = (uintptr_t)overlap,
	};
	int fd = self->env.iommufd;

	EXPECT_EQ(-EOPNOTSUPP, st_call(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd));
	EXPECT_EQ(-ENOENT, st_allow(fd, ST_NO_ID, overlap, 1));
	EXPECT_EQ(-EFAULT, st_allow(fd, self->env.ioas, (void *)8, 1));
	EXPECT_EQ(-EINVAL, st_allow(fd, self->env.ioas, &equal, 1));
	EXPECT_EQ(-EINVAL, st_allow(fd, self->env.ioas, &backwards, 1));
	EXPECT_EQ(-EINVAL, st_allow(fd, self->env.ioas, overlap, 3));
	EXPECT_EQ(-EINVAL, st_allow(fd, self->env.ioas, same, 2));
	/* Next to each other is fine. */
	overlap[2].start++;
	EXPECT_EQ(0, st_allow(fd, self->env.ioas, overlap, 3));
}

TEST_F(iova, allow_keeps_the_old_set)
{
	struct iommu_iova_range good = { .start = ST_IOVA, .last = ST_IOVA + st_page - 1 };
	struct iommu_iova_range bad[2] = {
		{ .start = 32 * ST_MIB, .last = 33 * ST_MIB },
		{ .start = 32 * ST_MIB, .last = 33 * ST_MIB },
	};
	__u64 where = 0;
	int fd = self->env.iommufd;

	ASSERT_EQ(0, st_allow(fd, self->env.ioas, &good, 1));
	EXPECT_EQ(-EINVAL, st_allow(fd, self->env.ioas, bad, 2));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_EQ(-EADDRINUSE, st_allow(fd, self->env.ioas, &self->msi, 1));

	ASSERT_EQ(0, st_map(fd, self->env.ioas, ST_RW, self->memory, st_page, &where));
	EXPECT_EQ(ST_IOVA, where);
	EXPECT_EQ(-ENOSPC, st_map(fd, self->env.ioas, ST_RW, self->memory, st_page, &where));
	/* A fixed place may be anywhere. */
	EXPECT_EQ(0, st_map_at(fd, self->env.ioas, self->memory, st_page, 64 * ST_MIB));

	ASSERT_EQ(0, st_allow(fd, self->env.ioas, NULL, 0));
	EXPECT_EQ(0, st_map(fd, self->env.ioas, ST_RW, self->memory, st_page, &where));
	EXPECT_EQ(0, st_unmap_all(fd, self->env.ioas, NULL));
}

TEST_F(iova, attach_needs_what_is_allowed)
{
	struct iommu_iova_range around = {
		.start = self->msi.start - ST_MIB,
		.last = self->msi.start,
	};
	int fd = self->env.iommufd;

	ASSERT_EQ(0, st_allow(fd, self->env.ioas, &around, 1));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->env.dev, self->env.ioas));
	around.last--;
	ASSERT_EQ(0, st_allow(fd, self->env.ioas, &around, 1));
	EXPECT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
}

TEST_F(iova, attach_needs_what_is_mapped)
{
	int fd = self->env.iommufd;
	struct iova_ranges ranges;

	ASSERT_EQ(0, st_map_at(fd, self->env.ioas, self->memory, 2 * st_page,
			       self->msi.start - st_page));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->env.dev, self->env.ioas));

	/* The refused attach left nothing reserved and nothing pinned. */
	ASSERT_EQ(0, ioas_iova_ranges(fd, self->env.ioas, &ranges));
	EXPECT_EQ(1, ranges.count);
	EXPECT_EQ(1, ranges.alignment);
	EXPECT_TRUE(st_counters_are(&self->env.before));
	ASSERT_EQ(0, st_unmap(fd, self->env.ioas, self->msi.start - st_page, 2 * st_page));
	EXPECT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
}

TEST_F(iova, attach_beyond_the_aperture)
{
	int fd = self->env.iommufd;

	ASSERT_EQ(0, st_map_at(fd, self->env.ioas, self->memory, st_page, 1ull << 62));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, st_unmap(fd, self->env.ioas, 1ull << 62, st_page));
	EXPECT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
}

/* A mapping finer than the IOMMU's page stands against an attach. */
TEST_F(iova, attach_needs_alignment)
{
	int fd = self->env.iommufd;
	struct iova_ranges ranges;

	ASSERT_EQ(0, st_map_at(fd, self->env.ioas, self->memory, st_page, ST_IOVA + 1));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, st_unmap_all(fd, self->env.ioas, NULL));
	ASSERT_EQ(0, st_map_at(fd, self->env.ioas, self->memory, 100, ST_IOVA));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, st_unmap_all(fd, self->env.ioas, NULL));
	ASSERT_EQ(0, st_map_at(fd, self->env.ioas, self->memory + 4, st_page, ST_IOVA));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, ioas_iova_ranges(fd, self->env.ioas, &ranges));
	EXPECT_EQ(1, ranges.alignment);

	ASSERT_EQ(0, st_unmap_all(fd, self->env.ioas, NULL));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_EQ(-EINVAL, st_map_at(fd, self->env.ioas, self->memory, 100, ST_IOVA));
}

TEST_F(iova, chosen_place_suits_large_pages)
{
	int fd = self->env.iommufd, round;
	unsigned char *memory = st_memory(8 * ST_MIB);
	size_t size;

	memory = (void *)(((uintptr_t)memory + ST_HUGE - 1) & ~(ST_HUGE - 1));
	for (round = 0; round < 2; round++) {
		for (size = st_page; size <= 4 * ST_MIB; size *= 2) {
			__u64 align = size < ST_HUGE ? size : ST_HUGE;
			__u64 where = 0, other = 0;

			ASSERT_EQ(0, st_map(fd, self->env.ioas, ST_RW, memory, size, &where));
			ASSERT_EQ(0, st_map(fd, self->env.ioas, ST_RW, memory, size, &other));
			EXPECT_NE(0, where);
			EXPECT_NE(where, other);
			EXPECT_EQ(0, where % align);
			EXPECT_EQ(0, other % align);
		}
		ASSERT_EQ(0, st_unmap_all(fd, self->env.ioas, NULL));
		if (!round)
			ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	}
}

/* Where the source begins inside its page, the mapping does too. */
TEST_F(iova, chosen_place_keeps_the_offset)
{
	static const unsigned int offsets[] = { 0x400, 1, 0xfff, 0x800, 0x123, 8 };
	static const unsigned int lengths[] = { 1, 0x400, 0xc00, 0x1000, 0x1234, 0x5000 };
	int fd = self->env.iommufd;
	size_t i, j;

	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
		for (j = 0; j < sizeof(lengths) / sizeof(*lengths); j++) {
			__u64 where = 0;

			ASSERT_EQ(0, st_map(fd, self->env.ioas, ST_RW, self->memory + offsets[i],
					    lengths[j], &where));
			EXPECT_EQ(offsets[i], where & (st_page - 1)) {
				TH_LOG("length 0x%x, iova 0x%llx", lengths[j], where);
			}
		}
	EXPECT_EQ(0, st_unmap_all(fd, self->env.ioas, NULL));
}

TEST_F(iova, chosen_place_lowest_and_free)
{
	__u64 first = 0, second = 0, again = 0;
	int fd = self->env.iommufd;

	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, st_map(fd, self->env.ioas, ST_RW, self->memory, st_page, &first));
	ASSERT_EQ(0, st_map(fd, self->env.ioas, ST_RW, self->memory, st_page, &second));
	EXPECT_LE(st_page, first);
	EXPECT_LT(first, second);
	ASSERT_EQ(0, st_unmap(fd, self->env.ioas, first, st_page));
	ASSERT_EQ(0, st_map(fd, self->env.ioas, ST_RW, self->memory, st_page, &again));
	EXPECT_EQ(first, again);
}

TEST_F(iova, chosen_place_never_reserved)
{
	struct iommu_iova_range near = {
		.start = self->msi.start - 2 * st_page,
		.last = self->msi.start - 1,
	};
	__u64 where = 0;
	int fd = self->env.iommufd;

	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, st_allow(fd, self->env.ioas, &near, 1));
	EXPECT_EQ(-ENOSPC, st_map(fd, self->env.ioas, ST_RW, self->memory, 3 * st_page, &where));
	EXPECT_EQ(0, st_map(fd, self->env.ioas, ST_RW, self->memory, 2 * st_page, &where));
	EXPECT_EQ(near.start, where);
	EXPECT_EQ(-ENOSPC, st_map(fd, self->env.ioas, ST_RW, self->memory, st_page, &where));
}

TEST_F(iova, chosen_place_for_too_much)
{
	int fd = self->env.iommufd;
	__u64 where = 0;

	EXPECT_EQ(-EOVERFLOW, st_map(fd, self->env.ioas, ST_RW, NULL, 1ull << 63, &where));
	EXPECT_EQ(-EOVERFLOW, st_map(fd, self->env.ioas, ST_RW, NULL, ST_MAX / 2, &where));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_EQ(-ENOSPC, st_map(fd, self->env.ioas, ST_RW, NULL, 1ull << 62, &where));
}

TEST_HARNESS_MAIN
