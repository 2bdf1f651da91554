/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file of a group: what each system call on it does.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_GROUP_H
#define VFIO_GROUP_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct file;
struct iommu_group;
struct kvm;
struct seq_file;
struct vfio_group;

#if IS_ENABLED(CONFIG_VFIO_GROUP)
int vfio_group_init(void);
void vfio_group_exit(void);

struct vfio_group *vfio_group_of_file(struct file *file);
struct iommu_group *vfio_group_get_isolation(struct vfio_group *group);
void vfio_group_serve(struct vfio_group *group, struct kvm *machine);
bool vfio_group_is_coherent(struct vfio_group *group);

#if IS_ENABLED(CONFIG_KUNIT)
void vfio_group_file_show_fdinfo(struct seq_file *m, struct file *file);
#endif
#else
static inline int vfio_group_init(void)
{
	return 0;
}

static inline void vfio_group_exit(void)
{
}

static inline struct vfio_group *vfio_group_of_file(struct file *file)
{
	return NULL;
}

static inline struct iommu_group *
vfio_group_get_isolation(struct vfio_group *group)
{
	return NULL;
}

static inline void vfio_group_serve(struct vfio_group *group,
				    struct kvm *machine)
{
}

static inline bool vfio_group_is_coherent(struct vfio_group *group)
{
	return false;
}
#endif

#endif /* VFIO_GROUP_H */
