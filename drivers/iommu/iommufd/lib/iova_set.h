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

#include <linux/list.h>
#include <linux/rbtree.h>
#include "span.h"

/**
 * struct iova_node - one range of a set, embedded in its user's structure
 * @rb: linkage in &iova_set.tree
 * @span: the range; constant while the node is in a set
 * @hole: bytes between the previous node (or 0) and @span.first
 * @max_hole: largest @hole in the subtree below this node
 */
struct iova_node {
	struct rb_node rb;
	struct iova_span span;
	unsigned long hole;
	unsigned long max_hole;
};

/**
 * struct iova_set - ranges in ascending order, without overlap
 * @tree: the nodes
 */
struct iova_set {
	struct rb_root tree;
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
 * iova_set_next() returns the next higher node or NULL.
 */
int iova_set_insert(struct iova_set *set, struct iova_node *node);
void iova_set_remove(struct iova_set *set, struct iova_node *node);
struct iova_node *iova_set_find(const struct iova_set *set, unsigned long iova);
struct iova_node *iova_set_first_in(const struct iova_set *set,
				    const struct iova_span *span);
struct iova_node *iova_set_next_in(struct iova_node *node,
				   const struct iova_span *span);
struct iova_node *iova_set_next(struct iova_node *node);

#define iova_set_for_each_in(node, set, span)                                  \
	for ((node) = iova_set_first_in(set, span); (node);                    \
	     (node) = iova_set_next_in(node, span))

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

/*
 * Lowest place in a hole of @set that satisfies @fit; -ENOSPC if there is none.
 * Exact: never misses a place, and never returns one whose offset is wrong.
 * O(log n) unless many holes are long enough and none of them aligned; even
 * then the search is bounded by a second pass that asks for
 * length + align - 1 bytes before it looks at every hole.
 */
int iova_set_fit(const struct iova_set *set, const struct iova_fit *fit,
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
 * The caller has checked that no *area* of @set overlaps.  -ENOMEM (nothing
 * changed).  iova_resv_remove() drops everything @owner reserved; never fails.
 * iova_resv_is_cover() tells cover nodes from the nodes of areas.
 * iova_resv_first_in() returns the lowest entry that overlaps @span or NULL.
 * iova_resv_next_hole() sets @hole to the lowest range at or above @from that no
 * entry covers; false if there is none.
 */
int iova_resv_add(struct iova_resv *resv, struct iova_set *set,
		  const struct iova_span *span, const void *owner,
		  const char *name);
void iova_resv_remove(struct iova_resv *resv, struct iova_set *set,
		      const void *owner);
struct iova_resv_entry *iova_resv_first_in(const struct iova_resv *resv,
					   const struct iova_span *span);
bool iova_resv_next_hole(const struct iova_resv *resv, unsigned long from,
			 struct iova_span *hole);
bool iova_node_is_cover(const struct iova_node *node);
#endif
