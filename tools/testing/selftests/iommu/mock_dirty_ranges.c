// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * HWPT_GET_DIRTY_BITMAP for a part of what is mapped, for more than that, by pages of any
 * size, and with bitmaps that are not all there: no page is told of that was not written,
 * and none that was gets lost. mock_dirty.c has what the call does else.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "st_mock.h"
#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define PAGES		32u
#define ALL		0xffffffffull
#define KEEP		IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR
#define IOVA(page)	(ST_IOVA + (page) * st_page)

FIXTURE(dirty)
{
	struct st_env env;
	struct st_mock dev;
	unsigned char *memory;
	__u32 table;	/* tracks */
	int fd;
};

/* Backwards, so that no two pages are neighbours and each has a dirty bit of its own. */
static int map_page(struct _test_data_dirty *self, unsigned int page)
{
	return st_map_at(self->fd, self->env.ioas, self->memory + (PAGES - page) * st_page,
			 st_page, IOVA(page));
}

FIXTURE_SETUP(dirty)
{
	unsigned int page;

	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->fd = self->env.iommufd;
	self->memory = st_huge_memory(ST_HUGE);
	if (!self->memory)
		SKIP(return, "no huge page");
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &self->dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &self->table));
	for (page = 0; page < PAGES; page++)
		ASSERT_EQ(0, map_page(self, page));
	ASSERT_EQ(0, st_mock_track(self->fd, self->table, IOMMU_HWPT_DIRTY_TRACKING_ENABLE));
}

FIXTURE_TEARDOWN(dirty)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* A device writes these pages. */
static int write_pages(struct _test_data_dirty *self, __u64 pages)
{
	return st_mock_writes(self->fd, self->table, ST_IOVA, PAGES * st_page, st_page, &pages);
}

static int read_pages(struct _test_data_dirty *self, __u32 flags, __u64 *pages)
{
	return st_mock_dirty(self->fd, self->table, flags, ST_IOVA, PAGES * st_page, st_page,
			     pages);
}

/* Only of the range, and no page beside it is made clean. */
TEST_F(dirty, part)
{
	__u64 pages = 0;

	ASSERT_EQ(0, write_pages(self, ALL));
	EXPECT_EQ(0, st_mock_dirty(self->fd, self->table, 0, IOVA(8), 4 * st_page, st_page,
				   &pages));
	EXPECT_EQ(0xf, pages);
	pages = 0;
	EXPECT_EQ(0, read_pages(self, 0, &pages));
	EXPECT_EQ(ALL & ~0xf00ull, pages);
}

/* A bit stands for as much as the caller wants. */
TEST_F(dirty, page_sizes)
{
	__u64 pages = 0;

	ASSERT_EQ(0, write_pages(self, 1u << 17));
	EXPECT_EQ(0, st_mock_dirty(self->fd, self->table, KEEP, ST_IOVA, PAGES * st_page,
				   16 * st_page, &pages));
	EXPECT_EQ(2, pages);
	pages = 0;
	EXPECT_EQ(0, st_mock_dirty(self->fd, self->table, KEEP, IOVA(16), 8 * st_page,
				   MOCK_PAGE_SIZE, &pages));
	EXPECT_EQ(0xc, pages);
	pages = 0;
	EXPECT_EQ(0, st_mock_dirty(self->fd, self->table, 0, IOVA(17), st_page, 64, &pages));
	EXPECT_EQ(ST_MAX, pages);
}

/* There is nothing in a hole; what lies behind it is told, in one call. */
TEST_F(dirty, holes)
{
	__u64 pages = 0;

	ASSERT_EQ(0, write_pages(self, ALL));
	ASSERT_EQ(0, st_unmap(self->fd, self->env.ioas, IOVA(4), st_page));
	ASSERT_EQ(0, st_unmap(self->fd, self->env.ioas, IOVA(20), 4 * st_page));
	EXPECT_EQ(0, read_pages(self, 0, &pages));
	EXPECT_EQ(ALL & ~0xf00010ull, pages);

	/* The whole aperture, of which 128 KiB are mapped. */
	pages = 0;
	ASSERT_EQ(0, write_pages(self, ALL));
	EXPECT_EQ(0, st_mock_dirty(self->fd, self->table, 0, ST_IOVA, ST_IOVA, ST_MIB, &pages));
	EXPECT_EQ(1, pages);

	/* Nothing but a hole. */
	pages = 0;
	EXPECT_EQ(0, st_mock_dirty(self->fd, self->table, 0, IOVA(20), 4 * st_page, st_page,
				   &pages));
	EXPECT_EQ(0, pages);
}

/* A page that comes to the same place has not been written. */
TEST_F(dirty, mapped_anew)
{
	__u64 pages = 0;

	ASSERT_EQ(0, write_pages(self, 2));
	ASSERT_EQ(0, st_unmap(self->fd, self->env.ioas, IOVA(1), st_page));
	ASSERT_EQ(0, map_page(self, 1));
	EXPECT_EQ(0, read_pages(self, 0, &pages));
	EXPECT_EQ(0, pages);
}

/* No bit is lost when nobody can be told of it. */
TEST_F(dirty, unwritable_bitmap)
{
	__u64 *bad = st_memory(st_page), pages = 0;

	ASSERT_EQ(0, write_pages(self, ALL));
	mprotect(bad, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, read_pages(self, 0, bad));
	EXPECT_TRUE(st_told(self->fd, "HWPT_GET_DIRTY_BITMAP", EFAULT, "fault", 0));
	mprotect(bad, st_page, PROT_NONE);
	EXPECT_EQ(-EFAULT, read_pages(self, 0, bad));
	munmap(bad, st_page);
	EXPECT_EQ(-EFAULT, read_pages(self, 0, bad));
	EXPECT_EQ(-EFAULT, read_pages(self, KEEP, bad));
	EXPECT_EQ(0, read_pages(self, 0, &pages));
	EXPECT_EQ(ALL, pages);
}

/* The beginning of the bitmap is there: bits of a byte each, so that it has 32 pages. */
TEST_F(dirty, bitmap_ends_too_early)
{
	const size_t size = PAGES * st_page / 8;
	unsigned char *bitmap = st_memory(size);
	__u64 pages = 0;

	ASSERT_EQ(0, write_pages(self, ALL));
	ASSERT_EQ(0, munmap(bitmap + size - st_page, st_page));
	EXPECT_EQ(-EFAULT, st_mock_dirty(self->fd, self->table, 0, ST_IOVA, PAGES * st_page, 1,
					 bitmap));
	EXPECT_EQ(0, read_pages(self, 0, &pages));
	EXPECT_EQ(ALL, pages);
}

/* Each table has bits of its own. */
TEST_F(dirty, two_tables)
{
	__u64 pages = 0;
	__u32 other;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &other));
	ASSERT_EQ(0, st_mock_track(self->fd, other, IOMMU_HWPT_DIRTY_TRACKING_ENABLE));
	ASSERT_EQ(0, write_pages(self, 3));
	EXPECT_EQ(0, st_mock_dirty(self->fd, other, 0, ST_IOVA, PAGES * st_page, st_page,
				   &pages));
	EXPECT_EQ(0, pages);
	EXPECT_EQ(0, read_pages(self, 0, &pages));
	EXPECT_EQ(3, pages);
}

TEST_HARNESS_MAIN
