/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Objects that user space knows by an ID: their table and their lifetime.
 *
 * Two counters live in every &struct iommufd_object.  @users counts long
 * references: other objects, kernel drivers, open event fds, mappings of
 * hardware pages; while there is more than the table's own one, DESTROY says
 * -EBUSY.  @wait_cnt counts short references of calls that are running; DESTROY
 * waits for those, so that a concurrent call can never make it fail.
 *
 * An ID moves through: reserved (no lookup sees it) -> published by
 * iommufd_object_finalize() -> removed, or burnt (lib/burnt_ids.h) -> removed.
 *
 * DESTROY takes the ID away first and then looks once more, when no running call
 * can take another long reference: if one did, the object gets its ID back and
 * DESTROY says -EBUSY as if it had come later.
 *
 * Locks: the table's xarray spinlock, a leaf.  It protects the table, and the
 * decision to take an ID away.
 */
#ifndef __IOMMUFD_OBJECT_H
#define __IOMMUFD_OBJECT_H

#include <linux/cleanup.h>
#include <linux/iommufd.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include "lib/burnt_ids.h"

struct iommufd_log;

/**
 * struct iommufd_object_ops - what a type of object does at its end
 * @name: name of the type as fdinfo and the reasons print it
 * @pre_destroy: optional; called when the object is unpublished and before the
 *		 short references have drained: revoke what blocks them.  May be
 *		 called again, if the first attempt ended in -EBUSY
 * @revive: optional; called when such an attempt ends, with the lock of the table held:
 *	    the object is published again
 * @destroy: releases everything the object holds but not its memory, which
 *	     object.c frees.  Cannot fail.  Also used to undo a half-built one
 * @free: optional; frees its memory, for a type that has others than kfree() do it
 */
struct iommufd_object_ops {
	const char *name;
	void (*pre_destroy)(struct iommufd_object *obj);
	void (*revive)(struct iommufd_object *obj);
	void (*destroy)(struct iommufd_object *obj);
	void (*free)(struct iommufd_object *obj);
};

/**
 * struct iommufd_objects - the objects of one file
 * @table: ID to object; reserved and burnt IDs are zero entries
 * @recent: the published object that was looked up last, or NULL; the lock of @table
 * @burnt: burnt IDs; the lock of @table
 * @drained: woken when a short reference of any object goes
 * @ops: by &enum iommufd_object_type, IOMMUFD_OBJ_MAX entries
 * @log: where refusals are told
 * @live: number of IDs in use, burnt ones not counted
 */
struct iommufd_objects {
	struct xarray table;
	struct iommufd_object *recent;
	struct iommufd_burnt_ids burnt;
	wait_queue_head_t drained;
	const struct iommufd_object_ops *const *ops;
	struct iommufd_log *log;
	atomic_t live;
};

void iommufd_objects_init(struct iommufd_objects *objs,
			  const struct iommufd_object_ops *const *ops,
			  struct iommufd_log *log);
/* Destroys leaf objects until nothing is left, frees the table. */
void iommufd_objects_destroy_all(struct iommufd_objects *objs);

/*
 * Allocate @size zeroed bytes with a &struct iommufd_object at their start and
 * reserve the lowest free ID.  users = 1, wait_cnt = 1.  ERR_PTR(-ENOMEM), or
 * ERR_PTR(-EBUSY) when all IDs are taken.
 */
struct iommufd_object *_iommufd_object_new(struct iommufd_objects *objs,
					   size_t size,
					   enum iommufd_object_type type);
#define iommufd_object_new(objs, ptr, type, obj)                               \
	({                                                                     \
		static_assert(!offsetof(typeof(*(ptr)), obj));                 \
		(typeof(ptr))_iommufd_object_new(objs, sizeof(*(ptr)), type);  \
	})

/* Publish: from here on lookups find it.  Cannot fail. */
void iommufd_object_finalize(struct iommufd_objects *objs,
			     struct iommufd_object *obj);
/* Undo _iommufd_object_new() before finalize: frees ID and memory, no op called. */
void iommufd_object_abort(struct iommufd_objects *objs,
			  struct iommufd_object *obj);
/* The same, but calls ->destroy() first. */
void iommufd_object_abort_and_destroy(struct iommufd_objects *objs,
				      struct iommufd_object *obj);

/*
 * Short reference by ID.  @type IOMMUFD_OBJ_ANY takes any.  ERR_PTR(-ENOENT) for
 * an unknown, reserved, burnt or differently typed ID.  Give back with
 * iommufd_object_put(), soon.
 */
struct iommufd_object *iommufd_object_get(struct iommufd_objects *objs, u32 id,
					  enum iommufd_object_type type);
void iommufd_object_put(struct iommufd_objects *objs,
			struct iommufd_object *obj);
/* Short reference on an object known to exist in memory; false when it is going. */
bool iommufd_object_tryget(struct iommufd_object *obj);

/* Long references.  The caller holds a short or another long one. */
static inline void iommufd_object_hold(struct iommufd_object *obj)
{
	refcount_inc(&obj->users);
}

static inline void iommufd_object_release(struct iommufd_object *obj)
{
	WARN_ON(refcount_dec_and_test(&obj->users));
}

/*
 * IOMMU_DESTROY: -ENOENT, -EBUSY with the reason, 0.  -EBUSY also when a running
 * call does not let go within a minute; the object is left as it was then.  A burnt
 * ID is free after its -ENOENT.
 */
int iommufd_object_destroy_by_id(struct iommufd_objects *objs, u32 id);

/*
 * Destroy an object whose creator in the kernel holds one long reference beside
 * the table's (device unbind, access destroy): drops that reference, waits for
 * short ones, destroys.  Nobody else may hold a long one.
 */
void iommufd_object_destroy_user(struct iommufd_objects *objs,
				 struct iommufd_object *obj);
/*
 * Destroy what user space made because something below it goes, in two steps.  claim:
 * from now on no DESTROY finds @obj; false if one did before, or if it is not published.
 * The caller knows @obj to be in memory.  burn: destroys what was claimed and burns its
 * ID.  Nobody holds a long reference.
 */
bool iommufd_object_claim(struct iommufd_objects *objs, struct iommufd_object *obj);
void iommufd_object_burn(struct iommufd_objects *objs, struct iommufd_object *obj);
/*
 * Drop a long reference and destroy the object if only the table's is left and no
 * one else can reach it any more (the automatic HWPT with its last attachment).
 * Waits for short references, so the caller holds none, nor any lock that a call
 * takes while it holds one.
 */
void iommufd_object_put_and_try_destroy(struct iommufd_objects *objs,
					struct iommufd_object *obj);
#endif
