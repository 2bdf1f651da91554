// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Page frames as runs: see pfn_runs.h for what they promise.
 *
 * A run is packed in 63 bits: the first page frame number above, the number of
 * pages less one in the low 19 bits.  A longer stretch is several runs, all full
 * but the last; the walk puts them together again, so a user never sees the
 * seams.
 *
 * The only run of a small object is in its word.  Two and more stand in a chunk,
 * which doubles until it has CHUNK_BYTES; then there are more chunks and a table of
 * pointers to them, which doubles too.  A chunk in a table knows the index of its
 * first page: an index is found by bisecting the chunks, then within one chunk.  Only
 * the last chunk is ever appended to; others may be partly filled after a split
 * and a join, which move whole chunks instead of copying runs.
 *
 * This file has the memory and appending; pfn_runs_split.c and pfn_runs_walk.c have
 * the rest.  No locks: whoever owns the runs serialises.
 */
#include <kunit/static_stub.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include "pfn_chunk.h"

#define CHUNK_BYTES SZ_4K
#define CHUNK_BYTES_MIN 64
#define TABLE_CHUNKS_MIN 4

/* An address has no bit of a tag. */
static_assert(ARCH_KMALLOC_MINALIGN > (PFN_RUNS_SINGLE | PFN_RUNS_TABLE));

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

	KUNIT_STATIC_STUB_REDIRECT(pfn_chunk_alloc, nruns, gfp);

	while (chunk_room(bytes) < nruns && bytes < CHUNK_BYTES)
		bytes *= 2;
	chunk = kmalloc(bytes, gfp);
	if (!chunk)
		return NULL;
	chunk->nruns = 0;
	chunk->room = chunk_room(bytes);
	return chunk;
}

/**
 * pfn_table_alloc - allocate a table
 * @nchunks: chunks for which there shall be room
 * @gfp: how to allocate
 *
 * Return: an empty table; NULL without memory.
 */
struct pfn_table *pfn_table_alloc(unsigned int nchunks, gfp_t gfp)
{
	struct pfn_table *table;
	size_t bytes;

	KUNIT_STATIC_STUB_REDIRECT(pfn_table_alloc, nchunks, gfp);

	nchunks = max(nchunks, TABLE_CHUNKS_MIN);
	bytes = roundup_pow_of_two(struct_size(table, chunk, nchunks));
	table = kvmalloc(bytes, gfp);
	if (!table)
		return NULL;
	table->npages = 0;
	table->nchunks = 0;
	table->room = (bytes - sizeof(*table)) / sizeof(table->chunk[0]);
	return table;
}

/**
 * pfn_table_reserve - see that there is a table with room
 * @runs: the runs; neither empty nor single
 * @more: chunks that shall fit besides those that are there
 * @gfp: how to allocate
 *
 * Return: the table; NULL without memory, nothing changed then.
 */
struct pfn_table *pfn_table_reserve(struct pfn_runs *runs, unsigned int more,
				    gfp_t gfp)
{
	struct pfn_table *old = runs_table(runs), *table;
	struct pfn_chunk *chunk = lone_chunk(runs);
	u32 nchunks = old ? old->nchunks : 1;

	if (old && more <= old->room - nchunks)
		return old;
	table = pfn_table_alloc(nchunks + more, gfp);
	if (!table)
		return NULL;
	table->npages = pfn_runs_npages(runs);
	table->nchunks = nchunks;
	if (old) {
		memcpy(table->chunk, old->chunk, nchunks * sizeof(old->chunk[0]));
		kvfree(old);
	} else {
		chunk->first = 0;
		table->chunk[0] = chunk;
	}
	set_table(runs, table);
	return table;
}

/**
 * pfn_runs_leave_single - move the only run to a chunk
 * @runs: the runs; single
 * @gfp: how to allocate
 *
 * Return: 0; -ENOMEM, nothing changed then.
 */
int pfn_runs_leave_single(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *chunk = pfn_chunk_alloc(2, gfp);

	if (!chunk)
		return -ENOMEM;
	chunk->npages = pfn_runs_npages(runs);
	chunk->run[0] = single_run(runs);
	chunk->nruns = 1;
	set_chunk(runs, chunk);
	return 0;
}

static int add_chunk(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *chunk = pfn_chunk_alloc(chunk_room(CHUNK_BYTES), gfp);
	struct pfn_table *table;

	if (!chunk)
		return -ENOMEM;
	table = pfn_table_reserve(runs, 1, gfp);
	if (!table) {
		kfree(chunk);
		return -ENOMEM;
	}
	chunk->first = table->npages;
	table->chunk[table->nchunks++] = chunk;
	return 0;
}

/* Double the last chunk, which is not full sized. */
static int grow_chunk(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_table *table = runs_table(runs);
	struct pfn_chunk *old = last_chunk(runs);
	struct pfn_chunk *chunk = pfn_chunk_alloc(old->room + 1, gfp);

	if (!chunk)
		return -ENOMEM;
	chunk->first = old->first; /* or npages */
	chunk->nruns = old->nruns;
	memcpy(chunk->run, old->run, old->nruns * sizeof(old->run[0]));
	kfree(old);
	if (table)
		table->chunk[table->nchunks - 1] = chunk;
	else
		set_chunk(runs, chunk);
	return 0;
}

/* Make room for one more run in the last chunk; @runs is not empty. */
static int make_room(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *last;

	if (pfn_runs_is_single(runs))
		return pfn_runs_leave_single(runs, gfp);
	last = last_chunk(runs);
	if (last->nruns < last->room)
		return 0;
	if (last->room < chunk_room(CHUNK_BYTES))
		return grow_chunk(runs, gfp);
	return add_chunk(runs, gfp);
}

/**
 * pfn_runs_settle - go back to a smaller shape
 * @runs: runs that have become fewer; neither empty nor single
 */
void pfn_runs_settle(struct pfn_runs *runs)
{
	struct pfn_table *table = runs_table(runs);
	struct pfn_chunk *chunk = chunk_at(runs, 0);

	if (table) {
		if (table->nchunks > 1)
			return;
		chunk->npages = table->npages;
		set_chunk(runs, chunk);
		kvfree(table);
	}
	if (chunk->nruns > 1)
		return;
	set_single(runs, chunk->run[0]);
	kfree(chunk);
}

/**
 * pfn_runs_clear - empty and free
 * @runs: the runs
 */
void pfn_runs_clear(struct pfn_runs *runs)
{
	struct pfn_table *table = runs_table(runs);
	unsigned int i;

	if (table) {
		for (i = 0; i < table->nchunks; i++)
			kfree(table->chunk[i]);
		kvfree(table);
	} else if (!pfn_runs_is_single(runs)) {
		kfree(lone_chunk(runs));
	}
	pfn_runs_init(runs);
}

/* Drop the last run, or its last pages: at most @excess of them.  Returns how many. */
static unsigned long drop_last(struct pfn_runs *runs, unsigned long excess)
{
	struct pfn_chunk *chunk = last_chunk(runs);
	u64 *last = &chunk->run[chunk->nruns - 1];
	unsigned long npages = run_npages(*last);

	if (excess < npages) {
		*last -= excess;
		return excess;
	}
	if (!--chunk->nruns) {
		runs_table(runs)->nchunks--;
		kfree(chunk);
	}
	return npages;
}

/**
 * pfn_runs_truncate - drop pages at the end
 * @runs: the runs
 * @npages: pages that are left, not more than there are
 */
void pfn_runs_truncate(struct pfn_runs *runs, unsigned long npages)
{
	unsigned long excess = pfn_runs_npages(runs) - npages;

	if (!npages) {
		pfn_runs_clear(runs);
		return;
	}
	if (pfn_runs_is_single(runs)) {
		set_single(runs, single_run(runs) - excess);
		return;
	}
	while (excess)
		excess -= drop_last(runs, excess);
	*outer_npages(runs) = npages;
	pfn_runs_settle(runs);
}

/* Append */

/* Add one run, of LENGTH_MAX pages at most, without merging; -ENOMEM. */
static int push(struct pfn_runs *runs, unsigned long pfn, unsigned long npages,
		gfp_t gfp)
{
	u64 run = run_pack(pfn, npages);
	struct pfn_chunk *last;

	if (pfn_runs_is_empty(runs)) {
		set_single(runs, run);
		return 0;
	}
	if (make_room(runs, gfp))
		return -ENOMEM;
	last = last_chunk(runs);
	last->run[last->nruns++] = run;
	*outer_npages(runs) += npages;
	return 0;
}

/* How many of the pages can lengthen @run? */
static unsigned long extension(u64 run, unsigned long pfn, unsigned long npages)
{
	if (run_pfn(run) + run_npages(run) != pfn)
		return 0;
	return min(npages, LENGTH_MAX - run_npages(run));
}

/* Lengthen the last run, if @pfn follows it.  Returns the pages it took. */
static unsigned long extend(struct pfn_runs *runs, unsigned long pfn,
			    unsigned long npages)
{
	struct pfn_chunk *chunk;
	unsigned long n;
	u64 *last;

	if (pfn_runs_is_empty(runs))
		return 0;
	if (pfn_runs_is_single(runs)) {
		n = extension(single_run(runs), pfn, npages);
		set_single(runs, single_run(runs) + n);
		return n;
	}
	chunk = last_chunk(runs);
	last = &chunk->run[chunk->nruns - 1];
	n = extension(*last, pfn, npages);
	*last += n;
	*outer_npages(runs) += n;
	return n;
}

/* Add a run of its own to a chunk that has room; false when it is not as easy as that. */
static inline bool append_to_chunk(struct pfn_runs *runs, unsigned long pfn,
				   unsigned long npages)
{
	struct pfn_chunk *chunk;
	u64 last;

	if (pfn_runs_is_empty(runs) || pfn_runs_is_single(runs))
		return false;
	chunk = last_chunk(runs);
	last = chunk->run[chunk->nruns - 1];
	if (chunk->nruns == chunk->room || npages - 1 >= LENGTH_MAX ||
	    run_pfn(last) + run_npages(last) == pfn)
		return false;
	chunk->run[chunk->nruns++] = run_pack(pfn, npages);
	*outer_npages(runs) += npages;
	return true;
}

/* Out of line, so that the usual case of pfn_runs_append() needs no stack. */
static noinline int append_more(struct pfn_runs *runs, unsigned long pfn,
				unsigned long npages, gfp_t gfp)
{
	unsigned long before = pfn_runs_npages(runs);
	unsigned long n = extend(runs, pfn, npages);

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
	if (pfn >= PFN_LIMIT || npages > PFN_LIMIT - pfn)
		return -EOVERFLOW;
	/* All that is ever done to most objects. */
	if (pfn_runs_is_empty(runs) && npages && npages <= LENGTH_MAX) {
		set_single(runs, run_pack(pfn, npages));
		return 0;
	}
	if (append_to_chunk(runs, pfn, npages))
		return 0;
	return append_more(runs, pfn, npages, gfp);
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
 * Pack pages up to the first one that the next follows, at most @most; there is one more.
 * Runs once for each page that user space pins: keep it short.  noinline, or gcc carries
 * more through the loop than it needs.
 */
static noinline unsigned long pack_singles(u64 *slot, struct page **pages, unsigned long most)
{
	unsigned long n = 0;

	while (n < most && !page_follows(pages + n, 1)) {
		slot[n] = run_pack(page_to_pfn(pages[n]), 1);
		n++;
	}
	return n;
}

/*
 * Append to the last chunk until it is full; at most LENGTH_MAX pages.  Returns the
 * pages added.
 */
static unsigned long fill_chunk(struct pfn_runs *runs, struct page **pages,
				unsigned long npages)
{
	struct pfn_chunk *chunk = last_chunk(runs);
	u64 *begin = chunk->run + chunk->nruns, *slot = begin;
	u64 *end = chunk->run + chunk->room;
	struct page **at = pages, **last = pages + npages - 1;
	unsigned long n;

	while (slot != end && at < last) {
		n = pack_singles(slot, at, min(end - slot, last - at));
		slot += n;
		at += n;
		if (slot == end || at == last)
			break;
		n = stretch(at, last + 1 - at);
		*slot++ = run_pack(page_to_pfn(*at), n);
		at += n;
	}
	if (slot != end && at == last)
		*slot++ = run_pack(page_to_pfn(*at++), 1);

	chunk->nruns += slot - begin;
	*outer_npages(runs) += at - pages;
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
