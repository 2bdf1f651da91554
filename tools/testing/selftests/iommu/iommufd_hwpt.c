// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * HWPT_ALLOC: page tables that the program allocates itself, what they show, and how
 * devices come to them.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define ALLOC_MIN	24u	/* bytes, before nested tables came */

FIXTURE(hwpt)
{
	struct st_env env;	/* with a device that is bound, not attached */
	int fd;
};

FIXTURE_SETUP(hwpt)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
}

FIXTURE_TEARDOWN(hwpt)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static struct iommu_hwpt_alloc request(const struct st_env *env)
{
	return (struct iommu_hwpt_alloc) {
		.size = sizeof(struct iommu_hwpt_alloc),
		.dev_id = env->dev.id,
		.pt_id = env->ioas,
	};
}

static int alloc(const struct st_env *env, __u32 *id)
{
	struct iommu_hwpt_alloc cmd = request(env);
	int rc = st_call(env->iommufd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

static int alloc_flags(const struct st_env *env, __u32 flags)
{
	struct iommu_hwpt_alloc cmd = request(env);
	int rc;

	cmd.flags = flags;
	rc = st_call(env->iommufd, IOMMU_HWPT_ALLOC, &cmd);
	if (!rc)
		iommufd_destroy(env->iommufd, cmd.out_hwpt_id);
	return rc;
}

/* No table was left behind: nothing but the device and the program use the IOAS. */
static bool ioas_is_free(struct st_env *env)
{
	return !iommufd_destroy(env->iommufd, env->ioas) &&
	       !ioas_alloc(env->iommufd, &env->ioas);
}

TEST_F(hwpt, sizes)
{
	struct iommu_hwpt_alloc cmd = request(&self->env);
	unsigned char longer[sizeof(cmd) + 8] = {};

	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_HWPT_ALLOC, NULL));
	cmd.size = ALLOC_MIN - 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd.size = ALLOC_MIN;
	EXPECT_EQ(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	EXPECT_EQ(0, iommufd_destroy(self->fd, cmd.out_hwpt_id));

	/* What an old program does not know of is not looked at. */
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	EXPECT_EQ(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	EXPECT_EQ(0, iommufd_destroy(self->fd, cmd.out_hwpt_id));

	cmd = request(&self->env);
	cmd.size = sizeof(longer);
	memcpy(longer, &cmd, sizeof(cmd));
	longer[sizeof(longer) - 1] = 1;
	EXPECT_EQ(-E2BIG, st_call(self->fd, IOMMU_HWPT_ALLOC, longer));
	EXPECT_TRUE(ioas_is_free(&self->env));
}

TEST_F(hwpt, reserved_and_data)
{
	struct iommu_hwpt_alloc cmd = request(&self->env);

	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd = request(&self->env);
	cmd.__reserved2 = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	EXPECT_TRUE(st_told(self->fd, "HWPT_ALLOC", EOPNOTSUPP, "bad-flags", 1));

	/* A type without data, data without a type; that is seen before the IDs. */
	cmd = request(&self->env);
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd = request(&self->env);
	cmd.data_len = 8;
	cmd.dev_id = ST_NO_ID;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));

	/* Data for a table over an IOAS: the VT-d driver has no use for any. */
	cmd = request(&self->env);
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	cmd.data_len = sizeof(struct iommu_hwpt_vtd_s1);
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));

	/* Without its flag the fault queue does not matter. */
	cmd = request(&self->env);
	cmd.fault_id = ST_NO_ID;
	EXPECT_EQ(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	EXPECT_EQ(0, iommufd_destroy(self->fd, cmd.out_hwpt_id));
	EXPECT_TRUE(ioas_is_free(&self->env));
}

TEST_F(hwpt, ids)
{
	struct iommu_hwpt_alloc cmd = request(&self->env);
	__u32 plain;

	cmd.dev_id = 0;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd.dev_id = self->env.ioas;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	/* The device comes first, and what is absent below is no absent object. */
	cmd.pt_id = ST_NO_ID;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd.dev_id = self->env.dev.id;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd.pt_id = self->env.dev.id;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));

	/* A table that is no parent: nothing nests on it, data or not. */
	ASSERT_EQ(0, alloc(&self->env, &plain));
	cmd.pt_id = plain;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd.flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd.flags = 0;
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	cmd.data_len = sizeof(struct iommu_hwpt_vtd_s1);
	EXPECT_GT(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	EXPECT_EQ(0, iommufd_destroy(self->fd, plain));
	EXPECT_TRUE(ioas_is_free(&self->env));
}

TEST_F(hwpt, flags)
{
	const __u32 both = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_FAULT_ID_VALID;
	struct iommu_hwpt_alloc cmd = request(&self->env);
	struct iommu_hw hw;
	unsigned int bit;
	int rc;

	for (bit = 4; bit < 32; bit++)
		EXPECT_EQ(-EOPNOTSUPP, alloc_flags(&self->env, 1u << bit));
	EXPECT_EQ(-EOPNOTSUPP, alloc_flags(&self->env, both));
	ASSERT_EQ(0, iommufd_hw_info(self->fd, self->env.dev.id, &hw));
	EXPECT_EQ(hw.capabilities & IOMMU_HW_CAP_DIRTY_TRACKING ? 0 : -EOPNOTSUPP,
		  alloc_flags(&self->env, IOMMU_HWPT_ALLOC_DIRTY_TRACKING));

	/* What the driver decides alone. */
	rc = alloc_flags(&self->env, IOMMU_HWPT_ALLOC_NEST_PARENT);
	EXPECT_TRUE(!rc || rc == -EOPNOTSUPP);
	rc = alloc_flags(&self->env, IOMMU_HWPT_ALLOC_PASID);
	EXPECT_TRUE(!rc || rc == -EOPNOTSUPP);

	/* A fault queue that is none; the table goes again. */
	cmd.flags = IOMMU_HWPT_FAULT_ID_VALID;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	cmd.fault_id = self->env.ioas;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	EXPECT_TRUE(ioas_is_free(&self->env));
}

TEST_F(hwpt, life)
{
	__u32 table, other;

	ASSERT_EQ(0, alloc(&self->env, &table));
	ASSERT_EQ(0, alloc(&self->env, &other));
	EXPECT_NE(table, other);
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "hwpt:\tid=%u ioas=%u auto=0", table,
				    self->env.ioas));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->env.ioas));
	EXPECT_EQ(0, iommufd_destroy(self->fd, other));

	/* It stays when its device goes, and nobody can take it meanwhile. */
	ASSERT_EQ(0, st_attach(self->env.dev.fd, table));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, table));
	ASSERT_EQ(0, st_detach(self->env.dev.fd));
	ASSERT_EQ(0, st_attach(self->env.dev.fd, table));
	ASSERT_EQ(0, st_detach(self->env.dev.fd));
	EXPECT_EQ(0, iommufd_destroy(self->fd, table));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->fd, table));
	EXPECT_EQ(-ENOENT, st_attach(self->env.dev.fd, table));
	EXPECT_TRUE(ioas_is_free(&self->env));
}

/* Who attaches to the IOAS gets a table that goes by itself, never this one. */
TEST_F(hwpt, never_automatic)
{
	struct vfio_device_attach_iommufd_pt cmd = { .argsz = sizeof(cmd) };
	__u32 table, automatic;

	ASSERT_EQ(0, alloc(&self->env, &table));
	cmd.pt_id = self->env.ioas;
	ASSERT_EQ(0, st_call(self->env.dev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	automatic = cmd.pt_id;
	EXPECT_NE(table, automatic);

	/* A replace moves between the two; the one without a device goes or stays. */
	cmd.pt_id = table;
	ASSERT_EQ(0, st_call(self->env.dev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_EQ(table, cmd.pt_id);
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->fd, automatic));
	cmd.pt_id = self->env.ioas;
	ASSERT_EQ(0, st_call(self->env.dev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
	EXPECT_NE(table, cmd.pt_id);
	EXPECT_EQ(0, iommufd_destroy(self->fd, table));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, cmd.pt_id));

	/* An automatic one is no parent of anything. */
	table = cmd.pt_id;
	struct iommu_hwpt_alloc nested = request(&self->env);

	nested.pt_id = table;
	nested.data_type = IOMMU_HWPT_DATA_VTD_S1;
	nested.data_len = sizeof(struct iommu_hwpt_vtd_s1);
	EXPECT_GT(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &nested));
}

/* Two tables over one IOAS: pages are pinned once, reserved regions stay on a replace. */
/* On ARM MSIs have pages in a table, which stay, as does their place, until it goes. */
static bool has_msi_pages(const struct st_env *env)
{
	struct iommu_hw hw;

	return !iommufd_hw_info(env->iommufd, env->dev.id, &hw) &&
	       hw.type == IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
}

TEST_F(hwpt, share_the_ioas)
{
	struct iommu_iova_range msi;
	unsigned char *memory = st_memory(ST_MIB);
	__u32 one, two;

	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory, ST_MIB, ST_IOVA));
	EXPECT_TRUE(st_counters_are(&self->env.before));
	ASSERT_EQ(0, alloc(&self->env, &one));
	EXPECT_EQ(self->env.before.vm_pin + 1024, st_vm_pin());
	ASSERT_EQ(0, alloc(&self->env, &two));
	EXPECT_EQ(self->env.before.vm_pin + 1024, st_vm_pin());

	ASSERT_EQ(0, st_attach(self->env.dev.fd, one));
	ASSERT_EQ(0, st_msi_window(&self->env, &msi));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->env.ioas, memory, st_page, msi.start));
	ASSERT_EQ(0, st_attach(self->env.dev.fd, two));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->env.ioas, memory, st_page, msi.start));
	ASSERT_EQ(0, st_detach(self->env.dev.fd));
	if (has_msi_pages(&self->env)) {
		EXPECT_EQ(-EINVAL,
			  st_map_at(self->fd, self->env.ioas, memory, st_page, msi.start));
	} else {
		ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory, st_page, msi.start));
		EXPECT_EQ(-EADDRINUSE, st_attach(self->env.dev.fd, one));
		ASSERT_EQ(0, st_unmap(self->fd, self->env.ioas, msi.start, st_page));
	}

	EXPECT_EQ(0, iommufd_destroy(self->fd, one));
	EXPECT_EQ(self->env.before.vm_pin + 1024, st_vm_pin());
	EXPECT_EQ(0, iommufd_destroy(self->fd, two));
	EXPECT_TRUE(st_counters_are(&self->env.before));
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory, st_page, msi.start));
}

TEST_F(hwpt, failures_leave_nothing)
{
	struct iommu_hwpt_alloc *cmd;
	__u32 table;

	/* One page is there, the next one is not. */
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, st_memory(st_page), st_page, ST_IOVA));
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, (void *)st_page, st_page,
			       2 * ST_IOVA));
	EXPECT_EQ(-EFAULT, alloc(&self->env, &table));
	EXPECT_TRUE(st_counters_are(&self->env.before));
	ASSERT_EQ(0, st_unmap(self->fd, self->env.ioas, 2 * ST_IOVA, st_page));

	/* The ID cannot be told. */
	cmd = st_memory(st_page);
	*cmd = request(&self->env);
	mprotect(cmd, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_HWPT_ALLOC, cmd));
	munmap(cmd, st_page);
	EXPECT_TRUE(st_counters_are(&self->env.before));
	EXPECT_TRUE(ioas_is_free(&self->env));
}

/* A file with tables, attached or not, may be closed as it is. */
TEST_F(hwpt, close_with_tables)
{
	__u32 one, two;

	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	ASSERT_EQ(0, alloc(&self->env, &one));
	ASSERT_EQ(0, alloc(&self->env, &two));
	ASSERT_EQ(0, st_attach(self->env.dev.fd, two));
}

FIXTURE(hwpt_dma)
{
	struct st_env env;	/* with an edu device on a table of the program's own */
	__u32 table;
};

FIXTURE_SETUP(hwpt_dma)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = st_env_add_device(&self->env, ST_EDU);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, alloc(&self->env, &self->table));
	ASSERT_EQ(0, st_attach(self->env.dev.fd, self->table));
	ASSERT_EQ(0, st_edu_start(&self->env));
}

FIXTURE_TEARDOWN(hwpt_dma)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* What was mapped before a table was made, and what is mapped while it is used. */
TEST_F(hwpt_dma, shows_the_ioas)
{
	struct st_env *env = &self->env;
	unsigned char *memory = st_memory(4 * st_page);
	__u32 later;

	st_fill(memory, 3, 4 * st_page);
	ASSERT_EQ(0, st_map_at(env->iommufd, env->ioas, memory, 4 * st_page, ST_IOVA));
	EXPECT_EQ(0, st_device_sees(env, ST_IOVA + st_page, memory + st_page,
				    EDU_BUFFER_SIZE));

	ASSERT_EQ(0, alloc(env, &later));
	ASSERT_EQ(0, st_attach(env->dev.fd, later));
	EXPECT_EQ(0, st_device_sees(env, ST_IOVA + 2 * st_page, memory + 2 * st_page,
				    EDU_BUFFER_SIZE));
	ASSERT_EQ(0, st_device_fills(env, ST_IOVA + 3 * st_page, 77, EDU_BUFFER_SIZE));
	EXPECT_TRUE(st_filled(memory + 3 * st_page, 77, EDU_BUFFER_SIZE));
	EXPECT_EQ(0, iommufd_destroy(env->iommufd, self->table));

	/* Taken away, and seen no more. */
	ASSERT_EQ(0, st_unmap(env->iommufd, env->ioas, ST_IOVA, 4 * st_page));
	EXPECT_EQ(-EBADMSG, st_device_sees(env, ST_IOVA, memory, EDU_BUFFER_SIZE));
}

/* A table over another IOAS shows other memory, from one DMA to the next. */
TEST_F(hwpt_dma, replace_changes_the_memory)
{
	struct st_env *env = &self->env;
	unsigned char *first = st_memory(st_page), *second = st_memory(st_page);
	__u32 ioas, one = env->ioas, table;

	st_fill(first, 1, st_page);
	st_fill(second, 2, st_page);
	ASSERT_EQ(0, ioas_alloc(env->iommufd, &ioas));
	ASSERT_EQ(0, st_map_at(env->iommufd, one, first, st_page, ST_IOVA));
	ASSERT_EQ(0, st_map_at(env->iommufd, ioas, second, st_page, ST_IOVA));
	EXPECT_EQ(0, st_device_sees(env, ST_IOVA, first, EDU_BUFFER_SIZE));

	env->ioas = ioas;
	ASSERT_EQ(0, alloc(env, &table));
	ASSERT_EQ(0, st_attach(env->dev.fd, table));
	EXPECT_EQ(0, st_device_sees(env, ST_IOVA, second, EDU_BUFFER_SIZE));
	env->ioas = one;
	ASSERT_EQ(0, st_attach(env->dev.fd, self->table));
	EXPECT_EQ(0, st_device_sees(env, ST_IOVA, first, EDU_BUFFER_SIZE));
}

TEST_HARNESS_MAIN
