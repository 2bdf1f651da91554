/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The step of an attachment that the IOMMU core and its drivers do.
 */
#ifndef __IOMMUFD_ATTACH_HW_H
#define __IOMMUFD_ATTACH_HW_H

#include <linux/iommufd.h>

struct iommufd_device;
struct iommufd_hw_pagetable;

int iommufd_hw_attach(struct iommufd_hw_pagetable *hwpt,
		      struct iommufd_device *idev, ioasid_t pasid);
int iommufd_hw_replace(struct iommufd_hw_pagetable *old,
		       struct iommufd_hw_pagetable *hwpt,
		       struct iommufd_device *idev, ioasid_t pasid);
void iommufd_hw_detach(struct iommufd_hw_pagetable *hwpt,
		       struct iommufd_device *idev, ioasid_t pasid);
void iommufd_hw_hand_over(struct iommufd_device *from, struct iommufd_device *to,
			  ioasid_t pasid);
#endif
