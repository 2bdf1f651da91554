// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The shapes of pfn_runs (pfn_chunk.h): how they become each other, and that nothing has
 * changed when there is no memory for the next one.  Page i of an object here is the one
 * after next of page i - 1, so that each has a run of its own.
 */
#include <kunit/static_stub.h>
#include <kunit/test-bug.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "pfn_runs_kunit.h"

#define RUN_MAX BIT(PFN_RUN_LENGTH_BITS)
#define PFN(i) (10 + 2 * (unsigned long)(i))

/* Runs for which a chunk has room, at first and at last, and the table's chunks at first. */
#define CHUNK_MIN 6
#define CHUNK_MAX 510
#define TABLE_MIN 6

static const unsigned int sizes[] = {
	1, 2, CHUNK_MIN, CHUNK_MIN + 1, CHUNK_MAX, CHUNK_MAX + 1, 2 * CHUNK_MAX,
	2 * CHUNK_MAX + 1, TABLE_MIN * CHUNK_MAX, TABLE_MIN * CHUNK_MAX + 1,
};

static void check_chunk(struct kunit *test, const struct pfn_chunk *chunk,
			unsigned long npages)
{
	unsigned int i;

	KUNIT_ASSERT_GT(test, chunk->nruns, 0);
	KUNIT_ASSERT_LE(test, chunk->nruns, chunk->room);
	for (i = 0; i < chunk->nruns; i++)
		npages -= run_npages(chunk->run[i]);
	KUNIT_ASSERT_EQ(test, npages, 0);
}

static void check_table(struct kunit *test, const struct pfn_table *table)
{
	unsigned long end;
	unsigned int i;

	KUNIT_ASSERT_GT(test, table->nchunks, 1);
	KUNIT_ASSERT_LE(test, table->nchunks, table->room);
	KUNIT_ASSERT_EQ(test, table->chunk[0]->first, 0);
	for (i = 0; i < table->nchunks; i++) {
		end = i + 1 < table->nchunks ? table->chunk[i + 1]->first : table->npages;
		check_chunk(test, table->chunk[i], end - table->chunk[i]->first);
	}
}

void pfn_runs_check_shape(struct kunit *test, const struct pfn_runs *runs)
{
	const struct pfn_table *table = runs_table(runs);

	if (!pfn_runs_is_single(runs))
		KUNIT_ASSERT_FALSE(test, pfn_runs_is_page(runs));
	if (pfn_runs_is_empty(runs)) {
		KUNIT_ASSERT_EQ(test, pfn_runs_npages(runs), 0);
	} else if (pfn_runs_is_single(runs)) {
		KUNIT_ASSERT_EQ(test, pfn_runs_npages(runs), run_npages(single_run(runs)));
		KUNIT_ASSERT_EQ(test, pfn_runs_single_pfn(runs), run_pfn(single_run(runs)));
		KUNIT_ASSERT_EQ(test, pfn_runs_is_page(runs), pfn_runs_npages(runs) == 1);
	} else if (table) {
		KUNIT_ASSERT_EQ(test, pfn_runs_npages(runs), table->npages);
		check_table(test, table);
	} else {
		KUNIT_ASSERT_GT(test, lone_chunk(runs)->nruns, 1);
		check_chunk(test, lone_chunk(runs), pfn_runs_npages(runs));
	}
}

unsigned int pfn_runs_count(const struct pfn_runs *runs)
{
	const struct pfn_table *table = runs_table(runs);
	unsigned int i, n = 0;

	if (pfn_runs_is_empty(runs) || pfn_runs_is_single(runs))
		return pfn_runs_is_single(runs);
	if (!table)
		return lone_chunk(runs)->nruns;
	for (i = 0; i < table->nchunks; i++)
		n += table->chunk[i]->nruns;
	return n;
}

/* Are these the pages from @base on? */
static void check(struct kunit *test, const struct pfn_runs *runs, unsigned int base,
		  unsigned int npages)
{
	struct pfn_runs_iter it;
	unsigned int at = 0, bad = 0;

	pfn_runs_check_shape(test, runs);
	KUNIT_ASSERT_EQ(test, pfn_runs_npages(runs), npages);
	KUNIT_ASSERT_EQ(test, pfn_runs_count(runs), npages);
	pfn_runs_for_each(&it, runs, 0, npages) {
		bad += it.run.pfn != PFN(base + at) || it.run.npages != 1;
		bad += pfn_runs_pfn(runs, at) != it.run.pfn;
		at++;
	}
	KUNIT_ASSERT_EQ(test, at, npages);
	KUNIT_ASSERT_EQ(test, bad, 0);
}

/* Make it the pages from @base on. */
static void fill(struct kunit *test, struct pfn_runs *runs, unsigned int base,
		 unsigned int npages)
{
	unsigned int i;

	for (i = 0; i < npages; i++)
		KUNIT_ASSERT_EQ(test, 0,
				pfn_runs_append(runs, PFN(base + i), 1, GFP_KERNEL));
	check(test, runs, base, npages);
}

/* Memory that comes to an end */

/**
 * struct scarce - what there is left
 * @chunks: chunks that can be allocated
 * @tables: tables that can be allocated
 */
struct scarce {
	unsigned int chunks;
	unsigned int tables;
};

/* The last is enough for any one step below. */
static const struct scarce limits[] = {
	{ 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 }, { 2, 0 }, { 2, 1 }, { 8, 1 },
};

static struct pfn_chunk *scarce_chunk(unsigned int nruns, gfp_t gfp)
{
	struct kunit *test = kunit_get_current_test();
	struct scarce *scarce = test->priv;
	struct pfn_chunk *chunk;

	if (!scarce->chunks)
		return NULL;
	scarce->chunks--;
	kunit_deactivate_static_stub(test, pfn_chunk_alloc);
	chunk = pfn_chunk_alloc(nruns, gfp);
	kunit_activate_static_stub(test, pfn_chunk_alloc, scarce_chunk);
	return chunk;
}

static struct pfn_table *scarce_table(unsigned int nchunks, gfp_t gfp)
{
	struct kunit *test = kunit_get_current_test();
	struct scarce *scarce = test->priv;
	struct pfn_table *table;

	if (!scarce->tables)
		return NULL;
	scarce->tables--;
	kunit_deactivate_static_stub(test, pfn_table_alloc);
	table = pfn_table_alloc(nchunks, gfp);
	kunit_activate_static_stub(test, pfn_table_alloc, scarce_table);
	return table;
}

static void limit_memory(struct kunit *test, struct scarce limit)
{
	*(struct scarce *)test->priv = limit;
	kunit_activate_static_stub(test, pfn_chunk_alloc, scarce_chunk);
	kunit_activate_static_stub(test, pfn_table_alloc, scarce_table);
}

static void unlimit_memory(struct kunit *test)
{
	kunit_deactivate_static_stub(test, pfn_chunk_alloc);
	kunit_deactivate_static_stub(test, pfn_table_alloc);
}

static int scarce_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct scarce), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

/* One step with some memory.  Did it do it? */
typedef bool (*step_fn)(struct kunit *test, unsigned int npages, unsigned int more,
			struct scarce limit);

/* A step with so much memory, and with more.  Returns how often it was not enough. */
static unsigned int try_step(struct kunit *test, step_fn step, unsigned int npages,
			     unsigned int more)
{
	unsigned int i, failures = 0;
	bool done;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		done = step(test, npages, more, limits[i]);
		failures += !done;
	}
	KUNIT_ASSERT_TRUE(test, done);
	return failures;
}

static bool step_done(struct kunit *test, int rc)
{
	unlimit_memory(test);
	if (rc)
		KUNIT_ASSERT_EQ(test, rc, -ENOMEM);
	return !rc;
}

static bool append_step(struct kunit *test, unsigned int npages, unsigned int more,
			struct scarce limit)
{
	struct pfn_runs runs = {};
	bool done;

	fill(test, &runs, 0, npages);
	limit_memory(test, limit);
	done = step_done(test, pfn_runs_append(&runs, PFN(npages), 1, GFP_KERNEL));
	check(test, &runs, 0, npages + done);
	pfn_runs_clear(&runs);
	return done;
}

/* Lengthen the last run as far as it goes, and add two and a bit. */
static bool append_long_step(struct kunit *test, unsigned int npages,
			     unsigned int more, struct scarce limit)
{
	struct pfn_runs runs = {};
	bool done;

	fill(test, &runs, 0, npages);
	limit_memory(test, limit);
	done = step_done(test, pfn_runs_append(&runs, PFN(npages - 1) + 1, 3 * RUN_MAX,
					       GFP_KERNEL));
	if (done) {
		pfn_runs_check_shape(test, &runs);
		KUNIT_ASSERT_EQ(test, pfn_runs_npages(&runs), npages + 3 * RUN_MAX);
		KUNIT_ASSERT_EQ(test, pfn_runs_count(&runs), npages + 3);
		pfn_runs_truncate(&runs, npages);
	}
	check(test, &runs, 0, npages);
	pfn_runs_clear(&runs);
	return done;
}

static bool split_step(struct kunit *test, unsigned int npages, unsigned int more,
		       struct scarce limit)
{
	struct pfn_runs runs = {}, tail = {};
	bool done;

	fill(test, &runs, 0, npages + more);
	limit_memory(test, limit);
	done = step_done(test, pfn_runs_split(&runs, npages, &tail, GFP_KERNEL));
	check(test, &runs, 0, npages + (done ? 0 : more));
	check(test, &tail, npages, done ? more : 0);
	pfn_runs_clear(&runs);
	pfn_runs_clear(&tail);
	return done;
}

static bool join_step(struct kunit *test, unsigned int npages, unsigned int more,
		      struct scarce limit)
{
	struct pfn_runs runs = {}, tail = {};
	bool done;

	fill(test, &runs, 0, npages);
	fill(test, &tail, npages, more);
	limit_memory(test, limit);
	done = step_done(test, pfn_runs_join(&runs, &tail, GFP_KERNEL));
	check(test, &runs, 0, npages + (done ? more : 0));
	check(test, &tail, npages, done ? 0 : more);
	pfn_runs_clear(&runs);
	pfn_runs_clear(&tail);
	return done;
}

static void append_test(struct kunit *test)
{
	unsigned int i, failures = 0;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		failures += try_step(test, append_step, sizes[i], 0);
		failures += try_step(test, append_long_step, sizes[i], 0);
	}
	KUNIT_EXPECT_GT(test, failures, 0);
}

static void split_test(struct kunit *test)
{
	unsigned int i, j, failures = 0;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (j = 0; j < ARRAY_SIZE(sizes); j++)
			failures += try_step(test, split_step, sizes[i], sizes[j]);
	KUNIT_EXPECT_GT(test, failures, 0);
}

static void join_test(struct kunit *test)
{
	unsigned int i, j, failures = 0;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (j = 0; j < ARRAY_SIZE(sizes); j++)
			failures += try_step(test, join_step, sizes[i], sizes[j]);
	KUNIT_EXPECT_GT(test, failures, 0);
}

/* What small objects cost. */
static void allocations_test(struct kunit *test)
{
	struct pfn_runs runs = {}, tail = {};

	KUNIT_EXPECT_EQ(test, sizeof(runs), sizeof(u64));
	limit_memory(test, (struct scarce){});
	KUNIT_EXPECT_EQ(test, 0, pfn_runs_append(&runs, 7, RUN_MAX, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, 0, pfn_runs_split(&runs, 1, &tail, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, 0, pfn_runs_join(&runs, &tail, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, pfn_runs_is_single(&runs));
	pfn_runs_clear(&runs);

	limit_memory(test, (struct scarce){ .chunks = 1 });
	fill(test, &runs, 0, CHUNK_MIN);
	unlimit_memory(test);
	pfn_runs_clear(&runs);
}

/* One page less and one more than fit in the word, and back. */
static void longest_test(struct kunit *test)
{
	struct pfn_runs runs = {}, tail = {};

	KUNIT_ASSERT_EQ(test, 0, pfn_runs_append(&runs, 7, RUN_MAX - 1, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, pfn_runs_append(&runs, 6 + RUN_MAX, 1, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, pfn_runs_is_single(&runs));
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&runs), RUN_MAX);
	KUNIT_EXPECT_EQ(test, pfn_runs_single_pfn(&runs), 7);
	KUNIT_EXPECT_EQ(test, pfn_runs_pfn(&runs, RUN_MAX - 1), 6 + RUN_MAX);

	KUNIT_ASSERT_EQ(test, 0, pfn_runs_append(&runs, 7 + RUN_MAX, 1, GFP_KERNEL));
	pfn_runs_check_shape(test, &runs);
	KUNIT_EXPECT_FALSE(test, pfn_runs_is_single(&runs));
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&runs), RUN_MAX + 1);
	KUNIT_EXPECT_EQ(test, pfn_runs_pfn(&runs, RUN_MAX), 7 + RUN_MAX);

	KUNIT_ASSERT_EQ(test, 0, pfn_runs_split(&runs, 1, &tail, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, pfn_runs_is_single(&runs));
	pfn_runs_check_shape(test, &tail);
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&tail), RUN_MAX);
	KUNIT_EXPECT_EQ(test, pfn_runs_pfn(&tail, RUN_MAX - 1), 7 + RUN_MAX);
	pfn_runs_truncate(&tail, RUN_MAX - 1);
	KUNIT_EXPECT_TRUE(test, pfn_runs_is_single(&tail));
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&tail), RUN_MAX - 1);
	KUNIT_EXPECT_EQ(test, pfn_runs_single_pfn(&tail), 8);
	pfn_runs_truncate(&tail, RUN_MAX / 2 + 1);
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&tail), RUN_MAX / 2 + 1);
	KUNIT_EXPECT_FALSE(test, pfn_runs_is_page(&tail));
	pfn_runs_truncate(&tail, 1);
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&tail), 1);
	KUNIT_EXPECT_TRUE(test, pfn_runs_is_page(&tail));
	pfn_runs_truncate(&tail, 0);
	KUNIT_EXPECT_TRUE(test, pfn_runs_is_empty(&tail));
	pfn_runs_clear(&runs);

	KUNIT_ASSERT_EQ(test, 0, pfn_runs_append(&runs, 7, RUN_MAX + 1, GFP_KERNEL));
	pfn_runs_check_shape(test, &runs);
	KUNIT_EXPECT_EQ(test, pfn_runs_count(&runs), 2);
	KUNIT_EXPECT_EQ(test, pfn_runs_npages(&runs), RUN_MAX + 1);
	KUNIT_EXPECT_EQ(test, pfn_runs_pfn(&runs, 0), 7);
	KUNIT_EXPECT_EQ(test, pfn_runs_pfn(&runs, RUN_MAX), 7 + RUN_MAX);
	pfn_runs_clear(&runs);
}

static struct kunit_case pfn_runs_shape_cases[] = {
	KUNIT_CASE(append_test),
	KUNIT_CASE(split_test),
	KUNIT_CASE(join_test),
	KUNIT_CASE(allocations_test),
	KUNIT_CASE(longest_test),
	{}
};

static struct kunit_suite pfn_runs_shape_suite = {
	.name = "iommufd-pfn-runs-shape",
	.init = scarce_init,
	.test_cases = pfn_runs_shape_cases,
};

kunit_test_suite(pfn_runs_shape_suite);
