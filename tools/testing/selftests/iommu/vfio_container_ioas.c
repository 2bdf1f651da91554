// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A container whose program uses the calls of iommufd as well: it chooses the address
 * space, chooses another while groups are in, and looks at what groups do to it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "st_container.h"
#include "kselftest_harness.h"

FIXTURE(own)
{
	struct st_counters before;
	struct st_container c;
	struct st_group disk;	/* fd -1: not open */
	__u32 ioas;		/* of the program */
	unsigned char *memory;
};

FIXTURE_VARIANT(own)
{
	const char *node;
};

FIXTURE_VARIANT_ADD(own, vfio)
{
	.node = ST_CONTAINER_NODE,
};

FIXTURE_VARIANT_ADD(own, iommufd)
{
	.node = ST_IOMMUFD_NODE,
};

FIXTURE_SETUP(own)
{
	int rc;

	self->disk.fd = -1;
	st_counters(&self->before);
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(0, st_container_open(&self->c, variant->node));
	ASSERT_EQ(0, ioas_alloc(self->c.fd, &self->ioas));
	rc = st_group_find(&self->c.group, ST_EDU) ?: st_group_open(&self->c.group);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, rc);
}

FIXTURE_TEARDOWN(own)
{
	if (self->c.env.dev.fd >= 0)
		close(self->c.env.dev.fd);
	if (self->disk.fd >= 0)
		st_group_close(&self->disk);
	if (self->c.group.fd >= 0)
		st_group_close(&self->c.group);
	close(self->c.fd);
	EXPECT_TRUE(st_counters_are(&self->before));
}

static int join(struct _test_data_own *self)
{
	return st_group_join(&self->c.group, self->c.fd);
}

static int choose(struct _test_data_own *self, __u32 ioas)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = ioas ? IOMMU_VFIO_IOAS_SET : IOMMU_VFIO_IOAS_CLEAR,
		.ioas_id = ioas,
	};

	return st_call(self->c.fd, IOMMU_VFIO_IOAS, &cmd);
}

/* The address space that was made for the groups. */
static __u32 made(struct _test_data_own *self)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_GET };

	return st_call(self->c.fd, IOMMU_VFIO_IOAS, &cmd) ? 0 : cmd.ioas_id;
}

static int map(struct _test_data_own *self)
{
	return st_dma_map(self->c.fd, ST_DMA_RW, self->memory, ST_MIB, ST_IOVA);
}

static __u64 option(struct _test_data_own *self, __u32 option, __u32 object)
{
	__u64 value = ~0ull;

	return st_option_get(self->c.fd, option, object, &value) ? ~0ull : value;
}

static bool is_attached(const struct st_group *group)
{
	return st_fdinfo_shows(group->fd, "vfio-group-device: %s attached\n", group->bdf);
}

/* With the groups memory is accounted by process, and after them as before. */
TEST_F(own, accounting)
{
	__u64 before = option(self, IOMMU_OPTION_RLIMIT_MODE, 0);

	EXPECT_EQ(!strcmp(variant->node, ST_CONTAINER_NODE), before);
	ASSERT_EQ(0, join(self));
	EXPECT_EQ(1, option(self, IOMMU_OPTION_RLIMIT_MODE, 0));
	ASSERT_EQ(0, st_group_leave(&self->c.group));
	EXPECT_EQ(before, option(self, IOMMU_OPTION_RLIMIT_MODE, 0));
}

/* Type1 had large pages; whoever chooses the address space can ask, and reads none. */
TEST_F(own, large_pages)
{
	bool vfio = !strcmp(variant->node, ST_CONTAINER_NODE);

	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_container_set(&self->c, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(vfio, option(self, IOMMU_OPTION_HUGE_PAGES, made(self)));
	ASSERT_EQ(0, st_group_leave(&self->c.group));

	ASSERT_EQ(0, choose(self, self->ioas));
	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_container_set(&self->c, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(0, option(self, IOMMU_OPTION_HUGE_PAGES, self->ioas));
	ASSERT_EQ(0, st_group_leave(&self->c.group));
	EXPECT_EQ(1, option(self, IOMMU_OPTION_HUGE_PAGES, self->ioas));

	/* What the program has said itself stays. */
	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_container_set(&self->c, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, st_option_set(self->c.fd, IOMMU_OPTION_HUGE_PAGES, self->ioas, 0));
	ASSERT_EQ(0, st_group_leave(&self->c.group));
	EXPECT_EQ(0, option(self, IOMMU_OPTION_HUGE_PAGES, self->ioas));
}

/* A type that was set for an IOAS which is gone does not bind the next group. */
TEST_F(own, type_of_a_gone_ioas)
{
	ASSERT_EQ(0, choose(self, self->ioas));
	ASSERT_EQ(0, st_container_set(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, iommufd_destroy(self->c.fd, self->ioas));
	ASSERT_EQ(0, join(self));
	EXPECT_FALSE(is_attached(&self->c.group));
	EXPECT_EQ(0, st_container_set(&self->c, VFIO_TYPE1_IOMMU));
	EXPECT_TRUE(is_attached(&self->c.group));
}

/* A group has devices that do DMA, wherever the calls of the container go. */
TEST_F(own, empty_choice)
{
	__u64 size = ST_MIB;

	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_container_set(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(1, st_container_extension(&self->c, VFIO_UPDATE_VADDR));
	ASSERT_EQ(0, choose(self, self->ioas));
	EXPECT_EQ(1, st_container_extension(&self->c, VFIO_UPDATE_VADDR));
	ASSERT_EQ(0, map(self));
	EXPECT_EQ(0, st_dma_unmap(self->c.fd, VFIO_DMA_UNMAP_FLAG_VADDR, ST_IOVA, &size));
	EXPECT_EQ(ST_MIB, size);
}

/* What the program chose stays when the groups go; what was noted for them does not. */
TEST_F(own, stays)
{
	const __u32 start = VFIO_IOMMU_DIRTY_PAGES_FLAG_START;
	__u64 size = ST_MIB;

	ASSERT_EQ(0, choose(self, self->ioas));
	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_container_set(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, map(self));
	ASSERT_EQ(0, st_dma_dirty(self->c.fd, start));
	EXPECT_EQ(1, st_fdinfo_ioas(self->c.fd, self->ioas, " recording="));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->c.fd, self->ioas));

	ASSERT_EQ(0, st_group_leave(&self->c.group));
	EXPECT_EQ(0, st_fdinfo_ioas(self->c.fd, self->ioas, " recording="));
	EXPECT_EQ(self->ioas, made(self));
	EXPECT_EQ(0, st_dma_unmap(self->c.fd, 0, ST_IOVA, &size));
	EXPECT_EQ(ST_MIB, size);
	EXPECT_EQ(0, iommufd_destroy(self->c.fd, self->ioas));
	EXPECT_EQ(0, made(self));
}

/* A choice that comes later moves no group, and the calls of the container at once. */
TEST_F(own, chosen_later)
{
	__u32 first;

	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_container_set(&self->c, VFIO_TYPE1v2_IOMMU));
	first = made(self);
	ASSERT_EQ(0, map(self));
	ASSERT_EQ(0, choose(self, self->ioas));
	EXPECT_EQ(0, map(self));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->c.fd, first));
	ASSERT_EQ(0, st_container_device(&self->c));
	EXPECT_EQ(first, st_fdinfo(self->c.env.dev.fd, "vfio-iommufd-pt:"));
	if (!st_group_find(&self->disk, ST_NVME) && !st_group_open(&self->disk)) {
		/* It joins the others. */
		ASSERT_EQ(0, st_group_join(&self->disk, self->c.fd));
		EXPECT_TRUE(is_attached(&self->disk));
		EXPECT_EQ(0, iommufd_destroy(self->c.fd, self->ioas));
		EXPECT_EQ(0, st_group_leave(&self->disk));
	}
	close(self->c.env.dev.fd);
	self->c.env.dev.fd = -1;
	ASSERT_EQ(0, st_group_leave(&self->c.group));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->c.fd, first));
}

/* Without a choice nothing can be mapped, and the groups are not touched. */
TEST_F(own, choice_cleared)
{
	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_container_set(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, choose(self, 0));
	EXPECT_GT(0, map(self));
	EXPECT_TRUE(is_attached(&self->c.group));
	EXPECT_EQ(0, st_container_device(&self->c));
}

/* All groups are attached or none is, and nothing else has changed either. */
TEST_F(own, all_or_none)
{
	__u32 other;
	int device;

	if (!strcmp(variant->node, ST_CONTAINER_NODE))
		SKIP(return, "a device cannot be opened before SET_IOMMU");
	if (st_group_find(&self->disk, ST_NVME) || st_group_open(&self->disk))
		SKIP(return, "no second group");
	ASSERT_EQ(0, choose(self, self->ioas));
	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_group_join(&self->disk, self->c.fd));
	device = st_group_device(&self->disk, self->disk.bdf);
	ASSERT_LE(0, device);
	ASSERT_EQ(0, ioas_alloc(self->c.fd, &other));
	ASSERT_EQ(0, choose(self, other));

	EXPECT_EQ(-EBUSY, st_container_set(&self->c, VFIO_TYPE1_IOMMU));
	EXPECT_FALSE(is_attached(&self->c.group));
	EXPECT_EQ(1, option(self, IOMMU_OPTION_HUGE_PAGES, other));
	EXPECT_EQ(0, iommufd_destroy(self->c.fd, other));

	ASSERT_EQ(0, choose(self, self->ioas));
	EXPECT_EQ(0, st_container_set(&self->c, VFIO_TYPE1_IOMMU));
	EXPECT_TRUE(is_attached(&self->c.group));
	close(device);
}

/* What was opened before goes on while another group is unfit, and afterwards. */
TEST_F(own, open_device_goes_on)
{
	struct st_env *env = &self->c.env;
	__u32 other;
	int device;

	if (!strcmp(variant->node, ST_CONTAINER_NODE))
		SKIP(return, "a device cannot be opened before SET_IOMMU");
	if (st_group_find(&self->disk, ST_NVME) || st_group_open(&self->disk))
		SKIP(return, "no second group");
	ASSERT_EQ(0, ioas_alloc(self->c.fd, &other));
	ASSERT_EQ(0, choose(self, other));
	ASSERT_EQ(0, join(self));
	ASSERT_EQ(0, st_group_join(&self->disk, self->c.fd));
	device = st_group_device(&self->disk, self->disk.bdf);
	ASSERT_LE(0, device);

	ASSERT_EQ(0, choose(self, self->ioas));
	ASSERT_EQ(0, map(self));
	ASSERT_EQ(0, st_container_edu(&self->c));
	EXPECT_EQ(-EBUSY, st_container_set(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(is_attached(&self->c.group));
	EXPECT_EQ(self->ioas, st_fdinfo(env->dev.fd, "vfio-iommufd-pt:"));
	EXPECT_EQ(0, st_device_fills(env, ST_IOVA, 5, st_page));
	EXPECT_TRUE(st_filled(self->memory, 5, st_page));

	close(device);
	ASSERT_EQ(0, st_group_leave(&self->disk));
	EXPECT_EQ(0, st_container_set(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, st_device_fills(env, ST_IOVA, 6, st_page));
	EXPECT_TRUE(st_filled(self->memory, 6, st_page));
	EXPECT_EQ(0, st_unmap_bar(&env->dev, env->edu.bar.base));
}

TEST_HARNESS_MAIN
