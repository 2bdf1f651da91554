// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings: is the memory at a new address that of an old one?
 *
 * Pages that are pinned are compared one by one.  Where nothing is pinned nothing can be
 * compared; memory that every process sees alike, a shared mapping of a file, is at least
 * not a private copy.
 *
 * Locks: &iommufd_backing.lock of both, that of the new one inside; only the caller knows
 * that one.  The mmap lock of the running process.
 */
#include <linux/cleanup.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>

#include "memlock.h"
#include "origin.h"

/* Runs between two looks at the scheduler. */
#define RUNS_AT_A_TIME 1024

/* Take @npages off the current run; false when the walk is at its end. */
static bool advance(struct iommufd_backing_walk *walk, unsigned long npages)
{
	walk->it.run.pfn += npages;
	walk->it.run.npages -= npages;
	return walk->it.run.npages || iommufd_backing_walk_next(walk);
}

static bool same_runs(struct iommufd_backing_walk *a, struct iommufd_backing_walk *b)
{
	unsigned int nruns = 0;
	unsigned long n;
	bool more;

	do {
		if (a->it.run.pfn != b->it.run.pfn)
			return false;
		n = min(a->it.run.npages, b->it.run.npages);
		more = advance(a, n);
		if (advance(b, n) != more)
			return false;
		if (++nruns % RUNS_AT_A_TIME == 0)
			cond_resched();
	} while (more);
	return true;
}

/**
 * iommufd_backing_is_same - compare the pages of two backings
 * @backing: new, all of it pinned by the caller, who alone knows it
 * @other: the other one
 * @first: its page that the first page of @backing is compared with; the caller holds a
 *	   use of it and those behind it
 *
 * Context: may sleep.  Takes the lock of both.
 * Return: true if each page is the same.
 */
bool iommufd_backing_is_same(struct iommufd_backing *backing,
			     struct iommufd_backing *other, unsigned long first)
{
	unsigned long npages = iommufd_backing_npages(backing);
	struct iommufd_backing_walk a, b;
	bool same;

	guard(bit_mutex)(&other->lock);
	bit_mutex_lock_nested(&backing->lock, SINGLE_DEPTH_NESTING);
	same = iommufd_backing_walk_first(&a, backing, 0, npages) &&
	       iommufd_backing_walk_first(&b, other, first, npages) &&
	       same_runs(&a, &b);
	bit_mutex_unlock(&backing->lock);
	return same;
}

/**
 * iommufd_backing_is_shared_file - is this memory that all who map it see alike?
 * @backing: made of the running process's memory
 *
 * Context: may sleep.  Takes the mmap lock.
 * Return: true if all of it is mapped from files and shared.
 */
bool iommufd_backing_is_shared_file(const struct iommufd_backing *backing)
{
	unsigned long end = backing->uva + (iommufd_backing_npages(backing) << PAGE_SHIFT);
	unsigned long at = backing->uva;
	struct vm_area_struct *vma;

	guard(mmap_read_lock)(current->mm);
	while (at < end) {
		vma = vma_lookup(current->mm, at);
		if (!vma || !vma->vm_file || !(vma->vm_flags & VM_MAYSHARE))
			return false;
		at = vma->vm_end;
	}
	return true;
}
