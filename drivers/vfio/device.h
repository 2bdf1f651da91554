/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices: from allocation to release.
 *
 * What drivers call is declared in <linux/vfio.h>.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <linux/cleanup.h>
#include <linux/vfio.h>

static inline void vfio_registration_drop(struct vfio_device *vdev)
{
	if (vdev)
		vfio_device_put_registration(vdev);
}

/* A registration reference that goes with its scope. */
DEFINE_FREE(vfio_registration, struct vfio_device *, vfio_registration_drop(_T))

#endif /* VFIO_DEVICE_H */
