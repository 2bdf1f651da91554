// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * iova_set and iova_resv against a byte map of a small space, which is laid over
 * different parts of the whole one: its start, its end, and somewhere between.  Wider
 * holes are iova_fit_kunit.c's.
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include "iova_set.h"

#define SPACE 512
#define NODES 96

/**
 * struct model - a small space
 * @base: address of its first byte; what is outside is never in the set
 * @set: under test
 * @resv: under test
 * @rnd: random numbers
 * @nodes: areas; in the set if @used
 * @used: see @nodes
 * @owner: of each byte: 0 free, 1 + index of an area, or RESERVED
 */
struct model {
	unsigned long base;
	struct iova_set set;
	struct iova_resv resv;
	struct rnd_state rnd;
	struct iova_node nodes[NODES];
	bool used[NODES];
	int owner[SPACE];
};

#define RESERVED -1

static const unsigned long bases[] = {
	0, 1, 0x7ffff000, ULONG_MAX - SPACE, ULONG_MAX - SPACE + 1,
	ULONG_MAX / 2 - 100,
};

static struct model *model_new(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	return m;
}

static void model_reset(struct model *m, unsigned int round)
{
	*m = (struct model){ .base = bases[round % ARRAY_SIZE(bases)] };
	prandom_seed_state(&m->rnd, 1 + round);
	iova_set_init(&m->set);
	iova_resv_init(&m->resv);
}

static u32 below(struct model *m, u32 limit)
{
	return prandom_u32_state(&m->rnd) % limit;
}

static struct iova_span random_span(struct model *m, u32 longest)
{
	u32 first = below(m, SPACE);
	u32 length = 1 + below(m, min(longest, SPACE - first));

	return (struct iova_span){
		.first = m->base + first,
		.last = m->base + first + length - 1,
	};
}

static bool model_free(struct model *m, const struct iova_span *span)
{
	unsigned long i;

	for (i = span->first - m->base; i <= span->last - m->base; i++)
		if (m->owner[i])
			return false;
	return true;
}

static void model_fill(struct model *m, const struct iova_span *span, int owner)
{
	unsigned long i;

	for (i = span->first - m->base; i <= span->last - m->base; i++)
		m->owner[i] = owner;
}

static void toggle_area(struct kunit *test, struct model *m)
{
	int i = below(m, NODES);
	struct iova_node *node = &m->nodes[i];
	int rc;

	if (m->used[i]) {
		iova_set_remove(&m->set, node);
		model_fill(m, &node->span, 0);
		m->used[i] = false;
		return;
	}
	node->span = random_span(m, below(m, 4) ? 5 : 40);
	rc = iova_set_insert(&m->set, node);
	if (!model_free(m, &node->span)) {
		KUNIT_ASSERT_EQ(test, rc, -EEXIST);
		return;
	}
	KUNIT_ASSERT_EQ(test, rc, 0);
	KUNIT_ASSERT_FALSE(test, iova_node_is_cover(node));
	model_fill(m, &node->span, i + 1);
	m->used[i] = true;
}

/* Compare the ranges in a span with the bytes, and the sums of the tree. */
static void check_span(struct kunit *test, struct model *m,
		       const struct iova_span *span)
{
	unsigned long at = span->first - m->base, end = span->last - m->base;
	struct iova_node *node;

	iova_set_for_each_in(node, &m->set, span) {
		while (at <= end && !m->owner[at])
			at++;
		KUNIT_ASSERT_LE(test, at, end);
		KUNIT_ASSERT_EQ(test, max(node->span.first, span->first),
				m->base + at);
		KUNIT_ASSERT_EQ(test, iova_node_is_cover(node),
				m->owner[at] == RESERVED);
		if (m->owner[at] != RESERVED)
			KUNIT_ASSERT_PTR_EQ(test, node,
					    &m->nodes[m->owner[at] - 1]);
		at = min(node->span.last, span->last) - m->base + 1;
	}
	while (at <= end && !m->owner[at])
		at++;
	KUNIT_ASSERT_EQ(test, at, end + 1);
}

static u16 check_sums(struct kunit *test, struct rb_node *rb)
{
	struct iova_node *node, *prev;
	u16 hole, widest;

	if (!rb)
		return 0;
	node = rb_entry(rb, struct iova_node, rb);
	prev = rb_entry_safe(rb_prev(rb), struct iova_node, rb);
	hole = iova_hole_class(node->span.first - (prev ? prev->span.last + 1 : 0));
	KUNIT_ASSERT_EQ(test, hole, node->hole);
	widest = max3(hole, check_sums(test, rb->rb_left),
		      check_sums(test, rb->rb_right));
	KUNIT_ASSERT_EQ(test, widest, node->max_hole);
	return widest;
}

static void check_set(struct kunit *test, struct model *m)
{
	struct iova_span all = { m->base, m->base + SPACE - 1 };
	struct iova_span some = random_span(m, SPACE);
	unsigned long at = below(m, SPACE);

	check_span(test, m, &all);
	check_span(test, m, &some);
	check_sums(test, m->set.tree.rb_node);
	KUNIT_ASSERT_EQ(test, !!iova_set_find(&m->set, m->base + at),
			!!m->owner[at]);
}

static void set_test(struct kunit *test)
{
	struct model *m = model_new(test);
	int round, step;

	for (round = 0; round < 24; round++) {
		model_reset(m, round);
		KUNIT_ASSERT_TRUE(test, iova_set_empty(&m->set));
		for (step = 0; step < 400; step++) {
			toggle_area(test, m);
			check_set(test, m);
		}
	}
}

/* Lowest place by trying every address of the small space. */
static bool model_fit(struct model *m, const struct iova_fit *fit,
		      unsigned long *first)
{
	unsigned long at, n, end;

	for (at = 0; at < SPACE; at++) {
		*first = m->base + at;
		if (((*first - fit->offset) & (fit->align - 1)) ||
		    *first < fit->window.first || *first > fit->window.last ||
		    fit->window.last - *first < fit->length - 1)
			continue;
		end = at + fit->length;
		for (n = at; n < end && n < SPACE && !m->owner[n]; n++)
			;
		if (n == end)
			return true;
	}
	return false;
}

static void check_fit(struct kunit *test, struct model *m,
		      const struct iova_fit *fit)
{
	unsigned long want = 0, got = 0;
	bool fits = model_fit(m, fit, &want);
	int rc = iova_set_fit(&m->set, fit, &got);

	KUNIT_ASSERT_EQ(test, rc, fits ? 0 : -ENOSPC);
	if (fits)
		KUNIT_ASSERT_EQ(test, got, want);
}

/* @want is the place, or 0 if there is none. */
static void check_fit_at(struct kunit *test, struct model *m,
			 const struct iova_fit *fit, unsigned long want)
{
	unsigned long got = 0;

	KUNIT_EXPECT_EQ(test, iova_set_fit(&m->set, fit, &got),
			want ? 0 : -ENOSPC);
	if (want)
		KUNIT_EXPECT_EQ(test, got, want);
}

static struct iova_fit random_fit(struct model *m)
{
	struct iova_fit fit = {
		.length = 1 + below(m, below(m, 2) ? 8 : 64),
		.align = 1UL << below(m, below(m, 8) ? 6 : BITS_PER_LONG),
		.window = random_span(m, SPACE),
	};

	fit.offset = below(m, 3) ? 0 : below(m, 64) & (fit.align - 1);
	/* Often the whole of the space, so that searches have to go far. */
	if (below(m, 2))
		fit.window = (struct iova_span){ m->base, m->base + SPACE - 1 };
	return fit;
}

static void fit_test(struct kunit *test)
{
	struct model *m = model_new(test);
	struct iova_fit fit;
	int round, step, i;

	for (round = 0; round < 60; round++) {
		model_reset(m, round);
		for (step = 0; step < 200; step++) {
			toggle_area(test, m);
			for (i = 0; i < 3; i++) {
				fit = random_fit(m);
				check_fit(test, m, &fit);
			}
		}
	}
}

/*
 * Many holes that are long enough and misaligned, so that the set remembers its
 * searches; areas come and go, and searches are repeated with other windows.
 */
static void barren_test(struct kunit *test)
{
	struct model *m = model_new(test);
	int round, step, i, remembered = 0;
	struct iova_fit fit;

	for (round = 0; round < 36; round++) {
		model_reset(m, round);
		for (i = 0; i < SPACE / 8 - 2; i++) {
			struct iova_node *node = &m->nodes[i];

			node->span.first = m->base + i * 8;
			node->span.first += (0 - node->span.first) & 7;
			node->span.last = node->span.first + 4;
			KUNIT_ASSERT_EQ(test, 0,
					iova_set_insert(&m->set, node));
			model_fill(m, &node->span, i + 1);
			m->used[i] = true;
		}
		for (step = 0; step < 200; step++) {
			fit = (struct iova_fit){
				.length = 2 + below(m, 3),
				.align = 4UL << below(m, 2),
				.offset = below(m, 8) ? 0 : below(m, 4),
				.window = { m->base, m->base + SPACE - 1 },
			};
			if (!below(m, 4))
				fit.window = random_span(m, SPACE);
			check_fit(test, m, &fit);
			if (!below(m, 8))
				toggle_area(test, m);
			remembered += !!m->set.barren.length;
		}
	}
	KUNIT_EXPECT_GT(test, remembered, 500);
}

/*
 * What a search in a window learned must not be held against a hole that only the
 * end of the window made too short.
 */
static void barren_window_test(struct kunit *test)
{
	struct model *m = model_new(test);
	struct iova_fit fit = { .length = 3, .align = 8, .window = { 1, 132 } };
	unsigned long at;
	int i;

	model_reset(m, 0);
	/* 16 holes of three bytes before a multiple of 8, then one of many. */
	for (i = 0; i < 16; i++) {
		m->nodes[i].span = (struct iova_span){ i * 8, i * 8 + 4 };
		KUNIT_ASSERT_EQ(test, 0, iova_set_insert(&m->set, &m->nodes[i]));
	}
	m->nodes[i].span = (struct iova_span){ 400, 500 };
	KUNIT_ASSERT_EQ(test, 0, iova_set_insert(&m->set, &m->nodes[i]));
	for (at = 120; at < 136; at++) {
		/* Let each search pass all of them. */
		m->set.barren.length = 0;
		fit.window.last = at;
		check_fit_at(test, m, &fit, at >= 130 ? 128 : 0);
		fit.window.last = 300;
		check_fit_at(test, m, &fit, 128);
	}
}

/* Spaces that no small model reaches: empty, one hole of half of all, the ends. */
static void whole_space_test(struct kunit *test)
{
	struct iova_fit fit = { .length = 4096, .align = 1, .window = IOVA_SPAN_ALL };
	struct iova_node top = { .span = { ULONG_MAX, ULONG_MAX } };
	struct iova_node low = { .span = { 0, 4095 } };
	struct iova_node mid = { .span = { ULONG_MAX / 2 + 11, ULONG_MAX - 4096 } };
	struct iova_set set;
	unsigned long at;

	iova_set_init(&set);
	KUNIT_EXPECT_EQ(test, 0, iova_set_fit(&set, &fit, &at));
	KUNIT_EXPECT_EQ(test, at, 0);
	fit.window.first = ULONG_MAX - 4094;
	KUNIT_EXPECT_EQ(test, -ENOSPC, iova_set_fit(&set, &fit, &at));
	fit.window.first--;
	KUNIT_EXPECT_EQ(test, 0, iova_set_fit(&set, &fit, &at));
	KUNIT_EXPECT_EQ(test, at, ULONG_MAX - 4095);

	fit.window.first = 0;
	KUNIT_EXPECT_EQ(test, 0, iova_set_insert(&set, &top));
	fit.length = ULONG_MAX;
	KUNIT_EXPECT_EQ(test, 0, iova_set_fit(&set, &fit, &at));
	KUNIT_EXPECT_EQ(test, at, 0);
	KUNIT_EXPECT_EQ(test, 0, iova_set_insert(&set, &low));
	KUNIT_EXPECT_EQ(test, -ENOSPC, iova_set_fit(&set, &fit, &at));
	fit.length -= 4096;
	KUNIT_EXPECT_EQ(test, 0, iova_set_fit(&set, &fit, &at));
	KUNIT_EXPECT_EQ(test, at, 4096);

	KUNIT_EXPECT_EQ(test, 0, iova_set_insert(&set, &mid));
	fit.length = ULONG_MAX / 2 + 11 - 4096;
	KUNIT_EXPECT_EQ(test, 0, iova_set_fit(&set, &fit, &at));
	KUNIT_EXPECT_EQ(test, at, 4096);
	fit.length++;
	KUNIT_EXPECT_EQ(test, -ENOSPC, iova_set_fit(&set, &fit, &at));
	iova_set_remove(&set, &low);
	KUNIT_EXPECT_EQ(test, 0, iova_set_fit(&set, &fit, &at));
	KUNIT_EXPECT_EQ(test, at, 0);
}

/* Reserved ranges: model is a count of reservations for each byte and owner. */
struct resv_model {
	struct model m;
	u8 count[3][SPACE];
};

static void resv_paint(struct resv_model *r)
{
	int i;

	for (i = 0; i < SPACE; i++) {
		if (r->count[0][i] || r->count[1][i] || r->count[2][i])
			r->m.owner[i] = RESERVED;
		else if (r->m.owner[i] == RESERVED)
			r->m.owner[i] = 0;
	}
}

static bool area_in_span(struct model *m, const struct iova_span *span)
{
	unsigned long i;

	for (i = span->first - m->base; i <= span->last - m->base; i++)
		if (m->owner[i] > 0)
			return true;
	return false;
}

static void resv_add(struct kunit *test, struct resv_model *r, int owner)
{
	struct iova_span span = random_span(&r->m, 60);
	int rc = iova_resv_add(&r->m.resv, &r->m.set, &span,
			       owner ? &r->count[owner] : NULL, "test");
	unsigned long i;

	if (area_in_span(&r->m, &span)) {
		KUNIT_ASSERT_EQ(test, rc, -EADDRINUSE);
		return;
	}
	KUNIT_ASSERT_EQ(test, rc, 0);
	for (i = span.first - r->m.base; i <= span.last - r->m.base; i++)
		r->count[owner][i]++;
	resv_paint(r);
}

static void resv_remove(struct resv_model *r, int owner)
{
	iova_resv_remove(&r->m.resv, &r->m.set,
			 owner ? &r->count[owner] : NULL);
	memset(r->count[owner], 0, SPACE);
	resv_paint(r);
}

/* All areas from one to another. */
static void remove_areas(struct resv_model *r)
{
	struct model *m = &r->m;
	struct iova_span span = random_span(m, SPACE);
	struct iova_node *node, *first = NULL, *last = NULL;

	iova_set_for_each_in(node, &m->set, &span) {
		if (iova_node_is_cover(node))
			continue;
		first = first ?: node;
		last = node;
		model_fill(m, &node->span, 0);
		m->used[node - m->nodes] = false;
	}
	if (first)
		iova_resv_remove_areas(&m->resv, &m->set, first, last);
}

/* The cover is the union: as few nodes as there are groups of overlapping ones. */
static void check_resv(struct kunit *test, struct resv_model *r)
{
	struct model *m = &r->m;
	struct iova_resv_entry *entry;
	struct iova_span span = random_span(m, 30), hole;
	unsigned long at = 0, from = m->base;
	bool reserved = false;

	for (at = span.first - m->base; at <= span.last - m->base; at++)
		reserved |= m->owner[at] == RESERVED;
	entry = iova_resv_first_in(&m->resv, &span);
	KUNIT_ASSERT_EQ(test, !!entry, reserved);
	if (entry)
		KUNIT_ASSERT_TRUE(test, iova_span_overlaps(&entry->span, &span));

	for (at = 0; at < SPACE && iova_resv_next_hole(&m->resv, from, &hole);) {
		while (at < SPACE && m->owner[at] == RESERVED)
			at++;
		KUNIT_ASSERT_EQ(test, hole.first, m->base + at);
		while (at < SPACE && m->owner[at] != RESERVED)
			at++;
		if (at == SPACE)
			break;
		KUNIT_ASSERT_EQ(test, hole.last, m->base + at - 1);
		from = hole.last + 1;
	}
	while (at < SPACE && m->owner[at] == RESERVED)
		at++;
	KUNIT_ASSERT_EQ(test, at, SPACE);
}

static void resv_test(struct kunit *test)
{
	struct resv_model *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	struct iova_fit fit;
	int round, step, i;

	KUNIT_ASSERT_NOT_NULL(test, r);
	for (round = 0; round < 24; round++) {
		model_reset(&r->m, round);
		memset(r->count, 0, sizeof(r->count));
		for (step = 0; step < 300; step++) {
			if (below(&r->m, 2))
				toggle_area(test, &r->m);
			else if (below(&r->m, 4))
				resv_add(test, r, below(&r->m, 3));
			else if (below(&r->m, 6))
				resv_remove(r, below(&r->m, 3));
			else
				remove_areas(r);
			check_set(test, &r->m);
			check_resv(test, r);
			fit = random_fit(&r->m);
			check_fit(test, &r->m, &fit);
		}
		for (i = 0; i < 3; i++)
			resv_remove(r, i);
		KUNIT_ASSERT_TRUE(test, list_empty(&r->m.resv.entries));
		check_set(test, &r->m);
	}
}

static struct kunit_case iova_set_cases[] = {
	KUNIT_CASE(set_test),
	KUNIT_CASE(fit_test),
	KUNIT_CASE(barren_test),
	KUNIT_CASE(barren_window_test),
	KUNIT_CASE(whole_space_test),
	KUNIT_CASE(resv_test),
	{}
};

static struct kunit_suite iova_set_suite = {
	.name = "iommufd-iova-set",
	.test_cases = iova_set_cases,
};

kunit_test_suite(iova_set_suite);
