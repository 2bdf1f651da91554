// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Cases of small areas: a driver that maps and unmaps for every buffer, a vIOMMU
 * that traps on every page.
 *
 * The device is asked outside of the measured time whether it sees what was
 * mapped and has lost what was unmapped.
 */
#include "bench.h"

#define PAIRS		10000u
#define PLACEMENTS	16u

/* Of the areas that only stand in the way, each page of memory may have many. */
#define CROWD_MEMORY	(64 * MIB)
#define CROWD_IOVA	LARGE_IOVA

/* Memory for many areas of a page, a multiple of 2 MiB. */
static size_t areas_size(unsigned int areas)
{
	return (areas * PAGE + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static __u64 area_iova(const struct bench_case *self, unsigned int area)
{
	return AREAS_IOVA + area * (__u64)(PAGE + self->hole);
}

static void map_areas(struct bench *bench, const struct bench_case *self, char *va)
{
	unsigned int i;

	for (i = 0; i < self->areas; i++)
		bench_map(bench, va + i * PAGE, PAGE, area_iova(self, i));
}

static void see_areas(struct bench *bench, const struct bench_case *self, char *va)
{
	unsigned int last = self->areas - 1;

	bench_must_see(bench, va, area_iova(self, 0));
	bench_must_see(bench, va + last * PAGE, area_iova(self, last));
}

static void not_see_areas(struct bench *bench, const struct bench_case *self, char *va)
{
	unsigned int last = self->areas - 1;

	bench_must_not_see(bench, va, area_iova(self, 0));
	bench_must_not_see(bench, va + last * PAGE, area_iova(self, last));
}

static void pairs(struct bench *bench, char *va, struct bench_cost *cost)
{
	unsigned int i;

	bench_map(bench, va, PAGE, AREAS_IOVA);
	bench_must_see(bench, va, AREAS_IOVA);
	bench_unmap(bench, AREAS_IOVA, PAGE);

	bench_clock_start(bench);
	for (i = 0; i < PAIRS; i++) {
		bench_map(bench, va, PAGE, AREAS_IOVA);
		bench_unmap(bench, AREAS_IOVA, PAGE);
	}
	bench_clock_stop(bench, cost, PAIRS);
	bench_must_not_see(bench, va, AREAS_IOVA);
}

/**
 * run_pairs() - Map and unmap a page, over and over
 * @bench: the rig
 * @self: the case
 * @cost: filled in: a map and an unmap
 */
void run_pairs(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	struct memory memory;

	bench_memory_get(&memory, self->memory, HUGE_PAGE);
	pairs(bench, memory.va, &cost[0]);
	bench_memory_put(&memory);
}

/**
 * run_pairs_among() - Map and unmap a page in an address space that is crowded
 * @bench: the rig
 * @self: the case
 * @cost: filled in: a map and an unmap
 */
void run_pairs_among(struct bench *bench, const struct bench_case *self,
		     struct bench_cost *cost)
{
	struct memory memory, crowd;
	unsigned int i;

	bench_memory_get(&memory, self->memory, HUGE_PAGE);
	bench_memory_get(&crowd, self->memory, CROWD_MEMORY);
	for (i = 0; i < self->areas; i++)
		bench_map(bench, crowd.va + i * PAGE % CROWD_MEMORY, PAGE,
			  CROWD_IOVA + i * PAGE);
	pairs(bench, memory.va, &cost[0]);

	i--;
	bench_must_see(bench, crowd.va + i * PAGE % CROWD_MEMORY, CROWD_IOVA + i * PAGE);
	bench_unmap(bench, CROWD_IOVA, self->areas * PAGE);
	bench_must_not_see(bench, crowd.va, CROWD_IOVA);
	bench_memory_put(&crowd);
	bench_memory_put(&memory);
}

/**
 * run_small() - Map many areas of a page side by side, a call for each
 * @bench: the rig
 * @self: the case
 * @cost: filled in: map, unmap
 */
void run_small(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	struct memory memory;
	unsigned int i;

	bench_memory_get(&memory, self->memory, areas_size(self->areas));
	bench_clock_start(bench);
	map_areas(bench, self, memory.va);
	bench_clock_stop(bench, &cost[0], self->areas);
	see_areas(bench, self, memory.va);

	bench_clock_start(bench);
	for (i = 0; i < self->areas; i++)
		bench_unmap(bench, area_iova(self, i), PAGE);
	bench_clock_stop(bench, &cost[1], self->areas);
	not_see_areas(bench, self, memory.va);
	bench_memory_put(&memory);
}

/**
 * run_unmap_all() - Unmap the same areas by one call
 * @bench: the rig
 * @self: the case
 * @cost: filled in: unmap
 */
void run_unmap_all(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	struct memory memory;

	bench_memory_get(&memory, self->memory, areas_size(self->areas));
	map_areas(bench, self, memory.va);
	see_areas(bench, self, memory.va);

	bench_clock_start(bench);
	bench_unmap(bench, AREAS_IOVA, self->areas * PAGE);
	bench_clock_stop(bench, &cost[0], self->areas);
	not_see_areas(bench, self, memory.va);
	bench_memory_put(&memory);
}

/**
 * run_placement() - Map where the kernel finds room, past many areas
 * @bench: the rig
 * @self: the case
 * @cost: filled in: map
 *
 * What is mapped is larger than the holes between the areas, if there are any.
 */
void run_placement(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	size_t length = PAGE + self->hole;
	__u64 iova[PLACEMENTS];
	struct memory memory;
	unsigned int i;
	char *pieces;

	bench_memory_get(&memory, self->memory,
			 areas_size(self->areas) + PLACEMENTS * HUGE_PAGE);
	pieces = memory.va + areas_size(self->areas);
	map_areas(bench, self, memory.va);
	bench_clock_start(bench);
	for (i = 0; i < PLACEMENTS; i++)
		iova[i] = bench_map_anywhere(bench, pieces + i * length, length);
	bench_clock_stop(bench, &cost[0], PLACEMENTS);

	bench_must_see(bench, pieces, iova[0]);
	bench_must_see(bench, pieces + i * length - PAGE, iova[i - 1] + length - PAGE);
	for (i = 0; i < PLACEMENTS; i++)
		bench_unmap(bench, iova[i], length);
	for (i = 0; i < self->areas; i++)
		bench_unmap(bench, area_iova(self, i), PAGE);
	bench_must_not_see(bench, pieces, iova[0]);
	bench_memory_put(&memory);
}
