// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Data through the device: memory of every kind, at the right page and nowhere
 * else. The edu device looks at single pages, the NVMe controller moves a lot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define SIZE	(4 * ST_MIB)
#define CHUNK	EDU_BUFFER_SIZE

enum kind {
	SMALL_PAGES,
	TRANSPARENT_HUGE_PAGES,
	HUGE_PAGES,
	MEMFD,
	MEMFD_HUGE_PAGES,
	MEMFD_BY_VA,
};

/* Memory of a kind, and how it is shown to devices. */
struct source {
	unsigned char *va;
	int file;	/* -1: map by address */
};

/* Touch the pages in an order that leaves no two neighbours together. */
static void scatter(unsigned char *memory, size_t size)
{
	size_t pages = size / st_page, i;

	madvise(memory, size, MADV_NOHUGEPAGE);
	for (i = 0; i < pages; i++)
		memory[i * 37 % pages * st_page] = 1;
}

static unsigned char *aligned_memory(size_t size)
{
	uintptr_t at = (uintptr_t)st_memory(size + ST_HUGE);

	return (unsigned char *)((at + ST_HUGE - 1) & ~(ST_HUGE - 1));
}

static int source_open(struct source *source, enum kind kind, size_t size)
{
	source->file = -1;
	switch (kind) {
	case SMALL_PAGES:
		source->va = st_memory(size);
		scatter(source->va, size);
		return 0;
	case TRANSPARENT_HUGE_PAGES:
		source->va = aligned_memory(size);
		return madvise(source->va, size, MADV_HUGEPAGE) ? -errno : 0;
	case HUGE_PAGES:
		source->va = st_huge_memory(size);
		return source->va ? 0 : -ENOMEM;
	default:
		source->file = st_memfd(size, kind == MEMFD_HUGE_PAGES ? MFD_HUGETLB : 0);
	}
	if (source->file < 0)
		return -ENOMEM;
	source->va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, source->file, 0);
	if (source->va == MAP_FAILED)
		return -ENOMEM;
	if (kind == MEMFD_BY_VA)
		source->file = -1;
	return 0;
}

static int source_map(struct source *source, struct st_env *env, __u32 flags, size_t size,
		      __u64 iova)
{
	flags |= ST_FIXED;
	if (source->file >= 0)
		return st_map_file(env->iommufd, env->ioas, flags, source->file, 0, size, &iova);
	return st_map(env->iommufd, env->ioas, flags, source->va, size, &iova);
}

FIXTURE(dma)
{
	struct st_env env;
};

FIXTURE_SETUP(dma)
{
	int rc = st_env_open_attached(&self->env, ST_EDU);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_edu_start(&self->env));
}

FIXTURE_TEARDOWN(dma)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* The device reads and writes some pages of the memory, and no others change. */
static void exchange(struct __test_metadata *_metadata, struct st_env *env, unsigned char *va,
		     size_t size)
{
	const size_t at[] = { st_page, size / 2, size - st_page };
	unsigned char *copy = st_memory(size);
	size_t i;

	st_fill(va, 1, size);
	for (i = 0; i < sizeof(at) / sizeof(*at); i++)
		EXPECT_EQ(0, st_device_sees(env, ST_IOVA + at[i], va + at[i], CHUNK));
	memcpy(copy, va, size);
	for (i = 0; i < sizeof(at) / sizeof(*at); i++) {
		ASSERT_EQ(0, st_device_fills(env, ST_IOVA + at[i], 10 + i, CHUNK));
		st_fill(copy + at[i], 10 + i, CHUNK);
	}
	EXPECT_EQ(0, memcmp(copy, va, size));
	munmap(copy, size);
}

static void exchange_kind(struct __test_metadata *_metadata, struct st_env *env, enum kind kind)
{
	struct source source;
	int rc = source_open(&source, kind, SIZE);

	if (rc)
		SKIP(return, "no memory of this kind");
	ASSERT_EQ(0, source_map(&source, env, ST_RW, SIZE, ST_IOVA));
	exchange(_metadata, env, source.va, SIZE);
	ASSERT_EQ(0, st_unmap(env->iommufd, env->ioas, ST_IOVA, SIZE));
	munmap(source.va, SIZE);
}

TEST_F_TIMEOUT(dma, small_pages, ST_TIMEOUT)
{
	exchange_kind(_metadata, &self->env, SMALL_PAGES);
}

TEST_F_TIMEOUT(dma, transparent_huge_pages, ST_TIMEOUT)
{
	exchange_kind(_metadata, &self->env, TRANSPARENT_HUGE_PAGES);
}

TEST_F_TIMEOUT(dma, huge_pages, ST_TIMEOUT)
{
	exchange_kind(_metadata, &self->env, HUGE_PAGES);
}

TEST_F_TIMEOUT(dma, memfd, ST_TIMEOUT)
{
	exchange_kind(_metadata, &self->env, MEMFD);
}

TEST_F_TIMEOUT(dma, memfd_huge_pages, ST_TIMEOUT)
{
	exchange_kind(_metadata, &self->env, MEMFD_HUGE_PAGES);
}

TEST_F_TIMEOUT(dma, memfd_by_va, ST_TIMEOUT)
{
	exchange_kind(_metadata, &self->env, MEMFD_BY_VA);
}

/* With large I/O pages switched off the same memory is there, page by page. */
TEST_F_TIMEOUT(dma, without_large_pages, ST_TIMEOUT)
{
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, st_option_set(self->env.iommufd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas,
				   0));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	exchange_kind(_metadata, &self->env, TRANSPARENT_HUGE_PAGES);
}

/* Mapped before there was a page table, and a table made later has it all. */
TEST_F_TIMEOUT(dma, attached_later, ST_TIMEOUT)
{
	struct source source;

	ASSERT_EQ(0, source_open(&source, SMALL_PAGES, SIZE));
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, source_map(&source, &self->env, ST_RW, SIZE, ST_IOVA));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	exchange(_metadata, &self->env, source.va, SIZE);
}

/* Part of a file, and part of a huge page. */
TEST_F_TIMEOUT(dma, slice_of_a_file, ST_TIMEOUT)
{
	struct source source;
	size_t start = 3 * st_page;
	__u64 iova = ST_IOVA;

	if (source_open(&source, MEMFD_HUGE_PAGES, SIZE))
		ASSERT_EQ(0, source_open(&source, MEMFD, SIZE));
	ASSERT_EQ(0, st_map_file(self->env.iommufd, self->env.ioas, ST_RW | ST_FIXED, source.file,
				 start, SIZE - 2 * start, &iova));
	exchange(_metadata, &self->env, source.va + start, SIZE - 2 * start);
}

TEST_F(dma, within_a_page)
{
	unsigned char *memory = st_memory(2 * st_page), *copy = st_memory(2 * st_page);

	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory, 2 * st_page, ST_IOVA));
	st_fill(memory, 3, 2 * st_page);
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA + 0x124, memory + 0x124, 100));
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA + st_page - 40, memory + st_page - 40,
				    80));
	memcpy(copy, memory, 2 * st_page);
	ASSERT_EQ(0, st_device_fills(&self->env, ST_IOVA + st_page - 8, 9, 16));
	st_fill(copy + st_page - 8, 9, 16);
	EXPECT_EQ(0, memcmp(copy, memory, 2 * st_page));
}

/* What the device may only read, it cannot change. */
TEST_F(dma, read_only)
{
	unsigned char *memory = st_memory(st_page);
	__u64 iova = ST_IOVA;

	st_fill(memory, 4, st_page);
	ASSERT_EQ(0, st_map(self->env.iommufd, self->env.ioas, ST_R | ST_FIXED, memory, st_page,
			    &iova));
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA, memory, CHUNK));
	ASSERT_EQ(0, st_device_fills(&self->env, ST_IOVA, 5, CHUNK));
	EXPECT_TRUE(st_filled(memory, 4, st_page));
}

TEST_F(dma, read_only_program_memory)
{
	unsigned char *memory = st_memory(st_page);
	__u64 iova = ST_IOVA;

	st_fill(memory, 4, st_page);
	ASSERT_EQ(0, mprotect(memory, st_page, PROT_READ));
	ASSERT_EQ(0, st_map(self->env.iommufd, self->env.ioas, ST_R | ST_FIXED, memory, st_page,
			    &iova));
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA, memory, CHUNK));
	ASSERT_EQ(0, st_device_fills(&self->env, ST_IOVA, 5, CHUNK));
	EXPECT_TRUE(st_filled(memory, 4, st_page));
}

/* Once unmapped, the device neither sees nor changes it. */
TEST_F(dma, gone_after_unmap)
{
	unsigned char *memory = st_memory(3 * st_page);
	int i;

	st_fill(memory, 6, 3 * st_page);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory + i * st_page,
				       st_page, ST_IOVA + i * st_page));
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA + st_page, memory + st_page, CHUNK));
	ASSERT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA + st_page, st_page));
	EXPECT_EQ(-EBADMSG, st_device_sees(&self->env, ST_IOVA + st_page, memory + st_page,
					   CHUNK));
	ASSERT_EQ(0, st_device_fills(&self->env, ST_IOVA + st_page, 7, CHUNK));
	EXPECT_TRUE(st_filled(memory, 6, 3 * st_page));

	/* The neighbours are still there. */
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA, memory, CHUNK));
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA + 2 * st_page, memory + 2 * st_page,
				    CHUNK));
}

TEST_F(dma, gone_after_detach)
{
	unsigned char *memory = st_memory(st_page);

	st_fill(memory, 6, st_page);
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory, st_page, ST_IOVA));
	ASSERT_EQ(0, st_device_fills(&self->env, ST_IOVA, 7, CHUNK));
	EXPECT_TRUE(st_filled(memory, 7, CHUNK));
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	st_fill(memory, 8, st_page);
	ASSERT_EQ(0, edu_write_memory(&self->env.edu, ST_IOVA, CHUNK));
	EXPECT_TRUE(st_filled(memory, 8, st_page));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA, memory, CHUNK));
}

/* The place of an old mapping shows what was mapped last. */
TEST_F(dma, place_reused)
{
	unsigned char *memory = st_memory(8 * st_page);
	int i;

	st_fill(memory, 2, 8 * st_page);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory + i * st_page,
				       st_page, ST_IOVA));
		EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA, memory + i * st_page, CHUNK));
		ASSERT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, st_page));
	}
}

TEST_F(dma, copied_mapping)
{
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->env.ioas,
		.src_ioas_id = self->env.ioas,
		.length = 4 * st_page,
		.dst_iova = 2 * ST_IOVA,
		.src_iova = ST_IOVA + 2 * st_page,
	};
	unsigned char *memory = st_memory(8 * st_page);

	st_fill(memory, 2, 8 * st_page);
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory, 8 * st_page, ST_IOVA));
	ASSERT_EQ(0, st_copy(self->env.iommufd, &copy));
	EXPECT_EQ(0, st_device_sees(&self->env, 2 * ST_IOVA, memory + 2 * st_page, CHUNK));
	ASSERT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, 8 * st_page));
	EXPECT_EQ(0, st_device_sees(&self->env, 2 * ST_IOVA + 3 * st_page, memory + 5 * st_page,
				    CHUNK));
	EXPECT_EQ(-EBADMSG, st_device_sees(&self->env, ST_IOVA, memory, CHUNK));
}

/* Another address space in place of this one, without a gap. */
TEST_F(dma, replaced)
{
	unsigned char *memory = st_memory(2 * st_page);
	__u32 first = self->env.ioas, second;

	st_fill(memory, 2, 2 * st_page);
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &second));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, first, memory, st_page, ST_IOVA));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, second, memory + st_page, st_page, ST_IOVA));
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA, memory, CHUNK));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, second));
	self->env.ioas = second;
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA, memory + st_page, CHUNK));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, first));
	EXPECT_EQ(0, st_device_sees(&self->env, ST_IOVA, memory + st_page, CHUNK));
}

FIXTURE(disk)
{
	struct st_env env;
	struct nvme nvme;
	unsigned char *queues;
};

FIXTURE_SETUP(disk)
{
	int rc = st_env_open_attached(&self->env, ST_NVME);
	__u64 iova = 0;

	if (rc == -ENODEV || rc == -EBUSY)
		SKIP(return, "the machine has no free NVMe disk");
	ASSERT_EQ(0, rc);
	self->queues = st_memory(NVME_MEMORY);
	ASSERT_EQ(0, ioas_map(self->env.iommufd, self->env.ioas, self->queues, NVME_MEMORY,
			      &iova));
	ASSERT_EQ(0, nvme_start(&self->nvme, &self->env.dev, self->queues, iova));
}

FIXTURE_TEARDOWN(disk)
{
	nvme_stop(&self->nvme);
	EXPECT_EQ(0, st_unmap_bar(&self->env.dev, self->nvme.registers.base));
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* The same data arrives in memory of each kind, and it is not nothing. */
TEST_F_TIMEOUT(disk, same_in_all_kinds, ST_TIMEOUT)
{
	unsigned char *first = st_memory(SIZE);
	struct nvme_stats stats;
	enum kind kind;
	size_t i;

	for (kind = SMALL_PAGES; kind <= MEMFD_BY_VA; kind++) {
		struct source source;

		if (source_open(&source, kind, SIZE))
			continue;
		memset(source.va, 0xee, SIZE);
		ASSERT_EQ(0, source_map(&source, &self->env, ST_W, SIZE, ST_IOVA));
		ASSERT_EQ(0, nvme_read_range(&self->nvme, 0, ST_IOVA, SIZE, &stats));
		ASSERT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, SIZE));
		if (kind == SMALL_PAGES)
			memcpy(first, source.va, SIZE);
		EXPECT_EQ(0, memcmp(first, source.va, SIZE)) {
			TH_LOG("kind %d", kind);
		}
		munmap(source.va, SIZE);
	}
	/* No two pages of the test's disk are alike, and none is what was there before. */
	for (i = 0; i + st_page < SIZE; i += st_page)
		ASSERT_NE(0, memcmp(first + i, first + i + st_page, st_page));
}

/* Two devices of one address space share one page table and see one memory. */
TEST_F_TIMEOUT(disk, two_devices, ST_TIMEOUT)
{
	unsigned char *memory = st_memory(st_page);
	struct st_env edu = self->env;
	struct nvme_stats stats;

	if (st_device_open(&edu.dev, ST_EDU))
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, vfio_bind(edu.dev.fd, edu.iommufd, &edu.dev.id));
	ASSERT_EQ(0, vfio_attach(&edu.dev, edu.ioas));
	EXPECT_EQ(self->env.dev.pt_id, edu.dev.pt_id);
	ASSERT_EQ(0, st_edu_start(&edu));

	ASSERT_EQ(0, st_map_at(edu.iommufd, edu.ioas, memory, st_page, ST_IOVA));
	ASSERT_EQ(0, nvme_read_range(&self->nvme, 16 * st_page, ST_IOVA, st_page, &stats));
	EXPECT_EQ(0, st_device_sees(&edu, ST_IOVA, memory, CHUNK));

	/* One may go, and the other one goes on. */
	ASSERT_EQ(0, vfio_detach(&edu.dev));
	memset(memory, 0, st_page);
	ASSERT_EQ(0, nvme_read_range(&self->nvme, 16 * st_page, ST_IOVA, st_page, &stats));
	EXPECT_NE(0, memory[0]);
	EXPECT_EQ(0, st_unmap_bar(&edu.dev, edu.edu.bar.base));
	vfio_close(&edu.dev);
}

TEST_HARNESS_MAIN
