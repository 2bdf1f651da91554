/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What an iommufd is when it serves as a container of VFIO.  What it and the groups
 * ask of each other is <linux/iommufd_container.h>.
 *
 * Locks:
 *
 *  &iommufd_container.lock - one group joins or leaves, or VFIO_SET_IOMMU runs, at a
 *	time.  It is held over the attach of devices, so calls that map do not take it:
 *	they read @kind, @type and @chosen as they are at the moment.
 *  &iommufd_container.map_lock - held for reading by the container's calls that map and
 *	unmap; for writing by one that found another call at work and waits for it.
 *	Inside it the locks of a page table, see iopt.h.
 */
#ifndef __IOMMUFD_CONTAINER_INTERNAL_H
#define __IOMMUFD_CONTAINER_INTERNAL_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include "memory/memlock.h"

struct iommufd_container_member;
struct iommufd_ctx;
struct iommufd_ioas;
struct seq_file;

/**
 * enum iommufd_container_kind - what groups are in
 * @CONTAINER_EMPTY: none
 * @CONTAINER_IOMMU: such whose devices an IOMMU translates
 * @CONTAINER_NOIOMMU: such whose devices reach all memory; nothing can be mapped
 */
enum iommufd_container_kind {
	CONTAINER_EMPTY,
	CONTAINER_IOMMU,
	CONTAINER_NOIOMMU,
};

/**
 * struct iommufd_container - the container that an iommufd is
 * @lock: see above; protects all below but for what is said of @chosen
 * @map_lock: see above
 * @members: &struct iommufd_container_member
 * @emulated: how many of them are groups of an emulated device; may be read without the
 *	      lock
 * @kind: &enum iommufd_container_kind; may be read without the lock
 * @type: what VFIO_SET_IOMMU chose, 0 before; may be read without the lock
 * @chosen: what the calls of the container work on: from IOMMU_VFIO_IOAS, or @made.  Not
 *	    a reference; written with the object table's lock held, too, and cleared
 *	    with only that when the IOAS is destroyed
 * @displaced: was @chosen until its destruction began, which may yet fail; NULL as soon
 *	       as anything else has been chosen, be it none.  Only compared; the lock of
 *	       the object table
 * @made: made when the first group came, if there was no @chosen; a long reference
 * @attached: what groups are attached to; a long reference while there is one
 * @mode_before: accounting mode of the file before the first group came
 */
struct iommufd_container {
	struct mutex lock; /* membership and VFIO_SET_IOMMU */
	struct rw_semaphore map_lock;
	struct list_head members;
	unsigned int emulated;
	u8 kind;
	u8 type;
	struct iommufd_ioas *chosen;
	struct iommufd_ioas *displaced;
	struct iommufd_ioas *made;
	struct iommufd_ioas *attached;
	enum iommufd_account_mode mode_before;
};

static inline void iommufd_container_init(struct iommufd_container *container)
{
	mutex_init(&container->lock);
	init_rwsem(&container->map_lock);
	INIT_LIST_HEAD(&container->members);
}

/* container.c */

/* A group without an IOMMU may be used at all; VFIO's module parameter. */
extern bool iommufd_container_noiommu;

/* What the calls of the container work on: a short reference, or NULL. */
struct iommufd_ioas *iommufd_container_get_chosen(struct iommufd_ctx *ictx);
/* The lock is held.  @ioas may be NULL; -ENOENT when it is being destroyed. */
int iommufd_container_choose(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas);
/*
 * The IOAS for a call that maps, unmaps or looks: a short reference; what
 * iommufd_container_refuse() says when there is none, ERR_PTR(-EINVAL) before
 * VFIO_SET_IOMMU, ERR_PTR(-ENOTTY) without an IOMMU; with a reason.
 */
struct iommufd_ioas *iommufd_container_get_ioas(struct iommufd_ctx *ictx);
/* The errno for a container with nothing in it: -EINVAL or -ENODEV. */
int iommufd_container_refuse(struct iommufd_ctx *ictx);
void iommufd_container_show(struct iommufd_ctx *ictx, struct seq_file *m);

/* container_type.c; the lock is held. */
int iommufd_container_attach(struct iommufd_ctx *ictx,
			     struct iommufd_container_member *member);
void iommufd_container_detach(struct iommufd_ctx *ictx,
			      struct iommufd_container_member *member);
void iommufd_container_restore_pages(struct iommufd_ioas *ioas);
/* VFIO_SET_IOMMU; takes the lock. */
int iommufd_container_set_type(struct iommufd_ctx *ictx, unsigned long type);
#endif
