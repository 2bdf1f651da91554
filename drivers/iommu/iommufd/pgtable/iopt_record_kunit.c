// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The record of writes against a naive model: areas that may be written or not, two
 * domains of which one has dirty bits only at times, device writes, pins and copies of an
 * access, in any order, and reads and unmaps that report.  Each report has exactly the bits
 * that the model says.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/iova_bitmap.h>
#include <linux/uaccess.h>

#include "bench_kunit.h"
#include "iopt_dirty.h"
#include "iopt_record.h"

#define SPACE_BASE (4096 * PAGE_SIZE)
#define SPACE_PAGES 192
#define NDOMAINS 2
#define MAX_PINS 8
#define STEPS 3000

#define FAKE_PFN(page) (0x100000UL + (page))

/**
 * struct record_domain - a fake domain
 * @domain: for the core
 * @entry: in the table
 * @dirty: by page: its dirty bit; mapped or not
 * @tracking: set by the table
 * @broken: cannot be switched on
 * @added: in the table
 */
struct record_domain {
	struct iommu_domain domain;
	struct iopt_domain entry;
	bool dirty[SPACE_PAGES];
	bool tracking;
	bool broken;
	bool added;
};

/**
 * struct model_page - what the model knows of a page
 * @mapped: an area is here
 * @begins: it begins here
 * @writable: it may be written
 * @noted: unpinned or copied to since the last report
 * @pins: of the access
 */
struct model_page {
	bool mapped;
	bool begins;
	bool writable;
	bool noted;
	unsigned int pins;
};

/* A range that the access has pinned. */
struct record_pin {
	unsigned int first;
	unsigned int npages;
};

struct record_test {
	struct kunit *test;
	struct iopt_bench bench;
	struct iommufd_backing *backing;
	struct record_domain domains[NDOMAINS];
	struct model_page model[SPACE_PAGES];
	struct record_pin pins[MAX_PINS];
	bool recording;
	/* every domain that was there when the record began, or came since, tells */
	bool tells[NDOMAINS];
	unsigned long user;
};

static struct record_domain *fake_of(struct iommu_domain *domain)
{
	return container_of(domain, struct record_domain, domain);
}

static unsigned int pick(struct record_test *rt, unsigned int below)
{
	return iopt_bench_pick(&rt->bench, below);
}

static unsigned int slot_of(unsigned long iova)
{
	return (iova - SPACE_BASE) >> PAGE_SHIFT;
}

static unsigned long iova_of(unsigned int slot)
{
	return SPACE_BASE + slot * PAGE_SIZE;
}

static int fake_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	*mapped = pgsize * pgcount;
	return 0;
}

static size_t fake_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	for (size_t i = 0; i < pgcount; i++)
		fake_of(domain)->dirty[slot_of(iova) + i] = false;
	return pgsize * pgcount;
}

static int fake_read_and_clear_dirty(struct iommu_domain *domain,
				     unsigned long iova, size_t size,
				     unsigned long flags,
				     struct iommu_dirty_bitmap *dirty)
{
	struct record_domain *fake = fake_of(domain);

	for (unsigned long end = iova + size; iova < end; iova += PAGE_SIZE) {
		bool *bit = &fake->dirty[slot_of(iova)];

		if (!*bit)
			continue;
		iommu_dirty_bitmap_record(dirty, iova, PAGE_SIZE);
		*bit = flags & IOMMU_DIRTY_NO_CLEAR;
	}
	return 0;
}

static int fake_set_dirty_tracking(struct iommu_domain *domain, bool enabled)
{
	struct record_domain *fake = fake_of(domain);

	if (enabled && fake->broken)
		return -EIO;
	fake->tracking = enabled;
	return 0;
}

static const struct iommu_domain_ops fake_domain_ops = {
	.map_pages = fake_map_pages,
	.unmap_pages = fake_unmap_pages,
};

static const struct iommu_dirty_ops fake_dirty_ops = {
	.read_and_clear_dirty = fake_read_and_clear_dirty,
	.set_dirty_tracking = fake_set_dirty_tracking,
};

static int fake_pin(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	return pfn_runs_append(runs, FAKE_PFN(first), npages, GFP_KERNEL);
}

static void fake_unpin(struct iommufd_backing *backing, struct pfn_runs *runs,
		       bool dirty)
{
	pfn_runs_clear(runs);
}

static bool fake_copy(struct iommufd_backing *backing, unsigned long offset,
		      void *data, unsigned long length, unsigned int flags)
{
	return true;
}

static const struct iommufd_backing_ops fake_backing_ops = {
	.name = "fake",
	.pin = fake_pin,
	.unpin = fake_unpin,
	.copy = fake_copy,
};

static void record_test_init(struct kunit *test, struct record_test *rt, u64 seed)
{
	rt->test = test;
	iopt_bench_init(test, &rt->bench, seed);
	rt->backing = iopt_bench_backing(&rt->bench, &fake_backing_ops, SPACE_PAGES);
	for (int d = 0; d < NDOMAINS; d++) {
		struct record_domain *fake = &rt->domains[d];

		fake->domain.type = IOMMU_DOMAIN_UNMANAGED;
		fake->domain.ops = &fake_domain_ops;
		fake->domain.pgsize_bitmap = PAGE_SIZE;
		fake->entry.domain = &fake->domain;
	}
	rt->user = iopt_bench_user(test, PAGE_SIZE);
}

static void record_test_exit(struct record_test *rt)
{
	for (int i = 0; i < MAX_PINS; i++)
		if (rt->pins[i].npages)
			iopt_bench_unpin(&rt->bench, iova_of(rt->pins[i].first),
					 rt->pins[i].npages * PAGE_SIZE);
	for (int d = 0; d < NDOMAINS; d++)
		if (rt->domains[d].added)
			iopt_remove_domain(&rt->bench.iopt, &rt->domains[d].entry);
	iopt_bench_unmap(&rt->bench);
	iommufd_backing_put(rt->backing);
	iopt_bench_exit(&rt->bench);
}

/* Page n of the space shows page n of the backing, so that no two areas share one. */
static void step_map(struct record_test *rt)
{
	unsigned int npages = 1 + pick(rt, 12);
	unsigned int at = pick(rt, SPACE_PAGES - npages);
	bool writable = pick(rt, 4);
	struct iopt_slice slice = {
		.backing = rt->backing,
		.offset = at * PAGE_SIZE,
		.length = npages * PAGE_SIZE,
	};
	LIST_HEAD(slices);
	struct iopt_map_request rq = {
		.slices = &slices,
		.length = slice.length,
		.iova = iova_of(at),
		.prot = IOMMU_READ | (writable ? IOMMU_WRITE : 0),
		.fixed = true,
	};

	list_add(&slice.item, &slices);
	if (iopt_map(&rt->bench.iopt, &rq))
		return;
	for (unsigned int i = at; i < at + npages; i++)
		rt->model[i] = (struct model_page){
			.mapped = true,
			.begins = i == at,
			.writable = writable,
		};
}

static void step_pin(struct record_test *rt)
{
	struct record_pin *pin = &rt->pins[pick(rt, MAX_PINS)];
	struct page *pages[4];

	if (!pin->npages) {
		pin->first = pick(rt, SPACE_PAGES - ARRAY_SIZE(pages));
		pin->npages = 1 + pick(rt, ARRAY_SIZE(pages));
		if (iopt_bench_pin(&rt->bench, iova_of(pin->first),
				   pin->npages * PAGE_SIZE, pages, true)) {
			/* What was pinned before the failure counts, too. */
			for (unsigned int i = 0; i < pin->npages; i++) {
				struct model_page *page = &rt->model[pin->first + i];

				if (!page->mapped || !page->writable)
					break;
				/* By areas, of which the last one may have failed. */
				page->noted |= rt->recording;
			}
			pin->npages = 0;
			return;
		}
		for (unsigned int i = 0; i < pin->npages; i++)
			rt->model[pin->first + i].pins++;
		return;
	}
	iopt_bench_unpin(&rt->bench, iova_of(pin->first), pin->npages * PAGE_SIZE);
	for (unsigned int i = 0; i < pin->npages; i++) {
		rt->model[pin->first + i].pins--;
		rt->model[pin->first + i].noted |= rt->recording;
	}
	pin->npages = 0;
}

static void step_copy(struct record_test *rt)
{
	unsigned int at = pick(rt, SPACE_PAGES);
	bool write = pick(rt, 2);
	u8 byte = 0;
	int rc;

	rc = iopt_bench_rw(&rt->bench, iova_of(at) + pick(rt, PAGE_SIZE), &byte, 1,
			   write ? IOMMUFD_ACCESS_RW_WRITE : 0);
	if (!rc && write)
		rt->model[at].noted |= rt->recording;
}

static void step_device(struct record_test *rt)
{
	struct record_domain *fake = &rt->domains[pick(rt, NDOMAINS)];
	unsigned int at = pick(rt, SPACE_PAGES);

	if (fake->added && fake->tracking && rt->model[at].writable)
		fake->dirty[at] = true;
}

static void step_domain(struct record_test *rt)
{
	int d = pick(rt, NDOMAINS);
	struct record_domain *fake = &rt->domains[d];

	if (pick(rt, 6))
		return;
	if (fake->added) {
		iopt_remove_domain(&rt->bench.iopt, &fake->entry);
		fake->added = false;
		memset(fake->dirty, 0, sizeof(fake->dirty));
		for (unsigned int i = 0; i < SPACE_PAGES; i++)
			rt->model[i].noted |= rt->recording && rt->model[i].writable;
		return;
	}
	fake->domain.dirty_ops = pick(rt, 4) ? &fake_dirty_ops : NULL;
	fake->broken = !pick(rt, 6);
	fake->tracking = false;
	KUNIT_ASSERT_EQ(rt->test, 0, iopt_add_domain(&rt->bench.iopt, &fake->entry));
	fake->added = true;
	rt->tells[d] = fake->domain.dirty_ops && !fake->broken;
	KUNIT_EXPECT_EQ(rt->test, fake->tracking, rt->recording && rt->tells[d]);
}

static void step_switch(struct record_test *rt)
{
	if (pick(rt, 4))
		return;
	if (rt->recording && pick(rt, 2)) {
		/* Once more changes nothing. */
		KUNIT_ASSERT_EQ(rt->test, 0, iopt_record_start(&rt->bench.iopt));
		return;
	}
	if (rt->recording)
		iopt_record_stop(&rt->bench.iopt);
	else
		KUNIT_ASSERT_EQ(rt->test, 0, iopt_record_start(&rt->bench.iopt));
	rt->recording = !rt->recording;
	for (unsigned int i = 0; i < SPACE_PAGES; i++)
		rt->model[i].noted = false;
	for (int d = 0; d < NDOMAINS; d++) {
		struct record_domain *fake = &rt->domains[d];

		if (!fake->added)
			continue;
		KUNIT_EXPECT_EQ(rt->test, fake->tracking,
				rt->recording && rt->tells[d]);
		memset(fake->dirty, 0, sizeof(fake->dirty));
	}
}

static bool model_exact(struct record_test *rt)
{
	for (int d = 0; d < NDOMAINS; d++)
		if (rt->domains[d].added && !rt->tells[d])
			return false;
	return true;
}

static bool model_written(struct record_test *rt, unsigned int at)
{
	const struct model_page *page = &rt->model[at];

	if (!page->mapped || !page->writable)
		return false;
	if (!model_exact(rt) || page->pins || page->noted)
		return true;
	for (int d = 0; d < NDOMAINS; d++)
		if (rt->domains[d].added && rt->domains[d].dirty[at])
			return true;
	return false;
}

static bool model_cut(struct record_test *rt, unsigned int first, unsigned int end)
{
	if (rt->model[first].mapped && !rt->model[first].begins)
		return true;
	return end < SPACE_PAGES && rt->model[end].mapped && !rt->model[end].begins;
}

/**
 * struct record_call - a call that reports
 * @first: first page of its range
 * @end: behind the last
 * @rq: the range
 * @want: what the model says
 */
struct record_call {
	unsigned int first;
	unsigned int end;
	struct iopt_dirty_request rq;
	DECLARE_BITMAP(want, SPACE_PAGES);
};

static void call_prepare(struct record_test *rt, struct record_call *call)
{
	call->first = pick(rt, 2) ? pick(rt, SPACE_PAGES) : 0;
	call->end = pick(rt, 2) ? call->first + 1 + pick(rt, SPACE_PAGES - call->first) :
				  SPACE_PAGES;
	call->rq.span.first = iova_of(call->first);
	call->rq.span.last = iova_of(call->end) - 1;
	call->rq.page_size = PAGE_SIZE;
	call->rq.data = (u64 __user *)rt->user;
	bitmap_zero(call->want, SPACE_PAGES);
	for (unsigned int i = call->first; i < call->end; i++)
		if (model_written(rt, i))
			__set_bit(i - call->first, call->want);
	KUNIT_ASSERT_EQ(rt->test, 0, clear_user((void __user *)rt->user, PAGE_SIZE));
}

static void call_check(struct record_test *rt, const struct record_call *call)
{
	DECLARE_BITMAP(got, SPACE_PAGES) = {};

	KUNIT_ASSERT_EQ(rt->test, 0,
			copy_from_user(got, (void __user *)rt->user, sizeof(got)));
	KUNIT_EXPECT_TRUE(rt->test, bitmap_equal(got, call->want, SPACE_PAGES));
}

static void step_read(struct record_test *rt)
{
	struct record_call call = {};
	int rc;

	call_prepare(rt, &call);
	call.rq.keep = !pick(rt, 4);
	rc = iopt_record_read(&rt->bench.iopt, &call.rq);
	if (!rt->recording || model_cut(rt, call.first, call.end)) {
		KUNIT_EXPECT_EQ(rt->test, rc, -EINVAL);
		return;
	}
	KUNIT_ASSERT_EQ(rt->test, rc, 0);
	call_check(rt, &call);
	if (call.rq.keep || !model_exact(rt))
		return;
	for (unsigned int i = call.first; i < call.end; i++)
		rt->model[i].noted = false;
}

static void model_unmap(struct record_test *rt, const struct record_call *call,
			unsigned long bytes)
{
	for (unsigned int i = call->first; i < call->end; i++) {
		bytes -= rt->model[i].mapped ? PAGE_SIZE : 0;
		rt->model[i] = (struct model_page){};
	}
	KUNIT_EXPECT_EQ(rt->test, bytes, 0);
}

/* A range without pins, which is reported when it goes, or stays if it cannot be. */
static void step_unmap(struct record_test *rt)
{
	struct record_call call = {};
	bool fault = !pick(rt, 3);
	unsigned long bytes;
	bool any = false;
	int rc;

	call_prepare(rt, &call);
	call.end = min(call.end, call.first + 30);
	call.rq.span.last = iova_of(call.end) - 1;
	bitmap_clear(call.want, call.end - call.first,
		     SPACE_PAGES - (call.end - call.first));
	for (unsigned int i = call.first; i < call.end; i++) {
		if (rt->model[i].pins)
			return;
		any |= rt->model[i].mapped;
	}
	if (fault)
		call.rq.data = (u64 __user *)(rt->user + PAGE_SIZE);
	rc = iopt_unmap_written(&rt->bench.iopt, &call.rq, &bytes);
	if (!rt->recording) {
		KUNIT_EXPECT_EQ(rt->test, rc, -EINVAL);
	} else if (model_cut(rt, call.first, call.end)) {
		KUNIT_EXPECT_EQ(rt->test, rc, -ENOENT);
	} else if (fault && any) {
		KUNIT_EXPECT_EQ(rt->test, rc, -EFAULT);
	} else {
		KUNIT_ASSERT_EQ(rt->test, rc, 0);
		if (!fault)
			call_check(rt, &call);
		model_unmap(rt, &call, bytes);
	}
}

static void random_steps(struct kunit *test)
{
	static void (*const steps[])(struct record_test *rt) = {
		step_map, step_map, step_pin, step_pin, step_copy, step_device,
		step_device, step_domain, step_switch, step_read, step_unmap,
	};

	for (u64 seed = 1; seed <= 8; seed++) {
		struct record_test *rt = kunit_kzalloc(test, sizeof(*rt), GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, rt);
		record_test_init(test, rt, seed);
		for (int i = 0; i < STEPS; i++)
			steps[pick(rt, ARRAY_SIZE(steps))](rt);
		record_test_exit(rt);
	}
}

static int record_suite_init(struct kunit *test)
{
	return kunit_attach_mm();
}

static struct kunit_case record_cases[] = {
	KUNIT_CASE_SLOW(random_steps),
	{}
};

static struct kunit_suite record_suite = {
	.name = "iommufd_iopt_record",
	.init = record_suite_init,
	.test_cases = record_cases,
};

kunit_test_suite(record_suite);
