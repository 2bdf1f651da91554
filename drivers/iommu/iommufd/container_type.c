// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_SET_IOMMU: from here on the groups of a container are attached, those that are
 * in and those that come.
 *
 * The two types that map differ in what an unmap may cut (vfio_compat.c), and in the
 * IOMMU pages: an IOAS of a /dev/iommu shows memory in pages of PAGE_SIZE when it is used
 * as a VFIO_TYPE1_IOMMU, as programs can read from IOMMU_OPTION_HUGE_PAGES.  The type1
 * driver used large pages, and so does /dev/vfio/vfio.  Large pages come back when the
 * last group leaves.
 *
 * Locks: the container lock is held over all of it, see container.h.
 */
#include <linux/capability.h>
#include <linux/iommufd_container.h>
#include <linux/vfio.h>

#include "container.h"
#include "ioas.h"
#include "pgtable/iopt_vaddr.h"

/* Not even to a page table that is there already: so it is promised. */
static int check_vaddrs(struct iommufd_ioas *ioas)
{
	guard(rwsem_read)(&ioas->iopt.space_lock);
	return iopt_check_vaddrs(&ioas->iopt);
}

/**
 * iommufd_container_attach - attach a group to the container's IOAS
 * @ictx: context
 * @member: a group that is in and not attached
 *
 * Context: container lock held, and VFIO_SET_IOMMU was called; may sleep and fault.
 * Return: 0; what the group's attach says, but -EINVAL where that is -EADDRINUSE;
 * -ENODEV when there is no IOAS any more; -EBUSY while a mapping has no valid address.
 */
int iommufd_container_attach(struct iommufd_ctx *ictx,
			     struct iommufd_container_member *member)
{
	struct iommufd_container *container = &ictx->container;
	int rc;

	lockdep_assert_held(&container->lock);
	if (!container->attached) {
		struct iommufd_ioas *ioas = iommufd_container_get_chosen(ictx);

		if (!ioas)
			return iommufd_refuse(&ictx->log, -ENODEV, WHY_NO_OBJECT,
					      "the container has no IOAS");
		iommufd_object_hold(&ioas->obj);
		iommufd_ioas_put(ioas);
		container->attached = ioas;
	}
	rc = check_vaddrs(container->attached);
	if (rc)
		return rc;
	rc = member->ops->attach(member, ictx, container->attached->obj.id);
	/* To type1 a device whose reserved regions are mapped was just unfit. */
	if (rc == -EADDRINUSE)
		rc = -EINVAL;
	if (rc)
		return iommufd_refuse(&ictx->log, rc, WHY_GROUP,
				      "a group cannot be attached to ioas %u, refusals before this one tell why",
				      container->attached->obj.id);
	member->attached = true;
	return 0;
}

/**
 * iommufd_container_detach - undo iommufd_container_attach()
 * @ictx: context
 * @member: a group; nothing happens to it when it is not attached
 *
 * Context: container lock held; may sleep.
 */
void iommufd_container_detach(struct iommufd_ctx *ictx,
			      struct iommufd_container_member *member)
{
	lockdep_assert_held(&ictx->container.lock);
	if (!member->attached)
		return;
	member->attached = false;
	member->ops->detach(member);
}

/* The IOAS is free to be destroyed again, or another to be chosen. */
static void release_ioas(struct iommufd_container *container)
{
	if (container->attached)
		iommufd_object_release(&container->attached->obj);
	container->attached = NULL;
}

/* All groups, or none. */
static int attach_all(struct iommufd_ctx *ictx)
{
	struct iommufd_container *container = &ictx->container;
	struct iommufd_container_member *member;
	int rc = 0;

	list_for_each_entry(member, &container->members, item) {
		rc = iommufd_container_attach(ictx, member);
		if (rc)
			break;
	}
	if (!rc)
		return 0;
	list_for_each_entry(member, &container->members, item)
		iommufd_container_detach(ictx, member);
	release_ioas(container);
	return rc;
}

/* Does the type ask for pages of PAGE_SIZE where there may be larger ones now? */
static bool wants_small_pages(const struct iommufd_ctx *ictx,
			      const struct iommufd_ioas *ioas, unsigned long type)
{
	bool as_type1 = ictx->from_vfio_node && ioas == ictx->container.made;

	return type == VFIO_TYPE1_IOMMU && !as_type1 &&
	       READ_ONCE(ioas->iopt.huge_pages);
}

/**
 * iommufd_container_restore_pages - large pages again, if VFIO_SET_IOMMU turned them off
 * @ioas: an IOAS that is no longer used as a VFIO_TYPE1_IOMMU
 *
 * Context: container lock held; may sleep.  Cannot fail.
 */
void iommufd_container_restore_pages(struct iommufd_ioas *ioas)
{
	lockdep_assert_held(&ioas->ictx->container.lock);
	if (!READ_ONCE(ioas->small_for_type1))
		return;
	WRITE_ONCE(ioas->small_for_type1, false);
	iopt_set_huge_pages(&ioas->iopt, true);
}

static int set_mapping(struct iommufd_ctx *ictx, unsigned long type)
{
	int rc;

	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_container_get_chosen(ictx);
	if (!ioas)
		return iommufd_container_refuse(ictx);
	if (wants_small_pages(ictx, ioas, type)) {
		rc = iopt_set_huge_pages(&ioas->iopt, false);
		if (rc)
			return rc;
		WRITE_ONCE(ioas->small_for_type1, true);
	}
	rc = attach_all(ictx);
	if (rc)
		iommufd_container_restore_pages(ioas);
	return rc;
}

static int check_noiommu(struct iommufd_ctx *ictx)
{
	if (capable(CAP_SYS_RAWIO))
		return 0;
	return iommufd_refuse(&ictx->log, -EPERM, WHY_PERMISSION,
			      "devices without an IOMMU need CAP_SYS_RAWIO");
}

/* Programs try one type after the other: what does not exist is ENODEV to them. */
static int refuse_type(struct iommufd_ctx *ictx, unsigned long type)
{
	switch (ictx->container.kind) {
	case CONTAINER_NOIOMMU:
		return iommufd_refuse(&ictx->log, -ENODEV, WHY_NO_IOMMU,
				      "type %lu, groups without an IOMMU have only type %d, if the administrator allows it",
				      type, VFIO_NOIOMMU_IOMMU);
	case CONTAINER_IOMMU:
		return iommufd_refuse(&ictx->log, -ENODEV, WHY_NOT_SUPPORTED,
				      "type %lu is none for groups behind an IOMMU",
				      type);
	default:
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_NOT_SUPPORTED,
				      "type %lu is not known", type);
	}
}

static int set_type(struct iommufd_ctx *ictx, unsigned long type)
{
	bool maps = type == VFIO_TYPE1_IOMMU || type == VFIO_TYPE1v2_IOMMU;
	bool no_iommu = ictx->container.kind == CONTAINER_NOIOMMU;

	if (no_iommu && type == VFIO_NOIOMMU_IOMMU &&
	    READ_ONCE(iommufd_container_noiommu))
		return check_noiommu(ictx);
	if (!no_iommu && maps)
		return set_mapping(ictx, type);
	return refuse_type(ictx, type);
}

/**
 * iommufd_container_set_type - VFIO_SET_IOMMU
 * @ictx: context
 * @type: from user space
 *
 * With groups in the container it can be called once, until the last of them leaves.
 *
 * Context: takes the container lock; may sleep and fault.
 * Return: 0, and all groups are attached; -EINVAL called already, or an unknown type;
 * -EINVAL or -ENODEV no IOAS; -ENODEV no such type for these groups; -EPERM without CAP_SYS_RAWIO;
 * -EINTR; what attaching says.  Nothing has changed on failure.
 */
int iommufd_container_set_type(struct iommufd_ctx *ictx, unsigned long type)
{
	struct iommufd_container *container = &ictx->container;
	int rc;

	scoped_cond_guard(mutex_kill, return -EINTR, &container->lock) {
		if (container->kind != CONTAINER_EMPTY && container->type)
			return iommufd_refuse(&ictx->log, -EINVAL, WHY_BUSY,
					      "the container has type %u already",
					      container->type);
		rc = set_type(ictx, type);
		if (!rc)
			WRITE_ONCE(container->type, type);
	}
	return rc;
}
