// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings: copying by the CPU.
 *
 * Three ways, tried in this order: the origin's own (for user memory, through the page
 * tables of the process); through pages that are pinned anyway, which also works after
 * the process has gone; through pages pinned for the time of the copy, which nobody is
 * charged for.
 *
 * Locks: &iommufd_backing.lock around copies through pages that others have pinned;
 * no lock where memory of the process is touched or pinned.
 */
#include <linux/cleanup.h>
#include <linux/highmem.h>
#include <linux/iommufd.h>
#include <linux/iommufd_report.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "../test_hooks.h"
#include "origin.h"

/* Pages pinned at once for a copy. */
#define RW_PAGES 16

/**
 * struct rw_cursor - a copy that is going on
 * @backing: between this
 * @data: and this
 * @offset: next byte in @backing
 * @length: bytes to go
 * @write: from @data
 */
struct rw_cursor {
	struct iommufd_backing *backing;
	void *data;
	unsigned long offset;
	unsigned long length;
	bool write;
};

static unsigned long rw_first_page(const struct rw_cursor *rw)
{
	return rw->offset >> PAGE_SHIFT;
}

/* Pages of the next step. */
static unsigned long rw_npages(const struct rw_cursor *rw)
{
	unsigned long last = (rw->offset + rw->length - 1) >> PAGE_SHIFT;

	return min(last - rw_first_page(rw) + 1, RW_PAGES);
}

static void copy_page_part(struct rw_cursor *rw, struct page *page)
{
	size_t within = offset_in_page(rw->offset);
	size_t length = min(rw->length, PAGE_SIZE - within);

	if (rw->write)
		memcpy_to_page(page, within, rw->data, length);
	else
		memcpy_from_page(rw->data, page, within, length);
	rw->data += length;
	rw->offset += length;
	rw->length -= length;
}

static void copy_run(struct rw_cursor *rw, const struct pfn_run *run)
{
	unsigned long i;

	for (i = 0; i < run->npages && rw->length; i++)
		copy_page_part(rw, pfn_to_page(run->pfn + i));
}

/* One step through pages that are pinned already; false if they are not. */
static bool rw_pinned(struct rw_cursor *rw)
{
	struct iommufd_backing *backing = rw->backing;
	unsigned long first = rw_first_page(rw);
	unsigned long npages = rw_npages(rw);
	struct iommufd_backing_walk walk;

	guard(bit_mutex)(&backing->lock);
	if (!iommufd_backing_covers(backing, first, npages)) {
		npages = 1;
		if (!iommufd_backing_covers(backing, first, npages))
			return false;
	}
	iommufd_backing_for_each_run(&walk, backing, first, npages)
		copy_run(rw, &walk.it.run);
	return true;
}

/* One step through pages that are pinned for it. */
static int rw_borrowed(struct rw_cursor *rw, struct iommufd_log *log)
{
	struct iommufd_backing *backing = rw->backing;
	unsigned long npages = rw_npages(rw);
	struct pfn_runs_iter it;
	struct pfn_runs runs;
	int rc;

	if (iommufd_should_fail())
		return -ENOMEM;

	pfn_runs_init(&runs);
	rc = backing->ops->pin(backing, rw_first_page(rw), npages, &runs, log);
	if (!rc)
		pfn_runs_for_each(&it, &runs, 0, npages)
			copy_run(rw, &it.run);
	iommufd_backing_unpin_runs(backing, &runs, rw->write && !rc);
	return rc;
}

/**
 * iommufd_backing_rw - copy between kernel memory and a backing
 * @backing: the backing
 * @offset: first byte in it
 * @data: kernel memory
 * @length: bytes; the range lies in the backing
 * @flags: IOMMUFD_ACCESS_RW_*; WRITE copies from @data into the backing
 * @log: where a refusal is told
 *
 * On failure some bytes may have been copied.
 *
 * Context: may sleep, may fault; the caller holds nothing that a slow page fault may
 * not stall.  Takes @backing->lock.
 * Return: 0; -EPERM writing to a backing that is not writable; -EFAULT when there is no
 * memory, or the process is gone; -ENOMEM; -EINTR when the caller is being killed.
 */
int iommufd_backing_rw(struct iommufd_backing *backing, unsigned long offset,
		       void *data, unsigned long length, unsigned int flags,
		       struct iommufd_log *log)
{
	struct rw_cursor rw = {
		.backing = backing,
		.data = data,
		.offset = offset,
		.length = length,
		.write = flags & IOMMUFD_ACCESS_RW_WRITE,
	};
	int rc;

	if (rw.write && !iommufd_backing_writable(backing))
		return iommufd_refuse(log, -EPERM, WHY_PERMISSION,
				      "memory was mapped without WRITEABLE");
	if (backing->ops->copy &&
	    backing->ops->copy(backing, offset, data, length, flags))
		return 0;

	while (rw.length) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (rw_pinned(&rw))
			continue;
		rc = rw_borrowed(&rw, log);
		if (rc)
			return rc;
	}
	return 0;
}
