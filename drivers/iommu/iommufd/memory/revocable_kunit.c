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
#include <linux/iommufd_device_memory.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/wait_bit.h>

#include "fakes_kunit.h"

#define SPACE_PAGES 64
#define SPACE_BASE (16UL * SZ_1M)
#define MEMORY_PAGES 32
#define NDOMAINS 2
#define STEPS 4000

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

static unsigned int pick(struct fixture *fix, unsigned int below)
{
	return prandom_u32_state(&fix->rnd) % below;
}

static bool is_waiting(struct fixture *fix)
{
	return fake_is_waiting(&fix->dev->rev);
}

static struct fixture *fixture_new(struct kunit *test, u64 seed)
{
	struct fixture *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fix);
	fix->test = test;
	prandom_seed_state(&fix->rnd, seed);
	for (int d = 0; d < NDOMAINS; d++)
		fake_domain_init(test, &fix->domains[d], SPACE_BASE, SPACE_PAGES,
				 SZ_64K);
	fix->dev = fake_device_new(test, MEMORY_PAGES);
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
			return fix->dev->pfn + show->page + (at - show->at);
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
	if (page->pfn != page->want && (!fix->broken || page->pfn))
		return true;
	/* Nothing is seen that went. */
	page->pfn = fake->iotlb[page->at];
	return page->pfn && page->pfn != page->want;
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
	fake_device_set(fix->dev, true);
	KUNIT_EXPECT_EQ(fix->test, 0, iommufd_revocable_find(rev, NULL));
	if (fix->crowded)
		KUNIT_EXPECT_EQ(fix->test, 0, rev->ops->restore(rev, NULL));
	set_failures(fix, fake, 0, 0, false);
	fix->broken = always;
	if (!fix->broken)
		KUNIT_EXPECT_FALSE(fix->test, is_waiting(fix));
}

static void step_switch(struct fixture *fix)
{
	if (fix->dev->on)
		fake_device_set(fix->dev, false);
	else
		step_on(fix);
}

/* The memory is found elsewhere, with or without having been away. */
static void step_move(struct fixture *fix)
{
	struct iommufd_revocable *rev = &fix->dev->rev;

	scoped_guard(mutex, &rev->lock)
		fix->dev->pfn = FAKE_DEVICE_PFN + MEMORY_PAGES * pick(fix, 8);
	if (!fix->dev->on)
		return;
	KUNIT_EXPECT_EQ(fix->test, 0, rev->ops->restore(rev, NULL));
	fix->broken = false;
}

/* What an error left is filled by the next look at memory that is there. */
static void step_look(struct fixture *fix)
{
	fake_look(&fix->dev->rev);
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
		step_switch, step_move, step_look,
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
		fake_look(&fix->dev->rev);
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
	fake_device_set(fix->dev, false);
	check(fix);
	for (int d = 0; d < NDOMAINS; d++)
		KUNIT_EXPECT_EQ(test, fix->domains[d].flushes, 1);
	fixture_exit(fix);
}

static void show_one(struct fixture *fix, unsigned int npages,
		     unsigned long max_piece)
{
	const struct iommufd_show_request rq = {
		.domain = &fix->domains[0].domain,
		.iova = SPACE_BASE,
		.length = npages * PAGE_SIZE,
		.max_piece = max_piece,
	};

	KUNIT_ASSERT_EQ(fix->test, 0,
			iommufd_revocable_show(&fix->dev->rev, &rq, NULL));
	fix->shows[0] = (struct model_show){ .npages = npages };
	check(fix);
}

/* Large pages where they fit, and only if they are wanted. */
static void no_larger_pages(struct kunit *test)
{
	struct fixture *fix = fixture_new(test, 1);
	struct fake_domain *fake = &fix->domains[0];

	fake_device_set(fix->dev, true);
	KUNIT_ASSERT_EQ(test, 0, iommufd_revocable_find(&fix->dev->rev, NULL));
	show_one(fix, MEMORY_PAGES, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, fake->largest, PAGE_SIZE);
	hide(fix, &fix->shows[0]);
	show_one(fix, MEMORY_PAGES, 0);
	KUNIT_EXPECT_EQ(test, fake->largest, SZ_64K);
	fixture_exit(fix);
}

#define LARGE_PAGES 2048
#define LARGE_AT 300
#define LARGE_PAGE 100
#define LARGE_NPAGES 1300

/* Pages [@first, @end) of a large show are mapped, and nothing else. */
static void check_large(struct kunit *test, const struct fake_domain *fake,
			unsigned int first, unsigned int end)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < LARGE_PAGES; i++) {
		bool is_there = i >= LARGE_AT + first && i < LARGE_AT + end;
		unsigned long pfn = FAKE_DEVICE_PFN + LARGE_PAGE + i - LARGE_AT;

		wrong += fake->table[i] != (is_there ? pfn : 0);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* What is large is mapped in pieces, and may stop after any of them. */
static void in_pieces(struct kunit *test)
{
	struct fake_domain *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	struct fake_device *dev = fake_device_new(test, LARGE_PAGES);
	struct iommufd_show_request rq = {
		.iova = SPACE_BASE + LARGE_AT * PAGE_SIZE,
		.offset = LARGE_PAGE * PAGE_SIZE,
		.length = LARGE_NPAGES * PAGE_SIZE,
		.max_piece = PAGE_SIZE,
	};
	/* Pieces end where a page of 2 MiB would. */
	const unsigned int first_piece = SZ_2M / PAGE_SIZE - LARGE_AT;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake_domain_init(test, fake, SPACE_BASE, LARGE_PAGES, SZ_64K | SZ_2M);
	rq.domain = &fake->domain;
	fake_device_set(dev, true);
	KUNIT_ASSERT_EQ(test, 0, iommufd_revocable_find(&dev->rev, NULL));

	/* All or nothing when it is new. */
	fake->fail_after = first_piece + 10;
	fake->fail_rc = -EINVAL;
	KUNIT_EXPECT_EQ(test, -EINVAL, iommufd_revocable_show(&dev->rev, &rq, NULL));
	KUNIT_EXPECT_TRUE(test, fake_domain_is_empty(fake));
	KUNIT_ASSERT_EQ(test, 0, iommufd_revocable_show(&dev->rev, &rq, NULL));
	check_large(test, fake, 0, LARGE_NPAGES);

	/* As far as it goes when it comes back, and the rest later. */
	fake_device_set(dev, false);
	KUNIT_EXPECT_TRUE(test, fake_domain_is_empty(fake));
	fake_device_set(dev, true);
	fake->fail_after = first_piece + 10;
	KUNIT_EXPECT_EQ(test, 0, iommufd_revocable_find(&dev->rev, NULL));
	check_large(test, fake, 0, first_piece);
	KUNIT_EXPECT_TRUE(test, fake_is_waiting(&dev->rev));
	fake_look(&dev->rev);
	check_large(test, fake, 0, LARGE_NPAGES);
	KUNIT_EXPECT_FALSE(test, fake_is_waiting(&dev->rev));

	/* A part can go, too. */
	fake_device_set(dev, false);
	fake_device_set(dev, true);
	fake->fail_after = first_piece + 10;
	KUNIT_EXPECT_EQ(test, 0, iommufd_revocable_find(&dev->rev, NULL));
	iommufd_revocable_hide(&dev->rev, rq.domain, rq.iova);
	KUNIT_EXPECT_TRUE(test, fake_domain_is_empty(fake));
	iommufd_backing_put(&dev->rev.backing);
}

/* What cannot be mapped is in the way of nothing else. */
static void one_bad_domain(struct kunit *test)
{
	struct fixture *fix = fixture_new(test, 1);
	struct fake_domain *good = &fix->domains[1];
	unsigned int wrong = 0;

	show_all_over(fix);
	set_failures(fix, &fix->domains[0], -EINVAL, 0, true);
	fake_device_set(fix->dev, true);
	fix->broken = true;
	for (int i = 0; i < MAX_SHOWS; i++) {
		fake_look(&fix->dev->rev);
		check(fix);
	}
	for (unsigned int i = 0; i < SPACE_PAGES; i++)
		wrong += good->table[i] != model_pfn(fix, 1, i);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_TRUE(test, fake_domain_is_empty(&fix->domains[0]));
	set_failures(fix, &fix->domains[0], 0, 0, false);
	step_look(fix);
	check(fix);
	fixture_exit(fix);
}

/* Less and less often, but never less than once a second, and soon after each revocation. */
static void looks_less_and_less(struct kunit *test)
{
	struct fixture *fix = fixture_new(test, 1);
	struct iommufd_revocable *rev = &fix->dev->rev;
	unsigned int delay;

	for (int round = 0; round < 2; round++) {
		delay = 10;
		show_one(fix, 1, 0);
		KUNIT_EXPECT_TRUE(test, is_waiting(fix));
		for (int i = 0; i < 12; i++) {
			KUNIT_EXPECT_EQ(test, rev->delay_ms, delay);
			fake_look(rev);
			delay = min(2 * delay, 1000);
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&fix->dev->missed), 12 * (round + 1));
		hide(fix, &fix->shows[0]);
		KUNIT_EXPECT_FALSE(test, is_waiting(fix));
		/* Nobody waits: the timer that was set before looks at nothing. */
		fake_look(rev);
		KUNIT_EXPECT_EQ(test, atomic_read(&fix->dev->missed), 12 * (round + 1));
	}
	fixture_exit(fix);
}

/* Who is told of the device looks at what waits for it, and keeps it alive meanwhile. */
static void told_of_a_device(struct kunit *test)
{
	struct fixture *fix = fixture_new(test, 1);
	struct fake_device *dev = fix->dev;

	show_one(fix, 4, 0);
	iommufd_device_memory_recheck(NULL);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->missed), 0);
	iommufd_device_memory_recheck(dev->mapping);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->missed), 1);
	KUNIT_EXPECT_EQ(test, dev->users, 2);
	fake_device_set(dev, true);
	iommufd_device_memory_recheck(dev->mapping);
	check(fix);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->found), 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&dev->rev.backing.refs), 1);
	iommufd_device_memory_recheck(dev->mapping);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->found), 1);
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
	fake_device_set(fix->dev, true);
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
	fake_device_set(fix->dev, true);
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
		fake_device_set(fix->dev, false);
		/* Nothing is being mapped either: page tables change under the lock. */
		scoped_guard(mutex, &fix->dev->rev.lock)
			for (int d = 0; d < NDOMAINS; d++)
				toggler->stale +=
					!fake_domain_is_empty(&fix->domains[d]);
		fake_device_set(fix->dev, true);
		fix->dev->rev.ops->restore(&fix->dev->rev, NULL);
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
	KUNIT_CASE(no_larger_pages),
	KUNIT_CASE(in_pieces),
	KUNIT_CASE(one_bad_domain),
	KUNIT_CASE(looks_less_and_less),
	KUNIT_CASE(told_of_a_device),
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
