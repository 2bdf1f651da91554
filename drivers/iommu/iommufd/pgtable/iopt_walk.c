// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The ways to walk the areas of a table.  The set of areas also holds the cover of
 * the reserved ranges; the walks skip it.
 *
 * Locks: the caller holds the space lock, or the domains lock for writing.
 */
#include <linux/iommufd_report.h>
#include <linux/sched.h>

#include "iopt_private.h"

/**
 * iopt_first_area_in - lowest area that overlaps a range
 * @iopt: table
 * @span: range
 *
 * Context: as iopt_area_iter().
 * Return: the area, in whatever state it is, or NULL.
 */
struct iommufd_area *iopt_first_area_in(struct iommufd_iopt *iopt,
					const struct iova_span *span)
{
	struct iopt_area_iter iter = iopt_area_iter(iopt, span);

	return iopt_area_iter_next(&iter);
}

/**
 * iopt_span_of_begun - stretch a range to the end of the areas that begin in it
 * @iopt: table
 * @span: in: the range; out: from its first byte to the last one of those areas
 *
 * What VFIO_TYPE1_IOMMU means by a range.
 *
 * Context: space lock held for the whole use of @span.
 * Return: false when no area begins there, or the first that the range meets begins
 * before it.
 */
bool iopt_span_of_begun(struct iommufd_iopt *iopt, struct iova_span *span)
{
	struct iommufd_area *area = iopt_first_area_in(iopt, span);
	const struct iova_span end = { span->last, span->last };

	if (!area || area->node.span.first < span->first)
		return false;
	area = iopt_first_area_in(iopt, &end);
	if (area)
		span->last = area->node.span.last;
	return true;
}

/**
 * iopt_refuse_claim - say why iopt_check_claim() refuses an area
 * @iopt: table
 * @area: overlaps @span
 * @state: its state
 * @span: range of the call
 *
 * Context: space lock held for writing.
 * Return: -ENOENT or -EBUSY, with the reason noted.
 */
int iopt_refuse_claim(struct iommufd_iopt *iopt, const struct iommufd_area *area,
		      enum area_state state, const struct iova_span *span)
{
	static const char *const doing[] = {
		[AREA_NEW] = "mapped",
		[AREA_LIVE] = "given another address",
		[AREA_LEAVING] = "unmapped",
	};

	if (!iova_span_contains(span, &area->node.span))
		return iommufd_refuse(iopt->log, -ENOENT, WHY_PARTIAL,
				      "range 0x%lx-0x%lx cuts the mapping 0x%lx-0x%lx",
				      span->first, span->last,
				      area->node.span.first,
				      area->node.span.last);
	if (state != AREA_LIVE || area->gate == AREA_NEW_VADDR)
		return iommufd_refuse(iopt->log, -EBUSY, WHY_IN_PROGRESS,
				      "mapping 0x%lx-0x%lx is being %s by another thread",
				      area->node.span.first,
				      area->node.span.last, doing[state]);
	return iommufd_refuse(iopt->log, -EBUSY, WHY_BUSY,
			      "mapping 0x%lx-0x%lx is used by hardware queues",
			      area->node.span.first, area->node.span.last);
}

/* Go on with @node, which is the lowest that is left of the range, or NULL. */
static int cover_take(struct iopt_cover_walk *walk, struct iova_node *node,
		      unsigned long first)
{
	if (!node || iova_node_is_cover(node) || node->span.first > first ||
	    area_state(area_of(node)) == AREA_NEW)
		return iommufd_refuse(walk->iopt->log, -ENOENT, WHY_HOLE,
				      "nothing is mapped at iova 0x%lx (range 0x%lx-0x%lx)",
				      first, walk->span.first, walk->span.last);
	walk->area = area_of(node);
	walk->part.first = first;
	walk->part.last = min(node->span.last, walk->span.last);
	return 0;
}

/**
 * iopt_cover_first - begin a walk over a range that is mapped without a gap
 * @walk: state; area and part are the first piece
 * @iopt: table
 * @span: range
 *
 * An area that is still being mapped counts as a gap.
 *
 * Context: space lock held for the whole walk.
 * Return: 0; -ENOENT with the reason noted.
 */
int iopt_cover_first(struct iopt_cover_walk *walk, struct iommufd_iopt *iopt,
		     const struct iova_span *span)
{
	walk->iopt = iopt;
	walk->span = *span;
	return cover_take(walk, iova_set_first_in(&iopt->areas, span), span->first);
}

/**
 * iopt_cover_next - the next piece
 * @walk: state, not iopt_cover_done()
 *
 * Context: lets others run.
 * Return: 0; -ENOENT with the reason noted.
 */
int iopt_cover_next(struct iopt_cover_walk *walk)
{
	cond_resched();
	return cover_take(walk, iova_set_next_in(&walk->area->node, &walk->span),
			  walk->part.last + 1);
}
