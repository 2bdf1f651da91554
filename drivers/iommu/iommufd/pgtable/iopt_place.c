// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Where a mapping goes: the checks of a given IOVA, and the choice of one.
 *
 * A chosen IOVA is the lowest place that is free, allowed, never 0 and never in
 * the last page; it has the source's offset in a page exactly, and beyond that as
 * much of the source's alignment as lets the IOMMU use its large pages.
 *
 * Locks: the table's space lock for writing.
 */
#include <linux/iommufd_report.h>
#include <linux/mm.h>
#include <linux/iommu.h>
#include <linux/log2.h>

#include "iopt_private.h"

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
#define IOPT_MAX_ALIGN HPAGE_SIZE
#else
#define IOPT_MAX_ALIGN PAGE_SIZE
#endif

static int refuse_misaligned(struct iommufd_iopt *iopt, const char *what,
			     unsigned long value)
{
	return iommufd_refuse(iopt->log, -EINVAL, WHY_MISALIGNED,
			      "%s 0x%lx is no multiple of the alignment 0x%lx",
			      what, value, iopt->alignment);
}

static int check_alignment(struct iommufd_iopt *iopt,
			   const struct iopt_map_request *rq)
{
	unsigned long mask = iopt->alignment - 1;
	struct iopt_slice *slice;

	if (rq->fixed && (rq->iova & mask))
		return refuse_misaligned(iopt, "iova", rq->iova);
	if (rq->length & mask)
		return refuse_misaligned(iopt, "length", rq->length);
	list_for_each_entry(slice, rq->slices, item) {
		if (offset_in_page(slice->offset) & mask)
			return refuse_misaligned(iopt, "offset of the source",
						 offset_in_page(slice->offset));
		if (slice->length & mask)
			return refuse_misaligned(iopt, "length of a piece",
						 slice->length);
	}
	return 0;
}

/**
 * iopt_refuse_taken - say what is in the way of a mapping
 * @iopt: table
 * @taken: a range that overlaps an area or a reserved range
 *
 * Context: space lock held for writing.
 * Return: -EINVAL (reserved) or -EEXIST, with the reason noted.
 */
int iopt_refuse_taken(struct iommufd_iopt *iopt, const struct iova_span *taken)
{
	const struct iova_span span = *taken;
	struct iova_resv_entry *entry;
	struct iommufd_area *area;

	entry = iova_resv_first_in(&iopt->reserved, &span);
	if (entry)
		return iommufd_refuse(iopt->log, -EINVAL, WHY_RESERVED,
				      "iova 0x%lx-0x%lx overlaps 0x%lx-0x%lx reserved by %s",
				      span.first, span.last, entry->span.first,
				      entry->span.last, entry->name);
	area = iopt_first_area_in(iopt, &span);
	if (WARN_ON_ONCE(!area))
		return -EEXIST;
	return iommufd_refuse(iopt->log, -EEXIST, WHY_OVERLAP,
			      "iova 0x%lx-0x%lx overlaps the mapping 0x%lx-0x%lx",
			      span.first, span.last, area->node.span.first,
			      area->node.span.last);
}

static int check_fixed(struct iommufd_iopt *iopt,
		       const struct iopt_map_request *rq)
{
	struct iova_span span;
	int rc;

	rc = iova_span_make(&span, rq->iova, rq->length);
	if (rc)
		return iommufd_refuse(iopt->log, rc, WHY_OVERFLOW,
				      "iova 0x%lx + length 0x%lx wraps",
				      rq->iova, rq->length);
	/*
	 * The set has the cover of the reserved ranges, too.  For a single area the caller
	 * finds out when it inserts it.
	 */
	if (!list_is_singular(rq->slices) && iova_set_first_in(&iopt->areas, &span))
		return iopt_refuse_taken(iopt, &span);
	return 0;
}

/* The alignment of the source that is worth imitating. */
static unsigned long wanted_alignment(const struct iopt_map_request *rq)
{
	unsigned long source = rq->hint & PAGE_MASK;
	unsigned long align = roundup_pow_of_two(rq->length);

	if (source)
		align = min(align, 1UL << __ffs(source));
	return clamp(align, PAGE_SIZE, (unsigned long)IOPT_MAX_ALIGN);
}

static int fit_allowed(struct iommufd_iopt *iopt, struct iova_fit *fit,
		       unsigned long *iova)
{
	const struct iova_span window = fit->window;
	struct iova_node *node;

	if (iova_set_empty(&iopt->allowed))
		return iova_set_fit(&iopt->areas, fit, iova);
	iova_set_for_each_in(node, &iopt->allowed, &window) {
		fit->window.first = max(window.first, node->span.first);
		fit->window.last = min(window.last, node->span.last);
		if (!iova_set_fit(&iopt->areas, fit, iova))
			return 0;
	}
	return -ENOSPC;
}

static noinline int choose(struct iommufd_iopt *iopt, struct iopt_map_request *rq)
{
	struct iova_fit fit = {
		.length = rq->length,
		.offset = offset_in_page(rq->hint),
		.window = { PAGE_SIZE, ULONG_MAX - PAGE_SIZE },
	};

	if (rq->length >= ULONG_MAX / 2)
		return iommufd_refuse(iopt->log, -EOVERFLOW, WHY_OVERFLOW,
				      "length 0x%lx is too long to be placed",
				      rq->length);
	fit.align = wanted_alignment(rq);
	if (fit.align < iopt->alignment)
		return refuse_misaligned(iopt, "address of the source",
					 rq->hint);
	if (!fit_allowed(iopt, &fit, &rq->iova))
		return 0;
	return iommufd_refuse(iopt->log, -ENOSPC, WHY_NO_SPACE,
			      "no hole of 0x%lx bytes, aligned to 0x%lx, in the %s ranges",
			      rq->length, fit.align,
			      iova_set_empty(&iopt->allowed) ? "usable" : "allowed");
}

/**
 * iopt_place - decide where a mapping goes
 * @iopt: table
 * @rq: the request; rq->iova is set unless it is fixed
 *
 * Context: space lock held for writing; the place is free until it is dropped, but for
 * that of a single slice whose place was given.
 * Return: 0; -EINVAL (misaligned, reserved), -EEXIST, -EOVERFLOW, -ENOSPC, each with
 * the reason noted.
 */
int iopt_place(struct iommufd_iopt *iopt, struct iopt_map_request *rq)
{
	int rc;

	lockdep_assert_held_write(&iopt->space_lock);
	rc = check_alignment(iopt, rq);
	if (rc)
		return rc;
	return rq->fixed ? check_fixed(iopt, rq) : choose(iopt, rq);
}
