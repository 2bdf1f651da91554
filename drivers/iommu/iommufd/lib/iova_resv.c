// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Reserved ranges with their owners, declared in iova_set.h.
 *
 * The entries are a sorted list: there are few of them, and they change only when a
 * device or a page table comes or goes.  Each change takes their cover out of the
 * set of the areas and puts the new one in.  Each entry has a node for the union
 * that begins with it, so the nodes always suffice.
 *
 * No locks: whoever owns the set of the areas serialises.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include "iova_set.h"

/**
 * iova_resv_init - make an empty set of reserved ranges
 * @resv: the set
 */
void iova_resv_init(struct iova_resv *resv)
{
	INIT_LIST_HEAD(&resv->entries);
}

static void take_cover_off(struct iova_resv *resv, struct iova_set *set)
{
	struct iova_resv_entry *entry;

	list_for_each_entry(entry, &resv->entries, item) {
		if (entry->cover_used)
			iova_set_remove(set, &entry->cover);
		entry->cover_used = false;
	}
}

static void put_cover_on(struct iova_resv *resv, struct iova_set *set)
{
	struct iova_resv_entry *entry, *head = NULL;

	/* First find where each union ends ... */
	list_for_each_entry(entry, &resv->entries, item) {
		if (head && entry->span.first <= head->cover.span.last) {
			head->cover.span.last = max(head->cover.span.last,
						    entry->span.last);
			continue;
		}
		head = entry;
		head->cover.span = head->span;
		head->cover_used = true;
	}
	/* ... since a range does not change while it is in the set. */
	list_for_each_entry(entry, &resv->entries, item) {
		if (!entry->cover_used)
			continue;
		entry->cover_used = !iova_set_insert(set, &entry->cover);
		entry->cover.is_cover = true;
	}
}

static bool area_in(const struct iova_set *set, const struct iova_span *span)
{
	struct iova_node *node;

	iova_set_for_each_in(node, set, span)
		if (!iova_node_is_cover(node))
			return true;
	return false;
}

/**
 * iova_resv_add - reserve a range
 * @resv: the reserved ranges
 * @set: set of the areas, which also holds the cover of @resv
 * @span: the range; may overlap other reserved ones
 * @owner: by whom to remove it again
 * @name: name of the owner; the part that fits is copied
 *
 * Context: may sleep to allocate.
 * Return: 0; -EADDRINUSE if an area is there, -ENOMEM.  Nothing changed then.
 */
int iova_resv_add(struct iova_resv *resv, struct iova_set *set,
		  const struct iova_span *span, const void *owner,
		  const char *name)
{
	struct iova_resv_entry *entry, *next;
	struct list_head *before = &resv->entries;

	if (area_in(set, span))
		return -EADDRINUSE;
	entry = kzalloc_obj(*entry, GFP_KERNEL_ACCOUNT);
	if (!entry)
		return -ENOMEM;
	entry->span = *span;
	entry->owner = owner;
	strscpy(entry->name, name);

	take_cover_off(resv, set);
	list_for_each_entry(next, &resv->entries, item) {
		if (next->span.first > span->first) {
			before = &next->item;
			break;
		}
	}
	list_add_tail(&entry->item, before);
	put_cover_on(resv, set);
	return 0;
}

/**
 * iova_resv_remove - drop everything an owner reserved
 * @resv: the reserved ranges
 * @set: set of the areas
 * @owner: the owner; may have reserved nothing
 */
void iova_resv_remove(struct iova_resv *resv, struct iova_set *set,
		      const void *owner)
{
	struct iova_resv_entry *entry, *next;

	take_cover_off(resv, set);
	list_for_each_entry_safe(entry, next, &resv->entries, item) {
		if (entry->owner != owner)
			continue;
		list_del(&entry->item);
		kfree(entry);
	}
	put_cover_on(resv, set);
}

static struct iova_node *keep(struct iova_node *node, struct iova_node *kept)
{
	if (node->is_cover)
		return kept;
	node->kept = kept;
	return node;
}

/**
 * iova_resv_remove_areas - take many areas out of a set at once
 * @resv: the reserved ranges, whose cover stays
 * @set: set of the areas
 * @first: the lowest area that goes
 * @last: the highest one; all between them have to be the caller's, and go, too
 *
 * Those that stay are put into an empty set; what goes is not looked at.
 */
void iova_resv_remove_areas(struct iova_resv *resv, struct iova_set *set,
			    struct iova_node *first, struct iova_node *last)
{
	struct iova_node *node, *kept = NULL;

	for (node = iova_set_last(set); node != last; node = iova_set_prev(node))
		kept = keep(node, kept);
	for (node = iova_set_prev(first); node; node = iova_set_prev(node))
		kept = keep(node, kept);
	iova_set_init(set);
	while ((node = kept)) {
		kept = node->kept;
		iova_set_insert(set, node);
	}
	put_cover_on(resv, set);
}

/**
 * iova_resv_first_in - find the lowest reserved range that overlaps another
 * @resv: the reserved ranges
 * @span: where to look
 *
 * Return: the range, or NULL.
 */
struct iova_resv_entry *iova_resv_first_in(const struct iova_resv *resv,
					   const struct iova_span *span)
{
	struct iova_resv_entry *entry;

	list_for_each_entry(entry, &resv->entries, item)
		if (iova_span_overlaps(&entry->span, span))
			return entry;
	return NULL;
}

/**
 * iova_resv_next_hole - find the lowest range that is not reserved
 * @resv: the reserved ranges
 * @from: where to begin
 * @hole: returns the range, at or above @from
 *
 * Return: true; false if everything from @from on is reserved.
 */
bool iova_resv_next_hole(const struct iova_resv *resv, unsigned long from,
			 struct iova_span *hole)
{
	const struct iova_resv_entry *entry;

	*hole = (struct iova_span){ .first = from, .last = ULONG_MAX };
	list_for_each_entry(entry, &resv->entries, item) {
		if (entry->span.last < hole->first)
			continue;
		if (entry->span.first > hole->first) {
			hole->last = entry->span.first - 1;
			return true;
		}
		if (entry->span.last == ULONG_MAX)
			return false;
		hole->first = entry->span.last + 1;
	}
	return true;
}
