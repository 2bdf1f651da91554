// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of pins on the rest of a huge page.  The memory is real; what happens to it between
 * the pin on the first page and those on the others is done by the test.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>

#include "huge_pins.h"
#include "pins.h"

#define PMD_NPAGES (PMD_SIZE >> PAGE_SHIFT)

/**
 * struct huge_test - state of a case
 * @test: the case
 * @va: where two huge pages are mapped
 * @page: the page at @va, pinned
 */
struct huge_test {
	struct kunit *test;
	unsigned long va;
	struct page *page;
};

static struct page *pin_page(struct huge_test *ht, unsigned long va)
{
	struct page *page;

	KUNIT_ASSERT_EQ(ht->test, 1, pin_user_pages_fast(va, 1, FOLL_LONGTERM | FOLL_WRITE, &page));
	return page;
}

/* @npages can be asked for, and then there are @expected. */
static void check_rest(struct huge_test *ht, unsigned long index, unsigned long npages,
		       long expected)
{
	struct folio *folio = page_folio(ht->page);
	int refs = folio_ref_count(folio);

	KUNIT_EXPECT_EQ(ht->test, expected,
			iommufd_pin_rest_of_huge_map(current->mm, ht->va + index * PAGE_SIZE,
						     ht->page + index, npages, true));
	KUNIT_EXPECT_EQ(ht->test, refs + expected, folio_ref_count(folio));
	if (expected > 0)
		iommufd_unpin_pfns(page_to_pfn(ht->page + index) + 1, expected, false);
	KUNIT_EXPECT_EQ(ht->test, refs, folio_ref_count(folio));
}

static void as_far_as_it_goes(struct kunit *test)
{
	struct huge_test *ht = test->priv;

	check_rest(ht, 0, 1, 1);
	check_rest(ht, 0, PMD_NPAGES - 1, PMD_NPAGES - 1);
	check_rest(ht, 0, 10 * PMD_NPAGES, PMD_NPAGES - 1);
	check_rest(ht, 100, PMD_NPAGES, PMD_NPAGES - 101);
	check_rest(ht, PMD_NPAGES - 2, PMD_NPAGES, 1);
	check_rest(ht, PMD_NPAGES - 1, PMD_NPAGES, 0);
}

/* Another page of the same folio, and one of another folio, is mapped by now. */
static void other_page(struct kunit *test)
{
	struct huge_test *ht = test->priv;
	struct page *other = pin_page(ht, ht->va + PMD_SIZE);
	unsigned long va = ht->va;

	ht->va += PAGE_SIZE;
	check_rest(ht, 0, PMD_NPAGES, 0);
	ht->va = va + PMD_SIZE;
	check_rest(ht, 0, PMD_NPAGES, 0);
	ht->va = va;
	unpin_user_page(other);
}

/* The folio stays as large as it was, but many entries map it, and not all of it. */
static void entry_was_split(struct kunit *test)
{
	struct huge_test *ht = test->priv;

	KUNIT_ASSERT_EQ(test, 0, vm_munmap(ht->va + 100 * PAGE_SIZE, PAGE_SIZE));
	KUNIT_ASSERT_TRUE(test, folio_test_large(page_folio(ht->page)));
	check_rest(ht, 0, PMD_NPAGES, 0);
	check_rest(ht, 99, 1, 0);
	check_rest(ht, 101, PMD_NPAGES, 0);
}

static void nothing_is_there(struct kunit *test)
{
	struct huge_test *ht = test->priv;

	KUNIT_ASSERT_EQ(test, 0, vm_munmap(ht->va, PMD_SIZE));
	check_rest(ht, 0, PMD_NPAGES, 0);
}

/* Somebody has pinned it so often that the count of references would soon be negative. */
static void too_many_pins(struct kunit *test)
{
	struct huge_test *ht = test->priv;
	struct folio *folio = page_folio(ht->page);
	const int many = INT_MAX / 2 - 100;

	folio_ref_add(folio, many);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			iommufd_pin_rest_of_huge_map(current->mm, ht->va, ht->page, 200, true));
	folio_ref_sub(folio, many);
	check_rest(ht, 0, 200, 200);
}

static void ask_for_huge_pages(struct huge_test *ht)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	mmap_write_lock(mm);
	vma = vma_lookup(mm, ht->va);
	if (vma)
		vm_flags_mod(vma, VM_HUGEPAGE, VM_NOHUGEPAGE);
	mmap_write_unlock(mm);
	KUNIT_ASSERT_NOT_NULL(ht->test, vma);
}

static int huge_test_init(struct kunit *test)
{
	struct huge_test *ht = kunit_kzalloc(test, sizeof(*ht), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ht);
	ht->test = test;
	ht->va = kunit_vm_mmap(test, NULL, 0, 3 * PMD_SIZE, PROT_READ | PROT_WRITE,
			       MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, 0, ht->va);
	ht->va = ALIGN(ht->va, PMD_SIZE);
	ask_for_huge_pages(ht);
	ht->page = pin_page(ht, ht->va);
	test->priv = ht;
	if (folio_nr_pages(page_folio(ht->page)) < PMD_NPAGES)
		kunit_skip(test, "there are no huge pages");
	return 0;
}

static void huge_test_exit(struct kunit *test)
{
	struct huge_test *ht = test->priv;

	if (ht)
		unpin_user_page(ht->page);
}

static struct kunit_case huge_test_cases[] = {
	KUNIT_CASE(as_far_as_it_goes),
	KUNIT_CASE(other_page),
	KUNIT_CASE(entry_was_split),
	KUNIT_CASE(nothing_is_there),
	KUNIT_CASE(too_many_pins),
	{}
};

static struct kunit_suite huge_test_suite = {
	.name = "iommufd_huge_pins",
	.init = huge_test_init,
	.exit = huge_test_exit,
	.test_cases = huge_test_cases,
};

kunit_test_suite(huge_test_suite);
