// SPDX-License-Identifier: GPL-2.0-only
/*
 * Emulated devices: no DMA of their own, the driver touches the user's memory.
 *
 * A mediated device has no place behind an IOMMU.  It is bound as an access:
 * an in-kernel user of an IOAS, through which its driver pins pages and reads
 * and writes memory by IOVA.  What a driver pinned it must unpin when its
 * dma_unmap callback names the range, and before its device closes.
 *
 * The device-set lock protects a device's iommufd_access and iommufd_pt.  The
 * functions that drivers call while their device is open take no lock here: the
 * access is made before open_device and goes after close_device.  dma_unmap is
 * called without the device-set lock.  Calls iommufd.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/align.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/vfio.h>

static void vfio_emulated_unmap(void *data, unsigned long iova,
				unsigned long length)
{
	struct vfio_device *vdev = data;

	if (vdev->ops->dma_unmap)
		vdev->ops->dma_unmap(vdev, iova, length);
}

/*
 * A driver without dma_unmap never pins, but its IOAS shall tell the same
 * alignment to users as with any other.
 */
static const struct iommufd_access_ops vfio_emulated_access_ops = {
	.needs_pin_pages = 1,
	.unmap = vfio_emulated_unmap,
};

/**
 * vfio_iommufd_emulated_bind - Let an emulated device use an iommufd
 * @vdev: the device, not bound
 * @ictx: the iommufd
 * @out_device_id: returns the ID of the device in @ictx
 *
 * Context: The device-set lock is held; &vfio_device_ops.bind_iommufd.
 * Return: 0; -ENOMEM.
 */
int vfio_iommufd_emulated_bind(struct vfio_device *vdev,
			       struct iommufd_ctx *ictx, u32 *out_device_id)
{
	struct iommufd_access *access;

	lockdep_assert_held(&vdev->dev_set->lock);

	access = iommufd_access_create(ictx, &vfio_emulated_access_ops, vdev,
				       out_device_id);
	if (IS_ERR(access))
		return PTR_ERR(access);
	vdev->iommufd_access = access;
	return 0;
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
	lockdep_assert_held(&vdev->dev_set->lock);

	iommufd_access_destroy(vdev->iommufd_access);
	vdev->iommufd_access = NULL;
	vdev->iommufd_pt = 0;
	vdev->iommufd_pt_out = 0;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_emulated_unbind);

/**
 * vfio_iommufd_emulated_attach_ioas - Attach an emulated device, or move it
 * @vdev: a bound device
 * @pt_id: the ID of an IOAS; stays as it is
 *
 * On a move dma_unmap is called for everything in the former IOAS.
 *
 * Context: The device-set lock is held; &vfio_device_ops.attach_ioas.
 * Return: 0; -EINVAL when the device is not bound; -ENOENT when the ID is not
 * that of an IOAS; -EADDRINUSE when the IOAS has mappings that are not page
 * aligned; -EBUSY when it is being detached.  After an error the device is
 * attached as before.
 */
int vfio_iommufd_emulated_attach_ioas(struct vfio_device *vdev, u32 *pt_id)
{
	struct iommufd_access *access = vdev->iommufd_access;
	int rc;

	lockdep_assert_held(&vdev->dev_set->lock);

	if (!access)
		return -EINVAL;

	if (vdev->iommufd_pt)
		rc = iommufd_access_replace(access, *pt_id);
	else
		rc = iommufd_access_attach(access, *pt_id);
	if (rc)
		return rc;

	vdev->iommufd_pt = *pt_id;
	vdev->iommufd_pt_out = *pt_id;
	return 0;
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
	lockdep_assert_held(&vdev->dev_set->lock);

	if (!vdev->iommufd_access || !vdev->iommufd_pt)
		return;

	iommufd_access_detach(vdev->iommufd_access);
	vdev->iommufd_pt = 0;
	vdev->iommufd_pt_out = 0;
}
EXPORT_SYMBOL_GPL(vfio_iommufd_emulated_detach_ioas);

/**
 * vfio_pin_pages - Pin pages of the user's memory by IOVA
 * @device: an open emulated device whose driver has a dma_unmap callback
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
int vfio_pin_pages(struct vfio_device *device, dma_addr_t iova,
		   int npage, int prot, struct page **pages)
{
	const unsigned int flags =
		prot & IOMMU_WRITE ? IOMMUFD_ACCESS_RW_WRITE : 0;
	int rc;

	if (!pages || npage <= 0 || iova > ULONG_MAX)
		return -EINVAL;
	if (npage > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -E2BIG;
	if (!device->iommufd_access || !device->ops->dma_unmap)
		return -EINVAL;

	rc = iommufd_access_pin_pages(device->iommufd_access,
				      ALIGN_DOWN(iova, PAGE_SIZE),
				      (unsigned long)npage * PAGE_SIZE, pages,
				      flags);
	return rc ? rc : npage;
}
EXPORT_SYMBOL_GPL(vfio_pin_pages);

/**
 * vfio_unpin_pages - Undo vfio_pin_pages()
 * @device: the device
 * @iova: the first address of a range that was pinned
 * @npage: the number of pages that was pinned with it
 *
 * Context: May sleep; from dma_unmap, or while the device is open.
 */
void vfio_unpin_pages(struct vfio_device *device, dma_addr_t iova, int npage)
{
	if (WARN_ON_ONCE(npage <= 0 || iova > ULONG_MAX ||
			 !device->iommufd_access))
		return;

	iommufd_access_unpin_pages(device->iommufd_access,
				   ALIGN_DOWN(iova, PAGE_SIZE),
				   (unsigned long)npage * PAGE_SIZE);
}
EXPORT_SYMBOL_GPL(vfio_unpin_pages);

/**
 * vfio_dma_rw - Read or write the user's memory by IOVA
 * @device: an open emulated device
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
int vfio_dma_rw(struct vfio_device *device, dma_addr_t iova,
		void *data, size_t len, bool write)
{
	unsigned int flags = write ? IOMMUFD_ACCESS_RW_WRITE :
				     IOMMUFD_ACCESS_RW_READ;

	if (!data || !len || iova > ULONG_MAX || !device->iommufd_access)
		return -EINVAL;

	if (!current->mm)
		flags |= IOMMUFD_ACCESS_RW_KTHREAD;
	return iommufd_access_rw(device->iommufd_access, iova, data, len, flags);
}
EXPORT_SYMBOL_GPL(vfio_dma_rw);
