// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The burnt IDs of a file, see burnt_ids.h.  They are few, and looked at only when a
 * device goes or an ID names nothing.
 *
 * Locks: the owner's.
 */
#include <linux/string.h>

#include "burnt_ids.h"

static void remove_at(struct iommufd_burnt_ids *burnt, unsigned int at)
{
	burnt->count--;
	memmove(&burnt->ids[at], &burnt->ids[at + 1],
		(burnt->count - at) * sizeof(*burnt->ids));
}

/**
 * iommufd_burnt_add - burn an ID
 * @burnt: the burnt IDs
 * @id: not among them
 *
 * Context: the owner's lock.
 * Return: 0; the ID that had to go for it, which is free now.
 */
u32 iommufd_burnt_add(struct iommufd_burnt_ids *burnt, u32 id)
{
	u32 oldest = 0;

	if (burnt->count == IOMMUFD_BURNT_MAX) {
		oldest = burnt->ids[0];
		remove_at(burnt, 0);
	}
	burnt->ids[burnt->count++] = id;
	return oldest;
}

/**
 * iommufd_burnt_remove - a burnt ID is free again
 * @burnt: the burnt IDs
 * @id: any ID
 *
 * Context: the owner's lock.
 * Return: true if @id was burnt.
 */
bool iommufd_burnt_remove(struct iommufd_burnt_ids *burnt, u32 id)
{
	unsigned int at;

	for (at = 0; at < burnt->count; at++) {
		if (burnt->ids[at] == id) {
			remove_at(burnt, at);
			return true;
		}
	}
	return false;
}
