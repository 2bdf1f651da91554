// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Cases of what mappings use and know: the kernel's memory that they take, and
 * the bitmap of the pages that a device may have written.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "bench.h"
#include "say.h"

#define GIB	(1024 * MIB)

/*
 * The kernel's own memory in bytes: what it allocated in small pieces and in
 * virtually contiguous ones. Page tables of the IOMMU are not in it, for they
 * are as large as they must be.
 */
static __u64 kernel_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long long value, sum = 0;
	char line[128], name[64];

	must(file ? 0 : -errno, "cannot read /proc/meminfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63[^:]: %llu", name, &value) == 2 &&
		    (!strcmp(name, "Slab") || !strcmp(name, "VmallocUsed")))
			sum += value << 10;
	}
	fclose(file);
	return sum;
}

/*
 * Let the kernel give back what it keeps of freed pieces, so that they are not
 * used again unseen. Those that wait for readers do so for some seconds.
 */
static void settle(void)
{
	glob_t caches;
	size_t i;
	int fd;

	sleep(6);
	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches))
		fail("this kernel does not give memory back");
	for (i = 0; i < caches.gl_pathc; i++) {
		fd = open(caches.gl_pathv[i], O_WRONLY | O_CLOEXEC);
		must(fd < 0 || write(fd, "1", 1) != 1 ? -errno : 0, "cannot write to %s",
		     caches.gl_pathv[i]);
		close(fd);
	}
	globfree(&caches);
}

static void count(struct bench_cost *cost, __u64 before, __u64 units)
{
	__u64 after = kernel_memory();

	cost->amount = after > before ? after - before : 0;
	cost->operations = units;
}

/**
 * run_memory_small() - Count what the kernel needs for many areas of a page
 * @bench: the rig
 * @self: the case
 * @cost: filled in: bytes for an area
 */
void run_memory_small(struct bench *bench, const struct bench_case *self,
		      struct bench_cost *cost)
{
	struct memory memory;
	unsigned int i;
	__u64 before;

	bench_memory_get(&memory, self->memory, HUGE_PAGE);
	settle();
	before = kernel_memory();
	for (i = 0; i < self->areas; i++)
		bench_map(bench, memory.va + i * PAGE % HUGE_PAGE, PAGE, AREAS_IOVA + i * PAGE);
	count(&cost[0], before, self->areas);

	i--;
	bench_must_see(bench, memory.va, AREAS_IOVA);
	bench_must_see(bench, memory.va + i * PAGE % HUGE_PAGE, AREAS_IOVA + i * PAGE);
	bench_unmap(bench, AREAS_IOVA, self->areas * PAGE);
	bench_must_not_see(bench, memory.va, AREAS_IOVA);
	bench_memory_put(&memory);
}

/**
 * run_memory_large() - Count what the kernel needs for a large mapping
 * @bench: the rig
 * @self: the case
 * @cost: filled in: bytes for a GiB
 */
void run_memory_large(struct bench *bench, const struct bench_case *self,
		      struct bench_cost *cost)
{
	size_t size = bench_large_size(bench, self);
	struct memory memory;
	__u64 before;

	bench_memory_get(&memory, self->memory, size);
	settle();
	before = kernel_memory();
	bench_map(bench, memory.va, size, LARGE_IOVA);
	count(&cost[0], before, 1);
	cost[0].amount = cost[0].amount * GIB / size;

	bench_must_see(bench, memory.va, LARGE_IOVA);
	bench_unmap(bench, LARGE_IOVA, size);
	bench_must_not_see(bench, memory.va, LARGE_IOVA);
	bench_memory_put(&memory);
}

/* The dirty log of the container. */
struct dirty_call {
	struct vfio_iommu_type1_dirty_bitmap head;
	struct vfio_iommu_type1_dirty_bitmap_get get;
};

static int dirty_call(struct bench *bench, struct dirty_call *call, __u32 flag)
{
	call->head.argsz = sizeof(*call);
	call->head.flags = flag;
	return ioctl(bench->container, VFIO_IOMMU_DIRTY_PAGES, call) ? -errno : 0;
}

static bool bit(const __u64 *bitmap, size_t index)
{
	return bitmap[index / 64] >> index % 64 & 1;
}

/**
 * run_dirty() - Read the bitmap of written pages of a large mapping
 * @bench: the rig
 * @self: the case
 * @cost: filled in: read
 *
 * No emulated IOMMU tells which pages were written, so that all of them count
 * as written; the container has a log for that case, iommufd has not.
 */
void run_dirty(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	size_t size = bench_large_size(bench, self);
	struct dirty_call call = { 0 };
	struct memory memory;
	__u64 *bitmap;

	if (dirty_call(bench, &call, VFIO_IOMMU_DIRTY_PAGES_FLAG_START))
		return;
	bitmap = calloc(1, size / PAGE / 8);
	must(bitmap ? 0 : -ENOMEM, "no memory for a bitmap");
	bench_memory_get(&memory, self->memory, size);
	bench_map(bench, memory.va, size, LARGE_IOVA);
	memset(bitmap, 0, size / PAGE / 8);
	call.get = (struct vfio_iommu_type1_dirty_bitmap_get) {
		.iova = LARGE_IOVA,
		.size = size,
		.bitmap = { .pgsize = PAGE, .size = size / PAGE / 8, .data = bitmap },
	};

	bench_clock_start(bench);
	must(dirty_call(bench, &call, VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP),
	     "cannot read the bitmap");
	bench_clock_stop(bench, &cost[0], size / PAGE);

	if (!bit(bitmap, 0) || !bit(bitmap, size / PAGE - 1))
		fail("a page that the device may have written is not in the bitmap");
	bench_must_see(bench, memory.va, LARGE_IOVA);
	must(dirty_call(bench, &call, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), "the log does not stop");
	bench_unmap(bench, LARGE_IOVA, size);
	bench_memory_put(&memory);
	free(bitmap);
}
