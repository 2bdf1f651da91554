// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Calls on a bound PCI device: information, features, resets, interrupts, power.
 */
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"
#include "mmio.h"

FIXTURE(device)
{
	struct st_env env;
	int fd;
};

FIXTURE_SETUP(device)
{
	int rc = st_env_open_attached(&self->env, ST_NVME);

	if (rc == -ENODEV || rc == -EBUSY)
		SKIP(return, "the machine has no free NVMe disk");
	ASSERT_EQ(0, rc);
	self->fd = self->env.dev.fd;
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

TEST_F(device, info)
{
	struct vfio_device_info info = { .argsz = 4 };

	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_DEVICE_GET_INFO, NULL));
	info.argsz = sizeof(info);
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_PCI);
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_RESET);
	EXPECT_LE(VFIO_PCI_NUM_REGIONS, info.num_regions);
	EXPECT_LE(VFIO_PCI_NUM_IRQS, info.num_irqs);
}

TEST_F(device, unknown_calls)
{
	char buffer[64] = {};

	EXPECT_EQ(-ENOTTY, st_call(self->fd, _IO(VFIO_TYPE, VFIO_BASE + 99), buffer));
	EXPECT_EQ(-ENOTTY, st_call(self->fd, _IO('x', 1), buffer));
	EXPECT_EQ(-ENOTTY, st_call(self->fd, VFIO_GROUP_GET_STATUS, buffer));
	EXPECT_EQ(-ENOTTY, st_call(self->fd, VFIO_SET_IOMMU, buffer));
}

static int region(int fd, __u32 index, __u32 argsz, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) { .argsz = argsz, .index = index };
	return st_call(fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

TEST_F(device, regions)
{
	struct vfio_region_info info;
	__u16 ids[2] = {};

	EXPECT_EQ(-EINVAL, region(self->fd, VFIO_PCI_BAR0_REGION_INDEX, 8, &info));
	EXPECT_EQ(-EINVAL, region(self->fd, 1000, sizeof(info), &info));
	ASSERT_EQ(0, region(self->fd, VFIO_PCI_CONFIG_REGION_INDEX, sizeof(info), &info));
	EXPECT_LE(256, info.size);
	ASSERT_EQ(sizeof(ids), pread(self->fd, ids, sizeof(ids), info.offset));
	EXPECT_NE(0xffff, ids[0]);
	EXPECT_NE(0, ids[0]);
	/* Nothing is read behind the end. */
	EXPECT_GE(0, pread(self->fd, ids, sizeof(ids), info.offset + info.size));
}

/* A BAR whose description needs more room than was given says how much. */
TEST_F(device, region_capabilities)
{
	union {
		struct vfio_region_info info;
		unsigned char bytes[256];
	} room = {};
	__u32 wanted;

	ASSERT_EQ(0, region(self->fd, VFIO_PCI_BAR0_REGION_INDEX, sizeof(room.info),
			    &room.info));
	if (!(room.info.flags & VFIO_REGION_INFO_FLAG_CAPS))
		return;
	wanted = room.info.argsz;
	ASSERT_LT(sizeof(room.info), wanted);
	EXPECT_EQ(0, room.info.cap_offset);
	ASSERT_GE(sizeof(room), wanted);
	ASSERT_EQ(0, region(self->fd, VFIO_PCI_BAR0_REGION_INDEX, wanted, &room.info));
	EXPECT_LE(sizeof(room.info), room.info.cap_offset);
	EXPECT_GT(wanted, room.info.cap_offset);
}

TEST_F(device, registers)
{
	struct vfio_region_info info;
	struct vfio_bar bar;
	__u32 by_read = 0;

	ASSERT_EQ(0, vfio_enable_dma(&self->env.dev));
	ASSERT_EQ(0, region(self->fd, VFIO_PCI_BAR0_REGION_INDEX, sizeof(info), &info));
	ASSERT_EQ(0, vfio_map_bar(&self->env.dev, 0, &bar));
	EXPECT_EQ(info.size, bar.size);
	ASSERT_EQ(sizeof(by_read), pread(self->fd, &by_read, sizeof(by_read), info.offset));
	EXPECT_EQ(le32toh(by_read), mmio_read32(bar.base, 0));
	EXPECT_NE(0, by_read);
	EXPECT_EQ(0, munmap(bar.base, bar.size));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, info.size + st_page, PROT_READ, MAP_SHARED, self->fd,
				   info.offset));
	EXPECT_EQ(EINVAL, errno);
}

/* After a reset the controller is as new. */
TEST_F(device, reset)
{
	const size_t configuration = 0x14;
	struct vfio_bar bar;

	ASSERT_EQ(0, vfio_enable_dma(&self->env.dev));
	ASSERT_EQ(0, vfio_map_bar(&self->env.dev, 0, &bar));
	mmio_write32(bar.base, configuration, 0x460000);
	EXPECT_EQ(0x460000, mmio_read32(bar.base, configuration));
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_RESET, NULL));
	ASSERT_EQ(0, vfio_enable_dma(&self->env.dev));
	EXPECT_EQ(0, mmio_read32(bar.base, configuration));
	EXPECT_EQ(0, munmap(bar.base, bar.size));
}

TEST_F(device, hot_reset_info)
{
	struct {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_dependent_device devices[16];
	} all = { .info.argsz = 8 };
	unsigned int i, ours = 0;

	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &all));
	all.info.argsz = sizeof(all.info);
	EXPECT_EQ(-ENOSPC, st_call(self->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &all));
	EXPECT_LT(0, all.info.count);
	ASSERT_GE(16, all.info.count);
	all.info.argsz = sizeof(all);
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &all));

	/* All devices that the reset would hit belong to this iommufd: us alone. */
	EXPECT_EQ(VFIO_PCI_HOT_RESET_FLAG_DEV_ID | VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED,
		  all.info.flags);
	for (i = 0; i < all.info.count; i++)
		ours += all.devices[i].devid == self->env.dev.id;
	EXPECT_EQ(1, ours);
}

TEST_F(device, hot_reset)
{
	struct {
		struct vfio_pci_hot_reset reset;
		__s32 fd;
	} cmd = { .reset.argsz = sizeof(cmd), .reset.count = 1, .fd = 0 };
	int rc;

	/* With a device node the list of groups has to be empty. */
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_PCI_HOT_RESET, &cmd));
	cmd.reset.count = 0;
	cmd.reset.flags = 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_PCI_HOT_RESET, &cmd));
	cmd.reset.flags = 0;
	rc = st_call(self->fd, VFIO_DEVICE_PCI_HOT_RESET, &cmd);
	/* The emulated link may not come back in time, which is not ours to mend. */
	EXPECT_TRUE(rc == 0 || rc == -ENOTTY) {
		TH_LOG("hot reset: %d", rc);
	}
}

static int feature(int fd, __u32 flags, __u32 argsz)
{
	__u64 buffer[32] = {};
	struct vfio_device_feature *cmd = (void *)buffer;

	cmd->argsz = argsz;
	cmd->flags = flags;
	return st_call(fd, VFIO_DEVICE_FEATURE, cmd);
}

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET
#define PROBE	VFIO_DEVICE_FEATURE_PROBE

TEST_F(device, feature_frame)
{
	unsigned int bit;

	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_DEVICE_FEATURE, NULL));
	EXPECT_EQ(-EINVAL, feature(self->fd, PROBE | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 7));
	for (bit = 19; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, feature(self->fd, 1u << bit | PROBE |
					   VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 8));
	EXPECT_EQ(-EINVAL, feature(self->fd, GET | SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 8));
	EXPECT_EQ(-ENOTTY, feature(self->fd, PROBE | 0xffff, 8));
	EXPECT_EQ(-ENOTTY, feature(self->fd, GET | 0x7777, 64));
}

TEST_F(device, feature_operations)
{
	/* Low power can be entered and left, not read. */
	EXPECT_EQ(0, feature(self->fd, PROBE | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 8));
	EXPECT_EQ(0, feature(self->fd, PROBE | SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 8));
	EXPECT_EQ(-EINVAL, feature(self->fd, PROBE | GET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
				   8));
	EXPECT_EQ(-EINVAL, feature(self->fd, PROBE | GET | SET |
				   VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 8));
	EXPECT_EQ(-EINVAL, feature(self->fd, GET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 64));
}

/* This device does not migrate and logs no DMA; the payload does not matter. */
TEST_F(device, feature_without_migration)
{
	static const __u32 features[] = {
		VFIO_DEVICE_FEATURE_MIGRATION, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
		VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
		VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
	};
	size_t i;

	for (i = 0; i < sizeof(features) / sizeof(*features); i++) {
		EXPECT_EQ(-ENOTTY, feature(self->fd, PROBE | features[i], 8)) {
			TH_LOG("feature %u", features[i]);
		}
		EXPECT_EQ(-ENOTTY, feature(self->fd, GET | features[i], 128));
		EXPECT_EQ(-ENOTTY, feature(self->fd, SET | features[i], 128));
	}
}

/* Asleep, every other call wakes the device up first. */
TEST_F(device, low_power)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int rc = feature(self->fd, SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 8);

	ASSERT_EQ(0, rc);
	st_sleep_ms(50);
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(-EINVAL, feature(self->fd, SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 8));
	EXPECT_EQ(0, feature(self->fd, SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, 8));
	EXPECT_EQ(0, vfio_enable_dma(&self->env.dev));
}

TEST_F(device, interrupts)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	struct {
		struct vfio_irq_set set;
		__s32 fd;
	} irq = { .set.argsz = 8 };
	eventfd_t count = 0;

	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_GET_IRQ_INFO, &info));
	ASSERT_LT(0, info.count);
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq));
	irq.set = (struct vfio_irq_set) {
		.argsz = sizeof(irq),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = 1000,
		.count = 1,
	};
	irq.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, irq.fd);
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq));
	irq.set.index = VFIO_PCI_MSIX_IRQ_INDEX;
	irq.set.start = info.count;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq));
	irq.set.start = 0;
	irq.set.argsz = sizeof(irq.set);
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq));
	irq.set.argsz = sizeof(irq);
	irq.set.flags |= VFIO_IRQ_SET_DATA_NONE;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq));
	irq.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | 1u << 20;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq));

	/* Set it up, and let it ring without the device. */
	irq.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq));
	irq.set.argsz = sizeof(irq.set);
	irq.set.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq.set));
	EXPECT_EQ(0, eventfd_read(irq.fd, &count));
	EXPECT_EQ(1, count);
	irq.set.count = 0;
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_SET_IRQS, &irq.set));
	close(irq.fd);
}

TEST_HARNESS_MAIN
