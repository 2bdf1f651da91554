/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Inside of backings: how pages are charged and pinned (backing_pages.c), and the shape of
 * a backing that is used in parts (backing_parts.c).
 */
#ifndef __IOMMUFD_MEMORY_PARTS_H
#define __IOMMUFD_MEMORY_PARTS_H

#include <linux/rbtree_types.h>
#include "../lib/page_words.h"
#include "backing.h"

/**
 * struct iommufd_parts - what is used of a backing, while that is not all
 * @segments: ranges of pages, see segments.h
 * @singles: pages that are used alone, see singles.h
 */
struct iommufd_parts {
	struct rb_root segments;
	struct page_words singles;
};

/* Charge for pages that are not pinned, and pin them.  On failure nothing has changed. */
int iommufd_backing_charge_and_pin(struct iommufd_backing *backing,
				   unsigned long first, unsigned long npages,
				   struct pfn_runs *runs, struct iommufd_log *log);
/* The reverse.  @heir pays for the same pages from now on; NULL: nobody does. */
void iommufd_backing_unpin_and_uncharge(struct iommufd_backing *backing,
					struct pfn_runs *runs,
					const struct iommufd_payer *heir);
/* The same for some of @runs, which stay as they are; not zero pages. */
void iommufd_backing_unpin_some(struct iommufd_backing *backing,
				const struct pfn_runs *runs, unsigned long first,
				unsigned long npages,
				const struct iommufd_payer *heir);

int iommufd_backing_refuse_uses(struct iommufd_log *log);

/* A use of a part; the backing gets into this shape if it is whole.  @pfn: of the first page. */
int iommufd_backing_pin_part(struct iommufd_backing *backing, unsigned long first,
			     unsigned long npages, struct iommufd_log *log);
int iommufd_backing_pin_single(struct iommufd_backing *backing, unsigned long page,
			       unsigned long *pfn, struct iommufd_log *log);
/* The backing is in this shape. */
void iommufd_backing_unpin_part(struct iommufd_backing *backing,
				unsigned long first, unsigned long npages,
				const struct iommufd_payer *heir);

#endif
