// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Words by page: see page_words.h for what they promise.
 *
 * A node that becomes empty is freed, and so are those above it that become so, with one
 * exception: the last leaf that did stays until another one does.  Whoever sets and clears
 * the same word again and again allocates nothing.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/slab.h>

#include "page_words.h"

#define NODE_WORDS BIT(PAGE_WORDS_BITS)

/* Enough for any number of pages. */
#define HEIGHT_MAX DIV_ROUND_UP(BITS_PER_LONG, PAGE_WORDS_BITS)

static struct kmem_cache *node_cache;

/**
 * page_words_cache_init - get ready to allocate nodes
 *
 * Return: 0; -ENOMEM.
 */
int page_words_cache_init(void)
{
	node_cache = kmem_cache_create("iommufd_page_words",
				       sizeof(struct page_words_node), 0,
				       SLAB_ACCOUNT, NULL);
	return node_cache ? 0 : -ENOMEM;
}

/**
 * page_words_cache_exit - free what page_words_cache_init() has made
 */
void page_words_cache_exit(void)
{
	kmem_cache_destroy(node_cache);
}

/**
 * page_words_init - make words that are all zero
 * @words: the words
 * @npages: number of pages, not zero
 */
void page_words_init(struct page_words *words, unsigned long npages)
{
	*words = (struct page_words){};
	while ((npages - 1) >> words->shift >= NODE_WORDS)
		words->shift += PAGE_WORDS_BITS;
}

static struct page_words_node *child_of(const struct page_words_node *node,
					unsigned long page, unsigned int shift)
{
	return (void *)node->word[page_words_slot(page, shift)];
}

/* Free the lowest node on the way to @page if it is empty, and what gets empty by that. */
static void prune(struct page_words *words, unsigned long page)
{
	struct page_words_node *path[HEIGHT_MAX];
	struct page_words_node *node = words->root;
	unsigned int shift = words->shift;
	unsigned int depth = 0;

	while (node) {
		path[depth++] = node;
		node = shift ? child_of(node, page, shift) : NULL;
		shift -= PAGE_WORDS_BITS;
	}
	while (depth-- && !path[depth]->used) {
		kmem_cache_free(node_cache, path[depth]);
		if (!depth) {
			words->root = NULL;
			return;
		}
		shift = words->shift - (depth - 1) * PAGE_WORDS_BITS;
		path[depth - 1]->word[page_words_slot(page, shift)] = 0;
		path[depth - 1]->used--;
	}
}

/**
 * page_words_destroy - free what is left
 * @words: the words, of which none is set
 */
void page_words_destroy(struct page_words *words)
{
	prune(words, words->idle);
	WARN_ON_ONCE(words->root);
}

/* A child that is not there is made. */
static struct page_words_node *make_child(struct page_words_node *node,
					  unsigned long page, unsigned int shift)
{
	unsigned long *word = &node->word[page_words_slot(page, shift)];

	if (!*word) {
		*word = (unsigned long)kmem_cache_zalloc(node_cache, GFP_KERNEL_ACCOUNT);
		node->used += !!*word;
	}
	return (void *)*word;
}

static struct page_words_node *make_leaf(struct page_words *words, unsigned long page)
{
	struct page_words_node *node;
	unsigned int shift;

	if (!words->root)
		words->root = kmem_cache_zalloc(node_cache, GFP_KERNEL_ACCOUNT);
	node = words->root;
	for (shift = words->shift; node && shift; shift -= PAGE_WORDS_BITS)
		node = make_child(node, page, shift);
	return node;
}

/**
 * page_words_add - give a word to a page
 * @words: the words
 * @page: the page, which has none
 * @word: its word, not zero
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM, nothing has changed then.
 */
int page_words_add(struct page_words *words, unsigned long page, unsigned long word)
{
	struct page_words_node *leaf = page_words_leaf(words, page);

	if (unlikely(!leaf)) {
		leaf = make_leaf(words, page);
		if (!leaf) {
			prune(words, page);
			return -ENOMEM;
		}
	}
	leaf->word[page_words_slot(page, 0)] = word;
	leaf->used++;
	words->count++;
	return 0;
}

/**
 * page_words_remove - take the word of a page
 * @words: the words
 * @page: the page, which has one
 */
void page_words_remove(struct page_words *words, unsigned long page)
{
	struct page_words_node *leaf = page_words_leaf(words, page);

	leaf->word[page_words_slot(page, 0)] = 0;
	words->count--;
	if (likely(--leaf->used))
		return;
	/* The one that was idle so far may be the same. */
	if (page >> PAGE_WORDS_BITS != words->idle >> PAGE_WORDS_BITS)
		prune(words, words->idle);
	words->idle = page;
}

/* The first slot from @slot on that is used, or NODE_WORDS. */
static unsigned long used_slot(const struct page_words_node *node, unsigned long slot)
{
	while (slot < NODE_WORDS && !node->word[slot])
		slot++;
	return slot;
}

/* On the way down to *@page.  0: there is none in that leaf; go on at *@page. */
static unsigned long next_on_path(const struct page_words *words, unsigned long *page)
{
	const struct page_words_node *node = words->root;
	unsigned int shift = words->shift;
	unsigned long slot, at;

	for (;; shift -= PAGE_WORDS_BITS) {
		at = page_words_slot(*page, shift);
		slot = used_slot(node, at);
		if (slot != at)
			*page = ((*page >> shift) + slot - at) << shift;
		if (slot == NODE_WORDS)
			return 0;
		if (!shift)
			return node->word[slot];
		node = child_of(node, *page, shift);
	}
}

/**
 * page_words_next - find the next page that has a word
 * @words: the words
 * @page: in: where to begin; out: the page
 * @end: index of the first page that is not looked at
 *
 * Return: its word; 0 when there is none.
 */
unsigned long page_words_next(const struct page_words *words, unsigned long *page,
			      unsigned long end)
{
	unsigned long word = 0;

	if (page_words_empty(words))
		return 0;
	while (!word && *page < end && *page >> words->shift < NODE_WORDS)
		word = next_on_path(words, page);
	return *page < end ? word : 0;
}
