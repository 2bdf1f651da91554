// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The tree of segments: look up, insert, cut, join.  Who holds a segment and when it
 * is pinned is backing.c's business.
 *
 * Locks: none; the caller holds &iommufd_backing.lock.  Calls lib/pfn_runs only.
 */
#include <linux/slab.h>

#include "segments.h"

static struct iommufd_segment *segment_of(struct rb_node *node)
{
	return rb_entry_safe(node, struct iommufd_segment, rb);
}

/**
 * segments_find - find the segment at or above a page
 * @segments: the tree
 * @page: page index
 *
 * Return: the segment that has @page, else the next one above it, else NULL.
 */
struct iommufd_segment *segments_find(const struct rb_root *segments,
				      unsigned long page)
{
	struct rb_node *node = segments->rb_node;
	struct iommufd_segment *found = NULL;

	while (node) {
		struct iommufd_segment *segment = segment_of(node);

		if (page >= segment_end(segment)) {
			node = node->rb_right;
			continue;
		}
		found = segment;
		if (page >= segment->first)
			break;
		node = node->rb_left;
	}
	return found;
}

/**
 * segments_next - the next segment in page order
 * @segment: a segment in a tree
 *
 * Return: the segment, which need not follow without a gap, or NULL.
 */
struct iommufd_segment *segments_next(const struct iommufd_segment *segment)
{
	return segment_of(rb_next(&segment->rb));
}

/**
 * segments_cover - are all pages of a range pinned?
 * @segments: the tree
 * @first: first page index
 * @npages: pages, not zero
 *
 * Return: true if there is no gap.
 */
bool segments_cover(const struct rb_root *segments, unsigned long first,
		    unsigned long npages)
{
	struct iommufd_segment *segment = segments_find(segments, first);
	unsigned long at = first;

	for (; segment; segment = segments_next(segment)) {
		if (segment->first > at)
			return false;
		at = segment_end(segment);
		if (at - first >= npages)
			return true;
	}
	return false;
}

/**
 * segments_insert - put a segment into the tree
 * @segments: the tree, which has none of its pages
 * @segment: the segment, not empty
 */
void segments_insert(struct rb_root *segments, struct iommufd_segment *segment)
{
	struct rb_node **link = &segments->rb_node;
	struct rb_node *parent = NULL;

	while (*link) {
		parent = *link;
		if (segment->first < segment_of(parent)->first)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&segment->rb, parent, link);
	rb_insert_color(&segment->rb, segments);
}

/**
 * segments_cut - see that no segment reaches across a border
 * @segments: the tree
 * @at: index of the first page behind the border
 *
 * Return: 0, or -ENOMEM and nothing has changed.
 */
int segments_cut(struct rb_root *segments, unsigned long at)
{
	struct iommufd_segment *segment = segments_find(segments, at);
	struct iommufd_segment *tail;
	int rc;

	if (!segment || segment->first >= at)
		return 0;

	tail = kzalloc_obj(*tail, GFP_KERNEL_ACCOUNT);
	if (!tail)
		return -ENOMEM;
	rc = pfn_runs_split(&segment->runs, at - segment->first, &tail->runs,
			    GFP_KERNEL_ACCOUNT);
	if (rc) {
		kfree(tail);
		return rc;
	}
	tail->first = at;
	tail->uses = segment->uses;
	tail->ends = segment->ends;
	segment->ends = 0;
	segments_insert(segments, tail);
	return 0;
}

/**
 * segments_try_join - undo segments_cut() where the border serves no use any more
 * @segments: the tree
 * @at: index of the first page behind the border
 *
 * Without memory the border stays, which costs some bytes and nothing else.
 */
void segments_try_join(struct rb_root *segments, unsigned long at)
{
	struct iommufd_segment *right = segments_find(segments, at);
	struct iommufd_segment *left;

	if (!right || right->first != at || right->begins)
		return;
	left = segment_of(rb_prev(&right->rb));
	if (!left || segment_end(left) != at || left->ends)
		return;
	if (pfn_runs_join(&left->runs, &right->runs,
			  GFP_KERNEL_ACCOUNT | __GFP_NOWARN))
		return;
	left->ends = right->ends;
	rb_erase(&right->rb, segments);
	kfree(right);
}
