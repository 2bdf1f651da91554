/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The pinned pages of a backing that is used in pieces: segments in page order that
 * do not overlap, each wholly held by the same uses.
 *
 * Every use begins where a segment begins and ends where a segment ends.  A segment
 * counts how many do so on either side of it: two neighbours may be joined when
 * no use begins or ends between them, and only then, so that giving a use back
 * never has to cut.
 *
 * No locks of its own: &iommufd_backing.lock protects the tree and all in it.
 */
#ifndef __IOMMUFD_MEMORY_SEGMENTS_H
#define __IOMMUFD_MEMORY_SEGMENTS_H

#include <linux/rbtree.h>
#include "../lib/pfn_runs.h"

/**
 * struct iommufd_segment - pages of a backing that are pinned
 * @rb: in the tree, by @first
 * @first: page index in the backing
 * @uses: uses that hold the segment
 * @begins: uses whose first page is @first
 * @ends: uses whose last page is the last one here
 * @runs: the page frames; pfn_runs_npages() is the length
 */
struct iommufd_segment {
	struct rb_node rb;
	unsigned long first;
	unsigned int uses;
	unsigned int begins;
	unsigned int ends;
	struct pfn_runs runs;
};

/* Index of the first page behind the segment. */
static inline unsigned long segment_end(const struct iommufd_segment *segment)
{
	return segment->first + pfn_runs_npages(&segment->runs);
}

struct iommufd_segment *segments_find(const struct rb_root *segments,
				      unsigned long page);
struct iommufd_segment *segments_next(const struct iommufd_segment *segment);
bool segments_cover(const struct rb_root *segments, unsigned long first,
		    unsigned long npages);

void segments_insert(struct rb_root *segments, struct iommufd_segment *segment);
int segments_cut(struct rb_root *segments, unsigned long at);
void segments_try_join(struct rb_root *segments, unsigned long at);

#endif
