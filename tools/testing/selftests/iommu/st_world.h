/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * An iommufd with mock devices, and the objects that calls need; and calls that run
 * again and again, each time with another step of theirs failing.
 */
#ifndef ST_WORLD_H
#define ST_WORLD_H

#include "iommu_selftest.h"
#include "st_mock.h"

#define ST_PASID	9u
#define ST_NUMBER	0x42u	/* by which a guest knows the device */
#define ST_MAPPED	(64 * ST_KIB)

/* What is not there is 0, or -1 for a descriptor. */
struct st_world {
	struct st_env env;
	struct st_mock dev;	/* with PASIDs, attached to env.ioas */
	int fd;
	__u32 other_ioas;	/* as env.ioas it has ST_MAPPED bytes at ST_IOVA */
	__u32 table, other_table, parent, nested, viommu, vdevice, fault, id;
	int queue, event_queue, file;
	unsigned char *memory;	/* contiguous, ST_HUGE bytes */
	unsigned char *scattered;	/* ST_MAPPED bytes, in small pages */
};

/* @run is called again when it has failed. */
struct st_step {
	const char *name;
	int (*prepare)(struct st_world *w);
	int (*run)(struct st_world *w);
	int (*check)(struct st_world *w);	/* after it worked; may be NULL */
	bool keeps_state;			/* fdinfo is the same when it worked */
	bool never_fails;			/* it takes something back */
};

int st_world_open(struct st_world *w);
int st_world_close(struct st_world *w);

/* Each makes what it needs itself. */
int st_have_nothing(struct st_world *w);
int st_have_tables(struct st_world *w);
int st_have_pasid(struct st_world *w);
int st_have_parent(struct st_world *w);
int st_have_viommu(struct st_world *w);
int st_have_vdevice(struct st_world *w);
int st_have_viommu_nested(struct st_world *w);
int st_have_fault(struct st_world *w);
int st_have_fault_table(struct st_world *w);
int st_have_event_queue(struct st_world *w);

int st_step_each(int nth_file, const struct st_step *step);

#endif
