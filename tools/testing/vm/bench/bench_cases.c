// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The cases. To add one: a run() that does its work once and fills in what it
 * cost, and a line in the table at the end.
 *
 * Memory is faulted in before the clock starts, and the device is asked outside
 * of the measured time whether it sees what was mapped and has lost what was
 * unmapped.
 */
#include "bench.h"

#define PAIRS		10000u
#define PLACEMENTS	16u

/* Memory for many areas of a page, a multiple of 2 MiB. */
static size_t areas_size(unsigned int areas)
{
	return (areas * PAGE + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static void stop_clock(struct bench_cost *cost, __u64 start, __u64 operations)
{
	cost->ns = bench_ns() - start;
	cost->operations = operations;
}

/* Steady state: one page mapped and unmapped, over and over. */
static void run_pairs(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	void *memory = bench_memory(self->memory, HUGE_PAGE);
	unsigned int i;
	__u64 start;

	bench_map(bench, memory, PAGE, AREAS_IOVA);
	bench_must_see(bench, memory, AREAS_IOVA);
	bench_unmap(bench, AREAS_IOVA, PAGE);

	start = bench_ns();
	for (i = 0; i < PAIRS; i++) {
		bench_map(bench, memory, PAGE, AREAS_IOVA);
		bench_unmap(bench, AREAS_IOVA, PAGE);
	}
	stop_clock(&cost[0], start, PAIRS);

	bench_must_not_see(bench, memory, AREAS_IOVA);
	bench_memory_free(memory, HUGE_PAGE, self->memory);
}

/* One large range, mapped and unmapped in a call each. */
static void run_large(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	size_t size = bench->mib * MIB;
	size_t last = size - PAGE;
	char *memory = bench_memory(self->memory, size);
	__u64 start;

	start = bench_ns();
	bench_map(bench, memory, size, AREAS_IOVA);
	stop_clock(&cost[0], start, size / PAGE);

	bench_must_see(bench, memory, AREAS_IOVA);
	bench_must_see(bench, memory + last, AREAS_IOVA + last);

	start = bench_ns();
	bench_unmap(bench, AREAS_IOVA, size);
	stop_clock(&cost[1], start, size / PAGE);

	bench_must_not_see(bench, memory, AREAS_IOVA);
	bench_must_not_see(bench, memory + last, AREAS_IOVA + last);
	bench_memory_free(memory, size, self->memory);
}

static __u64 area_iova(const struct bench_case *self, unsigned int area)
{
	return AREAS_IOVA + area * (__u64)(PAGE + self->hole);
}

static void map_areas(struct bench *bench, const struct bench_case *self, char *memory)
{
	unsigned int i;

	for (i = 0; i < self->areas; i++)
		bench_map(bench, memory + i * PAGE, PAGE, area_iova(self, i));
}

static void see_areas(struct bench *bench, const struct bench_case *self, char *memory)
{
	unsigned int last = self->areas - 1;

	bench_must_see(bench, memory, area_iova(self, 0));
	bench_must_see(bench, memory + last * PAGE, area_iova(self, last));
}

static void not_see_areas(struct bench *bench, const struct bench_case *self, char *memory)
{
	unsigned int last = self->areas - 1;

	bench_must_not_see(bench, memory, area_iova(self, 0));
	bench_must_not_see(bench, memory + last * PAGE, area_iova(self, last));
}

/* Many areas of a page, side by side, a call for each to map and to unmap. */
static void run_small(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	char *memory = bench_memory(self->memory, areas_size(self->areas));
	unsigned int i;
	__u64 start;

	start = bench_ns();
	map_areas(bench, self, memory);
	stop_clock(&cost[0], start, self->areas);
	see_areas(bench, self, memory);

	start = bench_ns();
	for (i = 0; i < self->areas; i++)
		bench_unmap(bench, area_iova(self, i), PAGE);
	stop_clock(&cost[1], start, self->areas);
	not_see_areas(bench, self, memory);
	bench_memory_free(memory, areas_size(self->areas), self->memory);
}

/* The same areas, unmapped by one call. */
static void run_unmap_all(struct bench *bench, const struct bench_case *self,
			  struct bench_cost *cost)
{
	char *memory = bench_memory(self->memory, areas_size(self->areas));
	__u64 start;

	map_areas(bench, self, memory);
	see_areas(bench, self, memory);

	start = bench_ns();
	bench_unmap(bench, AREAS_IOVA, self->areas * PAGE);
	stop_clock(&cost[0], start, self->areas);
	not_see_areas(bench, self, memory);
	bench_memory_free(memory, areas_size(self->areas), self->memory);
}

/*
 * Mappings that the kernel finds room for, past many areas. They are larger
 * than the holes between the areas, if there are any.
 */
static void run_placement(struct bench *bench, const struct bench_case *self,
			  struct bench_cost *cost)
{
	size_t length = PAGE + self->hole;
	size_t size = areas_size(self->areas) + PLACEMENTS * HUGE_PAGE;
	char *memory = bench_memory(self->memory, size);
	char *pieces = memory + areas_size(self->areas);
	__u64 iova[PLACEMENTS];
	unsigned int i;
	__u64 start;

	map_areas(bench, self, memory);
	start = bench_ns();
	for (i = 0; i < PLACEMENTS; i++)
		iova[i] = bench_map_anywhere(bench, pieces + i * length, length);
	stop_clock(&cost[0], start, PLACEMENTS);

	bench_must_see(bench, pieces, iova[0]);
	bench_must_see(bench, pieces + i * length - PAGE, iova[i - 1] + length - PAGE);
	for (i = 0; i < PLACEMENTS; i++)
		bench_unmap(bench, iova[i], length);
	for (i = 0; i < self->areas; i++)
		bench_unmap(bench, area_iova(self, i), PAGE);
	bench_must_not_see(bench, pieces, iova[0]);
	bench_memory_free(memory, size, self->memory);
}

#define LARGE(_name, _memory) {						\
	.name = _name, .costs = { "map", "unmap" }, .unit = "page",	\
	.run = run_large, .memory = _memory,				\
}

#define PLACEMENT(_name, _areas, _hole) {				\
	.name = _name, .costs = { "map" }, .unit = "call",		\
	.run = run_placement, .areas = _areas, .hole = _hole,		\
}

const struct bench_case bench_cases[] = {
	{
		.name = "pair", .costs = { "map+unmap" }, .unit = "pair",
		.run = run_pairs,
	},
	LARGE("4k", MEMORY_4K),
	LARGE("thp", MEMORY_THP),
	LARGE("hugetlb", MEMORY_HUGETLB),
	{
		.name = "small-20k", .costs = { "map", "unmap" }, .unit = "call",
		.run = run_small, .areas = 20000,
	},
	{
		.name = "unmap-all-10k", .costs = { "unmap" }, .unit = "area",
		.run = run_unmap_all, .areas = 10000,
	},
	PLACEMENT("place-0", 0, 0),
	PLACEMENT("place-1k", 1000, 0),
	PLACEMENT("place-10k", 10000, 0),
	PLACEMENT("place-60k", 60000, 0),
	PLACEMENT("place-holes-1k", 1000, PAGE),
	PLACEMENT("place-holes-10k", 10000, PAGE),
	PLACEMENT("place-holes-60k", 60000, PAGE),
	{ 0 },
};
