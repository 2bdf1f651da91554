// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Cases of threads that map and unmap at the same time, in one address space or
 * in one each. They need two processors and so the time of the wall.
 *
 * The second address space has a device of its own, so that an unmap there asks the
 * IOMMU for as much as one in the first.
 */
#include <errno.h>
#include <pthread.h>

#include "bench.h"
#include "iommufd_util.h"
#include "say.h"

#define PAIRS	50000u
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

/* Attach the edu device, which does nothing, to an IOAS, which is returned. */
static __u32 second_open(struct bench *bench, struct vfio_device *dev)
{
	static const struct pci_match edu = { PCI_ANY, 0x1234, 0x11e8 };
	char bdf[PCI_BDF_SIZE];
	__u32 ioas;

	must(pci_find(&edu, bdf), "this machine has no edu device");
	must(pci_give_to_vfio(bdf), "cannot bind %s to vfio-pci", bdf);
	must(vfio_open(dev, bdf), "cannot open the VFIO device of %s", bdf);
	must(vfio_bind(dev->fd, bench->iommufd, &dev->id), "cannot bind %s", bdf);
	must(ioas_alloc(bench->iommufd, &ioas), "cannot make a second IOAS");
	must(vfio_attach(dev, ioas), "cannot attach %s", bdf);
	return ioas;
}

static void second_close(struct bench *bench, struct vfio_device *dev, __u32 ioas)
{
	vfio_close(dev);
	must(iommufd_destroy(bench->iommufd, ioas), "cannot destroy the second IOAS");
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
	struct vfio_device dev;
	struct memory memory;
	__u32 ioas = bench->ioas;

	bench_memory_get(&memory, self->memory, HUGE_PAGE);
	bench_map(bench, memory.va, PAGE, LARGE_IOVA);
	bench_must_see(bench, memory.va, LARGE_IOVA);
	bench_unmap(bench, LARGE_IOVA, PAGE);
	if (self->areas > 1)
		ioas = second_open(bench, &dev);
	for (i = 0; i < count; i++)
		threads[i] = (struct thread) {
			.iommufd = bench->iommufd,
			.ioas = i ? ioas : bench->ioas,
			.va = memory.va + i * PAGE,
			.iova = LARGE_IOVA + i * HUGE_PAGE,
		};
	measure(bench, threads, count, &cost[0]);
	bench_must_not_see(bench, memory.va, LARGE_IOVA);
	if (self->areas > 1)
		second_close(bench, &dev, ioas);
	bench_memory_put(&memory);
}
