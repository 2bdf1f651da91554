// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Page requests and events that the mock IOMMU sends: order, answers, losses, and what
 * becomes of them when a device, a table or a file goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define NUMBER	0x99u
#define DEPTH	3u

FIXTURE(events)
{
	struct st_env env;
	struct st_mock dev;
	__u32 parent;
	int fd;
};

FIXTURE_SETUP(events)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->fd = self->env.iommufd;
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, MOCK_FLAGS_DEVICE_PASID, &self->dev));
	ASSERT_EQ(0, st_mock_hwpt(self->fd, &self->dev, self->env.ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID,
				  &self->parent));
}

FIXTURE_TEARDOWN(events)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static ssize_t get(int fd, void *buffer, size_t size)
{
	ssize_t n = read(fd, buffer, size);

	return n < 0 ? -errno : n;
}

static bool is_readable(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, 0) == 1 && wait.revents & POLLIN;
}

/* A fault queue, and the device on a nested table that delivers to it. */
struct faults {
	__u32 id, table;
	int queue;
};

static int faults_open(struct _test_data_events *self, struct faults *faults)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = st_call(self->fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	if (rc)
		return rc;
	faults->id = cmd.out_fault_id;
	faults->queue = cmd.out_fault_fd;
	rc = st_mock_nested(self->fd, &self->dev, self->parent,
			    IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID, faults->id,
			    &faults->table);
	return rc ?: st_mock_replace(self->fd, &self->dev, faults->table);
}

static int answer(int queue, __u32 cookie, __u32 code)
{
	struct iommu_hwpt_page_response response = { .cookie = cookie, .code = code };
	ssize_t n = write(queue, &response, sizeof(response));

	return n < 0 ? -errno : n != sizeof(response);
}

TEST_F(events, faults_in_order)
{
	struct iommu_hwpt_pgfault record[4];
	struct faults f;
	__u32 i;

	ASSERT_EQ(0, faults_open(self, &f));
	EXPECT_FALSE(is_readable(f.queue));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, i, i << 12));
	EXPECT_TRUE(is_readable(f.queue));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u waiting=3 told=0", f.id));

	/* As many as there is room for, the rest stays. */
	ASSERT_EQ(2 * sizeof(*record), get(f.queue, record, 2 * sizeof(*record)));
	EXPECT_TRUE(is_readable(f.queue));
	ASSERT_EQ(sizeof(*record), get(f.queue, record + 2, 2 * sizeof(*record)));
	EXPECT_FALSE(is_readable(f.queue));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(i, record[i].grpid);
		EXPECT_EQ(i << 12, record[i].addr);
		EXPECT_EQ(self->dev.id, record[i].dev_id);
		EXPECT_EQ(IOMMU_PGFAULT_FLAGS_LAST_PAGE, record[i].flags);
		EXPECT_EQ(IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE, record[i].perm);
		EXPECT_EQ(0, record[i].__reserved);
		EXPECT_NE(0, record[i].cookie);
	}
	EXPECT_NE(record[0].cookie, record[1].cookie);

	/* In any order, once each. */
	EXPECT_EQ(0, answer(f.queue, record[2].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	EXPECT_EQ(-EINVAL, answer(f.queue, record[2].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	EXPECT_EQ(-EINVAL, answer(f.queue, record[0].cookie, IOMMUFD_PAGE_RESP_INVALID + 1));
	EXPECT_EQ(0, answer(f.queue, record[0].cookie, IOMMUFD_PAGE_RESP_INVALID));
	EXPECT_EQ(0, answer(f.queue, record[1].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u waiting=0 told=0", f.id));
	close(f.queue);
}

/* What a device asks for at once is told at once, with one cookie, and answered once. */
TEST_F(events, groups_are_whole)
{
	struct iommu_hwpt_pgfault record[8];
	struct faults f;
	__u32 i;

	ASSERT_EQ(0, faults_open(self, &f));
	ASSERT_EQ(0, st_mock_page_requests(self->fd, &self->dev, 0, 1, 4));
	ASSERT_EQ(0, st_mock_page_requests(self->fd, &self->dev, 0, 2, 2));
	ASSERT_EQ(0, st_mock_page_requests(self->fd, &self->dev, 0, 3, 3));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u waiting=3 told=0", f.id));
	EXPECT_EQ(-EINVAL, get(f.queue, record, sizeof(*record)));
	EXPECT_EQ(-EINVAL, get(f.queue, record, 3 * sizeof(*record)));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u waiting=3 told=0", f.id));

	/* Two groups, and half of the third. */
	ASSERT_EQ(6 * sizeof(*record), get(f.queue, record, sizeof(record)));
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(i < 4 ? 1 : 2, record[i].grpid);
		EXPECT_EQ(record[i < 4 ? 0 : 4].cookie, record[i].cookie);
		EXPECT_EQ((i < 4 ? i : i - 4) * st_page, record[i].addr);
		EXPECT_EQ(i == 3 || i == 5 ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0, record[i].flags);
	}
	EXPECT_NE(record[0].cookie, record[4].cookie);
	ASSERT_EQ(3 * sizeof(*record), get(f.queue, record + 4, 3 * sizeof(*record)));
	EXPECT_EQ(3, record[4].grpid);
	EXPECT_EQ(0, answer(f.queue, record[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	EXPECT_EQ(-EINVAL, answer(f.queue, record[3].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u waiting=0 told=2", f.id));
	close(f.queue);
}

/* Answers before a bad one count. */
TEST_F(events, answers_count)
{
	struct iommu_hwpt_page_response answers[2] = {};
	struct iommu_hwpt_pgfault record;
	struct faults f;

	ASSERT_EQ(0, faults_open(self, &f));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 1, 0));
	ASSERT_EQ(sizeof(record), get(f.queue, &record, sizeof(record)));
	answers[0].cookie = record.cookie;
	answers[1].cookie = record.cookie;
	EXPECT_EQ(sizeof(*answers), write(f.queue, answers, sizeof(answers)));
	EXPECT_EQ(-EINVAL, answer(f.queue, record.cookie, 0));
	close(f.queue);
}

/* A reader whose buffer is bad loses nothing. */
TEST_F(events, unwritable_buffer)
{
	struct iommu_hwpt_pgfault *records = st_memory(2 * st_page), record;
	const size_t fit = st_page / sizeof(record);
	struct faults f;
	__u32 i;

	ASSERT_EQ(0, faults_open(self, &f));
	ASSERT_EQ(0, mprotect((char *)records + st_page, st_page, PROT_NONE));
	for (i = 0; i < fit + 2; i++)
		ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, i, 0));
	EXPECT_EQ(fit * sizeof(record), get(f.queue, records, (fit + 2) * sizeof(record)));
	EXPECT_EQ(fit - 1, records[fit - 1].grpid);
	EXPECT_EQ(-EFAULT, get(f.queue, (char *)records + st_page, sizeof(record)));
	ASSERT_EQ(sizeof(record), get(f.queue, &record, sizeof(record)));
	EXPECT_EQ(fit, record.grpid);
	ASSERT_EQ(sizeof(record), get(f.queue, &record, sizeof(record)));
	EXPECT_EQ(fit + 1, record.grpid);
	close(f.queue);
}

/* The device leaves: what is open is answered, whoever knew of it. */
TEST_F(events, detach_answers)
{
	struct iommu_hwpt_pgfault record;
	struct faults f;

	ASSERT_EQ(0, faults_open(self, &f));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 1, 0));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 2, 0));
	ASSERT_EQ(sizeof(record), get(f.queue, &record, sizeof(record)));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, self->env.ioas));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u waiting=0 told=0", f.id));
	EXPECT_FALSE(is_readable(f.queue));
	EXPECT_EQ(-EINVAL, answer(f.queue, record.cookie, IOMMUFD_PAGE_RESP_SUCCESS));

	/* Nobody asks for them now. */
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 3, 0));
	EXPECT_FALSE(is_readable(f.queue));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, f.table));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 4, 0));
	ASSERT_EQ(sizeof(record), get(f.queue, &record, sizeof(record)));
	EXPECT_EQ(4, record.grpid);
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->dev.driver));
	EXPECT_EQ(-EINVAL, answer(f.queue, record.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	close(f.queue);
	EXPECT_EQ(0, iommufd_destroy(self->fd, f.table));
	EXPECT_EQ(0, iommufd_destroy(self->fd, f.id));
}

/* Each PASID has an attachment of its own. */
TEST_F(events, detach_of_a_pasid)
{
	struct iommu_hwpt_pgfault record[2];
	struct faults f;

	ASSERT_EQ(0, faults_open(self, &f));
	ASSERT_EQ(0, st_mock_pasid_attach(self->fd, &self->dev, 5, f.table));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 1, 0));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 5, 2, 0));
	ASSERT_EQ(sizeof(record), get(f.queue, record, sizeof(record)));
	EXPECT_EQ(IOMMU_PGFAULT_FLAGS_PASID_VALID | IOMMU_PGFAULT_FLAGS_LAST_PAGE,
		  record[1].flags);
	EXPECT_EQ(5, record[1].pasid);
	ASSERT_EQ(0, st_mock_pasid_detach(self->fd, &self->dev, 5));
	EXPECT_EQ(-EINVAL, answer(f.queue, record[1].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	EXPECT_EQ(0, answer(f.queue, record[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	close(f.queue);
}

/* The file goes while requests are open, and while more of them come. */
TEST_F(events, close_answers)
{
	struct iommu_hwpt_pgfault record;
	struct faults f;

	ASSERT_EQ(0, faults_open(self, &f));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 1, 0));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 2, 0));
	ASSERT_EQ(sizeof(record), get(f.queue, &record, sizeof(record)));
	close(f.queue);
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u waiting=0 told=0", f.id));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 3, 0));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "fault:\tid=%u waiting=0 told=0", f.id));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, f.id));
	ASSERT_EQ(0, st_mock_replace(self->fd, &self->dev, self->env.ioas));
	EXPECT_EQ(0, iommufd_destroy(self->fd, f.table));
	EXPECT_EQ(0, iommufd_destroy(self->fd, f.id));
}

/* The iommufd is closed first, with requests open. */
TEST_F(events, iommufd_is_closed_first)
{
	struct faults f;

	ASSERT_EQ(0, faults_open(self, &f));
	ASSERT_EQ(0, st_mock_page_request(self->fd, &self->dev, 0, 1, 0));
	close(self->env.iommufd);
	self->env.iommufd = -1;
	EXPECT_TRUE(is_readable(f.queue));
	close(f.queue);
}

/* A queue of a vIOMMU, and the device behind that. */
struct vevents {
	__u32 viommu, vdevice, id;
	int queue;
};

/* As user space reads it. */
struct vevent {
	struct iommufd_vevent_header header;
	struct iommu_viommu_event_selftest data;
};

static int vevents_alloc(struct _test_data_events *self, struct vevents *v)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = v->viommu,
		.type = IOMMU_VEVENTQ_TYPE_SELFTEST,
		.veventq_depth = DEPTH,
	};
	int rc = st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &cmd);

	v->id = cmd.out_veventq_id;
	v->queue = cmd.out_veventq_fd;
	return rc;
}

static int vevents_open(struct _test_data_events *self, struct vevents *v)
{
	__u32 nested;
	int rc;

	rc = st_mock_viommu(self->fd, &self->dev, self->parent, NULL, &v->viommu);
	if (!rc)
		rc = st_mock_vdevice(self->fd, v->viommu, &self->dev, NUMBER, &v->vdevice);
	if (!rc)
		rc = st_mock_nested(self->fd, &self->dev, v->viommu, 0, 0, &nested);
	if (!rc)
		rc = st_mock_replace(self->fd, &self->dev, nested);
	return rc ?: vevents_alloc(self, v);
}

static int send(struct _test_data_events *self, unsigned int count)
{
	int rc = 0;

	while (!rc && count--)
		rc = st_mock_event(self->fd, &self->dev);
	return rc;
}

TEST_F(events, vevents)
{
	struct vevent event[2 * DEPTH];
	struct vevents v, second;
	__u32 i;

	ASSERT_EQ(0, vevents_open(self, &v));
	second.viommu = v.viommu;
	EXPECT_EQ(-EEXIST, vevents_alloc(self, &second));
	EXPECT_EQ(FD_CLOEXEC, fcntl(v.queue, F_GETFD));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, v.id));

	/* Sizes are judged even if there is nothing. */
	EXPECT_EQ(-EINVAL, get(v.queue, event, sizeof(event->header) - 1));
	EXPECT_EQ(0, get(v.queue, event, sizeof(event->header)));
	EXPECT_FALSE(is_readable(v.queue));
	EXPECT_EQ(-1, write(v.queue, event, sizeof(*event)));
	EXPECT_EQ(-1, pread(v.queue, event, sizeof(*event), 1));
	EXPECT_EQ(ESPIPE, errno);

	ASSERT_EQ(0, send(self, 2));
	EXPECT_TRUE(is_readable(v.queue));
	EXPECT_EQ(-EINVAL, get(v.queue, event, sizeof(*event) - 1));
	ASSERT_EQ(sizeof(*event), get(v.queue, event, 2 * sizeof(*event) - 1));
	ASSERT_EQ(0, send(self, 1));
	ASSERT_EQ(2 * sizeof(*event), get(v.queue, event + 1, sizeof(event) - sizeof(*event)));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, event[i].header.flags);
		EXPECT_EQ(i, event[i].header.sequence);
		EXPECT_EQ(NUMBER, event[i].data.virt_id);
	}
	close(v.queue);
	EXPECT_EQ(0, iommufd_destroy(self->fd, v.id));
	EXPECT_EQ(-EOPNOTSUPP, send(self, 1));
	EXPECT_EQ(0, vevents_alloc(self, &v));
	close(v.queue);
}

TEST_F(events, vevents_are_lost)
{
	struct vevent event[DEPTH + 1];
	struct vevents v;
	__u32 i;

	ASSERT_EQ(0, vevents_open(self, &v));
	ASSERT_EQ(0, send(self, DEPTH + 4));
	/* What fits, and a header that tells of the last one that was lost. */
	memset(event, 0xff, sizeof(event));
	ASSERT_EQ(DEPTH * sizeof(*event) + sizeof(event->header),
		  get(v.queue, event, sizeof(event)));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(i, event[i].header.sequence);
	EXPECT_EQ(IOMMU_VEVENTQ_FLAG_LOST_EVENTS, event[DEPTH].header.flags);
	EXPECT_EQ(DEPTH + 3, event[DEPTH].header.sequence);
	EXPECT_FALSE(is_readable(v.queue));

	/* It goes on with the next number. */
	ASSERT_EQ(0, send(self, 1));
	ASSERT_EQ(sizeof(*event), get(v.queue, event, sizeof(event)));
	EXPECT_EQ(DEPTH + 4, event[0].header.sequence);

	/* Room before the loss was read: the gap in the numbers tells. */
	ASSERT_EQ(0, send(self, DEPTH + 1));
	ASSERT_EQ(sizeof(*event), get(v.queue, event, sizeof(*event)));
	ASSERT_EQ(0, send(self, 1));
	ASSERT_EQ(DEPTH * sizeof(*event), get(v.queue, event, sizeof(event)));
	EXPECT_EQ(0, event[DEPTH - 1].header.flags);
	EXPECT_EQ(event[DEPTH - 2].header.sequence + 2, event[DEPTH - 1].header.sequence);
	close(v.queue);
}

TEST_F(events, vevents_unwritable_buffer)
{
	struct vevent *events = st_memory(st_page);
	struct vevents v;

	ASSERT_EQ(0, vevents_open(self, &v));
	ASSERT_EQ(0, send(self, DEPTH + 1));
	mprotect(events, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, get(v.queue, events, st_page));
	mprotect(events, st_page, PROT_READ | PROT_WRITE);
	ASSERT_EQ(DEPTH * sizeof(*events), get(v.queue, events, DEPTH * sizeof(*events)));
	EXPECT_EQ(0, events[0].header.sequence);

	/* The loss alone. */
	mprotect(events, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, get(v.queue, events, st_page));
	mprotect(events, st_page, PROT_READ | PROT_WRITE);
	ASSERT_EQ(sizeof(events->header), get(v.queue, events, st_page));
	EXPECT_EQ(IOMMU_VEVENTQ_FLAG_LOST_EVENTS, events[0].header.flags);
	EXPECT_EQ(DEPTH, events[0].header.sequence);
	close(v.queue);
}

/* Each event looks for its queue, so that there cannot be any number of them. */
TEST_F(events, sixteen_queues)
{
	struct iommu_veventq_alloc cmd = { .size = sizeof(cmd), .veventq_depth = DEPTH };
	struct vevents v;
	__u32 i;

	ASSERT_EQ(0, st_mock_viommu(self->fd, &self->dev, self->parent, NULL, &v.viommu));
	ASSERT_EQ(0, vevents_alloc(self, &v));
	cmd.viommu_id = v.viommu;
	for (i = 1; i < 16; i++) {
		cmd.type = 1000 + i;
		ASSERT_EQ(0, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &cmd));
	}
	cmd.type = 1000;
	EXPECT_EQ(-ENOSPC, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &cmd));
	close(v.queue);
	ASSERT_EQ(0, iommufd_destroy(self->fd, v.id));
	EXPECT_EQ(0, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, &cmd));
}

TEST_F(events, veventq_copy_out_fails)
{
	struct iommu_veventq_alloc *cmd = st_memory(st_page);
	struct vevents v;

	ASSERT_EQ(0, st_mock_viommu(self->fd, &self->dev, self->parent, NULL, &v.viommu));
	*cmd = (struct iommu_veventq_alloc) {
		.size = sizeof(*cmd),
		.viommu_id = v.viommu,
		.type = IOMMU_VEVENTQ_TYPE_SELFTEST,
		.veventq_depth = DEPTH,
	};
	mprotect(cmd, st_page, PROT_READ);
	EXPECT_EQ(-EFAULT, st_call(self->fd, IOMMU_VEVENTQ_ALLOC, cmd));
	munmap(cmd, st_page);
	ASSERT_EQ(0, vevents_alloc(self, &v));
	close(v.queue);
	EXPECT_EQ(0, iommufd_destroy(self->fd, v.id));
	EXPECT_EQ(0, iommufd_destroy(self->fd, v.viommu));
}

TEST_HARNESS_MAIN
