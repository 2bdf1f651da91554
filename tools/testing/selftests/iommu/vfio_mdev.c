// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Devices that are emulated in the kernel: the samples mtty, a serial port, and
 * mdpy, a display.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/serial_reg.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define UUID	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

FIXTURE(mdev)
{
	struct st_env env;	/* without a device */
	struct st_mdev mdev;
	int fd;
};

FIXTURE_VARIANT(mdev)
{
	const char *parent;
};

FIXTURE_VARIANT_ADD(mdev, mtty)
{
	.parent = "mtty",
};

FIXTURE_VARIANT_ADD(mdev, mdpy)
{
	.parent = "mdpy",
};

FIXTURE_SETUP(mdev)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = st_mdev_create(&self->mdev, variant->parent, UUID);
	if (rc == -ENODEV)
		SKIP(return, "the kernel has no %s", variant->parent);
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_mdev_open(&self->mdev));
	self->fd = self->mdev.dev.fd;
}

FIXTURE_TEARDOWN(mdev)
{
	if (self->mdev.dev.fd >= 0)
		vfio_close(&self->mdev.dev);
	EXPECT_EQ(0, st_mdev_remove(&self->mdev));
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int bind_mdev(struct _test_data_mdev *self)
{
	return vfio_bind(self->fd, self->env.iommufd, &self->mdev.dev.id);
}

static int region(int fd, __u32 index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) { .argsz = sizeof(*info), .index = index };
	return st_call(fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

TEST_F(mdev, bind)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.flags = VFIO_DEVICE_BIND_FLAG_TOKEN,
		.iommufd = self->env.iommufd,
		.token_uuid_ptr = (uintptr_t)"0123456789abcdef",
	};
	struct iommu_hw hw;

	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(-EINVAL, st_attach(self->fd, self->env.ioas));
	/* The driver knows no tokens. */
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	ASSERT_EQ(0, bind_mdev(self));
	EXPECT_EQ(-EINVAL, bind_mdev(self));

	/* It has an ID, but nothing that an IOMMU would know of. */
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, self->mdev.dev.id));
	EXPECT_EQ(-ENOENT, iommufd_hw_info(self->env.iommufd, self->mdev.dev.id, &hw));
	EXPECT_EQ(-ENOENT, st_map_at(self->env.iommufd, self->mdev.dev.id, &hw, 1, ST_IOVA));
	vfio_close(&self->mdev.dev);
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->env.iommufd, self->mdev.dev.id));
}

TEST_F(mdev, attach)
{
	struct vfio_device_attach_iommufd_pt cmd = { .argsz = sizeof(cmd) };
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };
	__u32 other;

	ASSERT_EQ(0, bind_mdev(self));
	EXPECT_EQ(-ENOENT, st_attach(self->fd, ST_NO_ID));
	EXPECT_EQ(-ENOENT, st_attach(self->fd, self->mdev.dev.id));
	cmd.flags = VFIO_DEVICE_ATTACH_PASID;
	cmd.pt_id = self->env.ioas;
	cmd.pasid = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	detach.flags = VFIO_DEVICE_DETACH_PASID;
	detach.pasid = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));

	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &self->env.ioas));
	cmd.flags = 0;
	cmd.pt_id = self->env.ioas;
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_EQ(self->env.ioas, cmd.pt_id);
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, self->env.ioas));

	/* Again, to another one, and away. */
	EXPECT_EQ(0, st_attach(self->fd, self->env.ioas));
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &other));
	ASSERT_EQ(0, st_attach(self->fd, other));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, other));
	EXPECT_EQ(-ENOENT, st_attach(self->fd, ST_NO_ID));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, other));
	EXPECT_EQ(0, st_detach(self->fd));
	EXPECT_EQ(0, st_detach(self->fd));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, other));
}

/* A page table of a real device is nothing that an emulated one could use. */
TEST_F(mdev, no_page_tables)
{
	int rc = st_env_add_device(&self->env, ST_QUICK);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	ASSERT_EQ(0, bind_mdev(self));
	EXPECT_EQ(-ENOENT, st_attach(self->fd, self->env.dev.pt_id));
	EXPECT_EQ(-ENOENT, st_attach(self->fd, self->env.dev.id));
	/* They can share the address space. */
	EXPECT_EQ(0, st_attach(self->fd, self->env.ioas));
	EXPECT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, st_memory(ST_MIB), ST_MIB,
			       ST_IOVA));
	vfio_close(&self->env.dev);
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, ST_MIB));
}

/* Without a device, mappings stay what the program said: unpinned. */
TEST_F(mdev, mappings)
{
	unsigned char *memory = st_memory(ST_MIB);

	ASSERT_EQ(0, bind_mdev(self));
	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory, ST_MIB, ST_IOVA));
	EXPECT_TRUE(st_counters_are(&self->env.before));
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, ST_MIB));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory, ST_MIB, ST_IOVA));
	/* Closed as it is. */
}

TEST_F(mdev, open_twice)
{
	struct st_mdev again = self->mdev;

	ASSERT_EQ(0, st_mdev_open(&again));
	ASSERT_EQ(0, bind_mdev(self));
	EXPECT_EQ(-EINVAL, vfio_bind(again.dev.fd, self->env.iommufd, &again.dev.id));
	vfio_close(&self->mdev.dev);
	EXPECT_EQ(0, vfio_bind(again.dev.fd, self->env.iommufd, &again.dev.id));
	vfio_close(&again.dev);
}

/* The device goes while it is open: the removal waits for the last close. */
TEST_F_TIMEOUT(mdev, removed_while_open, ST_TIMEOUT)
{
	int status = -1;
	pid_t pid;

	ASSERT_EQ(0, bind_mdev(self));
	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	pid = fork();
	if (!pid) {
		close(self->fd);
		_exit(st_mdev_remove(&self->mdev) ? 1 : 0);
	}
	ASSERT_LT(0, pid);
	st_sleep_ms(300);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, st_detach(self->fd));
	vfio_close(&self->mdev.dev);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-ENOENT, st_mdev_open(&self->mdev));
	self->mdev.dev.fd = -1;
	/* For the teardown to find one. */
	EXPECT_EQ(0, st_mdev_create(&self->mdev, variant->parent, UUID));
}

TEST_F(mdev, config_space)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info config;
	__u16 vendor = 0;

	ASSERT_EQ(0, bind_mdev(self));
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_LE(VFIO_PCI_NUM_REGIONS, info.num_regions);
	ASSERT_EQ(0, region(self->fd, VFIO_PCI_CONFIG_REGION_INDEX, &config));
	ASSERT_EQ(sizeof(vendor), pread(self->fd, &vendor, sizeof(vendor), config.offset));
	EXPECT_NE(0, vendor);
	EXPECT_NE(0xffff, vendor);
}

/* The serial port gives back what it was given. */
TEST_F(mdev, bytes_out_and_in)
{
	static const char text[] = "8 bytes";
	struct vfio_region_info port;
	char seen[sizeof(text)] = {};
	unsigned char value = 0;
	size_t i;

	if (strcmp(variant->parent, "mtty"))
		return;
	ASSERT_EQ(0, bind_mdev(self));
	ASSERT_EQ(0, region(self->fd, VFIO_PCI_BAR0_REGION_INDEX, &port));
	ASSERT_LE(8, port.size);
	value = UART_LCR_WLEN8;
	ASSERT_EQ(1, pwrite(self->fd, &value, 1, port.offset + UART_LCR));
	ASSERT_EQ(1, pread(self->fd, &value, 1, port.offset + UART_LSR));
	EXPECT_EQ(0, value & UART_LSR_DR);
	for (i = 0; i < sizeof(text); i++)
		ASSERT_EQ(1, pwrite(self->fd, &text[i], 1, port.offset + UART_TX));
	for (i = 0; i < sizeof(text); i++) {
		ASSERT_EQ(1, pread(self->fd, &value, 1, port.offset + UART_LSR));
		EXPECT_NE(0, value & UART_LSR_DR);
		ASSERT_EQ(1, pread(self->fd, &seen[i], 1, port.offset + UART_RX));
	}
	EXPECT_STREQ(text, seen);
	ASSERT_EQ(1, pread(self->fd, &value, 1, port.offset + UART_LSR));
	EXPECT_EQ(0, value & UART_LSR_DR);
}

/* The display's memory can be mapped, and shows what was written to it. */
TEST_F(mdev, display_memory)
{
	struct vfio_region_info display;
	unsigned char *pixels;
	__u32 word = 0;

	if (strcmp(variant->parent, "mdpy"))
		return;
	ASSERT_EQ(0, bind_mdev(self));
	ASSERT_EQ(0, region(self->fd, VFIO_PCI_BAR0_REGION_INDEX, &display));
	ASSERT_TRUE(display.flags & VFIO_REGION_INFO_FLAG_MMAP);
	pixels = mmap(NULL, display.size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
		      display.offset);
	ASSERT_NE(MAP_FAILED, pixels);
	memset(pixels, 0x5c, display.size);
	ASSERT_EQ(sizeof(word), pread(self->fd, &word, sizeof(word), display.offset));
	EXPECT_EQ(0x5c5c5c5c, word);

	/* The mapping holds the device as an open file would. */
	munmap(pixels, display.size);
}

TEST_HARNESS_MAIN
