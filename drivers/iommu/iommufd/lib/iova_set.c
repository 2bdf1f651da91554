// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Sets of IOVA ranges: see iova_set.h for what they promise, and iova_fit.c for the search
 * of a hole.
 *
 * Each node knows the class of the hole in front of it, and of the widest such hole in its
 * subtree.
 *
 * A change touches the holes of two neighbours.  Their sums are made right on
 * the way to the root *before* the tree is rebalanced, because rotations copy
 * sums upwards and would carry a stale one past the point where the way up stops.
 *
 * No locks: whoever owns the set serialises.
 */
#include <linux/rbtree_augmented.h>
#include "iova_set.h"

static inline u16 node_hole(struct iova_node *node)
{
	return node->hole;
}

RB_DECLARE_CALLBACKS_MAX(static, iova_callbacks, struct iova_node, rb, u16,
			 max_hole, node_hole)

static void set_hole(struct iova_node *node, unsigned long first)
{
	unsigned long hole = node->span.first - first;

	node->hole = iova_hole_class(hole);
	node->near = hole;
}

/**
 * iova_set_init - make an empty set
 * @set: the set
 */
void iova_set_init(struct iova_set *set)
{
	*set = (struct iova_set){ .tree = RB_ROOT };
}

/**
 * struct insertion - where a new node goes
 * @below: its lower neighbour, or NULL
 * @above: its upper neighbour, or NULL
 * @parent: its parent, or NULL
 * @link: its place in @parent, or in the tree
 */
struct insertion {
	struct iova_node *below, *above;
	struct rb_node *parent, **link;
};

/* Beside the node of the last change? */
static bool find_place_nearby(struct iova_set *set, const struct iova_span *span,
			      struct insertion *at)
{
	struct iova_node *recent = set->recent;

	if (!recent)
		return false;
	if (recent->span.last < span->first) {
		at->below = recent;
		at->above = iova_node_of(rb_next(&recent->rb));
		if (at->above && at->above->span.first <= span->last)
			return false;
	} else if (recent->span.first > span->last) {
		at->above = recent;
		at->below = iova_node_of(rb_prev(&recent->rb));
		if (at->below && at->below->span.last >= span->first)
			return false;
	} else {
		return false;
	}
	/* Of two neighbours one is below the other in the tree, and has room. */
	if (at->below && !at->below->rb.rb_right) {
		at->parent = &at->below->rb;
		at->link = &at->parent->rb_right;
	} else {
		at->parent = &at->above->rb;
		at->link = &at->parent->rb_left;
	}
	return true;
}

static int find_place(struct iova_set *set, const struct iova_span *span,
		      struct insertion *at)
{
	*at = (struct insertion){ .link = &set->tree.rb_node };
	while (*at->link) {
		struct iova_node *node = iova_node_of(*at->link);

		at->parent = *at->link;
		if (span->last < node->span.first) {
			at->above = node;
			at->link = &at->parent->rb_left;
		} else if (span->first > node->span.last) {
			at->below = node;
			at->link = &at->parent->rb_right;
		} else {
			return -EEXIST;
		}
	}
	return 0;
}

/*
 * There is a new @hole in the subtree @rb.  The one that it is a part of, if any, is still
 * noted, so that nothing above the node behind that has to be raised.
 */
static void raise_sums(struct rb_node *rb, u16 hole)
{
	for (; rb && iova_node_of(rb)->max_hole < hole; rb = rb_parent(rb))
		iova_node_of(rb)->max_hole = hole;
}

/**
 * iova_set_insert - add a range
 * @set: the set
 * @node: the range, @span filled in; belongs to @set until it is removed
 *
 * Return: 0; -EEXIST if it overlaps a range of the set, nothing changed then.
 */
int iova_set_insert(struct iova_set *set, struct iova_node *node)
{
	struct insertion at __uninitialized;

	if (!find_place_nearby(set, &node->span, &at) &&
	    find_place(set, &node->span, &at))
		return -EEXIST;

	node->is_cover = false;
	set_hole(node, at.below ? at.below->span.last + 1 : 0);
	node->max_hole = node->hole;
	rb_link_node(&node->rb, at.parent, at.link);
	raise_sums(at.parent, node->hole);
	if (at.above) {
		set_hole(at.above, node->span.last + 1);
		iova_callbacks_propagate(&at.above->rb, NULL);
	}
	rb_insert_augmented(&node->rb, &set->tree, &iova_callbacks);
	set->recent = node;
	return 0;
}

/**
 * iova_set_remove - take a range out
 * @set: the set
 * @node: a range of it
 */
void iova_set_remove(struct iova_set *set, struct iova_node *node)
{
	struct iova_node *above = iova_node_of(rb_next(&node->rb));
	unsigned long first = iova_hole_first(node);

	if (above) {
		set_hole(above, first);
		/* The parent of what is erased is looked at anyway. */
		if (rb_parent(&node->rb) != &above->rb)
			iova_callbacks_propagate(&above->rb, NULL);
	}
	rb_erase_augmented(&node->rb, &set->tree, &iova_callbacks);
	set->recent = above;

	/* Something may fit from here on. */
	if (!set->barren.length || first > set->barren.window.last)
		return;
	if (first <= set->barren.window.first)
		set->barren.length = 0;
	else
		set->barren.window.last = first - 1;
}

/* Lowest node that does not end below @iova. */
static struct iova_node *first_ending_from(const struct iova_set *set,
					   unsigned long iova)
{
	struct rb_node *rb = set->tree.rb_node;
	struct iova_node *found = NULL;

	while (rb) {
		struct iova_node *at = iova_node_of(rb);

		if (at->span.last >= iova) {
			found = at;
			if (at->span.first <= iova)
				break;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return found;
}

/**
 * iova_set_first_in - find the lowest range that overlaps another
 * @set: the set
 * @span: where to look
 *
 * Return: the range, or NULL.
 */
struct iova_node *iova_set_first_in(const struct iova_set *set,
				    const struct iova_span *span)
{
	struct iova_node *node = set->recent;

	if (!node || node->span.first > span->first || node->span.last < span->first)
		node = first_ending_from(set, span->first);
	return node && node->span.first <= span->last ? node : NULL;
}

/**
 * iova_set_next - the next higher range
 * @node: a range of a set
 *
 * Return: the range, or NULL behind the last.
 */
struct iova_node *iova_set_next(struct iova_node *node)
{
	return iova_node_of(rb_next(&node->rb));
}

/**
 * iova_set_prev - the next lower range
 * @node: a range of a set
 *
 * Return: the range, or NULL before the first.
 */
struct iova_node *iova_set_prev(struct iova_node *node)
{
	return iova_node_of(rb_prev(&node->rb));
}

/**
 * iova_set_last - the highest range
 * @set: the set
 *
 * Return: the range, or NULL if there is none.
 */
struct iova_node *iova_set_last(const struct iova_set *set)
{
	return iova_node_of(rb_last(&set->tree));
}

/**
 * iova_set_next_in - the next higher range that overlaps another
 * @node: a range of a set
 * @span: where to look
 *
 * Return: the range, or NULL.
 */
struct iova_node *iova_set_next_in(struct iova_node *node,
				   const struct iova_span *span)
{
	struct iova_node *next = iova_set_next(node);

	return next && next->span.first <= span->last ? next : NULL;
}
