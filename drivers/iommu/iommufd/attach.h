/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A device, or one of its PASIDs, and a page table come together and part.
 */
#ifndef __IOMMUFD_ATTACH_H
#define __IOMMUFD_ATTACH_H

#include <linux/iommufd.h>

struct iommufd_device;
struct iommufd_hw_pagetable;

/**
 * struct iommufd_detached - what an attachment no longer uses
 * @hwpt: page table, NULL if there is none
 * @nrefs: long references on it that the caller has to give back, without a lock held
 */
struct iommufd_detached {
	struct iommufd_hw_pagetable *hwpt;
	unsigned int nrefs;
};

int iommufd_attach_hwpt(struct iommufd_device *idev, ioasid_t pasid,
			struct iommufd_hw_pagetable *hwpt,
			struct iommufd_detached *old);
int iommufd_replace_hwpt(struct iommufd_device *idev, ioasid_t pasid,
			 struct iommufd_hw_pagetable *hwpt,
			 struct iommufd_detached *old);
void iommufd_detach_hwpt(struct iommufd_device *idev, ioasid_t pasid,
			 struct iommufd_detached *old);
#endif
