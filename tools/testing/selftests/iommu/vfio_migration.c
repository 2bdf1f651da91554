// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The migration features, on the sample device mtty, which implements all of
 * them: states, the path between states, and the data that goes along.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/serial_reg.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define UUID_SOURCE	"83b8f4f2-509f-382f-3c1e-e6bfe0fa2001"
#define UUID_TARGET	"83b8f4f2-509f-382f-3c1e-e6bfe0fa2002"

FIXTURE(migration)
{
	struct st_env env;
	struct st_mdev source, target;
	int fd;
};

static int start(struct _test_data_migration *self, struct st_mdev *mdev, const char *uuid)
{
	int rc = st_mdev_create(mdev, "mtty", uuid);

	if (!rc)
		rc = st_mdev_open(mdev);
	if (!rc)
		rc = vfio_bind(mdev->dev.fd, self->env.iommufd, &mdev->dev.id);
	return rc;
}

FIXTURE_SETUP(migration)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = start(self, &self->source, UUID_SOURCE);
	if (rc == -ENODEV)
		SKIP(return, "the kernel has no mtty");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, start(self, &self->target, UUID_TARGET));
	self->fd = self->source.dev.fd;
}

FIXTURE_TEARDOWN(migration)
{
	vfio_close(&self->source.dev);
	vfio_close(&self->target.dev);
	EXPECT_EQ(0, st_mdev_remove(&self->source));
	EXPECT_EQ(0, st_mdev_remove(&self->target));
	EXPECT_EQ(0, st_env_close(&self->env));
}

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET
#define PROBE	VFIO_DEVICE_FEATURE_PROBE
#define HEADER	sizeof(struct vfio_device_feature)

/* One feature call with @size bytes of payload, which go both ways. */
static int feature(int fd, __u32 flags, void *payload, size_t size)
{
	__u64 buffer[16] = {};
	struct vfio_device_feature *cmd = (void *)buffer;
	int rc;

	cmd->argsz = HEADER + size;
	cmd->flags = flags;
	memcpy(cmd->data, payload, size);
	rc = st_call(fd, VFIO_DEVICE_FEATURE, cmd);
	memcpy(payload, cmd->data, size);
	return rc;
}

/* Go to a state; @data receives the descriptor that comes with it, or -1. */
static int go(int fd, __u32 state, int *data)
{
	struct vfio_device_feature_mig_state mig = { .device_state = state, .data_fd = 77 };
	int rc = feature(fd, SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig, sizeof(mig));

	*data = mig.data_fd;
	return rc;
}

static int state(int fd)
{
	struct vfio_device_feature_mig_state mig = {};
	int rc = feature(fd, GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig, sizeof(mig));

	return rc ?: (int)mig.device_state;
}

TEST_F(migration, flags)
{
	struct vfio_device_feature_migration mig = {};
	__u32 none = 0;

	EXPECT_EQ(0, feature(self->fd, PROBE | VFIO_DEVICE_FEATURE_MIGRATION, &none, 0));
	EXPECT_EQ(0, feature(self->fd, PROBE | GET | VFIO_DEVICE_FEATURE_MIGRATION, &none, 0));
	EXPECT_EQ(-EINVAL, feature(self->fd, PROBE | SET | VFIO_DEVICE_FEATURE_MIGRATION, &none,
				   0));
	EXPECT_EQ(-EINVAL, feature(self->fd, SET | VFIO_DEVICE_FEATURE_MIGRATION, &mig,
				   sizeof(mig)));
	EXPECT_EQ(-EINVAL, feature(self->fd, GET | VFIO_DEVICE_FEATURE_MIGRATION, &mig,
				   sizeof(mig) - 1));
	ASSERT_EQ(0, feature(self->fd, GET | VFIO_DEVICE_FEATURE_MIGRATION, &mig, sizeof(mig)));
	EXPECT_EQ(VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY,
		  mig.flags);
}

TEST_F(migration, states_that_cannot_be)
{
	struct vfio_device_feature_mig_state mig = {};
	int data;

	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, state(self->fd));
	EXPECT_EQ(-EINVAL, go(self->fd, VFIO_DEVICE_STATE_ERROR, &data));
	EXPECT_EQ(-EINVAL, go(self->fd, VFIO_DEVICE_STATE_NR, &data));
	EXPECT_EQ(-EINVAL, go(self->fd, 0xffffffff, &data));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, state(self->fd));
	EXPECT_EQ(-EINVAL, feature(self->fd, SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig,
				   sizeof(mig) - 1));
	EXPECT_EQ(-EINVAL, feature(self->fd, GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig,
				   0));
}

/*
 * From each state to each other one, which may go through others on its way.
 * Out of RESUMING this device goes only with data, of which there is none here.
 */
TEST_F(migration, every_path)
{
	__u32 from, to;
	int data;

	for (from = VFIO_DEVICE_STATE_STOP; from < VFIO_DEVICE_STATE_NR; from++)
		for (to = VFIO_DEVICE_STATE_STOP; to < VFIO_DEVICE_STATE_NR; to++) {
			bool never = (from == VFIO_DEVICE_STATE_STOP_COPY &&
				      (to == VFIO_DEVICE_STATE_PRE_COPY ||
				       to == VFIO_DEVICE_STATE_PRE_COPY_P2P)) ||
				     (from == VFIO_DEVICE_STATE_RESUMING && to != from);
			int rc;

			ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_RESET, NULL));
			ASSERT_EQ(VFIO_DEVICE_STATE_RUNNING, state(self->fd));
			ASSERT_EQ(0, go(self->fd, from, &data));
			if (data >= 0)
				close(data);
			rc = go(self->fd, to, &data);
			EXPECT_EQ(never ? -EINVAL : 0, rc) {
				TH_LOG("%u to %u", from, to);
			}
			EXPECT_EQ(never ? from : to, state(self->fd));
			if (!rc && data >= 0)
				close(data);
		}
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_RESET, NULL));
}

TEST_F(migration, descriptors)
{
	int data, again;

	ASSERT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_STOP, &data));
	EXPECT_EQ(-1, data);
	ASSERT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_STOP_COPY, &data));
	ASSERT_LE(0, data);
	EXPECT_EQ(FD_CLOEXEC, fcntl(data, F_GETFD));
	/* Standing still makes no second one. */
	ASSERT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_STOP_COPY, &again));
	EXPECT_EQ(-1, again);
	ASSERT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_RUNNING, &again));
	close(data);
}

/* The descriptor cannot be told: none may be left open. */
TEST_F(migration, copy_out_fails)
{
	struct {
		struct vfio_device_feature header;
		struct vfio_device_feature_mig_state mig;
	} *cmd = st_memory(st_page);
	int before, after, data;

	before = dup(self->fd);
	close(before);
	cmd->header.argsz = HEADER + sizeof(cmd->mig);
	cmd->header.flags = SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
	cmd->mig.device_state = VFIO_DEVICE_STATE_STOP_COPY;
	ASSERT_EQ(0, mprotect(cmd, st_page, PROT_READ));
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_DEVICE_FEATURE, cmd));
	after = dup(self->fd);
	close(after);
	EXPECT_EQ(before, after);
	EXPECT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_RUNNING, &data));
}

TEST_F(migration, data_size)
{
	struct vfio_device_feature_mig_data_size size = {};

	EXPECT_EQ(-EINVAL, feature(self->fd, GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size, 4));
	ASSERT_EQ(0, feature(self->fd, GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size,
			     sizeof(size)));
	EXPECT_NE(0, size.stop_copy_length);
	EXPECT_GT(ST_MIB, size.stop_copy_length);
}

/* What debugfs shows of the device. */
static int shown(const char *name, char text[64])
{
	char path[128];
	int fd, rc;

	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/migration/%s", UUID_SOURCE,
		 name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	rc = read(fd, text, 63);
	text[rc < 0 ? 0 : rc] = '\0';
	close(fd);
	return rc < 0 ? -errno : 0;
}

TEST_F(migration, debugfs)
{
	char text[64];
	int data;

	if (shown("state", text) == -ENOENT)
		SKIP(return, "the kernel has no VFIO_DEBUGFS");
	EXPECT_STREQ("RUNNING\n", text);
	ASSERT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_RUNNING_P2P, &data));
	ASSERT_EQ(0, shown("state", text));
	EXPECT_STREQ("RUNNING_P2P\n", text);
	ASSERT_EQ(0, shown("features", text));
	EXPECT_STREQ("stop-copy\np2p\npre-copy\n", text);
}

static int log_start(int fd, __u64 page_size, struct vfio_device_feature_dma_logging_range *ranges,
		     __u32 count)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = page_size,
		.num_ranges = count,
		.ranges = (uintptr_t)ranges,
	};

	return feature(fd, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control,
		       sizeof(control));
}

TEST_F(migration, dma_logging_start)
{
	struct vfio_device_feature_dma_logging_range good[2] = {
		{ .iova = 4 * ST_MIB, .length = ST_MIB },
		{ .iova = ST_MIB, .length = ST_MIB },
	}, bad[2];
	__u32 none = 0;

	EXPECT_EQ(0, feature(self->fd, PROBE | SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &none,
			     0));
	EXPECT_EQ(-EINVAL, feature(self->fd, GET | PROBE | VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
				   &none, 0));
	EXPECT_EQ(-EINVAL, feature(self->fd, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &none,
				   4));
	EXPECT_EQ(-EINVAL, log_start(self->fd, st_page, good, 0));
	EXPECT_EQ(-E2BIG, log_start(self->fd, st_page, good, st_page / 16 + 1));
	EXPECT_EQ(-EFAULT, log_start(self->fd, st_page, (void *)8, 1));
	EXPECT_EQ(-EINVAL, log_start(self->fd, 0, good, 2));
	EXPECT_EQ(-EINVAL, log_start(self->fd, 3000, good, 2));

	memcpy(bad, good, sizeof(bad));
	bad[1].length = 0;
	EXPECT_EQ(-EINVAL, log_start(self->fd, st_page, bad, 2));
	bad[1].length = st_page / 2;
	EXPECT_EQ(-EINVAL, log_start(self->fd, st_page, bad, 2));
	bad[1].length = st_page;
	bad[1].iova++;
	EXPECT_EQ(-EINVAL, log_start(self->fd, st_page, bad, 2));
	bad[1].iova = -st_page;
	bad[1].length = 2 * st_page;
	EXPECT_EQ(-EOVERFLOW, log_start(self->fd, st_page, bad, 2));
	bad[1] = bad[0];
	EXPECT_EQ(-EINVAL, log_start(self->fd, st_page, bad, 2));
	bad[1].iova += st_page;
	EXPECT_EQ(-EINVAL, log_start(self->fd, st_page, bad, 2));
	EXPECT_EQ(0, log_start(self->fd, st_page, good, 2));
	EXPECT_EQ(0, feature(self->fd, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, &none, 0));
}

TEST_F(migration, dma_logging_report)
{
	__u64 bitmap[64] = {};
	struct vfio_device_feature_dma_logging_report report = {
		.iova = ST_MIB,
		.length = ST_MIB,
		.page_size = st_page,
		.bitmap = (uintptr_t)bitmap,
	}, bad = report;
	const __u32 get = GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;

	EXPECT_EQ(-EINVAL, feature(self->fd, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report,
				   sizeof(report)));
	EXPECT_EQ(-EINVAL, feature(self->fd, get, &report, sizeof(report) - 1));
	bad.page_size = 2048;
	EXPECT_EQ(-EINVAL, feature(self->fd, get, &bad, sizeof(bad)));
	bad.page_size = 5000;
	EXPECT_EQ(-EINVAL, feature(self->fd, get, &bad, sizeof(bad)));
	bad.page_size = 0;
	EXPECT_EQ(-EINVAL, feature(self->fd, get, &bad, sizeof(bad)));
	bad = report;
	bad.length = ST_MAX;
	EXPECT_EQ(-EOVERFLOW, feature(self->fd, get, &bad, sizeof(bad)));
	EXPECT_EQ(0, feature(self->fd, get, &report, sizeof(report)));
}

static int uart(int fd, off_t reg, unsigned char *value, bool write)
{
	struct vfio_region_info port = {
		.argsz = sizeof(port),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	ssize_t done;

	if (st_call(fd, VFIO_DEVICE_GET_REGION_INFO, &port))
		return -EIO;
	done = write ? pwrite(fd, value, 1, port.offset + reg) :
		       pread(fd, value, 1, port.offset + reg);
	return done == 1 ? 0 : -EIO;
}

/* A byte waits in the port of one device, and is read from the other one's. */
TEST_F(migration, moves_the_device)
{
	unsigned char buffer[4096], byte = 'x';
	int from, to, data;
	ssize_t length;

	ASSERT_EQ(0, uart(self->fd, UART_TX, &byte, true));
	ASSERT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_PRE_COPY, &from));
	ASSERT_LE(0, from);
	ASSERT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_STOP_COPY, &data));
	ASSERT_EQ(0, go(self->target.dev.fd, VFIO_DEVICE_STATE_RESUMING, &to));
	ASSERT_LE(0, to);
	while ((length = read(from, buffer, sizeof(buffer))) > 0)
		ASSERT_EQ(length, write(to, buffer, length));
	EXPECT_EQ(0, length);
	close(from);
	close(to);
	ASSERT_EQ(0, go(self->fd, VFIO_DEVICE_STATE_STOP, &data));
	ASSERT_EQ(0, go(self->target.dev.fd, VFIO_DEVICE_STATE_RUNNING, &data));
	byte = 0;
	EXPECT_EQ(0, uart(self->target.dev.fd, UART_RX, &byte, false));
	EXPECT_EQ('x', byte);
}

TEST_HARNESS_MAIN
