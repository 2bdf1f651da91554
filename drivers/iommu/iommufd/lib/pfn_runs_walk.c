// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Finding a page and walking over page frames, declared in pfn_runs.h.
 */
#include <linux/minmax.h>
#include "pfn_chunk.h"

/* Find page at->offset of a chunk that has @npages. */
static void find_in_chunk(const struct pfn_chunk *chunk, unsigned long npages,
			  struct pfn_place *at)
{
	unsigned long n;

	at->slot = 0;
	if (npages == chunk->nruns) {
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

static void find_in_table(const struct pfn_table *table, unsigned long index,
			  struct pfn_place *at)
{
	unsigned int low = 0, high = table->nchunks, mid;
	unsigned long first, end;

	/*
	 * The last chunk that begins at or before @index is in [low, high).  Where all runs
	 * are alike it is the first one that is looked at.
	 */
	mid = min(index / (table->npages / high + 1), high - 1);
	if (table->chunk[mid]->first <= index) {
		low = mid;
		if (high - low > 1 && table->chunk[low + 1]->first > index)
			high = low + 1;
	}
	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (table->chunk[mid]->first <= index)
			low = mid;
		else
			high = mid;
	}
	first = table->chunk[low]->first;
	end = high < table->nchunks ? table->chunk[high]->first : table->npages;
	at->chunk = low;
	at->offset = index - first;
	find_in_chunk(table->chunk[low], end - first, at);
}

/**
 * pfn_runs_find - find a page
 * @runs: the runs
 * @index: the page, which exists
 *
 * Return: where it is.
 */
struct pfn_place pfn_runs_find(const struct pfn_runs *runs, unsigned long index)
{
	const struct pfn_table *table = runs_table(runs);
	struct pfn_place at = { .offset = index };

	if (table)
		find_in_table(table, index, &at);
	else if (!pfn_runs_is_single(runs))
		find_in_chunk(lone_chunk(runs), lone_chunk(runs)->npages, &at);
	return at;
}

/**
 * pfn_runs_pfn - the page frame of a page
 * @runs: the runs
 * @index: the page, which exists
 *
 * Return: the page frame number.
 */
unsigned long pfn_runs_pfn(const struct pfn_runs *runs, unsigned long index)
{
	struct pfn_place place;

	if (pfn_runs_is_single(runs))
		return pfn_runs_single_pfn(runs) + index;
	place = pfn_runs_find(runs, index);
	return run_pfn(chunk_at(runs, place.chunk)->run[place.slot]) + place.offset;
}

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
 * @npages: number of pages, that all exist
 *
 * Return: true, and the first piece in it->run; false without a page.
 */
bool pfn_runs_first(struct pfn_runs_iter *it, const struct pfn_runs *runs,
		    unsigned long first, unsigned long npages)
{
	struct pfn_place place;

	if (!npages)
		return false;
	if (pfn_runs_is_single(runs)) {
		it->run.pfn = pfn_runs_single_pfn(runs) + first;
		it->run.npages = npages;
		it->slot = NULL;
		it->end = NULL;
		it->left = 0;
		return true;
	}
	place = pfn_runs_find(runs, first);
	it->runs = runs;
	it->left = npages;
	it->chunk = place.chunk;
	enter_chunk(it);
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

/**
 * pfn_runs_next_singles - go on with a walk over single pages
 * @it: the walk
 * @pfns: filled with page frame numbers
 * @room: how many fit
 *
 * A run that might have a sequel, the last of a chunk, is left to pfn_runs_next().
 *
 * Return: how many pages were taken.
 */
unsigned int pfn_runs_next_singles(struct pfn_runs_iter *it, unsigned long *pfns,
				   unsigned int room)
{
	const u64 *slot = it->slot;
	unsigned long most, n = 0;

	if (slot == it->end)
		return 0;
	most = min3(room, it->left, (unsigned long)(it->end - 1 - slot));
	while (n < most && run_npages(slot[n]) == 1) {
		pfns[n] = run_pfn(slot[n]);
		n++;
	}
	it->slot = slot + n;
	it->left -= n;
	return n;
}
