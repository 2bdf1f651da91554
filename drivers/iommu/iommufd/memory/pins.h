/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What every origin of backings needs around its pins: an array to receive page
 * or folio pointers in, and the way back.
 */
#ifndef __IOMMUFD_MEMORY_PINS_H
#define __IOMMUFD_MEMORY_PINS_H

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/types.h>

struct pfn_runs;

#define PIN_ARRAY_INLINE 16

/**
 * struct pin_array - a temporary array of pointers
 * @slots: the array
 * @room: pointers that fit
 * @few: storage of small arrays
 *
 * 150 bytes, made to stand on the stack.
 */
struct pin_array {
	void **slots;
	unsigned int room;
	void *few[PIN_ARRAY_INLINE];
};

int pin_array_init(struct pin_array *array, unsigned long wanted);
void pin_array_free(struct pin_array *array);

void iommufd_unpin_page(struct page *page, bool dirty);
/*
 * Add pins to a large folio that is pinned: 0 or -ENOMEM.  folio_add_pins() does not look at
 * the count of references, which whoever maps a page of 1 GiB again and again would turn
 * negative.
 */
static inline int iommufd_add_pins(struct folio *folio, unsigned long n)
{
	const unsigned long most = INT_MAX / 2;

	if (n > most || (unsigned int)folio_ref_count(folio) > most - n)
		return -ENOMEM;
	return folio_add_pins(folio, n);
}

void iommufd_unpin_pfns(unsigned long pfn, unsigned long npages, bool dirty);
void iommufd_unpin_runs(struct pfn_runs *runs, bool dirty);

#endif
