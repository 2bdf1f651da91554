// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of pinning together, by real helpers, of pages that do not exist.  Where the order of
 * threads matters they wait for each other.
 */
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>

#include "../lib/pfn_runs.h"
#include "pin_parallel.h"

#define FIRST 7UL
#define PIECE 10UL
#define NPIECES 9UL
#define NPAGES (NPIECES * PIECE - 4)
#define NO_PAGE ULONG_MAX

/**
 * struct together - state of a case
 * @test: the case
 * @how: what is tested
 * @runs: where the pages go
 * @caller: the thread of the case
 * @lock: protects @pins
 * @pins: of each page
 * @bad: pages that cannot be pinned
 * @slow: page for which one has to wait
 * @deadly: page at which the caller is killed
 * @busy: how many times helpers will find that they should try again
 * @wait: what the caller waits for before it has pinned anything
 * @tried: times that helpers found that
 * @found: threads that came across a bad or deadly page
 * @helped: pages pinned by helpers
 * @begun: pieces that have been begun
 * @late: times that a thread has begun to pin when the caller was killed already
 * @rest_pages: pages that were left to the caller
 */
struct together {
	struct kunit *test;
	struct pin_parallel how;
	struct pfn_runs runs;
	struct task_struct *caller;
	spinlock_t lock; /* @pins */
	unsigned int pins[FIRST + NPAGES];
	unsigned long bad[2];
	unsigned long slow;
	unsigned long deadly;
	atomic_t busy;
	atomic_t *wait;
	atomic_t tried;
	atomic_t found;
	atomic_t helped;
	atomic_t begun;
	atomic_t late;
	unsigned long rest_pages;
};

static struct together *together_of(const struct pin_parallel *how)
{
	return container_of(how, struct together, how);
}

/* Runs of three, with gaps between them. */
static unsigned long pfn_of(unsigned long page)
{
	return 1000 + page + page / 3 * 2;
}

static unsigned long page_of(unsigned long pfn)
{
	unsigned long page;

	for (page = FIRST; page < FIRST + NPAGES; page++)
		if (pfn_of(page) == pfn)
			return page;
	return NO_PAGE;
}

static void count_pin(struct together *to, unsigned long page, int n)
{
	guard(spinlock)(&to->lock);
	to->pins[page] += n;
}

static void pin_page(struct together *to, unsigned long page, struct pfn_runs *runs)
{
	KUNIT_ASSERT_EQ(to->test, 0, pfn_runs_append(runs, pfn_of(page), 1, GFP_KERNEL));
	count_pin(to, page, 1);
}

static void tell(atomic_t *what)
{
	atomic_inc(what);
	wake_up_var(what);
}

static bool is_bad(const struct together *to, unsigned long page)
{
	return page == to->bad[0] || page == to->bad[1];
}

/* Is the page in this piece that the caller waits for?  Then no helper comes across it. */
static bool is_waited_for(const struct together *to, unsigned long first,
			  unsigned long npages)
{
	unsigned long bad = to->bad[1] == NO_PAGE ? to->bad[0] : to->bad[1];
	unsigned long page = min(bad, to->deadly);

	return page >= first && page - first < npages;
}

static void kill_caller(struct together *to)
{
	send_sig(SIGKILL, to->caller, 1);
	tell(&to->found);
}

/* A page at a time. */
static long fake_step(const struct pin_parallel *how, unsigned long first,
		      unsigned long npages, struct pin_array *array,
		      struct pfn_runs *runs)
{
	struct together *to = together_of(how);

	if (current != to->caller && atomic_dec_if_positive(&to->busy) >= 0) {
		tell(&to->tried);
		return -EAGAIN;
	}
	if (pfn_runs_is_empty(runs))
		atomic_inc(&to->begun);
	if (fatal_signal_pending(to->caller))
		atomic_inc(&to->late);
	if (current == to->caller && to->wait && !is_waited_for(to, first, npages))
		wait_var_event(to->wait, atomic_read(to->wait));
	if (first == to->slow)
		return 0;
	if (first == to->deadly)
		kill_caller(to);
	if (is_bad(to, first)) {
		tell(&to->found);
		return -EFAULT;
	}
	pin_page(to, first, runs);
	if (current != to->caller)
		tell(&to->helped);
	return 1;
}

static int fake_rest(const struct pin_parallel *how, unsigned long first,
		     unsigned long npages, struct pfn_runs *runs,
		     struct iommufd_log *log)
{
	struct together *to = together_of(how);
	unsigned long page;

	KUNIT_EXPECT_PTR_EQ(to->test, to->caller, current);
	for (page = first; page < first + npages; page++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (is_bad(to, page))
			return -EFAULT;
		pin_page(to, page, runs);
		to->rest_pages++;
	}
	return 0;
}

static void fake_discard(const struct pin_parallel *how, struct pfn_runs *runs)
{
	struct together *to = together_of(how);
	struct pfn_runs_iter it;
	unsigned long i;

	pfn_runs_for_each(&it, runs, 0, pfn_runs_npages(runs))
		for (i = 0; i < it.run.npages; i++)
			count_pin(to, page_of(it.run.pfn + i), -1);
	pfn_runs_clear(runs);
}

/* The pages below @end are pinned once and in order, the others are not. */
static void check_pinned(struct together *to, unsigned long end)
{
	unsigned long page = FIRST, i;
	struct pfn_runs_iter it;

	KUNIT_ASSERT_EQ(to->test, end - FIRST, pfn_runs_npages(&to->runs));
	pfn_runs_for_each(&it, &to->runs, 0, pfn_runs_npages(&to->runs))
		for (i = 0; i < it.run.npages; i++)
			KUNIT_ASSERT_EQ(to->test, pfn_of(page++), it.run.pfn + i);
	for (page = FIRST; page < FIRST + NPAGES; page++)
		KUNIT_ASSERT_EQ(to->test, page < end, to->pins[page]);
}

static void succeed(struct together *to, unsigned int nthreads)
{
	to->how.nthreads = nthreads;
	KUNIT_ASSERT_EQ(to->test, 0, pin_parallel(&to->how, &to->runs, NULL));
	check_pinned(to, FIRST + NPAGES);
}

static void fail(struct together *to, unsigned int nthreads)
{
	to->how.nthreads = nthreads;
	KUNIT_ASSERT_EQ(to->test, -EFAULT, pin_parallel(&to->how, &to->runs, NULL));
	check_pinned(to, to->bad[0]);
}

static void alone(struct kunit *test)
{
	struct together *to = test->priv;

	succeed(to, 1);
	KUNIT_EXPECT_EQ(test, NPIECES, atomic_read(&to->begun));
	KUNIT_EXPECT_EQ(test, 0, to->rest_pages);
}

/* However late helpers come, whoever takes a piece, all pages are there in order. */
static void together(struct kunit *test)
{
	struct together *to = test->priv;

	to->wait = &to->helped;
	succeed(to, 4);
	KUNIT_EXPECT_EQ(test, 0, to->rest_pages);
}

/* More helpers than pieces; pages are appended to those of others. */
static void few_pieces(struct kunit *test)
{
	struct together *to = test->priv;

	KUNIT_ASSERT_EQ(test, 0, pfn_runs_append(&to->runs, pfn_of(FIRST), 1, GFP_KERNEL));
	count_pin(to, FIRST, 1);
	to->how.first = FIRST + 1;
	to->how.npages = NPAGES - 1;
	to->how.piece = NPAGES / 2;
	succeed(to, 16);
}

/* Where one would have to wait the caller does, for the rest of that piece only. */
static void slow_page(struct kunit *test)
{
	struct together *to = test->priv;

	to->slow = FIRST + 3 * PIECE + 4;
	to->wait = &to->helped;
	succeed(to, 3);
	KUNIT_EXPECT_EQ(test, PIECE - 4, to->rest_pages);
}

/* A helper tries again, and what it has to do is not left to the caller. */
static void busy_for_a_while(struct kunit *test)
{
	struct together *to = test->priv;

	atomic_set(&to->busy, 5);
	to->wait = &to->helped;
	succeed(to, 2);
	KUNIT_EXPECT_EQ(test, 0, to->rest_pages);
}

/* Not even a helper that can do nothing keeps more than a piece, or the caller for long. */
static void busy_for_ever(struct kunit *test)
{
	struct together *to = test->priv;

	atomic_set(&to->busy, INT_MAX);
	to->wait = &to->tried;
	succeed(to, 3);
	KUNIT_EXPECT_LE(test, to->rest_pages, 2 * PIECE);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&to->helped));
}

/* Nothing above a bad page is begun once it is known. */
static void bad_page(struct kunit *test)
{
	struct together *to = test->priv;

	to->bad[0] = FIRST + 4 * PIECE + 2;
	fail(to, 1);
	KUNIT_EXPECT_EQ(test, 5, atomic_read(&to->begun));
	KUNIT_EXPECT_EQ(test, 0, to->rest_pages);
}

static void first_page_is_bad(struct kunit *test)
{
	struct together *to = test->priv;

	to->bad[0] = FIRST;
	fail(to, 4);
}

/* A bad page that a helper finds stops what is above it, but nothing below. */
static void bad_page_above(struct kunit *test)
{
	struct together *to = test->priv;

	to->bad[0] = FIRST + 4 * PIECE + 2;
	to->wait = &to->found;
	fail(to, 2);
	KUNIT_EXPECT_LE(test, atomic_read(&to->begun), 6);
	KUNIT_EXPECT_EQ(test, 0, to->rest_pages);
}

/* The lowest of several bad pages decides, whichever is found first. */
static void two_bad_pages(struct kunit *test)
{
	struct together *to = test->priv;

	/* The caller's own piece has one, and waits until the other is found. */
	to->bad[0] = FIRST + 5;
	to->bad[1] = FIRST + 2 * PIECE;
	to->wait = &to->found;
	fail(to, 2);
}

/* A page to wait for below a bad one: first that, then the error. */
static void slow_then_bad(struct kunit *test)
{
	struct together *to = test->priv;

	to->slow = FIRST + PIECE + 1;
	to->bad[0] = FIRST + 5 * PIECE;
	fail(to, 3);
	KUNIT_EXPECT_EQ(test, PIECE - 1, to->rest_pages);
}

/* Whoever is at work goes no further than the page that it is at. */
static void be_killed(struct together *to, unsigned int nthreads)
{
	unsigned long page;

	to->how.nthreads = nthreads;
	allow_signal(SIGKILL);
	KUNIT_EXPECT_EQ(to->test, -EINTR, pin_parallel(&to->how, &to->runs, NULL));
	flush_signals(current);
	disallow_signal(SIGKILL);
	KUNIT_EXPECT_GT(to->test, nthreads, atomic_read(&to->late));
	KUNIT_EXPECT_EQ(to->test, 0, to->rest_pages);
	KUNIT_EXPECT_LE(to->test, FIRST + pfn_runs_npages(&to->runs), to->deadly + 1);
	for (page = FIRST; page < FIRST + NPAGES; page++)
		KUNIT_EXPECT_EQ(to->test, page < FIRST + pfn_runs_npages(&to->runs),
				to->pins[page]);
}

static void killed_alone(struct kunit *test)
{
	struct together *to = test->priv;

	to->deadly = FIRST + 2 * PIECE + 3;
	be_killed(to, 1);
	KUNIT_EXPECT_EQ(test, to->deadly + 1, FIRST + pfn_runs_npages(&to->runs));
	KUNIT_EXPECT_EQ(test, 3, atomic_read(&to->begun));
}

static void killed_together(struct kunit *test)
{
	struct together *to = test->priv;

	to->deadly = FIRST + 4 * PIECE + 2;
	to->wait = &to->found;
	be_killed(to, 2);
}

static int together_init(struct kunit *test)
{
	struct together *to = kunit_kzalloc(test, sizeof(*to), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, to);
	test->priv = to;
	to->test = test;
	to->caller = current;
	spin_lock_init(&to->lock);
	to->bad[0] = NO_PAGE;
	to->bad[1] = NO_PAGE;
	to->slow = NO_PAGE;
	to->deadly = NO_PAGE;
	to->how = (struct pin_parallel){
		.first = FIRST,
		.npages = NPAGES,
		.piece = PIECE,
		.step = fake_step,
		.rest = fake_rest,
		.discard = fake_discard,
	};
	return 0;
}

static void together_exit(struct kunit *test)
{
	struct together *to = test->priv;

	if (to)
		pfn_runs_clear(&to->runs);
}

static struct kunit_case together_cases[] = {
	KUNIT_CASE(alone),
	KUNIT_CASE(together),
	KUNIT_CASE(few_pieces),
	KUNIT_CASE(slow_page),
	KUNIT_CASE(busy_for_a_while),
	KUNIT_CASE(busy_for_ever),
	KUNIT_CASE(bad_page),
	KUNIT_CASE(first_page_is_bad),
	KUNIT_CASE(bad_page_above),
	KUNIT_CASE(two_bad_pages),
	KUNIT_CASE(slow_then_bad),
	KUNIT_CASE(killed_alone),
	KUNIT_CASE(killed_together),
	{}
};

static struct kunit_suite together_suite = {
	.name = "iommufd_pin_parallel",
	.init = together_init,
	.exit = together_exit,
	.test_cases = together_cases,
};

kunit_test_suite(together_suite);
