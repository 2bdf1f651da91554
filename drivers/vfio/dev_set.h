/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices that are opened and reset together.
 *
 * What drivers call (assign, count, find) is declared in <linux/vfio.h>.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_DEV_SET_H
#define VFIO_DEV_SET_H

struct vfio_device;

void vfio_dev_set_release(struct vfio_device *device);

#endif /* VFIO_DEV_SET_H */
