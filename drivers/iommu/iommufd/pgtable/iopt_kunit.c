// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The page table against a naive model: random maps, copies, unmaps, domains and
 * access pins over a small IOVA space.  After every step each domain shows exactly
 * what the model says, every page is pinned as often as the rules say (once or not at
 * all), and no page was ever unpinned while a domain or an unflushed IOTLB had it.
 * One of the memories is a device's, which is switched off and on in between.
 *
 * Domains and memory are fakes, so this runs without any hardware, in ARCH=um too.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../memory/fakes_kunit.h"
#include "bench_kunit.h"

#define SPACE_BASE (16UL * SZ_1M)
#define SPACE_PAGES 96
#define BACKING_PAGES 40
#define NBACKINGS 3
#define NDOMAINS 2
#define STEPS 4000

/* Page frames of the fakes: far from anything real, never dereferenced. */
#define FAKE_PFN(backing, page) (0x100000UL + (backing) * 0x1000 + (page))

struct table_domain {
	struct fake_domain fake;
	struct iopt_domain entry;
	bool added;
};

struct fake_backing {
	struct iommufd_backing backing;
	u64 room[IOMMUFD_BACKING_ROOM / sizeof(u64)];
	struct fixture *fix;
	unsigned int index;
	/* page -> frame, a permutation with contiguous stretches */
	unsigned int frame[BACKING_PAGES];
	unsigned int pins[BACKING_PAGES];
	int fail_after;
};

struct model_page {
	struct iommufd_backing *backing;
	unsigned int page;
	unsigned int access_pins;
	/* first page of its area */
	bool begins;
};

struct fixture {
	struct kunit *test;
	struct iopt_bench bench;
	struct table_domain domains[NDOMAINS];
	struct fake_backing *backings[NBACKINGS];
	struct fake_device *device;
	struct model_page model[SPACE_PAGES];
};

static struct fake_backing *fake_backing_of(struct iommufd_backing *backing)
{
	return container_of(backing, struct fake_backing, backing);
}

static int fake_pin(struct iommufd_backing *backing, unsigned long first,
		    unsigned long npages, struct pfn_runs *runs,
		    struct iommufd_log *log)
{
	struct fake_backing *fake = fake_backing_of(backing);

	for (unsigned long i = first; i < first + npages; i++) {
		int rc;

		if (fake->fail_after && !--fake->fail_after)
			return -EFAULT;
		rc = pfn_runs_append(runs, FAKE_PFN(fake->index, fake->frame[i]),
				     1, GFP_KERNEL);
		if (rc)
			return rc;
		fake->pins[i]++;
	}
	return 0;
}

static bool reachable(struct fixture *fix, unsigned long pfn)
{
	for (int d = 0; d < NDOMAINS; d++)
		if (fake_domain_reaches(&fix->domains[d].fake, pfn))
			return true;
	return false;
}

static void fake_unpin_one(struct fake_backing *fake, unsigned long pfn)
{
	struct kunit *test = fake->fix->test;

	KUNIT_EXPECT_FALSE_MSG(test, reachable(fake->fix, pfn),
			       "page unpinned while a device reaches it");
	for (int i = 0; i < BACKING_PAGES; i++) {
		if (FAKE_PFN(fake->index, fake->frame[i]) != pfn)
			continue;
		KUNIT_EXPECT_EQ(test, fake->pins[i], 1);
		fake->pins[i]--;
	}
}

static void fake_unpin(struct iommufd_backing *backing, struct pfn_runs *runs,
		       bool dirty)
{
	struct fake_backing *fake = fake_backing_of(backing);
	struct pfn_runs_iter it;

	if (pfn_runs_is_empty(runs))
		return;
	pfn_runs_for_each(&it, runs, 0, pfn_runs_npages(runs))
		for (unsigned long i = 0; i < it.run.npages; i++)
			fake_unpin_one(fake, it.run.pfn + i);
	pfn_runs_clear(runs);
}

static const struct iommufd_backing_ops fake_backing_ops = {
	.name = "fake",
	.has_room = true,
	.pin = fake_pin,
	.unpin = fake_unpin,
};

static unsigned int pick(struct fixture *fix, unsigned int below)
{
	return iopt_bench_pick(&fix->bench, below);
}

/* Frames in random order, with stretches that stay together. */
static void shuffle(struct fixture *fix, struct fake_backing *fake)
{
	for (unsigned int i = 0; i < BACKING_PAGES; i++)
		fake->frame[i] = i;
	for (unsigned int n = pick(fix, BACKING_PAGES); n; n--) {
		unsigned int a = pick(fix, BACKING_PAGES);
		unsigned int b = pick(fix, BACKING_PAGES);

		swap(fake->frame[a], fake->frame[b]);
	}
}

static void fixture_init(struct kunit *test, struct fixture *fix, u64 seed)
{
	fix->test = test;
	iopt_bench_init(test, &fix->bench, seed);
	for (int d = 0; d < NDOMAINS; d++) {
		struct table_domain *domain = &fix->domains[d];

		fake_domain_init(test, &domain->fake, SPACE_BASE, SPACE_PAGES,
				 SZ_64K);
		domain->entry.domain = &domain->fake.domain;
	}
	for (int b = 0; b < NBACKINGS; b++) {
		struct fake_backing *fake = kzalloc_obj(*fake);

		KUNIT_ASSERT_NOT_NULL(test, fake);
		fake->fix = fix;
		fake->index = b;
		shuffle(fix, fake);
		KUNIT_ASSERT_EQ(test, 0,
				iommufd_backing_init(&fake->backing,
						     &fake_backing_ops,
						     &fix->bench.accounts,
						     BACKING_PAGES, true,
						     &fix->bench.log));
		fix->backings[b] = fake;
	}
	/* Only step_device() looks whether the memory is back. */
	fix->device = fake_device_new(test, BACKING_PAGES);
}

static bool any_domain(struct fixture *fix)
{
	for (int d = 0; d < NDOMAINS; d++)
		if (fix->domains[d].added)
			return true;
	return false;
}

static bool is_device(const struct model_page *page)
{
	return page->backing && page->backing->ops->revocable;
}

static unsigned long model_pfn(struct fixture *fix, unsigned int at)
{
	const struct model_page *page = &fix->model[at];
	struct fake_backing *fake;

	if (!page->backing)
		return 0;
	if (is_device(page))
		return fix->device->on ? FAKE_DEVICE_PFN + page->page : 0;
	fake = fake_backing_of(page->backing);
	return FAKE_PFN(fake->index, fake->frame[page->page]);
}

static bool any_device(struct fixture *fix, unsigned int first, unsigned int end)
{
	for (unsigned int i = first; i < end; i++)
		if (is_device(&fix->model[i]))
			return true;
	return false;
}

static void check_domains(struct fixture *fix)
{
	for (int d = 0; d < NDOMAINS; d++) {
		struct table_domain *domain = &fix->domains[d];

		for (int i = 0; i < SPACE_PAGES; i++) {
			unsigned long pfn = model_pfn(fix, i);

			KUNIT_ASSERT_EQ_MSG(fix->test, domain->fake.table[i],
					    domain->added ? pfn : 0,
					    "domain %d page %d", d, i);
		}
	}
}

static void check_pins(struct fixture *fix)
{
	unsigned int want[NBACKINGS][BACKING_PAGES] = {};
	bool domains = any_domain(fix);
	unsigned long total = 0;

	for (int i = 0; i < SPACE_PAGES; i++) {
		const struct model_page *page = &fix->model[i];

		if (page->backing && !is_device(page) &&
		    (domains || page->access_pins))
			want[fake_backing_of(page->backing)->index][page->page] = 1;
	}
	for (int b = 0; b < NBACKINGS; b++)
		for (int i = 0; i < BACKING_PAGES; i++) {
			KUNIT_ASSERT_EQ_MSG(fix->test, fix->backings[b]->pins[i],
					    want[b][i], "backing %d page %d", b, i);
			total += want[b][i];
		}
	KUNIT_ASSERT_EQ(fix->test, atomic_long_read(&fix->bench.accounts.pinned),
			total);
}

/* Length of the free stretch from @at, at most @max. */
static unsigned int free_stretch(struct fixture *fix, unsigned int at,
				 unsigned int max)
{
	unsigned int n = 0;

	while (n < max && at + n < SPACE_PAGES && !fix->model[at + n].backing)
		n++;
	return n;
}

static void model_map(struct fixture *fix, unsigned int at,
		      struct list_head *slices)
{
	struct iopt_slice *slice;

	list_for_each_entry(slice, slices, item)
		for (unsigned long i = 0; i < slice->length >> PAGE_SHIFT; i++)
			fix->model[at++] = (struct model_page){
				.backing = slice->backing,
				.page = (slice->offset >> PAGE_SHIFT) + i,
				.begins = !i,
			};
}

static bool maybe_fail(struct fixture *fix, struct iopt_slice *slice)
{
	if (!any_domain(fix))
		return false;
	if (!pick(fix, 12))
		fix->domains[pick(fix, NDOMAINS)].fake.fail_after = 1 + pick(fix, 4);
	else if (!slice->backing->ops->revocable && !pick(fix, 12))
		fake_backing_of(slice->backing)->fail_after = 1 + pick(fix, 4);
	else
		return false;
	return true;
}

static void stop_failing(struct fixture *fix)
{
	for (int d = 0; d < NDOMAINS; d++)
		fix->domains[d].fake.fail_after = 0;
	for (int b = 0; b < NBACKINGS; b++)
		fix->backings[b]->fail_after = 0;
}

/* Is the mapping refused because it is new and the device is off? */
static bool is_away(struct fixture *fix, const struct iopt_slice *first,
		    bool away_ok)
{
	return first->backing->ops->revocable && !fix->device->on &&
	       !away_ok && any_domain(fix);
}

static void map_slices(struct fixture *fix, struct list_head *slices,
		       unsigned int at, unsigned int npages, bool away_ok)
{
	struct iopt_slice *first = list_first_entry(slices, struct iopt_slice, item);
	struct iopt_map_request rq = {
		.slices = slices,
		.length = npages * PAGE_SIZE,
		.iova = SPACE_BASE + at * PAGE_SIZE,
		.prot = IOMMU_READ | IOMMU_WRITE,
		.fixed = true,
		.away_ok = away_ok,
	};
	bool fits = free_stretch(fix, at, npages) == npages &&
		    !is_away(fix, first, away_ok);
	bool failing = maybe_fail(fix, first);
	unsigned int syncs = fix->domains[0].fake.syncs;
	int rc = iopt_map(&fix->bench.iopt, &rq);

	stop_failing(fix);
	if (!fits) {
		KUNIT_ASSERT_LT(fix->test, rc, 0);
		return;
	}
	if (!failing)
		KUNIT_ASSERT_EQ(fix->test, rc, 0);
	if (rc)
		return;
	model_map(fix, at, slices);
	if (!any_device(fix, at, at + npages))
		KUNIT_EXPECT_EQ(fix->test, fix->domains[0].fake.syncs,
				syncs + fix->domains[0].added);
}

static bool is_shown(struct fixture *fix, const struct iommufd_backing *backing)
{
	for (int i = 0; i < SPACE_PAGES; i++)
		if (fix->model[i].backing == backing)
			return true;
	return false;
}

static void step_map(struct fixture *fix)
{
	struct iopt_slice slice = {
		.backing = &fix->device->rev.backing,
	};
	unsigned int npages = 1 + pick(fix, 12);
	unsigned int backing = pick(fix, NBACKINGS + 1);
	LIST_HEAD(slices);

	if (backing < NBACKINGS)
		slice.backing = &fix->backings[backing]->backing;

	/* As if the backing was made for this map. */
	slice.is_first = !is_shown(fix, slice.backing);
	slice.offset = pick(fix, BACKING_PAGES - npages) * PAGE_SIZE;
	slice.length = npages * PAGE_SIZE;
	list_add(&slice.item, &slices);
	map_slices(fix, &slices, pick(fix, SPACE_PAGES - npages), npages, false);
}

static void step_copy(struct fixture *fix)
{
	unsigned int npages = 1 + pick(fix, 16);
	unsigned int from = pick(fix, SPACE_PAGES - npages);
	unsigned int mapped = 0;
	LIST_HEAD(slices);
	int rc;

	while (mapped < npages && fix->model[from + mapped].backing)
		mapped++;
	rc = iopt_get_slices(&fix->bench.iopt, SPACE_BASE + from * PAGE_SIZE,
			     npages * PAGE_SIZE, true, &slices);
	KUNIT_ASSERT_EQ(fix->test, rc, mapped == npages ? 0 : -ENOENT);
	if (rc)
		return;
	map_slices(fix, &slices, pick(fix, SPACE_PAGES - npages), npages, true);
	iopt_slices_free(&slices);
}

/* What an unmap of pages [first, end) has to say. */
static int model_unmap_rc(struct fixture *fix, unsigned int first,
			  unsigned int end)
{
	bool any = false;

	for (unsigned int i = first; i < end; i++)
		any |= !!fix->model[i].backing;
	if (!any)
		return -ENOENT;
	if (fix->model[first].backing && !fix->model[first].begins)
		return -ENOENT;
	if (end < SPACE_PAGES && fix->model[end].backing &&
	    !fix->model[end].begins && fix->model[end - 1].backing)
		return -ENOENT;
	return 0;
}

static void step_unmap(struct fixture *fix)
{
	unsigned int npages = 1 + pick(fix, 30);
	unsigned int first = pick(fix, SPACE_PAGES - npages);
	unsigned int flushes = fix->domains[0].fake.flushes;
	struct iova_span span;
	unsigned long bytes;
	int rc;

	for (unsigned int i = first; i < first + npages; i++)
		if (fix->model[i].access_pins)
			return;
	iova_span_make(&span, SPACE_BASE + first * PAGE_SIZE,
		       npages * PAGE_SIZE);
	rc = iopt_unmap(&fix->bench.iopt, &span, &bytes);
	KUNIT_ASSERT_EQ(fix->test, rc,
			model_unmap_rc(fix, first, first + npages));
	if (rc)
		return;
	if (!any_device(fix, first, first + npages))
		KUNIT_EXPECT_EQ(fix->test, fix->domains[0].fake.flushes,
				flushes + fix->domains[0].added);
	for (unsigned int i = first; i < first + npages; i++) {
		bytes -= fix->model[i].backing ? PAGE_SIZE : 0;
		fix->model[i] = (struct model_page){};
	}
	KUNIT_EXPECT_EQ(fix->test, bytes, 0);
}

/* Does the area that shows page @i - 1 go on at page @i? */
static bool model_goes_on(const struct fixture *fix, unsigned int i)
{
	return i < SPACE_PAGES && fix->model[i].backing && !fix->model[i].begins;
}

/* Whole areas from the first on; none if that begins before the range. */
static void step_unmap_begun(struct fixture *fix)
{
	unsigned int npages = 1 + pick(fix, 30);
	unsigned int first = pick(fix, SPACE_PAGES - npages);
	unsigned int end = first + npages;
	unsigned long expected = 0, bytes;
	struct iova_span span;

	iova_span_make(&span, SPACE_BASE + first * PAGE_SIZE,
		       npages * PAGE_SIZE);
	KUNIT_ASSERT_EQ(fix->test, 0,
			iopt_unmap_begun(&fix->bench.iopt, &span, &bytes));
	if (!model_goes_on(fix, first)) {
		while (model_goes_on(fix, end))
			end++;
		for (; first < end; first++) {
			expected += fix->model[first].backing ? PAGE_SIZE : 0;
			fix->model[first] = (struct model_page){};
		}
	}
	KUNIT_EXPECT_EQ(fix->test, bytes, expected);
}

static void step_domain(struct fixture *fix)
{
	struct table_domain *domain = &fix->domains[pick(fix, NDOMAINS)];
	bool failing;
	int rc;

	if (domain->added) {
		iopt_remove_domain(&fix->bench.iopt, &domain->entry);
		domain->added = false;
		return;
	}
	failing = !pick(fix, 3);
	if (failing)
		domain->fake.fail_after = 1 + pick(fix, 8);
	rc = iopt_add_domain(&fix->bench.iopt, &domain->entry);
	stop_failing(fix);
	if (!failing)
		KUNIT_ASSERT_EQ(fix->test, rc, 0);
	domain->added = !rc;
}

/* Device memory goes away or comes back. */
static void step_device(struct fixture *fix)
{
	struct iommufd_revocable *rev = &fix->device->rev;
	bool on = !fix->device->on;

	fake_device_set(fix->device, on);
	if (!on)
		return;
	if (pick(fix, 2))
		KUNIT_EXPECT_EQ(fix->test, 0, rev->ops->restore(rev, NULL));
	else
		fake_look(rev);
}

/* What a pin of pages has to say: at a hole, and at device memory. */
static int model_pin_rc(struct fixture *fix, unsigned int first,
			unsigned int npages)
{
	for (unsigned int i = first; i < first + npages; i++) {
		if (!fix->model[i].backing)
			return -ENOENT;
		if (is_device(&fix->model[i]))
			return -EINVAL;
	}
	return 0;
}

/* Pin one stretch, look at its pages, and mostly give it back at once. */
static void step_access(struct fixture *fix)
{
	unsigned int npages = 1 + pick(fix, 6);
	unsigned int first = pick(fix, SPACE_PAGES - npages);
	unsigned long iova = SPACE_BASE + first * PAGE_SIZE;
	struct page *pages[6];
	u8 byte = 0;
	int rc;

	if (is_device(&fix->model[first]))
		KUNIT_EXPECT_EQ(fix->test, -EINVAL,
				iopt_bench_rw(&fix->bench, iova, &byte, 1, 0));
	rc = iopt_bench_pin(&fix->bench, iova, npages * PAGE_SIZE, pages, true);
	KUNIT_ASSERT_EQ(fix->test, rc, model_pin_rc(fix, first, npages));
	if (rc)
		return;
	for (unsigned int i = 0; i < npages; i++) {
		KUNIT_ASSERT_EQ(fix->test, page_to_pfn(pages[i]),
				model_pfn(fix, first + i));
		fix->model[first + i].access_pins++;
	}
	check_pins(fix);
	if (pick(fix, 2))
		step_domain(fix);
	check_pins(fix);
	iopt_bench_unpin(&fix->bench, iova, npages * PAGE_SIZE);
	for (unsigned int i = 0; i < npages; i++)
		fix->model[first + i].access_pins--;
}

static void fixture_exit(struct fixture *fix)
{
	for (int d = 0; d < NDOMAINS; d++)
		if (fix->domains[d].added)
			iopt_remove_domain(&fix->bench.iopt, &fix->domains[d].entry);
	iopt_bench_unmap(&fix->bench);
	for (int b = 0; b < NBACKINGS; b++) {
		for (int i = 0; i < BACKING_PAGES; i++)
			KUNIT_EXPECT_EQ(fix->test, fix->backings[b]->pins[i], 0);
		iommufd_backing_put(&fix->backings[b]->backing);
	}
	iommufd_backing_put(&fix->device->rev.backing);
	iopt_bench_exit(&fix->bench);
}

static void random_steps(struct kunit *test)
{
	static void (*const steps[])(struct fixture *fix) = {
		step_map, step_map, step_map, step_copy, step_unmap,
		step_unmap_begun, step_domain, step_access, step_device,
	};
	struct fixture *fix;

	kunit_attach_mm();
	for (u64 seed = 1; seed <= 8; seed++) {
		fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, fix);
		fixture_init(test, fix, seed);
		for (int i = 0; i < STEPS; i++) {
			steps[pick(fix, ARRAY_SIZE(steps))](fix);
			check_domains(fix);
			check_pins(fix);
		}
		fixture_exit(fix);
	}
}

struct test_access {
	struct iopt_access access;
	struct fixture *fix;
	unsigned int told;
};

static bool test_access_tryget(struct iopt_access *access)
{
	return true;
}

static void test_access_put(struct iopt_access *access)
{
}

static void test_access_unmap(struct iopt_access *access, unsigned long iova,
			      unsigned long length)
{
	struct test_access *me = container_of(access, struct test_access, access);

	me->told++;
	if (me->told == 3)
		iopt_bench_unpin(&me->fix->bench, SPACE_BASE + PAGE_SIZE,
				 2 * PAGE_SIZE);
}

static const struct iopt_access_ops test_access_ops = {
	.tryget = test_access_tryget,
	.put = test_access_put,
	.unmap = test_access_unmap,
};

/* An unmap asks the access, again if need be, and then finishes. */
static void unmap_asks_access(struct kunit *test)
{
	struct fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	struct test_access access = {
		.access = { .ops = &test_access_ops, .alignment = PAGE_SIZE },
		.fix = fix,
	};
	struct page *pages[2];
	struct iopt_slice slice;
	unsigned long bytes;
	LIST_HEAD(slices);

	KUNIT_ASSERT_NOT_NULL(test, fix);
	kunit_attach_mm();
	fixture_init(test, fix, 1);
	slice = (struct iopt_slice){
		.backing = &fix->backings[0]->backing,
		.length = 8 * PAGE_SIZE,
	};
	list_add(&slice.item, &slices);
	KUNIT_ASSERT_EQ(test, 0, iopt_add_access(&fix->bench.iopt, &access.access));
	map_slices(fix, &slices, 0, 8, false);
	KUNIT_ASSERT_EQ(test, 0,
			iopt_bench_pin(&fix->bench, SPACE_BASE + PAGE_SIZE,
				       2 * PAGE_SIZE, pages, false));
	KUNIT_EXPECT_EQ(test, 0, iopt_unmap_all(&fix->bench.iopt, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, access.told, 3);
	iopt_remove_access(&fix->bench.iopt, &access.access);
	fixture_exit(fix);
}

/* More single-page areas than an unmap has rounds for one of them. */
#define MANY_AREAS 150

struct eager_access {
	struct iopt_access access;
	struct fixture *fix;
};

static void eager_access_unmap(struct iopt_access *access, unsigned long iova,
			       unsigned long length)
{
	struct eager_access *me = container_of(access, struct eager_access, access);

	iopt_bench_unpin(&me->fix->bench, iova, length);
}

static const struct iopt_access_ops eager_access_ops = {
	.tryget = test_access_tryget,
	.put = test_access_put,
	.unmap = eager_access_unmap,
};

/* Any number of pinned areas can go at once, and a refused unmap closes none. */
static void unmap_many_pinned(struct kunit *test)
{
	struct fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	struct eager_access access = {
		.access = { .ops = &eager_access_ops, .alignment = PAGE_SIZE },
		.fix = fix,
	};
	struct iopt_slice slice;
	struct iova_span span;
	unsigned long bytes;
	struct page *page;
	LIST_HEAD(slices);

	KUNIT_ASSERT_NOT_NULL(test, fix);
	kunit_attach_mm();
	fixture_init(test, fix, 0);
	KUNIT_ASSERT_EQ(test, 0, iopt_add_access(&fix->bench.iopt, &access.access));
	for (unsigned int i = 0; i <= MANY_AREAS; i++) {
		struct iopt_map_request rq = {
			.slices = &slices,
			.iova = SPACE_BASE + i * PAGE_SIZE,
			.length = i < MANY_AREAS ? PAGE_SIZE : 2 * PAGE_SIZE,
			.prot = IOMMU_READ,
			.fixed = true,
		};

		slice = (struct iopt_slice){
			.backing = &fix->backings[0]->backing,
			.offset = i % 8 * PAGE_SIZE,
			.length = rq.length,
		};
		INIT_LIST_HEAD(&slices);
		list_add(&slice.item, &slices);
		KUNIT_ASSERT_EQ(test, 0, iopt_map(&fix->bench.iopt, &rq));
		if (i < MANY_AREAS)
			KUNIT_ASSERT_EQ(test, 0,
					iopt_bench_pin(&fix->bench, rq.iova,
						       PAGE_SIZE, &page, false));
	}
	/* Cuts the last area. */
	span.first = SPACE_BASE;
	span.last = SPACE_BASE + (MANY_AREAS + 1) * PAGE_SIZE - 1;
	KUNIT_EXPECT_EQ(test, -ENOENT, iopt_unmap(&fix->bench.iopt, &span, &bytes));
	KUNIT_EXPECT_EQ(test, 0, iopt_bench_pin(&fix->bench, SPACE_BASE, PAGE_SIZE,
						&page, false));
	iopt_bench_unpin(&fix->bench, SPACE_BASE, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, 0, iopt_unmap_all(&fix->bench.iopt, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, (MANY_AREAS + 2) * PAGE_SIZE);
	iopt_remove_access(&fix->bench.iopt, &access.access);
	fixture_exit(fix);
}

static int map_fake(struct fixture *fix, unsigned int at, unsigned int backing,
		    unsigned int page)
{
	struct iopt_slice slice = {
		.backing = &fix->backings[backing]->backing,
		.offset = page * PAGE_SIZE,
		.length = PAGE_SIZE,
	};
	LIST_HEAD(slices);
	struct iopt_map_request rq = {
		.slices = &slices,
		.iova = SPACE_BASE + at * PAGE_SIZE,
		.length = PAGE_SIZE,
		.prot = IOMMU_READ | IOMMU_WRITE,
		.fixed = true,
	};

	list_add(&slice.item, &slices);
	return iopt_map(&fix->bench.iopt, &rq);
}

/**
 * struct hole_mapper - who maps into a hole of a range that is being unmapped
 * @fix: where
 * @done: it has
 * @rc: result
 */
struct hole_mapper {
	struct fixture *fix;
	struct completion done;
	int rc;
};

static int map_hole(void *data)
{
	struct hole_mapper *mapper = data;

	mapper->rc = map_fake(mapper->fix, 1, 1, 0);
	complete(&mapper->done);
	return 0;
}

/* In another thread: the one that unmaps holds the domains lock. */
static void map_hole_meanwhile(void *data)
{
	struct hole_mapper *mapper = data;
	struct task_struct *task = kthread_run(map_hole, mapper, "map_hole");

	KUNIT_ASSERT_FALSE(mapper->fix->test, IS_ERR(task));
	wait_for_completion(&mapper->done);
}

/* What is mapped into a hole of a range that is just being unmapped stays. */
static void unmap_many_around_new(struct kunit *test)
{
	struct fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	struct hole_mapper mapper = { .fix = fix };
	struct iova_span span = {
		.first = SPACE_BASE + PAGE_SIZE,
		.last = SPACE_BASE + 2 * PAGE_SIZE - 1,
	};
	struct table_domain *domain;
	unsigned long bytes;

	KUNIT_ASSERT_NOT_NULL(test, fix);
	init_completion(&mapper.done);
	kunit_attach_mm();
	fixture_init(test, fix, 0);
	domain = &fix->domains[0];
	KUNIT_ASSERT_EQ(test, 0, iopt_add_domain(&fix->bench.iopt, &domain->entry));
	for (unsigned int i = 0; i < BACKING_PAGES; i++)
		KUNIT_ASSERT_EQ(test, 0, map_fake(fix, 2 * i, 0, i));

	domain->fake.data = &mapper;
	domain->fake.meanwhile = map_hole_meanwhile;
	KUNIT_EXPECT_EQ(test, 0, iopt_unmap_all(&fix->bench.iopt, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, BACKING_PAGES * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, mapper.rc);
	KUNIT_EXPECT_EQ(test, 1, fix->bench.iopt.nareas);
	KUNIT_EXPECT_EQ(test, -EEXIST, map_fake(fix, 1, 2, 0));
	KUNIT_EXPECT_EQ(test, 0, iopt_unmap(&fix->bench.iopt, &span, &bytes));
	KUNIT_EXPECT_TRUE(test, fake_domain_is_empty(&domain->fake));
	iopt_remove_domain(&fix->bench.iopt, &domain->entry);
	fixture_exit(fix);
}

/* Several tables can be locked at once, in the one order that lockdep knows. */
static void move_locks_many(struct kunit *test)
{
	struct iommufd_iopt *iopts;
	struct rw_semaphore nest;
	const unsigned int n = 40;
	unsigned int i;

	iopts = kunit_kcalloc(test, n, sizeof(*iopts), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, iopts);
	init_rwsem(&nest);
	for (i = 0; i < n; i++)
		iopt_init(&iopts[i], NULL);
	down_write(&nest);
	for (i = 0; i < n; i++)
		iopt_move_lock_domains(&iopts[i], &nest);
	for (i = 0; i < n; i++)
		iopt_move_lock_space(&iopts[i], &nest);
	for (i = 0; i < n; i++)
		iopt_move_commit(&iopts[i]);
	while (i)
		iopt_move_unlock(&iopts[--i]);
	up_write(&nest);
	for (i = 0; i < n; i++)
		iopt_destroy(&iopts[i]);
}

/* An automatic place keeps the source's offset in its page, also when packed. */
static void auto_iova_keeps_offset(struct kunit *test)
{
	struct fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	struct iopt_slice slice;
	LIST_HEAD(slices);

	KUNIT_ASSERT_NOT_NULL(test, fix);
	kunit_attach_mm();
	fixture_init(test, fix, 1);
	for (unsigned int i = 0; i < 20; i++) {
		struct iopt_map_request rq = {
			.slices = &slices,
			.length = 0x400 * (1 + i % 5),
			.hint = 0x7f000400UL + i * PAGE_SIZE,
			.prot = IOMMU_READ,
		};

		slice = (struct iopt_slice){
			.backing = &fix->backings[0]->backing,
			.offset = 0x400 + i * PAGE_SIZE,
			.length = rq.length,
		};
		INIT_LIST_HEAD(&slices);
		list_add(&slice.item, &slices);
		KUNIT_ASSERT_EQ(test, 0, iopt_map(&fix->bench.iopt, &rq));
		KUNIT_EXPECT_EQ(test, offset_in_page(rq.iova), 0x400);
		KUNIT_EXPECT_GE(test, rq.iova, PAGE_SIZE);
	}
	fixture_exit(fix);
}

static struct kunit_case iopt_cases[] = {
	KUNIT_CASE_SLOW(random_steps),
	KUNIT_CASE(unmap_asks_access),
	KUNIT_CASE(unmap_many_pinned),
	KUNIT_CASE(unmap_many_around_new),
	KUNIT_CASE(move_locks_many),
	KUNIT_CASE(auto_iova_keeps_offset),
	{}
};

static struct kunit_suite iopt_suite = {
	.name = "iommufd_iopt",
	.test_cases = iopt_cases,
};

kunit_test_suite(iopt_suite);
