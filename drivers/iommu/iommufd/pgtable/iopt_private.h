/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the iopt_*.c rooms share.
 */
#ifndef __IOMMUFD_PGTABLE_IOPT_PRIVATE_H
#define __IOMMUFD_PGTABLE_IOPT_PRIVATE_H

#include <linux/sched.h>
#include "area.h"
#include "iopt.h"

/* iopt_space.c; the space lock is held for writing. */
void iopt_update_alignment(struct iommufd_iopt *iopt);
int iopt_check_areas_aligned(struct iommufd_iopt *iopt, unsigned long alignment,
			     const char *who);
int iopt_reserve_locked(struct iommufd_iopt *iopt, const struct iova_span *span,
			const void *owner, const char *name);
void iopt_unreserve_locked(struct iommufd_iopt *iopt, const void *owner);

/* iopt_place.c; the space lock is held for writing. */
int iopt_place(struct iommufd_iopt *iopt, struct iopt_map_request *rq);
int iopt_refuse_taken(struct iommufd_iopt *iopt, const struct iova_span *taken);

/**
 * struct iopt_area_iter - a walk over the areas that overlap a range
 * @span: the range
 * @node: the node to look at next
 */
struct iopt_area_iter {
	struct iova_span span;
	struct iova_node *node;
};

/**
 * iopt_area_iter - begin a walk over the areas that overlap a range
 * @iopt: table
 * @span: range
 *
 * Context: space lock held, or the domains lock for writing, for the whole walk.
 * Return: the iterator, for iopt_area_iter_next().
 */
static inline struct iopt_area_iter iopt_area_iter(struct iommufd_iopt *iopt,
						   const struct iova_span *span)
{
	return (struct iopt_area_iter){
		.span = *span,
		.node = iova_set_first_in(&iopt->areas, span),
	};
}

/**
 * iopt_area_iter_next - the next area of a walk
 * @iter: the walk
 *
 * Context: as iopt_area_iter(); lets others run, a table can have millions of areas.
 * Return: the area, in whatever state it is, in ascending order; NULL at the end.
 */
static inline struct iommufd_area *iopt_area_iter_next(struct iopt_area_iter *iter)
{
	struct iova_node *node = iter->node;

	cond_resched();
	while (node && iova_node_is_cover(node))
		node = iova_set_next_in(node, &iter->span);
	if (!node)
		return NULL;
	/* Mostly a range is that of a single area. */
	iter->node = node->span.last < iter->span.last ?
			     iova_set_next_in(node, &iter->span) : NULL;
	return area_of(node);
}

/* iopt_walk.c */
struct iommufd_area *iopt_first_area_in(struct iommufd_iopt *iopt,
					const struct iova_span *span);

bool iopt_span_of_begun(struct iommufd_iopt *iopt, struct iova_span *span);
int iopt_refuse_claim(struct iommufd_iopt *iopt, const struct iommufd_area *area,
		      enum area_state state, const struct iova_span *span);

/**
 * iopt_check_claim - may a call that works on whole areas take this one?
 * @iopt: table
 * @area: overlaps @span
 * @span: range of the call
 *
 * Context: space lock held for writing.
 * Return: 0; -ENOENT when the range cuts the area; -EBUSY when another call works on it, or
 * it is locked; with the reason noted.
 */
static inline int iopt_check_claim(struct iommufd_iopt *iopt,
				   const struct iommufd_area *area,
				   const struct iova_span *span)
{
	enum area_state state = area_state(area);

	if (likely(iova_span_contains(span, &area->node.span) && state == AREA_LIVE &&
		   area->gate != AREA_NEW_VADDR && !atomic_read(&area->locks)))
		return 0;
	return iopt_refuse_claim(iopt, area, state, span);
}

/* The walk stands on the next area already: the body may remove the current one. */
#define iopt_for_each_area_in(area, iopt, span)                                \
	for (struct iopt_area_iter __iter = iopt_area_iter(iopt, span);        \
	     ((area) = iopt_area_iter_next(&__iter));)

/* A walk over a range that areas have to cover without a gap. */
struct iopt_cover_walk {
	struct iommufd_iopt *iopt;
	struct iova_span span;
	/* the area, and its part inside @span */
	struct iommufd_area *area;
	struct iova_span part;
};

int iopt_cover_first(struct iopt_cover_walk *walk, struct iommufd_iopt *iopt,
		     const struct iova_span *span);
int iopt_cover_next(struct iopt_cover_walk *walk);

static inline bool iopt_cover_done(const struct iopt_cover_walk *walk)
{
	return walk->part.last == walk->span.last;
}

#endif
