// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings out of a mapping of a device's BAR in a process: what P2P by user address
 * needs.
 *
 * The mapping (a VMA of a VFIO device file, VM_PFNMAP) is looked at when the BAR is to
 * be shown, and again each time it was zapped and may be back.  VFIO zaps it before
 * the device stops to answer; the notifier hears of that, and of munmap(), mprotect()
 * and the end of the process.  What is unmapped is gone for good, whatever is mapped
 * there later.
 *
 * Why the physical address that is published is never stale: the notifier's
 * sequence is read before the page table is; a zap from then on calls mmio_invalidate(),
 * which changes the sequence under &iommufd_revocable.lock.  If the sequence is
 * still the same when the lock is held for publishing, then either there was no
 * zap since, or its call is waiting for the lock and revokes what is published now
 * before the zap goes on.  A zap that called before the sequence was read has ended by
 * then (mmu_interval_read_begin() waits), so its empty entries are what is read.
 *
 * Locks: the mmap lock while looking, &iommufd_revocable.lock in the notifier; never the
 * former inside the latter.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/iommufd_device_memory.h>
#include <linux/iommufd_report.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "revocable.h"

/* Looks at a mapping that changes all the time; the timer goes on after that. */
#define FIND_TRIES 16

/**
 * struct mmio_backing - a backing out of a BAR's mapping
 * @rev: &iommufd_backing.uva is the address
 * @notifier: on the range, in the mapper's mm; holds the mm_struct
 * @mapping: of the device's file; compared only
 * @pgoff: of the first page in it
 */
struct mmio_backing {
	struct iommufd_revocable rev;
	struct mmu_interval_notifier notifier;
	const struct address_space *mapping;
	pgoff_t pgoff;
};

#define mmio_of(revocable) container_of(revocable, struct mmio_backing, rev)

/* Operations of the files whose mappings are device memory. */
static const struct file_operations *device_fops;

/**
 * iommufd_device_memory_set_fops - say whose mappings are device memory
 * @fops: operations of VFIO's device files, or NULL when VFIO leaves
 *
 * Context: any; when VFIO leaves, no such file is open any more.
 * Return: what was said before.
 */
const struct file_operations *
iommufd_device_memory_set_fops(const struct file_operations *fops)
{
	return xchg(&device_fops, fops);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_memory_set_fops, "IOMMUFD");

static bool is_device_memory(const struct vm_area_struct *vma)
{
	const struct file_operations *fops = READ_ONCE(device_fops);

	return vma && fops && (vma->vm_flags & VM_PFNMAP) && vma->vm_file &&
	       vma->vm_file->f_op == fops;
}

static struct vm_area_struct *lookup(const struct mmio_backing *mmio,
				     unsigned long va)
{
	struct vm_area_struct *vma = vma_lookup(mmio->notifier.mm, va);

	if (!is_device_memory(vma) || vma->vm_file->f_mapping != mmio->mapping)
		return NULL;
	return vma;
}

/**
 * struct mmio_stretch - contiguous device memory in the page table of a process
 * @pfn: of the first page
 * @end: address behind it
 */
struct mmio_stretch {
	unsigned long pfn;
	unsigned long end;
};

static bool read_entry(struct vm_area_struct *vma, unsigned long va, bool write,
		       struct mmio_stretch *out)
{
	struct follow_pfnmap_args args = { .vma = vma, .address = va };
	bool usable;

	if (follow_pfnmap_start(&args))
		return false;
	out->pfn = args.pfn;
	out->end = min((va | ~args.addr_mask) + 1, vma->vm_end);
	usable = args.writable || !write;
	follow_pfnmap_end(&args);
	return usable;
}

/*
 * The memory at @va.  -EAGAIN: it was there and was zapped again; -ENXIO: it is not the
 * mapping any more; -EFAULT: the device does not answer, or not to such an access.
 */
static int find_stretch(const struct mmio_backing *mmio, unsigned long va,
			struct mmio_stretch *out)
{
	bool write = iommufd_backing_writable(&mmio->rev.backing);
	struct mm_struct *mm = mmio->notifier.mm;
	struct vm_area_struct *vma = lookup(mmio, va);
	bool unlocked = false;
	int rc;

	if (!vma)
		return -ENXIO;
	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		return -EFAULT;
	if (read_entry(vma, va, write, out))
		return 0;
	rc = fixup_user_fault(mm, va, write ? FAULT_FLAG_WRITE : 0, &unlocked);
	if (rc)
		return rc;
	/* The mapping may be another one by now. */
	vma = lookup(mmio, va);
	if (!vma)
		return -ENXIO;
	return read_entry(vma, va, write, out) ? 0 : -EAGAIN;
}

/* The whole range; -EINVAL when it is not contiguous. */
static int find_all_locked(const struct mmio_backing *mmio, unsigned long *pfn)
{
	unsigned long first = mmio->rev.backing.uva;
	unsigned long npages = iommufd_backing_npages(&mmio->rev.backing);
	unsigned long done = 0;
	struct mmio_stretch part;
	int rc;

	while (done < npages) {
		rc = find_stretch(mmio, first + (done << PAGE_SHIFT), &part);
		if (rc)
			return rc;
		if (!done)
			*pfn = part.pfn;
		else if (part.pfn != *pfn + done)
			return -EINVAL;
		done = (part.end - first) >> PAGE_SHIFT;
		cond_resched();
	}
	return 0;
}

static int find_all(const struct mmio_backing *mmio, unsigned long *pfn)
{
	struct mm_struct *mm = mmio->notifier.mm;
	unsigned long npages = iommufd_backing_npages(&mmio->rev.backing);
	int rc;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	rc = find_all_locked(mmio, pfn);
	mmap_read_unlock(mm);
	if (rc)
		return rc;
	/* RAM has owners whom nobody would tell. */
	if (region_intersects(PFN_PHYS(*pfn), npages << PAGE_SHIFT,
			      IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return -EINVAL;
	return 0;
}

/* See the top of the file. */
static int publish(struct mmio_backing *mmio, unsigned long seq,
		   unsigned long pfn)
{
	guard(mutex)(&mmio->rev.lock);
	if (mmu_interval_read_retry(&mmio->notifier, seq))
		return -EAGAIN;
	iommufd_revocable_publish_locked(&mmio->rev, PFN_PHYS(pfn));
	return 0;
}

static int find_and_publish(struct mmio_backing *mmio)
{
	unsigned int tries = FIND_TRIES;
	unsigned long seq, pfn;
	int rc;

	do {
		seq = mmu_interval_read_begin(&mmio->notifier);
		rc = find_all(mmio, &pfn);
		if (!rc)
			rc = publish(mmio, seq, pfn);
		cond_resched();
	} while (rc == -EAGAIN && --tries);
	return rc;
}

static void set_gone(struct mmio_backing *mmio)
{
	guard(mutex)(&mmio->rev.lock);
	iommufd_revocable_revoke_locked(&mmio->rev);
	iommufd_revocable_set_gone_locked(&mmio->rev);
}

static int refuse_restore(const struct mmio_backing *mmio, int rc,
			  struct iommufd_log *log)
{
	const char *text = "it cannot be reached now";

	if (rc == -EINTR || rc == -ENOMEM)
		return rc;
	if (rc == -ENXIO)
		text = "it is no longer mapped there";
	else if (rc == -EINVAL)
		text = "it is not one contiguous piece of a BAR";
	else if (rc == -EFAULT)
		text = "the device does not decode it, or it is mapped with other rights";
	return iommufd_refuse(log, -EFAULT, WHY_FAULT, "device memory at va 0x%lx: %s",
			      mmio->rev.backing.uva, text);
}

static int mmio_restore(struct iommufd_revocable *rev, struct iommufd_log *log)
{
	struct mmio_backing *mmio = mmio_of(rev);
	struct mm_struct *mm = mmio->notifier.mm;
	int rc = -ENXIO;

	if (!READ_ONCE(rev->gone) && mmget_not_zero(mm)) {
		rc = find_and_publish(mmio);
		/* The last reference must not take the address space down in here. */
		mmput_async(mm);
	}
	if (rc == -ENXIO)
		set_gone(mmio);
	if (rc)
		return refuse_restore(mmio, rc, log);
	iommufd_revocable_fill(rev);
	return 0;
}

static bool mmio_concerns(const struct iommufd_revocable *rev,
			  const struct address_space *mapping)
{
	return mmio_of(rev)->mapping == mapping;
}

static const struct iommufd_revocable_ops mmio_revocable_ops = {
	.restore = mmio_restore,
	.concerns = mmio_concerns,
};

/*
 * The mapping is being zapped, wholly or in part: take it out of the domains before the
 * device stops to answer.  Only the OOM reaper does not let its callees block, and it
 * leaves mappings of devices alone.
 */
static bool mmio_invalidate(struct mmu_interval_notifier *notifier,
			    const struct mmu_notifier_range *range,
			    unsigned long seq)
{
	struct mmio_backing *mmio =
		container_of(notifier, struct mmio_backing, notifier);

	if (!mmu_notifier_range_blockable(range))
		return false;

	guard(mutex)(&mmio->rev.lock);
	mmu_interval_set_seq(notifier, seq);
	/* A page table entry of a device has no soft-dirty bit to be cleared. */
	if (range->event == MMU_NOTIFY_SOFT_DIRTY)
		return true;
	iommufd_revocable_revoke_locked(&mmio->rev);
	if (range->event == MMU_NOTIFY_UNMAP || range->event == MMU_NOTIFY_RELEASE)
		iommufd_revocable_set_gone_locked(&mmio->rev);
	return true;
}

static const struct mmu_interval_notifier_ops mmio_notifier_ops = {
	.invalidate = mmio_invalidate,
};

static void mmio_release(struct iommufd_backing *backing)
{
	struct mmio_backing *mmio = mmio_of(iommufd_revocable_of(backing));

	iommufd_revocable_exit(&mmio->rev);
	mmu_interval_notifier_remove(&mmio->notifier);
}

static const struct iommufd_backing_ops mmio_ops = {
	.name = "device",
	.revocable = true,
	.release = mmio_release,
};

/* The mapping of the device's file at @va, and where in it; NULL if there is none. */
static const struct address_space *device_mapping_at(struct mm_struct *mm,
						     unsigned long va,
						     pgoff_t *pgoff)
{
	const struct address_space *mapping = NULL;
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return NULL;
	vma = vma_lookup(mm, va);
	if (is_device_memory(vma)) {
		mapping = vma->vm_file->f_mapping;
		*pgoff = linear_page_index(vma, va);
	}
	mmap_read_unlock(mm);
	return mapping;
}

static struct iommufd_backing *mmio_backing_new(unsigned long uva,
						unsigned long npages,
						const struct address_space *mapping,
						pgoff_t pgoff, bool writable)
{
	struct mmio_backing *mmio __free(kfree) = kzalloc_obj(*mmio, GFP_KERNEL_ACCOUNT);
	int rc;

	if (!mmio)
		return ERR_PTR(-ENOMEM);
	mmio->mapping = mapping;
	mmio->pgoff = pgoff;
	mmio->rev.backing.uva = uva;
	rc = iommufd_revocable_init(&mmio->rev, &mmio_ops, &mmio_revocable_ops,
				    npages, writable);
	if (rc)
		return ERR_PTR(rc);
	rc = mmu_interval_notifier_insert(&mmio->notifier, current->mm, uva,
					  npages << PAGE_SHIFT, &mmio_notifier_ops);
	if (rc) {
		iommufd_revocable_exit(&mmio->rev);
		return ERR_PTR(rc);
	}
	return &no_free_ptr(mmio)->rev.backing;
}

/**
 * iommufd_backing_mmio - make a backing out of a BAR that the process has mapped
 * @uptr: first byte
 * @length: bytes, not zero
 * @writable: devices may write
 *
 * Covers whole pages.  The BAR is not looked at yet.
 *
 * Context: may sleep.
 * Return: one reference; NULL when there is no mapping of a device at @uptr, or the end
 * wraps; ERR_PTR(-ENOMEM).
 */
struct iommufd_backing *iommufd_backing_mmio(unsigned long uptr,
					     unsigned long length, bool writable)
{
	unsigned long first = untagged_addr(uptr);
	const struct address_space *mapping;
	struct mm_struct *mm = current->mm;
	unsigned long end;
	pgoff_t pgoff;

	if (!mm || check_add_overflow(first, length, &end))
		return NULL;
	mapping = device_mapping_at(mm, first, &pgoff);
	if (!mapping)
		return NULL;
	return mmio_backing_new(first & PAGE_MASK,
				((end - 1) >> PAGE_SHIFT) -
				(first >> PAGE_SHIFT) + 1, mapping, pgoff,
				writable);
}

/**
 * iommufd_backing_mmio_is_same - do two backings show the same part of a BAR?
 * @backing: of any kind
 * @other: of any kind
 * @first: page of @other that is compared with the first page of @backing
 *
 * Whether the device answers at the moment does not matter.
 *
 * Context: any.
 * Return: true if both are out of mappings of the same device at the same place.
 */
bool iommufd_backing_mmio_is_same(const struct iommufd_backing *backing,
				  const struct iommufd_backing *other,
				  unsigned long first)
{
	const struct mmio_backing *a, *b;

	if (backing->ops != &mmio_ops || other->ops != &mmio_ops)
		return false;
	a = container_of(backing, struct mmio_backing, rev.backing);
	b = container_of(other, struct mmio_backing, rev.backing);
	return a->mapping == b->mapping && a->pgoff == b->pgoff + first;
}
