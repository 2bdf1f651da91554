// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Cases of devices without an IOMMU of their own, as mediated devices are: their
 * driver pins and writes memory through VFIO. The device is bench_access.ko's.
 *
 * It stands beside the controller in the same address space, so that the
 * memory is mapped for both.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "access/bench_access.h"
#include "bench.h"
#include "say.h"

#define DEVICE_DIR	"/sys/devices/platform/" BENCH_ACCESS_DEVICE
#define VALUE		0x5ca1ab1e0ddba11ull

/* What stands in a folder, or at a link's end: the name of the first that fits. */
static bool name_of(const char *pattern, char *name, size_t size)
{
	char target[256];
	ssize_t length;
	glob_t found;

	if (glob(pattern, 0, NULL, &found))
		return false;
	length = readlink(found.gl_pathv[0], target, sizeof(target) - 1);
	if (length < 0)
		length = snprintf(target, sizeof(target), "%s", found.gl_pathv[0]);
	target[length] = 0;
	snprintf(name, size, "%s", basename(target));
	globfree(&found);
	return true;
}

static int open_node(const char *dir, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd < 0 ? -errno : 0, "cannot open %s", path);
	return fd;
}

/* The device, in the controller's address space. */
struct access {
	struct vfio_device dev;
	int group;			/* -1 without a container */
};

static void open_by_node(struct bench *bench, struct access *access)
{
	char name[64];

	if (!name_of(DEVICE_DIR "/vfio-dev/vfio*", name, sizeof(name)))
		fail("the device has no node");
	access->group = -1;
	access->dev.fd = open_node("/dev/vfio/devices", name);
	must(vfio_bind(access->dev.fd, bench->iommufd, &access->dev.id), "cannot bind the device");
	must(vfio_attach(&access->dev, bench->ioas), "cannot attach the device");
}

static void open_by_group(struct bench *bench, struct access *access)
{
	char name[64];

	if (!name_of(DEVICE_DIR "/iommu_group", name, sizeof(name)))
		fail("the device has no group");
	access->group = open_node("/dev/vfio", name);
	must(ioctl(access->group, VFIO_GROUP_SET_CONTAINER, &bench->container) ? -errno : 0,
	     "the group does not go into the container");
	access->dev.fd = ioctl(access->group, VFIO_GROUP_GET_DEVICE_FD, BENCH_ACCESS_DEVICE);
	must(access->dev.fd < 0 ? -errno : 0, "cannot open the device by its group");
}

static void access_open(struct bench *bench, struct access *access)
{
	if (bench->backend == &bench_iommufd)
		open_by_node(bench, access);
	else
		open_by_group(bench, access);
}

static void access_close(struct access *access)
{
	vfio_close(&access->dev);
	if (access->group >= 0)
		close(access->group);
}

static void request(struct access *access, __u32 op, __u32 batch, __u64 pages)
{
	const struct bench_access_request what = {
		.op = op,
		.batch = batch,
		.iova = LARGE_IOVA,
		.pages = pages,
		.value = VALUE,
	};

	must(write(access->dev.fd, &what, sizeof(what)) != sizeof(what) ? -errno : 0,
	     "the device does not do operation %u", op);
}

/* Every page must begin with the value, or be full of it; it is wiped. */
static void must_hold_value(struct memory *memory, size_t words)
{
	size_t at, i;

	for (at = 0; at < memory->size; at += PAGE) {
		__u64 *page = (__u64 *)(memory->va + at);

		for (i = 0; i < words; i++) {
			if (page[i] != VALUE)
				fail("what the device wrote to page %zu did not arrive", at / PAGE);
			page[i] = 0;
		}
	}
}

static bool device_is_there(void)
{
	return !access(DEVICE_DIR, F_OK);
}

/**
 * run_access_pin() - Let a driver pin memory, some pages in a call, and unpin it
 * @bench: the rig
 * @self: the case; its areas are the pages in a call
 * @cost: filled in: pin, unpin
 */
void run_access_pin(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	size_t size = bench_large_size(bench, self);
	struct access access;
	struct memory memory;

	if (!device_is_there())
		return;
	bench_memory_get(&memory, self->memory, size);
	bench_map(bench, memory.va, size, LARGE_IOVA);
	access_open(bench, &access);

	bench_clock_start(bench);
	request(&access, BENCH_ACCESS_PIN, self->areas, size / PAGE);
	bench_clock_stop(bench, &cost[0], size / PAGE);
	request(&access, BENCH_ACCESS_MARK, 1, 0);
	must_hold_value(&memory, 1);

	bench_clock_start(bench);
	request(&access, BENCH_ACCESS_UNPIN, 1, 0);
	bench_clock_stop(bench, &cost[1], size / PAGE);

	access_close(&access);
	bench_unmap(bench, LARGE_IOVA, size);
	bench_memory_put(&memory);
}

/**
 * run_access_rw() - Let a driver write memory without pinning it
 * @bench: the rig
 * @self: the case
 * @cost: filled in: write
 */
void run_access_rw(struct bench *bench, const struct bench_case *self, struct bench_cost *cost)
{
	size_t size = bench_large_size(bench, self);
	struct access access;
	struct memory memory;

	if (!device_is_there())
		return;
	bench_memory_get(&memory, self->memory, size);
	bench_map(bench, memory.va, size, LARGE_IOVA);
	access_open(bench, &access);

	bench_clock_start(bench);
	request(&access, BENCH_ACCESS_WRITE, 1, size / PAGE);
	bench_clock_stop(bench, &cost[0], size / PAGE);
	must_hold_value(&memory, PAGE / sizeof(__u64));

	access_close(&access);
	bench_unmap(bench, LARGE_IOVA, size);
	bench_memory_put(&memory);
}
