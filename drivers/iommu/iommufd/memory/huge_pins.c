// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Pins on the rest of a huge page of which GUP has pinned a page.
 *
 * That a page belongs to a large folio does not say what is mapped behind it: the folio
 * may be mapped in parts and in any order.  So the page table is looked at: an entry that
 * maps a huge page maps all of it, in order.  GUP has decided that the folio may be pinned
 * for a long time, and its pin keeps the folio from being moved or divided; what the entry
 * says (may the memory be written, is it shared with another process) it says of all
 * pages.
 *
 * mm/ does not export the walk over page tables, so this room is always built in.
 *
 * Locks: the mmap lock, tried only, and inside of it that of the page table.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/page-flags.h>
#include <linux/pagewalk.h>
#include <linux/pgtable.h>

#include "huge_pins.h"
#include "pins.h"

#define PMD_NPAGES (PMD_SIZE >> PAGE_SHIFT)

/*
 * Would GUP take the entry as it is?  It may not be writable any more, and what is only
 * read must not be replaced by the next write, as in GUP's own rule of unsharing.
 */
static bool may_pin(const struct folio_walk *walk, struct vm_area_struct *vma,
		    unsigned long index, bool writable)
{
	if (!pmd_access_permitted(walk->pmd, writable))
		return false;
	if (writable)
		return true;
	if (PageAnon(walk->page))
		return PageAnonExclusive(walk->page - index);
	return !vma_is_cow_mapping(vma);
}

/* The page table is locked. */
static long pin_rest(const struct folio_walk *walk, struct vm_area_struct *vma,
		     unsigned long va, unsigned long npages, bool writable)
{
	unsigned long index = (va & ~PMD_MASK) >> PAGE_SHIFT;
	struct folio *folio = page_folio(walk->page);
	unsigned long in_folio = folio_nr_pages(folio) - 1 - folio_page_idx(folio, walk->page);
	unsigned long n = min3(npages, PMD_NPAGES - 1 - index, in_folio);

	if (!n || !may_pin(walk, vma, index, writable))
		return 0;
	return iommufd_add_pins(folio, n) ?: n;
}

static long pin_rest_in(struct vm_area_struct *vma, unsigned long va,
			const struct page *page, unsigned long npages, bool writable)
{
	struct folio_walk walk __uninitialized;
	long n = 0;

	if (!folio_walk_start(&walk, vma, va, 0))
		return 0;
	if (walk.level == FW_LEVEL_PMD && walk.page == page)
		n = pin_rest(&walk, vma, va, npages, writable);
	folio_walk_end(&walk, vma);
	return n;
}

/**
 * iommufd_pin_rest_of_huge_map - pin the pages behind one, as far as one entry maps them
 * @mm: address space of a process
 * @va: address of a page
 * @page: this page, pinned for a long time, and for writing if @writable; not of hugetlbfs
 * @npages: pages wanted behind it
 * @writable: devices may write to them
 *
 * The pages follow @page in physical memory.
 *
 * Context: may sleep.
 * Return: number of pages pinned; 0 is no failure: GUP knows what to do about the next
 * page.  -ENOMEM when the folio cannot be pinned.
 */
long iommufd_pin_rest_of_huge_map(struct mm_struct *mm, unsigned long va,
				  const struct page *page, unsigned long npages,
				  bool writable)
{
	struct vm_area_struct *vma;
	long n = 0;

	if (!mmap_read_trylock(mm))
		return 0;
	vma = vma_lookup(mm, va);
	if (vma)
		n = pin_rest_in(vma, va, page, npages, writable);
	mmap_read_unlock(mm);
	return n;
}
EXPORT_SYMBOL_NS_GPL(iommufd_pin_rest_of_huge_map, "IOMMUFD_INTERNAL");
