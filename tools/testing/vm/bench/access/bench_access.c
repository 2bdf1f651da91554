// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A device without an IOMMU of its own, as mediated devices are, that pins and
 * writes memory when it is told to: the benchmark's way to see what
 * vfio_pin_pages() and vfio_dma_rw() cost.  It is built for every kernel that is
 * measured and uses nothing but what VFIO exports to drivers.
 *
 * One user at a time: the mutex is held through each request.
 */
#include <linux/cleanup.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/vmalloc.h>

#include "bench_access.h"

#define PAGES_MAX	(1ull << 20)

struct bench_access {
	struct vfio_device vdev;
	struct mutex lock;
	struct page **pages;		/* those that are pinned, by page of the range */
	dma_addr_t iova;		/* where the range begins */
	u64 pinned;
	u32 batch;
};

static struct platform_device *bench_device;

static struct bench_access *to_access(struct vfio_device *vdev)
{
	return container_of(vdev, struct bench_access, vdev);
}

static void access_unpin(struct bench_access *access)
{
	u64 at;

	for (at = 0; at < access->pinned; at += access->batch)
		vfio_unpin_pages(&access->vdev, access->iova + at * PAGE_SIZE,
				 min_t(u64, access->batch, access->pinned - at));
	access->pinned = 0;
	vfree(access->pages);
	access->pages = NULL;
}

static int access_pin(struct bench_access *access, const struct bench_access_request *request)
{
	int got = 0;

	if (access->pages)
		return -EBUSY;
	if (!request->batch || request->batch > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -EINVAL;
	access->pages = vcalloc(request->pages, sizeof(*access->pages));
	if (!access->pages)
		return -ENOMEM;
	access->iova = request->iova;
	access->batch = request->batch;
	while (access->pinned < request->pages) {
		int wanted = min_t(u64, access->batch, request->pages - access->pinned);

		got = vfio_pin_pages(&access->vdev,
				     access->iova + access->pinned * PAGE_SIZE, wanted,
				     IOMMU_READ | IOMMU_WRITE, access->pages + access->pinned);
		if (got != wanted)
			break;
		access->pinned += got;
	}
	if (access->pinned == request->pages)
		return 0;
	access_unpin(access);
	return got < 0 ? got : -EIO;
}

static int access_mark(struct bench_access *access, u64 value)
{
	u64 i;

	for (i = 0; i < access->pinned; i++)
		memcpy_to_page(access->pages[i], 0, (void *)&value, sizeof(value));
	return 0;
}

static int access_write(struct bench_access *access, const struct bench_access_request *request)
{
	u64 *page __free(kfree) = kmalloc(PAGE_SIZE, GFP_KERNEL);
	u64 i;
	int rc = 0;

	if (!page)
		return -ENOMEM;
	memset64(page, request->value, PAGE_SIZE / sizeof(u64));
	for (i = 0; i < request->pages && !rc; i++)
		rc = vfio_dma_rw(&access->vdev, request->iova + i * PAGE_SIZE, page, PAGE_SIZE,
				 true);
	return rc;
}

static int access_run(struct bench_access *access, const struct bench_access_request *request)
{
	if (request->pages > PAGES_MAX)
		return -EINVAL;
	switch (request->op) {
	case BENCH_ACCESS_PIN:
		return access_pin(access, request);
	case BENCH_ACCESS_MARK:
		return access_mark(access, request->value);
	case BENCH_ACCESS_UNPIN:
		access_unpin(access);
		return 0;
	case BENCH_ACCESS_WRITE:
		return access_write(access, request);
	default:
		return -EINVAL;
	}
}

static ssize_t bench_access_write(struct vfio_device *vdev, const char __user *buf, size_t count,
				  loff_t *ppos)
{
	struct bench_access *access = to_access(vdev);
	struct bench_access_request request;
	int rc;

	if (count != sizeof(request))
		return -EINVAL;
	if (copy_from_user(&request, buf, sizeof(request)))
		return -EFAULT;
	guard(mutex)(&access->lock);
	rc = access_run(access, &request);
	return rc ? rc : count;
}

/* A range is going away: what is pinned of it must go first. */
static void bench_access_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	struct bench_access *access = to_access(vdev);

	guard(mutex)(&access->lock);
	access_unpin(access);
}

static void bench_access_close(struct vfio_device *vdev)
{
	bench_access_dma_unmap(vdev, 0, 0);
}

static int bench_access_init_dev(struct vfio_device *vdev)
{
	mutex_init(&to_access(vdev)->lock);
	return 0;
}

static const struct vfio_device_ops bench_access_ops = {
	.name = "bench-access",
	.init = bench_access_init_dev,
	.write = bench_access_write,
	.dma_unmap = bench_access_dma_unmap,
	.close_device = bench_access_close,
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
};

static int bench_access_probe(struct platform_device *pdev)
{
	struct bench_access *access;
	int rc;

	access = vfio_alloc_device(bench_access, vdev, &pdev->dev, &bench_access_ops);
	if (IS_ERR(access))
		return PTR_ERR(access);
	rc = vfio_register_emulated_iommu_dev(&access->vdev);
	if (rc)
		vfio_put_device(&access->vdev);
	else
		platform_set_drvdata(pdev, access);
	return rc;
}

static void bench_access_remove(struct platform_device *pdev)
{
	struct bench_access *access = platform_get_drvdata(pdev);

	vfio_unregister_group_dev(&access->vdev);
	vfio_put_device(&access->vdev);
}

static struct platform_driver bench_access_driver = {
	.probe = bench_access_probe,
	.remove = bench_access_remove,
	.driver = { .name = BENCH_ACCESS_DEVICE },
};

static int __init bench_access_init(void)
{
	int rc = platform_driver_register(&bench_access_driver);

	if (rc)
		return rc;
	bench_device = platform_device_register_simple(BENCH_ACCESS_DEVICE, PLATFORM_DEVID_NONE,
						       NULL, 0);
	if (!IS_ERR(bench_device))
		return 0;
	platform_driver_unregister(&bench_access_driver);
	return PTR_ERR(bench_device);
}

static void __exit bench_access_exit(void)
{
	platform_device_unregister(bench_device);
	platform_driver_unregister(&bench_access_driver);
}

module_init(bench_access_init);
module_exit(bench_access_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A device that pins and writes memory for a benchmark");
