// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Revocables against a naive model: shows come and go at random in two domains while the
 * memory is switched off and on.  After every step each domain has exactly what the
 * model says, and while the memory is off no domain and no unflushed IOTLB knows it.
 *
 * The timer that looks for the memory is held still, and the test takes its looks: one
 * at a time as steps like the others, or all the time in a thread beside them.  Only
 * comes_back_by_itself() leaves it running.
 *
 * Domains and the device are fakes, so this runs without any hardware.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/iommu.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "origin.h"
#include "revocable.h"

#define SPACE_PAGES 64
#define SPACE_BASE (16UL * SZ_1M)
#define MEMORY_PAGES 32
#define NDOMAINS 2
#define STEPS 4000

/* Page frames of the fake: far from anything real, never dereferenced. */
#define FAKE_PFN 0x300000UL

struct fake_domain {
	struct iommu_domain domain;
	/* by page of the space: PFN, 0 for nothing; and as the IOTLB may see it */
	unsigned long table[SPACE_PAGES];
	unsigned long iotlb[SPACE_PAGES];
	unsigned int flushes;
	/* pages until a failure, and its errno; the device's rev.lock */
	int fail_after;
	int fail_rc;
	bool fail_always;
};

struct fake_device {
	struct iommufd_revocable rev;
	bool on; /* rev.lock */
	/* restores that have ended, without and with the memory */
	atomic_t missed;
	atomic_t found;
};

/* A show as the model has it; no pages: none. */
struct model_show {
	unsigned int domain;
	unsigned int at;
	unsigned int page;
	unsigned int npages;
};

#define MAX_SHOWS 12

struct fixture {
	struct kunit *test;
	struct fake_domain domains[NDOMAINS];
	struct fake_device *dev;
	struct model_show shows[MAX_SHOWS];
	struct rnd_state rnd;
	bool broken; /* a restore has met a driver's error */
	bool crowded; /* somebody else may look at any time */
};

static struct fake_domain *fake_of(struct iommu_domain *domain)
{
	return container_of(domain, struct fake_domain, domain);
}

static unsigned long slot_of(unsigned long iova)
{
	return (iova - SPACE_BASE) >> PAGE_SHIFT;
}

static bool fails_now(struct fake_domain *fake)
{
	return fake->fail_always || (fake->fail_after && !--fake->fail_after);
}

static int fake_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct fake_domain *fake = fake_of(domain);

	if (!(prot & IOMMU_MMIO) || (prot & IOMMU_CACHE) ||
	    gfpflags_allow_blocking(gfp))
		return -EINVAL;
	for (; pgcount; pgcount--) {
		if (fails_now(fake))
			return fake->fail_rc;
		for (size_t done = 0; done < pgsize; done += PAGE_SIZE)
			fake->table[slot_of(iova + done)] =
				PHYS_PFN(paddr + done);
		iova += pgsize;
		paddr += pgsize;
		*mapped += pgsize;
	}
	return 0;
}

static size_t fake_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct fake_domain *fake = fake_of(domain);
	size_t done;

	for (done = 0; done < pgsize * pgcount; done += PAGE_SIZE) {
		if (!fake->table[slot_of(iova + done)])
			break;
		fake->table[slot_of(iova + done)] = 0;
	}
	return done;
}

static int fake_sync_map(struct iommu_domain *domain, unsigned long iova,
			 size_t size)
{
	struct fake_domain *fake = fake_of(domain);

	for (int i = 0; i < SPACE_PAGES; i++)
		if (fake->table[i])
			fake->iotlb[i] = fake->table[i];
	return 0;
}

static void fake_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	struct fake_domain *fake = fake_of(domain);

	fake->flushes++;
	memcpy(fake->iotlb, fake->table, sizeof(fake->iotlb));
}

static const struct iommu_domain_ops fake_domain_ops = {
	.map_pages = fake_map_pages,
	.unmap_pages = fake_unmap_pages,
	.iotlb_sync_map = fake_sync_map,
	.iotlb_sync = fake_iotlb_sync,
};

static struct fake_device *device_of(struct iommufd_revocable *rev)
{
	return container_of(rev, struct fake_device, rev);
}

static int publish_if_on(struct fake_device *dev)
{
	guard(mutex)(&dev->rev.lock);
	if (!dev->on)
		return -EFAULT;
	iommufd_revocable_publish_locked(&dev->rev, PFN_PHYS(FAKE_PFN));
	return 0;
}

static int fake_restore(struct iommufd_revocable *rev, struct iommufd_log *log)
{
	struct fake_device *dev = device_of(rev);
	atomic_t *ended = &dev->missed;
	int rc = publish_if_on(dev);

	if (!rc) {
		iommufd_revocable_fill(rev);
		ended = &dev->found;
	}
	atomic_inc(ended);
	wake_up_var(ended);
	return rc;
}

/* What the timer does when it is due. */
static void look(struct fixture *fix)
{
	struct work_struct *work = &fix->dev->rev.retry.work;

	work->func(work);
}

static bool fake_concerns(const struct iommufd_revocable *rev,
			  const struct address_space *mapping)
{
	return false;
}

static const struct iommufd_revocable_ops fake_ops = {
	.restore = fake_restore,
	.concerns = fake_concerns,
};

static void fake_release(struct iommufd_backing *backing)
{
	iommufd_revocable_exit(iommufd_revocable_of(backing));
}

static const struct iommufd_backing_ops fake_backing_ops = {
	.name = "fake device",
	.revocable = true,
	.release = fake_release,
};

static unsigned int pick(struct fixture *fix, unsigned int below)
{
	return prandom_u32_state(&fix->rnd) % below;
}

static bool is_waiting(struct fixture *fix)
{
	guard(mutex)(&fix->dev->rev.lock);
	return fix->dev->rev.waiting;
}

static struct fixture *fixture_new(struct kunit *test, u64 seed)
{
	struct fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fix);
	fix->test = test;
	prandom_seed_state(&fix->rnd, seed);
	for (int d = 0; d < NDOMAINS; d++) {
		struct iommu_domain *domain = &fix->domains[d].domain;

		domain->type = IOMMU_DOMAIN_UNMANAGED;
		domain->ops = &fake_domain_ops;
		domain->pgsize_bitmap = PAGE_SIZE | SZ_64K;
	}
	fix->dev = kzalloc_obj(*fix->dev);
	KUNIT_ASSERT_NOT_NULL(test, fix->dev);
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_revocable_init(&fix->dev->rev, &fake_backing_ops,
					       &fake_ops, MEMORY_PAGES, true));
	disable_delayed_work_sync(&fix->dev->rev.retry);
	return fix;
}

static void hide(struct fixture *fix, struct model_show *show)
{
	iommufd_revocable_hide(&fix->dev->rev,
			       &fix->domains[show->domain].domain,
			       SPACE_BASE + show->at * PAGE_SIZE);
	show->npages = 0;
}

static void fixture_exit(struct fixture *fix)
{
	for (int i = 0; i < MAX_SHOWS; i++)
		if (fix->shows[i].npages)
			hide(fix, &fix->shows[i]);
	KUNIT_EXPECT_FALSE(fix->test, is_waiting(fix));
	iommufd_backing_put(&fix->dev->rev.backing);
}

/* What the model has at a page of a domain. */
static unsigned long model_pfn(struct fixture *fix, unsigned int domain,
			       unsigned int at)
{
	for (int i = 0; i < MAX_SHOWS; i++) {
		const struct model_show *show = &fix->shows[i];

		if (show->npages && show->domain == domain && at >= show->at &&
		    at < show->at + show->npages)
			return FAKE_PFN + show->page + (at - show->at);
	}
	return 0;
}

/* A page of a domain that is not what the model says. */
struct mistake {
	unsigned int domain;
	unsigned int at;
	unsigned long pfn;
	unsigned long want;
};

static bool is_wrong(struct fixture *fix, struct mistake *page)
{
	const struct fake_domain *fake = &fix->domains[page->domain];

	page->pfn = fake->table[page->at];
	page->want = fix->dev->on ? model_pfn(fix, page->domain, page->at) : 0;
	/* A hole that an error left is filled by and by. */
	if (fix->broken && !page->pfn)
		return false;
	if (page->pfn != page->want)
		return true;
	if (fix->dev->on)
		return false;
	page->pfn = fake->iotlb[page->at];
	return page->pfn;
}

static bool find_mistake(struct fixture *fix, struct mistake *page)
{
	guard(mutex)(&fix->dev->rev.lock);
	for (page->domain = 0; page->domain < NDOMAINS; page->domain++)
		for (page->at = 0; page->at < SPACE_PAGES; page->at++)
			if (is_wrong(fix, page))
				return true;
	return false;
}

/* Ends the test without the lock. */
static void check(struct fixture *fix)
{
	struct mistake page;
	bool wrong = find_mistake(fix, &page);

	KUNIT_ASSERT_FALSE_MSG(fix->test, wrong,
			       "domain %u page %u has frame 0x%lx, not 0x%lx",
			       page.domain, page.at, page.pfn, page.want);
}

static void switch_off(struct fixture *fix)
{
	guard(mutex)(&fix->dev->rev.lock);
	iommufd_revocable_revoke_locked(&fix->dev->rev);
	fix->dev->on = false;
}

static void set_on(struct fixture *fix)
{
	guard(mutex)(&fix->dev->rev.lock);
	fix->dev->on = true;
}

static void set_failures(struct fixture *fix, struct fake_domain *fake, int rc,
			 int after, bool always)
{
	guard(mutex)(&fix->dev->rev.lock);
	fake->fail_rc = rc;
	fake->fail_after = after;
	fake->fail_always = always;
}

/*
 * The memory comes back.  Who finds it published by somebody else does not know how much
 * of it is mapped already; who has restored it does.
 */
static void step_on(struct fixture *fix)
{
	struct fake_domain *fake = &fix->domains[pick(fix, NDOMAINS)];
	struct iommufd_revocable *rev = &fix->dev->rev;
	bool always = !pick(fix, 20);

	/* One failure for want of memory is got over. */
	set_failures(fix, fake, -ENOMEM, pick(fix, 20), always);
	set_on(fix);
	KUNIT_EXPECT_EQ(fix->test, 0, iommufd_revocable_find(rev, NULL));
	if (fix->crowded)
		KUNIT_EXPECT_EQ(fix->test, 0, fake_restore(rev, NULL));
	set_failures(fix, fake, 0, 0, false);
	fix->broken = always;
	if (!fix->broken)
		KUNIT_EXPECT_FALSE(fix->test, is_waiting(fix));
}

static void step_switch(struct fixture *fix)
{
	if (fix->dev->on)
		switch_off(fix);
	else
		step_on(fix);
}

/* What an error left is filled by the next look at memory that is there. */
static void step_look(struct fixture *fix)
{
	look(fix);
	if (!fix->dev->on)
		return;
	fix->broken = false;
	KUNIT_EXPECT_FALSE(fix->test, is_waiting(fix));
}

static bool is_free(struct fixture *fix, const struct model_show *show)
{
	for (unsigned int i = 0; i < show->npages; i++)
		if (model_pfn(fix, show->domain, show->at + i))
			return false;
	return true;
}

static int show_pages(struct fixture *fix, const struct model_show *show)
{
	const struct iommufd_show_request rq = {
		.domain = &fix->domains[show->domain].domain,
		.iova = SPACE_BASE + show->at * PAGE_SIZE,
		.offset = show->page * PAGE_SIZE,
		.length = show->npages * PAGE_SIZE,
		.prot = IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
		.max_piece = pick(fix, 3) ? 0 : PAGE_SIZE,
	};

	return iommufd_revocable_show(&fix->dev->rev, &rq, NULL);
}

static void step_show(struct fixture *fix)
{
	struct model_show *slot = &fix->shows[pick(fix, MAX_SHOWS)];
	struct model_show show = {
		.domain = pick(fix, NDOMAINS),
		.npages = 1 + pick(fix, 20),
	};
	struct fake_domain *fake = &fix->domains[show.domain];
	int rc;

	show.at = pick(fix, SPACE_PAGES - show.npages);
	show.page = pick(fix, MEMORY_PAGES - show.npages);
	if (slot->npages || !is_free(fix, &show))
		return;
	set_failures(fix, fake, -EINVAL, pick(fix, 4) ? 0 : 1 + pick(fix, 20), false);
	rc = show_pages(fix, &show);
	set_failures(fix, fake, 0, 0, false);
	if (!rc)
		*slot = show;
	else
		KUNIT_EXPECT_TRUE(fix->test, fix->dev->on);
}

static void step_hide(struct fixture *fix)
{
	struct model_show *show = &fix->shows[pick(fix, MAX_SHOWS)];

	if (show->npages)
		hide(fix, show);
}

static void take_steps(struct fixture *fix)
{
	static void (*const steps[])(struct fixture *fix) = {
		step_show, step_show, step_show, step_hide, step_hide, step_switch,
		step_look,
	};

	for (int i = 0; i < STEPS; i++) {
		steps[pick(fix, ARRAY_SIZE(steps))](fix);
		check(fix);
	}
}

static void random_steps(struct kunit *test)
{
	for (u64 seed = 1; seed <= 8; seed++) {
		struct fixture *fix = fixture_new(test, seed);

		take_steps(fix);
		fixture_exit(fix);
	}
}

static int look_all_the_time(void *data)
{
	struct fixture *fix = data;

	while (!kthread_should_stop()) {
		look(fix);
		cond_resched();
	}
	return 0;
}

static void stop_looking(void *task)
{
	kthread_stop(task);
}

/* The same while the timer is always due: what a step has promised holds all the same. */
static void random_steps_beside_looks(struct kunit *test)
{
	for (u64 seed = 11; seed <= 14; seed++) {
		struct fixture *fix = fixture_new(test, seed);
		struct task_struct *task;

		fix->crowded = true;
		task = kthread_run(look_all_the_time, fix, "revocable-look");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, stop_looking,
								   task));
		take_steps(fix);
		kunit_release_action(test, stop_looking, task);
		fixture_exit(fix);
	}
}

static void show_all_over(struct fixture *fix)
{
	for (int i = 0; i < 4; i++) {
		fix->shows[i] = (struct model_show){
			.domain = i % NDOMAINS,
			.at = 20 * (i / NDOMAINS),
			.page = i,
			.npages = 16,
		};
		KUNIT_ASSERT_EQ(fix->test, 0, show_pages(fix, &fix->shows[i]));
	}
}

/* However many shows a domain has, a revocation flushes it once. */
static void one_flush_a_domain(struct kunit *test)
{
	struct fixture *fix = fixture_new(test, 1);

	fix->dev->on = true;
	KUNIT_ASSERT_EQ(test, 0, iommufd_revocable_find(&fix->dev->rev, NULL));
	show_all_over(fix);
	check(fix);
	switch_off(fix);
	check(fix);
	for (int d = 0; d < NDOMAINS; d++)
		KUNIT_EXPECT_EQ(test, fix->domains[d].flushes, 1);
	fixture_exit(fix);
}

/* Far longer than any machine is busy; only a defect lets it pass. */
#define LONG (120 * HZ)

/* Nobody says that the memory is back, and it comes back. */
static void comes_back_by_itself(struct kunit *test)
{
	struct fixture *fix = fixture_new(test, 1);
	struct fake_device *dev = fix->dev;

	enable_delayed_work(&dev->rev.retry);
	show_all_over(fix);
	check(fix);
	KUNIT_EXPECT_TRUE(test, is_waiting(fix));
	/* The timer goes on after it has looked in vain. */
	KUNIT_EXPECT_TRUE(test, wait_var_event_timeout(&dev->missed,
						       atomic_read(&dev->missed) > 2,
						       LONG));
	set_on(fix);
	KUNIT_EXPECT_TRUE(test, wait_var_event_timeout(&dev->found,
						       atomic_read(&dev->found),
						       LONG));
	check(fix);
	KUNIT_EXPECT_FALSE(test, is_waiting(fix));
	fixture_exit(fix);
}

/* What is gone for good is waited for by nobody, and can still be hidden and shown. */
static void gone_for_good(struct kunit *test)
{
	struct fixture *fix = fixture_new(test, 1);

	show_all_over(fix);
	scoped_guard(mutex, &fix->dev->rev.lock)
		iommufd_revocable_set_gone_locked(&fix->dev->rev);
	KUNIT_EXPECT_FALSE(test, is_waiting(fix));
	hide(fix, &fix->shows[0]);
	set_on(fix);
	iommufd_revocable_find(&fix->dev->rev, NULL);
	KUNIT_EXPECT_FALSE(test, fix->dev->rev.present);
	fix->dev->on = false;
	fix->shows[0] = (struct model_show){ .at = 50, .npages = 2 };
	KUNIT_EXPECT_EQ(test, 0, show_pages(fix, &fix->shows[0]));
	KUNIT_EXPECT_FALSE(test, is_waiting(fix));
	check(fix);
	fixture_exit(fix);
}

struct toggler {
	struct fixture *fix;
	struct completion done;
	unsigned int stale;
	unsigned int rounds;
};

/* The device goes off and on all the time, and looks whether anybody still sees it. */
static int toggle(void *data)
{
	struct toggler *toggler = data;
	struct fixture *fix = toggler->fix;

	for (unsigned int i = 0; i < toggler->rounds; i++) {
		switch_off(fix);
		/* Nothing is being mapped either: page tables change under the lock. */
		scoped_guard(mutex, &fix->dev->rev.lock)
			for (int d = 0; d < NDOMAINS; d++)
				for (int p = 0; p < SPACE_PAGES; p++)
					toggler->stale += fix->domains[d].table[p] ||
							  fix->domains[d].iotlb[p];
		set_on(fix);
		fake_restore(&fix->dev->rev, NULL);
		cond_resched();
	}
	complete(&toggler->done);
	return 0;
}

static void races_with_shows(struct kunit *test)
{
	struct fixture *fix = fixture_new(test, 7);
	struct toggler toggler = { .fix = fix, .rounds = 3000 };
	struct task_struct *task;

	init_completion(&toggler.done);
	task = kthread_run(toggle, &toggler, "revocable-toggle");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	while (!completion_done(&toggler.done)) {
		struct model_show *slot = &fix->shows[pick(fix, MAX_SHOWS)];
		struct model_show show = {
			.domain = pick(fix, NDOMAINS),
			.npages = 1 + pick(fix, 20),
		};

		show.at = pick(fix, SPACE_PAGES - show.npages);
		show.page = pick(fix, MEMORY_PAGES - show.npages);
		if (slot->npages)
			hide(fix, slot);
		else if (is_free(fix, &show) && !show_pages(fix, &show))
			*slot = show;
		cond_resched();
	}
	wait_for_completion(&toggler.done);
	KUNIT_EXPECT_EQ(test, toggler.stale, 0);
	check(fix);
	fixture_exit(fix);
}

static struct kunit_case revocable_cases[] = {
	KUNIT_CASE_SLOW(random_steps),
	KUNIT_CASE_SLOW(random_steps_beside_looks),
	KUNIT_CASE(one_flush_a_domain),
	KUNIT_CASE(comes_back_by_itself),
	KUNIT_CASE(gone_for_good),
	KUNIT_CASE(races_with_shows),
	{}
};

static struct kunit_suite revocable_suite = {
	.name = "iommufd_revocable",
	.test_cases = revocable_cases,
};

kunit_test_suite(revocable_suite);
