// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Each allocation fails once when files of iommufd are opened, read, written, mapped and
 * closed. A close cannot tell of a failure, and leaves nothing in any case.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_world.h"

static int open_and_close(const char *node)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int open_iommufd(struct st_world *w)
{
	return open_and_close("/dev/iommu");
}

static int open_container(struct st_world *w)
{
	return open_and_close("/dev/vfio/vfio");
}

/* With something in it to read. */
static int have_queues(struct st_world *w)
{
	return st_have_event_queue(w) ?: st_have_fault(w) ?: st_mock_event(w->fd, &w->dev);
}

static int close_queues(struct st_world *w)
{
	close(w->event_queue);
	close(w->queue);
	w->event_queue = -1;
	w->queue = -1;
	return 0;
}

/* Of a second file with as much in it, which goes with its last descriptor. */
static int have_second_file(struct st_world *w)
{
	struct st_mock dev;
	__u32 ioas, table;
	int rc;

	w->file = iommufd_open();
	if (w->file < 0)
		return w->file;
	rc = ioas_alloc(w->file, &ioas);
	rc = rc ?: st_mock_add(w->file, ioas, 0, &dev);
	rc = rc ?: st_mock_hwpt(w->file, &dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &table);
	return rc ?: st_map_at(w->file, ioas, w->memory, ST_MAPPED, ST_IOVA);
}

static int close_second_file(struct st_world *w)
{
	close(w->file);
	w->file = -1;
	return 0;
}

static int have_request(struct st_world *w)
{
	return st_have_fault_table(w) ?: st_mock_replace(w->fd, &w->dev, w->nested) ?:
	       st_mock_page_request(w->fd, &w->dev, 0, 1, ST_IOVA);
}

/* A request that could not be read is still there. */
static int read_request(struct st_world *w)
{
	struct iommu_hwpt_pgfault record;
	ssize_t n = read(w->queue, &record, sizeof(record));

	if (n < 0)
		return -errno;
	w->id = record.cookie;
	return n == sizeof(record) && record.grpid == 1 ? 0 : -EBADMSG;
}

static int have_read_request(struct st_world *w)
{
	return have_request(w) ?: read_request(w);
}

static int answer(struct st_world *w)
{
	struct iommu_hwpt_page_response response = { .cookie = w->id };
	ssize_t n = write(w->queue, &response, sizeof(response));

	return n < 0 ? -errno : n != sizeof(response);
}

static int is_answered(struct st_world *w)
{
	return answer(w) == -EINVAL ? 0 : -EBADMSG;
}

/* Whatever happens to it: the device can send another one. */
static int send_request(struct st_world *w)
{
	return st_mock_page_request(w->fd, &w->dev, 0, 1, ST_IOVA);
}

static int have_ready_table(struct st_world *w)
{
	return st_have_fault_table(w) ?: st_mock_replace(w->fd, &w->dev, w->nested);
}

/* An event that finds no memory is lost, and that is told. */
static int send_event(struct st_world *w)
{
	return st_mock_event(w->fd, &w->dev);
}

static int event_is_told(struct st_world *w)
{
	struct {
		struct iommufd_vevent_header header;
		struct iommu_viommu_event_selftest data;
	} event[2];
	ssize_t n = read(w->event_queue, event, sizeof(event));

	if (n == sizeof(event[0].header))
		return event[0].header.flags != IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
	return n != sizeof(event[0]) || event[0].data.virt_id != ST_NUMBER;
}

static int have_pages(struct st_world *w)
{
	struct iommu_viommu_selftest data = { .in_data = 1 };
	int rc = st_have_parent(w) ?:
		 st_mock_viommu(w->fd, &w->dev, w->parent, &data, &w->viommu);

	/* Where to map them. */
	w->id = data.out_mmap_offset / st_page;
	return rc;
}

static int map_pages(struct st_world *w)
{
	void *at = mmap(NULL, 2 * st_page, PROT_READ, MAP_SHARED, w->fd, w->id * st_page);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, 2 * st_page);
	return 0;
}

static const struct st_step steps[] = {
	{ "open /dev/iommu", st_have_nothing, open_iommufd, .keeps_state = true },
	{ "open /dev/vfio/vfio", st_have_nothing, open_container, .keeps_state = true },
	{ "read a page request", have_request, read_request },
	{ "answer it", have_read_request, answer, is_answered, .never_fails = true },
	{ "send a page request", have_ready_table, send_request },
	{ "send an event", st_have_event_queue, send_event, event_is_told },
	{ "map pages of a vIOMMU", have_pages, map_pages, .keeps_state = true },
	{ "close queues", have_queues, close_queues, .never_fails = true },
	{ "close /dev/iommu", have_second_file, close_second_file, .keeps_state = true,
	  .never_fails = true },
};

#include "st_step_test.h"
