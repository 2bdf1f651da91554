// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Each allocation and each hook of the calls that attach a real device fails once, in the
 * driver of its IOMMU, too.  That a device is opened and bound is not tried: to route an
 * interrupt the kernel runs ACPICA's interpreter, which does not survive that.
 */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "st_world.h"

static int device_fd(struct st_world *w)
{
	return w->env.dev.fd;
}

/* A device that is bound; the mock device is at the same IOAS. */
static int have_bound(struct st_world *w)
{
	return st_env_add_device(&w->env, ST_QUICK);
}

static int have_attached(struct st_world *w)
{
	return have_bound(w) ?: st_attach(device_fd(w), w->env.ioas);
}

static int alloc_table(struct st_world *w, __u32 ioas, __u32 *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = w->env.dev.id,
		.pt_id = ioas,
	};
	int rc = st_call(w->fd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

static int have_bound_and_table(struct st_world *w)
{
	return have_bound(w) ?: alloc_table(w, w->env.ioas, &w->table);
}

static int have_attached_and_table(struct st_world *w)
{
	return have_attached(w) ?: alloc_table(w, w->other_ioas, &w->other_table);
}

static int attach_to_ioas(struct st_world *w)
{
	return st_attach(device_fd(w), w->env.ioas);
}

static int attach_to_table(struct st_world *w)
{
	return st_attach(device_fd(w), w->table);
}

static int replace_by_ioas(struct st_world *w)
{
	return st_attach(device_fd(w), w->other_ioas);
}

static int replace_by_table(struct st_world *w)
{
	return st_attach(device_fd(w), w->other_table);
}

static int alloc(struct st_world *w)
{
	return alloc_table(w, w->other_ioas, &w->id);
}

static int detach(struct st_world *w)
{
	return st_detach(device_fd(w));
}

static int is_at(struct st_world *w, __u32 id)
{
	return st_fdinfo(device_fd(w), "vfio-iommufd-pt:") != id;
}

static int is_at_ioas(struct st_world *w)
{
	return is_at(w, w->env.ioas);
}

static int is_at_table(struct st_world *w)
{
	return is_at(w, w->table);
}

static int is_at_other_ioas(struct st_world *w)
{
	return is_at(w, w->other_ioas);
}

static int is_at_other_table(struct st_world *w)
{
	return is_at(w, w->other_table);
}

/* Nothing is left to detach, so the call can be made again. */
static int is_detached(struct st_world *w)
{
	return st_fdinfo(device_fd(w), "vfio-iommufd-pt:") > 0;
}

static const struct st_step steps[] = {
	{ "HWPT_ALLOC", have_bound, alloc },
	{ "VFIO_ATTACH to an IOAS", have_bound, attach_to_ioas, is_at_ioas },
	{ "VFIO_ATTACH to a table", have_bound_and_table, attach_to_table, is_at_table },
	{ "VFIO_ATTACH, another IOAS", have_attached, replace_by_ioas, is_at_other_ioas },
	{ "VFIO_ATTACH, another table", have_attached_and_table, replace_by_table,
	  is_at_other_table },
	{ "VFIO_DETACH", have_attached, detach, is_detached, .never_fails = true },
};

static const char *no_device(void)
{
	struct vfio_device dev;

	if (st_device_open(&dev, ST_QUICK))
		return "the machine has no device for this";
	vfio_close(&dev);
	return NULL;
}

#define ST_STEPS_LACK no_device
#include "st_step_test.h"
