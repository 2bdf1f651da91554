/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Sets of IOVA ranges.
 *
 * An &struct iova_set is an ordered set of ranges that do not overlap, kept in
 * a red-black tree that is augmented with the widest hole below each node, so
 * that finding, inserting, removing and looking for a hole take O(log n).  The
 * nodes are embedded in the user's own structure: removal allocates nothing
 * and cannot fail.
 *
 * An &struct iova_resv is the set of reserved ranges of an address space.
 * These have owners and may overlap each other; their union (the "cover") is
 * kept as nodes in the very &struct iova_set that holds the areas, so that one
 * hole search sees both.
 *
 * Pure data structures: no locks (the owner serialises), no user access.
 */
#ifndef __IOMMUFD_LIB_IOVA_SET_H
#define __IOMMUFD_LIB_IOVA_SET_H

#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include "span.h"

/* How exactly the length of a hole is noted: its highest bits, this many. */
#define IOVA_HOLE_PRECISION 8

/*
 * The class of a hole by its length: all lengths with the same highest bits are one, so
 * that most changes of a wide hole are none, and need not be carried up the tree; short
 * holes have one for each length.  Keeps the order: what has room for a length is of no
 * lower class than that length.
 */
static inline unsigned int iova_hole_class(unsigned long hole)
{
	unsigned int drop;

	if (hole < BIT(IOVA_HOLE_PRECISION))
		return hole;
	drop = __fls(hole) + 1 - IOVA_HOLE_PRECISION;
	/* What is left has its highest bit set, and counts as one step more. */
	return (drop << (IOVA_HOLE_PRECISION - 1)) + (hole >> drop);
}

/* A hole's length in bytes is noted, too, if it has no more bits. */
#define IOVA_NEAR_BITS 31

/**
 * struct iova_node - one range of a set, embedded in its user's structure
 * @rb: linkage in &iova_set.tree
 * @span: the range; constant while the node is in a set
 * @hole: class of the hole between the previous node (or 0) and @span.first
 * @max_hole: highest @hole in the subtree below this node, itself included
 * @near: length of the hole, unless that is of a class that is too wide for it
 * @is_cover: the node stands for reserved ranges, see iova_node_is_cover()
 * @kept: next node that goes back into a set, while that is being emptied
 *
 * Only @span is the user's to set; the rest is private to iova_*.c.
 */
struct iova_node {
	struct rb_node rb;
	struct iova_span span;
	union {
		struct {
			u16 hole;
			u16 max_hole;
			u32 near : IOVA_NEAR_BITS;
			u32 is_cover : 1;
		};
		struct iova_node *kept;
	};
};

/**
 * struct iova_fit - what a hole has to offer
 * @length: bytes wanted, not zero
 * @align: power of two that (first - @offset) has to be a multiple of
 * @offset: first byte modulo @align, below @align
 * @window: the hole has to lie in here
 */
struct iova_fit {
	unsigned long length;
	unsigned long align;
	unsigned long offset;
	struct iova_span window;
};

/**
 * struct iova_set - ranges in ascending order, without overlap
 * @tree: the nodes
 * @recent: a node near the last change or search, where the next one may be, or NULL
 * @barren: what a search was for; nothing that satisfies it begins in its window, which
 *	    ends where the search did.  Spares the next search of the kind the way
 *	    there.  Zero length: nothing known
 * @is_dear: the search for @barren had to look at many holes
 */
struct iova_set {
	struct rb_root tree;
	struct iova_node *recent;
	struct iova_fit barren;
	bool is_dear;
};

void iova_set_init(struct iova_set *set);

static inline bool iova_set_empty(const struct iova_set *set)
{
	return RB_EMPTY_ROOT(&set->tree);
}

/*
 * iova_set_insert() refuses (-EEXIST, nothing changed) a node that overlaps
 * another one.  iova_set_first_in() returns the lowest node that overlaps
 * @span or NULL, iova_set_next_in() the next one above @node that still does.
 * iova_set_next() returns the next higher node or NULL, iova_set_prev() the next lower one,
 * iova_set_last() the highest.
 */
int iova_set_insert(struct iova_set *set, struct iova_node *node);
void iova_set_remove(struct iova_set *set, struct iova_node *node);
struct iova_node *iova_set_first_in(const struct iova_set *set,
				    const struct iova_span *span);
struct iova_node *iova_set_next_in(struct iova_node *node,
				   const struct iova_span *span);
struct iova_node *iova_set_next(struct iova_node *node);
struct iova_node *iova_set_prev(struct iova_node *node);
struct iova_node *iova_set_last(const struct iova_set *set);

/**
 * iova_set_find - find the range that contains an address
 * @set: the set
 * @iova: the address
 *
 * Return: its node, or NULL.
 */
static inline struct iova_node *iova_set_find(const struct iova_set *set,
					      unsigned long iova)
{
	struct rb_node *rb = set->tree.rb_node;

	while (rb) {
		struct iova_node *at = rb_entry(rb, struct iova_node, rb);

		if (iova < at->span.first)
			rb = rb->rb_left;
		else if (iova > at->span.last)
			rb = rb->rb_right;
		else
			return at;
	}
	return NULL;
}

static inline struct iova_node *iova_node_of(struct rb_node *rb)
{
	return rb_entry_safe(rb, struct iova_node, rb);
}

/* First byte of the hole that ends at @node. */
static inline unsigned long iova_hole_first(struct iova_node *node)
{
	struct iova_node *prev;

	if (likely(node->hole < iova_hole_class(BIT(IOVA_NEAR_BITS))))
		return node->span.first - node->near;
	/* The way there may be long. */
	prev = iova_node_of(rb_prev(&node->rb));
	return prev ? prev->span.last + 1 : 0;
}

#define iova_set_for_each_in(node, set, span)                                  \
	for ((node) = iova_set_first_in(set, span); (node);                    \
	     (node) = iova_set_next_in(node, span))

/*
 * Lowest place in a hole of @set that satisfies @fit; -ENOSPC if there is none.
 * Exact: never misses a place, and never returns one whose offset is wrong.
 * O(log n), and one step more for each hole passed that is long enough but has
 * no aligned place; the set remembers where it ended (@barren), so it writes to
 * @set.  O(1) when the one before was of the same kind, and took its place.
 */
int iova_set_fit(struct iova_set *set, const struct iova_fit *fit,
		 unsigned long *first);

/**
 * struct iova_resv - reserved ranges with their owners
 * @entries: &struct iova_resv_entry sorted by first byte
 */
struct iova_resv {
	struct list_head entries;
};

/**
 * struct iova_resv_entry - one reserved range
 * @item: in &iova_resv.entries
 * @span: the range
 * @owner: who reserved it; compared, never followed.  NULL is an owner too
 * @name: name of the owner for messages, copied, NUL terminated
 * @cover_used: @cover is in the set
 * @cover: node that stands in the area set for the union of overlapping
 *	   entries that begins with this entry
 */
struct iova_resv_entry {
	struct list_head item;
	struct iova_span span;
	const void *owner;
	char name[24];
	bool cover_used;
	struct iova_node cover;
};

void iova_resv_init(struct iova_resv *resv);

/*
 * iova_resv_add() reserves @span for @owner and updates the cover in @set.
 * -ENOMEM; -EADDRINUSE when an *area* of @set is there; nothing changed then.
 * iova_resv_remove() drops everything @owner reserved; never fails.
 * iova_resv_remove_areas() takes all areas from @first to @last out of @set, in a time that
 * depends on the number of those that stay.
 * iova_node_is_cover() tells cover nodes from the nodes of areas.
 * iova_resv_first_in() returns the lowest entry that overlaps @span or NULL.
 * iova_resv_next_hole() sets @hole to the lowest range at or above @from that no
 * entry covers; false if there is none.
 */
int iova_resv_add(struct iova_resv *resv, struct iova_set *set,
		  const struct iova_span *span, const void *owner,
		  const char *name);
void iova_resv_remove(struct iova_resv *resv, struct iova_set *set,
		      const void *owner);
void iova_resv_remove_areas(struct iova_resv *resv, struct iova_set *set,
			    struct iova_node *first, struct iova_node *last);
struct iova_resv_entry *iova_resv_first_in(const struct iova_resv *resv,
					   const struct iova_span *span);
bool iova_resv_next_hole(const struct iova_resv *resv, unsigned long from,
			 struct iova_span *hole);

static inline bool iova_node_is_cover(const struct iova_node *node)
{
	return node->is_cover;
}
#endif
