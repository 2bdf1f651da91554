/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A question to an XArray that its own calls do not answer.
 */
#ifndef __IOMMUFD_LIB_XA_ENTRIES_H
#define __IOMMUFD_LIB_XA_ENTRIES_H

#include <linux/limits.h>
#include <linux/xarray.h>

/**
 * xa_has_entries - see whether there is an entry
 * @xa: array
 *
 * xa_empty() answers for the nodes: a store that finds no memory for its second node
 * may leave the first one behind, without an entry.
 *
 * Context: any; the answer lasts as long as the caller keeps stores out.
 * Return: true if there is one.
 */
static inline bool xa_has_entries(struct xarray *xa)
{
	unsigned long index = 0;

	return xa_find(xa, &index, ULONG_MAX, XA_PRESENT);
}
#endif
