// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings: looking at what is pinned.
 *
 * Locks: &iommufd_backing.lock is held by the caller.
 */
#include <linux/lockdep.h>
#include <linux/mm.h>

#include "origin.h"
#include "parts.h"
#include "segments.h"
#include "singles.h"

/* Start on the part of the range that lies in walk->segment; it has page @first. */
static bool enter_segment(struct iommufd_backing_walk *walk, unsigned long first)
{
	struct iommufd_segment *segment = walk->segment;
	unsigned long npages = min(walk->left, segment_end(segment) - first);

	walk->left -= npages;
	return pfn_runs_first(&walk->it, &segment->runs, first - segment->first,
			      npages);
}

/* A single page, in whatever segment it is or in none. */
static bool enter_single(struct iommufd_backing_walk *walk,
			 struct iommufd_backing *backing, unsigned long page)
{
	const unsigned long *word = page_words_find(&backing->parts->singles, page);

	if (!word)
		return false;
	walk->it = (struct pfn_runs_iter){ .run = { single_pfn(*word), 1 } };
	walk->left = 0;
	return true;
}

/**
 * iommufd_backing_walk_first - begin to walk over the runs of a range
 * @walk: position, initialised here
 * @backing: the backing
 * @first: first page index
 * @npages: number of pages; the caller holds a use of them
 *
 * Context: @backing->lock held, until the walk has ended.
 * Return: true with @walk->it.run set; false when the pages are not pinned, which is a
 * bug of the caller.
 */
bool iommufd_backing_walk_first(struct iommufd_backing_walk *walk,
				struct iommufd_backing *backing,
				unsigned long first, unsigned long npages)
{
	lockdep_assert_held(&backing->lock);

	if (WARN_ON_ONCE(!iommufd_backing_covers(backing, first, npages)))
		return false;
	walk->left = npages;
	if (iommufd_backing_in_parts(backing)) {
		if (npages == 1 && enter_single(walk, backing, first))
			return true;
		walk->segment = segments_find(&backing->parts->segments, first);
		return enter_segment(walk, first);
	}
	walk->left = 0;
	return pfn_runs_first(&walk->it, &backing->whole_runs, first, npages);
}

/**
 * iommufd_backing_walk_segment - go on to the next segment of a range
 * @walk: position, at the end of a segment
 *
 * For iommufd_backing_walk_next(), which goes on to the next run and is inline
 * because it is called for each page of scattered memory.
 *
 * Context: the backing's lock has been held since iommufd_backing_walk_first().
 * Return: true when the walk stands on a run; false at the end of the range.
 */
bool iommufd_backing_walk_segment(struct iommufd_backing_walk *walk)
{
	if (!walk->left)
		return false;
	walk->segment = segments_next(walk->segment);
	return enter_segment(walk, walk->segment->first);
}

/**
 * iommufd_backing_fill_pages - list the pages of a range
 * @backing: the backing
 * @first: first page index
 * @npages: number of pages; the caller holds a use of them
 * @out: room for @npages pointers
 *
 * Context: @backing->lock held.
 */
void iommufd_backing_fill_pages(struct iommufd_backing *backing,
				unsigned long first, unsigned long npages,
				struct page **out)
{
	struct iommufd_backing_walk walk;
	unsigned long i;

	iommufd_backing_for_each_run(&walk, backing, first, npages)
		for (i = 0; i < walk.it.run.npages; i++)
			*out++ = pfn_to_page(walk.it.run.pfn + i);
}

/* The first segment from page @first to @end that itself has more than @uses uses. */
static struct iommufd_segment *next_segment_above(struct iommufd_backing *backing,
						  unsigned int uses,
						  unsigned long first,
						  unsigned long end)
{
	struct iommufd_segment *segment = segments_find(&backing->parts->segments, first);

	while (segment && segment->first < end && segment->uses <= uses)
		segment = segments_next(segment);
	return segment && segment->first < end ? segment : NULL;
}

/* The first page used alone from @page to @end that has them together with its segment. */
static unsigned long next_single_above(struct iommufd_backing *backing,
				       unsigned int uses, unsigned long page,
				       unsigned long end)
{
	struct iommufd_segment *segment;
	unsigned long word, n;

	singles_for_each(page, word, &backing->parts->singles, end) {
		segment = segments_find(&backing->parts->segments, page);
		n = single_uses(word);
		if (segment && segment->first <= page)
			n += segment->uses;
		if (n > uses)
			return page;
	}
	return end;
}

/**
 * iommufd_backing_next_shared - find pages that somebody else uses, too
 * @backing: the backing
 * @uses: uses that the caller knows of
 * @first: in: first page index to look at; out: where the stretch begins
 * @end: index behind the last page to look at
 *
 * Context: @backing->lock held.
 * Return: how many pages from *@first on have more than @uses uses; 0 when none has.
 */
unsigned long iommufd_backing_next_shared(struct iommufd_backing *backing,
					  unsigned int uses,
					  unsigned long *first,
					  unsigned long end)
{
	struct iommufd_segment *segment;
	unsigned long begin, single;

	lockdep_assert_held(&backing->lock);

	if (!iommufd_backing_in_parts(backing))
		return backing->whole_uses > uses ? end - *first : 0;
	segment = next_segment_above(backing, uses, *first, end);
	begin = segment ? max(*first, segment->first) : end;
	single = next_single_above(backing, uses, *first, begin);
	if (single < begin) {
		*first = single;
		return 1;
	}
	if (!segment)
		return 0;
	*first = begin;
	return min(end, segment_end(segment)) - begin;
}

/**
 * iommufd_backing_covers - are these pages pinned?
 * @backing: the backing
 * @first: first page index
 * @npages: number of pages, not zero
 *
 * Of pages that nobody uses but one by one the answer is right only one by one.
 *
 * Context: @backing->lock held.
 * Return: true if all of them are.
 */
bool iommufd_backing_covers(struct iommufd_backing *backing,
			    unsigned long first, unsigned long npages)
{
	unsigned long all = iommufd_backing_npages(backing);

	lockdep_assert_held(&backing->lock);

	if (iommufd_backing_in_parts(backing))
		return segments_cover(&backing->parts->segments, first, npages) ||
		       (npages == 1 && page_words_find(&backing->parts->singles, first));
	return backing->whole_uses && first < all && npages <= all - first;
}

/**
 * iommufd_backing_npinned - count what is pinned
 * @backing: the backing
 *
 * Context: @backing->lock held.
 * Return: number of pages.
 */
unsigned long iommufd_backing_npinned(struct iommufd_backing *backing)
{
	struct iommufd_segment *segment;
	unsigned long page = 0, npages = 0, word;
	unsigned long all = iommufd_backing_npages(backing);

	lockdep_assert_held(&backing->lock);

	if (!iommufd_backing_in_parts(backing))
		return backing->whole_uses ? all : 0;
	for (segment = segments_find(&backing->parts->segments, 0); segment;
	     segment = segments_next(segment))
		npages += pfn_runs_npages(&segment->runs);
	singles_for_each(page, word, &backing->parts->singles, all)
		if (!segments_cover(&backing->parts->segments, page, 1))
			npages++;
	return npages;
}
