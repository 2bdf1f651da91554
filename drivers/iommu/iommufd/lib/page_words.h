/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A word for each page of a range, most of which are zero: a tree of a fixed height, without
 * a search or a comparison on the way down.
 *
 * Pure data structure: no locks.
 */
#ifndef __IOMMUFD_LIB_PAGE_WORDS_H
#define __IOMMUFD_LIB_PAGE_WORDS_H

#include <linux/types.h>

#define PAGE_WORDS_BITS 6

/**
 * struct page_words_node - a node of the tree
 * @word: of a leaf, a word; of another node, the address of a child.  Zero for none
 * @used: how many are not zero
 */
struct page_words_node {
	unsigned long word[1 << PAGE_WORDS_BITS];
	unsigned int used;
};

/**
 * struct page_words - words by page
 * @root: the tree, or NULL
 * @shift: bits of an index that nodes below @root look at
 * @idle: index of a page in a leaf that may be empty; the only one
 * @count: words that are not zero
 */
struct page_words {
	struct page_words_node *root;
	unsigned int shift;
	unsigned long idle;
	unsigned long count;
};

/* What nodes are allocated from. */
int page_words_cache_init(void);
void page_words_cache_exit(void);

void page_words_init(struct page_words *words, unsigned long npages);
void page_words_destroy(struct page_words *words);

static inline unsigned long page_words_slot(unsigned long page, unsigned int shift)
{
	return (page >> shift) & ((1 << PAGE_WORDS_BITS) - 1);
}

/* The leaf of a page, or NULL. */
static inline struct page_words_node *
page_words_leaf(const struct page_words *words, unsigned long page)
{
	struct page_words_node *node = words->root;
	unsigned int shift = words->shift;

	for (; node && shift; shift -= PAGE_WORDS_BITS)
		node = (void *)node->word[page_words_slot(page, shift)];
	return node;
}

/* Where the word of a page stands, which may be changed but not to or from zero, or NULL. */
static inline unsigned long *page_words_find(const struct page_words *words,
					     unsigned long page)
{
	struct page_words_node *leaf = page_words_leaf(words, page);
	unsigned long *word;

	if (!leaf)
		return NULL;
	word = &leaf->word[page_words_slot(page, 0)];
	return *word ? word : NULL;
}

/* Give a word to a page that has none; -ENOMEM. */
int page_words_add(struct page_words *words, unsigned long page, unsigned long word);
/* Take the word of a page that has one. */
void page_words_remove(struct page_words *words, unsigned long page);
/* The first page from *@page on, and before @end, that has a word; 0 when there is none. */
unsigned long page_words_next(const struct page_words *words, unsigned long *page,
			      unsigned long end);

static inline bool page_words_empty(const struct page_words *words)
{
	return !words->count;
}

#endif
