// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Dirty tracking by a fake IOMMU against a naive model: random maps and unmaps with pages
 * of several sizes, random writes of a device, also while a call reads, random ranges and
 * units, holes, bitmaps that are not there, and drivers that give up.
 *
 * The model knows for each CPU page whether the device wrote it since it was last told.
 * What has to hold after every call, whatever it returned:
 *
 * - a write whose dirty bit is gone stands in the bitmap of a call (none is lost);
 * - after success every page of the range that was dirty before has its bit;
 * - a bit is set only for a page that was dirty;
 * - after success the pages that lie in the range are clean, unless they were to be kept
 *   or written meanwhile;
 * - what was cleared has been flushed, and at most once;
 * - the driver was only asked for whole pages that it has.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "bench_kunit.h"
#include "iopt_dirty.h"

#define SPACE_BASE (4096 * PAGE_SIZE)
#define SPACE_PAGES 8192
#define SPACE_SIZE (SPACE_PAGES * PAGE_SIZE)
#define BACKING_PAGES 4608
/* The largest one is cut by the windows of a bitmap with a bit for each byte. */
#define PAGE_SIZES (PAGE_SIZE | 16 * PAGE_SIZE | 512 * PAGE_SIZE | 4096 * PAGE_SIZE)
#define STEPS 400

/* Aligned to the largest page, far from anything real, never dereferenced. */
#define FAKE_PFN(page) (0x100000UL + (page))

/* A bitmap of one bit a byte, and a page in front of which it may end. */
#define USER_BYTES (SPACE_SIZE / BITS_PER_BYTE)

/**
 * struct fake_slot - a CPU page of the space
 * @size: bytes of the IOMMU page that covers it, 0 for none
 * @dirty: the IOMMU page's bit, kept in the first of its slots
 * @written: the device wrote it, and its bit has not been cleared since
 * @owed: its bit was cleared in this call: has to stand in the bitmap
 * @was_dirty: its IOMMU page has been dirty at some time of this call
 * @raced: its IOMMU page was written during this call
 */
struct fake_slot {
	unsigned long size;
	bool dirty;
	bool written;
	bool owed;
	bool was_dirty;
	bool raced;
};

struct dirty_test {
	struct kunit *test;
	struct iopt_bench bench;
	struct iommufd_backing *backing;
	/* pages where the fake memory is not contiguous */
	DECLARE_BITMAP(torn, BACKING_PAGES);
	struct iommu_domain domain;
	struct iopt_domain entry;
	struct fake_slot *slots;
	bool tracking;
	bool race;
	int fail_after;
	unsigned long cleared_first;
	unsigned long cleared_last;
	unsigned int flushes;
	unsigned long user;
	unsigned long *bits;
};

static struct dirty_test *test_of(struct iommu_domain *domain)
{
	return container_of(domain, struct dirty_test, domain);
}

static unsigned long pick(struct dirty_test *dt, unsigned long below)
{
	return iopt_bench_pick(&dt->bench, below);
}

static unsigned long slot_of(unsigned long iova)
{
	return (iova - SPACE_BASE) >> PAGE_SHIFT;
}

static unsigned long iova_of(unsigned long slot)
{
	return SPACE_BASE + (slot << PAGE_SHIFT);
}

/* The first slot of the IOMMU page that covers @slot. */
static unsigned long head_of(struct dirty_test *dt, unsigned long slot)
{
	return slot_of(iova_of(slot) & ~(dt->slots[slot].size - 1));
}

static int fake_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct dirty_test *dt = test_of(domain);

	for (size_t done = 0; done < pgsize * pgcount; done += PAGE_SIZE)
		dt->slots[slot_of(iova + done)].size = pgsize;
	*mapped = pgsize * pgcount;
	return 0;
}

static size_t fake_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct dirty_test *dt = test_of(domain);

	for (size_t done = 0; done < pgsize * pgcount; done += PAGE_SIZE)
		dt->slots[slot_of(iova + done)] = (struct fake_slot){};
	return pgsize * pgcount;
}

static void note_flush(struct dirty_test *dt)
{
	/* Only where something was cleared. */
	KUNIT_EXPECT_LE(dt->test, dt->cleared_first, dt->cleared_last);
	dt->flushes++;
	dt->cleared_first = ULONG_MAX;
	dt->cleared_last = 0;
}

/*
 * A gather has one page size, and pages of several were cleared: only the generic page
 * table is given one for dirty bits.
 */
static void fake_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	struct dirty_test *dt = test_of(domain);

	if (!domain->is_iommupt) {
		KUNIT_EXPECT_GT(dt->test, dt->cleared_first, dt->cleared_last);
		return;
	}
	KUNIT_EXPECT_LE(dt->test, gather->start, dt->cleared_first);
	KUNIT_EXPECT_GE(dt->test, gather->end, dt->cleared_last);
	note_flush(dt);
}

static void fake_flush_iotlb_all(struct iommu_domain *domain)
{
	struct dirty_test *dt = test_of(domain);

	KUNIT_EXPECT_FALSE(dt->test, domain->is_iommupt);
	note_flush(dt);
}

/* The device writes one page, if it is mapped. */
static void device_writes(struct dirty_test *dt, unsigned long slot)
{
	unsigned long head, end;

	if (!dt->tracking || !dt->slots[slot].size)
		return;
	head = head_of(dt, slot);
	end = head + (dt->slots[slot].size >> PAGE_SHIFT);
	dt->slots[slot].written = true;
	dt->slots[head].dirty = true;
	for (; head < end; head++) {
		dt->slots[head].was_dirty = true;
		dt->slots[head].raced = true;
	}
}

static void fake_clear(struct dirty_test *dt, unsigned long iova,
		       unsigned long size)
{
	unsigned long slot = slot_of(iova);

	dt->slots[slot].dirty = false;
	dt->cleared_first = min(dt->cleared_first, iova);
	dt->cleared_last = max(dt->cleared_last, iova + size - 1);
	for (; size; size -= PAGE_SIZE, slot++) {
		dt->slots[slot].owed |= dt->slots[slot].written;
		dt->slots[slot].written = false;
	}
}

static int fake_read_and_clear_dirty(struct iommu_domain *domain,
				     unsigned long iova, size_t size,
				     unsigned long flags,
				     struct iommu_dirty_bitmap *dirty)
{
	struct dirty_test *dt = test_of(domain);
	unsigned long end = iova + size;
	unsigned long page;

	KUNIT_EXPECT_GT(dt->test, size, 0);
	for (; iova < end; iova += page) {
		page = dt->slots[slot_of(iova)].size;
		if (!page || !IS_ALIGNED(iova, page) || page > end - iova) {
			KUNIT_FAIL(dt->test, "driver asked for a part of a page");
			return -EINVAL;
		}
		if (dt->fail_after && !--dt->fail_after)
			return -EIO;
		if (dt->race && !pick(dt, 4))
			device_writes(dt, pick(dt, SPACE_PAGES));
		if (!dt->slots[slot_of(iova)].dirty)
			continue;
		iommu_dirty_bitmap_record(dirty, iova, page);
		if (!(flags & IOMMU_DIRTY_NO_CLEAR))
			fake_clear(dt, iova, page);
	}
	return 0;
}

static int fake_set_dirty_tracking(struct iommu_domain *domain, bool enabled)
{
	test_of(domain)->tracking = enabled;
	return 0;
}

static const struct iommu_domain_ops fake_domain_ops = {
	.map_pages = fake_map_pages,
	.unmap_pages = fake_unmap_pages,
	.iotlb_sync = fake_iotlb_sync,
	.flush_iotlb_all = fake_flush_iotlb_all,
};

static const struct iommu_dirty_ops fake_dirty_ops = {
	.read_and_clear_dirty = fake_read_and_clear_dirty,
	.set_dirty_tracking = fake_set_dirty_tracking,
};

/* Each tear moves the memory behind it by one large page and one small one. */
static unsigned long frame_of(struct dirty_test *dt, unsigned long page)
{
	return page + bitmap_weight(dt->torn, page + 1) * 4097;
}

static struct dirty_test *backing_test;

static int fake_pin(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	int rc = 0;

	for (unsigned long i = first; !rc && i < first + npages; i++)
		rc = pfn_runs_append(runs, FAKE_PFN(frame_of(backing_test, i)), 1,
				     GFP_KERNEL);
	return rc;
}

static void fake_unpin(struct iommufd_backing *backing, struct pfn_runs *runs,
		       bool dirty)
{
	pfn_runs_clear(runs);
}

static const struct iommufd_backing_ops fake_backing_ops = {
	.name = "fake",
	.pin = fake_pin,
	.unpin = fake_unpin,
};

static void dirty_test_init(struct kunit *test, struct dirty_test *dt, u64 seed)
{
	dt->test = test;
	backing_test = dt;
	iopt_bench_init(test, &dt->bench, seed);
	for (unsigned long n = pick(dt, 6); n; n--)
		__set_bit(1 + pick(dt, BACKING_PAGES - 1), dt->torn);
	dt->backing = iopt_bench_backing(&dt->bench, &fake_backing_ops,
					 BACKING_PAGES);
	dt->domain.type = IOMMU_DOMAIN_UNMANAGED;
	dt->domain.ops = &fake_domain_ops;
	dt->domain.dirty_ops = &fake_dirty_ops;
	dt->domain.pgsize_bitmap = PAGE_SIZES;
	dt->entry.domain = &dt->domain;
	dt->cleared_first = ULONG_MAX;
	KUNIT_ASSERT_EQ(test, 0, iopt_add_domain(&dt->bench.iopt, &dt->entry));
}

static void dirty_test_exit(struct dirty_test *dt)
{
	iopt_bench_unmap(&dt->bench);
	iopt_remove_domain(&dt->bench.iopt, &dt->entry);
	iommufd_backing_put(dt->backing);
	iopt_bench_exit(&dt->bench);
}

static int map_pages(struct dirty_test *dt, unsigned long at,
		     unsigned long page, unsigned long npages)
{
	struct iopt_slice slice = {
		.backing = dt->backing,
		.offset = page << PAGE_SHIFT,
		.length = npages << PAGE_SHIFT,
	};
	struct iopt_map_request rq = {
		.length = slice.length,
		.iova = iova_of(at),
		.prot = IOMMU_READ | IOMMU_WRITE,
		.fixed = true,
	};
	LIST_HEAD(slices);

	list_add(&slice.item, &slices);
	rq.slices = &slices;
	return iopt_map(&dt->bench.iopt, &rq);
}

/* Mostly so that large pages fit, and often so that they begin later. */
static void step_map(struct dirty_test *dt)
{
	static const unsigned int sizes[] = { 1, 7, 16, 40, 512, 600, 1500, 4300 };
	unsigned long npages = 1 + pick(dt, sizes[pick(dt, ARRAY_SIZE(sizes))]);
	unsigned long at = pick(dt, SPACE_PAGES - npages);
	unsigned long page = pick(dt, BACKING_PAGES - npages + 1);

	if (npages > 4096)
		page = at % 4096 % (BACKING_PAGES - npages + 1);
	else if (pick(dt, 4))
		page = round_down(page, 16) + at % 16;
	if (page + npages <= BACKING_PAGES)
		map_pages(dt, at, page, npages);
}

static void step_unmap(struct dirty_test *dt)
{
	struct iova_span span;
	unsigned long bytes;

	span.first = iova_of(pick(dt, SPACE_PAGES / 2));
	span.last = span.first + (1 + pick(dt, SPACE_PAGES / 2)) * PAGE_SIZE - 1;
	iopt_unmap(&dt->bench.iopt, &span, &bytes);
}

static void step_write(struct dirty_test *dt)
{
	for (unsigned long n = 1 + pick(dt, 30); n; n--)
		device_writes(dt, pick(dt, SPACE_PAGES));
}

static void step_switch(struct dirty_test *dt)
{
	unsigned long stale = 0;

	if (dt->tracking && pick(dt, 4))
		return;
	if (dt->tracking) {
		KUNIT_ASSERT_EQ(dt->test, 0, iopt_dirty_stop(&dt->bench.iopt, &dt->entry));
		KUNIT_EXPECT_FALSE(dt->test, dt->tracking);
		return;
	}
	KUNIT_ASSERT_EQ(dt->test, 0, iopt_dirty_start(&dt->bench.iopt, &dt->entry));
	KUNIT_EXPECT_TRUE(dt->test, dt->tracking);
	for (unsigned long i = 0; i < SPACE_PAGES; i++) {
		stale += dt->slots[i].dirty || dt->slots[i].written;
		dt->slots[i].owed = false;
	}
	KUNIT_EXPECT_EQ(dt->test, stale, 0);
	/* Once more forgets nothing. */
	step_write(dt);
	KUNIT_ASSERT_EQ(dt->test, 0, iopt_dirty_start(&dt->bench.iopt, &dt->entry));
}

/* A range, and mostly the unit of a VMM. */
static void pick_range(struct dirty_test *dt, struct iopt_dirty_request *rq)
{
	static const unsigned long units[] = {
		1, PAGE_SIZE / 2, PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, PAGE_SIZE,
		4 * PAGE_SIZE, 64 * PAGE_SIZE,
	};
	unsigned long unit = units[pick(dt, ARRAY_SIZE(units))];
	unsigned long step = max(unit, PAGE_SIZE);
	unsigned long steps = SPACE_SIZE / step;
	unsigned long first = pick(dt, 3) ? pick(dt, steps) : 0;
	unsigned long n = pick(dt, 3) ? 1 + pick(dt, steps - first) : steps - first;

	rq->page_size = unit;
	rq->span.first = SPACE_BASE + first * step;
	rq->span.last = rq->span.first + n * step - 1;
	rq->data = (u64 __user *)dt->user;
}

static unsigned long nbits_of(const struct iopt_dirty_request *rq)
{
	return iova_span_len(&rq->span) / rq->page_size;
}

static void prepare_call(struct dirty_test *dt, const struct iopt_dirty_request *rq)
{
	KUNIT_ASSERT_EQ(dt->test, 0,
			clear_user((void __user *)dt->user, USER_BYTES));
	dt->flushes = 0;
	for (unsigned long i = 0; i < SPACE_PAGES; i++) {
		struct fake_slot *slot = &dt->slots[i];

		slot->raced = false;
		slot->owed = false;
		slot->was_dirty = slot->size && dt->slots[head_of(dt, i)].dirty;
	}
}

static bool bit_of(struct dirty_test *dt, const struct iopt_dirty_request *rq,
		   unsigned long iova)
{
	return iova_span_contains(&rq->span, &(struct iova_span){ iova, iova }) &&
	       test_bit((iova - rq->span.first) / rq->page_size, dt->bits);
}

/* Bits of a unit above a page may be set for a neighbour. */
static bool unit_was_dirty(struct dirty_test *dt, unsigned long iova,
			   unsigned long unit)
{
	unsigned long first = slot_of(iova & ~(unit - 1));
	unsigned long n = max(unit >> PAGE_SHIFT, 1UL);

	for (unsigned long i = first; i < first + n && i < SPACE_PAGES; i++)
		if (dt->slots[i].was_dirty)
			return true;
	return false;
}

/* The IOMMU page of a slot lies whole in the range. */
static bool is_inside(struct dirty_test *dt, const struct iopt_dirty_request *rq,
		      unsigned long slot)
{
	unsigned long size = dt->slots[slot].size;
	struct iova_span page = {
		.first = iova_of(slot) & ~(size - 1),
		.last = iova_of(slot) | (size - 1),
	};

	return size && iova_span_contains(&rq->span, &page);
}

static void check_call(struct dirty_test *dt, const struct iopt_dirty_request *rq,
		       int rc)
{
	unsigned long lost = 0, missed = 0, spurious = 0, stays = 0;

	KUNIT_ASSERT_EQ(dt->test, 0,
			copy_from_user(dt->bits, (void __user *)dt->user,
				       DIV_ROUND_UP(nbits_of(rq), BITS_PER_BYTE)));
	for (unsigned long i = 0; i < SPACE_PAGES; i++) {
		const struct fake_slot *slot = &dt->slots[i];
		bool first = bit_of(dt, rq, iova_of(i));
		bool last = bit_of(dt, rq, iova_of(i) + PAGE_SIZE - 1);
		bool in_range = iova_span_contains(&rq->span,
						   &(struct iova_span){ iova_of(i), iova_of(i) });

		lost += slot->owed && !(first && last);
		missed += !rc && in_range && slot->was_dirty && !slot->raced &&
			  !(first && last);
		spurious += (first || last) &&
			    !unit_was_dirty(dt, iova_of(i), rq->page_size);
		stays += !rc && !rq->keep && is_inside(dt, rq, i) && !slot->raced &&
			 slot->dirty && rq->page_size > 1;
	}
	KUNIT_EXPECT_EQ(dt->test, lost, 0);
	KUNIT_EXPECT_EQ(dt->test, missed, 0);
	KUNIT_EXPECT_EQ(dt->test, spurious, 0);
	KUNIT_EXPECT_EQ(dt->test, stays, 0);
	KUNIT_EXPECT_LE(dt->test, dt->flushes, 1);
	KUNIT_EXPECT_GT(dt->test, dt->cleared_first, dt->cleared_last);
}

static void step_read(struct dirty_test *dt)
{
	struct iopt_dirty_request rq = { .keep = !pick(dt, 5) };
	int rc;

	pick_range(dt, &rq);
	prepare_call(dt, &rq);
	dt->race = !pick(dt, 2);
	dt->fail_after = pick(dt, 6) ? 0 : 1 + pick(dt, 20);
	/* Only while dirty bits are read, which does not look into the table. */
	dt->domain.is_iommupt = pick(dt, 2);
	rc = iopt_dirty_read(&dt->bench.iopt, &dt->entry, &rq);
	if (rc)
		KUNIT_EXPECT_EQ(dt->test, rc, -EIO);
	dt->domain.is_iommupt = false;
	dt->race = false;
	dt->fail_after = 0;
	check_call(dt, &rq, rc);
}

/* Without all of the bitmap nothing is cleared, nor is the driver asked for it. */
static void step_read_fault(struct dirty_test *dt)
{
	struct iopt_dirty_request rq = {};
	unsigned long dirty = 0, before = 0;
	unsigned long nbytes;

	pick_range(dt, &rq);
	nbytes = DIV_ROUND_UP(nbits_of(&rq), BITS_PER_BYTE);
	prepare_call(dt, &rq);
	for (unsigned long i = 0; i < SPACE_PAGES; i++)
		before += dt->slots[i].dirty;
	/* At least its last u64 lies where nothing is. */
	rq.data = (u64 __user *)(dt->user + USER_BYTES + PAGE_SIZE -
				 round_down(pick(dt, nbytes), sizeof(u64)));
	KUNIT_EXPECT_EQ(dt->test, -EFAULT,
			iopt_dirty_read(&dt->bench.iopt, &dt->entry, &rq));
	for (unsigned long i = 0; i < SPACE_PAGES; i++)
		dirty += dt->slots[i].dirty;
	KUNIT_EXPECT_EQ(dt->test, dirty, before);
	KUNIT_EXPECT_EQ(dt->test, dt->flushes, 0);
}

static struct dirty_test *dirty_test_alloc(struct kunit *test)
{
	struct dirty_test *dt = kunit_kzalloc(test, sizeof(*dt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dt);
	dt->slots = kunit_kcalloc(test, SPACE_PAGES, sizeof(*dt->slots), GFP_KERNEL);
	dt->bits = kunit_kzalloc(test, USER_BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dt->slots);
	KUNIT_ASSERT_NOT_NULL(test, dt->bits);
	/* One page more than the largest bitmap needs. */
	dt->user = iopt_bench_user(test, USER_BYTES + PAGE_SIZE);
	return dt;
}

static void random_steps(struct kunit *test)
{
	static void (*const steps[])(struct dirty_test *dt) = {
		step_map, step_map, step_map, step_unmap, step_write, step_write,
		step_write, step_switch, step_read, step_read, step_read_fault,
	};

	for (u64 seed = 1; seed <= 6; seed++) {
		struct dirty_test *dt = dirty_test_alloc(test);

		dirty_test_init(test, dt, seed);
		for (int i = 0; i < STEPS; i++)
			steps[pick(dt, ARRAY_SIZE(steps))](dt);
		dirty_test_exit(dt);
	}
}

/* What lies behind a hole is read, and the hole is no error. */
static void holes_are_skipped(struct kunit *test)
{
	struct dirty_test *dt = dirty_test_alloc(test);
	struct iopt_dirty_request rq = {
		.page_size = PAGE_SIZE,
		.span = { SPACE_BASE, SPACE_BASE + SPACE_SIZE - 1 },
	};
	const unsigned long at[] = { 3, 700, 701, 8000 };

	dirty_test_init(test, dt, 1);
	rq.data = (u64 __user *)dt->user;
	for (int i = 0; i < ARRAY_SIZE(at); i++)
		KUNIT_ASSERT_EQ(test, 0, map_pages(dt, at[i], i, 1));
	KUNIT_ASSERT_EQ(test, 0, iopt_dirty_start(&dt->bench.iopt, &dt->entry));
	for (int i = 0; i < ARRAY_SIZE(at); i++)
		device_writes(dt, at[i]);
	prepare_call(dt, &rq);
	KUNIT_EXPECT_EQ(test, 0, iopt_dirty_read(&dt->bench.iopt, &dt->entry, &rq));
	check_call(dt, &rq, 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(dt->bits, SPACE_PAGES), ARRAY_SIZE(at));
	KUNIT_EXPECT_EQ(test, dt->flushes, 1);
	dirty_test_exit(dt);
}

/* A large page that the range cuts is told of and stays dirty, until it is read whole. */
static void cut_page_stays_dirty(struct kunit *test)
{
	struct dirty_test *dt = dirty_test_alloc(test);
	struct iopt_dirty_request rq = {
		.page_size = PAGE_SIZE,
		.span = { iova_of(512), iova_of(512 + 256) - 1 },
	};

	dirty_test_init(test, dt, 1);
	bitmap_zero(dt->torn, BACKING_PAGES);
	rq.data = (u64 __user *)dt->user;
	KUNIT_ASSERT_EQ(test, 0, map_pages(dt, 0, 0, 1024));
	KUNIT_ASSERT_EQ(test, dt->slots[512].size, 512 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, iopt_dirty_start(&dt->bench.iopt, &dt->entry));
	device_writes(dt, 512 + 300);
	for (int i = 0; i < 2; i++) {
		prepare_call(dt, &rq);
		KUNIT_EXPECT_EQ(test, 0, iopt_dirty_read(&dt->bench.iopt, &dt->entry, &rq));
		check_call(dt, &rq, 0);
		KUNIT_EXPECT_EQ(test, bitmap_weight(dt->bits, 256), 256);
		KUNIT_EXPECT_TRUE(test, dt->slots[512].dirty);
	}
	rq.span.last = iova_of(1024) - 1;
	prepare_call(dt, &rq);
	KUNIT_EXPECT_EQ(test, 0, iopt_dirty_read(&dt->bench.iopt, &dt->entry, &rq));
	check_call(dt, &rq, 0);
	KUNIT_EXPECT_FALSE(test, dt->slots[512].dirty);
	dirty_test_exit(dt);
}

static int dirty_suite_init(struct kunit *test)
{
	return kunit_attach_mm();
}

static struct kunit_case dirty_cases[] = {
	KUNIT_CASE_SLOW(random_steps),
	KUNIT_CASE(holes_are_skipped),
	KUNIT_CASE(cut_page_stays_dirty),
	{}
};

static struct kunit_suite dirty_suite = {
	.name = "iommufd_iopt_dirty",
	.init = dirty_suite_init,
	.test_cases = dirty_cases,
};

kunit_test_suite(dirty_suite);
