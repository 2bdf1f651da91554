// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the fdinfo of a VFIO device tells: why calls were refused, and what the
 * device is bound and attached to.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(vfio_reasons)
{
	struct st_env env;	/* with a device that is open, not bound */
	struct vfio_device_bind_iommufd bind;
	int fd;
};

FIXTURE_SETUP(vfio_reasons)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = st_device_open(&self->env.dev, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->fd = self->env.dev.fd;
	self->bind.argsz = sizeof(self->bind);
	self->bind.iommufd = self->env.iommufd;
}

FIXTURE_TEARDOWN(vfio_reasons)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

#define EXPECT_TOLD(call, error, reason, number) \
	EXPECT_TRUE(st_told(self->fd, call, error, reason, number))

TEST_F(vfio_reasons, bind)
{
	struct vfio_device_bind_iommufd cmd = self->bind;
	struct vfio_device again;
	__u32 id;

	cmd.argsz = 8;
	ASSERT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
	EXPECT_TOLD("VFIO_BIND", EINVAL, "bad-size", 8);
	cmd = self->bind;
	cmd.flags = 0x40;
	ASSERT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
	EXPECT_TOLD("VFIO_BIND", EINVAL, "bad-flags", 0x40);
	cmd = self->bind;
	cmd.iommufd = 9999;
	ASSERT_EQ(-EBADF, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
	EXPECT_TOLD("VFIO_BIND", EBADF, "bad-file", 9999);
	ASSERT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_TOLD("VFIO_CALL", EINVAL, "bad-argument", 0);
	ASSERT_EQ(4, st_refusals(self->fd));

	ASSERT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
	EXPECT_EQ(4, st_refusals(self->fd));
	ASSERT_EQ(-EINVAL, vfio_bind(self->fd, self->env.iommufd, &id));
	EXPECT_TOLD("VFIO_BIND", EINVAL, "owned", 0);

	/* Each open file has refusals of its own. */
	ASSERT_EQ(0, st_device_open(&again, ST_QUICK));
	ASSERT_EQ(-EINVAL, vfio_bind(again.fd, self->env.iommufd, &id));
	EXPECT_TRUE(st_told(again.fd, "VFIO_BIND", EINVAL, "owned", 0));
	EXPECT_EQ(1, st_refusals(again.fd));
	vfio_close(&again);
}

TEST_F(vfio_reasons, attach)
{
	struct vfio_device_attach_iommufd_pt cmd = { .argsz = 4, .pt_id = self->env.ioas };
	__u32 id;

	ASSERT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
	ASSERT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_TOLD("VFIO_ATTACH", EINVAL, "bad-size", 4);
	cmd.argsz = sizeof(cmd);
	cmd.flags = 0x10;
	ASSERT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_TOLD("VFIO_ATTACH", EINVAL, "bad-flags", 0x10);
	ASSERT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd));
	EXPECT_TOLD("VFIO_DETACH", EINVAL, "bad-flags", 0x10);

	/* The iommufd knows more of what it refused itself. */
	ASSERT_EQ(-ENOENT, st_attach(self->fd, ST_NO_ID));
	EXPECT_TOLD("VFIO_ATTACH", ENOENT, "driver", ST_NO_ID);
	EXPECT_TRUE(st_told(self->env.iommufd, "DEVICE_ATTACH", ENOENT, "no-object", ST_NO_ID));
}

TEST_F(vfio_reasons, fdinfo)
{
	__u32 id;

	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-device-syspath: /sys/devices/pci"));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-device-opens: 0\n"));
	EXPECT_EQ(-1, st_fdinfo(self->fd, "vfio-iommufd-devid:"));
	ASSERT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-device-opens: 1\n"));
	EXPECT_EQ(id, st_fdinfo(self->fd, "vfio-iommufd-devid:"));
	EXPECT_EQ(-1, st_fdinfo(self->fd, "vfio-iommufd-pt:"));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vfio-iommufd-pt: %u hwpt %u\n", self->env.ioas,
				    self->env.dev.pt_id));
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	EXPECT_EQ(-1, st_fdinfo(self->fd, "vfio-iommufd-pt:"));
}

TEST_HARNESS_MAIN
