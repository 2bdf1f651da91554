// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * vIOMMUs, vDEVICEs and hardware queues on the mock IOMMU.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define NUMBER	0x1234u
#define WORD	0xfeedf00du

FIXTURE(viommu)
{
	struct st_env env;
	struct st_mock dev;
	__u32 parent, viommu;
	int fd;
};

FIXTURE_SETUP(viommu)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->fd = self->env.iommufd;
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &self->dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT, &self->parent));
	ASSERT_EQ(0, st_mock_viommu(self->fd, &self->dev, self->parent, NULL, &self->viommu));
}

FIXTURE_TEARDOWN(viommu)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

TEST_F(viommu, alloc)
{
	struct iommu_viommu_selftest data = { .in_data = WORD };
	__u32 plain, id;

	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas, 0, &plain));
	EXPECT_EQ(-EINVAL, st_mock_viommu(self->fd, &self->dev, plain, NULL, &id));
	EXPECT_EQ(-EINVAL, st_mock_viommu(self->fd, &self->dev, self->dev.hwpt, NULL, &id));
	EXPECT_EQ(-ENOENT, st_mock_viommu(self->fd, &self->dev, self->env.ioas, NULL, &id));
	EXPECT_EQ(-ENOENT, st_mock_viommu(self->fd, &self->dev, ST_NO_ID, NULL, &id));
	ASSERT_EQ(0, st_mock_viommu(self->fd, &self->dev, self->parent, &data, &id));
	EXPECT_EQ(WORD, data.out_data);
	EXPECT_NE(0, data.out_mmap_offset);
	EXPECT_EQ(2 * st_page, data.out_mmap_length);

	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->parent));
	EXPECT_EQ(0, iommufd_destroy(self->fd, id));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->viommu));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->parent));
}

TEST_F(viommu, copy_out_fails)
{
	struct iommu_viommu_selftest data = { .in_data = WORD };
	struct iommu_viommu_alloc *cmd = st_memory(st_page);

	*cmd = (struct iommu_viommu_alloc) {
		.size = sizeof(*cmd),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = self->dev.id,
		.hwpt_id = self->parent,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	mprotect(cmd, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_VIOMMU_ALLOC, cmd));
	/* What the driver told of pages is not true any more. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, data.out_mmap_length, PROT_READ, MAP_SHARED, self->fd,
				   data.out_mmap_offset));
	EXPECT_EQ(ENXIO, errno);
	munmap(cmd, st_page);
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->viommu));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->parent));
}

static void *map_pages(int fd, __u64 offset, __u64 length, int prot, int flags)
{
	void *at = mmap(NULL, length, prot, flags, fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

TEST_F(viommu, mmap)
{
	struct iommu_viommu_selftest data = { .in_data = WORD };
	const int rw = PROT_READ | PROT_WRITE;
	__u64 offset, length;
	__u32 *pages;
	__u32 id;

	ASSERT_EQ(0, st_mock_viommu(self->fd, &self->dev, self->parent, &data, &id));
	offset = data.out_mmap_offset;
	length = data.out_mmap_length;

	/* Only all of it, shared, and not to be executed. */
	EXPECT_EQ(NULL, map_pages(self->fd, offset, length / 2, rw, MAP_SHARED));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(NULL, map_pages(self->fd, offset + st_page, length / 2, rw, MAP_SHARED));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(NULL, map_pages(self->fd, offset, 2 * length, rw, MAP_SHARED));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(NULL, map_pages(self->fd, 0, length, rw, MAP_SHARED));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(NULL, map_pages(self->fd, offset, length, rw, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(NULL, map_pages(self->fd, offset, length, rw | PROT_EXEC, MAP_SHARED));
	EXPECT_EQ(EPERM, errno);

	pages = map_pages(self->fd, offset, length, rw, MAP_SHARED);
	ASSERT_NE(NULL, pages);
	EXPECT_EQ(WORD, *pages);
	EXPECT_EQ(-1, mprotect(pages, length, rw | PROT_EXEC));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, id));

	/* A part of the mapping that is left holds it as well. */
	EXPECT_EQ(0, munmap(pages, st_page));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, id));
	EXPECT_EQ(0, munmap((char *)pages + st_page, st_page));
	EXPECT_EQ(0, iommufd_destroy(self->fd, id));
	EXPECT_EQ(NULL, map_pages(self->fd, offset, length, rw, MAP_SHARED));
	EXPECT_EQ(ENXIO, errno);
}

TEST_F(viommu, vdevice)
{
	struct st_mock other;
	__u32 id, second;

	EXPECT_EQ(-ENOENT, st_mock_vdevice(self->fd, self->parent, &self->dev, NUMBER, &id));
	ASSERT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &self->dev, NUMBER, &id));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "vdevice:\tid=%u viommu=%u device=%u number=%u", id,
				    self->viommu, self->dev.id, NUMBER));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->viommu));

	/* One for each device, one for each number. */
	EXPECT_EQ(-EEXIST, st_mock_vdevice(self->fd, self->viommu, &self->dev, NUMBER + 1,
					   &second));
	EXPECT_TRUE(st_told(self->fd, "VDEVICE_ALLOC", EEXIST, "busy", id));
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &other));
	EXPECT_EQ(-EEXIST, st_mock_vdevice(self->fd, self->viommu, &other, NUMBER, &second));
	EXPECT_TRUE(st_told(self->fd, "VDEVICE_ALLOC", EEXIST, "overlap", NUMBER));
	ASSERT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &other, ST_MAX, &second));

	/* A device can have one in one vIOMMU only. */
	EXPECT_EQ(0, iommufd_destroy(self->fd, id));
	ASSERT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &self->dev, NUMBER, &id));
	EXPECT_EQ(0, iommufd_destroy(self->fd, id));
	EXPECT_EQ(0, iommufd_destroy(self->fd, second));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->viommu));
}

TEST_F(viommu, vdevice_copy_out_fails)
{
	struct iommu_vdevice_alloc *cmd = st_memory(st_page);
	__u32 id;

	*cmd = (struct iommu_vdevice_alloc) {
		.size = sizeof(*cmd),
		.viommu_id = self->viommu,
		.dev_id = self->dev.id,
		.virt_id = NUMBER,
	};
	mprotect(cmd, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_VDEVICE_ALLOC, cmd));
	munmap(cmd, st_page);
	ASSERT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &self->dev, NUMBER, &id));
}

/* A table of the vIOMMU: the device has to be known to it first. */
TEST_F(viommu, nested)
{
	__u32 nested, vdevice;

	ASSERT_EQ(0, st_mock_nested(self->fd, &self->dev, self->viommu, 0, 0, &nested));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "hwpt-nested:\tid=%u parent=%u viommu=%u", nested,
				    self->parent, self->viommu));
	EXPECT_EQ(-ENOENT, st_mock_replace(self->fd, &self->dev, nested));
	ASSERT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &self->dev, NUMBER, &vdevice));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, nested));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->viommu));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, nested));

	/* What cannot be asked of it. */
	EXPECT_EQ(-EOPNOTSUPP, st_mock_hwpt(self->fd, &self->dev, self->viommu, 0, &nested));
	EXPECT_EQ(-EOPNOTSUPP, st_mock_nested(self->fd, &self->dev, self->viommu,
					      IOMMU_HWPT_ALLOC_NEST_PARENT, 0, &nested));
}

/* The cache of the device that the guest knows by a number. */
TEST_F(viommu, invalidate)
{
	struct iommu_viommu_invalidate_selftest entries[2] = {
		{ .vdev_id = NUMBER, .cache_id = 1 },
		{ .vdev_id = NUMBER + 1 },
	};
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = self->viommu,
		.data_uptr = (uintptr_t)entries,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(*entries),
		.entry_num = 2,
	};
	__u32 vdevice;

	ASSERT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &self->dev, NUMBER, &vdevice));
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_INVALIDATE, &cmd));
	EXPECT_EQ(1, cmd.entry_num);
	EXPECT_EQ(0, st_mock_cache_is(self->fd, &self->dev, 1, 0));
	EXPECT_EQ(0, st_mock_cache_is(self->fd, &self->dev, 2, IOMMU_TEST_DEV_CACHE_DEFAULT));

	/* Who is gone is not found any more. */
	EXPECT_EQ(0, iommufd_destroy(self->fd, vdevice));
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_INVALIDATE, &cmd));
	EXPECT_EQ(0, cmd.entry_num);
}

/* A device goes and takes its vDEVICE along: the ID names nothing, and nothing else. */
TEST_F(viommu, vdevice_goes_with_its_device)
{
	__u32 vdevice, ioas, again;

	ASSERT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &self->dev, NUMBER, &vdevice));
	ASSERT_EQ(0, iommufd_destroy(self->fd, self->dev.driver));

	/* More than the device left free, so that all below are taken afterwards. */
	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
		EXPECT_NE(vdevice, ioas);
	}
	EXPECT_LT(vdevice, ioas);
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->fd, vdevice));

	/* The program knows now, and the number is free for another device. */
	ASSERT_EQ(0, ioas_alloc(self->fd, &again));
	EXPECT_EQ(vdevice, again);
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &self->dev));
	EXPECT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &self->dev, NUMBER, &vdevice));
}

/* Hot-plug, round by round, by a program that never looks back. */
TEST_F(viommu, hotplug_leaks_no_ids)
{
	__u32 vdevice, highest = 0;
	struct st_mock dev;
	int round;

	for (round = 0; round < 300; round++) {
		ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &dev));
		ASSERT_EQ(0, st_mock_vdevice(self->fd, self->viommu, &dev, NUMBER, &vdevice));
		ASSERT_EQ(0, iommufd_destroy(self->fd, dev.driver));
		if (vdevice > highest)
			highest = vdevice;
	}
	EXPECT_GT(100, highest);
}

/* Memory that is contiguous, and at the same time as often as wanted. */
static unsigned char *contiguous(void)
{
	unsigned char *memory = st_huge_memory(ST_HUGE);

	if (memory)
		memset(memory, 1, ST_HUGE);
	return memory;
}

static int queue_alloc(struct _test_data_viommu *self, __u32 index, __u64 iova, __u64 length,
		       __u32 *id)
{
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = self->viommu,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.index = index,
		.nesting_parent_iova = iova,
		.length = length,
	};
	int rc = st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, &cmd);

	*id = cmd.out_hw_queue_id;
	return rc;
}

TEST_F(viommu, hw_queue_refused)
{
	struct iommu_hw_queue_alloc other_type = {
		.size = sizeof(other_type),
		.viommu_id = self->viommu,
		.type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
		.nesting_parent_iova = ST_IOVA,
		.length = st_page,
	};
	unsigned char *memory = contiguous();
	__u32 id;

	if (!memory)
		SKIP(return, "no huge page");
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, &other_type));
	EXPECT_EQ(-ENOENT, queue_alloc(self, 0, ST_IOVA, st_page, &id));

	/* The second half is not there, or is not where it should be. */
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory + st_page, st_page, ST_IOVA));
	EXPECT_EQ(-ENOENT, queue_alloc(self, 0, ST_IOVA, 2 * st_page, &id));
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory, st_page, ST_IOVA + st_page));
	EXPECT_EQ(-EFAULT, queue_alloc(self, 0, ST_IOVA, 2 * st_page, &id));
	EXPECT_EQ(-EFAULT, queue_alloc(self, 0, ST_IOVA + st_page - 1, 2, &id));

	/* Nothing is locked by a queue that was refused, by the driver as well. */
	EXPECT_EQ(-EINVAL, queue_alloc(self, IOMMU_TEST_HW_QUEUE_MAX, ST_IOVA, st_page, &id));
	EXPECT_EQ(-EIO, queue_alloc(self, 1, ST_IOVA, st_page, &id));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, 2 * st_page));

	/* A mapping that begins within a page, at another place of it. */
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory + MOCK_PAGE_SIZE, st_page,
			       ST_IOVA));
	EXPECT_EQ(-EINVAL, queue_alloc(self, 0, ST_IOVA, MOCK_PAGE_SIZE, &id));
}

TEST_F(viommu, hw_queue_locks_its_memory)
{
	unsigned char *memory = contiguous();
	__u64 all;
	__u32 id;

	if (!memory)
		SKIP(return, "no huge page");
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory, ST_MIB, ST_IOVA));
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory + ST_MIB, ST_MIB,
			       ST_IOVA + ST_MIB));
	/* Across both mappings, whose memory joins. */
	ASSERT_EQ(0, queue_alloc(self, 0, ST_IOVA + ST_MIB - 64, 128, &id));
	EXPECT_EQ(-EBUSY, st_unmap(self->fd, self->env.ioas, ST_IOVA, ST_MIB));
	EXPECT_TRUE(st_told(self->fd, "IOAS_UNMAP", EBUSY, "busy", ST_IOVA));
	EXPECT_EQ(-EBUSY, st_unmap(self->fd, self->env.ioas, ST_IOVA + ST_MIB, ST_MIB));
	EXPECT_EQ(-EBUSY, st_unmap_all(self->fd, self->env.ioas, &all));
	EXPECT_EQ(0, st_mock_shows(self->fd, self->parent, ST_IOVA, memory, 2 * ST_MIB));

	EXPECT_EQ(0, iommufd_destroy(self->fd, id));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->env.ioas, &all));
	EXPECT_EQ(2 * ST_MIB, all);
}

TEST_F(viommu, hw_queues_depend)
{
	unsigned char *memory = contiguous();
	__u32 first, second, third;

	if (!memory)
		SKIP(return, "no huge page");
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory, ST_MIB, ST_IOVA));
	ASSERT_EQ(0, queue_alloc(self, 0, ST_IOVA, st_page, &first));
	EXPECT_EQ(-EEXIST, queue_alloc(self, 0, ST_IOVA, st_page, &third));
	ASSERT_EQ(0, queue_alloc(self, 1, ST_IOVA, 3 * st_page, &second));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, first));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->viommu));

	/* The memory is locked once by each. */
	EXPECT_EQ(0, iommufd_destroy(self->fd, second));
	EXPECT_EQ(-EBUSY, st_unmap(self->fd, self->env.ioas, ST_IOVA, ST_MIB));
	EXPECT_EQ(0, iommufd_destroy(self->fd, first));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, ST_MIB));
}

TEST_F(viommu, hw_queue_copy_out_fails)
{
	struct iommu_hw_queue_alloc *cmd = st_memory(st_page);
	unsigned char *memory = contiguous();
	__u32 id;

	if (!memory)
		SKIP(return, "no huge page");
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, memory, st_page, ST_IOVA));
	*cmd = (struct iommu_hw_queue_alloc) {
		.size = sizeof(*cmd),
		.viommu_id = self->viommu,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.nesting_parent_iova = ST_IOVA,
		.length = st_page,
	};
	mprotect(cmd, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_HW_QUEUE_ALLOC, cmd));
	munmap(cmd, st_page);
	ASSERT_EQ(0, queue_alloc(self, 0, ST_IOVA, st_page, &id));
	EXPECT_EQ(0, iommufd_destroy(self->fd, id));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, st_page));
}

TEST_HARNESS_MAIN
