// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Holes of all lengths in the whole space, which iova_set notes by their class: the
 * search for one against another search that looks at every range.
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include "iova_set.h"

#define NODES 64

/**
 * struct model - ranges anywhere
 * @set: under test
 * @rnd: random numbers
 * @nodes: in the set if @used
 * @used: see @nodes
 */
struct model {
	struct iova_set set;
	struct rnd_state rnd;
	struct iova_node nodes[NODES];
	bool used[NODES];
};

static struct model *model_new(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	return m;
}

static void model_reset(struct model *m, unsigned int round)
{
	*m = (struct model){};
	prandom_seed_state(&m->rnd, 1 + round);
	iova_set_init(&m->set);
}

static u32 below(struct model *m, u32 limit)
{
	return prandom_u32_state(&m->rnd) % limit;
}

/* Classes of holes at each length where one ends and the next begins. */
static void class_test(struct kunit *test)
{
	unsigned long top, first, last;
	int drop;

	for (top = 0; top < 256; top++)
		KUNIT_ASSERT_EQ(test, iova_hole_class(top), top);
	for (drop = 1; drop <= BITS_PER_LONG - 8; drop++) {
		for (top = 128; top < 256; top++) {
			first = top << drop;
			last = first + ((1UL << drop) - 1);
			KUNIT_ASSERT_EQ(test, iova_hole_class(first),
					iova_hole_class(first - 1) + 1);
			KUNIT_ASSERT_EQ(test, iova_hole_class(last),
					iova_hole_class(first));
		}
	}
	KUNIT_EXPECT_EQ(test, last, ULONG_MAX);
}

static bool model_free(const struct model *m, const struct iova_span *span)
{
	int i;

	for (i = 0; i < NODES; i++)
		if (m->used[i] && iova_span_overlaps(&m->nodes[i].span, span))
			return false;
	return true;
}

static bool model_place(const struct model *m, const struct iova_fit *fit,
			unsigned long from, unsigned long *first)
{
	struct iova_span span;

	from = max(from, fit->window.first);
	if (check_add_overflow(from, (fit->offset - from) & (fit->align - 1), first) ||
	    iova_span_make(&span, *first, fit->length))
		return false;
	return iova_span_contains(&fit->window, &span) && model_free(m, &span);
}

/* The lowest place has the window's start or a node before it, and nothing between. */
static bool model_fit(const struct model *m, const struct iova_fit *fit,
		      unsigned long *first)
{
	bool found = model_place(m, fit, 0, first);
	unsigned long at;
	int i;

	for (i = 0; i < NODES; i++) {
		if (!m->used[i] || m->nodes[i].span.last == ULONG_MAX ||
		    !model_place(m, fit, m->nodes[i].span.last + 1, &at))
			continue;
		*first = found ? min(*first, at) : at;
		found = true;
	}
	return found;
}

static void check_fit(struct kunit *test, struct model *m,
		      const struct iova_fit *fit)
{
	unsigned long want = 0, got = 0;
	bool fits = model_fit(m, fit, &want);

	KUNIT_ASSERT_EQ(test, iova_set_fit(&m->set, fit, &got), fits ? 0 : -ENOSPC);
	if (fits)
		KUNIT_ASSERT_EQ(test, got, want);
}

static void insert_node(struct kunit *test, struct model *m, int i,
			const struct iova_span *span)
{
	m->nodes[i].span = *span;
	KUNIT_ASSERT_EQ(test, iova_set_insert(&m->set, &m->nodes[i]),
			model_free(m, span) ? 0 : -EEXIST);
	m->used[i] = model_free(m, span);
}

static void remove_node(struct model *m, int i)
{
	iova_set_remove(&m->set, &m->nodes[i]);
	m->used[i] = false;
}

/*
 * Holes that differ by less than their class tells, the longest first or last, each
 * followed by a node of one byte; and lengths that only some of them have.
 */
static void check_edges(struct kunit *test, struct model *m, unsigned long first,
			unsigned long last, bool longest_first)
{
	const unsigned long holes[] = { first - 1, first, last, last + 1 };
	struct iova_fit fit = { .align = 1, .window = IOVA_SPAN_ALL };
	struct iova_span span = {};
	int i, n = ARRAY_SIZE(holes);

	model_reset(m, 0);
	for (i = 0; i < n; i++) {
		span.first += holes[longest_first ? n - 1 - i : i];
		span.last = span.first;
		insert_node(test, m, i, &span);
		span.first++;
	}
	/* Without it there is room for everything behind the last one. */
	span.last = ULONG_MAX;
	insert_node(test, m, i, &span);

	for (i = 0; i < n; i++) {
		fit.length = holes[i] ?: 1;
		check_fit(test, m, &fit);
		fit.length = holes[i] + 1;
		check_fit(test, m, &fit);
	}
	/* All of them together, as soon as what is between them is gone. */
	for (i = 0; i < n - 1; i++) {
		remove_node(m, i);
		fit.length = m->nodes[i + 1].span.first;
		check_fit(test, m, &fit);
		fit.length++;
		check_fit(test, m, &fit);
	}
}

static void edges_test(struct kunit *test)
{
	static const u8 tops[] = { 1, 2, 3, 127, 128, 129, 170, 254, 255 };
	struct model *m = model_new(test);
	unsigned long first, last;
	int drop, i;

	/* Four such holes have to fit in the space. */
	for (drop = 0; drop <= BITS_PER_LONG - 11; drop++) {
		for (i = 0; i < ARRAY_SIZE(tops); i++) {
			first = (unsigned long)tops[i] << drop;
			last = first + ((1UL << drop) - 1);
			check_edges(test, m, first, last, false);
			check_edges(test, m, first, last, true);
		}
	}
}

/* Lengths of all orders of magnitude, and at the borders of classes. */
static unsigned long random_length(struct model *m)
{
	unsigned long length = 1 + below(m, 255);

	length <<= below(m, BITS_PER_LONG - 8);
	return max(length + below(m, 3) - 1, 1UL);
}

static void toggle(struct kunit *test, struct model *m)
{
	int i = below(m, NODES), beside = below(m, NODES);
	struct iova_span span;
	unsigned long first;

	if (m->used[i]) {
		remove_node(m, i);
		return;
	}
	first = random_length(m);
	if (m->used[beside])
		first += m->nodes[beside].span.last;
	if (!iova_span_make(&span, first, random_length(m) >> below(m, 30) ?: 1))
		insert_node(test, m, i, &span);
}

static void everywhere_test(struct kunit *test)
{
	struct model *m = model_new(test);
	struct iova_fit fit;
	int round, step, i;

	for (round = 0; round < 10; round++) {
		model_reset(m, round);
		for (step = 0; step < 200; step++) {
			toggle(test, m);
			for (i = 0; i < 2; i++) {
				fit = (struct iova_fit){
					.length = random_length(m),
					.align = 1UL << (below(m, 2) ? 0 :
							 below(m, BITS_PER_LONG)),
					.window = IOVA_SPAN_ALL,
				};
				if (below(m, 2))
					fit.offset = random_length(m) & (fit.align - 1);
				if (!below(m, 4))
					fit.window.first = random_length(m);
				check_fit(test, m, &fit);
			}
		}
	}
}

/*
 * Maps of a few kinds, each where there is room, and unmaps: the set remembers where a
 * search ended, and the next one goes on there.
 */
static void places_test(struct kunit *test)
{
	struct model *m = model_new(test);
	struct iova_span span;
	struct iova_fit fit;
	int round, step, i, went_on = 0;

	for (round = 0; round < 10; round++) {
		model_reset(m, round);
		for (step = 0; step < 400; step++) {
			i = below(m, NODES);
			if (m->used[i]) {
				if (!below(m, 3))
					remove_node(m, i);
				continue;
			}
			fit = (struct iova_fit){
				.length = 4096UL << below(m, 2),
				.align = 4096UL << (below(m, 8) ? 0 : 3),
				.window = { 4096, ULONG_MAX - 4096 },
			};
			if (!below(m, 16))
				fit.window.first = 4096 * below(m, NODES);
			went_on += m->set.barren.length == fit.length;
			check_fit(test, m, &fit);
			if (!iova_set_fit(&m->set, &fit, &span.first)) {
				span.last = span.first + (fit.length - 1);
				insert_node(test, m, i, &span);
				KUNIT_ASSERT_TRUE(test, m->used[i]);
			}
		}
	}
	KUNIT_EXPECT_GT(test, went_on, 200);
}

/* What a search learned by looking at many holes is not lost by one that did not. */
static void dear_test(struct kunit *test)
{
	struct iova_fit dear = { .length = 4096, .align = 8192, .window = IOVA_SPAN_ALL };
	struct iova_fit cheap = { .length = 8192, .align = 4096, .window = IOVA_SPAN_ALL };
	struct model *m = model_new(test);
	struct iova_span span = {};
	int i;

	model_reset(m, 0);
	/* Each second page is free, none of them aligned. */
	for (i = 0; i < NODES / 2; i++) {
		span.first = i * 8192UL;
		span.last = span.first + 4095;
		insert_node(test, m, i, &span);
		/* What was learned while there were few becomes dear later. */
		if (i == 4)
			check_fit(test, m, &dear);
	}
	check_fit(test, m, &dear);
	check_fit(test, m, &cheap);
	KUNIT_EXPECT_EQ(test, m->set.barren.length, dear.length);
	m->set.barren.length = 0;
	check_fit(test, m, &cheap);
	KUNIT_EXPECT_EQ(test, m->set.barren.length, cheap.length);
	check_fit(test, m, &dear);
	KUNIT_EXPECT_EQ(test, m->set.barren.length, dear.length);
	check_fit(test, m, &cheap);
	KUNIT_EXPECT_EQ(test, m->set.barren.length, dear.length);
	KUNIT_EXPECT_EQ(test, m->set.barren.window.last, NODES / 2 * 8192UL - 1);

	/* Until there is room. */
	remove_node(m, 8);
	KUNIT_EXPECT_EQ(test, m->set.barren.window.last, 7 * 8192UL + 4095);
	check_fit(test, m, &dear);
	check_fit(test, m, &cheap);
	remove_node(m, 0);
	KUNIT_EXPECT_EQ(test, m->set.barren.length, 0);
	check_fit(test, m, &cheap);
	KUNIT_EXPECT_EQ(test, m->set.barren.length, 0);
	check_fit(test, m, &dear);
}

static struct kunit_case iova_fit_cases[] = {
	KUNIT_CASE(class_test),
	KUNIT_CASE(edges_test),
	KUNIT_CASE(everywhere_test),
	KUNIT_CASE(places_test),
	KUNIT_CASE(dear_test),
	{}
};

static struct kunit_suite iova_fit_suite = {
	.name = "iommufd-iova-fit",
	.test_cases = iova_fit_cases,
};

kunit_test_suite(iova_fit_suite);
