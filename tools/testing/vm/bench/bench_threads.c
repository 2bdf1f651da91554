// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Cases of threads that map and unmap at the same time, in one address space or
 * in one each. They need two processors and so the time of the wall.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "bench.h"
#include "iommufd_util.h"
#include "say.h"

#define PAIRS	20000u
#define THREADS	2u

struct thread {
	pthread_t id;
	pthread_barrier_t *start;
	int iommufd;
	__u32 ioas;
	void *va;
	__u64 iova;
};

static void *thread_run(void *data)
{
	struct thread *thread = data;
	unsigned int i;

	pthread_barrier_wait(thread->start);
	for (i = 0; i < PAIRS; i++) {
		must(ioas_map_at(thread->iommufd, thread->ioas, thread->va, PAGE, thread->iova),
		     "a thread cannot map");
		must(ioas_unmap(thread->iommufd, thread->ioas, thread->iova, PAGE),
		     "a thread cannot unmap");
	}
	return NULL;
}

/* An IOAS with a page table, though no device is attached to it. */
static __u32 second_ioas(struct bench *bench, __u32 *hwpt)
{
	struct iommu_hwpt_alloc cmd = { .size = sizeof(cmd), .dev_id = bench->dev.id };

	must(ioas_alloc(bench->iommufd, &cmd.pt_id), "cannot make a second IOAS");
	must(ioctl(bench->iommufd, IOMMU_HWPT_ALLOC, &cmd) ? -errno : 0,
	     "cannot make a second page table");
	*hwpt = cmd.out_hwpt_id;
	return cmd.pt_id;
}

static void measure(struct bench *bench, struct thread *threads, unsigned int count,
		    struct bench_cost *cost)
{
	pthread_barrier_t start;
	unsigned int i;

	pthread_barrier_init(&start, NULL, count + 1);
	for (i = 0; i < count; i++) {
		threads[i].start = &start;
		must(-pthread_create(&threads[i].id, NULL, thread_run, &threads[i]),
		     "cannot make a thread");
	}
	bench_clock_start(bench);
	pthread_barrier_wait(&start);
	for (i = 0; i < count; i++)
		pthread_join(threads[i].id, NULL);
	bench_clock_stop(bench, cost, (__u64)count * PAIRS);
	pthread_barrier_destroy(&start);
}

/**
 * run_threads() - Let threads map and unmap a page each, over and over
 * @bench: the rig
 * @self: the case; its areas are the address spaces: none is one thread alone,
 *	one is two threads that share it, two is one for each
 * @cost: filled in: a map and an unmap, of all threads together
 */
void run_threads(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	unsigned int count = self->areas ? THREADS : 1, i;
	struct thread threads[THREADS];
	struct memory memory;
	__u32 ioas = bench->ioas, hwpt = 0;

	bench_memory_get(&memory, self->memory, HUGE_PAGE);
	bench_map(bench, memory.va, PAGE, LARGE_IOVA);
	bench_must_see(bench, memory.va, LARGE_IOVA);
	bench_unmap(bench, LARGE_IOVA, PAGE);
	if (self->areas > 1)
		ioas = second_ioas(bench, &hwpt);
	for (i = 0; i < count; i++)
		threads[i] = (struct thread) {
			.iommufd = bench->iommufd,
			.ioas = i ? ioas : bench->ioas,
			.va = memory.va + i * PAGE,
			.iova = LARGE_IOVA + i * HUGE_PAGE,
		};
	measure(bench, threads, count, &cost[0]);
	bench_must_not_see(bench, memory.va, LARGE_IOVA);
	if (hwpt) {
		must(iommufd_destroy(bench->iommufd, hwpt), "cannot destroy the page table");
		must(iommufd_destroy(bench->iommufd, ioas), "cannot destroy the IOAS");
	}
	bench_memory_put(&memory);
}
