// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_IOAS_MAP_FILE: memfds and hugetlbfs, with their open mode and seals.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(map_file)
{
	struct st_env env;
	struct iommu_iova_range msi;
	int fd, memfd;
	__u32 ioas;
};

FIXTURE_VARIANT(map_file)
{
	bool attached;
};

FIXTURE_VARIANT_ADD(map_file, alone)
{
	.attached = false,
};

FIXTURE_VARIANT_ADD(map_file, device)
{
	.attached = true,
};

FIXTURE_SETUP(map_file)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
	self->ioas = self->env.ioas;
	self->memfd = st_memfd(ST_MIB, MFD_ALLOW_SEALING);
	ASSERT_LE(0, self->memfd);
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_msi_window(&self->env, &self->msi));
	if (variant->attached)
		ASSERT_EQ(0, vfio_attach(&self->env.dev, self->ioas));
}

FIXTURE_TEARDOWN(map_file)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map_at(struct _test_data_map_file *self, __u32 flags, int file, __u64 start,
		  __u64 length, __u64 iova)
{
	return st_map_file(self->fd, self->ioas, flags | ST_FIXED, file, start, length, &iova);
}

static bool unchanged(struct _test_data_map_file *self)
{
	__u64 length = 1;

	return !st_unmap_all(self->fd, self->ioas, &length) && !length &&
	       st_counters_are(&self->env.before);
}

/* Reopen a file with less rights than it was opened with. */
static int reopen(int file, int mode)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return open(path, mode | O_CLOEXEC);
}

TEST_F(map_file, order_of_refusals)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = 1u << 31,
		.ioas_id = ST_NO_ID,
		.fd = -1,
		.start = ST_MAX,
		.length = ST_MAX,
		.iova = ST_MAX,
	};

	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.flags = 1u << 3;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.flags = 0;
	EXPECT_EQ(-EOVERFLOW, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.iova = 0;
	EXPECT_EQ(-EOVERFLOW, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.length = st_page;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.flags = ST_RW;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.ioas_id = self->ioas;
	map.start = 0;
	EXPECT_EQ(-EBADF, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.fd = self->memfd;
	map.start = -st_page;
	map.length = 2 * st_page;
	EXPECT_EQ(-EOVERFLOW, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.length = 0;
	map.start = 0;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	map.length = st_page;
	EXPECT_EQ(0, st_call(self->fd, IOMMU_IOAS_MAP_FILE, &map));
	EXPECT_NE(0, map.iova);
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, map.iova, st_page));
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map_file, place)
{
	EXPECT_EQ(-EOVERFLOW, map_at(self, ST_RW, self->memfd, 0, 2 * st_page, -st_page));
	ASSERT_EQ(0, map_at(self, ST_RW, self->memfd, 0, 4 * st_page, ST_IOVA));
	EXPECT_EQ(-EEXIST, map_at(self, ST_RW, self->memfd, 0, st_page, ST_IOVA + 3 * st_page));
	if (variant->attached) {
		EXPECT_EQ(-EINVAL, map_at(self, ST_RW, self->memfd, 1, st_page, 2 * ST_IOVA));
		EXPECT_EQ(-EINVAL, map_at(self, ST_RW, self->memfd, 0, 100, 2 * ST_IOVA));
		EXPECT_EQ(-EINVAL, map_at(self, ST_RW, self->memfd, 0, st_page, 2 * ST_IOVA + 1));
		EXPECT_EQ(-EINVAL, map_at(self, ST_RW, self->memfd, 0, st_page,
					  self->msi.start));
	}
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, 4 * st_page));
	EXPECT_TRUE(unchanged(self));
}

/* No page table: the kind of file may be judged at the attach instead. */
static void expect_no_memory_file(struct __test_metadata *_metadata,
				  struct _test_data_map_file *self, bool attached, int file,
				  __u64 start, __u64 length)
{
	int rc = map_at(self, ST_R, file, start, length, ST_IOVA);

	if (!rc && !attached) {
		rc = st_attach(self->env.dev.fd, self->ioas);
		EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, length));
	}
	EXPECT_EQ(-EINVAL, rc);
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map_file, other_kinds_of_file)
{
	int pipes[2], file;

	file = open("/dev/null", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, file);
	expect_no_memory_file(_metadata, self, variant->attached, file, 0, st_page);
	close(file);

	file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, file);
	expect_no_memory_file(_metadata, self, variant->attached, file, 0, st_page);
	close(file);

	file = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, file);
	expect_no_memory_file(_metadata, self, variant->attached, file, 0, st_page);
	close(file);

	file = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, file);
	expect_no_memory_file(_metadata, self, variant->attached, file, 0, st_page);
	close(file);

	ASSERT_EQ(0, pipe(pipes));
	expect_no_memory_file(_metadata, self, variant->attached, pipes[0], 0, st_page);
	close(pipes[0]);
	close(pipes[1]);

	expect_no_memory_file(_metadata, self, variant->attached, self->fd, 0, st_page);
	expect_no_memory_file(_metadata, self, variant->attached, self->env.dev.fd, 0, st_page);
}

TEST_F(map_file, closed_file)
{
	int file = reopen(self->memfd, O_PATH);

	ASSERT_LE(0, file);
	EXPECT_EQ(-EBADF, map_at(self, ST_R, file, 0, st_page, ST_IOVA));
	close(file);
	EXPECT_EQ(-EBADF, map_at(self, ST_R, file, 0, st_page, ST_IOVA));
	EXPECT_EQ(-EBADF, map_at(self, ST_R, 100000, 0, st_page, ST_IOVA));
}

TEST_F(map_file, past_the_end)
{
	int empty = st_memfd(0, 0);

	expect_no_memory_file(_metadata, self, variant->attached, self->memfd, ST_MIB, st_page);
	expect_no_memory_file(_metadata, self, variant->attached, self->memfd, 64 * ST_MIB,
			      st_page);
	expect_no_memory_file(_metadata, self, variant->attached, self->memfd, ST_MIB - st_page,
			      2 * st_page);
	ASSERT_LE(0, empty);
	expect_no_memory_file(_metadata, self, variant->attached, empty, 0, st_page);
	close(empty);
}

/* A descriptor that may not write cannot lend a device the right to. */
TEST_F(map_file, opened_read_only)
{
	int file = reopen(self->memfd, O_RDONLY), rc;

	ASSERT_LE(0, file);
	rc = map_at(self, ST_RW, file, 0, st_page, ST_IOVA);
	EXPECT_TRUE(rc == -EACCES || rc == -EPERM);
	rc = map_at(self, ST_W, file, 0, st_page, ST_IOVA);
	EXPECT_TRUE(rc == -EACCES || rc == -EPERM);
	EXPECT_EQ(0, map_at(self, ST_R, file, 0, st_page, ST_IOVA));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
	close(file);

	/* One that may not read either. */
	file = reopen(self->memfd, O_WRONLY);
	ASSERT_LE(0, file);
	rc = map_at(self, ST_R, file, 0, st_page, ST_IOVA);
	EXPECT_TRUE(rc == 0 || rc == -EACCES || rc == -EPERM);
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
	close(file);
	EXPECT_TRUE(unchanged(self));
}

static void expect_sealed(struct __test_metadata *_metadata, struct _test_data_map_file *self)
{
	int rc = map_at(self, ST_RW, self->memfd, 0, st_page, ST_IOVA);

	EXPECT_TRUE(rc == -EPERM || rc == -EACCES) {
		TH_LOG("writable: %d", rc);
	}
	EXPECT_EQ(0, map_at(self, ST_R, self->memfd, 0, st_page, ST_IOVA));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map_file, sealed_against_writing)
{
	ASSERT_EQ(0, fcntl(self->memfd, F_ADD_SEALS, F_SEAL_WRITE));
	expect_sealed(_metadata, self);
}

TEST_F(map_file, sealed_against_new_writers)
{
	ASSERT_EQ(0, fcntl(self->memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	expect_sealed(_metadata, self);
}

/* A seal promises that nobody writes: it cannot be set while a device can. */
TEST_F(map_file, seal_while_mapped)
{
	int rc;

	ASSERT_EQ(0, map_at(self, ST_RW, self->memfd, 0, st_page, ST_IOVA));
	rc = fcntl(self->memfd, F_ADD_SEALS, F_SEAL_WRITE) ? -errno : 0;
	EXPECT_TRUE(rc == -EBUSY || (!rc && !variant->attached));
	if (!rc)
		EXPECT_NE(0, st_attach(self->env.dev.fd, self->ioas));
	ASSERT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, st_page));
	if (rc)
		EXPECT_EQ(0, fcntl(self->memfd, F_ADD_SEALS, F_SEAL_WRITE));
}

/* Mapped to be read only, which leaves the file free to be sealed. */
TEST_F(map_file, shrink_while_mapped)
{
	ASSERT_EQ(0, map_at(self, ST_R, self->memfd, 0, 4 * st_page, ST_IOVA));
	EXPECT_EQ(0, ftruncate(self->memfd, st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, 4 * st_page));
	EXPECT_TRUE(unchanged(self));
}

TEST_F(map_file, outlives_descriptor_and_mapping)
{
	long long pinned = variant->attached ? ST_MIB / ST_KIB : 0;

	ASSERT_EQ(0, map_at(self, ST_RW, self->memfd, 0, ST_MIB, ST_IOVA));
	close(self->memfd);
	EXPECT_EQ(self->env.before.vm_pin + pinned, st_vm_pin());
	if (!variant->attached) {
		ASSERT_EQ(0, st_attach(self->env.dev.fd, self->ioas));
		EXPECT_EQ(self->env.before.vm_pin + (long long)(ST_MIB / ST_KIB), st_vm_pin());
	}
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, ST_MIB));
	EXPECT_TRUE(unchanged(self));
}

/* A result that cannot be written leaves the mapping. */
TEST_F(map_file, result_cannot_be_written)
{
	struct iommu_ioas_map_file *map = (void *)st_memory(st_page);

	*map = (struct iommu_ioas_map_file){
		.size = sizeof(*map),
		.flags = ST_RW | ST_FIXED,
		.ioas_id = self->ioas,
		.fd = self->memfd,
		.length = st_page,
		.iova = ST_IOVA,
	};
	ASSERT_EQ(0, mprotect(map, st_page, PROT_READ));
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_IOAS_MAP_FILE, map));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, st_page));
	EXPECT_EQ(0, munmap(map, st_page));
}

TEST_F(map_file, huge_pages)
{
	int file = st_memfd(2 * ST_HUGE, MFD_HUGETLB);

	if (file < 0 || fallocate(file, 0, 0, 2 * ST_HUGE))
		SKIP(return, "no huge pages are free");
	ASSERT_EQ(0, map_at(self, ST_RW, file, 0, 2 * ST_HUGE, ST_IOVA));
	ASSERT_EQ(0, map_at(self, ST_RW, file, ST_HUGE - st_page, 2 * st_page, 2 * ST_IOVA));
	if (variant->attached)
		EXPECT_EQ(self->env.before.vm_pin +
			  (long long)((2 * ST_HUGE + 2 * st_page) / ST_KIB), st_vm_pin());
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, 2 * ST_IOVA, 2 * st_page));
	EXPECT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, 2 * ST_HUGE));
	expect_no_memory_file(_metadata, self, variant->attached, file, 2 * ST_HUGE, st_page);
	close(file);
}

TEST_HARNESS_MAIN
