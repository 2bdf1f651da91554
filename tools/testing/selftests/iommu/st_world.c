// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A world for a call, and the loop in which each of its steps fails once: the first, then
 * the second, until the call works and nothing was left to fail. A call that failed has
 * changed nothing, and works when it is made again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_world.h"

#define MOST_FAILURES	1000

int st_world_open(struct st_world *w)
{
	int rc;

	memset(w, 0, sizeof(*w));
	w->queue = -1;
	w->event_queue = -1;
	w->file = -1;
	rc = st_env_open(&w->env);
	if (rc)
		return rc;
	w->fd = w->env.iommufd;
	w->memory = st_huge_memory(ST_HUGE);
	if (!w->memory)
		return -ENOMEM;
	memset(w->memory, 1, ST_HUGE);
	w->scattered = st_memory(ST_MAPPED);
	if (!w->scattered)
		return -ENOMEM;
	memset(w->scattered, 1, ST_MAPPED);
	rc = ioas_alloc(w->fd, &w->other_ioas);
	if (!rc)
		rc = st_mock_add(w->fd, w->env.ioas, MOCK_FLAGS_DEVICE_PASID, &w->dev);
	if (!rc)
		rc = st_map_at(w->fd, w->env.ioas, w->memory, ST_MAPPED, ST_IOVA);
	if (!rc)
		rc = st_map_at(w->fd, w->other_ioas, w->memory, ST_MAPPED, ST_IOVA);
	return rc;
}

/* -EUCLEAN when something stayed pinned or charged. */
int st_world_close(struct st_world *w)
{
	int rc;

	if (w->queue >= 0)
		close(w->queue);
	if (w->event_queue >= 0)
		close(w->event_queue);
	if (w->file >= 0)
		close(w->file);
	rc = st_env_close(&w->env);
	munmap(w->memory, ST_HUGE);
	munmap(w->scattered, ST_MAPPED);
	return rc;
}

int st_have_nothing(struct st_world *w)
{
	return 0;
}

/* One for each IOAS; the device is on that of its own. */
int st_have_tables(struct st_world *w)
{
	int rc = st_mock_hwpt(w->fd, &w->dev, w->env.ioas, IOMMU_HWPT_ALLOC_PASID, &w->table);

	if (!rc)
		rc = st_mock_hwpt(w->fd, &w->dev, w->other_ioas, IOMMU_HWPT_ALLOC_PASID,
				  &w->other_table);
	return rc ?: st_mock_replace(w->fd, &w->dev, w->table);
}

int st_have_pasid(struct st_world *w)
{
	return st_have_tables(w) ?: st_mock_pasid_attach(w->fd, &w->dev, ST_PASID, w->table);
}

int st_have_parent(struct st_world *w)
{
	return st_mock_hwpt(w->fd, &w->dev, w->env.ioas,
			    IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID, &w->parent);
}

int st_have_viommu(struct st_world *w)
{
	return st_have_parent(w) ?:
	       st_mock_viommu(w->fd, &w->dev, w->parent, NULL, &w->viommu);
}

int st_have_vdevice(struct st_world *w)
{
	return st_have_viommu(w) ?:
	       st_mock_vdevice(w->fd, w->viommu, &w->dev, ST_NUMBER, &w->vdevice);
}

int st_have_viommu_nested(struct st_world *w)
{
	return st_have_vdevice(w) ?:
	       st_mock_nested(w->fd, &w->dev, w->viommu, 0, 0, &w->nested);
}

int st_have_fault(struct st_world *w)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = st_have_parent(w) ?: st_call(w->fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	if (rc)
		return rc;
	w->fault = cmd.out_fault_id;
	w->queue = cmd.out_fault_fd;
	return 0;
}

int st_have_fault_table(struct st_world *w)
{
	return st_have_fault(w) ?:
	       st_mock_nested(w->fd, &w->dev, w->parent, IOMMU_HWPT_FAULT_ID_VALID, w->fault,
			      &w->nested);
}

int st_have_event_queue(struct st_world *w)
{
	int rc = st_have_viommu_nested(w) ?: st_mock_replace(w->fd, &w->dev, w->nested);

	if (rc)
		return rc;
	w->event_queue = st_mock_veventq(w->fd, w->viommu, 4, &w->id);
	return w->event_queue < 0 ? w->event_queue : 0;
}

/* What the call did: complain and return 1 for each thing that it should not have. */
static int judge(struct st_world *w, const struct st_step *step, const char *before,
		 bool failed, int rc)
{
	int bad = 0, again;

	if (rc && (!failed || step->never_fails)) {
		printf("# it returns %d%s\n", rc, failed ? "" : " without a failure");
		return 1;
	}
	if ((rc || step->keeps_state) && !st_state_is(w->fd, before)) {
		printf("# it returns %d and changes something\n", rc);
		bad++;
	}
	if (rc) {
		again = step->run(w);
		if (again) {
			printf("# it returned %d, then %d without a failure\n", rc, again);
			return bad + 1;
		}
	}
	again = step->check ? step->check(w) : 0;
	if (again) {
		printf("# it returned %d, its check returns %d\n", rc, again);
		bad++;
	}
	return bad;
}

/* One failure; sets *@failed when there was one to have. */
static int step_once(int nth_file, const struct st_step *step, unsigned int nth, bool *failed)
{
	struct st_world w;
	char *before;
	int rc, bad;

	*failed = false;
	rc = st_world_open(&w) ?: step->prepare(&w);
	if (rc) {
		printf("# %s: the world before it: %d\n", step->name, rc);
		return 1;
	}
	before = st_state(w.fd);
	st_fail_nth(nth_file, nth);
	rc = step->run(&w);
	*failed = st_fail_done(nth_file);
	bad = judge(&w, step, before, *failed, rc);
	free(before);
	if (st_world_close(&w)) {
		printf("# it returned %d and leaves pages pinned\n", rc);
		bad++;
	}
	if (bad)
		printf("# ^ %s, failure %u\n", step->name, nth);
	return bad;
}

/* How many things were wrong. */
int st_step_each(int nth_file, const struct st_step *step)
{
	unsigned int nth = 0;
	bool failed = true;
	int bad = 0;

	while (failed && !bad && nth < MOST_FAILURES)
		bad += step_once(nth_file, step, ++nth, &failed);
	printf("# %s: %u failures\n", step->name, nth - 1);
	if (failed && !bad) {
		printf("# %s: there is no end of failures\n", step->name);
		bad++;
	}
	/* A call without anything that can fail was not the right one. */
	if (nth < 2 && !step->never_fails) {
		printf("# %s: nothing fails\n", step->name);
		bad++;
	}
	return bad;
}
