// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of uses and segments: a backing whose pages do not exist, used at random,
 * against a model that counts the uses of each page.
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "memlock.h"
#include "origin.h"
#include "parts.h"
#include "segments.h"
#include "singles.h"

#define NPAGES 61UL
#define MAX_USES 24
#define NO_PAGE ULONG_MAX
#define ROUNDS 20000

/* A use that is taken. */
struct use {
	unsigned long first;
	unsigned long npages;
};

/**
 * struct backing_test - state of a case
 * @test: the case
 * @rnd: random numbers, the same in each run
 * @accounts: of the payers
 * @payer: who pays
 * @fake: the backing
 * @pins: pins of each page
 * @fail_at: page that cannot be pinned, NO_PAGE for none
 * @calls: calls of the origin's pin operation
 * @uses: model: uses taken
 * @nuses: model: how many
 */
struct backing_test {
	struct kunit *test;
	struct rnd_state rnd;
	struct iommufd_accounts accounts;
	struct iommufd_payer payer;
	struct iommufd_movable_backing *fake;
	unsigned int pins[NPAGES];
	unsigned long fail_at;
	unsigned int calls;
	struct use uses[MAX_USES];
	unsigned int nuses;
};

/* The fake origin finds its test by this: cases run one after the other. */
static struct backing_test *running;

/* Runs of seven pages with gaps between them. */
static unsigned long pfn_of(unsigned long page)
{
	return 1000 + page + page / 7 * 5;
}

static unsigned long page_of(unsigned long pfn)
{
	unsigned long page;

	for (page = 0; page < NPAGES; page++)
		if (pfn_of(page) == pfn)
			return page;
	return NO_PAGE;
}

static int fake_pin(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	unsigned long page;
	int rc;

	running->calls++;
	for (page = first; page < first + npages; page++) {
		if (page == running->fail_at)
			return -EFAULT;
		rc = pfn_runs_append(runs, pfn_of(page), 1, GFP_KERNEL);
		if (rc)
			return rc;
		running->pins[page]++;
	}
	return 0;
}

static void fake_unpin(struct iommufd_backing *backing, struct pfn_runs *runs,
		       bool dirty)
{
	struct pfn_runs_iter it;
	unsigned long i, page;

	if (!pfn_runs_is_empty(runs))
		pfn_runs_for_each(&it, runs, 0, pfn_runs_npages(runs)) {
			for (i = 0; i < it.run.npages; i++) {
				page = page_of(it.run.pfn + i);
				KUNIT_ASSERT_NE(running->test, page, NO_PAGE);
				running->pins[page]--;
			}
		}
	pfn_runs_clear(runs);
}

static const struct iommufd_backing_ops fake_ops = {
	.name = "fake",
	.movable = true,
	.pin = fake_pin,
	.unpin = fake_unpin,
};

static unsigned long random_below(struct backing_test *bt, unsigned long limit)
{
	return prandom_u32_state(&bt->rnd) % limit;
}

static struct iommufd_backing *backing_of(struct backing_test *bt)
{
	return &bt->fake->backing;
}

static s64 pinned_vm(const struct iommufd_payer *payer)
{
	return atomic64_read(&payer->mm->pinned_vm);
}

static unsigned int model_uses(const struct backing_test *bt, unsigned long page)
{
	unsigned int i, n = 0;

	for (i = 0; i < bt->nuses; i++)
		n += page >= bt->uses[i].first &&
		     page - bt->uses[i].first < bt->uses[i].npages;
	return n;
}

static bool model_has(const struct backing_test *bt, unsigned long page)
{
	return model_uses(bt, page);
}

static unsigned int count_segments(struct iommufd_backing *backing)
{
	struct iommufd_segment *segment;
	unsigned int n = 0;

	for (segment = segments_find(&backing->parts->segments, 0); segment;
	     segment = segments_next(segment))
		n++;
	return n;
}

/* Every page has one pin if it is used and none if not, and is paid for. */
static void check_pins(struct backing_test *bt)
{
	struct iommufd_backing *backing = backing_of(bt);
	unsigned long page, npinned = 0;

	for (page = 0; page < NPAGES; page++) {
		bool used = model_has(bt, page);

		KUNIT_ASSERT_EQ(bt->test, (unsigned int)used, bt->pins[page]);
		npinned += used;
	}
	KUNIT_ASSERT_EQ(bt->test, npinned, pinned_vm(&bt->payer));
	KUNIT_ASSERT_EQ(bt->test, npinned,
			atomic_long_read(&bt->accounts.pinned));

	guard(bit_mutex)(&backing->lock);
	KUNIT_ASSERT_EQ(bt->test, npinned, iommufd_backing_npinned(backing));
	if (!bt->nuses)
		KUNIT_ASSERT_FALSE(bt->test, iommufd_backing_in_parts(backing));
	if (iommufd_backing_in_parts(backing))
		KUNIT_ASSERT_LE(bt->test, count_segments(backing),
				2 * bt->nuses + 1);
}

/* The walk gives the page frames of a use, in order. */
static void check_walk(struct backing_test *bt, const struct use *use)
{
	struct iommufd_backing *backing = backing_of(bt);
	struct iommufd_backing_walk walk;
	unsigned long page = use->first;
	unsigned long i;

	guard(bit_mutex)(&backing->lock);
	KUNIT_ASSERT_TRUE(bt->test, iommufd_backing_covers(backing, use->first,
							   use->npages));
	iommufd_backing_for_each_run(&walk, backing, use->first, use->npages)
		for (i = 0; i < walk.it.run.npages; i++)
			KUNIT_ASSERT_EQ(bt->test, pfn_of(page++),
					walk.it.run.pfn + i);
	KUNIT_ASSERT_EQ(bt->test, use->first + use->npages, page);
}

/* Pages with more than some uses are found, and no others. */
static void check_shared(struct backing_test *bt, unsigned int uses)
{
	struct iommufd_backing *backing = backing_of(bt);
	unsigned long first = 0, end = 0, page, npages;

	guard(bit_mutex)(&backing->lock);
	for (page = 0; page < NPAGES; page++) {
		if (page == end) {
			first = page;
			npages = iommufd_backing_next_shared(backing, uses, &first,
							     NPAGES);
			KUNIT_ASSERT_GE(bt->test, first, page);
			if (!npages)
				first = NPAGES;
			end = first + npages;
			KUNIT_ASSERT_LE(bt->test, end, NPAGES);
		}
		KUNIT_ASSERT_EQ(bt->test, model_uses(bt, page) > uses,
				page >= first && page < end);
	}
}

static int take(struct backing_test *bt, unsigned long first,
		unsigned long npages)
{
	int rc = iommufd_backing_pin(backing_of(bt), first, npages, NULL);

	if (!rc)
		bt->uses[bt->nuses++] = (struct use){ first, npages };
	return rc;
}

static void give(struct backing_test *bt, unsigned int i)
{
	struct use use = bt->uses[i];

	bt->uses[i] = bt->uses[--bt->nuses];
	iommufd_backing_unpin(backing_of(bt), use.first, use.npages);
}

static void give_all(struct backing_test *bt)
{
	while (bt->nuses) {
		give(bt, random_below(bt, bt->nuses));
		check_pins(bt);
	}
}

static void random_take(struct backing_test *bt)
{
	unsigned long first = random_below(bt, NPAGES);
	unsigned long npages = 1 + random_below(bt, NPAGES - first);
	bool fails;

	if (bt->nuses == MAX_USES)
		return;
	switch (random_below(bt, 4)) {
	case 0:
		first = 0;
		npages = NPAGES;
		break;
	case 1:
	case 2:
		/* So few of them that some are used more than once. */
		first %= 20;
		npages = 1;
		break;
	}
	if (!random_below(bt, 4))
		bt->fail_at = random_below(bt, NPAGES);
	fails = bt->fail_at != NO_PAGE && bt->fail_at >= first &&
		bt->fail_at - first < npages && !model_has(bt, bt->fail_at);
	KUNIT_ASSERT_EQ(bt->test, fails ? -EFAULT : 0, take(bt, first, npages));
	bt->fail_at = NO_PAGE;
}

static void test_random_uses(struct kunit *test)
{
	struct backing_test *bt = test->priv;
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		if (random_below(bt, 2))
			random_take(bt);
		else if (bt->nuses)
			give(bt, random_below(bt, bt->nuses));
		check_pins(bt);
		check_shared(bt, random_below(bt, 3));
		if (bt->nuses)
			check_walk(bt, &bt->uses[random_below(bt, bt->nuses)]);
	}
	give_all(bt);
}

/* A use of the whole is one call of the origin and stays whole. */
static void test_whole(struct kunit *test)
{
	struct backing_test *bt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, NPAGES));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, NPAGES));
	KUNIT_EXPECT_EQ(test, 1, bt->calls);
	KUNIT_EXPECT_FALSE(test, iommufd_backing_in_parts(backing_of(bt)));
	check_walk(bt, &bt->uses[0]);
	give_all(bt);
}

/* Parts used alone inside a big range leave no trace. */
static void test_rejoin(struct kunit *test)
{
	struct backing_test *bt = test->priv;
	unsigned long page;

	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, NPAGES));
	for (page = 0; page < NPAGES - 1; page++) {
		KUNIT_ASSERT_EQ(test, 0, take(bt, page, 2));
		KUNIT_EXPECT_TRUE(test, iommufd_backing_in_parts(backing_of(bt)));
		give(bt, 1);
		KUNIT_EXPECT_FALSE(test, iommufd_backing_in_parts(backing_of(bt)));
		check_walk(bt, &bt->uses[0]);
	}
	KUNIT_EXPECT_EQ(test, 1, bt->calls);
	give_all(bt);
}

/* Pages used one by one do not cut what they lie in, which becomes whole again later. */
static void test_singles(struct kunit *test)
{
	struct backing_test *bt = test->priv;
	unsigned long page;

	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, NPAGES));
	for (page = 0; page < 20; page++) {
		KUNIT_ASSERT_EQ(test, 0, take(bt, 2 * page, 1));
		KUNIT_EXPECT_EQ(test, 1, count_segments(backing_of(bt)));
		check_walk(bt, &bt->uses[1 + page]);
	}
	KUNIT_EXPECT_EQ(test, 1, bt->calls);
	while (bt->nuses > 1)
		give(bt, 1);
	KUNIT_EXPECT_TRUE(test, iommufd_backing_in_parts(backing_of(bt)));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, NPAGES));
	KUNIT_EXPECT_FALSE(test, iommufd_backing_in_parts(backing_of(bt)));
	check_pins(bt);
	give_all(bt);
}

/* Pages used one by one outlive the range they were pinned with, and are pinned once. */
static void test_singles_stay(struct kunit *test)
{
	struct backing_test *bt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, NPAGES));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, 1));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 30, 1));
	KUNIT_ASSERT_EQ(test, 0, take(bt, NPAGES - 1, 1));
	bt->uses[0] = bt->uses[--bt->nuses];
	iommufd_backing_unpin(backing_of(bt), 0, NPAGES);
	check_pins(bt);
	KUNIT_EXPECT_EQ(test, 3, pinned_vm(&bt->payer));
	check_walk(bt, &bt->uses[1]);

	/* What failed leaves them alone, too. */
	bt->fail_at = 40;
	KUNIT_EXPECT_EQ(test, -EFAULT, take(bt, 0, NPAGES));
	check_pins(bt);
	bt->fail_at = NO_PAGE;
	bt->calls = 0;
	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, NPAGES));
	KUNIT_EXPECT_EQ(test, 2, bt->calls);
	check_walk(bt, &bt->uses[3]);
	check_pins(bt);
	give_all(bt);
}

/* More uses of a page than there is room for in the table. */
static void test_singles_overflow(struct kunit *test)
{
	struct backing_test *bt = test->priv;
	struct iommufd_backing *backing = backing_of(bt);
	unsigned long i, n = SINGLE_USES_MAX + 3;

	for (i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin(backing, 5, 1, NULL));
	KUNIT_EXPECT_EQ(test, 1, count_segments(backing));
	KUNIT_EXPECT_EQ(test, 1, bt->calls);
	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_EQ(test, 1, bt->pins[5]);
		iommufd_backing_unpin(backing, 5, 1);
	}
	check_pins(bt);
}

/* Neighbours that are used alike by different uses stay apart. */
static void test_keep_borders(struct kunit *test)
{
	struct backing_test *bt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, 10));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 10, 10));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 10, 2));
	give(bt, 2);
	KUNIT_EXPECT_EQ(test, 2, count_segments(backing_of(bt)));
	check_pins(bt);
	give_all(bt);
}

static void test_too_many_uses(struct kunit *test)
{
	struct backing_test *bt = test->priv;
	struct iommufd_backing *backing = backing_of(bt);

	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, NPAGES));
	backing->whole_uses = UINT_MAX;
	KUNIT_EXPECT_EQ(test, -EOVERFLOW, take(bt, 0, NPAGES));
	KUNIT_EXPECT_EQ(test, -EOVERFLOW, take(bt, 3, 2));
	KUNIT_EXPECT_FALSE(test, iommufd_backing_in_parts(backing));
	backing->whole_uses = 1;
	check_pins(bt);
	give_all(bt);
}

static void init_payer(struct kunit *test, struct iommufd_payer *payer,
		       struct iommufd_accounts *accounts)
{
	payer->mm = kunit_kzalloc(test, sizeof(*payer->mm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, payer->mm);
	payer->accounts = accounts;
	payer->mode = IOMMUFD_ACCOUNT_NONE;
	/* One more than the test drops. */
	refcount_set(&payer->refs, 2);
}

static void test_move(struct kunit *test)
{
	struct backing_test *bt = test->priv;
	struct iommufd_backing *backing = backing_of(bt);
	struct iommufd_payer *next;

	next = kunit_kzalloc(test, sizeof(*next), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, next);
	init_payer(test, next, &bt->accounts);
	KUNIT_ASSERT_EQ(test, 0, take(bt, 0, 4));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 3, 6));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 4, 1));
	KUNIT_ASSERT_EQ(test, 0, take(bt, 20, 1));

	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_move_prepare(backing, next, NULL));
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_move_prepare(backing, next, NULL));
	KUNIT_EXPECT_EQ(test, 10, pinned_vm(next));
	KUNIT_EXPECT_EQ(test, 10, pinned_vm(&bt->payer));
	iommufd_backing_move_abort(backing);
	iommufd_backing_move_commit(backing);
	KUNIT_EXPECT_EQ(test, 0, pinned_vm(next));
	KUNIT_EXPECT_PTR_EQ(test, &bt->payer, backing->payer);
	check_pins(bt);

	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_move_prepare(backing, next, NULL));
	refcount_inc(&bt->payer.refs);
	iommufd_backing_move_commit(backing);
	iommufd_backing_move_abort(backing);
	KUNIT_EXPECT_EQ(test, 10, pinned_vm(next));
	KUNIT_EXPECT_EQ(test, 0, pinned_vm(&bt->payer));
	KUNIT_EXPECT_PTR_EQ(test, next, backing->payer);

	while (bt->nuses)
		give(bt, 0);
	KUNIT_EXPECT_EQ(test, 0, pinned_vm(next));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&bt->accounts.pinned));
}

static int backing_test_init(struct kunit *test)
{
	struct backing_test *bt = kunit_kzalloc(test, sizeof(*bt), GFP_KERNEL);
	struct iommufd_backing *backing;

	KUNIT_ASSERT_NOT_NULL(test, bt);
	test->priv = bt;
	running = bt;
	bt->test = test;
	bt->fail_at = NO_PAGE;
	prandom_seed_state(&bt->rnd, 11);
	iommufd_accounts_init(&bt->accounts, IOMMUFD_ACCOUNT_USER);
	init_payer(test, &bt->payer, &bt->accounts);

	bt->fake = kzalloc_obj(*bt->fake);
	KUNIT_ASSERT_NOT_NULL(test, bt->fake);
	backing = backing_of(bt);
	iommufd_backing_init_free(backing, &fake_ops, NPAGES, true);
	backing->payer = &bt->payer;
	return 0;
}

static void backing_test_exit(struct kunit *test)
{
	struct backing_test *bt = test->priv;

	if (bt && bt->fake)
		iommufd_backing_put(backing_of(bt));
}

static struct kunit_case backing_cases[] = {
	KUNIT_CASE(test_whole),
	KUNIT_CASE(test_rejoin),
	KUNIT_CASE(test_singles),
	KUNIT_CASE(test_singles_stay),
	KUNIT_CASE_SLOW(test_singles_overflow),
	KUNIT_CASE(test_keep_borders),
	KUNIT_CASE(test_too_many_uses),
	KUNIT_CASE(test_move),
	KUNIT_CASE_SLOW(test_random_uses),
	{}
};

static struct kunit_suite backing_suite = {
	.name = "iommufd_backing",
	.init = backing_test_init,
	.exit = backing_test_exit,
	.test_cases = backing_cases,
};

kunit_test_suite(backing_suite);
