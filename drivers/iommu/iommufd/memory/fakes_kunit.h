/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Fakes for KUnit: a domain that remembers what is mapped in it and what an IOTLB may
 * still have, and the memory of a device that is switched off and on.  No hardware is
 * needed, and no frame is ever dereferenced.
 */
#ifndef __IOMMUFD_MEMORY_FAKES_KUNIT_H
#define __IOMMUFD_MEMORY_FAKES_KUNIT_H

#include <kunit/test.h>
#include <linux/iommu.h>

#include "revocable.h"

/* From here on frames are a device's. */
#define FAKE_DEVICE_PFN 0x300000UL

/**
 * struct fake_domain - an IOMMU domain
 * @domain: for the core
 * @first: first IOVA of its space
 * @npages: pages of its space
 * @table: by page: the frame, 0 for nothing
 * @iotlb: the same as a device may see it until the next flush
 * @syncs: calls after mapping
 * @flushes: calls after unmapping
 * @largest: the largest page that was used
 * @fail_after: so many pages until a failure, 0 for none
 * @fail_rc: its errno
 * @fail_always: all fail
 * @meanwhile: NULL, or called once before the next flush after unmapping
 * @data: for it
 *
 * Whoever maps holds a lock, which protects this.
 */
struct fake_domain {
	struct iommu_domain domain;
	unsigned long first;
	unsigned int npages;
	unsigned long *table;
	unsigned long *iotlb;
	unsigned int syncs;
	unsigned int flushes;
	size_t largest;
	int fail_after;
	int fail_rc;
	bool fail_always;
	void (*meanwhile)(void *data);
	void *data;
};

/* Pages of one size, and larger ones in @pgsizes.  Ends with the case. */
void fake_domain_init(struct kunit *test, struct fake_domain *fake,
		      unsigned long first, unsigned int npages,
		      unsigned long pgsizes);

/* Is @pfn mapped, or may a device still think so? */
bool fake_domain_reaches(const struct fake_domain *fake, unsigned long pfn);

/* Is there anything that a device reaches? */
bool fake_domain_is_empty(const struct fake_domain *fake);

/**
 * struct fake_device - memory of a device
 * @rev: what is tested
 * @on: it answers; &iommufd_revocable.lock
 * @pfn: its first frame, %FAKE_DEVICE_PFN or behind it; the same lock
 * @mapping: whoever tells of something that happened to the device names this
 * @users: references while the last restore ran
 * @missed: restores that have ended without it
 * @found: restores that have ended with it
 */
struct fake_device {
	struct iommufd_revocable rev;
	bool on;
	unsigned long pfn;
	const struct address_space *mapping;
	unsigned int users;
	atomic_t missed;
	atomic_t found;
};

/* Off at first.  Its timer stands still: fake_look() is what it would do. */
struct fake_device *fake_device_new(struct kunit *test, unsigned long npages);

/* Switched off, nobody sees it; switched on, nobody is told. */
void fake_device_set(struct fake_device *dev, bool on);

/* What the timer does when it is due. */
void fake_look(struct iommufd_revocable *rev);

bool fake_is_waiting(struct iommufd_revocable *rev);

#endif
