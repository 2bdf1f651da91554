// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of backings that show the same memory: every difference is found, however the pages
 * are cut into segments, and a limit counts the pages once while they change hands.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "memlock.h"
#include "origin.h"

#define NPAGES 61UL
#define NO_PAGE ULONG_MAX
#define ROUNDS 300

/**
 * struct same_backing - a backing of pages that do not exist
 * @backing: first member, so that kfree() of either is the same
 * @base: which page of all is its first
 * @odd: its page that is another one than it should be; NO_PAGE for none
 */
struct same_backing {
	struct iommufd_backing backing;
	unsigned long base;
	unsigned long odd;
};

struct same_test {
	struct kunit *test;
	struct rnd_state rnd;
	struct iommufd_accounts accounts;
};

static unsigned long random_below(struct same_test *st, unsigned long limit)
{
	return prandom_u32_state(&st->rnd) % limit;
}

/* Stretches of seven pages. */
static int same_pin(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	struct same_backing *same = container_of(backing, struct same_backing, backing);
	int rc = 0;

	for (unsigned long page = first; !rc && page < first + npages; page++) {
		unsigned long n = same->base + page;
		unsigned long pfn = 1000 + n + n / 7 * 5;

		if (page == same->odd)
			pfn += 100000;
		rc = pfn_runs_append(runs, pfn, 1, GFP_KERNEL);
	}
	return rc;
}

static void same_unpin(struct iommufd_backing *backing, struct pfn_runs *runs,
		       bool dirty)
{
	pfn_runs_clear(runs);
}

static const struct iommufd_backing_ops same_ops = {
	.name = "fake",
	.pin = same_pin,
	.unpin = same_unpin,
};

static struct iommufd_backing *make(struct same_test *st, unsigned long base,
				    unsigned long npages, unsigned long odd)
{
	struct same_backing *same = kzalloc_obj(*same);

	KUNIT_ASSERT_NOT_NULL(st->test, same);
	KUNIT_ASSERT_EQ(st->test, 0,
			iommufd_backing_init(&same->backing, &same_ops,
					     &st->accounts, npages, true, NULL));
	/* The thread of the test may lock what it likes. */
	same->backing.payer->mode = IOMMUFD_ACCOUNT_USER;
	same->base = base;
	same->odd = odd;
	return &same->backing;
}

static void same_test_init(struct kunit *test, struct same_test *st)
{
	st->test = test;
	prandom_seed_state(&st->rnd, 7);
	iommufd_accounts_init(&st->accounts, IOMMUFD_ACCOUNT_USER);
}

/* Other uses cut the pages into segments, each as long as it is taken. */
static void cut(struct same_test *st, struct iommufd_backing *backing,
		unsigned long at[], unsigned int ncuts, bool take)
{
	for (unsigned int i = 0; i < ncuts; i++) {
		if (take) {
			at[i] = random_below(st, NPAGES - 3);
			KUNIT_ASSERT_EQ(st->test, 0,
					iommufd_backing_pin(backing, at[i], 3, NULL));
		} else {
			iommufd_backing_unpin(backing, at[i], 3);
		}
	}
}

static void compare_one(struct same_test *st)
{
	unsigned long first = random_below(st, NPAGES - 1);
	unsigned long npages = 1 + random_below(st, NPAGES - first);
	unsigned long odd = random_below(st, 2) ? NO_PAGE : random_below(st, npages);
	struct iommufd_backing *old = make(st, 0, NPAGES, NO_PAGE);
	struct iommufd_backing *new = make(st, first, npages, odd);
	unsigned int ncuts = random_below(st, 5);
	unsigned long at[5];

	cut(st, old, at, ncuts, true);
	KUNIT_ASSERT_EQ(st->test, 0, iommufd_backing_pin(old, first, npages, NULL));
	KUNIT_ASSERT_EQ(st->test, 0, iommufd_backing_pin(new, 0, npages, NULL));
	KUNIT_EXPECT_EQ(st->test, iommufd_backing_is_same(new, old, first),
			odd == NO_PAGE);
	iommufd_backing_unpin(new, 0, npages);
	iommufd_backing_unpin(old, first, npages);
	cut(st, old, at, ncuts, false);
	iommufd_backing_put(new);
	iommufd_backing_put(old);
}

static void test_compare(struct kunit *test)
{
	struct same_test st;

	same_test_init(test, &st);
	for (int i = 0; i < ROUNDS; i++)
		compare_one(&st);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&st.accounts.pinned));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&st.accounts.charged));
	iommufd_accounts_destroy(&st.accounts);
}

static void expect_charged(struct same_test *st, unsigned long npages)
{
	KUNIT_EXPECT_EQ(st->test, npages, atomic_long_read(&st->accounts.charged));
}

/* One payer, one limit: the pages count once from the first pin to the last unpin. */
static void test_change_hands(struct kunit *test)
{
	struct iommufd_backing *old, *new;
	struct same_test st;

	same_test_init(test, &st);
	old = make(&st, 0, NPAGES, NO_PAGE);
	new = make(&st, 0, NPAGES, NO_PAGE);
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin(old, 0, NPAGES, NULL));
	expect_charged(&st, NPAGES);
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin_for(new, old, NULL));
	expect_charged(&st, NPAGES);

	/* Back, and once more. */
	iommufd_backing_unpin_for(new, 0, NPAGES, old);
	expect_charged(&st, NPAGES);
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin_for(new, old, NULL));
	iommufd_backing_unpin_for(old, 0, NPAGES, new);
	expect_charged(&st, NPAGES);
	KUNIT_EXPECT_EQ(test, NPAGES, atomic_long_read(&st.accounts.pinned));
	iommufd_backing_unpin(new, 0, NPAGES);
	expect_charged(&st, 0);
	iommufd_backing_put(new);
	iommufd_backing_put(old);
	iommufd_accounts_destroy(&st.accounts);
}

static int same_suite_init(struct kunit *test)
{
	return kunit_attach_mm();
}

static struct kunit_case same_cases[] = {
	KUNIT_CASE(test_compare),
	KUNIT_CASE(test_change_hands),
	{}
};

static struct kunit_suite same_suite = {
	.name = "iommufd_backing_same",
	.init = same_suite_init,
	.test_cases = same_cases,
};

kunit_test_suite(same_suite);
