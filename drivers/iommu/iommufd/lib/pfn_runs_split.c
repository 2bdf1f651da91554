// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Splitting and joining page frames, declared in pfn_runs.h.
 *
 * A cut copies the runs behind it out of the one chunk that it goes through; the
 * other chunks change hands as they are.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include "pfn_chunk.h"

/* A run without its first pages. */
static u64 run_behind(u64 run, unsigned long npages)
{
	return run_pack(run_pfn(run) + npages, run_npages(run) - npages);
}

static void split_single(struct pfn_runs *runs, unsigned long at,
			 struct pfn_runs *tail)
{
	u64 run = single_run(runs);

	set_single(tail, run_behind(run, at));
	set_single(runs, run_pack(run_pfn(run), at));
}

/* What is behind a place, in a chunk of its own; NULL without memory. */
static struct pfn_chunk *copy_rest(const struct pfn_chunk *from,
				   const struct pfn_place *place, gfp_t gfp)
{
	unsigned int nruns = from->nruns - place->slot;
	struct pfn_chunk *rest = pfn_chunk_alloc(nruns, gfp);

	if (!rest)
		return NULL;
	memcpy(rest->run, from->run + place->slot, nruns * sizeof(rest->run[0]));
	rest->run[0] = run_behind(rest->run[0], place->offset);
	rest->nruns = nruns;
	return rest;
}

/**
 * struct pfn_cut - a cut that has all the memory that it needs
 * @at: first page behind it
 * @place: where that is
 * @nchunks: chunks that will be behind it
 * @rest: what is behind it of the chunk it goes through; NULL when it goes between two
 * @table: for the chunks behind it, if there is more than one
 */
struct pfn_cut {
	unsigned long at;
	struct pfn_place place;
	unsigned int nchunks;
	struct pfn_chunk *rest;
	struct pfn_table *table;
};

static int reserve_cut(struct pfn_cut *cut, const struct pfn_runs *runs, gfp_t gfp)
{
	const struct pfn_table *table = runs_table(runs);
	const struct pfn_place *place = &cut->place;

	cut->place = pfn_runs_find(runs, cut->at);
	cut->nchunks = table ? table->nchunks - place->chunk : 1;
	if (place->slot || place->offset) {
		cut->rest = copy_rest(chunk_at(runs, place->chunk), place, gfp);
		if (!cut->rest)
			return -ENOMEM;
	}
	if (cut->nchunks > 1) {
		cut->table = pfn_table_alloc(cut->nchunks, gfp);
		if (!cut->table) {
			kfree(cut->rest);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Give the chunks behind the cut to @tail. */
static void fill_tail(const struct pfn_cut *cut, const struct pfn_runs *runs,
		      struct pfn_runs *tail)
{
	struct pfn_chunk *first = cut->rest ?: chunk_at(runs, cut->place.chunk);
	unsigned long npages = pfn_runs_npages(runs) - cut->at;
	struct pfn_table *table = cut->table;
	unsigned int i;

	if (!table) {
		first->npages = npages;
		set_chunk(tail, first);
		return;
	}
	first->first = 0;
	table->chunk[0] = first;
	for (i = 1; i < cut->nchunks; i++) {
		table->chunk[i] = chunk_at(runs, cut->place.chunk + i);
		table->chunk[i]->first -= cut->at;
	}
	table->nchunks = cut->nchunks;
	table->npages = npages;
	set_table(tail, table);
}

/* Forget what is behind the cut. */
static void end_runs(const struct pfn_cut *cut, struct pfn_runs *runs)
{
	struct pfn_chunk *chunk = chunk_at(runs, cut->place.chunk);
	struct pfn_table *table = runs_table(runs);
	u64 *run = &chunk->run[cut->place.slot];

	if (cut->rest)
		chunk->nruns = cut->place.slot;
	if (cut->place.offset) {
		*run = run_pack(run_pfn(*run), cut->place.offset);
		chunk->nruns++;
	}
	if (table)
		table->nchunks = cut->place.chunk + !!cut->rest;
	*outer_npages(runs) = cut->at;
}

/**
 * pfn_runs_split - move the pages from an index on to another object
 * @runs: the runs
 * @at: first page that moves; exists, and is not the first of all
 * @tail: where they go, empty before
 * @gfp: how to allocate
 *
 * Context: as @gfp says.
 * Return: 0; -ENOMEM, nothing changed then.
 */
int pfn_runs_split(struct pfn_runs *runs, unsigned long at,
		   struct pfn_runs *tail, gfp_t gfp)
{
	struct pfn_cut cut = { .at = at };

	if (pfn_runs_is_single(runs)) {
		split_single(runs, at, tail);
		return 0;
	}
	if (reserve_cut(&cut, runs, gfp))
		return -ENOMEM;

	fill_tail(&cut, runs, tail);
	end_runs(&cut, runs);
	pfn_runs_settle(runs);
	pfn_runs_settle(tail);
	return 0;
}

/* Append the runs of @tail, which has no table, one by one, and empty it. */
static int join_by_copy(struct pfn_runs *runs, struct pfn_runs *tail, gfp_t gfp)
{
	unsigned long before = pfn_runs_npages(runs);
	struct pfn_runs_iter it;

	pfn_runs_for_each(&it, tail, 0, pfn_runs_npages(tail)) {
		if (pfn_runs_append(runs, it.run.pfn, it.run.npages, gfp)) {
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
 * Return: 0; -ENOMEM, nothing changed then.
 */
int pfn_runs_join(struct pfn_runs *runs, struct pfn_runs *tail, gfp_t gfp)
{
	struct pfn_table *from = runs_table(tail), *table;
	unsigned int i;

	if (pfn_runs_is_empty(runs)) {
		*runs = *tail;
		pfn_runs_init(tail);
		return 0;
	}
	if (!from)
		return join_by_copy(runs, tail, gfp);

	if (pfn_runs_is_single(runs) && pfn_runs_leave_single(runs, gfp))
		return -ENOMEM;
	table = pfn_table_reserve(runs, from->nchunks, gfp);
	if (!table) {
		pfn_runs_settle(runs);
		return -ENOMEM;
	}
	for (i = 0; i < from->nchunks; i++) {
		from->chunk[i]->first += table->npages;
		table->chunk[table->nchunks++] = from->chunk[i];
	}
	table->npages += from->npages;
	kvfree(from);
	pfn_runs_init(tail);
	return 0;
}
