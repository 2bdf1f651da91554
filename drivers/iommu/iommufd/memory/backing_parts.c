// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings of which parts are used: segments for ranges, and a table of the pages that are
 * used alone.
 *
 * A page is pinned while it lies in a segment or stands in the table.  Whoever comes second
 * takes the page frame from there, whoever goes last unpins.  So uses of single pages, of
 * which there may be very many, leave the segments as they are.
 *
 * Locks: &iommufd_backing.lock is held by the caller.  Calls segments, singles and
 * backing_pages.c.
 */
#include <linux/cleanup.h>
#include <linux/iommufd_report.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "origin.h"
#include "parts.h"
#include "segments.h"
#include "singles.h"

/**
 * iommufd_backing_refuse_uses - tell that pages are used too often
 * @log: where it is told
 *
 * Return: -EOVERFLOW.
 */
int iommufd_backing_refuse_uses(struct iommufd_log *log)
{
	return iommufd_refuse(log, -EOVERFLOW, WHY_OVERFLOW,
			      "pages have %u uses already", UINT_MAX);
}

static int refuse_no_memory(struct iommufd_log *log)
{
	return iommufd_refuse(log, -ENOMEM, WHY_NO_MEMORY,
			      "no memory to divide a range of pinned pages");
}

/* All pages as one segment, with the uses of the whole. */
static struct iommufd_segment *segment_of_whole(const struct iommufd_backing *backing)
{
	struct iommufd_segment *segment = kzalloc_obj(*segment, GFP_KERNEL_ACCOUNT);

	if (!segment)
		return NULL;
	segment->uses = backing->whole_uses;
	segment->begins = backing->whole_uses;
	segment->ends = backing->whole_uses;
	segment->runs = backing->whole_runs;
	return segment;
}

/* Whole -> in parts. */
static int enter_parts(struct iommufd_backing *backing)
{
	struct iommufd_segment *segment;
	struct iommufd_parts *parts;

	if (iommufd_backing_in_parts(backing))
		return 0;
	parts = kzalloc_obj(*parts, GFP_KERNEL_ACCOUNT);
	if (!parts)
		return -ENOMEM;
	page_words_init(&parts->singles, iommufd_backing_npages(backing));
	if (backing->whole_uses) {
		segment = segment_of_whole(backing);
		if (!segment) {
			kfree(parts);
			return -ENOMEM;
		}
		segments_insert(&parts->segments, segment);
	}
	backing->whole_uses = 0;
	backing->parts = parts;
	iommufd_backing_set_in_parts(backing, true);
	return 0;
}

/* In parts -> whole, if nothing is pinned or all of it in one segment. */
static void try_leave_parts(struct iommufd_backing *backing)
{
	struct iommufd_parts *parts = backing->parts;
	struct iommufd_segment *segment = segments_find(&parts->segments, 0);

	if (!page_words_empty(&parts->singles) ||
	    (segment &&
	     pfn_runs_npages(&segment->runs) != iommufd_backing_npages(backing)))
		return;
	page_words_destroy(&parts->singles);
	kfree(parts);
	iommufd_backing_set_in_parts(backing, false);
	pfn_runs_init(&backing->whole_runs);
	if (!segment)
		return;
	/* Nothing is left outside of it, so every use begins and ends with it. */
	backing->whole_uses = segment->uses;
	backing->whole_runs = segment->runs;
	kfree(segment);
}

/* The shape after a use has come or gone at these borders. */
static void tidy_segments(struct iommufd_backing *backing, unsigned long first,
			  unsigned long npages)
{
	segments_try_join(&backing->parts->segments, first);
	segments_try_join(&backing->parts->segments, first + npages);
	try_leave_parts(backing);
}

/* Give back the pages from @first on that are in @runs and not in the table. */
static void unpin_around_singles(struct iommufd_backing *backing,
				 unsigned long first, struct pfn_runs *runs,
				 const struct iommufd_payer *heir)
{
	unsigned long end = first + pfn_runs_npages(runs);
	unsigned long page = first, at = first;
	unsigned long word;

	singles_for_each(page, word, &backing->parts->singles, end) {
		if (page != at)
			iommufd_backing_unpin_some(backing, runs, at - first,
						   page - at, heir);
		at = page + 1;
	}
	if (at == first) {
		iommufd_backing_unpin_and_uncharge(backing, runs, heir);
		return;
	}
	if (at != end)
		iommufd_backing_unpin_some(backing, runs, at - first, end - at, heir);
	pfn_runs_clear(runs);
}

/* Take one use from every segment of a range that has no gap and that begins with one. */
static void drop_segments(struct iommufd_backing *backing, unsigned long first,
			  unsigned long end, const struct iommufd_payer *heir)
{
	struct iommufd_segment *segment = segments_find(&backing->parts->segments, first);
	struct iommufd_segment *next;

	for (; segment && segment->first < end; segment = next) {
		next = segments_next(segment);
		if (--segment->uses)
			continue;
		rb_erase(&segment->rb, &backing->parts->segments);
		unpin_around_singles(backing, segment->first, &segment->runs, heir);
		kfree(segment);
		cond_resched();
	}
}

/* Append the pages from @at to @end, of which none is pinned. */
static int append_pinned(struct iommufd_backing *backing, unsigned long at,
			 unsigned long end, struct pfn_runs *runs,
			 struct iommufd_log *log)
{
	struct pfn_runs more;
	int rc;

	if (at == end)
		return 0;
	pfn_runs_init(&more);
	rc = iommufd_backing_charge_and_pin(backing, at, end - at, &more, log);
	if (rc)
		return rc;
	if (!pfn_runs_join(runs, &more, GFP_KERNEL_ACCOUNT))
		return 0;
	iommufd_backing_unpin_and_uncharge(backing, &more, NULL);
	return refuse_no_memory(log);
}

/* Pin pages that are in no segment, as far as the table does not have them. */
static int pin_around_singles(struct iommufd_backing *backing,
			      unsigned long first, unsigned long npages,
			      struct pfn_runs *runs, struct iommufd_log *log)
{
	unsigned long end = first + npages;
	unsigned long page = first, at = first;
	unsigned long word;
	int rc;

	singles_for_each(page, word, &backing->parts->singles, end) {
		rc = append_pinned(backing, at, page, runs, log);
		if (!rc && pfn_runs_append(runs, single_pfn(word), 1, GFP_KERNEL_ACCOUNT))
			rc = refuse_no_memory(log);
		if (rc)
			return rc;
		at = page + 1;
	}
	return append_pinned(backing, at, end, runs, log);
}

/* Make a segment of pages that are in none. */
static int pin_gap(struct iommufd_backing *backing, unsigned long first,
		   unsigned long npages, struct iommufd_log *log)
{
	struct iommufd_segment *segment __free(kfree) =
		kzalloc_obj(*segment, GFP_KERNEL_ACCOUNT);
	int rc;

	if (!segment)
		return refuse_no_memory(log);
	rc = pin_around_singles(backing, first, npages, &segment->runs, log);
	if (rc) {
		unpin_around_singles(backing, first, &segment->runs, NULL);
		return rc;
	}
	segment->first = first;
	segment->uses = 1;
	segments_insert(&backing->parts->segments, no_free_ptr(segment));
	return 0;
}

/*
 * Take a use of every segment from *@at to @end and pin the gaps; the borders exist.
 * On failure the range up to *@at has its use.
 */
static int hold_segments(struct iommufd_backing *backing, unsigned long *at,
			 unsigned long end, struct iommufd_log *log)
{
	struct iommufd_segment *segment = segments_find(&backing->parts->segments, *at);
	unsigned long gap_end;
	int rc;

	while (*at < end) {
		if (segment && segment->first == *at) {
			if (segment->uses == UINT_MAX)
				return iommufd_backing_refuse_uses(log);
			segment->uses++;
			*at = segment_end(segment);
			segment = segments_next(segment);
			continue;
		}
		gap_end = segment ? min(end, segment->first) : end;
		rc = pin_gap(backing, *at, gap_end - *at, log);
		if (rc)
			return rc;
		*at = gap_end;
	}
	return 0;
}

/**
 * iommufd_backing_pin_part - take a use of a range of pages
 * @backing: the backing, in any shape
 * @first: first page index
 * @npages: number of pages
 * @log: where a refusal is told
 *
 * Context: may sleep, may fault.
 * Return: as iommufd_backing_pin(); on failure nothing has changed.
 */
int iommufd_backing_pin_part(struct iommufd_backing *backing, unsigned long first,
			     unsigned long npages, struct iommufd_log *log)
{
	unsigned long end = first + npages;
	unsigned long at = first;
	int rc;

	rc = enter_parts(backing);
	if (rc)
		return refuse_no_memory(log);

	if (segments_cut(&backing->parts->segments, first) ||
	    segments_cut(&backing->parts->segments, end))
		rc = refuse_no_memory(log);
	else
		rc = hold_segments(backing, &at, end, log);
	if (rc) {
		if (at > first)
			drop_segments(backing, first, at, NULL);
		tidy_segments(backing, first, npages);
		return rc;
	}

	segments_find(&backing->parts->segments, first)->begins++;
	segments_find(&backing->parts->segments, end - 1)->ends++;
	if (npages == iommufd_backing_npages(backing))
		try_leave_parts(backing);
	return 0;
}

static struct iommufd_segment *segment_of_page(struct iommufd_backing *backing,
					       unsigned long page)
{
	struct iommufd_segment *segment = segments_find(&backing->parts->segments, page);

	return segment && segment->first <= page ? segment : NULL;
}

static int add_single(struct iommufd_backing *backing, unsigned long page,
		      unsigned long pfn, struct iommufd_log *log)
{
	if (page_words_add(&backing->parts->singles, page, single_pack(pfn, 1)))
		return refuse_no_memory(log);
	return 0;
}

/* The first use of a page that is in no segment either. */
static int pin_lonely(struct iommufd_backing *backing, unsigned long page,
		      unsigned long *pfn, struct iommufd_log *log)
{
	struct pfn_runs runs;
	int rc;

	pfn_runs_init(&runs);
	rc = iommufd_backing_charge_and_pin(backing, page, 1, &runs, log);
	if (rc)
		return rc;
	*pfn = pfn_runs_single_pfn(&runs);
	rc = add_single(backing, page, *pfn, log);
	if (rc)
		iommufd_backing_unpin_and_uncharge(backing, &runs, NULL);
	return rc;
}

static int take_single(struct iommufd_backing *backing, unsigned long page,
		       unsigned long *pfn, struct iommufd_log *log)
{
	unsigned long *word = page_words_find(&backing->parts->singles, page);
	struct iommufd_segment *segment;

	if (word) {
		*pfn = single_pfn(*word);
		if (single_uses(*word) == SINGLE_USES_MAX)
			return iommufd_backing_pin_part(backing, page, 1, log);
		++*word;
		return 0;
	}
	segment = segment_of_page(backing, page);
	if (!segment)
		return pin_lonely(backing, page, pfn, log);
	*pfn = pfn_runs_pfn(&segment->runs, page - segment->first);
	return add_single(backing, page, *pfn, log);
}

/**
 * iommufd_backing_pin_single - take a use of one page
 * @backing: the backing, in any shape
 * @page: its index
 * @pfn: returns its page frame
 * @log: where a refusal is told
 *
 * Context: may sleep, may fault.
 * Return: as iommufd_backing_pin(); on failure nothing has changed.
 */
int iommufd_backing_pin_single(struct iommufd_backing *backing, unsigned long page,
			       unsigned long *pfn, struct iommufd_log *log)
{
	int rc;

	if (enter_parts(backing))
		return refuse_no_memory(log);
	rc = take_single(backing, page, pfn, log);
	if (unlikely(rc))
		try_leave_parts(backing);
	return rc;
}

/* A page without a use, of its own or in a segment. */
static void unpin_lonely(struct iommufd_backing *backing, unsigned long pfn,
			 const struct iommufd_payer *heir)
{
	struct pfn_runs runs;

	pfn_runs_init(&runs);
	pfn_runs_append(&runs, pfn, 1, GFP_KERNEL);
	iommufd_backing_unpin_and_uncharge(backing, &runs, heir);
	if (RB_EMPTY_ROOT(&backing->parts->segments))
		try_leave_parts(backing);
}

/*
 * Give a use of one page back.  False: it has none in the table, where all are but those
 * for which there was no room; one is like the other.
 *
 * The backing keeps its shape unless this was the last page, since it is likely that a
 * single page is used again.
 */
static bool unpin_single(struct iommufd_backing *backing, unsigned long page,
			 const struct iommufd_payer *heir)
{
	struct page_words *singles = &backing->parts->singles;
	unsigned long *word = page_words_find(singles, page);
	unsigned long pfn;

	if (!word)
		return false;
	if (single_uses(*word) > 1) {
		--*word;
		return true;
	}
	pfn = single_pfn(*word);
	page_words_remove(singles, page);
	if (!segment_of_page(backing, page))
		unpin_lonely(backing, pfn, heir);
	return true;
}

/**
 * iommufd_backing_unpin_part - give back a use of a range of pages
 * @backing: the backing, in parts
 * @first: first page index
 * @npages: number of pages; a use has this range
 * @heir: pays for the same pages from now on; NULL: nobody does
 *
 * Context: may sleep.
 */
void iommufd_backing_unpin_part(struct iommufd_backing *backing,
				unsigned long first, unsigned long npages,
				const struct iommufd_payer *heir)
{
	struct iommufd_segment *head, *tail;

	if (npages == 1 && unpin_single(backing, first, heir))
		return;
	if (WARN_ON_ONCE(!segments_cover(&backing->parts->segments, first, npages)))
		return;
	head = segments_find(&backing->parts->segments, first);
	tail = segments_find(&backing->parts->segments, first + npages - 1);
	if (WARN_ON_ONCE(head->first != first || !head->begins ||
			 segment_end(tail) != first + npages || !tail->ends))
		return;

	head->begins--;
	tail->ends--;
	drop_segments(backing, first, first + npages, heir);
	tidy_segments(backing, first, npages);
}
