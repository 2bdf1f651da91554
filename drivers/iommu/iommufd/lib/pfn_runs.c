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
 * No locks: whoever owns the runs serialises.
 */
#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include "pfn_runs.h"

#define LENGTH_BITS 20
#define LENGTH_MAX BIT(LENGTH_BITS)
#define PFN_LIMIT (1ULL << (64 - LENGTH_BITS))

#define CHUNK_BYTES SZ_4K
#define CHUNK_BYTES_MIN 64

/**
 * struct pfn_chunk - a block of packed runs
 * @first: index of the first page
 * @nruns: runs in @run
 * @room: runs for which there is memory
 * @run: the runs
 */
struct pfn_chunk {
	unsigned long first;
	u32 nruns;
	u32 room;
	u64 run[];
};

static inline u64 run_pack(unsigned long pfn, unsigned long npages)
{
	return (u64)pfn << LENGTH_BITS | (npages - 1);
}

static inline unsigned long run_pfn(u64 run)
{
	return run >> LENGTH_BITS;
}

static inline unsigned long run_npages(u64 run)
{
	return (run & (LENGTH_MAX - 1)) + 1;
}

/* The pointers to the chunks; runs->nchunks of them. */
static inline struct pfn_chunk **chunk_array(struct pfn_runs *runs)
{
	return runs->nchunks > 1 ? runs->chunks : &runs->chunk;
}

static inline struct pfn_chunk *chunk_at(const struct pfn_runs *runs,
					 unsigned int i)
{
	return runs->nchunks > 1 ? runs->chunks[i] : runs->chunk;
}

static inline struct pfn_chunk *last_chunk(const struct pfn_runs *runs)
{
	return chunk_at(runs, runs->nchunks - 1);
}

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

/* A chunk with room for @nruns, or as many as a chunk can have. */
static struct pfn_chunk *chunk_alloc(unsigned int nruns, gfp_t gfp)
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

/* Put @n chunks in front of the one at @at; -ENOMEM, nothing changed then. */
static int insert_chunks(struct pfn_runs *runs, unsigned int at,
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

/* Forget all chunks but the first @keep, of which there is at least one. */
static void forget_chunks(struct pfn_runs *runs, unsigned int keep)
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

/* Move the inline run to a chunk. */
static int leave_inline(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *chunk = chunk_alloc(2, gfp);

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
	struct pfn_chunk *chunk = chunk_alloc(chunk_room(CHUNK_BYTES), gfp);

	if (!chunk)
		return -ENOMEM;
	chunk->first = runs->npages;
	if (insert_chunks(runs, runs->nchunks, &chunk, 1, gfp)) {
		kfree(chunk);
		return -ENOMEM;
	}
	return 0;
}

/* Double the last chunk, which is not full sized. */
static int grow_chunk(struct pfn_runs *runs, gfp_t gfp)
{
	struct pfn_chunk *old = last_chunk(runs);
	struct pfn_chunk *chunk = chunk_alloc(old->room + 1, gfp);

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
		return leave_inline(runs, gfp);
	last = last_chunk(runs);
	if (last->nruns < last->room)
		return 0;
	if (last->room < chunk_room(CHUNK_BYTES))
		return grow_chunk(runs, gfp);
	return add_chunk(runs, gfp);
}

/* Put the only run back inline. */
static void return_inline(struct pfn_runs *runs)
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

/* Drop pages at the end until @npages are left. */
static void truncate(struct pfn_runs *runs, unsigned long npages)
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
			forget_chunks(runs, runs->nchunks - 1);
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
	n = extend(runs, pfn, npages);
	while (n != npages) {
		unsigned long len = min(npages - n, LENGTH_MAX);

		if (push(runs, pfn + n, len, gfp)) {
			truncate(runs, before);
			return -ENOMEM;
		}
		n += len;
	}
	return 0;
}

/* Whether @page is the page frame @n behind @first. */
static inline bool page_follows(struct page *first, unsigned long n,
				struct page *page)
{
	if (IS_ENABLED(CONFIG_SPARSEMEM) && !IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		return page_to_pfn(page) == page_to_pfn(first) + n;
	return page == first + n;
}

/* Length of the contiguous stretch at the start of @npages pages. */
static inline unsigned long stretch(struct page **pages, unsigned long npages)
{
	unsigned long n = 1;

	npages = min(npages, LENGTH_MAX);
	while (n < npages && page_follows(pages[0], n, pages[n]))
		n++;
	return n;
}

/* Append to the last chunk until it is full.  Returns the pages added. */
static unsigned long fill_chunk(struct pfn_runs *runs, struct page **pages,
				unsigned long npages)
{
	struct pfn_chunk *chunk = last_chunk(runs);
	u64 *slot = &chunk->run[chunk->nruns];
	u64 *end = &chunk->run[chunk->room];
	unsigned long done = 0, n;

	for (; slot != end && done != npages; done += n) {
		n = stretch(pages + done, npages - done);
		*slot++ = run_pack(page_to_pfn(pages[done]), n);
	}
	n = slot - &chunk->run[chunk->nruns];
	chunk->nruns += n;
	runs->nruns += n;
	runs->npages += done;
	return done;
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
	unsigned long n;
	int rc;

	*done = 0;
	if (!npages)
		return 0;
	/* Only the first stretch can continue what is there already. */
	n = stretch(pages, npages);
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

/* Find a page */

/**
 * struct pfn_place - where a page is
 * @chunk: chunk, when not inline
 * @slot: run within the chunk
 * @offset: page within the run
 */
struct pfn_place {
	unsigned int chunk;
	unsigned int slot;
	unsigned long offset;
};

static void find_in_chunk(struct pfn_chunk *chunk, unsigned long next_first,
			  struct pfn_place *at)
{
	unsigned long n;

	at->slot = 0;
	if (next_first - chunk->first == chunk->nruns) {
		/* Only runs of one page. */
		at->slot = at->offset;
		at->offset = 0;
		return;
	}
	while (at->offset >= (n = run_npages(chunk->run[at->slot]))) {
		at->offset -= n;
		at->slot++;
	}
}

/* @index < runs->npages */
static struct pfn_place find_page(const struct pfn_runs *runs,
				  unsigned long index)
{
	struct pfn_place at = { .offset = index };
	unsigned int low = 0, high = runs->nchunks, mid;
	struct pfn_chunk *chunk;

	if (!high)
		return at;
	/* The last chunk that begins at or before @index is in [low, high). */
	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (chunk_at(runs, mid)->first <= index)
			low = mid;
		else
			high = mid;
	}
	chunk = chunk_at(runs, low);
	at.chunk = low;
	at.offset = index - chunk->first;
	find_in_chunk(chunk,
		      high < runs->nchunks ? chunk_at(runs, high)->first :
					     runs->npages, &at);
	return at;
}

/* Split and join */

static void split_inline(struct pfn_runs *runs, unsigned long at,
			 struct pfn_runs *tail)
{
	u64 run = runs->inline_run;

	*tail = (struct pfn_runs){
		.npages = runs->npages - at,
		.nruns = 1,
		.inline_run = run_pack(run_pfn(run) + at, runs->npages - at),
	};
	runs->inline_run = run_pack(run_pfn(run), at);
	runs->npages = at;
}

/* Make a chunk begin at page @at, which is inside another. */
static int cut_chunk(struct pfn_runs *runs, const struct pfn_place *place,
		     unsigned long at, gfp_t gfp)
{
	struct pfn_chunk *from = chunk_at(runs, place->chunk);
	unsigned int nruns = from->nruns - place->slot;
	struct pfn_chunk *rest = chunk_alloc(nruns, gfp);
	u64 *head = &from->run[place->slot];

	if (!rest)
		return -ENOMEM;
	if (insert_chunks(runs, place->chunk + 1, &rest, 1, gfp)) {
		kfree(rest);
		return -ENOMEM;
	}

	rest->first = at;
	rest->nruns = nruns;
	memcpy(rest->run, head, nruns * sizeof(*head));
	from->nruns = place->slot;
	if (place->offset) {
		rest->run[0] = run_pack(run_pfn(*head) + place->offset,
					run_npages(*head) - place->offset);
		*head = run_pack(run_pfn(*head), place->offset);
		from->nruns++;
		runs->nruns++;
	}
	return 0;
}

/**
 * pfn_runs_split - move the pages from an index on to another object
 * @runs: the runs
 * @at: first page that moves; exists, and is not the first of all
 * @tail: where they go, empty before
 * @gfp: how to allocate
 *
 * Context: as @gfp says.
 * Return: 0; -ENOMEM, then both hold the same pages as before.
 */
int pfn_runs_split(struct pfn_runs *runs, unsigned long at,
		   struct pfn_runs *tail, gfp_t gfp)
{
	struct pfn_place place;
	unsigned int i;

	if (!runs->nchunks) {
		split_inline(runs, at, tail);
		return 0;
	}
	place = find_page(runs, at);
	if (place.slot || place.offset) {
		if (cut_chunk(runs, &place, at, gfp))
			return -ENOMEM;
		place.chunk++;
	}
	if (insert_chunks(tail, 0, chunk_array(runs) + place.chunk,
			  runs->nchunks - place.chunk, gfp))
		return -ENOMEM;

	forget_chunks(runs, place.chunk);
	tail->npages = runs->npages - at;
	tail->nruns = 0;
	for (i = 0; i < tail->nchunks; i++) {
		chunk_at(tail, i)->first -= at;
		tail->nruns += chunk_at(tail, i)->nruns;
	}
	runs->npages = at;
	runs->nruns -= tail->nruns;
	return_inline(runs);
	return_inline(tail);
	return 0;
}

/* Copy the runs of @tail, which has one chunk at most, and empty it. */
static int join_by_copy(struct pfn_runs *runs, struct pfn_runs *tail, gfp_t gfp)
{
	u64 *run = tail->nchunks ? tail->chunk->run : &tail->inline_run;
	unsigned long before = runs->npages;
	unsigned int i;

	for (i = 0; i < tail->nruns; i++) {
		if (pfn_runs_append(runs, run_pfn(run[i]), run_npages(run[i]),
				    gfp)) {
			truncate(runs, before);
			return -ENOMEM;
		}
	}
	pfn_runs_clear(tail);
	return 0;
}

/**
 * pfn_runs_join - append the pages of another object
 * @runs: the runs
 * @tail: what to append; empty on success
 * @gfp: how to allocate
 *
 * Context: as @gfp says.
 * Return: 0; -ENOMEM, then both hold the same pages as before.
 */
int pfn_runs_join(struct pfn_runs *runs, struct pfn_runs *tail, gfp_t gfp)
{
	unsigned int i;

	if (!runs->npages) {
		*runs = *tail;
		pfn_runs_init(tail);
		return 0;
	}
	if (tail->nchunks <= 1)
		return join_by_copy(runs, tail, gfp);

	if (!runs->nchunks && leave_inline(runs, gfp))
		return -ENOMEM;
	if (insert_chunks(runs, runs->nchunks, tail->chunks, tail->nchunks, gfp))
		return -ENOMEM;
	for (i = 0; i < tail->nchunks; i++)
		tail->chunks[i]->first += runs->npages;
	runs->npages += tail->npages;
	runs->nruns += tail->nruns;
	kvfree(tail->chunks);
	pfn_runs_init(tail);
	return 0;
}

/* Walk */

static void enter_chunk(struct pfn_runs_iter *it)
{
	struct pfn_chunk *chunk = chunk_at(it->runs, it->chunk);

	it->slot = chunk->run;
	it->end = chunk->run + chunk->nruns;
}

/* Add the runs that continue the one just taken. */
static void take_sequel(struct pfn_runs_iter *it)
{
	struct pfn_run *run = &it->run;

	while (run->npages < it->left) {
		if (it->slot == it->end) {
			it->chunk++;
			enter_chunk(it);
		}
		if (run_pfn(*it->slot) != run->pfn + run->npages)
			return;
		run->npages += run_npages(*it->slot++);
	}
}

/*
 * Take the run at the iterator without its first @skip pages.  Only runs that are
 * full or at a border of a chunk (@border: at the lower one) can have a sequel.
 */
static inline void take_run(struct pfn_runs_iter *it, unsigned long skip,
			    bool border)
{
	u64 packed = *it->slot++;

	it->run.pfn = run_pfn(packed) + skip;
	it->run.npages = run_npages(packed) - skip;
	if (unlikely(border || it->slot == it->end ||
		     run_npages(packed) == LENGTH_MAX))
		take_sequel(it);
	it->run.npages = min(it->run.npages, it->left);
	it->left -= it->run.npages;
}

/**
 * pfn_runs_first - begin a walk
 * @it: the walk
 * @runs: the runs; must not change during the walk
 * @first: index of the first page
 * @npages: number of pages, not zero, that all exist
 *
 * Return: true, and the first piece in it->run.
 */
bool pfn_runs_first(struct pfn_runs_iter *it, const struct pfn_runs *runs,
		    unsigned long first, unsigned long npages)
{
	struct pfn_place place = find_page(runs, first);

	it->runs = runs;
	it->left = npages;
	it->chunk = place.chunk;
	if (runs->nchunks) {
		enter_chunk(it);
	} else {
		it->slot = &runs->inline_run;
		it->end = it->slot + 1;
	}
	it->slot += place.slot;
	take_run(it, place.offset, !place.slot);
	return true;
}

/**
 * pfn_runs_next - go on with a walk
 * @it: the walk
 *
 * Return: true, and the next piece in it->run; false at the end.
 */
bool pfn_runs_next(struct pfn_runs_iter *it)
{
	bool border = it->slot == it->end;

	if (!it->left)
		return false;
	if (border) {
		it->chunk++;
		enter_chunk(it);
	}
	take_run(it, 0, border);
	return true;
}
