// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What may stand where in the IOVA space: reserved ranges and their owners, the
 * ranges allowed for automatic placement, the alignment that domains, accesses
 * and options ask for.
 *
 * Locks: the table's space lock for writing; iopt_set_huge_pages() also the
 * domains lock for writing, and whoever reserves the domains lock for reading, since
 * the cover of reserved ranges stands in the tree of the areas.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd_report.h>
#include <linux/slab.h>

#include "iopt_private.h"
#include "iopt_vaddr.h"

static int refuse_reserve(struct iommufd_iopt *iopt, const struct iova_span *span,
			  const char *name, const struct iova_span *other,
			  const char *what)
{
	return iommufd_refuse(iopt->log, -EADDRINUSE, WHY_RESERVED,
			      "%s reserves 0x%lx-0x%lx, %s 0x%lx-0x%lx is there",
			      name, span->first, span->last, what, other->first,
			      other->last);
}

int iopt_reserve_locked(struct iommufd_iopt *iopt, const struct iova_span *span,
			const void *owner, const char *name)
{
	struct iommufd_area *area = iopt_first_area_in(iopt, span);
	struct iova_node *node;

	lockdep_assert_held_write(&iopt->space_lock);
	if (area)
		return refuse_reserve(iopt, span, name, &area->node.span,
				      "the mapping");
	node = iova_set_first_in(&iopt->allowed, span);
	if (node)
		return refuse_reserve(iopt, span, name, &node->span,
				      "the allowed range");
	return iova_resv_add(&iopt->reserved, &iopt->areas, span, owner, name);
}

void iopt_unreserve_locked(struct iommufd_iopt *iopt, const void *owner)
{
	lockdep_assert_held_write(&iopt->space_lock);
	iova_resv_remove(&iopt->reserved, &iopt->areas, owner);
}

/**
 * iopt_reserve - keep a range free of mappings
 * @iopt: table
 * @span: range
 * @owner: whom iopt_unreserve() names; compared only
 * @name: owner's name for messages; copied
 *
 * Context: may sleep.  Takes the domains and the space lock.
 * Return: 0; -EADDRINUSE when an area or an allowed range is there; -ENOMEM.
 */
int iopt_reserve(struct iommufd_iopt *iopt, const struct iova_span *span,
		 const void *owner, const char *name)
{
	guard(rwsem_read)(&iopt->domains_lock);
	guard(rwsem_write)(&iopt->space_lock);
	return iopt_reserve_locked(iopt, span, owner, name);
}

/**
 * iopt_unreserve - give back everything an owner reserved
 * @iopt: table
 * @owner: the owner
 *
 * Context: may sleep.  Takes the domains and the space lock.
 */
void iopt_unreserve(struct iommufd_iopt *iopt, const void *owner)
{
	guard(rwsem_read)(&iopt->domains_lock);
	guard(rwsem_write)(&iopt->space_lock);
	iopt_unreserve_locked(iopt, owner);
}

/* Fill @set, which is empty, with @nodes for @spans. */
static int build_allowed(struct iommufd_iopt *iopt, struct iova_set *set,
			 struct iova_node *nodes, const struct iova_span *spans,
			 unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		nodes[i].span = spans[i];
		if (iova_set_insert(set, &nodes[i]))
			return iommufd_refuse(iopt->log, -EINVAL, WHY_OVERLAP,
					      "allowed range 0x%lx-0x%lx overlaps another one of the call",
					      spans[i].first, spans[i].last);
	}
	return 0;
}

static int check_allowed(struct iommufd_iopt *iopt,
			 const struct iova_span *spans, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct iova_resv_entry *entry =
			iova_resv_first_in(&iopt->reserved, &spans[i]);

		if (entry)
			return iommufd_refuse(iopt->log, -EADDRINUSE, WHY_RESERVED,
					      "allowed range 0x%lx-0x%lx overlaps 0x%lx-0x%lx reserved by %s",
					      spans[i].first, spans[i].last,
					      entry->span.first, entry->span.last,
					      entry->name);
	}
	return 0;
}

/**
 * iopt_set_allowed - replace the ranges for automatic placement
 * @iopt: table
 * @spans: the ranges, in any order
 * @n: how many; 0 allows everything
 *
 * Context: may sleep.  Takes the space lock.
 * Return: 0; -EINVAL when two overlap, -EADDRINUSE when one overlaps a reserved
 * range, -ENOMEM; then the old set stays.
 */
int iopt_set_allowed(struct iommufd_iopt *iopt, const struct iova_span *spans,
		     unsigned int n)
{
	struct iova_node *nodes __free(kvfree) = NULL;
	struct iova_set set;
	int rc;

	iova_set_init(&set);
	if (n) {
		nodes = kvcalloc(n, sizeof(*nodes), GFP_KERNEL_ACCOUNT);
		if (!nodes)
			return -ENOMEM;
		rc = build_allowed(iopt, &set, nodes, spans, n);
		if (rc)
			return rc;
	}

	guard(rwsem_write)(&iopt->space_lock);
	rc = check_allowed(iopt, spans, n);
	if (rc)
		return rc;
	iopt->allowed = set;
	swap(iopt->allowed_nodes, nodes);
	return 0;
}

static unsigned long domain_alignment(const struct iommu_domain *domain)
{
	return 1UL << __ffs(domain->pgsize_bitmap);
}

/**
 * iopt_update_alignment - recompute what areas have to be aligned to
 * @iopt: table; its domains do not change meanwhile
 */
void iopt_update_alignment(struct iommufd_iopt *iopt)
{
	unsigned long alignment = iopt->huge_pages ? 1 : PAGE_SIZE;
	struct iopt_access *access;
	struct iopt_domain *entry;
	unsigned long index;

	lockdep_assert_held_write(&iopt->space_lock);
	list_for_each_entry(entry, &iopt->domains, item)
		alignment = max(alignment, domain_alignment(entry->domain));
	xa_for_each(&iopt->accesses, index, access)
		alignment = max(alignment, access->alignment);
	iopt->alignment = alignment;
}

/**
 * iopt_check_areas_aligned - may the alignment grow?
 * @iopt: table
 * @alignment: what would be needed
 * @who: who needs it, for the reason
 *
 * Return: 0; -EADDRINUSE with the reason noted.
 */
int iopt_check_areas_aligned(struct iommufd_iopt *iopt, unsigned long alignment,
			     const char *who)
{
	struct iommufd_area *area;

	lockdep_assert_held(&iopt->space_lock);
	if (alignment <= iopt->alignment)
		return 0;
	iopt_for_each_area_in(area, iopt, &IOVA_SPAN_ALL)
		if (!area_is_aligned(area, alignment))
			return iommufd_refuse(iopt->log, -EADDRINUSE,
					      WHY_MISALIGNED,
					      "%s needs alignment 0x%lx, the mapping 0x%lx-0x%lx has less",
					      who, alignment,
					      area->node.span.first,
					      area->node.span.last);
	return 0;
}

/**
 * iopt_check_vaddrs - can pages be pinned for somebody new?
 * @iopt: table
 *
 * Context: space lock held.
 * Return: 0; -EBUSY with the reason noted while an area has no valid user address.
 */
int iopt_check_vaddrs(struct iommufd_iopt *iopt)
{
	lockdep_assert_held(&iopt->space_lock);
	if (likely(!iopt->no_vaddr))
		return 0;
	return iommufd_refuse(iopt->log, -EBUSY, WHY_BUSY,
			      "%lu mappings wait for a new address of their memory",
			      iopt->no_vaddr);
}

/**
 * iopt_set_huge_pages - may domains use pages larger than PAGE_SIZE?
 * @iopt: table
 * @on: they may
 *
 * Context: may sleep.  Takes the domains and the space lock.
 * Return: 0; switching off: -EINVAL when domains already show areas, -EADDRINUSE
 * when an area is not aligned to PAGE_SIZE.
 */
int iopt_set_huge_pages(struct iommufd_iopt *iopt, bool on)
{
	int rc;

	guard(rwsem_write)(&iopt->domains_lock);
	guard(rwsem_write)(&iopt->space_lock);
	if (!on) {
		if (!list_empty(&iopt->domains) && iopt->nareas)
			return iommufd_refuse(iopt->log, -EINVAL, WHY_BUSY,
					      "%lu mappings are in page tables already",
					      iopt->nareas);
		rc = iopt_check_areas_aligned(iopt, PAGE_SIZE,
					      "huge pages off");
		if (rc)
			return rc;
	}
	iopt->huge_pages = on;
	iopt_update_alignment(iopt);
	return 0;
}

/**
 * iopt_page_sizes - the page sizes that every domain has
 * @iopt: table
 *
 * Context: may sleep.  Takes the space lock.
 * Return: a bit for each size; all bits without a domain.
 */
unsigned long iopt_page_sizes(struct iommufd_iopt *iopt)
{
	unsigned long sizes = ULONG_MAX;
	struct iopt_domain *entry;

	guard(rwsem_read)(&iopt->space_lock);
	list_for_each_entry(entry, &iopt->domains, item)
		sizes &= entry->domain->pgsize_bitmap;
	return sizes;
}
