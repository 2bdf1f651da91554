// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups that come and go while other threads choose the type of their container,
 * map, look, destroy and close. Only the errnos that a program can expect may come
 * back, and in the end nothing may be left.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_container.h"
#include "kselftest_harness.h"

#define SECONDS		3
#define NCONTAINERS	40

/* Give a device to vfio-pci and open its group. */
static int open_group_of(struct st_group *group, enum st_device kind)
{
	return st_group_find(group, kind) ?: st_group_open(group);
}

static int map_here(int fd, const void *va, __u64 size)
{
	return st_dma_map(fd, ST_DMA_RW, va, size, ST_IOVA);
}

struct worker {
	int fd;
	struct st_group *group;
	unsigned char *memory;
	unsigned long type;
	int may[4];		/* errnos besides 0 */
	bool *stop;
	unsigned int done, good, unexpected;
	int last;		/* unexpected errno */
	void *(*function)(void *argument);
	pthread_t thread;
};

static void judge(struct worker *worker, int rc)
{
	unsigned int i;

	worker->done++;
	if (rc >= 0) {
		worker->good++;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(worker->may); i++)
		if (rc == worker->may[i])
			return;
	worker->unexpected++;
	worker->last = rc;
}

static bool running(struct worker *worker)
{
	return !__atomic_load_n(worker->stop, __ATOMIC_RELAXED);
}

static void *join_and_leave(void *argument)
{
	struct worker *worker = argument;

	while (running(worker)) {
		judge(worker, st_group_join(worker->group, worker->fd));
		sched_yield();
		judge(worker, st_group_leave(worker->group));
	}
	return NULL;
}

/* A device keeps its group in, and has to be closed first. */
static void *join_and_open(void *argument)
{
	struct worker *worker = argument;
	int device;

	while (running(worker)) {
		judge(worker, st_group_join(worker->group, worker->fd));
		device = st_group_device(worker->group, worker->group->bdf);
		judge(worker, device);
		if (device >= 0) {
			judge(worker, st_group_leave(worker->group) == -EBUSY ? 0 : -EIDRM);
			close(device);
		}
		judge(worker, st_group_leave(worker->group));
	}
	return NULL;
}

static void *set_type(void *argument)
{
	struct worker *worker = argument;

	while (running(worker))
		judge(worker, st_set_iommu(worker->fd, worker->type));
	return NULL;
}

static void *map_and_unmap(void *argument)
{
	struct worker *worker = argument;

	while (running(worker)) {
		__u64 size = 8 * st_page;

		judge(worker, map_here(worker->fd, worker->memory, size));
		judge(worker, st_dma_unmap(worker->fd, 0, ST_IOVA, &size));
	}
	return NULL;
}

/* VFIO_UPDATE_VADDR: the same memory, by one address after the other. */
static void *tell_addresses(void *argument)
{
	struct worker *worker = argument;

	while (running(worker)) {
		__u64 size = 8 * st_page;

		judge(worker, st_dma_unmap(worker->fd, VFIO_DMA_UNMAP_FLAG_VADDR, ST_IOVA, &size));
		judge(worker, st_dma_map(worker->fd, VFIO_DMA_MAP_FLAG_VADDR, worker->memory,
					 8 * st_page, ST_IOVA));
	}
	return NULL;
}

static void *look(void *argument)
{
	struct worker *worker = argument;
	[[gnu::aligned(8)]] unsigned char room[1024];
	struct vfio_iommu_type1_info *info = (void *)room;

	while (running(worker)) {
		info->argsz = sizeof(room);
		judge(worker, st_call(worker->fd, VFIO_IOMMU_GET_INFO, info));
		judge(worker, st_call(worker->fd, VFIO_CHECK_EXTENSION,
				      (void *)VFIO_DMA_CC_IOMMU));
		st_fdinfo(worker->fd, "objects");
	}
	return NULL;
}

/* With the calls of iommufd: what the groups need is held. */
static void *destroy(void *argument)
{
	struct worker *worker = argument;
	__u32 id;

	while (running(worker))
		for (id = 1; id < 8; id++)
			judge(worker, iommufd_destroy(worker->fd, id));
	return NULL;
}

static void start(struct __test_metadata *_metadata, struct worker *workers, unsigned int count,
		  bool *stop)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		workers[i].stop = stop;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, workers[i].function,
					    &workers[i]));
	}
}

static bool is_good(const struct worker *worker)
{
	return __atomic_load_n(&worker->good, __ATOMIC_RELAXED);
}

static void finish(struct __test_metadata *_metadata, struct worker *workers, unsigned int count,
		   bool *stop)
{
	unsigned int i;

	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].unexpected) {
			TH_LOG("worker %u: last was %d, %u of %u calls succeeded", i,
			       workers[i].last, workers[i].good, workers[i].done);
		}
	}
}

FIXTURE(races)
{
	struct st_counters before;
	int fd;
	struct st_group group;
	struct st_group disk;
	unsigned char *memory;
	bool two;
};

FIXTURE_VARIANT(races)
{
	const char *node;
	unsigned long type;
};

FIXTURE_VARIANT_ADD(races, vfio_v1)
{
	.node = ST_CONTAINER_NODE,
	.type = VFIO_TYPE1_IOMMU,
};

FIXTURE_VARIANT_ADD(races, vfio_v2)
{
	.node = ST_CONTAINER_NODE,
	.type = VFIO_TYPE1v2_IOMMU,
};

FIXTURE_VARIANT_ADD(races, iommufd_v2)
{
	.node = ST_IOMMUFD_NODE,
	.type = VFIO_TYPE1v2_IOMMU,
};

FIXTURE_SETUP(races)
{
	self->fd = -1;
	self->group.fd = -1;
	self->disk.fd = -1;
	if (access(ST_CONTAINER_NODE, F_OK))
		SKIP(return, "no container");
	if (open_group_of(&self->group, ST_EDU) && open_group_of(&self->group, ST_NVME))
		SKIP(return, "the machine has no device for this");
	self->two = !open_group_of(&self->disk, ST_NVME) &&
		    self->disk.number != self->group.number;
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
	st_counters(&self->before);
	self->fd = open(variant->node, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(races)
{
	st_group_close(&self->disk);
	st_group_close(&self->group);
	if (self->fd < 0)
		return;
	close(self->fd);
	EXPECT_TRUE(st_counters_are(&self->before));
}

TEST_F_TIMEOUT(races, everything_at_once, ST_TIMEOUT)
{
	struct worker workers[] = {
		{ .function = join_and_leave, .group = &self->group },
		{ .function = set_type, .may = { -EINVAL, -ENODEV } },
		{ .function = map_and_unmap, .may = { -EINVAL, -ENODEV, -EEXIST } },
		{ .function = look, .may = { -EINVAL, -ENODEV } },
		{ .function = destroy, .may = { -ENOENT, -EBUSY } },
		{ .function = join_and_leave, .group = &self->disk },
	};
	unsigned int i, count = ARRAY_SIZE(workers) - !self->two;
	bool stop = false;
	__u64 unmapped = 0;

	for (i = 0; i < count; i++) {
		workers[i].fd = self->fd;
		workers[i].memory = self->memory;
		workers[i].type = variant->type;
	}
	start(_metadata, workers, count, &stop);
	sleep(SECONDS);
	/* Each needs others to have come just before it. */
	for (i = 0; i < count; i++)
		while (workers[i].function != destroy && !is_good(&workers[i]))
			st_sleep_ms(10);
	finish(_metadata, workers, count, &stop);
	for (i = 0; i < count; i++)
		EXPECT_EQ(workers[i].function != destroy, !!workers[i].good);

	/* All of it still works. */
	ASSERT_EQ(0, st_group_join(&self->group, self->fd));
	ASSERT_EQ(0, st_set_iommu(self->fd, variant->type));
	EXPECT_EQ(0, map_here(self->fd, self->memory, st_page));
	EXPECT_EQ(0, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &unmapped));
	EXPECT_EQ(st_page, unmapped);
}

static unsigned char *show(int file)
{
	void *at = mmap(NULL, 8 * st_page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Mappings go while their addresses do: an unmap waits, and is never told to. */
TEST_F_TIMEOUT(races, addresses, ST_TIMEOUT)
{
	struct worker workers[] = {
		{ .function = map_and_unmap, .may = { -EEXIST } },
		{ .function = tell_addresses, .may = { -EINVAL, -ENOENT } },
		{ .function = tell_addresses, .may = { -EINVAL, -ENOENT } },
		{ .function = look },
	};
	int file = st_memfd(8 * st_page, 0);
	__u64 unmapped = 0;
	bool stop = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		workers[i].fd = self->fd;
		workers[i].memory = show(file);
		ASSERT_NE(NULL, workers[i].memory);
	}
	ASSERT_EQ(0, st_group_join(&self->group, self->fd));
	ASSERT_EQ(0, st_set_iommu(self->fd, variant->type));
	start(_metadata, workers, ARRAY_SIZE(workers), &stop);
	sleep(SECONDS);
	finish(_metadata, workers, ARRAY_SIZE(workers), &stop);
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		EXPECT_LT(0, workers[i].good);
		munmap(workers[i].memory, 8 * st_page);
	}
	EXPECT_EQ(0, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &unmapped));
	ASSERT_EQ(0, st_group_leave(&self->group));
	EXPECT_TRUE(st_counters_are(&self->before));
	close(file);
}

/* Devices are opened while the type is chosen: by then, or later, they are attached. */
TEST_F_TIMEOUT(races, open_and_set, ST_TIMEOUT)
{
	struct worker workers[] = {
		{ .function = join_and_open, .group = &self->group, .may = { -EINVAL } },
		{ .function = set_type, .may = { -EINVAL, -ENODEV } },
		{ .function = map_and_unmap, .may = { -EINVAL, -ENODEV, -EEXIST } },
	};
	bool stop = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		workers[i].fd = self->fd;
		workers[i].memory = self->memory;
		workers[i].type = variant->type;
	}
	start(_metadata, workers, ARRAY_SIZE(workers), &stop);
	sleep(SECONDS);
	finish(_metadata, workers, ARRAY_SIZE(workers), &stop);
}

/* The files are closed in an order of chance, with a call under way. */
TEST_F_TIMEOUT(races, close, ST_TIMEOUT)
{
	int i;

	for (i = 0; i < NCONTAINERS; i++) {
		struct worker worker = {
			.function = map_and_unmap,
			.memory = self->memory,
			.may = { -EINVAL, -ENODEV },
		};
		int fd = open(variant->node, O_RDWR | O_CLOEXEC);
		bool stop = false;

		worker.fd = dup(fd);
		ASSERT_LE(0, worker.fd);
		ASSERT_EQ(0, st_group_join(&self->group, fd));
		ASSERT_EQ(0, st_set_iommu(fd, variant->type));
		start(_metadata, &worker, 1, &stop);
		st_sleep_ms(i % 8);
		if (i & 1)
			close(fd);
		st_group_close(&self->group);
		if (!(i & 1))
			close(fd);
		finish(_metadata, &worker, 1, &stop);
		close(worker.fd);
		ASSERT_EQ(0, st_group_open(&self->group));
	}
}

TEST_HARNESS_MAIN
