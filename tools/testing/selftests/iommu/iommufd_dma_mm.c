// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What devices see while processes fork, exec and exit, and while pages are
 * copied on write. Memory that all processes of a test share carries the
 * results; a child returns 0 or the number of the step that failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define CHUNK	EDU_BUFFER_SIZE

FIXTURE(mm)
{
	struct st_env env;
	unsigned char *memory;		/* private, one page */
	unsigned char *expected;	/* what the device should see */
};

FIXTURE_SETUP(mm)
{
	int rc = st_env_open_attached(&self->env, ST_EDU);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_edu_start(&self->env));
	self->memory = st_memory(st_page);
	self->expected = st_memory(st_page);
	st_fill(self->expected, 2, st_page);
}

FIXTURE_TEARDOWN(mm)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map(struct _test_data_mm *self, __u32 flags)
{
	__u64 iova = ST_IOVA;

	return st_map(self->env.iommufd, self->env.ioas, flags | ST_FIXED, self->memory, st_page,
		      &iova);
}

static int unmap(struct _test_data_mm *self)
{
	return st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, st_page);
}

static int sees(struct _test_data_mm *self)
{
	return st_device_sees(&self->env, ST_IOVA, self->expected, CHUNK);
}

/* A child that shares our pages until it is told to go. */
static pid_t start_sharer(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (;;)
		pause();
}

static void stop_sharer(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/*
 * A page shared with a child would be replaced by our next write. The device
 * must follow, so a mapping for reading has to make the page ours first.
 */
TEST_F(mm, read_only_of_a_shared_page)
{
	pid_t pid;

	st_fill(self->memory, 1, st_page);
	pid = start_sharer();
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, map(self, ST_R));
	st_fill(self->memory, 2, st_page);
	EXPECT_EQ(0, sees(self));
	stop_sharer(pid);
	EXPECT_EQ(0, sees(self));
}

/* Memory that was never written is one page of zeros for all, until it is. */
TEST_F(mm, read_only_of_the_zero_page)
{
	EXPECT_EQ(0, __atomic_load_n(self->memory, __ATOMIC_RELAXED));
	ASSERT_EQ(0, map(self, ST_R));
	st_fill(self->memory, 2, st_page);
	EXPECT_EQ(0, sees(self));
}

TEST_F(mm, read_only_of_untouched_memory)
{
	ASSERT_EQ(0, map(self, ST_R));
	st_fill(self->memory, 2, st_page);
	EXPECT_EQ(0, sees(self));
}

TEST_F(mm, read_only_of_a_private_file)
{
	int file = st_memfd(st_page, 0);

	ASSERT_LE(0, file);
	munmap(self->memory, st_page);
	self->memory = mmap(NULL, st_page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
	EXPECT_EQ(0, __atomic_load_n(self->memory, __ATOMIC_RELAXED));
	ASSERT_EQ(0, map(self, ST_R));
	st_fill(self->memory, 2, st_page);
	EXPECT_EQ(0, sees(self));
	close(file);
}

/* What is mapped stays the parent's, whatever parent and child write later. */
static int child_writes(void *argument)
{
	struct _test_data_mm *self = argument;

	st_fill(self->memory, 77, st_page);
	return 0;
}

TEST_F(mm, fork_after_map)
{
	pid_t pid;

	st_fill(self->memory, 2, st_page);
	ASSERT_EQ(0, map(self, ST_RW));
	ASSERT_EQ(0, st_in_child(child_writes, self));
	EXPECT_EQ(0, sees(self));

	pid = start_sharer();
	ASSERT_LT(0, pid);
	st_fill(self->memory, 3, st_page);
	st_fill(self->expected, 3, st_page);
	EXPECT_EQ(0, sees(self));
	EXPECT_EQ(0, st_device_fills(&self->env, ST_IOVA, 4, CHUNK));
	EXPECT_TRUE(st_filled(self->memory, 4, CHUNK));
	stop_sharer(pid);
}

/* Mapped without a page table: who attaches later lends none of its memory. */
static int child_attaches(void *argument)
{
	struct _test_data_mm *self = argument;

	st_fill(self->memory, 77, st_page);
	return st_attach(self->env.dev.fd, self->env.ioas) ? 1 : 0;
}

TEST_F(mm, attached_by_a_child)
{
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	st_fill(self->memory, 2, st_page);
	ASSERT_EQ(0, map(self, ST_RW));
	ASSERT_EQ(0, st_in_child(child_attaches, self));
	EXPECT_EQ(0, sees(self));
	EXPECT_EQ(self->env.before.vm_pin + (long long)(st_page / ST_KIB), st_vm_pin());
	EXPECT_EQ(0, unmap(self));
}

static int child_maps(void *argument)
{
	struct _test_data_mm *self = argument;

	st_fill(self->memory, 2, st_page);
	return map(self, ST_RW) ? 1 : 0;
}

/* Pinned memory of a process that is gone still belongs to the device. */
TEST_F(mm, mapper_exits)
{
	ASSERT_EQ(0, st_in_child(child_maps, self));
	EXPECT_EQ(0, sees(self));
	EXPECT_EQ(0, st_device_fills(&self->env, ST_IOVA, 5, CHUNK));
	st_fill(self->expected, 5, st_page);
	EXPECT_EQ(0, sees(self));
	EXPECT_EQ(0, unmap(self));
}

/* A second page table gets pages that only the first one holds. */
TEST_F(mm, mapper_exits_and_copy)
{
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->env.ioas,
		.src_ioas_id = self->env.ioas,
		.length = st_page,
		.dst_iova = 2 * ST_IOVA,
		.src_iova = ST_IOVA,
	};

	ASSERT_EQ(0, st_in_child(child_maps, self));
	ASSERT_EQ(0, st_copy(self->env.iommufd, &copy));
	EXPECT_EQ(0, unmap(self));
	EXPECT_EQ(0, st_device_sees(&self->env, 2 * ST_IOVA, self->expected, CHUNK));
}

/* Not pinned when its process went: there is nothing left to show. */
TEST_F(mm, mapper_exits_unpinned)
{
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, st_in_child(child_maps, self));
	EXPECT_EQ(-EFAULT, st_attach(self->env.dev.fd, self->env.ioas));
	ASSERT_EQ(0, unmap(self));
	EXPECT_EQ(0, st_attach(self->env.dev.fd, self->env.ioas));
}

static int child_maps_and_execs(void *argument)
{
	struct _test_data_mm *self = argument;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (child_maps(self))
		return 11;
	fcntl(self->env.iommufd, F_SETFD, 0);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execl("/proc/self/exe", "list", "-l", (char *)NULL);
	return 12;
}

/* exec is an exit as far as memory goes. The list of tests ends with 4. */
TEST_F(mm, mapper_execs)
{
	ASSERT_EQ(4, st_in_child(child_maps_and_execs, self));
	EXPECT_EQ(0, sees(self));
	EXPECT_EQ(0, unmap(self));
}

static int child_maps_file(void *argument)
{
	struct _test_data_mm *self = argument;
	int file = st_memfd(st_page, 0);
	unsigned char *memory;
	__u64 iova = ST_IOVA;

	memory = mmap(NULL, st_page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		return 1;
	st_fill(memory, 2, st_page);
	return st_map_file(self->env.iommufd, self->env.ioas, ST_RW | ST_FIXED, file, 0, st_page,
			   &iova) ? 2 : 0;
}

/* A file's mapping needs nobody: it can even be pinned later. */
TEST_F(mm, file_mapper_exits)
{
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, st_in_child(child_maps_file, self));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_EQ(0, sees(self));
	EXPECT_EQ(0, unmap(self));
}

/* The pages stay the device's when the program takes its mapping away. */
TEST_F(mm, program_unmaps)
{
	st_fill(self->memory, 2, st_page);
	ASSERT_EQ(0, map(self, ST_RW));
	ASSERT_EQ(0, munmap(self->memory, st_page));
	EXPECT_EQ(0, sees(self));
	EXPECT_EQ(0, unmap(self));
}

/* A bound device keeps page tables and mappings alive without /dev/iommu. */
TEST_F(mm, iommufd_closed)
{
	st_fill(self->memory, 1, st_page);
	ASSERT_EQ(0, map(self, ST_RW));
	st_fill(self->env.desk, 6, st_page);
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, self->env.desk, st_page,
			       2 * ST_IOVA));
	close(self->env.iommufd);
	self->env.iommufd = -1;

	ASSERT_EQ(0, edu_read_memory(&self->env.edu, 2 * ST_IOVA, CHUNK));
	ASSERT_EQ(0, edu_write_memory(&self->env.edu, ST_IOVA, CHUNK));
	EXPECT_TRUE(st_filled(self->memory, 6, CHUNK));
}

/* The IOMMU's view of a page that moves in memory must not go stale. */
TEST_F(mm, remapped_elsewhere)
{
	unsigned char *moved;

	st_fill(self->memory, 2, st_page);
	ASSERT_EQ(0, map(self, ST_RW));
	moved = mremap(self->memory, st_page, st_page, MREMAP_MAYMOVE | MREMAP_FIXED,
		       st_memory(st_page));
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_EQ(0, sees(self));
	EXPECT_EQ(0, st_device_fills(&self->env, ST_IOVA, 8, CHUNK));
	EXPECT_TRUE(st_filled(moved, 8, CHUNK));
	EXPECT_EQ(0, unmap(self));
}

TEST_HARNESS_MAIN
