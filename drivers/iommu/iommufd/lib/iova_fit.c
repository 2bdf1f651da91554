// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The search for a hole in a set of IOVA ranges, declared in iova_set.h.
 *
 * The nodes know their holes roughly, by class.  A search descends only where one may be
 * wide enough, and then looks at its neighbours, which tell exactly.  The hole behind the
 * last node belongs to no node and is looked at separately.
 *
 * The set remembers where a search ended: nothing of the kind fits before, until a range
 * is removed there.  The next search of the kind goes on where it ended, mostly beside
 * the node that came there meanwhile.
 *
 * No locks: whoever owns the set serialises.
 */
#include "iova_set.h"

/* A search that passed this many holes in vain is not forgotten for one that did not. */
#define BARREN_HOLES 16

/* @want is the class of the length here and below: what is of a lower one is too short. */

static bool is_wide(struct rb_node *subtree, u16 want)
{
	return subtree && iova_node_of(subtree)->max_hole >= want;
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

		if (!is_left && has_wide_hole(iova_node_of(rb), want))
			return iova_node_of(rb);
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
		if (has_wide_hole(iova_node_of(parent), want))
			return iova_node_of(parent);
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
		if (iova_node_of(rb)->span.first > from) {
			found = iova_node_of(rb);
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return !found || has_wide_hole(found, want) ? found : next_wide(found, want);
}

/* The lowest node above @from, if that of the last change is beside it; or NULL. */
static struct iova_node *first_nearby(const struct iova_set *set, unsigned long from)
{
	struct iova_node *node = set->recent, *below;

	if (!node)
		return NULL;
	if (node->span.first <= from) {
		node = iova_node_of(rb_next(&node->rb));
		return node && node->span.first > from ? node : NULL;
	}
	below = iova_node_of(rb_prev(&node->rb));
	return below && below->span.first > from ? NULL : node;
}

/* The same as first_wide(), for the search that goes on where another one ended. */
static struct iova_node *first_wide_again(const struct iova_set *set,
					  unsigned long from, u16 want)
{
	struct iova_node *node = first_nearby(set, from);

	if (!node)
		return first_wide(set, from, want);
	return has_wide_hole(node, want) ? node : next_wide(node, want);
}

/* Lowest place from @low to @high that lies in the window. */
static bool place(const struct iova_fit *fit, unsigned long low,
		  unsigned long high, unsigned long *first)
{
	high = min(high, fit->window.last);
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

/* Does a former search tell that nothing fits where this one would begin? */
static bool is_barren(const struct iova_set *set, const struct iova_fit *fit)
{
	const struct iova_fit *barren = &set->barren;

	return barren->length && fit_implies(fit, barren) &&
	       fit->window.first >= barren->window.first &&
	       fit->window.first <= barren->window.last;
}

/*
 * Nothing that satisfies @fit begins in its window before @end.  What may begin
 * in a hole depends on where the window ends, unless the hole ends before it; so
 * @end is the first byte of a hole or the place found, and what lies before it
 * was refused for reasons of its own.
 */
static void note_barren(struct iova_set *set, const struct iova_fit *fit,
			unsigned long end, unsigned int passed)
{
	struct iova_fit *barren = &set->barren;
	bool is_dear = passed >= BARREN_HOLES;

	if (end <= fit->window.first)
		return;
	if (is_barren(set, fit) && fit_implies(barren, fit)) {
		barren->window.last = end - 1;
		set->is_dear |= is_dear;
		return;
	}
	if (barren->length && set->is_dear && !is_dear)
		return;
	*barren = *fit;
	barren->window.last = end - 1;
	set->is_dear = is_dear;
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
	unsigned long from = fit->window.first;
	unsigned int passed = 0;
	struct iova_node *node;
	unsigned long start;

	if (is_barren(set, fit)) {
		from = set->barren.window.last + 1;
		node = first_wide_again(set, from, want);
	} else {
		node = first_wide(set, from, want);
	}
	for (; node; node = next_wide(node, want)) {
		start = iova_hole_first(node);
		if (start > fit->window.last)
			return -ENOSPC;
		if (place(fit, max(start, from), node->span.first - 1, first)) {
			set->recent = node;
			goto found;
		}
		if (++passed % BARREN_HOLES == 0 &&
		    node->span.last < fit->window.last)
			note_barren(set, fit, node->span.last, passed);
	}

	/* The hole behind the last node. */
	node = iova_set_last(set);
	start = node ? node->span.last + 1 : 0;
	if ((node && !start) || !place(fit, max(start, from), ULONG_MAX, first))
		return -ENOSPC;
found:
	note_barren(set, fit, *first, passed);
	return 0;
}
