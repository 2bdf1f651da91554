// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups of VFIO come to a container and go: <linux/iommufd_container.h>.
 *
 * The first group finds an IOAS that the program chose, or gets one made, and from then
 * on memory is accounted by process, as VFIO always did.  The last one takes along what
 * was made for the groups: an IOAS with all its mappings, the type, the mode of
 * accounting, and that an IOAS had to do without large pages.  An IOAS that the program
 * chose is its own business, and so is one that was made here but has other users by
 * now.
 *
 * Locks: the container lock, see container.h.  An IOAS is published under it, which
 * takes &iommufd_ctx.creation_lock; it is destroyed without it, since that waits for
 * calls that are running.
 */
#include <linux/iommufd_container.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "container.h"
#include "ioas.h"
#include "pgtable/iopt_record.h"

static enum iommufd_container_kind
kind_of(const struct iommufd_container_member *member)
{
	return member->no_iommu ? CONTAINER_NOIOMMU : CONTAINER_IOMMU;
}

static int check_join(struct iommufd_ctx *ictx,
		      const struct iommufd_container_member *member)
{
	enum iommufd_container_kind kind = ictx->container.kind;

	if (kind != CONTAINER_EMPTY && kind != kind_of(member))
		return iommufd_refuse(&ictx->log, -EPERM, WHY_NO_IOMMU,
				      "groups with and without an IOMMU do not go into one container");
	if (member->no_iommu && READ_ONCE(ictx->container.chosen))
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_NO_IOMMU,
				      "the mappings of the chosen IOAS would not apply to a group behind no IOMMU");
	/* Nor does one become it that is about to be destroyed. */
	return member->no_iommu ? iommufd_container_choose(ictx, NULL) : 0;
}

static int make_ioas(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas = iommufd_ioas_new(ictx);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	/* Nobody can ask for that through a container. */
	ioas->track_dirty = true;
	iommufd_object_hold(&ioas->obj);
	iommufd_ioas_publish(ioas);
	ictx->container.made = ioas;
	/* Its ID is not taken away while @made holds it. */
	return iommufd_container_choose(ictx, ioas);
}

/* The first group. */
static int begin(struct iommufd_ctx *ictx,
		 const struct iommufd_container_member *member)
{
	struct iommufd_container *container = &ictx->container;
	int rc = 0;

	/* Left from a time when the file had an IOAS. */
	if (member->no_iommu || !READ_ONCE(container->chosen))
		WRITE_ONCE(container->type, 0);
	if (!member->no_iommu) {
		if (!READ_ONCE(container->chosen))
			rc = make_ioas(ictx);
		if (rc)
			return rc;
		container->mode_before = READ_ONCE(ictx->accounts.mode);
		WRITE_ONCE(ictx->accounts.mode, IOMMUFD_ACCOUNT_MM);
	}
	WRITE_ONCE(container->kind, kind_of(member));
	return 0;
}

/* What the groups' devices wrote is nobody's business any more. */
static void end_record(struct iommufd_ioas *ioas)
{
	guard(mutex)(&ioas->mutex);
	iopt_record_stop(&ioas->iopt);
}

/* After the last group.  Returns what was made for them, for give_back(). */
static struct iommufd_ioas *end(struct iommufd_ctx *ictx)
{
	struct iommufd_container *container = &ictx->container;
	struct iommufd_ioas *made = container->made;

	if (container->kind == CONTAINER_IOMMU)
		WRITE_ONCE(ictx->accounts.mode, container->mode_before);
	WRITE_ONCE(container->kind, CONTAINER_EMPTY);
	if (container->attached) {
		end_record(container->attached);
		iommufd_container_restore_pages(container->attached);
		iommufd_object_release(&container->attached->obj);
	}
	container->attached = NULL;
	container->made = NULL;
	if (made && READ_ONCE(container->chosen) == made)
		iommufd_container_choose(ictx, NULL);
	return made;
}

static void give_back(struct iommufd_ctx *ictx, struct iommufd_ioas *made)
{
	if (made)
		iommufd_object_put_and_try_destroy(&ictx->objects, &made->obj);
}

static void add_member(struct iommufd_container *container,
		       struct iommufd_container_member *member)
{
	list_add_tail(&member->item, &container->members);
	if (member->emulated)
		WRITE_ONCE(container->emulated, container->emulated + 1);
}

static void remove_member(struct iommufd_container *container,
			  struct iommufd_container_member *member)
{
	if (list_empty(&member->item))
		return;
	list_del_init(&member->item);
	if (member->emulated)
		WRITE_ONCE(container->emulated, container->emulated - 1);
}

/* Also undoes half a join. */
static struct iommufd_ioas *leave(struct iommufd_ctx *ictx,
				  struct iommufd_container_member *member)
{
	iommufd_container_detach(ictx, member);
	remove_member(&ictx->container, member);
	return list_empty(&ictx->container.members) ? end(ictx) : NULL;
}

static int join(struct iommufd_ctx *ictx, struct iommufd_container_member *member)
{
	struct iommufd_container *container = &ictx->container;
	int rc;

	if (list_empty(&container->members)) {
		rc = begin(ictx, member);
		if (rc)
			return rc;
	}
	add_member(container, member);
	if (!container->type || member->no_iommu)
		return 0;
	return iommufd_container_attach(ictx, member);
}

/**
 * iommufd_container_join - put a group into a container
 * @ictx: an iommufd, on which the caller holds a reference until the group leaves
 * @member: the group, in no container
 *
 * When VFIO_SET_IOMMU was called before, the group is attached now.
 *
 * Context: process context, may sleep and fault.  The group's outer lock is held.
 * Return: 0; -EPERM groups with and without an IOMMU do not mix; -EINVAL the group is
 * without an IOMMU and the file has an IOAS; -ENOMEM; -EBUSY no ID left; what
 * @member->ops->attach says.  Nothing has changed on failure.
 */
int iommufd_container_join(struct iommufd_ctx *ictx,
			   struct iommufd_container_member *member)
{
	struct iommufd_ioas *made = NULL;
	int rc;

	INIT_LIST_HEAD(&member->item);
	member->attached = false;
	scoped_guard(mutex, &ictx->container.lock) {
		rc = check_join(ictx, member);
		if (rc)
			break;
		rc = join(ictx, member);
		if (rc)
			made = leave(ictx, member);
	}
	give_back(ictx, made);
	iommufd_report_result(&ictx->log, "VFIO_GROUP_SET_CONTAINER", rc);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_container_join, "IOMMUFD_VFIO");

/**
 * iommufd_container_leave - take a group out of its container
 * @ictx: the iommufd
 * @member: a group that is in; none of its devices is open
 *
 * With the last group every mapping that was made through the container ends, unless
 * the program chose the IOAS itself, and the container can be used anew.
 *
 * Context: process context, may sleep until running calls let go of the IOAS, for a
 * minute at most.  The group's outer lock is held.
 */
void iommufd_container_leave(struct iommufd_ctx *ictx,
			     struct iommufd_container_member *member)
{
	struct iommufd_ioas *made;

	scoped_guard(mutex, &ictx->container.lock) {
		made = leave(ictx, member);
		if (list_empty(&ictx->container.members))
			WRITE_ONCE(ictx->container.type, 0);
	}
	give_back(ictx, made);
}
EXPORT_SYMBOL_NS_GPL(iommufd_container_leave, "IOMMUFD_VFIO");

static u32 chosen_id(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_chosen(ictx);

	return ioas ? ioas->obj.id : 0;
}

/**
 * iommufd_container_get_state - what a container is used for now
 * @ictx: the iommufd
 * @state: filled in
 *
 * A container on which VFIO_SET_IOMMU was not called shows the IOAS that is chosen at
 * the moment.
 *
 * Context: process context, may sleep.  A group of the caller is in, and its outer lock
 * is held.
 */
void iommufd_container_get_state(struct iommufd_ctx *ictx,
				 struct iommufd_container_state *state)
{
	struct iommufd_container *container = &ictx->container;

	guard(mutex)(&container->lock);
	*state = (struct iommufd_container_state){
		.ready = container->type || !ictx->from_vfio_node,
		.no_iommu = container->kind == CONTAINER_NOIOMMU,
	};
	if (state->no_iommu)
		return;
	state->ioas_id = container->attached ? container->attached->obj.id :
					       chosen_id(ictx);
	if (!state->ioas_id)
		state->ready = false;
}
EXPORT_SYMBOL_NS_GPL(iommufd_container_get_state, "IOMMUFD_VFIO");

/**
 * iommufd_container_allow_noiommu - may groups without an IOMMU be used at all?
 * @allowed: VFIO's module parameter, which VFIO_CHECK_EXTENSION tells
 *
 * Context: any.
 */
void iommufd_container_allow_noiommu(bool allowed)
{
	WRITE_ONCE(iommufd_container_noiommu, allowed);
}
EXPORT_SYMBOL_NS_GPL(iommufd_container_allow_noiommu, "IOMMUFD_VFIO");

MODULE_ALIAS_MISCDEV(VFIO_MINOR);
MODULE_ALIAS("devname:vfio/vfio");
