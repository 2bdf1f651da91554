// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Cases of a second page table of the IOMMU that shows the same memory: what a
 * second device costs, or one that changes its address space. Only iommufd has
 * them.
 *
 * The device is moved to the second page table to see that it works.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "bench.h"
#include "iommufd_util.h"
#include "say.h"

/* A page table for the device that shows an IOAS; it is filled when this returns. */
static __u32 hwpt_alloc(struct bench *bench, __u32 ioas)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = bench->dev.id,
		.pt_id = ioas,
	};

	bench->calls++;
	must(ioctl(bench->iommufd, IOMMU_HWPT_ALLOC, &cmd) ? -errno : 0,
	     "cannot make a second page table");
	return cmd.out_hwpt_id;
}

static void hwpt_destroy(struct bench *bench, __u32 hwpt)
{
	bench->calls++;
	must(iommufd_destroy(bench->iommufd, hwpt), "cannot destroy the second page table");
}

static void copy(struct bench *bench, __u32 to, __u64 iova, size_t length)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.dst_ioas_id = to,
		.src_ioas_id = bench->ioas,
		.length = length,
		.dst_iova = iova,
		.src_iova = iova,
	};

	bench->calls++;
	must(ioctl(bench->iommufd, IOMMU_IOAS_COPY, &cmd) ? -errno : 0,
	     "cannot copy %zu bytes at %#llx", length, iova);
}

/* See both ends of the memory through another page table, and come back. */
static void must_see_by(struct bench *bench, __u32 hwpt, struct memory *memory)
{
	size_t last = memory->size - PAGE;

	must(vfio_attach(&bench->dev, hwpt), "cannot move the device to the second page table");
	bench_must_see(bench, memory->va, LARGE_IOVA);
	bench_must_see(bench, memory->va + last, LARGE_IOVA + last);
	must(vfio_attach(&bench->dev, bench->ioas), "cannot move the device back");
	bench_must_see(bench, memory->va, LARGE_IOVA);
}

/**
 * run_copy() - Copy a large mapping into a second IOAS that has a page table
 * @bench: the rig
 * @self: the case
 * @cost: filled in: copy, unmap
 */
void run_copy(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	size_t size = bench_large_size(bench, self);
	struct memory memory;
	__u32 ioas, hwpt;

	bench_memory_get(&memory, self->memory, size);
	bench_map(bench, memory.va, size, LARGE_IOVA);
	must(ioas_alloc(bench->iommufd, &ioas), "cannot make a second IOAS");
	hwpt = hwpt_alloc(bench, ioas);
	copy(bench, ioas, QUEUES_IOVA, NVME_MEMORY);

	bench_clock_start(bench);
	copy(bench, ioas, LARGE_IOVA, size);
	bench_clock_stop(bench, &cost[0], size / PAGE);
	must_see_by(bench, hwpt, &memory);

	bench_clock_start(bench);
	bench->calls++;
	must(ioas_unmap(bench->iommufd, ioas, LARGE_IOVA, size), "cannot unmap the copy");
	bench_clock_stop(bench, &cost[1], size / PAGE);

	hwpt_destroy(bench, hwpt);
	must(iommufd_destroy(bench->iommufd, ioas), "cannot destroy the second IOAS");
	bench_must_see(bench, memory.va, LARGE_IOVA);
	bench_unmap(bench, LARGE_IOVA, size);
	bench_memory_put(&memory);
}

/**
 * run_second_attach() - Make a second page table for a filled IOAS
 * @bench: the rig
 * @self: the case
 * @cost: filled in: attach, detach
 */
void run_second_attach(struct bench *bench, const struct bench_case *self,
		       struct bench_cost *cost)
{
	size_t size = bench_large_size(bench, self);
	struct memory memory;
	__u32 hwpt;

	bench_memory_get(&memory, self->memory, size);
	bench_map(bench, memory.va, size, LARGE_IOVA);

	bench_clock_start(bench);
	hwpt = hwpt_alloc(bench, bench->ioas);
	bench_clock_stop(bench, &cost[0], size / PAGE);
	must_see_by(bench, hwpt, &memory);

	bench_clock_start(bench);
	hwpt_destroy(bench, hwpt);
	bench_clock_stop(bench, &cost[1], size / PAGE);

	bench_must_see(bench, memory.va, LARGE_IOVA);
	bench_unmap(bench, LARGE_IOVA, size);
	bench_memory_put(&memory);
}

/**
 * run_two_domains() - Map into an IOAS that has two page tables
 * @bench: the rig
 * @self: the case
 * @cost: filled in: map, unmap
 */
void run_two_domains(struct bench *bench, const struct bench_case *self,
		     struct bench_cost *cost)
{
	size_t size = bench_large_size(bench, self);
	struct memory memory;
	__u32 hwpt;

	bench_memory_get(&memory, self->memory, size);
	hwpt = hwpt_alloc(bench, bench->ioas);

	bench_clock_start(bench);
	bench_map(bench, memory.va, size, LARGE_IOVA);
	bench_clock_stop(bench, &cost[0], size / PAGE);
	bench_must_see(bench, memory.va, LARGE_IOVA);
	must_see_by(bench, hwpt, &memory);

	bench_clock_start(bench);
	bench_unmap(bench, LARGE_IOVA, size);
	bench_clock_stop(bench, &cost[1], size / PAGE);
	bench_must_not_see(bench, memory.va, LARGE_IOVA);

	hwpt_destroy(bench, hwpt);
	bench_memory_put(&memory);
}
