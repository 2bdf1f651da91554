// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * BARs by user address, on a file that maps like one of VFIO's: its pages come by faults,
 * are zapped when the "device" is switched off, and at the worst moment, too.
 *
 * The page frames are far from anything real and never touched.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/iommufd_device_memory.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>

#include "fakes_kunit.h"

#define BAR_PAGES 4UL
#define BAR_BYTES (BAR_PAGES * PAGE_SIZE)
#define BAR_PFN (512UL * SZ_1G >> PAGE_SHIFT)	/* behind FAKE_DEVICE_PFN */
#define SHOW_IOVA (16UL * SZ_1M)

/**
 * struct fake_bar - what the file maps
 * @test: the case
 * @file: the file
 * @va: its mapping in this process
 * @on: faults find something
 * @pfn: the first page
 * @scattered: the pages are not contiguous
 * @zap_at: the fault on this page zaps the one before it and switches the device off
 * @nfaults: how many there were
 * @fake: where the BAR is shown
 * @backing: what is tested
 */
struct fake_bar {
	struct kunit *test;
	struct file *file;
	unsigned long va;
	bool on;
	unsigned long pfn;
	bool scattered;
	unsigned long zap_at;
	unsigned int nfaults;
	struct fake_domain fake;
	struct iommufd_backing *backing;
};

static void zap(struct fake_bar *bar, unsigned long page, unsigned long npages)
{
	unmap_mapping_range(bar->file->f_mapping, page << PAGE_SHIFT,
			    npages << PAGE_SHIFT, true);
}

static vm_fault_t fake_fault(struct vm_fault *vmf)
{
	struct fake_bar *bar = vmf->vma->vm_private_data;
	unsigned long page = vmf->pgoff;
	bool last = bar->zap_at && page == bar->zap_at;

	bar->nfaults++;
	if (!bar->on)
		return VM_FAULT_SIGBUS;
	if (last) {
		bar->zap_at = 0;
		bar->on = false;
		zap(bar, page - 1, 1);
	}
	return vmf_insert_pfn(vmf->vma, vmf->address,
			      bar->pfn + (bar->scattered ? 2 * page : page));
}

static const struct vm_operations_struct fake_vm_ops = {
	.fault = fake_fault,
};

static int fake_mmap(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &fake_vm_ops;
	vma->vm_private_data = file->private_data;
	return 0;
}

static const struct file_operations fake_fops = {
	.mmap = fake_mmap,
};

static const struct file_operations *real_fops;

static int mmio_suite_init(struct kunit_suite *suite)
{
	real_fops = iommufd_device_memory_set_fops(&fake_fops);
	return 0;
}

static void mmio_suite_exit(struct kunit_suite *suite)
{
	iommufd_device_memory_set_fops(real_fops);
}

static void map_bar(struct fake_bar *bar, unsigned long prot)
{
	bar->va = vm_mmap(bar->file, 0, BAR_BYTES, prot, MAP_SHARED, 0);
	KUNIT_ASSERT_FALSE(bar->test, IS_ERR_VALUE(bar->va));
}

static void unmap_bar(struct fake_bar *bar)
{
	if (bar->va)
		KUNIT_EXPECT_EQ(bar->test, 0, vm_munmap(bar->va, BAR_BYTES));
	bar->va = 0;
}

static int mmio_init(struct kunit *test)
{
	struct fake_bar *bar = kunit_kzalloc(test, sizeof(*bar), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bar);
	test->priv = bar;
	bar->test = test;
	bar->on = true;
	bar->pfn = BAR_PFN;
	fake_domain_init(test, &bar->fake, SHOW_IOVA, BAR_PAGES, 0);
	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	bar->file = shmem_file_setup("bar", BAR_BYTES, EMPTY_VMA_FLAGS);
	KUNIT_ASSERT_FALSE(test, IS_ERR(bar->file));
	bar->file->f_op = &fake_fops;
	bar->file->private_data = bar;
	map_bar(bar, PROT_READ | PROT_WRITE);
	return 0;
}

static struct iommufd_revocable *rev_of(struct fake_bar *bar)
{
	return iommufd_revocable_of(bar->backing);
}

static bool is_gone(struct fake_bar *bar)
{
	guard(mutex)(&rev_of(bar)->lock);
	return rev_of(bar)->gone;
}

static void hide_bar(struct fake_bar *bar)
{
	iommufd_revocable_hide(rev_of(bar), &bar->fake.domain, SHOW_IOVA);
	iommufd_backing_put(bar->backing);
	bar->backing = NULL;
}

/* Far longer than any machine is busy; only a defect lets it pass. */
#define PATIENCE_MS 60000

/* The mm ends with the thread of the case, and the mapping with it, soon. */
static void mmio_exit(struct kunit *test)
{
	unsigned int left = PATIENCE_MS;
	struct fake_bar *bar = test->priv;

	if (bar->backing) {
		while (!is_gone(bar) && left--)
			usleep_range(1000, 2000);
		KUNIT_EXPECT_TRUE(test, is_gone(bar));
		hide_bar(bar);
	}
	fput(bar->file);
}

/* Make the backing and show it whole.  Only the case looks whether the BAR is back. */
static void show_bar(struct fake_bar *bar, bool writable)
{
	const struct iommufd_show_request rq = {
		.domain = &bar->fake.domain,
		.iova = SHOW_IOVA,
		.length = BAR_BYTES,
		.prot = IOMMU_READ,
	};

	bar->backing = iommufd_backing_mmio(bar->va, BAR_BYTES, writable);
	KUNIT_ASSERT_FALSE(bar->test, IS_ERR_OR_NULL(bar->backing));
	disable_delayed_work_sync(&rev_of(bar)->retry);
	KUNIT_ASSERT_EQ(bar->test, 0,
			iommufd_revocable_show(rev_of(bar), &rq, NULL));
}

static int find(struct fake_bar *bar)
{
	return iommufd_revocable_find(rev_of(bar), NULL);
}

static void expect_shown(struct fake_bar *bar)
{
	for (unsigned long i = 0; i < BAR_PAGES; i++)
		KUNIT_EXPECT_EQ(bar->test, bar->fake.table[i], BAR_PFN + i);
}

static void expect_hole(struct fake_bar *bar)
{
	KUNIT_EXPECT_TRUE(bar->test, fake_domain_is_empty(&bar->fake));
}

/* Taken out before the zap returns, back when VFIO says that something happened. */
static void goes_and_comes(struct kunit *test)
{
	struct fake_bar *bar = test->priv;

	show_bar(bar, true);
	expect_hole(bar);
	KUNIT_EXPECT_EQ(test, 0, find(bar));
	expect_shown(bar);

	bar->on = false;
	zap(bar, 0, BAR_PAGES);
	expect_hole(bar);
	KUNIT_EXPECT_EQ(test, -EFAULT, find(bar));
	iommufd_device_memory_recheck(bar->file->f_mapping);
	expect_hole(bar);

	bar->on = true;
	/* What happens to another device is no news. */
	iommufd_device_memory_recheck(NULL);
	bar->nfaults = 0;
	iommufd_device_memory_recheck(bar->file->f_mapping);
	expect_shown(bar);
	KUNIT_EXPECT_GE(test, bar->nfaults, BAR_PAGES);

	/* One page is as bad as all. */
	zap(bar, BAR_PAGES - 1, 1);
	expect_hole(bar);
}

/* Zapped between the look at it and the moment when it would be published. */
static void zapped_while_looking(struct kunit *test)
{
	struct fake_bar *bar = test->priv;

	show_bar(bar, true);
	bar->zap_at = BAR_PAGES - 1;
	KUNIT_EXPECT_EQ(test, -EFAULT, find(bar));
	KUNIT_EXPECT_EQ(test, bar->zap_at, 0);
	KUNIT_EXPECT_FALSE(test, rev_of(bar)->present);
	expect_hole(bar);
	bar->on = true;
	KUNIT_EXPECT_EQ(test, 0, find(bar));
	expect_shown(bar);
}

static void not_contiguous(struct kunit *test)
{
	struct fake_bar *bar = test->priv;

	bar->scattered = true;
	show_bar(bar, true);
	KUNIT_EXPECT_EQ(test, -EFAULT, find(bar));
	expect_hole(bar);
}

/* What was unmapped does not come back, whatever is mapped there. */
static void unmapped_is_gone(struct kunit *test)
{
	struct fake_bar *bar = test->priv;
	unsigned long va = bar->va;

	show_bar(bar, true);
	KUNIT_EXPECT_EQ(test, 0, find(bar));
	unmap_bar(bar);
	expect_hole(bar);
	KUNIT_EXPECT_TRUE(test, is_gone(bar));
	bar->va = vm_mmap(bar->file, va, BAR_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, bar->va, va);
	KUNIT_EXPECT_EQ(test, -EFAULT, find(bar));
	expect_hole(bar);
}

/* Devices have no more rights than the program's mapping. */
static void read_only(struct kunit *test)
{
	struct fake_bar *bar = test->priv;

	unmap_bar(bar);
	map_bar(bar, PROT_READ);
	/* The page table's entries are not there yet, and then they are. */
	for (int i = 0; i < 2; i++) {
		show_bar(bar, true);
		KUNIT_EXPECT_EQ(test, -EFAULT, find(bar));
		expect_hole(bar);
		hide_bar(bar);
		show_bar(bar, false);
		KUNIT_EXPECT_EQ(test, 0, find(bar));
		expect_shown(bar);
		hide_bar(bar);
	}
}

/* Only what maps like a VFIO device is taken for one. */
static void other_memory(struct kunit *test)
{
	struct fake_bar *bar = test->priv;
	unsigned long va;

	va = vm_mmap(NULL, 0, BAR_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(va));
	KUNIT_EXPECT_NULL(test, iommufd_backing_mmio(va, BAR_BYTES, false));
	vm_munmap(va, BAR_BYTES);
	KUNIT_EXPECT_NULL(test, iommufd_backing_mmio(va, BAR_BYTES, false));
	KUNIT_EXPECT_NULL(test, iommufd_backing_mmio(bar->va, -bar->va, false));
	iommufd_device_memory_set_fops(NULL);
	KUNIT_EXPECT_NULL(test, iommufd_backing_mmio(bar->va, BAR_BYTES, false));
	iommufd_device_memory_set_fops(&fake_fops);
}

/* Part of the range is the mapping of nothing. */
static void beyond_the_mapping(struct kunit *test)
{
	struct fake_bar *bar = test->priv;

	KUNIT_ASSERT_EQ(test, 0, vm_munmap(bar->va + PAGE_SIZE, BAR_BYTES - PAGE_SIZE));
	show_bar(bar, true);
	KUNIT_EXPECT_EQ(test, -EFAULT, find(bar));
	expect_hole(bar);
	/* Nobody has to look for it any more. */
	KUNIT_EXPECT_TRUE(test, is_gone(bar));
	KUNIT_EXPECT_FALSE(test, fake_is_waiting(rev_of(bar)));
}

/* RAM has owners who would not be told. */
static void ram(struct kunit *test)
{
	struct fake_bar *bar = test->priv;
	struct page *pages = alloc_pages(GFP_KERNEL, ilog2(BAR_PAGES));

	KUNIT_ASSERT_NOT_NULL(test, pages);
	bar->pfn = page_to_pfn(pages);
	if (page_is_ram(bar->pfn)) {
		show_bar(bar, true);
		KUNIT_EXPECT_EQ(test, -EFAULT, find(bar));
		expect_hole(bar);
	} else {
		kunit_mark_skipped(test, "this machine does not tell what is RAM");
	}
	unmap_bar(bar);
	__free_pages(pages, ilog2(BAR_PAGES));
}

static struct kunit_case mmio_cases[] = {
	KUNIT_CASE(goes_and_comes),
	KUNIT_CASE(zapped_while_looking),
	KUNIT_CASE(not_contiguous),
	KUNIT_CASE(unmapped_is_gone),
	KUNIT_CASE(read_only),
	KUNIT_CASE(other_memory),
	KUNIT_CASE(beyond_the_mapping),
	KUNIT_CASE(ram),
	{}
};

static struct kunit_suite mmio_suite = {
	.name = "iommufd_backing_mmio",
	.suite_init = mmio_suite_init,
	.suite_exit = mmio_suite_exit,
	.init = mmio_init,
	.exit = mmio_exit,
	.test_cases = mmio_cases,
};

kunit_test_suite(mmio_suite);
