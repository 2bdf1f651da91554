// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Pins come in batches and go by runs.
 *
 * No locks.  Calls the mm and lib/pfn_runs.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../lib/pfn_runs.h"
#include "../test_hooks.h"
#include "pins.h"

/*
 * One page full of pointers: enough to make the cost of a call small, and few
 * enough for lockless GUP, which walks them with interrupts off.
 */
#define PIN_ARRAY_MAX (PAGE_SIZE / sizeof(void *))

/*
 * Pages given back between two looks at the scheduler.  Page structures of
 * different memory sections need not be neighbours.
 */
#ifdef CONFIG_SPARSEMEM
#define UNPIN_STRETCH PAGES_PER_SECTION
#else
#define UNPIN_STRETCH BIT(15)
#endif

/**
 * pin_array_init - get room for some pointers
 * @array: the array
 * @wanted: pointers that would be useful; there may be room for fewer, not none
 *
 * Context: may sleep if @wanted is more than PIN_ARRAY_INLINE.
 * Return: 0 or -ENOMEM; after 0 pin_array_free() has to follow.
 */
int pin_array_init(struct pin_array *array, unsigned long wanted)
{
	unsigned long limit = max(iommufd_test_memory_limit / sizeof(void *), 1UL);

	if (iommufd_should_fail())
		return -ENOMEM;

	array->room = min3(wanted, limit, PIN_ARRAY_MAX);
	array->slots = array->few;
	if (array->room <= PIN_ARRAY_INLINE)
		return 0;
	array->slots = kmalloc_array(array->room, sizeof(void *), GFP_KERNEL);
	return array->slots ? 0 : -ENOMEM;
}

/**
 * pin_array_free - free what pin_array_init() allocated
 * @array: the array
 *
 * Context: any.
 */
void pin_array_free(struct pin_array *array)
{
	if (array->slots != array->few)
		kfree(array->slots);
}

/*
 * Mark a folio dirty without its lock, if that is enough.
 *
 * Of an anonymous folio, in the swap cache or not, folio_mark_dirty() sets the flag and no
 * more (noop_dirty_folio()), and needs no lock for that: GUP itself does it without.
 * Whoever is going to let go of the folio freezes its references first and looks at the
 * flag then, see __remove_mapping() and, of memory that was given up by MADV_FREE,
 * ttu_anon_lazyfree_folio(); the pin is given back when the flag is set.  Whoever
 * writes it out clears the flag first, and then writes what the device has left there.
 *
 * In the swap cache folio_mark_dirty() also takes back the mark for an early reclaim; that
 * is left to the mm, as are the folios of files.
 */
static bool mark_dirty(struct folio *folio)
{
	if (folio_test_dirty(folio))
		return true;
	if (!folio_test_anon(folio) || folio_test_reclaim(folio))
		return false;
	folio_set_dirty(folio);
	return true;
}

/**
 * iommufd_unpin_page - give back one pin on a page
 * @page: the page
 * @dirty: it may have been written
 *
 * The short way for pages that come in numbers, but not in a row.
 *
 * Context: may sleep (folio lock of a clean folio of a file that becomes dirty).
 */
void iommufd_unpin_page(struct page *page, bool dirty)
{
	struct folio *folio = page_folio(page);

	if (!dirty || mark_dirty(folio))
		unpin_user_folio(folio, 1);
	else
		unpin_user_page_range_dirty_lock(page, 1, true);
}

/**
 * iommufd_unpin_pfns - give back one pin on each of contiguous page frames
 * @pfn: first page frame
 * @npages: number of pages
 * @dirty: they may have been written
 *
 * Context: may sleep (folio lock of clean folios that become dirty).
 */
void iommufd_unpin_pfns(unsigned long pfn, unsigned long npages, bool dirty)
{
	while (npages) {
		unsigned long n = min(npages, UNPIN_STRETCH -
					      (pfn & (UNPIN_STRETCH - 1)));

		unpin_user_page_range_dirty_lock(pfn_to_page(pfn), n, dirty);
		pfn += n;
		npages -= n;
		if (npages)
			cond_resched();
	}
}

/* Scattered pages that are looked up at once. */
#define UNPIN_BATCH 32

/* Give back the next pieces of a walk as far as they are single pages. */
static unsigned int unpin_singles(struct pfn_runs_iter *it, bool dirty)
{
	unsigned long pfns[UNPIN_BATCH] __uninitialized;
	unsigned int n = pfn_runs_next_singles(it, pfns, UNPIN_BATCH);
	unsigned int i;

	for (i = 0; i < n; i++)
		iommufd_unpin_page(pfn_to_page(pfns[i]), dirty);
	return n;
}

static noinline void unpin_many_runs(struct pfn_runs *runs, bool dirty)
{
	unsigned int since_resched = 0;
	struct pfn_runs_iter it;

	pfn_runs_for_each(&it, runs, 0, pfn_runs_npages(runs)) {
		iommufd_unpin_pfns(it.run.pfn, it.run.npages, dirty);
		since_resched += 1 + unpin_singles(&it, dirty);
		if (since_resched >= 256) {
			since_resched = 0;
			cond_resched();
		}
	}
	pfn_runs_clear(runs);
}

/**
 * iommufd_unpin_runs - give back the pins of all pages of some runs, empty the runs
 * @runs: the runs
 * @dirty: the pages may have been written
 *
 * Context: may sleep.
 */
void iommufd_unpin_runs(struct pfn_runs *runs, bool dirty)
{
	unsigned long pfn, npages;

	if (!pfn_runs_is_single(runs)) {
		unpin_many_runs(runs, dirty);
		return;
	}
	pfn = pfn_runs_single_pfn(runs);
	npages = pfn_runs_npages(runs);
	pfn_runs_init(runs);
	if (npages == 1)
		iommufd_unpin_page(pfn_to_page(pfn), dirty);
	else
		iommufd_unpin_pfns(pfn, npages, dirty);
}
