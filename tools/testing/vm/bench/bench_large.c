// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Cases of one large range, as a VM's memory is, in one call or in pieces.
 *
 * The device is asked outside of the measured time whether it sees what was
 * mapped and has lost what was unmapped.
 */
#include "bench.h"

/* Where a case's large memory goes, and how it is cut. */
struct large {
	struct memory memory;
	__u64 iova;
	size_t piece;
	__u64 operations;		/* pages, or calls if there are pieces */
};

static void large_start(struct bench *bench, const struct bench_case *self, struct large *large)
{
	size_t size = bench_large_size(bench, self);

	bench_memory_get(&large->memory, self->memory, size);
	large->iova = LARGE_IOVA + self->shift;
	large->piece = self->piece ? self->piece : size;
	large->operations = self->piece ? size / self->piece : size / PAGE;
}

static void large_map(struct bench *bench, const struct bench_case *self, struct large *large)
{
	size_t at;

	for (at = 0; at < large->memory.size; at += large->piece) {
		if (self->by_file)
			bench_map_file(bench, large->memory.fd, at, large->piece,
				       large->iova + at);
		else
			bench_map(bench, large->memory.va + at, large->piece, large->iova + at);
	}
}

static void large_unmap(struct bench *bench, struct large *large)
{
	size_t at;

	for (at = 0; at < large->memory.size; at += large->piece)
		bench_unmap(bench, large->iova + at, large->piece);
}

static void must_see_ends(struct bench *bench, struct large *large)
{
	size_t last = large->memory.size - PAGE;

	bench_must_see(bench, large->memory.va, large->iova);
	bench_must_see(bench, large->memory.va + last, large->iova + last);
}

static void must_not_see_ends(struct bench *bench, struct large *large)
{
	size_t last = large->memory.size - PAGE;

	bench_must_not_see(bench, large->memory.va, large->iova);
	bench_must_not_see(bench, large->memory.va + last, large->iova + last);
}

/**
 * run_large() - Map and unmap a large range
 * @bench: the rig
 * @self: the case
 * @cost: filled in: map, unmap
 */
void run_large(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	struct large large;

	if (self->by_file && !bench->backend->map_file)
		return;
	large_start(bench, self, &large);

	bench_clock_start(bench);
	large_map(bench, self, &large);
	bench_clock_stop(bench, &cost[0], large.operations);
	must_see_ends(bench, &large);

	bench_clock_start(bench);
	large_unmap(bench, &large);
	bench_clock_stop(bench, &cost[1], large.operations);
	must_not_see_ends(bench, &large);
	bench_memory_put(&large.memory);
}

/**
 * run_close() - Close everything while a large range is mapped
 * @bench: the rig
 * @self: the case
 * @cost: filled in: close
 *
 * As when a VM's process ends; what is closed is the device and the address
 * space. The device is reset, and how long that sleeps does not count.
 */
void run_close(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	struct large large;

	large_start(bench, self, &large);
	large_map(bench, self, &large);
	must_see_ends(bench, &large);
	bench_rig_quiesce(bench);

	bench->awake_only = true;
	bench_clock_start(bench);
	bench->backend->close(bench);
	bench->calls = 1;
	bench_clock_stop(bench, &cost[0], large.operations);
	bench->awake_only = false;

	bench_rig_restart(bench);
	must_not_see_ends(bench, &large);
	bench_memory_put(&large.memory);
}
