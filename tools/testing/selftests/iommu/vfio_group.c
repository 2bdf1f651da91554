// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups: who may open them, their calls, and what a device that came out of one
 * refuses.  What a group does to its devices is in vfio_group_devices.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "st_dma.h"
#include "st_group.h"
#include "kselftest_harness.h"

FIXTURE(group)
{
	struct st_counters before;
	struct vfio_device dev;		/* open by its node, not bound */
	char node[ST_NODE_SIZE];
	int container;
	int fd;
};

FIXTURE_SETUP(group)
{
	int rc;

	self->fd = -1;
	self->container = -1;
	st_counters(&self->before);
	rc = st_device_open(&self->dev, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->container = st_open_container();
	ASSERT_LE(0, self->container);
	self->fd = st_open_group(self->dev.bdf);
	ASSERT_LE(0, self->fd);
	snprintf(self->node, sizeof(self->node), "/dev/vfio/%d", pci_iommu_group(self->dev.bdf));
}

FIXTURE_TEARDOWN(group)
{
	if (self->dev.fd >= 0)
		vfio_close(&self->dev);
	if (self->fd >= 0)
		close(self->fd);
	if (self->container >= 0)
		close(self->container);
	EXPECT_TRUE(st_counters_are(&self->before));
}

#define EXPECT_TOLD(call, error, reason, number) \
	EXPECT_TRUE(st_told(self->fd, call, error, reason, number))

/* Into the container, which gets its address space: devices can be opened. */
static int set_up(struct _test_data_group *self)
{
	int rc = st_set_container(self->fd, self->container);

	return rc ?: st_set_iommu(self->container, VFIO_TYPE1v2_IOMMU);
}

static int device_fd(struct _test_data_group *self)
{
	return st_get_group_device(self->fd, self->dev.bdf);
}

TEST_F(group, one_file_at_a_time)
{
	int copy = dup(self->fd);

	EXPECT_EQ(-EBUSY, st_open_group(self->dev.bdf));
	close(self->fd);
	EXPECT_EQ(-EBUSY, st_open_group(self->dev.bdf));
	close(copy);
	self->fd = st_open_group(self->dev.bdf);
	EXPECT_LE(0, self->fd);
}

/* A device is used by its node or out of its group. */
TEST_F(group, excludes_the_node)
{
	int iommufd = iommufd_open();
	__u32 id;

	ASSERT_LE(0, iommufd);
	EXPECT_EQ(-EBUSY, vfio_bind(self->dev.fd, iommufd, &id));
	EXPECT_TRUE(st_told(self->dev.fd, "VFIO_BIND", EBUSY, "group", 0));
	ASSERT_EQ(0, set_up(self));
	EXPECT_EQ(-EBUSY, vfio_bind(self->dev.fd, self->container, &id));

	close(self->fd);
	ASSERT_EQ(0, vfio_bind(self->dev.fd, iommufd, &id));
	EXPECT_EQ(-EBUSY, st_open_group(self->dev.bdf));
	/* A bind that fails leaves the other one in place. */
	EXPECT_EQ(-EINVAL, vfio_bind(self->dev.fd, iommufd, &id));
	EXPECT_EQ(-EBUSY, st_open_group(self->dev.bdf));
	vfio_close(&self->dev);
	self->dev.fd = -1;
	self->fd = st_open_group(self->dev.bdf);
	EXPECT_LE(0, self->fd);
	close(iommufd);
}

/* What a bind that fails had claimed is given back. */
TEST_F(group, failed_bind_frees_the_group)
{
	__u32 id;

	close(self->fd);
	EXPECT_EQ(-EBADF, vfio_bind(self->dev.fd, 9999, &id));
	self->fd = st_open_group(self->dev.bdf);
	EXPECT_LE(0, self->fd);
}

TEST_F(group, unknown_calls)
{
	__u32 argument[64] = { sizeof(argument) };

	EXPECT_EQ(-ENOTTY, st_call(self->fd, VFIO_DEVICE_GET_INFO, argument));
	EXPECT_EQ(-ENOTTY, st_call(self->fd, VFIO_SET_IOMMU, argument));
	EXPECT_EQ(-ENOTTY, st_call(self->fd, VFIO_GET_API_VERSION, NULL));
	EXPECT_EQ(-ENOTTY, st_call(self->fd, IOMMU_IOAS_ALLOC, argument));
	EXPECT_EQ(-1, read(self->fd, argument, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, st_page, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(ENODEV, errno);
}

TEST_F(group, status)
{
	struct vfio_group_status status = { .argsz = sizeof(status) - 1 };

	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_GROUP_GET_STATUS, NULL));
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_GROUP_GET_STATUS, &status));
	EXPECT_TOLD("VFIO_GET_STATUS", EINVAL, "bad-size", sizeof(status) - 1);
	status.argsz = 4096;
	EXPECT_EQ(0, st_call(self->fd, VFIO_GROUP_GET_STATUS, &status));
	EXPECT_EQ(4096, status.argsz);

	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(self->fd));
	ASSERT_EQ(0, st_set_container(self->fd, self->container));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
		  st_get_group_status(self->fd));
	ASSERT_EQ(0, st_unset_container(self->fd));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(self->fd));
}

TEST_F(group, set_container_errors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_GROUP_SET_CONTAINER, NULL));
	EXPECT_EQ(-EBADF, st_set_container(self->fd, 9999));
	EXPECT_TOLD("VFIO_SET_CONTAINER", EBADF, "bad-file", 9999);
	EXPECT_EQ(-EBADF, st_set_container(self->fd, -1));
	EXPECT_EQ(-EBADFD, st_set_container(self->fd, null));
	EXPECT_TOLD("VFIO_SET_CONTAINER", EBADFD, "bad-file", null);
	EXPECT_EQ(-EBADFD, st_set_container(self->fd, self->fd));
	EXPECT_EQ(-EBADFD, st_set_container(self->fd, self->dev.fd));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(self->fd));

	ASSERT_EQ(0, st_set_container(self->fd, self->container));
	EXPECT_EQ(-EINVAL, st_set_container(self->fd, self->container));
	EXPECT_TOLD("VFIO_SET_CONTAINER", EINVAL, "busy", 0);
	close(null);
}

/* Both nodes of iommufd are containers, one after the other. */
TEST_F(group, either_container)
{
	int iommufd = iommufd_open();

	ASSERT_LE(0, iommufd);
	ASSERT_EQ(0, st_set_container(self->fd, iommufd));
	EXPECT_EQ(-EINVAL, st_set_container(self->fd, self->container));
	ASSERT_EQ(0, st_set_iommu(iommufd, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, st_unset_container(self->fd));
	ASSERT_EQ(0, set_up(self));
	EXPECT_EQ(-EINVAL, st_set_iommu(self->container, VFIO_TYPE1v2_IOMMU));
	close(iommufd);
}

/* The group keeps the container, and gives it up when it is closed itself. */
TEST_F(group, container_closed_first)
{
	int device;

	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(0, st_dma_map(self->container, ST_DMA_RW, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	close(self->container);
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
		  st_get_group_status(self->fd));
	device = device_fd(self);
	EXPECT_LE(0, device);
	close(device);
	self->container = st_open_container();
	close(self->fd);
	self->fd = -1;
	EXPECT_TRUE(st_counters_are(&self->before));
}

TEST_F(group, unset_container)
{
	int device;

	EXPECT_EQ(-EINVAL, st_unset_container(self->fd));
	EXPECT_TOLD("VFIO_UNSET_CONTAINER", EINVAL, "bad-argument", 0);
	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(0, st_dma_map(self->container, ST_DMA_RW, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	device = device_fd(self);
	ASSERT_LE(0, device);
	EXPECT_EQ(-EBUSY, st_unset_container(self->fd));
	EXPECT_TOLD("VFIO_UNSET_CONTAINER", EBUSY, "busy", 1);
	close(device);

	/* With the last group all that was mapped goes. */
	EXPECT_FALSE(st_counters_are_now(&self->before));
	EXPECT_EQ(0, st_unset_container(self->fd));
	EXPECT_TRUE(st_counters_are(&self->before));
	EXPECT_EQ(-EINVAL, st_unset_container(self->fd));
	EXPECT_EQ(-EINVAL, device_fd(self));
	EXPECT_EQ(0, set_up(self));
}

TEST_F(group, device_fd_errors)
{
	char *name = st_memory(2 * st_page);
	char longer[64];

	memset(name, 'a', st_page);
	EXPECT_EQ(-EFAULT, st_get_group_device(self->fd, NULL));
	EXPECT_EQ(-EINVAL, st_get_group_device(self->fd, name));
	ASSERT_EQ(0, mprotect(name + st_page, st_page, PROT_NONE));
	EXPECT_EQ(-EFAULT, st_get_group_device(self->fd, name + st_page - 1));

	EXPECT_EQ(-EINVAL, device_fd(self));
	EXPECT_TOLD("VFIO_GET_DEVICE_FD", EINVAL, "bad-argument", 0);
	ASSERT_EQ(0, st_set_container(self->fd, self->container));
	EXPECT_EQ(-EINVAL, device_fd(self));
	EXPECT_TOLD("VFIO_GET_DEVICE_FD", EINVAL, "bad-argument", 0);
	ASSERT_EQ(0, st_set_iommu(self->container, VFIO_TYPE1v2_IOMMU));

	EXPECT_EQ(-ENODEV, st_get_group_device(self->fd, ""));
	EXPECT_EQ(-ENODEV, st_get_group_device(self->fd, "0000:ff:1f.7"));
	EXPECT_TOLD("VFIO_GET_DEVICE_FD", ENODEV, "no-object", 0);
	snprintf(longer, sizeof(longer), "%sx", self->dev.bdf);
	EXPECT_EQ(-ENODEV, st_get_group_device(self->fd, longer));
	/* The driver takes options behind the name, but not these. */
	snprintf(longer, sizeof(longer), "%s colour=blue", self->dev.bdf);
	EXPECT_EQ(-EINVAL, st_get_group_device(self->fd, longer));
	EXPECT_TOLD("VFIO_GET_DEVICE_FD", EINVAL, "permission", 0);
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-group-opens: 0\n"));
}

static __u32 vendor_of(int device)
{
	struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u32 vendor = 0;

	if (st_call(device, VFIO_DEVICE_GET_REGION_INFO, &region))
		return 0;
	return pread(device, &vendor, 2, region.offset) == 2 ? vendor : 0;
}

TEST_F(group, device_fd)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char link[64], name[64] = "";
	int device;

	ASSERT_EQ(0, set_up(self));
	device = device_fd(self);
	ASSERT_LE(0, device);
	EXPECT_EQ(FD_CLOEXEC, fcntl(device, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(device, F_GETFL) & O_ACCMODE);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", device);
	EXPECT_LT(0, readlink(link, name, sizeof(name) - 1));
	EXPECT_STREQ("anon_inode:[vfio-device]", name);

	EXPECT_EQ(0, st_call(device, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_PCI);
	EXPECT_NE(0, vendor_of(device));
	EXPECT_TRUE(st_fdinfo_shows(device, "vfio-device-opened-by: group\n"));
	EXPECT_TRUE(st_fdinfo_shows(device, "vfio-device-opens: 1\n"));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-group-opens: 1\n"));
	close(device);
}

/* What binds and attaches a device is refused where the container does that. */
TEST_F(group, device_is_not_bound_by_calls)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = 1 };
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	int device;

	ASSERT_EQ(0, set_up(self));
	device = device_fd(self);
	ASSERT_LE(0, device);
	bind.iommufd = self->container;
	EXPECT_EQ(-EINVAL, st_call(device, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	EXPECT_TRUE(st_told(device, "VFIO_BIND", EINVAL, "group", 0));
	EXPECT_EQ(-EINVAL, st_call(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	EXPECT_TRUE(st_told(device, "VFIO_ATTACH", EINVAL, "group", 0));
	EXPECT_EQ(-EINVAL, st_call(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));
	EXPECT_TRUE(st_told(device, "VFIO_DETACH", EINVAL, "group", 0));
	close(device);
}

TEST_F(group, device_opened_many_times)
{
	int device[8], i;

	ASSERT_EQ(0, set_up(self));
	for (i = 0; i < 8; i++) {
		device[i] = device_fd(self);
		ASSERT_LE(0, device[i]);
	}
	EXPECT_TRUE(st_fdinfo_shows(device[0], "vfio-device-opens: 8\n"));
	for (i = 0; i < 8; i++) {
		EXPECT_NE(0, vendor_of(device[i]));
		EXPECT_EQ(-EBUSY, st_unset_container(self->fd));
		close(device[i]);
	}
	EXPECT_EQ(0, st_unset_container(self->fd));
}

/* A device keeps its group open. */
TEST_F(group, closed_before_its_device)
{
	int device;

	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(0, st_dma_map(self->container, ST_DMA_RW, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	device = device_fd(self);
	ASSERT_LE(0, device);
	close(self->fd);
	EXPECT_NE(0, vendor_of(device));
	EXPECT_EQ(-EBUSY, st_open_group(self->dev.bdf));
	EXPECT_EQ(0, st_dma_unmap(self->container, 0, ST_IOVA, &(__u64){ ST_MIB }));
	ASSERT_EQ(0, st_dma_map(self->container, ST_DMA_RW, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	close(device);
	EXPECT_TRUE(st_counters_are(&self->before));
	self->fd = st_open_group(self->dev.bdf);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(-EINVAL, st_unset_container(self->fd));
}

/* A new file does not show what was refused to the last one. */
TEST_F(group, log_starts_empty)
{
	EXPECT_EQ(-EINVAL, st_unset_container(self->fd));
	EXPECT_EQ(1, st_refusals(self->fd));
	close(self->fd);
	self->fd = st_open_group(self->dev.bdf);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, st_refusals(self->fd));
}

TEST_F(group, fdinfo)
{
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-group: %d\n",
				    pci_iommu_group(self->dev.bdf)));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-group-kind: physical\n"));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-group-container: none\n"));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-group-device: %s\n", self->dev.bdf));
	ASSERT_EQ(0, set_up(self));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-group-container: set\n"));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-group-device: %s attached\n",
				    self->dev.bdf));
}

static int kvm_vfio_device(int *kvm, int *vm)
{
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	int rc;

	*kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (*kvm < 0)
		return -errno;
	*vm = st_call(*kvm, KVM_CREATE_VM, NULL);
	if (*vm < 0)
		return *vm;
	rc = st_call(*vm, KVM_CREATE_DEVICE, &create);
	return rc ?: (int)create.fd;
}

static int kvm_tell(int vfio, __u64 attribute, int fd)
{
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = attribute,
		.addr = (uintptr_t)&fd,
	};

	return st_call(vfio, KVM_SET_DEVICE_ATTR, &attr);
}

/* KVM takes a group, and keeps it open, as it does with a device. */
TEST_F(group, kvm)
{
	int kvm = -1, vm = -1, device, vfio = kvm_vfio_device(&kvm, &vm);

	if (vfio < 0)
		SKIP(return, "no KVM here");
	ASSERT_EQ(0, kvm_tell(vfio, KVM_DEV_VFIO_FILE_ADD, self->fd));
	EXPECT_EQ(-EEXIST, kvm_tell(vfio, KVM_DEV_VFIO_FILE_ADD, self->fd));
	EXPECT_EQ(-EINVAL, kvm_tell(vfio, KVM_DEV_VFIO_FILE_ADD, self->container));
	ASSERT_EQ(0, set_up(self));
	device = device_fd(self);
	ASSERT_LE(0, device);
	EXPECT_EQ(0, kvm_tell(vfio, KVM_DEV_VFIO_FILE_ADD, device));
	close(device);
	close(self->fd);
	EXPECT_EQ(-EBUSY, st_open_group(self->dev.bdf));
	close(vfio);
	close(vm);
	close(kvm);
	self->fd = st_open_group(self->dev.bdf);
	EXPECT_LE(0, self->fd);
}

TEST_HARNESS_MAIN
