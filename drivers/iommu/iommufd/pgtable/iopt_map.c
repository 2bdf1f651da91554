// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Mapping.
 *
 * Areas are inserted as NEW under the space lock, so that their IOVA is theirs;
 * then they are pinned and mapped into every domain with only the domains lock
 * held for reading, so a slow page fault delays no other mapping; then they are
 * LIVE.  Nobody but their MAP touches a NEW area.
 *
 * Order of danger: pin -> map -> sync -> publish, once for all areas of a call.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd_report.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../memory/backing.h"
#include "../trace.h"
#include "domain_map.h"
#include "iopt_private.h"

static struct iommufd_area *areas_new(const struct iopt_map_request *rq)
{
	struct iommufd_area *chain = NULL, **tail = &chain;
	struct iopt_slice *slice;

	list_for_each_entry(slice, rq->slices, item) {
		*tail = area_new(slice, rq->prot);
		if (!*tail) {
			area_free_chain(chain);
			return NULL;
		}
		tail = &(*tail)->next;
	}
	return chain;
}

/*
 * Put the areas one behind the other where iopt_place() says.  It looked whether that is
 * free, unless there is only one.
 */
static int areas_insert(struct iommufd_iopt *iopt, struct iommufd_area *chain,
			unsigned long iova)
{
	iopt->ninserts++;
	for (struct iommufd_area *area = chain; area; area = area->next) {
		area->node.span.first += iova;
		area->node.span.last += iova;
		iova = area->node.span.last + 1;
		if (iova_set_insert(&iopt->areas, &area->node)) {
			WARN_ON_ONCE(area != chain);
			return iopt_refuse_taken(iopt, &area->node.span);
		}
		iopt->nareas++;
		iopt->nbytes += area_length(area);
	}
	return 0;
}

static void areas_remove(struct iommufd_iopt *iopt, struct iommufd_area *chain)
{
	guard(rwsem_write)(&iopt->space_lock);
	for (struct iommufd_area *area = chain; area; area = area->next) {
		iova_set_remove(&iopt->areas, &area->node);
		area_forget(iopt, area);
		iopt->nareas--;
		iopt->nbytes -= area_length(area);
	}
}

static int areas_pin(struct iommufd_iopt *iopt, struct iommufd_area *chain,
		     bool away_ok)
{
	for (struct iommufd_area *area = chain; area; area = area->next) {
		int rc = away_ok ? area_pin_or_hole(area, iopt->log) :
				   area_pin(area, iopt->log);

		if (rc)
			return rc;
		cond_resched();
	}
	return 0;
}

/* All areas into one domain, or none. */
static int areas_to_domain(struct iommufd_iopt *iopt, struct iommufd_area *chain,
			   struct iommu_domain *domain,
			   const struct iova_span *span)
{
	const struct domain_mapping to = {
		.domain = domain,
		.max_piece = domain_max_piece(domain, iopt->huge_pages),
		.log = iopt->log,
	};
	int rc;

	for (struct iommufd_area *area = chain; area; area = area->next) {
		rc = domain_map_area(&to, area);
		if (rc) {
			domain_unmap_chain(domain, chain, area);
			return rc;
		}
		cond_resched();
	}
	rc = domain_map_sync(&to, span);
	if (rc)
		domain_unmap_chain(domain, chain, NULL);
	return rc;
}

static int areas_to_domains(struct iommufd_iopt *iopt,
			    struct iommufd_area *chain,
			    const struct iova_span *span)
{
	struct iopt_domain *entry;
	int rc;

	list_for_each_entry(entry, &iopt->domains, item) {
		rc = areas_to_domain(iopt, chain, entry->domain, span);
		if (!rc)
			continue;
		list_for_each_entry_continue_reverse(entry, &iopt->domains,
						     item)
			domain_unmap_chain(entry->domain, chain, NULL);
		return rc;
	}
	return 0;
}

/* The domains lock is held, so that nobody begins or ends the record meanwhile. */
static int areas_record(struct iommufd_iopt *iopt, struct iommufd_area *chain)
{
	int rc = 0;

	if (likely(!iopt->recording))
		return 0;
	for (struct iommufd_area *area = chain; !rc && area; area = area->next)
		rc = area_record(iopt, area);
	return rc;
}

static int areas_fill(struct iommufd_iopt *iopt, struct iommufd_area *chain,
		      const struct iova_span *span, bool away_ok)
{
	int rc;

	rc = areas_record(iopt, chain);
	if (rc)
		return rc;
	if (list_empty(&iopt->domains))
		return 0;
	rc = areas_pin(iopt, chain, away_ok);
	if (rc)
		return rc;
	return areas_to_domains(iopt, chain, span);
}

/**
 * iopt_map - map pieces of memory one behind the other
 * @iopt: table
 * @rq: what and where; rq->iova is set on success
 *
 * With a domain in the table all pages are pinned and mapped when this returns;
 * without one nothing is pinned.
 *
 * Context: may sleep and fault.  Takes the domains and the space lock.
 * Return: 0; what iopt_place(), iommufd_backing_pin() and the IOMMU driver say;
 * -ENOMEM.  On failure nothing has changed.
 */
int iopt_map(struct iommufd_iopt *iopt, struct iopt_map_request *rq)
{
	struct iova_span span;
	int rc;

	/* Held until a failed call has unpinned, CHANGE_PROCESS counts under it. */
	guard(rwsem_read)(&iopt->domains_lock);
	struct iommufd_area *chain __free(area_chain) = areas_new(rq);
	if (!chain)
		return -ENOMEM;
	scoped_guard(rwsem_write, &iopt->space_lock) {
		rc = iopt_place(iopt, rq);
		if (rc)
			return rc;
		rc = areas_insert(iopt, chain, rq->iova);
		if (rc)
			return rc;
	}
	span.first = rq->iova;
	span.last = rq->iova + (rq->length - 1);

	rc = areas_fill(iopt, chain, &span, rq->away_ok);
	if (rc) {
		areas_remove(iopt, chain);
		return rc;
	}
	trace_iommufd_map(iopt->id, span.first, span.last, rq->prot);
	/* Commit. */
	while (chain) {
		struct iommufd_area *area = chain;

		chain = area->next;
		area_set_live(area);
	}
	return 0;
}

/**
 * iopt_slices_free - drop what iopt_get_slices() collected
 * @slices: list of &struct iopt_slice
 */
void iopt_slices_free(struct list_head *slices)
{
	struct iopt_slice *slice, *next;

	list_for_each_entry_safe(slice, next, slices, item) {
		iommufd_backing_put(slice->backing);
		kfree(slice);
	}
	INIT_LIST_HEAD(slices);
}

static int slice_add(const struct iopt_cover_walk *walk, bool prot_write,
		     struct list_head *slices)
{
	struct iommufd_area *area = walk->area;
	struct iopt_slice *slice;

	if (area->gate == AREA_NO_VADDR || area->gate == AREA_NEW_VADDR)
		return iommufd_refuse(walk->iopt->log, -EBUSY, WHY_BUSY,
				      "the source 0x%lx-0x%lx waits for a new address of its memory",
				      area->node.span.first,
				      area->node.span.last);
	if (prot_write && !iommufd_backing_writable(area->backing))
		return iommufd_refuse(walk->iopt->log, -EPERM, WHY_PERMISSION,
				      "the source 0x%lx-0x%lx was mapped from memory as read only",
				      area->node.span.first,
				      area->node.span.last);
	slice = kmalloc_obj(*slice, GFP_KERNEL_ACCOUNT);
	if (!slice)
		return -ENOMEM;
	slice->backing = iommufd_backing_get(area->backing);
	slice->offset = area_offset_of(area, walk->part.first);
	slice->length = iova_span_len(&walk->part);
	slice->is_first = false;
	list_add_tail(&slice->item, slices);
	return 0;
}

static int collect_slices(struct iommufd_iopt *iopt,
			  const struct iova_span *span, bool prot_write,
			  struct list_head *slices)
{
	struct iopt_cover_walk walk;
	int rc;

	guard(rwsem_read)(&iopt->space_lock);
	rc = iopt_cover_first(&walk, iopt, span);
	while (!rc) {
		rc = slice_add(&walk, prot_write, slices);
		if (rc || iopt_cover_done(&walk))
			break;
		rc = iopt_cover_next(&walk);
	}
	return rc;
}

/**
 * iopt_get_slices - what a range shows, to be mapped elsewhere too
 * @iopt: table
 * @iova: first byte
 * @length: bytes
 * @prot_write: the other mapping is to be writable
 * @slices: empty list, filled on success; free with iopt_slices_free()
 *
 * Context: may sleep.  Takes the space lock.
 * Return: 0; -EINVAL length 0; -EOVERFLOW; -ENOENT when a part is not mapped; -EPERM
 * when @prot_write and the memory was mapped read only; -ENOMEM.
 */
int iopt_get_slices(struct iommufd_iopt *iopt, unsigned long iova,
		    unsigned long length, bool prot_write,
		    struct list_head *slices)
{
	struct iova_span span;
	int rc;

	rc = iova_span_make(&span, iova, length);
	if (rc)
		return iommufd_refuse(iopt->log, rc, WHY_BAD_SIZE,
				      "source iova 0x%lx, length 0x%lx is empty or wraps",
				      iova, length);
	rc = collect_slices(iopt, &span, prot_write, slices);
	if (rc)
		iopt_slices_free(slices);
	return rc;
}
