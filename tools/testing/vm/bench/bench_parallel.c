// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Cases of one large range that nobody has touched, as a VM's memory is when it
 * starts: the kernel allocates and clears all of it, alone or by several threads.
 * They need two processors and so the time of the wall.
 *
 * Both ways are measured in turn, so that whatever else the machine does falls on
 * both.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "say.h"

#define WORKERS		"/sys/module/iommufd/parameters/pin_workers"
#define TOGETHER	"4"

static char workers_before[16];

static void write_workers(const char *count)
{
	int fd = open(WORKERS, O_WRONLY | O_CLOEXEC);

	must(fd < 0 || write(fd, count, strlen(count)) < 0 ? -errno : 0,
	     "cannot write to %s", WORKERS);
	close(fd);
}

/* False: this kernel has but one way. */
static bool read_workers(void)
{
	int fd = open(WORKERS, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, workers_before, sizeof(workers_before) - 1);
	must(n <= 0 ? -EIO : 0, "cannot read %s", WORKERS);
	close(fd);
	return true;
}

static void go_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	must(sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0, "there is no CPU %d", cpu);
}

/* Begin on the first CPU, but the second one may be used, too. */
static void begin_on_the_first(void)
{
	cpu_set_t cpus;

	must(sched_getaffinity(0, sizeof(cpus), &cpus) ? -errno : 0, "on which CPUs?");
	go_to(0);
	must(sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0, "cannot use all CPUs");
}

static void *keep_busy(void *stop)
{
	go_to(1);
	while (!atomic_load_explicit((atomic_bool *)stop, memory_order_relaxed))
		;
	return NULL;
}

static void measure(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	size_t size = bench_large_size(bench, self);
	struct memory memory;

	bench_memory_get(&memory, self->memory, size);
	begin_on_the_first();
	bench_clock_start(bench);
	bench_map(bench, memory.va, size, LARGE_IOVA);
	bench_clock_stop(bench, cost, size / PAGE);
	bench_must_see(bench, memory.va, LARGE_IOVA);
	bench_must_see(bench, memory.va + size / 2, LARGE_IOVA + size / 2);
	bench_must_see(bench, memory.va + size - PAGE, LARGE_IOVA + size - PAGE);
	bench_unmap(bench, LARGE_IOVA, size);
	bench_must_not_see(bench, memory.va, LARGE_IOVA);
	bench_memory_put(&memory);
}

static void measure_both(struct bench *bench, const struct bench_case *self,
			 struct bench_cost *cost)
{
	if (!read_workers()) {
		measure(bench, self, &cost[0]);
		return;
	}
	write_workers("1");
	measure(bench, self, &cost[0]);
	write_workers(TOGETHER);
	measure(bench, self, &cost[1]);
	write_workers(workers_before);
}

/**
 * run_parallel() - Map a large range that nobody has touched
 * @bench: the rig
 * @self: the case; if it has areas, another thread keeps the second CPU busy
 * @cost: filled in: map alone, map together
 */
void run_parallel(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	atomic_bool stop = false;
	pthread_t busy;

	if (self->areas)
		must(-pthread_create(&busy, NULL, keep_busy, &stop), "cannot make a thread");
	measure_both(bench, self, cost);
	if (self->areas) {
		atomic_store(&stop, true);
		pthread_join(busy, NULL);
	}
}
