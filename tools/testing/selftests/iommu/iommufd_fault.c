// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Fault queues and their files, and what VEVENTQ_ALLOC refuses. That page requests
 * arrive needs a device that sends some, or the mock driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(fault)
{
	struct st_env env;
	__u32 id;		/* of a queue */
	int queue;		/* its file, -1 when it is closed */
	int fd;
};

static int queue_alloc(int fd, __u32 *id)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = st_call(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	*id = cmd.out_fault_id;
	return rc ?: (int)cmd.out_fault_fd;
}

FIXTURE_SETUP(fault)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	self->fd = self->env.iommufd;
	self->queue = queue_alloc(self->fd, &self->id);
	ASSERT_LE(0, self->queue);
}

FIXTURE_TEARDOWN(fault)
{
	if (self->queue >= 0)
		close(self->queue);
	EXPECT_EQ(0, st_env_close(&self->env));
}

static void queue_close(struct _test_data_fault *self)
{
	close(self->queue);
	self->queue = -1;
}

/* read() and write() with the error in the result. */
static ssize_t queue_read(int queue, void *buffer, size_t size)
{
	ssize_t n = read(queue, buffer, size);

	return n < 0 ? -errno : n;
}

static ssize_t queue_write(int queue, const void *buffer, size_t size)
{
	ssize_t n = write(queue, buffer, size);

	return n < 0 ? -errno : n;
}

/* The lowest number that is not open: a descriptor that leaks moves it. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

TEST_F(fault, alloc)
{
	struct iommu_fault_alloc *cmd = st_memory(st_page);
	int lowest = lowest_free_fd();

	EXPECT_NE(0, self->id);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->queue, F_GETFD));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u", self->id));

	cmd->size = sizeof(*cmd) - 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_FAULT_QUEUE_ALLOC, cmd));
	cmd->size = sizeof(*cmd);
	cmd->flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_FAULT_QUEUE_ALLOC, cmd));
	cmd->flags = 0;
	mprotect(cmd, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_FAULT_QUEUE_ALLOC, cmd));
	EXPECT_EQ(lowest, lowest_free_fd());
	/* IOAS and queue. */
	EXPECT_EQ(2, st_fdinfo(self->fd, "objects:"));
	munmap(cmd, st_page);
}

TEST_F(fault, empty)
{
	struct iommu_hwpt_pgfault record[4];
	struct pollfd wait = { .fd = self->queue, .events = POLLIN | POLLOUT };

	EXPECT_EQ(0, queue_read(self->queue, record, sizeof(*record)));
	EXPECT_EQ(0, queue_read(self->queue, record, sizeof(record)));
	EXPECT_EQ(0, queue_read(self->queue, record, 0));
	EXPECT_EQ(-ESPIPE, queue_read(self->queue, record, sizeof(*record) - 1));
	EXPECT_EQ(-ESPIPE, queue_read(self->queue, record, sizeof(record) - 1));
	EXPECT_EQ(-1, pread(self->queue, record, sizeof(*record), sizeof(*record)));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(self->queue, sizeof(*record), SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(1, poll(&wait, 1, 0));
	EXPECT_EQ(POLLOUT, wait.revents);
}

TEST_F(fault, answers_nobody_waits_for)
{
	struct iommu_hwpt_page_response answer[2] = {
		{ .cookie = 1, .code = IOMMUFD_PAGE_RESP_SUCCESS },
	};
	void *unreadable = st_memory(st_page);

	EXPECT_EQ(-EINVAL, queue_write(self->queue, answer, sizeof(*answer)));
	EXPECT_EQ(-EINVAL, queue_write(self->queue, answer, sizeof(answer)));
	answer[0].cookie = 0;
	EXPECT_EQ(-EINVAL, queue_write(self->queue, answer, sizeof(*answer)));
	answer[0].code = IOMMUFD_PAGE_RESP_INVALID + 1;
	EXPECT_EQ(-EINVAL, queue_write(self->queue, answer, sizeof(*answer)));
	mprotect(unreadable, st_page, PROT_NONE);
	EXPECT_EQ(-EFAULT, queue_write(self->queue, unreadable, sizeof(*answer)));
	EXPECT_EQ(-ESPIPE, queue_write(self->queue, answer, sizeof(*answer) + 1));
	EXPECT_EQ(-1, pwrite(self->queue, answer, sizeof(*answer), sizeof(*answer)));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(0, queue_write(self->queue, answer, 0));
}

TEST_F(fault, life)
{
	__u32 other;

	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->id));
	queue_close(self);
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->id));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->fd, self->id));

	/* The file lives on without the descriptor of the iommufd. */
	self->queue = queue_alloc(self->fd, &other);
	ASSERT_LE(0, self->queue);
	close(self->env.iommufd);
	self->env.iommufd = -1;
	EXPECT_EQ(0, queue_read(self->queue, NULL, 0));
}

/* Page tables that deliver to a queue keep it, open or not. */
TEST_F(fault, held_by_tables)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.pt_id = self->env.ioas,
		.fault_id = self->id,
	};
	int rc = st_env_add_device(&self->env, ST_QUICK);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	cmd.dev_id = self->env.dev.id;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	queue_close(self);
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->id));

	/* A device that sends no page requests. */
	EXPECT_GT(0, st_attach(self->env.dev.fd, cmd.out_hwpt_id));
	EXPECT_EQ(0, iommufd_destroy(self->fd, cmd.out_hwpt_id));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->id));
}

/*
 * A replace that only the driver refuses, between two tables of one IOAS: the device
 * stays where it was, and so does what it reserves there.
 */
TEST_F(fault, refused_replace_keeps_reservations)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.pt_id = self->env.ioas,
		.fault_id = self->id,
	};
	unsigned char *memory = st_memory(st_page);
	struct iommu_iova_range msi;
	int rc = st_env_add_device(&self->env, ST_QUICK);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	cmd.dev_id = self->env.dev.id;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &cmd));
	ASSERT_EQ(0, st_attach(self->env.dev.fd, self->env.ioas));
	ASSERT_EQ(0, st_msi_window(&self->env, &msi));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->env.ioas, memory, st_page, msi.start));
	EXPECT_EQ(-ENODEV, st_attach(self->env.dev.fd, cmd.out_hwpt_id));
	EXPECT_EQ(-EINVAL, st_map_at(self->fd, self->env.ioas, memory, st_page, msi.start));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "attach:\tdevice=%u pasid=none",
				    self->env.dev.id));
	EXPECT_EQ(0, iommufd_destroy(self->fd, cmd.out_hwpt_id));
}

TEST_F(fault, veventq_refused)
{
	const struct iommu_veventq_alloc good = {
		.size = sizeof(good),
		.viommu_id = self->env.ioas,
		.type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
		.veventq_depth = 1,
	};
	struct iommu_veventq_alloc bad = good;
	int lowest = lowest_free_fd();

	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &bad));
	bad.viommu_id = ST_NO_ID;
	EXPECT_EQ(-ENOENT, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &bad));
	bad.veventq_depth = 0;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &bad));
	bad.veventq_depth = (1u << 19) + 1;
	EXPECT_EQ(-EINVAL, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &bad));
	bad.type = IOMMU_VEVENTQ_TYPE_DEFAULT;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &bad));
	bad = good;
	bad.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &bad));
	bad = good;
	bad.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &bad));
	EXPECT_EQ(lowest, lowest_free_fd());
}

TEST_HARNESS_MAIN
