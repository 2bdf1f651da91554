// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Each allocation of a call on a group fails once, also of those that make a group.
 * What fails leaves everything as it was, and works the next time.
 *
 * A PCI device is neither opened nor given to its driver this way: to route its
 * interrupt the kernel runs ACPICA's interpreter, which does not survive that.  An
 * emulated device goes through the same calls of the core.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_dma.h"
#include "st_group.h"
#include "kselftest_harness.h"

#define MOST_FAILURES	600
#define UUID		"83b8f4f2-509f-382f-3c1e-e6bfe0fa1004"

struct world {
	char bdf[PCI_BDF_SIZE];
	struct st_counters before;
	struct st_mdev mdev;
	unsigned char *memory;
	int container;
	int group;
	int other;	/* a second group */
	int device;
};

struct step {
	const char *name;
	int (*prepare)(struct world *w);
	int (*run)(struct world *w);
};

static int have_nothing(struct world *w)
{
	return 0;
}

static int open_group(struct world *w)
{
	w->group = st_open_group(w->bdf);
	return w->group < 0 ? w->group : 0;
}

static int set_container(struct world *w)
{
	return st_set_container(w->group, w->container);
}

static int have_container(struct world *w)
{
	return open_group(w) ?: set_container(w);
}

static int set_iommu(struct world *w)
{
	return st_set_iommu(w->container, VFIO_TYPE1v2_IOMMU);
}

/* Another group has brought the container its address space, and mappings. */
static int have_space(struct world *w)
{
	struct vfio_device other;
	int rc = st_device_open(&other, ST_NVME);

	if (rc)
		return -ENODEV;
	vfio_close(&other);
	w->other = st_open_group(other.bdf);
	rc = w->other < 0 ? w->other : st_set_container(w->other, w->container);
	rc = rc ?: set_iommu(w);
	rc = rc ?: st_dma_map(w->container, ST_DMA_RW, w->memory, ST_MIB, ST_IOVA);
	return rc ?: open_group(w);
}

static int have_no_mdev(struct world *w)
{
	int rc = st_mdev_create(&w->mdev, "mtty", UUID);

	return rc ?: st_mdev_remove(&w->mdev);
}

static int make_mdev(struct world *w)
{
	return st_mdev_create(&w->mdev, "mtty", UUID);
}

static int have_mdev_space(struct world *w)
{
	char node[ST_NODE_SIZE];
	int rc = make_mdev(w);

	rc = rc ?: st_group_node("/sys/bus/mdev/devices/" UUID, node);
	if (rc)
		return rc;
	w->group = open(node, O_RDWR | O_CLOEXEC);
	if (w->group < 0)
		return -errno;
	return set_container(w) ?: set_iommu(w);
}

static int get_mdev(struct world *w)
{
	w->device = st_get_group_device(w->group, UUID);
	return w->device < 0 ? w->device : 0;
}

static const struct step steps[] = {
	{ "open the group", have_nothing, open_group },
	{ "SET_CONTAINER", open_group, set_container },
	{ "SET_IOMMU", have_container, set_iommu },
	{ "SET_CONTAINER of one in use", have_space, set_container },
	{ "make an emulated device", have_no_mdev, make_mdev },
	{ "GET_DEVICE_FD", have_mdev_space, get_mdev },
};

FIXTURE(faults)
{
	char bdf[PCI_BDF_SIZE];
	int nth;	/* the file */
};

FIXTURE_SETUP(faults)
{
	char second[PCI_BDF_SIZE];
	struct vfio_device dev;

	self->nth = st_fail_open();
	if (self->nth < 0)
		SKIP(return, "the kernel injects no faults");
	/* Rather two devices, of which the second fails as well. */
	if (!st_find_pair(self->bdf, second))
		return;
	if (st_device_open(&dev, ST_QUICK))
		SKIP(return, "the machine has no device for this");
	vfio_close(&dev);
	memcpy(self->bdf, dev.bdf, sizeof(self->bdf));
}

FIXTURE_TEARDOWN(faults)
{
	st_fail_close(self->nth);
}

static int world_open(struct world *w, const char *bdf)
{
	memset(w, 0, sizeof(*w));
	st_counters(&w->before);
	snprintf(w->bdf, sizeof(w->bdf), "%s", bdf);
	w->group = -1;
	w->other = -1;
	w->device = -1;
	w->memory = st_memory(ST_MIB);
	w->container = st_open_container();
	return w->container < 0 ? w->container : 0;
}

static void world_close(struct world *w)
{
	if (w->device >= 0)
		close(w->device);
	if (w->group >= 0)
		close(w->group);
	if (w->other >= 0)
		close(w->other);
	close(w->container);
	if (w->mdev.uuid[0])
		st_mdev_remove(&w->mdev);
	munmap(w->memory, ST_MIB);
}

/* One failure. Returns whether there was one to have. */
static bool fail_once(struct __test_metadata *_metadata, struct _test_data_faults *self,
		      const struct step *step, unsigned int nth)
{
	struct world w;
	bool failed;
	int rc, again;

	ASSERT_EQ(0, world_open(&w, self->bdf));
	rc = step->prepare(&w);
	if (rc == -ENODEV)
		return false;
	ASSERT_EQ(0, rc);
	st_fail_nth(self->nth, nth);
	rc = step->run(&w);
	failed = st_fail_done(self->nth);
	if (!failed)
		EXPECT_EQ(0, rc);
	if (rc) {
		again = step->run(&w);
		EXPECT_EQ(0, again) {
			TH_LOG("%s: %d after failure %u (%d)", step->name, again, nth, rc);
		}
	}
	world_close(&w);
	EXPECT_TRUE(st_counters_are(&w.before)) {
		TH_LOG("%s: failure %u (%d) leaves pages pinned", step->name, nth, rc);
	}
	/* As at the beginning: the group can be opened and is free. */
	ASSERT_EQ(0, open_group(&w));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(w.group));
	close(w.group);
	return failed;
}

TEST_F_TIMEOUT(faults, each_call, 900)
{
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		unsigned int nth = 1;

		while (nth < MOST_FAILURES && fail_once(_metadata, self, &steps[i], nth))
			nth++;
		EXPECT_GT(MOST_FAILURES, nth);
		TH_LOG("%s: %u failures", steps[i].name, nth - 1);
	}
}

TEST_HARNESS_MAIN
