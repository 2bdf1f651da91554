// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The clock, the count of submissions to the IOMMU, and the two functions by
 * which profile.c knows what is measured.
 *
 * Submissions are counted by the kernel's tracepoint for them. That costs
 * instructions, so time and submissions are not measured in the same run.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "say.h"

#define TRACING	"/sys/kernel/tracing"
#define EVENT	TRACING "/events/intel_iommu/qi_submit/enable"

/* Empty, but called: profile.c watches for their addresses. */
[[gnu::noipa]] void bench_profile_start(void);
[[gnu::noipa]] void bench_profile_stop(void);

void bench_profile_start(void)
{
}

void bench_profile_stop(void)
{
}

/*
 * Under QEMU's -icount shift=0 a nanosecond is an instruction of the guest,
 * whatever else the machine does.
 */
static __u64 now(const struct bench *bench)
{
	struct timespec ts;

	clock_gettime(bench->awake_only ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void write_file(const char *path, const char *text, size_t length)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	must(fd < 0 || write(fd, text, length) != (ssize_t)length ? -errno : 0,
	     "cannot write to %s", path);
	close(fd);
}

/* Events in the trace's buffers, and those for which there was no more room. */
static __u64 events_in(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long long value, sum = 0;
	char line[128], name[32];

	must(file ? 0 : -errno, "cannot read %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31[^:]: %llu", name, &value) == 2 &&
		    (name[0] == 'e' || (name[0] == 'o' && name[1] == 'v')))
			sum += value;		/* entries, overrun */
	}
	fclose(file);
	return sum;
}

static __u64 events(void)
{
	__u64 sum = 0;
	glob_t cpus;
	size_t i;

	if (glob(TRACING "/per_cpu/cpu*/stats", 0, NULL, &cpus))
		fail("there are no statistics of the trace");
	for (i = 0; i < cpus.gl_pathc; i++)
		sum += events_in(cpus.gl_pathv[i]);
	globfree(&cpus);
	return sum;
}

/**
 * bench_clock_count_submissions() - Count submissions to the IOMMU from now on
 *
 * Return: false if this kernel or this IOMMU's driver cannot tell them.
 */
bool bench_clock_count_submissions(void)
{
	if (access(EVENT, W_OK))
		return false;
	write_file(EVENT, "1", 1);
	return true;
}

/**
 * bench_clock_start() - Begin to measure
 * @bench: the rig
 */
void bench_clock_start(struct bench *bench)
{
	if (bench->count_submissions)
		write_file(TRACING "/trace", "", 0);
	bench->calls = 0;
	bench->clock = now(bench);
	bench_profile_start();
}

/**
 * bench_clock_stop() - End what bench_clock_start() began
 * @bench: the rig
 * @cost: filled in
 * @operations: how many units were worked on since
 */
void bench_clock_stop(struct bench *bench, struct bench_cost *cost, __u64 operations)
{
	bench_profile_stop();
	cost->amount = now(bench) - bench->clock;
	cost->operations = operations;
	cost->calls = bench->calls;
	if (bench->count_submissions)
		cost->submissions = events();
}
