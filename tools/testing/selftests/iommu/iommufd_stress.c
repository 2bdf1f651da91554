// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Threads at odds with each other, and processes that end at the worst moment.
 * Only the errnos that a user can expect may come back, and in the end nothing
 * may be left.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define SECONDS	2
#define FAR	(4096ull * ST_MIB)	/* no place for MSIs is behind it */

FIXTURE(stress)
{
	struct st_env env;
	unsigned char *memory;
};

FIXTURE_SETUP(stress)
{
	int rc = st_env_open_attached(&self->env, ST_QUICK);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(stress)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* One thread of a race; what it may be told besides success. */
struct worker {
	struct st_env *env;
	unsigned char *memory;
	__u64 iova;
	unsigned int seed;
	int may_map, may_unmap[2];
	bool *stop;
	unsigned int done, unexpected;
	int last;	/* unexpected errno */
	pthread_t thread;
};

static void judge(struct worker *worker, int rc, int may, int may_too)
{
	if (rc && rc != may && rc != may_too) {
		worker->unexpected++;
		worker->last = rc;
	}
	worker->done++;
}

static unsigned int draw(struct worker *worker, unsigned int below)
{
	worker->seed = worker->seed * 1103515245 + 12345;
	return (worker->seed >> 8) % below;
}

static bool running(struct worker *worker)
{
	return !__atomic_load_n(worker->stop, __ATOMIC_RELAXED);
}

/* Map and unmap pieces of 16 pages' room. */
static void *map_and_unmap(void *argument)
{
	struct worker *worker = argument;
	struct st_env *env = worker->env;

	while (running(worker)) {
		unsigned int first = draw(worker, 12), count = 1 + draw(worker, 4);
		__u64 iova = worker->iova + first * st_page;

		judge(worker, st_map_at(env->iommufd, env->ioas, worker->memory, count * st_page,
					iova), worker->may_map, 0);
		judge(worker, st_unmap(env->iommufd, env->ioas, iova, count * st_page),
		      worker->may_unmap[0], worker->may_unmap[1]);
	}
	return NULL;
}

static void *unmap_everything(void *argument)
{
	struct worker *worker = argument;

	while (running(worker))
		judge(worker, st_unmap_all(worker->env->iommufd, worker->env->ioas, NULL),
		      -EBUSY, 0);
	return NULL;
}

static void *attach_and_detach(void *argument)
{
	struct worker *worker = argument;

	while (running(worker)) {
		judge(worker, st_detach(worker->env->dev.fd), 0, 0);
		judge(worker, st_attach(worker->env->dev.fd, worker->env->ioas), 0, 0);
	}
	return NULL;
}

static void *copy_around(void *argument)
{
	struct worker *worker = argument;
	struct st_env *env = worker->env;

	while (running(worker)) {
		struct iommu_ioas_copy copy = {
			.flags = ST_RW,
			.dst_ioas_id = env->ioas,
			.src_ioas_id = env->ioas,
			.length = (1 + draw(worker, 4)) * st_page,
			.src_iova = worker->iova + draw(worker, 12) * st_page,
		};
		int rc = st_copy(env->iommufd, &copy);

		judge(worker, rc, -ENOENT, -EBUSY);
		if (!rc)
			judge(worker, st_unmap(env->iommufd, env->ioas, copy.dst_iova,
					       copy.length), 0, 0);
	}
	return NULL;
}

static void run(struct __test_metadata *_metadata, struct worker *workers, unsigned int count,
		void *(*const functions[])(void *argument))
{
	bool stop = false;
	unsigned int i;

	for (i = 0; i < count; i++) {
		workers[i].stop = &stop;
		workers[i].seed = i + 1;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, functions[i],
					    &workers[i]));
	}
	sleep(SECONDS);
	/* On a busy machine one may still wait for its turn. */
	for (i = 0; i < count; i++)
		while (!__atomic_load_n(&workers[i].done, __ATOMIC_RELAXED))
			st_sleep_ms(10);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].unexpected) {
			TH_LOG("worker %u: last was %d, %u calls", i, workers[i].last,
			       workers[i].done);
		}
		EXPECT_NE(0, workers[i].done);
	}
}

/* Two threads that keep out of each other's way are never refused. */
TEST_F_TIMEOUT(stress, map_apart, ST_TIMEOUT)
{
	struct worker workers[2] = {
		{ .env = &self->env, .memory = self->memory, .iova = ST_IOVA },
		{ .env = &self->env, .memory = self->memory, .iova = 2 * ST_IOVA },
	};

	run(_metadata, workers, 2, (void *(*[])(void *)) { map_and_unmap, map_and_unmap });
}

TEST_F_TIMEOUT(stress, map_the_same_place, ST_TIMEOUT)
{
	struct worker worker = {
		.env = &self->env,
		.memory = self->memory,
		.iova = ST_IOVA,
		.may_map = -EEXIST,
		.may_unmap = { -ENOENT, -EBUSY },
	};
	struct worker workers[2] = { worker, worker };

	run(_metadata, workers, 2, (void *(*[])(void *)) { map_and_unmap, map_and_unmap });
	EXPECT_EQ(0, st_unmap_all(self->env.iommufd, self->env.ioas, NULL));
}

TEST_F_TIMEOUT(stress, map_and_unmap_everything, ST_TIMEOUT)
{
	struct worker workers[2] = {
		{
			.env = &self->env,
			.memory = self->memory,
			.iova = ST_IOVA,
			.may_unmap = { -ENOENT, -EBUSY },
		},
		{ .env = &self->env },
	};

	/* Only one thread maps, but what it maps may be on its way out still. */
	workers[0].may_map = -EEXIST;
	run(_metadata, workers, 2, (void *(*[])(void *)) { map_and_unmap, unmap_everything });
}

TEST_F_TIMEOUT(stress, map_and_attach, ST_TIMEOUT)
{
	struct worker workers[2] = {
		{ .env = &self->env, .memory = self->memory, .iova = ST_IOVA },
		{ .env = &self->env },
	};

	run(_metadata, workers, 2, (void *(*[])(void *)) { map_and_unmap, attach_and_detach });
}

TEST_F_TIMEOUT(stress, map_and_copy, ST_TIMEOUT)
{
	struct worker workers[3] = {
		{ .env = &self->env, .memory = self->memory, .iova = ST_IOVA },
		{ .env = &self->env, .iova = ST_IOVA },
		{ .env = &self->env },
	};

	run(_metadata, workers, 3,
	    (void *(*[])(void *)) { map_and_unmap, copy_around, attach_and_detach });
}

static void *make_and_destroy(void *argument)
{
	struct worker *worker = argument;
	struct st_env env = *worker->env;

	while (running(worker)) {
		if (ioas_alloc(env.iommufd, &env.ioas))
			break;
		__atomic_store_n(&worker->env->ioas, env.ioas, __ATOMIC_RELAXED);
		judge(worker, st_map_at(env.iommufd, env.ioas, worker->memory, 4 * st_page,
					ST_IOVA), -EEXIST, 0);
		judge(worker, iommufd_destroy(env.iommufd, env.ioas), 0, 0);
	}
	return NULL;
}

static void *map_where_it_is(void *argument)
{
	struct worker *worker = argument;

	while (running(worker)) {
		__u32 ioas = __atomic_load_n(&worker->env->ioas, __ATOMIC_RELAXED);
		int rc = st_map_at(worker->env->iommufd, ioas, worker->memory, st_page, ST_IOVA);

		judge(worker, rc, -ENOENT, -EEXIST);
		rc = st_unmap(worker->env->iommufd, ioas, 0, ST_MAX);
		judge(worker, rc, -ENOENT, -EBUSY);
	}
	return NULL;
}

/* An address space that is destroyed while another thread maps into it. */
TEST_F_TIMEOUT(stress, destroy_while_mapped_into, ST_TIMEOUT)
{
	struct st_env shared = self->env;
	struct worker workers[2] = {
		{ .env = &shared, .memory = self->memory },
		{ .env = &shared, .memory = self->memory },
	};

	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	run(_metadata, workers, 2, (void *(*[])(void *)) { make_and_destroy, map_where_it_is });
}

/* Half of what is free, but not more than 1 GiB. */
static size_t a_lot(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	kib = kib / 2 & ~2047ull;
	return kib >= ST_MIB ? 1024 * ST_MIB : kib * ST_KIB;
}

FIXTURE(death)
{
	struct st_counters before;
	size_t size;
};

FIXTURE_SETUP(death)
{
	struct vfio_device dev;
	int rc = st_device_open(&dev, ST_NVME);

	if (rc == -ENODEV || rc == -EBUSY)
		SKIP(return, "the machine has no free NVMe disk");
	ASSERT_EQ(0, rc);
	vfio_close(&dev);
	self->size = a_lot();
	st_counters(&self->before);
}

FIXTURE_TEARDOWN(death)
{
	EXPECT_TRUE(st_counters_are(&self->before));
}

/* Maps memory that nobody has touched; being killed meanwhile is its purpose. */
static int map_a_lot(struct st_env *env, size_t size)
{
	void *memory = st_memory(size);

	madvise(memory, size, MADV_NOHUGEPAGE);
	return st_map_at(env->iommufd, env->ioas, memory, size, FAR);
}

static int kill_after(pid_t pid, unsigned int ms)
{
	int status = 0;

	st_sleep_ms(ms);
	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* All of it is the child's, and all of it has to go with it. */
TEST_F_TIMEOUT(death, killed_with_everything, 2 * ST_TIMEOUT)
{
	static const unsigned int delays[] = { 1, 30, 300, 1500 };
	struct st_env env;
	size_t i;

	for (i = 0; i < sizeof(delays) / sizeof(*delays); i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			if (st_env_open_attached(&env, ST_NVME) ||
			    map_a_lot(&env, self->size))
				_exit(9);
			/* A fast machine is done before it is killed. */
			for (;;)
				pause();
		}
		EXPECT_EQ(SIGKILL, kill_after(pid, delays[i] + 300));
		EXPECT_TRUE(st_counters_are(&self->before));

		/* The device is free for the next one. */
		ASSERT_EQ(0, st_env_open_attached(&env, ST_NVME));
		EXPECT_EQ(0, st_env_close(&env));
	}
}

/* Here the address space outlives the killed process: all or nothing is in it. */
TEST_F_TIMEOUT(death, killed_while_mapping, 2 * ST_TIMEOUT)
{
	static const unsigned int delays[] = { 1, 20, 200, 1000 };
	struct st_env env;
	__u64 length;
	size_t i;

	ASSERT_EQ(0, st_env_open_attached(&env, ST_NVME));
	for (i = 0; i < sizeof(delays) / sizeof(*delays); i++) {
		pid_t pid = fork();
		int status;

		ASSERT_LE(0, pid);
		if (!pid)
			_exit(map_a_lot(&env, self->size) ? 1 : 0);
		status = kill_after(pid, delays[i]);
		EXPECT_TRUE(status == SIGKILL || status == 0);
		EXPECT_EQ(0, st_unmap_all(env.iommufd, env.ioas, &length));
		EXPECT_TRUE(length == 0 || length == self->size);
		EXPECT_TRUE(st_counters_are(&self->before));
	}
	EXPECT_EQ(0, st_env_close(&env));
}

/* Nothing is closed by hand. */
static int child_leaves_everything(void *argument)
{
	struct _test_data_death *self = argument;
	size_t size = self->size / 16;
	struct vfio_bar bar;
	struct st_env env;
	__u32 ioas;

	if (st_env_open_attached(&env, ST_NVME) || ioas_alloc(env.iommufd, &ioas))
		return 1;
	if (st_map_at(env.iommufd, env.ioas, st_memory(size), size, FAR) ||
	    st_map_at(env.iommufd, ioas, st_memory(size), size, FAR))
		return 2;
	return vfio_enable_dma(&env.dev) || vfio_map_bar(&env.dev, 0, &bar) ? 3 : 0;
}

TEST_F_TIMEOUT(death, exit_with_everything_open, ST_TIMEOUT)
{
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, st_in_child(child_leaves_everything, self));
		EXPECT_TRUE(st_counters_are(&self->before));
	}
}

TEST_HARNESS_MAIN
