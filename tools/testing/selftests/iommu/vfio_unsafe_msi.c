// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A device could send any interrupt to the host where the IOMMU does not remap
 * interrupts.  Its bind is refused, unless the administrator accepts the risk.
 *
 * Needs a machine whose IOMMU has no interrupt remapping.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define PARAMETER "/sys/module/iommufd/parameters/allow_unsafe_interrupts"

FIXTURE(unsafe_msi)
{
	struct st_env env;	/* with a device that is open, not bound */
};

static int allow(const char *word)
{
	int fd = open(PARAMETER, O_WRONLY);
	int rc = fd < 0 || write(fd, word, 1) != 1 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

FIXTURE_SETUP(unsafe_msi)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	ASSERT_EQ(0, st_device_open(&self->env.dev, ST_EDU));
	ASSERT_EQ(0, allow("N"));
}

FIXTURE_TEARDOWN(unsafe_msi)
{
	EXPECT_EQ(0, allow("N"));
	EXPECT_EQ(0, st_env_close(&self->env));
}

TEST_F(unsafe_msi, bind_is_refused)
{
	__u32 id;

	EXPECT_EQ(-EPERM, vfio_bind(self->env.dev.fd, self->env.iommufd, &id));
	EXPECT_TRUE(st_told(self->env.iommufd, "DEVICE_BIND", EPERM, "unsafe-msi", 0));
}

TEST_F(unsafe_msi, bind_is_allowed)
{
	ASSERT_EQ(0, allow("Y"));
	EXPECT_EQ(0, vfio_bind(self->env.dev.fd, self->env.iommufd, &self->env.dev.id));
	EXPECT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
}

/* What was refused left the device free. */
TEST_F(unsafe_msi, refused_then_allowed)
{
	__u32 id;

	EXPECT_EQ(-EPERM, vfio_bind(self->env.dev.fd, self->env.iommufd, &id));
	ASSERT_EQ(0, allow("Y"));
	EXPECT_EQ(0, vfio_bind(self->env.dev.fd, self->env.iommufd, &id));
	EXPECT_NE(0, id);
}

TEST_HARNESS_MAIN
