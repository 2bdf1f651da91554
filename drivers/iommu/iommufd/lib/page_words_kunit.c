// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of words by page, against an array.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "page_words.h"

/* The first and the last of these many pages are looked at. */
#define NPAGES (SZ_1M + 5UL)
#define NEAR 300UL
#define ROUNDS 30000

/**
 * struct words_test - state of a case
 * @test: the case
 * @words: what is tested
 * @rnd: random numbers, the same in each run
 * @model: words of the pages
 */
struct words_test {
	struct kunit *test;
	struct page_words words;
	struct rnd_state rnd;
	unsigned long *model;
};

static unsigned long random_below(struct words_test *wt, unsigned long limit)
{
	return prandom_u32_state(&wt->rnd) % limit;
}

/* Many at both ends, few in between. */
static unsigned long random_page(struct words_test *wt)
{
	switch (random_below(wt, 5)) {
	case 0:
	case 1:
		return random_below(wt, NEAR);
	case 2:
	case 3:
		return NPAGES - 1 - random_below(wt, NEAR);
	default:
		return random_below(wt, NPAGES);
	}
}

static void set_word(struct words_test *wt, unsigned long page, unsigned long word)
{
	KUNIT_ASSERT_EQ(wt->test, 0, page_words_add(&wt->words, page, word));
	wt->model[page] = word;
}

static void clear_word(struct words_test *wt, unsigned long page)
{
	page_words_remove(&wt->words, page);
	wt->model[page] = 0;
}

static void check_word(struct words_test *wt, unsigned long page)
{
	const unsigned long *word = page_words_find(&wt->words, page);

	KUNIT_ASSERT_EQ(wt->test, wt->model[page], word ? *word : 0);
}

/* What lies between two pages is found in order, and nothing else. */
static void check_range(struct words_test *wt, unsigned long first, unsigned long end)
{
	unsigned long found = first, at = first, word;

	while ((word = page_words_next(&wt->words, &found, end))) {
		KUNIT_ASSERT_LT(wt->test, found, end);
		for (; at < found; at++)
			KUNIT_ASSERT_EQ(wt->test, 0, wt->model[at]);
		KUNIT_ASSERT_EQ(wt->test, wt->model[found], word);
		at = ++found;
	}
	for (; at < end; at++)
		KUNIT_ASSERT_EQ(wt->test, 0, wt->model[at]);
}

static void clear_all(struct words_test *wt)
{
	unsigned long page = 0;

	for (; page_words_next(&wt->words, &page, NPAGES); page++)
		clear_word(wt, page);
	KUNIT_EXPECT_TRUE(wt->test, page_words_empty(&wt->words));
	check_range(wt, 0, NPAGES);
}

static void random_steps(struct kunit *test)
{
	struct words_test *wt = test->priv;
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		unsigned long page = random_page(wt);

		check_word(wt, page);
		if (!wt->model[page])
			set_word(wt, page, 1 + random_below(wt, 1000));
		else if (random_below(wt, 2))
			clear_word(wt, page);
		else
			wt->model[page] = ++*page_words_find(&wt->words, page);
		check_word(wt, page);
		check_range(wt, page - min(page, 100UL), min(page + 100, NPAGES));
	}
	check_range(wt, 0, NPAGES);
	clear_all(wt);
}

/* A word that is set and cleared again and again costs no allocation. */
static void same_again(struct kunit *test)
{
	struct words_test *wt = test->priv;
	struct page_words_node *leaf;

	set_word(wt, 70, 1);
	leaf = page_words_leaf(&wt->words, 70);
	clear_word(wt, 70);
	KUNIT_EXPECT_PTR_EQ(test, leaf, page_words_leaf(&wt->words, 70));
	set_word(wt, 71, 1);
	KUNIT_EXPECT_PTR_EQ(test, leaf, page_words_leaf(&wt->words, 71));
	clear_word(wt, 71);
	clear_all(wt);
}

/* Not more than one empty leaf stays. */
static void one_idle_leaf(struct kunit *test)
{
	struct words_test *wt = test->priv;
	unsigned long page;

	for (page = 0; page < NPAGES; page += 1000) {
		set_word(wt, page, page + 1);
		clear_word(wt, page);
		if (page)
			KUNIT_EXPECT_NULL(test, page_words_leaf(&wt->words, page - 1000));
		KUNIT_EXPECT_EQ(test, 1, wt->words.root->used);
	}
}

/* Heights of any number of pages. */
static void heights(struct kunit *test)
{
	static const unsigned long sizes[] = { 1, 2, 63, 64, 65, 4096, 4097, ULONG_MAX };
	struct page_words words;
	unsigned long page;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		page_words_init(&words, sizes[i]);
		KUNIT_ASSERT_EQ(test, 0, page_words_add(&words, sizes[i] - 1, 5));
		page = 0;
		KUNIT_EXPECT_EQ(test, 5, page_words_next(&words, &page, ULONG_MAX));
		KUNIT_EXPECT_EQ(test, sizes[i] - 1, page);
		page = 0;
		KUNIT_EXPECT_EQ(test, 0, page_words_next(&words, &page, sizes[i] - 1));
		page_words_remove(&words, sizes[i] - 1);
		page_words_destroy(&words);
		KUNIT_EXPECT_NULL(test, words.root);
	}
}

static int words_test_init(struct kunit *test)
{
	struct words_test *wt = kunit_kzalloc(test, sizeof(*wt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, wt);
	test->priv = wt;
	wt->test = test;
	prandom_seed_state(&wt->rnd, 17);
	page_words_init(&wt->words, NPAGES);
	wt->model = kvcalloc(NPAGES, sizeof(*wt->model), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, wt->model);
	return 0;
}

static void words_test_exit(struct kunit *test)
{
	struct words_test *wt = test->priv;

	if (!wt)
		return;
	page_words_destroy(&wt->words);
	KUNIT_EXPECT_NULL(test, wt->words.root);
	kvfree(wt->model);
}

static struct kunit_case words_cases[] = {
	KUNIT_CASE(same_again),
	KUNIT_CASE(one_idle_leaf),
	KUNIT_CASE(heights),
	KUNIT_CASE_SLOW(random_steps),
	{}
};

static struct kunit_suite words_suite = {
	.name = "iommufd_page_words",
	.init = words_test_init,
	.exit = words_test_exit,
	.test_cases = words_cases,
};

kunit_test_suite(words_suite);
