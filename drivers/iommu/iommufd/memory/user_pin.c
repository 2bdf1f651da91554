// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * How the pages of a process are pinned.
 *
 * Pages that are only read by devices are pinned without FOLL_WRITE; FOLL_LONGTERM makes
 * the mm give a private mapping its own copy first, so that the device and the process
 * go on to see the same page.
 *
 * A large range of one's own memory is pinned in strides.  When one of them came across
 * pages that were not there yet, the rest of the range is likely to be like that, and is
 * pinned together with others (pin_parallel.h).  Memory that is there is not worth their
 * while.
 *
 * Locks: the mmap lock is taken inside.
 */
#include <linux/err.h>
#include <linux/hugetlb.h>
#include <linux/iommufd_report.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pgtable.h>
#include <linux/pkeys.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>

#include "../test_hooks.h"
#include "huge_pins.h"
#include "memlock.h"
#include "origin.h"
#include "pin_helpers.h"
#include "pin_parallel.h"
#include "pins.h"
#include "user_pin.h"

/* A stride, and what a thread takes at a time: enough for the largest transparent page. */
#define STRIDE max(SZ_16M, PMD_SIZE)

/* Ranges that are shorter are not worth a helper. */
#define PARALLEL_MIN (4 * STRIDE)

/* So many bytes at once are enough to make calls cheap, and soon done. */
#define STEP SZ_2M

/* A thread takes more when the range would have more pieces than that. */
#define PIECES_MAX 4096

static struct mm_struct *user_mm(const struct iommufd_backing *backing)
{
	return backing->payer->mm;
}

static unsigned int gup_flags(const struct iommufd_backing *backing)
{
	return FOLL_LONGTERM | (iommufd_backing_writable(backing) ? FOLL_WRITE : 0);
}

/* What is wrong with the memory at @va?  The process is alive. */
static const char *describe_fault(const struct iommufd_backing *backing,
				  unsigned long va)
{
	struct mm_struct *mm = user_mm(backing);
	const char *text = "memory that cannot be pinned for a long time";
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return "unknown";
	vma = vma_lookup(mm, va);
	if (!vma)
		text = "nothing is mapped there";
	else if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		text = "device memory (PFNMAP), see p2p_user_va";
	else if (iommufd_backing_writable(backing) && !(vma->vm_flags & VM_WRITE))
		text = "memory is read-only, the mapping is writeable";
	else if (!iommufd_backing_writable(backing) && !(vma->vm_flags & VM_READ))
		text = "memory is not readable";
	mmap_read_unlock(mm);
	return text;
}

static int refuse_pin(const struct iommufd_backing *backing, unsigned long va,
		      int rc, struct iommufd_log *log)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	if (!rc)
		rc = -EFAULT;
	if (rc == -EFAULT)
		return iommufd_refuse(log, rc, WHY_FAULT, "page at va 0x%lx: %s",
				      va, describe_fault(backing, va));
	return iommufd_refuse(log, rc, WHY_FAULT,
			      "page at va 0x%lx cannot be pinned", va);
}

static long pin_remote(struct mm_struct *mm, unsigned long va,
		       unsigned long npages, unsigned int gup, struct page **pages)
{
	int locked = 1;
	long got;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	got = pin_user_pages_remote(mm, va, npages, gup, pages, &locked);
	if (locked)
		mmap_read_unlock(mm);
	return got;
}

static int refuse_runs(int rc, struct iommufd_log *log)
{
	return iommufd_refuse(log, rc, WHY_NO_MEMORY,
			      "no memory to describe pinned pages");
}

/* Number of pages, or an errno; then those that were not appended are not pinned. */
static long append_pages(struct pfn_runs *runs, struct page **pages, long npages,
			 struct iommufd_log *log)
{
	unsigned long added;
	int rc;

	rc = pfn_runs_append_pages(runs, pages, npages, GFP_KERNEL_ACCOUNT, &added);
	if (!rc)
		return npages;
	unpin_user_pages(pages + added, npages - added);
	return refuse_runs(rc, log);
}

/* The same for @npages pages in a row. */
static long append_row(struct pfn_runs *runs, struct page *page, long npages,
		       struct iommufd_log *log)
{
	int rc;

	rc = pfn_runs_append(runs, page_to_pfn(page), npages, GFP_KERNEL_ACCOUNT);
	if (likely(!rc))
		return npages;
	iommufd_unpin_pfns(page_to_pfn(page), npages, false);
	return refuse_runs(rc, log);
}

/* Pin one batch; number of pages, not zero, or an errno. */
static long pin_batch(struct iommufd_backing *backing, unsigned long va,
		      unsigned long npages, struct page **pages,
		      struct iommufd_log *log)
{
	unsigned int gup = gup_flags(backing);
	struct mm_struct *mm = user_mm(backing);
	long got;

	if (iommufd_should_fail())
		got = -EFAULT;
	else if (likely(current->mm == mm))
		got = pin_user_pages_fast(va, npages, gup, pages);
	else
		got = pin_remote(mm, va, npages, gup, pages);
	return likely(got > 0) ? got : refuse_pin(backing, va, got, log);
}

/*
 * A page of hugetlbfs is mapped whole or not at all, so the pages behind one that was
 * pinned follow it in memory as in the address space.  Of other large folios the page
 * table tells.
 */
static long pin_rest_of_huge_page(struct mm_struct *mm, unsigned long va,
				  struct page *page, unsigned long npages,
				  bool writable)
{
	struct folio *folio = page_folio(page);
	unsigned long n;

	if (!folio_test_hugetlb(folio))
		return iommufd_pin_rest_of_huge_map(mm, va, page, npages, writable);
	n = folio_nr_pages(folio) - 1 - folio_page_idx(folio, page);
	n = min(npages, n);
	return n ? iommufd_add_pins(folio, n) ?: n : 0;
}

/*
 * Pin what lies behind a page that was pinned, at @va, and is mapped as one with it.
 * Number of pages, up to @npages, or an errno.
 */
static long pin_rest(struct iommufd_backing *backing, unsigned long va,
		     struct page *page, unsigned long npages, struct iommufd_log *log)
{
	long n;

	if (!npages || !folio_test_large(page_folio(page)))
		return 0;
	n = pin_rest_of_huge_page(user_mm(backing), va, page, npages,
				  iommufd_backing_writable(backing));
	if (n < 0)
		return iommufd_refuse(log, n, WHY_FAULT, "huge page cannot be pinned");
	return n;
}

/*
 * Add pages that are pinned, and @nrest more in a row behind the last of them.  Number of
 * pages, or an errno; then those that were not added are not pinned.
 */
static long append_batch(struct pfn_runs *runs, struct page **pages, long npages,
			 long nrest, struct iommufd_log *log)
{
	struct page *last = pages[npages - 1];
	long rc;

	if (npages > 1) {
		rc = append_pages(runs, pages, npages - 1, log);
		if (rc < 0) {
			iommufd_unpin_pfns(page_to_pfn(last), 1 + nrest, false);
			return rc;
		}
	}
	rc = append_row(runs, last, 1 + nrest, log);
	return rc < 0 ? rc : npages + nrest;
}

/**
 * struct user_pin - a range that is being pinned
 * @how: for its rest that is pinned together with others; only its beginning is filled in
 *	 before
 * @backing: the backing
 * @array: of the caller
 * @next: next page to pin
 * @batch: pages to ask for
 */
struct user_pin {
	struct pin_parallel how;
	struct iommufd_backing *backing;
	struct pin_array array;
	unsigned long next;
	unsigned long batch;
};

static unsigned long va_of(const struct iommufd_backing *backing, unsigned long page)
{
	return backing->uva + (page << PAGE_SHIFT);
}

/*
 * Pin and add pages, and the rest of the huge page that they end in.  Number of pages, or
 * an errno.  *@is_huge: there was one.
 */
static long pin_some(struct user_pin *up, unsigned long npages, struct pfn_runs *runs,
		     bool *is_huge, struct iommufd_log *log)
{
	struct page **pages = (struct page **)up->array.slots;
	unsigned long va = va_of(up->backing, up->next);
	long got, rest;

	got = pin_batch(up->backing, va, min(up->batch, npages), pages, log);
	if (got < 0)
		return got;
	rest = pin_rest(up->backing, va + ((got - 1) << PAGE_SHIFT), pages[got - 1],
			npages - got, log);
	if (rest < 0) {
		unpin_user_pages(pages, got);
		return rest;
	}
	*is_huge = rest;
	return append_batch(runs, pages, got, rest, log);
}

/* Pin up to page @end, waiting as long as it takes. */
static int pin_up_to(struct user_pin *up, unsigned long end, struct pfn_runs *runs,
		     struct iommufd_log *log)
{
	bool is_huge;
	long got;

	for (;;) {
		got = pin_some(up, end - up->next, runs, &is_huge, log);
		if (got < 0)
			return got;
		up->next += got;
		/* Where a huge page may begin one page of it is enough. */
		up->batch = is_huge || IS_ALIGNED(va_of(up->backing, up->next), PMD_SIZE) ?
				    1 : up->array.room;
		if (up->next == end)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

static struct user_pin *user_pin_of(const struct pin_parallel *how)
{
	return container_of(how, struct user_pin, how);
}

/*
 * Memory that the mm gives to anybody as it gives it to the caller, without asking a file
 * system or a driver.  A huge page of hugetlbfs is charged to the task that touches it.
 */
static bool is_plain(struct vm_area_struct *vma)
{
	if (vma_pkey(vma))
		return false;
	return vma_is_anonymous(vma) ||
	       (vma->vm_file && shmem_mapping(vma->vm_file->f_mapping));
}

/* FOLL_NOWAIT: no userfaultfd is waited for, nor a disk as far as the mm can help it. */
static long pin_plain(struct mm_struct *mm, unsigned long va, unsigned long npages,
		      unsigned int gup, struct page **pages)
{
	struct vm_area_struct *vma = vma_lookup(mm, va);

	if (!vma)
		return -EFAULT;
	if (!is_plain(vma))
		return 0;
	npages = min(npages, (vma->vm_end - va) >> PAGE_SHIFT);
	return pin_user_pages_remote(mm, va, npages, gup | FOLL_NOWAIT, pages, NULL);
}

/* The caller can be killed while it waits.  A helper cannot, and tries again later. */
static int lock_mm(struct mm_struct *mm)
{
	if (current->flags & PF_KTHREAD)
		return mmap_read_trylock(mm) ? 0 : -EAGAIN;
	return mmap_read_lock_killable(mm);
}

static long user_pin_step(const struct pin_parallel *how, unsigned long first,
			  unsigned long npages, struct pin_array *array,
			  struct pfn_runs *runs)
{
	struct iommufd_backing *backing = user_pin_of(how)->backing;
	struct page **pages = (struct page **)array->slots;
	struct mm_struct *mm = how->mm;
	long got;

	got = lock_mm(mm);
	if (got)
		return got;
	npages = min3(npages, array->room, STEP >> PAGE_SHIFT);
	got = pin_plain(mm, va_of(backing, first), npages, gup_flags(backing), pages);
	mmap_read_unlock(mm);
	if (got <= 0)
		return got == -EAGAIN ? 0 : got;
	return append_pages(runs, pages, got, NULL);
}

static int user_pin_rest(const struct pin_parallel *how, unsigned long first,
			 unsigned long npages, struct pfn_runs *runs,
			 struct iommufd_log *log)
{
	struct user_pin *up = user_pin_of(how);

	up->next = first;
	return pin_up_to(up, first + npages, runs, log);
}

static void user_pin_discard(const struct pin_parallel *how, struct pfn_runs *runs)
{
	iommufd_unpin_runs(runs, false);
}

/* Pieces begin and end where the largest pages do. */
static unsigned long piece_npages(unsigned long npages)
{
	unsigned long piece = STRIDE >> PAGE_SHIFT;

	while (npages / piece > PIECES_MAX)
		piece *= 2;
	return piece;
}

static int pin_together(struct user_pin *up, unsigned long end, struct pfn_runs *runs,
			struct iommufd_log *log)
{
	up->how.first = up->next;
	up->how.npages = end - up->next;
	up->how.piece = piece_npages(up->how.npages);
	up->how.mm = user_mm(up->backing);
	up->how.step = user_pin_step;
	up->how.rest = user_pin_rest;
	up->how.discard = user_pin_discard;
	return pin_parallel(&up->how, runs, log);
}

static unsigned long faults_so_far(void)
{
	return current->min_flt + current->maj_flt;
}

/* The first page behind @page where a piece may begin. */
static unsigned long stride_end(const struct iommufd_backing *backing,
				unsigned long page)
{
	unsigned long va = va_of(backing, page);

	return page + ((ALIGN(va + 1, STRIDE) - va) >> PAGE_SHIFT);
}

static int pin_large(struct user_pin *up, unsigned long end, struct pfn_runs *runs,
		     struct iommufd_log *log)
{
	unsigned long before, least = PARALLEL_MIN >> PAGE_SHIFT;
	int rc;

	while (end - up->next >= least) {
		before = faults_so_far();
		rc = pin_up_to(up, stride_end(up->backing, up->next), runs, log);
		if (rc)
			return rc;
		if (faults_so_far() != before)
			return pin_together(up, end, runs, log);
	}
	return pin_up_to(up, end, runs, log);
}

static int pin_range(struct user_pin *up, unsigned long npages, struct pfn_runs *runs,
		     struct iommufd_log *log)
{
	unsigned long end = up->next + npages;

	if (npages < PARALLEL_MIN >> PAGE_SHIFT || current->mm != user_mm(up->backing))
		return pin_up_to(up, end, runs, log);
	up->how.nthreads = pin_helpers_nthreads();
	if (up->how.nthreads <= 1)
		return pin_up_to(up, end, runs, log);
	return pin_large(up, end, runs, log);
}

static int pin_many(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	struct user_pin up __uninitialized;
	int rc;

	rc = pin_array_init(&up.array, npages);
	if (rc)
		return rc;
	up.backing = backing;
	up.next = first;
	up.batch = min(up.array.room, PIN_ARRAY_INLINE);
	rc = pin_range(&up, npages, runs, log);
	pin_array_free(&up.array);
	return rc;
}

/* All that most calls pin. */
static int pin_one(struct iommufd_backing *backing, unsigned long first,
		   struct pfn_runs *runs, struct iommufd_log *log)
{
	struct page *page;
	long got;

	got = pin_batch(backing, va_of(backing, first), 1, &page, log);
	if (got > 0)
		got = append_row(runs, page, 1, log);
	return min(got, 0);
}

/**
 * iommufd_user_pin - pin pages of a process
 * @backing: out of a process's memory
 * @first: first page index
 * @npages: number of pages
 * @runs: where they are appended
 * @log: where a refusal is told
 *
 * See &iommufd_backing_ops.pin.
 *
 * Context: may sleep, may fault.
 * Return: 0; -EFAULT when there is no memory that could be pinned, or the process is gone;
 * -ENOMEM; -EINTR when the caller is being killed; other errnos of the mm.
 */
int iommufd_user_pin(struct iommufd_backing *backing, unsigned long first,
		     unsigned long npages, struct pfn_runs *runs,
		     struct iommufd_log *log)
{
	struct mm_struct *mm = user_mm(backing);
	int rc;

	if (likely(current->mm == mm))
		return npages == 1 ? pin_one(backing, first, runs, log) :
				     pin_many(backing, first, npages, runs, log);
	if (!mmget_not_zero(mm))
		return iommufd_refuse(log, -EFAULT, WHY_PROCESS_GONE,
				      "process that mapped va 0x%lx is gone",
				      va_of(backing, first));
	rc = pin_many(backing, first, npages, runs, log);
	/* The last reference must not take the address space down in here. */
	mmput_async(mm);
	return rc;
}
