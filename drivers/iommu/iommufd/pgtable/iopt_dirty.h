/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Which pages of a table devices have written, by the dirty bits of a domain.
 */
#ifndef __IOMMUFD_PGTABLE_IOPT_DIRTY_H
#define __IOMMUFD_PGTABLE_IOPT_DIRTY_H

#include <linux/types.h>
#include "area.h"
#include "iopt.h"

struct iova_bitmap;

/**
 * struct iopt_dirty_walk - a walk over the areas of a range that are to be reported
 * @iopt: table
 * @state: areas in other states are skipped
 * @visit: report the part of an area.  Called with the table's locks held, so it does
 *	   not wait for user memory
 * @bitmap: where to; NULL when nothing is to be reported
 * @domains_held: the caller holds the domains lock
 */
struct iopt_dirty_walk {
	struct iommufd_iopt *iopt;
	enum area_state state;
	int (*visit)(struct iopt_dirty_walk *walk, struct iommufd_area *area,
		     const struct iova_span *part);
	struct iova_bitmap *bitmap;
	bool domains_held;
};

/**
 * struct iopt_dirty_request - what to report, and where
 * @span: the range; areas may cross its borders, and there may be holes
 * @page_size: bytes that a bit stands for, a power of two
 * @data: the caller's bitmap
 * @keep: pages stay dirty
 */
struct iopt_dirty_request {
	struct iova_span span;
	unsigned long page_size;
	u64 __user *data;
	bool keep;
};

/* Visit all areas in @span, by stretches; no lock is kept from one to the next. */
int iopt_dirty_walk(struct iopt_dirty_walk *walk, const struct iova_span *span);
/* The same window by window of the caller's bitmap. */
int iopt_dirty_report(struct iopt_dirty_walk *walk,
		      const struct iopt_dirty_request *rq);

/*
 * One domain, whose @dirty_ops are there.  The caller serialises whatever starts and
 * stops tracking in this table.
 */
int iopt_dirty_enable(struct iommufd_iopt *iopt, struct iommu_domain *domain);
int iopt_dirty_start(struct iommufd_iopt *iopt, struct iopt_domain *entry);
int iopt_dirty_stop(struct iommufd_iopt *iopt, struct iopt_domain *entry);
int iopt_dirty_read(struct iommufd_iopt *iopt, struct iopt_domain *entry,
		    const struct iopt_dirty_request *rq);
#endif
