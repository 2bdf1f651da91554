/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The physical pages of a piece of memory, as runs of contiguous page frame
 * numbers: 8 bytes a run however long it is, one run in a single word without an
 * allocation, indexable by page number.
 *
 * Pure data structure: no locks, no reference on any page.
 */
#ifndef __IOMMUFD_LIB_PFN_RUNS_H
#define __IOMMUFD_LIB_PFN_RUNS_H

#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/types.h>

/**
 * struct pfn_run - contiguous page frames
 * @pfn: first page frame number
 * @npages: number of pages, never zero
 */
struct pfn_run {
	unsigned long pfn;
	unsigned long npages;
};

/**
 * struct pfn_runs - page frames of the pages from 0 on
 * @word: 0 without a page; a packed run with PFN_RUNS_SINGLE set; else the address of
 *	  what holds the runs (pfn_chunk.h)
 *
 * All zero bytes is a valid empty object.
 */
struct pfn_runs {
	u64 word;
};

/* How a run is packed in 63 bits: the page frame above, its pages less one below. */
#define PFN_RUN_LENGTH_BITS 19

/* The bits of the word above are a packed run, which is all there is. */
#define PFN_RUNS_SINGLE BIT_ULL(0)
/* The address is that of a table of chunks, not of a chunk; unless PFN_RUNS_SINGLE. */
#define PFN_RUNS_TABLE BIT_ULL(1)

static inline bool pfn_runs_is_empty(const struct pfn_runs *runs)
{
	return !runs->word;
}

/* Are there pages, contiguous beyond doubt and at first sight? */
static inline bool pfn_runs_is_single(const struct pfn_runs *runs)
{
	return runs->word & PFN_RUNS_SINGLE;
}

/* Is there one page and no more? */
static inline bool pfn_runs_is_page(const struct pfn_runs *runs)
{
	return (runs->word & (BIT(PFN_RUN_LENGTH_BITS + 1) - 1)) == PFN_RUNS_SINGLE;
}

/* The first page frame; pfn_runs_is_single() holds. */
static inline unsigned long pfn_runs_single_pfn(const struct pfn_runs *runs)
{
	return runs->word >> (PFN_RUN_LENGTH_BITS + 1);
}

/* The number of pages. */
static inline unsigned long pfn_runs_npages(const struct pfn_runs *runs)
{
	if (pfn_runs_is_single(runs))
		return (runs->word >> 1 & (BIT(PFN_RUN_LENGTH_BITS) - 1)) + 1;
	if (pfn_runs_is_empty(runs))
		return 0;
	/* Chunks and tables begin with it. */
	return *(unsigned long *)(uintptr_t)(runs->word & ~PFN_RUNS_TABLE);
}

/* The page frame of a page, which exists. */
unsigned long pfn_runs_pfn(const struct pfn_runs *runs, unsigned long index);

static inline void pfn_runs_init(struct pfn_runs *runs)
{
	*runs = (struct pfn_runs){};
}

/*
 * pfn_runs_append() adds @npages page frames from @pfn at the end, merging with
 * the last run where contiguous; -ENOMEM, -EOVERFLOW for page frames from 2^44 on
 * (nothing changed).  @gfp is normally
 * GFP_KERNEL_ACCOUNT: the user pays for the description of the user's pages.
 *
 * pfn_runs_append_pages() does the same for an array of struct page pointers
 * of pages that lie in any order: it finds the contiguous stretches.  Returns 0
 * or -ENOMEM, then the first *@done pages were added.
 *
 * pfn_runs_split() moves the pages from @at on to @tail, which is empty before;
 * 0 < @at < pfn_runs_npages().  -ENOMEM: nothing changed.
 *
 * pfn_runs_join() appends all of @tail to @runs and empties @tail; -ENOMEM:
 * nothing changed.
 *
 * pfn_runs_clear() empties and frees; cannot fail.
 */
int pfn_runs_append(struct pfn_runs *runs, unsigned long pfn,
		    unsigned long npages, gfp_t gfp);
int pfn_runs_append_pages(struct pfn_runs *runs, struct page **pages,
			  unsigned long npages, gfp_t gfp, unsigned long *done);
int pfn_runs_split(struct pfn_runs *runs, unsigned long at,
		   struct pfn_runs *tail, gfp_t gfp);
int pfn_runs_join(struct pfn_runs *runs, struct pfn_runs *tail, gfp_t gfp);
void pfn_runs_clear(struct pfn_runs *runs);

/**
 * struct pfn_runs_iter - position in a walk over a part of the runs
 * @run: the current piece, clipped to the part walked
 *
 * Other members are private to pfn_runs.c.
 */
struct pfn_runs_iter {
	struct pfn_run run;
	/* private: */
	const struct pfn_runs *runs;
	const u64 *slot;
	const u64 *end;
	unsigned long left;
	unsigned int chunk;
};

/*
 * Walk pages @first to @first + @npages - 1, which all exist (first + npages <=
 * pfn_runs_npages()).  pfn_runs_first() finds the start in O(log chunks)
 * plus the runs of one chunk; pfn_runs_next() is O(1).  Both return false at the
 * end.  Neighbouring pieces returned need not be merged maximally.
 */
bool pfn_runs_first(struct pfn_runs_iter *it, const struct pfn_runs *runs,
		    unsigned long first, unsigned long npages);
bool pfn_runs_next(struct pfn_runs_iter *it);

/*
 * Take the next pieces as long as they are single pages, up to @room: their page frames go
 * to @pfns, it->run does not change.  Returns how many; 0 does not mean that there are no
 * more.
 */
unsigned int pfn_runs_next_singles(struct pfn_runs_iter *it, unsigned long *pfns,
				   unsigned int room);

#define pfn_runs_for_each(it, runs, first, npages)                             \
	for (bool __more = pfn_runs_first(it, runs, first, npages); __more;    \
	     __more = pfn_runs_next(it))
#endif
