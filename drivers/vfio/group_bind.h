/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A group in a container, and its devices bound there.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_GROUP_BIND_H
#define VFIO_GROUP_BIND_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct iommufd_container_ops;
struct iommufd_ctx;
struct vfio_device;
struct vfio_group;

#if IS_ENABLED(CONFIG_VFIO_GROUP)
int vfio_group_enter_container(struct vfio_group *group,
			       struct iommufd_ctx *ictx);
void vfio_group_exit_container(struct vfio_group *group);
void vfio_group_leave(struct vfio_device *vdev);

int vfio_group_bind_device(struct vfio_group *group, struct vfio_device *vdev,
			   u32 ioas_id);
int vfio_group_bind_opened(struct vfio_device *vdev, struct iommufd_ctx *ictx,
			   u32 ioas_id, u32 *devid);
void vfio_group_unbind_closed(struct vfio_device *vdev);

#if IS_ENABLED(CONFIG_KUNIT)
extern const struct iommufd_container_ops vfio_group_container_ops;
#endif
#else
static inline void vfio_group_leave(struct vfio_device *vdev)
{
}

static inline int vfio_group_bind_opened(struct vfio_device *vdev,
					 struct iommufd_ctx *ictx, u32 ioas_id,
					 u32 *devid)
{
	return -EOPNOTSUPP;
}

static inline void vfio_group_unbind_closed(struct vfio_device *vdev)
{
}
#endif

#endif /* VFIO_GROUP_BIND_H */
