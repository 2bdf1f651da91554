/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The one way to write a range of I/O virtual addresses: first and last byte,
 * both inclusive, so that a range may end at ULONG_MAX and is never empty.
 * Sums on user input are made here and nowhere else.
 */
#ifndef __IOMMUFD_LIB_SPAN_H
#define __IOMMUFD_LIB_SPAN_H

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/types.h>

/**
 * struct iova_span - a range of I/O virtual addresses
 * @first: first byte
 * @last: last byte, inclusive; never below @first
 */
struct iova_span {
	unsigned long first;
	unsigned long last;
};

#define IOVA_SPAN_ALL ((struct iova_span){ .first = 0, .last = ULONG_MAX })

/**
 * iova_span_make - build a span from a start and a length
 * @span: filled on success, untouched on failure
 * @first: first byte
 * @length: length in bytes
 *
 * Return: 0; -EINVAL for a length of zero; -EOVERFLOW when the end does not fit
 * an unsigned long.
 */
static inline int iova_span_make(struct iova_span *span, u64 first, u64 length)
{
	u64 last;

	if (!length)
		return -EINVAL;
	if (check_add_overflow(first, length - 1, &last) || last > ULONG_MAX)
		return -EOVERFLOW;
	span->first = first;
	span->last = last;
	return 0;
}

/* Length in bytes; 0 stands for the whole space, which has no length. */
static inline unsigned long iova_span_len(const struct iova_span *span)
{
	return span->last - span->first + 1;
}

static inline bool iova_span_overlaps(const struct iova_span *a,
				      const struct iova_span *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static inline bool iova_span_contains(const struct iova_span *outer,
				      const struct iova_span *inner)
{
	return outer->first <= inner->first && inner->last <= outer->last;
}
#endif
