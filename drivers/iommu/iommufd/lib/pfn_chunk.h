/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * How struct pfn_runs looks inside; for pfn_runs*.c only.
 */
#ifndef __IOMMUFD_LIB_PFN_CHUNK_H
#define __IOMMUFD_LIB_PFN_CHUNK_H

#include <linux/bits.h>
#include "pfn_runs.h"

#define LENGTH_BITS PFN_RUN_LENGTH_BITS
#define LENGTH_MAX BIT(LENGTH_BITS)
#define PFN_LIMIT (1ULL << (64 - LENGTH_BITS))

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

struct pfn_place pfn_runs_find(const struct pfn_runs *runs, unsigned long index);

struct pfn_chunk *pfn_chunk_alloc(unsigned int nruns, gfp_t gfp);
int pfn_chunks_insert(struct pfn_runs *runs, unsigned int at,
		      struct pfn_chunk **chunks, unsigned int n, gfp_t gfp);
void pfn_chunks_forget(struct pfn_runs *runs, unsigned int keep);
int pfn_runs_leave_inline(struct pfn_runs *runs, gfp_t gfp);
void pfn_runs_return_inline(struct pfn_runs *runs);
void pfn_runs_truncate(struct pfn_runs *runs, unsigned long npages);
#endif
