/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Areas into IOMMU domains and out again.
 */
#ifndef __IOMMUFD_PGTABLE_DOMAIN_MAP_H
#define __IOMMUFD_PGTABLE_DOMAIN_MAP_H

#include <linux/iommu.h>
#include <linux/sizes.h>
#include "../lib/span.h"

struct iommufd_area;
struct iommufd_log;

/*
 * Largest page in a domain with dirty bits.  Some IOMMUs have much larger ones; a bit
 * for so much memory says little.
 */
#define DOMAIN_DIRTY_MAX_PAGE SZ_1G

/**
 * struct domain_mapping - how areas are mapped into a domain
 * @domain: the domain
 * @max_piece: largest piece to hand to the page table at once, a power of two;
 *	       PAGE_SIZE keeps large IOMMU pages out, 0 is no limit
 * @log: where a refusal is told
 */
struct domain_mapping {
	struct iommu_domain *domain;
	unsigned long max_piece;
	struct iommufd_log *log;
};

/* &domain_mapping.max_piece for a domain of a table with or without huge pages. */
static inline unsigned long domain_max_piece(const struct iommu_domain *domain,
					     bool huge_pages)
{
	if (!huge_pages)
		return PAGE_SIZE;
	return domain->dirty_ops ? DOMAIN_DIRTY_MAX_PAGE : 0;
}

int domain_map_area(const struct domain_mapping *to, struct iommufd_area *area);
int domain_map_sync(const struct domain_mapping *to,
		    const struct iova_span *span);

/*
 * Takes areas out of one domain, merging neighbours, and flushes once at the end.
 */
struct domain_unmap {
	struct iommu_domain *domain;
	struct iova_span pending;
	bool have_pending;
	struct iommu_iotlb_gather *gather;
};

/**
 * domain_unmap_begin - begin to take areas out of a domain
 * @un: state, initialised here
 * @domain: the domain
 * @gather: what the IOTLBs hold, initialised here
 */
static inline void domain_unmap_begin(struct domain_unmap *un,
				      struct iommu_domain *domain,
				      struct iommu_iotlb_gather *gather)
{
	*un = (struct domain_unmap){ .domain = domain, .gather = gather };
	iommu_iotlb_gather_init(gather);
}

void domain_unmap_area(struct domain_unmap *un, struct iommufd_area *area);
void domain_unmap_end(struct domain_unmap *un);

/* All of that for areas linked by @next, up to but without @end. */
void domain_unmap_chain(struct iommu_domain *domain, struct iommufd_area *chain,
			const struct iommufd_area *end);
#endif
