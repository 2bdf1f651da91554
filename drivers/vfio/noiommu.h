/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices whose DMA no IOMMU translates.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_NOIOMMU_H
#define VFIO_NOIOMMU_H

#include <linux/kconfig.h>
#include <linux/vfio.h>

/**
 * vfio_device_is_noiommu - Is this device registered without an IOMMU?
 * @device: The device
 *
 * Context: Any; the answer is fixed when the device is registered.
 * Return: true when nothing confines the DMA of @device.
 */
static inline bool vfio_device_is_noiommu(const struct vfio_device *device)
{
	return IS_ENABLED(CONFIG_VFIO_NOIOMMU) && device->noiommu;
}

#if IS_ENABLED(CONFIG_VFIO_NOIOMMU)
bool vfio_noiommu_allowed(void);
void vfio_noiommu_taint(struct vfio_device *device);
void vfio_noiommu_note_open(const struct vfio_device *device);
int vfio_noiommu_check_open(const struct vfio_device *device);
void vfio_noiommu_exit(void);
#else
static inline bool vfio_noiommu_allowed(void)
{
	return false;
}

static inline void vfio_noiommu_taint(struct vfio_device *device)
{
}

static inline void vfio_noiommu_note_open(const struct vfio_device *device)
{
}

static inline int vfio_noiommu_check_open(const struct vfio_device *device)
{
	return 0;
}

static inline void vfio_noiommu_exit(void)
{
}
#endif

#endif /* VFIO_NOIOMMU_H */
