/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Live migration: the state machine and the features that drive it.
 *
 * vfio_mig_get_next_state(), which drivers call, is declared in
 * <linux/vfio.h>.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_MIGRATION_H
#define VFIO_MIGRATION_H

#include <linux/types.h>
#include <linux/vfio.h>

int vfio_feature_migration(struct vfio_device *device, u32 flags,
			   void __user *data, size_t size);
int vfio_feature_mig_state(struct vfio_device *device, u32 flags,
			   void __user *data, size_t size);
int vfio_feature_mig_data_size(struct vfio_device *device, u32 flags,
			       void __user *data, size_t size);
int vfio_feature_precopy_info_v2(struct vfio_device *device, u32 flags,
				 void __user *data, size_t size);

/**
 * vfio_migration_forget_user - Drop what a user chose for the migration
 * @device: The device
 *
 * To be called at the first open or the last close, so that the next user
 * starts with the behaviour that needs no opt-in.
 *
 * Context: The device set's lock is held, no file of @device is in use.
 */
static inline void vfio_migration_forget_user(struct vfio_device *device)
{
	device->precopy_info_v2 = 0;
}

#endif /* VFIO_MIGRATION_H */
