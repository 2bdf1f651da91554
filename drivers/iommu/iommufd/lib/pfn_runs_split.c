// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Splitting and joining page frames, declared in pfn_runs.h.
 *
 * A cut first makes a chunk begin where it is wanted, which changes nothing for
 * users; then whole chunks change hands.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include "pfn_chunk.h"

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
	struct pfn_chunk *rest = pfn_chunk_alloc(nruns, gfp);
	u64 *head = &from->run[place->slot];

	if (!rest)
		return -ENOMEM;
	if (pfn_chunks_insert(runs, place->chunk + 1, &rest, 1, gfp)) {
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
	place = pfn_runs_find(runs, at);
	if (place.slot || place.offset) {
		if (cut_chunk(runs, &place, at, gfp))
			return -ENOMEM;
		place.chunk++;
	}
	if (pfn_chunks_insert(tail, 0, chunk_array(runs) + place.chunk,
			      runs->nchunks - place.chunk, gfp))
		return -ENOMEM;

	pfn_chunks_forget(runs, place.chunk);
	tail->npages = runs->npages - at;
	tail->nruns = 0;
	for (i = 0; i < tail->nchunks; i++) {
		chunk_at(tail, i)->first -= at;
		tail->nruns += chunk_at(tail, i)->nruns;
	}
	runs->npages = at;
	runs->nruns -= tail->nruns;
	pfn_runs_return_inline(runs);
	pfn_runs_return_inline(tail);
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
			pfn_runs_truncate(runs, before);
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

	if (!runs->nchunks && pfn_runs_leave_inline(runs, gfp))
		return -ENOMEM;
	if (pfn_chunks_insert(runs, runs->nchunks, tail->chunks, tail->nchunks, gfp))
		return -ENOMEM;
	for (i = 0; i < tail->nchunks; i++)
		tail->chunks[i]->first += runs->npages;
	runs->npages += tail->npages;
	runs->nruns += tail->nruns;
	kvfree(tail->chunks);
	pfn_runs_init(tail);
	return 0;
}
