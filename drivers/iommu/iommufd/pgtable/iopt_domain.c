// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Domains come to a table and go: the first one pins all areas, each is filled
 * before it counts, the last one unpins them.
 *
 * Locks: the domains lock for writing, which keeps the areas as they are (no map
 * or unmap runs); the space lock shortly inside.  Lock order of the neighbourhood
 * stands in iopt.h.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd_report.h>
#include <linux/sched/signal.h>

#include "domain_map.h"
#include "iopt_private.h"
#include "iopt_vaddr.h"

/* The areas in ascending order up to but without @end (NULL: all). */
static void empty_domain(struct iommufd_iopt *iopt, struct iommu_domain *domain,
			 struct iommufd_area *end)
{
	struct iommu_iotlb_gather gather;
	struct iommufd_area *area;
	struct domain_unmap un;

	domain_unmap_begin(&un, domain, &gather);
	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL) {
		if (area == end)
			break;
		domain_unmap_area(&un, area);
	}
	domain_unmap_end(&un);
}

static void unpin_areas(struct iommufd_iopt *iopt)
{
	struct iommufd_area *area;

	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL)
		area_unpin(area);
}

static int fill_domain(struct iommufd_iopt *iopt, struct iommu_domain *domain)
{
	const struct domain_mapping to = {
		.domain = domain,
		.max_piece = domain_max_piece(domain, iopt->huge_pages),
		.log = iopt->log,
	};
	struct iova_span filled = { ULONG_MAX, 0 };
	struct iommufd_area *area;
	int rc = 0;

	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL) {
		cond_resched();
		if (fatal_signal_pending(current))
			rc = -EINTR;
		if (!rc && !area->pinned)
			rc = area_pin_or_hole(area, iopt->log);
		if (!rc)
			rc = domain_map_area(&to, area);
		if (rc)
			break;
		filled.first = min(filled.first, area->node.span.first);
		filled.last = area->node.span.last;
	}
	if (!rc && filled.first <= filled.last)
		rc = domain_map_sync(&to, &filled);
	if (!rc)
		return 0;

	empty_domain(iopt, domain, area);
	if (list_empty(&iopt->domains))
		unpin_areas(iopt);
	return rc;
}

/* Reserve what lies outside the domain's aperture. */
static int reserve_aperture(struct iommufd_iopt *iopt,
			    struct iommu_domain *domain)
{
	const struct iommu_domain_geometry *geo = &domain->geometry;
	const char *name = "aperture";
	struct iova_span span;
	int rc;

	if (!geo->force_aperture)
		return 0;
	if (geo->aperture_start) {
		span.first = 0;
		span.last = geo->aperture_start - 1;
		rc = iopt_reserve_locked(iopt, &span, domain, name);
		if (rc)
			return rc;
	}
	if (geo->aperture_end < ULONG_MAX) {
		span.first = geo->aperture_end + 1;
		span.last = ULONG_MAX;
		return iopt_reserve_locked(iopt, &span, domain, name);
	}
	return 0;
}

static int constrain(struct iommufd_iopt *iopt, struct iommu_domain *domain)
{
	unsigned long smallest = 1UL << __ffs(domain->pgsize_bitmap);
	int rc;

	if (smallest > PAGE_SIZE)
		return iommufd_refuse(iopt->log, -EINVAL, WHY_NOT_SUPPORTED,
				      "the IOMMU's smallest page 0x%lx is larger than the CPU's 0x%lx",
				      smallest, PAGE_SIZE);

	guard(rwsem_write)(&iopt->space_lock);
	rc = iopt_check_vaddrs(iopt);
	if (!rc)
		rc = iopt_check_areas_aligned(iopt, smallest, "the IOMMU");
	if (rc)
		return rc;
	rc = reserve_aperture(iopt, domain);
	if (rc)
		iopt_unreserve_locked(iopt, domain);
	return rc;
}

static void unconstrain(struct iommufd_iopt *iopt, struct iommu_domain *domain)
{
	guard(rwsem_write)(&iopt->space_lock);
	iopt_unreserve_locked(iopt, domain);
	iopt_update_alignment(iopt);
}

/*
 * While writes are recorded the new domain has to tell of those through it.  If it cannot,
 * the record takes every page for written.
 */
static void track_domain(struct iommufd_iopt *iopt, struct iopt_domain *entry)
{
	const struct iommu_dirty_ops *ops = entry->domain->dirty_ops;

	entry->tracker = IOPT_TRACKER_NONE;
	if (iopt->recording && ops && !ops->set_dirty_tracking(entry->domain, true))
		entry->tracker = IOPT_TRACKER_RECORD;
}

/* What a domain that goes would have told of is no longer known. */
static void mark_all_written(struct iommufd_iopt *iopt)
{
	struct iommufd_area *area;

	if (!iopt->recording)
		return;
	guard(rwsem_read)(&iopt->space_lock);
	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL)
		area_mark_written(iopt, area, area_first_page(area),
				  area_npages(area));
}

/**
 * iopt_add_domain - make a domain show the table
 * @iopt: table
 * @entry: the domain, not in any table; entry->domain is a paging domain
 *
 * Context: may sleep and fault.  Takes the domains and the space lock.
 * Return: 0; -EINVAL when its smallest page is too large; -EBUSY while an area has no
 * valid user address; -EADDRINUSE when an area
 * does not fit its alignment or aperture, or an allowed range does not fit the latter;
 * -EINTR when killed; -ENOMEM; what pinning and the IOMMU driver say.  On failure nothing
 * has changed.
 */
int iopt_add_domain(struct iommufd_iopt *iopt, struct iopt_domain *entry)
{
	int rc;

	/* A MAP whose fault another process does not answer may hold it for long. */
	ACQUIRE(rwsem_write_kill, lock)(&iopt->domains_lock);
	rc = ACQUIRE_ERR(rwsem_write_kill, &lock) ?: constrain(iopt, entry->domain);
	if (rc)
		return rc;
	rc = fill_domain(iopt, entry->domain);
	if (rc) {
		unconstrain(iopt, entry->domain);
		return rc;
	}
	track_domain(iopt, entry);
	guard(rwsem_write)(&iopt->space_lock);
	list_add_tail(&entry->item, &iopt->domains);
	iopt_update_alignment(iopt);
	return 0;
}

/**
 * iopt_remove_domain - empty a domain and forget it
 * @iopt: table
 * @entry: what iopt_add_domain() added; no device is attached to it any more
 *
 * Context: may sleep.  Takes the domains and the space lock.  Cannot fail.
 */
void iopt_remove_domain(struct iommufd_iopt *iopt, struct iopt_domain *entry)
{
	guard(rwsem_write)(&iopt->domains_lock);
	mark_all_written(iopt);
	empty_domain(iopt, entry->domain, NULL);
	scoped_guard(rwsem_write, &iopt->space_lock)
		list_del_init(&entry->item);
	if (list_empty(&iopt->domains))
		unpin_areas(iopt);
	unconstrain(iopt, entry->domain);
}
