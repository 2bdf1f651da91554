/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The dirty bits of an IOMMU domain.
 */
#ifndef __IOMMUFD_PGTABLE_DOMAIN_DIRTY_H
#define __IOMMUFD_PGTABLE_DOMAIN_DIRTY_H

#include <linux/iommu.h>
#include "../lib/span.h"

struct iommufd_area;
struct iommufd_log;
struct iova_bitmap;

/**
 * struct domain_dirty - a look at the dirty bits of one domain
 * @domain: the domain, with dirty operations
 * @max_piece: largest page in it, as in &struct domain_mapping
 * @bitmap: where to report; NULL to clear only
 * @keep: the bits stay as they are
 * @log: where a refusal is told
 */
struct domain_dirty {
	struct iommu_domain *domain;
	unsigned long max_piece;
	struct iova_bitmap *bitmap;
	bool keep;
	struct iommufd_log *log;
	/* private: what the IOTLBs have to forget */
	struct iommu_iotlb_gather gather;
};

void domain_dirty_begin(struct domain_dirty *dd);
int domain_dirty_read(struct domain_dirty *dd, struct iommufd_area *area,
		      const struct iova_span *part);
void domain_dirty_end(struct domain_dirty *dd);
#endif
