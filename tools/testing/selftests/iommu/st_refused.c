// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Runs tables of calls that are refused.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_refused.h"

/* Data for the mock driver, alone on a page that ends it with ones. */
static __u64 make_data(const void *data, size_t size)
{
	unsigned char *page = st_memory(st_page);

	memset(page, 0xff, st_page);
	memcpy(page, data, size);
	return (uintptr_t)page;
}

static int make_tables(struct st_scene *s)
{
	struct st_world *w = &s->w;
	int rc = st_mock_hwpt(w->fd, &w->dev, w->env.ioas, 0, &w->table);

	rc = rc ?: st_mock_hwpt(w->fd, &w->dev, w->env.ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
				&s->dirty);
	return rc ?: st_mock_nested(w->fd, &w->dev, w->parent, 0, 0, &w->nested);
}

/* Two pages that lie next to each other for devices only. */
static int map_scattered(struct st_scene *s)
{
	struct st_world *w = &s->w;
	int rc;

	s->scattered = 2 * ST_IOVA;
	rc = st_map_at(w->fd, w->env.ioas, w->memory, st_page, s->scattered);
	return rc ?: st_map_at(w->fd, w->env.ioas, w->memory + 2 * st_page, st_page,
			       s->scattered + st_page);
}

int st_scene_open(struct st_scene *s)
{
	const struct iommu_hwpt_selftest data = { .iotlb = 1 };
	const struct iommu_hwpt_selftest odd = { .pagetable_type = MOCK_IOMMUPT_HUGE + 1 };
	struct st_world *w = &s->w;
	int rc;

	memset(s, 0, sizeof(*s));
	s->no_id = ST_NO_ID;
	s->data = make_data(&data, sizeof(data));
	s->odd_data = make_data(&odd, sizeof(odd));
	s->read_only = make_data(&data, sizeof(data));
	mprotect((void *)(uintptr_t)s->read_only, st_page, PROT_READ);

	rc = st_world_open(w) ?: st_have_event_queue(w);
	s->viommu_nested = w->nested;
	rc = rc ?: st_have_fault(w);
	rc = rc ?: st_mock_viommu(w->fd, &w->dev, w->parent, NULL, &s->second_viommu);
	rc = rc ?: st_mock_add(w->fd, w->env.ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &s->plain);
	rc = rc ?: make_tables(s);
	return rc ?: map_scattered(s);
}

int st_scene_close(struct st_scene *s)
{
	return st_world_close(&s->w);
}

static void spoil(const struct st_scene *s, const struct st_spoil *spoil,
		  union st_command *cmd)
{
	const void *value = &spoil->value;

	if (spoil->from)
		value = (const char *)s + spoil->from - 1;
	memcpy((char *)cmd + spoil->at, value, spoil->size);
}

static void spoil_all(const struct st_scene *s, const struct st_refused_row *row,
		      union st_command *cmd)
{
	for (size_t i = 0; i < ARRAY_SIZE(row->spoil) && row->spoil[i].size; i++)
		spoil(s, &row->spoil[i], cmd);
}

/* The lowest number that is not open: a descriptor that leaks moves it. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/* How many things were wrong. */
static int refused_once(struct st_scene *s, const struct st_refused *call,
			union st_command *cmd, int error, const char *reason)
{
	int lowest = lowest_free_fd(), bad = 0, rc;
	char *before = st_state(s->w.fd);

	rc = st_call(s->w.fd, call->request, cmd);
	if (rc != -error) {
		printf("# it returns %d instead of %d\n", rc, -error);
		bad++;
	}
	if (!st_told(s->w.fd, call->name, error, reason, 0))
		bad++;
	if (!st_state_is(s->w.fd, before))
		bad++;
	if (lowest != lowest_free_fd()) {
		printf("# a descriptor is left\n");
		bad++;
	}
	free(before);
	return bad;
}

static int refused_row(struct st_scene *s, const struct st_refused *call, unsigned int row)
{
	union st_command cmd = {};
	int bad;

	call->good(s, &cmd);
	spoil_all(s, &call->rows[row], &cmd);
	bad = refused_once(s, call, &cmd, call->rows[row].error, call->rows[row].reason);
	if (bad)
		printf("# ^ %s, row %u\n", call->name, row);
	return bad;
}

/* The result cannot be told: then there is none. */
static int refused_reply(struct st_scene *s, const struct st_refused *call)
{
	union st_command *cmd = st_memory(st_page);
	int bad;

	call->good(s, cmd);
	mprotect(cmd, st_page, PROT_READ);
	bad = refused_once(s, call, cmd, EFAULT, "fault");
	munmap(cmd, st_page);
	if (bad)
		printf("# ^ %s, whose result cannot be written\n", call->name);
	return bad;
}

/* Run all rows of a call, and at last the call; returns how many things were wrong. */
int st_refused_each(struct st_scene *s, const struct st_refused *call)
{
	union st_command cmd = {};
	unsigned int row;
	int bad = 0, lowest, rc;

	for (row = 0; row < call->count; row++)
		bad += refused_row(s, call, row);
	if (!call->no_reply)
		bad += refused_reply(s, call);
	call->good(s, &cmd);
	lowest = lowest_free_fd();
	rc = st_call(s->w.fd, call->request, &cmd);
	/* A queue's file would keep everything. */
	if (lowest != lowest_free_fd())
		close(lowest);
	if (rc) {
		printf("# %s: the one that works returns %d\n", call->name, rc);
		bad++;
	}
	return bad;
}
