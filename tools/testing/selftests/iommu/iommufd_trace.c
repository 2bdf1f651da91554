// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The tracepoints of iommufd: each call leaves its line in the trace, with the numbers of
 * the call. The lines come into an instance of their own, which other tracing on the
 * machine does not see.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/iommufd_selftest"
#define NUMBER		0x99u

FIXTURE(trace)
{
	struct st_env env;
	unsigned char *memory;
	int fd;
	__u32 ioas;
};

static int put(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY | O_TRUNC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? n : 0;
}

static int clear(void)
{
	return put(INSTANCE "/trace", "");
}

/* How many lines of the trace have this in them. */
static unsigned int count(const char *format, ...)
{
	char line[1024], text[256];
	unsigned int n = 0;
	va_list args;
	FILE *trace;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	trace = fopen(INSTANCE "/trace", "r");
	if (!trace)
		return 0;
	while (fgets(line, sizeof(line), trace))
		n += *line != '#' && strstr(line, text);
	fclose(trace);
	return n;
}

static int tracing_begin(void)
{
	int rc = st_mount_alone("tracefs", TRACING);

	if (rc)
		return rc;
	if (mkdir(INSTANCE, 0700))
		return -errno;
	return put(INSTANCE "/events/iommufd/enable", "1");
}

FIXTURE_SETUP(trace)
{
	int rc = tracing_begin();

	if (rc == -ENOENT)
		SKIP(return, "the kernel has no tracepoints");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_env_open(&self->env));
	self->fd = self->env.iommufd;
	self->ioas = self->env.ioas;
	self->memory = st_memory(4 * st_page);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(0, clear());
}

FIXTURE_TEARDOWN(trace)
{
	EXPECT_EQ(0, st_env_close(&self->env));
	EXPECT_EQ(0, put(INSTANCE "/events/iommufd/enable", "0"));
	EXPECT_EQ(0, rmdir(INSTANCE));
}

TEST_F(trace, map_and_unmap)
{
	unsigned long long last = ST_IOVA + 4 * st_page - 1;

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, 4 * st_page, ST_IOVA));
	EXPECT_EQ(1, count("iommufd_map: ioas=%u iova=0x%llx-0x%llx prot=read|write|cache\n",
			   self->ioas, (unsigned long long)ST_IOVA, last));
	ASSERT_EQ(0, st_unmap(self->fd, self->ioas, ST_IOVA, 4 * st_page));
	EXPECT_EQ(1, count("iommufd_unmap: ioas=%u iova=0x%llx-0x%llx unmapped=0x%llx\n",
			   self->ioas, (unsigned long long)ST_IOVA, last, 4ull * st_page));
	EXPECT_EQ(0, count("iommufd_refused"));
}

/* A call that fails has not mapped or unmapped anything, and tells why. */
TEST_F(trace, refused)
{
	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, ST_IOVA));
	ASSERT_EQ(0, clear());
	ASSERT_EQ(-EEXIST, st_map_at(self->fd, self->ioas, self->memory, st_page, ST_IOVA));
	EXPECT_EQ(1, count("iommufd_refused: IOAS_MAP errno=%d reason=overlap ", EEXIST));
	EXPECT_EQ(1, count("0x%llx-0x%llx", (unsigned long long)ST_IOVA,
			   ST_IOVA + st_page - 1ull));
	ASSERT_EQ(-ENOENT, st_unmap(self->fd, self->ioas, 2 * ST_IOVA, st_page));
	EXPECT_EQ(1, count("iommufd_refused: IOAS_UNMAP errno=%d reason=hole ", ENOENT));
	EXPECT_EQ(2, count("iommufd_"));
}

TEST_F(trace, attachments)
{
	struct st_mock dev;
	__u32 table;

	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	ASSERT_EQ(0, st_mock_add(self->fd, self->ioas, MOCK_FLAGS_DEVICE_PASID, &dev));
	EXPECT_EQ(1, count("iommufd_attach: "));
	EXPECT_EQ(1, count(" pasid=0 hwpt=%u\n", dev.hwpt));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &dev, self->ioas, IOMMU_HWPT_ALLOC_PASID, &table));
	ASSERT_EQ(0, st_mock_replace(self->fd, &dev, table));
	EXPECT_EQ(1, count("iommufd_replace: "));
	EXPECT_EQ(1, count(" pasid=0 hwpt=%u\n", table));

	ASSERT_EQ(0, clear());
	ASSERT_EQ(0, st_mock_pasid_attach(self->fd, &dev, 7, table));
	ASSERT_EQ(0, st_mock_pasid_detach(self->fd, &dev, 7));
	EXPECT_EQ(2, count(" pasid=7 hwpt=%u\n", table));
	ASSERT_EQ(0, iommufd_destroy(self->fd, dev.driver));
	EXPECT_EQ(2, count("iommufd_detach: "));
	EXPECT_EQ(1, count(" pasid=0 hwpt=%u\n", table));
}

TEST_F(trace, faults)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	struct st_mock dev;
	__u32 parent, table;

	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	ASSERT_EQ(0, st_mock_add(self->fd, self->ioas, 0, &dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &dev, self->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT,
				  &parent));
	ASSERT_EQ(0, st_call(self->fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd));
	ASSERT_EQ(0, st_mock_nested(self->fd, &dev, parent, IOMMU_HWPT_FAULT_ID_VALID,
				    cmd.out_fault_id, &table));
	ASSERT_EQ(0, st_mock_replace(self->fd, &dev, table));
	ASSERT_EQ(0, clear());
	ASSERT_EQ(0, st_mock_page_request(self->fd, &dev, 0, 3, 0x5000));
	EXPECT_EQ(1, count("iommufd_fault: device="));
	EXPECT_EQ(1, count(" pasid=0 group=3 addr=0x5000 perm=read|write fault=%u\n",
			   cmd.out_fault_id));
	close(cmd.out_fault_fd);
}

TEST_F(trace, invalidations)
{
	struct iommu_viommu_invalidate_selftest entries[2] = {
		{ .vdev_id = NUMBER, .cache_id = 1 },
		{ .vdev_id = NUMBER + 1 },
	};
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.data_uptr = (uintptr_t)entries,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(*entries),
		.entry_num = 2,
	};
	__u32 parent, vdevice;
	struct st_mock dev;

	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	ASSERT_EQ(0, st_mock_add(self->fd, self->ioas, 0, &dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &dev, self->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT,
				  &parent));
	ASSERT_EQ(0, st_mock_viommu(self->fd, &dev, parent, NULL, &cmd.hwpt_id));
	ASSERT_EQ(0, st_mock_vdevice(self->fd, cmd.hwpt_id, &dev, NUMBER, &vdevice));
	ASSERT_EQ(-EINVAL, st_call(self->fd, IOMMU_HWPT_INVALIDATE, &cmd));
	EXPECT_EQ(1, count("iommufd_invalidate: id=%u type=%u done=1 of=2 rc=-%d\n",
			   cmd.hwpt_id, IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST, EINVAL));
	cmd.entry_num = 1;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_HWPT_INVALIDATE, &cmd));
	EXPECT_EQ(1, count("iommufd_invalidate: id=%u type=%u done=1 of=1 rc=0\n",
			   cmd.hwpt_id, IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST));
}

TEST_HARNESS_MAIN
