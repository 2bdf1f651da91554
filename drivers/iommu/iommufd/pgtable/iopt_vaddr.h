/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Areas whose memory gets another user address, maybe in another process.
 */
#ifndef __IOMMUFD_PGTABLE_IOPT_VADDR_H
#define __IOMMUFD_PGTABLE_IOPT_VADDR_H

#include "../lib/span.h"

struct iommufd_backing;
struct iommufd_iopt;

/* iopt_space.c: 0, or -EBUSY while an area has no valid address.  Space lock held. */
int iopt_check_vaddrs(struct iommufd_iopt *iopt);

/*
 * The addresses of all areas in @span are not valid from now on; their pages stay where
 * they are.  -ENOENT: the range cuts an area; -EINVAL: one is invalid already; -EBUSY: an
 * in-kernel access is attached, or an area is being mapped or unmapped.  *@bytes: how much;
 * 0 is success, too.
 */
int iopt_vaddr_invalidate(struct iommufd_iopt *iopt, const struct iova_span *span,
			  unsigned long *bytes);
/* The same for what begins in @span, see iopt_unmap_begun(). */
int iopt_vaddr_invalidate_begun(struct iommufd_iopt *iopt,
				const struct iova_span *span,
				unsigned long *bytes);

/**
 * struct iopt_vaddr_request - the new address of an area
 * @span: exactly the area
 * @offset: bytes of the memory's first page that lie before it
 * @make: makes a backing of the memory
 * @data: for @make
 */
struct iopt_vaddr_request {
	struct iova_span span;
	unsigned long offset;
	struct iommufd_backing *(*make)(void *data, unsigned long length,
					bool writable);
	void *data;
};

/*
 * -ENOENT: no area; -EINVAL: it has another range, is valid, or the memory cannot be proved
 * to be the same; -EBUSY: another call works on it; what @make and pinning say.
 */
int iopt_vaddr_update(struct iommufd_iopt *iopt,
		      const struct iopt_vaddr_request *rq);
#endif
