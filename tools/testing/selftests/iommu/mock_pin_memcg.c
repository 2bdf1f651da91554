// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Who pays for memory that several threads allocate and pin, and who may have them: the
 * memory control group of the caller pays, for page tables, too, and its limit holds; a
 * caller that is restricted, or is not to get in the way of others, has no helpers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define WORKERS	"/sys/module/iommufd/parameters/pin_workers"
#define CGROUPS	"/sys/fs/cgroup"
#define GROUP	CGROUPS "/iommu-selftest"
#define SIZE	(160 * ST_MIB)
#define LIMIT	(112 * ST_MIB)

/* The kernel counts up to so much for each CPU before it is used. */
#define STOCK	(64 * st_page * sysconf(_SC_NPROCESSORS_ONLN))

/* Only a helper that never gets a CPU lets so many tries pass. */
#define TRIES	100

FIXTURE(memcg)
{
	struct st_env env;
	struct st_mock dev;
	unsigned char *memory;
	char workers[16];	/* as it was before */
	bool has_group;
};

/* The number behind @key, or the only one without. */
static long long read_number(const char *path, const char *key)
{
	char text[8192];
	const char *at = text;

	if (st_read_text(path, text, sizeof(text)))
		return -1;
	while (at && strncmp(at, key, strlen(key))) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return at ? atoll(at + strlen(key)) : -1;
}

static bool make_group(void)
{
	if (st_mount_alone("cgroup2", CGROUPS))
		return false;
	st_write_text(CGROUPS "/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		return false;
	return !access(GROUP "/memory.stat", F_OK);
}

FIXTURE_SETUP(memcg)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	ASSERT_EQ(0, st_read_text(WORKERS, self->workers, sizeof(self->workers)));
	ASSERT_EQ(0, st_write_text(WORKERS, "4"));
	ASSERT_EQ(0, st_mock_add(self->env.iommufd, self->env.ioas, 0, &self->dev));
	self->memory = st_memory(SIZE);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(0, madvise(self->memory, SIZE, MADV_NOHUGEPAGE));
	self->has_group = make_group();
}

FIXTURE_TEARDOWN(memcg)
{
	if (*self->workers)
		EXPECT_EQ(0, st_write_text(WORKERS, self->workers));
	if (self->has_group)
		EXPECT_EQ(0, rmdir(GROUP));
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map(struct _test_data_memcg *self)
{
	return st_map_at(self->env.iommufd, self->env.ioas, self->memory, SIZE, ST_IOVA);
}

static int unmap(struct _test_data_memcg *self)
{
	return st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, SIZE);
}

static long own_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Pages that were touched by others while all were mapped; negative on failure. */
static long map_and_count_others(struct _test_data_memcg *self)
{
	long before = own_faults(), others;

	if (madvise(self->memory, SIZE, MADV_DONTNEED) || map(self))
		return -1;
	others = (long)(SIZE / st_page) - (own_faults() - before);
	return others > 0 ? others : 0;
}

struct charge {
	long long current, anon, tables;
};

static struct charge charge_now(void)
{
	return (struct charge) {
		.anon = read_number(GROUP "/memory.stat", "anon "),
		.tables = read_number(GROUP "/memory.stat", "pagetables "),
		.current = read_number(GROUP "/memory.current", ""),
	};
}

/* Is what has been charged since then about what a call that maps everything needs? */
static bool all_is_charged(const struct charge *before)
{
	/* What is not added up yet. */
	long long slack = STOCK + 2 * st_page;
	long long tables = SIZE / ST_HUGE * st_page;
	struct charge now = charge_now();

	printf("# charged: %lld, anonymous %lld, page tables %lld\n", now.current - before->current,
	       now.anon - before->anon, now.tables - before->tables);
	return now.current - before->current >= (long long)SIZE - slack &&
	       now.anon - before->anon >= (long long)SIZE - slack &&
	       now.tables - before->tables >= tables - (long long)st_page * 4;
}

static int child_is_charged(void *argument)
{
	struct _test_data_memcg *self = argument;
	bool has_helpers = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	struct charge before;
	long others = 0;
	int tries;

	if (st_write_text(GROUP "/cgroup.procs", "0"))
		return 1;
	for (tries = 0; tries < TRIES; tries++) {
		/* Page tables go with the mapping. */
		munmap(self->memory, SIZE);
		before = charge_now();
		if (mmap(self->memory, SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) !=
		    self->memory || madvise(self->memory, SIZE, MADV_NOHUGEPAGE))
			return 2;
		others = map_and_count_others(self);
		if (others < 0)
			return 3;
		if (!all_is_charged(&before))
			return 4;
		if (unmap(self))
			return 5;
		if (others || !has_helpers)
			return 0;
	}
	return 6;
}

TEST_F_TIMEOUT(memcg, pays, ST_TIMEOUT)
{
	if (!self->has_group)
		SKIP(return, "there are no memory control groups");
	EXPECT_EQ(0, st_in_child(child_is_charged, self));
}

static int child_over_limit(void *argument)
{
	if (st_write_text(GROUP "/cgroup.procs", "0"))
		return 1;
	map(argument);
	return 2;
}

/* The process that asks for too much is killed, and nothing is left of it. */
TEST_F(memcg, limit)
{
	char limit[32];

	if (!self->has_group)
		SKIP(return, "there are no memory control groups");
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)LIMIT);
	ASSERT_EQ(0, st_write_text(GROUP "/memory.max", limit));
	ASSERT_EQ(0, st_write_text(GROUP "/memory.swap.max", "0"));
	EXPECT_EQ(-ECHILD, st_in_child(child_over_limit, self));
	EXPECT_LT(0, read_number(GROUP "/memory.events", "oom_kill "));
	EXPECT_LE(read_number(GROUP "/memory.peak", ""), (long long)(LIMIT + ST_MIB));
	EXPECT_EQ(0, st_unmap_all(self->env.iommufd, self->env.ioas, NULL));
	EXPECT_EQ(0, st_fdinfo(self->env.iommufd, "pinned:"));
	EXPECT_TRUE(st_counters_are(&self->env.before));
}

/* Nobody helps a thread like this one, often enough to tell. */
static int expect_alone(struct _test_data_memcg *self)
{
	int tries;

	for (tries = 0; tries < 2; tries++)
		if (map_and_count_others(self) || unmap(self))
			return 1;
	return 0;
}

static int child_has_policy(void *argument)
{
	unsigned long nodes = 1;

	/* A kernel for machines of one node has no policies. */
	if (access("/proc/self/numa_maps", F_OK))
		return 0;
	if (syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes)))
		return 2;
	return expect_alone(argument);
}

static int child_is_nice(void *argument)
{
	if (setpriority(PRIO_PROCESS, 0, 1))
		return 2;
	return expect_alone(argument);
}

static int child_has_one_cpu(void *argument)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		return 2;
	return expect_alone(argument);
}

static int child_is_in_a_group(void *argument)
{
	if (st_write_text(GROUP "/cgroup.procs", "0"))
		return 2;
	return expect_alone(argument);
}

static int run_under(void *argument, int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, policy, &param))
		return 2;
	return expect_alone(argument);
}

static int child_is_idle(void *argument)
{
	return run_under(argument, SCHED_IDLE, 0);
}

static int child_is_real_time(void *argument)
{
	return run_under(argument, SCHED_FIFO, 1);
}

/* Also when the administrator has said how many threads there are. */
TEST_F(memcg, restricted_memory)
{
	EXPECT_EQ(0, st_in_child(child_has_policy, self));
}

/* If he has not, nobody has more of the CPUs than is meant for him. */
TEST_F_TIMEOUT(memcg, restricted_cpus, ST_TIMEOUT)
{
	ASSERT_EQ(0, st_write_text(WORKERS, "0"));
	EXPECT_EQ(0, st_in_child(child_has_one_cpu, self));
	EXPECT_EQ(0, st_in_child(child_is_nice, self));
	EXPECT_EQ(0, st_in_child(child_is_idle, self));
	EXPECT_EQ(0, st_in_child(child_is_real_time, self));
	if (self->has_group && !st_write_text(CGROUPS "/cgroup.subtree_control", "+cpu")) {
		EXPECT_EQ(0, st_in_child(child_is_in_a_group, self));
		st_write_text(CGROUPS "/cgroup.subtree_control", "-cpu");
	}
}

static bool is_restricted(void)
{
	char group[64];

	return st_read_text("/proc/self/cgroup", group, sizeof(group)) || strcmp(group, "0::/\n") ||
	       getpriority(PRIO_PROCESS, 0) > 0;
}

TEST_F_TIMEOUT(memcg, usual, ST_TIMEOUT)
{
	long others = 0;
	int tries;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || is_restricted())
		SKIP(return, "there are no CPUs for helpers");
	ASSERT_EQ(0, st_write_text(WORKERS, "0"));
	for (tries = 0; tries < TRIES && !others; tries++) {
		others = map_and_count_others(self);
		ASSERT_LE(0, others);
		ASSERT_EQ(0, unmap(self));
	}
	EXPECT_LT(0, others);
}

TEST_HARNESS_MAIN
