/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Pins on the rest of a huge page.
 */
#ifndef __IOMMUFD_MEMORY_HUGE_PINS_H
#define __IOMMUFD_MEMORY_HUGE_PINS_H

#include <linux/types.h>

struct mm_struct;
struct page;

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
long iommufd_pin_rest_of_huge_map(struct mm_struct *mm, unsigned long va,
				  const struct page *page, unsigned long npages,
				  bool writable);
#else
static inline long iommufd_pin_rest_of_huge_map(struct mm_struct *mm, unsigned long va,
						const struct page *page,
						unsigned long npages, bool writable)
{
	return 0;
}
#endif

#endif
