// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Every refusal leaves a line in the file's fdinfo: which call, its errno, why,
 * and the numbers that decided. The other lines of fdinfo are looked at here
 * too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/capability.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(reasons)
{
	struct st_env env;
	struct iommu_iova_range msi;
	unsigned char *memory;
	int fd;
	__u32 ioas;
};

FIXTURE_SETUP(reasons)
{
	int rc = st_env_open_attached(&self->env, ST_QUICK);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_msi_window(&self->env, &self->msi));
	self->fd = self->env.iommufd;
	self->ioas = self->env.ioas;
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(reasons)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

#define EXPECT_TOLD(call, error, reason, number) \
	EXPECT_TRUE(st_told(self->fd, call, error, reason, number))

TEST_F(reasons, map)
{
	__u64 iova = 0;

	ASSERT_EQ(-EOPNOTSUPP, st_map(self->fd, self->ioas, 0x80 | ST_RW, self->memory, st_page,
				      &iova));
	EXPECT_TOLD("IOAS_MAP", EOPNOTSUPP, "bad-flags", 0x80 | ST_RW);
	ASSERT_EQ(-EINVAL, st_map(self->fd, self->ioas, 0, self->memory, st_page, &iova));
	EXPECT_TOLD("IOAS_MAP", EINVAL, "bad-flags", 0);
	ASSERT_EQ(-ENOENT, st_map_at(self->fd, ST_NO_ID, self->memory, st_page, ST_IOVA));
	EXPECT_TOLD("IOAS_MAP", ENOENT, "no-object", ST_NO_ID);
	ASSERT_EQ(-ENOENT, st_map_at(self->fd, self->env.dev.id, self->memory, st_page,
				     ST_IOVA));
	EXPECT_TOLD("IOAS_MAP", ENOENT, "no-object", self->env.dev.id);
	ASSERT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, 0, ST_IOVA));
	EXPECT_TOLD("IOAS_MAP", EINVAL, "bad-size", 0);
	ASSERT_EQ(-EOVERFLOW, st_map_at(self->fd, self->ioas, self->memory, ST_MAX, ST_IOVA));
	EXPECT_TOLD("IOAS_MAP", EOVERFLOW, "overflow", ST_MAX);
	ASSERT_EQ(-EOVERFLOW, st_map_at(self->fd, self->ioas, self->memory, 2 * st_page,
					-st_page));
	EXPECT_TOLD("IOAS_MAP", EOVERFLOW, "overflow", 2 * st_page);
	ASSERT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, st_page, ST_IOVA + 5));
	EXPECT_TOLD("IOAS_MAP", EINVAL, "misaligned", ST_IOVA + 5);
	ASSERT_EQ(-EINVAL, st_map_at(self->fd, self->ioas, self->memory, 2 * st_page,
				     self->msi.last + 1 - st_page));
	EXPECT_TOLD("IOAS_MAP", EINVAL, "reserved", self->msi.start);

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, 4 * st_page, ST_IOVA));
	ASSERT_EQ(-EEXIST, st_map_at(self->fd, self->ioas, self->memory, 4 * st_page,
				     ST_IOVA + 2 * st_page));
	EXPECT_TOLD("IOAS_MAP", EEXIST, "overlap", ST_IOVA);
	ASSERT_EQ(-ENOSPC, st_map(self->fd, self->ioas, ST_RW, NULL, 1ull << 62, &iova));
	EXPECT_TOLD("IOAS_MAP", ENOSPC, "no-space", 1ull << 62);
	ASSERT_EQ(-EFAULT, st_map_at(self->fd, self->ioas, (void *)st_page, st_page,
				     2 * ST_IOVA));
	EXPECT_TOLD("IOAS_MAP", EFAULT, "fault", st_page);
}

TEST_F(reasons, map_file)
{
	int sealed = st_memfd(ST_MIB, MFD_ALLOW_SEALING), null, read_only, rc;
	char path[64];

	ASSERT_LE(0, sealed);
	ASSERT_EQ(-EBADF, st_map_file(self->fd, self->ioas, ST_RW, 999, 0, st_page, NULL));
	EXPECT_TOLD("IOAS_MAP_FILE", EBADF, "bad-file", 999);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(-EINVAL, st_map_file(self->fd, self->ioas, ST_RW, null, 0, st_page, NULL));
	EXPECT_TOLD("IOAS_MAP_FILE", EINVAL, "bad-file", null);
	ASSERT_EQ(-EINVAL, st_map_file(self->fd, self->ioas, ST_RW, sealed, ST_MIB, st_page,
				       NULL));
	EXPECT_TOLD("IOAS_MAP_FILE", EINVAL, "bad-file", ST_MIB);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", sealed);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, read_only);
	rc = st_map_file(self->fd, self->ioas, ST_RW, read_only, 0, st_page, NULL);
	ASSERT_GT(0, rc);
	EXPECT_TOLD("IOAS_MAP_FILE", -rc, "permission", read_only);
	ASSERT_EQ(0, fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE));
	rc = st_map_file(self->fd, self->ioas, ST_RW, sealed, 0, st_page, NULL);
	ASSERT_GT(0, rc);
	EXPECT_TOLD("IOAS_MAP_FILE", -rc, "sealed", sealed);
}

TEST_F(reasons, copy)
{
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->ioas,
		.src_ioas_id = self->ioas,
		.length = st_page,
		.dst_iova = 4 * ST_IOVA,
		.src_iova = ST_IOVA,
	};
	__u64 iova = ST_IOVA;

	ASSERT_EQ(-ENOENT, st_copy(self->fd, &copy));
	EXPECT_TOLD("IOAS_COPY", ENOENT, "hole", ST_IOVA);
	self->memory[0] = 1;
	ASSERT_EQ(0, st_map(self->fd, self->ioas, ST_R | ST_FIXED, self->memory, st_page, &iova));
	ASSERT_EQ(-EPERM, st_copy(self->fd, &copy));
	EXPECT_TOLD("IOAS_COPY", EPERM, "permission", ST_IOVA);
	copy.flags = ST_R | ST_FIXED;
	copy.dst_iova = ST_IOVA;
	ASSERT_EQ(-EEXIST, st_copy(self->fd, &copy));
	EXPECT_TOLD("IOAS_COPY", EEXIST, "overlap", ST_IOVA);
	copy.length = 0;
	ASSERT_EQ(-EINVAL, st_copy(self->fd, &copy));
	EXPECT_TOLD("IOAS_COPY", EINVAL, "bad-size", 0);
}

TEST_F(reasons, unmap)
{
	ASSERT_EQ(-ENOENT, st_unmap(self->fd, self->ioas, ST_IOVA, st_page));
	EXPECT_TOLD("IOAS_UNMAP", ENOENT, "hole", ST_IOVA);
	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, 4 * st_page, ST_IOVA));
	ASSERT_EQ(-ENOENT, st_unmap(self->fd, self->ioas, ST_IOVA, 2 * st_page));
	EXPECT_TOLD("IOAS_UNMAP", ENOENT, "partial", ST_IOVA + 4 * st_page - 1);
	ASSERT_EQ(-EOVERFLOW, st_unmap(self->fd, self->ioas, 1, ST_MAX));
	EXPECT_TOLD("IOAS_UNMAP", EOVERFLOW, "overflow", ST_MAX);
	ASSERT_EQ(-EINVAL, st_unmap(self->fd, self->ioas, ST_IOVA, 0));
	EXPECT_TOLD("IOAS_UNMAP", EINVAL, "bad-size", ST_IOVA);
}

TEST_F(reasons, objects)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc), .flags = 0x40 };
	struct iommu_iova_range backwards = { .start = ST_MIB, .last = st_page };
	struct iommu_ioas_iova_ranges ranges = { .size = sizeof(ranges), .ioas_id = self->ioas };
	__u64 value;

	ASSERT_EQ(-EBUSY, iommufd_destroy(self->fd, self->ioas));
	EXPECT_TOLD("DESTROY", EBUSY, "busy", self->ioas);
	ASSERT_EQ(-EBUSY, iommufd_destroy(self->fd, self->env.dev.id));
	EXPECT_TOLD("DESTROY", EBUSY, "busy", self->env.dev.id);
	ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, ST_NO_ID));
	EXPECT_TOLD("DESTROY", ENOENT, "no-object", ST_NO_ID);
	ASSERT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_IOAS_ALLOC, &alloc));
	EXPECT_TOLD("IOAS_ALLOC", EOPNOTSUPP, "bad-flags", 0x40);
	alloc.size = 4;
	ASSERT_EQ(-EINVAL, st_call(self->fd, IOMMU_IOAS_ALLOC, &alloc));
	EXPECT_TOLD("IOAS_ALLOC", EINVAL, "bad-size", 4);
	ASSERT_EQ(-EFAULT, st_call(self->fd, IOMMU_IOAS_ALLOC, NULL));
	EXPECT_TOLD("IOAS_ALLOC", EFAULT, "fault", 0);
	ASSERT_EQ(-EINVAL, st_allow(self->fd, self->ioas, &backwards, 1));
	EXPECT_TOLD("IOAS_ALLOW_IOVAS", EINVAL, "bad-argument", ST_MIB);
	ASSERT_EQ(-EADDRINUSE, st_allow(self->fd, self->ioas, &self->msi, 1));
	EXPECT_TOLD("IOAS_ALLOW_IOVAS", EADDRINUSE, "reserved", self->msi.start);
	ASSERT_EQ(-EMSGSIZE, st_call(self->fd, IOMMU_IOAS_IOVA_RANGES, &ranges));
	EXPECT_TOLD("IOAS_IOVA_RANGES", EMSGSIZE, "bad-size", 0);
	ASSERT_EQ(-EBUSY, st_option_set(self->fd, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_TOLD("OPTION", EBUSY, "busy", 0);
	ASSERT_EQ(-EINVAL, st_option_set(self->fd, IOMMU_OPTION_HUGE_PAGES, self->ioas, 7));
	EXPECT_TOLD("OPTION", EINVAL, "bad-argument", 7);
	ASSERT_EQ(-ENOENT, st_option_get(self->fd, IOMMU_OPTION_HUGE_PAGES, ST_NO_ID, &value));
	EXPECT_TOLD("OPTION", ENOENT, "no-object", ST_NO_ID);
}

TEST_F(reasons, devices)
{
	struct iommu_hw hw;
	__u32 other;

	ASSERT_EQ(-ENOENT, st_attach(self->env.dev.fd, ST_NO_ID));
	EXPECT_TOLD("DEVICE_REPLACE", ENOENT, "no-object", ST_NO_ID);
	ASSERT_EQ(-EINVAL, st_attach(self->env.dev.fd, self->env.dev.id));
	EXPECT_TOLD("DEVICE_REPLACE", EINVAL, "bad-argument", self->env.dev.id);
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(-ENOENT, st_attach(self->env.dev.fd, ST_NO_ID));
	EXPECT_TOLD("DEVICE_ATTACH", ENOENT, "no-object", ST_NO_ID);
	ASSERT_EQ(-ENOENT, iommufd_hw_info(self->fd, ST_NO_ID, &hw));
	EXPECT_TOLD("GET_HW_INFO", ENOENT, "no-object", ST_NO_ID);

	ASSERT_EQ(0, ioas_alloc(self->fd, &other));
	ASSERT_EQ(0, st_map_at(self->fd, other, self->memory, st_page, self->msi.start));
	ASSERT_EQ(-EADDRINUSE, st_attach(self->env.dev.fd, other));
	EXPECT_TOLD("DEVICE_ATTACH", EADDRINUSE, "reserved", self->msi.start);
	ASSERT_EQ(0, st_unmap_all(self->fd, other, NULL));
	ASSERT_EQ(0, st_map_at(self->fd, other, self->memory, 100, ST_IOVA));
	ASSERT_EQ(-EADDRINUSE, st_attach(self->env.dev.fd, other));
	EXPECT_TOLD("DEVICE_ATTACH", EADDRINUSE, "misaligned", ST_IOVA);
	ASSERT_EQ(0, st_unmap_all(self->fd, other, NULL));
	ASSERT_EQ(0, st_map_at(self->fd, other, (void *)st_page, st_page, ST_IOVA));
	ASSERT_EQ(-EFAULT, st_attach(self->env.dev.fd, other));
	EXPECT_TOLD("DEVICE_ATTACH", EFAULT, "fault", st_page);
}

static int child_over_limit(void *argument)
{
	struct _test_data_reasons *self = argument;

	if (st_limit_memlock(ST_MIB))
		return 1;
	if (st_map_at(self->fd, self->ioas, st_memory(2 * ST_MIB), 2 * ST_MIB, ST_IOVA) != -ENOMEM)
		return 2;
	return st_told(self->fd, "IOAS_MAP", ENOMEM, "memlock", 0) ? 0 : 3;
}

static int child_without_capability(void *argument)
{
	int bare = iommufd_open();

	if (st_drop_capability(CAP_SYS_RESOURCE))
		return 1;
	if (st_option_set(bare, IOMMU_OPTION_RLIMIT_MODE, 0, 1) != -EPERM)
		return 2;
	return st_told(bare, "OPTION", EPERM, "permission", 0) ? 0 : 3;
}

TEST_F(reasons, rights_and_limits)
{
	EXPECT_EQ(0, st_in_child(child_over_limit, self));
	EXPECT_EQ(0, st_in_child(child_without_capability, self));
}

static int child_maps(void *argument)
{
	struct _test_data_reasons *self = argument;

	return st_map_at(self->fd, self->ioas, self->memory, st_page, ST_IOVA) ? 1 : 0;
}

TEST_F(reasons, process_gone)
{
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, st_in_child(child_maps, self));
	ASSERT_EQ(-EFAULT, st_attach(self->env.dev.fd, self->ioas));
	EXPECT_TOLD("DEVICE_ATTACH", EFAULT, "process-gone", 0);
	ASSERT_EQ(-EINVAL, st_change_process(self->fd));
	EXPECT_TOLD("IOAS_CHANGE_PROCESS", EINVAL, "not-supported", 0);
}

TEST_F(reasons, success_says_nothing)
{
	unsigned int before = st_refusals(self->fd);

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, ST_IOVA));
	ASSERT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, st_page));
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->ioas));
	EXPECT_EQ(before, st_refusals(self->fd));
	EXPECT_EQ(0, before);
}

/* The last eight stay, each with its place in the sequence. */
TEST_F(reasons, last_eight)
{
	struct st_refusal last = {};
	unsigned int i;

	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, ST_NO_ID + i % 4));
		ASSERT_EQ(0, st_refusal(self->fd, &last));
		EXPECT_EQ(i, last.seq);
		EXPECT_EQ(i < 8 ? i : 8, st_refusals(self->fd));
	}
}

/* Each file has its own. */
TEST_F(reasons, of_this_file)
{
	int other = iommufd_open();

	ASSERT_LE(0, other);
	ASSERT_EQ(-ENOENT, iommufd_destroy(other, ST_NO_ID));
	EXPECT_EQ(1, st_refusals(other));
	EXPECT_EQ(0, st_refusals(self->fd));
	close(other);
}

TEST_F(reasons, fdinfo)
{
	__u32 device = self->env.dev.id, table = self->env.dev.pt_id;
	size_t mapped = ST_MIB + st_page;

	EXPECT_TRUE(st_fdinfo_shows(self->fd, "mode:\tuser\n"));
	EXPECT_EQ(0, st_fdinfo(self->fd, "pinned:"));
	EXPECT_EQ(0, st_fdinfo(self->fd, "charged:"));
	EXPECT_EQ(3, st_fdinfo(self->fd, "objects:"));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "device:\tid=%u name=%s group=%d", device,
				    self->env.dev.bdf, pci_iommu_group(self->env.dev.bdf)));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "attach:\tdevice=%u pasid=none hwpt=%u ioas=%u",
				    device, table, self->ioas));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "hwpt:\tid=%u ioas=%u auto=1", table, self->ioas));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "ioas:\tid=%u areas=0 mapped=0 hwpts=1 alignment=%zu",
				    self->ioas, st_page));

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, ST_MIB, ST_IOVA));
	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, 4 * ST_IOVA));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "ioas:\tid=%u areas=2 mapped=%zu hwpts=1",
				    self->ioas, mapped));
	EXPECT_EQ(mapped, st_fdinfo(self->fd, "pinned:"));
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	EXPECT_EQ(0, st_fdinfo(self->fd, "pinned:"));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "ioas:\tid=%u areas=2 mapped=%zu hwpts=0 alignment=1",
				    self->ioas, mapped));
	ASSERT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "ioas:\tid=%u areas=0 mapped=0", self->ioas));
}

TEST_HARNESS_MAIN
