// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Page frames as runs: see pfn_runs.h for what they promise.
 *
 * A run is packed in 64 bits: the first page frame number above, the number of
 * pages less one in the low 20 bits.  A longer stretch is several runs, all full
 * but the last; the walk puts them together again, so a user never sees the
 * seams.
 *
 * The only run of a small object is inline.  Two and more stand in a chunk, which
 * doubles until it has CHUNK_BYTES; then there are more chunks and an array of
 * pointers to them, which doubles too.  A chunk knows the index of its first
 * page: an index is found by bisecting the chunks, then within one chunk.  Only
 * the last chunk is ever appended to; others may be partly filled after a split
 * and a join, which move whole chunks instead of copying runs.
 *
 * This file has the memory and appending; pfn_runs_split.c and pfn_runs_walk.c have
 * the rest.  No locks: whoever owns the runs serialises.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include "pfn_chunk.h"

#define CHUNK_BYTES SZ_4K
#define CHUNK_BYTES_MIN 64

/* The last run; @runs is not empty. */
static inline u64 *last_run(struct pfn_runs *runs)
{
	struct pfn_chunk *chunk;

	if (!runs->nchunks)
		return &runs->inline_run;
	chunk = last_chunk(runs);
	return &chunk->run[chunk->nruns - 1];
}

/* Memory */

static unsigned int chunk_room(size_t bytes)
{
	return (bytes - sizeof(struct pfn_chunk)) / sizeof(u64);
}

/**
 * pfn_chunk_alloc - allocate a chunk
 * @nruns: runs for which there shall be room; no more than a chunk can have
 * @gfp: how to allocate
 *
 * Return: an empty chunk, its @first not set; NULL without memory.
 */
struct pfn_chunk *pfn_chunk_alloc(unsigned int nruns, gfp_t gfp)
{
	size_t bytes = CHUNK_BYTES_MIN;
	struct pfn_chunk *chunk;

	while (chunk_room(bytes) < nruns && bytes < CHUNK_BYTES)
		bytes *= 2;
	chunk = kmalloc(bytes, gfp);
	if (!chunk)
		return NULL;
	chunk->nruns = 0;
	chunk->room = chunk_room(bytes);
	return chunk;
}

/*
 * The array has room for a power of two of pointers, at least four, so its size
 * follows from their number.  After a split it may be larger, never smaller.
 */
static size_t array_room(unsigned int nchunks)
{
	return nchunks <= 4 ? 4 : roundup_pow_of_two(nchunks);
}

/**
 * pfn_chunks_insert - put chunks in front of another
 * @runs: the runs; its counts of pages and runs are left to the caller
 * @at: which one to put them in front of; their number to append
 * @chunks: the chunks
 * @n: how many, not zero
 * @gfp: how to allocate the array
 *
 * Return: 0; -ENOMEM, nothing changed then.
 */
int pfn_chunks_insert(struct pfn_runs *runs, unsigned int at,
		      struct pfn_chunk **chunks, unsigned int n, gfp_t gfp)
{
	struct pfn_chunk **old = chunk_array(runs), **array = old;
	unsigned int before = runs->nchunks, after = before + n;

	if (after > 1 &&
	    (before <= 1 || array_room(after) != array_room(before))) {
		array = kvmalloc_array(array_room(after), sizeof(*array), gfp);
		if (!array)
			return -ENOMEM;
		memcpy(array, old, at * sizeof(*array));
	}
	memmove(array + at + n, old + at, (before - at) * sizeof(*array));
	memcpy(array + at, chunks, n * sizeof(*array));
	if (before > 1 && array != old)
		kvfree(old);
	if (after > 1)
		runs->chunks = array;
	runs->nchunks = after;
	return 0;
}

/**
 * pfn_chunks_forget - let go of the last chunks without freeing them
 * @runs: the runs; its counts of pages and runs are left to the caller
 * @keep: how many of the first ones to keep, not zero
 */
void pfn_chunks_forget(struct pfn_runs *runs, unsigned int keep)
{
	struct pfn_chunk **array = runs->chunks;

	if (runs->nchunks == 1)
		return;
	runs->nchunks = keep;
	if (keep > 1)
		return;
	runs->chunk = array[0];
	kvfree(array);
}

/**
 * pfn_runs_leave_inline - move the inline run to a chunk
 * @runs: the runs: one, inline
 * @gfp: how to allocate
 *
 * Return: 0; -ENOMEM, nothing changed then.
 */
int pfn_runs_leave_inline(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *chunk = pfn_chunk_alloc(2, gfp);

	if (!chunk)
		return -ENOMEM;
	chunk->first = 0;
	chunk->run[0] = runs->inline_run;
	chunk->nruns = 1;
	runs->chunk = chunk;
	runs->nchunks = 1;
	return 0;
}

static int add_chunk(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *chunk = pfn_chunk_alloc(chunk_room(CHUNK_BYTES), gfp);

	if (!chunk)
		return -ENOMEM;
	chunk->first = runs->npages;
	if (pfn_chunks_insert(runs, runs->nchunks, &chunk, 1, gfp)) {
		kfree(chunk);
		return -ENOMEM;
	}
	return 0;
}

/* Double the last chunk, which is not full sized. */
static int grow_chunk(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *old = last_chunk(runs);
	struct pfn_chunk *chunk = pfn_chunk_alloc(old->room + 1, gfp);

	if (!chunk)
		return -ENOMEM;
	chunk->first = old->first;
	chunk->nruns = old->nruns;
	memcpy(chunk->run, old->run, old->nruns * sizeof(old->run[0]));
	kfree(old);
	chunk_array(runs)[runs->nchunks - 1] = chunk;
	return 0;
}

/* Make room for one more run in the last chunk; @runs is not empty. */
static int make_room(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *last;

	if (!runs->nchunks)
		return pfn_runs_leave_inline(runs, gfp);
	last = last_chunk(runs);
	if (last->nruns < last->room)
		return 0;
	if (last->room < chunk_room(CHUNK_BYTES))
		return grow_chunk(runs, gfp);
	return add_chunk(runs, gfp);
}

/**
 * pfn_runs_return_inline - put the run of a single chunk back inline
 * @runs: the runs; nothing happens if there is more than one
 */
void pfn_runs_return_inline(struct pfn_runs *runs)
{
	struct pfn_chunk *chunk = runs->chunk;

	if (runs->nchunks != 1 || chunk->nruns != 1)
		return;
	runs->nchunks = 0;
	runs->inline_run = chunk->run[0];
	kfree(chunk);
}

/**
 * pfn_runs_clear - empty and free
 * @runs: the runs
 */
void pfn_runs_clear(struct pfn_runs *runs)
{
	unsigned int i;

	for (i = 0; i < runs->nchunks; i++)
		kfree(chunk_at(runs, i));
	if (runs->nchunks > 1)
		kvfree(runs->chunks);
	pfn_runs_init(runs);
}

/**
 * pfn_runs_truncate - drop pages at the end
 * @runs: the runs
 * @npages: pages that are left, not more than there are
 */
void pfn_runs_truncate(struct pfn_runs *runs, unsigned long npages)
{
	unsigned long excess, n;
	struct pfn_chunk *last;

	if (!npages) {
		pfn_runs_clear(runs);
		return;
	}
	while ((excess = runs->npages - npages)) {
		n = run_npages(*last_run(runs));
		if (excess < n) {
			*last_run(runs) -= excess;
			runs->npages -= excess;
			return;
		}
		runs->npages -= n;
		runs->nruns--;
		last = last_chunk(runs);
		if (!--last->nruns) {
			pfn_chunks_forget(runs, runs->nchunks - 1);
			kfree(last);
		}
	}
}

/* Append */

/* Add one run, of LENGTH_MAX pages at most, without merging; -ENOMEM. */
static int push(struct pfn_runs *runs, unsigned long pfn, unsigned long npages,
		gfp_t gfp)
{
	u64 run = run_pack(pfn, npages);
	struct pfn_chunk *last;

	if (!runs->npages) {
		runs->inline_run = run;
	} else {
		if (make_room(runs, gfp))
			return -ENOMEM;
		last = last_chunk(runs);
		last->run[last->nruns++] = run;
	}
	runs->nruns++;
	runs->npages += npages;
	return 0;
}

/* Lengthen the last run, if @pfn follows it.  Returns the pages it took. */
static unsigned long extend(struct pfn_runs *runs, unsigned long pfn,
			    unsigned long npages)
{
	u64 *last;

	if (!runs->npages)
		return 0;
	last = last_run(runs);
	if (run_pfn(*last) + run_npages(*last) != pfn)
		return 0;
	npages = min(npages, LENGTH_MAX - run_npages(*last));
	*last += npages;
	runs->npages += npages;
	return npages;
}

/**
 * pfn_runs_append - add contiguous page frames at the end
 * @runs: the runs
 * @pfn: first page frame number
 * @npages: number of pages
 * @gfp: how to allocate
 *
 * Context: as @gfp says.
 * Return: 0; -ENOMEM; -EOVERFLOW if a page frame number does not fit in 44 bits,
 * which no memory's does.  Nothing changed then.
 */
int pfn_runs_append(struct pfn_runs *runs, unsigned long pfn,
		    unsigned long npages, gfp_t gfp)
{
	unsigned long before = runs->npages, n;

	if (pfn >= PFN_LIMIT || npages > PFN_LIMIT - pfn)
		return -EOVERFLOW;
	/* All that is ever done to most objects. */
	if (!before && npages && npages <= LENGTH_MAX) {
		runs->inline_run = run_pack(pfn, npages);
		runs->nruns = 1;
		runs->npages = npages;
		return 0;
	}
	n = extend(runs, pfn, npages);
	while (n != npages) {
		unsigned long len = min(npages - n, LENGTH_MAX);

		if (push(runs, pfn + n, len, gfp)) {
			pfn_runs_truncate(runs, before);
			return -ENOMEM;
		}
		n += len;
	}
	return 0;
}

/* Whether pages[n] is the page frame @n behind pages[0]. */
static inline bool page_follows(struct page **pages, unsigned long n)
{
	if (IS_ENABLED(CONFIG_SPARSEMEM) && !IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		return page_to_pfn(pages[n]) == page_to_pfn(pages[0]) + n;
	return pages[n] == pages[0] + n;
}

/* Length of the contiguous stretch at the start of @npages pages. */
static unsigned long stretch(struct page **pages, unsigned long npages)
{
	unsigned long n = 1;

	while (npages - n >= 4 && page_follows(pages, n) &&
	       page_follows(pages, n + 1) && page_follows(pages, n + 2) &&
	       page_follows(pages, n + 3))
		n += 4;
	while (n < npages && page_follows(pages, n))
		n++;
	return n;
}

/*
 * Append to the last chunk until it is full; at most LENGTH_MAX pages.  Returns the
 * pages added.  Runs once for each page that user space pins: keep it short.
 */
static unsigned long fill_chunk(struct pfn_runs *runs, struct page **pages,
				unsigned long npages)
{
	struct pfn_chunk *chunk = last_chunk(runs);
	u64 *begin = &chunk->run[chunk->nruns], *slot = begin;
	u64 *end = &chunk->run[chunk->room];
	struct page **at = pages, **last = pages + npages - 1;
	unsigned long n;

	while (slot != end && at < last) {
		if (!page_follows(at, 1)) {
			*slot++ = run_pack(page_to_pfn(*at++), 1);
			continue;
		}
		n = stretch(at, last + 1 - at);
		*slot++ = run_pack(page_to_pfn(*at), n);
		at += n;
	}
	if (slot != end && at == last)
		*slot++ = run_pack(page_to_pfn(*at++), 1);

	chunk->nruns += slot - begin;
	runs->nruns += slot - begin;
	runs->npages += at - pages;
	return at - pages;
}

/* At most LENGTH_MAX pages, so that no stretch is longer than a run can be. */
static int append_portion(struct pfn_runs *runs, struct page **pages,
			  unsigned long npages, gfp_t gfp, unsigned long *done)
{
	unsigned long n = stretch(pages, npages);
	int rc;

	/* Only the first stretch can continue what is there already. */
	rc = pfn_runs_append(runs, page_to_pfn(pages[0]), n, gfp);
	if (rc)
		return rc;
	while (n != npages) {
		rc = make_room(runs, gfp);
		if (rc)
			break;
		n += fill_chunk(runs, pages + n, npages - n);
	}
	*done = n;
	return rc;
}

/**
 * pfn_runs_append_pages - add the page frames of pages at the end
 * @runs: the runs
 * @pages: pages of RAM in any order
 * @npages: number of pages
 * @gfp: how to allocate
 * @done: returns the number of pages added
 *
 * Context: as @gfp says.
 * Return: 0; -ENOMEM, then *@done pages were added.
 */
int pfn_runs_append_pages(struct pfn_runs *runs, struct page **pages,
			  unsigned long npages, gfp_t gfp, unsigned long *done)
{
	unsigned long portion, n;
	int rc = 0;

	if (npages == 1) {
		rc = pfn_runs_append(runs, page_to_pfn(pages[0]), 1, gfp);
		*done = !rc;
		return rc;
	}
	for (*done = 0; !rc && npages; npages -= n, pages += n, *done += n) {
		portion = min(npages, LENGTH_MAX);
		n = 0;
		rc = append_portion(runs, pages, portion, gfp, &n);
	}
	return rc;
}
