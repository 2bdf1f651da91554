/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the groups of VFIO and an iommufd that serves as their container ask of
 * each other.
 *
 * Lock order: the group's outer lock (one call on a group at a time) -> the
 * iommufd's container lock -> the locks that @attach and @detach take.  So
 * iommufd calls down into a group with its container lock held, and a group
 * calls here without a lock that @attach or @detach takes.
 */
#ifndef __LINUX_IOMMUFD_CONTAINER_H
#define __LINUX_IOMMUFD_CONTAINER_H

#include <linux/err.h>
#include <linux/list.h>
#include <linux/types.h>

struct iommufd_container_member;
struct iommufd_ctx;

/**
 * struct iommufd_container_ops - what a container asks of a group
 * @attach: attach every device of the group that does DMA by itself to the IOAS
 *	    @ioas_id of @ictx; all of them or none.  Called when SET_IOMMU is done
 *	    and the group is in, whichever comes later; at most once until @detach
 * @detach: undo @attach; cannot fail.  No device of the group is open
 */
struct iommufd_container_ops {
	int (*attach)(struct iommufd_container_member *member,
		      struct iommufd_ctx *ictx, u32 ioas_id);
	void (*detach)(struct iommufd_container_member *member);
};

/**
 * struct iommufd_container_member - a group in a container
 * @ops: see above
 * @no_iommu: no IOMMU translates the DMA of its devices: it goes only into a
 *	      container without mapping service
 * @emulated: its device does no DMA by itself: the driver goes by user addresses,
 *	      which so cannot be declared void
 * @item: in the container's list; iommufd's
 * @attached: @ops->attach succeeded; iommufd's
 */
struct iommufd_container_member {
	const struct iommufd_container_ops *ops;
	bool no_iommu;
	bool emulated;
	struct list_head item;
	bool attached;
};

/**
 * struct iommufd_container_state - what a container is used for now
 * @ready: devices of its groups may be opened: VFIO_SET_IOMMU was called, or the
 *	   file is a /dev/iommu, whose users may do without that call
 * @no_iommu: it has no mapping service; @ioas_id is not valid
 * @ioas_id: ID of the IOAS that devices are attached to
 */
struct iommufd_container_state {
	bool ready;
	bool no_iommu;
	u32 ioas_id;
};

#if IS_ENABLED(CONFIG_IOMMUFD_VFIO_CONTAINER)
/*
 * Put a group in: -EPERM when the container has groups of the other kind
 * (@no_iommu), -EINVAL when the file has an IOAS and the group is @no_iommu, what
 * @ops->attach says, -ENOMEM.  The caller holds a reference on
 * @ictx until iommufd_container_leave(), which detaches the group and, with the
 * last one, ends every mapping made through the container.
 */
int iommufd_container_join(struct iommufd_ctx *ictx,
			   struct iommufd_container_member *member);
void iommufd_container_leave(struct iommufd_ctx *ictx,
			     struct iommufd_container_member *member);
/* The caller's group is in; its outer lock is held. */
void iommufd_container_get_state(struct iommufd_ctx *ictx,
				 struct iommufd_container_state *state);
/*
 * VFIO's module parameter enable_unsafe_noiommu_mode, whenever it is set: what
 * VFIO_CHECK_EXTENSION says of VFIO_NOIOMMU_IOMMU before a group is in.
 */
void iommufd_container_allow_noiommu(bool allowed);
#else
static inline int iommufd_container_join(struct iommufd_ctx *ictx,
					 struct iommufd_container_member *member)
{
	return -EOPNOTSUPP;
}

static inline void iommufd_container_leave(struct iommufd_ctx *ictx,
					   struct iommufd_container_member *member)
{
}

static inline void iommufd_container_get_state(struct iommufd_ctx *ictx,
					       struct iommufd_container_state *state)
{
}

static inline void iommufd_container_allow_noiommu(bool allowed)
{
}
#endif
#endif
