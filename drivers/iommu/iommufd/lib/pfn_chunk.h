/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * How struct pfn_runs looks inside; for pfn_runs*.c and their test only.
 *
 * The word of a pfn_runs has one of these shapes, the first one that does:
 *
 *   empty   no page
 *   single  one packed run, in the word itself
 *   chunk   a block of runs, that is alone
 *   table   pointers to two chunks and more
 */
#ifndef __IOMMUFD_LIB_PFN_CHUNK_H
#define __IOMMUFD_LIB_PFN_CHUNK_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include "pfn_runs.h"

#define LENGTH_BITS PFN_RUN_LENGTH_BITS
#define LENGTH_MAX BIT(LENGTH_BITS)
#define PFN_LIMIT (1ULL << (63 - LENGTH_BITS))

/**
 * struct pfn_chunk - a block of packed runs
 * @npages: number of pages, while it is alone; their first is page 0 then
 * @first: index of the first page, while it is in a table
 * @nruns: runs in @run
 * @room: runs for which there is memory
 * @run: the runs
 */
struct pfn_chunk {
	union {
		unsigned long npages;
		unsigned long first;
	};
	u32 nruns;
	u32 room;
	u64 run[] __counted_by(room);
};

/**
 * struct pfn_table - chunks in the order of their pages
 * @npages: number of pages in all
 * @nchunks: number of chunks; one only for a moment
 * @room: chunks for which there is memory
 * @chunk: the chunks, none of them empty
 */
struct pfn_table {
	unsigned long npages;
	u32 nchunks;
	u32 room;
	struct pfn_chunk *chunk[] __counted_by(room);
};

/* pfn_runs_npages() relies on that. */
static_assert(!offsetof(struct pfn_chunk, npages) && !offsetof(struct pfn_table, npages));

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

/* The run of a single one. */
static inline u64 single_run(const struct pfn_runs *runs)
{
	return runs->word >> 1;
}

static inline void set_single(struct pfn_runs *runs, u64 run)
{
	runs->word = run << 1 | PFN_RUNS_SINGLE;
}

static inline void set_chunk(struct pfn_runs *runs, struct pfn_chunk *chunk)
{
	runs->word = (uintptr_t)chunk;
}

static inline void set_table(struct pfn_runs *runs, struct pfn_table *table)
{
	runs->word = (uintptr_t)table | PFN_RUNS_TABLE;
}

/* The chunk that is alone; NULL if empty.  Of other shapes it is nonsense. */
static inline struct pfn_chunk *lone_chunk(const struct pfn_runs *runs)
{
	return (struct pfn_chunk *)(uintptr_t)runs->word;
}

/* The table, NULL if there is none. */
static inline struct pfn_table *runs_table(const struct pfn_runs *runs)
{
	if ((runs->word & (PFN_RUNS_SINGLE | PFN_RUNS_TABLE)) != PFN_RUNS_TABLE)
		return NULL;
	return (struct pfn_table *)(uintptr_t)(runs->word - PFN_RUNS_TABLE);
}

/* Which there is. */
static inline struct pfn_chunk *chunk_at(const struct pfn_runs *runs,
					 unsigned int i)
{
	struct pfn_table *table = runs_table(runs);

	return table ? table->chunk[i] : lone_chunk(runs);
}

/* Neither empty nor single. */
static inline struct pfn_chunk *last_chunk(const struct pfn_runs *runs)
{
	struct pfn_table *table = runs_table(runs);

	return table ? table->chunk[table->nchunks - 1] : lone_chunk(runs);
}

/* Where the number of pages is; neither empty nor single. */
static inline unsigned long *outer_npages(struct pfn_runs *runs)
{
	return (unsigned long *)(uintptr_t)(runs->word & ~PFN_RUNS_TABLE);
}

/**
 * struct pfn_place - where a page is
 * @chunk: chunk, unless single
 * @slot: run within the chunk
 * @offset: page within the run
 */
struct pfn_place {
	unsigned int chunk;
	unsigned int slot;
	unsigned long offset;
};

struct pfn_place pfn_runs_find(const struct pfn_runs *runs, unsigned long index);

struct pfn_chunk *pfn_chunk_alloc(unsigned int nruns, gfp_t gfp);
struct pfn_table *pfn_table_alloc(unsigned int nchunks, gfp_t gfp);
struct pfn_table *pfn_table_reserve(struct pfn_runs *runs, unsigned int more,
				    gfp_t gfp);
int pfn_runs_leave_single(struct pfn_runs *runs, gfp_t gfp);
void pfn_runs_settle(struct pfn_runs *runs);
void pfn_runs_truncate(struct pfn_runs *runs, unsigned long npages);
#endif
