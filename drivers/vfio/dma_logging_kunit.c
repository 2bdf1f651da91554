// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of vfio_combine_iova_ranges().
 *
 * The model looks for the narrowest gap, closes it, and begins anew.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/interval_tree.h>
#include <linux/limits.h>
#include <linux/prandom.h>
#include <linux/string.h>
#include <linux/vfio.h>

#define RANGES_MAX	256

struct iova_range {
	unsigned long start, last;
};

struct ranges {
	u32 count;
	struct iova_range range[RANGES_MAX];
};

struct combine_priv {
	struct rnd_state rnd;
	struct interval_tree_node nodes[RANGES_MAX];
	struct ranges given, want;
};

/* Close the gap after range @i. */
static void model_close(struct ranges *r, u32 i)
{
	r->range[i].last = r->range[i + 1].last;
	r->count--;
	memmove(&r->range[i + 1], &r->range[i + 2],
		(r->count - i - 1) * sizeof(r->range[0]));
}

static void model_combine(struct ranges *r, u32 req)
{
	while (r->count > max(req, 1)) {
		unsigned long gap, narrowest = ULONG_MAX;
		u32 i, at = 0;

		for (i = 0; i + 1 < r->count; i++) {
			gap = r->range[i + 1].start - r->range[i].last;
			if (gap < narrowest) {
				narrowest = gap;
				at = i;
			}
		}
		model_close(r, at);
	}
}

static void build_tree(struct combine_priv *priv, struct rb_root_cached *root)
{
	u32 i;

	for (i = 0; i < priv->given.count; i++) {
		priv->nodes[i].start = priv->given.range[i].start;
		priv->nodes[i].last = priv->given.range[i].last;
		interval_tree_insert(&priv->nodes[i], root);
	}
}

/* Both by walking the tree and by asking it for single addresses. */
static void check_tree(struct kunit *test, struct rb_root_cached *root,
		       const struct ranges *want)
{
	struct interval_tree_node *node, *found;
	u32 i;

	node = interval_tree_iter_first(root, 0, ULONG_MAX);
	for (i = 0; i < want->count; i++) {
		KUNIT_ASSERT_NOT_NULL(test, node);
		KUNIT_ASSERT_EQ(test, node->start, want->range[i].start);
		KUNIT_ASSERT_EQ(test, node->last, want->range[i].last);
		found = interval_tree_iter_first(root, node->last, node->last);
		KUNIT_ASSERT_PTR_EQ(test, found, node);
		node = interval_tree_iter_next(node, 0, ULONG_MAX);
	}
	KUNIT_ASSERT_NULL(test, node);
}

static void combine_and_check(struct kunit *test, u32 req)
{
	struct combine_priv *priv = test->priv;
	struct rb_root_cached root = RB_ROOT_CACHED;

	build_tree(priv, &root);
	priv->want = priv->given;
	model_combine(&priv->want, req);
	vfio_combine_iova_ranges(&root, priv->given.count, req);
	check_tree(test, &root, &priv->want);
}

/* @count disjoint ranges, lengths and gaps up to @spread; few spreads, many ties. */
static void make_ranges(struct combine_priv *priv, u32 count, u32 spread)
{
	unsigned long at = prandom_u32_state(&priv->rnd) % spread;
	u32 i;

	priv->given.count = count;
	for (i = 0; i < count; i++) {
		priv->given.range[i].start = at;
		at += prandom_u32_state(&priv->rnd) % spread;
		priv->given.range[i].last = at;
		at += 1 + prandom_u32_state(&priv->rnd) % spread;
	}
}

static void random_ranges(struct kunit *test)
{
	static const u32 spreads[] = { 1, 2, 5, 100, 1u << 20 };
	struct combine_priv *priv = test->priv;
	u32 round, count, req;

	for (round = 0; round < 300; round++) {
		count = 1 + prandom_u32_state(&priv->rnd) % 40;
		req = prandom_u32_state(&priv->rnd) % (count + 3);
		make_ranges(priv, count,
			    spreads[round % ARRAY_SIZE(spreads)]);
		combine_and_check(test, req);
	}
}

static void many_ranges(struct kunit *test)
{
	struct combine_priv *priv = test->priv;

	make_ranges(priv, RANGES_MAX, 1000);
	combine_and_check(test, RANGES_MAX - 1);
	combine_and_check(test, RANGES_MAX / 2);
	combine_and_check(test, 2);
	combine_and_check(test, 1);
}

static void ends_of_the_space(struct kunit *test)
{
	struct combine_priv *priv = test->priv;

	priv->given = (struct ranges){
		.count = 3,
		.range = { { 0, 0 },
			   { ULONG_MAX / 2, ULONG_MAX / 2 },
			   { ULONG_MAX, ULONG_MAX } },
	};
	combine_and_check(test, 2);
	combine_and_check(test, 1);

	priv->given.count = 1;
	combine_and_check(test, 1);

	priv->given.count = 0;
	combine_and_check(test, 1);
}

static int combine_init(struct kunit *test)
{
	struct combine_priv *priv;

	priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);
	if (!priv)
		return -ENOMEM;
	prandom_seed_state(&priv->rnd, 2);
	test->priv = priv;
	return 0;
}

static struct kunit_case combine_cases[] = {
	KUNIT_CASE(random_ranges),
	KUNIT_CASE(many_ranges),
	KUNIT_CASE(ends_of_the_space),
	{}
};

static struct kunit_suite combine_suite = {
	.name = "vfio_combine_iova_ranges",
	.init = combine_init,
	.test_cases = combine_cases,
};

kunit_test_suite(combine_suite);
