// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * mmap() of an iommufd: one registered area as a whole, shared and uncached.
 *
 * What keeps the pages valid: a VMA holds a long reference on the area's owner,
 * so the owner cannot be destroyed and its driver cannot withdraw the area. The
 * file, and with it the context, is held by the VMA itself.
 *
 * Locks: the tree's own spinlock, a leaf. Called under the mmap lock.
 */
#include <linux/io.h>
#include <linux/iommufd_report.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include "ctx.h"
#include "mmap_area.h"
#include "object.h"

/* The area at exactly this place, by value: only its owner keeps it in memory. */
static bool mmap_area_find(struct iommufd_ctx *ictx, unsigned long pgoff,
			   unsigned long npages, struct iommufd_mmap_area *found,
			   u32 *owner_id)
{
	MA_STATE(mas, &ictx->mt_mmap, pgoff, pgoff);
	struct iommufd_mmap_area *area;
	bool exact;

	mas_lock(&mas);
	area = mas_walk(&mas);
	exact = area && mas.index == pgoff && area->npages == npages;
	if (exact) {
		*found = *area;
		*owner_id = area->owner->id;
	}
	mas_unlock(&mas);
	return exact;
}

/*
 * Find an area and hold its owner. The owner can only be held by its ID, since
 * it may be half made or on its way out; after that the area cannot go any more,
 * and is looked up once again in case it went before.
 */
static bool mmap_area_hold(struct iommufd_ctx *ictx, unsigned long pgoff,
			   unsigned long npages, struct iommufd_mmap_area *area)
{
	struct iommufd_object *owner;
	bool held;
	u32 id;

	if (!mmap_area_find(ictx, pgoff, npages, area, &id))
		return false;
	owner = iommufd_object_get(&ictx->objects, id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(owner))
		return false;
	held = mmap_area_find(ictx, pgoff, npages, area, &id) &&
	       area->owner == owner;
	if (held)
		iommufd_object_hold(owner);
	iommufd_object_put(&ictx->objects, owner);
	return held;
}

static void mmap_area_vma_open(struct vm_area_struct *vma)
{
	iommufd_object_hold(vma->vm_private_data);
}

static void mmap_area_vma_close(struct vm_area_struct *vma)
{
	iommufd_object_release(vma->vm_private_data);
}

static const struct vm_operations_struct mmap_area_vm_ops = {
	.open = mmap_area_vma_open,
	.close = mmap_area_vma_close,
};

/**
 * iommufd_mmap_area_map() - Map a registered area
 * @ictx: the context
 * @vma: what user space asked for
 *
 * Context: Process context under the mmap lock, may sleep.
 * Return: 0; -EINVAL if the mapping is private, -EPERM if it is executable,
 * -ENXIO if no area has this offset and length, -EAGAIN or -ENOMEM if the pages
 * cannot be entered.
 */
int iommufd_mmap_area_map(struct iommufd_ctx *ictx, struct vm_area_struct *vma)
{
	struct iommufd_mmap_area area;
	int rc;

	if (!(vma->vm_flags & VM_SHARED))
		return iommufd_refuse(&ictx->log, -EINVAL, WHY_BAD_FLAGS,
				      "mmap needs MAP_SHARED");
	if (vma->vm_flags & VM_EXEC)
		return iommufd_refuse(&ictx->log, -EPERM, WHY_PERMISSION,
				      "mmap cannot be executable");
	if (!mmap_area_hold(ictx, vma->vm_pgoff, vma_pages(vma), &area))
		return iommufd_refuse(&ictx->log, -ENXIO, WHY_NO_OBJECT,
				      "no area of %lu pages at page offset %lu",
				      vma_pages(vma), vma->vm_pgoff);

	vm_flags_mod(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP,
		     VM_MAYEXEC);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	rc = io_remap_pfn_range(vma, vma->vm_start, area.phys >> PAGE_SHIFT,
				area.npages << PAGE_SHIFT, vma->vm_page_prot);
	if (rc) {
		iommufd_object_release(area.owner);
		return rc;
	}
	vma->vm_private_data = area.owner;
	vma->vm_ops = &mmap_area_vm_ops;
	return 0;
}
