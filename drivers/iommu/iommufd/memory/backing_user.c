// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings out of a process's memory.
 *
 * Pages are looked up in the address space of the process that made the mapping,
 * whoever calls; once that process is gone nothing more can be pinned.  Pages that
 * are only read by devices are pinned without FOLL_WRITE; FOLL_LONGTERM makes
 * the mm give a private mapping its own copy first, so that the device and the process
 * go on to see the same page.
 *
 * Locks: the mmap lock is taken inside.  Called by backing.c with the backing's lock
 * held, by backing_rw.c without it; @uva and @payer of these backings are constant.
 */
#include <linux/err.h>
#include <linux/hugetlb.h>
#include <linux/iommufd.h>
#include <linux/iommufd_report.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/overflow.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../test_hooks.h"
#include "huge_pins.h"
#include "memlock.h"
#include "origin.h"
#include "pins.h"

static struct mm_struct *user_mm(const struct iommufd_backing *backing)
{
	return backing->payer->mm;
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
	else if (backing->writable && !(vma->vm_flags & VM_WRITE))
		text = "memory is read-only, the mapping is writeable";
	else if (!backing->writable && !(vma->vm_flags & VM_READ))
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

/* Pin and add one batch; number of pages added, or an errno. */
static long pin_batch(struct iommufd_backing *backing, unsigned long va,
		      unsigned long npages, struct page **pages,
		      struct pfn_runs *runs, struct iommufd_log *log)
{
	unsigned int gup = FOLL_LONGTERM | (backing->writable ? FOLL_WRITE : 0);
	struct mm_struct *mm = user_mm(backing);
	unsigned long added;
	long got;
	int rc;

	if (iommufd_should_fail())
		got = -EFAULT;
	else if (current->mm == mm)
		got = pin_user_pages_fast(va, npages, gup, pages);
	else
		got = pin_remote(mm, va, npages, gup, pages);
	if (got <= 0)
		return refuse_pin(backing, va, got, log);

	rc = pfn_runs_append_pages(runs, pages, got, GFP_KERNEL_ACCOUNT, &added);
	if (rc) {
		unpin_user_pages(pages + added, got - added);
		return iommufd_refuse(log, rc, WHY_NO_MEMORY,
				      "no memory to describe pinned pages");
	}
	return got;
}

/* The next @n pages in memory are pinned: add them.  Their number, or an errno. */
static long append_rest(struct page *page, long n, struct pfn_runs *runs,
			struct iommufd_log *log)
{
	int rc;

	rc = pfn_runs_append(runs, page_to_pfn(page) + 1, n, GFP_KERNEL_ACCOUNT);
	if (!rc)
		return n;
	iommufd_unpin_pfns(page_to_pfn(page) + 1, n, false);
	return iommufd_refuse(log, rc, WHY_NO_MEMORY,
			      "no memory to describe pinned pages");
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
	return n ? folio_add_pins(folio, n) ?: n : 0;
}

/*
 * Pin and add what lies behind a page that was pinned, at @va, and is mapped as one with
 * it.  Number of pages, up to @npages, or an errno.
 */
static long pin_rest(struct iommufd_backing *backing, unsigned long va,
		     struct page *page, unsigned long npages, struct pfn_runs *runs,
		     struct iommufd_log *log)
{
	long n;

	if (!npages || !folio_test_large(page_folio(page)))
		return 0;
	n = pin_rest_of_huge_page(user_mm(backing), va, page, npages,
				  backing->writable);
	if (n < 0)
		return iommufd_refuse(log, n, WHY_FAULT, "huge page cannot be pinned");
	return n ? append_rest(page, n, runs, log) : 0;
}

static int pin_all(struct iommufd_backing *backing, unsigned long first,
		   unsigned long npages, struct pin_array *array,
		   struct pfn_runs *runs, struct iommufd_log *log)
{
	struct page **pages = (struct page **)array->slots;
	unsigned long va = backing->uva + (first << PAGE_SHIFT);
	unsigned long batch = min(array->room, PIN_ARRAY_INLINE);
	unsigned long done = 0;
	long got;

	for (;;) {
		got = pin_batch(backing, va + (done << PAGE_SHIFT),
				min(batch, npages - done), pages, runs, log);
		if (got < 0)
			return got;
		done += got;
		got = pin_rest(backing, va + ((done - 1) << PAGE_SHIFT), pages[got - 1],
			       npages - done, runs, log);
		if (got < 0)
			return got;
		done += got;
		if (done == npages)
			return 0;
		/* Where a huge page may begin one page of it is enough. */
		batch = got || IS_ALIGNED(va + (done << PAGE_SHIFT), PMD_SIZE) ?
				1 : array->room;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

static int pin_many(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	struct pin_array array __uninitialized;
	int rc;

	rc = pin_array_init(&array, npages);
	if (rc)
		return rc;
	rc = pin_all(backing, first, npages, &array, runs, log);
	pin_array_free(&array);
	return rc;
}

static int user_pin(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	struct mm_struct *mm = user_mm(backing);
	bool remote = current->mm != mm;
	struct page *page;
	int rc;

	if (remote && !mmget_not_zero(mm))
		return iommufd_refuse(log, -EFAULT, WHY_PROCESS_GONE,
				      "process that mapped va 0x%lx is gone",
				      backing->uva + (first << PAGE_SHIFT));

	if (npages == 1)
		rc = min(pin_batch(backing, backing->uva + (first << PAGE_SHIFT), 1,
				   &page, runs, log), 0);
	else
		rc = pin_many(backing, first, npages, runs, log);
	/* The last reference must not take the address space down in here. */
	if (remote)
		mmput_async(mm);
	return rc;
}

static inline bool copy_bytes(void __user *uptr, void *data, unsigned long length,
			      bool write)
{
	if (write)
		return !copy_to_user(uptr, data, length);
	return !copy_from_user(data, uptr, length);
}

/* A thread of the kernel's own takes the process's page tables for the time of the copy. */
static noinline bool copy_remote(struct mm_struct *mm, void __user *uptr, void *data,
				 unsigned long length, unsigned int flags)
{
	bool done;

	if (current->mm || !(current->flags & PF_KTHREAD) ||
	    !(flags & IOMMUFD_ACCESS_RW_KTHREAD) || !mmget_not_zero(mm))
		return false;
	kthread_use_mm(mm);
	done = copy_bytes(uptr, data, length, flags & IOMMUFD_ACCESS_RW_WRITE);
	kthread_unuse_mm(mm);
	mmput_async(mm);
	return done;
}

/*
 * The direct way: through the page tables of the process, if they are loaded or may
 * be.  What it cannot do is tried again by pages.
 */
static bool user_copy(struct iommufd_backing *backing, unsigned long offset,
		      void *data, unsigned long length, unsigned int flags)
{
	void __user *uptr = (void __user *)(backing->uva + offset);
	bool write = flags & IOMMUFD_ACCESS_RW_WRITE;
	struct mm_struct *mm = backing->payer->mm;

	/* Nobody but the selftest asks for it. */
	if (IS_ENABLED(CONFIG_IOMMUFD_TEST) && (flags & __IOMMUFD_ACCESS_RW_SLOW_PATH))
		return false;
	if (unlikely(current->mm != mm))
		return copy_remote(mm, uptr, data, length, flags);
	return copy_bytes(uptr, data, length, write);
}

/**
 * struct user_backing - a backing out of a process's memory
 * @backing: has room behind it
 * @room: the room
 */
struct user_backing {
	struct iommufd_backing backing;
	u64 room[IOMMUFD_BACKING_ROOM / sizeof(u64)];
};

static_assert(offsetof(struct user_backing, room) == sizeof(struct iommufd_backing));

static struct kmem_cache *user_backings;

static const struct iommufd_backing_ops user_ops = {
	.name = "user",
	.pin = user_pin,
	.copy = user_copy,
};

/**
 * iommufd_backing_user - make a backing out of the running process's memory
 * @accounts: accounting of the file the call was made on
 * @uptr: first byte
 * @length: bytes
 * @writable: devices may write
 * @log: where a refusal is told
 *
 * Covers whole pages.  Nothing is looked up or pinned yet.
 *
 * Context: may sleep.
 * Return: one reference; ERR_PTR: -EINVAL for length 0, -EOVERFLOW when the end wraps,
 * -ENOMEM.
 */
struct iommufd_backing *iommufd_backing_user(struct iommufd_accounts *accounts,
					     unsigned long uptr,
					     unsigned long length,
					     bool writable,
					     struct iommufd_log *log)
{
	unsigned long first = untagged_addr(uptr);
	struct iommufd_backing *backing;
	unsigned long end;
	int rc;

	if (!length)
		return ERR_PTR(iommufd_refuse(log, -EINVAL, WHY_BAD_SIZE,
					      "length is 0"));
	if (check_add_overflow(first, length, &end))
		return ERR_PTR(iommufd_refuse(log, -EOVERFLOW, WHY_OVERFLOW,
					      "va 0x%lx + 0x%lx wraps",
					      first, length));

	backing = kmem_cache_alloc(user_backings, GFP_KERNEL_ACCOUNT);
	if (!backing)
		return ERR_PTR(-ENOMEM);
	/* Not the room: who puts an area there fills it in. */
	*backing = (struct iommufd_backing){};
	rc = iommufd_backing_init(backing, &user_ops, accounts,
				  ((end - 1) >> PAGE_SHIFT) -
				  (first >> PAGE_SHIFT) + 1, writable, log);
	if (rc) {
		kfree(backing);
		return ERR_PTR(rc);
	}
	backing->uva = first & PAGE_MASK;
	backing->has_room = true;
	return backing;
}

/**
 * iommufd_backing_is_user - has iommufd_backing_user() made it?
 * @backing: the backing
 *
 * Return: true if it has.
 */
bool iommufd_backing_is_user(const struct iommufd_backing *backing)
{
	return backing->ops == &user_ops;
}

/**
 * iommufd_backing_user_free - free memory of backings
 * @backings: made by iommufd_backing_user()
 * @n: how many, not zero
 *
 * Context: any.
 */
void iommufd_backing_user_free(void **backings, unsigned int n)
{
	if (n == 1)
		kmem_cache_free(user_backings, backings[0]);
	else
		kmem_cache_free_bulk(user_backings, n, backings);
}

/**
 * iommufd_backing_user_init - get ready to make backings out of memory
 *
 * Return: 0; -ENOMEM.
 */
int iommufd_backing_user_init(void)
{
	user_backings = kmem_cache_create("iommufd_mapping", sizeof(struct user_backing),
					  0, SLAB_ACCOUNT, NULL);
	return user_backings ? 0 : -ENOMEM;
}

/**
 * iommufd_backing_user_exit - free what iommufd_backing_user_init() has made
 */
void iommufd_backing_user_exit(void)
{
	kmem_cache_destroy(user_backings);
}
