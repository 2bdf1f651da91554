// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of the end of many backings: of each page as many pins go as there were.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "discard.h"
#include "memlock.h"
#include "origin.h"

#define NPAGES 5UL
#define NBACKINGS (2 * DISCARD_ROOM + 7UL)

/**
 * struct discard_test - state of a case
 * @test: the case
 * @accounts: of the backings
 * @discard: what is tested
 * @user: user memory of NPAGES
 * @pages: its pages
 * @refs: references on @pages before the case
 */
struct discard_test {
	struct kunit *test;
	struct iommufd_accounts accounts;
	struct iommufd_discard discard;
	unsigned long user;
	struct page *pages[NPAGES];
	int refs[NPAGES];
};

static struct iommufd_backing *new_backing(struct discard_test *dt, unsigned long page,
					   unsigned long npages, bool writable)
{
	struct iommufd_backing *backing =
		iommufd_backing_user(&dt->accounts, dt->user + page * PAGE_SIZE,
				     npages * PAGE_SIZE, writable, NULL);

	KUNIT_ASSERT_FALSE(dt->test, IS_ERR(backing));
	return backing;
}

static void pin(struct discard_test *dt, struct iommufd_backing *backing)
{
	unsigned long npages = iommufd_backing_npages(backing);

	KUNIT_ASSERT_EQ(dt->test, 0, iommufd_backing_pin(backing, 0, npages, NULL));
}

static void expect_pinned(struct discard_test *dt, long npages)
{
	unsigned long i;

	KUNIT_EXPECT_EQ(dt->test, npages, atomic_long_read(&dt->accounts.pinned));
	for (i = 0; !npages && i < NPAGES; i++)
		KUNIT_EXPECT_EQ(dt->test, dt->refs[i], page_ref_count(dt->pages[i]));
}

/* Some are pinned, some may be written, in stretches that do not fit what goes at once. */
static void test_many(struct kunit *test)
{
	struct discard_test *dt = test->priv;
	struct iommufd_backing *backings[NBACKINGS];
	unsigned long i, npinned = 0;

	for (i = 0; i < NBACKINGS; i++) {
		backings[i] = new_backing(dt, i % NPAGES, 1, i % 40 < 37);
		if (i % 3) {
			pin(dt, backings[i]);
			npinned++;
		}
	}
	expect_pinned(dt, npinned);
	for (i = 0; i < NBACKINGS; i++)
		KUNIT_EXPECT_TRUE(test, iommufd_discard_add(&dt->discard, backings[i],
							    i % 3));
	iommufd_discard_end(&dt->discard);
	expect_pinned(dt, 0);
	/* The one that &iommufd_accounts.recent holds. */
	KUNIT_EXPECT_EQ(test, 1, refcount_read(&dt->accounts.recent->refs));
}

/* Backings that others hold or use, or that are not small, stay as they are. */
static void test_not_taken(struct kunit *test)
{
	struct discard_test *dt = test->priv;
	struct iommufd_backing *shared = iommufd_backing_get(new_backing(dt, 0, 1, true));
	struct iommufd_backing *used = new_backing(dt, 1, 1, true);
	struct iommufd_backing *large = new_backing(dt, 2, 2, true);

	pin(dt, shared);
	pin(dt, used);
	pin(dt, used);
	pin(dt, large);
	KUNIT_EXPECT_FALSE(test, iommufd_discard_add(&dt->discard, shared, true));
	KUNIT_EXPECT_FALSE(test, iommufd_discard_add(&dt->discard, used, true));
	KUNIT_EXPECT_FALSE(test, iommufd_discard_add(&dt->discard, used, false));
	KUNIT_EXPECT_FALSE(test, iommufd_discard_add(&dt->discard, large, true));
	iommufd_discard_end(&dt->discard);
	expect_pinned(dt, 4);

	iommufd_backing_put(shared);
	iommufd_backing_unpin(used, 0, 1);
	expect_pinned(dt, 4);
	KUNIT_EXPECT_TRUE(test, iommufd_discard_add(&dt->discard, shared, true));
	KUNIT_EXPECT_TRUE(test, iommufd_discard_add(&dt->discard, used, true));
	iommufd_discard_end(&dt->discard);
	expect_pinned(dt, 2);
	iommufd_backing_unpin(large, 0, 2);
	iommufd_backing_put(large);
	expect_pinned(dt, 0);
}

/* Each payer gets back what is his. */
static void test_two_payers(struct kunit *test)
{
	struct discard_test *dt = test->priv;
	struct iommufd_accounts others;
	struct iommufd_backing *backing, *theirs;

	iommufd_accounts_init(&others, IOMMUFD_ACCOUNT_USER);
	backing = new_backing(dt, 0, 1, true);
	pin(dt, backing);
	theirs = iommufd_backing_user(&others, dt->user, PAGE_SIZE, true, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(theirs));
	pin(dt, theirs);

	KUNIT_EXPECT_TRUE(test, iommufd_discard_add(&dt->discard, backing, true));
	KUNIT_EXPECT_TRUE(test, iommufd_discard_add(&dt->discard, theirs, true));
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&others.pinned));
	iommufd_discard_end(&dt->discard);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&others.pinned));
	expect_pinned(dt, 0);
	iommufd_accounts_destroy(&others);
}

/* What may have been written is dirty afterwards, one by one or many, and nothing else. */
static void test_dirty(struct kunit *test)
{
	struct discard_test *dt = test->priv;
	struct iommufd_backing *writable = new_backing(dt, 0, 1, true);
	struct iommufd_backing *constant = new_backing(dt, 1, 1, false);
	struct iommufd_backing *large = new_backing(dt, 2, NPAGES - 2, true);
	unsigned long i;

	pin(dt, writable);
	pin(dt, constant);
	pin(dt, large);
	for (i = 0; i < NPAGES; i++)
		folio_clear_dirty(page_folio(dt->pages[i]));
	KUNIT_EXPECT_TRUE(test, iommufd_discard_add(&dt->discard, writable, true));
	KUNIT_EXPECT_TRUE(test, iommufd_discard_add(&dt->discard, constant, true));
	iommufd_discard_end(&dt->discard);
	iommufd_backing_unpin(large, 0, NPAGES - 2);
	iommufd_backing_put(large);
	expect_pinned(dt, 0);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_EQ(test, i != 1, folio_test_dirty(page_folio(dt->pages[i])));
}

static int discard_test_init(struct kunit *test)
{
	struct discard_test *dt = kunit_kzalloc(test, sizeof(*dt), GFP_KERNEL);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, dt);
	dt->test = test;
	iommufd_accounts_init(&dt->accounts, IOMMUFD_ACCOUNT_USER);
	iommufd_discard_begin(&dt->discard);
	test->priv = dt;
	dt->user = kunit_vm_mmap(test, NULL, 0, NPAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, dt->user, 0);
	for (i = 0; i < NPAGES; i++)
		KUNIT_ASSERT_EQ(test, 0, put_user(1, (int __user *)(dt->user +
								    i * PAGE_SIZE)));
	KUNIT_ASSERT_EQ(test, NPAGES, get_user_pages_fast(dt->user, NPAGES, FOLL_WRITE,
							  dt->pages));
	for (i = 0; i < NPAGES; i++)
		dt->refs[i] = page_ref_count(dt->pages[i]);
	return 0;
}

static void discard_test_exit(struct kunit *test)
{
	struct discard_test *dt = test->priv;
	unsigned long i;

	if (!dt)
		return;
	for (i = 0; i < NPAGES && dt->pages[i]; i++)
		put_page(dt->pages[i]);
	iommufd_accounts_destroy(&dt->accounts);
}

static struct kunit_case discard_cases[] = {
	KUNIT_CASE(test_many),
	KUNIT_CASE(test_not_taken),
	KUNIT_CASE(test_two_payers),
	KUNIT_CASE(test_dirty),
	{}
};

static struct kunit_suite discard_suite = {
	.name = "iommufd_discard",
	.init = discard_test_init,
	.exit = discard_test_exit,
	.test_cases = discard_cases,
};

kunit_test_suite(discard_suite);
