/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Uses of single pages of a backing, as drivers of emulated devices take them by the
 * thousand: for each page its page frame and how many there are, in one word.
 *
 * What stands here is independent of the segments: a page that both have is pinned once.
 * So neither a use of a single page nor its end cuts or joins a segment, and when a
 * segment goes the pages that stand here stay where they are.
 *
 * No locks of its own: &iommufd_backing.lock protects all of it.
 */
#ifndef __IOMMUFD_MEMORY_SINGLES_H
#define __IOMMUFD_MEMORY_SINGLES_H

#include "../lib/page_words.h"

/* Kernels of 32 bits have no memory above 2^40. */
#define SINGLE_PFN_BITS (BITS_PER_LONG == 64 ? 44 : 28)
#define SINGLE_USES_BITS (BITS_PER_LONG - SINGLE_PFN_BITS)

/* Uses of a page for which there is room; what is more is a segment's. */
#define SINGLE_USES_MAX (BIT(SINGLE_USES_BITS) - 1)

static inline unsigned long single_pack(unsigned long pfn, unsigned long uses)
{
	return pfn << SINGLE_USES_BITS | uses;
}

static inline unsigned long single_pfn(unsigned long word)
{
	return word >> SINGLE_USES_BITS;
}

static inline unsigned long single_uses(unsigned long word)
{
	return word & SINGLE_USES_MAX;
}

/* @page: where to begin, and of each page that is used alone, @word: what stands there. */
#define singles_for_each(page, word, singles, end)                             \
	for (; ((word) = page_words_next(singles, &(page), end)); (page)++)

#endif
