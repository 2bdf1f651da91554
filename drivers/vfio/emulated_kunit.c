// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of how drivers of emulated devices reach the user's memory: on an IOAS of a
 * real iommufd, in which the case has mapped pages of its own.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>
#include <uapi/linux/iommufd.h>

#define NPAGES		8UL
#define BYTES		(NPAGES * PAGE_SIZE)

/* Where the case's memory is for the device: writable, then the same read-only. */
#define WRITABLE	0x100000000UL
#define READONLY	(WRITABLE + BYTES)
#define NOTHING		(READONLY + BYTES)

/**
 * struct emulated_test - state of a case
 * @vdev: the device, bound and attached
 * @ops: of its driver
 * @devtmpfs: where the file is found
 * @file: /dev/iommu
 * @ictx: of @file
 * @user: BYTES of user memory, and behind them a page for the calls' structures
 * @ioas: the ID of an IOAS
 * @pages: what the driver has pinned
 * @pinned: the first address that dma_unmap shall unpin, if @npinned
 * @npinned: how many pages
 * @lost: what dma_unmap was told
 * @lost_length: and how much of it
 * @nlosses: how often it was called
 * @detaches: another thread detaches the device while dma_unmap runs
 */
struct emulated_test {
	struct vfio_device *vdev;
	struct vfio_device_ops ops;
	struct vfsmount *devtmpfs;
	struct file *file;
	struct iommufd_ctx *ictx;
	unsigned long user;
	u32 ioas;
	struct page *pages[NPAGES];
	u64 pinned;
	int npinned;
	u64 lost;
	u64 lost_length;
	int nlosses;
	bool detaches;
};

/* What the driver's structure is here: the core's, with a way back to the case. */
struct emulated_device {
	struct vfio_device vdev;
	struct emulated_test *et;
};

struct thread_detach {
	struct work_struct work;
	struct iommufd_access *access;
};

static void detach_in_thread(struct work_struct *work)
{
	iommufd_access_detach(container_of(work, struct thread_detach, work)->access);
}

static void detach_by_a_thread(struct emulated_test *et)
{
	struct thread_detach detach = { .access = et->vdev->iommufd_access };

	INIT_WORK_ONSTACK(&detach.work, detach_in_thread);
	schedule_work(&detach.work);
	flush_work(&detach.work);
	destroy_work_on_stack(&detach.work);
}

static void lose_range(struct vfio_device *vdev, u64 iova, u64 length)
{
	struct emulated_test *et =
		container_of(vdev, struct emulated_device, vdev)->et;

	et->lost = iova;
	et->lost_length = length;
	et->nlosses++;
	if (et->detaches)
		detach_by_a_thread(et);
	if (et->npinned)
		vfio_unpin_pages(vdev, et->pinned, et->npinned);
	et->npinned = 0;
}

/* A call of /dev/iommu, whose structure comes back as the kernel left it. */
static int call(struct emulated_test *et, unsigned int nr, void *cmd, size_t size)
{
	void __user *there = (void __user *)(et->user + BYTES);
	int rc;

	if (copy_to_user(there, cmd, size))
		return -EDOM;
	rc = et->file->f_op->unlocked_ioctl(et->file, nr, (unsigned long)there);
	return copy_from_user(cmd, there, size) ? -EDOM : rc;
}

static int map(struct emulated_test *et, u64 iova, u32 flags)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags | IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = et->ioas,
		.user_va = et->user,
		.length = BYTES,
		.iova = iova,
	};

	return call(et, IOMMU_IOAS_MAP, &cmd, sizeof(cmd));
}

static int unmap(struct emulated_test *et, u64 iova, u64 length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = et->ioas,
		.iova = iova,
		.length = length,
	};

	return call(et, IOMMU_IOAS_UNMAP, &cmd, sizeof(cmd));
}

static int pin(struct emulated_test *et, u64 iova, int npages, int prot)
{
	return vfio_pin_pages(et->vdev, iova, npages, prot, et->pages);
}

/* Pinned pages are those behind the address, and what one side writes the other reads. */
static void pinned_pages(struct kunit *test)
{
	struct emulated_test *et = test->priv;
	u32 __user *third = (u32 __user *)(et->user + 2 * PAGE_SIZE);
	u32 word = 0x12345678;

	KUNIT_ASSERT_EQ(test, 3, pin(et, WRITABLE, 3, IOMMU_READ | IOMMU_WRITE));
	memcpy_to_page(et->pages[2], 0, (char *)&word, sizeof(word));
	word = 0;
	KUNIT_EXPECT_EQ(test, 0, get_user(word, third));
	KUNIT_EXPECT_EQ(test, 0x12345678, word);

	/* Once more by another address of the first page, as a range of its own. */
	KUNIT_ASSERT_EQ(test, 1, pin(et, READONLY + 2 * PAGE_SIZE + 5, 1, IOMMU_READ));
	memcpy_from_page((char *)&word, et->pages[0], 0, sizeof(word));
	KUNIT_EXPECT_EQ(test, 0x12345678, word);
	vfio_unpin_pages(et->vdev, READONLY + 2 * PAGE_SIZE + 5, 1);
	vfio_unpin_pages(et->vdev, WRITABLE, 3);
	KUNIT_EXPECT_EQ(test, 0, unmap(et, WRITABLE, BYTES));
	KUNIT_EXPECT_EQ(test, 0, unmap(et, READONLY, BYTES));
}

static void refused_pins(struct kunit *test)
{
	struct emulated_test *et = test->priv;

	KUNIT_EXPECT_EQ(test, -EINVAL, pin(et, WRITABLE, 0, IOMMU_READ));
	KUNIT_EXPECT_EQ(test, -EINVAL, pin(et, WRITABLE, -1, IOMMU_READ));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			vfio_pin_pages(et->vdev, WRITABLE, 1, IOMMU_READ, NULL));
	KUNIT_EXPECT_EQ(test, -E2BIG,
			pin(et, WRITABLE, VFIO_PIN_PAGES_MAX_ENTRIES + 1, IOMMU_READ));
	KUNIT_EXPECT_EQ(test, -EPERM, pin(et, READONLY, 1, IOMMU_WRITE));
	KUNIT_EXPECT_EQ(test, -ENOENT, pin(et, NOTHING - PAGE_SIZE, 2, IOMMU_READ));
	et->ops.dma_unmap = NULL;
	KUNIT_EXPECT_EQ(test, -EINVAL, pin(et, WRITABLE, 1, IOMMU_READ));
	et->ops.dma_unmap = lose_range;
	/* Nothing stayed pinned, or this would wait for it. */
	KUNIT_EXPECT_EQ(test, 0, unmap(et, 0, U64_MAX));
}

static void lost_pages(struct kunit *test)
{
	struct emulated_test *et = test->priv;

	et->pinned = WRITABLE + PAGE_SIZE;
	et->npinned = 2;
	KUNIT_ASSERT_EQ(test, 2, pin(et, et->pinned, 2, IOMMU_READ));
	KUNIT_EXPECT_EQ(test, 0, unmap(et, WRITABLE, BYTES));
	KUNIT_EXPECT_EQ(test, 0, et->npinned);
	KUNIT_EXPECT_EQ(test, WRITABLE, et->lost);
	KUNIT_EXPECT_EQ(test, BYTES, et->lost_length);
	KUNIT_EXPECT_EQ(test, -ENOENT, pin(et, WRITABLE, 1, IOMMU_READ));

	/* One that does not pin is asked nothing. */
	et->lost = 0;
	et->ops.dma_unmap = NULL;
	KUNIT_EXPECT_EQ(test, 0, unmap(et, READONLY, BYTES));
	KUNIT_EXPECT_EQ(test, 0, et->lost);
	et->ops.dma_unmap = lose_range;
}

static void read_and_written(struct kunit *test)
{
	struct emulated_test *et = test->priv;
	u64 across = WRITABLE + PAGE_SIZE - 3;
	char text[8] = "IOMMUFD", back[8] = {};

	KUNIT_EXPECT_EQ(test, 0, vfio_dma_rw(et->vdev, across, text, 8, true));
	KUNIT_EXPECT_EQ(test, 0, vfio_dma_rw(et->vdev, across + BYTES, back, 8, false));
	KUNIT_EXPECT_STREQ(test, text, back);
	memset(back, 0, sizeof(back));
	KUNIT_EXPECT_EQ(test, 0,
			copy_from_user(back, (void __user *)(et->user + PAGE_SIZE - 3), 8));
	KUNIT_EXPECT_STREQ(test, text, back);

	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_dma_rw(et->vdev, across, NULL, 8, false));
	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_dma_rw(et->vdev, across, back, 0, false));
	KUNIT_EXPECT_EQ(test, -EPERM, vfio_dma_rw(et->vdev, READONLY, back, 8, true));
	KUNIT_EXPECT_EQ(test, -ENOENT, vfio_dma_rw(et->vdev, NOTHING - 4, back, 8, false));
}

struct thread_rw {
	struct work_struct work;
	struct emulated_test *et;
	char text[8];
	int rc;
};

static void rw_in_thread(struct work_struct *work)
{
	struct thread_rw *rw = container_of(work, struct thread_rw, work);

	rw->rc = vfio_dma_rw(rw->et->vdev, WRITABLE + 1, rw->text, 8, true);
	memset(rw->text, 0, sizeof(rw->text));
	if (!rw->rc)
		rw->rc = vfio_dma_rw(rw->et->vdev, READONLY + 1, rw->text, 8, false);
}

/* A kernel thread has no address space and uses that of who mapped. */
static void by_a_thread(struct kunit *test)
{
	struct thread_rw rw = { .et = test->priv, .text = "threads" };

	INIT_WORK_ONSTACK(&rw.work, rw_in_thread);
	schedule_work(&rw.work);
	flush_work(&rw.work);
	destroy_work_on_stack(&rw.work);
	KUNIT_EXPECT_EQ(test, 0, rw.rc);
	KUNIT_EXPECT_STREQ(test, "threads", rw.text);
}

static int attach(struct emulated_test *et, u32 ioas)
{
	guard(mutex)(&et->vdev->dev_set->lock);
	return vfio_iommufd_emulated_attach_ioas(et->vdev, &ioas);
}

static void detach(struct emulated_test *et)
{
	guard(mutex)(&et->vdev->dev_set->lock);
	vfio_iommufd_emulated_detach_ioas(et->vdev);
}

static int alloc_ioas(struct emulated_test *et, u32 *ioas)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int rc = call(et, IOMMU_IOAS_ALLOC, &cmd, sizeof(cmd));

	*ioas = cmd.out_ioas_id;
	return rc;
}

/* A driver may look at each page of what it is told, which had better be few. */
static void told_of_mappings(struct kunit *test)
{
	struct emulated_test *et = test->priv;
	u32 other;

	KUNIT_ASSERT_EQ(test, 0, alloc_ioas(et, &other));
	KUNIT_EXPECT_EQ(test, 0, attach(et, other));
	KUNIT_EXPECT_EQ(test, 0, attach(et, et->ioas));
	KUNIT_EXPECT_EQ(test, 0, et->nlosses);

	et->pinned = READONLY + PAGE_SIZE;
	et->npinned = 2;
	KUNIT_ASSERT_EQ(test, 2, pin(et, et->pinned, 2, IOMMU_READ));
	KUNIT_EXPECT_EQ(test, 0, attach(et, other));
	KUNIT_EXPECT_EQ(test, 1, et->nlosses);
	KUNIT_EXPECT_EQ(test, READONLY, et->lost);
	KUNIT_EXPECT_EQ(test, BYTES, et->lost_length);
	KUNIT_EXPECT_EQ(test, 0, et->npinned);

	KUNIT_ASSERT_EQ(test, 0, attach(et, et->ioas));
	et->pinned = WRITABLE;
	et->npinned = 1;
	KUNIT_ASSERT_EQ(test, 1, pin(et, et->pinned, 1, IOMMU_READ));
	detach(et);
	KUNIT_EXPECT_EQ(test, 2, et->nlosses);
	KUNIT_EXPECT_EQ(test, WRITABLE, et->lost);
	KUNIT_EXPECT_EQ(test, BYTES, et->lost_length);
	/* Nothing stayed pinned, or it would be told again. */
	KUNIT_EXPECT_EQ(test, 0, unmap(et, 0, U64_MAX));
	KUNIT_EXPECT_EQ(test, 2, et->nlosses);
}

/* Every mapping with pins, and each once, also when the driver keeps them. */
static void told_of_each(struct kunit *test)
{
	struct emulated_test *et = test->priv;

	KUNIT_ASSERT_EQ(test, 1, pin(et, WRITABLE, 1, IOMMU_READ));
	KUNIT_ASSERT_EQ(test, 1, pin(et, READONLY, 1, IOMMU_READ));
	et->pinned = WRITABLE;
	et->npinned = 1;
	detach(et);
	KUNIT_EXPECT_EQ(test, 2, et->nlosses);
	KUNIT_EXPECT_EQ(test, READONLY, et->lost);
	KUNIT_ASSERT_EQ(test, 0, attach(et, et->ioas));
	vfio_unpin_pages(et->vdev, READONLY, 1);
}

/* VFIO's lock keeps detach and replace apart; the access does not need it. */
static void detached_in_replace(struct kunit *test)
{
	struct emulated_test *et = test->priv;
	u32 other;

	KUNIT_ASSERT_EQ(test, 0, alloc_ioas(et, &other));
	et->pinned = WRITABLE;
	et->npinned = 1;
	KUNIT_ASSERT_EQ(test, 1, pin(et, et->pinned, 1, IOMMU_READ));
	et->detaches = true;
	KUNIT_EXPECT_EQ(test, 0, iommufd_access_replace(et->vdev->iommufd_access, other));
	KUNIT_EXPECT_EQ(test, 1, et->nlosses);
	KUNIT_EXPECT_EQ(test, -ENOENT,
			iommufd_access_replace(et->vdev->iommufd_access, et->ioas));
	KUNIT_EXPECT_EQ(test, 0, iommufd_access_attach(et->vdev->iommufd_access, other));
}

static void detached(struct kunit *test)
{
	struct emulated_test *et = test->priv;
	char byte;

	detach(et);
	KUNIT_EXPECT_EQ(test, -ENOENT, pin(et, WRITABLE, 1, IOMMU_READ));
	KUNIT_EXPECT_EQ(test, -ENOENT, vfio_dma_rw(et->vdev, WRITABLE, &byte, 1, false));
	scoped_guard(mutex, &et->vdev->dev_set->lock) {
		vfio_iommufd_emulated_detach_ioas(et->vdev);
		vfio_iommufd_emulated_unbind(et->vdev);
	}
	KUNIT_EXPECT_EQ(test, -EINVAL, pin(et, WRITABLE, 1, IOMMU_READ));
	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_dma_rw(et->vdev, WRITABLE, &byte, 1, false));
	KUNIT_EXPECT_EQ(test, -EINVAL, attach(et, et->ioas));
}

/* No file system is mounted yet when the tests of a kernel without modules run. */
static void open_iommufd(struct kunit *test)
{
	struct emulated_test *et = test->priv;
	struct file_system_type *type = get_fs_type("devtmpfs");

	KUNIT_ASSERT_NOT_NULL(test, type);
	et->devtmpfs = kern_mount(type);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, et->devtmpfs);
	et->file = file_open_root_mnt(et->devtmpfs, "iommu", O_RDWR, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, et->file);
	et->ictx = iommufd_ctx_from_file(et->file);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, et->ictx);
}

static void fill_ioas(struct kunit *test)
{
	struct emulated_test *et = test->priv;

	et->user = kunit_vm_mmap(test, NULL, 0, BYTES + PAGE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, 0, et->user);
	KUNIT_ASSERT_LT(test, et->user, (unsigned long)TASK_SIZE);
	KUNIT_ASSERT_EQ(test, 0, alloc_ioas(et, &et->ioas));
	KUNIT_ASSERT_EQ(test, 0, map(et, WRITABLE, IOMMU_IOAS_MAP_WRITEABLE));
	KUNIT_ASSERT_EQ(test, 0, map(et, READONLY, 0));
}

static void bind_device(struct kunit *test)
{
	struct emulated_test *et = test->priv;
	struct device *dev = kunit_device_register(test, "vfio-emulated");
	struct emulated_device *emulated;
	u32 id;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	et->ops.dma_unmap = lose_range;
	emulated = vfio_alloc_device(emulated_device, vdev, dev, &et->ops);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, emulated);
	emulated->et = et;
	et->vdev = &emulated->vdev;
	KUNIT_ASSERT_EQ(test, 0, vfio_assign_device_set(et->vdev, et));
	guard(mutex)(&et->vdev->dev_set->lock);
	KUNIT_ASSERT_EQ(test, 0, vfio_iommufd_emulated_bind(et->vdev, et->ictx, &id));
	KUNIT_ASSERT_EQ(test, 0, vfio_iommufd_emulated_attach_ioas(et->vdev, &et->ioas));
}

static int emulated_test_init(struct kunit *test)
{
	struct emulated_test *et = kunit_kzalloc(test, sizeof(*et), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, et);
	test->priv = et;
	open_iommufd(test);
	fill_ioas(test);
	bind_device(test);
	return 0;
}

static void emulated_test_exit(struct kunit *test)
{
	struct emulated_test *et = test->priv;

	if (!et)
		return;
	if (et->vdev) {
		scoped_guard(mutex, &et->vdev->dev_set->lock)
			if (et->vdev->iommufd_access)
				vfio_iommufd_emulated_unbind(et->vdev);
		vfio_put_device(et->vdev);
	}
	if (!IS_ERR_OR_NULL(et->ictx))
		iommufd_ctx_put(et->ictx);
	if (!IS_ERR_OR_NULL(et->file))
		__fput_sync(et->file);
	if (!IS_ERR_OR_NULL(et->devtmpfs))
		kern_unmount(et->devtmpfs);
}

static struct kunit_case emulated_cases[] = {
	KUNIT_CASE(pinned_pages),
	KUNIT_CASE(refused_pins),
	KUNIT_CASE(lost_pages),
	KUNIT_CASE(read_and_written),
	KUNIT_CASE(by_a_thread),
	KUNIT_CASE(told_of_mappings),
	KUNIT_CASE(told_of_each),
	KUNIT_CASE(detached_in_replace),
	KUNIT_CASE(detached),
	{}
};

static struct kunit_suite emulated_suite = {
	.name = "vfio_emulated",
	.init = emulated_test_init,
	.exit = emulated_test_exit,
	.test_cases = emulated_cases,
};

kunit_test_suite(emulated_suite);

MODULE_IMPORT_NS("IOMMUFD");
