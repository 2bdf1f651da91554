// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Sets of IOVA ranges: see iova_set.h for what they promise.
 *
 * Each node knows roughly, by its class, how wide the hole in front of it is and the
 * widest such hole in its subtree; a search descends only where a hole may be wide enough,
 * and then looks at its neighbours, which tell exactly.  The hole behind the last node
 * belongs to no node and is looked at separately.
 *
 * A change touches the holes of two neighbours.  Their sums are made right on
 * the way to the root *before* the tree is rebalanced, because rotations copy
 * sums upwards and would carry a stale one past the point where the way up stops.
 *
 * No locks: whoever owns the set serialises.
 */
#include <linux/rbtree_augmented.h>
#include "iova_set.h"

/* A search that passed this many holes in vain is worth remembering. */
#define BARREN_HOLES 16

static inline struct iova_node *to_node(struct rb_node *rb)
{
	return rb_entry_safe(rb, struct iova_node, rb);
}

static inline u16 node_hole(struct iova_node *node)
{
	return node->hole;
}

RB_DECLARE_CALLBACKS_MAX(static, iova_callbacks, struct iova_node, rb, u16,
			 max_hole, node_hole)

/* First byte of the hole that ends at @node. */
static unsigned long hole_first(struct iova_node *node)
{
	struct iova_node *prev = to_node(rb_prev(&node->rb));

	return prev ? prev->span.last + 1 : 0;
}

static void set_hole(struct iova_node *node, unsigned long first)
{
	node->hole = iova_hole_class(node->span.first - first);
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
		at->above = to_node(rb_next(&recent->rb));
		if (at->above && at->above->span.first <= span->last)
			return false;
	} else if (recent->span.first > span->last) {
		at->above = recent;
		at->below = to_node(rb_prev(&recent->rb));
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
		struct iova_node *node = to_node(*at->link);

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
	if (at.above)
		set_hole(at.above, node->span.last + 1);
	if (at.parent)
		iova_callbacks_propagate(at.parent, NULL);
	if (at.above)
		iova_callbacks_propagate(&at.above->rb, NULL);
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
	struct iova_node *above = to_node(rb_next(&node->rb));
	unsigned long first = hole_first(node);

	if (above) {
		set_hole(above, first);
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
		struct iova_node *at = to_node(rb);

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
	return to_node(rb_next(&node->rb));
}

/**
 * iova_set_prev - the next lower range
 * @node: a range of a set
 *
 * Return: the range, or NULL before the first.
 */
struct iova_node *iova_set_prev(struct iova_node *node)
{
	return to_node(rb_prev(&node->rb));
}

/**
 * iova_set_last - the highest range
 * @set: the set
 *
 * Return: the range, or NULL if there is none.
 */
struct iova_node *iova_set_last(const struct iova_set *set)
{
	return to_node(rb_last(&set->tree));
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

/* The search for a hole. */

/* @want is the class of the length here and below: what is of a lower one is too short. */

static bool is_wide(struct rb_node *subtree, u16 want)
{
	return subtree && to_node(subtree)->max_hole >= want;
}

static bool has_wide_hole(const struct iova_node *node, u16 want)
{
	return node->hole >= want;
}

/* Lowest node with a wide hole in a subtree that has one. */
static struct iova_node *lowest_wide(struct rb_node *rb, u16 want)
{
	for (;;) {
		bool is_left = is_wide(rb->rb_left, want);

		if (!is_left && has_wide_hole(to_node(rb), want))
			return to_node(rb);
		rb = is_left ? rb->rb_left : rb->rb_right;
	}
}

/* The next node above @node with a wide hole. */
static struct iova_node *next_wide(struct iova_node *node, u16 want)
{
	struct rb_node *rb = &node->rb, *parent;

	if (is_wide(rb->rb_right, want))
		return lowest_wide(rb->rb_right, want);
	for (; (parent = rb_parent(rb)); rb = parent) {
		if (rb == parent->rb_right)
			continue;
		if (has_wide_hole(to_node(parent), want))
			return to_node(parent);
		if (is_wide(parent->rb_right, want))
			return lowest_wide(parent->rb_right, want);
	}
	return NULL;
}

/* The lowest node with a wide hole that does not end below @from. */
static struct iova_node *first_wide(const struct iova_set *set,
				    unsigned long from, u16 want)
{
	struct rb_node *rb = set->tree.rb_node;
	struct iova_node *found;

	if (!is_wide(rb, want))
		return NULL;
	/* Mostly there is none below. */
	found = lowest_wide(rb, want);
	if (found->span.first > from)
		return found;

	found = NULL;
	while (rb) {
		if (to_node(rb)->span.first > from) {
			found = to_node(rb);
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return !found || has_wide_hole(found, want) ? found : next_wide(found, want);
}

/* Lowest place in the part of a hole that lies in the window. */
static bool place(const struct iova_fit *fit, unsigned long hole_first,
		  unsigned long hole_last, unsigned long *first)
{
	unsigned long low = max(hole_first, fit->window.first);
	unsigned long high = min(hole_last, fit->window.last);

	if (low > high ||
	    check_add_overflow(low, (fit->offset - low) & (fit->align - 1),
			       first))
		return false;
	return *first <= high && high - *first >= fit->length - 1;
}

/* Every place for @fit is one for @other too. */
static bool fit_implies(const struct iova_fit *fit,
			const struct iova_fit *other)
{
	return fit->length >= other->length && fit->align >= other->align &&
	       !((fit->offset - other->offset) & (other->align - 1));
}

/* Where to begin, when a former search tells that nothing fits below. */
static unsigned long skip_barren(const struct iova_set *set,
				 const struct iova_fit *fit)
{
	const struct iova_fit *barren = &set->barren;

	if (barren->length && fit_implies(fit, barren) &&
	    fit->window.first >= barren->window.first &&
	    fit->window.first <= barren->window.last)
		return barren->window.last;
	return fit->window.first;
}

/*
 * Nothing that satisfies @fit begins in its window before @end.  What may begin
 * in a hole depends on where the window ends, unless the hole ends before it; so
 * @end is the first byte of a hole or the place found, and what lies before it
 * was refused for reasons of its own.
 */
static void note_barren(struct iova_set *set, const struct iova_fit *fit,
			unsigned long end)
{
	if (end <= fit->window.first)
		return;
	set->barren = *fit;
	set->barren.window.last = end - 1;
}

/**
 * iova_set_fit - find the lowest place that is free
 * @set: the set
 * @fit: what is wanted
 * @first: returns the first byte of the place
 *
 * Return: 0; -ENOSPC if there is none.
 */
int iova_set_fit(struct iova_set *set, const struct iova_fit *fit,
		 unsigned long *first)
{
	u16 want = iova_hole_class(fit->length);
	struct iova_fit rest = *fit;
	unsigned int passed = 0;
	struct iova_node *node;
	unsigned long start;

	rest.window.first = skip_barren(set, fit);
	for (node = first_wide(set, rest.window.first, want); node;
	     node = next_wide(node, want)) {
		start = hole_first(node);
		if (start > rest.window.last)
			return -ENOSPC;
		if (place(&rest, start, node->span.first - 1, first)) {
			set->recent = node;
			goto found;
		}
		if (++passed % BARREN_HOLES == 0 &&
		    node->span.last < rest.window.last)
			note_barren(set, fit, node->span.last);
	}

	/* The hole behind the last node. */
	node = iova_set_last(set);
	start = node ? node->span.last + 1 : 0;
	if ((node && !start) || !place(&rest, start, ULONG_MAX, first))
		return -ENOSPC;
found:
	if (passed >= BARREN_HOLES)
		note_barren(set, fit, *first);
	return 0;
}
