// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings out of a file: memfd, tmpfs, hugetlbfs.
 *
 * Pages are found through the file and need no address space: they are pinned folio
 * by folio without touching single pages, and the mapping survives munmap(), exec()
 * and the exit of the process that made it.
 *
 * The rules are those of mmap(MAP_SHARED).  The descriptor must be open for reading, and
 * for writing if devices may write; a file that is sealed against writing gives no
 * writable backing, and as long as a writable one lives nobody can seal the file so
 * (it counts as a writable mapping of the file, F_SEAL_WRITE fails with EBUSY).
 *
 * Locks: none of its own.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/iommufd_report.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "../test_hooks.h"
#include "memlock.h"
#include "origin.h"
#include "pins.h"

/**
 * struct file_backing - a backing out of a file
 * @movable: &iommufd_backing.pgoff is the first page
 * @file: a reference; a writable backing is counted in its mapping's i_mmap_writable
 */
struct file_backing {
	struct iommufd_movable_backing movable;
	struct file *file;
};

static struct file_backing *file_backing_of(struct iommufd_backing *backing)
{
	return container_of(backing, struct file_backing, movable.backing);
}

/* One pin for each of @npages pages from page @index of a folio that has one pin. */
static int add_folio(struct folio *folio, unsigned long index,
		     unsigned long npages, struct pfn_runs *runs)
{
	unsigned long pfn = folio_pfn(folio) + index;
	int rc = 0;

	if (npages > 1)
		rc = iommufd_add_pins(folio, npages - 1);
	if (rc) {
		unpin_folio(folio);
		return rc;
	}
	rc = pfn_runs_append(runs, pfn, npages, GFP_KERNEL_ACCOUNT);
	if (rc)
		iommufd_unpin_pfns(pfn, npages, false);
	return rc;
}

/*
 * Add the pages of @nfolios neighbouring folios, the first one from page @index, until
 * @npages are reached.  Returns the number of pages, or an errno; no pin is left that
 * is not in @runs.
 */
static long add_folios(struct folio **folios, unsigned int nfolios,
		       unsigned long index, unsigned long npages,
		       struct pfn_runs *runs)
{
	unsigned long done = 0;
	unsigned int i;
	int rc = 0;

	for (i = 0; i < nfolios && !rc; i++) {
		unsigned long n = min(npages - done,
				      folio_nr_pages(folios[i]) - index);

		rc = add_folio(folios[i], index, n, runs);
		done += n;
		index = 0;
	}
	if (!rc)
		return done;
	for (; i < nfolios; i++)
		unpin_folio(folios[i]);
	return rc;
}

/*
 * Pin what one call gives, at most @npages from page @pgoff of the file.  The file may end
 * within the last page.
 */
static long pin_some(struct file *file, pgoff_t pgoff, unsigned long npages,
		     struct pin_array *array, struct pfn_runs *runs)
{
	struct folio **folios = (struct folio **)array->slots;
	loff_t start = (loff_t)pgoff << PAGE_SHIFT;
	loff_t last = start + ((loff_t)npages << PAGE_SHIFT) - 1;
	loff_t size = i_size_read(file_inode(file));
	pgoff_t offset;
	long nfolios;

	if (iommufd_should_fail())
		return -EFAULT;
	if (last >= size && PFN_DOWN(last) == PFN_DOWN(size - 1))
		last = size - 1;
	nfolios = memfd_pin_folios(file, start, last, folios, array->room, &offset);
	if (nfolios <= 0)
		return nfolios ?: -EFAULT;
	return add_folios(folios, nfolios, offset >> PAGE_SHIFT, npages, runs);
}

static int refuse_file_pin(struct file *file, pgoff_t pgoff, int rc,
			   struct iommufd_log *log)
{
	loff_t start = (loff_t)pgoff << PAGE_SHIFT;
	loff_t size = i_size_read(file_inode(file));

	if (rc == -EINVAL && start >= size)
		return iommufd_refuse(log, rc, WHY_BAD_FILE,
				      "file has been cut to %lld bytes, page at %lld is gone",
				      size, start);
	return iommufd_refuse(log, rc, WHY_FAULT,
			      "file of %lld bytes: memory from byte %lld cannot be pinned",
			      size, start);
}

static int pin_all(struct file *file, pgoff_t pgoff, unsigned long npages,
		   struct pin_array *array, struct pfn_runs *runs,
		   struct iommufd_log *log)
{
	long got;

	while (npages) {
		if (fatal_signal_pending(current))
			return -EINTR;
		got = pin_some(file, pgoff, npages, array, runs);
		if (got < 0)
			return refuse_file_pin(file, pgoff, got, log);
		pgoff += got;
		npages -= got;
		cond_resched();
	}
	return 0;
}

static int file_pin(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	struct file *file = file_backing_of(backing)->file;
	struct pin_array array __uninitialized;
	int rc;

	rc = pin_array_init(&array, npages);
	if (rc)
		return rc;
	rc = pin_all(file, backing->pgoff + first, npages, &array, runs, log);
	pin_array_free(&array);
	return rc;
}

static void file_release(struct iommufd_backing *backing)
{
	struct file *file = file_backing_of(backing)->file;

	if (iommufd_backing_writable(backing))
		mapping_unmap_writable(file->f_mapping);
	fput(file);
}

static const struct iommufd_backing_ops file_ops = {
	.name = "file",
	.movable = true,
	.by_offset = true,
	.pin = file_pin,
	.release = file_release,
};

static unsigned int file_seals(struct file *file)
{
#ifdef CONFIG_HUGETLBFS
	if (is_file_hugepages(file))
		return READ_ONCE(HUGETLBFS_I(file_inode(file))->seals);
#endif
	return READ_ONCE(SHMEM_I(file_inode(file))->seals);
}

/* May the caller use this part of the file in this way? */
static int check_file(struct file *file, int fd, u64 start, u64 end,
		      bool writable, struct iommufd_log *log)
{
	loff_t size = i_size_read(file_inode(file));
	fmode_t need = FMODE_READ | (writable ? FMODE_WRITE : 0);

	if (!shmem_file(file) && !is_file_hugepages(file))
		return iommufd_refuse(log, -EINVAL, WHY_BAD_FILE,
				      "fd %d is neither a memfd nor on tmpfs or hugetlbfs",
				      fd);
	if ((file->f_mode & need) != need)
		return iommufd_refuse(log, -EACCES, WHY_PERMISSION,
				      "fd %d is not open for %s", fd,
				      file->f_mode & FMODE_READ ? "writing" : "reading");
	if (end > size)
		return iommufd_refuse(log, -EINVAL, WHY_BAD_FILE,
				      "bytes %llu-%llu are past the end of fd %d at %lld",
				      start, end - 1, fd, size);
	return 0;
}

static int refuse_sealed(int fd, struct iommufd_log *log)
{
	return iommufd_refuse(log, -EPERM, WHY_SEALED,
			      "fd %d is sealed against writing", fd);
}

/* Become one of the writable mappings of the file. */
static int claim_writable(struct file *file, int fd, struct iommufd_log *log)
{
	if (file_seals(file) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return refuse_sealed(fd, log);
	if (mapping_map_writable(file->f_mapping))
		return refuse_sealed(fd, log);
	return 0;
}

static struct iommufd_backing *file_backing_new(struct iommufd_accounts *accounts,
						struct file *file, u64 start,
						u64 end, bool writable,
						struct iommufd_log *log)
{
	struct file_backing *fb __free(kfree) = kzalloc_obj(*fb, GFP_KERNEL_ACCOUNT);
	struct iommufd_backing *backing;
	int rc;

	if (!fb)
		return ERR_PTR(-ENOMEM);
	backing = &fb->movable.backing;
	rc = iommufd_backing_init(backing, &file_ops, accounts,
				  ((end - 1) >> PAGE_SHIFT) -
				  (start >> PAGE_SHIFT) + 1, writable, log);
	if (rc)
		return ERR_PTR(rc);
	backing->pgoff = start >> PAGE_SHIFT;
	fb->file = get_file(file);
	return &no_free_ptr(fb)->movable.backing;
}

/**
 * iommufd_backing_file - make a backing out of a part of a file
 * @accounts: accounting of the file the call was made on
 * @fd: descriptor of a memfd, or of a file on tmpfs or hugetlbfs
 * @start: first byte
 * @length: bytes
 * @writable: devices may write
 * @log: where a refusal is told
 *
 * Covers whole pages.  Nothing is pinned or allocated in the file yet.
 *
 * Context: may sleep.
 * Return: one reference; ERR_PTR: -EBADF no such fd; -EACCES not open for reading, or not
 * for writing if @writable; -EOVERFLOW the end wraps; -EINVAL length 0, another kind of
 * file, or past its end; -EPERM sealed against writing; -ENOMEM.
 */
struct iommufd_backing *iommufd_backing_file(struct iommufd_accounts *accounts,
					     int fd, u64 start,
					     unsigned long length,
					     bool writable,
					     struct iommufd_log *log)
{
	struct file *file __free(fput) = fget(fd);
	struct iommufd_backing *backing;
	u64 end;
	int rc;

	if (!file)
		return ERR_PTR(iommufd_refuse(log, -EBADF, WHY_BAD_FILE,
					      "fd %d is not open", fd));
	if (!length)
		return ERR_PTR(iommufd_refuse(log, -EINVAL, WHY_BAD_SIZE,
					      "length is 0"));
	if (check_add_overflow(start, (u64)length, &end))
		return ERR_PTR(iommufd_refuse(log, -EOVERFLOW, WHY_OVERFLOW,
					      "file offset 0x%llx + 0x%lx wraps",
					      start, length));
	rc = check_file(file, fd, start, end, writable, log);
	if (!rc && writable)
		rc = claim_writable(file, fd, log);
	if (rc)
		return ERR_PTR(rc);

	backing = file_backing_new(accounts, file, start, end, writable, log);
	if (IS_ERR(backing) && writable)
		mapping_unmap_writable(file->f_mapping);
	return backing;
}
