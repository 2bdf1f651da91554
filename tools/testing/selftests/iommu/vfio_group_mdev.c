// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The group of an emulated device: the way to it, who else is kept from it, and what is
 * left when the device is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "st_dma.h"
#include "st_group.h"
#include "kselftest_harness.h"

#define UUID	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"

FIXTURE(gmdev)
{
	struct st_counters before;
	struct st_mdev mdev;
	char node[ST_NODE_SIZE];
	int container;
	int group;
};

FIXTURE_SETUP(gmdev)
{
	int rc;

	self->group = -1;
	st_counters(&self->before);
	self->container = st_open_container();
	ASSERT_LE(0, self->container);
	rc = st_mdev_create(&self->mdev, "mtty", UUID);
	if (rc == -ENODEV)
		SKIP(return, "the kernel has no mtty");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_group_node("/sys/bus/mdev/devices/" UUID, self->node));
	self->group = open(self->node, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->group);
}

FIXTURE_TEARDOWN(gmdev)
{
	close(self->container);
	if (self->group >= 0)
		close(self->group);
	st_mdev_remove(&self->mdev);
	EXPECT_NE(0, access(self->node, F_OK));
	EXPECT_TRUE(st_counters_are(&self->before));
}

TEST_F(gmdev, works)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int device[3], i;

	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(self->group));
	EXPECT_TRUE(st_fdinfo_shows(self->group, "vfio-group-kind: emulated\n"));
	ASSERT_EQ(0, st_set_container(self->group, self->container));
	EXPECT_EQ(-EINVAL, st_get_group_device(self->group, UUID));
	ASSERT_EQ(0, st_set_iommu(self->container, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-ENODEV, st_get_group_device(self->group, "mtty"));
	ASSERT_EQ(0, st_dma_map(self->container, ST_DMA_RW, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	for (i = 0; i < 3; i++) {
		device[i] = st_get_group_device(self->group, UUID);
		ASSERT_LE(0, device[i]);
		EXPECT_EQ(0, st_call(device[i], VFIO_DEVICE_GET_INFO, &info));
	}
	EXPECT_TRUE(st_fdinfo_shows(device[2], "vfio-device-kind: emulated\n"));
	EXPECT_TRUE(st_fdinfo_shows(device[2], "vfio-device-opens: 3\n"));
	EXPECT_LT(0, st_fdinfo(device[2], "vfio-iommufd-pt:"));
	/* Nothing that pins. */
	EXPECT_TRUE(st_counters_are(&self->before));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EBUSY, st_unset_container(self->group));
		close(device[i]);
	}
	device[0] = st_get_group_device(self->group, UUID);
	ASSERT_LE(0, device[0]);
	close(device[0]);
	EXPECT_EQ(0, st_unset_container(self->group));
}

TEST_F(gmdev, excludes_the_node)
{
	int iommufd = iommufd_open();
	__u32 id;

	ASSERT_LE(0, iommufd);
	ASSERT_EQ(0, st_mdev_open(&self->mdev));
	EXPECT_EQ(-EBUSY, vfio_bind(self->mdev.dev.fd, iommufd, &id));
	close(self->group);
	EXPECT_EQ(0, vfio_bind(self->mdev.dev.fd, iommufd, &id));
	EXPECT_EQ(-1, open(self->node, O_RDWR | O_CLOEXEC));
	EXPECT_EQ(EBUSY, errno);
	vfio_close(&self->mdev.dev);
	self->group = open(self->node, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->group);
	close(iommufd);
}

/* Removed while its group is open, in a container and not. */
TEST_F(gmdev, removed)
{
	ASSERT_EQ(0, st_set_container(self->group, self->container));
	ASSERT_EQ(0, st_set_iommu(self->container, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, st_mdev_remove(&self->mdev));
	EXPECT_NE(0, access(self->node, F_OK));
	EXPECT_EQ(-ENODEV, st_get_group_status(self->group));
	EXPECT_EQ(-ENODEV, st_unset_container(self->group));
	/* The number is free again, and so is the name. */
	ASSERT_EQ(0, st_mdev_create(&self->mdev, "mtty", UUID));
	EXPECT_EQ(0, access(self->node, F_OK));
}

TEST_HARNESS_MAIN
