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
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <unistd.h>

#include "st_dma.h"
#include "st_group.h"
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

FIXTURE(group)
{
	char bdf[PCI_BDF_SIZE];
	char cdev[64];
	char node[ST_NODE_SIZE];
	int container;
	int group;
};

static int find_group(struct _test_data_group *self)
{
	char link[128], target[256];
	ssize_t length;

	if (find_node(self->cdev, sizeof(self->cdev)))
		return -ENODEV;
	snprintf(link, sizeof(link), "/sys/class/vfio-dev/%s/device",
		 strrchr(self->cdev, '/') + 1);
	length = readlink(link, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;
	target[length] = 0;
	snprintf(self->bdf, sizeof(self->bdf), "%.15s", strrchr(target, '/') + 1);
	return st_group_node(link, self->node);
}

FIXTURE_SETUP(group)
{
	int rc = find_group(self);

	self->group = -1;
	self->container = -1;
	if (rc == -ENODEV)
		SKIP(return, "no device without an IOMMU");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, strncmp(self->node, "/dev/vfio/noiommu-", 18));
	self->group = open(self->node, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->group);
	self->container = st_open_container();
	ASSERT_LE(0, self->container);
}

FIXTURE_TEARDOWN(group)
{
	if (self->group >= 0)
		close(self->group);
	if (self->container >= 0)
		close(self->container);
}

TEST_F(group, open_needs_rawio)
{
	close(self->group);
	self->group = -1;
	EXPECT_EQ(EPERM, st_in_child(open_without_rawio, self->node));
	self->group = open(self->node, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->group);
	EXPECT_EQ(EBUSY, open(self->node, O_RDWR | O_CLOEXEC) < 0 ? errno : 0);
}

static int device_without_rawio(void *argument)
{
	struct _test_data_group *self = argument;

	if (st_drop_capability(CAP_SYS_RAWIO))
		return 0;
	return -st_get_group_device(self->group, self->bdf);
}

/* Is this in the kernel's log? */
static bool logged(const char *text)
{
	int size = klogctl(10, NULL, 0);	/* of the buffer */
	char *log = size > 0 ? calloc(1, size + 1) : NULL;
	bool found = log && klogctl(3, log, size) > 0 && strstr(log, text);

	free(log);
	return found;
}

/* What DPDK does, and what it finds on the way. */
TEST_F(group, device_works)
{
	char text[128];
	__u32 vendor = 0;
	struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	int device;

	EXPECT_EQ(1, st_call(self->container, VFIO_CHECK_EXTENSION,
			     (void *)(long)VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(self->group));
	ASSERT_EQ(0, st_set_container(self->group, self->container));
	EXPECT_EQ(-EINVAL, st_get_group_device(self->group, self->bdf));
	EXPECT_GT(0, st_set_iommu(self->container, VFIO_TYPE1_IOMMU));
	EXPECT_GT(0, st_set_iommu(self->container, VFIO_SPAPR_TCE_v2_IOMMU));
	ASSERT_EQ(0, st_set_iommu(self->container, VFIO_NOIOMMU_IOMMU));

	EXPECT_EQ(EPERM, st_in_child(device_without_rawio, self));
	device = st_get_group_device(self->group, self->bdf);
	ASSERT_LE(0, device);
	ASSERT_EQ(0, st_call(device, VFIO_DEVICE_GET_REGION_INFO, &region));
	EXPECT_EQ(4, pread(device, &vendor, 4, region.offset));
	EXPECT_NE(0, vendor);
	EXPECT_NE(~0u, vendor);
	snprintf(text, sizeof(text), "%s: opened without an IOMMU by vfio_noiommu[%d]",
		 self->bdf, getpid());
	EXPECT_TRUE(logged(text));
	EXPECT_EQ(-EBUSY, st_unset_container(self->group));
	close(device);
	EXPECT_EQ(0, st_unset_container(self->group));
}

/* Nothing says that it is mapped or attached. */
TEST_F(group, nothing_is_mapped)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = 1 };
	int device;

	ASSERT_EQ(0, st_set_container(self->group, self->container));
	ASSERT_EQ(0, st_set_iommu(self->container, VFIO_NOIOMMU_IOMMU));
	EXPECT_GT(0, st_dma_map(self->container, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
	EXPECT_GT(0, st_call(self->container, VFIO_IOMMU_GET_INFO, &info));
	device = st_get_group_device(self->group, self->bdf);
	ASSERT_LE(0, device);
	EXPECT_EQ(-EINVAL, st_call(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	EXPECT_TRUE(st_fdinfo_shows(self->group, "vfio-group-kind: noiommu\n"));
	EXPECT_TRUE(st_fdinfo_shows(self->group, "vfio-group-device: %s\n", self->bdf));
	EXPECT_EQ(-1, st_fdinfo(device, "vfio-iommufd-devid:"));
	close(device);
}

/* Not with an IOAS, nor with a group that wants one. */
TEST_F(group, does_not_mix)
{
	static const char uuid[] = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1003";
	char folder[128], node[ST_NODE_SIZE];
	struct st_mdev mdev;
	int rc = st_mdev_create(&mdev, "mtty", uuid);
	int other;

	if (rc == -ENODEV)
		SKIP(return, "the kernel has no mtty");
	ASSERT_EQ(0, rc);
	snprintf(folder, sizeof(folder), "/sys/bus/mdev/devices/%s", uuid);
	ASSERT_EQ(0, st_group_node(folder, node));
	other = open(node, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, other);

	ASSERT_EQ(0, st_set_container(self->group, self->container));
	EXPECT_EQ(-EPERM, st_set_container(other, self->container));
	ASSERT_EQ(0, st_unset_container(self->group));
	ASSERT_EQ(0, st_set_container(other, self->container));
	EXPECT_GT(0, st_set_container(self->group, self->container));
	ASSERT_EQ(0, st_unset_container(other));
	EXPECT_EQ(0, st_set_container(self->group, self->container));
	close(other);
	EXPECT_EQ(0, st_mdev_remove(&mdev));
}

/* Mappings of a chosen IOAS would not apply, and a type that was set for one does not. */
TEST_F(group, ioas_chosen_before)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_SET };
	int device, iommufd = iommufd_open();

	ASSERT_LE(0, iommufd);
	ASSERT_EQ(0, ioas_alloc(iommufd, &cmd.ioas_id));
	ASSERT_EQ(0, st_call(iommufd, IOMMU_VFIO_IOAS, &cmd));
	ASSERT_EQ(0, st_set_iommu(iommufd, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-EINVAL, st_set_container(self->group, iommufd));
	cmd.op = IOMMU_VFIO_IOAS_CLEAR;
	ASSERT_EQ(0, st_call(iommufd, IOMMU_VFIO_IOAS, &cmd));
	ASSERT_EQ(0, st_set_container(self->group, iommufd));
	ASSERT_EQ(0, st_set_iommu(iommufd, VFIO_NOIOMMU_IOMMU));
	device = st_get_group_device(self->group, self->bdf);
	EXPECT_LE(0, device);
	close(device);
	close(iommufd);
}

/* An IOAS is of no use to it, whichever of the two comes first. */
TEST_F(group, ioas_chosen_later)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_SET };

	ASSERT_EQ(0, st_set_container(self->group, self->container));
	ASSERT_EQ(0, ioas_alloc(self->container, &cmd.ioas_id));
	EXPECT_EQ(-EINVAL, st_call(self->container, IOMMU_VFIO_IOAS, &cmd));
	EXPECT_TRUE(st_told(self->container, "VFIO_IOAS", EINVAL, "no-iommu", 0));
	ASSERT_EQ(0, st_set_iommu(self->container, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(-EINVAL, st_call(self->container, IOMMU_VFIO_IOAS, &cmd));
	cmd.op = IOMMU_VFIO_IOAS_GET;
	EXPECT_EQ(-ENODEV, st_call(self->container, IOMMU_VFIO_IOAS, &cmd));
	EXPECT_EQ(0, iommufd_destroy(self->container, cmd.ioas_id));
}

/* It maps nothing, so how memory is accounted stays what the program makes of it. */
TEST_F(group, accounting)
{
	const __u32 mode = IOMMU_OPTION_RLIMIT_MODE;
	__u64 value = ~0ull;

	ASSERT_EQ(0, st_option_get(self->container, mode, 0, &value));
	EXPECT_EQ(1, value);
	ASSERT_EQ(0, st_set_container(self->group, self->container));
	ASSERT_EQ(0, st_option_set(self->container, mode, 0, 0));
	ASSERT_EQ(0, st_unset_container(self->group));
	ASSERT_EQ(0, st_option_get(self->container, mode, 0, &value));
	EXPECT_EQ(0, value);
}

TEST_F(group, excludes_the_node)
{
	int fd = open(self->cdev, O_RDWR | O_CLOEXEC);
	int iommufd = iommufd_open();
	__u32 id;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, iommufd);
	EXPECT_EQ(-EBUSY, vfio_bind(fd, iommufd, &id));
	close(self->group);
	ASSERT_EQ(0, vfio_bind(fd, iommufd, &id));
	EXPECT_EQ(EBUSY, open(self->node, O_RDWR | O_CLOEXEC) < 0 ? errno : 0);
	close(fd);
	self->group = open(self->node, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->group);
	close(iommufd);
}

/* The isolation group exists as long as the driver has the device. */
TEST_F(group, goes_with_the_driver)
{
	char link[128];

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", self->bdf);
	ASSERT_EQ(0, st_set_container(self->group, self->container));
	EXPECT_EQ(0, access(link, F_OK));
	ASSERT_EQ(0, st_driver_unbind(self->bdf));
	EXPECT_NE(0, access(link, F_OK));
	EXPECT_NE(0, access(self->node, F_OK));
	EXPECT_EQ(-ENODEV, st_get_group_status(self->group));
	ASSERT_EQ(0, pci_give_to_vfio(self->bdf));
	EXPECT_EQ(0, access(link, F_OK));
}

TEST_HARNESS_MAIN
