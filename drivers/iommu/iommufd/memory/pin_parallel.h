/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A large range that several threads pin together, piece by piece.
 *
 * Nobody could kill helpers, so they never wait for anything that user space can hold up,
 * only for what the kernel itself ends: reclaim, migration, a page that comes from swap.
 * What else has to be waited for is left to the caller, who also meets whatever cannot be
 * pinned at all.  So errors, their order and their reasons are those of a range that the
 * caller pins alone.
 */
#ifndef __IOMMUFD_MEMORY_PIN_PARALLEL_H
#define __IOMMUFD_MEMORY_PIN_PARALLEL_H

#include <linux/types.h>

struct iommufd_log;
struct mm_struct;
struct pfn_runs;
struct pin_array;

/**
 * struct pin_parallel - what to pin, and how
 * @first: first page
 * @npages: number of pages
 * @piece: pages that one thread takes at a time
 * @nthreads: threads, the caller included
 * @mm: whose memory control group pays for what helpers allocate; the caller holds it
 * @step: pin some pages at the beginning of a range and append them to @runs; how many, 0
 *	  when it would have to wait, -EAGAIN when a helper should try again after a while,
 *	  an errno when they cannot be pinned.  Called by several threads, each with an
 *	  @array of its own
 * @rest: pin all pages of a range and append them to @runs, with a reason noted if that
 *	  fails, what was appended then is left there.  Called by the caller
 * @discard: give back the pages in @runs, and empty it
 */
struct pin_parallel {
	unsigned long first;
	unsigned long npages;
	unsigned long piece;
	unsigned int nthreads;
	struct mm_struct *mm;
	long (*step)(const struct pin_parallel *how, unsigned long first,
		     unsigned long npages, struct pin_array *array,
		     struct pfn_runs *runs);
	int (*rest)(const struct pin_parallel *how, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log);
	void (*discard)(const struct pin_parallel *how, struct pfn_runs *runs);
};

int pin_parallel(const struct pin_parallel *how, struct pfn_runs *runs,
		 struct iommufd_log *log);

#endif
