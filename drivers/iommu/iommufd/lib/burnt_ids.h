/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IDs of objects that the kernel destroyed under user space's hands.
 *
 * A program that does not know of it yet may still name such an ID, above all in
 * IOMMU_DESTROY, and must not meet an object that was made since.  So the ID is burnt:
 * it stays taken until the program has destroyed it, too, which tells that it will not
 * use it again.  Programs that never do so would lose an ID with each round of hot-plug;
 * for them the oldest of more than IOMMUFD_BURNT_MAX burnt IDs is given back.
 *
 * Locks: the owner's.
 */
#ifndef __IOMMUFD_LIB_BURNT_IDS_H
#define __IOMMUFD_LIB_BURNT_IDS_H

#include <linux/types.h>

/* More devices than a program could lose at once before it notices the first. */
#define IOMMUFD_BURNT_MAX 64

/**
 * struct iommufd_burnt_ids - the burnt IDs of a file
 * @ids: oldest first
 * @count: how many
 */
struct iommufd_burnt_ids {
	u32 ids[IOMMUFD_BURNT_MAX];
	unsigned int count;
};

u32 iommufd_burnt_add(struct iommufd_burnt_ids *burnt, u32 id);
bool iommufd_burnt_remove(struct iommufd_burnt_ids *burnt, u32 id);
#endif
