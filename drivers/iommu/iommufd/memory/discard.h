/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The end of many small backings: pins, charges and memory are given back together.
 */
#ifndef __IOMMUFD_MEMORY_DISCARD_H
#define __IOMMUFD_MEMORY_DISCARD_H

#include <linux/types.h>

struct iommufd_backing;
struct iommufd_payer;

#define DISCARD_ROOM 32

/**
 * struct iommufd_discard - backings on their way out
 * @payer: of all of them, a reference for each
 * @npages: pages that they had pinned, and are charged for
 * @nbackings: number of @backings
 * @backings: memory of the backings
 *
 * Made to stand on the stack.
 */
struct iommufd_discard {
	struct iommufd_payer *payer;
	unsigned int npages;
	unsigned int nbackings;
	void *backings[DISCARD_ROOM];
};

static inline void iommufd_discard_begin(struct iommufd_discard *discard)
{
	discard->npages = 0;
	discard->nbackings = 0;
}

/*
 * Take over the caller's reference on a backing, and its use of all pages if @pinned, which
 * are in no domain any more.  False when that is not possible in this way, and nothing has
 * changed: somebody else holds the backing, or it is not of the kind that comes in numbers.
 */
bool iommufd_discard_add(struct iommufd_discard *discard,
			 struct iommufd_backing *backing, bool pinned);
void iommufd_discard_end(struct iommufd_discard *discard);

#endif
