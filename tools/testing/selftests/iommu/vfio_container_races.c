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
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define VFIO_NODE	"/dev/vfio/vfio"
#define IOMMUFD_NODE	"/dev/iommu"

#define SECONDS		3
#define NCONTAINERS	40

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

struct group {
	int fd;
	int number;
	char bdf[PCI_BDF_SIZE];
};

static int group_open(struct group *group)
{
	char node[32];

	snprintf(node, sizeof(node), "/dev/vfio/%d", group->number);
	group->fd = open(node, O_RDWR | O_CLOEXEC);
	return group->fd < 0 ? -errno : 0;
}

/* Give a device to vfio-pci and open its group. */
static int group_find(struct group *group, enum st_device kind)
{
	struct vfio_device dev;
	int rc = st_device_open(&dev, kind);

	group->fd = -1;
	if (rc)
		return rc;
	memcpy(group->bdf, dev.bdf, sizeof(group->bdf));
	vfio_close(&dev);
	group->number = pci_iommu_group(group->bdf);
	return group->number < 0 ? group->number : group_open(group);
}

static void group_close(struct group *group)
{
	if (group->fd >= 0)
		close(group->fd);
	group->fd = -1;
}

static int group_join(const struct group *group, int container)
{
	return st_call(group->fd, VFIO_GROUP_SET_CONTAINER, &container);
}

static int group_leave(const struct group *group)
{
	return st_call(group->fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

static int group_device(struct group *group)
{
	return st_call(group->fd, VFIO_GROUP_GET_DEVICE_FD, group->bdf);
}

static int dma_map(int fd, const void *va, __u64 size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)va,
		.iova = ST_IOVA,
		.size = size,
	};

	return st_call(fd, VFIO_IOMMU_MAP_DMA, &map);
}

/* All that there is if @size is 0. */
static int dma_unmap(int fd, __u64 size, __u64 *unmapped)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = size ? 0 : VFIO_DMA_UNMAP_FLAG_ALL,
		.iova = size ? ST_IOVA : 0,
		.size = size,
	};
	int rc = st_call(fd, VFIO_IOMMU_UNMAP_DMA, &unmap);

	*unmapped = unmap.size;
	return rc;
}

struct worker {
	int fd;
	struct group *group;
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
	for (i = 0; i < COUNT(worker->may); i++)
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
		judge(worker, group_join(worker->group, worker->fd));
		sched_yield();
		judge(worker, group_leave(worker->group));
	}
	return NULL;
}

/* A device keeps its group in, and has to be closed first. */
static void *join_and_open(void *argument)
{
	struct worker *worker = argument;
	int device;

	while (running(worker)) {
		judge(worker, group_join(worker->group, worker->fd));
		device = group_device(worker->group);
		judge(worker, device);
		if (device >= 0) {
			judge(worker, group_leave(worker->group) == -EBUSY ? 0 : -EIDRM);
			close(device);
		}
		judge(worker, group_leave(worker->group));
	}
	return NULL;
}

static void *set_type(void *argument)
{
	struct worker *worker = argument;

	while (running(worker))
		judge(worker, st_call(worker->fd, VFIO_SET_IOMMU, (void *)worker->type));
	return NULL;
}

static void *map_and_unmap(void *argument)
{
	struct worker *worker = argument;

	while (running(worker)) {
		__u64 unmapped;

		judge(worker, dma_map(worker->fd, worker->memory, 8 * st_page));
		judge(worker, dma_unmap(worker->fd, 8 * st_page, &unmapped));
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
	struct group group;
	struct group disk;
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
	.node = VFIO_NODE,
	.type = VFIO_TYPE1_IOMMU,
};

FIXTURE_VARIANT_ADD(races, vfio_v2)
{
	.node = VFIO_NODE,
	.type = VFIO_TYPE1v2_IOMMU,
};

FIXTURE_VARIANT_ADD(races, iommufd_v2)
{
	.node = IOMMUFD_NODE,
	.type = VFIO_TYPE1v2_IOMMU,
};

FIXTURE_SETUP(races)
{
	self->fd = -1;
	self->group.fd = -1;
	self->disk.fd = -1;
	if (access(VFIO_NODE, F_OK))
		SKIP(return, "no container");
	if (group_find(&self->group, ST_QUICK))
		SKIP(return, "the machine has no device for this");
	self->two = !group_find(&self->disk, ST_NVME) &&
		    self->disk.number != self->group.number;
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
	st_counters(&self->before);
	self->fd = open(variant->node, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(races)
{
	group_close(&self->disk);
	group_close(&self->group);
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
	unsigned int i, count = COUNT(workers) - !self->two;
	bool stop = false;
	__u64 unmapped;

	for (i = 0; i < count; i++) {
		workers[i].fd = self->fd;
		workers[i].memory = self->memory;
		workers[i].type = variant->type;
	}
	start(_metadata, workers, count, &stop);
	sleep(SECONDS);
	finish(_metadata, workers, count, &stop);
	for (i = 0; i < count; i++)
		EXPECT_EQ(workers[i].function != destroy, !!workers[i].good);

	/* All of it still works. */
	ASSERT_EQ(0, group_join(&self->group, self->fd));
	ASSERT_EQ(0, st_call(self->fd, VFIO_SET_IOMMU, (void *)variant->type));
	EXPECT_EQ(0, dma_map(self->fd, self->memory, st_page));
	EXPECT_EQ(0, dma_unmap(self->fd, 0, &unmapped));
	EXPECT_EQ(st_page, unmapped);
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

	for (i = 0; i < COUNT(workers); i++) {
		workers[i].fd = self->fd;
		workers[i].memory = self->memory;
		workers[i].type = variant->type;
	}
	start(_metadata, workers, COUNT(workers), &stop);
	sleep(SECONDS);
	finish(_metadata, workers, COUNT(workers), &stop);
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
		ASSERT_EQ(0, group_join(&self->group, fd));
		ASSERT_EQ(0, st_call(fd, VFIO_SET_IOMMU, (void *)variant->type));
		start(_metadata, &worker, 1, &stop);
		st_sleep_ms(i % 8);
		if (i & 1)
			close(fd);
		group_close(&self->group);
		if (!(i & 1))
			close(fd);
		finish(_metadata, &worker, 1, &stop);
		close(worker.fd);
		ASSERT_EQ(0, group_open(&self->group));
	}
}

TEST_HARNESS_MAIN
