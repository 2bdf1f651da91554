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

/* Scope-bound registration reference, see vfio_device_try_get_registration() */
DEFINE_FREE(vfio_registration, struct vfio_device *,
	    if (_T) vfio_device_put_registration(_T))

#endif /* VFIO_DEVICE_H */
