// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Attach, replace and detach of a device, and GET_HW_INFO.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define ATTACH_MIN	12u	/* bytes, before PASIDs came */
#define DETACH_MIN	8u

FIXTURE(attach)
{
	struct st_env env;	/* with a device that is bound, not attached */
	int fd;
};

FIXTURE_SETUP(attach)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->fd = self->env.dev.fd;
}

FIXTURE_TEARDOWN(attach)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* Attached is who cannot lose the address space. */
static bool is_attached_to(struct _test_data_attach *self, __u32 ioas)
{
	struct iova_ranges ranges;

	return !ioas_iova_ranges(self->env.iommufd, ioas, &ranges) && ranges.count > 1;
}

TEST_F(attach, sizes_and_flags)
{
	struct vfio_device_attach_iommufd_pt cmd = { .pt_id = self->env.ioas };
	unsigned int bit;

	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NULL));
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	cmd.argsz = ATTACH_MIN - 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	for (bit = 1; bit < 32; bit++) {
		cmd.argsz = sizeof(cmd);
		cmd.flags = 1u << bit;
		EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	}
	EXPECT_FALSE(is_attached_to(self, self->env.ioas));
	cmd.flags = 0;
	cmd.argsz = ATTACH_MIN;
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_NE(self->env.ioas, cmd.pt_id);
	EXPECT_NE(0, cmd.pt_id);
	EXPECT_TRUE(is_attached_to(self, self->env.ioas));
}

TEST_F(attach, detach_sizes_and_flags)
{
	struct vfio_device_detach_iommufd_pt cmd = { .argsz = DETACH_MIN - 1 };
	unsigned int bit;

	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, NULL));
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd));
	for (bit = 1; bit < 32; bit++) {
		cmd.argsz = sizeof(cmd);
		cmd.flags = 1u << bit;
		EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd));
	}
	cmd.flags = VFIO_DEVICE_DETACH_PASID;
	cmd.argsz = sizeof(cmd) - 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd));
	EXPECT_TRUE(is_attached_to(self, self->env.ioas));
	cmd.flags = 0;
	cmd.argsz = DETACH_MIN;
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd));
	EXPECT_FALSE(is_attached_to(self, self->env.ioas));
	/* There is nothing to detach, and that is no error. */
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd));
}

TEST_F(attach, to_what)
{
	EXPECT_EQ(-ENOENT, st_attach(self->fd, 0));
	EXPECT_EQ(-ENOENT, st_attach(self->fd, ST_NO_ID));
	EXPECT_EQ(-EINVAL, st_attach(self->fd, self->env.dev.id));
	EXPECT_EQ(0, st_attach(self->fd, self->env.ioas));

	/* A replace that is refused leaves the device where it was. */
	EXPECT_EQ(-ENOENT, st_attach(self->fd, ST_NO_ID));
	EXPECT_EQ(-EINVAL, st_attach(self->fd, self->env.dev.id));
	EXPECT_TRUE(is_attached_to(self, self->env.ioas));
}

TEST_F(attach, pasids)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd) - 1,
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = self->env.ioas,
		.pasid = 1,
	};
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
		.flags = VFIO_DEVICE_DETACH_PASID,
		.pasid = 1,
	};

	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	cmd.argsz = sizeof(cmd);
	/* The automatic page table of an IOAS is not made for PASIDs. */
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	cmd.pasid = 0xfffff;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	cmd.pasid = 0xffffffff;
	EXPECT_GT(0, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	cmd.pasid = 1;
	cmd.pt_id = ST_NO_ID;
	EXPECT_EQ(-ENOENT, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));

	/* The detach of what is not attached says nothing, and harms nobody else. */
	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));
	EXPECT_TRUE(is_attached_to(self, self->env.ioas));
}

TEST_F(attach, twice_is_once)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.pt_id = self->env.ioas,
	};
	__u32 table;

	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	table = cmd.pt_id;
	cmd.pt_id = self->env.ioas;
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_EQ(table, cmd.pt_id);

	/* The automatic page table may be named itself. */
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_EQ(table, cmd.pt_id);
	ASSERT_EQ(0, st_detach(self->fd));
	EXPECT_EQ(-ENOENT, st_attach(self->fd, table));
}

TEST_F(attach, replace)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &other));
	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	ASSERT_EQ(0, st_attach(self->fd, other));
	EXPECT_FALSE(is_attached_to(self, self->env.ioas));
	EXPECT_TRUE(is_attached_to(self, other));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, other));
	ASSERT_EQ(0, st_detach(self->fd));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, other));
}

/* The new space cannot take the device: the old one keeps it, reserved and all. */
TEST_F(attach, replace_refused)
{
	struct iommu_iova_range msi;
	__u32 other;

	ASSERT_EQ(0, st_msi_window(&self->env, &msi));
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &other));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, other, st_memory(st_page), st_page,
			       msi.start));
	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	EXPECT_EQ(-EADDRINUSE, st_attach(self->fd, other));
	EXPECT_TRUE(is_attached_to(self, self->env.ioas));
	EXPECT_FALSE(is_attached_to(self, other));
	EXPECT_EQ(-EINVAL, st_map_at(self->env.iommufd, self->env.ioas, st_memory(st_page),
				     st_page, msi.start));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, other));
}

/* Memory of the new space cannot be pinned: the same. */
TEST_F(attach, replace_cannot_pin)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &other));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, other, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, other, (void *)st_page, st_page,
			       2 * ST_IOVA));
	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	EXPECT_EQ(-EFAULT, st_attach(self->fd, other));
	EXPECT_TRUE(is_attached_to(self, self->env.ioas));
	EXPECT_TRUE(st_counters_are(&self->env.before));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, other));
}

static int attach_unwritable(struct _test_data_attach *self, __u32 ioas)
{
	struct vfio_device_attach_iommufd_pt *cmd = st_memory(st_page);
	int rc;

	*cmd = (struct vfio_device_attach_iommufd_pt) { .argsz = sizeof(*cmd), .pt_id = ioas };
	mprotect(cmd, st_page, PROT_READ);
	rc = st_call(self->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, cmd);
	munmap(cmd, st_page);
	return rc;
}

/* The page table's ID cannot be told: everything is as it was before. */
TEST_F(attach, copy_out_fails)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &other));
	EXPECT_EQ(-EFAULT, attach_unwritable(self, self->env.ioas));
	EXPECT_FALSE(is_attached_to(self, self->env.ioas));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &self->env.ioas));

	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	EXPECT_EQ(-EFAULT, attach_unwritable(self, other));
	EXPECT_TRUE(is_attached_to(self, self->env.ioas));
	EXPECT_FALSE(is_attached_to(self, other));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, other));
	EXPECT_EQ(-EFAULT, attach_unwritable(self, self->env.ioas));
	EXPECT_TRUE(is_attached_to(self, self->env.ioas));
}

static struct iommu_hw_info hw_info(struct _test_data_attach *self)
{
	return (struct iommu_hw_info) {
		.size = sizeof(struct iommu_hw_info),
		.dev_id = self->env.dev.id,
	};
}

TEST_F(attach, hw_info_refused)
{
	struct iommu_hw_info cmd = hw_info(self);
	int i;

	for (i = 1; i < 32; i++) {
		cmd.flags = 1u << i;
		EXPECT_EQ(-EOPNOTSUPP, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	}
	for (i = 0; i < 3; i++) {
		cmd = hw_info(self);
		cmd.__reserved[i] = 1;
		EXPECT_EQ(-EOPNOTSUPP, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	}
	cmd = hw_info(self);
	cmd.dev_id = self->env.ioas;
	EXPECT_EQ(-ENOENT, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	cmd.dev_id = ST_NO_ID;
	EXPECT_EQ(-ENOENT, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));

	/* A type that this IOMMU is not. */
	cmd = hw_info(self);
	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	cmd.in_data_type = 0x7fffffff;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	cmd = hw_info(self);
	cmd.data_len = 64;
	cmd.data_uptr = 8;
	EXPECT_EQ(-EFAULT, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
}

/* Without the flag the wanted type is not looked at. */
TEST_F(attach, hw_info_default_type)
{
	struct iommu_hw_info cmd = hw_info(self);
	__u32 type;

	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	type = cmd.out_data_type;
	cmd = hw_info(self);
	cmd.in_data_type = 0x7fffffff;
	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(type, cmd.out_data_type);
	cmd = hw_info(self);
	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	cmd.in_data_type = type;
	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(type, cmd.out_data_type);
}

TEST_F(attach, hw_info_buffer)
{
	struct iommu_hw_info cmd = hw_info(self);
	unsigned char full[256], part[256];
	unsigned int length, i;

	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	length = cmd.data_len;
	ASSERT_LT(8, length);
	ASSERT_GT(sizeof(full) - 32, length);

	/* Longer: the rest is cleared. Shorter: no byte too much. */
	memset(full, 0xa5, sizeof(full));
	cmd = hw_info(self);
	cmd.data_uptr = (uintptr_t)full;
	cmd.data_len = length + 16;
	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(length, cmd.data_len);
	for (i = length; i < length + 16; i++)
		EXPECT_EQ(0, full[i]);
	EXPECT_EQ(0xa5, full[length + 16]);

	memset(part, 0xa5, sizeof(part));
	cmd = hw_info(self);
	cmd.data_uptr = (uintptr_t)part;
	cmd.data_len = 8;
	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(length, cmd.data_len);
	EXPECT_EQ(0, memcmp(full, part, 8));
	EXPECT_EQ(0xa5, part[8]);
}

TEST_HARNESS_MAIN
