// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * pfn_runs against a plain array of page frame numbers.
 */
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include "pfn_runs_kunit.h"

#define MODEL_PAGES 6000
#define RUN_MAX BIT(PFN_RUN_LENGTH_BITS)

struct model {
	struct rnd_state rnd;
	unsigned long npages;
	unsigned long pfn[MODEL_PAGES];
	struct page *pages[MODEL_PAGES];
};

static struct model *model_new(struct kunit *test, u64 seed)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	prandom_seed_state(&m->rnd, seed);
	return m;
}

static u32 below(struct model *m, u32 limit)
{
	return prandom_u32_state(&m->rnd) % limit;
}

/* Walk a part and compare; pieces that continue each other are a failure. */
static void check_part(struct kunit *test, struct model *m,
		       const struct pfn_runs *runs, unsigned long base,
		       unsigned long first, unsigned long npages)
{
	unsigned long at = base + first, bad = 0, end = 0, i;
	unsigned long singles[8];
	struct pfn_runs_iter it;
	unsigned int n;

	pfn_runs_for_each(&it, runs, first, npages) {
		bad += !it.run.npages || it.run.pfn == end;
		for (i = 0; i < it.run.npages && at < m->npages; i++, at++)
			bad += m->pfn[at] != it.run.pfn + i;
		end = it.run.pfn + i;
		n = pfn_runs_next_singles(&it, singles, below(m, ARRAY_SIZE(singles) + 1));
		for (i = 0; i < n && at < m->npages; i++, at++) {
			bad += m->pfn[at] != singles[i] || singles[i] == end;
			end = singles[i] + 1;
		}
	}
	KUNIT_ASSERT_EQ(test, at, base + first + npages);
	KUNIT_ASSERT_EQ(test, bad, 0);
}

static void check(struct kunit *test, struct model *m,
		  const struct pfn_runs *runs, unsigned long base,
		  unsigned long npages)
{
	unsigned long first;
	int i;

	pfn_runs_check_shape(test, runs);
	KUNIT_ASSERT_EQ(test, pfn_runs_npages(runs), npages);
	if (!npages)
		return;
	check_part(test, m, runs, base, 0, npages);
	for (i = 0; i < 4; i++) {
		first = below(m, npages);
		KUNIT_ASSERT_EQ(test, pfn_runs_pfn(runs, first), m->pfn[base + first]);
		check_part(test, m, runs, base, first,
			   1 + below(m, npages - first));
	}
}

static void model_push(struct model *m, unsigned long pfn, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		m->pfn[m->npages++] = pfn + i;
}

/* A stretch that follows the last page with probability 1 / @follow. */
static unsigned long next_pfn(struct model *m, u32 follow)
{
	if (m->npages && !below(m, follow))
		return m->pfn[m->npages - 1] + 1;
	return 1 + below(m, 1U << 30);
}

static void append_random(struct kunit *test, struct model *m,
			  struct pfn_runs *runs, unsigned long npages,
			  u32 longest)
{
	while (npages) {
		unsigned long n = min(1 + below(m, longest), npages);
		unsigned long pfn = next_pfn(m, 3);

		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_append(runs, pfn, n, GFP_KERNEL));
		model_push(m, pfn, n);
		npages -= n;
	}
}

static void append_test(struct kunit *test)
{
	static const u32 longest[] = { 1, 2, 7, 300 };
	struct model *m = model_new(test, 1);
	struct pfn_runs runs = {};
	int round, i;

	for (round = 0; round < 40; round++) {
		m->npages = 0;
		for (i = 0; i < 30; i++) {
			append_random(test, m, &runs, below(m, MODEL_PAGES / 30),
				      longest[round % ARRAY_SIZE(longest)]);
			check(test, m, &runs, 0, m->npages);
		}
		pfn_runs_clear(&runs);
		KUNIT_ASSERT_EQ(test, pfn_runs_npages(&runs), 0);
		KUNIT_ASSERT_TRUE(test, pfn_runs_is_empty(&runs));
	}
}

static void append_pages_test(struct kunit *test)
{
	struct model *m = model_new(test, 2);
	unsigned long npages, start, done, i, n;
	struct pfn_runs runs = {};
	int round;

	/* page_to_pfn() of made up pages needs a flat array of struct page. */
	if (IS_ENABLED(CONFIG_SPARSEMEM) &&
	    !IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		kunit_skip(test, "no flat memory map");

	for (round = 0; round < 300; round++) {
		if (m->npages > MODEL_PAGES - 1200) {
			pfn_runs_clear(&runs);
			m->npages = 0;
		}
		start = m->npages;
		npages = below(m, 1200);
		for (i = 0; i < npages; i += n) {
			n = min(1 + below(m, round % 3 ? 2 : 700), npages - i);
			model_push(m, next_pfn(m, 3), n);
		}
		for (i = start; i < m->npages; i++)
			m->pages[i] = pfn_to_page(m->pfn[i]);
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_append_pages(&runs, m->pages + start,
						      npages, GFP_KERNEL,
						      &done));
		KUNIT_ASSERT_EQ(test, done, npages);
		check(test, m, &runs, 0, m->npages);
	}
	pfn_runs_clear(&runs);
}

/* Split into parts, check each, join them in order, append: all again and again. */
static void split_join_test(struct kunit *test)
{
	static const u32 longest[] = { 1, 3, 40, 6000 };
	struct model *m = model_new(test, 3);
	struct pfn_runs runs = {}, mid = {}, end = {};
	unsigned long a, b;
	int round;

	for (round = 0; round < 1500; round++) {
		if (round % 100 == 0 || m->npages > MODEL_PAGES - 20) {
			pfn_runs_clear(&runs);
			m->npages = 0;
			append_random(test, m, &runs,
				      3 + below(m, MODEL_PAGES - 100),
				      longest[round / 100 % 4]);
		}
		a = 1 + below(m, m->npages - 2);
		b = a + 1 + below(m, m->npages - a - 1);
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_split(&runs, b, &end, GFP_KERNEL));
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_split(&runs, a, &mid, GFP_KERNEL));
		check(test, m, &runs, 0, a);
		check(test, m, &mid, a, b - a);
		check(test, m, &end, b, m->npages - b);
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_join(&mid, &end, GFP_KERNEL));
		KUNIT_ASSERT_EQ(test, pfn_runs_npages(&end), 0);
		check(test, m, &mid, a, m->npages - a);
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_join(&runs, &mid, GFP_KERNEL));
		append_random(test, m, &runs, below(m, 8), 4);
		check(test, m, &runs, 0, m->npages);
	}
	pfn_runs_clear(&runs);
}

/* The borders between chunks, one run a page: every index and every cut. */
static void chunk_border_test(struct kunit *test)
{
	struct model *m = model_new(test, 4);
	struct pfn_runs runs = {}, tail = {};
	unsigned long i;

	for (i = 0; i < 1200; i++) {
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_append(&runs, 10 + 2 * i, 1, GFP_KERNEL));
		model_push(m, 10 + 2 * i, 1);
		check_part(test, m, &runs, 0, i, 1);
	}
	KUNIT_ASSERT_EQ(test, pfn_runs_count(&runs), 1200);
	for (i = 1; i < 1200; i++) {
		check_part(test, m, &runs, 0, i, 1);
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_split(&runs, i, &tail, GFP_KERNEL));
		KUNIT_ASSERT_EQ(test, pfn_runs_count(&runs), i);
		KUNIT_ASSERT_EQ(test, pfn_runs_count(&tail), 1200 - i);
		check_part(test, m, &tail, i, 0, 1200 - i);
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_join(&runs, &tail, GFP_KERNEL));
		check_part(test, m, &runs, 0, 0, 1200);
	}
	pfn_runs_clear(&runs);
}

static void expect_run(struct kunit *test, const struct pfn_runs *runs,
		       unsigned long first, unsigned long npages,
		       unsigned long pfn)
{
	struct pfn_runs_iter it;

	KUNIT_EXPECT_TRUE(test, pfn_runs_first(&it, runs, first, npages));
	KUNIT_EXPECT_EQ(test, it.run.pfn, pfn);
	KUNIT_EXPECT_EQ(test, it.run.npages, npages);
	KUNIT_EXPECT_FALSE(test, pfn_runs_next(&it));
}

/* Longer than a packed run: still one piece to the user, wherever it is cut. */
static void huge_test(struct kunit *test)
{
	static const unsigned long cuts[] = {
		1, RUN_MAX - 1, RUN_MAX, RUN_MAX + 1, 2 * RUN_MAX, 3 * RUN_MAX,
	};
	unsigned long total = 3 * RUN_MAX + 5, i;
	struct pfn_runs runs = {}, tail = {};

	KUNIT_ASSERT_EQ(test, 0, pfn_runs_append(&runs, 100, 7, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0,
			pfn_runs_append(&runs, 107, total - 7, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&runs), total);
	KUNIT_EXPECT_EQ(test, pfn_runs_count(&runs), 4);
	expect_run(test, &runs, 0, total, 100);
	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		expect_run(test, &runs, cuts[i], total - cuts[i], 100 + cuts[i]);
		expect_run(test, &runs, cuts[i] - 1, 2, 99 + cuts[i]);
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_split(&runs, cuts[i], &tail,
					       GFP_KERNEL));
		expect_run(test, &runs, 0, cuts[i], 100);
		expect_run(test, &tail, 0, total - cuts[i], 100 + cuts[i]);
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_join(&runs, &tail, GFP_KERNEL));
		expect_run(test, &runs, 0, total, 100);
	}
	KUNIT_ASSERT_EQ(test, 0,
			pfn_runs_append(&runs, 100 + total + 1, 1, GFP_KERNEL));
	expect_run(test, &runs, total, 1, 100 + total + 1);
	expect_run(test, &runs, RUN_MAX, total - RUN_MAX, 100 + RUN_MAX);
	pfn_runs_clear(&runs);
}

/* More pages in one go than a packed run can have. */
static void huge_pages_test(struct kunit *test)
{
	unsigned long npages = RUN_MAX + 10, done, i;
	struct pfn_runs runs = {};
	struct page **pages;

	if (IS_ENABLED(CONFIG_SPARSEMEM) &&
	    !IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		kunit_skip(test, "no flat memory map");
	pages = kvmalloc_array(npages, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (i = 0; i < npages; i++)
		pages[i] = pfn_to_page(50 + i);
	KUNIT_EXPECT_EQ(test, 0,
			pfn_runs_append_pages(&runs, pages, npages, GFP_KERNEL,
					      &done));
	KUNIT_EXPECT_EQ(test, done, npages);
	expect_run(test, &runs, 0, npages, 50);

	/* The same where the long stretch is not the first. */
	pfn_runs_clear(&runs);
	pages[0] = pfn_to_page(7);
	KUNIT_EXPECT_EQ(test, 0,
			pfn_runs_append_pages(&runs, pages, npages, GFP_KERNEL,
					      &done));
	expect_run(test, &runs, 0, 1, 7);
	expect_run(test, &runs, 1, npages - 1, 51);
	KUNIT_EXPECT_EQ(test, pfn_runs_count(&runs), 3);
	pfn_runs_clear(&runs);
	kvfree(pages);
}

static void limit_test(struct kunit *test)
{
#if BITS_PER_LONG == 64
	unsigned long limit = 1UL << 44;
	struct pfn_runs runs = {};

	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			pfn_runs_append(&runs, limit, 1, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			pfn_runs_append(&runs, limit - 2, 3, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			pfn_runs_append(&runs, 1, ULONG_MAX, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&runs), 0);
	KUNIT_EXPECT_EQ(test, 0,
			pfn_runs_append(&runs, limit - 2, 2, GFP_KERNEL));
	expect_run(test, &runs, 0, 2, limit - 2);
	KUNIT_EXPECT_EQ(test, 0, pfn_runs_append(&runs, limit - 2, 2, GFP_KERNEL));
	expect_run(test, &runs, 1, 1, limit - 1);
	expect_run(test, &runs, 2, 2, limit - 2);
	pfn_runs_clear(&runs);

	KUNIT_EXPECT_EQ(test, 0,
			pfn_runs_append(&runs, limit - RUN_MAX, RUN_MAX, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, pfn_runs_is_single(&runs));
	expect_run(test, &runs, 0, RUN_MAX, limit - RUN_MAX);
	KUNIT_EXPECT_EQ(test, pfn_runs_pfn(&runs, RUN_MAX - 1), limit - 1);
	pfn_runs_clear(&runs);
#endif
}

static struct kunit_case pfn_runs_cases[] = {
	KUNIT_CASE(append_test),
	KUNIT_CASE(append_pages_test),
	KUNIT_CASE(split_join_test),
	KUNIT_CASE(chunk_border_test),
	KUNIT_CASE(huge_test),
	KUNIT_CASE(huge_pages_test),
	KUNIT_CASE(limit_test),
	{}
};

static struct kunit_suite pfn_runs_suite = {
	.name = "iommufd-pfn-runs",
	.test_cases = pfn_runs_cases,
};

kunit_test_suite(pfn_runs_suite);
