// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Devices behind no IOMMU.  They open, bind and work, and are never attached to a page
 * table: an attach that reported success would promise what nothing enforces.
 *
 * Needs a machine without an IOMMU, vfio.enable_unsafe_noiommu_mode=1 and a device
 * bound to vfio-pci.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define NODES "/dev/vfio/devices/noiommu-vfio*"
#define TAINT_USER_BIT 6

FIXTURE(noiommu)
{
	char node[64];
	int fd;
	int iommufd;
	__u32 ioas;
	__u32 devid;
};

static int find_node(char *node, size_t size)
{
	glob_t found;
	int rc = glob(NODES, 0, NULL, &found);

	if (!rc)
		snprintf(node, size, "%s", found.gl_pathv[0]);
	globfree(&found);
	return rc ? -ENODEV : 0;
}

FIXTURE_SETUP(noiommu)
{
	self->fd = -1;
	self->iommufd = -1;
	if (find_node(self->node, sizeof(self->node)))
		SKIP(return, "no device without an IOMMU");
	self->fd = open(self->node, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, vfio_bind(self->fd, self->iommufd, &self->devid));
}

FIXTURE_TEARDOWN(noiommu)
{
	if (self->fd >= 0)
		close(self->fd);
	if (self->iommufd >= 0)
		close(self->iommufd);
}

static int open_without_rawio(void *node)
{
	int fd, rc = st_drop_capability(CAP_SYS_RAWIO);

	if (rc)
		return rc;
	fd = open(node, O_RDWR);
	return fd < 0 ? errno : 0;
}

TEST_F(noiommu, open_needs_rawio)
{
	EXPECT_EQ(EPERM, st_in_child(open_without_rawio, self->node));
}

/* What needs no page table works, and says what it is. */
TEST_F(noiommu, device_works)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u32 vendor = 0;

	EXPECT_NE(0, self->devid);
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->iommufd, self->devid));
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_PCI);
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_GET_REGION_INFO, &region));
	EXPECT_EQ(4, pread(self->fd, &vendor, 4, region.offset));
	EXPECT_NE(0, vendor);
	EXPECT_NE(~0u, vendor);
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-device-kind: noiommu"));
}

TEST_F(noiommu, attach_is_refused)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = self->ioas,
	};

	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	EXPECT_EQ(self->ioas, attach.pt_id);
	EXPECT_TRUE(st_told(self->fd, "VFIO_ATTACH", EINVAL, "no-iommu", 0));

	attach.pt_id = ST_NO_ID;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	attach.pt_id = self->ioas;
	attach.flags = VFIO_DEVICE_ATTACH_PASID;
	attach.pasid = 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));

	/* Nothing holds the IOAS: none of the calls left a page table behind. */
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, self->ioas));
}

TEST_F(noiommu, detach_is_refused)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));
	EXPECT_TRUE(st_told(self->fd, "VFIO_DETACH", EINVAL, "no-iommu", 0));
}

TEST_F(noiommu, no_hardware_info)
{
	struct iommu_hw_info info = { .size = sizeof(info), .dev_id = self->devid };

	EXPECT_EQ(-EOPNOTSUPP, st_call(self->iommufd, IOMMU_GET_HW_INFO, &info));
}

/* There is no software page table to ask. */
TEST_F(noiommu, no_physical_addresses)
{
	void *memory = st_memory(st_page);
	struct iommu_ioas_noiommu_get_pa get = {
		.size = sizeof(get),
		.ioas_id = self->ioas,
		.iova = ST_IOVA,
		.length = st_page,
	};

	ASSERT_EQ(0, st_map_at(self->iommufd, self->ioas, memory, st_page, ST_IOVA));
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->iommufd, IOMMU_IOAS_NOIOMMU_GET_PA, &get));
	EXPECT_EQ(0, get.out_phys);
}

TEST_F(noiommu, binds_again)
{
	close(self->fd);
	self->fd = open(self->node, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, vfio_bind(self->fd, self->iommufd, &self->devid));
}

TEST_F(noiommu, kernel_is_tainted)
{
	unsigned long taint = 0;
	FILE *file = fopen("/proc/sys/kernel/tainted", "r");

	ASSERT_NE(NULL, file);
	EXPECT_EQ(1, fscanf(file, "%lu", &taint));
	fclose(file);
	EXPECT_TRUE(taint & 1UL << TAINT_USER_BIT);
}

TEST_HARNESS_MAIN
