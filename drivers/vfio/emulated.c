// SPDX-License-Identifier: GPL-2.0-only
/*
 * Emulated devices: no DMA of their own, the driver touches the user's memory.
 *
 * A mediated device has no place behind an IOMMU.  It is bound as an access:
 * an in-kernel user of an IOAS, through which its driver pins pages and reads
 * and writes memory by IOVA.  What a driver pinned it must unpin when its
 * dma_unmap callback names the range, and before its device closes.  The
 * ranges are mappings of the user, also when the device is detached.
 *
 * The device-set lock protects a device's iommufd_access.  The functions that
 * drivers call while their device is open take no lock here: the access is made
 * before open_device and goes after close_device.  dma_unmap is called without
 * the device-set lock, except from attach, detach and unbind.  May call
 * attachment.h and iommufd.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/align.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/vfio.h>

#include "attachment.h"

static void emulated_lose_range(void *data, unsigned long iova,
				unsigned long length)
{
	struct vfio_device *vdev = data;
	const struct vfio_device_ops *ops = vdev->ops;

	if (ops->dma_unmap)
		ops->dma_unmap(vdev, iova, length);
}

/*
 * A driver without dma_unmap never pins, but its IOAS shall tell the same
 * alignment to users as with any other.
 */
static const struct iommufd_access_ops emulated_access_ops = {
	.unmap = emulated_lose_range,
	.needs_pin_pages = 1,
};

/**
 * vfio_iommufd_emulated_bind - Let an emulated device use an iommufd
 * @vdev: the device, not bound
 * @ictx: the iommufd
 * @id: returns the ID of the device in @ictx
 *
 * Context: The device-set lock is held; &vfio_device_ops.bind_iommufd.
 * Return: 0; -ENOMEM.
 */
int vfio_iommufd_emulated_bind(struct vfio_device *vdev,
			       struct iommufd_ctx *ictx, u32 *id)
{
	struct iommufd_access *access;

	lockdep_assert_held(&vdev->dev_set->lock);

	access = iommufd_access_create(ictx, &emulated_access_ops, vdev, id);
	if (!IS_ERR(access))
		vdev->iommufd_access = access;
	return PTR_ERR_OR_ZERO(access);
}
EXPORT_SYMBOL_GPL(vfio_iommufd_emulated_bind);

/**
 * vfio_iommufd_emulated_unbind - End an emulated device's use of an iommufd
 * @vdev: a device, bound by vfio_iommufd_emulated_bind(), that pins no page
 *
 * Context: The device-set lock is held; &vfio_device_ops.unbind_iommufd.  Waits
 * for a dma_unmap callback that runs.
 */
void vfio_iommufd_emulated_unbind(struct vfio_device *vdev)
{
	vfio_attachment_set(vdev, 0, 0);
	iommufd_access_destroy(vdev->iommufd_access);
	vdev->iommufd_access = NULL;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_emulated_unbind);

/**
 * vfio_iommufd_emulated_attach_ioas - Attach an emulated device, or move it
 * @vdev: a bound device
 * @ioas: the ID of an IOAS; stays as it is
 *
 * On a move dma_unmap is called for each mapping in the former IOAS with pins.
 *
 * Context: The device-set lock is held; &vfio_device_ops.attach_ioas.
 * Return: 0; -EINVAL when the device is not bound; -ENOENT when the ID is not
 * that of an IOAS; -EADDRINUSE when the IOAS has mappings that are not page
 * aligned; -EBUSY when it is being detached.  After an error the device is
 * attached as before.
 */
int vfio_iommufd_emulated_attach_ioas(struct vfio_device *vdev, u32 *ioas)
{
	int (*attach)(struct iommufd_access *access, u32 ioas_id) =
		vfio_attachment_get(vdev) ? iommufd_access_replace :
					    iommufd_access_attach;
	int rc = -EINVAL;

	if (vdev->iommufd_access)
		rc = attach(vdev->iommufd_access, *ioas);
	if (!rc)
		vfio_attachment_set(vdev, *ioas, *ioas);
	return rc;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_emulated_attach_ioas);

/**
 * vfio_iommufd_emulated_detach_ioas - Detach an emulated device
 * @vdev: a device; nothing happens if it is not attached
 *
 * Context: The device-set lock is held; &vfio_device_ops.detach_ioas.
 */
void vfio_iommufd_emulated_detach_ioas(struct vfio_device *vdev)
{
	if (vfio_attachment_get(vdev)) {
		iommufd_access_detach(vdev->iommufd_access);
		vfio_attachment_set(vdev, 0, 0);
	}
}
EXPORT_SYMBOL_GPL(vfio_iommufd_emulated_detach_ioas);

/* Whole pages as iommufd counts them. */
struct emulated_span {
	unsigned long iova;
	unsigned long length;
};

/* false when there are none, or they lie beyond what an IOAS can address. */
static bool emulated_span_make(dma_addr_t iova, int npage,
			       struct emulated_span *span)
{
	if (npage <= 0 || iova > ULONG_MAX)
		return false;
	span->iova = ALIGN_DOWN((unsigned long)iova, PAGE_SIZE);
	return !check_mul_overflow((unsigned long)npage, PAGE_SIZE,
				   &span->length);
}

/**
 * vfio_pin_pages - Pin pages of the user's memory by IOVA
 * @vdev: an open emulated device whose driver has a dma_unmap callback
 * @iova: the first address; an offset into its page is ignored
 * @npage: how many pages, at most %VFIO_PIN_PAGES_MAX_ENTRIES
 * @prot: IOMMU_READ, and IOMMU_WRITE if the driver will write to the pages
 * @pages: returns the pages
 *
 * The pages stay pinned until vfio_unpin_pages() with the same range.
 *
 * Context: May sleep.  The caller may hold a lock that its dma_unmap takes.
 * Return: @npage; -EINVAL when the arguments make no sense, the driver has no
 * dma_unmap, the device is not open, or the range is being unmapped; -E2BIG
 * when @npage is too large; -ENOENT when something of the range is not mapped,
 * or the device is not attached; -EPERM when it is mapped read-only; -EFAULT
 * when the user's memory is gone; -ENOMEM.  After an error nothing is pinned.
 */
int vfio_pin_pages(struct vfio_device *vdev, dma_addr_t iova, int npage,
		   int prot, struct page **pages)
{
	struct emulated_span span;
	unsigned int flags = 0;
	int rc;

	if (!pages || !emulated_span_make(iova, npage, &span))
		return -EINVAL;
	if (npage > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -E2BIG;
	if (!vdev->iommufd_access || !vdev->ops->dma_unmap)
		return -EINVAL;

	if (prot & IOMMU_WRITE)
		flags = IOMMUFD_ACCESS_RW_WRITE;
	rc = iommufd_access_pin_pages(vdev->iommufd_access, span.iova,
				      span.length, pages, flags);
	return rc ? rc : npage;
}
EXPORT_SYMBOL_GPL(vfio_pin_pages);

/**
 * vfio_unpin_pages - Undo vfio_pin_pages()
 * @vdev: the device
 * @iova: the first address of a range that was pinned
 * @npage: the number of pages that was pinned with it
 *
 * Context: May sleep; from dma_unmap, or while the device is open.
 */
void vfio_unpin_pages(struct vfio_device *vdev, dma_addr_t iova, int npage)
{
	struct emulated_span span;

	if (WARN_ON_ONCE(!vdev->iommufd_access ||
			 !emulated_span_make(iova, npage, &span)))
		return;

	iommufd_access_unpin_pages(vdev->iommufd_access, span.iova, span.length);
}
EXPORT_SYMBOL_GPL(vfio_unpin_pages);

/**
 * vfio_dma_rw - Read or write the user's memory by IOVA
 * @vdev: an open emulated device
 * @iova: the first address, in bytes
 * @data: the driver's buffer
 * @len: how many bytes
 * @write: copy @data to @iova, instead of the other way round
 *
 * Context: May sleep; a task or a kernel thread.
 * Return: 0; -EINVAL when the arguments make no sense or the device is not
 * open; -ENOENT when something of the range is not mapped, or the device is
 * not attached; -EPERM when it is mapped without this permission; -EFAULT when
 * the user's memory is gone; -ENOMEM.  After an error a part may be copied.
 */
int vfio_dma_rw(struct vfio_device *vdev, dma_addr_t iova, void *data,
		size_t len, bool write)
{
	unsigned int how = write ? IOMMUFD_ACCESS_RW_WRITE :
				   IOMMUFD_ACCESS_RW_READ;

	if (!data || !len || iova > ULONG_MAX || !vdev->iommufd_access)
		return -EINVAL;

	/* A kernel thread has no address space of its own to come from. */
	if (!current->mm)
		how |= IOMMUFD_ACCESS_RW_KTHREAD;
	return iommufd_access_rw(vdev->iommufd_access, iova, data, len, how);
}
EXPORT_SYMBOL_GPL(vfio_dma_rw);
