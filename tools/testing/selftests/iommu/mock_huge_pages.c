// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Transparent huge pages on the mock IOMMU. One entry of the process's page table maps such
 * a page, and then all of it is pinned at once; or many entries map its parts, in any order,
 * and what is pinned has to follow them.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define SIZE	(3 * ST_HUGE)

FIXTURE(huge)
{
	struct st_env env;
	struct st_mock dev;
	__u32 ioas, table;
	unsigned char *memory;	/* SIZE bytes, huge pages */
	int fd;
};

/* Of the whole process. */
static long long huge_memory(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	long long kib = -1;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "AnonHugePages: %lld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static unsigned char *get_memory(void)
{
	uintptr_t at = (uintptr_t)st_memory(SIZE + ST_HUGE);
	unsigned char *memory;
	size_t i;

	memory = (unsigned char *)((at + ST_HUGE - 1) & ~(ST_HUGE - 1));
	if (madvise(memory, SIZE, MADV_HUGEPAGE))
		return NULL;
	for (i = 0; i < SIZE; i += st_page)
		memcpy(memory + i, &i, sizeof(i));
	return huge_memory() >= (long long)(SIZE / ST_KIB) ? memory : NULL;
}

FIXTURE_SETUP(huge)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->memory = get_memory();
	if (!self->memory)
		SKIP(return, "there are no transparent huge pages of 2 MiB");
	self->fd = self->env.iommufd;
	self->ioas = self->env.ioas;
	ASSERT_EQ(0, st_mock_add(self->fd, self->ioas, 0, &self->dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->ioas, 0, &self->table));
}

FIXTURE_TEARDOWN(huge)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map(struct _test_data_huge *self, size_t offset, size_t size, __u32 flags)
{
	__u64 iova = ST_IOVA;

	return st_map(self->fd, self->ioas, flags | ST_FIXED, self->memory + offset, size, &iova);
}

static int shows(struct _test_data_huge *self, size_t offset, size_t size)
{
	return st_mock_shows(self->fd, self->table, ST_IOVA, self->memory + offset, size);
}

static int check(struct _test_data_huge *self, size_t offset, size_t size, __u32 flags)
{
	int rc = map(self, offset, size, flags) ?: shows(self, offset, size);

	if (rc)
		return rc;
	if (st_vm_pin() - self->env.before.vm_pin != (long long)(size / ST_KIB))
		return -EIO;
	rc = st_unmap(self->fd, self->ioas, ST_IOVA, size);
	return rc ?: st_vm_pin() == self->env.before.vm_pin ? 0 : -EBUSY;
}

/* It begins and ends in, before and behind each page of a huge one that matters. */
TEST_F(huge, all_borders)
{
	const size_t pages = ST_HUGE / st_page;
	const size_t at[] = { 0, 1, 15, 16, 17, pages - 17, pages - 16, pages - 2, pages - 1,
			      pages, pages + 1 };
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		for (k = 0; k < ARRAY_SIZE(at); k++) {
			size_t offset = at[i] * st_page;
			size_t size = SIZE - at[k] * st_page - offset;

			ASSERT_EQ(0, check(self, offset, size, k % 2 ? ST_RW : ST_R))
				TH_LOG("pages %zu to %zu", at[i], (offset + size) / st_page);
		}
	}
	EXPECT_LE((long long)(SIZE / ST_KIB), huge_memory());
}

TEST_F(huge, one_page)
{
	EXPECT_EQ(0, check(self, 7 * st_page, st_page, ST_RW));
	EXPECT_EQ(0, check(self, ST_HUGE - st_page, 2 * st_page, ST_RW));
}

/* The device keeps what it has when the process gives the memory away. */
TEST_F(huge, given_away)
{
	ASSERT_EQ(0, map(self, 0, SIZE, ST_RW));
	EXPECT_EQ(0, munmap(self->memory + ST_HUGE, st_page));
	EXPECT_EQ(0, shows(self, 0, ST_HUGE));
	EXPECT_EQ(0, munmap(self->memory, SIZE));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, SIZE));
}

/* The page of one huge page is mapped between those of another. */
static void put_page(struct _test_data_huge *self, size_t to, size_t from)
{
	mremap(self->memory + from * st_page, st_page, st_page, MREMAP_MAYMOVE | MREMAP_FIXED,
	       self->memory + to * st_page);
}

static void swap_pages(struct _test_data_huge *self, size_t a, size_t b)
{
	const size_t spare = SIZE / st_page - 1;

	put_page(self, spare, a);
	put_page(self, a, b);
	put_page(self, b, spare);
}

TEST_F(huge, permuted)
{
	const size_t pages = ST_HUGE / st_page;
	size_t i, content;

	for (i = 1; i < pages / 2; i += 3)
		swap_pages(self, i, pages - i);
	swap_pages(self, pages + 3, 5);
	memcpy(&content, self->memory + st_page, sizeof(content));
	ASSERT_EQ((pages - 1) * st_page, content);
	EXPECT_EQ(0, check(self, 0, 2 * ST_HUGE, ST_RW));
	EXPECT_EQ(0, check(self, 0, ST_HUGE, ST_R));
	EXPECT_EQ(0, check(self, st_page, 2 * ST_HUGE, ST_RW));
}

TEST_F(huge, with_a_hole)
{
	const size_t hole = 100 * st_page;

	ASSERT_EQ(0, munmap(self->memory + ST_HUGE + hole, st_page));
	EXPECT_EQ(-EFAULT, map(self, 0, SIZE, ST_RW));
	EXPECT_EQ(self->env.before.vm_pin, st_vm_pin());
	EXPECT_EQ(0, check(self, 0, ST_HUGE + hole, ST_RW));
	EXPECT_EQ(0, check(self, ST_HUGE + hole + st_page, ST_HUGE, ST_RW));
}

/* What may not be written is not, be it all of a huge page or a part. */
TEST_F(huge, read_only)
{
	ASSERT_EQ(0, mprotect(self->memory + ST_HUGE, ST_HUGE, PROT_READ));
	EXPECT_EQ(-EFAULT, map(self, 0, SIZE, ST_RW));
	EXPECT_EQ(0, check(self, 0, SIZE, ST_R));
	ASSERT_EQ(0, mprotect(self->memory + 20 * st_page, st_page, PROT_READ));
	EXPECT_EQ(-EFAULT, map(self, 0, ST_HUGE, ST_RW));
	EXPECT_EQ(0, check(self, 0, SIZE, ST_R));
}

static int writes_all(void *argument)
{
	struct _test_data_huge *self = argument;

	memset(self->memory, 1, SIZE);
	return 0;
}

/* Whoever writes first, what is mapped stays the parent's. */
TEST_F(huge, shared_by_a_fork)
{
	ASSERT_EQ(0, st_in_child(writes_all, self));
	EXPECT_EQ(0, check(self, 0, SIZE, ST_R));

	ASSERT_EQ(0, map(self, 0, SIZE, ST_R));
	ASSERT_EQ(0, st_in_child(writes_all, self));
	memset(self->memory, 2, SIZE);
	EXPECT_EQ(0, shows(self, 0, SIZE));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, SIZE));
}

static int maps_shared(void *argument)
{
	struct _test_data_huge *self = argument;

	/* The parent still has the same pages. */
	if (map(self, 0, SIZE, ST_R))
		return 1;
	memset(self->memory, 3, SIZE);
	return shows(self, 0, SIZE) ? 2 : 0;
}

TEST_F(huge, read_only_of_shared_pages)
{
	ASSERT_EQ(0, st_in_child(maps_shared, self));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, SIZE));
}

TEST_HARNESS_MAIN
